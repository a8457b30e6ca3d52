"""A sign of life of the background work: beat sends a task, a worker does it and writes down when.

It is kept where the queue is: in Redis, or else in a file of CASTOR_VAR.
"""

import time
from pathlib import Path
from typing import Any

from django.conf import settings

KEY = "castor:celery-heartbeat"
EVERY = 30.0
"""Seconds."""
_FILE = "celery-heartbeat"


class Unknown(Exception):
    """Redis cannot be asked. It is told by what: the text might quote the URL, which may hold a password."""


def beat() -> None:
    """Called by a worker. Raises Unknown."""
    if settings.REDIS_URL:
        _in_redis("SET", str(time.time()))
    else:
        _path().touch()


def last() -> float:
    """When that was, in epoch seconds; 0: never. Raises Unknown."""
    if settings.REDIS_URL:
        return float(_in_redis("GET") or 0)
    try:
        return _path().stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _in_redis(command: str, *values: str) -> Any:
    from credentials.redis_bell import client  # Only now: where there is no Redis, its library is not loaded.
    from credentials.redis_client import UNUSABLE

    try:
        return client(settings.REDIS_URL).execute_command(command, KEY, *values)
    except UNUSABLE as error:
        raise Unknown(type(error).__name__) from error


def _path() -> Path:
    return settings.VAR_DIR / _FILE
