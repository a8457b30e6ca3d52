"""Identifiers: unique, not secret, and without a system call each."""

import os
import random
import time
from contextvars import ContextVar

current_request: ContextVar[str] = ContextVar("current_request", default="")
"""The id of the request that something is done for, in whichever process: log lines and background tasks carry it."""

_source = random.Random()  # noqa: S311  # seeded by the operating system; nothing may be guarded by these ids
os.register_at_fork(after_in_child=_source.seed)


def new_hex() -> str:
    """32 hexadecimal digits."""
    return f"{_source.getrandbits(128):032x}"


def new_uid() -> str:
    """The same, but in the order of time: an index of such ids grows at its end, which is cheap."""
    return f"{time.time_ns():016x}{_source.getrandbits(64):016x}"


def new_id(prefix: str) -> str:
    return f"{prefix}-{new_uid()}"


def new_call_id() -> str:
    """A tool call's id, as short as OpenAI's: some clients refuse longer ones."""
    return f"call_{new_hex()[:24]}"
