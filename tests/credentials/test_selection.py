"""Who is asked: turns by weight, the three strategies, priorities and modes, and a naive model that the pool must agree with."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.health import Outcome, Reason, State
from credentials.learning import Evidence
from credentials.lines import Strategy
from credentials.rests import FOREVER, Rest
from credentials.roster import Roster
from credentials.selection import Mode, Selection
from tests.credentials.pools import FLASH, MINUTE, NOON, PRO, key, pool_of

ALL = frozenset({"api_key", "oauth", "openai_compatible"})


def chosen_by(pool, selection):
    pool.selection = selection
    return pool


def ask(pool, model=FLASH, *, at=NOON, tried=frozenset()):
    return pool.lease(model, at=at, kinds=ALL, tried=tried)


def serve(pool, model=FLASH, *, at=NOON):
    taken = ask(pool, model, at=at)
    pool.report(taken, Outcome.SERVED, at=at)
    return taken.entry.id


def rest_one(pool, number, outcome, *, at=NOON, model=FLASH, asked_for=None):
    others = frozenset(entry.id for entry in pool.roster.entries) - {number}
    pool.report(ask(pool, model, at=at, tried=others), outcome, at=at, evidence=Evidence(asked_for=asked_for))


# --- Turns ----------------------------------------------------------------------------------------------------------------


def assert_within(turns, expected, share=0.05):
    assert set(turns) == set(expected)
    assert all(abs(turns[one] - expected[one]) <= share * expected[one] for one in expected), (turns, expected)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1, 1), (1, 3, 10), (1, 1, 100), (7, 11, 13)])
def test_ten_thousand_turns_are_shared_by_weight(weights):
    pool = pool_of(*(key(number, weight=weight) for number, weight in enumerate(weights, start=1)))
    turns = Counter(serve(pool) for _ in range(10_000))
    assert_within(turns, {number: 10_000 * weight / sum(weights) for number, weight in enumerate(weights, start=1)})


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (1, 3, 10)])
def test_turns_stay_fair_while_keys_rest_and_return(weights):
    entries = {number: key(number, weight=weight) for number, weight in enumerate(weights, start=1)}
    pool = pool_of(*entries.values())
    turns, fair = Counter(), Counter()
    for request in range(10_000):
        at = NOON + request / 10
        if request % 500 == 250:
            rest_one(pool, request // 500 % len(entries) + 1, Outcome.MINUTE_QUOTA, at=at, asked_for=20)
        awake = [one for one in entries.values() if pool.block(one, FLASH, at) is None]
        for one in awake:
            fair[one.id] += one.weight / sum(other.weight for other in awake)
        turns[serve(pool, at=at)] += 1
    assert_within(turns, fair)


@pytest.mark.parametrize("weights", [(1, 1, 1, 1), (1, 3, 10)])
def test_turns_stay_fair_while_keys_are_added_and_removed(weights):
    entries = [key(number, weight=weight) for number, weight in enumerate(weights, start=1)]
    pool = pool_of(*entries)
    turns, fair = Counter(), Counter()
    for request in range(10_000):
        if request % 300 == 0:
            away = request // 300 % (len(entries) + 1)
            pool.renew(Roster(entries=tuple(one for one in entries if one.id != away)))
        for one in pool.roster.entries:
            fair[one.id] += one.weight / sum(other.weight for other in pool.roster.entries)
        turns[serve(pool)] += 1
    assert_within(turns, fair)


def test_turns_stay_fair_though_the_roster_is_renewed_after_every_request():
    entries = [key(number) for number in range(1, 6)]
    pool = pool_of(*entries)
    turns = Counter()
    for _ in range(1_000):
        turns[serve(pool)] += 1
        pool.renew(Roster(entries=tuple(entries)))
    assert set(turns.values()) == {200}


def test_a_key_that_was_busy_for_long_does_not_make_up_for_its_missed_turns():
    pool = pool_of(key(1, max_concurrent=1), key(2), key(3))
    held = ask(pool)
    for _ in range(300):
        serve(pool)
    pool.release(held, at=NOON)
    assert_within(Counter(serve(pool) for _ in range(30)), {1: 10, 2: 10, 3: 10}, share=0.2)


def test_a_key_that_rested_for_long_does_not_make_up_for_its_missed_turns():
    pool = pool_of(key(1), key(2), key(3))
    rest_one(pool, 1, Outcome.MINUTE_QUOTA, asked_for=50)
    for _ in range(300):
        serve(pool)
    assert_within(Counter(serve(pool, at=NOON + MINUTE) for _ in range(30)), {1: 10, 2: 10, 3: 10}, share=0.2)


def test_what_one_model_takes_counts_nothing_in_the_turns_of_another():
    pool = pool_of(key(1), key(2))
    assert [serve(pool, model) for model in (FLASH, PRO, FLASH, PRO)] == [1, 1, 2, 2]


# --- Strategies -----------------------------------------------------------------------------------------------------------


def test_the_least_loaded_for_its_weight_is_asked():
    pool = chosen_by(pool_of(key(1), key(2, weight=2)), Selection(Strategy.LEAST_IN_FLIGHT))
    assert Counter(ask(pool).entry.id for _ in range(9)) == {1: 3, 2: 6}


def test_whoever_has_ended_a_call_is_the_next_of_the_least_loaded():
    pool = chosen_by(pool_of(*(key(number) for number in range(1, 5))), Selection(Strategy.LEAST_IN_FLIGHT))
    held = [ask(pool) for _ in range(8)]
    pool.release(held[2], at=NOON)
    assert ask(pool).entry.id == held[2].entry.id


def test_those_without_a_call_in_flight_take_turns_also_where_the_least_loaded_is_asked():
    pool = chosen_by(pool_of(*(key(number) for number in range(1, 4))), Selection(Strategy.LEAST_IN_FLIGHT))
    assert Counter(serve(pool) for _ in range(30)) == {1: 10, 2: 10, 3: 10}


def test_one_key_is_filled_until_it_rests_and_is_taken_up_again_when_it_is_back():
    pool = chosen_by(pool_of(key(1), key(2), key(3)), Selection(Strategy.FILL_FIRST))
    assert [serve(pool) for _ in range(5)] == [1] * 5
    rest_one(pool, 1, Outcome.MINUTE_QUOTA, asked_for=10)
    assert [serve(pool) for _ in range(5)] == [2] * 5
    assert [serve(pool, at=NOON + 11) for _ in range(5)] == [1] * 5


def test_the_key_that_is_filled_stays_the_same_when_others_are_added_or_the_roster_is_renewed():
    entries = [key(number) for number in range(1, 4)]
    pool = chosen_by(pool_of(*entries[:2]), Selection(Strategy.FILL_FIRST))
    assert serve(pool) == 1
    for _ in range(3):
        pool.renew(Roster(entries=tuple(entries)))
        assert serve(pool) == 1


def test_a_full_key_is_passed_over_and_filled_again_afterwards():
    pool = chosen_by(pool_of(key(1, max_concurrent=1), key(2)), Selection(Strategy.FILL_FIRST))
    held = ask(pool)
    assert serve(pool) == 2
    pool.release(held, at=NOON)
    assert [serve(pool) for _ in range(3)] == [1, 1, 1]


@pytest.mark.parametrize("strategy", list(Strategy))
def test_priorities_come_before_any_strategy(strategy):
    pool = chosen_by(pool_of(key(1), key(2, priority=5, max_concurrent=2), key(3, priority=-1)), Selection(strategy))
    assert [ask(pool).entry.id for _ in range(3)] == [2, 2, 1]


# --- Modes ----------------------------------------------------------------------------------------------------------------

MIXED = (key(1), key(2, kind="oauth"), key(3, kind="openai_compatible"))


@pytest.mark.parametrize(
    ("selection", "model", "order"),
    [
        (Selection(), FLASH, [2, 1, 3]),
        (Selection(), PRO, [2, 1, 3]),
        (Selection(mode=Mode.DISABLED), FLASH, [2, 3]),
        (Selection(mode=Mode.DISABLED, prefer_ai_studio_for_pro=True), PRO, [2, 3]),
        (Selection(prefer_ai_studio_for_pro=True), PRO, [1, 2, 3]),
        (Selection(prefer_ai_studio_for_pro=True), FLASH, [2, 1, 3]),
        (Selection(mode=Mode.COMBINED, prefer_ai_studio_for_pro=True), PRO, [1, 2, 3]),
        (Selection(prefer_ai_studio_for_pro=True), "gemini-3.1-pro", [1, 2, 3]),
    ],
)
def test_the_mode_says_which_kind_is_asked_first(selection, model, order):
    pool = chosen_by(pool_of(*MIXED), selection)
    asked = []
    while (taken := ask(pool, model, tried=frozenset(asked))) is not None:
        asked.append(taken.entry.id)
    assert asked == order


def test_combined_accounts_and_keys_take_turns():
    pool = chosen_by(pool_of(*MIXED), Selection(mode=Mode.COMBINED))
    assert Counter(serve(pool) for _ in range(10)) == {1: 5, 2: 5}


def test_keys_stand_in_while_all_accounts_rest_and_step_back_afterwards():
    pool = pool_of(*MIXED)
    rest_one(pool, 2, Outcome.MINUTE_QUOTA, asked_for=30)
    assert [serve(pool, at=NOON + second) for second in (1, 29, 31, 32)] == [1, 1, 2, 2]


def test_the_kind_comes_before_the_priority():
    pool = pool_of(key(1, priority=9), key(2, kind="oauth"))
    assert serve(pool) == 2


def test_without_keys_in_mode_disabled_nobody_may_serve():
    pool = chosen_by(pool_of(key(1), key(2)), Selection(mode=Mode.DISABLED))
    assert ask(pool) is None
    assert not pool.serves(FLASH, kinds=ALL)


# --- A naive model of the pool --------------------------------------------------------------------------------------------


class Naive:
    """Looks at every credential, every time. It takes the rests from the pool and everything else from what it saw itself."""

    def __init__(self, pool) -> None:
        self.pool = pool
        self.open: list = []
        self.probes: dict[int, set] = {}

    def rests(self, entry, model):
        places = {(who, of) for who in (entry.name, entry.group) for of in ("", model)}
        return {place: rest for place in places if (rest := self.pool.rests.get(place)) is not None and rest.until is not None}

    def in_force(self, entry, model, at):
        return [rest for rest in self.rests(entry, model).values() if rest.until > at]

    def over(self, entry, model, at):
        return {(place, rest.until) for place, rest in self.rests(entry, model).items() if rest.until <= at}

    def is_firm(self, entry, model, at):
        return any(not rest.is_soft for rest in self.in_force(entry, model, at))

    def is_soft(self, entry, model, at):
        return bool(self.in_force(entry, model, at)) and not self.is_firm(entry, model, at)

    def is_full(self, entry):
        return sum(1 for lease in self.open if lease.entry.id == entry.id) >= entry.max_concurrent

    def is_probed(self, entry, model, at):
        under_way = set().union(*(self.probes[id(lease)] for lease in self.open))
        return not self.in_force(entry, model, at) and bool(self.over(entry, model, at) & under_way)

    def is_busy(self, entry, model, at):
        return not self.is_firm(entry, model, at) and (self.is_full(entry) or self.is_probed(entry, model, at))

    def is_free(self, entry, model, at):
        return not self.in_force(entry, model, at) and not self.is_busy(entry, model, at)

    def returns(self, entry, model, at):
        """When it can be asked again, be it as a last resort."""
        rests = self.in_force(entry, model, at)
        return max(rest.until for rest in [rest for rest in rests if not rest.is_soft] or rests)

    # Before and after a lease.

    def judge(self, lease, model, at, tried):
        asked = [entry for entry in self.pool.roster.entries if entry.id not in tried]
        free = [entry for entry in asked if self.is_free(entry, model, at)]
        busy = [entry for entry in asked if self.is_busy(entry, model, at)]
        resorts = [entry for entry in asked if self.is_soft(entry, model, at) and not self.is_full(entry)]
        if free:
            assert lease is not None, "somebody is free, and was not found"
            best = max(entry.priority for entry in free)
            assert lease.entry in [entry for entry in free if entry.priority == best]
        elif lease is not None:
            assert lease.entry in resorts
        elif resorts:
            assert busy, "there is a last resort, and nobody to wait for"
        if lease is None:
            self.judge_absence(model, at, tried, asked, busy)

    def judge_absence(self, model, at, tried, asked, busy):
        kinds = frozenset({"api_key"})
        assert self.pool.is_busy(model, at=at, kinds=kinds, tried=tried) == bool(busy)
        if not busy:
            moments = [self.returns(entry, model, at) for entry in asked]
            assert self.pool.next_return(model, at=at, kinds=kinds, tried=tried) == min(moments, default=FOREVER)

    def begin(self, lease):
        under_way = set().union(*(self.probes[id(other)] for other in self.open))
        self.probes[id(lease)] = self.over(lease.entry, lease.model, lease.at) - under_way
        self.open.append(lease)

    def end(self, lease):
        self.open = [other for other in self.open if other is not lease]


ENTRIES = (
    key(1, max_concurrent=1),
    key(2, max_concurrent=2),
    key(3, group="project:p", max_concurrent=1),
    key(4, group="project:p", max_concurrent=2),
    key(5, priority=1, max_concurrent=1),
    key(6, weight=3, max_concurrent=3),
)
MODELS = st.sampled_from([FLASH, FLASH, FLASH, PRO])
PLACES = st.tuples(st.sampled_from(["key:1", "key:2", "key:3", "project:p", "key:5", "key:6"]), st.sampled_from(["", FLASH, PRO]))
RESTS = st.one_of(
    st.none(),
    st.tuples(
        st.sampled_from([(State.RATE_LIMITED, Reason.MINUTE_QUOTA), (State.RATE_LIMITED, Reason.REPEATED_FAILURES),
                         (State.RATE_LIMITED, Reason.KEY_REJECTED), (State.INVALID, Reason.KEY_REJECTED)]),
        st.sampled_from([3.0, 7.0, 20.0, 90.0]),
    ),
)  # fmt: skip
OUTCOMES = st.sampled_from(
    [Outcome.SERVED, Outcome.UNEXPLAINED, Outcome.MINUTE_QUOTA, Outcome.DAY_QUOTA, Outcome.UPSTREAM_FAILED, Outcome.THROTTLED,
     Outcome.KEY_REJECTED, Outcome.API_DISABLED, Outcome.MODEL_ABSENT, Outcome.REQUEST_REFUSED]
)  # fmt: skip
STEPS = st.one_of(
    st.tuples(st.just("lease"), MODELS, st.frozensets(st.integers(1, 6), max_size=2)),
    *[st.tuples(st.just("lease"), MODELS, st.just(frozenset()))] * 3,
    st.tuples(st.just("report"), st.integers(0, 20), OUTCOMES, st.sampled_from([None, 5.0, 40.0])),
    st.tuples(st.just("answered"), st.integers(0, 20)),
    st.tuples(st.just("release"), st.integers(0, 20)),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 4.0, 16.0, 61.0, 700.0])),
    st.tuples(st.just("renew"), st.frozensets(st.integers(1, 6), max_size=3)),
    st.tuples(st.just("take_in"), PLACES, RESTS),
)


class Play:
    def __init__(self, strategy, entries) -> None:
        self.entries = entries
        self.pool = chosen_by(pool_of(*entries), Selection(strategy))
        self.naive = Naive(self.pool)
        self.at = NOON

    def lease(self, model, tried):
        taken = self.pool.lease(model, at=self.at, kinds=frozenset({"api_key"}), tried=tried)
        self.naive.judge(taken, model, self.at, tried)
        if taken is not None:
            self.naive.begin(taken)

    def report(self, number, outcome, asked_for):
        if lease := self._end(number):
            self.pool.report(lease, outcome, at=self.at, evidence=Evidence(asked_for=asked_for))

    def release(self, number):
        if lease := self._end(number):
            self.pool.release(lease, at=self.at)

    def answered(self, number):
        if self.naive.open:
            lease = self.naive.open[number % len(self.naive.open)]
            self.naive.probes[id(lease)] = set()
            self.pool.answered(lease, at=self.at)

    def wait(self, seconds):
        self.at += seconds

    def renew(self, without):
        self.pool.renew(Roster(entries=tuple(entry for entry in self.entries if entry.id not in without)))

    def take_in(self, place, rest):
        if rest is not None:
            (state, reason), seconds = rest
            until = FOREVER if state is State.INVALID else self.at + seconds
            rest = Rest(state, reason, until, self.at)
        self.pool.take_learned()
        self.pool.take_in({place: rest}, version=1)

    def finish(self):
        """Everybody comes back: nobody was lost, and nothing is held."""
        for lease in list(self.naive.open):
            self.naive.end(lease)
            self.pool.release(lease, at=self.at)
        assert self.pool.in_flight == {}
        self.pool.take_learned()
        self.pool.take_in(dict.fromkeys(self.pool.rests.by_place), version=2)
        for entry in self.pool.roster.entries:
            others = frozenset(other.id for other in ENTRIES) - {entry.id}
            for model in (FLASH, PRO):
                taken = self.pool.lease(model, at=self.at, kinds=frozenset({"api_key"}), tried=others)
                assert taken is not None, f"{entry} is lost"
                self.pool.release(taken, at=self.at)

    def _end(self, number):
        if not self.naive.open:
            return None
        lease = self.naive.open[number % len(self.naive.open)]
        self.naive.end(lease)
        return lease


@pytest.mark.parametrize("strategy", list(Strategy))
@given(
    entries=st.sampled_from([ENTRIES[:1], ENTRIES[:2], ENTRIES[2:4], ENTRIES]), steps=st.lists(STEPS, min_size=40, max_size=80)
)
@settings(max_examples=200, deadline=None)
def test_whatever_happens_the_pool_chooses_as_one_who_looks_at_everybody_each_time(strategy, entries, steps):
    play = Play(strategy, entries)
    for name, *given_ in steps:
        getattr(play, name)(*given_)
    play.finish()
