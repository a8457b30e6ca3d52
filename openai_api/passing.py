"""The answer of another server → the response, byte for byte."""

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing

from django.http import HttpResponse

from openai_api.errors import GatewayError
from openai_api.exchange import Exchange
from openai_api.streaming import AnswerCut, AnswerStream
from openai_api.translation import chat
from openai_api.translation.events import Event, Passed, PassedHead

Arriving = AsyncGenerator[tuple[int, list[Event]], None]


async def passed_response(exchange: Exchange) -> HttpResponse | AnswerStream:
    """The response to what has been handed on: what is JSON as a whole, all else as it comes."""
    arriving = exchange.events()
    _, first = await anext(arriving)
    head = next(event for event in first if isinstance(event, PassedHead))
    if not head.whole:
        return AnswerStream(_as_it_passes(exchange, arriving, head.content_type), exchange, content_type=head.content_type)
    async with exchange, aclosing(arriving):
        body = b"".join([_bytes_of(events) async for _, events in arriving])
    return HttpResponse(body, content_type=head.content_type)


async def _as_it_passes(exchange: Exchange, arriving: Arriving, content_type: str) -> AsyncGenerator[bytes, None]:
    async with exchange, aclosing(arriving):
        try:
            async for _, events in arriving:
                if data := _bytes_of(events):
                    yield data
        except GatewayError as error:
            exchange.failed(error)
            if not content_type.startswith("text/event-stream"):
                raise AnswerCut from error
            yield b"data: " + chat.error_body(error) + b"\n\n"


def _bytes_of(events: Iterable[Event]) -> bytes:
    return b"".join([event.data for event in events if isinstance(event, Passed)])
