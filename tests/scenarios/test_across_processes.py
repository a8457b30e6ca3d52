"""Four web processes and their Redis: what one learns, or an admin does, holds for all of them."""

import os
import signal
import time
from collections.abc import Callable

import pytest

from tests.house.waiting import eventually
from tests.scenarios.load import MODEL, burst
from tests.scenarios.scene import Scene

WITHIN = 3.0
"""Seconds. A second is promised; the rest is for a machine that has other things to do."""

KEYS = {f"of-four-{number}": f"of-four-{number}" for number in range(4)}


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    return set_scene(workers=4, moved=True)


def takes(what: str, done: Callable[[], bool]) -> None:
    began = time.monotonic()
    eventually(done, what, seconds=WITHIN)
    print(f"{what} after {time.monotonic() - began:.2f} s")


def seen_by_all(scene: Scene, key: str, state: str) -> bool:
    return {states[key] for states in scene.states()} == {state}


def test_a_key_that_one_process_finds_dead_is_dead_to_all_within_a_second(scene):
    with scene.pool(KEYS):
        [dead, *_] = KEYS
        scene.google.script(key=dead, error="leaked")
        finder = scene.workers[0]
        eventually(lambda: dead in finder.chat().keys, "asked")
        takes("dead for all", lambda: seen_by_all(scene, dead, "invalid"))
        scene.google.log.clear()
        assert not burst(scene.castor, 40).failed
        assert scene.calls(dead) == []


def test_a_manual_reset_acts_in_all_processes_within_a_second_and_without_a_restart(scene):
    with scene.pool(KEYS):
        dead, resting, *_ = KEYS
        scene.have_refused(dead, "invalid", error="leaked")
        scene.have_refused(resting, "rate_limited", error="day_quota")
        pids = scene.castor.web_pids()
        scene.return_to_service(dead, resting, seconds=WITHIN)
        assert scene.castor.web_pids() == pids
        for worker in scene.workers:
            asked = [key for _ in range(2 * len(KEYS)) for key in worker.chat().keys]
            assert {dead, resting} <= set(asked)
        assert scene.rests() == []


def test_what_an_admin_changes_holds_for_all_processes_within_a_second(scene):
    with scene.pool(KEYS):
        one, other, *_ = KEYS
        with scene.castor.admin() as browser:
            page = "/admin/credentials/apikey/"
            scene.castor.post(browser, page, action="disable", _selected_action=scene.ids[one])
            takes("disabled for all", lambda: all(one not in view for view in scene.views()))
            scene.castor.post(browser, page, action="enable", _selected_action=scene.ids[one])
            takes("enabled for all", lambda: all(one in view for view in scene.views()))
        scene.django(_HEAVIER, {"pk": scene.ids[other], "weight": 7})
        takes("heavier for all", lambda: {view[other].weight for view in scene.views()} == {7})
        token = scene.castor.manage("create_token", "admin", "--label", "for all").strip()
        takes("the token known to all", lambda: {worker.chat(token=token).status for worker in scene.workers} == {200})


_HEAVIER = """
import json, sys
import django
django.setup()
from credentials.models import Credential
wanted = json.load(sys.stdin)
credential = Credential.objects.get(pk=wanted["pk"])
credential.weight = wanted["weight"]
credential.save()
"""


def test_a_declared_limit_is_kept_by_all_processes_together(scene):
    """Google counts each minute of the clock by itself, so both phases stand at the beginning of one."""
    with scene.pool({"paced": "paced", "open": "open"}, paced={"project": "paced", "project_source": "typed"}):
        scene.django(_LIMIT, {"project": "paced", "rpm": 40})
        scene.google.quotas.set(project="paced", rpm=40)
        eventually(lambda: [seen["limits"] for seen in scene.look()] == [1] * 4, "known to all")
        for _ in range(2):
            scene.clock.advance(120 - scene.clock.now().timestamp() % 60)
            scene.google.log.clear()
            assert not burst(scene.castor, 400, at_once=16).failed
            asked = scene.calls("paced")
            assert [call for call in asked if call.refused] == [], "run into the limit"
            assert 20 <= len(asked) <= 40, "of 40 that it may serve a minute"
        assert scene.rests() == []


_LIMIT = """
import json, sys
import django
django.setup()
from credentials.models import PoolVersion, QuotaLimit
QuotaLimit.objects.create(**json.load(sys.stdin))
PoolVersion.bump()
"""


def test_a_process_that_is_killed_comes_back_with_what_the_others_know(scene):
    with scene.pool(KEYS):
        dead, resting, *_ = KEYS
        scene.have_refused(dead, "invalid", error="suspended")
        scene.have_refused(resting, "rate_limited", error="day_quota")
        os.kill(scene.workers[0].pid, signal.SIGKILL)
        eventually(lambda: scene.workers[0].pid not in scene.castor.web_pids(), "replaced")
        scene.castor.wait_for_web()
        with scene.connected():
            expected = dict.fromkeys(KEYS, "available") | {dead: "invalid", resting: "rate_limited"}
            assert scene.states() == [expected] * 4


def test_states_survive_a_restart_of_everything(scene):
    castor = scene.castor
    with scene.pool(KEYS):
        dead, resting, *others = KEYS
        scene.have_refused(dead, "invalid", error="leaked")
        scene.have_refused(resting, "rate_limited", error="day_quota")
        rests = scene.rests()
    for part in (castor.web, castor.worker, castor.redis, castor.cluster):
        part.stop()
    castor.cluster.start()
    castor.redis.start()
    castor.worker.start()
    castor.start_web()
    with scene.connected():
        scene.google.log.clear()
        assert scene.states() == [{dead: "invalid", resting: "rate_limited", **dict.fromkeys(others, "available")}] * 4
        assert not burst(castor, 40).failed
        assert scene.calls_by_key().keys() == set(others)
        assert scene.rests() == rests
        assert [rest.model for rest in rests] == ["", MODEL]
