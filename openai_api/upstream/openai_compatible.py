"""Any server that speaks OpenAI's dialect: the request and the answer pass as they are, byte for byte.

What is read on the side decides what Castor needs to know: whether it is an answer at all, when it begins, and what it has used.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.events import Event, Passed, PassedHead, UsageReport
from openai_api.translation.passing.answer import Seen, Stream, estimate
from openai_api.translation.sse import EventTooLarge
from openai_api.upstream.base import HandedOn, Prepared, UpstreamRefused
from openai_api.upstream.http import HttpClient
from openai_api.upstream.progress import Progress
from openai_api.upstream.refusals import Refusal
from openai_api.upstream.server_refusals import read_server_refusal

_MOST_WHOLE = 128 * 1024 * 1024
"""Bytes of an answer in JSON, which is in memory as a whole: pictures in base64 are the largest."""


class OpenAiCompatible:
    def __init__(self, client: HttpClient) -> None:
        self._client = client

    async def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        """A PassedHead, then what has Passed; `new_call_id` is for those who make answers."""
        request = prepared.handed_on
        if request is None:
            raise TypeError("Only what is handed on can be asked of another server.")
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
                yield [PassedHead(content_type, whole=_is_json(kind))]
                async with aclosing(self._read(kind, response.chunks, request)) as arriving:
                    async for events in arriving:
                        yield events
        except UpstreamRefused as refused:
            raise UpstreamRefused(refused.refusal.concealing(entry.secret)) from refused
        except EventTooLarge as error:
            raise _broken("The server's answer could not be read.") from error

    def _read(self, kind: str, chunks: AsyncIterator[bytes], request: HandedOn) -> AsyncGenerator[list[Event], None]:
        progress = Progress(self._client.read_timeout)
        if kind == "text/event-stream":
            return _stream(chunks, request, progress)
        if kind == "text/html":
            raise _broken("The server answered with a page; its base URL may be wrong.")
        return _whole(chunks, request, progress) if _is_json(kind) else _bytes(chunks)


def _is_json(kind: str) -> bool:
    return kind == "application/json" or kind.endswith("+json")


def _headers(request: HandedOn, entry: Entry) -> dict[str, str]:
    headers = {"Content-Type": request.content_type}
    if entry.secret:
        headers["Authorization"] = f"Bearer {entry.secret}"
    return headers


async def _stream(chunks: AsyncIterator[bytes], request: HandedOn, progress: Progress) -> AsyncGenerator[list[Event], None]:
    stream, told = Stream(), 0
    async for chunk in chunks:
        data = stream.feed(chunk)
        _check(stream.seen)
        is_silent, told = stream.seen.told == told, stream.seen.told
        if is_silent:
            progress.check()
        if data:
            yield [Passed(data, speaks=stream.seen.speaks)]
        if not is_silent:
            progress.made()
    rest, seen = stream.end(), stream.seen
    _check(seen)
    if seen.awaited and not seen.finished:
        raise _broken("The server's answer broke off.")
    yield [*([Passed(rest, speaks=seen.speaks)] if rest else ()), *_used(seen, request)]


async def _whole(chunks: AsyncIterator[bytes], request: HandedOn, progress: Progress) -> AsyncGenerator[list[Event], None]:
    answer, seen = bytearray(), Seen()
    async for chunk in chunks:
        if chunk.isspace():
            progress.check()
        else:
            progress.made()
        answer += chunk
        if len(answer) > _MOST_WHOLE:
            raise _broken("The server's answer is far too large.")
    if not answer.strip().startswith((b"{", b"[")):
        raise _broken("The server's answer is no JSON.")
    body = bytes(answer)
    seen.take(body)
    _check(seen)
    yield [Passed(body), *_used(seen, request)]


async def _bytes(chunks: AsyncIterator[bytes]) -> AsyncGenerator[list[Event], None]:
    async for chunk in chunks:
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


def _broken(message: str) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=502, message=message))
