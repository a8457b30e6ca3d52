"""One call of each kind by the official Python SDK, and whether what came back is the whole answer."""

import asyncio
import base64
from collections.abc import Awaitable, Callable
from io import BytesIO
from typing import Any

import httpx
from msgspec import Struct
from openai import AsyncOpenAI
from PIL import Image

from tests.api import recordings
from tests.google import speech

DRAWS, EMBEDS, WRITES, SPEAKS = "gemini-3.1-flash-image", "gemini-embedding-2", "gemini-3.5-flash-lite", "gemini-3.8-flash-tts"
TRANSCRIBES = "gemini-3.5-transcribe"
SPOKEN = "A beaver is building a dam."
LARGE = recordings.wav(460)
"""Too large to travel within a request."""
TEXTS = [f"text {number}" for number in range(300)]


class Kind(Struct, frozen=True):
    """`ask` by `client.with_raw_response`; `calls`: how many of Google's it takes at least; `model`: which serves it."""

    ask: Callable[[Any], Awaitable[Any]]
    is_whole: Callable[[Any], bool]
    model: str
    dialect: str
    calls: int = 1


def _size(data: str) -> tuple[int, int]:
    with Image.open(BytesIO(base64.b64decode(data))) as image:
        image.load()
        return image.size


def _picture() -> bytes:
    written = BytesIO()
    Image.new("RGB", (300, 200), "blue").save(written, "PNG")
    return written.getvalue()


def _draw(client: Any) -> Awaitable[Any]:
    return client.images.with_raw_response.generate(model=DRAWS, prompt="a fox", n=4, size="512x512")


def _edit(client: Any) -> Awaitable[Any]:
    return client.images.with_raw_response.edit(model=DRAWS, image=_picture(), prompt="a fox", n=4, size="512x512")


def _embed(client: Any) -> Awaitable[Any]:
    return client.embeddings.with_raw_response.create(model=EMBEDS, input=TEXTS, dimensions=128)


def _speak(client: Any) -> Awaitable[Any]:
    return client.audio.speech.with_raw_response.create(model=SPEAKS, voice="alloy", input=SPOKEN, response_format="wav")


def _transcribe(content: bytes) -> Callable[[Any], Awaitable[Any]]:
    def ask(client: Any) -> Awaitable[Any]:
        return client.audio.transcriptions.with_raw_response.create(model=TRANSCRIBES, file=("a.wav", content))

    return ask


def _judge(client: Any) -> Awaitable[Any]:
    return client.moderations.with_raw_response.create(model=WRITES, input=["fill in {}", 'fill in {"hate": 0.9}'])


def _complete(client: Any) -> Awaitable[Any]:
    return client.completions.with_raw_response.create(model=WRITES, prompt=["a", "b"], n=2)


def _upload(client: Any) -> Awaitable[Any]:
    return client.files.with_raw_response.create(file=("a.txt", b"x" * 1_000), purpose="user_data")


KINDS = {
    "images": Kind(_draw, lambda said: [_size(one.b64_json) for one in said.data] == [(512, 512)] * 4, DRAWS, "images", 4),
    "edits": Kind(_edit, lambda said: [_size(one.b64_json) for one in said.data] == [(512, 512)] * 4, DRAWS, "images", 4),
    "embeddings": Kind(
        _embed, lambda said: [(one.index, len(one.embedding)) for one in said.data] == [(at, 128) for at in range(300)], EMBEDS,
        "embeddings", 3,
    ),
    "speech": Kind(_speak, lambda said: said.content[44:] == speech.tone(SPOKEN), SPEAKS, "speech"),
    "transcription": Kind(
        _transcribe(recordings.wav(7)), lambda said: said.text == recordings.SAID, TRANSCRIBES, "transcription"
    ),
    "large transcription": Kind(
        _transcribe(LARGE), lambda said: len(said.text.split()) == 920, TRANSCRIBES, "transcription"
    ),
    "moderation": Kind(
        _judge, lambda said: [result.flagged for result in said.results] == [False, True], WRITES, "moderations", 2
    ),
    "completions": Kind(
        _complete, lambda said: [choice.text for choice in said.choices] == ["echo: a"] * 2 + ["echo: b"] * 2, WRITES,
        "completions", 4,
    ),
    "files": Kind(_upload, lambda said: (said.bytes, said.status) == (1_000, "processed"), "", "files"),
}  # fmt: skip


class Served(Struct, frozen=True):
    request_id: str
    attempts: int


def ask(root: str, token: str, kind: Kind, times: int) -> list[Served]:
    """So many calls at once, each on a connection of its own, so that any web process may take it. Raises where one fails."""
    return asyncio.run(_ask(root, token, kind, times))


async def _ask(root: str, token: str, kind: Kind, times: int) -> list[Served]:
    on_their_own = httpx.AsyncClient(limits=httpx.Limits(max_keepalive_connections=0), timeout=90)
    async with AsyncOpenAI(base_url=f"{root}/v1", api_key=token, max_retries=0, http_client=on_their_own) as client:
        answers = await asyncio.gather(*(kind.ask(client) for _ in range(times)))
    for answer in answers:
        assert kind.is_whole(answer.parse())
        assert "x-castor-failed" not in answer.headers
    return [Served(answer.headers["x-request-id"], int(answer.headers["x-castor-attempts"])) for answer in answers]
