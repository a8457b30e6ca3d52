"""Waiting for what other processes do, without guessing how long it takes them."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

PATIENCE = 40.0
"""Seconds after which something counts as never happening. Nothing takes nearly as long on a machine that is not overloaded."""


def eventually(look: Callable[[], T], what: str, *, seconds: float = PATIENCE) -> T:
    """What `look` returns once it is true."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        assert time.monotonic() < deadline, f"Not {what} within {seconds:g} s; the last look gave {seen!r}."
        time.sleep(0.05)
    return seen
