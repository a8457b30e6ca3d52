"""Responses on their way out, and signs of life on streams that have nothing to say yet: what is silent for a minute is cut
off by proxies on the way.

They are comments of the event stream, which every client skips. Before the answer has begun they begin it: what goes wrong
afterwards can no longer be said by an HTTP status, and is sent as an error event instead.
"""

import asyncio
from collections.abc import Callable

from django.http import HttpResponse
from django.http.response import HttpResponseBase

from openai_api.metrics.catalogue import STREAMS
from openai_api.request_log.recording import Recording
from openai_api.streaming import ByteStream

HEARTBEAT = b": heartbeat\n\n"


class Pulse:
    """Sends the messages of one response, and heartbeats wherever nothing else was sent for `seconds` (0: never)."""

    __slots__ = ("_ear", "_last", "_loop", "_opening", "_saying", "_send", "_timer", "has_begun", "seconds")

    def __init__(self, send, seconds: float) -> None:
        self.has_begun = False
        """Whether the response's status and headers are out."""
        self.seconds = seconds
        self._send = send
        self._ear: Recording | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._saying: asyncio.Task[None] | None = None

    def begin(self, opening: Callable[[], HttpResponseBase]) -> None:
        """From now on. `opening` makes a response without a body, whose status and headers go out if silence lasts that long."""
        if self.seconds:
            self._loop = asyncio.get_running_loop()
            self._opening = opening
            self._last = self._loop.time()
            self._wait(self.seconds)

    def is_heard_by(self, ear: Recording) -> None:
        """From now on it is told all that goes out, heartbeats too, and in the end that nothing more will."""
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
        self.has_begun = True
        await self._send(message)
        if self._timer is not None:
            self._last = self._loop.time()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._saying is not None:
            self._saying.cancel()
        if self._ear is not None:
            self._ear.ended()

    def _wait(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        left = self._last + self.seconds - self._loop.time()
        if left <= 0 and self._saying is None:  # Otherwise the last one is still on its way: the client reads slowly.
            self._saying = self._loop.create_task(self._beat())
            self._saying.add_done_callback(self._said)
        self._wait(left if left > 0 else self.seconds)

    async def _beat(self) -> None:
        if not self.has_begun:
            self.has_begun = True
            await self._send(_start(self._opening()))
        await self._send({"type": "http.response.body", "body": HEARTBEAT, "more_body": True})

    def _said(self, beat: asyncio.Task[None]) -> None:
        self._saying = None
        self._last = self._loop.time()
        if not beat.cancelled():
            beat.exception()  # Whoever has hung up is noticed elsewhere.


async def send_response(response: HttpResponse | ByteStream, pulse: Pulse) -> None:
    if isinstance(response, ByteStream):
        await _send_stream(response, pulse)
    elif pulse.has_begun:
        # Where an answer has begun as a stream of events, only an error comes whole.
        await pulse.send({"type": "http.response.body", "body": b"data: " + response.content + b"\n\n"})
    else:
        await pulse.send(_start(response, (b"content-length", str(len(response.content)).encode())))
        await pulse.send({"type": "http.response.body", "body": response.content})


async def _send_stream(response: ByteStream, pulse: Pulse) -> None:
    STREAMS.of().add()
    try:
        await pulse.send(_start(response))
        async for chunk in response.body:
            await pulse.send({"type": "http.response.body", "body": chunk, "more_body": True})
        await pulse.send({"type": "http.response.body", "body": b""})
    finally:
        STREAMS.of().add(-1)
        await response.aclose()


def _start(response: HttpResponseBase, *extra: tuple[bytes, bytes]) -> dict:
    """The message that a response begins with."""
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    return {"type": "http.response.start", "status": response.status_code, "headers": [*headers, *extra]}
