"""What a choice costs among ten thousand credentials, counted in credentials that are looked at: no clock is asked."""

from collections import Counter

import pytest

from credentials.affinity import Homes
from credentials.health import Outcome, Reason, State
from credentials.learning import Evidence
from credentials.lines import Strategy
from credentials.pool import Pool
from credentials.rests import FOREVER, Rest
from credentials.roster import Roster
from credentials.selection import Selection
from openai_api.shortage import nothing_free
from tests.credentials.pools import FLASH, KEYS, NOON, PRO, key

SIZE = 10_000
AWAKE = 100


class Counted(Pool):
    """Counts how often a credential is looked at."""

    looks = 0

    def block(self, entry, model, at, tokens=0):
        self.looks += 1
        return super().block(entry, model, at, tokens)

    def cost(self, calls, doing) -> float:
        """Looks a call."""
        before = self.looks
        for number in range(calls):
            doing(number)
        return (self.looks - before) / calls


ENTRIES = tuple(key(number) for number in range(SIZE))


def resting(until=NOON + 3_600, state=State.RATE_LIMITED, reason=Reason.DAY_QUOTA) -> Rest:
    return Rest(state, reason, until, NOON - 1)


def pool_with(rests=None, *, entries=ENTRIES, selection=None) -> Counted:
    pool = Counted(selection=selection)
    pool.install(Roster(entries=entries), rests or {})
    return pool


def mostly_resting(awake=range(AWAKE), **rest):
    return {(f"key:{number}", FLASH): resting(**rest) for number in range(SIZE) if number not in awake}


def serve(pool, model=FLASH, *, at=NOON, **how):
    taken = pool.lease(model, at=at, kinds=KEYS, **how)
    pool.report(taken, Outcome.SERVED, at=at)
    return taken.entry.id


@pytest.mark.parametrize("strategy", list(Strategy))
@pytest.mark.parametrize(
    "awake", [range(AWAKE), range(SIZE - AWAKE, SIZE), range(0, SIZE, SIZE // AWAKE)], ids=["first", "last", "mixed"]
)
def test_a_choice_looks_at_those_that_rest_once_and_then_no_more(strategy, awake):
    pool = pool_with(mostly_resting(awake), selection=Selection(strategy))
    assert pool.cost(1_000, lambda _: serve(pool)) <= SIZE / 1_000 + 4
    turns = Counter()
    assert pool.cost(2_000, lambda _: turns.update([serve(pool)])) <= 4
    assert set(turns) <= set(awake)


def test_a_choice_among_all_awake_looks_at_one():
    pool = pool_with()
    assert pool.cost(1_000, lambda _: serve(pool)) == 1


def test_those_that_have_calls_in_flight_cost_a_choice_of_the_least_loaded_little():
    pool = pool_with(selection=Selection(Strategy.LEAST_IN_FLIGHT))
    held = []
    assert pool.cost(SIZE // 2, lambda _: held.append(pool.lease(FLASH, at=NOON, kinds=KEYS))) <= 4
    assert len({lease.entry.id for lease in held}) == len(held)


def test_nobody_free_is_found_out_without_looking_at_everybody():
    pool = pool_with(mostly_resting(()))
    assert pool.lease(FLASH, at=NOON, kinds=KEYS) is None

    def ask(_):
        assert pool.lease(FLASH, at=NOON, kinds=KEYS) is None
        assert not pool.is_busy(FLASH, at=NOON, kinds=KEYS)
        assert nothing_free(pool, FLASH, kinds=KEYS, at=NOON).retry_after == 3_600

    assert pool.cost(100, ask) <= 10


def test_when_all_are_dead_that_is_found_out_without_looking_at_everybody():
    pool = pool_with(mostly_resting((), until=FOREVER, state=State.INVALID, reason=Reason.KEY_REJECTED))
    assert pool.lease(FLASH, at=NOON, kinds=KEYS) is None
    assert pool.cost(100, lambda _: pool.free_at(FLASH, at=NOON, kinds=KEYS)) <= 300


def test_a_last_resort_is_found_without_looking_at_everybody():
    pool = pool_with(mostly_resting((), reason=Reason.REPEATED_FAILURES))

    def ask(_):
        pool.release(pool.lease(FLASH, at=NOON, kinds=KEYS), at=NOON)

    ask(0)
    assert pool.cost(100, ask) <= 2


def test_ten_thousand_that_fail_one_after_the_other_are_each_looked_at_a_few_times():
    pool = pool_with()

    def fail(_):
        taken = pool.lease(FLASH, at=NOON, kinds=KEYS)
        pool.report(taken, Outcome.MINUTE_QUOTA, at=NOON, evidence=Evidence(asked_for=60))

    assert pool.cost(SIZE - 1, fail) <= 4
    assert pool.cost(2, lambda _: serve(pool)) <= SIZE
    assert pool.cost(100, lambda _: serve(pool)) <= 4


def test_ten_thousand_that_come_back_at_the_same_moment_cost_a_choice_little():
    pool = pool_with(mostly_resting())
    serve(pool)
    turns = []
    assert pool.cost(SIZE, lambda _: turns.append(serve(pool, at=NOON + 3_601))) <= 4
    assert len(set(turns)) == SIZE


def test_a_rest_of_one_large_project_is_looked_at_once_by_each_of_its_keys():
    entries = tuple(key(number, group="project:large" if number >= AWAKE else f"key:{number}") for number in range(SIZE))
    pool = pool_with(entries=entries)
    while (taken := pool.lease(FLASH, at=NOON, kinds=KEYS)).entry.group != "project:large":
        pool.release(taken, at=NOON)
    pool.report(taken, Outcome.DAY_QUOTA, at=NOON)
    assert pool.cost(1_000, lambda _: serve(pool)) <= SIZE / 1_000 + 4
    assert pool.cost(1_000, lambda _: serve(pool)) <= 4


def test_a_renewed_roster_costs_one_look_at_each_that_rests():
    pool = pool_with(mostly_resting())
    serve(pool)
    pool.renew(Roster(entries=ENTRIES))
    assert pool.cost(1_000, lambda _: serve(pool)) <= SIZE / 1_000 + 4


def test_those_tried_already_cost_the_next_attempt_no_more_than_a_look_each():
    pool = pool_with()
    tried = frozenset(range(50))
    assert pool.cost(100, lambda _: serve(pool, tried=tried)) <= len(tried) + 10


@pytest.mark.parametrize(
    "awake", [range(AWAKE), range(SIZE - AWAKE, SIZE), range(0, SIZE, SIZE // AWAKE)], ids=["first", "last", "mixed"]
)
def test_a_home_is_found_without_looking_at_everybody_each_time(awake):
    pool = pool_with(mostly_resting(awake))
    pool.homes = Homes()
    conversations = [hash((number, "conversation")) % 2**64 for number in range(200)]
    assert pool.cost(1_000, lambda number: serve(pool, prefix=conversations[number % 200])) <= SIZE / 1_000 + 60


@pytest.mark.parametrize(
    "awake", [range(AWAKE), range(SIZE - AWAKE, SIZE), range(0, SIZE, SIZE // AWAKE)], ids=["first", "last", "mixed"]
)
def test_a_retry_is_decided_without_looking_at_everybody_each_time(awake):
    pool = pool_with(mostly_resting(awake))
    gone = serve(pool)
    others = iter(sorted(set(awake) - {gone}))
    for _ in range(8):  # Those who answered lately are busy: the next in turn are to be found.
        next(others)
    assert pool.cost(1_000, lambda _: serve(pool, tried=frozenset({gone}))) <= SIZE / 1_000 + 20


def test_made_up_models_do_not_fill_the_memory():
    pool = pool_with(entries=ENTRIES[:5])
    for number in range(1_500):
        serve(pool, f"gemini-made-up-{number}")
    assert len(pool._lines) <= 1_000
    assert len(pool.guard._models) <= 1_000


def test_what_callers_make_up_does_not_push_out_what_is_known_of_a_real_model():
    pool = pool_with(entries=ENTRIES[:5])
    serve(pool, FLASH)
    for number in range(2_000):
        pool.guard.begin(f"gemini-made-up-{number}")
        pool.guard.begin(FLASH)
    assert pool.guard.lately(FLASH)
    assert not pool.guard.lately(PRO)
