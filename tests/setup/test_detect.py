"""What the wizard finds in a directory, in the environment and next door."""

import fcntl
import json
import socket
import threading
from pathlib import Path

import pytest

from proxy_site.setup import detect
from proxy_site.setup.languages import language_of

LOGIN = {"refresh_token": "1//a-refresh-token", "email": "ada@example.com", "expiry_date": 1750000000000}


def found_in(folder: Path, home: Path | None = None, **variables: str) -> dict[str, tuple[int, int]]:
    """Name → (keys, logins) of each source."""
    sources = detect.sources_in(folder, variables, home=home or folder / "nobody")
    return {source.name: (source.keys, len(source.logins)) for source in sources}


def test_an_empty_directory_holds_nothing(tmp_path):
    assert found_in(tmp_path, PATH="/bin", OPENAI_API_KEY="sk-somebody-elses-key") == {}


def test_the_places_of_the_replaced_projects_are_known(tmp_path):
    (tmp_path / "oauth creds").mkdir()
    (tmp_path / "oauth creds" / "one.json").write_text(json.dumps(LOGIN))
    (tmp_path / "oauth creds" / "two.json").write_text(json.dumps({**LOGIN, "email": "bob@example.com"}))
    (tmp_path / "oauth creds" / "ai_studio_keys.txt").write_text("AQ.first-key-in-a-file\nAQ.second-key-in-a-file\n")
    (tmp_path / "tokens.json").write_text(json.dumps(LOGIN))
    (tmp_path / "keys.json").write_text('["AQ.a-key-in-json"]')
    (tmp_path / ".dev.vars").write_text(
        f"GEMINI_API_KEY_1={json.dumps(LOGIN)}\nAI_STUDIO_API_KEYS=AQ.key-of-vars-1,AQ.key-of-vars-2\nOPENAI_API_KEY=sk-clients-own\n"
    )
    home = tmp_path / "home"
    (home / ".gemini").mkdir(parents=True)
    (home / ".gemini" / "oauth_creds.json").write_text(json.dumps(LOGIN))
    assert found_in(tmp_path, home) == {
        "oauth creds": (2, 2),
        "tokens.json": (0, 1),
        "keys.json": (1, 0),
        "~/.gemini/oauth_creds.json": (0, 1),
        ".dev.vars": (2, 1),
    }


def test_variables_that_castor_reads_by_itself_are_not_offered_for_import(tmp_path):
    variables = {"GEMINI_API_KEYS": "AQ.read-at-start", "GEMINI_API_KEY_2": "AQ.also-at-start", "GOOGLE_API_KEY": "AQ.of-others"}
    assert found_in(tmp_path, **variables) == {"environment": (1, 0)}
    assert detect.keys_read_at_start(variables) == 2


def test_files_without_anything_of_use_are_not_named(tmp_path):
    (tmp_path / "keys.txt").write_text("# none yet\n")
    (tmp_path / "tokens.json").write_text("{")
    (tmp_path / "keys.json").write_bytes(b"\xff\xfe")
    assert found_in(tmp_path) == {}


def test_env_and_config_yaml_are_seen(tmp_path):
    (tmp_path / ".env").write_text("PORT=1\n#HOST=x\n")
    (tmp_path / "config.yaml").write_text("")
    around = detect.look_around(tmp_path, tmp_path / ".env", {}, home=tmp_path)
    assert around.settings == {"PORT": "1"}
    assert around.config == tmp_path / "config.yaml"
    assert detect.look_around(tmp_path / "x", tmp_path / "x" / ".env", {}, home=tmp_path).config is None


@pytest.fixture
def neighbour():
    """Listens, and answers whatever it is asked with `neighbour.answer`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        class Neighbour:
            address = f"127.0.0.1:{listener.getsockname()[1]}"
            answer = b""

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(100)
                connection.sendall(Neighbour.answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield Neighbour
        with socket.create_connection(listener.getsockname()):  # Ends the thread of a test that did not ask.
            pass
        thread.join(10)


@pytest.mark.parametrize(
    ("said", "is_one"), [(b"+PONG\r\n", True), (b"-NOAUTH Authentication required", True), (b"HTTP/1.1", False)]
)
def test_a_redis_is_told_by_its_answer(neighbour, said, is_one, tmp_path):
    neighbour.answer = said
    around = detect.look_around(tmp_path, tmp_path / ".env", {"REDIS_URL": f"redis://{neighbour.address}/0"}, home=tmp_path)
    assert (around.redis == neighbour.address) is is_one


def test_a_postgresql_is_told_by_its_answer(neighbour, tmp_path):
    neighbour.answer = b"N"
    around = detect.look_around(
        tmp_path, tmp_path / ".env", {"DATABASE_URL": f"postgres://a:b@{neighbour.address}/c"}, home=tmp_path
    )
    assert around.postgres == neighbour.address


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:x", "", "nowhere"])
def test_where_nobody_listens_nobody_is_found(address):
    assert detect.answers(address, b"PING\r\n", (b"+PONG",)) is False


def test_a_castor_runs_where_its_lock_is_held(tmp_path):
    assert detect.is_running(tmp_path) is False
    with (tmp_path / "castor.lock").open("w") as lock:
        assert detect.is_running(tmp_path) is False
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert detect.is_running(tmp_path) is True


@pytest.mark.parametrize(
    ("asked", "environ", "spoken"),
    [
        (None, {}, "en"),
        (None, {"LANG": "es_ES.UTF-8"}, "es"),
        (None, {"LANG": "es_MX.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        (None, {"LANG": "C", "LC_ALL": "", "LC_MESSAGES": "es"}, "es"),
        (None, {"LANG": "fr_FR.UTF-8"}, "en"),
        ("es", {"LANG": "en_GB.UTF-8"}, "es"),
        ("en", {"LANG": "es_ES.UTF-8"}, "en"),
    ],
)
def test_the_language_is_the_one_asked_for_else_that_of_the_terminal(asked, environ, spoken):
    assert language_of(asked, environ) == spoken
