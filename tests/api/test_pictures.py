"""Pictures: several of them where some fail, links that end, and Imagen where an upstream still has it."""

import asyncio
import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from credentials.health import Outcome
from credentials.roster import Roster, TokenEntry
from openai_api.errors import UpstreamUnavailable
from openai_api.exchange import Exchange
from openai_api.gateway import Gateway
from openai_api.orders.pictures import Pictures
from openai_api.tasks import forget_expired_media
from openai_api.translation.conversation import Notice, PicturesToMake
from openai_api.translation.events import DraftDelta, Finished, MediaDelta, Usage, UsageReport
from openai_api.upstream.base import Prepared
from openai_api.upstream.gemini import Gemini
from openai_api.usage import UsageLog
from tests.api.server import HOME
from tests.api.upstreams import refusal
from tests.credentials.pools import key, pool_of

MODEL = "gemini-3.1-flash-image"
PICTURE = [MediaDelta("image/png", "aGk="), UsageReport(Usage(prompt=3, completion=7, total=10)), Finished("stop", "STOP")]


def generate(castor, **fields):
    status, headers, body = castor.ask("POST", "/v1/images/generations", {"model": MODEL, "prompt": "a fox", **fields})
    return status, headers, json.loads(body)


def measured(data: str) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(data))).size


class Painter:
    """An upstream whose n-th call gives the n-th of `answers`, or raises it."""

    def __init__(self, *answers) -> None:
        self.answers = answers

    def upstream_for(self, model, roster):
        return self

    def prepare_pictures(self, wanted, roster):
        notices = (Notice("size", "too large"),)
        return tuple(Prepared(wanted.model, b"%d" % number, notices=notices) for number in range(wanted.count))

    async def draw(self, prepared, entry, *, new_call_id, seconds):
        answer = self.answers[int(prepared.body)]
        if isinstance(answer, Exception):
            raise answer
        for event in answer:
            yield [event]


@pytest.fixture
def exchange_with(settings):
    settings.RETRY_DELAY, settings.MAX_RETRIES = 1, 0

    def exchange_with(upstream: Painter, *, stream: bool = False) -> Exchange:
        gateway = Gateway(pool_of(key(1), key(2)))
        gateway.usage = UsageLog([])
        gateway.registry = upstream
        token = TokenEntry(id=1, owner_id=1, digest="", label="")
        return Exchange(gateway, token, dialect="images", stream=stream, request_id="req-1", strict=False)

    return exchange_with


def order(count: int, *, drafts: bool = False) -> Pictures:
    return Pictures(PicturesToMake(MODEL, "a fox", count, drafts=drafts))


FAILED = refusal(Outcome.UPSTREAM_FAILED)


async def test_the_answers_of_those_that_succeed_are_read_and_the_failures_of_others_told(exchange_with):
    exchange = exchange_with(Painter(FAILED, PICTURE, FAILED))
    async with asyncio.timeout(20):
        await exchange.open(order(3))
        async with exchange:
            answers = await exchange.collect()
    assert answers == [PICTURE]
    assert [type(error) for error in exchange.failures] == [UpstreamUnavailable] * 2
    assert exchange.headers["X-Castor-Failed"] == f"2: {exchange.failures[0].message}"
    assert exchange.headers["X-Castor-Attempts"] == "3"
    assert exchange.headers["X-Castor-Dropped"] == "size"
    assert exchange._entry.status == 200
    assert exchange._gateway.pool.in_flight == {}


REFUSED = [UsageReport(Usage(prompt=3, total=3)), Finished("content_filter", "IMAGE_SAFETY", "No.")]


async def test_a_refusal_changes_nothing_about_the_credential(exchange_with):
    exchange = exchange_with(Painter(*[REFUSED] * 10))
    pool = exchange._gateway.pool
    await exchange.open(order(10))
    async with exchange:
        assert await exchange.collect() == [REFUSED] * 10
    assert exchange.headers["X-Castor-Attempts"] == "10"
    assert list(pool.rests_for(MODEL, kinds=frozenset({"api_key"}))) == []


async def test_where_none_succeeds_the_request_fails(exchange_with):
    exchange = exchange_with(Painter(FAILED, FAILED))
    with pytest.raises(UpstreamUnavailable):
        await exchange.open(order(2))
    assert exchange._entry.status == 503
    assert exchange._gateway.pool.in_flight == {}


class Silent(Painter):
    """One call fails at once, and the other never ends."""

    def __init__(self) -> None:
        super().__init__(FAILED, PICTURE)
        self.left = False

    async def draw(self, prepared, entry, *, new_call_id, seconds):
        if prepared.body == b"0":
            raise FAILED
        try:
            await asyncio.Event().wait()
            yield []
        finally:
            self.left = True


async def test_a_client_that_leaves_while_some_are_made_ends_them(exchange_with):
    exchange = exchange_with(Silent())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await exchange.open(order(2))
    assert exchange._gateway.registry.left
    assert exchange._gateway.pool.in_flight == {}
    assert exchange._entry.status == 499


async def test_a_stream_without_drafts_is_held_back_until_its_picture_is_there(exchange_with):
    """The first call breaks off after its picture, which nobody has been promised yet."""

    class BreaksOff(Painter):
        async def draw(self, prepared, entry, *, new_call_id, seconds):
            yield PICTURE[:1]
            if not self.answers:
                self.answers = (PICTURE,)
                raise FAILED
            yield PICTURE[1:]

    exchange = exchange_with(BreaksOff(), stream=True)
    exchange._gateway.limits = exchange._gateway.limits.__class__(retries=1, retry_delay=0.001)
    await exchange.open(order(1))
    async with exchange:
        assert await exchange.collect() == [PICTURE]
    assert exchange.headers["X-Castor-Attempts"] == "2"


async def test_a_draft_comes_as_soon_as_it_is_there_and_is_no_answer(exchange_with):
    class Sketches(Painter):
        async def draw(self, prepared, entry, *, new_call_id, seconds):
            yield [DraftDelta("image/png", "aGk=")]
            await asyncio.Event().wait()

    exchange = exchange_with(Sketches(), stream=True)
    async with asyncio.timeout(20):
        await exchange.open(order(1, drafts=True))
    async with exchange:
        async for _, events in exchange.events():
            assert events == [DraftDelta("image/png", "aGk=")]
            break

    only_sketches = exchange_with(Painter([DraftDelta("image/png", "aGk="), Finished("stop", "STOP")]))
    with pytest.raises(UpstreamUnavailable, match="empty"):
        await only_sketches.open(order(1, drafts=True))


# --- On a real server --------------------------------------------------------------------------------------------------


def media_of(castor) -> list[Path]:
    return sorted((castor.var / "media").iterdir())


def test_a_link_ends_after_its_hours_and_the_file_with_it(castor_alone, settings):
    castor = castor_alone(MEDIA_HOURS="0.01")
    _, _, body = generate(castor, response_format="url")
    path = body["data"][0]["url"].removeprefix(castor.url)
    status, headers, _ = castor.ask("GET", path, token="")
    assert status == 200
    assert headers["cache-control"].startswith("private, max-age=3")
    [file] = media_of(castor)
    past = file.stat().st_mtime - 36
    os.utime(file, (past, past))
    status, _, error = castor.ask("GET", path, token="")
    assert (status, json.loads(error)["error"]["type"]) == (404, "invalid_request_error")
    settings.MEDIA_DIR, settings.MEDIA_HOURS = castor.var / "media", 0.01
    forget_expired_media()
    assert media_of(castor) == []


def test_any_web_process_serves_what_another_has_stored(castor_alone):
    castor = castor_alone(WEB_WORKERS="2")
    _, _, body = generate(castor, response_format="url")
    path = body["data"][0]["url"].removeprefix(castor.url)
    assert [castor.ask("GET", path, token="")[0] for _ in range(20)] == [200] * 20


@pytest.mark.parametrize(
    "path",
    [
        "/media/",
        "/media/x",
        "/media/../castor.sqlite3",
        "/media/..%2fcastor.sqlite3",
        "/media/%2e%2e/secrets.json",
        "/media/" + "a" * 32 + ".png",
        "/media/" + "a" * 32 + ".png%00",
    ],
)
def test_nothing_else_is_found_there(castor, path):
    status, _, body = castor.ask("GET", path, token="")
    assert status == 404
    assert b"error" in body


def test_links_are_of_the_host_that_was_asked(castor_with):
    _, _, body = generate(castor_with(BEHIND_TLS_PROXY="true"), response_format="url")
    assert body["data"][0]["url"].startswith("http://")
    castor = castor_with(BEHIND_TLS_PROXY="true")
    fields = {"model": MODEL, "prompt": "a fox", "response_format": "url"}
    headers = {"Host": "castor.example.com", "X_Forwarded_Proto": "https"}
    _, _, answered = castor.ask("POST", "/v1/images/generations", fields, **headers)
    assert json.loads(answered)["data"][0]["url"].startswith("https://castor.example.com/media/")


def test_a_host_that_is_not_known_gets_no_link_and_costs_no_picture(castor_with, google):
    castor = castor_with(ALLOWED_HOSTS="castor.example.com")
    status, _, body = generate(castor, response_format="url")
    assert (status, body["error"]["param"]) == (400, "response_format")
    assert not google.log.generation()
    assert generate(castor)[0] == 200


def test_a_request_that_fails_altogether_tells_so_by_its_status_alone(castor, google):
    google.script(finish_reason="IMAGE_SAFETY", text=" ")
    status, headers, _ = generate(castor)
    assert status == 400
    assert "x-castor-failed" not in headers


@pytest.mark.parametrize("kind", ["code_assist", "gemini_cli"])
def test_other_ways_to_gemini_make_no_pictures_and_it_is_said_why(kind):
    roster = Roster(entries=(key(1, kind=kind),))
    [prepared] = Gemini(None, None, None).prepare_pictures(PicturesToMake(MODEL, "a fox"), roster)
    assert kind not in prepared.kinds
    [unfit] = prepared.unfit
    assert "makes no pictures" in unfit.reason


def test_pictures_obey_the_models_of_a_token(castor):
    status, _, body = castor.ask(
        "POST", "/v1/images/generations", {"model": MODEL, "prompt": "a fox"}, token=castor.tokens["flash"]
    )
    assert (status, json.loads(body)["error"]["code"]) == (403, "model_not_allowed")


def test_the_record_of_a_picture(castor, google):
    _, headers, body = generate(castor, n=2)
    [record] = castor.usage(headers["x-request-id"])
    assert (record["dialect"], record["status"], record["attempts"], record["stream"]) == ("images", 200, 2, 0)
    assert record["completion_tokens"] == body["usage"]["output_tokens"] == 2 * 1120


LIST_MODELS = """
import django
django.setup()
from credentials.models import Credential
from openai_api.checks import check_credentials
list(check_credentials(Credential.objects.all()[:3]))
"""
IMAGEN = "imagen-4.0-generate-001"


@pytest.fixture
def with_imagen(castor_alone, google):
    """A Castor whose upstream lists a model of Imagen."""
    google.deploy_imagen()
    castor = castor_alone(GEMINI_API_KEYS="pool-key-1,pool-key-2,pool-key-3")
    done = subprocess.run(
        [sys.executable, "-c", LIST_MODELS], cwd=HOME, env=castor._environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    castor.wait(lambda: IMAGEN.encode() in castor.ask("GET", "/v1/models")[2], "told of Imagen")
    google.log.clear()
    return castor


def predicts(google) -> list[dict]:
    return [call.body["parameters"] for call in google.log if call.method == "predict"]


def test_imagen_itself_answers_where_an_upstream_still_lists_it(with_imagen, google):
    status, headers, body = generate(with_imagen, model=IMAGEN, n=6, size="1024x1024", output_format="webp")
    assert (status, len(body["data"])) == (200, 6)
    assert {measured(one["b64_json"]) for one in body["data"]} == {(1024, 1024)}
    assert sorted(call["sampleCount"] for call in predicts(google)) == [2, 4]
    assert "usage" not in body

    status, headers, body = generate(with_imagen, model=IMAGEN, n=3, prompt="something unsafe")
    assert (status, len(body["data"]), len(body["failed"])) == (200, 2, 1)
    assert body["failed"][0]["code"] == "content_policy_violation"
    assert "sensitive words" in headers["x-castor-failed"]

    status, _, body = generate(with_imagen, model=IMAGEN, prompt="something unsafe")
    assert (status, body["error"]["code"]) == (400, "content_policy_violation")
    assert "sensitive words" in body["error"]["message"]

    google.script(error="overloaded", method="predict")
    status, headers, _ = generate(with_imagen, model=IMAGEN, aspect_ratio="16:9")
    assert (status, headers["x-castor-attempts"]) == (200, "2")

    status, _, body = with_imagen.ask(
        "POST", "/v1/chat/completions", {"model": IMAGEN, "messages": [{"role": "user", "content": "hi"}]}
    )
    assert (status, json.loads(body)["error"]["code"]) == (400, "model_not_supported")


def test_without_it_the_name_leads_to_todays_model(castor, google):
    assert generate(castor, model=IMAGEN)[0] == 200
    assert google.log[-1].model == MODEL
