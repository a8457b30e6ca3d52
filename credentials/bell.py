"""Tells the other processes at once that the pool has changed, where there is a Redis; without one they look twice a second.

The library of Redis takes 9 MB of memory, so it is loaded only where it is used.
"""

from collections.abc import Callable

from django.conf import settings


def ring() -> None:
    """Say that the pool's version has moved. Never raises, and takes no longer than a moment when Redis does not answer."""
    if settings.REDIS_URL:
        from credentials import redis_bell

        redis_bell.ring()


async def listen(on_ring: Callable[[], None]) -> None:
    """Call `on_ring` at every ring, and after every (re)connection, as rings may have been missed until then.

    It ends when it is cancelled, or at once where there is no REDIS_URL. `on_ring` must not raise.
    """
    if settings.REDIS_URL:
        from credentials import redis_bell

        await redis_bell.listen(on_ring)
