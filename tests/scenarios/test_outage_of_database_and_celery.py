"""The database or the background worker stands still or is gone: requests go on, and nothing that happened meanwhile is lost."""

from contextlib import contextmanager

import pytest

from tests.house.parts import frozen
from tests.house.waiting import eventually
from tests.scenarios.load import Samples, load
from tests.scenarios.scene import Scene

KEYS = {f"lasting-{number}": f"lasting-{number}" for number in range(6)}
RATE = 10.0
USAGE = "SELECT count(DISTINCT request_id) FROM openai_api_usagerecord WHERE request_id = ANY(%s)"


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    return set_scene()


@contextmanager
def database_frozen(scene: Scene):
    with frozen(scene.castor.cluster.pid):
        yield


@contextmanager
def database_stopped(scene: Scene):
    scene.castor.cluster.stop()
    try:
        yield
    finally:
        scene.castor.cluster.start()


def answers_to_a_stranger(scene: Scene) -> list[int]:
    """What each web process answers to a token that it does not know."""
    return [worker.chat(token="castor-of-a-stranger").status for worker in scene.workers]


def all_in_usage(scene: Scene, samples: Samples) -> None:
    asked = [sample.request_id for sample in samples]
    eventually(lambda: scene.castor.rows(USAGE, asked)[0]["count"] == len(asked), "recorded")


@pytest.mark.parametrize("outage", [database_frozen, database_stopped])
def test_without_the_database_known_tokens_are_served_and_strangers_told_to_come_back(scene, outage):
    with scene.pool(KEYS):
        dead, *others = KEYS
        assert answers_to_a_stranger(scene) == [401] * len(scene.workers)
        with load(scene.castor, rate=RATE, stream_every=3) as clients:
            clients.go_on(2)
            with outage(scene):
                eventually(lambda: set(answers_to_a_stranger(scene)) == {503}, "noticed by every web process")
                scene.google.script(key=dead, error="leaked")
                clients.go_on(5)
                assert answers_to_a_stranger(scene) == [503] * len(scene.workers)
                clients.go_on(5)
            clients.go_on(1)
        assert clients.samples.failed == []
        eventually(lambda: set(answers_to_a_stranger(scene)) == {401}, "back")
        all_in_usage(scene, clients.samples)
        scene.everyone_sees(dead, "invalid")
        eventually(lambda: [rest.who for rest in scene.rests()] == [dead], "written down")
        assert scene.states() == [{dead: "invalid", **dict.fromkeys(others, "available")}] * len(scene.workers)


def test_a_minute_in_which_celery_does_not_move_harms_nothing(scene):
    with scene.pool(KEYS):
        dead, tired, *_ = KEYS
        scene.let_beat_find_everything_due()
        with load(scene.castor, rate=RATE) as clients:
            clients.go_on(3)
            with frozen(scene.castor.worker.pid, scene.castor.beat.pid):
                scene.google.script(key=dead, error="leaked")
                scene.google.script(key=tired, error="minute_quota", seconds=10)
                scene.everyone_sees(dead, "invalid", seconds=20)
                scene.everyone_sees(tired, "rate_limited", seconds=20)
                scene.google.keys["taken-in-meanwhile"] = "taken-in-meanwhile"
                scene.castor.manage("import_credentials", "-", typed="taken-in-meanwhile")
                eventually(lambda: scene.calls("taken-in-meanwhile"), "asked")
                scene.everyone_sees(tired, "available", seconds=30)
                clients.go_on(60 - clients.now)
            clients.go_on(1)
        scene.castor.beat.stop()
        assert clients.samples.failed == []
        scene.let_beat_find_everything_due()
        eventually(lambda: scene.castor.pool()[-1]["models"], "checked by the worker that moves again")
        scene.castor.beat.stop()
