"""Nobody is blamed for what all share: the retry budget, shared faults, contrast, and the half of a pool that stays."""

from collections import Counter

import pytest

from credentials.guard import RESERVE, Guard
from credentials.health import HOUR, Outcome, Reason, RestRules, State
from credentials.learning import Evidence
from credentials.rests import Rest
from credentials.roster import Roster
from tests.credentials.pools import FLASH, KEYS, MINUTE, NOON, PRO, key, lease, pool_of

RULES = RestRules(cooldown=60, failures=3)
SHARED = pytest.mark.parametrize("outcome", [Outcome.THROTTLED, Outcome.UPSTREAM_FAILED])


def fail(pool, outcome, *, at=NOON, tried=frozenset(), model=FLASH, **said):
    taken = lease(pool, model, at=at, tried=tried)
    pool.report(taken, outcome, at=at, evidence=Evidence(**said))
    return taken.entry.id


def fail_as(pool, number, outcome, *, at=NOON, model=FLASH, **said):
    """This very key fails."""
    others = frozenset(entry.id for entry in pool.roster.entries) - {number}
    assert fail(pool, outcome, at=at, tried=others, model=model, **said) == number


def serve(pool, *, at=NOON, model=FLASH, tried=frozenset()):
    taken = lease(pool, model, at=at, tried=tried)
    pool.report(taken, Outcome.SERVED, at=at)
    return taken.entry.id


def serve_as(pool, number, *, at=NOON, model=FLASH):
    others = frozenset(entry.id for entry in pool.roster.entries) - {number}
    assert serve(pool, at=at, model=model, tried=others) == number


def resting(pool) -> dict:
    return {place: rest for place, rest in pool.rests.by_place.items() if rest.until is not None}


def alerts(pool) -> list:
    return [alert for alert in pool.learned.alerts if alert.cause is not None]


def forty(rules=RULES):
    return pool_of(*(key(number) for number in range(1, 41)), rules=rules)


# --- The retry budget -----------------------------------------------------------------------------------------------------


def paid(guard, wanted) -> int:
    retries = 0
    while retries < wanted and guard.may_retry(FLASH):
        guard.retry(FLASH)
        retries += 1
    return retries


@pytest.mark.parametrize(("requests", "retries"), [(0, 3), (1, 3), (15, 3), (19, 3), (20, 4), (100, 20), (1_000, 200)])
def test_as_long_as_nobody_answers_a_fifth_of_the_requests_may_be_repeated_and_three_in_any_case(requests, retries):
    guard = Guard()
    for _ in range(requests):
        guard.begin(FLASH)
    assert paid(guard, 10_000) == retries


def test_retries_that_were_made_are_not_given_back_by_further_requests():
    guard = Guard()
    made = 0
    for _ in range(500):
        guard.begin(FLASH)
        made += paid(guard, 3)
    assert made == 100


def test_an_answer_gives_the_budget_back():
    guard = Guard()
    assert paid(guard, 100) == RESERVE
    guard.answered(FLASH, 1, at=NOON)
    assert paid(guard, 100) == RESERVE


def test_each_model_has_a_budget_of_its_own():
    guard = Guard()
    paid(guard, 100)
    assert guard.may_retry(PRO)
    assert not guard.may_retry(FLASH)


# --- Shared faults --------------------------------------------------------------------------------------------------------


def test_forty_keys_that_are_throttled_and_then_find_google_down_are_all_still_there():
    pool = forty()
    for step in range(400):
        fail(pool, Outcome.THROTTLED, at=NOON + step / 10)
    for step in range(400):
        fail(pool, Outcome.UPSTREAM_FAILED, at=NOON + MINUTE + step / 10)
    assert resting(pool) == {}
    assert [alert.cause for alert in alerts(pool)] == [Outcome.THROTTLED]
    assert Counter(serve(pool, at=NOON + 2 * MINUTE) for _ in range(40)) == dict.fromkeys(range(1, 41), 1)


@SHARED
def test_forty_keys_are_all_still_there_though_a_single_failure_is_enough_to_rest(outcome):
    """CONSECUTIVE_FAILURES=1: the operator wants to react at once, which is no reason to blame those who share a fault."""
    pool = forty(RestRules(cooldown=60, failures=1))
    for step in range(400):
        fail(pool, outcome, at=NOON + step / 10)
    assert resting(pool) == {}


@SHARED
def test_the_end_of_a_shared_fault_is_told_once_and_the_next_one_is_another(outcome):
    pool = forty()
    serve(pool)
    pool.take_learned()
    for episode in range(2):
        for step in range(200):
            fail(pool, outcome, at=NOON + episode * HOUR + step)
        for step in range(5):
            serve(pool, at=NOON + episode * HOUR + 300 + step)
    assert [alert.cause for alert in pool.learned.alerts] == [outcome, None, outcome, None]


@SHARED
def test_the_fault_of_one_model_is_not_that_of_another(outcome):
    pool = forty()
    for step in range(100):
        fail(pool, outcome, at=NOON + step)
        serve(pool, at=NOON + step, model=PRO)
    assert {alert.model for alert in alerts(pool)} == {FLASH}
    assert resting(pool) == {}


@SHARED
def test_a_few_failures_of_few_keys_are_no_shared_fault(outcome):
    pool = forty()
    for step in range(19):
        fail(pool, outcome, at=NOON + step)
    assert alerts(pool) == []


@SHARED
def test_the_only_key_is_never_out_of_the_way_for_a_passing_fault(outcome):
    pool = pool_of(key(1), rules=RULES)
    for step in range(50):
        assert fail(pool, outcome, at=NOON + step) == 1
    assert resting(pool) == {}


# --- Contrast -------------------------------------------------------------------------------------------------------------


@SHARED
def test_a_key_that_fails_again_and_again_while_others_answer_rests_after_so_many_failures(outcome):
    pool = pool_of(*(key(number) for number in range(1, 6)), rules=RULES)
    for step in range(3):
        assert resting(pool) == {}
        fail_as(pool, 1, outcome, at=NOON + step)
        serve_as(pool, 2, at=NOON + step + 0.5)
    [((place, model), rest)] = resting(pool).items()
    assert (place, model, rest.is_soft, rest.strikes) == ("key:1", FLASH, True, 3)
    assert rest.until == NOON + 2 + RULES.cooldown
    assert alerts(pool) == []


@SHARED
def test_its_own_answers_are_no_contrast_but_the_end_of_the_row(outcome):
    pool = pool_of(key(1), key(2), rules=RULES)
    for step in range(20):
        fail_as(pool, 1, outcome, at=NOON + step)
        serve_as(pool, 1, at=NOON + step + 0.5)
    assert resting(pool) == {}


@SHARED
def test_answers_before_its_first_failure_are_no_contrast(outcome):
    pool = pool_of(key(1), key(2), rules=RULES)
    for step in range(10):
        serve_as(pool, 2, at=NOON + step)
    for step in range(20):
        fail_as(pool, 1, outcome, at=NOON + MINUTE + step)
    assert resting(pool) == {}


@SHARED
def test_one_answer_of_another_makes_one_strike_of_any_number_of_failures(outcome):
    pool = pool_of(key(1), key(2), rules=RULES)
    for episode in range(2):
        for step in range(10):
            fail_as(pool, 1, outcome, at=NOON + 20 * episode + step)
        serve_as(pool, 2, at=NOON + 20 * episode + 15)
    assert pool.rests.by_place["key:1", FLASH].strikes == 2


@SHARED
def test_answers_of_another_model_are_no_contrast(outcome):
    pool = pool_of(key(1), key(2), rules=RULES)
    for step in range(20):
        fail_as(pool, 1, outcome, at=NOON + step)
        serve_as(pool, 2, at=NOON + step + 0.5, model=PRO)
    assert resting(pool) == {}


def test_a_flapping_google_takes_out_at_most_half_of_the_pool():
    """Every key fails two times of three: all have contrast, and none is worse than another."""
    pool = forty()
    for step in range(3_000):
        at = NOON + step / 5
        fail(pool, Outcome.UPSTREAM_FAILED, at=at) if step % 3 else serve(pool, at=at)
    assert len(resting(pool)) <= 20
    assert all(rest.is_soft for rest in resting(pool).values())


# --- Half of a pool at once ---------------------------------------------------------------------------------------------

DEADLY = [Outcome.KEY_REJECTED, Outcome.KEY_LEAKED, Outcome.SUSPENDED, Outcome.NOT_PERMITTED, Outcome.KEY_RESTRICTED]


def states(pool) -> Counter:
    return Counter(rest.state for rest in resting(pool).values())


@pytest.mark.parametrize("outcome", DEADLY)
def test_what_would_kill_more_than_half_of_the_pool_at_once_is_only_suspected(outcome):
    pool = forty()
    for number in range(1, 41):
        fail_as(pool, number, outcome, at=NOON + number)
    assert states(pool) == {State.INVALID: 20, State.RATE_LIMITED: 20}
    assert {alert.cause for alert in alerts(pool)} == {outcome}
    assert {alert.model for alert in alerts(pool)} == {""}
    assert lease(pool, PRO, at=NOON + 50) is not None


@pytest.mark.parametrize("outcome", [Outcome.PROJECT_DENIED, Outcome.API_DISABLED])
def test_of_projects_too_at_most_half_are_taken_for_dead_at_once(outcome):
    pool = pool_of(*(key(number, group=f"project:{number % 4}") for number in range(1, 41)), rules=RULES)
    for _ in range(4):
        fail(pool, outcome)
    assert states(pool) == {State.INVALID: 2, State.RATE_LIMITED: 2}


def test_suspected_keys_rest_longer_each_time_and_are_dead_after_so_many_occasions():
    pool = forty()
    for number in range(1, 41):
        fail_as(pool, number, Outcome.KEY_REJECTED)
    suspected = [place for place, rest in resting(pool).items() if rest.state is State.RATE_LIMITED]
    at = NOON
    for seconds in (60, 120):
        assert {pool.rests.by_place[place].until for place in suspected} == {at + seconds}
        at += seconds
        for place, _ in suspected:
            fail_as(pool, int(place.removeprefix("key:")), Outcome.KEY_REJECTED, at=at)
    assert states(pool) == {State.INVALID: 40}
    assert lease(pool, at=at + 365 * 24 * HOUR) is None


def test_a_suspected_key_that_answers_in_between_is_above_suspicion():
    pool = forty()
    for number in range(1, 41):
        fail_as(pool, number, Outcome.KEY_REJECTED)
    [back, *_] = [place for place, rest in resting(pool).items() if rest.state is State.RATE_LIMITED]
    serve_as(pool, int(back[0].removeprefix("key:")), at=NOON + 61)
    assert back not in pool.rests.by_place


def test_calls_in_flight_together_with_one_key_do_not_look_like_half_of_a_small_pool():
    pool = pool_of(key(1), key(2), rules=RULES)
    together = [lease(pool, tried=frozenset({2})) for _ in range(5)]
    for one in together:
        pool.report(one, Outcome.KEY_LEAKED, at=NOON)
    assert alerts(pool) == []
    assert states(pool) == {State.INVALID: 1}


@pytest.mark.parametrize("where", ["key", "project"])
def test_those_who_have_been_dead_for_long_do_not_count_as_pool(where):
    dead = [key(number, group="project:dead" if where == "project" else f"key:{number}") for number in range(1, 21)]
    pool = pool_of(*dead, *(key(number) for number in range(21, 41)), rules=RULES)
    if where == "project":
        fail_as(pool, 1, Outcome.PROJECT_DENIED, at=NOON - 2 * HOUR)
    else:
        for number in range(1, 21):
            fail_as(pool, number, Outcome.KEY_REJECTED, at=NOON - 2 * HOUR + number)
    before = states(pool)[State.INVALID]
    for number in range(21, 41):
        fail_as(pool, number, Outcome.KEY_REJECTED)
    assert states(pool)[State.INVALID] - before == 10


def test_keys_that_die_one_by_one_over_hours_are_dead():
    pool = forty()
    for number in range(1, 41):
        fail_as(pool, number, Outcome.KEY_LEAKED, at=NOON + number * HOUR)
    assert states(pool) == {State.INVALID: 40}
    assert alerts(pool) == []


def test_a_model_that_half_of_the_pool_lacks_is_tried_again_soon_with_the_other_half():
    pool = forty()
    for number in range(1, 41):
        fail_as(pool, number, Outcome.MODEL_ABSENT)
    lengths = Counter(rest.until - NOON for rest in resting(pool).values())
    assert lengths == {6 * HOUR: 20, 60: 20}
    assert lease(pool, PRO) is not None


def test_quotas_are_not_guarded_as_google_names_whom_they_concern():
    pool = forty()
    for number in range(1, 41):
        fail_as(pool, number, Outcome.DAY_QUOTA)
    assert len(resting(pool)) == 40
    assert lease(pool) is None
    assert alerts(pool) == []


def test_refusals_that_nobody_can_explain_rest_at_most_half_of_the_pool():
    pool = forty()
    for step in range(200):
        fail(pool, Outcome.UNEXPLAINED, at=NOON + step / 20)
    assert len(resting(pool)) <= 20
    assert lease(pool, at=NOON + 10) is not None


def test_alerts_that_cannot_be_written_do_not_pile_up():
    pool = pool_of(*(key(number) for number in range(1, 5)), rules=RULES)
    for step in range(300):
        if (taken := lease(pool, at=NOON + step / 10)) is None:
            break
        pool.report(taken, Outcome.KEY_REJECTED, at=NOON + step / 10)
        pool.put_back(pool.take_learned())
    assert step == 299
    assert len(pool.learned.alerts) <= 10


# --- The last resort ------------------------------------------------------------------------------------------------------


def softly_resting(*lengths):
    """Keys that are suspected, for so many seconds each."""
    pool = pool_of(*(key(number) for number in range(1, len(lengths) + 1)), rules=RestRules(cooldown=60, failures=99))
    for number, seconds in enumerate(lengths, start=1):
        fail_as(pool, number, Outcome.UNEXPLAINED, at=NOON - 15 + seconds)
    return pool


def test_of_those_that_rest_for_a_passing_fault_the_first_to_come_back_is_asked():
    pool = softly_resting(9, 3)
    fail_as(pool, 2, Outcome.DAY_QUOTA, at=NOON, model=PRO)
    assert lease(pool, at=NOON).entry.id == 2


def test_a_last_resort_that_serves_rests_no_more():
    pool = pool_of(key(1), rules=RULES)
    fail(pool, Outcome.UNEXPLAINED)
    assert resting(pool)
    assert serve(pool, at=NOON + 1) == 1
    assert resting(pool) == {}


def test_a_last_resort_that_fails_rests_no_longer_for_it():
    pool = pool_of(key(1), rules=RULES)
    fail(pool, Outcome.UNEXPLAINED)
    for step in range(1, 10):
        fail(pool, Outcome.UNEXPLAINED, at=NOON + step)
    [rest] = resting(pool).values()
    assert (rest.until, rest.strikes) == (NOON + 15, 1)


def test_whoever_is_free_comes_before_any_last_resort_whatever_its_priority():
    pool = pool_of(key(1, priority=9), key(2), rules=RULES)
    fail_as(pool, 1, Outcome.UNEXPLAINED)
    assert [serve(pool) for _ in range(3)] == [2, 2, 2]


def test_a_busy_key_is_waited_for_before_a_last_resort_is_asked():
    pool = pool_of(key(1, max_concurrent=1), key(2), rules=RULES)
    fail_as(pool, 2, Outcome.UNEXPLAINED)
    held = lease(pool)
    assert lease(pool) is None
    assert pool.is_busy(FLASH, at=NOON, kinds=KEYS)
    pool.release(held, at=NOON)
    assert lease(pool).entry.id == 1


def test_a_last_resort_with_all_its_calls_in_flight_is_waited_for():
    pool = pool_of(key(1, max_concurrent=1), rules=RULES)
    fail(pool, Outcome.UNEXPLAINED)
    held = lease(pool, at=NOON + 1)
    assert lease(pool, at=NOON + 1) is None
    assert pool.is_busy(FLASH, at=NOON + 1, kinds=KEYS)
    pool.release(held, at=NOON + 1)
    assert lease(pool, at=NOON + 1) is not None


def test_a_key_whose_quota_is_back_is_a_last_resort_while_it_rests_for_a_passing_fault():
    pool = pool_of(key(1), rules=RULES)
    one, other = lease(pool), lease(pool)
    pool.take_in({("key:1", ""): Rest(State.RATE_LIMITED, Reason.REPEATED_FAILURES, NOON + 60, NOON)}, version=1)
    pool.report(one, Outcome.MINUTE_QUOTA, at=NOON, evidence=Evidence(asked_for=5))
    pool.release(other, at=NOON)
    assert lease(pool, at=NOON + 4) is None
    assert pool.free_at(FLASH, at=NOON + 4, kinds=KEYS) == NOON + 5
    assert lease(pool, at=NOON + 5) is not None


# --- Who is asked after a failure -------------------------------------------------------------------------------------


def test_a_retry_goes_to_one_that_has_answered_lately():
    pool = forty()
    serve_as(pool, 30)
    serve_as(pool, 31)
    assert lease(pool, tried=frozenset({1})).entry.id == 30


def test_a_retry_does_not_go_to_one_that_has_failed_since_it_answered():
    pool = forty()
    serve_as(pool, 30)
    serve_as(pool, 31)
    fail_as(pool, 30, Outcome.UPSTREAM_FAILED)
    assert lease(pool, tried=frozenset({1})).entry.id == 31


def test_a_retry_does_not_go_to_one_that_is_gone_since_it_answered():
    pool = pool_of(key(1), key(2), key(3))
    serve_as(pool, 3)
    pool.renew(Roster(entries=(key(1), key(2))))
    assert lease(pool, tried=frozenset({1})).entry.id == 2


# --- A call that began before ---------------------------------------------------------------------------------------------


def test_a_call_that_began_before_a_rest_says_nothing_when_it_ends_after_it():
    pool = pool_of(key(1), rules=RULES)
    early = lease(pool)
    fail(pool, Outcome.MINUTE_QUOTA, at=NOON + 1, asked_for=10)
    pool.report(early, Outcome.SERVED, at=NOON + 20)
    assert lease(pool, at=NOON + 20) is not None
    assert lease(pool, at=NOON + 20) is None, "one probe first, then the others"


def test_reasons_are_told_apart_in_a_row_of_failures():
    pool = pool_of(key(1), rules=RULES)
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=10)
    fail(pool, Outcome.UNEXPLAINED, at=NOON + 11)
    [rest] = resting(pool).values()
    assert (rest.reason, rest.strikes) == (Reason.UNEXPLAINED, 1)
