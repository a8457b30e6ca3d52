"""Quotas, minutes, days and projects: who is asked when, on a clock that is moved."""

from datetime import UTC, date, datetime, time, timedelta

import pytest

from tests.google.clock import PACIFIC
from tests.house.waiting import eventually
from tests.scenarios.load import MODEL, burst
from tests.scenarios.scene import Scene, most_at_once

PRO = "gemini-2.5-pro"


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    return set_scene(moved=True)


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), PACIFIC).astimezone(UTC)


def next_day_of(hours: int, scene: Scene) -> date:
    """The next one that is so long in California: 23 hours in spring, 25 in autumn."""
    day = scene.clock.now().astimezone(PACIFIC).date()
    while midnight(day + timedelta(days=1)) - midnight(day) != timedelta(hours=hours) or day <= scene.clock.now().date():
        day += timedelta(days=1)
    return day


def serve_without(scene: Scene, *keys: str) -> None:
    """Requests of which all are served, and none by asking these."""
    before = {key: len(scene.calls(key)) for key in keys}
    assert not burst(scene.castor, 16).failed
    assert {key: len(scene.calls(key)) for key in keys} == before


@pytest.mark.parametrize("hours", [23, 25])
def test_a_used_up_day_is_not_tried_again_before_midnight_in_california_and_then_by_one_probe(scene, hours):
    day = next_day_of(hours, scene)
    scene.clock.move_to_pacific(day, 0, 30)
    with scene.pool({f"spent-{hours}": f"spent-{hours}", f"other-{hours}": f"other-{hours}"}):
        spent = f"spent-{hours}"
        scene.have_refused(spent, "rate_limited", error="day_quota", seconds=20, times=None)
        scene.google.log.clear()
        for hour, minute, second in [(1, 59, 0), (3, 1, 0), (12, 0, 0), (22, 59, 30), (23, 59, 50)]:
            scene.clock.move_to_pacific(day, hour, minute, second)
            serve_without(scene, spent)

        scene.clock.move_to_pacific(day + timedelta(days=1), 0, 0, 2)
        scene.ask_until_tried(spent)
        scene.everyone_sees(spent, "rate_limited")
        serve_without(scene, spent)
        assert len(scene.calls(spent)) == 1
        [rest] = scene.rests()
        assert (rest.model, rest.reason, rest.until) == (MODEL, "day_quota", midnight(day + timedelta(days=2)))

        scene.google.scripts.clear()
        scene.google.log.clear()
        scene.google.script(key=spent, delay=1.5)
        scene.clock.move_to_pacific(day + timedelta(days=2), 0, 0, 2)
        eventually(lambda: not burst(scene.castor, 8).failed and scene.calls(spent), "tried again")
        assert not burst(scene.castor, 24).failed
        probe, *later = scene.calls(spent)
        assert [call for call in later if call.started < probe.ended] == []
        scene.ask_until_tried(spent)
        scene.everyone_sees(spent, "available")
        eventually(lambda: scene.rests() == [], "forgotten")


def test_recheck_spends_nothing_of_a_day_that_is_used_up(scene):
    with scene.pool({"spent-1": "spent-1", "other-1": "other-1"}):
        scene.have_refused("spent-1", "rate_limited", error="day_quota")
        scene.google.log.clear()
        scene.clock.advance(1.0)
        scene.let_beat_find_everything_due()
        eventually(lambda: [call for call in scene.google.log if call.method == "listModels"], "looked after by the schedule")
        scene.castor.beat.stop()
        assert scene.calls() == []


def test_a_minute_is_waited_for_as_long_as_google_says_and_longer_each_time_that_it_is_not_over(scene):
    with scene.pool({"busy": "busy", "calm": "calm"}):
        scene.have_refused("busy", "rate_limited", error="minute_quota", seconds=20, times=None)
        scene.google.log.clear()
        for told, silent in [("first", 15), ("second", 35), ("third", 75)]:
            scene.clock.advance(silent)
            serve_without(scene, "busy")
            scene.clock.advance(10)
            scene.ask_until_tried("busy")
            scene.everyone_sees("busy", "rate_limited")
            assert len(scene.calls("busy")) == 1, f"asked more than once after the {told} rest"
            scene.google.log.clear()
        scene.google.scripts.clear()
        scene.clock.advance(15 * 60)
        scene.ask_until_tried("busy")
        eventually(lambda: scene.rests() == [], "forgotten")


def test_a_model_that_is_not_in_the_plan_is_asked_for_again_only_the_next_day_and_others_at_once(scene):
    with scene.pool({"free": "free", "paid": "paid"}):
        scene.google.script(key="free", model=PRO, error="zero_quota", times=None)
        eventually(lambda: not burst(scene.castor, 4, model=PRO).failed and scene.calls("free"), "refused")
        scene.everyone_sees("free", "rate_limited", model=PRO)
        scene.google.log.clear()
        for hours in (1, 5, 12):
            scene.clock.advance(hours * 3600)
            assert not burst(scene.castor, 16, model=PRO).failed
        assert scene.calls("free") == []
        serve_without(scene, "nobody")
        assert scene.calls("free"), "a key that rests for one model serves the others"
        scene.google.log.clear()
        scene.clock.advance(6.5 * 3600)
        eventually(lambda: not burst(scene.castor, 4, model=PRO).failed and scene.calls("free"), "tried the next day")
        scene.everyone_sees("free", "rate_limited", model=PRO)
        assert not burst(scene.castor, 16, model=PRO).failed
        # Once, or once by each process, where one had not yet learned what the other had found out.
        assert 1 <= len(scene.calls("free")) <= len(scene.workers)
        assert {rest.reason for rest in scene.rests()} == {"not_entitled"}


def test_two_keys_of_one_project_rest_together_and_a_third_goes_on(scene):
    shared = {"project": "said-by-admin", "project_source": "typed"}
    with scene.pool({"one": "shared", "two": "shared", "three": "alone"}, one=shared, two=shared):
        scene.google.quotas.set(project="shared", model=MODEL, rpd=scene.google.quotas.used_today("shared", MODEL))
        eventually(lambda: not burst(scene.castor, 4, at_once=1).failed and scene.rests(), "refused")
        for key in ("one", "two"):
            scene.everyone_sees(key, "rate_limited")
        assert [(rest.who, rest.model, rest.reason) for rest in scene.rests()] == [("project:said-by-admin", MODEL, "day_quota")]
        assert len(scene.calls("one") + scene.calls("two")) <= len(scene.workers), "each process may find out once"
        serve_without(scene, "one", "two")
        assert scene.states() == [scene.truth()] * len(scene.workers)


def test_the_project_that_an_error_names_is_learned_and_its_keys_rest_together_from_then_on(scene):
    keys = {"first": "common", "second": "common", "third": "apart", "fourth": "further", "fifth": "furthest"}
    with scene.pool(keys):
        for key in ("first", "second"):
            scene.have_refused(key, "invalid", error="ip_blocked")
        look = "SELECT label, project, project_source FROM credentials_credential WHERE project <> '' ORDER BY id"
        eventually(lambda: len(scene.castor.rows(look)) == 2, "learned")
        first, second = scene.castor.rows(look)
        assert [(row["label"], row["project_source"]) for row in (first, second)] == [("first", "learned"), ("second", "learned")]
        assert first["project"] == second["project"]

        scene.return_to_service("first", "second")
        scene.have_refused("second", "rate_limited", error="day_quota")
        scene.everyone_sees("first", "rate_limited")
        serve_without(scene, "first", "second")


def test_a_retry_at_the_moment_that_retry_after_names_succeeds_and_one_before_it_costs_nothing(scene):
    with scene.pool({"left": "left", "right": "right"}):
        scene.google.script(key="left", error="minute_quota", seconds=40, times=None)
        scene.google.script(key="right", error="minute_quota", seconds=25, times=None)
        eventually(lambda: burst(scene.castor, 2).statuses[429] == 2, "used up")
        for key in ("left", "right"):
            scene.everyone_sees(key, "rate_limited")
        scene.google.scripts.clear()
        scene.google.log.clear()
        refused = burst(scene.castor, 20, at_once=1)
        assert (refused.statuses, scene.calls()) == ({429: 20}, [])
        assert {sample.attempts for sample in refused} == {0}
        print(
            f"refused without a call: p50 {refused.percentile(0.5) * 1000:.1f} ms, p99 {refused.percentile(0.99) * 1000:.1f} ms"
        )
        scene.clock.advance(max(sample.retry_after for sample in refused))
        for worker in scene.workers:
            assert worker.chat().status == 200
        assert most_at_once(scene.calls()) == 1


def test_with_every_key_dead_a_request_is_refused_at_once_and_without_a_moment_to_come_back(scene):
    with scene.pool({"dead-1": "dead-1", "dead-2": "dead-2", "dead-3": "dead-3"}):
        scene.google.keys.clear()
        eventually(lambda: burst(scene.castor, 4).statuses[503] == 4 and dead_everywhere(scene), "given up", seconds=60)
        scene.google.log.clear()
        refused = burst(scene.castor, 20)
        assert ({sample.status for sample in refused}, scene.calls()) == ({503}, [])
        assert {sample.retry_after for sample in refused} == {None}


def dead_everywhere(scene: Scene) -> bool:
    """Time passes while they are only suspected: what strikes the whole pool is believed late."""
    scene.clock.advance(300)
    return all(set(states.values()) == {"invalid"} for states in scene.states())
