"""What is wrong, and where: how rests begin, last, replace one another, are probed and end."""

import pytest

from credentials import rests
from credentials.health import DAY, HOUR, Outcome, Reason, RestRules, State, next_pacific_midnight
from credentials.learning import Evidence
from credentials.rests import FOREVER, Rest, Rests, places_of
from credentials.roster import ModelCard, Roster
from tests.credentials.pools import FLASH, MINUTE, NOON, PRO, key, lease, pool_of

AT = NOON


def rest(reason=Reason.DAY_QUOTA, *, until=NOON + HOUR, state=State.RATE_LIMITED, since=NOON, **more) -> Rest:
    return Rest(state, reason, until, since, **more)


def fail(pool, outcome, *, at=NOON, model=FLASH, **said):
    taken = lease(pool, model, at=at)
    pool.report(taken, outcome, at=at, evidence=Evidence(**said))
    return taken


# --- Where a rest stands --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "place"),
    [
        (Outcome.DAY_QUOTA, ("project:p", FLASH)),
        (Outcome.MINUTE_QUOTA, ("project:p", FLASH)),
        (Outcome.NOT_ENTITLED, ("project:p", FLASH)),
        (Outcome.UNEXPLAINED, ("project:p", FLASH)),
        (Outcome.SPEND_LIMIT, ("project:p", "")),
        (Outcome.OUT_OF_CREDIT, ("project:p", "")),
        (Outcome.PROJECT_DENIED, ("project:p", "")),
        (Outcome.API_DISABLED, ("project:p", "")),
        (Outcome.MODEL_ABSENT, ("key:1", FLASH)),
        (Outcome.KEY_REJECTED, ("key:1", "")),
        (Outcome.KEY_LEAKED, ("key:1", "")),
        (Outcome.KEY_RESTRICTED, ("key:1", "")),
        (Outcome.SUSPENDED, ("key:1", "")),
        (Outcome.NOT_PERMITTED, ("key:1", "")),
    ],
)
def test_each_refusal_stands_at_the_place_that_it_concerns_and_nowhere_else(outcome, place):
    pool = pool_of(key(1, group="project:p"), key(2, group="project:p"), key(3))
    fail(pool, outcome, asked_for=30)
    assert list(pool.rests.by_place) == [place]
    who, model = place
    shared, all_models = who.startswith("project"), model == ""
    others = frozenset({3})
    assert (lease(pool, FLASH, tried=others | {1}) is None) == (shared and outcome is not Outcome.UNEXPLAINED)
    assert (lease(pool, PRO, tried=others | {2}) is None) == all_models
    assert lease(pool, FLASH, tried=frozenset({1, 2})).entry.id == 3


@pytest.mark.parametrize("outcome", [Outcome.UPSTREAM_FAILED, Outcome.THROTTLED])
def test_a_first_passing_fault_is_counted_and_rests_nobody(outcome):
    pool = pool_of(key(1))
    fail(pool, outcome)
    [counted] = pool.rests.by_place.values()
    assert (counted.until, counted.strikes) == (None, 1)
    assert pool.take_learned().changes == []


def test_a_key_without_a_project_is_a_group_of_its_own():
    assert places_of(key(1), FLASH) == (("key:1", ""), ("key:1", FLASH))
    assert len(set(places_of(key(1, group="project:p"), FLASH))) == 4


def test_only_a_place_for_the_very_model_or_for_all_counts():
    rests = Rests()
    rests.replace({("key:1", PRO): rest(), ("key:2", ""): rest(), ("project:p", FLASH): rest()})
    assert [*rests.of(key(1), FLASH)] == []
    assert [*rests.of(key(1, group="project:p"), FLASH)] == [rests.get(("project:p", FLASH))]


def test_putting_and_removing_keeps_the_count_of_those_struck_by_a_reason():
    rests = Rests()

    def struck() -> int:
        return len(rests.struck_by(Reason.KEY_LEAKED, "", since=NOON - 1, at=NOON, besides=("key:9", "")))

    rests.put(("key:1", ""), rest(Reason.KEY_LEAKED))
    rests.put(("key:2", ""), rest(Reason.KEY_LEAKED))
    rests.put(("key:2", ""), rest(Reason.KEY_LEAKED, until=NOON - 1))
    rests.put(("key:3", ""), rest(Reason.KEY_LEAKED, since=NOON - 99))
    rests.put(("key:4", PRO), rest(Reason.KEY_LEAKED))
    rests.put(("key:9", ""), rest(Reason.KEY_LEAKED))
    assert struck() == 1
    rests.put(("key:1", ""), rest(Reason.SUSPENDED))
    assert struck() == 0
    rests.put(("key:1", ""), None)
    rests.put(("key:1", ""), None)
    assert ("key:1", "") not in rests.by_place


# --- How long it lasts ----------------------------------------------------------------------------------------------------


def test_a_day_quota_is_asked_again_by_one_call_after_midnight_in_california_and_by_none_before():
    pool = pool_of(key(1))
    midnight = next_pacific_midnight(NOON)
    fail(pool, Outcome.DAY_QUOTA)
    assert all(lease(pool, at=at) is None for at in (NOON + 1, NOON + HOUR, midnight - 1))
    assert lease(pool, at=midnight) is not None
    assert lease(pool, at=midnight) is None


def test_a_day_quota_that_is_still_used_up_rests_until_the_next_midnight():
    pool = pool_of(key(1))
    midnight = next_pacific_midnight(NOON)
    fail(pool, Outcome.DAY_QUOTA)
    fail(pool, Outcome.DAY_QUOTA, at=midnight + 1)
    [standing] = pool.rests.by_place.values()
    assert (standing.until, standing.strikes) == (midnight + DAY, 2)


def test_rests_for_a_minute_grow_up_to_a_quarter_of_an_hour_and_begin_anew_after_an_answer():
    pool = pool_of(key(1))
    at, lengths = NOON, []
    for _ in range(8):
        fail(pool, Outcome.MINUTE_QUOTA, at=at, asked_for=30)
        [standing] = pool.rests.by_place.values()
        lengths.append(standing.until - at)
        at = standing.until
    assert lengths == [30, 60, 120, 240, 480, 900, 900, 900]
    pool.report(lease(pool, at=at), Outcome.SERVED, at=at)
    fail(pool, Outcome.MINUTE_QUOTA, at=at + 1, asked_for=30)
    [standing] = pool.rests.by_place.values()
    assert standing.until == at + 31


def test_what_google_asks_for_is_never_undercut():
    pool = pool_of(key(1))
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=3_000)
    [standing] = pool.rests.by_place.values()
    assert standing.until == NOON + 3_000


# --- One rest after another at the same place -----------------------------------------------------------------------------


def test_of_two_rests_at_one_place_the_longer_one_stands_whichever_comes_first():
    for first, second in ((Outcome.DAY_QUOTA, Outcome.MINUTE_QUOTA), (Outcome.MINUTE_QUOTA, Outcome.DAY_QUOTA)):
        pool = pool_of(key(1))
        one, other = lease(pool), lease(pool)
        pool.report(one, first, at=NOON, evidence=Evidence(asked_for=100 if first is Outcome.MINUTE_QUOTA else None))
        pool.report(other, second, at=NOON, evidence=Evidence(asked_for=100 if second is Outcome.MINUTE_QUOTA else None))
        [standing] = pool.rests.by_place.values()
        assert standing.reason is Reason.DAY_QUOTA


def test_a_real_trouble_takes_the_place_of_a_passing_one():
    pool = pool_of(key(1))
    one, other = lease(pool), lease(pool)
    pool.report(one, Outcome.UNEXPLAINED, at=NOON)
    pool.report(other, Outcome.MINUTE_QUOTA, at=NOON, evidence=Evidence(asked_for=5))
    [standing] = pool.rests.by_place.values()
    assert standing.reason is Reason.MINUTE_QUOTA
    assert lease(pool) is None


def test_a_passing_trouble_does_not_take_the_place_of_a_real_one():
    pool = pool_of(key(1))
    one, other = lease(pool), lease(pool)
    pool.report(one, Outcome.MINUTE_QUOTA, at=NOON, evidence=Evidence(asked_for=5))
    pool.report(other, Outcome.UNEXPLAINED, at=NOON)
    [standing] = pool.rests.by_place.values()
    assert standing.reason is Reason.MINUTE_QUOTA


def test_death_outlasts_everything():
    pool = pool_of(key(1))
    calls = [lease(pool) for _ in range(4)]
    pool.report(calls[0], Outcome.KEY_LEAKED, at=NOON)
    for call, outcome in zip(calls[1:], (Outcome.KEY_REJECTED, Outcome.MINUTE_QUOTA, Outcome.SERVED), strict=True):
        pool.report(call, outcome, at=NOON + 1)
    assert pool.rests.by_place["key:1", ""].reason is Reason.KEY_LEAKED
    assert lease(pool, PRO, at=NOON + 100 * DAY) is None


# --- Probes ---------------------------------------------------------------------------------------------------------------


def over(pool, *, at=NOON + 20):
    fail(pool, Outcome.MINUTE_QUOTA, asked_for=10)
    return lease(pool, at=at)


def test_while_one_call_finds_out_the_keys_of_the_same_project_wait_too():
    pool = pool_of(key(1, group="project:p"), key(2, group="project:p"))
    probe = over(pool)
    assert lease(pool, at=NOON + 20) is None
    pool.answered(probe, at=NOON + 21)
    assert {lease(pool, at=NOON + 21).entry.id for _ in range(2)} == {1, 2}


def test_the_first_token_lets_the_others_follow_and_the_end_forgets_the_rest():
    pool = pool_of(key(1))
    probe = over(pool)
    pool.answered(probe, at=NOON + 21)
    assert all(lease(pool, at=NOON + 21) is not None for _ in range(5))
    pool.report(probe, Outcome.SERVED, at=NOON + 22)
    assert pool.rests.by_place == {}


def test_the_first_token_is_no_proof_against_a_passing_fault_whose_answers_break_off():
    pool = pool_of(key(1))
    fail(pool, Outcome.UNEXPLAINED)
    probe = lease(pool, at=NOON + 20)
    pool.answered(probe, at=NOON + 20)
    assert pool.rests.by_place["key:1", FLASH].reason is Reason.UNEXPLAINED
    pool.report(probe, Outcome.SERVED, at=NOON + 21)
    assert pool.rests.by_place == {}


def test_a_probe_that_fails_in_passing_leaves_the_next_one_to_find_out():
    pool = pool_of(key(1), rules=RestRules(failures=3))
    probe = over(pool)
    pool.report(probe, Outcome.UPSTREAM_FAILED, at=NOON + 21)
    assert lease(pool, at=NOON + 21) is not None
    assert lease(pool, at=NOON + 21) is None


def test_a_probe_of_a_key_that_is_removed_and_comes_back_holds_nobody_up():
    pool = pool_of(key(1))
    probe = over(pool)
    pool.renew(Roster())
    pool.release(probe, at=NOON + 21)
    pool.renew(Roster(entries=(key(1),)))
    assert lease(pool, at=NOON + 21) is not None
    assert pool.in_flight == {1: 1}


def test_other_models_do_not_wait_for_a_probe():
    pool = pool_of(key(1))
    over(pool)
    assert lease(pool, PRO, at=NOON + 20) is not None


class TestAmongProcesses:
    """Only one process finds out whether a rest is over, but nobody fails for waiting for it."""

    @pytest.fixture
    def pool(self):
        pool = pool_of(key(1), key(2))
        pool.is_alone = False
        pool.report(lease(pool, tried=frozenset({2})), Outcome.MINUTE_QUOTA, at=NOON, evidence=Evidence(asked_for=10))
        return pool

    def test_a_rest_that_is_over_is_left_alone_until_the_right_to_probe_is_granted(self, pool):
        assert {lease(pool, at=NOON + 11).entry.id for _ in range(4)} == {2}
        assert pool.probes_wanted(at=NOON + 11) == [("key:1", FLASH)]
        pool.probes_granted([("key:1", FLASH)], [], at=NOON + 11)
        assert 1 in {lease(pool, at=NOON + 11).entry.id for _ in range(4)}

    def test_nobody_asks_for_a_right_before_the_rest_is_over_or_twice_or_while_another_has_it(self, pool):
        assert pool.probes_wanted(at=NOON + 9) == []
        pool.probes_granted([], [("key:1", FLASH)], at=NOON + 11)
        assert pool.probes_wanted(at=NOON + 12) == []
        assert pool.probes_wanted(at=NOON + 150) == [("key:1", FLASH)]
        pool.probes_granted([("key:1", FLASH)], [], at=NOON + 150)
        assert pool.probes_wanted(at=NOON + 151) == []

    def test_where_nobody_else_can_serve_there_is_no_waiting_for_a_right(self, pool):
        pool.report(lease(pool, at=NOON + 11), Outcome.DAY_QUOTA, at=NOON + 11)
        assert lease(pool, at=NOON + 11).entry.id == 1
        assert lease(pool, at=NOON + 11) is None

    def test_the_good_news_of_another_process_ends_the_wait(self, pool):
        lease(pool, at=NOON + 11)
        pool.take_learned()
        pool.take_in({("key:1", FLASH): None}, version=2)
        assert 1 in {lease(pool, at=NOON + 11).entry.id for _ in range(3)}

    def test_the_bad_news_of_another_process_goes_on(self, pool):
        lease(pool, at=NOON + 11)
        pool.take_learned()
        pool.take_in({("key:1", FLASH): rest(Reason.MINUTE_QUOTA, until=NOON + 100, strikes=2)}, version=2)
        assert {lease(pool, at=NOON + 99).entry.id for _ in range(3)} == {2}
        assert pool.probes_wanted(at=NOON + 99) == []

    def test_a_right_lasts_for_one_answer_only(self, pool):
        pool.probes_granted([("key:1", FLASH)], [], at=NOON + 11)
        taken = lease(pool, at=NOON + 11, tried=frozenset({2}))
        pool.report(taken, Outcome.MINUTE_QUOTA, at=NOON + 12, evidence=Evidence(asked_for=10))
        assert pool.probes_wanted(at=NOON + 12 + MINUTE) == [("key:1", FLASH)]

    def test_a_right_that_is_granted_for_a_rest_that_is_gone_meanwhile_is_forgotten(self, pool):
        pool.take_learned()
        pool.take_in({("key:1", FLASH): None}, version=2)
        pool.probes_granted([("key:1", FLASH)], [("key:2", FLASH)], at=NOON + 11)
        assert pool.rests.by_place == {}


# --- News from the database -----------------------------------------------------------------------------------------------


def test_news_do_not_undo_what_was_learned_here_and_not_yet_written():
    pool = pool_of(key(1))
    fail(pool, Outcome.DAY_QUOTA)
    pool.take_in({("key:1", FLASH): None, ("key:1", PRO): rest()}, version=7)
    assert lease(pool, FLASH) is None
    assert lease(pool, PRO) is None
    assert pool.rests_version == 7


def test_news_that_are_the_echo_of_our_own_leave_a_probe_under_way_alone():
    pool = pool_of(key(1))
    probe = over(pool)
    [(place, known)] = pool.rests.by_place.items()
    pool.take_learned()
    pool.take_in({place: rest(Reason.MINUTE_QUOTA, until=known.until)}, version=2)
    assert lease(pool, at=NOON + 20) is None
    pool.release(probe, at=NOON + 20)
    assert lease(pool, at=NOON + 20) is not None


def test_a_reset_by_an_admin_ends_a_rest_at_once():
    pool = pool_of(key(1))
    fail(pool, Outcome.KEY_LEAKED)
    pool.take_learned()
    assert lease(pool) is None
    pool.take_in({("key:1", ""): None}, version=2)
    assert lease(pool) is not None


def test_a_whole_reading_of_the_database_forgets_what_has_been_tidied_away():
    pool = pool_of(key(1))
    fail(pool, Outcome.DAY_QUOTA)
    pool.take_learned()
    pool.install(Roster(entries=(key(1),), models={FLASH: ModelCard(FLASH)}), {})
    assert lease(pool) is not None


@pytest.mark.parametrize("known", [rest(Reason.KEY_LEAKED, until=FOREVER, state=State.INVALID), rest(until=NOON + DAY)])
def test_whoever_rests_for_less_than_was_known_is_back_in_time(known):
    pool = pool_of(key(1))
    pool.take_in({("key:1", ""): known}, version=1)
    assert lease(pool) is None
    pool.take_in({("key:1", ""): rest(Reason.SPEND_LIMIT, until=NOON + 60)}, version=2)
    assert lease(pool, at=NOON + 59) is None
    assert lease(pool, at=NOON + 60) is not None


def test_names_of_models_that_callers_make_up_do_not_fill_the_memory(monkeypatch):
    monkeypatch.setattr(rests, "MOST_COUNTING", 50)
    pool = pool_of(key(1), key(2))
    for number in range(100):
        fail(pool, Outcome.UPSTREAM_FAILED, model=f"gemini-made-up-{number}", detail="a long story")
    assert len(pool.rests.by_place) == 50
    assert ("key:1", "gemini-made-up-99") in pool.rests.by_place
    assert "a long story" not in repr(pool.rests.by_place)
