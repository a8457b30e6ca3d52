"""Logins become accounts of the pool; logging in again keeps all but the tokens."""

import time

import pytest
from django.core.exceptions import ObjectDoesNotExist
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from credentials import store
from credentials.accounts import oauth
from credentials.accounts.oauth import OAuthClient, Tokens
from credentials.accounts.saving import forget, save_login
from credentials.health import Outcome, State
from credentials.models import Credential, GoogleLogin, KeyHealth, Kind, PoolVersion, ProjectSource, StateChange, Use
from tests.credentials.accounts import ADA, calls, log_in, tokens_of
from tests.credentials.accounts import sign_in as sign_in

PRO = "gemini-2.5-pro"
OWN = OAuthClient("its-own", "its-secret")


@pytest.fixture
def account(sign_in) -> Credential:
    return log_in(sign_in)


def login_of(account: Credential) -> GoogleLogin:
    return GoogleLogin.objects.get(pk=account.pk)


class TestANewAccount:
    def test_it_holds_the_tokens_and_is_called_by_its_address(self, sign_in):
        tokens = tokens_of(sign_in)
        account, is_new = save_login(email=f" {ADA}\n", tokens=tokens, use=Use.GEMINI_API, label="Ada", priority=3)
        account.refresh_from_db()
        assert is_new
        assert account.enabled
        assert (account.kind, account.use, account.email, account.masked) == (Kind.OAUTH, Use.GEMINI_API, ADA, ADA)
        assert (account.secret, account.label, account.priority) == (tokens.refresh_token, "Ada", 3)
        login = login_of(account)
        assert (login.access_token, login.scope) == (tokens.access_token, tokens.scope)
        assert login.access_until.timestamp() == pytest.approx(tokens.expires_at)

    def test_one_without_an_access_token_is_due_for_renewal(self, sign_in):
        tokens = oauth.Tokens("", 0.0, tokens_of(sign_in).refresh_token)
        account, _ = save_login(email=ADA, tokens=tokens, use=Use.GEMINI_API)
        assert login_of(account).access_until is None

    def test_the_pool_learns_of_it(self, sign_in):
        before, _ = PoolVersion.current()
        log_in(sign_in)
        assert PoolVersion.current()[0] > before

    def test_it_may_be_stored_disabled(self, sign_in):
        assert not log_in(sign_in, enabled=False).enabled

    @pytest.mark.parametrize("use", list(Use))
    def test_the_operators_project_is_that_of_accounts_without_one(self, sign_in, settings, use):
        settings.GOOGLE_CLOUD_PROJECT = "everybodys"
        account = log_in(sign_in, use=use)
        assert "everybodys" in (account.project, login_of(account).project)

    def test_the_gemini_api_counts_by_project(self, sign_in):
        account = log_in(sign_in, project="ada-project")
        assert (account.project, account.project_source, login_of(account).project) == ("ada-project", ProjectSource.TYPED, "")

    def test_code_assist_counts_by_account(self, sign_in):
        account = log_in(sign_in, use=Use.CODE_ASSIST, project="ada-project", terms_accepted_by="root")
        assert (account.project, login_of(account).project) == ("", "ada-project")

    def test_each_kind_and_use_is_an_account_of_its_own(self, sign_in):
        log_in(sign_in)
        log_in(sign_in, use=Use.CODE_ASSIST)
        log_in(sign_in, use=Use.CODE_ASSIST, kind=Kind.GEMINI_CLI)
        assert Credential.objects.count() == 3


class TestTerms:
    def test_without_an_acknowledgement_it_is_stored_but_not_enabled(self, sign_in):
        account = log_in(sign_in, use=Use.CODE_ASSIST)
        assert not account.enabled
        assert account.lacks_terms

    def test_with_one_it_is_enabled_and_says_by_whom(self, sign_in):
        account = log_in(sign_in, use=Use.CODE_ASSIST, terms_accepted_by="root")
        assert account.enabled
        assert account.terms_accepted_by == "root"

    def test_a_later_acknowledgement_enables_what_waited_for_it(self, sign_in):
        log_in(sign_in, use=Use.CODE_ASSIST)
        assert log_in(sign_in, use=Use.CODE_ASSIST, terms_accepted_by="root").enabled

    def test_the_first_acknowledgement_stands(self, sign_in):
        log_in(sign_in, use=Use.CODE_ASSIST, terms_accepted_by="root")
        again = log_in(sign_in, use=Use.CODE_ASSIST, terms_accepted_by="somebody else")
        assert again.terms_accepted_by == "root"


class TestLoggingInAgain:
    def test_tokens_change_and_everything_else_stays(self, sign_in, account):
        Credential.objects.filter(pk=account.pk).update(priority=7, weight=2, label="hers", notes="ask Ada", enabled=False)
        store.record_check(account.pk, Outcome.DAY_QUOTA, model=PRO)
        history = StateChange.objects.count()
        again, is_new = save_login(email=ADA.upper(), tokens=tokens_of(sign_in), use=Use.GEMINI_API, label="other", priority=1)
        assert not is_new
        assert again.pk == account.pk
        assert (again.priority, again.weight, again.label, again.notes, again.enabled) == (7, 2, "hers", "ask Ada", False)
        assert again.secret != account.secret
        assert login_of(again).access_token in sign_in.oauth.access
        assert KeyHealth.objects.standing().get().model == PRO
        assert StateChange.objects.count() == history

    def test_it_ends_a_renewal_that_was_under_way(self, sign_in, account):
        GoogleLogin.objects.filter(pk=account.pk).update(renewal="somebody", renewing_until=now())
        login = login_of(log_in(sign_in))
        assert (login.renewal, login.renewing_until) == ("", None)

    @pytest.mark.parametrize("outcome", [Outcome.LOGIN_ENDED, Outcome.KEY_REJECTED, Outcome.VALIDATION_REQUIRED])
    def test_what_a_login_can_put_right_is_right_again(self, sign_in, account, outcome):
        store.record_check(account.pk, outcome)
        assert Credential.objects.get().state == State.INVALID
        again = log_in(sign_in)
        assert again.state == Credential.objects.get().state == State.AVAILABLE
        assert not KeyHealth.objects.standing().exists()
        assert [line.state for line in StateChange.objects.order_by("pk")] == [State.INVALID, State.AVAILABLE]

    @pytest.mark.parametrize("outcome", [Outcome.SUSPENDED, Outcome.UNSUPPORTED_CLIENT, Outcome.NOT_PERMITTED])
    def test_what_it_cannot_put_right_stands(self, sign_in, account, outcome):
        store.record_check(account.pk, outcome)
        assert log_in(sign_in).state == State.INVALID

    def test_a_project_that_is_named_takes_the_place_of_the_old_one(self, sign_in):
        log_in(sign_in, project="first")
        store.record_check(Credential.objects.get().pk, Outcome.DAY_QUOTA, model=PRO)
        assert log_in(sign_in, project="second").project == "second"

    def test_none_that_is_named_leaves_the_old_one(self, sign_in, settings):
        log_in(sign_in, project="first")
        settings.GOOGLE_CLOUD_PROJECT = "everybodys"
        assert log_in(sign_in).project == "first"

    def test_the_client_is_that_of_the_last_login(self, sign_in, account):
        login = login_of(log_in(sign_in, client=OWN))
        assert (login.client_id, login.client_secret) == (OWN.id, OWN.secret)
        login = login_of(log_in(sign_in))
        assert (login.client_id, login.client_secret) == ("", "")

    def test_the_operators_client_is_not_copied(self, sign_in, settings):
        settings.GOOGLE_OAUTH_CLIENT_SECRET = "a new one since"
        account = log_in(sign_in, client=OAuthClient(settings.GOOGLE_OAUTH_CLIENT_ID, "the old one"))
        assert oauth.client_of(login_of(account)).secret == "a new one since"


def forgotten(*accounts: Credential) -> list[str]:
    return forget(Credential.objects.filter(pk__in=[account.pk for account in accounts]))


class TestForgetting:
    def test_it_is_gone_here_and_may_be_ended_at_google(self, sign_in, account):
        [token] = forgotten(account)
        assert not Credential.objects.exists()
        assert oauth.revoke(token)
        assert all(token.is_dead for token in sign_in.oauth.refresh.values())

    def test_google_hears_nothing_of_it_by_itself(self, sign_in, account):
        forgotten(account)
        assert calls(sign_in, "revoke") == []

    def test_a_login_that_serves_elsewhere_in_the_pool_must_not_be_ended(self, sign_in, account):
        other = log_in(sign_in, use=Use.CODE_ASSIST, terms_accepted_by="root")
        assert forgotten(account) == []
        assert forgotten(other) == [other.secret]

    def test_two_of_one_login_that_go_together_may_be_ended(self, sign_in, account):
        other = log_in(sign_in, use=Use.CODE_ASSIST, terms_accepted_by="root")
        assert set(forgotten(account, other)) == {account.secret, other.secret}

    def test_the_same_account_by_another_client_is_another_login(self, sign_in, account):
        sign_in.add_client(OWN.id, secret=OWN.secret, loopback=True)
        tokens = tokens_of(sign_in, client=OWN.id)
        other, _ = save_login(email=ADA, tokens=tokens, use=Use.CODE_ASSIST, client=OWN)
        [token] = forgotten(account)
        assert oauth.revoke(token)
        assert oauth.refresh(OWN, other.secret).access_token in sign_in.oauth.access

    def test_nothing_of_it_stays(self, sign_in, account):
        forgotten(account)
        with pytest.raises(ObjectDoesNotExist):
            GoogleLogin.objects.get(pk=account.pk)


@pytest.mark.parametrize(("email", "refresh_token"), [("", "1//refresh"), (" ", "1//refresh"), (ADA, "")])
def test_a_login_without_an_address_or_a_refresh_token_is_never_stored(db, email, refresh_token):
    tokens = Tokens("access", time.time() + 3_600, refresh_token)
    with pytest.raises(ValueError, match="or not at all"):
        save_login(email=email, tokens=tokens, use=Use.GEMINI_API)
    assert not Credential.objects.exists()


def test_the_database_takes_no_login_of_the_gemini_cli_that_goes_by_without_the_terms(sign_in):
    cli = log_in(sign_in, kind=Kind.GEMINI_CLI, use=Use.CODE_ASSIST)
    with pytest.raises(IntegrityError, match="a_login_of_the_gemini_cli"), transaction.atomic():
        Credential.objects.filter(pk=cli.pk).update(use=Use.GEMINI_API, enabled=True)
    with pytest.raises(IntegrityError, match="terms_are_accepted"), transaction.atomic():
        Credential.objects.filter(pk=cli.pk).update(enabled=True)
