"""Routes that leave one kind of credential, or one Google project, of Gemini's pool."""

import time

import pytest

from credentials.explain import explain
from credentials.health import Outcome
from credentials.roster import Roster, Route
from openai_api.errors import NoCredential, UpstreamUnavailable
from openai_api.orders.base import Ready
from openai_api.relay import Limits, Relay
from openai_api.upstream.base import Prepared
from tests.api.upstreams import GOOD, ScriptedUpstream, read_all, refusal
from tests.credentials.pools import FLASH, key, pool_of

BILLED = "project:billed"
EVERY_KIND = frozenset({"api_key", "oauth", "code_assist", "gemini_cli"})
ENTRIES = (key(1), key(2, group=BILLED), key(3, kind="oauth", group=BILLED), key(4, kind="code_assist"))


def asked(route: Route, *scripts, entries=ENTRIES, kinds=EVERY_KIND) -> tuple[Relay, ScriptedUpstream]:
    upstream = ScriptedUpstream(*scripts)
    ready = Ready(upstream.ask, (Prepared(FLASH, b"{}", kinds=kinds),)).within(route)
    [prepared] = ready.prepared
    limits = Limits(retry_delay=0.001)
    made = {"whole": True, "limits": limits, "started": time.monotonic(), "new_call_id": lambda: "call_1"}
    return Relay(pool_of(*entries), upstream.ask, prepared, **made), upstream


@pytest.mark.parametrize(
    ("route", "able"),
    [
        (Route("*"), {1, 2, 3, 4}),
        (Route("*", kind="api_key"), {1, 2}),
        (Route("*", kind="code_assist"), {4}),
        (Route("*", project="billed"), {2, 3}),
        (Route("*", kind="oauth", project="billed"), {3}),
    ],
)
async def test_those_alone_are_asked_to_whom_the_route_leads(route, able):
    relay, upstream = asked(route, *[[refusal(Outcome.UPSTREAM_FAILED)]] * 4)
    with pytest.raises(UpstreamUnavailable):
        await read_all(relay)
    assert set(upstream.asked) == able


async def test_whoever_is_left_answers():
    relay, upstream = asked(Route("*", kind="oauth"), GOOD)
    assert await read_all(relay) == [event for batch in GOOD for event in batch]
    assert upstream.asked == [3]


@pytest.mark.parametrize(
    ("route", "words"),
    [
        (Route("*", kind="gemini_cli"), "the Gemini CLI alone"),
        (Route("*", project="gone"), "credentials of the Google project gone alone"),
        (Route("*", kind="api_key", project="gone"), "Gemini API keys of the Google project gone alone"),
    ],
)
async def test_where_nobody_is_left_the_caller_is_told_of_the_route(route, words):
    relay, upstream = asked(route)
    with pytest.raises(NoCredential, match=words):
        await read_all(relay)
    assert upstream.asked == []


async def test_what_the_kind_that_is_left_cannot_do_leaves_nobody():
    relay, _ = asked(Route("*", kind="code_assist"), kinds=frozenset({"api_key", "oauth"}))
    with pytest.raises(NoCredential, match="Google accounts by Code Assist alone, and it has none that can serve this"):
        await read_all(relay)


def test_who_would_serve_says_whom_a_route_passes_over():
    pool = pool_of()
    pool.install(Roster(entries=ENTRIES, routes=(Route("*", kind="api_key", project="billed"),)), {})
    found = {candidate.entry.id: (candidate.rank, candidate.why) for candidate in explain(pool, FLASH, at=time.time())}
    passed_over = (0, "the model's route leads to others")
    assert found == {2: (1, ""), 1: passed_over, 3: passed_over, 4: passed_over}
