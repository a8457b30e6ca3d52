"""Fault × {stream, whole} → what the client gets, how often Google is asked, and who is blamed.

Everything but the fault is real: the exchange, the relay, the upstream, its HTTP client, a socket, and the simulated Google.
"""

import asyncio
import json
import re
import socket
import struct
import time
from contextlib import asynccontextmanager, suppress

import msgspec
import pytest
from msgspec import Struct
from structlog.testing import capture_logs

from credentials.health import Outcome, Reason
from credentials.learning import Evidence
from credentials.rests import FOREVER
from credentials.roster import Roster, TokenEntry
from openai_api.errors import GatewayError
from openai_api.exception_handler import error_response
from openai_api.exchange import Exchange
from openai_api.gateway import Gateway
from openai_api.manner import Manner
from openai_api.orders.conversations import Completions
from openai_api.relay import Limits, Relay
from openai_api.streaming import AnswerStream, as_it_comes
from openai_api.translation import chat
from openai_api.upstream.access import AccessTokens
from openai_api.upstream.ai_studio import AiStudio
from openai_api.upstream.http import HttpClient
from openai_api.usage import UsageLog
from tests.api.upstreams import prepare, read_all
from tests.credentials.pools import FLASH, KEYS, PRO, key, pool_of

BOTH = pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
SAID = "one two three four five six"
WORDS = {"text": SAID, "tokens_per_chunk": 1}
SILENCE_SECONDS = 0.4
"""After which an impatient client gives up; only the faulty ways have one, so that a busy machine spoils no good answer."""


# --- Ways to Google on which nothing, or nonsense, comes back ---------------------------------------------------------


@asynccontextmanager
async def refused():
    """A port at which nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def no_such_host():
    yield "http://no-such-host.invalid"


@asynccontextmanager
async def answering(behave, *, scheme="http"):
    """A socket at which `behave(reader, writer)` answers."""
    writers = []

    async def serve(reader, writer):
        writers.append(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await behave(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for writer in writers:
        writer.transport.abort()


def reset(writer) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def reset_at_once(reader, writer):
    await reader.read(1)
    reset(writer)


async def hang_up(reader, writer):
    await reader.readuntil(b"\r\n\r\n")


async def speak_no_http(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"220 mail.example.com ESMTP ready\r\n")
    await writer.drain()


async def never_answer(reader, writer):
    await reader.read(-1)


async def begin(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
    await writer.drain()


async def ping_for_ever(reader, writer):
    await begin(reader, writer)
    while True:
        writer.write(b"A\r\n: ping\r\n\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(SILENCE_SECONDS / 5)


async def blanks_for_ever(reader, writer):
    await begin(reader, writer)
    while True:
        writer.write(b"1\r\n\n\r\n")
        await writer.drain()
        await asyncio.sleep(SILENCE_SECONDS / 5)


async def end_at_once(reader, writer):
    await begin(reader, writer)
    writer.write(b"0\r\n\r\n")
    await writer.drain()


async def redirect(reader, writer):
    head = await reader.readuntil(b"\r\n\r\n")
    await reader.readexactly(int(re.search(rb"content-length: (\d+)", head.lower()).group(1)))
    writer.write(b"HTTP/1.1 302 Found\r\nLocation: https://elsewhere.example.com/\r\nContent-Length: 0\r\n\r\n")
    await writer.drain()


# --- The stage ------------------------------------------------------------------------------------------------------------


class Routed:
    """Sends each credential on its own way to Google."""

    def __init__(self, patient, impatient, google_url) -> None:
        self._impatient = impatient
        self._straight = AiStudio(patient, google_url, AccessTokens())
        self.google_url = google_url
        self.ways: dict[int, AiStudio] = {}
        self.asked: list[int] = []

    def lead(self, number, url) -> None:
        self.ways[number] = AiStudio(self._impatient, url, AccessTokens())

    def upstream_for(self, model, roster):
        return self

    def prepare(self, conversation, roster, *, counts=False):
        return prepare(conversation)

    def ask(self, prepared, entry, **given):
        self.asked.append(entry.id)
        return self.ways.get(entry.id, self._straight).ask(prepared, entry, **given)


class Got(Struct):
    """What the client has in hand: `error` is OpenAI's code, `broken` that of an error event in a stream of status 200."""

    status: int
    text: str = ""
    error: str = ""
    broken: str = ""
    retry_after: str = ""
    attempts: int = 0
    failed: tuple[str, ...] = ()
    """What the log tells of each attempt that failed."""
    raw: str = ""


class Stage:
    def __init__(self, upstream, keys) -> None:
        self.upstream = upstream
        self.pool = pool_of(*(key(number) for number in range(1, keys + 1)))
        self.gateway = Gateway(self.pool)
        self.gateway.limits = Limits(retries=3, retry_delay=0.002, deadline=60.0)
        self.gateway.registry = upstream
        self.gateway.usage = UsageLog([])

    async def ask(self, *, stream: bool, model=FLASH, limits=None) -> Got:
        if limits is not None:
            self.gateway.limits = limits
        exchange = self.exchange(stream)
        with capture_logs() as said:
            got = await self.answer(exchange, asked_of(model, stream=stream))
        [line] = [line for line in said if line["event"] == "request"]
        got.attempts = int(exchange.headers["X-Castor-Attempts"])
        got.failed = tuple(line.get("failed", ()))
        assert line["attempts"] == got.attempts == len(self.upstream.asked)
        assert self.pool.in_flight == {}
        assert not any(f"secret-{number}" in got.raw + str(said) for number in range(1, 9)), "a key must not get out"
        return got

    def exchange(self, stream: bool) -> Exchange:
        token = TokenEntry(id=1, owner_id=1, digest="", label="")
        return Exchange(self.gateway, token, dialect="chat", stream=stream, request_id="req-1", strict=False)

    async def answer(self, exchange, asked) -> Got:
        writer = chat.Writer(asked, id="chatcmpl-1", created=0, model=FLASH)
        try:
            await exchange.open(Completions(asked.conversation))
            if asked.stream:
                stream = AnswerStream(as_it_comes(writer, exchange), exchange)
                return read_stream(b"".join([chunk async for chunk in stream.body]))
            async with exchange:
                answers = await exchange.collect()
            body = json.loads(writer.completion(answers))
            return Got(200, text=body["choices"][0]["message"]["content"] or "")
        except GatewayError as error:
            response = error_response(error)
            return Got(
                response.status_code,
                error=json.loads(response.content)["error"]["code"],
                retry_after=response.headers.get("Retry-After", ""),
                raw=response.content.decode(),
            )

    def blamed(self) -> dict[int, str]:
        """key → the reason for which it rests; `counted`: a strike so far."""
        places = self.pool.rests.by_place.items()
        return {
            int(who.removeprefix("key:")): "counted" if rest.until is None else rest.reason.value for (who, _), rest in places
        }


def asked_of(model=FLASH, *, stream=False):
    return chat.read_request(
        msgspec.json.encode({"model": model, "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
    )


def read_stream(content: bytes) -> Got:
    got = Got(200, raw=content.decode())
    payloads = [line.removeprefix("data: ") for line in got.raw.splitlines() if line.startswith("data: ")]
    for payload in payloads:
        if payload == "[DONE]":
            continue
        chunk = json.loads(payload)
        if "error" in chunk:
            got.broken = chunk["error"]["code"]
        else:
            got.text += "".join(choice["delta"].get("content") or "" for choice in chunk["choices"])
    assert (payloads[-1] == "[DONE]") == (not got.broken), "a broken answer must not look complete"
    return got


@asynccontextmanager
async def client_that_waits(seconds):
    client = HttpClient(connections=20, connect_timeout=10.0, read_timeout=seconds)
    client.open()
    yield client
    await client.close()


@pytest.fixture
async def stage(google):
    google.keys.update({f"secret-{number}": f"project-{number}" for number in range(1, 9)})
    async with client_that_waits(30.0) as patient, client_that_waits(SILENCE_SECONDS) as impatient:
        yield lambda keys=3: Stage(Routed(patient, impatient, google.url), keys)


# --- The matrix: before the first token -------------------------------------------------------------------------------


class Fault(Struct):
    """`script` is played by the simulator, `way` is one on which Google is not reached.

    `blame`: what the pool holds against the one credential that has met it. `status`, `code` and `attempts` are what a
    client gets if all three credentials meet it.
    """

    outcome: Outcome
    blame: str
    status: int
    code: str
    attempts: int
    script: dict | None = None
    way: object = None

    @asynccontextmanager
    async def befalls(self, stage, google, numbers):
        if self.way is not None:
            async with self.way() as url:
                for number in numbers:
                    stage.upstream.lead(number, url)
                yield
        else:
            for number in numbers:
                google.script(key=f"secret-{number}", times=None, **self.script)
                if self.is_silence:
                    stage.upstream.lead(number, google.url)
            yield

    @property
    def is_silence(self) -> bool:
        return self.code == "deadline_exceeded"


def passing(status=503, code="upstream_unavailable", **how) -> Fault:
    """Nobody's fault until it has happened several times while others answered. Repeated as often as MAX_RETRIES allows."""
    return Fault(Outcome.UPSTREAM_FAILED, "counted", status, code, 4, **how)


def dead(outcome, reason, **how) -> Fault:
    """Of three keys one is believed dead at once, the others are suspected: each is asked, and none of them twice."""
    return Fault(outcome, reason.value, 503, "upstream_unavailable", 3, **how)


FAULTS = {
    "connection refused": passing(way=refused),
    "no such host": passing(way=no_such_host),
    "TLS reset": passing(way=lambda: answering(reset_at_once, scheme="https")),
    "reset before headers": passing(script={"ends": "reset_before_headers"}),
    "closed before headers": passing(script={"ends": "close_before_headers"}),
    "hung up after the request": passing(way=lambda: answering(hang_up)),
    "no HTTP": passing(way=lambda: answering(speak_no_http)),
    "no first byte": passing(504, "deadline_exceeded", way=lambda: answering(never_answer)),
    "no headers in time": passing(504, "deadline_exceeded", script={"delay": 5}),
    "500": passing(script={"error": "internal"}),
    "502": passing(script={"error": "html_502"}),
    "502 without a body": passing(script={"error": "empty_502"}),
    "503": passing(script={"error": "overloaded"}),
    "504": passing(504, "deadline_exceeded", script={"error": "deadline"}),
    "499": passing(script={"error": "cancelled"}),
    "429, minute": Fault(Outcome.MINUTE_QUOTA, "minute_quota", 429, "rate_limit_exceeded", 3, script={"error": "minute_quota"}),
    "429, day": Fault(Outcome.DAY_QUOTA, "day_quota", 429, "rate_limit_exceeded", 3, script={"error": "day_quota"}),
    "429, limit 0": Fault(Outcome.NOT_ENTITLED, "not_entitled", 429, "rate_limit_exceeded", 3, script={"error": "zero_quota"}),
    "429, bare": Fault(Outcome.THROTTLED, "counted", 429, "rate_limit_exceeded", 4, script={"error": "bare_429"}),
    "429, a page": Fault(Outcome.THROTTLED, "counted", 429, "rate_limit_exceeded", 4, script={"error": "html_429"}),
    "401": dead(Outcome.KEY_REJECTED, Reason.KEY_REJECTED, script={"error": "wrong_kind"}),
    "400, key invalid": dead(Outcome.KEY_REJECTED, Reason.KEY_REJECTED, script={"error": "api_key_invalid"}),
    "403, leaked": dead(Outcome.KEY_LEAKED, Reason.KEY_LEAKED, script={"error": "leaked"}),
    "403, suspended": dead(Outcome.SUSPENDED, Reason.SUSPENDED, script={"error": "suspended"}),
    "403, restricted": dead(Outcome.KEY_RESTRICTED, Reason.KEY_RESTRICTED, script={"error": "service_blocked"}),
    "403, API disabled": dead(Outcome.API_DISABLED, Reason.API_DISABLED, script={"error": "service_disabled"}),
    "403, project denied": dead(Outcome.PROJECT_DENIED, Reason.PROJECT_DENIED, script={"error": "project_denied"}),
    "402": Fault(Outcome.OUT_OF_CREDIT, "out_of_credit", 429, "rate_limit_exceeded", 3, script={"error": "out_of_credit"}),
    "404": Fault(Outcome.MODEL_ABSENT, "model_absent", 404, "model_not_found", 3, script={"error": "model_not_found"}),
    "200 and an error event": passing(script={**WORDS, "ends": "error", "error": "overloaded"}),
    "200 and a bare error": passing(script={**WORDS, "ends": "bare_error", "error": "internal"}),
    "200 and a quota in an event": Fault(
        Outcome.DAY_QUOTA, "day_quota", 429, "rate_limit_exceeded", 3, script={**WORDS, "ends": "error", "error": "day_quota"}
    ),
    "200, STOP and nothing": passing(script={"empty": True}),
    "200 and an empty body": passing(way=lambda: answering(end_at_once)),
    "200 and pings only": passing(504, "deadline_exceeded", way=lambda: answering(ping_for_ever)),
    "200 and malformed JSON": passing(script={**WORDS, "ends": "malformed"}),
    "reset after headers": passing(script={**WORDS, "ends": "reset"}),
    "closed after headers": passing(script={**WORDS, "ends": "close"}),
    "cut after headers": passing(script={**WORDS, "ends": "cut"}),
    "stall after headers": passing(504, "deadline_exceeded", script={**WORDS, "ends": "stall"}),
    "unknown refusal": Fault(Outcome.UNEXPLAINED, "unexplained", 503, "upstream_unavailable", 4, script={"error": "strange"}),
    "redirect": passing(way=lambda: answering(redirect)),
}
EACH = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())


@EACH
@BOTH
async def test_what_befalls_one_credential_before_its_first_token_another_makes_good(stage, google, fault, stream):
    scene = stage()
    async with fault.befalls(scene, google, [1]):
        got = await scene.ask(stream=stream)
    assert (got.status, got.error, got.broken) == (200, "", "")
    assert got.text.startswith("echo")
    assert scene.upstream.asked == [1, 2]
    assert got.failed == (f"key 1: {fault.outcome}",)
    assert scene.blamed() == {1: fault.blame}


NO_STREAM = {
    name: fault for name, fault in FAULTS.items() if name not in ("200 and a quota in an event", "200 and pings only")
} | {
    "200 and a quota in a body": Fault(
        Outcome.DAY_QUOTA, "day_quota", 429, "rate_limit_exceeded", 3, script={"ends": "bare_error", "error": "day_quota"}
    ),
    "half of the JSON": passing(script={"ends": "cut", "after": 1}),
    "200 and blanks only": passing(504, "deadline_exceeded", way=lambda: answering(blanks_for_ever)),
    "far too large": passing(script={"megabytes": 3}),
}


@pytest.mark.parametrize("fault", NO_STREAM.values(), ids=NO_STREAM.keys())
async def test_it_is_made_good_alike_where_google_is_asked_for_whole_answers(stage, google, fault, monkeypatch):
    monkeypatch.setattr("openai_api.upstream.answer._MOST_WHOLE", 2 * 1024**2)
    scene = stage()
    scene.gateway.manner = Manner(stream_internally=False)
    async with fault.befalls(scene, google, [1]):
        got = await scene.ask(stream=False)
    assert (got.status, got.error, got.text) == (200, "", "echo: hi")
    assert got.failed == (f"key 1: {fault.outcome}",)
    assert scene.blamed() == {1: fault.blame}
    assert {call.method for call in google.log.generation()} == {"generateContent"}


@EACH
@BOTH
async def test_what_befalls_all_credentials_is_told_in_the_end(stage, google, fault, stream):
    scene = stage()
    async with fault.befalls(scene, google, [1, 2, 3]):
        got = await scene.ask(stream=stream)
    assert (got.status, got.error) == (fault.status, fault.code), got.raw
    assert got.attempts == fault.attempts
    assert {line.partition(": ")[2] for line in got.failed} == {fault.outcome.value}
    assert len(got.failed) == got.attempts
    assert got.status < 500 or got.retry_after or got.error == "no_credential"


PASSING = {name: fault for name, fault in FAULTS.items() if fault.blame == "counted" and not fault.is_silence}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING.keys())
@BOTH
async def test_what_befalls_all_is_held_against_nobody(stage, google, fault, stream):
    scene = stage(8)
    quick = Limits(retries=1, retry_delay=0.001, deadline=60.0)
    async with fault.befalls(scene, google, range(1, 9)):
        for _ in range(3):
            scene.upstream.asked.clear()
            await scene.ask(stream=stream, limits=quick)
    assert set(scene.blamed().values()) == {"counted"}
    alerts = [alert for alert in scene.pool.learned.alerts if alert.cause is not None]
    assert len(alerts) <= 1
    google.scripts.clear()
    scene.upstream.ways.clear()
    scene.upstream.asked.clear()
    assert (await scene.ask(stream=stream)).attempts == 1


@pytest.mark.parametrize(
    ("error", "status", "outcome"),
    [
        ("bad_request", 400, Outcome.REQUEST_REFUSED),
        ("too_long", 400, Outcome.REQUEST_REFUSED),
        ("file_denied", 403, Outcome.REQUEST_REFUSED),
        ("html_413", 413, Outcome.REQUEST_REFUSED),
        ("location_unsupported", 503, Outcome.GATEWAY_REFUSED),
        ("credentials_missing", 503, Outcome.GATEWAY_REFUSED),
        ("two_credentials", 503, Outcome.GATEWAY_REFUSED),
    ],
)
@BOTH
async def test_what_no_other_credential_could_change_is_told_at_once_and_blames_nobody(
    stage, google, error, status, outcome, stream
):
    scene = stage()
    google.script(error=error)
    got = await scene.ask(stream=stream)
    assert (got.status, got.attempts, scene.blamed()) == (status, 1, {})
    assert got.failed == (f"key 1: {outcome}",)


# --- The matrix: after the first token --------------------------------------------------------------------------------

AFTER = {
    "reset": {"ends": "reset"},
    "closed": {"ends": "close"},
    "cut": {"ends": "cut"},
    "stall": {"ends": "stall"},
    "malformed JSON": {"ends": "malformed"},
    "error event": {"ends": "error", "error": "overloaded"},
    "bare error": {"ends": "bare_error", "error": "internal"},
    "quota event": {"ends": "error", "error": "day_quota"},
}
AFTERWARDS = pytest.mark.parametrize("script", AFTER.values(), ids=AFTER.keys())


@AFTERWARDS
async def test_a_stream_that_breaks_after_its_first_token_ends_in_a_typed_error_and_is_never_restarted(stage, google, script):
    scene = stage()
    scene.upstream.lead(1, google.url)
    google.script(**WORDS, **script, after=3, chunk_delay=0.05)
    got = await scene.ask(stream=True)
    assert (got.status, got.broken) == (200, "upstream_broken")
    assert got.text
    assert SAID.startswith(got.text)
    assert got.text != SAID
    assert (scene.upstream.asked, got.attempts, len(got.failed)) == ([1], 1, 1)
    assert scene.blamed() == {1: "day_quota" if script.get("error") == "day_quota" else "counted"}


@AFTERWARDS
async def test_a_whole_answer_that_breaks_in_its_midst_is_asked_of_another(stage, google, script):
    scene = stage()
    scene.upstream.lead(1, google.url)
    google.script(**WORDS, **script, after=3)
    got = await scene.ask(stream=False)
    assert (got.status, got.attempts) == (200, 2)
    assert got.text.startswith("echo"), "no word of the broken answer is left"
    assert scene.blamed() == {1: "day_quota" if script.get("error") == "day_quota" else "counted"}


@BOTH
async def test_an_answer_that_is_slow_but_never_silent_is_not_given_up(stage, google, stream):
    scene = stage()
    scene.upstream.lead(1, google.url)
    google.script(**WORDS, chunk_delay=SILENCE_SECONDS / 4)
    got = await scene.ask(stream=stream)
    assert (got.status, got.text, got.attempts) == (200, SAID, 1)


# --- The story --------------------------------------------------------------------------------------------------------


@BOTH
async def test_the_log_tells_of_each_attempt_in_its_order_and_the_header_counts_them(stage, google, stream):
    scene = stage(5)
    for number, error in enumerate(("overloaded", "day_quota", "leaked", "bare_429"), start=1):
        google.script(key=f"secret-{number}", error=error)
    got = await scene.ask(stream=stream)
    assert (got.status, got.attempts) == (200, 5)
    assert got.failed == ("key 1: upstream_failed", "key 2: day_quota", "key 3: key_leaked", "key 4: throttled")


@BOTH
async def test_a_request_that_goes_well_has_no_story(stage, google, stream):
    got = await stage().ask(stream=stream)
    assert (got.attempts, got.failed) == (1, ())


# --- Nothing available --------------------------------------------------------------------------------------------------

NOW = 1_790_000_000.0


class Watched:
    """A relay whose clock the test moves."""

    def __init__(self, scene) -> None:
        self.scene = scene
        self.now = NOW

    def rest(self, number, outcome, *, model=FLASH, seconds=None):
        others = frozenset(entry.id for entry in self.scene.pool.roster.entries) - {number}
        taken = self.scene.pool.lease(model, at=self.now, kinds=KEYS, tried=others)
        self.scene.pool.report(taken, outcome, at=self.now, evidence=Evidence(asked_for=seconds))

    async def ask(self, *, whole, model=FLASH):
        conversation = asked_of(model).conversation
        relay = Relay(
            self.scene.pool,
            self.scene.upstream.ask,
            prepare(conversation),
            whole=whole,
            limits=self.scene.gateway.limits,
            started=time.monotonic(),
            new_call_id=lambda: "call_1",
            clock=lambda: self.now,
        )
        return await read_all(relay)

    async def refused(self, **how):
        before = len(self.scene.upstream.asked)
        with pytest.raises(GatewayError) as caught:
            await self.ask(**how)
        assert len(self.scene.upstream.asked) == before, "nobody is asked in vain"
        response = error_response(caught.value)
        return response.status_code, response.headers.get("Retry-After")


@pytest.mark.parametrize("whole", [False, True], ids=["stream", "whole"])
async def test_when_nobody_is_free_the_caller_is_told_when_to_come_back_for_that_model_and_is_served_then(stage, whole):
    scene = Watched(stage(4))
    scene.rest(1, Outcome.MINUTE_QUOTA, seconds=90)
    scene.rest(2, Outcome.MINUTE_QUOTA, seconds=40)
    scene.rest(3, Outcome.DAY_QUOTA)
    scene.rest(4, Outcome.KEY_LEAKED)
    for number in (1, 2, 3):
        scene.rest(number, Outcome.MINUTE_QUOTA, model=PRO, seconds=10 * number)
    assert await scene.refused(whole=whole) == (429, "40")
    assert await scene.refused(whole=whole, model=PRO) == (429, "10")
    assert await scene.ask(whole=whole, model="gemini-2.5-flash")
    scene.now = NOW + 9.5
    assert await scene.refused(whole=whole, model=PRO) == (429, "1")
    scene.now = NOW + 10
    assert await scene.ask(whole=whole, model=PRO)
    assert await scene.refused(whole=whole) == (429, "30")
    scene.now = NOW + 40
    assert await scene.ask(whole=whole)
    assert scene.scene.upstream.asked[-2:] == [1, 2]


async def test_when_all_are_dead_nobody_is_told_to_come_back(stage):
    scene = Watched(stage(1))
    scene.rest(1, Outcome.KEY_LEAKED)
    assert await scene.refused(whole=True) == (503, None)


async def test_a_dead_key_and_one_that_rests_come_back_with_the_latter(stage):
    scene = Watched(stage(2))
    scene.rest(1, Outcome.KEY_LEAKED)
    scene.rest(2, Outcome.SPEND_LIMIT)
    assert await scene.refused(whole=True) == (429, "600")
    assert scene.scene.pool.free_at(FLASH, at=NOW, kinds=KEYS) == NOW + 600
    assert scene.scene.pool.rests.by_place["key:1", ""].until == FOREVER


@pytest.mark.parametrize("whole", [False, True], ids=["stream", "whole"])
async def test_the_return_that_is_told_is_google_s_own(stage, google, whole):
    scene = Watched(stage(2))
    google.script(key="secret-1", error="minute_quota", seconds=25)
    google.script(key="secret-2", error="minute_quota", seconds=50)
    with pytest.raises(GatewayError) as caught:
        await scene.ask(whole=whole)
    assert (caught.value.status, caught.value.retry_after) == (429, 25)
    assert await scene.refused(whole=whole) == (429, "25")
    scene.now = NOW + 25
    assert await scene.ask(whole=whole)
    assert scene.scene.upstream.asked == [1, 2, 1]


@pytest.mark.parametrize("stream", [True, False], ids=["stream", "whole"])
async def test_whoever_finds_the_last_resort_busy_waits_for_it(stage, google, stream):
    """The only key is suspected of something that nobody can explain, and has all its calls in flight."""
    scene = stage(1)
    scene.pool.renew(Roster(entries=(key(1, max_concurrent=1),)))
    google.script(error="strange")
    google.script(**WORDS, chunk_delay=0.02)
    answers = await asyncio.gather(*(scene.answer(scene.exchange(stream), asked_of(stream=stream)) for _ in range(2)))
    assert [got.status for got in answers] == [200, 200]
