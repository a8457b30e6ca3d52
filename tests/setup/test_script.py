"""`setup --non-interactive`: the same by flags, for scripts. What is missing or wrong is one sentence, and changes nothing."""

import json
import subprocess
import sys

import pytest

from tests import postgresql
from tests.house.castor import HOME, free_port, running
from tests.house.waiting import eventually
from tests.setup.terminal import KEPT_OUT, KEY, Place, curl_of, run_curl


def refusal(place: Place, *arguments: str) -> str:
    """What is said, once it is certain that nothing was done."""
    before = place.files()
    done = place.script(*KEPT_OUT, *arguments)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1, done.stderr
    assert place.files() == before
    assert not (place.var / "castor.sqlite3").exists()
    return done.stderr.removeprefix("CommandError: ").strip()


def test_one_command_sets_everything_up(place):
    port = str(free_port())
    flags = ["--host", "127.0.0.1", "--port", port, "--max-concurrent", "4", "--max-retries", "1", "--timeout", "99"]
    people = ["--admin", "ada", "--admin-password", "a-password-of-my-own", "--token", "yes"]
    mode = ["--mode", "combined", "--prefer-keys-for-pro", "yes"]
    done = place.script(*KEPT_OUT, *flags, *people, *mode, "--keys", "-", typed=f"{KEY}\ntest-key-2\n")
    assert done.returncode == 0, done.stderr
    assert place.env.read_text() == (
        "# Written by manage.py setup\n"
        f"PORT={port}\nCREDENTIAL_MODE=combined\nPREFER_AI_STUDIO_FOR_PRO=true\nMAX_CONCURRENT=4\nMAX_RETRIES=1\nTIMEOUT=99\n"
    )
    assert "a-password-of-my-own" not in done.stdout
    assert place.ask_database("[user.username for user in User.objects.all()]") == "['ada']"
    assert place.ask_database("User.objects.get().check_password('a-password-of-my-own')") == "True"
    assert place.ask_database("settings.PREFER_AI_STUDIO_FOR_PRO, settings.CREDENTIAL_MODE") == "(True, 'combined')"
    again = place.script(*KEPT_OUT, *flags, *people[:2], *mode)
    assert "Nothing is to be changed." in again.stdout
    assert place.census() == "[2, 1, 1]"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--keys"),
        (["--keys", "short"], "--keys"),
        (["--keys", "AQ.nobody-knows-this-key"], "Google takes none"),
        (["--keys", KEY, "--port", "eighty"], "--port"),
        (["--keys", KEY, "--port", "70000"], "--port"),
        (["--keys", KEY, "--mode", "sometimes"], "--mode"),
        (["--keys", KEY, "--max-retries", "-1"], "--max-retries"),
        (["--keys", KEY, "--max-concurrent", "0"], "--max-concurrent"),
        (["--keys", KEY, "--admin", "two words"], "--admin"),
        (["--keys", KEY, "--admin-password", "1234"], "--admin-password"),
        (["--keys", KEY, "--token", "perhaps"], "--token"),
        (["--keys", KEY, "--import", "tokens.json"], "tokens.json"),
        (["--keys", KEY, "--connect", "code_assist"], "--acknowledge-terms"),
        (["--keys", KEY, "--connect", "gemini_api"], "--project"),
        (["--keys", KEY, "--connect", "gemini_api", "--project", "no project"], "--project"),
        (["--keys", KEY, "--database", "postgres://castor:secret-word@127.0.0.1:9/castor"], "--database"),
        (["--keys", KEY, "--database", "mysql://x"], "--database"),
        (["--keys", KEY, "--redis", "redis://127.0.0.1:9/0"], "--redis"),
        (["--keys", KEY, "--redis", "nonsense"], "--redis"),
    ],
)
def test_what_is_missing_or_wrong_is_one_sentence(place, arguments, named):
    said = refusal(place, *arguments)
    assert named in said
    assert "secret-word" not in said


def test_an_oauth_client_is_asked_for_where_there_is_none(tmp_path, google):
    bare = Place(tmp_path, GOOGLE_GEMINI_BASE_URL=google.url)
    assert "GOOGLE_OAUTH_CLIENT_ID" in refusal(bare, "--connect", "gemini_api", "--keys", KEY)


def test_a_spanish_terminal_is_answered_in_spanish(place):
    assert refusal(place, "--lang", "es").startswith("No hay con qué atender")


def test_what_the_environment_gives_is_not_written_where_it_would_not_count(tmp_path, google):
    place = Place(tmp_path, GOOGLE_GEMINI_BASE_URL=google.url, MAX_RETRIES="4")
    assert "MAX_RETRIES is set in the environment" in refusal(place, "--keys", KEY, "--max-retries", "5")


def test_without_a_terminal_it_says_how_to_go_on(place):
    done = subprocess.run([sys.executable, HOME / "manage.py", "setup"], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env=place._environment, cwd=place.folder, check=False)  # fmt: skip
    assert done.returncode == 1
    assert "--non-interactive" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_login_link_is_made_for_an_acknowledged_account_alone(place, google):
    done = place.script(*KEPT_OUT, "--connect", "code_assist", "--acknowledge-terms")
    assert done.returncode == 0, done.stderr
    assert "/auth/login?link=" in done.stdout
    assert place.ask_database("LoginLink.objects.get().terms_accepted_by.startswith('setup by ')") == "True"


def test_found_credentials_and_a_config_yaml_are_taken_over(place, google):
    place.lay_down_a_login(google)
    (place.folder / "config.yaml").write_text("fallback_keys: [test-key-3]\nrate_limit_settings: {max_retries: 6}\n")
    (place.folder / ".dev.vars").write_text("GOOGLE_API_KEY=test-key-4\n")
    done = place.script(*KEPT_OUT, "--import", "all", "--acknowledge-terms", "--config-yaml", "yes")
    assert done.returncode == 0, done.stderr
    kinds = place.ask_database("sorted((c.kind, c.priority, c.enabled) for c in Credential.objects.all())")
    assert kinds == "[('api_key', -10, True), ('api_key', 0, True), ('api_key', 0, True), ('oauth', 0, True)]"
    assert place.ask_database("settings.MAX_RETRIES") == "6"
    assert str(place.folder / "config.yaml") in place.env.read_text()
    assert (place.folder / "keys.txt").read_text() == f"{KEY}\n"


def test_a_castor_that_is_running_serves_at_once_from_what_is_added(place):
    place.env.write_text(f"PORT={free_port()}\n")
    with running(place.var, **place.settings) as castor:
        done = place.script(*KEPT_OUT, "--keys", KEY, "--token", "yes", "--max-retries", "2")
        assert done.returncode == 0, done.stderr
        assert "Castor is running: start it anew" in done.stdout
        assert curl_of(done.stdout)[1] == f"{castor.root}/v1/chat/completions"
        eventually(lambda: run_curl(done.stdout)[0] == 200, "served with the new key and the new token")


def test_a_name_that_is_no_admin_s_is_refused_before_anything_is_written(place):
    assert place.script(*KEPT_OUT, "--keys", KEY).returncode == 0
    place.ask_database("User.objects.all().delete(), User.objects.create_user('bob')")
    done = place.script(*KEPT_OUT, "--admin", "bob", "--max-retries", "5")
    assert done.returncode == 1
    assert "is no admin" in done.stderr
    assert not place.env.exists()


def test_an_env_file_that_cannot_be_written_is_one_sentence(place):
    place.env.mkdir()
    done = place.script(*KEPT_OUT, "--keys", KEY, "--max-retries", "5")
    assert done.returncode == 1
    assert str(place.env) in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(postgresql.missing() is not None, reason=postgresql.missing() or "")
def test_with_postgresql_go_the_secrets_that_sqlite_keeps_by_itself(place):
    cluster = postgresql.Cluster()
    try:
        cluster.start()
        done = place.script("--redis", "none", "--database", cluster.url, "--keys", KEY)
        assert done.returncode == 0, done.stderr
        kept = json.loads((place.var / "secrets.json").read_text())
        values = dict(line.split("=", 1) for line in place.env.read_text().splitlines() if "=" in line)
        assert values == {"DATABASE_URL": cluster.url, **kept}
        assert place.ask_database("settings.EMBEDDED, Credential.objects.get().secret") == f"(False, '{KEY}')"
        assert not (place.var / "castor.sqlite3").exists()
        back = place.script("--redis", "none", "--database", "sqlite", "--keys", KEY)
        assert back.returncode == 0, back.stderr
        assert place.ask_database("settings.EMBEDDED, Credential.objects.get().secret") == f"(True, '{KEY}')"
    finally:
        cluster.remove()
