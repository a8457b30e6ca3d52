"""Child processes that live and die together: when one ends, or the operator says stop, all are stopped."""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

_TICK = 0.1  # seconds
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Supervisor:
    """Starts programs and stops them in good order. Made in the main thread: it takes over the signals that say stop."""

    def __init__(self) -> None:
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._signals = 0
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def start(self, name: str, command: Sequence[str], *, directory: Path, inherit: Sequence[int] = ()) -> None:
        # A session of its own: Ctrl-C reaches this process only, which then says stop in the right way.
        self._programs[name] = subprocess.Popen(  # noqa: S603 - our own programs
            command, cwd=directory, pass_fds=inherit, start_new_session=True, preexec_fn=_end_with_parent
        )

    @property
    def told_to_stop(self) -> bool:
        return self._signals > 0

    def ended(self) -> tuple[str, int] | None:
        """A program that is no longer running, with its exit status."""
        return next(((name, status) for name, p in self._programs.items() if (status := p.poll()) is not None), None)

    def wait_until(self, done: Callable[[], bool]) -> bool:
        """True once `done()`; False when a program ended or the operator said stop before that."""
        while not self.told_to_stop and self.ended() is None:
            if done():
                return True
            time.sleep(_TICK)
        return False

    def stop(self, *, patience: float) -> None:
        """Give the programs `patience` seconds to end, or less when the operator says stop once more; then end them."""
        signals = self._signals
        for program in self._programs.values():
            program.terminate()
        limit = time.monotonic() + patience
        while self._running() and time.monotonic() < limit and self._signals == signals:
            time.sleep(_TICK)
        for program in self._programs.values():
            _kill_session(program)

    def _running(self) -> bool:
        return any(program.poll() is None for program in self._programs.values())

    def _note(self, _number: int, _frame: object) -> None:
        self._signals += 1


def _end_with_parent() -> None:
    """Runs in the child: if this process is killed outright, the kernel tells its children to stop."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_session(program: subprocess.Popen[bytes]) -> None:
    """Ends what is left of a program and of the processes that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()
