"""How Castor speaks to Redis from an event loop: without retries of the library's own, and never waiting for long."""

import asyncio

import redis
from redis import asyncio as async_redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

UNUSABLE = (redis.RedisError, OSError, TimeoutError, ValueError)
"""What a Redis raises that is down, silent or not one; ValueError: the URL cannot be read.

Only the name of such an error may be logged: its text may quote the URL, which may hold a password.
"""


def connect(url: str, *, patience: float) -> async_redis.Redis:
    """`patience`: seconds for each step. Raises ValueError for a URL that cannot be read; connections are made at first use."""
    return async_redis.Redis.from_url(url, socket_timeout=patience, socket_connect_timeout=patience, retry=Retry(NoBackoff(), 0))


def heed_cancellation() -> None:
    """Stop if the task was told to while it spoke to Redis.

    The library sends by `asyncio.wait_for`, which before Python 3.12 loses a cancellation that comes just as it finishes.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
