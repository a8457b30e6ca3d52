"""A Redis that is frozen, not only stopped: who asks for a check is told so at once, and the worker goes on where it was."""

import os
import select
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.house.castor import HOME, LIMIT
from tests.house.parts import Part, Redis, frozen
from tests.house.production import WORKER
from tests.house.waiting import eventually

pytestmark = pytest.mark.skipif(not shutil.which("redis-server"), reason="missing program: redis-server")

KEYS = 60
_ASKER = """
import sys
import django
django.setup()
from credentials.runs import start_run
for _ in sys.stdin:
    print(start_run(range(1, 61), by="root") is not None, flush=True)
"""


class Castor:
    """Its database with sixty keys, and a process that has all of them checked whenever it is told to."""

    def __init__(self, var: Path, redis_url: str, google_url: str) -> None:
        self.var = var
        self.environment = os.environ | {"CASTOR_VAR": str(var), "GOOGLE_GEMINI_BASE_URL": google_url}
        self._manage("migrate", "-v0")
        self._manage("import_credentials", "-", given="\n".join(f"test-key-{number}" for number in range(1, KEYS + 1)))
        self.environment["REDIS_URL"] = redis_url  # Not before: the import asks for checks as well.
        self.asker = subprocess.Popen(
            [sys.executable, "-c", _ASKER],
            cwd=HOME,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def asks(self) -> str:
        """What it was told: `True` or `False`; empty if nothing for so long that it counts as hanging."""
        assert self.asker.stdin
        assert self.asker.stdout
        self.asker.stdin.write("\n")
        self.asker.stdin.flush()
        heard, _, _ = select.select([self.asker.stdout], [], [], LIMIT)
        return self.asker.stdout.readline().strip() if heard else ""

    def count(self, table: str) -> int:
        with closing(sqlite3.connect(self.var / "castor.sqlite3")) as database:
            return database.execute(f"SELECT count(*) FROM credentials_{table}").fetchone()[0]

    def _manage(self, *command: str, given: str = "") -> None:
        subprocess.run(
            [sys.executable, "manage.py", *command],
            cwd=HOME,
            env=self.environment,
            input=given,
            text=True,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=LIMIT,
        )

    def stop(self) -> None:
        self.asker.kill()
        self.asker.communicate()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Redis]:
    server = Redis(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def castor(redis: Redis, google, tmp_path: Path) -> Iterator[Castor]:
    castor = Castor(tmp_path / "var", redis.url, google.url)
    yield castor
    castor.stop()


@pytest.fixture
def worker(castor: Castor, tmp_path: Path) -> Iterator[Part]:
    # One at a time: if it gives up a single acknowledgement, it takes nothing more. A heartbeat might hold that up.
    command = [sys.executable, *WORKER, "--concurrency=1", "--without-heartbeat"]
    worker = Part(command, tmp_path / "worker.log", castor.environment)
    worker.start()
    yield worker
    worker.stop()


def test_who_asks_is_told_and_nothing_is_left_behind(redis, castor):
    assert castor.asks() == "True"
    with frozen(redis.pid):
        assert castor.asks() == "False"
        assert castor.asks() == "False"
    assert castor.asks() == "True"
    assert castor.count("checkrun") == 2


def test_a_worker_that_could_not_acknowledge_what_it_did_takes_tasks_again(redis, castor, worker, google):
    """It holds one batch of twenty; the others are still in Redis."""
    eventually(lambda: len(list(google.log)) >= KEYS, "listed at the worker's start")
    google.script(method="listModels", delay=0.5, times=None)
    assert castor.asks() == "True"
    eventually(lambda: len(list(google.log)) > KEYS, "checking")
    with frozen(redis.pid):
        eventually(lambda: castor.count("checkresult") == 20, "done with what it held")
        assert [castor.asks() for _ in range(3)] == ["False"] * 3  # Long enough for the impatient to give up.
    eventually(lambda: castor.count("checkresult") == KEYS, "done with the rest")
