"""What Celery does for the pool: finds out who has come back, who is only half alive, and tidies up."""

import pytest

from tests.house.waiting import eventually
from tests.scenarios.load import burst
from tests.scenarios.scene import Scene

KEYS = {f"watched-{number}": f"watched-{number}" for number in range(5)}
RECHECK = 300.0
"""RECHECK_INTERVAL_SECONDS, as it is by default."""


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    return set_scene(moved=True)


def a_round_of_checks(scene: Scene, *keys: str) -> None:
    """Beat finds everything due, and the worker has looked at these keys."""
    scene.clock.advance(RECHECK + 60)
    before = len(scene.google.log)
    scene.let_beat_find_everything_due()

    def looked_at() -> bool:
        listed = {call.key for call in list(scene.google.log)[before:] if call.method == "listModels"}
        return set(keys) <= listed

    eventually(looked_at, "looked at by the background worker")
    scene.castor.beat.stop()


def test_a_dead_key_that_comes_back_is_found_by_the_next_recheck_and_one_that_does_not_stays_dead(scene):
    with scene.pool(KEYS):
        back, gone, *_ = KEYS
        for key in (back, gone):
            del scene.google.keys[key]
            scene.ask_until_tried(key)
            scene.everyone_sees(key, "invalid")
        scene.google.keys[back] = back
        scene.google.log.clear()
        assert not burst(scene.castor, 20).failed
        assert {back, gone} & scene.calls_by_key().keys() == set()
        a_round_of_checks(scene, back, gone)
        scene.everyone_sees(back, "available")
        scene.everyone_sees(gone, "invalid")
        scene.ask_until_tried(back)
        assert scene.stored_states() == dict.fromkeys(KEYS, "available") | {gone: "invalid"}


def test_a_key_that_lists_models_but_may_not_use_them_is_found_out_and_returns_when_it_may(scene):
    with scene.pool(KEYS):
        [half, *_] = KEYS
        with scene.google.scripted(key=half, error="service_blocked"):
            scene.ask_until_tried(half)
            scene.everyone_sees(half, "invalid")
            for _ in range(2):
                a_round_of_checks(scene, half)
                eventually(lambda: [(rest.who, rest.reason) for rest in scene.rests()] == [(half, "half_alive")], "found out")
                scene.google.log.clear()
                assert not burst(scene.castor, 20).failed
                assert scene.calls(half) == [], "listing its models does not bring it back"
        a_round_of_checks(scene, half)
        scene.everyone_sees(half, "available")
        scene.ask_until_tried(half)


def test_every_rest_that_is_over_is_tidied_away(scene):
    with scene.pool(KEYS):
        tired = list(KEYS)[:3]
        for key in tired:
            scene.have_refused(key, "rate_limited", error="minute_quota", seconds=30)
        assert sorted(rest.who for rest in scene.rests()) == tired
        scene.clock.advance(3600)
        scene.let_beat_find_everything_due()
        eventually(lambda: scene.rests() == [], "tidied")
        scene.castor.beat.stop()
        assert scene.stored_states() == dict.fromkeys(KEYS, "available")
        assert scene.states() == [dict.fromkeys(KEYS, "available")] * len(scene.workers)


def test_every_scheduled_task_changes_nothing_when_it_runs_again(scene):
    with scene.pool(KEYS):
        gone, tired, *_ = KEYS
        del scene.google.keys[gone]
        scene.ask_until_tried(gone)
        scene.everyone_sees(gone, "invalid")
        scene.have_refused(tired, "rate_limited", error="day_quota")
        errors = "SELECT count(*) FROM credentials_credential WHERE last_error IN ('key_rejected', 'day_quota')"
        eventually(lambda: scene.castor.rows(errors)[0]["count"] == 2, "told of what failed, which takes web processes seconds")
        scene.clock.advance(RECHECK + 60)
        scene.django(_EVERY_TASK)
        once = everything(scene)
        scene.django(_EVERY_TASK)
        assert everything(scene) == once


_EVERY_TASK = """
import django
django.setup()
from proxy_site.celery import app
app.conf.task_always_eager = True
app.loader.import_default_modules()
for entry in app.conf.beat_schedule.values():
    app.tasks[entry["task"]].apply(args=entry.get("args", ()), kwargs=entry.get("kwargs", {}), throw=True)
"""


def everything(scene: Scene) -> list[list[dict]]:
    """What tasks may change, but for the moments at which they looked, and for what web processes write down late."""
    queries = [
        "SELECT credential_id, project, model, state, reason, until, since, strikes FROM credentials_keyhealth ORDER BY id",
        "SELECT id, state, reason, detail, until, project FROM credentials_credential ORDER BY id",
        "SELECT count(*) FROM credentials_statechange",
        "SELECT cause, model, began_at, ended_at FROM credentials_alert ORDER BY id",
        "SELECT credential_id, name FROM credentials_servedmodel ORDER BY credential_id, name",
    ]
    return [scene.castor.rows(query) for query in queries]
