"""The bell (`bell.py`) over the pub/sub of Redis.

The bell carries no message: whoever hears it looks at the pool's version.
"""

import asyncio
import time
from collections.abc import Callable
from functools import lru_cache

import redis
import structlog
from django.conf import settings
from redis.asyncio.client import PubSub
from redis.backoff import NoBackoff
from redis.retry import Retry

from credentials.redis_client import UNUSABLE, connect, heed_cancellation

CHANNEL = "castor:pool"
LONGEST_RING = 0.2
"""Seconds."""
QUIET_SECONDS = 5.0
"""After a ring that Redis did not take, it is left alone so long: whoever rings must not wait each time."""
SILENCE = 2.0
"""Seconds without a word after which the listener asks whether Redis is still there, and waits as long for its answer."""
PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between one try to connect and the next; the last one is used again and again."""

log = structlog.get_logger("castor.bell")
_quiet_until = 0.0


def ring() -> None:
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return
    try:
        client(settings.REDIS_URL).publish(CHANNEL, "")
    except UNUSABLE as error:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        log.warning("The other processes could not be told of a change; they find out by themselves.", cause=type(error).__name__)


async def listen(on_ring: Callable[[], None]) -> None:
    failures = 0

    def heard() -> None:
        nonlocal failures
        if failures:
            log.info("Redis is back.")
        failures = 0
        on_ring()

    while True:
        try:
            await _listen_once(heard)
        except UNUSABLE as error:
            failures += 1
            if failures == 1:
                log.warning("Redis cannot be listened to; changes arrive by polling.", cause=type(error).__name__)
        heed_cancellation()
        await asyncio.sleep(PAUSES[min(failures, len(PAUSES)) - 1])


async def _listen_once(on_ring: Callable[[], None]) -> None:
    async with connect(settings.REDIS_URL, patience=SILENCE) as client, client.pubsub() as channel:
        await channel.subscribe(CHANNEL)
        await _hear(channel, on_ring)


async def _hear(channel: PubSub, on_ring: Callable[[], None]) -> None:
    """Raises TimeoutError when Redis is frozen: the connection stands, but nobody answers."""
    asked = False
    while True:
        heed_cancellation()
        message = await channel.get_message(timeout=SILENCE)
        if message is None:
            if asked:
                raise TimeoutError
            await channel.ping()
        elif message["type"] != "pong":  # The answer to our subscription means that we are connected.
            on_ring()
        asked = message is None


@lru_cache(maxsize=1)
def client(url: str) -> redis.Redis:
    """One connection a thread that rings; after a fork the client notices that its process is another, and connects anew."""
    # A connection that was closed meanwhile (Redis was started again) is worth a second try, silence is not.
    retry = Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,))
    return redis.Redis.from_url(url, socket_timeout=LONGEST_RING, socket_connect_timeout=LONGEST_RING, retry=retry)
