import asyncio
from collections import Counter

import pytest
from msgspec.structs import replace

from credentials.health import Outcome, Reason, RestRules
from credentials.learning import Evidence
from credentials.pacing import Limit
from credentials.pool import Pool
from credentials.rests import FOREVER
from credentials.roster import ModelCard, Roster
from openai_api.shortage import nothing_free
from tests.credentials.pools import FLASH, KEYS, MINUTE, NOON, PRO, key, lease, pool_of

BEGIN = NOON // MINUTE * MINUTE
"""Of a minute."""


def serve(pool, model=FLASH, *, at=NOON):
    """One call that goes well; returns whose turn it was."""
    taken = lease(pool, model, at=at)
    pool.report(taken, Outcome.SERVED, at=at)
    return taken.entry.id


def fail(pool, outcome, model=FLASH, *, at=NOON, asked_for=None):
    taken = lease(pool, model, at=at)
    pool.report(taken, outcome, at=at, evidence=Evidence(asked_for=asked_for))
    return taken.entry.id


def test_keys_of_equal_weight_take_turns():
    pool = pool_of(key(1), key(2), key(3))
    assert [serve(pool) for _ in range(6)] == [1, 2, 3, 1, 2, 3]


def test_equal_weights_are_used_equally_over_ten_thousand_requests():
    pool = pool_of(*(key(number) for number in range(1, 8)))
    turns = Counter(serve(pool) for _ in range(10_000))
    assert max(turns.values()) - min(turns.values()) <= 1


def test_weights_decide_the_share_of_turns_and_spread_them():
    pool = pool_of(key(1, weight=3), key(2))
    turns = [serve(pool) for _ in range(8)]
    assert Counter(turns) == {1: 6, 2: 2}
    assert [1, 1, 1, 1] not in [turns[start : start + 4] for start in range(5)]


def test_a_lower_priority_is_asked_only_when_the_higher_ones_cannot():
    pool = pool_of(key(1, priority=5), key(2))
    assert [serve(pool) for _ in range(3)] == [1, 1, 1]
    fail(pool, Outcome.DAY_QUOTA)
    assert serve(pool) == 2


def test_a_key_resting_for_one_model_still_serves_another():
    pool = pool_of(key(1))
    fail(pool, Outcome.DAY_QUOTA, PRO)
    assert lease(pool, PRO) is None
    assert serve(pool, FLASH) == 1


def test_two_keys_of_one_project_rest_together_and_a_third_of_another_goes_on():
    pool = pool_of(key(1, group="project:p"), key(2, group="project:p"), key(3))
    assert fail(pool, Outcome.DAY_QUOTA) == 1
    assert [serve(pool) for _ in range(3)] == [3, 3, 3]


@pytest.mark.parametrize("outcome", [Outcome.REQUEST_REFUSED, Outcome.GATEWAY_REFUSED])
def test_what_is_not_the_keys_fault_leaves_it_in_service(outcome):
    pool = pool_of(key(1))
    fail(pool, outcome)
    assert pool.rests.by_place == {}
    assert serve(pool) == 1


@pytest.mark.parametrize(
    "outcome", [Outcome.KEY_REJECTED, Outcome.KEY_LEAKED, Outcome.KEY_RESTRICTED, Outcome.SUSPENDED, Outcome.API_DISABLED]
)
def test_a_dead_key_serves_nothing_until_it_is_checked(outcome):
    pool = pool_of(key(1))
    fail(pool, outcome)
    assert lease(pool, PRO, at=NOON + 365 * 24 * 60 * MINUTE) is None
    assert pool.rests.by_place["key:1", ""].until == FOREVER


def test_a_minute_quota_rests_for_as_long_as_google_says_and_longer_each_time():
    pool = pool_of(key(1))
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=30)
    assert lease(pool, at=NOON + 29) is None
    fail(pool, Outcome.MINUTE_QUOTA, at=NOON + 31, asked_for=30)
    assert lease(pool, at=NOON + 31 + 59) is None
    assert lease(pool, at=NOON + 31 + 60) is not None


def test_a_rest_that_has_ended_lets_one_call_find_out_before_the_others_follow():
    pool = pool_of(key(1))
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=10)
    probe = lease(pool, at=NOON + 11)
    assert lease(pool, at=NOON + 11) is None
    pool.report(probe, Outcome.SERVED, at=NOON + 12)
    assert lease(pool, at=NOON + 12) is not None
    assert lease(pool, at=NOON + 12) is not None


def test_a_probe_that_was_given_up_makes_way_for_the_next_one():
    pool = pool_of(key(1))
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=10)
    pool.release(lease(pool, at=NOON + 11), at=NOON)
    assert lease(pool, at=NOON + 11) is not None


def contrasted(pool, outcome, times, *, begin=NOON):
    """Key 1 fails so many times, and after each of them key 2 answers."""
    for step in range(times):
        at = begin + step
        failing = lease(pool, at=at, tried=frozenset({2}))
        pool.report(failing, outcome, at=at + 0.1)
        answering = lease(pool, at=at, tried=frozenset({1}))
        pool.report(answering, Outcome.SERVED, at=at + 0.2)


@pytest.mark.parametrize("outcome", [Outcome.UPSTREAM_FAILED, Outcome.THROTTLED])
def test_failures_in_a_row_rest_a_key_while_another_answers(outcome):
    pool = pool_of(key(1), key(2), rules=RestRules(cooldown=60, failures=3))
    contrasted(pool, outcome, 2)
    assert {serve(pool, at=NOON + 2) for _ in range(4)} == {1, 2}
    contrasted(pool, outcome, 3, begin=NOON + 10)
    assert {serve(pool, at=NOON + 14) for _ in range(4)} == {2}
    assert {serve(pool, PRO, at=NOON + 14) for _ in range(4)} == {1, 2}
    assert 1 in {serve(pool, at=NOON + 80) for _ in range(4)}


@pytest.mark.parametrize("outcome", [Outcome.UPSTREAM_FAILED, Outcome.THROTTLED])
def test_nobody_rests_when_everybody_fails(outcome):
    pool = pool_of(*(key(number) for number in range(1, 41)))
    for step in range(400):
        fail(pool, outcome, at=NOON + step / 10)
    assert [rest for rest in pool.rests.by_place.values() if rest.until is not None] == []
    assert [alert.cause for alert in pool.take_learned().alerts] == [outcome]


def test_a_key_that_fails_alone_is_the_last_choice_and_not_lost():
    pool = pool_of(key(1), key(2), rules=RestRules(cooldown=60, failures=3))
    contrasted(pool, Outcome.UPSTREAM_FAILED, 3)
    fail(pool, Outcome.DAY_QUOTA, at=NOON + 4)
    assert serve(pool, at=NOON + 5) == 1
    assert {serve(pool, at=NOON + 6) for _ in range(3)} == {1}


def test_calls_that_fail_together_count_as_one_strike():
    pool = pool_of(key(1))
    together = [lease(pool) for _ in range(5)]
    for one in together:
        pool.report(one, Outcome.MINUTE_QUOTA, at=NOON, evidence=Evidence(asked_for=10))
    assert pool.rests.by_place["key:1", FLASH].strikes == 1


def test_no_more_calls_than_allowed_are_in_flight():
    pool = pool_of(key(1, max_concurrent=2))
    first, _ = lease(pool), lease(pool)
    assert lease(pool) is None
    assert pool.is_busy(FLASH, at=NOON, kinds=KEYS)
    pool.release(first, at=NOON)
    assert lease(pool) is not None


def test_a_lease_handed_back_twice_counts_once():
    pool = pool_of(key(1, max_concurrent=1), key(2, max_concurrent=1))
    first, second = lease(pool), lease(pool)
    pool.release(first, at=NOON)
    pool.report(first, Outcome.SERVED, at=NOON)
    assert lease(pool).entry.id == first.entry.id
    assert lease(pool) is None
    assert second.open


def test_only_those_that_list_a_model_are_asked_for_it():
    pool = pool_of(key(1, models=frozenset({FLASH})), key(2, models=frozenset({FLASH, PRO})))
    assert {serve(pool, PRO) for _ in range(4)} == {2}


def test_a_model_that_nobody_lists_may_be_asked_of_everybody():
    pool = pool_of(key(1, models=frozenset({FLASH})), key(2, models=frozenset({FLASH})))
    assert {serve(pool, "gemini-9-flash") for _ in range(4)} == {1, 2}


def test_the_earliest_recovery_is_known_for_each_model():
    pool = pool_of(key(1), key(2))
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=50)
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=20)
    assert pool.free_at(FLASH, at=NOON, kinds=KEYS) == NOON + 20
    assert pool.free_at(PRO, at=NOON, kinds=KEYS) == NOON


def test_there_is_no_recovery_where_every_key_is_dead():
    pool = pool_of(key(1))
    fail(pool, Outcome.KEY_LEAKED)
    assert pool.free_at(FLASH, at=NOON, kinds=KEYS) is None


def test_what_was_learned_during_a_reload_still_counts_after_it():
    pool = pool_of(key(1))
    fail(pool, Outcome.DAY_QUOTA)
    pool.install(pool.roster, {})
    assert lease(pool) is None
    assert [change.rest.reason for change in pool.take_learned().changes] == [Reason.DAY_QUOTA]


async def test_those_who_wait_for_a_busy_key_are_served_in_the_order_in_which_they_came():
    pool = pool_of(key(1, max_concurrent=1))
    held = lease(pool)
    order = []

    async def wait_for_turn(name):
        await pool.waiting.turn(FLASH, pool.waiting.ticket())
        order.append(name)
        pool.release(lease(pool), at=NOON)

    waiting = [asyncio.create_task(wait_for_turn(name)) for name in "abc"]
    await asyncio.sleep(0)
    pool.release(held, at=NOON)
    await asyncio.gather(*waiting)
    assert order == ["a", "b", "c"]


@pytest.mark.parametrize("outcome", [Outcome.SERVED, Outcome.MINUTE_QUOTA])
async def test_whoever_comes_while_a_rest_is_being_probed_waits_for_what_comes_of_it(outcome):
    pool = pool_of(key(1))
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=10)
    later = NOON + 11
    probe = lease(pool, at=later)
    assert pool.is_busy(FLASH, at=later, kinds=KEYS)

    async def wait_and_pass_on():
        await pool.waiting.turn(FLASH, pool.waiting.ticket())
        pool.waiting.pass_on(FLASH)

    waiting = [asyncio.create_task(wait_and_pass_on()) for _ in range(3)]
    await asyncio.sleep(0)
    pool.report(probe, outcome, at=later, evidence=Evidence(asked_for=10))
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert pool.is_busy(FLASH, at=later, kinds=KEYS) is False
    assert (lease(pool, at=later) is not None) == (outcome is Outcome.SERVED)


async def test_those_who_wait_look_again_when_the_pool_is_loaded_anew():
    pool = pool_of(key(1, max_concurrent=1))
    lease(pool)
    waiting = asyncio.create_task(pool.waiting.turn(FLASH, pool.waiting.ticket()))
    await asyncio.sleep(0)
    pool.install(pool.roster, {})
    await asyncio.wait_for(waiting, 5)
    assert waiting.done()


async def test_a_waiter_who_leaves_does_not_take_the_turn_along():
    pool = pool_of(key(1, max_concurrent=1))
    held = lease(pool)
    leaver, stayer = (
        asyncio.create_task(pool.waiting.turn(FLASH, pool.waiting.ticket())),
        asyncio.create_task(pool.waiting.turn(FLASH, pool.waiting.ticket())),
    )
    await asyncio.sleep(0)
    pool.release(held, at=NOON)
    leaver.cancel()
    await asyncio.wait_for(stayer, 5)
    assert leaver.cancelled() or leaver.done()


async def test_a_waiter_who_found_its_turn_taken_is_not_forgotten_when_another_one_woke_with_it():
    pool = pool_of(key(1, max_concurrent=2))
    held = [lease(pool), lease(pool)]
    served = []

    async def wait_for_turn(name):
        while (taken := lease(pool)) is None:
            await pool.waiting.turn(FLASH, pool.waiting.ticket())
        served.append(name)
        return taken

    waiting = [asyncio.create_task(wait_for_turn(name)) for name in "ab"]
    await asyncio.sleep(0)
    for one in held:
        pool.release(one, at=NOON)
    barged_in = [lease(pool), lease(pool)]  # Newcomers, before those who woke could move.
    await asyncio.sleep(0)
    for one in barged_in:
        pool.release(one, at=NOON)
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    assert sorted(served) == ["a", "b"]


async def test_those_who_wait_are_told_when_credentials_are_added():
    pool = pool_of(key(1, max_concurrent=1))
    lease(pool)
    waiting = asyncio.create_task(pool.waiting.turn(FLASH, pool.waiting.ticket()))
    await asyncio.sleep(0)
    pool.install(Roster(entries=(key(1, max_concurrent=1), key(2))), {})
    await asyncio.wait_for(waiting, 5)


@pytest.mark.parametrize("outcome", [Outcome.DAY_QUOTA, Outcome.KEY_LEAKED])
def test_a_call_that_began_before_a_rest_does_not_end_it_by_going_well(outcome):
    pool = pool_of(key(1))
    earlier = lease(pool)
    fail(pool, outcome)
    pool.report(earlier, Outcome.SERVED, at=NOON + 1)
    assert lease(pool, at=NOON + 1) is None


@pytest.mark.parametrize(
    ("first", "second"), [(Outcome.DAY_QUOTA, Outcome.MINUTE_QUOTA), (Outcome.DAY_QUOTA, Outcome.UPSTREAM_FAILED)]
)
def test_a_lesser_trouble_does_not_shorten_the_rest_that_a_greater_one_began(first, second):
    pool = pool_of(key(1))
    earlier = lease(pool)
    fail(pool, first)
    pool.report(earlier, second, at=NOON + 1)
    assert lease(pool, at=NOON + 10 * MINUTE) is None
    assert [rest.reason for rest in pool.rests.by_place.values()] == [Reason.DAY_QUOTA]


def test_failures_in_a_row_are_counted_across_reloads():
    pool = pool_of(key(1), key(2), rules=RestRules(cooldown=60, failures=3))
    for step in range(3):
        pool.take_learned()
        pool.install(Roster(entries=(key(1), key(2)), models={FLASH: ModelCard(FLASH)}), {})
        contrasted(pool, Outcome.UPSTREAM_FAILED, 1, begin=NOON + step)
    assert {serve(pool, at=NOON + 4) for _ in range(4)} == {2}


def test_changes_that_cannot_be_written_pile_up_once_for_each_place():
    pool = pool_of(key(1))
    for minute in range(100):
        fail(pool, Outcome.MINUTE_QUOTA, at=NOON + minute * 60 * MINUTE, asked_for=1)
        pool.put_back(pool.take_learned())
    [change] = pool.take_learned().changes
    assert change.rest.since == NOON + 99 * 60 * MINUTE


def test_the_memory_of_whose_turn_it_is_does_not_grow_with_made_up_models():
    pool = pool_of(key(1))
    for number in range(5_000):
        serve(pool, f"gemini-{number}")
        if number % 1_000 == 0:
            pool.renew(pool.roster)
    assert len(pool._lines) + len(pool._due) <= 2_000


def test_strikes_of_deleted_keys_and_made_up_models_are_forgotten_at_a_reload():
    pool = pool_of(key(1), key(2))
    for model in (FLASH, FLASH, "gemini-made-up"):
        fail(pool, Outcome.UPSTREAM_FAILED, model)
    pool.take_learned()
    pool.install(Roster(entries=(key(2),), models={FLASH: ModelCard(FLASH)}), {})
    assert list(pool.rests.by_place) == [("key:2", FLASH)]


def test_a_probe_is_still_the_only_one_after_a_reload():
    pool = pool_of(key(1))
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=10)
    [change] = pool.take_learned().changes
    probe = lease(pool, at=NOON + 11)
    pool.install(pool.roster, {change.place: replace(change.rest, until=change.rest.until + 1e-7, probing=False)})
    assert lease(pool, at=NOON + 11) is None
    pool.release(probe, at=NOON)
    assert lease(pool, at=NOON + 11) is not None


# --- Requests of different lengths --------------------------------------------------------------------------------


@pytest.fixture
def short_of_tokens():
    """Two keys that may take 1,000 tokens a minute, 600 of which are used; a request of 600 has just been turned away."""
    pool = Pool()
    pool.install(Roster(entries=(key(1, max_concurrent=1), key(2, max_concurrent=1)), limits=(Limit(tpm=1_000),)), {})
    for taken in [pool.lease(FLASH, at=BEGIN, kinds=KEYS, tokens=600) for _ in range(2)]:
        pool.report(taken, Outcome.SERVED, at=BEGIN, used=600)
    assert pool.lease(FLASH, at=BEGIN + 1, kinds=KEYS, tokens=600) is None
    return pool


def test_a_request_too_long_for_a_limit_keeps_no_shorter_one_from_being_served(short_of_tokens):
    served = [short_of_tokens.lease(FLASH, at=BEGIN + 1, kinds=KEYS, tokens=10) for _ in range(2)]
    assert sorted(taken.entry.id for taken in served) == [1, 2]


def test_a_shorter_request_waits_for_one_that_is_only_busy(short_of_tokens):
    for _ in range(2):
        short_of_tokens.lease(FLASH, at=BEGIN + 1, kinds=KEYS, tokens=10)
    assert short_of_tokens.lease(FLASH, at=BEGIN + 1, kinds=KEYS, tokens=600) is None
    assert short_of_tokens.is_busy(FLASH, at=BEGIN + 1, kinds=KEYS, tokens=10)
    assert not short_of_tokens.is_busy(FLASH, at=BEGIN + 1, kinds=KEYS, tokens=600)


def test_a_long_request_is_told_when_there_is_room_for_it(short_of_tokens):
    refused = nothing_free(short_of_tokens, FLASH, kinds=KEYS, at=BEGIN + 1, tokens=600)
    assert refused.retry_after == MINUTE - 1
    assert short_of_tokens.lease(FLASH, at=BEGIN + MINUTE, kinds=KEYS, tokens=600)
