"""Quotas are the project's and the model's, and come back when the clock says so (section 6.3)."""

from datetime import datetime

import pytest

from tests.google.asking import FLASH, ask, saying
from tests.google.clock import PACIFIC

HALF_PAST = datetime(2026, 11, 20, 12, 30, tzinfo=PACIFIC)


@pytest.fixture(autouse=True)
def at_half_past(google):
    google.clock.set(HALF_PAST)


def status(google, key="test-key-1", model=FLASH):
    return ask(google, saying(), model, key=key).status_code


def quota_ids(response):
    failure = next(detail for detail in response.json()["error"]["details"] if "violations" in detail)
    return [violation["quotaId"] for violation in failure["violations"]]


def test_a_minutes_quota_comes_back_with_the_next_minute(google):
    google.quotas.set(rpm=2)
    assert [status(google) for _ in range(3)] == [200, 200, 429]
    assert quota_ids(ask(google, saying())) == ["GenerateRequestsPerMinutePerProjectPerModel-FreeTier"]
    google.clock.advance(60)
    assert status(google) == 200


@pytest.mark.parametrize(
    ("now", "next_day"),
    [
        (HALF_PAST, "2026-11-21T00:00:00-08:00"),
        (datetime(2026, 3, 7, 23, 0, tzinfo=PACIFIC), "2026-03-08T00:00:00-08:00"),
        (datetime(2026, 3, 8, 1, 0, tzinfo=PACIFIC), "2026-03-09T00:00:00-07:00"),
        (datetime(2026, 11, 1, 0, 30, tzinfo=PACIFIC), "2026-11-02T00:00:00-08:00"),
    ],
)
def test_a_days_quota_comes_back_at_midnight_pacific(google, now, next_day):
    google.clock.set(now)
    google.quotas.set(rpd=1)
    assert [status(google), status(google)] == [200, 429]
    assert quota_ids(ask(google, saying())) == ["GenerateRequestsPerDayPerProjectPerModel-FreeTier"]
    google.clock.advance(google.clock.seconds_to_pacific_midnight() - 5)
    assert status(google) == 429
    google.clock.advance(10)
    assert status(google) == 200
    assert google.clock.now() > datetime.fromisoformat(next_day)


def test_two_keys_of_one_project_share_its_quota_and_other_projects_do_not(google):
    google.keys["second"] = "project-1"
    google.quotas.set(rpd=1)
    assert [status(google, key) for key in ("test-key-1", "second", "test-key-2")] == [200, 429, 200]


def test_each_model_has_a_quota_of_its_own_and_an_alias_shares_its_targets(google):
    google.quotas.set(rpd=1)
    assert [status(google, model=model) for model in (FLASH, "gemini-flash-latest", "gemini-2.5-flash")] == [200, 429, 200]


def test_the_most_particular_quota_counts(google):
    google.quotas.set(rpd=0)
    google.quotas.set(project="project-1", model=FLASH, rpd=2)
    assert [status(google), status(google, model="gemini-2.5-pro")] == [200, 429]


def test_both_quotas_at_once_are_both_named(google):
    google.quotas.set(rpm=1, rpd=1)
    status(google)
    assert sorted(one.split("Per")[1] for one in quota_ids(ask(google, saying()))) == ["Day", "Minute"]


def test_a_quota_of_zero_says_so_and_carries_no_value(google):
    google.quotas.set(model="gemini-2.5-pro", rpd=0)
    error = ask(google, saying(), "gemini-2.5-pro").json()["error"]
    assert "limit: 0, model: gemini-2.5-pro" in error["message"]
    assert all("quotaValue" not in violation for violation in error["details"][1]["violations"])


def test_a_paid_quota_has_no_tier_in_its_name(google):
    google.quotas.set(rpd=1, paid=True)
    status(google)
    assert quota_ids(ask(google, saying())) == ["GenerateRequestsPerDayPerProjectPerModel"]


def test_requests_that_are_refused_use_nothing_up(google):
    google.quotas.set(rpd=1)
    assert ask(google, {"contents": []}).status_code == 400
    assert ask(google, saying(), method="countTokens").status_code == 200
    assert google.quotas.used_today("project-1", FLASH) == 0
    assert [status(google), status(google)] == [200, 429]
    assert google.quotas.used_today("project-1", FLASH) == 1


def test_the_wait_that_a_minutes_quota_names_is_to_the_end_of_the_minute(google):
    google.clock.set(HALF_PAST.replace(second=20))
    google.quotas.set(rpm=0, rpd=None)
    google.quotas.set(project="project-1", rpm=1)
    status(google)
    retry = ask(google, saying()).json()["error"]["details"][2]
    assert 35 <= int(retry["retryDelay"].removesuffix("s")) <= 40


def test_whether_a_days_quota_is_used_up_can_be_seen(google):
    google.quotas.set(project="project-1", rpd=1)
    seen = [(status(google), google.quotas.is_day_used_up("project-1", FLASH)) for _ in range(2)]
    assert seen == [(200, True), (429, True)]
    assert not google.quotas.is_day_used_up("project-2", FLASH)
    google.clock.advance(google.clock.seconds_to_pacific_midnight() + 1)
    assert not google.quotas.is_day_used_up("project-1", FLASH)
