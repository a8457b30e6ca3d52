"""POST /v1/embeddings: batches side by side, failover, limits and records."""

import asyncio
import json

import pytest

from credentials.health import Outcome
from credentials.roster import TokenEntry
from openai_api.errors import UpstreamUnavailable
from openai_api.exchange import Exchange
from openai_api.gateway import Gateway
from openai_api.orders.embeddings import Embeddings
from openai_api.side_by_side import MOST_AT_ONCE
from openai_api.translation.conversation import TextsToEmbed
from openai_api.translation.events import Finished, Usage, UsageReport, Vectors
from openai_api.upstream.base import Prepared
from openai_api.usage import UsageLog
from tests.api.server import TWO_KEYS
from tests.api.upstreams import refusal
from tests.credentials.pools import key, pool_of

MODEL = "gemini-embedding-2"
EMBED = "batchEmbedContents"


def embed(castor, given="a", *, token: str | None = None, headers: dict[str, str] | None = None, **fields):
    body = {"model": MODEL, "input": given, "dimensions": 128, **fields}
    status, answered, content = castor.ask("POST", "/v1/embeddings", body, token=token, **(headers or {}))
    return status, answered, json.loads(content)


class Batches:
    """An upstream that takes one text at a time."""

    def upstream_for(self, model, roster):
        return self

    def prepare_embeddings(self, asked, roster):
        return tuple(Prepared(model=asked.model, body=b"%d" % number, inputs=1) for number in range(len(asked.texts)))


class ThreeBatches(Batches):
    """Answers a batch only once all three have been asked for; `fault` is the second's."""

    def __init__(self, fault: Exception | None = None) -> None:
        self._fault = fault
        self._all = asyncio.Barrier(3)

    async def embed(self, prepared, entry, *, new_call_id, seconds):
        await self._all.wait()
        if self._fault is not None and prepared.body == b"1":
            raise self._fault
        yield [Vectors(()), UsageReport(Usage(prompt=10 + int(prepared.body))), Finished("stop")]


@pytest.fixture
def exchange_with(settings):
    settings.RETRY_DELAY, settings.MAX_RETRIES = 1, 0

    def exchange_with(upstream: Batches) -> Exchange:
        gateway = Gateway(pool_of(key(1), key(2)))
        gateway.usage = UsageLog([])
        gateway.registry = upstream
        token = TokenEntry(id=1, owner_id=1, digest="", label="")
        return Exchange(gateway, token, dialect="embeddings", stream=False, request_id="req-1", strict=False)

    return exchange_with


ORDER = Embeddings(TextsToEmbed(MODEL, ("a", "b", "c")))


async def test_batches_are_asked_for_side_by_side(exchange_with):
    exchange = exchange_with(ThreeBatches())
    async with asyncio.timeout(20):
        await exchange.open(ORDER)
        async with exchange:
            answers = await exchange.collect()
    reports = [event.usage.prompt for batch in answers for event in batch if isinstance(event, UsageReport)]
    assert reports == [10, 11, 12]


async def test_where_one_batch_fails_the_request_does(exchange_with):
    exchange = exchange_with(ThreeBatches(refusal(Outcome.UPSTREAM_FAILED)))
    with pytest.raises(UpstreamUnavailable):
        async with asyncio.timeout(20):
            await exchange.open(ORDER)
    assert exchange._gateway.pool.in_flight == {}


class Crowd(Batches):
    """Remembers how many were asked for at the same time."""

    now = most = 0

    async def embed(self, prepared, entry, *, new_call_id, seconds):
        self.now += 1
        self.most = max(self.most, self.now)
        for _ in range(50):
            await asyncio.sleep(0)
        self.now -= 1
        yield [Vectors(()), Finished("stop")]


async def test_no_request_has_more_than_some_batches_under_way(exchange_with):
    crowd = Crowd()
    exchange = exchange_with(crowd)
    await exchange.open(Embeddings(TextsToEmbed(MODEL, ("a",) * (2 * MOST_AT_ONCE))))
    async with exchange:
        assert len(await exchange.collect()) == 2 * MOST_AT_ONCE
    assert crowd.most == MOST_AT_ONCE


def test_a_batch_that_fails_is_asked_of_another_key(castor, google):
    google.script(error="overloaded", method=EMBED)
    status, headers, body = embed(castor, [f"text {number}" for number in range(150)])
    assert (status, headers["x-castor-attempts"], len(body["data"])) == (200, "3", 150)
    assert len({call.key for call in google.log}) > 1


@pytest.mark.parametrize("vectors", [[], [{"values": []}], [{"values": [1.0]}] * 2, [{"values": "none"}]], ids=str)
def test_an_answer_that_lacks_a_vector_is_asked_for_again(castor, google, vectors):
    google.script(status=200, body={"embeddings": vectors}, method=EMBED)
    status, headers, _ = embed(castor)
    assert (status, headers["x-castor-attempts"]) == (200, "2")


def test_a_quota_for_embeddings_that_is_used_up_says_so_and_leaves_chats_alone(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    with google.scripted(error="day_quota", method=EMBED):
        status, headers, body = embed(castor)
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(headers["retry-after"]) > 0
    assert len([call for call in google.log if call.method == EMBED]) == 2
    assert embed(castor)[0] == 429
    assert embed(castor, model="gemini-embedding-001")[0] == 200
    assert castor.chat()[0] == 200


def test_a_request_is_recorded_with_its_tokens(castor, google):
    _, _, body = embed(castor, ["one two", "three"], headers={"X-Request-ID": "embed-1"}, model="text-embedding-3-large")
    [record] = castor.usage("embed-1")
    assert (record["dialect"], record["model_asked"], record["model_served"]) == ("embeddings", "text-embedding-3-large", MODEL)
    assert record["prompt_tokens"] == body["usage"]["prompt_tokens"] == 3
    assert (record["status"], record["attempts"], record["completion_tokens"]) == (200, 1, 0)


def test_tokens_that_google_does_not_count_are_estimated(castor, google):
    google.script(status=200, body={"embeddings": [{"values": [1.0] * 128}]}, method=EMBED)
    _, _, body = embed(castor, "a text of 24 characters.")
    assert body["usage"] == {"prompt_tokens": 6, "total_tokens": 6}


def test_a_token_that_may_not_use_the_model_is_refused(castor, google):
    status, _, body = embed(castor, token=castor.tokens["flash"])
    assert (status, body["error"]["code"]) == (403, "model_not_allowed")
    assert not list(google.log)


def test_what_is_left_out_is_named_and_refused_where_asked(castor, google):
    status, headers, _ = embed(castor, priority="high")
    assert (status, headers["x-castor-dropped"]) == (200, "priority")
    status, _, body = embed(castor, priority="high", headers={"X-Castor-Strict": "true"})
    assert (status, body["error"]["param"]) == (400, "priority")
    assert len(google.log) == 1


def test_what_google_refuses_is_passed_on_and_not_asked_again(castor, google):
    google.script(
        status=400, body={"error": {"code": 400, "message": "No such thing.", "status": "INVALID_ARGUMENT"}}, method=EMBED
    )
    status, headers, body = embed(castor)
    assert (status, body["error"]["message"], headers["x-castor-attempts"]) == (400, "No such thing.", "1")


def test_vectors_are_only_asked_for_by_post(castor):
    assert castor.ask("GET", "/v1/embeddings")[0] == 405
    assert castor.ask("POST", "/v1/embeddings", {"model": MODEL, "input": "a"}, token="")[0] == 401
