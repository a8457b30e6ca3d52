"""The bell, on a real Redis that is stopped, frozen and started again."""

import asyncio
import os
import time
from collections.abc import Callable

import pytest
from django.test import override_settings
from structlog.testing import capture_logs

from credentials import bell, redis_bell
from tests.house.parts import frozen
from tests.house.waiting import PATIENCE
from tests.redis_server import redis as redis

SECRET = "pa55-word"


@pytest.fixture(autouse=True)
def _rings_at_once(monkeypatch):
    monkeypatch.setattr(redis_bell, "_quiet_until", 0.0)


async def until(look: Callable[[], object]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not look():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(0.02)


class Listener:
    """Counts the rings that it has heard."""

    def __init__(self) -> None:
        self.heard = 0
        self._task = asyncio.create_task(bell.listen(self._hear))

    def _hear(self) -> None:
        self.heard += 1

    async def hears(self, *, more_than: int, ringing: bool = False) -> None:
        """`ringing`: ring until it is heard; a Redis that was away is left alone for a while."""
        async with asyncio.timeout(PATIENCE):
            while self.heard <= more_than:
                if ringing:
                    await asyncio.to_thread(bell.ring)
                await asyncio.sleep(0.02)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def listener(redis):
    listening = Listener()
    await listening.hears(more_than=0)
    yield listening
    await listening.stop()


async def test_a_ring_is_heard(listener):
    await asyncio.to_thread(bell.ring)
    await listener.hears(more_than=1)


async def test_the_listener_comes_back_after_redis_was_started_again(redis, listener):
    await asyncio.to_thread(redis.stop)
    heard = listener.heard
    await asyncio.to_thread(redis.start)
    await listener.hears(more_than=heard)
    await listener.hears(more_than=listener.heard, ringing=True)


async def test_a_frozen_redis_is_noticed_and_listened_to_again_when_it_thaws(redis, listener, monkeypatch):
    monkeypatch.setattr(redis_bell, "SILENCE", 0.1)
    noticed = []
    monkeypatch.setattr(redis_bell.log, "warning", lambda *said, **more: noticed.append(more["cause"]))
    with frozen(redis.pid):
        await until(lambda: noticed)
        heard = listener.heard
    assert noticed == ["TimeoutError"]
    await listener.hears(more_than=heard)


def test_without_a_redis_nothing_rings_and_nobody_listens():
    with override_settings(REDIS_URL=""):
        bell.ring()
        assert asyncio.run(bell.listen(lambda: pytest.fail("nothing can have rung"))) is None


def test_a_redis_that_is_gone_does_not_disturb_whoever_rings(redis):
    redis.stop()
    with capture_logs() as said:
        bell.ring()
        bell.ring()
    assert len(said) == 1  # The second one left Redis alone.


def test_a_frozen_redis_holds_nobody_up(redis):
    bell.ring()
    with frozen(redis.pid):
        begun = time.monotonic()
        for _ in range(1_000):
            bell.ring()
        assert time.monotonic() - begun < PATIENCE  # At the length of one ring each it would take minutes.


async def test_the_first_ring_after_redis_was_started_again_is_heard(redis, listener):
    await asyncio.to_thread(bell.ring)
    await listener.hears(more_than=1)
    await asyncio.to_thread(redis.stop)
    heard = listener.heard
    await asyncio.to_thread(redis.start)
    await listener.hears(more_than=heard)
    heard = listener.heard
    await asyncio.to_thread(bell.ring)
    await listener.hears(more_than=heard)


async def test_a_process_that_was_forked_after_a_ring_rings_on_a_connection_of_its_own(listener):
    bell.ring()
    await listener.hears(more_than=1)
    child = os.fork()
    if child == 0:
        bell.ring()
        os._exit(0)
    await asyncio.to_thread(os.waitpid, child, 0)
    await listener.hears(more_than=2)
    bell.ring()
    await listener.hears(more_than=3)


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@127.0.0.1:9/0",
        f"redis://user:{SECRET}@nowhere.invalid/0",
        f"redis://:{SECRET}/x@127.0.0.1/0",
        f"{SECRET}",
    ],
)
async def test_the_password_in_its_url_is_never_logged(url):
    with capture_logs() as said, override_settings(REDIS_URL=url):
        await asyncio.to_thread(bell.ring)
        listening = asyncio.create_task(bell.listen(lambda: None))
        await until(lambda: len(said) >= 2)
        listening.cancel()
    assert SECRET not in str(said)


async def test_a_wrong_password_is_logged_as_such_but_not_shown(redis):
    with capture_logs() as said, override_settings(REDIS_URL=redis.url.replace("redis://", f"redis://user:{SECRET}@")):
        bell.ring()
    assert [line["cause"] for line in said] == ["AuthenticationError"]
    assert SECRET not in str(said)
