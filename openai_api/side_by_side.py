"""What is done with several calls of one request at a time."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from openai_api.errors import GatewayError
from openai_api.relay import Relay
from openai_api.translation.events import Event

MOST_AT_ONCE = 8
"""Calls of one request: their answers lie in memory side by side, and other requests want credentials too."""


async def all_open(relays: list[Relay]) -> None:
    """Open all of them; once one cannot be, the others are given up."""
    if len(relays) == 1:
        await relays[0].open()
    else:
        await _open_side_by_side(relays)


async def some_open(relays: list[Relay]) -> tuple[list[Relay], list[GatewayError]]:
    """(those that are open, why others are not). Raises the first such reason where not one is."""
    outcomes = await _open_side_by_side(relays, each_for_itself=True)
    failures: list[GatewayError] = []
    for outcome in outcomes:
        if isinstance(outcome, GatewayError):
            failures.append(outcome)
        elif outcome is not None:
            raise outcome
    if len(failures) == len(relays):
        raise failures[0]
    return [relay for relay, outcome in zip(relays, outcomes, strict=True) if outcome is None], failures


async def _open_side_by_side(relays: list[Relay], *, each_for_itself: bool = False) -> list[BaseException | None]:
    turns = asyncio.Semaphore(MOST_AT_ONCE)

    async def open_one(relay: Relay) -> None:
        async with turns:
            await relay.open()
        # Another may be waiting for the place that this one holds, and nothing is read by others until all are open.
        relay.read_ahead(lambda: not all(task.done() for task in opening))

    opening = [asyncio.ensure_future(open_one(relay)) for relay in relays]
    try:
        return await asyncio.gather(*opening, return_exceptions=each_for_itself)
    finally:
        for relay, task in zip(relays, opening, strict=True):
            if not relay.is_abandoned or is_cancelled():  # Otherwise it ends what it is at, and does nothing more.
                task.cancel()
        await asyncio.gather(*opening, return_exceptions=True)


async def close_all(relays: Sequence[Relay]) -> None:
    """Close every one, also if closing another is interrupted."""
    if relays:
        try:
            await relays[0].close()
        finally:
            await close_all(relays[1:])


async def merged(relays: list[Relay]) -> AsyncGenerator[tuple[int, list[Event]], None]:
    """What several relays give, in the order in which it comes. The slow reader's pace holds for all of them."""
    reading = {asyncio.ensure_future(relay.read()): index for index, relay in enumerate(relays)}
    try:
        while reading:
            done, _ = await asyncio.wait(reading, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                index = reading.pop(task)
                if (batch := task.result()) is not None:
                    reading[asyncio.ensure_future(relays[index].read())] = index
                    yield index, batch
    finally:
        for task, index in reading.items():
            if not relays[index].is_abandoned or is_cancelled():  # Otherwise it is read on afterwards.
                task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)


async def drain_all(relays: Sequence[Relay]) -> None:
    """Read every one to its end. Raises what is a fault of ours."""
    if len(relays) == 1:
        await relays[0].drain()
        return
    for outcome in await asyncio.gather(*(relay.drain() for relay in relays), return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


def is_cancelled() -> bool:
    """Whether the task itself is to end: its client has left for good, time is up, or Castor stops."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
