from datetime import UTC, datetime

import pytest

from credentials.health import EFFECTS, Outcome, RestRules, Scope, State, next_pacific_midnight, rest_until


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "midnight"),
    [
        ("2026-07-01 12:00", "2026-07-02 07:00"),  # summer: seven hours behind UTC
        ("2026-12-01 12:00", "2026-12-02 08:00"),  # winter: eight
        ("2026-12-01 07:59", "2026-12-01 08:00"),
        ("2026-12-01 08:00", "2026-12-02 08:00"),
        ("2026-03-08 09:00", "2026-03-09 07:00"),  # the day of 23 hours
        ("2026-11-01 08:00", "2026-11-02 08:00"),  # the day of 25 hours
        ("2026-11-01 06:30", "2026-11-01 07:00"),
    ],
)
def test_a_day_quota_begins_anew_at_midnight_in_california(now, midnight):
    assert next_pacific_midnight(utc(now)) == utc(midnight)


def test_a_day_quota_rests_until_midnight_unless_its_end_is_told_reliably():
    at = utc("2026-12-01 12:00")
    assert rest_until(Outcome.DAY_QUOTA, at=at, strikes=1, asked_for=None) == utc("2026-12-02 08:00")
    assert rest_until(Outcome.DAY_QUOTA, at=at, strikes=1, asked_for=3600) == utc("2026-12-01 13:00")


@pytest.mark.parametrize(
    ("outcome", "strikes", "asked_for", "seconds"),
    [
        (Outcome.MINUTE_QUOTA, 1, 12.5, 12.5),
        (Outcome.MINUTE_QUOTA, 1, None, 60),
        (Outcome.MINUTE_QUOTA, 3, None, 240),
        (Outcome.MINUTE_QUOTA, 30, None, 900),
        (Outcome.MINUTE_QUOTA, 1, 3000, 3000),
        (Outcome.NOT_ENTITLED, 1, None, 86_400),
        (Outcome.OUT_OF_CREDIT, 1, None, 21_600),
        (Outcome.SPEND_LIMIT, 1, None, 600),
        (Outcome.THROTTLED, 2, None, None),
        (Outcome.THROTTLED, 3, 90, 90),
        (Outcome.MODEL_ABSENT, 1, None, 21_600),
        (Outcome.UNEXPLAINED, 1, None, 15),
        (Outcome.UPSTREAM_FAILED, 2, None, None),
        (Outcome.UPSTREAM_FAILED, 3, None, 60),
        (Outcome.KEY_LEAKED, 1, None, None),
        (Outcome.SERVED, 1, None, None),
    ],
)
def test_how_long_each_outcome_rests(outcome, strikes, asked_for, seconds):
    until = rest_until(outcome, at=1000.0, strikes=strikes, asked_for=asked_for, rules=RestRules(cooldown=60, failures=3))
    assert until == (None if seconds is None else 1000.0 + seconds)


def test_every_outcome_has_an_effect_and_only_those_that_concern_somebody_have_a_reason():
    assert set(EFFECTS) == set(Outcome)
    for effect in EFFECTS.values():
        assert (effect.reason is None) == (effect.scope is Scope.NOBODY)
        assert (effect.state is State.AVAILABLE) == (effect.reason is None)
