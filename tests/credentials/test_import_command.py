"""`manage.py import_credentials` with the files of other tools: what it reads, what it says, how it ends."""

import getpass
import io
import json
import sys

import pytest
from django.core.management import CommandError, call_command

from credentials.models import ApiKey, Credential, GoogleAccount, Use
from tests.credentials.login_samples import (
    CLIENT,
    REFRESH,
    SECRET,
    archive,
    of_cli_proxy_api,
    of_gcli2api,
    of_gcloud,
    of_the_cli,
)

pytestmark = pytest.mark.django_db
ADA, KEY = "ada@example.com", "AQ.invented-key-0123456789"
NEWER = "1//0g-another-refresh-token"


@pytest.fixture(autouse=True)
def own_client(settings):
    settings.GOOGLE_OAUTH_CLIENT_ID, settings.GOOGLE_OAUTH_CLIENT_SECRET = "castor-test-client", "castor-test-secret"
    settings.GOOGLE_OAUTH_TOKEN_URL = settings.GOOGLE_OAUTH_USERINFO_URL = "http://127.0.0.1:9/"


def run(*args) -> str:
    """What it prints; of a run that fails, that and the reason."""
    out = io.StringIO()
    try:
        call_command("import_credentials", *map(str, args), stdout=out, stderr=out)
    except CommandError as error:
        out.write(f"FAILED {error}")
    return out.getvalue()


def write(path, *documents) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(document) for document in documents))


def test_the_cli_s_login_is_read_with_the_address_that_lies_beside_it(tmp_path):
    write(tmp_path / "oauth_creds.json", of_the_cli(email=""))
    write(tmp_path / "google_accounts.json", {"active": ADA, "old": []})
    output = run(tmp_path / "oauth_creds.json")
    assert f"new: {tmp_path}/oauth_creds.json: {ADA} for Code Assist; written by the Gemini CLI" in output
    assert "1 added, 0 there already, 0 malformed." in output
    assert "nobody has verified it" in output
    assert GoogleAccount.objects.get().email == ADA


def test_without_an_acknowledgement_the_account_is_stored_disabled_and_the_reason_is_told(tmp_path):
    write(tmp_path / "login.json", of_the_cli())
    would, did = run("--dry-run", tmp_path / "login.json"), run(tmp_path / "login.json")
    assert f"Would be stored disabled: {ADA}." in would
    assert f"\nStored disabled: {ADA}." in did
    assert "--acknowledge-terms" in did
    assert "Google forbids other programs to use it" in did
    assert not GoogleAccount.objects.get().enabled


def test_an_acknowledgement_is_recorded_with_who_gave_it(tmp_path, monkeypatch):
    monkeypatch.setattr(getpass, "getuser", lambda: "grace")
    write(tmp_path / "login.json", of_the_cli())
    assert "disabled" not in run("--acknowledge-terms", tmp_path / "login.json")
    account = GoogleAccount.objects.get()
    assert (account.enabled, account.terms_accepted_by) == (True, "import_credentials by grace")


def test_who_has_no_name_is_recorded_by_number(tmp_path, monkeypatch):
    def nameless():
        raise KeyError("getpwuid(): uid not found: 4711")

    monkeypatch.setattr(getpass, "getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 4711)
    write(tmp_path / "login.json", of_the_cli())
    run("--acknowledge-terms", tmp_path / "login.json")
    assert GoogleAccount.objects.get().terms_accepted_by == "import_credentials by user 4711"


def test_the_use_and_the_project_may_be_said(tmp_path):
    write(tmp_path / "login.json", of_the_cli())
    run("--use", "gemini_api", "--project", "given", tmp_path / "login.json")
    account = GoogleAccount.objects.get()
    assert (account.use, account.project, account.enabled) == (Use.GEMINI_API, "given", True)


def test_a_dry_run_stores_nothing_and_asks_nobody(tmp_path, google, settings):
    settings.GOOGLE_OAUTH_TOKEN_URL = google.settings()["GOOGLE_OAUTH_TOKEN_URL"]
    write(tmp_path / "export.json", of_gcli2api())
    output = run("--dry-run", tmp_path / "export.json")
    assert "1 would be added" in output
    assert "Google is asked when it is taken in" in output
    assert not google.log
    assert not Credential.objects.exists()


def test_a_directory_brings_its_logins_those_of_oauth_creds_and_the_key_files_beside_it(tmp_path):
    write(tmp_path / "oauth creds" / "ada.json", of_the_cli())
    write(tmp_path / "oauth creds" / "bob.json", of_the_cli("bob@example.com", NEWER))
    (tmp_path / "ai_studio_keys.txt").write_text(f"{KEY}-1\n{KEY}-2\n")
    (tmp_path / "keys.txt").write_text(f"{KEY}-2\n{KEY}-3\n")
    write(tmp_path / "keys.json", [f"{KEY}-4"])
    (tmp_path / "README.txt").write_text("These-words-are-no-keys at-all-but-look-like-them")
    write(tmp_path / "settings.json", {"theme": "dark"})
    (tmp_path / ".hidden.json").write_text("broken")
    output = run(tmp_path)
    assert "6 added, 1 there already, 0 malformed." in output
    assert f"{tmp_path}/keys.txt: 1 new, 1 there already\n" in output
    assert ApiKey.objects.count() == 4
    assert set(GoogleAccount.objects.values_list("email", flat=True)) == {ADA, "bob@example.com"}


def test_an_export_and_a_login_in_env_form_are_read(tmp_path):
    (tmp_path / "credentials.zip").write_bytes(archive({"ada.json": json.dumps(of_cli_proxy_api())}))
    (tmp_path / ".dev.vars").write_text(f"GEMINI_API_KEY_1='{json.dumps(of_the_cli('bob@example.com', NEWER))}'")
    output = run(tmp_path / "credentials.zip", tmp_path / ".dev.vars")
    assert f"new: {tmp_path}/credentials.zip/ada.json: {ADA} for Code Assist; written by CLIProxyAPI" in output
    assert "2 added" in output


def test_known_accounts_are_updated_once(tmp_path):
    write(tmp_path / "login.json", of_the_cli())
    write(tmp_path / "later.json", of_the_cli(refresh_token=NEWER))
    run(tmp_path / "login.json")
    output = run(tmp_path / "later.json")
    assert f"updates: {tmp_path}/later.json: {ADA} replaces the tokens of {ADA}" in output
    assert "0 added, 1 updated, 0 there already, 0 malformed." in output
    assert "1 there already" in run(tmp_path / "later.json")
    assert GoogleAccount.objects.get().secret == NEWER


def test_bad_files_are_named_with_the_reason_and_the_good_ones_go_in(tmp_path):
    write(tmp_path / "client_secret.json", {"installed": CLIENT})
    write(tmp_path / "robot.json", {"type": "service_account", "private_key": SECRET})
    write(tmp_path / "good.json", of_the_cli())
    (tmp_path / "broken.zip").write_bytes(archive({"a.json": "{}"})[:50])
    output = run(tmp_path, tmp_path / "absent.json")
    assert f"malformed: {tmp_path}/client_secret.json: … an OAuth client, not a login: put its client_id" in output
    assert f"malformed: {tmp_path}/robot.json: … a service account's key" in output
    assert f"malformed: {tmp_path}/broken.zip: … a broken archive" in output
    assert f"{tmp_path}/absent.json: skipped: No such file or directory" in output
    assert "FAILED Nothing could be taken in from 4 of 5 files" in output
    assert GoogleAccount.objects.count() == 1
    assert SECRET not in output


def test_a_login_about_which_google_cannot_be_asked_is_named_and_skipped(tmp_path):
    write(tmp_path / "nameless.json", of_gcloud())
    write(tmp_path / "good.json", of_the_cli())
    output = run(tmp_path / "nameless.json", tmp_path / "good.json")
    assert f"malformed: {tmp_path}/nameless.json: 1//0g…oken it does not say whose account it is, and Google cannot" in output
    assert "FAILED Nothing could be taken in from 1 of 2 files" in output
    assert GoogleAccount.objects.count() == 1


def test_a_directory_without_anything_of_use_and_an_empty_file_are_said(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.json").write_text("")
    assert f"{tmp_path}/empty: skipped: no file in it is JSON" in run(tmp_path / "empty")
    assert f"{tmp_path}/empty.json: no key and no login in it" in run(tmp_path / "empty.json")


def test_the_standard_input_may_be_a_login(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(json.dumps(of_the_cli())))
    assert "new: -: ada@example.com" in run("-")


def test_no_secret_is_printed_whatever_becomes_of_it(tmp_path):
    write(tmp_path / "a.json", [of_the_cli(), of_gcli2api(), of_cli_proxy_api(), of_gcloud(), {"refresh_token": f"{SECRET} x"}])
    output = run("--dry-run", tmp_path / "a.json") + run(tmp_path / "a.json")
    assert not [secret for secret in (REFRESH, SECRET, CLIENT["client_id"]) if secret in output]
