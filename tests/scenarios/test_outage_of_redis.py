"""Redis stands still for a minute, or dies: requests do not notice, and everything works again by itself."""

import time

import pytest

from tests.house.parts import frozen
from tests.house.waiting import eventually
from tests.scenarios.load import Samples, load
from tests.scenarios.scene import Scene

KEYS = {f"steady-{number}": f"steady-{number}" for number in range(6)}
RATE = 20.0
MOST_ADDED = 1.0
"""Seconds added to the slowest of a hundred requests; 0.1 is promised, the rest is for a machine with other things to do."""


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    return set_scene()


def harmed_little(name: str, before: Samples, during: Samples) -> None:
    added = during.percentile(0.99) - before.percentile(0.99)
    print(f"{name}: p99 {before.percentile(0.99):.3f} s before, {during.percentile(0.99):.3f} s during: {added:+.3f} s")
    assert added < MOST_ADDED


def is_checked(scene: Scene, key: str) -> None:
    """A key that is taken in now is looked at by the background worker, which takes its tasks from Redis."""
    scene.google.keys[key] = key
    scene.castor.manage("import_credentials", "-", typed=key)
    eventually(lambda: scene.castor.pool()[-1]["models"], "checked by the background worker")


def test_a_minute_in_which_redis_does_not_answer_harms_no_request(scene):
    with scene.pool(KEYS):
        dead, *others = KEYS
        with load(scene.castor, rate=RATE, stream_every=4) as clients:
            clients.go_on(5)
            with frozen(scene.castor.redis.pid):
                began = clients.now
                clients.go_on(20)
                scene.google.script(key=dead, error="leaked")
                scene.everyone_sees(dead, "invalid", seconds=20)
                clients.go_on(60 - (clients.now - began))
                ended = clients.now
            clients.go_on(2)
        assert clients.samples.failed == []
        harmed_little("Redis frozen", clients.samples.between(1, began), clients.samples.between(began + 1, ended))
        assert scene.states() == [{dead: "invalid", **dict.fromkeys(others, "available")}] * len(scene.workers)
        is_checked(scene, "after-the-freeze")


def test_redis_that_is_killed_and_started_again_is_used_again(scene):
    with scene.pool(KEYS):
        dead, resting, *_ = KEYS
        with load(scene.castor, rate=RATE) as clients:
            clients.go_on(3)
            scene.castor.redis.kill()
            began = clients.now
            scene.google.script(key=dead, error="leaked")
            scene.everyone_sees(dead, "invalid", seconds=20)
            clients.go_on(5)
            scene.castor.redis.start()
            ended = clients.now
            clients.go_on(3)
            scene.google.script(key=resting, error="day_quota")
            scene.everyone_sees(resting, "rate_limited", seconds=20)
        assert clients.samples.failed == []
        harmed_little("Redis killed", clients.samples.between(1, began), clients.samples.between(began + 1, ended))
        is_checked(scene, "after-the-death")


def test_edits_are_quick_even_while_redis_does_not_answer(scene):
    with scene.pool(KEYS), frozen(scene.castor.redis.pid), scene.castor.admin() as browser:
        [one, *_] = KEYS
        began = time.monotonic()
        scene.castor.post(browser, "/admin/credentials/apikey/", action="disable", _selected_action=scene.ids[one])
        print(f"the admin's click took {time.monotonic() - began:.2f} s")
        assert time.monotonic() - began < 10
        eventually(lambda: all(one not in view for view in scene.views()), "disabled for all", seconds=10)
