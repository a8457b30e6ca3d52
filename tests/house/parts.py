"""The programs that Castor is made of on servers: each is started, stopped, frozen, killed and started again."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import redis

from tests.house.castor import HOME, LIMIT, free_port
from tests.house.waiting import eventually


class Part:
    """One of them, with all processes that it has started, and what it says."""

    def __init__(self, command: list[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._command, self._log, self._environment = command, log, environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def has_ended(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None

    @property
    def said(self) -> str:
        return self._log.read_text()

    def start(self, **settings: str) -> None:
        """`settings`: other ones than it was made with, until it is stopped."""
        environment = {**(os.environ if self._environment is None else self._environment), **settings}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=HOME, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def stop(self) -> int:
        """The exit status."""
        if self._process is None:
            return 0
        process, self._process = self._process, None
        process.terminate()
        try:
            return process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise

    def kill(self) -> None:
        """`kill -9` of every process, at a moment that none of them knows."""
        assert self._process is not None
        process, self._process = self._process, None
        for pid in family_of(process.pid):
            send(signal.SIGKILL, pid)
        process.wait(LIMIT)


class Redis(Part):
    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.dump = directory / "dump.rdb"
        command = ["redis-server", "--bind", "127.0.0.1", "--port", str(self.port), "--dir", str(directory), "--save", ""]
        command += ["--rdbcompression", "no"]  # So that a dump can be searched.
        super().__init__(command, directory / "redis.log")

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> None:
        super().start()
        eventually(self._answers, "answering")

    def _answers(self) -> bool:
        with suppress(redis.ConnectionError), redis.Redis.from_url(self.url) as client:
            return client.ping()
        return False


@contextmanager
def frozen(*pids: int) -> Iterator[None]:
    """Every process of these families stands still: its connections stay open, and nothing answers on them."""
    stopped: list[int] = []
    try:
        for pid in pids:
            for member in family_of(pid):
                send(signal.SIGSTOP, member)
                stopped.append(member)
        yield
    finally:
        for member in stopped:
            send(signal.SIGCONT, member)


def family_of(pid: int) -> list[int]:
    """The process and all that it has started, the oldest first, so that none starts another one meanwhile."""
    return [pid, *(member for child in children_of(pid) for member in family_of(child))]


def children_of(pid: int) -> list[int]:
    try:
        threads = os.listdir(f"/proc/{pid}/task")
        return sorted(int(child) for one in threads for child in Path(f"/proc/{pid}/task/{one}/children").read_text().split())
    except (FileNotFoundError, ProcessLookupError):
        return []


def send(number: signal.Signals, pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
