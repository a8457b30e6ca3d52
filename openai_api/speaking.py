"""An exchange that speaks → the bytes of its response, encoded on their way and written as they come."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from openai_api.errors import EncoderFailed, GatewayError, InvalidRequest
from openai_api.exchange import Exchange
from openai_api.ffmpeg import NOT_INSTALLED, Ffmpeg, Process
from openai_api.orders.speech import Speech
from openai_api.streaming import AnswerCut
from openai_api.translation.conversation import Notice
from openai_api.translation.events import AudioDelta, Finished, Usage, UsageReport
from openai_api.translation.pcm import OURS
from openai_api.translation.speech import FORMATS, SpeechRequest, Writer, tempo
from openai_api.translation.wav import write_header

# What the input is, is said; unasked, ffmpeg would listen to two seconds of it to find out.
_SAMPLES = ("-f", "s16le", "-ar", str(OURS.rate), "-ac", str(OURS.channels))
_INPUT = ("-probesize", "32", "-analyzeduration", "0", *_SAMPLES, "-i", "pipe:0")
_OUTPUT = ("-flush_packets", "1", "pipe:1")


class Encoding:
    """What has to be done to samples before they are what was asked for. Raises InvalidRequest for what cannot be."""

    def __init__(self, asked: SpeechRequest, ffmpeg: Ffmpeg) -> None:
        self.ffmpeg = ffmpeg
        self.format = FORMATS[asked.format]
        self.has_header = asked.format == "wav"
        self.notices = asked.notices
        speed = asked.speed
        if not ffmpeg.installed:
            if not self.format.is_plain:
                message = f"'{asked.format}' cannot be made, because {NOT_INSTALLED}; 'wav' and 'pcm' can."
                raise InvalidRequest(message, param="response_format", code="unsupported_value")
            if speed != 1:
                self.notices += (Notice("speed", f"Gemini speaks at one speed, and {NOT_INSTALLED}"),)
            speed = 1.0
        self.needs_encoder = speed != 1 or not self.format.is_plain
        self.arguments = (*_INPUT, *tempo(speed), *self.format.encoding, *_OUTPUT)


class _Heard:
    """What an exchange says, as samples."""

    def __init__(self, exchange: Exchange) -> None:
        self.usage = Usage()
        self.ended = False
        self._exchange = exchange

    async def samples(self) -> AsyncGenerator[bytes, None]:
        """Those that arrived together at once."""
        async with aclosing(self._exchange.events()) as arriving:
            async for _, events in arriving:
                for event in events:
                    if isinstance(event, UsageReport):
                        self.usage = event.usage
                    self.ended = self.ended or isinstance(event, Finished)
                if pcm := b"".join(event.pcm for event in events if isinstance(event, AudioDelta)):
                    yield pcm


async def speak(exchange: Exchange, order: Speech, encoding: Encoding, writer: Writer) -> AsyncGenerator[bytes, None]:
    """The response's body. Its first piece is empty, and comes when there is sound: until then GatewayError is raised.

    Raises AnswerCut where the answer breaks off and the writer cannot say so.
    """
    begun = False
    heard = _Heard(exchange)
    try:
        async with _sounding(exchange, order, encoding, heard) as sound:
            first = await anext(sound, b"")
            begun = True
            yield b""
            yield writer.sound(_header(encoding, first, is_all=heard.ended and not encoding.needs_encoder) + first)
            async for piece in sound:
                yield writer.sound(piece)
            if end := writer.finish(heard.usage):
                yield end
    except GatewayError as error:
        if not begun:
            raise
        told = writer.error(error)
        if told is None:
            raise AnswerCut from error
        yield told


@asynccontextmanager
async def _sounding(
    exchange: Exchange, order: Speech, encoding: Encoding, heard: _Heard
) -> AsyncGenerator[AsyncGenerator[bytes, None], None]:
    """What is heard, encoded; everything that makes it is gone afterwards."""
    async with AsyncExitStack() as turn, AsyncExitStack() as stack:
        if encoding.needs_encoder:  # First of all: who finds no turn must not have spent Google's time.
            await turn.enter_async_context(encoding.ffmpeg.turn())
        await exchange.open(order, notices=encoding.notices)
        await stack.enter_async_context(exchange)
        stack.push_async_callback(turn.aclose)  # Others need it while what nobody hears any more is read to its end.
        sound = heard.samples()
        if encoding.needs_encoder:
            sound = _encoded(sound, await stack.enter_async_context(encoding.ffmpeg.run(encoding.arguments)))
        yield await stack.enter_async_context(aclosing(sound))


def _header(encoding: Encoding, first: bytes, *, is_all: bool) -> bytes:
    if not encoding.has_header:
        return b""
    return write_header(OURS, len(first) if is_all else None)


async def _encoded(sound: AsyncGenerator[bytes, None], process: Process) -> AsyncGenerator[bytes, None]:
    """What the process makes of the sound, while it is fed. Raises what the sound raises, and EncoderFailed."""
    feeding = asyncio.ensure_future(_feed(sound, process))
    is_silent = True
    try:
        while piece := await process.read():
            is_silent = False
            yield piece
        if feeding.done():
            feeding.result()
        await process.check()
        if is_silent or not feeding.done():
            raise EncoderFailed("ffmpeg ended before the sound did.")
    finally:
        feeding.cancel()
        await asyncio.gather(feeding, return_exceptions=True)


async def _feed(sound: AsyncGenerator[bytes, None], process: Process) -> None:
    try:
        async with aclosing(sound):
            async for piece in sound:
                await process.write(piece)
        process.end_input()
    except BaseException:  # Whatever it was, and also if we are told to stop: what came out must not end as if it were all.
        process.kill()
        raise
