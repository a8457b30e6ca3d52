"""A minute and more of random faults on random keys: no client notices, and in the end everybody knows the truth."""

import random
import time
from collections.abc import Callable
from contextlib import suppress

import pytest

from tests.google.scripts import Script
from tests.house.waiting import eventually
from tests.scenarios.load import MODEL, load
from tests.scenarios.scene import Scene

SEED = 20261121
SECONDS = 70.0
RATE = 20.0

HEALTHY = {f"healthy-{number}": f"healthy-{number}" for number in range(3)}
"""They are never harmed, so that there is always somebody who can serve."""
SPENDING = {f"spending-{number}": f"spends-{number % 3}" for number in range(8)}
"""Keys of three projects whose day may be used up."""
MORTAL = {f"mortal-{number}": f"dies-{number % 2}" for number in range(9)}
"""Keys of two projects that may die one by one."""
KEYS = HEALTHY | SPENDING | MORTAL
TOLD = {
    key: {"project": project, "project_source": "typed"} for key, project in KEYS.items() if project in ("spends-0", "dies-1")
}
"""The admin has told Castor of two projects; it takes the other keys for strangers to each other."""

PASSING: list[dict] = [
    {"error": "overloaded"},
    {"error": "internal"},
    {"error": "deadline"},
    {"error": "html_502"},
    {"error": "bare_429"},
    {"error": "html_429"},
    {"error": "minute_quota", "seconds": 2},
    {"error": "retry_info_only", "seconds": 1.5},
    {"empty": True},
    {"ends": "malformed", "after": 0},
    {"ends": "cut", "after": 0},
    {"ends": "close", "after": 0},
    {"ends": "reset", "after": 0},
    {"ends": "reset_before_headers"},
    {"ends": "close_before_headers"},
    {"ends": "error", "error": "overloaded", "after": 0},
    {"delay": 1.0},
]


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    return set_scene(workers=3, COOLDOWN_SECONDS="3", RECHECK_INTERVAL_SECONDS="10")


class Misfortune:
    """Does harm at random, and ends it at random. `told` is the story so far."""

    def __init__(self, scene: Scene) -> None:
        self.told: list[str] = []
        self._scene, self._google = scene, scene.google
        self._chance = random.Random(SEED)
        self._scripts: list[tuple[float, Script]] = []
        self._dead: list[str] = []
        self._spent: list[str] = []
        self._began = time.monotonic()
        self._harms: dict[Callable[[], None], int] = {self._fail: 24, self._spend: 1, self._kill: 3, self._revive: 2}

    def strike(self) -> None:
        self._end(before=self._now)
        self._chance.choices([*self._harms], [*self._harms.values()])[0]()

    def relent(self) -> None:
        """What was passing is over; who is dead stays dead, and what is spent is spent."""
        self._end(before=float("inf"))

    @property
    def _now(self) -> float:
        return time.monotonic() - self._began

    def _end(self, *, before: float) -> None:
        for script in [script for until, script in self._scripts if until < before]:
            self._google.scripts.remove(script)
        self._scripts = [(until, script) for until, script in self._scripts if until >= before]

    def _tell(self, what: str) -> None:
        self.told.append(f"{self._now:5.1f} s: {what}")

    def _fail(self) -> None:
        key, fault, seconds = (
            self._chance.choice([*SPENDING, *MORTAL]),
            self._chance.choice(PASSING),
            self._chance.uniform(0.5, 6),
        )
        script = self._google.script(key=key, times=None, **fault)
        self._scripts.append((self._now + seconds, script))
        self._tell(f"{key} {fault} for {seconds:.1f} s")

    def _spend(self) -> None:
        project = self._chance.choice(sorted({*SPENDING.values()}))
        if len(self._spent) < 2 and project not in self._spent:
            self._spent.append(project)
            self._google.quotas.set(project=project, model=MODEL, rpd=self._google.quotas.used_today(project, MODEL))
            self._tell(f"the day of {project} is used up")

    def _kill(self) -> None:
        key = self._chance.choice(list(MORTAL))
        if len(self._dead) < 4 and self._google.keys.pop(key, None):
            self._dead.append(key)
            self._tell(f"{key} dies")

    def _revive(self) -> None:
        with suppress(IndexError):
            key = self._chance.choice(self._dead)
            self._dead.remove(key)
            self._google.keys[key] = MORTAL[key]
            self._tell(f"{key} is alive again")


def test_random_faults_harm_no_client_and_in_the_end_every_process_knows_the_truth(scene):
    with scene.pool(KEYS, **TOLD):
        misfortune = Misfortune(scene)
        scene.let_beat_find_everything_due()
        with load(scene.castor, rate=RATE, stream_every=2) as clients:
            clients.go_on(2)
            while clients.now < SECONDS:
                misfortune.strike()
                clients.go_on(0.4)
            misfortune.relent()
            clients.go_on(5)
            scene.let_beat_find_everything_due()
            # The connections of before have been silent for too long.
            with scene.connected():
                agree_on_the_truth(scene)
        scene.castor.beat.stop()
        story = "\n".join(misfortune.told)
        print(f"{len(clients.samples)} requests, {len(scene.calls())} calls\n{story}")
        assert clients.samples.failed == [], story
        truth = scene.truth()
        check_what_is_stored(scene, truth)
        assert {"invalid", "rate_limited", "available"} == set(truth.values()), "the story had everything in it"


def agree_on_the_truth(scene: Scene) -> None:
    try:
        eventually(lambda: scene.states() == [scene.truth()] * len(scene.workers), "agreed on the truth", seconds=60)
    except AssertionError as error:
        views, truth = scene.views(), scene.truth()
        wrong = {key: [view[key] for view in views] for key in truth if {view[key].state for view in views} != {truth[key]}}
        error.add_note(f"The truth: {truth}\nOtherwise is believed: {wrong}\nStored: {scene.rests()}")
        raise


def check_what_is_stored(scene: Scene, truth: dict[str, str]) -> None:
    """Lists and rests in the database say the same."""
    dead = {key for key in KEYS if truth[key] == "invalid"}
    spent = {place_of(key) for key in KEYS if truth[key] == "rate_limited"}
    stored = scene.stored_states()
    assert {key for key in KEYS if stored[key] == "invalid"} == dead
    assert {rest.who for rest in scene.rests() if rest.state == "invalid"} == dead
    assert {rest.who for rest in scene.rests() if rest.reason == "day_quota"} == spent


def place_of(key: str) -> str:
    """Where a quota of the key is kept: at its project where Castor was told of it."""
    return f"project:{TOLD[key]['project']}" if key in TOLD else key
