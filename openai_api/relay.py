"""The one orchestrator: lease a credential, ask the upstream, fail over, report what happened.

Nothing is promised to the caller before the upstream's first real token (for a whole answer: before its end), and until
then any other credential may take over. After it an answer is never restarted behind the caller's back.
"""

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Callable

from msgspec import Struct

from credentials.health import EFFECTS, Outcome
from credentials.pool import Lease, Pool
from openai_api.errors import DeadlineExceeded, GatewayError, UpstreamBroken
from openai_api.shortage import nothing_free, refused_by_upstream
from openai_api.translation.events import CONTENT, Event, Finished, ThoughtDelta
from openai_api.translation.stops import StopFilter
from openai_api.upstream.base import Prepared, Upstream, UpstreamRefused
from openai_api.upstream.refusals import Refusal

PASSING = frozenset({Outcome.UPSTREAM_FAILED, Outcome.THROTTLED, Outcome.UNEXPLAINED})
"""Outcomes after which the same credential may well serve a moment later; only these count against MAX_RETRIES."""

LONGEST_BACKOFF = 30.0


class Limits(Struct, frozen=True):
    """The operator's MAX_RETRIES, RETRY_DELAY, TIMEOUT and READ_TIMEOUT; times in seconds."""

    retries: int = 3
    retry_delay: float = 1.0
    deadline: float = 600.0
    silence: float = 300.0


class Trace(Struct):
    """What became of one question, for the log, the usage record and the answer's headers. Times are monotonic seconds."""

    started: float
    attempts: int = 0
    credential_id: int = 0
    credential_label: str = ""
    asked: float | None = None
    first_token: float | None = None


class Relay:
    """One question to the pool: `open()` until somebody answers, then read `events()`; `close()` whatever happens."""

    def __init__(
        self,
        pool: Pool,
        upstream: Upstream,
        prepared: Prepared,
        *,
        whole: bool,
        limits: Limits,
        new_call_id: Callable[[], str],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.trace = Trace(started=time.monotonic())
        self._pool = pool
        self._upstream = upstream
        self._prepared = prepared
        self._whole = whole
        self._limits = limits
        self._new_call_id = new_call_id
        self._clock = clock
        self._tried: frozenset[int] = frozenset()
        self._failures = 0
        self._call: _Call | None = None
        self._held: list[list[Event]] = []

    async def open(self) -> None:
        """Ask until somebody answers. Raises GatewayError when nobody does."""
        try:
            async with asyncio.timeout(self._limits.deadline):
                while self._call is None:
                    await self._attempt(await self._lease())
        except TimeoutError:
            raise self._too_late() from None

    async def events(self) -> AsyncGenerator[list[Event], None]:
        """The answer, what arrived together in one list. Raises UpstreamBroken or DeadlineExceeded where it breaks off."""
        for batch in self._held:
            yield batch
        if self._call is not None and not self._call.ended:
            async for batch in self._rest_of(self._call):
                yield batch

    async def close(self) -> None:
        """Leave the call, wherever it stands: the upstream's connection is closed, the credential given back."""
        if self._call is not None:
            await self._call.close()
            self._pool.release(self._call.lease)

    async def _attempt(self, lease: Lease) -> None:
        """Ask with one credential. Afterwards `_call` is set, or the next one may be tried; raises what ends the request."""
        self._begin(lease)
        call = _Call(lease, self._upstream.ask(self._prepared, lease.entry, new_call_id=self._new_call_id), self._prepared.stops)
        try:
            self._held = await self._until_promised(call)
            self._call = call
        except UpstreamRefused as refused:
            self._judge(lease, refused.refusal)
        finally:
            if self._call is None:  # Refused, cancelled, timed out: nobody will read on.
                await call.close()
                self._pool.release(lease)

    async def _until_promised(self, call: "_Call") -> list[list[Event]]:
        held: list[list[Event]] = []
        while not call.ended and (self._whole or not call.said):
            held.append(await call.read(silence=self._limits.silence))
        self.trace.first_token = time.monotonic()
        if call.ended:
            self._pool.report(call.lease, Outcome.SERVED, at=self._clock())
        return held

    async def _rest_of(self, call: "_Call") -> AsyncGenerator[list[Event], None]:
        try:
            while not call.ended:
                yield await call.read(silence=min(self._time_left(), self._limits.silence))
        except UpstreamRefused as refused:
            if self._time_left() <= 0:  # Our own limit: the upstream is not to blame.
                raise self._too_late() from refused
            self._report(call.lease, refused.refusal)
            raise UpstreamBroken(f"The answer broke off: {refused.refusal.message}") from refused
        self._pool.report(call.lease, Outcome.SERVED, at=self._clock())

    async def _lease(self) -> Lease:
        """The next credential to try, waiting where that helps. Raises QuotaExhausted, NoCredential or ModelNotFound."""
        model, kinds = self._prepared.model, self._upstream.kinds
        while True:
            lease = self._pool.lease(model, at=self._clock(), kinds=kinds, tried=self._tried)
            if lease is not None:
                return lease
            if self._pool.is_busy(model, at=self._clock(), kinds=kinds, tried=self._tried):
                await self._pool.turn(model)
            elif self._tried and self._failures and self._pool.has_free(model, at=self._clock(), kinds=kinds):
                # Only those are left that failed in passing: one of them again, after a pause.
                await asyncio.sleep(self._backoff())
                self._tried = frozenset()
            else:
                raise nothing_free(self._pool, model, kinds=kinds, at=self._clock())

    def _begin(self, lease: Lease) -> None:
        self.trace.attempts += 1
        self.trace.credential_id = lease.entry.id
        self.trace.credential_label = lease.entry.label
        if self.trace.asked is None:
            self.trace.asked = time.monotonic()

    def _judge(self, lease: Lease, refusal: Refusal) -> None:
        """Report a refusal; raises where no further attempt is due."""
        self._report(lease, refusal)
        self._tried |= {lease.entry.id}
        self._failures += refusal.outcome in PASSING
        if not EFFECTS[refusal.outcome].another_may_help or self._failures > self._limits.retries:
            raise refused_by_upstream(refusal)

    def _report(self, lease: Lease, refusal: Refusal) -> None:
        self._pool.report(lease, refusal.outcome, at=self._clock(), asked_for=refusal.retry_after, detail=refusal.message)

    def _backoff(self) -> float:
        """Seconds: exponential, with jitter so that many requests do not come back together."""
        longest = min(self._limits.retry_delay * 2 ** (self._failures - 1), LONGEST_BACKOFF)
        return float(longest * random.uniform(0.5, 1.0))  # noqa: S311  # no secret

    def _time_left(self) -> float:
        return self.trace.started + self._limits.deadline - time.monotonic()

    def _too_late(self) -> GatewayError:
        return DeadlineExceeded(f"No complete answer came within {self._limits.deadline:g} seconds (TIMEOUT of this Castor).")


class _Call:
    """One attempt under way: the upstream's events, checked for what must not pass as an answer."""

    def __init__(self, lease: Lease, answer: AsyncGenerator[list[Event], None], stops: tuple[str, ...]) -> None:
        self.lease = lease
        self.said = False
        self.ended = False
        self._spoke = False
        self._answer = answer
        self._stops = StopFilter(stops) if stops else None

    async def read(self, *, silence: float) -> list[Event]:
        """The events that come next; empty once there are no more. Raises UpstreamRefused."""
        try:
            async with asyncio.timeout(silence):
                batch = await anext(self._answer, None)
        except TimeoutError:
            raise _failed("The upstream sent nothing for too long.", status=504) from None
        if batch is None:
            self.ended = True
            if not self.said:
                raise _failed("The upstream's answer was empty.")
            return []
        return await self._checked(batch)

    async def close(self) -> None:
        await self._answer.aclose()

    async def _checked(self, batch: list[Event]) -> list[Event]:
        for event in batch:
            if isinstance(event, CONTENT):
                self.said = True
                self._spoke = self._spoke or not isinstance(event, ThoughtDelta)
            elif isinstance(event, Finished):
                self._check_end(event)
        if self._stops is not None:
            batch = self._stops.feed(batch)
            if self._stops.hit:
                self.ended = True
                await self.close()  # What would follow is not wanted and need not be paid for.
        return batch

    def _check_end(self, end: Finished) -> None:
        if end.reason == "failed":
            raise _failed(f"The model's answer was unusable ({end.native}). {end.message}".strip())
        if end.reason == "stop" and not self._spoke:
            raise _failed("The upstream's answer was empty.")
        self.said = True  # A refusal or a length limit is an answer, even without a word.


def _failed(message: str, *, status: int = 502) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=status, message=message))
