"""Clients that ask at a steady rate, whatever becomes of their requests, or as fast as they are answered."""

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp
from msgspec import Struct

from tests.house.production import Production

MODEL = "gemini-3.8-flash"
PATIENCE = aiohttp.ClientTimeout(total=90)


class Sample(Struct, frozen=True):
    """One request. Times in seconds; `began`: since the load did. `status` 0: no answer at all; -1: 200, but not the answer."""

    began: float
    took: float
    status: int
    attempts: int = 0
    retry_after: int | None = None
    request_id: str = ""
    said: str = ""

    @property
    def is_served(self) -> bool:
        return self.status == 200


class Samples(list[Sample]):
    @property
    def statuses(self) -> Counter[int]:
        return Counter(sample.status for sample in self)

    @property
    def failed(self) -> list[Sample]:
        return [sample for sample in self if not sample.is_served]

    def between(self, start: float, end: float) -> "Samples":
        return Samples(sample for sample in self if start <= sample.began < end)

    def percentile(self, share: float) -> float:
        """Seconds within which that share of the requests was answered."""
        took = sorted(sample.took for sample in self)
        return took[min(int(share * len(took)), len(took) - 1)]


class Load:
    """Requests that go out at a steady rate, each on a connection of its own, so that any web process may take it."""

    def __init__(self, castor: Production, *, rate: float, model: str = MODEL, stream_every: int = 0) -> None:
        self.samples = Samples()
        self._castor, self._rate, self._model, self._stream_every = castor, rate, model, stream_every
        self._over = threading.Event()
        self._started = time.monotonic()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="load")

    @property
    def now(self) -> float:
        """Seconds since the load began: what `Sample.began` counts."""
        return time.monotonic() - self._started

    def go_on(self, seconds: float) -> None:
        time.sleep(seconds)

    def start(self) -> None:
        self._started = time.monotonic()
        self._thread.start()

    def stop(self) -> None:
        """Returns when the last answer is there."""
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        async with client() as session, asyncio.TaskGroup() as tasks:
            number = 0
            while not self._over.is_set():
                streams = bool(self._stream_every) and number % self._stream_every == 0
                tasks.create_task(self._ask(session, f"request {number}", streams))
                number += 1
                await asyncio.sleep(max(0.0, number / self._rate - self.now))

    async def _ask(self, session: aiohttp.ClientSession, text: str, streams: bool) -> None:
        self.samples.append(await ask(session, self._castor, text, model=self._model, stream=streams, since=self._started))


@contextmanager
def load(castor: Production, *, rate: float, **options: Any) -> Iterator[Load]:
    clients = Load(castor, rate=rate, **options)
    clients.start()
    try:
        yield clients
    finally:
        clients.stop()


def burst(castor: Production, count: int, *, at_once: int = 8, model: str = MODEL, **fields: Any) -> Samples:
    """So many requests, so many of them at a time."""

    async def run() -> Samples:
        turns = asyncio.Semaphore(at_once)

        async def one(number: int) -> Sample:
            async with turns:
                return await ask(session, castor, f"request {number}", model=model, **fields)

        async with client() as session:
            return Samples(await asyncio.gather(*(one(number) for number in range(count))))

    return asyncio.run(run())


def client() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0), timeout=PATIENCE)


async def ask(
    session: aiohttp.ClientSession,
    castor: Production,
    text: str,
    *,
    model: str = MODEL,
    stream: bool = False,
    since: float = 0.0,
    token: str = "",
    **fields: Any,
) -> Sample:
    body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream, **fields}
    headers = {"Authorization": f"Bearer {token or castor.token}"}
    began = time.monotonic()
    try:
        async with session.post(f"{castor.root}/v1/chat/completions", json=body, headers=headers) as answer:
            said = await answer.text()
            status, told = answer.status, answer.headers
    except (aiohttp.ClientError, TimeoutError, OSError) as error:
        return Sample(began - since, time.monotonic() - began, 0, said=repr(error))
    return Sample(
        began=began - since,
        took=time.monotonic() - began,
        # Whatever the status says, only the whole answer is a success.
        status=status if status != 200 or _text(said, stream=stream) == f"echo: {text}" else -1,
        attempts=int(told.get("X-Castor-Attempts", 0)),
        retry_after=int(told["Retry-After"]) if "Retry-After" in told else None,
        request_id=told.get("X-Request-ID", ""),
        said=said[:500],
    )


def _text(said: str, *, stream: bool) -> str:
    """The answer; empty where it breaks off."""
    if not stream:
        return json.loads(said)["choices"][0]["message"]["content"]
    payloads = [line.removeprefix("data: ") for line in said.splitlines() if line.startswith("data: ")]
    if payloads[-1:] != ["[DONE]"]:
        return ""
    choices = [choice for payload in payloads[:-1] for choice in json.loads(payload).get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)
