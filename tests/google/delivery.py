"""How an answer travels: framing (section 1.13), pauses, cuts, and every way of not arriving."""

import itertools
import json
import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from tests.google.errors import Refusal
from tests.google.exchange import Exchange
from tests.google.scripts import Script

JSON = "application/json; charset=UTF-8"
HEADERS = {
    "Server": "scaffolding on HTTPServer2",
    "Vary": "Origin, X-Origin, Referer",
    "X-Content-Type-Options": "nosniff",
}
Responses = list[dict[str, Any]]
Wrap = Callable[[dict[str, Any]], dict[str, Any]]
# Long enough for the reader to take each piece by itself, short enough for hundreds of pieces.
BETWEEN_CUTS = 0.002


async def send_body(exchange: Exchange, status: int, body: Any, headers: dict[str, str]) -> None:
    """JSON, or a text as it is (HTML unless the headers say otherwise), with its length."""
    is_text = isinstance(body, str)
    data = body.encode() if is_text else json.dumps(body, indent=2, ensure_ascii=False).encode()
    own = {"Content-Type": "text/html; charset=UTF-8" if is_text else JSON, "Content-Length": str(len(data))}
    await exchange.start(status, {**HEADERS, **own, **headers})
    if data:
        await exchange.write(data)
    await exchange.finish()


def _as_it_is(response: dict[str, Any]) -> dict[str, Any]:
    return response


async def send_answer(
    exchange: Exchange, responses: Responses, script: Script, fault: Refusal | None, wrap: Wrap = _as_it_is
) -> None:
    """A model's answer, whole or streamed as it was asked for; `wrap` puts each response into its envelope."""
    call = exchange.call
    if call.method == "streamGenerateContent":
        await send_stream(exchange, responses, script, fault, wrap, sse=call.query.get("alt") == "sse")
    else:
        await send_whole(exchange, responses[0] if responses else {}, script, fault, wrap)


async def send_whole(
    exchange: Exchange, response: dict[str, Any], script: Script, fault: Refusal | None, wrap: Wrap = _as_it_is
) -> None:
    """One response. A break leaves half of its bytes behind, or none with `after=0`."""
    data = json.dumps(wrap(response), indent=2, ensure_ascii=False).encode()
    exchange.call.usage = response.get("usageMetadata", {})
    if script.ends != "normally":
        data = data[: len(data) // 2 if script.after else 0]
    await _send(exchange, JSON, [data], script, fault)


async def send_stream(
    exchange: Exchange, responses: Responses, script: Script, fault: Refusal | None, wrap: Wrap, *, sse: bool
) -> None:
    """The chunks, as server-sent events or as one growing JSON array."""
    if script.ends != "normally":
        responses = responses[: script.after]
    if script.ends == "cut":
        responses = [_unfinished(response) for response in responses]
    wrapped = [wrap(response) for response in responses]
    frames = _events(wrapped, script) if sse else _array(wrapped, closed=script.ends == "normally")
    await _send(exchange, "text/event-stream" if sse else JSON, _noting_usage(exchange, responses, frames), script, fault)


def _unfinished(response: dict[str, Any]) -> dict[str, Any]:
    candidates = [{**candidate} for candidate in response.get("candidates", ())]
    for candidate in candidates:
        candidate.pop("finishReason", None)
    return {**response, "candidates": candidates}


def _events(responses: Responses, script: Script) -> Iterator[bytes]:
    pings = f": ping{script.newline}{script.newline}" * script.pings
    if not responses and pings:
        yield pings.encode()
    for response in responses:
        yield (pings + event(response, script.newline)).encode()
        pings = ""


def event(response: dict[str, Any], newline: str) -> str:
    return f"data: {json.dumps(response, ensure_ascii=False)}{newline}{newline}"


def _array(responses: Responses, *, closed: bool) -> Iterator[bytes]:
    if closed and not responses:
        yield b"[]"
    for number, response in enumerate(responses, start=1):
        last = "]" if closed and number == len(responses) else ""
        yield (("[" if number == 1 else ",\r\n") + json.dumps(response, ensure_ascii=False, indent=2) + last).encode()


def _noting_usage(exchange: Exchange, responses: Responses, frames: Iterator[bytes]) -> Iterator[bytes]:
    """The frames; the log keeps the usage of the last one that was sent."""
    for response, frame in itertools.zip_longest(responses, frames):
        exchange.call.usage = (response or {}).get("usageMetadata", exchange.call.usage)
        if frame is not None:
            yield frame


async def _send(exchange: Exchange, content_type: str, frames: Iterable[bytes], script: Script, fault: Refusal | None) -> None:
    coding = {"Content-Encoding": "gzip"} if script.gzip else {}
    await exchange.start(200, {**HEADERS, "Content-Type": content_type, **coding, **script.headers})
    pieces, pause = _cut(_zipped(frames) if script.gzip else frames, script)
    await exchange.pause(script.first_byte_delay)
    for number, piece in enumerate(pieces):
        await exchange.pause(pause if number else 0)
        if piece:
            await exchange.write(piece)
            exchange.call.chunks_sent += 1
    await _end(exchange, script, fault)


def _zipped(frames: Iterable[bytes]) -> Iterator[bytes]:
    """One gzip stream, which can be read up to the end of each frame."""
    compressor = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
    for frame in frames:
        yield compressor.compress(frame) + compressor.flush(zlib.Z_SYNC_FLUSH)
    yield compressor.flush()


def _cut(frames: Iterable[bytes], script: Script) -> tuple[Iterable[bytes], float]:
    """The pieces to write, and the pause between them."""
    if not script.cuts and not script.cut_every:
        return frames, script.chunk_delay
    data = b"".join(frames)
    offsets = script.cuts or range(script.cut_every, len(data), script.cut_every)
    starts = [0, *offsets]
    ends = [*offsets, len(data)]
    return [data[start:end] for start, end in zip(starts, ends, strict=True)], script.chunk_delay or BETWEEN_CUTS


async def _end(exchange: Exchange, script: Script, fault: Refusal | None) -> None:
    if script.ends in ("error", "bare_error") and fault:
        exchange.call.refused = fault.message
        await exchange.pause(script.chunk_delay)
        await exchange.write(_error_frame(fault, script))
    elif script.ends == "malformed":
        await exchange.write(f'data: {{"candidates": [{{"content": {script.newline}{script.newline}'.encode())
    elif script.ends == "stall":
        await exchange.pause(None)
    elif script.ends == "reset":
        exchange.reset()
        return
    elif script.ends == "close":
        exchange.close()
        return
    await exchange.finish()


def _error_frame(fault: Refusal, script: Script) -> bytes:
    """An error after the 200: as an event, or bare, spread over several lines (section 1.13)."""
    if script.ends == "error" and isinstance(fault.body, dict):
        return event(fault.body, script.newline).encode()
    text = fault.body if isinstance(fault.body, str) else json.dumps(fault.body, indent=2)
    return (text.replace("\n", script.newline) + script.newline).encode()
