"""Google's sign-in is down for an hour, a thousand accounts need tokens, and threads are few."""

import pytest
import structlog
from structlog.testing import capture_logs

from credentials import tasks
from credentials.accounts import outage, tokens
from credentials.accounts.oauth import LoginEnded, OAuthUnavailable
from credentials.accounts.outage import FAILURES, Outage
from credentials.accounts.tokens import fresh
from tests.credentials.accounts import calls, expire, log_in
from tests.credentials.accounts import sign_in as sign_in

TOO_MANY = FAILURES + 20


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1_000.0

        def monotonic(self) -> float:
            return self.now

    clock = Clock()
    monkeypatch.setattr(outage, "time", clock)
    return clock


@pytest.fixture
def accounts(sign_in, monkeypatch):
    """All of them need a token."""
    monkeypatch.setattr(tokens, "_AGAIN_AFTER", 0.0)
    made = []
    for number in range(TOO_MANY):
        sign_in.add_user(f"user-{number}@example.com")
        made.append(log_in(sign_in, f"user-{number}@example.com"))
        expire(sign_in, made[-1])
    return made


def test_after_a_few_failures_no_account_asks_google_for_a_while(sign_in, accounts, clock):
    with sign_in.scripted(method="token", error="overloaded"):
        for account in accounts:
            with pytest.raises(OAuthUnavailable):
                fresh(account.pk)
        assert len(calls(sign_in)) == 2 * FAILURES, "each is tried once more at once"
    clock.now += outage.PAUSE_SECONDS
    assert fresh(accounts[-1].pk).token in sign_in.oauth.access


def test_the_first_answer_ends_it(sign_in, accounts, clock):
    with sign_in.scripted(method="token", error="overloaded"):
        for account in accounts[:FAILURES]:
            with pytest.raises(OAuthUnavailable):
                fresh(account.pk)
        clock.now += outage.PAUSE_SECONDS
    assert fresh(accounts[-1].pk).token in sign_in.oauth.access
    with sign_in.scripted(method="token", error="overloaded"), pytest.raises(OAuthUnavailable):
        fresh(accounts[-2].pk)
    assert fresh(accounts[-3].pk).token in sign_in.oauth.access, "one failure is no outage"


def test_a_refusal_is_an_answer(sign_in, accounts, clock):
    for account in accounts[: FAILURES + 1]:
        sign_in.revoke(account.email)
        with pytest.raises(LoginEnded):
            fresh(account.pk)
    assert not outage.outage.lasts


def test_a_token_that_still_holds_is_given_all_the_same(sign_in, db, clock):
    account = log_in(sign_in)
    for _ in range(FAILURES):
        outage.outage.failed()
    assert fresh(account.pk, at_least=10_000).token in sign_in.oauth.access
    assert calls(sign_in) == []


@pytest.fixture
def _listens(monkeypatch):
    """A logger remembers how it was set up when it was used first, and that may have been another way."""
    monkeypatch.setattr(tokens, "log", structlog.get_logger("castor.accounts"))


@pytest.mark.usefixtures("_listens")
def test_the_tasks_of_a_round_end_soon_and_the_log_stays_short(sign_in, accounts, clock):
    with sign_in.scripted(method="token", error="overloaded"), capture_logs() as said:
        for account in accounts:
            tasks.refresh_login(account.pk)
    assert len(calls(sign_in)) == 2 * FAILURES
    assert len(said) == 1


@pytest.mark.usefixtures("_listens")
def test_a_client_that_google_refuses_is_logged_once_and_not_for_each_account(sign_in, accounts, settings):
    settings.GOOGLE_OAUTH_CLIENT_SECRET = "wrong"
    with capture_logs() as said:
        for account in accounts[:5]:
            tasks.refresh_login(account.pk)
    assert len(calls(sign_in)) == 5
    assert [line["log_level"] for line in said] == ["error"]


def test_failures_with_answers_between_them_are_no_outage():
    state = Outage()
    for _ in range(10):
        state.failed()
        state.failed()
        state.is_over()
    assert not state.lasts
