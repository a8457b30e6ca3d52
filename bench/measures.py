"""What is measured of one running server. Each measure is one number; the smaller the better."""

import asyncio
from dataclasses import dataclass
from statistics import median

from bench import load, processes
from bench.load import Target
from bench.systems import Running

AT_ONCE = 32


@dataclass(frozen=True)
class Size:
    """How much is done per round: seconds of whole answers, streams per measure, requests one by one, streams kept open."""

    seconds: int = 5
    streams: int = 320
    alone: int = 300
    open: int = 1000


FEW, MANY = 5, 105  # chunks of a stream; what 100 more of them cost is what a chunk costs
CHUNKS, PACE = 20, 10  # of the streams whose first byte is waited for: how many chunks, how many milliseconds apart


async def measure(running: Running, direct: Target, size: Size) -> dict[str, float]:
    """`direct`: the upstream itself, which is asked the same in turn, so that only what the server adds is counted."""
    idle = processes.memory(running.pid)
    await _one_by_one(running.target, 50)  # Warm: connections open, code paths seen.
    # First of all: once load has made the heap grow, streams would find room in it and seem to cost nothing.
    memory = await _memory_per_stream(running, size)
    return {
        "cpu_request": await _cpu_per_request(running, size),
        "cpu_chunk": await _cpu_per_chunk(running, size),
        "latency": await _added_latency(running.target, direct, size),
        "first_token": await _added_first_token(running.target, direct, size),
        "memory_idle": idle / 1024,
        "memory_stream": memory,
        "cold_start": running.cold_start,
    }


async def _cpu_per_request(running: Running, size: Size) -> float:
    """Microseconds, at 32 connections."""
    before = processes.cpu(running.pid)
    answered = await asyncio.to_thread(load.whole_answers, running.target, connections=AT_ONCE, seconds=size.seconds)
    return (processes.cpu(running.pid) - before) / answered


async def _cpu_per_chunk(running: Running, size: Size) -> float:
    """Microseconds: the slope between short and long streams, whose chunks come one by one, 3 ms apart."""
    spent = []
    for chunks in (FEW, MANY):
        before = processes.cpu(running.pid)
        await _streams(running.target, load.body(chunks=chunks, pace=3, stream=True), size.streams)
        spent.append(processes.cpu(running.pid) - before)
    return (spent[1] - spent[0]) / (size.streams * (MANY - FEW))


async def _added_latency(target: Target, direct: Target, size: Size) -> float:
    """Milliseconds that the median whole answer takes longer than from the upstream itself, one request at a time."""
    return (median(await _one_by_one(target, size.alone)) - median(await _one_by_one(direct, size.alone))) * 1000


async def _added_first_token(target: Target, direct: Target, size: Size) -> float:
    """Milliseconds that the median first byte of a stream comes later, with 32 streams running that begin one after another."""
    request = load.body(chunks=CHUNKS, pace=PACE, stream=True)
    apart = CHUNKS * PACE / 1000 / AT_ONCE
    firsts = [[first for first, _ in await _streams(where, request, size.streams, apart)] for where in (target, direct)]
    return (median(firsts[0]) - median(firsts[1])) * 1000


async def _memory_per_stream(running: Running, size: Size) -> float:
    """Resident KB that the worker grows by for each stream that is open and trickles."""
    before = processes.memory(running.pid)
    request = load.body(chunks=4, pace=2500, stream=True)
    clients = [await load.connect(running.target, request) for _ in range(size.open)]
    answers = [client.ask() for client in clients]
    await asyncio.sleep(5)  # Every one of them is between its second and its last chunk.
    after = processes.memory(running.pid)
    await _all(answers)
    _close(clients)
    return (after - before) / size.open


async def _one_by_one(target: Target, count: int) -> list[float]:
    client = await load.connect(target, load.body())
    totals = [(await client.ask())[1] for _ in range(count)]
    _close([client])
    return totals


async def _streams(target: Target, request: bytes, count: int, apart: float = 0) -> list[tuple[float, float]]:
    """`apart`: seconds between the first streams of two clients; each client begins its next when one has ended."""
    clients = [await load.connect(target, request) for _ in range(AT_ONCE)]

    async def repeat(number: int, client: load.Client) -> list[tuple[float, float]]:
        await asyncio.sleep(number * apart)
        return [await client.ask() for _ in range(count // AT_ONCE)]

    times = await _all(repeat(number, client) for number, client in enumerate(clients))
    _close(clients)
    return [time for several in times for time in several]


async def _all(waiting) -> list:
    return await asyncio.gather(*waiting)


def _close(clients: list[load.Client]) -> None:
    for client in clients:
        client.transport.close()
