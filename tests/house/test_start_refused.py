"""What is wrong before a start is one plain sentence and status 1, and nothing has been started."""

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from tests.house.castor import environment, free_port, processes_of, running, start_and_fail


def refusal(var: Path, **settings: str) -> str:
    status, said = start_and_fail(var, **{"PORT": str(free_port()), **settings})
    assert status == 1
    assert said.endswith("\n")
    assert said.count("\n") == 1, said
    assert processes_of(var) == []
    return said


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"PORT": "eighty"}, "PORT"),
        ({"PORT": "70000"}, "PORT"),
        ({"MAX_RETRIES": "many"}, "MAX_RETRIES"),
        ({"TIMEOUT": "-1"}, "TIMEOUT"),
        ({"ALLOW_ANONYMOUS": "perhaps"}, "ALLOW_ANONYMOUS"),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too short"),
        ({"SECRET_KEY": "change-me-to-something-long-and-random"}, "SECRET_KEY is a sample"),
        ({"SECRET_KEY": "x" * 40}, "SECRET_KEY is a sample"),
        ({"CREDENTIAL_ENCRYPTION_KEYS": "not-a-fernet-key"}, "CREDENTIAL_ENCRYPTION_KEYS"),
        ({"DATABASE_URL": "sqlite:////nowhere/castor.sqlite3"}, "DATABASE_URL"),
        ({"DATABASE_URL": "postgres://castor@127.0.0.1:9/castor"}, "CREDENTIAL_ENCRYPTION_KEYS"),
        ({"HOST": "203.0.113.1"}, "HOST"),
    ],
)
def test_a_bad_value_is_named(tmp_path, settings, named):
    assert named in refusal(tmp_path / "var", **settings)


def test_a_bad_value_in_the_env_file_is_named(tmp_path):
    (tmp_path / "env").write_text("MAX_BODY_BYTES=a lot\n")
    assert "MAX_BODY_BYTES" in refusal(tmp_path / "var", CASTOR_ENV_FILE=str(tmp_path / "env"))


def test_a_database_that_does_not_answer_is_told_from_a_wrong_setting(tmp_path):
    secrets = {"SECRET_KEY": "only for this test " * 3, "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
    said = refusal(tmp_path / "var", DATABASE_URL="postgres://castor@127.0.0.1:9/castor", **secrets)
    assert "DATABASE_URL" in said


def test_a_port_that_is_taken_is_named(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        said = refusal(tmp_path / "var", PORT=port)
    assert port in said
    assert "PORT" in said


def file_in_its_place(var: Path) -> None:
    var.write_text("")


def file_in_the_place_of_its_parent(var: Path) -> None:
    var.parent.write_text("")


def folder_in_the_place_of_its_lock(var: Path) -> None:
    (var / "castor.lock").mkdir(parents=True)


@pytest.mark.parametrize("obstacle", [file_in_its_place, file_in_the_place_of_its_parent, folder_in_the_place_of_its_lock])
def test_a_directory_that_cannot_be_used_is_named(tmp_path, obstacle: Callable[[Path], None]):
    var = tmp_path / "castor" / "var"
    if obstacle is not file_in_the_place_of_its_parent:
        var.parent.mkdir()
    obstacle(var)
    said = refusal(var)
    assert str(var) in said
    assert "CASTOR_VAR" in said


def test_kept_secrets_that_are_damaged_are_not_replaced(tmp_path):
    var = tmp_path / "var"
    var.mkdir()
    (var / "secrets.json").write_text("{")
    assert "secrets.json" in refusal(var)
    assert (var / "secrets.json").read_text() == "{"


def test_an_encryption_key_that_is_not_that_of_the_stored_credentials_is_said(tmp_path):
    var = tmp_path / "var"
    with running(var, PORT=str(free_port()), GEMINI_API_KEYS="AQ.a-key-for-the-test-of-keys") as castor:
        castor.stop()
    said = refusal(var, CREDENTIAL_ENCRYPTION_KEYS=Fernet.generate_key().decode())
    assert "CREDENTIAL_ENCRYPTION_KEYS" in said


def test_a_second_one_on_the_same_directory_is_refused_and_the_first_goes_on(tmp_path):
    var = tmp_path / "var"
    with running(var, PORT=str(free_port())) as castor:
        status, said = start_and_fail(var, PORT=str(free_port()))
        assert (status, said.count("\n")) == (1, 1)
        assert "Another Castor" in said
        assert castor.process.poll() is None


def test_the_environment_of_these_tests_is_not_the_developers():
    assert set(environment(Path("var"))) <= {"PATH", "LANG", "HOME", "CASTOR_VAR", "CASTOR_ENV_FILE", "PYTHONUNBUFFERED"}
