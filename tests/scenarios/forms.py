"""Many large forms at once: their files are one piece of memory, which all of them share."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from msgspec import Struct

from tests.scenarios.load import client

PIECE = 64 * 1024
BOUNDARY = "a-boundary-between-parts"


class Form(Struct, frozen=True, kw_only=True):
    """A form with one file, whose name is `field`."""

    path: str
    fields: dict[str, str]
    field: str
    filename: str
    content_type: str
    content: bytes

    @property
    def head(self) -> bytes:
        texts = [_part(f'name="{name}"', text) for name, text in self.fields.items()]
        file = f'name="{self.field}"; filename="{self.filename}"\r\nContent-Type: {self.content_type}'
        return "".join([*texts, _part(file, "")]).encode().removesuffix(b"\r\n")

    @property
    def headers(self) -> dict[str, str]:
        size = len(self.head) + len(self.content) + len(END)
        return {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Content-Length": str(size)}


END = f"\r\n--{BOUNDARY}--\r\n".encode()


def _part(name: str, text: str) -> str:
    return f"--{BOUNDARY}\r\nContent-Disposition: form-data; {name}\r\n\r\n{text}\r\n"


class Answer(Struct, frozen=True):
    """`body`: JSON; `took`: seconds."""

    status: int
    request_id: str
    body: Any
    took: float


def send_together(root: str, token: str, form: Form, count: int) -> list[Answer]:
    """So many of them. None is sent to its end before all of them have come that far: all of their bytes are there at once."""
    return asyncio.run(_send_together(root, token, form, count))


@contextmanager
def sending(root: str, token: str, form: Form, count: int) -> Iterator[list[str]]:
    """So many of them are under way in the block. Afterwards the list says how each one ended: an error's name, or a status."""
    outcomes: list[str] = []

    def send() -> None:
        outcomes.extend(asyncio.run(_outcomes(root, token, form, count)))

    thread = threading.Thread(target=send, name="forms")
    thread.start()
    try:
        yield outcomes
    finally:
        thread.join()


async def _outcomes(root: str, token: str, form: Form, count: int) -> list[str]:
    together = asyncio.Barrier(count)
    async with client() as session:
        sent = (_send(session, root, token, form, together) for _ in range(count))
        ended = await asyncio.gather(*sent, return_exceptions=True)
    return [type(one).__name__ if isinstance(one, BaseException) else str(one.status) for one in ended]


async def _send_together(root: str, token: str, form: Form, count: int) -> list[Answer]:
    together = asyncio.Barrier(count)
    async with client() as session:
        return await asyncio.gather(*(_send(session, root, token, form, together) for _ in range(count)))


async def _send(session: aiohttp.ClientSession, root: str, token: str, form: Form, together: asyncio.Barrier) -> Answer:
    headers = {**form.headers, "Authorization": f"Bearer {token}"}
    began = time.monotonic()
    async with session.post(f"{root}{form.path}", data=_pieces(form, together), headers=headers) as answer:
        body = await answer.json()
        return Answer(answer.status, answer.headers["X-Request-ID"], body, time.monotonic() - began)


async def _pieces(form: Form, together: asyncio.Barrier) -> AsyncIterator[bytes]:
    yield form.head
    whole = memoryview(form.content)
    for start in range(0, len(whole), PIECE):
        yield bytes(whole[start : start + PIECE])
    await together.wait()
    yield END
