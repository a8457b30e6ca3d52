"""Permits for limits, leased by several web processes from a real Redis that is stopped, frozen and started again."""

import asyncio

import pytest
import redis as redis_client
from django.conf import settings
from django.test import override_settings
from structlog.testing import capture_logs

from credentials import permits
from credentials.pacing import Limit, Pacer
from credentials.permits import Permits
from tests.credentials.pools import FLASH, MINUTE, NOON, PRO
from tests.house.parts import frozen
from tests.house.waiting import PATIENCE
from tests.redis_server import redis as redis

GROUP = "project:harbour"


@pytest.fixture(autouse=True)
def _ticks_are_short(monkeypatch):
    monkeypatch.setattr(permits, "TICK", 0.1)


class Clock:
    """Stands still, so that no window ends while a test runs, unless it is moved."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


class Worker:
    """The part of a web process that is of interest here, with requests that wait as the pool's do."""

    def __init__(self, clock: Clock, *limits: Limit) -> None:
        self.clock = clock
        self.pacer = Pacer()
        self.pacer.install(limits)
        self.changed = asyncio.Event()
        self.permits = Permits(self.pacer, self._wake, clock=clock)

    def _wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def try_once(self, *, tokens: int = 0, model: str = FLASH, group: str = GROUP) -> float | None:
        until = self.pacer.blocked_until(group, model, at=self.clock(), tokens=tokens)
        if until is None:
            self.pacer.begin(group, model, at=self.clock(), tokens=tokens)
        return until

    async def take(self, *, tokens: int = 0, model: str = FLASH, group: str = GROUP) -> bool:
        """False: the limit is used up until its window ends."""
        async with asyncio.timeout(PATIENCE):
            while (until := self.try_once(tokens=tokens, model=model, group=group)) is not None:
                if until > self.clock():
                    return False
                await self.changed.wait()
        return True

    async def take_all(self, **request) -> int:
        taken = 0
        while await self.take(**request):
            taken += 1
            await asyncio.sleep(0)  # So that the others have their turns.
        return taken

    async def until(self, look) -> None:
        async with asyncio.timeout(PATIENCE):
            while not look():  # noqa: ASYNC110 - what is waited for happens in another process
                await asyncio.sleep(0.02)

    def die(self) -> None:
        self.permits._task.cancel()


class Workers:
    def __init__(self, count: int, *limits: Limit) -> None:
        self.clock = Clock()
        self.all = [Worker(self.clock, *limits) for _ in range(count)]

    async def __aenter__(self) -> list[Worker]:
        for worker in self.all:
            worker.pacer.processes = len(self.all)
            if settings.REDIS_URL:
                await worker.permits.open()
        return self.all

    async def __aexit__(self, *_) -> None:
        for worker in self.all:
            await worker.permits.close()


@pytest.mark.parametrize("limit", [1, 3, 5, 100, 5_000])
@pytest.mark.parametrize("number", ["rpm", "rpd"])
async def test_four_processes_together_use_a_limit_up_and_never_more(redis, number, limit):
    async with Workers(4, Limit(**{number: limit})) as workers:
        assert sum(await asyncio.gather(*(worker.take_all() for worker in workers))) == limit


async def test_one_process_alone_may_use_all_of_a_limit(redis):
    async with Workers(4, Limit(rpm=20)) as workers:
        assert await workers[2].take_all() == 20


async def test_what_is_used_up_is_known_at_once_where_nothing_lies_idle_elsewhere(redis):
    async with Workers(1, Limit(rpm=3)) as [worker]:
        await worker.take_all()
        assert worker.try_once() > NOON


async def test_tokens_are_shared_and_none_is_lost(redis):
    async with Workers(4, Limit(tpm=100_000)) as workers:
        taken = await asyncio.gather(*(worker.take_all(tokens=1_000) for worker in workers))
    assert sum(taken) == 100


async def test_a_request_beyond_the_whole_limit_goes_where_nobody_has_used_any_of_it(redis):
    async with Workers(2, Limit(tpm=1_000)) as [first, second]:
        assert await first.take(tokens=5_000)
        assert not await second.take(tokens=5_000)
        assert not await second.take(tokens=1)


async def test_tokens_that_were_not_needed_serve_another_process(redis):
    async with Workers(2, Limit(tpm=1_000)) as [first, second]:
        assert await first.take(tokens=1_000)
        first.pacer.end(GROUP, FLASH, at=NOON, reserved=1_000, used=100)
        await asyncio.sleep(0)
        first.pacer.blocked_until(GROUP, FLASH, at=NOON, tokens=1)
        assert await second.take(tokens=900)


async def test_each_group_and_model_has_its_own(redis):
    async with Workers(2, Limit(rpm=2)) as [first, second]:
        assert await first.take_all() == 2
        assert await second.take_all(model=PRO) == 2
        assert await second.take_all(group="key:1") == 2


async def test_a_new_minute_brings_new_permits(redis):
    workers = Workers(2, Limit(rpm=4))
    async with workers as [first, second]:
        assert await first.take_all() + await second.take_all() == 4
        workers.clock.now += MINUTE
        assert await second.take_all() + await first.take_all() == 4


async def test_what_a_process_leaves_idle_the_others_get_within_the_window(redis):
    async with Workers(2, Limit(rpm=2)) as [first, second]:
        assert await first.take()
        await first.until(lambda: next(first.pacer.budgets()).granted == 2)
        assert await second.take()  # It waits until the first one gives back what it does not use.


async def test_a_process_that_stops_gives_back_what_it_has_not_used(redis):
    async with Workers(2, Limit(rpd=160)) as [first, second]:
        assert await first.take()
        await first.permits.close()
        assert await second.take_all() == 159


async def test_closing_at_any_moment_ends_it(redis):
    for _ in range(50):
        async with asyncio.timeout(PATIENCE), Workers(2, Limit(rpm=5)) as [first, second]:
            await asyncio.gather(first.take(), second.take())


async def test_permits_of_a_process_that_died_are_lost_until_the_window_ends_and_no_longer(redis):
    workers = Workers(4, Limit(rpm=320))
    async with workers as [first, *others]:
        assert await first.take()
        await first.until(lambda: next(first.pacer.budgets()).granted > 1)
        first.die()
        held = next(first.pacer.budgets()).granted
        taken = await asyncio.gather(*(worker.take_all() for worker in others))
        assert sum(taken) == 320 - held
        workers.clock.now += MINUTE
        taken = await asyncio.gather(*(worker.take_all() for worker in others))
        assert sum(taken) == 320


async def test_a_frozen_redis_leaves_each_process_its_share_and_counts_exactly_again_when_it_thaws(redis):
    async with Workers(4, Limit(rpd=400)) as workers:
        with capture_logs() as said, frozen(redis.pid):
            taken = await asyncio.gather(*(worker.take_all() for worker in workers))
            assert taken == [100] * 4  # Each one's share; what it had leased before is part of it.
        assert {line["cause"] for line in said} == {"TimeoutError"}
        for worker in workers:
            await worker.until(lambda worker=worker: worker.pacer.leased)
        assert sum(await asyncio.gather(*(worker.take_all() for worker in workers))) == 0


async def test_requests_go_on_while_redis_is_gone_and_their_use_is_told_when_it_is_back(redis):
    async with Workers(4, Limit(rpd=40)) as [first, *others]:
        await asyncio.to_thread(redis.stop)
        assert await first.take_all() == 10
        await asyncio.to_thread(redis.start)  # It has forgotten everything.
        for worker in (first, *others):
            await worker.until(lambda worker=worker: worker.pacer.leased)
        assert sum(await asyncio.gather(*(worker.take_all() for worker in (first, *others)))) == 30


async def test_a_process_starts_without_redis_and_leases_from_it_later(redis):
    redis.stop()
    async with Workers(2, Limit(rpd=10)) as workers:
        assert await workers[0].take_all() == 5
        await asyncio.to_thread(redis.start)
        for worker in workers:
            await worker.until(lambda worker=worker: worker.pacer.leased)
        assert await workers[1].take_all() == 5


@override_settings(REDIS_URL="")
async def test_without_redis_each_process_has_its_share_and_at_least_one_request():
    async with Workers(4, Limit(model=FLASH, rpm=10), Limit(model=PRO, rpm=1)) as workers:
        assert [await worker.take_all() for worker in workers] == [2] * 4
        assert [await worker.take_all(model=PRO) for worker in workers] == [1] * 4


@override_settings(REDIS_URL="redis://:secret/x@127.0.0.1")
async def test_a_url_that_cannot_be_read_is_as_no_redis_and_its_password_is_not_logged():
    with capture_logs() as said:
        async with Workers(2, Limit(rpm=10)) as workers:
            assert await workers[0].take_all() == 5
    assert said
    assert "secret" not in str(said)


async def test_a_command_that_a_frozen_redis_carries_out_late_costs_nothing(redis):
    async with Workers(1, Limit(rpd=80)) as [worker]:
        assert await worker.take()
        with frozen(redis.pid):
            while worker.pacer.leased:
                worker.try_once()
                await asyncio.sleep(0)
        await worker.until(lambda: worker.pacer.leased)
        await worker.take_all()
        assert next(worker.pacer.budgets()).used == 80


async def test_counters_expire_and_their_names_hold_group_model_and_window_only(redis):
    async with Workers(1, Limit(rpm=5, rpd=50)) as [worker]:
        await worker.take()
        await worker.take(model="x" * 5_000)
        await worker.take(model="\ud800")
        with redis_client.Redis.from_url(redis.url) as database:
            names = {name.decode(): database.ttl(name) for name in database.keys("castor:*")}
    assert f"castor:permits:{GROUP}:{FLASH}:rpm:{int(NOON // 60)}" in names
    assert len(names) == 6
    assert all(0 < seconds <= 26 * 3_600 for seconds in names.values())
    assert max(map(len, names)) < 200


async def test_a_clock_that_is_put_back_an_hour_frees_no_permits(redis):
    workers = Workers(2, Limit(rpm=10))
    async with workers as [first, second]:
        assert await first.take_all() + await second.take_all() == 10
        workers.clock.now -= 3_600
        assert not await first.take()
        assert not await second.take()
        workers.clock.now += MINUTE
        assert await first.take_all() + await second.take_all() == 10


async def test_a_limit_that_is_raised_counts_at_once(redis):
    async with Workers(2, Limit(rpd=10)) as workers:
        assert sum([await worker.take_all() for worker in workers]) == 10
        for worker in workers:
            worker.pacer.install([Limit(rpd=25)])
        assert sum([await worker.take_all() for worker in workers]) == 15


async def test_thousands_of_requests_for_many_groups_stay_within_every_limit(redis):
    groups = [f"key:{number}" for number in range(40)]
    async with Workers(4, Limit(rpm=50)) as workers:

        async def ask_everywhere(worker: Worker) -> list[int]:
            return await asyncio.gather(*(worker.take_all(group=group) for group in groups))

        taken = await asyncio.gather(*map(ask_everywhere, workers))
    assert [sum(each) for each in zip(*taken, strict=True)] == [50] * 40
