"""Credentials of the Gemini CLI in the admin: keys and accounts, with the CLI installed and without."""

import os

import pytest

from credentials.accounts import gemini_cli
from credentials.models import ApiKey, Credential, GeminiCli, GoogleLogin, Kind, ProjectSource, Use
from tests.credentials.pages import CANARY, CLI, act, rows

pytestmark = pytest.mark.django_db
KEY = {"key": CANARY, "label": "through the CLI", "project": "p-1", "priority": "0", "weight": "1"}
INLINE = {"served_models-TOTAL_FORMS": "0", "served_models-INITIAL_FORMS": "0"}
CHANGED = {"label": "", "project": "", "enabled": "on", "priority": "0", "weight": "1"}


@pytest.fixture
def installed(tmp_path, settings) -> None:
    """A program stands where the Gemini CLI should be."""
    program = tmp_path / "gemini"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    settings.GEMINI_CLI_PATH = str(program)


@pytest.fixture
def missing(tmp_path, settings) -> None:
    settings.GEMINI_CLI_PATH = str(tmp_path / "gemini")


@pytest.fixture
def by_login(checked) -> GeminiCli:
    one = GeminiCli(email="ada@example.com", use=Use.CODE_ASSIST, secret="1//CANARY-refresh")
    one.accept_terms(by="grace")
    one.save()
    GoogleLogin.objects.create(credential=one, access_token="ya29.CANARY-access")
    return one


def add(admin, **given):
    return admin.post(f"{CLI}add/", KEY | INLINE | given, follow=True)


def test_it_is_found_by_its_path_or_by_its_name(installed, settings, monkeypatch):
    assert gemini_cli.installed()
    monkeypatch.setenv("PATH", os.path.dirname(settings.GEMINI_CLI_PATH), prepend=os.pathsep)
    settings.GEMINI_CLI_PATH = "gemini"
    assert gemini_cli.installed()


def test_what_is_no_program_is_not_installed(tmp_path, settings, missing):
    assert not gemini_cli.installed()
    (tmp_path / "gemini").write_text("no program")
    assert not gemini_cli.installed()


def test_a_key_is_added_for_the_gemini_api_and_checked(admin, checked, installed):
    add(admin)
    one = GeminiCli.objects.get()
    assert (one.secret, one.kind, one.use, one.project_source) == (CANARY, Kind.GEMINI_CLI, Use.GEMINI_API, ProjectSource.TYPED)
    assert checked == [one.pk]


def test_without_the_cli_nothing_is_added_and_it_says_how_to_install_it(admin, checked, missing):
    for page in (add(admin), admin.get(CLI), admin.get(f"{CLI}connect/"), admin.post(f"{CLI}connect/", {"use": "code_assist"})):
        assert "npm install -g @google/gemini-cli" in page.content.decode()
    assert not GeminiCli.objects.exists()


def test_a_key_may_be_used_by_itself_as_well_as_through_the_cli_but_not_twice_through_it(admin, checked, installed):
    ApiKey.objects.create(secret=CANARY)
    add(admin)
    assert GeminiCli.objects.count() == 1
    assert "This key is in the pool already, as through the CLI." in add(admin).content.decode()
    assert (GeminiCli.objects.count(), Credential.objects.count()) == (1, 2)


def test_a_key_is_replaced_and_never_shown(admin, checked, installed):
    add(admin)
    address = f"{CLI}{GeminiCli.objects.get().pk}/change/"
    assert "CANARY" not in admin.get(address).content.decode()
    admin.post(address, CHANGED | INLINE | {"key": "AQ.another-0123456789"})
    after = GeminiCli.objects.get()
    assert (after.secret, after.masked, after.project) == ("AQ.another-0123456789", "AQ.an…6789", "")


def test_a_stored_credential_can_be_changed_while_the_cli_is_missing_and_its_page_says_so(admin, checked, missing):
    one = GeminiCli.objects.create(secret=CANARY, use=Use.GEMINI_API)
    address = f"{CLI}{one.pk}/change/"
    assert "The Gemini CLI is not installed here" in admin.get(address).content.decode()
    admin.post(address, CHANGED | INLINE | {"label": "renamed"})
    assert GeminiCli.objects.get().label == "renamed"


def test_an_account_has_no_key_but_an_oauth_client(admin, by_login, installed):
    form = admin.get(f"{CLI}{by_login.pk}/change/").context["adminform"].form
    assert "key" not in form.fields
    assert "client_id" in form.fields
    admin.post(f"{CLI}{by_login.pk}/change/", CHANGED | INLINE | {"project": "p-2"})
    assert GoogleLogin.objects.get().project == "p-2"


def test_both_sorts_stand_in_one_list(admin, by_login, installed):
    GeminiCli.objects.create(secret="AQ.listed-0123456789", use=Use.GEMINI_API)
    page = rows(admin.get(CLI))
    assert "ada@example.com" in page
    assert "AQ.li…6789" in page
    assert "CANARY" not in page


def test_bulk_actions_are_those_of_keys(admin, by_login, installed):
    key = GeminiCli.objects.create(secret="AQ.listed-0123456789", use=Use.GEMINI_API)
    assert act(admin, "set_weight", by_login, key, url=CLI, weight="3") == ["2 credentials are of weight 3 now."]
    assert act(admin, "set_project", by_login, key, url=CLI, project="p-9") == ["2 credentials are of project p-9 now."]
    assert (GeminiCli.objects.get(pk=key.pk).project, GoogleLogin.objects.get().project) == ("p-9", "p-9")


def test_a_login_for_it_is_for_code_assist_alone(admin, installed, settings):
    settings.GOOGLE_OAUTH_CLIENT_ID = "castor-test-client"
    page = admin.get(f"{CLI}connect/").content.decode()
    assert 'value="code_assist"' in page
    assert 'value="gemini_api"' not in page
    answer = admin.post(f"{CLI}connect/", {"use": "code_assist", "terms": "on"})
    assert answer.url == "/auth/login?kind=gemini_cli&use=code_assist&project=&label="


def test_who_would_serve_counts_on_it_only_where_it_is_installed(admin, by_login, installed, settings):
    address = f"{CLI}who_would_serve/?model=gemini-3.8-flash"
    assert admin.get(address).context["asked_number"] == 1
    settings.GEMINI_CLI_PATH = "/no/such/program"
    shown = admin.get(address)
    assert shown.context["asked_number"] == 0
    assert "The Gemini CLI is not installed here" in shown.content.decode()


def test_deleting_asks_about_a_login_only_where_there_is_one(admin, by_login, installed):
    key = GeminiCli.objects.create(secret="AQ.listed-0123456789", use=Use.GEMINI_API)
    asks = ["Also revoke the login" in admin.get(f"{CLI}{pk}/delete/").content.decode() for pk in (by_login.pk, key.pk)]
    assert asks == [True, False]
    admin.post(f"{CLI}{key.pk}/delete/", {"post": "yes", "revoke": "1"})
    assert set(GeminiCli.objects.all()) == {by_login}
