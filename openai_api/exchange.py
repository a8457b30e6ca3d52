"""One request from the read order to the usage record, whatever the caller's dialect.

Resolves the model, has the order prepared, relays (several times for several choices), meters.
"""

import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from functools import cache
from types import TracebackType
from typing import Self

import structlog
from structlog.typing import FilteringBoundLogger

from credentials.roster import Roster, TokenEntry
from credentials.routing import Step
from openai_api.errors import GatewayError, InvalidRequest, StrictRefusal
from openai_api.gateway import Gateway
from openai_api.ids import new_call_id, new_uid
from openai_api.metrics.requests import count_request
from openai_api.models import CLIENT_GONE
from openai_api.orders.base import Desk, Order, Ready
from openai_api.orders.passage import Passage
from openai_api.plan import LONGEST_MODEL, NOBODY_CAN, Plan
from openai_api.relay import ClientLeft, Relay, Trace
from openai_api.request_log.recording import Recording, is_wanted
from openai_api.side_by_side import all_open, close_all, drain_all, is_cancelled, merged, some_open
from openai_api.translation.conversation import Notice
from openai_api.translation.events import Event, MediaDelta, ToolCallDelta
from openai_api.upstream.base import FILES, Prepared
from openai_api.usage import Entry

LONGEST_HEADER = 2_000


class PassedOn(Exception):
    """No error: another server answers, in the caller's own dialect, so there is nothing to be written."""


class Exchange:
    """`open()` it, then read `events()` or `collect()`, inside `async with`, which settles everything."""

    def __init__(
        self,
        gateway: Gateway,
        token: TokenEntry,
        *,
        dialect: str,
        stream: bool,
        request_id: str,
        strict: bool,
        stop_tags: tuple[str, ...] | None = None,
        recording: Recording | None = None,
        record: Callable[[], Recording] | None = None,
    ) -> None:
        """`stop_tags`: those that the caller has named, if any; an empty tuple says that there shall be none.

        `recording`: where the request is recorded already; `record` has it recorded from now on.
        """
        self.model = ""
        self.failures: list[GatewayError] = []
        """What came of those parts of the order that were not served, where the others are an answer without them."""
        self.passage: Passage | None = None
        """The request as other servers of its dialect take it; None: they cannot be asked this."""
        self._plan: Plan | None = None
        self._stands_in = ""
        self._gateway = gateway
        self._token = token
        self._stream = stream
        self._strict = strict
        self._stop_tags = stop_tags
        self._started = time.monotonic()
        self._settled = False
        self._recording = recording
        self._record = record
        self._is_abandoned = False
        self._relays: list[Relay] = []
        self._answering: list[Relay] = []
        self._traces: list[Trace] = []
        """Of the relays, and of those that somebody was asked by before, in vain."""
        self._notices: tuple[Notice, ...] = ()
        self._story: tuple[str, ...] = ()
        self._entry = Entry(
            uid=new_uid(),
            request_id=request_id,
            started_at=time.time(),
            token=token.id,
            owner=token.owner_id,
            model_asked="",
            model_served="",
            dialect=dialect,
            stream=stream,
            status=CLIENT_GONE,
        )

    async def open(self, order: Order, *, notices: Sequence[Notice] = (), instead: str = "") -> None:
        """Ask the pool. Raises GatewayError where nobody answers, after which the exchange is settled.

        `instead` is the model of Google's that serves where the one that was asked for cannot.
        Raises PassedOn where a server that stands in for Google's answers: then `passage` has been handed on to it.
        """
        if await self._opened(order.model, order, tuple(notices), instead):
            raise PassedOn

    async def pass_on(self, passage: Passage) -> bool:
        """Ask the servers whose turn it is; returns whether one answers. False: it is Google's turn, and so `open`'s.

        Raises GatewayError as `open` does.
        """
        self.passage = passage
        return await self._opened(passage.model, None, ())

    def continues(self, dialect: str, *, stream: bool) -> None:
        """What was to be handed on is to be translated."""
        self._entry.dialect, self._entry.stream, self._stream = dialect, stream, stream

    def abandon(self) -> bool:
        """Nobody waits any more. Whether the exchange ends by itself, once its calls have told what they use.

        False: nothing is under way that would tell, or enough is read to its end already.
        """
        if self._settled or not any(relay.is_asking for relay in self._relays) or not self._gateway.drains.begin():
            return False
        self._is_abandoned = True
        for relay in self._relays:
            relay.abandon()
        return True

    async def events(self) -> AsyncGenerator[tuple[int, list[Event]], None]:
        """(choice, what arrived together), as it comes. Raises ClientLeft once it is abandoned."""
        self._check_waited_for()
        if len(self._answering) == 1:
            while (batch := await self._answering[0].read()) is not None:
                self._check_waited_for()
                self._note(batch)
                yield 0, batch
        else:
            async with aclosing(merged(self._answering)) as arriving:
                async for index, batch in arriving:
                    self._check_waited_for()
                    self._note(batch)
                    yield index, batch
        self._check_waited_for()
        self._entry.status = 200

    def _check_waited_for(self) -> None:
        if self._is_abandoned:
            raise ClientLeft

    async def collect(self) -> list[list[Event]]:
        """Every choice's whole answer."""
        answers: list[list[Event]] = [[] for _ in self._answering]
        async for index, batch in self.events():
            answers[index] += batch
        return answers

    def failed(self, error: Exception) -> None:
        """What is no GatewayError is a fault of ours."""
        self._entry.status = error.status if isinstance(error, GatewayError) else GatewayError.status
        self._entry.error = type(error).__name__

    @asynccontextmanager
    async def settled_if_it_fails(self) -> AsyncGenerator[None, None]:
        """For what comes between two of its steps, such as reading the request for Google."""
        try:
            yield
        except BaseException as error:  # Also if the client went away: the record must say so.
            await self._end_with(error)
            raise

    @property
    def headers(self) -> dict[str, str]:
        """What the answer tells about its making."""
        headers = {"X-Castor-Attempts": str(sum(trace.attempts for trace in self._traces))}
        if self._stands_in:
            headers["X-Castor-Fallback"] = _ascii(self._stands_in)
        if self._notices:
            headers["X-Castor-Dropped"] = _in_header(notice.field for notice in self._notices)
        if self.failures:
            headers["X-Castor-Failed"] = f"{len(self.failures)}: {_in_header(error.message for error in self.failures)}"
        return headers

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        await self._end_with(error)

    async def _end_with(self, error: BaseException | None) -> None:
        if isinstance(error, Exception):  # Otherwise the client has left.
            self.failed(error)
        try:
            if self._is_abandoned and not self._settled and not is_cancelled():
                await drain_all(self._relays)
        finally:
            await self.settle()

    async def _opened(self, model: str, order: Order | None, notices: tuple[Notice, ...], instead: str = "") -> bool:
        """Whether a server answers; False where Google does, or, without an order, would have to be asked next."""
        try:
            if self._plan is None:
                self._entry.model_asked = model[:LONGEST_MODEL] or FILES
                self._gateway.usage.begin(self._entry)
            if self._plan is None or instead:
                self._plan = Plan(model, self._gateway.pool.roster, self._token, instead=instead)
            return await self._ask_in_turn(self._plan, order, notices)
        except BaseException as error:  # Also if the client went away: the record must say so.
            await self._end_with(error)
            raise

    async def _ask_in_turn(self, plan: Plan, order: Order | None, notices: tuple[Notice, ...]) -> bool:
        while order is not None or plan.begins_elsewhere:
            step = plan.next()
            try:
                await self._ask(step, order, notices)
                self._record = None  # It holds the request, which may be large, and the answer may take long.
                self._stands_in = step.model if step.instead else ""
                return bool(step.server)
            except NOBODY_CAN as error:
                if self._is_abandoned:
                    raise
                plan.failed(step, error)
                await close_all(self._relays)  # Of several some may have been answered.
                self._relays = []
        return False

    async def _ask(self, step: Step, order: Order | None, notices: tuple[Notice, ...]) -> None:
        roster = self._gateway.pool.roster
        if step.route is not None and is_wanted(step.route.record_until) and self._record is not None:
            self._recording = self._record()
        if order is None or step.server:
            ready = self._handed_on(step, roster)
        else:
            ready = await self._prepared(step, order, notices, roster)
        ask = ready.ask if self._recording is None else self._recording.asking(ready.ask)
        self._relays = [
            Relay(
                self._gateway.pool,
                ask,
                prepared,
                # What passes knows itself whether it is to be whole.
                whole=(ready.held or not self._stream) and not step.server,
                limits=self._gateway.limits,
                started=self._started,
                new_call_id=new_call_id,
            )
            for prepared in ready.prepared
        ]
        self._traces += [relay.trace for relay in self._relays]
        if ready.some_will_do:
            self._answering, self.failures = await some_open(self._relays)
        else:
            await all_open(self._relays)
            self._answering = self._relays

    async def _prepared(self, step: Step, order: Order, notices: tuple[Notice, ...], roster: Roster) -> Ready:
        registry = self._gateway.registry
        upstream = registry.keeper if not order.model else registry.upstream_for(step.model, roster)
        self.model = self._entry.model_served = step.model
        self._take_note(notices)
        manner = self._gateway.manner.on(step, self._stop_tags)
        owner = self._token.owner_id
        desk = Desk(self._gateway, roster, upstream, step.model, owner, self._started, manner, whole=not self._stream)
        ready = await order.prepare(desk)
        self._take_note(notices + ready.notices)
        return ready if step.route is None else ready.within(step.route)

    def _handed_on(self, step: Step, roster: Roster) -> Ready:
        self.model = self._entry.model_served = step.model
        if self.passage is None:
            message = f"The model '{step.model}' is served by another server, which cannot be asked this through Castor."
            raise InvalidRequest(message, param="model", code="model_not_supported")
        return Ready(self._gateway.registry.servers, (self._passed(self.passage, step, roster),))

    def _passed(self, passage: Passage, step: Step, roster: Roster) -> Prepared:
        kinds = step.kinds(roster)
        if not passage.of_texts:
            return passage.prepared(step.model, kinds)
        manner = self._gateway.manner.on(step, self._stop_tags)
        collected = not passage.stream and bool(manner.stream_internally or manner.stop_tags)
        return passage.prepared(step.model, kinds, stop_tags=manner.stop_tags, collected=collected)

    def _take_note(self, notices: tuple[Notice, ...]) -> None:
        self._notices = notices
        if self._strict and notices:
            raise _strict_refusal(notices)

    def _note(self, batch: list[Event]) -> None:
        for event in batch:
            if isinstance(event, ToolCallDelta) and event.signature:
                self._gateway.signatures.remember(self._token.owner_id, event.id, model=self.model, signature=event.signature)
            elif isinstance(event, MediaDelta):
                self._gateway.signatures.remember_picture(self._token.owner_id, event, model=self.model)

    async def settle(self) -> None:
        """End every call and write the record; once, however often it is called."""
        if self._settled:
            return
        self._settled = True
        try:
            await close_all(self._relays)
        finally:
            if self._is_abandoned:
                self._entry.status = CLIENT_GONE
                self._gateway.drains.end()
            self._fill_entry()
            self._gateway.usage.end(self._entry)
            count_request(self._entry, self._gateway.pool.roster)
            _log(self._entry, self._token, self._notices, self._story)
            if self._recording is not None:
                self._recording.settled(self._entry)

    def _fill_entry(self) -> None:
        entry, traces = self._entry, self._traces
        entry.total_ms = self._since(time.monotonic())
        for trace in traces:
            entry.attempts += trace.attempts
            entry.credential, entry.credential_label = trace.credential_id, trace.credential_label
            entry.estimated = entry.estimated or trace.estimated
        asked = [self._since(trace.asked) for trace in traces if trace.asked is not None]
        heard = [self._since(trace.first_token) for trace in traces if trace.first_token is not None]
        self._story = tuple(line for trace in traces for line in trace.story)
        entry.queue_ms = min(asked, default=entry.total_ms)
        entry.first_token_ms = min(heard, default=None)
        for used in (usage for trace in traces for usage in trace.usages):
            entry.prompt_tokens += used.prompt
            entry.completion_tokens += used.completion
            entry.cached_tokens += used.cached
            entry.reasoning_tokens += used.reasoning

    def _since(self, moment: float) -> float:
        return round((moment - self._started) * 1000, 2)


def _strict_refusal(notices: Sequence[Notice]) -> StrictRefusal:
    named = "; ".join(f"{notice.field}: {notice.reason}" for notice in notices)
    return StrictRefusal(f"X-Castor-Strict is set, and this request cannot be served as asked: {named}", param=notices[0].field)


def _in_header(said: Iterable[str]) -> str:
    """Each once, in ASCII and of bounded length."""
    together = ", ".join(dict.fromkeys(said))
    safe = _ascii(together)
    return safe if len(safe) <= LONGEST_HEADER else safe[: LONGEST_HEADER - 4] + " ..."


def _ascii(text: str) -> str:
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)


@cache
def _request_log() -> FilteringBoundLogger:
    """Bound once: a lazy logger is made anew at each call."""
    log: FilteringBoundLogger = structlog.get_logger("castor.request").bind()
    return log


def _log(entry: Entry, token: TokenEntry, notices: Sequence[Notice], story: Sequence[str]) -> None:
    _request_log().info(
        "request",
        id=entry.request_id,
        token=token.prefix,
        dialect=entry.dialect,
        stream=entry.stream,
        model=entry.model_asked,
        served=entry.model_served,
        credential=entry.credential_label,
        attempts=entry.attempts,
        status=entry.status,
        error=entry.error,
        prompt_tokens=entry.prompt_tokens,
        completion_tokens=entry.completion_tokens,
        cached_tokens=entry.cached_tokens,
        reasoning_tokens=entry.reasoning_tokens,
        queue_ms=entry.queue_ms,
        first_token_ms=entry.first_token_ms,
        total_ms=entry.total_ms,
        **({"failed": list(story)} if story else {}),
        **({"dropped": _in_header(notice.field for notice in notices)} if notices else {}),
    )
