"""Loaded by every Python that runs on moved time: a sleep that libfaketime lets sleep.

Python 3.11 sleeps by `clock_nanosleep` until a moment of the monotonic clock, which libfaketime 0.9.10 (Debian 12) answers
with EINVAL when it has been told to leave that clock alone.
"""

import select
import time


def sleep(seconds: float) -> None:
    if seconds < 0:
        raise ValueError("sleep length must be non-negative")
    select.select([], [], [], seconds)


time.sleep = sleep
