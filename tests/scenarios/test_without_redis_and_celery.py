"""No Redis and no Celery at all: the web processes agree by the database's version row, and rests end by themselves."""

import pytest

from tests.house.waiting import eventually
from tests.scenarios.load import burst
from tests.scenarios.scene import Scene

KEYS = {f"plain-{number}": f"plain-{number}" for number in range(4)}


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    return set_scene(workers=3, with_redis=False, with_worker=False, moved=True)


def test_states_and_a_manual_reset_reach_every_process(scene):
    with scene.pool(KEYS):
        dead, resting, *_ = KEYS
        scene.have_refused(dead, "invalid", error="leaked")
        scene.have_refused(resting, "rate_limited", error="day_quota")
        scene.google.log.clear()
        assert not burst(scene.castor, 30).failed
        assert {dead, resting} & scene.calls_by_key().keys() == set()
        scene.return_to_service(dead, resting)
        for worker in scene.workers:
            asked = [key for _ in range(2 * len(KEYS)) for key in worker.chat().keys]
            assert {dead, resting} <= set(asked)


def test_edits_reach_every_process(scene):
    with scene.pool(KEYS):
        [one, *_] = KEYS
        with scene.castor.admin() as browser:
            scene.castor.post(browser, "/admin/credentials/apikey/", action="disable", _selected_action=scene.ids[one])
        eventually(lambda: all(one not in view for view in scene.views()), "disabled for all", seconds=10)
        scene.google.log.clear()
        assert not burst(scene.castor, 30).failed
        assert scene.calls(one) == []


def test_rests_end_by_themselves(scene):
    with scene.pool(KEYS):
        tired, *others = KEYS
        scene.have_refused(tired, "rate_limited", error="minute_quota", seconds=30)
        scene.google.log.clear()
        scene.clock.advance(25)
        assert not burst(scene.castor, 20).failed
        assert scene.calls_by_key().keys() == set(others)
        scene.clock.advance(10)
        scene.ask_until_tried(tired)
        for worker in scene.workers:
            eventually(lambda worker=worker: tired in worker.chat().keys, "asked again by every process")
        assert scene.stored_states() == dict.fromkeys(KEYS, "available")
