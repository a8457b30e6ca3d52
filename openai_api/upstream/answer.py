"""An answer of Gemini's on its way in: bytes → events, and everything that can go wrong with it → UpstreamRefused."""

from collections.abc import AsyncGenerator, Callable, Mapping

import msgspec
from msgspec import Struct

from credentials.health import Outcome
from openai_api.translation.events import Event, Finished, SafetyRating, TokenCount
from openai_api.translation.gemini.response import ErrorEvent, MalformedAnswer, Reader
from openai_api.translation.splicing import Body
from openai_api.translation.sse import Decoder, EventTooLarge
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.http import HttpClient
from openai_api.upstream.progress import Progress
from openai_api.upstream.refusals import Refusal, read_refusal


class _Count(Struct, rename="camel"):
    total_tokens: int


_read_count = msgspec.json.Decoder(_Count, strict=False).decode


def read_count(body: bytearray) -> list[Event]:
    """The one TokenCount of a countTokens call. Raises MalformedAnswer."""
    try:
        return [TokenCount(_read_count(body).total_tokens), Finished("stop")]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedAnswer from error


async def whole_answer(
    client: HttpClient,
    url: str,
    *,
    headers: Mapping[str, str],
    secret: str,
    body: Body,
    read: Callable[[bytearray], list[Event]],
    most_bytes: int = 1024 * 1024,
    seconds: float,
) -> AsyncGenerator[list[Event], None]:
    """What `read` makes of an answer that is no stream. Raises UpstreamRefused; `secret` as for `stream_answer`."""
    answer = bytearray()
    try:
        async with client.send("POST", url, headers=headers, body=body, seconds=seconds) as response:
            progress = Progress(client.read_timeout)
            async for chunk in response.chunks:
                if chunk.isspace():
                    progress.check()
                else:
                    progress.made()
                answer += chunk
                if len(answer) > most_bytes:
                    raise _broken("The upstream's answer is far too large.")
        events = read(answer)
    except UpstreamRefused as refused:
        raise UpstreamRefused(refused.refusal.concealing(secret)) from refused
    except MalformedAnswer as error:
        raise _broken("The upstream's answer could not be read.") from error
    yield events


async def stream_answer(
    client: HttpClient,
    url: str,
    *,
    headers: Mapping[str, str],
    secret: str,
    body: Body,
    prepared: Prepared,
    new_call_id: Callable[[], str],
    seconds: float,
    unwrap: Callable[[bytes], bytes] | None = None,
    reader: Reader | None = None,
) -> AsyncGenerator[list[Event], None]:
    """Send `body` and read the answer; `unwrap` takes each event's payload out of an envelope. Raises UpstreamRefused.

    `reader`: another one than that of conversations.

    `secret` is what `headers` prove who asks with: Google echoes it in some refusals, whose words go to the caller and the admin.
    """
    if reader is None:
        reader = Reader(
            new_call_id=new_call_id,
            single_call=prepared.single_call,
            names=prepared.names,
            rated=prepared.rated,
            drafts=prepared.drafts,
        )
    decoder = Decoder()
    try:
        async with client.send("POST", url, headers=headers, body=body, seconds=seconds) as response:
            progress = Progress(client.read_timeout)
            async for chunk in response.chunks:
                events = _events(reader, decoder.feed(chunk), unwrap)
                says_something = any(not isinstance(event, SafetyRating) for event in events)
                if not says_something:
                    progress.check()
                if events:
                    yield events
                if says_something:
                    progress.made()
            if events := _events(reader, decoder.end(), unwrap):
                yield events
    except UpstreamRefused as refused:
        if not reader.finished:  # What breaks after the end takes nothing from the answer.
            raise UpstreamRefused(refused.refusal.concealing(secret)) from refused
    except ErrorEvent as error:
        raise UpstreamRefused(read_refusal(error.status, error.body).concealing(secret)) from error
    except (MalformedAnswer, EventTooLarge) as error:
        raise _broken("The upstream's answer could not be read.") from error
    if not reader.finished:
        raise _broken("The upstream's answer broke off.")


def _events(reader: Reader, payloads: list[bytes], unwrap: Callable[[bytes], bytes] | None) -> list[Event]:
    events: list[Event] = []
    for payload in payloads:
        try:
            events += reader.read(payload if unwrap is None else unwrap(payload))
        except (ErrorEvent, MalformedAnswer):
            if not reader.finished:
                raise
    return events


def _broken(message: str) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=502, message=message))
