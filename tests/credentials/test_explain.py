"""What an admin is told about a choice is what the pool then does."""

from datetime import timedelta

import pytest
from django.utils.timezone import now
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials import store
from credentials.explain import explain, snapshot
from credentials.health import Outcome, Reason, State
from credentials.learning import Change, Evidence, Learned
from credentials.lines import Strategy
from credentials.models import ApiKey, KeyHealth, ModelAlias, ServedModel
from credentials.pacing import Limit
from credentials.rests import FOREVER, Rest
from credentials.roster import Roster
from credentials.selection import Mode, Selection
from tests.credentials.pools import FLASH, KEYS, NOON, PRO, key, lease, pool_of


def told(pool, model=FLASH, *, at=NOON, kinds=None):
    return {candidate.entry.id: candidate for candidate in explain(pool, model, kinds=kinds, at=at)}


def ranked(pool, *, at=NOON):
    found = [candidate for candidate in explain(pool, FLASH, at=at) if candidate.rank]
    assert [candidate.rank for candidate in found] == list(range(1, len(found) + 1))
    return [candidate.entry.id for candidate in found]


def really_asked(pool, *, at=NOON):
    """In which order they are asked by one request that each of them fails in passing."""
    asked: list[int] = []
    while (taken := lease(pool, at=at, tried=frozenset(asked))) is not None:
        asked.append(taken.entry.id)
        pool.release(taken, at=at)
    return asked


def first_turns(pool, most, *, at=NOON):
    """In which order they get their first turn, by requests that come one after the other."""
    asked: dict[int, None] = {}
    for _ in range(most):
        taken = lease(pool, at=at)
        asked[taken.entry.id] = None
        pool.release(taken, at=at)
    return list(asked)


def fail_as(pool, number, outcome, *, at=NOON, model=FLASH, asked_for=None):
    others = frozenset(entry.id for entry in pool.roster.entries) - {number}
    taken = lease(pool, model, at=at, tried=others)
    pool.report(taken, outcome, at=at, evidence=Evidence(asked_for=asked_for))


# --- States ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcome", "why", "seconds"),
    [
        (Outcome.MINUTE_QUOTA, Reason.MINUTE_QUOTA, 30),
        (Outcome.DAY_QUOTA, Reason.DAY_QUOTA, 30),
        (Outcome.NOT_ENTITLED, Reason.NOT_ENTITLED, 86_400),
        (Outcome.MODEL_ABSENT, Reason.MODEL_ABSENT, 6 * 3_600),
        (Outcome.KEY_LEAKED, Reason.KEY_LEAKED, None),
        (Outcome.API_DISABLED, Reason.API_DISABLED, None),
    ],
)
def test_why_one_is_skipped_and_until_when(outcome, why, seconds):
    pool = pool_of(key(1), key(2))
    fail_as(pool, 1, outcome, asked_for=30)
    candidate = told(pool)[1]
    assert (candidate.rank, candidate.why, candidate.last_resort) == (0, why.label, False)
    assert candidate.until == (None if seconds is None else NOON + seconds)
    assert told(pool)[2].rank == 1


def test_a_last_resort_is_ranked_after_all_others_and_says_why():
    pool = pool_of(key(1), key(2))
    fail_as(pool, 1, Outcome.UNEXPLAINED)
    candidate = told(pool)[1]
    assert (candidate.rank, candidate.last_resort, candidate.why) == (2, True, Reason.UNEXPLAINED.label)
    assert candidate.until == NOON + 15


def test_one_with_all_its_calls_in_flight_is_skipped():
    pool = pool_of(key(1, max_concurrent=1), key(2))
    lease(pool)
    assert "calls in flight" in told(pool)[1].why
    assert told(pool)[1].rank == 0


def test_one_whose_rest_is_being_probed_is_skipped_and_one_whose_rest_is_over_is_not():
    pool = pool_of(key(1))
    fail_as(pool, 1, Outcome.MINUTE_QUOTA, asked_for=10)
    assert told(pool, at=NOON + 11)[1].rank == 1
    lease(pool, at=NOON + 11)
    assert "whether its rest is over" in told(pool, at=NOON + 11)[1].why


def test_one_that_another_process_finds_out_about_is_a_last_resort():
    pool = pool_of(key(1), key(2))
    pool.is_alone = False
    fail_as(pool, 1, Outcome.MINUTE_QUOTA, asked_for=10)
    candidate = told(pool, at=NOON + 11)[1]
    assert (candidate.rank, candidate.last_resort) == (2, True)
    assert "another process" in candidate.why


def test_one_that_has_reached_a_limit_says_so_and_until_when():
    pool = pool_of()
    pool.install(Roster(entries=(key(1), key(2)), limits=(Limit(credential=1, rpm=1),)), {})
    lease(pool, tried=frozenset({2}))
    candidate = told(pool)[1]
    assert (candidate.rank, candidate.why) == (0, "a quota limit is reached")
    assert NOON < candidate.until <= NOON + 60


def test_one_that_does_not_list_the_model_and_one_that_the_mode_leaves_out_say_so():
    pool = pool_of(key(1, models=frozenset({PRO})), key(2, models=frozenset({FLASH})), key(3, kind="oauth"))
    assert told(pool)[1].why == "does not list the model"
    pool.selection = Selection(mode=Mode.DISABLED)
    pool.renew(pool.roster)
    assert told(pool)[2].why == "CREDENTIAL_MODE leaves keys out"
    assert told(pool)[3].rank == 1


def test_only_the_kinds_asked_for_are_told_of():
    pool = pool_of(key(1), key(2, kind="oauth"))
    assert list(told(pool, kinds=KEYS)) == [1]
    assert set(told(pool)) == {1, 2}


def test_a_rest_of_the_project_is_that_of_each_of_its_keys():
    pool = pool_of(key(1, group="project:p"), key(2, group="project:p"), key(3))
    fail_as(pool, 1, Outcome.DAY_QUOTA)
    assert [told(pool)[number].why for number in (1, 2, 3)] == [Reason.DAY_QUOTA.label, Reason.DAY_QUOTA.label, ""]


def test_the_longest_of_several_rests_is_told():
    pool = pool_of(key(1))
    held = lease(pool)
    fail_as(pool, 1, Outcome.MINUTE_QUOTA, asked_for=10)
    pool.report(held, Outcome.SPEND_LIMIT, at=NOON)
    assert (told(pool)[1].why, told(pool)[1].until) == (Reason.SPEND_LIMIT.label, NOON + 600)


def test_aliases_are_resolved():
    pool = pool_of(key(1, models=frozenset({FLASH})), key(2, models=frozenset({PRO})))
    pool.renew(Roster(entries=pool.roster.entries, aliases={"gpt-5": PRO}))
    assert told(pool, "gpt-5")[2].rank == 1
    assert told(pool, "gpt-5")[1].rank == 0


# --- The order is the real one --------------------------------------------------------------------------------------------


def test_asking_changes_nothing():
    pool = pool_of(*(key(number) for number in range(1, 5)))
    for _ in range(10):
        assert ranked(pool) == [1, 2, 3, 4]
    assert first_turns(pool, 4) == [1, 2, 3, 4]


def test_one_that_comes_back_takes_the_place_that_it_is_told_to_have():
    pool = pool_of(key(1), key(2), key(3))
    first_turns(pool, 3)
    fail_as(pool, 3, Outcome.MINUTE_QUOTA, asked_for=10)
    first_turns(pool, 3)
    told_order = ranked(pool, at=NOON + 11)
    assert first_turns(pool, 6, at=NOON + 11) == told_order


def test_last_resorts_of_several_tiers_are_told_in_the_order_in_which_they_are_asked():
    pool = pool_of(key(1, priority=1), *(key(number) for number in range(2, 9)))
    for number in range(4, 9):
        fail_as(pool, number, Outcome.DAY_QUOTA)
    for number, at in ((2, NOON - 5), (3, NOON - 10), (1, NOON)):
        fail_as(pool, number, Outcome.UNEXPLAINED, at=at)
    assert ranked(pool) == really_asked(pool) == [1, 3, 2]


HISTORY = st.lists(
    st.one_of(
        st.tuples(st.just("turns"), st.integers(1, 5)),
        st.tuples(st.sampled_from([Outcome.MINUTE_QUOTA, Outcome.UNEXPLAINED, Outcome.KEY_LEAKED]), st.integers(1, 7)),
        st.tuples(st.just("wait"), st.sampled_from([1, 7, 31])),
        st.tuples(st.just("renew"), st.just(0)),
    ),
    max_size=12,
)


@pytest.mark.parametrize("strategy", list(Strategy))
@given(weights=st.lists(st.sampled_from([1, 1, 2, 3]), min_size=7, max_size=7), history=HISTORY)
@settings(max_examples=60, deadline=None)
def test_after_any_history_they_are_asked_in_the_order_that_is_told(strategy, weights, history):
    entries = [key(number, weight=weight, priority=number // 5) for number, weight in enumerate(weights, start=1)]
    pool = pool_of(*entries)
    pool.selection = Selection(strategy)
    at = NOON
    for what, number in history:
        if what == "turns":
            for _ in range(number):
                if (taken := lease(pool, at=at)) is not None:
                    pool.release(taken, at=at)
        elif what == "wait":
            at += number
        elif what == "renew":
            pool.renew(Roster(entries=tuple(entries)))
        elif not pool.rests.by_place.get((f"key:{number}", FLASH)) and not pool.rests.by_place.get((f"key:{number}", "")):
            fail_as(pool, number, what, at=at, asked_for=10)
    assert ranked(pool, at=at) == really_asked(pool, at=at)


# --- From the database ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
class TestSnapshot:
    def add(self, secret, **fields):
        row = ApiKey(secret=secret, **fields)
        row.save()
        return row

    def test_it_holds_what_the_database_holds_and_no_secret(self):
        rests, serves = self.add("test-key-that-rests", label="rests"), self.add("test-key-that-serves", label="serves")
        at = now()
        until = (at + timedelta(hours=1)).timestamp()
        rest = Rest(State.RATE_LIMITED, Reason.DAY_QUOTA, until, at.timestamp())
        store.save(Learned(changes=[Change((f"key:{rests.pk}", FLASH), rests.pk, rest)]))
        found = explain(snapshot(), FLASH, at=at.timestamp())
        assert [(candidate.entry.label, candidate.rank) for candidate in found] == [("serves", 1), ("rests", 0)]
        assert abs(found[1].until - until) < 0.01
        assert found[0].entry.id == serves.pk
        assert "test-key-that" not in repr([candidate.entry.secret for candidate in found])

    def test_a_dead_key_comes_back_by_no_time(self):
        row = self.add("test-key-that-is-dead")
        store.record_check(row.pk, Outcome.KEY_LEAKED)
        [candidate] = explain(snapshot(), FLASH, at=now().timestamp())
        assert (candidate.rank, candidate.until, candidate.why) == (0, None, Reason.KEY_LEAKED.label)
        assert KeyHealth.objects.get().until is None
        assert snapshot().rests.by_place[f"key:{row.pk}", ""].until == FOREVER

    def test_aliases_and_listings_are_those_of_the_tables(self):
        lists, lacks = self.add("test-key-that-lists"), self.add("test-key-that-lacks")
        ServedModel.objects.create(credential=lists, name=PRO)
        ServedModel.objects.create(credential=lacks, name=FLASH)
        ModelAlias.objects.create(pattern="my-model", target=PRO)
        found = explain(snapshot(), "my-model", at=now().timestamp())
        assert [(candidate.entry.id, candidate.rank) for candidate in found] == [(lists.pk, 1), (lacks.pk, 0)]

    def test_the_operators_settings_decide_as_they_do_in_the_web_processes(self, settings):
        self.add("test-key-one-of-two")
        settings.CREDENTIAL_MODE = "disabled"
        [candidate] = explain(snapshot(), FLASH, at=now().timestamp())
        assert (candidate.rank, candidate.why) == (0, "CREDENTIAL_MODE leaves keys out")

    def test_the_operators_strategy_is_followed(self, settings):
        settings.SELECTION = "fill_first"
        assert snapshot().selection.strategy is Strategy.FILL_FIRST
