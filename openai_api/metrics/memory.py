"""The numbers that the web processes of one Castor share: memory that gunicorn's master makes before it forks them.

Each process writes to a region of its own, so nothing needs a lock, and any of them reads all. What a process had counted
outlives it, `kill -9` too: whoever comes next goes on counting in its region. It ends with the master, and leaves no file.
"""

import mmap
import os
import re
import time
from collections.abc import Iterator

SLOTS = 16_384
"""Numbers in a region; far more than the labels allow. Memory that nobody writes to is not taken."""
NAMES = 1_400_000
"""Bytes for what they are called."""
WIDEST = 32
"""Numbers that one name may stand for."""

_HEAD = 16
_SIZE = _HEAD + 8 * SLOTS + NAMES
_OWNER, _USED = 0, 1
_SUMS, _OF_NOW = "+", "="
_LINE = re.compile(r"(\d+)([+=])(.*)", re.DOTALL)


class Region:
    """Its head: the process that writes to it (0: none), and how many bytes of names there are. Then numbers, then names.

    A name is a line: how many numbers it stands for, whether they are sums ("+") or of the moment ("="), and the name.
    Its numbers lie behind those of the lines before it.
    """

    def __init__(self, memory: memoryview) -> None:
        self.values = memory[_HEAD : _HEAD + 8 * SLOTS].cast("d")
        self._head = memory[:_HEAD].cast("Q")
        self._names = memory[_HEAD + 8 * SLOTS :]
        self._slots: dict[str, int] = {}
        self._free = 0

    def take(self) -> None:
        """Write to it from now on, behind what another process may have left."""
        for name, slot, width, sums in self._lines():
            self._slots[name], self._free = slot, slot + width
            if not sums:
                self.values[slot] = 0.0
        self._head[_OWNER] = os.getpid()

    def leave(self) -> None:
        self._head[_OWNER] = 0

    def slot(self, name: str, width: int, *, sums: bool) -> int:
        """Where the numbers of this name lie. Those of names beyond all bounds lie together, and are not told."""
        if (known := self._slots.get(name)) is not None:
            return known
        line = f"{width}{_SUMS if sums else _OF_NOW}{name}\n".encode()
        used = self._head[_USED]
        if used + len(line) > len(self._names) or self._free + width > SLOTS - WIDEST:
            return SLOTS - WIDEST
        slot, self._slots[name], self._free = self._free, self._free, self._free + width
        self._names[used : used + len(line)] = line
        self._head[_USED] = used + len(line)  # Only now: a process that dies in between leaves no half of a name.
        return slot

    def series(self) -> Iterator[tuple[str, list[float]]]:
        """Every name with its numbers; only the sums, where nobody lives to say anything of the moment."""
        is_alive = self._head[_OWNER] != 0
        for name, slot, width, sums in self._lines():
            if sums or is_alive:
                yield name, [float(value) for value in self.values[slot : slot + width]]

    def _lines(self) -> Iterator[tuple[str, int, int, bool]]:
        slot = 0
        for line in bytes(self._names[: self._head[_USED]]).decode().split("\n")[:-1]:
            width, sign, name = _LINE.findall(line)[0]
            yield name, slot, int(width), sign == _SUMS
            slot += int(width)


class Shared:
    """The regions of one master and its processes. `take` and `give_back` are the master's: it knows who lives."""

    def __init__(self, processes: int) -> None:
        self.began = time.time()
        self._memory = mmap.mmap(-1, processes * _SIZE)
        view = memoryview(self._memory)
        self.regions = [Region(view[number * _SIZE : (number + 1) * _SIZE]) for number in range(processes)]
        self._taken: dict[int, int] = {}

    def take(self, worker: int) -> None:
        """Choose the region of a worker that is about to be forked. `worker`: any number of its own."""
        free = (number for number in range(len(self.regions)) if number not in self._taken.values())
        if (number := next(free, None)) is not None:
            self._taken[worker] = number

    def of(self, worker: int) -> Region | None:
        """None: there are more workers than was ever thought of."""
        number = self._taken.get(worker)
        return None if number is None else self.regions[number]

    def give_back(self, worker: int) -> None:
        """It has ended: others may go on in its region."""
        number = self._taken.pop(worker, None)
        if number is not None:
            self.regions[number].leave()


class Here:
    """What this process writes to, and reads from: memory of its own unless a master shares some."""

    def __init__(self) -> None:
        self.use(Shared(1), worker=0)

    def use(self, shared: Shared, *, worker: int) -> None:
        """Called in a process just forked, before anything is counted. A worker without a region is not told of by others."""
        self.shared = shared
        self.region = shared.of(worker) or Shared(1).regions[0]
        self.region.take()

    @property
    def regions(self) -> list[Region]:
        """All that can be read, this process's own first."""
        return [self.region, *(region for region in self.shared.regions if region is not self.region)]


here = Here()
