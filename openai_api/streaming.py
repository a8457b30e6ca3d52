"""Events → the bytes of an SSE response, written as they come."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from django.http import StreamingHttpResponse

from openai_api.errors import GatewayError
from openai_api.exchange import Exchange
from openai_api.translation.chat import Writer


class EventStream(StreamingHttpResponse):
    """An SSE response. Whoever sends it must `aclose()` it, even if not a byte was sent."""

    def __init__(self, body: AsyncGenerator[bytes, None], exchange: Exchange) -> None:
        headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
        super().__init__(body, content_type="text/event-stream; charset=utf-8", headers=headers)
        self.body = body
        self._exchange = exchange

    async def aclose(self) -> None:
        await self.body.aclose()
        await self._exchange.settle()  # A generator that was never started has settled nothing.


async def chat_stream(writer: Writer, exchange: Exchange) -> AsyncGenerator[bytes, None]:
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
