"""A command run under guard: its output as it comes, in bounded memory, and an end whatever happens."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Self, cast

import msgspec
from msgspec import Struct

_GUARD = str(Path(__file__).with_name("cli_guard.py"))
_MOST_WAITING = 4 * 1024 * 1024
"""Bytes that wait for a slow reader at most (twice as many, asyncio says). A command that is held up before it ends would
lose what it has yet to write, so this is more than a long answer."""
_CHUNK = 64 * 1024
_MOST_ERRORS = 16 * 1024
_SECONDS_TO_END = 5.0


class Order(Struct, frozen=True):
    """What is to be run. `{home}` and `{work}` in the environment stand for the two folders that are made for it."""

    command: Sequence[str]
    environment: Mapping[str, str]
    files: Mapping[str, str]
    """By their path in the home."""
    input: str
    """The one of them that is the command's standard input."""
    folder: str = ""
    """Where the home is made."""


class CliProcess:
    """Made by `run`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        # All three are pipes, as `start` asks for it.
        self._leash = cast("asyncio.StreamWriter", process.stdin)
        self._output = cast("asyncio.StreamReader", process.stdout)
        self._errors = bytearray()
        self._listening = asyncio.ensure_future(self._listen(cast("asyncio.StreamReader", process.stderr)))

    async def read(self) -> bytes:
        """What it has written next to its standard output; nothing at its end."""
        return await self._output.read(_CHUNK)

    async def end(self) -> tuple[int, bytes]:
        """Wait until it has ended: its exit code, and the last that it wrote to its standard error."""
        while await self.read():
            pass
        await self._listening
        return await self._process.wait(), bytes(self._errors)

    async def kill(self) -> None:
        """Returns when nothing is left of it."""
        self.let_go()
        try:
            async with asyncio.timeout(_SECONDS_TO_END):
                await self.end()
        except TimeoutError:  # The guard itself hangs, or something has broken out of its group and holds the pipes.
            if self._process.returncode is None:
                self._process.kill()
        finally:
            self._listening.cancel()

    def let_go(self) -> None:
        """Have it ended, and wait for nothing."""
        self._leash.close()

    async def _listen(self, stream: asyncio.StreamReader) -> None:
        while chunk := await stream.read(_CHUNK):
            self._errors += chunk
            del self._errors[:-_MOST_ERRORS]

    @classmethod
    async def start(cls, order: Order) -> Self:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-S", _GUARD,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env={}, start_new_session=True, limit=_MOST_WAITING,
        )  # fmt: skip
        started = cls(process)
        # By pipe, and not by the command line or the environment, which others on this machine may read.
        started._leash.write(msgspec.json.encode(order) + b"\n")
        return started


@asynccontextmanager
async def run(order: Order) -> AsyncGenerator[CliProcess, None]:
    """Runs until the block is left, at the longest."""
    starting = asyncio.ensure_future(CliProcess.start(msgspec.structs.replace(order, folder=tempfile.gettempdir())))
    try:
        # A start that is cancelled half way never comes back (Python 3.11): whoever leaves meanwhile does so alone.
        process = await asyncio.shield(starting)
    except asyncio.CancelledError:
        starting.add_done_callback(_let_go)
        raise
    try:
        yield process
    finally:
        await process.kill()


def _let_go(starting: "asyncio.Task[CliProcess]") -> None:
    if not starting.cancelled() and starting.exception() is None:
        starting.result().let_go()
