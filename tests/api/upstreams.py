"""An upstream on plain memory: each attempt follows a script."""

import asyncio
import time

from credentials.health import Outcome
from credentials.roster import Roster
from openai_api.relay import Limits, Relay
from openai_api.translation.events import Finished, TextDelta, Usage, UsageReport
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.gemini import Gemini
from openai_api.upstream.refusals import Refusal
from tests.credentials.pools import FLASH

GOOD = [[TextDelta("Hel")], [TextDelta("lo"), UsageReport(Usage(prompt=1, completion=2, total=3)), Finished("stop", "STOP")]]
SILENCE = "silence"


def refusal(outcome: Outcome, *, status: int = 503, retry_after: float | None = None) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=outcome, status=status, message=f"it was {outcome}", retry_after=retry_after))


def prepare(conversation) -> Prepared:
    """As for a pool that has keys only."""
    return Gemini(None, None, None).prepare(conversation, Roster())


class ScriptedUpstream:
    """`scripts` are what the attempts meet, in order: lists of batches, an exception or SILENCE (until time is up) among them."""

    def __init__(self, *scripts) -> None:
        self.scripts = list(scripts)
        self.asked: list[int] = []
        self.closed = 0
        self.was_asked = asyncio.Event()

    async def ask(self, prepared, entry, *, new_call_id, seconds):
        self.asked.append(entry.id)
        self.was_asked.set()
        try:
            for step in self.scripts.pop(0):
                if isinstance(step, Exception):
                    raise step
                if step == SILENCE:
                    await self._silence(seconds)
                yield step
        finally:
            self.closed += 1

    async def _silence(self, seconds):
        try:
            await asyncio.wait_for(asyncio.Event().wait(), seconds)
        except TimeoutError:
            raise refusal(Outcome.UPSTREAM_FAILED, status=504) from None


def relay_of(pool, upstream, *, whole=False, stops=(), model=FLASH, tokens=0, clock=time.time, **limits) -> Relay:
    limits.setdefault("retry_delay", 0.001)
    prepared = Prepared(model=model, body=b"{}", stops=stops, tokens=tokens)
    return Relay(
        pool,
        upstream.ask,
        prepared,
        whole=whole,
        limits=Limits(**limits),
        started=time.monotonic(),
        new_call_id=lambda: "call_1",
        clock=clock,
    )


async def read_all(relay: Relay) -> list:
    """Everything that the caller would see, from opening to closing."""
    try:
        await relay.open()
        events = []
        while (batch := await relay.read()) is not None:
            events += batch
        return events
    finally:
        await relay.close()
