"""The one orchestrator: lease a credential, ask the upstream, fail over, report what happened.

Nothing is promised to the caller before the upstream's first real token (for a whole answer: before its end), and until
then any other credential may take over. After it an answer is never restarted behind the caller's back.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from msgspec import Struct
from msgspec.structs import replace

from credentials.health import EFFECTS, Outcome
from credentials.learning import Evidence
from credentials.pool import Pool
from credentials.rests import Lease
from credentials.waiting import Ticket
from openai_api.call import Call, Empty
from openai_api.errors import GatewayError, UpstreamBroken
from openai_api.metrics.attempts import ABANDONED, count_attempt
from openai_api.metrics.catalogue import WAITING
from openai_api.shortage import nothing_free, out_of_reach, refused_by_upstream, too_late
from openai_api.spending import spent_so_far
from openai_api.translation.events import Event, Usage
from openai_api.upstream.base import Ask, Prepared, UpstreamRefused
from openai_api.upstream.refusals import Refusal

LONGEST_BACKOFF = 30.0


class Limits(Struct, frozen=True):
    """The operator's MAX_RETRIES, RETRY_DELAY and TIMEOUT; times in seconds."""

    retries: int = 3
    retry_delay: float = 1.0
    deadline: float = 600.0


class Trace(Struct):
    """What became of one question, for the log, the usage record and the answer's headers. Times are monotonic seconds."""

    started: float
    attempts: int = 0
    credential_id: int = 0
    credential_label: str = ""
    asked: float | None = None
    first_token: float | None = None
    """Of the attempt that answers."""
    story: tuple[str, ...] = ()
    """What became of each attempt that failed: `credential: outcome`."""
    usages: tuple[Usage, ...] = ()
    """What each attempt that told has used: Google counts the failed ones too. Complete once the relay is closed."""
    estimated: bool = False
    """At least one of them told nothing of it, or was left before it had told everything."""


class ClientLeft(asyncio.CancelledError):
    """Nobody waits for the answer any more. Raised where the request was not ended at once, so that its usage becomes known."""


class Relay:
    """One question to the pool: `open()` until somebody answers, then `read()` to the end; `close()` whatever happens.

    Where nobody waits for the answer any more: `abandon()`, and once nothing else reads it, `drain()`.
    """

    def __init__(
        self,
        pool: Pool,
        ask: Ask,
        prepared: Prepared,
        *,
        whole: bool,
        limits: Limits,
        started: float,
        new_call_id: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.trace = Trace(started=started)
        self._pool = pool
        self._ask = ask
        self._prepared = prepared
        self._group = prepared.custody.group if prepared.custody is not None else prepared.group
        self._whole = whole
        self._limits = limits
        self._new_call_id = new_call_id
        self._clock = clock
        self._tried: frozenset[int] = frozenset()
        self._failures = 0
        self._may_be_empty = False
        self._unpaid: Refusal | None = None
        """What failed in passing last: asking again must be paid from the retry budget."""
        self._call: Call | None = None
        self._trial: Call | None = None
        """The attempt of which it is not known yet whether it becomes the call."""
        self._held: deque[list[Event]] = deque()
        self._ahead: asyncio.Task[None] | None = None
        self._waiting: asyncio.Task[None] | None = None
        """Who waits for a credential, while that is so."""
        self.is_abandoned = False

    async def open(self) -> None:
        """Ask until somebody answers. Raises GatewayError when nobody does, and ClientLeft once it is abandoned."""
        while self._call is None:
            if self.is_abandoned:
                raise ClientLeft
            await self._attempt(await self._lease())

    @property
    def is_asking(self) -> bool:
        """Whether an upstream is at work on it, at a price."""
        call = self._call or self._trial
        return call is not None and not call.ended and not self._prepared.free

    def abandon(self) -> None:
        """The attempt under way may end, for its usage alone. What comes is thrown away, and nothing is begun anew."""
        self.is_abandoned = True
        self._held.clear()
        if self._waiting is not None:
            self._waiting.cancel()

    async def drain(self) -> None:
        """Read to the end, however it ends."""
        with suppress(GatewayError):
            while await self.read() is not None:
                pass

    def read_ahead(self, goes_on: Callable[[], bool]) -> None:
        """Take in the answer before it is asked for, as long as that is called for: the credential is free the sooner."""
        if self._call is not None and not self._call.ended:
            self._ahead = asyncio.ensure_future(self._read_ahead(self._call, goes_on))

    async def read(self) -> list[Event] | None:
        """What came next, together; None after the end. Raises UpstreamBroken or DeadlineExceeded where it breaks off."""
        if not self._held and self._ahead is not None:
            ahead, self._ahead = self._ahead, None
            await ahead
        if self._held:
            return self._held.popleft()
        while self._call is not None and not self._call.ended:
            if batch := await self._read_on(self._call):
                return batch
        return None

    async def close(self) -> None:
        """Leave the call, wherever it stands: the upstream's connection is closed, the credential given back."""
        try:
            if self._ahead is not None:
                self._ahead.cancel()
                await asyncio.gather(self._ahead, return_exceptions=True)
        finally:
            if self._call is not None:
                await self._leave(self._call)

    async def _attempt(self, lease: Lease) -> None:
        """Ask with one credential. Afterwards `_call` is set, or the next one may be tried; raises what ends the request."""
        seconds = self._time_left()
        if seconds <= 0:
            self._pool.release(lease, at=self._clock())
            raise self._too_late()
        self._begin(lease)
        answer = self._ask(self._prepared, lease.entry, new_call_id=self._new_call_id, seconds=seconds)
        self._trial = call = Call(lease, answer, self._prepared.stops, may_be_empty=self._may_be_empty)
        try:
            await self._until_promised(call)
            self._call = call
        except UpstreamRefused as refused:
            self._note_break(call)
            self._judge(lease, self._as_empty(refused.refusal) if isinstance(refused, Empty) else refused.refusal)
        finally:
            self._trial = None
            if self._call is None:  # Refused, cancelled, timed out: nobody will read on.
                self._held.clear()
                await self._leave(call)

    def _as_empty(self, refusal: Refusal) -> Refusal:
        """Where a stop sequence may have come first, nobody is blamed, and what is empty once more is the answer."""
        self._may_be_empty = self._prepared.stopped
        return replace(refusal, outcome=Outcome.ANSWER_UNUSABLE) if self._may_be_empty else refusal

    async def _leave(self, call: Call) -> None:
        try:
            await call.close()
        finally:
            if call.lease.open:
                count_attempt(call.lease.entry.kind, ABANDONED)
            self._pool.release(call.lease, at=self._clock())
            self._note_usage(call)

    def _note_break(self, call: Call) -> None:
        call.ended, call.was_cut = True, self._time_left() <= 0

    def _note_usage(self, call: Call) -> None:
        was_left = call.was_cut or not call.ended
        if call.usage is None and (was_left or call.was_stopped):  # Some tell it at their end alone.
            call.usage, call.estimated = spent_so_far(self._prepared, call.bytes_said), True
        if call.usage is not None:
            self.trace.usages += (call.usage,)
            # What an upstream counts in the midst of an answer may lag behind.
            self.trace.estimated = self.trace.estimated or call.estimated or was_left

    async def _until_promised(self, call: Call) -> None:
        while not call.ended and (self._whole or not call.said):
            self._hold(await call.read())
            if call.said and self.trace.first_token is None:
                self.trace.first_token = time.monotonic()
                self._pool.answered(call.lease, at=self._clock())
        if call.ended:
            self._served(call)

    def _hold(self, batch: list[Event]) -> None:
        if batch and not self.is_abandoned:
            self._held.append(batch)

    async def _read_ahead(self, call: Call, goes_on: Callable[[], bool]) -> None:
        while not call.ended and goes_on():
            self._hold(await self._read_on(call))

    async def _read_on(self, call: Call) -> list[Event]:
        try:
            batch = await call.read()
        except UpstreamRefused as refused:
            self._note_break(call)
            if self._time_left() <= 0:  # Our own limit: the upstream is not to blame.
                raise self._too_late() from refused
            self._report(call.lease, refused.refusal)
            raise UpstreamBroken(f"The answer broke off: {refused.refusal.for_caller}") from refused
        if call.ended:
            self._served(call)
        return batch

    def _served(self, call: Call) -> None:
        used = call.usage.prompt if call.usage is not None else None
        count_attempt(call.lease.entry.kind, Outcome.SERVED)
        self._pool.report(call.lease, Outcome.SERVED, at=self._clock(), used=used)

    async def _lease(self) -> Lease:
        """The next credential to try, waiting where that helps. Raises QuotaExhausted, NoCredential or ModelNotFound."""
        model, kinds = self._prepared.model, self._prepared.kinds
        if self._unpaid is not None:
            with self._waits():
                await self._afford_retry(self._unpaid)
        lease = self._next(model, kinds)
        if lease is not None:
            return lease
        WAITING.of().add()
        try:
            with self._waits():
                return await self._lease_in_turn(model, kinds)
        finally:
            WAITING.of().add(-1)
            self._pool.waiting.pass_on(model)  # What ended our waiting may end that of others.

    @contextmanager
    def _waits(self) -> Iterator[None]:
        self._waiting = asyncio.current_task()
        try:
            yield
        finally:
            self._waiting = None

    async def _lease_in_turn(self, model: str, kinds: frozenset[str]) -> Lease:
        waiting, tokens = self._pool.waiting, self._prepared.tokens
        ticket, woken = waiting.ticket(), False
        while True:
            lease = self._next(model, kinds)
            if lease is not None:
                return lease
            if self._pool.is_busy(model, at=self._clock(), kinds=kinds, tried=self._tried, tokens=tokens, group=self._group):
                if woken and (self._tried or tokens or self._group):
                    waiting.pass_on(model, after=ticket)  # What has become free is nothing for us, but may be for others.
                woken = await self._turn(model, kinds, ticket)
            elif self._tried and self._failures and self._pool.may_serve(model, kinds=kinds, group=self._group):
                # Only those are left that failed in passing: one of them again, after a pause.
                await self._in_time(asyncio.sleep(self._backoff()))
                self._tried = frozenset()
            else:
                raise self._nothing_free()

    def _next(self, model: str, kinds: frozenset[str]) -> Lease | None:
        prepared = self._prepared
        return self._pool.lease(
            model,
            at=self._clock(),
            kinds=kinds,
            tried=self._tried,
            tokens=prepared.tokens,
            prefix=prepared.prefix,
            group=self._group,
            lasting=prepared.lasting,
        )

    def _nothing_free(self) -> GatewayError:
        prepared, at = self._prepared, self._clock()
        if prepared.custody is not None:
            custody = prepared.custody
            return out_of_reach(self._pool, prepared.model, custody, kinds=prepared.kinds, at=at, tokens=prepared.tokens)
        return nothing_free(
            self._pool,
            prepared.model,
            kinds=prepared.kinds,
            unfit=prepared.unfit,
            at=at,
            tokens=prepared.tokens,
            group=prepared.group,
            only=prepared.only,
        )

    async def _afford_retry(self, last: Refusal) -> None:
        """Take a retry from the budget, waiting for one while others may still be answered. Raises what failed last."""
        guard, model = self._pool.guard, self._prepared.model
        while not guard.may_retry(model):
            self._failures += 1
            if self._failures > self._limits.retries:
                raise refused_by_upstream(last)
            await self._in_time(asyncio.sleep(self._backoff()))
        guard.retry(model)
        self._unpaid = None

    async def _turn(self, model: str, kinds: frozenset[str], ticket: Ticket) -> bool:
        """Wait for a call to end (True), or for the next credential whose rest does (False)."""
        at = self._clock()
        tokens = self._prepared.tokens
        rest = self._pool.next_return(model, at=at, kinds=kinds, tried=self._tried, tokens=tokens, group=self._group) - at
        if rest >= self._time_left():
            await self._in_time(self._pool.waiting.turn(model, ticket))
            return True
        try:
            async with asyncio.timeout(rest):
                await self._pool.waiting.turn(model, ticket)
        except TimeoutError:
            return False
        return True

    def _begin(self, lease: Lease) -> None:
        self.trace.attempts += 1
        self.trace.first_token = None
        self.trace.credential_id = lease.entry.id
        self.trace.credential_label = lease.entry.label
        if self.trace.asked is None:
            self.trace.asked = time.monotonic()
            self._pool.guard.begin(lease.model)

    def _judge(self, lease: Lease, refusal: Refusal) -> None:
        """Report a refusal; raises where no further attempt is due."""
        if self._time_left() <= 0:
            raise self._too_late()
        if refusal.outcome is Outcome.MODEL_ABSENT and self._is_made_up(lease):
            # Nothing was learned, and asking the others would only spend calls.
            self._pool.release(lease, at=self._clock())
            count_attempt(lease.entry.kind, refusal.outcome)
            raise refused_by_upstream(refusal)
        is_out = self._report(lease, refusal)
        self._tried |= {lease.entry.id}
        if not is_out:  # Otherwise nobody asks it again for a while: going on costs the upstream next to nothing.
            self._failures += 1
            self._unpaid = refusal
        if not EFFECTS[refusal.outcome].another_may_help or self._failures > self._limits.retries:
            raise refused_by_upstream(refusal)

    def _is_made_up(self, lease: Lease) -> bool:
        """Whether the model's name is one that the credential's listing, or all that is known of models, says nothing of."""
        model, roster = self._prepared.model, self._pool.roster
        server = roster.servers.get(lease.entry.server)
        known = server.models if server is not None else roster.models
        return lease.entry.lacks(model) or (bool(known) and model not in known)

    def _report(self, lease: Lease, refusal: Refusal) -> bool:
        """Returns whether the credential is out of the way now."""
        count_attempt(lease.entry.kind, refusal.outcome)
        self.trace.story += (f"{lease.entry.label}: {refusal.outcome}",)
        evidence = Evidence(
            asked_for=refusal.retry_after,
            detail=refusal.message,
            project=refusal.project,
            quota=refusal.quota,
            quota_value=refusal.quota_value,
            status=refusal.status,
            unknown=refusal.unknown,
        )
        return self._pool.report(lease, refusal.outcome, at=self._clock(), evidence=evidence)

    def _backoff(self) -> float:
        """Seconds: exponential, with jitter so that many requests do not come back together."""
        longest = min(self._limits.retry_delay * 2 ** (self._failures - 1), LONGEST_BACKOFF)
        return float(longest * random.uniform(0.5, 1.0))  # noqa: S311  # no secret

    async def _in_time(self, waiting: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._time_left()):
                await waiting
        except TimeoutError:
            raise self._too_late() from None

    def _time_left(self) -> float:
        return self.trace.started + self._limits.deadline - time.monotonic()

    def _too_late(self) -> GatewayError:
        return too_late(self._limits.deadline)
