"""ffmpeg, as a process of its own group: bytes in and bytes out as they come, and an end whatever happens.

It reads what we write and writes what we read, so it needs no guard: where this process dies, its input ends, and so does it.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from functools import cached_property
from typing import Self, cast

import structlog

from openai_api.errors import EncoderFailed, Overloaded

NOT_INSTALLED = "ffmpeg is not installed where this Castor runs (on Debian and Ubuntu: apt install ffmpeg; else set FFMPEG_PATH)"

_PATIENCE = 30.0
"""Seconds that a request waits for its turn."""
_CHUNK = 64 * 1024
_MOST_ERRORS = 4 * 1024
_COMMON = ("-hide_banner", "-nostdin", "-loglevel", "error", "-threads", "1", "-filter_threads", "1")
_KEPT = ("PATH", "LANG", "LD_LIBRARY_PATH")
"""Of our environment, which is full of secrets, ffmpeg sees no more."""

log = structlog.get_logger("castor.ffmpeg")


class Ffmpeg:
    """`most`: how many run at once; whoever comes later waits for a turn."""

    def __init__(self, *, path: str, most: int) -> None:
        self._path = path
        self._most = most
        self._turns = asyncio.Semaphore(most)

    @cached_property
    def installed(self) -> bool:
        """Looked up once: every request asks."""
        return shutil.which(self._path) is not None

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None, None]:
        """Whoever is to `run` one takes a turn first. Raises Overloaded where none comes."""
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._turns.acquire()
        except TimeoutError:
            message = f"As many encoders are running as may ({self._most}, FFMPEG_MAX_PROCESSES of this Castor). Try again."
            raise Overloaded(message, retry_after=5) from None
        try:
            yield
        finally:
            self._turns.release()

    @asynccontextmanager
    async def run(self, arguments: Sequence[str]) -> AsyncGenerator["Process", None]:
        """Runs until the block is left, at the longest. Raises EncoderFailed."""
        starting = asyncio.ensure_future(Process.start(self._path, arguments))
        try:
            # A start that is cancelled half way never comes back (Python 3.11): whoever leaves meanwhile does so alone.
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            starting.add_done_callback(_kill)
            raise
        except OSError as error:
            log.error("ffmpeg could not be started.", cause=error.strerror)
            raise EncoderFailed("ffmpeg could not be started.") from error
        try:
            yield process
        finally:
            await process.close()


class Process:
    """Made by `Ffmpeg.run`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        # All three are pipes, as `start` asks for it.
        self._input = cast("asyncio.StreamWriter", process.stdin)
        self._output = cast("asyncio.StreamReader", process.stdout)
        self._errors = bytearray()
        self._listening = asyncio.ensure_future(self._listen(cast("asyncio.StreamReader", process.stderr)))

    @classmethod
    async def start(cls, path: str, arguments: Sequence[str]) -> Self:
        process = await asyncio.create_subprocess_exec(
            path, *_COMMON, *arguments,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={name: os.environ[name] for name in _KEPT if name in os.environ}, start_new_session=True, limit=_CHUNK,
        )  # fmt: skip
        return cls(process)

    async def write(self, data: bytes) -> None:
        """Returns once there is room for more. Raises EncoderFailed."""
        if self._input.is_closing():  # Nothing can be written any more: uvloop would say so by a RuntimeError.
            raise _ended_early()
        try:
            self._input.write(data)
            await self._input.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _ended_early() from error

    def end_input(self) -> None:
        self._input.close()

    async def read(self) -> bytes:
        """What it has written next; nothing at its end."""
        return await self._output.read(_CHUNK)

    async def check(self) -> None:
        """Wait until it has ended. Raises EncoderFailed where it did not end well, of which the log tells more."""
        await self._listening
        if code := await self._process.wait():
            log.error("ffmpeg failed.", code=code, errors=self._errors.decode(errors="replace").strip())
            raise EncoderFailed("ffmpeg could not make of the sound what was asked for; the log of this Castor says why.")

    def kill(self) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    async def close(self) -> None:
        """Returns when nothing is left of it."""
        self.kill()
        self._input.close()
        await asyncio.gather(self._listening, self._process.wait(), return_exceptions=True)

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            self._errors += chunk
            del self._errors[:-_MOST_ERRORS]


def _kill(starting: "asyncio.Task[Process]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().kill()


def _ended_early() -> EncoderFailed:
    return EncoderFailed("ffmpeg ended before the sound did.")
