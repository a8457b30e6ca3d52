"""The real launcher as a process, in a directory and on a port of its own."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, Queue

HOME = Path(__file__).parents[2]
LIMIT = 60  # seconds until a start or a stop counts as hanging


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def environment(var: Path, **settings: str) -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in ("PATH", "LANG", "HOME") if name in os.environ}
    return {**passed_on, "CASTOR_VAR": str(var), "CASTOR_ENV_FILE": os.devnull, "PYTHONUNBUFFERED": "1", **settings}


def start_and_fail(var: Path, **settings: str) -> tuple[int, str]:
    """Exit status and everything that was said."""
    done = subprocess.run(_COMMAND, env=environment(var, **settings), cwd=HOME, capture_output=True, text=True, timeout=LIMIT)
    return done.returncode, done.stdout + done.stderr


def processes_of(var: Path) -> list[int]:
    """Whatever was started for this directory and still runs: they all carry its name in their environment."""
    mark = f"CASTOR_VAR={var}\0".encode()
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mark in _environment_of(pid)]


def all_gone(var: Path) -> bool:
    """Waits for it: the kernel has told them to stop, and they do so in good order."""
    deadline = time.monotonic() + LIMIT
    while processes_of(var) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not processes_of(var)


class Castor:
    def __init__(self, var: Path, **settings: str) -> None:
        self.var = var
        self.settings = settings
        self.output = ""
        self._lines: Queue[str] = Queue()
        self.process = subprocess.Popen(
            _COMMAND,
            env=environment(var, **settings),
            cwd=HOME,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT
        while text not in self.output:
            try:
                line = self._lines.get(timeout=max(0, deadline - time.monotonic()))
            except Empty:
                line = ""
            assert line, f"{text!r} was not said. What was:\n{self.output}"
            self.output += line

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal; returns the exit status."""
        self.process.send_signal(number)
        return self.end()

    def end(self) -> int:
        status = self.process.wait(timeout=LIMIT)
        self._reader.join(timeout=LIMIT)
        while not self._lines.empty():
            self.output += self._lines.get()
        return status

    @property
    def root(self) -> str:
        """Its address, without a path."""
        return self.find(r"API +(http://\S+)/v1")

    def manage(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """A management command on this installation; `typed` is its standard input."""
        return self._run("manage.py", *arguments, typed=typed)

    def python(self, code: str) -> str:
        """What the code prints, with this installation's database at hand."""
        done = self._run("-c", f"import django; django.setup()\n{code}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, *arguments: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        settings = {"DJANGO_SETTINGS_MODULE": "proxy_site.settings", **self.settings}
        return subprocess.run(
            [sys.executable, *arguments],
            env=environment(self.var, **settings),
            cwd=HOME,
            input=typed,
            capture_output=True,
            text=True,
            timeout=LIMIT,
        )

    def find(self, pattern: str) -> str:
        found = re.search(pattern, self.output)
        assert found, f"{pattern!r} was not said. What was:\n{self.output}"
        return found[1]

    def _read(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put("")  # It has closed its output, and so has everything that it started.


@contextlib.contextmanager
def running(var: Path, **settings: str) -> Iterator[Castor]:
    castor = Castor(var, **settings)
    try:
        castor.wait_for("Ctrl-C stops everything.")
        yield castor
    finally:
        if castor.process.poll() is None:
            castor.stop(signal.SIGTERM)
        for pid in processes_of(var):
            os.kill(pid, signal.SIGKILL)


_COMMAND = [sys.executable, "-m", "proxy_site"]


def _environment_of(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return b""
