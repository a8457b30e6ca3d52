"""Access tokens in one process: who waits, what is renewed, and what a refusal of Google's leads to."""

import asyncio
import threading
import time

import pytest

from credentials.accounts.oauth import ClientRefused, LoginEnded, OAuthUnavailable
from credentials.accounts.tokens import Access, NoLogin
from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.events import TextDelta
from openai_api.upstream import access as module
from openai_api.upstream.access import AccessTokens, with_access
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.refusals import Refusal

ADA = Entry(id=1, kind="code_assist", label="ada@example.com", secret="", group="key:1", project="ada-project")
LONG = 3_600.0


class Renewals:
    """In place of `credentials.accounts.tokens.fresh`: gives out `tokens` in turn, once it is let."""

    def __init__(self, *tokens) -> None:
        self.tokens = list(tokens)
        self.asked: list[str] = []
        self.let = threading.Event()
        self.let.set()

    def __call__(self, credential_id, *, than, at_least):
        self.asked.append(than)
        assert self.let.wait(timeout=10)
        token = self.tokens.pop(0)
        if isinstance(token, Exception):
            raise token
        return token


def token(name: str, seconds: float = LONG) -> Access:
    return Access(name, time.time() + seconds)


@pytest.fixture
async def access():
    access = AccessTokens()
    yield access
    await access.close()


@pytest.fixture
def renewals(monkeypatch):
    def renewals(*tokens) -> Renewals:
        made = Renewals(*tokens)
        monkeypatch.setattr(module, "fresh", made)
        # The thread has no database here, and leaves that of the test alone.
        monkeypatch.setattr(module.connections, "close_all", lambda: None)
        return made

    return renewals


async def test_a_token_is_asked_for_once_and_then_known(access, renewals):
    asked = renewals(token("first"))
    assert [await access.token(ADA, seconds=5) for _ in range(3)] == ["first"] * 3
    assert asked.asked == [""]


async def test_calls_that_come_together_wait_for_one_renewal(access, renewals):
    asked = renewals(token("first"))
    assert await asyncio.gather(*(access.token(ADA, seconds=5) for _ in range(50))) == ["first"] * 50
    assert len(asked.asked) == 1


async def test_a_token_that_ends_soon_is_renewed_on_the_side_while_calls_go_on_with_it(access, renewals):
    asked = renewals(token("old", 120), token("new"))
    assert await access.token(ADA, seconds=5) == "old"
    asked.let.clear()
    assert await access.token(ADA, seconds=5) == "old"
    asked.let.set()
    async with asyncio.timeout(10):
        while await access.token(ADA, seconds=5) != "new":  # noqa: ASYNC110 - what is waited for happens in a thread
            await asyncio.sleep(0)
    assert len(asked.asked) == 2


async def test_a_token_that_is_about_to_end_is_waited_for(access, renewals):
    renewals(token("old", 30), token("new"))
    await access.token(ADA, seconds=5)
    assert await access.token(ADA, seconds=5) == "new"


async def test_who_goes_away_does_not_take_the_renewal_along(access, renewals):
    asked = renewals(token("first"))
    asked.let.clear()
    gone = asyncio.ensure_future(access.token(ADA, seconds=5))
    stays = asyncio.ensure_future(access.token(ADA, seconds=5))
    await asyncio.sleep(0)
    gone.cancel()
    asked.let.set()
    assert await stays == "first"
    assert len(asked.asked) == 1


async def test_a_renewal_that_takes_too_long_ends_the_attempt_and_not_the_renewal(access, renewals):
    asked = renewals(token("first"))
    asked.let.clear()
    with pytest.raises(UpstreamRefused) as caught:
        await access.token(ADA, seconds=0.01)
    assert (caught.value.refusal.outcome, caught.value.refusal.status) == (Outcome.SIGN_IN_FAILED, 504)
    asked.let.set()
    assert await access.token(ADA, seconds=5) == "first"
    assert len(asked.asked) == 1


async def test_a_refused_token_that_others_have_replaced_meanwhile_costs_no_renewal(access, renewals):
    asked = renewals(token("first"), token("second"))
    await access.token(ADA, seconds=5)
    assert await access.token(ADA, than="first", seconds=5) == "second"
    assert await access.token(ADA, than="first", seconds=5) == "second"
    assert asked.asked == ["", "first"]


async def test_a_renewal_begun_before_the_refusal_does_not_bring_the_refused_token_back(access, renewals):
    asked = renewals(token("same"), token("other"))
    asked.let.clear()
    first = asyncio.ensure_future(access.token(ADA, seconds=5))
    await asyncio.sleep(0)
    second = asyncio.ensure_future(access.token(ADA, than="same", seconds=5))
    asked.let.set()
    assert (await first, await second) == ("same", "other")


@pytest.mark.parametrize(
    ("error", "outcome", "status"),
    [
        (LoginEnded("gone"), Outcome.LOGIN_ENDED, 401),
        (NoLogin("gone"), Outcome.LOGIN_ENDED, 401),
        (OAuthUnavailable("down"), Outcome.SIGN_IN_FAILED, 503),
        (ClientRefused("wrong client"), Outcome.SIGN_IN_FAILED, 502),
    ],
)
async def test_what_prevents_a_renewal_is_told_apart(access, renewals, error, outcome, status):
    renewals(error, token("later"))
    with pytest.raises(UpstreamRefused) as caught:
        await access.token(ADA, seconds=5)
    assert (caught.value.refusal.outcome, caught.value.refusal.status) == (outcome, status)
    assert await access.token(ADA, seconds=5) == "later", "the next call tries again"


def refused(status: int) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.KEY_REJECTED, status=status, message="no"))


async def answers(access, *scripts):
    """What the caller gets and which tokens Google saw."""
    scripts, seen = list(scripts), []

    async def send(token, seconds):
        seen.append(token)
        for step in scripts.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step

    got = [events async for events in with_access(access, ADA, send, seconds=5)]
    return got, seen


async def test_a_401_leads_to_one_renewal_and_one_retry(access, renewals):
    renewals(token("first"), token("second"))
    said = [TextDelta("hi")]
    assert await answers(access, [refused(401)], [said]) == ([said], ["first", "second"])


async def test_a_second_401_is_the_end(access, renewals):
    asked = renewals(token("first"), token("second"))
    with pytest.raises(UpstreamRefused) as caught:
        await answers(access, [refused(401)], [refused(401)])
    assert caught.value.refusal.outcome is Outcome.KEY_REJECTED
    assert len(asked.asked) == 2


@pytest.mark.parametrize("script", [[refused(403)], [[TextDelta("hi")], refused(401)]], ids=["another refusal", "after words"])
async def test_nothing_else_is_asked_twice(access, renewals, script):
    asked = renewals(token("first"))
    with pytest.raises(UpstreamRefused):
        await answers(access, script)
    assert len(asked.asked) == 1
