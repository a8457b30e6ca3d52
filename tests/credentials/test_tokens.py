"""Access tokens are renewed when they must be, once, and what goes wrong with that is nobody's fault but whose it is."""

import time
from contextlib import contextmanager
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet
from django.db import OperationalError, connection
from django.utils.timezone import now
from structlog.testing import capture_logs

from credentials import store, tasks
from credentials.accounts import oauth, tokens
from credentials.accounts.oauth import ClientMissing, ClientRefused, LoginEnded, OAuthUnavailable, Tokens
from credentials.accounts.tokens import DatabaseUnavailable, NoLogin, TokensSealed, expiring, fresh
from credentials.health import Outcome, State
from credentials.loading import load_roster
from credentials.models import Credential, GoogleLogin, KeyHealth, PoolVersion, QuotaLimit, StateChange
from credentials.pool import Evidence, Pool
from openai_api.upstream.sign_in import refusal_of
from tests.credentials.accounts import ADA, calls, expire, log_in, tokens_of
from tests.credentials.accounts import sign_in as sign_in
from tests.credentials.pools import FLASH

GRACE = "grace@example.com"


@pytest.fixture(autouse=True)
def _faults_pass_quickly(monkeypatch):
    monkeypatch.setattr(tokens, "_AGAIN_AFTER", 0.0)
    monkeypatch.setattr(tokens, "_SAVE_PAUSES", (0.0, 0.0))


@pytest.fixture
def account(sign_in) -> Credential:
    return log_in(sign_in)


def login_of(account: Credential) -> GoogleLogin:
    return GoogleLogin.objects.select_related("credential").get(pk=account.pk)


def lasts(account: Credential, seconds: float) -> None:
    GoogleLogin.objects.filter(pk=account.pk).update(access_until=now() + timedelta(seconds=seconds))


def after_the_pause(account: Credential) -> None:
    GoogleLogin.objects.filter(pk=account.pk).update(renewing_until=now() - timedelta(seconds=1))


class TestWhenItIsRenewed:
    def test_a_good_token_is_given_without_asking_google(self, sign_in, account):
        access = fresh(account.pk)
        assert access.token == login_of(account).access_token
        assert access.expires_at == pytest.approx(time.time() + 3599, abs=60)
        assert calls(sign_in) == []

    @pytest.mark.parametrize("left", [-86_400, 0, 59])
    def test_one_that_has_ended_or_soon_will_is_renewed(self, sign_in, account, left):
        lasts(account, left)
        access = fresh(account.pk)
        assert len(calls(sign_in)) == 1
        assert access.token == login_of(account).access_token
        assert access.token in sign_in.oauth.access

    def test_one_that_was_refused_is_renewed_however_long_it_would_have_lasted(self, sign_in, account):
        refused = fresh(account.pk).token
        assert fresh(account.pk, than=refused).token != refused
        assert len(calls(sign_in)) == 1

    def test_one_that_others_have_renewed_meanwhile_is_not_renewed_again(self, sign_in, account):
        refused = fresh(account.pk).token
        first = fresh(account.pk, than=refused)
        assert fresh(account.pk, than=refused).token == first.token
        assert len(calls(sign_in)) == 1

    def test_one_that_others_have_renewed_just_before_we_could_is_not_renewed_again(self, sign_in, account, monkeypatch):
        claim = tokens._claim

        def claim_late(credential_id: int) -> str:
            given = {"access_token": "ya29.theirs", "access_until": now() + timedelta(hours=1)}
            GoogleLogin.objects.filter(pk=credential_id).update(**given)
            return claim(credential_id)

        expire(sign_in, account)
        monkeypatch.setattr(tokens, "_claim", claim_late)
        assert fresh(account.pk).token == "ya29.theirs"
        assert calls(sign_in) == []
        assert login_of(account).renewal == ""

    def test_whoever_wants_more_time_has_it_renewed_earlier(self, sign_in, account):
        lasts(account, 300)
        fresh(account.pk, at_least=200)
        assert calls(sign_in) == []
        fresh(account.pk, at_least=600)
        assert len(calls(sign_in)) == 1

    def test_one_that_was_never_known_is_fetched(self, sign_in, account):
        GoogleLogin.objects.filter(pk=account.pk).update(access_token="", access_until=None)
        assert fresh(account.pk).token in sign_in.oauth.access

    def test_tokens_that_live_shorter_than_wanted_are_used_all_the_same(self, sign_in, account):
        sign_in.token_lifetime = 20
        expire(sign_in, account)
        assert fresh(account.pk).token in sign_in.oauth.access
        assert len(calls(sign_in)) == 1

    def test_an_account_that_is_gone_has_none(self, sign_in, account):
        account.delete()
        with pytest.raises(NoLogin):
            fresh(account.pk)

    def test_an_accounts_own_client_is_asked_with(self, sign_in, account):
        sign_in.add_client("its-own", secret="its-secret", loopback=True)
        Credential.objects.filter(pk=account.pk).update(secret=sign_in.login(ADA, client="its-own").refresh_token)
        GoogleLogin.objects.filter(pk=account.pk).update(client_id="its-own", client_secret="its-secret")
        expire(sign_in, account)
        assert fresh(account.pk).token in sign_in.oauth.access


class TestWhatIsWrittenDown:
    def test_a_rotated_refresh_token_is_kept(self, sign_in, account):
        sign_in.rotate_refresh_tokens = True
        for _ in range(3):
            expire(sign_in, account)
            fresh(account.pk)
        kept = login_of(account).credential.secret
        assert kept != account.secret
        assert not sign_in.oauth.refresh[kept].is_dead

    def test_without_a_new_one_the_refresh_token_stays(self, sign_in, account):
        expire(sign_in, account)
        fresh(account.pk)
        assert login_of(account).credential.secret == account.secret

    def test_a_narrower_scope_is_noted_and_none_is_no_news(self, sign_in, account):
        before = login_of(account).scope
        sign_in.script(method="token", status=200, body={"access_token": "ya29.quiet", "expires_in": 60})
        assert fresh(account.pk, at_least=4_000).token == "ya29.quiet"
        assert login_of(account).scope == before
        sign_in.script(method="token", status=200, body={"access_token": "ya29.narrow", "expires_in": 60, "scope": "openid"})
        assert fresh(account.pk, than="ya29.quiet").token == "ya29.narrow"
        assert login_of(account).scope == "openid"

    def test_a_renewal_changes_nothing_else_in_the_pool(self, sign_in, account):
        store.record_check(account.pk, Outcome.DAY_QUOTA, model="gemini-2.5-pro")
        QuotaLimit.objects.create(project="ada-project", model="gemini-2.5-pro", rpm=5, source="learned")
        sign_in.rotate_refresh_tokens = True
        expire(sign_in, account)
        before = _rows()
        fresh(account.pk)
        assert len(calls(sign_in)) == 1
        assert _rows() == before

    def test_no_token_is_readable_in_the_database(self, sign_in, account):
        expire(sign_in, account)
        access = fresh(account.pk)
        with connection.cursor() as cursor:
            cursor.execute("SELECT secret, access_token FROM credentials_credential, credentials_googlelogin")
            stored = str(cursor.fetchall())
        assert access.token not in stored
        assert account.secret not in stored

    def test_an_answer_that_comes_after_a_new_login_does_not_overwrite_it(self, sign_in, account, monkeypatch):
        """As of a process that was frozen for longer than its claim lasted."""
        made = meanwhile(monkeypatch, lambda: login_of(log_in(sign_in)))
        expire(sign_in, account)
        access = fresh(account.pk)
        [new] = made
        login = login_of(account)
        assert access.token == login.access_token == new.access_token
        assert login.credential.secret == new.credential.secret != account.secret

    def test_a_refusal_that_comes_after_a_new_login_is_forgotten(self, sign_in, account, monkeypatch):
        sign_in.revoke(ADA)
        expire(sign_in, account)
        meanwhile(monkeypatch, lambda: log_in(sign_in))
        assert fresh(account.pk).token == login_of(account).access_token

    def test_an_account_that_was_deleted_meanwhile_does_not_come_back(self, sign_in, account, monkeypatch):
        meanwhile(monkeypatch, account.delete)
        lasts(Credential(pk=login_of(account).pk), -1)
        with pytest.raises(NoLogin):
            fresh(GoogleLogin.objects.get().pk)
        assert not GoogleLogin.objects.exists()


def meanwhile(monkeypatch, act) -> list:
    """Have something happen once, while Google is being asked for a token; what comes of it is in the list then."""
    refresh, happened = oauth.refresh, []

    def refresh_meanwhile(*args, **given) -> Tokens:
        monkeypatch.setattr(oauth, "refresh", refresh)
        try:
            return refresh(*args, **given)
        finally:
            happened.append(act())

    monkeypatch.setattr(oauth, "refresh", refresh_meanwhile)
    return happened


def _rows() -> list:
    """All that requests and people see of the pool, and what other processes go by."""
    plain = Credential.objects.defer("secret").values("id", "state", "reason", "until", "fingerprint", "masked", "priority")
    return [list(rows) for rows in (plain, KeyHealth.objects.values(), StateChange.objects.values(), QuotaLimit.objects.values(),
                                    PoolVersion.objects.values())]  # fmt: skip


class TestFaults:
    @pytest.mark.parametrize("error", ["internal", "overloaded", "bare_429"])
    def test_a_passing_fault_of_google_is_tried_once_more_at_once(self, sign_in, account, error):
        sign_in.script(method="token", error=error)
        expire(sign_in, account)
        assert fresh(account.pk).token in sign_in.oauth.access
        assert len(calls(sign_in)) == 2

    def test_one_that_lasts_blames_nobody_and_is_tried_again_after_a_pause(self, sign_in, account):
        expire(sign_in, account)
        before = _rows()
        with sign_in.scripted(method="token", error="overloaded"):
            for _ in range(5):  # As of five requests that had waited.
                with pytest.raises(OAuthUnavailable):
                    fresh(account.pk)
            assert len(calls(sign_in)) == 2
        assert _rows() == before
        after_the_pause(account)
        assert fresh(account.pk).token in sign_in.oauth.access

    def test_a_token_that_still_holds_is_better_than_none(self, sign_in, account):
        lasts(account, 30)
        with sign_in.scripted(method="token", error="overloaded"):
            access = fresh(account.pk)
            assert access.token == login_of(account).access_token
            with pytest.raises(OAuthUnavailable):
                fresh(account.pk, than=access.token)

    def test_the_end_of_a_login_is_told_to_all_that_had_waited_by_one_call(self, sign_in, account):
        sign_in.revoke(ADA)
        expire(sign_in, account)
        said = set()
        for _ in range(5):
            with pytest.raises(LoginEnded) as caught:
                fresh(account.pk)
            said.add(str(caught.value))
        assert len(calls(sign_in)) == len(said) == 1

    def test_a_new_login_waits_for_no_pause(self, sign_in, account):
        sign_in.revoke(ADA)
        expire(sign_in, account)
        with pytest.raises(LoginEnded):
            fresh(account.pk)
        log_in(sign_in)
        expire(sign_in, account)
        assert fresh(account.pk).token in sign_in.oauth.access

    @pytest.mark.parametrize("error", ["invalid_client", "deleted_client", "unauthorized_client"])
    def test_a_client_that_google_refuses_blames_no_account(self, sign_in, account, error):
        expire(sign_in, account)
        before = _rows()
        sign_in.script(method="token", error=error)
        with capture_logs() as said, pytest.raises(ClientRefused):
            fresh(account.pk)
        assert _rows() == before
        assert [line["log_level"] for line in said] == ["error"]

    def test_without_a_client_the_remedy_is_named_and_nobody_pauses(self, sign_in, account, settings):
        expire(sign_in, account)
        client, settings.GOOGLE_OAUTH_CLIENT_ID = settings.GOOGLE_OAUTH_CLIENT_ID, ""
        with pytest.raises(ClientMissing):
            fresh(account.pk)
        settings.GOOGLE_OAUTH_CLIENT_ID = client
        assert fresh(account.pk).token in sign_in.oauth.access

    def test_a_database_that_is_down_is_named(self, sign_in, account):
        with down(), pytest.raises(DatabaseUnavailable, match="database"):
            fresh(account.pk)

    def test_tokens_that_cannot_be_decrypted_are_said_to_be_once_and_nobody_dies_of_it(self, sign_in, account, settings):
        settings.CREDENTIAL_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
        with capture_logs() as said:
            for _ in range(3):
                with pytest.raises(TokensSealed, match="cannot be decrypted") as caught:
                    fresh(account.pk)
                tasks.refresh_login(account.pk)
        assert "CREDENTIAL_ENCRYPTION_KEYS" in caught.value.remedy
        assert refusal_of(caught.value).outcome is Outcome.SIGN_IN_FAILED
        assert [line["log_level"] for line in said] == ["error"]

    def test_one_that_fails_in_the_middle_costs_nobody_the_new_token(self, sign_in, account):
        expire(sign_in, account)
        with capture_logs() as said, down(only="SAVEPOINT"):
            access = fresh(account.pk)
        assert access.token in sign_in.oauth.access
        assert access.token != login_of(account).access_token
        assert {line["event"] for line in said} == {"New tokens of an account cannot be written down."}

    def test_nothing_that_is_logged_or_raised_holds_a_token(self, sign_in, account, settings):
        expire(sign_in, account)
        hidden = [account.secret, login_of(account).access_token, settings.GOOGLE_OAUTH_CLIENT_SECRET]
        said = []
        for error in ("overloaded", "invalid_client", "invalid_grant"):
            after_the_pause(account)
            with (
                sign_in.scripted(method="token", error=error),
                capture_logs() as lines,
                pytest.raises(oauth.OAuthError) as caught,
            ):
                fresh(account.pk)
            said += [*lines, repr(caught.value), str(caught.value), caught.value.remedy]
        assert said
        assert not [secret for secret in hidden if secret in str(said)]


@contextmanager
def down(only: str = ""):
    """The database refuses every statement, or those that hold this."""

    def refuse(execute, sql, params, many, context):
        if only in sql:
            raise OperationalError("the connection is closed")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse):
        yield


def test_a_login_that_ends_while_several_processes_use_it_makes_its_account_invalid_once(sign_in, account):
    """Each has calls under way, all of which learn of it; the background worker does as well."""
    at, kinds = time.time(), frozenset({"oauth"})
    pools = [Pool() for _ in range(4)]
    for pool in pools:
        pool.install(load_roster({}), {})
    leases = [(pool, pool.lease(FLASH, at=at, kinds=kinds)) for pool in pools for _ in range(10)]
    sign_in.revoke(ADA)
    expire(sign_in, account)
    for pool, lease in leases:
        with pytest.raises(LoginEnded) as caught:
            fresh(account.pk)
        pool.report(lease, Outcome.LOGIN_ENDED, at=at, evidence=Evidence(detail=caught.value.message))
    for pool in pools:
        store.save(pool.take_learned())
    tasks.refresh_login(account.pk)
    assert [(line.state, line.reason) for line in StateChange.objects.all()] == [(State.INVALID, "login_ended")]
    assert len(calls(sign_in)) == 1


class TestAhead:
    def test_those_are_due_whose_token_ends_soon_or_is_unknown(self, sign_in, account):
        wanted = [account.pk, *(log_in(sign_in, _user(sign_in, f"{name}@example.com")).pk for name in "bcdef")]
        soon, unknown, later, disabled, dead, limited = wanted
        for pk in (soon, disabled, dead, limited):
            lasts(Credential(pk=pk), 599)
        lasts(Credential(pk=later), 660)
        GoogleLogin.objects.filter(pk=unknown).update(access_until=None)
        Credential.objects.filter(pk=disabled).update(enabled=False)
        Credential.objects.filter(pk=dead).update(state=State.INVALID)
        Credential.objects.filter(pk=limited).update(state=State.RATE_LIMITED)
        assert sorted(expiring(timedelta(minutes=10))) == sorted([soon, unknown, limited])

    def test_the_schedule_renews_each_by_a_task_that_names_no_secret(self, sign_in, account, monkeypatch):
        log_in(sign_in, _user(sign_in, GRACE))
        lasts(account, 100)
        sent = []
        monkeypatch.setattr(tasks.refresh_login, "apply_async", lambda args, **options: sent.append((args, options)))
        tasks.refresh_expiring_logins()
        assert [args for args, _ in sent] == [(account.pk,)]
        for args, _ in sent:
            tasks.refresh_login(*args)
        assert login_of(account).access_until > now() + timedelta(minutes=50)

    def test_a_task_that_comes_twice_asks_google_once(self, sign_in, account):
        lasts(account, 100)
        tasks.refresh_login(account.pk)
        tasks.refresh_login(account.pk)
        assert len(calls(sign_in)) == 1

    def test_a_login_that_has_ended_makes_its_account_invalid_once(self, sign_in, account):
        sign_in.revoke(ADA)
        lasts(account, 100)
        for _ in range(3):
            tasks.refresh_login(account.pk)
            after_the_pause(account)
        account.refresh_from_db()
        assert (account.state, account.reason) == (State.INVALID, "login_ended")
        assert StateChange.objects.filter(credential=account).count() == 1
        assert expiring(timedelta(minutes=10)) == []

    @pytest.mark.parametrize("error", ["overloaded", "invalid_client"])
    def test_a_fault_that_is_not_the_accounts_leaves_it_be(self, sign_in, account, error):
        lasts(account, 100)
        before = _rows()
        with sign_in.scripted(method="token", error=error):
            tasks.refresh_login(account.pk)
        assert _rows() == before
        assert expiring(timedelta(minutes=10)) == [account.pk]

    def test_a_deleted_account_leaves_its_task_nothing_to_do(self, sign_in, account):
        account.delete()
        tasks.refresh_login(account.pk or 0)
        assert calls(sign_in) == []


def _user(google, email: str) -> str:
    return google.add_user(email).email


def test_tokens_show_themselves_to_nobody(sign_in, account):
    access = fresh(account.pk)
    assert access.token not in repr([access, tokens_of(sign_in)])
