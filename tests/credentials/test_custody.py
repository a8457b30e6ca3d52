"""Leases that only one quota group can serve, and those that bind later calls to whoever is chosen."""

from collections import Counter

import pytest

from credentials.health import Outcome
from credentials.learning import Evidence
from openai_api.shortage import out_of_reach
from openai_api.upstream.base import FILES, Custody
from tests.credentials.pools import FLASH, KEYS, MINUTE, NOON, PRO, key, pool_of

TWINS = "project:twins"


def pool_with_twins():
    """Two keys of one project among seven."""
    return pool_of(key(1, group=TWINS), key(2), key(3, group=TWINS), *(key(number) for number in range(4, 8)))


def taken(pool, model=FLASH, *, group=TWINS, at=NOON, **how):
    return pool.lease(model, at=at, kinds=KEYS, group=group, **how)


def serve(pool, **how) -> int:
    lease = taken(pool, **how)
    pool.report(lease, Outcome.SERVED, at=NOON)
    return lease.entry.id


def fail(pool, outcome, model=FLASH, *, asked_for=None, **how) -> None:
    pool.report(taken(pool, model, **how), outcome, at=NOON, evidence=Evidence(asked_for=asked_for))


def told(pool, model=FLASH, *, at=NOON):
    return out_of_reach(pool, model, Custody(TWINS, "file-1", "messages[0]"), kinds=KEYS, at=at)


def test_the_keys_of_one_group_take_turns_and_nobody_else_has_one():
    pool = pool_with_twins()
    assert [serve(pool) for _ in range(4)] == [1, 3, 1, 3]


def test_a_dead_key_is_left_for_another_of_its_group_and_never_for_one_of_another():
    pool = pool_with_twins()
    fail(pool, Outcome.KEY_REJECTED)
    assert [serve(pool) for _ in range(2)] == [3, 3]
    fail(pool, Outcome.KEY_REJECTED)  # Both of two are half of nothing: whether all are struck is asked of the whole pool.
    assert taken(pool) is None
    assert pool.lease(FLASH, at=NOON, kinds=KEYS).entry.id == 2


def test_a_group_at_rest_comes_back_when_its_time_is_over():
    pool = pool_with_twins()
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=MINUTE)
    assert taken(pool) is None
    assert pool.next_return(FLASH, at=NOON, kinds=KEYS, tried=frozenset(), group=TWINS) == NOON + MINUTE
    assert taken(pool, at=NOON + MINUTE).entry.group == TWINS


def test_a_group_whose_keys_are_all_in_use_is_waited_for():
    pool = pool_of(key(1, group=TWINS, max_concurrent=1), key(2))
    taken(pool)
    assert pool.is_busy(FLASH, at=NOON, kinds=KEYS, group=TWINS)
    assert not pool.is_busy(FLASH, at=NOON, kinds=KEYS, group="key:2")


def test_turns_of_all_are_as_they_were():
    pool = pool_with_twins()
    for _ in range(5):
        serve(pool)
    assert [serve(pool, group="") for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("outcome", "words", "retry_after"),
    [
        (Outcome.MINUTE_QUOTA, "is resting until 2026-09-21 14:14:20 UTC", 60),
        (Outcome.KEY_REJECTED, "no valid credential", None),
        (Outcome.MODEL_ABSENT, "does not serve the model", None),
    ],
)
def test_why_a_file_is_out_of_reach(outcome, words, retry_after):
    pool = pool_with_twins()
    for _ in range(2):
        if (lease := taken(pool)) is not None:
            pool.report(lease, outcome, at=NOON, evidence=Evidence(asked_for=MINUTE))
    error = told(pool)
    assert (error.status, error.param, error.retry_after) == (503, "messages[0]", retry_after)
    assert words in error.message
    assert "file-1" in error.message


def test_a_file_whose_project_has_left_the_pool_is_out_of_reach():
    error = told(pool_of(key(1)))
    assert (error.status, error.retry_after, "no credential" in error.message) == (503, None, True)


def test_what_binds_later_calls_goes_first_to_those_with_the_fewest_models_at_rest():
    pool = pool_of(*(key(number) for number in range(1, 5)))
    for model, group in ((FLASH, "key:1"), (PRO, "key:1"), (FLASH, "key:2")):
        fail(pool, Outcome.DAY_QUOTA, model, group=group)

    def uploads(number: int) -> Counter[int]:
        return Counter(serve(pool, model=FILES, group="", lasting=True) for _ in range(number))

    assert uploads(4) == {3: 2, 4: 2}
    for group in ("key:3", "key:4"):
        fail(pool, Outcome.DAY_QUOTA, FILES, group=group)
    assert uploads(2) == {2: 2}
    fail(pool, Outcome.DAY_QUOTA, FILES, group="key:2")
    assert uploads(2) == {1: 2}
