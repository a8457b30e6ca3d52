"""Google logins on their way into the pool: compared by account, asked about where need be, and never taken in twice."""

import json
import logging
import time

import pytest
from django.db.models import TextField
from django.db.models.functions import Cast

from credentials import startup
from credentials.accounts import oauth
from credentials.accounts.importing.files import read_files
from credentials.accounts.importing.intake import accounts_of
from credentials.accounts.oauth import OAuthUnavailable, Tokens
from credentials.accounts.saving import save_login
from credentials.findings import Report, Verdict
from credentials.importing import examine, take_in
from credentials.models import Credential, GoogleAccount, ImportedLogin, Use
from tests.credentials.login_samples import CLIENT, REFRESH, SECRET, of_cli_proxy_api, of_gcli2api, of_gcloud, of_the_cli

pytestmark = pytest.mark.django_db
ADA, BOB = "ada@example.com", "bob@example.com"
NEWER = "1//0g-another-refresh-token"
KEY = "AQ.invented-key-0123456789"


@pytest.fixture(autouse=True)
def nobody_is_asked(settings):
    """Whoever asks Google without the simulator is refused at once."""
    for name in ("TOKEN", "USERINFO", "REVOKE"):
        setattr(settings, f"GOOGLE_OAUTH_{name}_URL", "http://127.0.0.1:9/")


@pytest.fixture
def simulator(google, settings):
    for name, value in google.settings().items():
        setattr(settings, name, value)
    google.add_user(ADA, project="ada-project")
    return google


def look(*documents, **options) -> Report:
    return examine(read_files((f"{n}.json", json.dumps(document).encode()) for n, document in enumerate(documents, 1)), **options)


def verdicts(report: Report) -> list[str]:
    return [finding.verdict.value for finding in report.findings]


def asked(simulator) -> list[str]:
    return [call.method for call in simulator.log]


class TestComparing:
    def test_an_account_is_one_however_its_address_is_written_and_whoever_wrote_the_file(self):
        report = look(of_the_cli(), of_cli_proxy_api(email="ADA@Example.com"), of_the_cli(email=BOB))
        assert verdicts(report) == ["new", "duplicate", "new"]
        assert report.findings[1].note == "the same account as in 1.json"
        assert not Credential.objects.exists()

    def test_of_several_logins_of_one_account_the_newest_is_taken(self):
        report = look(of_the_cli(), of_the_cli(refresh_token=NEWER, expiry_date=1_900_000_000_000))
        assert verdicts(report) == ["duplicate", "new"]
        assert report.findings[0].note == "a newer login of the same account is in 2.json"

    def test_two_uses_of_one_account_are_two(self):
        take_in(look(of_the_cli()))
        assert verdicts(look(of_the_cli(), use=Use.GEMINI_API)) == ["new"]

    def test_another_token_of_a_known_account_updates_it(self):
        take_in(look(of_the_cli()))
        report = look(of_the_cli(refresh_token=NEWER))
        assert (verdicts(report), report.findings[0].masked) == (["updates"], ADA)
        assert report.findings[0].note.startswith(f"replaces the tokens of {ADA}; for Code Assist; written by the Gemini CLI")

    def test_a_report_shows_no_secret(self):
        report = look(of_the_cli(), of_gcli2api(), of_gcloud(), {"type": "service_account", "private_key": SECRET})
        text = repr([(finding.masked, finding.note, finding.candidate) for finding in report.findings])
        assert not [secret for secret in (REFRESH, SECRET, CLIENT["client_id"]) if secret in text]

    @pytest.mark.parametrize(
        ("client_id", "document", "said"),
        [
            ("", of_the_cli(), "cannot be renewed before GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET are set"),
            ("mine", of_the_cli(), "made with another OAuth client than GOOGLE_OAUTH_CLIENT_ID"),
            ("the-cli", of_the_cli(), "written by the Gemini CLI"),
            ("mine", of_cli_proxy_api(), "brings its own OAuth client"),
        ],
    )
    def test_the_report_says_by_which_client_a_login_can_be_renewed(self, settings, client_id, document, said):
        settings.GOOGLE_OAUTH_CLIENT_ID = client_id
        assert look(document).findings[0].note.split("; ")[-1].startswith(said)

    def test_keys_and_logins_are_taken_in_together_and_checked_together(self, checked):
        assert take_in(look({"keys": [KEY]}, of_gcli2api(email=ADA)), terms_accepted_by="root") == 2
        assert sorted(checked) == sorted(Credential.objects.values_list("pk", flat=True))


class TestSaving:
    def test_all_that_the_file_says_is_stored_and_secrets_are_sealed(self):
        take_in(look(of_cli_proxy_api()), terms_accepted_by="import_credentials by ada", priority=3)
        account = GoogleAccount.objects.get()
        assert (account.email, account.use, account.secret, account.enabled) == (ADA, Use.CODE_ASSIST, REFRESH, True)
        assert (account.terms_accepted_by, account.priority) == ("import_credentials by ada", 3)
        login = account.login
        assert (login.client_id, login.client_secret, login.project) == (*CLIENT.values(), "ada-project")
        sealed = GoogleAccount.objects.annotate(sealed=Cast("secret", TextField())).values_list("sealed", flat=True)[0]
        assert REFRESH not in sealed

    def test_a_login_for_the_gemini_api_brings_the_project_whose_quota_it_uses(self):
        take_in(look(of_gcloud() | {"email": ADA}), project="not-this-one")
        account = GoogleAccount.objects.get()
        assert (account.use, account.project, account.enabled) == (Use.GEMINI_API, "ada-project", True)

    def test_without_an_acknowledgement_a_code_assist_account_is_stored_disabled_and_not_checked(self, checked):
        report = look(of_the_cli())
        assert take_in(report, project="given") == 1
        account = GoogleAccount.objects.get()
        assert (account.enabled, account.terms_accepted_at, account.login.project) == (False, None, "given")
        assert list(accounts_of(report).lacking_terms()) == [account]
        assert checked == []

    def test_an_acknowledgement_that_comes_later_enables_what_was_waiting_for_it(self, checked):
        take_in(look(of_the_cli()))
        assert take_in(look(of_the_cli()), terms_accepted_by="root") == 1
        account = GoogleAccount.objects.get()
        assert (account.enabled, account.terms_accepted_by, checked) == (True, "root", [account.pk])

    def test_an_account_that_an_admin_has_disabled_stays_so(self):
        take_in(look(of_the_cli()), terms_accepted_by="root")
        GoogleAccount.objects.update(enabled=False, label="mine", priority=7)
        take_in(look(of_the_cli(refresh_token=NEWER)), terms_accepted_by="root")
        take_in(look(of_the_cli()), terms_accepted_by="root")
        account = GoogleAccount.objects.get()
        assert (account.enabled, account.label, account.priority, account.secret) == (False, "mine", 7, NEWER)

    def test_what_was_taken_in_once_never_again_replaces_what_the_account_has_now(self):
        take_in(look(of_the_cli()))
        save_login(email=ADA, tokens=Tokens("", 0.0, NEWER), use=Use.CODE_ASSIST)
        report = look(of_the_cli())
        assert verdicts(report) == ["duplicate"]
        assert "what the account has now is left alone" in report.findings[0].note
        take_in(report)
        assert GoogleAccount.objects.get().secret == NEWER

    def test_a_login_that_was_made_here_and_then_imported_is_remembered_as_well(self):
        save_login(email=ADA, tokens=Tokens("", 0.0, REFRESH), use=Use.CODE_ASSIST)
        take_in(look(of_the_cli()))
        save_login(email=ADA, tokens=Tokens("", 0.0, NEWER), use=Use.CODE_ASSIST)
        assert verdicts(look(of_the_cli())) == ["duplicate"]

    def test_a_deleted_account_may_be_imported_again(self):
        take_in(look(of_the_cli()))
        GoogleAccount.objects.get().delete()
        assert not ImportedLogin.objects.exists()
        assert verdicts(look(of_the_cli())) == ["new"]


class TestAsking:
    """Of logins that do not say whose they are."""

    def login(self, simulator, **more) -> dict:
        tokens = simulator.login(ADA)
        return of_the_cli(email="", refresh_token=tokens.refresh_token, access_token=tokens.access_token, **more)

    def test_a_dry_run_asks_nobody_and_says_so(self, simulator):
        report = look(self.login(simulator))
        assert verdicts(report) == ["new"]
        assert "whose account it is, Google is asked when it is taken in" in report.findings[0].note
        assert asked(simulator) == []

    def test_a_dry_run_cannot_be_taken_in(self):
        with pytest.raises(ValueError, match="with its account's address"):
            take_in(look(of_the_cli(email="")))
        assert not Credential.objects.exists()

    def test_google_says_whose_it_is_after_one_renewal(self, simulator):
        take_in(look(self.login(simulator), ask_google=True))
        assert asked(simulator) == ["token", "userinfo"]
        account = GoogleAccount.objects.get()
        assert account.email == ADA
        assert account.login.access_token == simulator.log[-1].key

    def test_an_access_token_that_still_holds_needs_no_renewal(self, simulator):
        take_in(look(self.login(simulator, expiry_date=(time.time() + 3000) * 1000), ask_google=True))
        assert asked(simulator) == ["userinfo"]
        assert GoogleAccount.objects.get().email == ADA

    def test_an_access_token_that_only_claims_to_hold_is_renewed(self, simulator):
        document = self.login(simulator, expiry_date=(time.time() + 3000) * 1000)
        simulator.expire_access(ADA)
        take_in(look(document, ask_google=True))
        assert asked(simulator) == ["userinfo", "token", "userinfo"]
        assert GoogleAccount.objects.get().email == ADA

    def test_a_refresh_token_that_google_replaces_on_the_way_is_kept_and_the_old_one_remembered(self, simulator):
        simulator.rotate_refresh_tokens = True
        document = self.login(simulator)
        take_in(look(document, ask_google=True))
        assert GoogleAccount.objects.get().secret not in ("", document["refresh_token"])
        simulator.log.clear()
        report = look(document, ask_google=True)
        assert (verdicts(report), asked(simulator)) == (["duplicate"], [])

    def test_the_same_login_in_two_files_is_asked_about_once(self, simulator):
        document = self.login(simulator)
        assert verdicts(look(document, document, ask_google=True)) == ["new", "duplicate"]
        assert asked(simulator) == ["token", "userinfo"]

    def test_a_login_comes_with_the_client_that_it_was_made_with(self, simulator):
        simulator.add_client("other-tool.apps.example", secret=SECRET, loopback=True)
        refresh_token = simulator.login(ADA, client="other-tool.apps.example").refresh_token
        take_in(look(of_gcli2api(refresh_token=refresh_token), ask_google=True))
        assert GoogleAccount.objects.get().email == ADA

    def test_a_login_that_has_ended_is_named_with_the_remedy_and_the_others_go_in(self, simulator):
        ended = self.login(simulator)
        simulator.revoke(ADA)
        simulator.add_user(BOB)
        sound = of_the_cli(email="", refresh_token=simulator.login(BOB).refresh_token)
        report = look(ended, sound, ask_google=True)
        take_in(report)
        assert verdicts(report) == ["malformed", "new"]
        assert "Log in again" in report.findings[0].note
        assert GoogleAccount.objects.get().email == BOB

    def test_without_a_client_the_remedy_is_to_configure_one(self, simulator, settings):
        settings.GOOGLE_OAUTH_CLIENT_ID = ""
        report = look(self.login(simulator), ask_google=True)
        assert "Set GOOGLE_OAUTH_CLIENT_ID" in report.of(Verdict.MALFORMED)[0].note

    def test_where_google_cannot_be_reached_it_is_asked_no_more_and_known_addresses_go_in(self, monkeypatch):
        calls = []

        def refresh(client, refresh_token):
            calls.append(refresh_token)
            raise OAuthUnavailable

        monkeypatch.setattr(oauth, "refresh", refresh)
        nameless = [of_the_cli(email="", refresh_token=token, **CLIENT) for token in (REFRESH, NEWER)]
        report = look(*nameless, of_the_cli(), ask_google=True)
        assert (verdicts(report), calls) == (["malformed", "malformed", "new"], [REFRESH])
        assert "it does not say whose account it is, and Google cannot be asked" in report.findings[1].note


class TestEnvironment:
    def test_logins_of_the_environment_are_taken_in_once_and_nobody_is_asked_again(self, simulator, settings, caplog):
        nameless = of_the_cli(email="", refresh_token=simulator.login(ADA).refresh_token)
        settings.GEMINI_API_KEYS = [KEY, json.dumps(of_the_cli(email=BOB)), json.dumps(nameless)]
        startup.take_in_environment()
        assert asked(simulator) == ["token", "userinfo"]
        assert set(GoogleAccount.objects.values_list("email", "enabled")) == {(ADA, False), (BOB, False)}
        assert f"The account {BOB} is taken in disabled." in caplog.text
        before = list(Credential.objects.order_by("pk").values())
        caplog.clear()
        simulator.log.clear()
        startup.take_in_environment()
        assert (list(Credential.objects.order_by("pk").values()), asked(simulator), caplog.text) == (before, [], "")

    def test_a_token_that_was_replaced_in_the_meantime_survives_the_old_one_in_the_settings(self, settings):
        settings.GEMINI_API_KEYS = [json.dumps(of_the_cli())]
        startup.take_in_environment()
        GoogleAccount.objects.update(secret=NEWER)
        startup.take_in_environment()
        assert GoogleAccount.objects.get().secret == NEWER

    def test_a_new_login_in_the_settings_updates_the_account(self, settings):
        for refresh_token in (REFRESH, NEWER):
            settings.GEMINI_API_KEYS = [json.dumps(of_the_cli(refresh_token=refresh_token))]
            startup.take_in_environment()
        assert GoogleAccount.objects.get().secret == NEWER

    def test_a_broken_value_is_named_without_its_secret(self, settings, caplog):
        caplog.set_level(logging.WARNING)
        settings.GEMINI_API_KEYS = ['{"refresh_token": "1//0g-invented', KEY]
        startup.take_in_environment()
        assert "Value 1 of GEMINI_API_KEYS" in caplog.text
        assert "invented" not in caplog.text
        assert Credential.objects.count() == 1
