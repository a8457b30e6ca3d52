"""Errors that came too late for an HTTP status, kept for a minute for whoever asks the same again.

Where a whole answer breaks off, OpenAI's Python SDK repeats the request by itself. What it gets then is the error that it was
to get: its own exception is raised, and nobody is asked twice for what cannot be had.
"""

import asyncio
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from hashlib import blake2b
from pathlib import Path

import msgspec
import structlog
from django.http import HttpResponse
from msgspec import Struct

SECONDS = 60.0
"""The SDK waits for 8 at the most, and for none of the answer's body once it has broken off."""

_KEPT_HEADERS = ("Content-Type", "Retry-After")
_UNFINISHED = ".part"

log = structlog.get_logger("castor.late_errors")


class _Late(Struct):
    status: int
    headers: dict[str, str]
    body: bytes


_read = msgspec.msgpack.Decoder(_Late).decode


def question(token: int, path: str, body: bytes) -> str:
    """Stands for a request, whenever it is made. `token`: its id, so that nobody is told another one's errors."""
    asked = blake2b(f"{token} {path}\0".encode(), digest_size=24)
    asked.update(body)
    return asked.hexdigest()


def is_repeated(headers: Mapping[str, str]) -> bool:
    """Whether one of OpenAI's SDKs says of a request that it has made it before; `headers` are named as in WSGI."""
    return headers.get("HTTP_X_STAINLESS_RETRY_COUNT", "") not in ("", "0")


class LateErrors:
    """In a folder, since it may be another web process that is asked again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tidies_at = 0.0
        """In monotonic seconds: not at each error, since an outage brings as many as there are requests."""

    async def keep(self, question: str, response: HttpResponse) -> None:
        headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
        late = msgspec.msgpack.encode(_Late(response.status_code, headers, response.content))
        try:
            await asyncio.to_thread(self._keep, question, late)
        except OSError as error:
            log.warning("An error could not be kept for whoever asks again.", cause=error.strerror)

    async def take(self, question: str) -> HttpResponse | None:
        """The error of the same request, as it should have been told; once."""
        late = await asyncio.to_thread(self._take, question)
        return None if late is None else HttpResponse(late.body, status=late.status, headers=late.headers)

    def _keep(self, question: str, late: bytes) -> None:
        if time.monotonic() >= self._tidies_at:
            self._tidies_at = time.monotonic() + SECONDS
            self._forget_old()
        draft = self._folder / f"{secrets.token_hex(8)}{_UNFINISHED}"
        with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            file.write(late)
        draft.rename(self._folder / question)

    def _take(self, question: str) -> _Late | None:
        path = self._folder / question
        try:
            is_old = _is_old(path.stat())
            late = path.read_bytes()
            path.unlink()
            return None if is_old else _read(late)
        except (OSError, msgspec.DecodeError):  # There is none, it was told to somebody else a moment ago, or is in pieces.
            return None

    def _forget_old(self) -> None:
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(OSError):  # It is gone, or none of ours: neither keeps this one from being kept.
                    if _is_old(entry.stat(follow_symlinks=False)):
                        os.unlink(entry.path)


def _is_old(file: os.stat_result) -> bool:
    return abs(time.time() - file.st_mtime) > SECONDS  # A clock that was set back must not keep it for as long.
