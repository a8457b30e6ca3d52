"""What a process and its descendants have used, read from /proc."""

import os
from pathlib import Path

_TICK = 1_000_000 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu(root: int) -> float:
    """Microseconds of CPU, user and system, of a process and its living descendants."""
    return sum(_fields(pid)[11] + _fields(pid)[12] for pid in _family(root)) * _TICK


def memory(root: int) -> float:
    """Resident KB of the largest process of the family: the worker, where there is one."""
    return max(_fields(pid)[21] for pid in _family(root)) * _PAGE / 1024


def _family(root: int) -> list[int]:
    parents = {int(entry.name): _parent(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    family = [root]
    for pid in family:  # Grows while it is walked.
        family += [child for child, parent in parents.items() if parent == pid]
    return family


def _parent(pid: int) -> int:
    try:
        return _fields(pid)[1]
    except (FileNotFoundError, ProcessLookupError):
        return 0  # It ended while we looked.


def _fields(pid: int) -> list[int]:
    """The numbers of /proc/PID/stat after the command's name, see proc(5); the first, the state, becomes 0."""
    text = Path(f"/proc/{pid}/stat").read_text()
    return [0, *map(int, text[text.rindex(")") + 4 :].split())]
