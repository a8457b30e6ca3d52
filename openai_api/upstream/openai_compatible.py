"""Any server that speaks OpenAI's dialect: the request and the answer pass as they are, byte for byte.

What is read on the side decides what Castor needs to know: whether it is an answer at all, when it begins, and what it has used.
Only stop tags change an answer, and a whole one may be collected from a stream.
"""

import re
import time
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from itertools import islice

from msgspec.structs import replace

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.events import Event, Passed, PassedHead, Usage, UsageReport
from openai_api.translation.passing.answer import Seen, Stream, TooManyChoices, estimate
from openai_api.translation.passing.collect import Collector, UnreadableChunk
from openai_api.translation.passing.cut import CutStream
from openai_api.translation.passing.request import as_stream, most_choices
from openai_api.translation.passing.shorten import cut_whole
from openai_api.translation.splicing import Streamed
from openai_api.translation.sse import EventTooLarge
from openai_api.upstream.base import HandedOn, Prepared, UpstreamRefused
from openai_api.upstream.http import Answer, HttpClient
from openai_api.upstream.progress import Progress
from openai_api.upstream.refusals import Refusal
from openai_api.upstream.server_refusals import read_server_refusal

_MOST_WHOLE = 128 * 1024 * 1024
"""Bytes of an answer in JSON, which is in memory as a whole: pictures in base64 are the largest."""
_SSE = "text/event-stream"
_STREAMS = re.compile(r"\b(stream|include_usage)", re.IGNORECASE)


class OpenAiCompatible:
    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._unwilling = _Unwilling()

    def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        """A PassedHead, then what has Passed; `new_call_id` is for those who make answers."""
        request = prepared.handed_on
        if request is None:
            raise TypeError("Only what is handed on can be asked of another server.")
        if request.collected:
            return self._ask_for_a_stream(request, entry, seconds, prepared.model)
        return self._ask(request, entry, seconds)

    async def _ask_for_a_stream(
        self, request: HandedOn, entry: Entry, seconds: float, model: str
    ) -> AsyncGenerator[list[Event], None]:
        """A server may refuse to stream, which is our wish and not the caller's: it is asked for less, and nobody is blamed."""
        until = time.monotonic() + seconds
        asked = (entry.base_url, request.path, model)
        for refused_before, body in self._unwilling.ways(asked, _less_and_less(request.body)):
            try:
                async with aclosing(self._ask(replace(request, body=body), entry, until - time.monotonic())) as arriving:
                    async for events in arriving:
                        self._unwilling.note(asked, refused_before)
                        yield events
                return
            except UpstreamRefused as refused:
                if body is request.body or not _is_about_streams(refused.refusal):
                    raise

    async def _ask(self, request: HandedOn, entry: Entry, seconds: float) -> AsyncGenerator[list[Event], None]:
        try:
            async with self._client.send(
                "POST",
                f"{entry.base_url}{request.path}",
                headers=_headers(request, entry),
                body=request.body,
                seconds=seconds,
                refused=read_server_refusal,
            ) as response:
                content_type = response.headers.get("Content-Type", "application/octet-stream")
                kind = content_type.partition(";")[0].strip().lower()
                yield [_head(content_type, kind, request)]
                async with aclosing(self._read(kind, response, request)) as arriving:
                    async for events in arriving:
                        yield events
        except UpstreamRefused as refused:
            raise UpstreamRefused(refused.refusal.concealing(entry.secret)) from refused
        except (EventTooLarge, UnreadableChunk, TooManyChoices) as error:
            raise _broken("The server's answer could not be read.") from error

    def _read(self, kind: str, response: Answer, request: HandedOn) -> AsyncGenerator[list[Event], None]:
        progress = Progress(self._client.read_timeout)
        if kind == _SSE:
            read = _collected if request.collected else _stream
            return read(response, request, progress)
        if kind == "text/html":
            raise _broken("The server answered with a page; its base URL may be wrong.")
        return _whole(response, request, progress) if _is_json(kind) else _bytes(response)


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _head(content_type: str, kind: str, request: HandedOn) -> PassedHead:
    if request.collected and kind == _SSE:
        return PassedHead("application/json", whole=True)
    return PassedHead(content_type, whole=_is_json(kind))


def _headers(request: HandedOn, entry: Entry) -> dict[str, str]:
    headers = {"Content-Type": request.content_type}
    if entry.secret:
        headers["Authorization"] = f"Bearer {entry.secret}"
    return headers


class _Unwilling:
    """Remembers for a while who does not stream as we wish, so that it is not asked in vain each time."""

    SECONDS = 3_600.0
    MOST = 1_000

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, str], tuple[int, float]] = {}
        """(server, path, model) → (how many ways it has refused, until when that is believed)."""

    def ways(self, asked: tuple[str, str, str], bodies: Iterator[bytes | Streamed]) -> Iterator[tuple[int, bytes | Streamed]]:
        """(how many ways lie before it, a way that is worth trying)."""
        refused, until = self._known.get(asked, (0, 0.0))
        return islice(enumerate(bodies), refused if time.monotonic() < until else 0, None)

    def note(self, asked: tuple[str, str, str], refused: int) -> None:
        """It has answered, so what it refused before was the way and not the request."""
        if refused and self._known.get(asked, (0, 0.0))[1] < time.monotonic():
            if len(self._known) >= self.MOST:
                self._known.clear()
            self._known[asked] = refused, time.monotonic() + self.SECONDS


def _less_and_less(body: bytes | Streamed) -> Iterator[bytes | Streamed]:
    """The request as one for a stream that tells what it has used, as one for a stream, and as it came."""
    if isinstance(body, bytes):
        yield as_stream(body)
        yield as_stream(body, usage=False)
    yield body


def _is_about_streams(refusal: Refusal) -> bool:
    return refusal.outcome is Outcome.REQUEST_REFUSED and _STREAMS.search(f"{refusal.param} {refusal.message}") is not None


async def _stream(response: Answer, request: HandedOn, progress: Progress) -> AsyncGenerator[list[Event], None]:
    stream, told = _stream_for(request), 0
    counted: Usage | None = None
    async for chunk in response.chunks:
        data = stream.feed(chunk)
        if stream.over:  # What spoils an answer behind its cut is not looked at.
            response.close()
            yield [Passed(data), *_used(stream.seen, request)]
            return
        _check(stream.seen)
        is_silent, told = stream.seen.told == told, stream.seen.told
        if is_silent:
            progress.check()
        if data:
            speaks = stream.speaks
            stream.seen.promised = stream.seen.promised or (speaks and not request.collected)
            before = time.monotonic()
            yield [Passed(data, speaks=speaks, letters=stream.seen.letters)]
            progress.wait_for_another(time.monotonic() - before)  # The client may read slowly.
        if stream.seen.usage is not counted:  # Its reader may leave before the end, where it is told for good.
            counted = stream.seen.usage
            yield _used(stream.seen, request)
        if not is_silent:
            progress.made()
    rest, seen = stream.end(), stream.seen
    _check(seen)
    if seen.awaited and not seen.finished:
        raise _broken("The server's answer broke off.")
    yield [*([Passed(rest, speaks=seen.speaks, letters=seen.letters)] if rest else ()), *_used(seen, request)]


def _stream_for(request: HandedOn) -> Stream | CutStream:
    if not request.stop_tags:
        stream: Stream | CutStream = Stream()
    else:
        stream = CutStream(request.stop_tags, most_choices(request.body) if isinstance(request.body, bytes) else None)
    stream.seen.promised = False
    return stream


async def _collected(response: Answer, request: HandedOn, progress: Progress) -> AsyncGenerator[list[Event], None]:
    """The one answer that the stream makes."""
    collector, size = Collector(), 0
    used: list[Event] = []
    async with aclosing(_stream(response, request, progress)) as arriving:
        async for events in arriving:
            for event in events:
                if isinstance(event, Passed):
                    size += len(event.data)
                    collector.feed(event.data)
                else:
                    used = [event]
            if size > _MOST_WHOLE:
                raise _too_large()
    body = collector.answer()
    if not collector.is_complete:
        raise _broken("The server's answer broke off.")
    yield [Passed(body), *used]


async def _whole(response: Answer, request: HandedOn, progress: Progress) -> AsyncGenerator[list[Event], None]:
    answer, seen = bytearray(), Seen()
    async for chunk in response.chunks:
        if chunk.isspace():
            progress.check()
        else:
            progress.made()
        answer += chunk
        if len(answer) > _MOST_WHOLE:
            raise _too_large()
    if not answer.strip().startswith((b"{", b"[")):
        raise _broken("The server's answer is no JSON.")
    body = bytes(answer)
    seen.take(body)
    _check(seen)
    if request.stop_tags:
        body = cut_whole(body, request.stop_tags)
    yield [Passed(body), *_used(seen, request)]


async def _bytes(response: Answer) -> AsyncGenerator[list[Event], None]:
    async for chunk in response.chunks:
        yield [Passed(chunk)]


def _check(seen: Seen) -> None:
    """Raises UpstreamRefused for an error that stands where the answer should."""
    if seen.error is not None:
        raise UpstreamRefused(read_server_refusal(200, seen.error, {}))


def _used(seen: Seen, request: HandedOn) -> list[Event]:
    if seen.usage is not None:
        return [UsageReport(seen.usage)]
    if not seen.awaited:
        return []
    # Its caller did not ask to be told, and a body that is not ours is not added to.
    return [UsageReport(estimate(request.body if isinstance(request.body, bytes) else b"", seen.letters), estimated=True)]


def _too_large() -> UpstreamRefused:
    return _broken("The server's answer is far too large.")


def _broken(message: str) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=502, message=message))
