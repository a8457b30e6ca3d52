"""One request from its conversation to its record, on a scripted upstream."""

import asyncio

import msgspec
import pytest
from msgspec.structs import replace

from credentials.health import Outcome
from credentials.roster import TokenEntry
from openai_api.errors import DeadlineExceeded, ModelNotFound, StrictRefusal, UpstreamUnavailable
from openai_api.exchange import Exchange
from openai_api.gateway import Gateway
from openai_api.orders.conversations import Completions
from openai_api.streaming import AnswerStream, as_it_comes
from openai_api.translation import chat
from openai_api.translation.conversation import Notice, RemoteMedia, Turn
from openai_api.translation.events import TextDelta, Usage, UsageReport
from openai_api.upstream.base import Prepared
from openai_api.usage import Entry, UsageLog
from tests.api.upstreams import GOOD, SILENCE, ScriptedUpstream, refusal
from tests.credentials.pools import FLASH, key, pool_of

ASKED = chat.read_request(msgspec.json.encode({"model": FLASH, "messages": [{"role": "user", "content": "hi"}]}))
SPENT = [TextDelta("Hel"), UsageReport(Usage(prompt=10, completion=5, total=15))]


class Everything(ScriptedUpstream):
    """An upstream for every model."""

    def prepare(self, conversation, roster, *, counts=False):
        return Prepared(model=conversation.model, body=b"{}")

    def upstream_for(self, model, roster):
        return self


class Lines(list):
    """A journal in memory."""

    def records(self) -> list[Entry]:
        return [entry for line in self if (entry := msgspec.json.decode(line, type=Entry)).ended]


@pytest.fixture
def journal():
    return Lines()


@pytest.fixture
def exchange_with(journal, settings):
    settings.RETRY_DELAY = 1

    def exchange_with(*scripts, stream=False, strict=False, upstream=Everything, **limits) -> Exchange:
        gateway = Gateway(pool_of(key(1), key(2)))
        gateway.limits = replace(gateway.limits, **limits)
        gateway.usage = UsageLog(journal)
        gateway.registry = upstream(*scripts)
        token = TokenEntry(id=1, owner_id=1, digest="", label="")
        return Exchange(gateway, token, dialect="chat", stream=stream, request_id="req-1", strict=strict)

    return exchange_with


def stream_of(exchange: Exchange, choices: int) -> AnswerStream:
    writer = chat.Writer(replace(ASKED, choices=choices), id="chatcmpl-1", created=0, model=FLASH)
    return AnswerStream(as_it_comes(writer, exchange), exchange)


async def test_a_stream_that_is_left_between_two_writes_ends_all_its_calls(exchange_with, journal):
    exchange = exchange_with([GOOD[0], GOOD[0], SILENCE], [GOOD[0], SILENCE], stream=True)
    await exchange.open(Completions(ASKED.conversation, 2))
    stream = stream_of(exchange, 2)
    await anext(stream.body)
    await anext(stream.body)
    await asyncio.sleep(0.01)  # As long as the write takes, further pieces are waited for.
    await stream.aclose()
    assert exchange._gateway.pool.in_flight == {}
    assert exchange._gateway.registry.closed == 2
    assert [record.status for record in journal.records()] == [499]


class InterruptedWhileClosing(Everything):
    async def ask(self, prepared, entry, *, new_call_id, seconds):
        try:
            async for batch in super().ask(prepared, entry, new_call_id=new_call_id, seconds=seconds):
                yield batch
        finally:
            raise asyncio.CancelledError


async def test_an_interruption_while_one_call_closes_leaves_no_other_open_and_no_record_unwritten(exchange_with, journal):
    exchange = exchange_with([GOOD[0], SILENCE], [GOOD[0], SILENCE], stream=True, upstream=InterruptedWhileClosing)
    await exchange.open(Completions(ASKED.conversation, 2))
    await asyncio.gather(exchange.settle(), return_exceptions=True)
    assert exchange._gateway.pool.in_flight == {}
    assert len(journal.records()) == 1


async def test_the_tokens_of_attempts_that_failed_are_counted_too(exchange_with, journal):
    exchange = exchange_with([SPENT, refusal(Outcome.UPSTREAM_FAILED)], GOOD)
    await exchange.open(Completions(ASKED.conversation))
    async with exchange:
        await exchange.collect()
    [record] = journal.records()
    assert (record.status, record.attempts, record.prompt_tokens, record.completion_tokens) == (200, 2, 11, 7)


async def test_the_tokens_of_a_request_that_failed_altogether_are_counted(exchange_with, journal):
    exchange = exchange_with([SPENT, refusal(Outcome.UPSTREAM_FAILED)], retries=0)
    with pytest.raises(UpstreamUnavailable):
        await exchange.open(Completions(ASKED.conversation))
    [record] = journal.records()
    assert (record.status, record.prompt_tokens, record.completion_tokens) == (503, 10, 5)


async def test_the_tokens_of_a_whole_answer_whose_client_left_are_counted(exchange_with, journal):
    exchange = exchange_with([SPENT, SILENCE])
    opening = asyncio.create_task(exchange.open(Completions(ASKED.conversation)))
    await exchange._gateway.registry.was_asked.wait()
    opening.cancel()
    await asyncio.gather(opening, return_exceptions=True)
    [record] = journal.records()
    assert (record.status, record.prompt_tokens, record.completion_tokens) == (499, 10, 5)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_fault_of_ours_is_not_put_down_to_the_client(exchange_with, journal, stream):
    exchange = exchange_with([GOOD[0], ZeroDivisionError()], stream=stream)

    async def serve():
        await exchange.open(Completions(ASKED.conversation))
        async for _ in stream_of(exchange, 1).body:
            pass

    with pytest.raises(ZeroDivisionError):
        await serve()
    [record] = journal.records()
    assert (record.status, record.error) == (500, "ZeroDivisionError")
    assert exchange._gateway.pool.in_flight == {}


async def test_a_name_longer_than_any_models_is_refused_and_recorded_in_short(exchange_with, journal):
    exchange = exchange_with()
    with pytest.raises(ModelNotFound) as caught:
        await exchange.open(Completions(replace(ASKED.conversation, model="gemini-" + "x" * 1_000_000)))
    assert len(caught.value.message) < 1000
    assert len(journal.records()[0].model_asked) <= 200


async def test_the_deadline_counts_from_the_requests_arrival(exchange_with, journal):
    exchange = exchange_with(GOOD, deadline=100.0)
    exchange._started -= 99.0
    await exchange.open(Completions(ASKED.conversation))
    assert exchange._relays[0]._time_left() <= 1.0
    await exchange.settle()


class Fetcher:
    """Notes that it was asked, and never ends."""

    asked = 0

    async def fetch_all(self, conversation):
        self.asked += 1
        await asyncio.Event().wait()


WITH_PICTURE = replace(ASKED.conversation, turns=(Turn("user", (RemoteMedia("https://example.com/a.png", "messages[0]"),)),))


async def test_the_deadline_holds_while_files_are_fetched(exchange_with, journal):
    exchange = exchange_with(deadline=0.02)
    exchange._gateway.fetcher = Fetcher()
    with pytest.raises(DeadlineExceeded):
        await asyncio.wait_for(exchange.open(Completions(WITH_PICTURE)), 5)
    assert [record.status for record in journal.records()] == [504]


async def test_what_strictness_refuses_at_sight_is_not_fetched_first(exchange_with):
    exchange = exchange_with(strict=True)
    exchange._gateway.fetcher = fetcher = Fetcher()
    with pytest.raises(StrictRefusal):
        await asyncio.wait_for(exchange.open(Completions(WITH_PICTURE), notices=[Notice("logit_bias", "unknown")]), 5)
    assert fetcher.asked == 0
