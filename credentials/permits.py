"""Limits shared by several processes: each leases permits in blocks from counters in Redis, and spends them from memory.

Nobody on the hot path waits for Redis here. A task of the event loop fetches the next block ahead of need, and gives back what
has lain idle. While Redis does not answer each process keeps to its share of every limit; what it used is told to Redis later.
"""

import asyncio
import secrets
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import blake2b
from itertools import count, islice

import redis
import structlog
from django.conf import settings
from msgspec import Struct
from redis import asyncio as async_redis

from credentials.budget import Budget, Window
from credentials.pacing import Pacer
from credentials.redis_client import UNUSABLE, connect, heed_cancellation

LONGEST_ANSWER = 0.4
"""Seconds after which a Redis that says nothing counts as down."""
RETRY_SECONDS = 1.0
TICK = 0.5
"""Seconds between one look and the next at what lies idle, and at what Redis had refused."""
IDLE_TICKS = 4
PATIENT_TICKS = 8
"""What Redis refused may be held idle by another process, or have died with it: so long it is waited for, then it is gone."""
FULL_TICKS = 30
"""A limit that is used up in this window is asked about rarely: tokens may still come free, and a limit may be raised."""
MOST_AT_ONCE = 200
KEPT_LONGER = 120
"""Seconds that a counter outlives its window, as clocks differ."""
LONGEST_NAME = 120

_LEASE = """
-- A hash for each window of each limit: what is held and spent in all, and by each holder as "held:spent:turn". A holder says
-- what it wants to hold altogether, not how much more, so a command that is carried out twice, or late, does no harm.
local answers = {}
for index, key in ipairs(KEYS) do
  local holder, turn, spends, keeps, needs, wants, limit, expires = unpack(ARGV, index * 8 - 7, index * 8)
  turn, spends, keeps, needs = tonumber(turn), tonumber(spends), tonumber(keeps), tonumber(needs)
  wants, limit = tonumber(wants), tonumber(limit)
  local held, spent, last = 0, 0, 0
  local known = redis.call('HGET', key, holder)
  if known then
    held, spent, last = known:match('^(%d+):(%d+):(%d+)$')
    held, spent, last = tonumber(held), tonumber(spent), tonumber(last)
  end
  if turn > last then
    local left = limit - (tonumber(redis.call('HGET', key, 'held') or 0) - held)
    local now = keeps
    if left >= needs then now = math.max(keeps, math.min(wants, left)) end
    redis.call('HINCRBY', key, 'held', now - held)
    redis.call('HINCRBY', key, 'spent', spends - spent)
    redis.call('HSET', key, holder, string.format('%.0f:%.0f:%.0f', now, spends, turn))
    redis.call('EXPIRE', key, expires)
    held = now
  end
  answers[index] = {held, tonumber(redis.call('HGET', key, 'spent'))}
end
return answers
"""


log = structlog.get_logger("castor.permits")


class _Ask(Struct, frozen=True):
    """What is said to Redis about one budget: what was used of it, and how much this process wants to hold altogether.

    It keeps `keeps` in any case, and gets up to `wants`, if that is at least `needs`.
    """

    budget: Budget
    window: Window
    used: int
    keeps: int
    needs: int
    wants: int


class _Idle(Struct):
    """For how many ticks nothing has been used of a budget that has permits left."""

    used: int
    ticks: int = 0


class Permits:
    """Opened and closed with the web process. `on_change` is called whenever requests that wait should look again."""

    def __init__(self, pacer: Pacer, on_change: Callable[[], None], *, clock: Callable[[], float] = time.time) -> None:
        self._pacer = pacer
        self._on_change = on_change
        self._clock = clock
        self._client: async_redis.Redis | None = None
        self._task: asyncio.Task[None] | None = None
        self._called = asyncio.Event()
        self._tried = asyncio.Event()
        self._turns = count(1)
        self._budgets = count(1)
        self._process = ""
        self._idle: dict[Budget, _Idle] = {}
        self._ticks = 0
        self._complained = False

    async def open(self) -> None:
        """Returns once Redis has answered, or has not within the moment that it is given."""
        try:
            self._client = connect(settings.REDIS_URL, patience=LONGEST_ANSWER)
        except ValueError as error:
            self._fall_back(error)
            return
        self._process = secrets.token_hex(6)
        self._called, self._tried = asyncio.Event(), asyncio.Event()  # Of the loop that runs now.
        self._pacer.call = self._called.set
        self._task = asyncio.create_task(self._keep(self._client), name="castor-permits")
        await self._tried.wait()

    async def close(self) -> None:
        """Give back what is not used, as nobody else can until the window ends."""
        if self._task is None or self._client is None:
            return
        was_leasing = self._pacer.leased
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        with suppress(*UNUSABLE):
            if was_leasing:
                await self._lease(self._client, [_returned(budget) for budget in self._current()])
            await self._client.aclose()
        self._task = None

    async def _keep(self, client: async_redis.Redis) -> None:
        try:
            while True:
                try:
                    await self._serve(client)
                except UNUSABLE as error:
                    self._fall_back(error)
                self._tried.set()
                heed_cancellation()
                await asyncio.sleep(RETRY_SECONDS)
        finally:
            self._pacer.leased = False
            self._tried.set()

    async def _serve(self, client: async_redis.Redis) -> None:
        while True:
            await self._connect(client)
            # A connection that breaks may be of a Redis that was started again: it is gone only if no other can be made.
            with suppress(redis.ConnectionError):
                await self._lease_ahead(client)

    async def _connect(self, client: async_redis.Redis) -> None:
        """Tell Redis what this process has used and holds, of which it may know nothing: from then on permits count."""
        async with asyncio.timeout(LONGEST_ANSWER):
            # A command that waits in a frozen Redis would be carried out later; of this one that does not matter.
            await client.ping()
        heed_cancellation()
        await self._lease(client, [_kept(budget) for budget in self._current()])
        if self._complained:
            log.info("Redis is back: limits are exact again.")
        self._complained = False
        self._pacer.leased = True
        self._tried.set()
        self._on_change()

    def _fall_back(self, error: BaseException) -> None:
        if not self._complained:
            log.warning("Redis cannot be used; each process keeps to its share of every limit.", cause=type(error).__name__)
        self._complained = True
        self._pacer.leased = False
        self._pacer.wanting.clear()
        self._pacer.refused.clear()
        self._on_change()

    async def _lease_ahead(self, client: async_redis.Redis) -> None:
        """Serve those that want permits, at once or (where Redis has refused them) at the next tick."""
        loop = asyncio.get_running_loop()
        next_tick = loop.time() + TICK
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(next_tick):
                    await self._called.wait()
            self._called.clear()
            is_tick = loop.time() >= next_tick
            if is_tick:
                next_tick = loop.time() + TICK
                self._ticks += 1
            if asks := [*self._wanted(is_tick=is_tick), *(self._left_idle() if is_tick else ())]:
                await self._lease(client, asks)

    def _wanted(self, *, is_tick: bool) -> list[_Ask]:
        """For those that want permits. Whom Redis has refused asks again at a tick only."""
        now, refused = self._clock(), self._pacer.refused
        again: list[Budget] = []
        if is_tick:
            for budget in refused:
                self._pacer.enter(budget, now)  # In the next minute it is refused no more.
            look_at_full = self._ticks % FULL_TICKS == 0
            again = [budget for budget in refused if look_at_full or not budget.full]
        due = dict.fromkeys((*self._pacer.wanting, *again))
        self._pacer.wanting.clear()
        for budget in due:
            refused.pop(budget, None)
            self._idle.pop(budget, None)
            self._pacer.enter(budget, now)
        return [_wanted(budget, budget.block(self._pacer.processes)) for budget in due]

    def _left_idle(self) -> list[_Ask]:
        """For those of which nothing was used for a while."""
        now = self._clock()
        returned = []
        for budget, idle in list(self._idle.items()):
            if budget.used != idle.used:
                idle.used, idle.ticks = budget.used, 0
            idle.ticks += 1
            if budget.granted <= budget.used or not budget.window.holds(now):
                del self._idle[budget]
            elif idle.ticks > IDLE_TICKS:
                del self._idle[budget]
                returned.append(_returned(budget))
        return returned

    def _current(self) -> list[Budget]:
        """Those of which something is used or held in the window that they are in now."""
        now = self._clock()
        return [budget for budget in self._pacer.budgets() if budget.window.holds(now) and (budget.used or budget.granted)]

    async def _lease(self, client: async_redis.Redis, asks: Iterable[_Ask]) -> None:
        remaining = iter(asks)
        while batch := list(islice(remaining, MOST_AT_ONCE)):
            async with asyncio.timeout(LONGEST_ANSWER):
                answers = await self._ask(client, batch)
            heed_cancellation()
            for ask, (held, spent) in zip(batch, answers, strict=True):
                self._take_in(ask, held, spent)
            self._on_change()

    async def _ask(self, client: async_redis.Redis, batch: list[_Ask]) -> list[tuple[int, int]]:
        """(permits that this process holds now, permits that all have spent) for each."""
        turn, now = next(self._turns), self._clock()
        said: list[str | int] = []
        for ask in batch:
            holder = ask.budget.holder = ask.budget.holder or f"{self._process}{next(self._budgets)}"
            expires = max(0, int(ask.window.ends - now)) + KEPT_LONGER
            said += [holder, turn, ask.used, ask.keeps, ask.needs, ask.wants, ask.budget.limit, expires]
        answers: list[tuple[int, int]] = await client.execute_command(
            "EVAL", _LEASE, len(batch), *(_key(ask.budget, ask.window) for ask in batch), *said
        )
        return answers

    def _take_in(self, ask: _Ask, held: int, spent: int) -> None:
        budget = ask.budget
        if budget.window is not ask.window:
            return  # Its time went by while we asked.
        budget.granted = held
        if held < ask.needs:
            budget.refusals += 1
            budget.full = budget.limit - spent < ask.needs - ask.used or budget.refusals > PATIENT_TICKS
        else:
            budget.hope()
        if held > budget.used:
            self._idle[budget] = _Idle(budget.used)


def _wanted(budget: Budget, block: int) -> _Ask:
    need, budget.need = max(1, budget.need), 0
    if budget.refusals:  # What it holds was too little for it: others may wait for just that.
        budget.granted = budget.used
    used, keeps = budget.used, max(budget.used, budget.granted)
    return _Ask(budget, budget.window, used, keeps, used + need, used + max(need, block))


def _kept(budget: Budget) -> _Ask:
    held = max(budget.used, budget.granted)
    return _Ask(budget, budget.window, budget.used, held, held, held)


def _returned(budget: Budget) -> _Ask:
    budget.granted = used = budget.used  # At once, so that nobody takes what Redis is about to give to others.
    return _Ask(budget, budget.window, used, used, used, used)


def _key(budget: Budget, window: Window) -> bytes:
    """Names of models come from callers: they may be of any length, and hold anything that JSON can say."""
    name = f"{budget.group}:{budget.model}"
    if len(name) > LONGEST_NAME:
        name = blake2b(name.encode(errors="replace"), digest_size=16).hexdigest()
    return f"castor:permits:{name}:{budget.number}:{window.name}".encode(errors="replace")
