"""A wall clock that tests move, for all of Castor's programs and the simulator together; what measures spans goes on.

Debian's libfaketime, preloaded into each program, adds what stands in a file to the time of day. The monotonic clock, and
with it every timeout and every loop's pace, stays real.
"""

import os
import shutil
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from tests.google import GoogleSimulator
from tests.google.clock import PACIFIC

_LIBRARIES = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))


def missing() -> str | None:
    """Why the time cannot be moved here, or None."""
    return None if _LIBRARIES and shutil.which("faketime") else "missing program: faketime"


class MovedClock:
    """Time only goes forward: programs that have seen tomorrow would not understand today."""

    def __init__(self, directory: Path, google: GoogleSimulator) -> None:
        self._file = directory / "moved-by"
        self._google = google
        self._ahead = timedelta()
        self._write()

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(_LIBRARIES[0]),
            "PYTHONPATH": str(Path(__file__).parent / "moved_time"),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            # Else it ends the waits of Python's interpreter lock at once, and threads that share it crawl.
            "FAKETIME_FORCE_MONOTONIC_FIX": "0",
            "NO_FAKE_STAT": "1",
        }

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    def advance(self, seconds: float) -> None:
        assert seconds > 0
        self._ahead += timedelta(seconds=seconds)
        self._write()

    def move_to(self, moment: datetime) -> None:
        self.advance((moment - self.now()).total_seconds())

    def move_to_pacific(self, day: date, hour: int, minute: int = 0, second: int = 0) -> None:
        self.move_to(datetime.combine(day, time(hour, minute, second), PACIFIC))

    def _write(self) -> None:
        """Google first: whoever is a moment ahead asks too early."""
        self._google.clock.reset()
        self._google.clock.advance(self._ahead.total_seconds())
        written = self._file.with_suffix(".new")
        written.write_text(f"+{self._ahead.total_seconds():.6f}\n")
        os.replace(written, self._file)
