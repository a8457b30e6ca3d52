"""Google's sign-in is down, or the OAuth client is wrong: accounts without a good token step aside, and none of them dies."""

import threading
import time

import pytest

from credentials.accounts.oauth import ClientRefused, OAuthUnavailable
from credentials.accounts.tokens import Access
from credentials.health import Reason, State
from openai_api.errors import UpstreamUnavailable
from openai_api.relay import Limits, Relay
from openai_api.upstream import access as module
from openai_api.upstream.access import AccessTokens, with_access
from openai_api.upstream.base import Prepared
from tests.api.upstreams import GOOD, read_all
from tests.credentials.pools import FLASH, key, pool_of

ANSWER = [event for batch in GOOD for event in batch]
KINDS = frozenset({"oauth", "api_key"})


class Upstream:
    """Accounts first need a token, keys are answered at once. `fresh` stands for the renewal."""

    def __init__(self, fresh, monkeypatch) -> None:
        monkeypatch.setattr(module, "fresh", fresh)
        monkeypatch.setattr(module.connections, "close_all", lambda: None)
        self.tokens = AccessTokens()
        self.asked: list[int] = []

    async def _answer(self, token, seconds):
        for batch in GOOD:
            yield batch

    def ask(self, prepared, entry, *, new_call_id, seconds):
        self.asked.append(entry.id)
        if entry.kind == "api_key":
            return self._answer("", seconds)
        return with_access(self.tokens, entry, self._answer, seconds=seconds)

    async def question(self, pool, **limits):
        relay = Relay(
            pool,
            self.ask,
            Prepared(model=FLASH, body=b"{}", kinds=KINDS),
            whole=False,
            limits=Limits(retry_delay=0.001, **limits),
            started=time.monotonic(),
            new_call_id=lambda: "call_1",
        )
        return await read_all(relay)


def failing(error):
    def fresh(credential_id, *, than, at_least):
        raise error

    return fresh


def accounts(number: int):
    return [key(n, kind="oauth") for n in range(1, number + 1)]


@pytest.mark.parametrize("error", [OAuthUnavailable("down"), ClientRefused("wrong client")], ids=["outage", "wrong client"])
async def test_keys_serve_however_many_accounts_cannot_be_asked(error, monkeypatch):
    upstream = Upstream(failing(error), monkeypatch)
    pool = pool_of(*accounts(40), key(41))
    assert await upstream.question(pool) == ANSWER
    assert len(upstream.asked) == 41
    assert await upstream.question(pool) == ANSWER
    assert upstream.asked[41:] == [41], "nobody is asked for a token again at once"
    await upstream.tokens.close()


async def test_no_account_is_dead_for_it(monkeypatch):
    upstream = Upstream(failing(ClientRefused("wrong client")), monkeypatch)
    pool = pool_of(*accounts(3))
    with pytest.raises(UpstreamUnavailable, match="cannot be renewed") as caught:
        await upstream.question(pool)
    assert {(rest.state, rest.reason) for rest in pool.rests.by_place.values()} == {(State.RATE_LIMITED, Reason.SIGN_IN_FAILED)}
    assert caught.value.retry_after <= 15
    await upstream.tokens.close()


async def test_a_renewal_that_hangs_holds_up_no_request_that_others_can_serve(monkeypatch):
    let = threading.Event()

    def fresh(credential_id, *, than, at_least):
        let.wait(timeout=10)
        return Access("late", time.time() + 3_600)

    monkeypatch.setattr(module, "LONGEST_WAIT", 0.05)
    upstream = Upstream(fresh, monkeypatch)
    try:
        assert await upstream.question(pool_of(*accounts(2), key(3))) == ANSWER
    finally:
        let.set()
        await upstream.tokens.close()
