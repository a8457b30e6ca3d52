"""A thousand streams through one web process, most of which are left in their midst: nothing of them may stay behind."""

import asyncio
import json
import os
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp

from tests.api.server import Castor, chat_body

WAVE = 125
WAVES = 8
MB = 1024 * 1024
TOLERATED = 24 * MB
"""By how much the process may grow after the first waves: what is freed is not always given back to the system."""
TOLERATED_BLOCKS = 3 * WAVES * WAVE
"""By how much that of it may grow which Python's objects take up, in pieces: a stream that stays behind has hundreds of them."""


async def one_stream(session: aiohttp.ClientSession, castor: Castor, number: int) -> None:
    """Of three, one is read to its end, and two are left after their first bytes, of which one is drained."""
    sort = ("full", "full", "draining")[number % 3]
    headers = {"Authorization": f"Bearer {castor.tokens[sort]}"}
    body = chat_body(f"stream {number}", stream=True)
    async with session.post(f"{castor.base_url}/chat/completions", json=body, headers=headers) as response:
        assert response.status == 200
        begun = await response.content.readany()
        assert begun
        if number % 3 == 0:
            assert (begun + await response.content.read()).endswith(b"[DONE]\n\n")
        else:
            response.close()  # Which hangs up.


async def waves(castor: Castor, count: int) -> None:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        for wave in range(count):
            await asyncio.gather(*(one_stream(session, castor, wave * WAVE + number) for number in range(WAVE)))


class Worker:
    def __init__(self, castor: Castor, google_port: int) -> None:
        self._castor = castor
        [self._pid] = castor.workers()
        self._google = f"{google_port:04X}"

    def at_rest(self) -> dict[str, int]:
        """What is under way once nothing is, but for this very question."""
        self._castor.wait(lambda: self.counts()["requests"] == self.counts()["drained"] == 0, "at rest")
        return self.counts()

    def counts(self) -> dict[str, int]:
        return json.loads(self._castor.ask("GET", "/_counts")[2])

    @property
    def descriptors(self) -> int:
        """Without the connections to Google, which are kept to be used again."""
        kept = {row.split()[9] for row in self._sockets() if row.split()[2].endswith(f":{self._google}")}
        return sum(link.removeprefix("socket:[").removesuffix("]") not in kept for link in self._links())

    def _links(self) -> Iterator[str]:
        for link in Path(f"/proc/{self._pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # A file may be closed while they are looked at.
                yield os.readlink(link)

    def _sockets(self) -> list[str]:
        return Path(f"/proc/{self._pid}/net/tcp").read_text().splitlines()[1:]

    @property
    def memory(self) -> int:
        """Bytes that are resident."""
        [found] = re.findall(r"^VmRSS:\s+(\d+) kB", Path(f"/proc/{self._pid}/status").read_text(), re.MULTILINE)
        return int(found) * 1024


def test_a_thousand_streams_leave_nothing_behind(castor_alone, google):
    castor = castor_alone("tests.api.counted:application")
    google.script(text="one two three four five", tokens_per_chunk=1, chunk_delay=0.1, times=None)
    worker = Worker(castor, int(google.url.rpartition(":")[2]))
    asyncio.run(waves(castor, 2))
    before, descriptors, memory = worker.at_rest(), worker.descriptors, worker.memory
    asyncio.run(waves(castor, WAVES))
    after = worker.at_rest()
    assert {name: after[name] for name in ("requests", "calls", "drained")} == {"requests": 0, "calls": 0, "drained": 0}
    assert after["tasks"] == before["tasks"]
    castor.wait(lambda: worker.descriptors <= descriptors, "rid of its descriptors")
    # For a moment there is more of it, while records are written into the database.
    castor.wait(lambda: worker.counts()["blocks"] - before["blocks"] < TOLERATED_BLOCKS, "rid of its objects")
    print(f"{(worker.memory - memory) / MB:+.1f} MB")
    assert worker.memory - memory < TOLERATED
    assert outcomes(castor) == {(200, 0), (499, 0), (499, 1)}


def outcomes(castor: Castor) -> set[tuple[int, int]]:
    """(status, estimated) of the records, of which there is one for each stream."""
    query = "SELECT status, estimated, COUNT(*) AS many FROM openai_api_usagerecord GROUP BY status, estimated"
    castor.wait(lambda: sum(row["many"] for row in castor.rows(query)) == (2 + WAVES) * WAVE, "recorded")
    counted = Counter({(row["status"], row["estimated"]): row["many"] for row in castor.rows(query)})
    print(dict(counted))
    return set(counted)
