"""Clients that hang up, on a scripted upstream: what is ended, what is read to its end, and what the record says it has used."""

import asyncio
from contextlib import asynccontextmanager, suppress

import pytest
from msgspec.structs import replace

from credentials.health import Outcome
from credentials.roster import TokenEntry
from openai_api.draining import Drains
from openai_api.exchange import Exchange
from openai_api.gateway import Gateway
from openai_api.orders.conversations import Completions, InputTokens
from openai_api.streaming import AnswerStream, as_it_comes
from openai_api.translation import chat
from openai_api.translation.events import Finished, TextDelta, Usage, UsageReport
from openai_api.usage import UsageLog
from tests.api.test_exchange import ASKED, Everything, Lines
from tests.api.upstreams import SILENCE, prepare, refusal
from tests.credentials.pools import FLASH, key, pool_of
from tests.upstream.command_lines import HELLO, asking, children, cli_of, leave_out_others, prepared, program, until

SAID = TextDelta("eight ch")
LAGGING = UsageReport(Usage(prompt=10, completion=1, total=11))
EXACT = [UsageReport(Usage(prompt=10, completion=5, total=15)), Finished("stop", "STOP")]


class Gated(Everything):
    """An upstream whose scripts may have events in them, which are waited for."""

    async def ask(self, prepared, entry, *, new_call_id, seconds):
        async for step in super().ask(prepared, entry, new_call_id=new_call_id, seconds=seconds):
            if isinstance(step, asyncio.Event):
                await step.wait()
            else:
                yield step

    count = ask

    def prepare(self, conversation, roster, *, counts=False):
        return replace(prepare(conversation), free=counts)


class Left:
    """A request whose client has left, or is about to."""

    def __init__(self, journal: Lines, upstream: Gated, *, keys: int = 2, most: int = 10, stream: bool = True, **limits) -> None:
        self.gateway = Gateway(pool_of(*(key(number, max_concurrent=8) for number in range(1, keys + 1))))
        self.gateway.limits = replace(self.gateway.limits, **{"retry_delay": 0.001} | limits)
        self.gateway.usage = UsageLog(journal)
        self.gateway.drains = Drains(most)
        self.gateway.registry = self.upstream = upstream
        token = TokenEntry(id=1, owner_id=1, digest="", label="")
        self.stream = stream
        self.exchange = Exchange(self.gateway, token, dialect="chat", stream=stream, request_id="req-1", strict=False)
        self.chunks: list[bytes] = []
        self.wrote = asyncio.Event()

    async def serve(self, choices: int = 1) -> None:
        order = Completions(replace(ASKED.conversation, model=FLASH), choices)
        await self.exchange.open(order)
        if not self.stream:
            async with self.exchange:
                await self.exchange.collect()
            return
        writer = chat.Writer(replace(ASKED, choices=choices), id="chatcmpl-1", created=0, model=FLASH)
        stream = AnswerStream(as_it_comes(writer, self.exchange), self.exchange)
        try:
            async for chunk in stream.body:
                self.chunks.append(chunk)
                self.wrote.set()
        finally:
            await stream.aclose()

    def hang_up(self, task: asyncio.Task, *, drains: bool) -> bool:
        """As the watch does it. Whether it is drained."""
        drained = drains and self.exchange.abandon()
        if not drained:
            task.cancel()
        return drained

    @property
    def is_over(self) -> bool:
        return self.gateway.pool.in_flight == {} and self.gateway.drains.under_way == 0


@asynccontextmanager
async def serving(left: Left, choices: int = 1):
    task = asyncio.create_task(left.serve(choices))
    try:
        yield task
        with suppress(asyncio.CancelledError):
            await asyncio.wait_for(task, 10)
    finally:
        task.cancel()


@pytest.fixture
def journal():
    return Lines()


def told(journal: Lines) -> tuple:
    """(status, prompt, completion, estimated) of the one record."""
    [record] = journal.records()
    return record.status, record.prompt_tokens, record.completion_tokens, record.estimated


# --- Read to the end -----------------------------------------------------------------------------------------------------


async def test_a_stream_is_read_to_its_end_and_nothing_more_is_written(journal):
    rest = asyncio.Event()
    left = Left(journal, Gated([[SAID], [LAGGING], rest, [SAID], EXACT]))
    async with serving(left) as task:
        await left.wrote.wait()
        written = len(left.chunks)
        assert left.hang_up(task, drains=True)
        assert left.gateway.drains.under_way == 1
        assert sum(left.gateway.pool.in_flight.values()) == 1
        rest.set()
    assert told(journal) == (499, 10, 5, False)
    assert len(left.chunks) == written
    assert left.is_over


async def test_a_whole_answer_is_read_to_its_end_and_not_kept(journal):
    rest = asyncio.Event()
    left = Left(journal, Gated([[SAID], rest, [SAID], EXACT]), stream=False)
    async with serving(left) as task:
        await left.upstream.was_asked.wait()
        await until(lambda: left.exchange._relays[0]._held)
        assert left.hang_up(task, drains=True)
        assert not left.exchange._relays[0]._held
        rest.set()
        await until(lambda: left.exchange._settled)
        assert not left.exchange._relays[0]._held
    assert told(journal) == (499, 10, 5, False)
    assert left.is_over


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_client_that_leaves_before_the_first_token_is_metered_exactly(journal, stream):
    first = asyncio.Event()
    left = Left(journal, Gated([first, [SAID], EXACT]), stream=stream)
    async with serving(left) as task:
        await left.upstream.was_asked.wait()
        assert left.hang_up(task, drains=True)
        first.set()
    assert told(journal) == (499, 10, 5, False)
    assert left.chunks == []
    assert left.is_over


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("moment", ["before", "amid"])
async def test_of_several_choices_each_is_read_to_its_end(journal, stream, moment):
    first, rest = asyncio.Event(), asyncio.Event()
    left = Left(journal, Gated(*[[first, [SAID], rest, [SAID], EXACT]] * 3), stream=stream)
    async with serving(left, 3) as task:
        await until(lambda: len(left.upstream.asked) == 3)
        if moment == "amid":
            first.set()
            await until(lambda: left.wrote.is_set() or not stream)
        assert left.hang_up(task, drains=True)
        first.set()
        rest.set()
    assert told(journal) == (499, 30, 15, False)
    assert left.upstream.closed == 3
    assert left.is_over


async def test_one_choice_that_fails_afterwards_leaves_the_others_to_be_read(journal):
    first, rest = asyncio.Event(), asyncio.Event()
    broken = [first, [SAID], rest, refusal(Outcome.UPSTREAM_FAILED)]
    left = Left(journal, Gated(broken, [first, [SAID], rest, [SAID], EXACT]))
    async with serving(left, 2) as task:
        first.set()
        await left.wrote.wait()
        assert left.hang_up(task, drains=True)
        rest.set()
    assert told(journal) == (499, 10, 5, False)
    assert left.is_over


async def test_nobody_else_is_asked_once_the_client_has_left_but_the_refusal_is_learned(journal):
    first = asyncio.Event()
    left = Left(journal, Gated([first, refusal(Outcome.DAY_QUOTA, status=429)], [[SAID], EXACT]))
    async with serving(left) as task:
        await left.upstream.was_asked.wait()
        assert left.hang_up(task, drains=True)
        first.set()
    assert told(journal) == (499, 0, 0, False)
    assert len(left.upstream.asked) == 1
    assert [change.rest.reason for change in left.gateway.pool.learned.changes] == ["day_quota"]
    assert left.is_over


async def test_a_choice_that_waits_for_a_credential_is_given_up_and_the_other_is_read(journal):
    first = asyncio.Event()
    left = Left(journal, Gated([first, [SAID], EXACT]))
    left.gateway.pool.install(replace(left.gateway.pool.roster, entries=(key(1, max_concurrent=1),)), {})
    async with serving(left, 2) as task:
        await until(lambda: any(relay._waiting for relay in left.exchange._relays))
        assert left.hang_up(task, drains=True)
        first.set()
    assert told(journal) == (499, 10, 5, False)
    assert len(left.upstream.asked) == 1
    assert left.is_over


async def test_what_is_read_to_its_end_heals_as_any_other(journal):
    first = asyncio.Event()
    left = Left(journal, Gated([refusal(Outcome.UPSTREAM_FAILED)], [first, [SAID], EXACT]), keys=2)
    async with serving(left) as task:
        await until(lambda: len(left.upstream.asked) == 2)
        assert left.hang_up(task, drains=True)
        first.set()
    assert told(journal) == (499, 10, 5, False)
    assert left.gateway.pool.learned.tallies[left.upstream.asked[1]].answered


async def test_an_answer_that_does_not_end_is_left_at_the_deadline_and_estimated(journal):
    left = Left(journal, Gated([[SAID], SILENCE]), deadline=0.2)
    async with serving(left) as task:
        await left.wrote.wait()
        assert left.hang_up(task, drains=True)
    status, prompt, completion, estimated = told(journal)
    assert (status, completion, estimated) == (499, 2, True)
    assert prompt > 0
    assert left.is_over


async def test_beyond_the_most_that_may_be_read_to_their_ends_a_call_is_ended(journal):
    left = Left(journal, Gated([[SAID], SILENCE]), most=0)
    async with serving(left) as task:
        await left.wrote.wait()
        assert not left.hang_up(task, drains=True)
    assert told(journal)[0::3] == (499, True)
    assert left.upstream.closed == 1
    assert left.is_over


@pytest.mark.parametrize("choices", [1, 2])
@pytest.mark.parametrize("moment", ["before", "amid"])
async def test_when_castor_stops_what_is_being_read_is_cut_and_recorded(journal, choices, moment):
    script = [SILENCE] if moment == "before" else [[SAID], SILENCE]
    left = Left(journal, Gated(*[script] * choices))
    async with serving(left, choices) as task:
        await until(lambda: len(left.upstream.asked) == choices)
        if moment == "amid":
            await left.wrote.wait()
        assert left.hang_up(task, drains=True)
        await asyncio.sleep(0.01)
        task.cancel()
    assert told(journal)[0::3] == (499, True)
    assert left.upstream.closed == choices
    assert left.is_over


# --- Ended at once -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "completion"),
    [
        ([SILENCE], 0),
        ([[SAID], SILENCE], 2),
        ([[SAID], [TextDelta("ein Fuß")], SILENCE], 4),
    ],
    ids=["before the first token", "after eight letters", "after more"],
)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_what_was_used_is_estimated_where_nothing_was_told(journal, script, completion, stream):
    left = Left(journal, Gated(script), stream=stream)
    async with serving(left) as task:
        await left.upstream.was_asked.wait()
        await asyncio.sleep(0.01)
        left.hang_up(task, drains=False)
    assert told(journal) == (499, 1, completion, True)  # "hi" is one token.
    assert left.upstream.closed == 1
    assert left.is_over


async def test_what_was_reported_last_is_taken_and_marked_since_it_may_lag(journal):
    left = Left(journal, Gated([[SAID, LAGGING], [SAID], SILENCE]))
    async with serving(left) as task:
        await left.wrote.wait()
        left.hang_up(task, drains=False)
    assert told(journal) == (499, 10, 1, True)


@pytest.mark.parametrize("drains", [False, True])
async def test_who_still_waits_for_a_credential_has_used_nothing(journal, drains):
    left = Left(journal, Gated())
    left.gateway.pool.in_flight[1] = left.gateway.pool.in_flight[2] = 8
    async with serving(left) as task:
        await until(lambda: left.exchange._relays and left.exchange._relays[0]._waiting)
        assert not left.hang_up(task, drains=drains)
    assert told(journal) == (499, 0, 0, False)
    assert left.upstream.asked == []


@pytest.mark.parametrize("drains", [False, True])
async def test_counting_tokens_is_free_also_for_who_leaves(journal, drains):
    left = Left(journal, Gated([SILENCE]))
    task = asyncio.create_task(left.exchange.open(InputTokens(ASKED.conversation)))
    await left.upstream.was_asked.wait()
    assert not left.hang_up(task, drains=drains)
    await asyncio.gather(task, return_exceptions=True)
    assert told(journal) == (499, 0, 0, False)


async def test_who_leaves_the_gemini_cli_leaves_no_process_and_an_estimate(journal, tmp_path):
    file = program(tmp_path, f"say({HELLO!r})\ntime.sleep(600)\n")
    cli = cli_of(file)
    leave_out_others()

    class OnlyCli(Everything):
        ask = cli.ask

        def prepare(self, conversation, roster, *, counts=False):
            return prepared(asking("hello"))

    left = Left(journal, OnlyCli())
    left.gateway.pool.install(replace(left.gateway.pool.roster, entries=(key(1),)), {})
    async with serving(left) as task:
        await asyncio.wait_for(left.wrote.wait(), 20)
        left.hang_up(task, drains=False)
    status, prompt, completion, estimated = told(journal)
    assert (status, completion, estimated) == (499, 2, True)
    assert prompt > 0
    assert children() == []
    assert left.is_over
