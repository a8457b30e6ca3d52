import asyncio
import time

import pytest

from credentials.health import Outcome, Reason
from credentials.learning import Evidence
from credentials.pacing import Limit
from credentials.roster import ModelCard, Roster
from openai_api.errors import (
    DeadlineExceeded,
    ModelNotFound,
    NoCredential,
    QuotaExhausted,
    UpstreamBroken,
    UpstreamRefusal,
    UpstreamUnavailable,
)
from openai_api.translation.events import Finished, TextDelta, ThoughtDelta, Usage, UsageReport
from tests.api.upstreams import GOOD, SILENCE, ScriptedUpstream, read_all, refusal, relay_of
from tests.credentials.pools import FLASH, KEYS, key, lease, pool_of

ANSWER = [event for batch in GOOD for event in batch]
EMPTY = [[Finished("stop", "STOP")]]
BOTH = pytest.mark.parametrize("whole", [False, True], ids=["stream", "whole"])


@BOTH
async def test_an_answer_comes_through_as_it_was_given(whole):
    pool = pool_of(key(1))
    upstream = ScriptedUpstream(GOOD)
    assert await read_all(relay_of(pool, upstream, whole=whole)) == ANSWER
    assert pool.in_flight == {}
    assert upstream.closed == 1


@BOTH
@pytest.mark.parametrize(
    "fault",
    [
        [refusal(Outcome.UPSTREAM_FAILED)],
        [refusal(Outcome.DAY_QUOTA, status=429)],
        [refusal(Outcome.MINUTE_QUOTA, status=429)],
        [refusal(Outcome.NOT_ENTITLED, status=429)],
        [refusal(Outcome.THROTTLED, status=429)],
        [refusal(Outcome.KEY_REJECTED, status=400)],
        [refusal(Outcome.KEY_LEAKED, status=403)],
        [refusal(Outcome.MODEL_ABSENT, status=404)],
        [refusal(Outcome.UNEXPLAINED, status=418)],
        EMPTY,
        [],
        [[Finished("failed", "MALFORMED_FUNCTION_CALL")]],
    ],
    ids=str,
)
async def test_another_credential_answers_before_the_first_token(fault, whole):
    upstream = ScriptedUpstream(fault, GOOD)
    assert await read_all(relay_of(pool_of(key(1), key(2)), upstream, whole=whole)) == ANSWER
    assert upstream.asked == [1, 2]


@BOTH
async def test_the_requests_own_fault_is_told_at_once_and_blames_nobody(whole):
    pool = pool_of(key(1), key(2))
    upstream = ScriptedUpstream([refusal(Outcome.REQUEST_REFUSED, status=400)])
    with pytest.raises(UpstreamRefusal, match="it was request_refused") as caught:
        await read_all(relay_of(pool, upstream, whole=whole))
    assert caught.value.status == 400
    assert upstream.asked == [1]
    assert pool.rests.by_place == {}


async def test_a_stream_that_breaks_off_after_its_first_token_is_never_restarted():
    pool = pool_of(key(1), key(2))
    upstream = ScriptedUpstream([GOOD[0], refusal(Outcome.UPSTREAM_FAILED)], GOOD)
    with pytest.raises(UpstreamBroken):
        await read_all(relay_of(pool, upstream))
    assert upstream.asked == [1]
    assert pool.rests.by_place["key:1", FLASH].strikes == 1
    assert pool.in_flight == {}


async def test_a_whole_answer_that_breaks_off_is_asked_for_again_as_nothing_of_it_was_promised():
    upstream = ScriptedUpstream([GOOD[0], refusal(Outcome.UPSTREAM_FAILED)], GOOD)
    assert await read_all(relay_of(pool_of(key(1), key(2)), upstream, whole=True)) == ANSWER


async def test_a_model_that_spoils_its_answer_after_the_first_token_is_an_error_not_an_end():
    upstream = ScriptedUpstream([GOOD[0], [Finished("failed", "MALFORMED_FUNCTION_CALL")]])
    with pytest.raises(UpstreamBroken, match="MALFORMED_FUNCTION_CALL"):
        await read_all(relay_of(pool_of(key(1)), upstream))


async def test_what_the_model_says_of_its_failure_is_told_to_the_caller_and_kept_nowhere():
    spoilt = [[Finished("failed", "MALFORMED_FUNCTION_CALL", "Malformed call: tell(secret='the\0plan')")]]
    pool = pool_of(key(1))
    with pytest.raises(UpstreamUnavailable, match=r"MALFORMED_FUNCTION_CALL.*the plan"):
        await read_all(relay_of(pool, ScriptedUpstream(*[spoilt] * 4)))
    assert "plan" not in repr((pool.rests.by_place, pool.learned))


async def test_a_prompt_that_spoils_its_own_answers_blames_nobody():
    spoilt = [[Finished("failed", "MALFORMED_FUNCTION_CALL")]]
    pool = pool_of(key(1), key(2))
    for _ in range(20):
        with pytest.raises(UpstreamUnavailable):
            await read_all(relay_of(pool, ScriptedUpstream(*[spoilt] * 4)))
        assert await read_all(relay_of(pool, ScriptedUpstream(GOOD))) == ANSWER
    assert pool.rests.by_place == {}


async def test_a_name_that_no_listing_knows_is_asked_of_one_credential_though_none_has_been_listed_yet():
    pool = pool_of(*(key(number) for number in range(9)))
    pool.renew(Roster(entries=pool.roster.entries, models={FLASH: ModelCard(FLASH)}))
    upstream = ScriptedUpstream([refusal(Outcome.MODEL_ABSENT, status=404)])
    with pytest.raises(ModelNotFound):
        await read_all(relay_of(pool, upstream, model="gemini-made-up"))
    assert (len(upstream.asked), pool.rests.by_place) == (1, {})


@pytest.mark.parametrize("end", [Finished("length", "MAX_TOKENS"), Finished("content_filter", "SAFETY")])
async def test_a_limit_or_a_refusal_is_an_answer_even_without_a_word(end):
    assert await read_all(relay_of(pool_of(key(1)), ScriptedUpstream([[end]]))) == [end]


async def test_thoughts_alone_are_no_whole_answer():
    upstream = ScriptedUpstream([[ThoughtDelta("hm")], [Finished("stop", "STOP")]], GOOD)
    assert await read_all(relay_of(pool_of(key(1), key(2)), upstream, whole=True)) == ANSWER


async def test_the_only_credential_is_asked_again_after_a_passing_fault():
    upstream = ScriptedUpstream([refusal(Outcome.UPSTREAM_FAILED)], EMPTY, GOOD)
    relay = relay_of(pool_of(key(1)), upstream)
    assert await read_all(relay) == ANSWER
    assert relay.trace.attempts == 3


async def test_passing_faults_are_retried_no_more_often_than_allowed():
    upstream = ScriptedUpstream(*[[refusal(Outcome.UPSTREAM_FAILED)]] * 9)
    with pytest.raises(UpstreamUnavailable):
        await read_all(relay_of(pool_of(*(key(number) for number in range(9))), upstream, retries=2))
    assert len(upstream.asked) == 3


async def test_dead_and_spent_credentials_do_not_count_as_retries():
    spent = [[refusal(Outcome.DAY_QUOTA, status=429)]] * 5 + [[refusal(Outcome.KEY_LEAKED, status=403)]] * 5
    upstream = ScriptedUpstream(*spent, GOOD)
    assert await read_all(relay_of(pool_of(*(key(number) for number in range(11))), upstream, retries=2)) == ANSWER


@pytest.mark.parametrize(
    ("outcome", "status", "error", "reason"),
    [
        (Outcome.MINUTE_QUOTA, 429, QuotaExhausted, Reason.MINUTE_QUOTA),
        (Outcome.DAY_QUOTA, 429, QuotaExhausted, Reason.DAY_QUOTA),
        (Outcome.OUT_OF_CREDIT, 402, QuotaExhausted, Reason.OUT_OF_CREDIT),
        (Outcome.KEY_REJECTED, 400, NoCredential, Reason.KEY_REJECTED),
        (Outcome.MODEL_ABSENT, 404, ModelNotFound, Reason.MODEL_ABSENT),
    ],
)
async def test_what_the_caller_is_told_when_the_last_credential_is_gone(outcome, status, error, reason):
    pool = pool_of(key(1))
    with pytest.raises(error):
        await read_all(relay_of(pool, ScriptedUpstream([refusal(outcome, status=status, retry_after=7)])))
    assert [rest.reason for rest in pool.rests.by_place.values()] == [reason]
    upstream = ScriptedUpstream()
    with pytest.raises(error):
        await read_all(relay_of(pool, upstream))
    assert upstream.asked == []


async def test_a_model_that_no_listing_names_is_asked_of_one_credential_only():
    pool = pool_of(*(key(number, models=frozenset({"gemini-other"})) for number in range(9)))
    upstream = ScriptedUpstream([refusal(Outcome.MODEL_ABSENT, status=404)])
    with pytest.raises(ModelNotFound):
        await read_all(relay_of(pool, upstream))
    assert (len(upstream.asked), pool.rests.by_place, pool.in_flight) == (1, {}, {})


async def test_the_caller_is_told_when_to_come_back():
    pool = pool_of(key(1))
    with pytest.raises(QuotaExhausted) as caught:
        await read_all(relay_of(pool, ScriptedUpstream([refusal(Outcome.MINUTE_QUOTA, status=429, retry_after=40)])))
    assert 39 <= caught.value.retry_after <= 40


async def test_without_any_credential_the_caller_is_told_where_to_add_one():
    with pytest.raises(NoCredential, match="/admin/"):
        await read_all(relay_of(pool_of(), ScriptedUpstream()))


async def test_a_request_waits_for_a_credential_that_is_only_busy():
    pool = pool_of(key(1, max_concurrent=1))
    first = relay_of(pool, ScriptedUpstream(GOOD))
    await first.open()
    second = asyncio.create_task(read_all(relay_of(pool, ScriptedUpstream(GOOD))))
    await asyncio.sleep(0)
    assert not second.done()
    await first.close()
    assert await asyncio.wait_for(second, 5) == ANSWER


async def test_the_deadline_holds_before_the_first_token_and_after_it():
    pool = pool_of(key(1))
    for script in ([SILENCE], [GOOD[0], SILENCE]):
        with pytest.raises(DeadlineExceeded):
            await read_all(relay_of(pool, ScriptedUpstream(script), deadline=0.02))
        assert (pool.in_flight, pool.rests.by_place) == ({}, {})


async def test_a_caller_who_leaves_closes_the_call_and_gives_the_credential_back():
    pool, upstream = pool_of(key(1)), ScriptedUpstream([GOOD[0], SILENCE])
    reading = asyncio.create_task(read_all(relay_of(pool, upstream)))
    await upstream.was_asked.wait()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (upstream.closed, pool.in_flight, pool.rests.by_place) == (1, {}, {})


@BOTH
async def test_an_answer_is_cut_at_a_stop_that_the_upstream_does_not_know_and_the_call_is_closed(whole):
    upstream = ScriptedUpstream([[TextDelta("one T")], [TextDelta("WO three")], SILENCE])
    events = await read_all(relay_of(pool_of(key(1)), upstream, whole=whole, stops=("TWO",)))
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "one "
    assert [event.reason for event in events if isinstance(event, Finished)] == ["stop"]
    assert upstream.closed == 1


@BOTH
async def test_what_spoils_an_answer_behind_its_cut_is_not_looked_at(whole):
    upstream = ScriptedUpstream([[TextDelta("one TWO"), Finished("failed", "MALFORMED_FUNCTION_CALL")]])
    events = await read_all(relay_of(pool_of(key(1)), upstream, whole=whole, stops=("TWO",)))
    assert events == [TextDelta("one "), Finished("stop")]


@BOTH
async def test_what_a_cut_answer_has_used_is_estimated_where_its_upstream_tells_it_at_the_end_alone(whole):
    upstream = ScriptedUpstream([[TextDelta("12345678 TWO"), TextDelta(" more")], SILENCE])
    relay = relay_of(pool_of(key(1)), upstream, whole=whole, stops=("TWO",), tokens=7)
    await read_all(relay)
    assert relay.trace.estimated
    assert [(usage.prompt, usage.completion > 0) for usage in relay.trace.usages] == [(7, True)]


@BOTH
async def test_what_was_told_before_a_cut_is_what_the_cut_answer_has_used(whole):
    told = UsageReport(Usage(prompt=3, completion=2, total=5))
    relay = relay_of(pool_of(key(1)), ScriptedUpstream([[told], [TextDelta("one TWO")], SILENCE]), whole=whole, stops=("TWO",))
    await read_all(relay)
    assert (relay.trace.usages, relay.trace.estimated) == ((told.usage,), False)


async def test_text_that_is_only_held_for_a_stop_promises_nothing():
    upstream = ScriptedUpstream([[TextDelta("T")], refusal(Outcome.UPSTREAM_FAILED)], GOOD)
    assert await read_all(relay_of(pool_of(key(1), key(2)), upstream, stops=("TWO",))) == ANSWER
    assert upstream.asked == [1, 2]


async def test_usage_is_passed_on():
    events = await read_all(relay_of(pool_of(key(1)), ScriptedUpstream(GOOD)))
    assert [event.usage.total for event in events if isinstance(event, UsageReport)] == [3]


async def test_all_who_wait_for_a_credential_hear_of_it_when_it_is_gone():
    pool = pool_of(key(1, max_concurrent=1))
    first = relay_of(pool, ScriptedUpstream([GOOD[0], refusal(Outcome.DAY_QUOTA, status=429)]))
    await first.open()
    waiting = [asyncio.create_task(read_all(relay_of(pool, ScriptedUpstream(GOOD)))) for _ in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(UpstreamBroken):
        await read_all(first)
    heard = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
    assert [type(error) for error in heard] == [QuotaExhausted] * 3


async def test_those_who_wait_all_go_on_when_there_is_room_for_several():
    pool = pool_of(key(1, max_concurrent=1))
    first = relay_of(pool, ScriptedUpstream(GOOD))
    await first.open()
    upstreams = [ScriptedUpstream([GOOD[0], SILENCE]) for _ in range(3)]
    relays = [relay_of(pool, upstream) for upstream in upstreams]
    opening = [asyncio.create_task(relay.open()) for relay in relays]
    await asyncio.sleep(0)
    pool.install(Roster(entries=(key(1, max_concurrent=3),)), {})
    await first.close()
    await asyncio.wait_for(asyncio.gather(*opening), 5)
    for relay in relays:
        await relay.close()


async def test_a_request_that_waits_for_a_busy_credential_takes_one_whose_rest_ends_first():
    pool = pool_of(key(1, max_concurrent=1), key(2))
    held = pool.lease(FLASH, at=time.time(), kinds=KEYS)
    resting = pool.lease(FLASH, at=time.time(), kinds=KEYS)
    pool.report(resting, Outcome.MINUTE_QUOTA, at=time.time(), evidence=Evidence(asked_for=0.05))
    upstream = ScriptedUpstream(GOOD)
    assert await asyncio.wait_for(read_all(relay_of(pool, upstream)), 5) == ANSWER
    assert (upstream.asked, held.open) == ([2], True)


async def test_a_passing_fault_is_retried_though_others_have_taken_the_place_meanwhile():
    pool = pool_of(key(1, max_concurrent=1), key(2))
    others = []

    class Crowded(ScriptedUpstream):
        def ask(self, prepared, entry, **given):
            if entry.id == 2:
                others.append(pool.lease(FLASH, at=time.time(), kinds=KEYS, tried=frozenset({2})))
            return super().ask(prepared, entry, **given)

    upstream = Crowded([refusal(Outcome.UPSTREAM_FAILED)], [refusal(Outcome.DAY_QUOTA, status=429)], GOOD)
    unlucky = asyncio.create_task(read_all(relay_of(pool, upstream)))
    await asyncio.sleep(0.01)
    pool.release(others[0], at=time.time())
    assert await asyncio.wait_for(unlucky, 5) == ANSWER
    assert upstream.asked == [1, 2, 1]


@BOTH
async def test_the_first_token_after_a_rest_lets_the_next_request_through(whole):
    pool = pool_of(key(1))
    spent = pool.lease(FLASH, at=time.time() - 100, kinds=KEYS)
    pool.report(spent, Outcome.MINUTE_QUOTA, at=time.time() - 100, evidence=Evidence(asked_for=10))
    probe = relay_of(pool, ScriptedUpstream([GOOD[0], SILENCE]), whole=whole)
    opening = asyncio.create_task(probe.open())
    await asyncio.sleep(0.001)
    assert await read_all(relay_of(pool, ScriptedUpstream(GOOD))) == ANSWER
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    await probe.close()


class InterruptedWhileClosing(ScriptedUpstream):
    """By a second cancellation, say."""

    async def ask(self, prepared, entry, *, new_call_id, seconds):
        try:
            async for batch in super().ask(prepared, entry, new_call_id=new_call_id, seconds=seconds):
                yield batch
        finally:
            raise asyncio.CancelledError


@pytest.mark.parametrize("script", [[GOOD[0], SILENCE], [refusal(Outcome.UPSTREAM_FAILED)]])
async def test_a_credential_is_given_back_even_if_its_call_is_interrupted_while_it_closes(script):
    pool = pool_of(key(1))
    relay = relay_of(pool, InterruptedWhileClosing(script))
    await asyncio.gather(relay.open(), return_exceptions=True)
    await asyncio.gather(relay.close(), return_exceptions=True)
    assert pool.in_flight == {}


async def test_a_caller_whose_request_is_too_long_for_now_learns_when_it_is_not():
    pool = pool_of(key(1))
    minute_ends = time.time() // 60 * 60 + 60
    pool.renew(Roster(entries=(key(1),), limits=(Limit(tpm=100),)))
    taken = pool.lease(FLASH, at=minute_ends - 60, kinds=KEYS, tokens=60)
    pool.report(taken, Outcome.SERVED, at=minute_ends - 60, used=60)
    relay = relay_of(pool, ScriptedUpstream(GOOD), tokens=60, clock=lambda: minute_ends - 59)
    with pytest.raises(QuotaExhausted) as caught:
        await relay.open()
    assert caught.value.retry_after == 59
    assert await read_all(relay_of(pool, ScriptedUpstream(GOOD), tokens=10, clock=lambda: minute_ends - 59)) == ANSWER


async def test_what_is_nothing_for_the_first_in_line_goes_to_whoever_stands_behind():
    pool = pool_of(key(1, max_concurrent=1), key(2, max_concurrent=1))
    held = {taken.entry.id: taken for taken in (lease(pool, at=time.time()) for _ in range(2))}
    failing = ScriptedUpstream([refusal(Outcome.UPSTREAM_FAILED)], GOOD)
    pool.release(held[1], at=time.time())
    first = asyncio.create_task(read_all(relay_of(pool, failing)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert failing.closed == 1  # It has failed with key 1, and waits for key 2.
    held[1] = lease(pool, at=time.time())
    second = asyncio.create_task(read_all(relay_of(pool, ScriptedUpstream(GOOD))))
    await asyncio.sleep(0)
    pool.release(held[1], at=time.time())
    assert await asyncio.wait_for(second, 5) == ANSWER
    assert not first.done()
    pool.release(held[2], at=time.time())
    assert await first == ANSWER
    assert failing.asked == [1, 2]


async def test_one_live_key_among_many_that_died_together_is_found_by_the_first_request():
    pool = pool_of(*(key(number) for number in range(40)))

    class OneLives(ScriptedUpstream):
        def ask(self, prepared, entry, **given):
            self.scripts = [GOOD if entry.id == 39 else [refusal(Outcome.KEY_REJECTED, status=400)]]
            return super().ask(prepared, entry, **given)

    upstream = OneLives()
    assert await read_all(relay_of(pool, upstream)) == ANSWER
    assert upstream.asked == list(range(40))
    assert await read_all(relay_of(pool, upstream)) == ANSWER
    assert upstream.asked[40:] == [39]
