"""Events → the bytes of a response, written as they come."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from typing import Protocol

from django.http import StreamingHttpResponse
from msgspec import Struct

from openai_api.errors import GatewayError
from openai_api.exchange import Exchange
from openai_api.translation.events import Event

SSE = "text/event-stream; charset=utf-8"
UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class Voice(Struct, frozen=True):
    """Signs of life: what an answer of this type may be begun and interrupted with, since whoever reads it skips that."""

    content_type: str
    beat: bytes


COMMENTS = Voice(SSE, b": heartbeat\n\n")
WHITE_SPACE = Voice("application/json", b" ")
"""Only before JSON: within it, it could fall into a string."""


class AnswerCut(Exception):
    """An answer broke off whose form cannot say so: the connection is broken too, lest it pass for complete."""


class Writer(Protocol):
    """What a dialect makes of events that come bit by bit. Nothing is written where nothing is to be said (`b""`)."""

    def chunks(self, events: Iterable[Event], index: int) -> bytes:
        """`index`: of the choice, or of whatever else was asked for several times."""
        ...

    def error(self, error: GatewayError) -> bytes: ...

    def finish(self) -> bytes: ...


class ByteStream(StreamingHttpResponse):
    """A response that is sent while it is made. Whoever sends it must `aclose()` it, even if not a byte was sent."""

    def __init__(self, body: AsyncGenerator[bytes, None], *, content_type: str, headers: dict[str, str]) -> None:
        super().__init__(body, content_type=content_type, headers=headers)
        self.body = body

    async def aclose(self) -> None:
        await self.body.aclose()


class AnswerStream(ByteStream):
    """The answer of an exchange, which ends with it."""

    def __init__(self, body: AsyncGenerator[bytes, None], exchange: Exchange, *, content_type: str = SSE) -> None:
        super().__init__(body, content_type=content_type, headers=UNBUFFERED)
        self._exchange = exchange

    async def aclose(self) -> None:
        await super().aclose()
        await self._exchange.settle()  # A generator that was never started has settled nothing.


async def as_it_comes(writer: Writer, exchange: Exchange) -> AsyncGenerator[bytes, None]:
    """What arrived together leaves together; an answer that breaks off ends in a typed error, never as if it were complete."""
    # Left between two writes, what reads the calls must have ended before they are closed.
    async with exchange, aclosing(exchange.events()) as arriving:
        try:
            async for index, events in arriving:
                if chunk := writer.chunks(events, index):
                    yield chunk
        except GatewayError as error:
            exchange.failed(error)
            yield writer.error(error)
        else:
            yield writer.finish()
