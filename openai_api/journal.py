"""An append-only file of lines, so that nothing counted is lost with its process, taken into the database in bulk.

A line is with the operating system a loop turn after `append`: it outlives `kill -9`. Each process writes a segment of its own
and holds a lock on it; a segment that nobody holds belonged to a process that died. A segment that has been rotated away is
renamed to `.ready` and waits to be imported, as long as the database may be down.
"""

import asyncio
import contextlib
import fcntl
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog
from msgspec import Struct

log = structlog.get_logger("castor.journal")


class Backlog(Struct, frozen=True):
    """What is on the disk and not in the database yet, of all processes here. `since`: epoch seconds, of the oldest segment."""

    segments: int = 0
    bytes: int = 0
    since: float = 0.0


class Journal:
    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path: Path | None = None
        self._fd = -1
        self._unwritten: list[bytes] = []
        self._is_stuck = False

    def open(self) -> None:
        self._directory.mkdir(parents=True, exist_ok=True)
        path = self._directory / f"{time.time_ns()}-{os.getpid()}.live"
        made = path.with_suffix(".new")
        fd = os.open(made, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        made.rename(path)  # Only now: until it is locked it would look like a dead process's.
        self._path, self._fd = path, fd

    def append(self, line: bytes) -> None:
        """Called in an event loop; the lines of one of its turns leave in one system call at its end."""
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self.write)
        self._unwritten.append(line + b"\n")

    def write(self) -> None:
        """Hand over what has been appended, now. What a full disk does not take is kept for the next time."""
        if not self._unwritten:
            return
        data, written = b"".join(self._unwritten), 0
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            if not self._is_stuck:
                log.error("The journal cannot be written; its lines are kept in memory.", cause=str(error))
        self._unwritten = [data[written:]] if written < len(data) else []
        self._is_stuck = bool(self._unwritten)

    def rotate(self, carried: Iterable[bytes] = ()) -> Path | None:
        """Begin a new segment with the lines `carried`; returns the one so far, ready to be imported, or None if it is empty."""
        self.write()
        # A segment is not given away with half a line at its end.
        if self._path is None or self._is_stuck or os.fstat(self._fd).st_size == 0:
            return None
        old_path, old_fd = self._path, self._fd
        self.open()
        self._unwritten = [line + b"\n" for line in carried]
        self.write()
        return self._retire(old_path, old_fd)

    def close(self) -> Path | None:
        """End the last segment; returns it as `rotate` does."""
        self.write()
        if self._path is None:
            return None
        path, self._path = self._path, None
        if os.fstat(self._fd).st_size == 0:
            path.unlink()
            os.close(self._fd)
            return None
        return self._retire(path, self._fd)

    def ready(self) -> list[Path]:
        """The rotated segments that wait to be imported, oldest first."""
        return sorted(self._directory.glob("*.ready"))

    def orphans(self) -> Iterator[Path]:
        """The segments of processes that died without closing them."""
        for path in sorted(self._directory.glob("*.live")):
            if path != self._path and _nobody_holds(path):
                yield path

    def backlog(self) -> Backlog:
        """Segments that nothing was written to do not count."""
        found: list[tuple[int, int]] = []
        with os.scandir(self._directory) as listing:
            for file in listing:
                with contextlib.suppress(FileNotFoundError):  # Imported, or renamed, a moment ago.
                    if file.name.endswith((".live", ".ready")) and (size := file.stat().st_size):
                        found.append((int(file.name.partition("-")[0]), size))
        return Backlog(len(found), sum(size for _, size in found), min(found, default=(0, 0))[0] / 1e9)

    @staticmethod
    def _retire(path: Path, fd: int) -> Path:
        ready = path.with_suffix(".ready")
        path.rename(ready)
        os.close(fd)  # Gives up the lock: by now no name that means "alive" leads to the file.
        return ready


def _nobody_holds(path: Path) -> bool:
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:  # Retired by its owner a moment ago.
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return path.exists()
