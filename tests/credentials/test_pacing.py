"""Limits on plain memory: which one counts, when it is used up, and until when."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials import pacing
from credentials.budget import day_at, minute_at
from credentials.health import DAY, HOUR, PACIFIC, next_pacific_midnight
from credentials.pacing import Limit, Pacer
from tests.credentials.pools import FLASH, MINUTE, PRO

NOON = datetime(2026, 11, 21, 20, tzinfo=UTC).timestamp()
"""Of California, and the beginning of a minute."""
NEXT_MINUTE = NOON + MINUTE
MIDNIGHT = next_pacific_midnight(NOON)
OURS = "project:harbour"


def pacer_of(*limits: Limit, processes: int = 1) -> Pacer:
    pacer = Pacer()
    pacer.install(limits)
    pacer.processes = processes
    return pacer


def served(pacer: Pacer, *, group: str = OURS, model: str = FLASH, at: float = NOON, tokens: int = 0, most: int = 1_000) -> int:
    """How many requests go one after the other before one is held back."""
    for number in range(most):
        if pacer.blocked_until(group, model, at=at, tokens=tokens) is not None:
            return number
        pacer.begin(group, model, at=at, tokens=tokens)
        pacer.end(group, model, at=at)
    return most


def blocked(pacer: Pacer, *, group: str = OURS, model: str = FLASH, at: float = NOON, tokens: int = 0) -> float | None:
    return pacer.blocked_until(group, model, at=at, tokens=tokens)


# --- Which limit counts ----------------------------------------------------------------------------------------------


def test_without_limits_nothing_is_held_back():
    pacer = pacer_of()
    assert not pacer.has_limits
    assert served(pacer) == 1_000


MANY = [
    Limit(rpm=1),
    Limit(model="gemini-*", rpm=2),
    Limit(model="gemini-3*-flash", rpm=3),
    Limit(model=FLASH, rpm=4),
    Limit(project="harbour", rpm=5),
    Limit(project="harbour", model="gemini-*", rpm=6),
    Limit(project="harbour", model=FLASH, rpm=7),
    Limit(credential=12, rpm=8),
    Limit(credential=12, model="gemini-*", rpm=9),
]


@pytest.mark.parametrize(
    ("group", "model", "rpm"),
    [
        ("project:elsewhere", "gemma-4", 1),
        ("project:elsewhere", PRO, 2),
        ("project:elsewhere", "gemini-3.7-flash", 3),
        ("project:elsewhere", FLASH, 4),
        (OURS, "gemma-4", 5),
        (OURS, PRO, 6),
        (OURS, FLASH, 7),
        ("key:12", "gemma-4", 8),
        ("key:12", FLASH, 9),  # The named group counts before the exact name of the model.
        ("key:1", FLASH, 4),
        ("project:12", "gemma-4", 1),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_most_particular_limit_counts(group, model, rpm, order):
    assert served(pacer_of(*MANY[::order]), group=group, model=model) == rpm


def test_each_number_is_decided_by_itself():
    pacer = pacer_of(Limit(rpd=3, rpm=50), Limit(project="harbour", rpm=2), Limit(project="harbour", model=FLASH, tpm=10))
    assert served(pacer) == 2
    assert served(pacer, at=NEXT_MINUTE) == 1


def test_a_declared_number_counts_before_a_learned_one_however_particular_that_is():
    pacer = pacer_of(Limit(rpm=5), Limit(project="harbour", model=FLASH, rpm=2, rpd=9, learned=True))
    assert served(pacer) == 5
    assert served(pacer, at=NEXT_MINUTE) == 4


def test_any_group_has_the_general_limit_for_itself():
    pacer = pacer_of(Limit(rpm=2))
    assert [served(pacer, group=group) for group in (OURS, "project:other", "key:1")] == [2, 2, 2]


def test_a_limit_of_zero_lets_nothing_through():
    assert served(pacer_of(Limit(rpm=0))) == 0
    assert served(pacer_of(Limit(tpm=0)), tokens=5) == 0


def test_what_was_used_still_counts_when_limits_are_installed_anew():
    pacer = pacer_of(Limit(rpm=3))
    assert served(pacer) == 3
    pacer.install([Limit(rpm=5, rpd=100)])
    assert served(pacer) == 2
    pacer.install([])
    assert served(pacer, most=10) == 10


# --- Windows ---------------------------------------------------------------------------------------------------------


def test_a_minute_limit_is_free_again_when_the_minute_of_the_wall_clock_ends():
    pacer = pacer_of(Limit(rpm=2))
    served(pacer, at=NOON + 59.5)
    assert blocked(pacer, at=NOON + 59.9) == NEXT_MINUTE
    assert blocked(pacer, at=NEXT_MINUTE) is None


def test_a_day_limit_is_free_again_at_midnight_in_california():
    pacer = pacer_of(Limit(rpd=2, rpm=2))
    served(pacer)
    assert blocked(pacer) == MIDNIGHT  # Not when the minute ends, of which nothing is left either.
    assert blocked(pacer, at=MIDNIGHT - 0.1) == MIDNIGHT
    assert blocked(pacer, at=MIDNIGHT) is None


@pytest.mark.parametrize(("day", "hours"), [((2026, 3, 8), 23), ((2026, 11, 1), 25), ((2026, 11, 21), 24)])
@pytest.mark.parametrize("hour", [0, 1, 3, 12, 23])
def test_a_day_has_the_hours_that_daylight_saving_gives_it(day, hours, hour):
    window = day_at(datetime(*day, hour, 30, tzinfo=PACIFIC).timestamp())
    assert (window.ends - window.begins) / HOUR == hours
    assert window.name == "{}-{:02}-{:02}".format(*day)


@given(st.floats(1_600_000_000, 2_000_000_000))
@settings(max_examples=200, deadline=None)
def test_windows_follow_each_other_without_a_gap(at):
    for window_at in (minute_at, day_at):
        window = window_at(at)
        assert window.begins <= at < window.ends
        assert window_at(window.ends).begins == window.ends
        assert window_at(window.begins) == window


@pytest.mark.parametrize("jump", [-HOUR, -30.0, -MINUTE])
@pytest.mark.parametrize("number", ["rpm", "rpd"])
def test_a_clock_that_is_put_back_frees_nothing_and_freezes_no_further_than_the_end_of_the_window(number, jump):
    pacer = pacer_of(Limit(**{number: 2}))
    at = next_pacific_midnight(NOON) + 10  # The jump goes over midnight.
    served(pacer, at=at)
    until = blocked(pacer, at=at + jump)
    assert until == (minute_at if number == "rpm" else day_at)(at + jump).ends
    assert served(pacer, at=until) == 2


@pytest.mark.parametrize("number", ["rpm", "rpd"])
def test_a_clock_that_goes_an_hour_ahead_and_back_again_frees_one_window_at_most(number):
    pacer = pacer_of(Limit(**{number: 2}))
    at = MIDNIGHT - HOUR / 2
    assert [served(pacer, at=moment) for moment in (at, at + HOUR, at, at + 1)] == [2, 2, 0, 0]


@given(st.lists(st.tuples(st.floats(0, 2 * DAY), st.integers(0, 40)), min_size=1, max_size=80))
@settings(max_examples=100, deadline=None)
def test_no_window_ever_lets_more_through_than_its_limit(moments):
    pacer = pacer_of(Limit(rpm=7, rpd=60, tpm=100))
    minutes: dict[str, list[int]] = {}
    days: dict[str, int] = {}
    for offset, tokens in sorted(moments):
        at = NOON + offset
        if blocked(pacer, at=at, tokens=tokens) is None:
            pacer.begin(OURS, FLASH, at=at, tokens=tokens)
            minutes.setdefault(minute_at(at).name, []).append(tokens)
            days[day_at(at).name] = days.get(day_at(at).name, 0) + 1
    assert all(len(requests) <= 7 and sum(requests) <= 100 for requests in minutes.values())
    assert all(requests <= 60 for requests in days.values())


# --- Tokens ----------------------------------------------------------------------------------------------------------


def test_a_request_that_does_not_fit_into_what_is_left_of_the_tokens_waits_and_a_smaller_one_goes():
    pacer = pacer_of(Limit(tpm=1_000))
    pacer.begin(OURS, FLASH, at=NOON, tokens=800)
    assert blocked(pacer, tokens=300) == NEXT_MINUTE
    assert blocked(pacer, tokens=200) is None


def test_a_request_larger_than_the_whole_limit_goes_where_nothing_else_was_used():
    pacer = pacer_of(Limit(tpm=1_000))
    assert blocked(pacer, tokens=5_000) is None
    pacer.begin(OURS, FLASH, at=NOON, tokens=1)
    assert blocked(pacer, tokens=5_000) == NEXT_MINUTE
    assert blocked(pacer, at=NEXT_MINUTE, tokens=5_000) is None


@pytest.mark.parametrize(
    ("used", "began", "left"),
    [
        (100, NOON, 900),
        (900, NOON, 100),
        (5_000, NOON, 0),
        (None, NOON, 500),
        (0, NOON, 1_000),
        (100, None, 900),
        (100, NOON - 1, 500),  # Google counted it in the minute before.
    ],
)
def test_the_estimate_is_settled_with_what_was_used(used, began, left):
    pacer = pacer_of(Limit(tpm=1_000))
    pacer.begin(OURS, FLASH, at=NOON, tokens=500)
    pacer.end(OURS, FLASH, at=NOON + 1, reserved=500, used=used, began=began)
    assert (blocked(pacer, tokens=left) is None) == (left > 0)
    assert blocked(pacer, tokens=left + 1) == (NEXT_MINUTE if left < 1_000 else None)


@pytest.mark.parametrize(("limits", "counts"), [([Limit(rpm=1)], False), ([Limit(rpm=1), Limit(tpm=5)], True), ([], False)])
def test_tokens_are_estimated_only_where_some_limit_counts_them(limits, counts):
    assert pacer_of(*limits).counts_tokens is counts


# --- Calls in flight -------------------------------------------------------------------------------------------------


def test_calls_in_flight_are_limited_and_the_next_one_goes_when_one_has_ended():
    pacer = pacer_of(Limit(max_concurrent=2))
    for _ in range(2):
        assert blocked(pacer) is None
        pacer.begin(OURS, FLASH, at=NOON)
    assert blocked(pacer, at=NOON + 5) == NOON + 5  # Busy: it does not end with a window.
    assert blocked(pacer, model=PRO) is None
    pacer.end(OURS, FLASH, at=NOON + 5)
    assert blocked(pacer, at=NOON + 5) is None


def test_a_used_up_window_counts_before_calls_in_flight():
    pacer = pacer_of(Limit(max_concurrent=1, rpm=1))
    pacer.begin(OURS, FLASH, at=NOON)
    assert blocked(pacer) == NEXT_MINUTE


def test_a_call_that_ends_twice_or_began_before_its_limit_was_known_frees_nothing():
    pacer = pacer_of(Limit(max_concurrent=1))
    pacer.end(OURS, FLASH, at=NOON)
    pacer.begin(OURS, FLASH, at=NOON)
    assert blocked(pacer) == NOON


# --- Several processes that cannot agree -----------------------------------------------------------------------------


@pytest.mark.parametrize(("limit", "share"), [(100, 25), (5, 1), (2, 1), (0, 0)])
def test_each_process_has_its_share_and_at_least_one(limit, share):
    assert served(pacer_of(Limit(rpm=limit), processes=4)) == share


def test_a_request_larger_than_the_share_of_a_process_goes_where_nothing_else_was_used():
    pacer = pacer_of(Limit(tpm=1_000), processes=4)
    assert served(pacer, tokens=700) == 1


# --- Memory ----------------------------------------------------------------------------------------------------------


def test_made_up_names_of_models_neither_fill_the_memory_nor_free_what_others_have_used(monkeypatch):
    monkeypatch.setattr(pacing, "MOST_METERS", 100)
    pacer = pacer_of(Limit(rpd=50), Limit(model=PRO, max_concurrent=1))
    assert served(pacer) == 50
    pacer.begin(OURS, PRO, at=NOON)
    for number in range(1_000):
        served(pacer, model=f"made-up-{number}", most=1)
    assert len(list(pacer.budgets())) <= 200
    assert blocked(pacer) == MIDNIGHT
    assert blocked(pacer, model=PRO) == NOON
