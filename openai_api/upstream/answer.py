"""An answer of Gemini's on its way in: bytes → events, and everything that can go wrong with it → UpstreamRefused."""

from collections.abc import AsyncGenerator, Callable, Mapping
from functools import partial

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

_MOST_WHOLE = 128 * 1024 * 1024
"""Bytes of an answer that is no stream: pictures in base64 are the largest."""


class _Count(Struct, rename="camel"):
    total_tokens: int


_read_count = msgspec.json.Decoder(_Count, strict=False).decode


def read_count(body: bytearray) -> list[Event]:
    """The one TokenCount of a countTokens call. Raises MalformedAnswer."""
    try:
        return [TokenCount(_read_count(body).total_tokens), Finished("stop")]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedAnswer from error


def gemini_answer(
    client: HttpClient,
    methods: str,
    *,
    headers: Mapping[str, str],
    secret: str,
    body: Body,
    prepared: Prepared,
    new_call_id: Callable[[], str],
    seconds: float,
    unwrap: Callable[[bytes], bytes] | None = None,
) -> AsyncGenerator[list[Event], None]:
    """What a conversation is answered with; `methods` is the URL up to a method's name. Otherwise as `stream_answer`."""
    reader = _reader(prepared, new_call_id)
    if prepared.at_once:
        return whole_answer(
            client,
            f"{methods}generateContent",
            headers=headers,
            secret=secret,
            body=body,
            read=partial(_read_whole, reader, unwrap),
            most_bytes=_MOST_WHOLE,
            seconds=seconds,
        )
    # Else as a stream, also for a whole answer: one path, and no proxy cuts a long answer off as idle.
    return stream_answer(
        client,
        f"{methods}streamGenerateContent?alt=sse",
        headers=headers,
        secret=secret,
        body=body,
        reader=reader,
        seconds=seconds,
        unwrap=unwrap,
    )


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
    except ErrorEvent as error:
        raise UpstreamRefused(read_refusal(error.status, error.body).concealing(secret)) from error
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
    reader: Reader,
    seconds: float,
    unwrap: Callable[[bytes], bytes] | None = None,
) -> AsyncGenerator[list[Event], None]:
    """Send `body` and read the answer; `unwrap` takes each event's payload out of an envelope. Raises UpstreamRefused.

    `secret` is what `headers` prove who asks with: Google echoes it in some refusals, whose words go to the caller and the admin.
    """
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


def _reader(prepared: Prepared, new_call_id: Callable[[], str]) -> Reader:
    return Reader(
        new_call_id=new_call_id,
        single_call=prepared.single_call,
        names=prepared.names,
        rated=prepared.rated,
        drafts=prepared.drafts,
    )


def _read_whole(reader: Reader, unwrap: Callable[[bytes], bytes] | None, body: bytearray) -> list[Event]:
    events = _events(reader, [bytes(body)], unwrap)
    if not reader.finished:
        raise _broken("The upstream's answer broke off.")
    return events


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
