"""Gemini through Google's own Gemini CLI: one process for each request, by API key or with a Google account."""

import asyncio
import shutil
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from functools import cached_property
from typing import Any

import msgspec
from msgspec import Struct

from credentials.accounts.gemini_cli import NOT_INSTALLED
from credentials.roster import Entry
from openai_api.translation.code_assist import code_assist_name
from openai_api.translation.events import Event
from openai_api.translation.splicing import in_memory
from openai_api.upstream.access import AccessTokens, with_access
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.cli_events import Reader, broken, other_model
from openai_api.upstream.cli_home import by_api_key, by_login, instead_of, order
from openai_api.upstream.cli_process import CliProcess, Order, run
from openai_api.upstream.progress import Progress, nothing_said

__all__ = ["NOT_INSTALLED", "GeminiCli"]


class _Body(Struct, rename="camel"):
    """What the settings of the CLI take over from the body that the Gemini API would get."""

    generation_config: dict[str, Any] = {}
    safety_settings: list[dict[str, Any]] = []


_read_body = msgspec.json.Decoder(_Body).decode


class GeminiCli:
    """`most`: how many run at once; whoever comes later waits for a turn. `patience`: the seconds that one may say nothing."""

    def __init__(
        self, *, path: str, most: int, patience: float, access: AccessTokens, base_url: str, code_assist_url: str
    ) -> None:
        self._path = path
        self._patience = patience
        self._access = access
        self._base_url = base_url
        self._code_assist_url = code_assist_url
        self._turns = asyncio.Semaphore(most)

    @cached_property
    def installed(self) -> bool:
        """Looked up once: every request asks."""
        return shutil.which(self._path) is not None

    def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        if entry.secret:
            return self._ask(prepared, entry, entry.secret, seconds)

        def send(token: str, seconds: float) -> AsyncGenerator[list[Event], None]:
            return self._ask(prepared, entry, token, seconds)

        return with_access(self._access, entry, send, seconds=seconds)

    async def _ask(self, prepared: Prepared, entry: Entry, secret: str, seconds: float) -> AsyncGenerator[list[Event], None]:
        until = time.monotonic() + seconds
        try:
            wanted, reader = self._begin(prepared, entry, secret)
            async with (
                self._turn(until),
                run(wanted) as cli,
                aclosing(_answer(cli, reader, until, Progress(self._patience))) as answer,
            ):
                async for events in answer:
                    yield events
        except UpstreamRefused as refused:
            raise UpstreamRefused(refused.refusal.concealing(secret)) from refused
        except TimeoutError as error:
            raise broken("The Gemini CLI did not answer in time.", status=504) from error
        except OSError as error:
            raise broken(f"The Gemini CLI could not be started: {error.strerror}.", status=503) from error

    def _begin(self, prepared: Prepared, entry: Entry, secret: str) -> tuple[Order, Reader]:
        if not self.installed or prepared.prompt is None:
            raise broken(NOT_INSTALLED if not self.installed else "The Gemini CLI cannot be asked this.", status=503)
        by_key = bool(entry.secret)
        if other := instead_of(prepared.model, by_key=by_key):
            raise UpstreamRefused(other_model(other))
        body = _read_body(in_memory(prepared.body))
        config = body.generation_config | ({"safetySettings": body.safety_settings} if body.safety_settings else {})
        access = by_api_key(secret, self._base_url) if by_key else by_login(secret, self._code_assist_url, entry.project)
        wanted = order(self._path, prepared.prompt, model=prepared.model, config=config, access=access, by_key=by_key)
        names = frozenset({prepared.model} if by_key else {prepared.model, code_assist_name(prepared.model)})
        return wanted, Reader(models=names, limit=config.get("maxOutputTokens", 0), of_code_assist=not by_key)

    @asynccontextmanager
    async def _turn(self, until: float) -> AsyncGenerator[None, None]:
        async with _by(until):
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()


async def _answer(cli: CliProcess, reader: Reader, until: float, progress: Progress) -> AsyncGenerator[list[Event], None]:
    while chunk := await _read(cli, until, progress):
        if events := reader.read(chunk):
            yield events
            progress.made()
        if reader.finished:
            return  # What it tidies up after itself need not be waited for.
    async with _by(until):
        raise reader.failed(*await cli.end())


async def _read(cli: CliProcess, until: float, progress: Progress) -> bytes:
    """Until then, and until there has been no progress for too long: lines that say nothing are none."""
    try:
        async with _by(min(until, progress.runs_out_at)):
            return await cli.read()
    except TimeoutError:
        if progress.runs_out_at < until:
            raise nothing_said() from None
        raise


def _by(until: float) -> asyncio.Timeout:
    """Never around a `yield`: whoever reads the answer must not be interrupted in what they do with it."""
    return asyncio.timeout(until - time.monotonic())
