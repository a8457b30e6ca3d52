"""Responses on their way out, and signs of life on those that have nothing to say yet: what is silent for a minute is cut off
by proxies on the way.

In an event stream they are comments, before JSON they are white space (KEEPALIVE_JSON): every client skips both. Before the
answer has begun they begin it: what goes wrong afterwards can no longer be said by an HTTP status. In a stream it is an error
event instead; where JSON should follow it is an error body, after which the connection is broken.
"""

import asyncio
from collections.abc import Callable

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from openai_api.metrics.catalogue import STREAMS
from openai_api.request_log.recording import Recording
from openai_api.streaming import COMMENTS, ByteStream, Voice


class Pulse:
    """Sends the messages of one response, and signs of life wherever nothing else was sent for `seconds` (0: never)."""

    __slots__ = ("_ear", "_last", "_loop", "_opening", "_saying", "_send", "_timer", "has_begun", "seconds", "voice")

    def __init__(self, send, seconds: float) -> None:
        self.has_begun = False
        """Whether the response's status and headers are out, or on their way."""
        self.seconds = seconds
        self.voice = COMMENTS
        """What the signs of life are, if there are any."""
        self._send = send
        self._ear: Recording | None = None
        self._opening: Callable[[], HttpResponseBase] | None = None
        """Until the response has begun: it holds the request, which may be large, and what follows may take long."""
        self._timer: asyncio.TimerHandle | None = None
        self._saying: asyncio.Task[None] | None = None

    def begin(self, voice: Voice, opening: Callable[[], HttpResponseBase]) -> None:
        """From now on. `opening` makes a response without a body, whose status and headers go out if silence lasts that long."""
        if self.seconds:
            self.voice = voice
            self._loop = asyncio.get_running_loop()
            self._opening = opening
            self._last = self._loop.time()
            self._wait(self.seconds)

    def is_heard_by(self, ear: Recording) -> None:
        """From now on it is told all that goes out, signs of life too, and in the end that nothing more will."""
        self._ear, send = ear, self._send
        if self.has_begun:
            ear.has_begun()

        async def send_and_tell(message) -> None:
            await send(message)
            ear.hear(message)

        self._send = send_and_tell

    async def send(self, message) -> None:
        """What the response itself has to say; a start that is out already is left out."""
        if self._saying is not None:
            await self._saying
        is_start = message["type"] == "http.response.start"
        if is_start and self.has_begun:
            return
        if is_start:
            self.has_begun, self._opening = True, None
        await self._send(message)
        if self._timer is not None:
            self._last = self._loop.time()

    def fall_silent(self) -> None:
        """No further sign of life; one that is on its way still goes out."""
        if self._timer is not None:
            self._timer.cancel()

    def end(self) -> None:
        self.fall_silent()
        if self._saying is not None:
            self._saying.cancel()
        if self._ear is not None:
            self._ear.ended()

    def _wait(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        left = self._last + self.seconds - self._loop.time()
        if left <= 0 and self._saying is None:  # Otherwise the last one is still on its way: the client reads slowly.
            opens, self.has_begun = not self.has_begun, True
            self._saying = self._loop.create_task(self._beat(opens=opens))
            self._saying.add_done_callback(self._said)
        self._wait(left if left > 0 else self.seconds)

    async def _beat(self, *, opens: bool) -> None:
        if opens and (opening := self._opening) is not None:
            self._opening = None
            await self._send(_start(opening()))
        await self._send({"type": "http.response.body", "body": self.voice.beat, "more_body": True})

    def _said(self, beat: asyncio.Task[None]) -> None:
        self._saying = None
        self._last = self._loop.time()
        if not beat.cancelled():
            beat.exception()  # Whoever has hung up is noticed elsewhere.


async def send_response(response: HttpResponse | ByteStream, pulse: Pulse) -> None:
    if isinstance(response, ByteStream):
        await _send_stream(response, pulse)
    elif pulse.has_begun:
        await _send_late(response, pulse)
    else:
        pulse.fall_silent()  # While the client reads slowly one would come between, for which its length leaves no room.
        await pulse.send(_start(response, (b"content-length", str(len(response.content)).encode())))
        await pulse.send({"type": "http.response.body", "body": response.content})


async def _send_stream(response: ByteStream, pulse: Pulse) -> None:
    STREAMS.of().add()
    try:
        if pulse.voice is not COMMENTS or not response["Content-Type"].startswith("text/event-stream"):
            pulse.fall_silent()  # The bytes of something else, within which no sign of life has a place.
        await pulse.send(_start(response))
        async for chunk in response.body:
            await pulse.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await pulse.send({"type": "http.response.body", "body": b""})
    finally:
        STREAMS.of().add(-1)
        await response.aclose()


async def _send_late(response: HttpResponse, pulse: Pulse) -> None:
    """What comes whole where an answer has begun: as a stream of events, in which it is one, or with white space before it."""
    if pulse.voice is COMMENTS:
        await pulse.send({"type": "http.response.body", "body": _event(response.content)})
        return
    # An error that ended properly would be taken for an answer, since the status is 200. Of one that is not told to have ended
    # uvicorn breaks the connection.
    is_error = response.status_code >= 400
    await pulse.send({"type": "http.response.body", "body": response.content, "more_body": is_error})


def _event(data: bytes) -> bytes:
    """`data` may have several lines, as the answers of some servers have."""
    return b"".join([b"data: %b\n" % line for line in data.splitlines()]) + b"\n"


def _start(response: HttpResponseBase, *extra: tuple[bytes, bytes]) -> dict:
    """The message that a response begins with."""
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    return {"type": "http.response.start", "status": response.status_code, "headers": [*headers, *extra]}
