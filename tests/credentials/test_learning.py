"""What a process has learned and not yet written: writing it in two goes is as good as writing it at once."""

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.health import LETTERS, Outcome, Reason, State
from credentials.learning import MOST_LETTERS, AlertChange, Change, Evidence, Learned, LearnedLimit, Tally, Unknown
from credentials.rests import Rest
from tests.credentials.pools import FLASH, NOON, PRO, key, lease, pool_of

OUTCOMES = st.sampled_from(list(Outcome))


def tally_of(outcomes, begin=0) -> Tally:
    tally = Tally()
    for step, outcome in enumerate(outcomes, start=begin):
        tally.add(outcome, NOON + step)
    return tally


@given(st.lists(OUTCOMES, max_size=50), st.lists(OUTCOMES, max_size=50))
@settings(max_examples=200)
def test_a_tally_in_two_parts_is_the_tally_of_the_whole(earlier, later):
    assert tally_of(earlier).merged(tally_of(later, begin=len(earlier))) == tally_of([*earlier, *later])


@given(st.lists(OUTCOMES, max_size=60))
def test_a_tally_says_what_a_look_at_all_outcomes_says(outcomes):
    tally = tally_of(outcomes)
    failures = 0
    for outcome in outcomes:
        failures = (
            0 if outcome is Outcome.SERVED else failures + (outcome not in (Outcome.REQUEST_REFUSED, Outcome.ANSWER_UNUSABLE))
        )
    assert tally.failures == failures
    assert tally.letters == "".join(LETTERS[outcome] for outcome in outcomes)[-MOST_LETTERS:]
    bad = [(step, outcome) for step, outcome in enumerate(outcomes) if outcome is not Outcome.SERVED]
    assert (tally.last_error, tally.last_error_at) == ((bad[-1][1], NOON + bad[-1][0]) if bad else (None, 0.0))


PLACES = st.sampled_from([("key:1", FLASH), ("key:1", ""), ("project:p", FLASH)])
RESTS = st.one_of(
    st.none(), st.builds(lambda strikes: Rest(State.RATE_LIMITED, Reason.DAY_QUOTA, NOON + 9, NOON, strikes), st.integers(1, 9))
)
ALERTS = st.builds(
    AlertChange,
    st.sampled_from([FLASH, PRO, ""]),
    st.just(NOON),
    st.sampled_from([None, Outcome.THROTTLED, Outcome.UPSTREAM_FAILED, Outcome.KEY_REJECTED]),
)
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.builds(Change, PLACES, st.just(1), RESTS)),
        st.tuples(st.just("project"), st.tuples(st.integers(1, 3), st.sampled_from(["p", "q"]))),
        st.tuples(
            st.just("limit"), st.builds(LearnedLimit, st.just("key:1"), st.just(FLASH), st.just("PerDay"), st.integers(1, 9))
        ),
        st.tuples(
            st.just("unknown"), st.builds(Unknown, st.just(1), st.just(FLASH), st.just(418), st.text(max_size=3), st.just(NOON))
        ),
        st.tuples(st.just("alert"), ALERTS),
        st.tuples(st.just("note"), st.tuples(st.integers(1, 3), OUTCOMES)),
    ),
    max_size=40,
)


def learn(events) -> Learned:
    learned = Learned()
    for what, event in events:
        if what == "change":
            learned.changes.append(event)
        elif what == "project":
            learned.projects[event[0]] = event[1]
        elif what == "limit":
            learned.limits[event.group, event.model, event.quota] = event
        elif what == "unknown":
            learned.keep_unknown(event)
        elif what == "alert":
            learned.keep_alert(event)
        else:
            learned.note(*event, NOON)
    return learned


def written(learned: Learned):
    """What there is to write: of several changes at one place the last one."""
    changes = {change.place: change for change in learned.changes}
    return changes, learned.projects, learned.limits, learned.unknown, learned.alerts, learned.tallies


@given(EVENTS, EVENTS)
@settings(max_examples=200)
def test_what_is_put_back_and_goes_on_is_what_was_never_taken_away(earlier, later):
    assert written(learn(earlier).followed_by(learn(later))) == written(learn([*earlier, *later]))


@given(st.lists(ALERTS, max_size=30))
def test_alerts_say_whatever_they_say_once(alerts):
    """A model's alerts that are open after the whole story are open after what is kept of it."""

    def still_open(changes):
        standing = set()
        for alert in changes:
            standing = (
                {one for one in standing if one[0] != alert.model}
                if alert.cause is None
                else {*standing, (alert.model, alert.cause)}
            )
        return standing

    learned = Learned()
    for alert in alerts:
        learned.keep_alert(alert)
    assert still_open(learned.alerts) == still_open(alerts)
    for model in (FLASH, PRO, ""):
        causes = [alert.cause for alert in learned.alerts if alert.model == model]
        assert all(one is not other for one, other in pairwise(causes))


def test_unknown_errors_are_kept_up_to_a_number():
    learned = Learned()
    for number in range(1_000):
        learned.keep_unknown(Unknown(1, FLASH, 418, str(number), NOON))
    assert len(learned.unknown) == 50
    assert len(learned.followed_by(learned).unknown) == 50


def test_tallies_are_taken_less_often_and_lost_never():
    pool = pool_of(key(1))
    for step in range(3):
        pool.report(lease(pool, at=NOON + step), Outcome.UPSTREAM_FAILED, at=NOON + step)
    assert pool.take_learned(tallies=False).tallies == {}
    pool.report(lease(pool, at=NOON + 3), Outcome.UPSTREAM_FAILED, at=NOON + 3)
    taken = pool.take_learned()
    assert taken.tallies[1].failures == 4
    pool.put_back(taken)
    assert pool.take_learned().tallies[1].failures == 4


def test_nothing_learned_is_nothing_to_hurry_for():
    learned = Learned()
    learned.note(1, Outcome.SERVED, NOON)
    assert not learned.is_urgent
    learned.keep_alert(AlertChange(FLASH, NOON, Outcome.THROTTLED))
    assert learned.is_urgent


# --- What the pool learns from a refusal ----------------------------------------------------------------------------------


def refused(pool, outcome=Outcome.DAY_QUOTA, *, at=NOON, **said) -> Learned:
    pool.report(lease(pool, at=at), outcome, at=at, evidence=Evidence(**said))
    return pool.learned


def test_a_project_that_google_names_is_learned_unless_it_is_known_or_an_admin_has_typed_one():
    assert refused(pool_of(key(1)), project="p").projects == {1: "p"}
    assert refused(pool_of(key(1, group="project:p")), project="p").projects == {}
    assert refused(pool_of(key(1, group="project:q")), project="p").projects == {1: "p"}
    assert refused(pool_of(key(1, group="project:q", project_is_typed=True)), project="p").projects == {}


def test_a_limit_that_google_names_is_learned_for_the_group_and_model():
    learned = refused(pool_of(key(1, group="project:p")), quota="PerDay", quota_value=20)
    assert list(learned.limits.values()) == [LearnedLimit("project:p", FLASH, "PerDay", 20)]


def test_a_quota_without_a_number_is_no_limit():
    assert refused(pool_of(key(1)), quota="PerDay").limits == {}


def test_an_error_that_nobody_knows_is_kept_with_who_met_it():
    learned = refused(pool_of(key(1)), Outcome.UNEXPLAINED, status=418, unknown="I am a teapot")
    assert learned.unknown == [Unknown(1, FLASH, 418, "I am a teapot", NOON)]


def test_alerts_that_cannot_be_written_are_bounded():
    learned = Learned()
    for number in range(1_200):
        learned.keep_alert(AlertChange(f"gemini-made-up-{number}", NOON, Outcome.THROTTLED, "all fail"))
    assert [alert.model for alert in learned.alerts] == [f"gemini-made-up-{number}" for number in range(200, 1_200)]
