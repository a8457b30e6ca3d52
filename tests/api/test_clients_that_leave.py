"""Clients that hang up on the real product: what Google and other servers notice, what is recorded, what is left behind."""

import json
import socket
import threading
import time
from collections.abc import Iterable

import pytest

from tests.api import recordings
from tests.api.server import TWO_KEYS, Castor, chat_body
from tests.api.test_hot_path import STALLS
from tests.api.test_speech import body_of, encoders
from tests.servers.server import Reply, completion, streaming
from tests.sound import need_ffmpeg

CHAT = "/v1/chat/completions"
NARROW = {"GEMINI_API_KEYS": TWO_KEYS, "MAX_CONCURRENT": "1", "MAX_IN_FLIGHT": "4"}
LOOKS_AFTER = 0.2
"""Seconds after which a web process looks whether a client is still there."""
TEXTS = [f"text number {number}" for number in range(150)]
KINDS = {
    "stream": (CHAT, chat_body("a stream", stream=True), 1),
    "whole": (CHAT, chat_body("a whole answer"), 1),
    "choices": (CHAT, chat_body("three choices", n=3, stream=True), 3),
    "texts": ("/v1/completions", {"model": "gemini-3.8-flash", "prompt": ["one", "two"]}, 2),
    "speech": (
        "/v1/audio/speech", {"model": "gemini-3.8-flash-tts", "voice": "alloy", "input": "Hello.", "response_format": "pcm"}, 1,
    ),
    "pictures": ("/v1/images/generations", {"model": "gemini-3.1-flash-image", "prompt": "a fox", "n": 2}, 2),
    "drafts": ("/v1/images/generations", {"model": "gemini-3.1-flash-image", "prompt": "a fox", "stream": True}, 1),
    "embeddings": ("/v1/embeddings", {"model": "gemini-embedding-001", "input": TEXTS}, 2),
    "moderation": ("/v1/moderations", {"model": "gemini-3.8-flash", "input": "a text"}, 1),
    "transcription": ("/v1/audio/transcriptions", None, 1),
}  # fmt: skip
"""(path, body or None for the recording, calls of Google's)."""


def request_of(castor: Castor, path: str, body: object, request_id: str, token: str) -> bytes:
    content, kind = json.dumps(body).encode(), "application/json"
    if body is None:
        parts = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
        parts += b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        content, kind = parts + recordings.wav(7) + b"\r\n--x--\r\n", "multipart/form-data; boundary=x"
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:{castor.port}\r\nAuthorization: Bearer {token}\r\n"
        f"X-Request-ID: {request_id}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    return head.encode() + content


def begun(castor: Castor, path: str, body: object, request_id: str, token: str) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", castor.port), timeout=30)
    client.sendall(request_of(castor, path, body, request_id, token))
    return client


def leave(castor: Castor, clients: Iterable[socket.socket]) -> None:
    """Returns when the web process knows of it."""
    for client in clients:
        client.close()
    time.sleep(LOOKS_AFTER)
    assert castor.ask("GET", "/health", token="")[0] == 200  # Served after whatever came before.


def all_begun(castor: Castor, google, token: str, policy: str) -> list[socket.socket]:
    """One request of each kind, for which Google is at work."""
    clients = [begun(castor, path, body, f"{policy}-{kind}", token) for kind, (path, body, _) in KINDS.items()]
    google.wait_until(lambda log: len(log) == sum(calls for _, _, calls in KINDS.values()), 30)
    return clients


def record_of(castor: Castor, request_id: str) -> dict:
    [record] = castor.usage(request_id)
    return dict(record)


def test_whoever_leaves_ends_what_google_does_for_them_and_is_recorded_by_an_estimate(castor, google):
    google.script(delay=3600, times=None, method="*")
    leave(castor, all_begun(castor, google, castor.token, "cancel"))
    google.wait_until(lambda log: all(call.client_closed for call in log))
    for kind, (_, _, calls) in KINDS.items():
        record = record_of(castor, f"cancel-{kind}")
        seen = {name: record[name] for name in ("status", "error", "attempts", "completion_tokens")}
        assert seen == {"status": 499, "error": "", "attempts": calls, "completion_tokens": 0}, kind
        assert record["estimated"], kind
        assert record["prompt_tokens"] > 0, kind


def test_what_is_to_be_read_to_its_end_is_recorded_as_google_counts_it(castor, google):
    google.script(delay=2, times=None, method="*")
    leave(castor, all_begun(castor, google, castor.tokens["draining"], "drain"))
    records = [record_of(castor, f"drain-{kind}") for kind in KINDS]
    assert not any(call.client_closed for call in google.log)
    assert {(record["status"], record["error"], record["estimated"]) for record in records} == {(499, "", 0)}
    used = [call.usage.get("totalTokenCount", call.usage.get("promptTokenCount", 0)) for call in google.log]
    assert all(used)
    assert sum(record["prompt_tokens"] + record["completion_tokens"] for record in records) == sum(used)
    assert all(record["total_ms"] > 2000 for record in records)


def test_in_the_midst_of_a_stream_google_is_left_or_listened_to_as_the_token_says(castor, google):
    google.script(**STALLS, after=2)
    google.script(text="one two three four", tokens_per_chunk=1, chunk_delay=0.3)
    clients = []
    for request_id, token in (("left-amid", castor.token), ("drained-amid", castor.tokens["draining"])):
        clients.append(begun(castor, CHAT, chat_body(stream=True), request_id, token))
        assert b"200 OK" in clients[-1].recv(100)
    leave(castor, clients)
    google.wait_until(lambda log: all(call.ended for call in log))
    left, drained = google.log.generation()
    record = record_of(castor, "left-amid")
    assert (left.client_closed, record["status"], record["estimated"]) == (True, 499, 1)
    assert (record["prompt_tokens"], record["completion_tokens"]) == used_of(left)
    record = record_of(castor, "drained-amid")
    assert (drained.client_closed, record["status"], record["estimated"]) == (False, 499, 0)
    assert (record["prompt_tokens"], record["completion_tokens"]) == used_of(drained)


def test_an_encoder_ends_with_its_client_also_where_the_speech_is_heard_to_its_end(castor, google):
    need_ffmpeg()
    google.script(chunk_delay=0.5)
    client = begun(castor, "/v1/audio/speech", body_of(response_format="flac"), "drained-speech", castor.tokens["draining"])
    while b"fLaC" not in client.recv(65536):
        pass
    leave(castor, [client])
    castor.wait(lambda: not encoders(castor), "rid of its encoder")
    record, [call] = record_of(castor, "drained-speech"), google.log
    assert (call.client_closed, record["status"], record["error"], record["estimated"]) == (False, 499, "", 0)
    assert (record["prompt_tokens"], record["completion_tokens"]) == used_of(call)


def test_others_may_encode_while_speech_is_heard_to_its_end(castor_with, google):
    need_ffmpeg()
    castor = castor_with(FFMPEG_MAX_PROCESSES="1")
    google.script(chunk_delay=0.8)
    client = begun(castor, "/v1/audio/speech", body_of(response_format="flac"), "drained-turn", castor.tokens["draining"])
    while b"fLaC" not in client.recv(65536):
        pass
    leave(castor, [client])
    assert castor.ask("POST", "/v1/audio/speech", body_of(response_format="flac"))[0] == 200
    assert [bool(call.ended) for call in google.log] == [False, True]
    assert record_of(castor, "drained-turn")["estimated"] == 0


def used_of(call) -> tuple[int, int]:
    usage = call.usage
    return usage["promptTokenCount"], usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)


def test_who_waits_for_a_credential_has_used_nothing(castor_with, google):
    castor = castor_with(**NARROW)
    google.script(**STALLS, after=1, times=2)
    with castor.streaming() as one, castor.streaming() as two:
        one.readline(), two.readline()
        clients = [begun(castor, CHAT, chat_body(), f"waits-{sort}", castor.tokens[sort]) for sort in ("full", "draining")]
        leave(castor, clients)
        for sort in ("full", "draining"):
            record = record_of(castor, f"waits-{sort}")
            assert (record["status"], record["attempts"], record["prompt_tokens"], record["estimated"]) == (499, 0, 0, 0)
    assert len(google.log.generation()) == 2
    google.wait_until(lambda log: all(call.client_closed for call in log))
    castor.wait(lambda: castor.chat()[0] == 200, "serving again")


def test_beyond_a_quarter_of_max_in_flight_clients_end_their_calls(castor_with, google):
    castor = castor_with(**NARROW)
    google.script(delay=2)
    google.script(delay=3600)
    clients = []
    for number in (1, 2):
        clients.append(begun(castor, CHAT, chat_body(), f"most-{number}", castor.tokens["draining"]))
        google.wait_until(lambda log: len(log) == len(clients))
    leave(castor, clients)
    assert [record_of(castor, f"most-{number}")["estimated"] for number in (1, 2)] == [0, 1]
    assert [call.client_closed for call in google.log] == [False, True]


def test_a_castor_that_stops_reads_what_it_may_and_records_what_it_must_cut(castor_alone, google):
    castor = castor_alone(SHUTDOWN_SECONDS="3")
    google.script(delay=1)
    google.script(**STALLS, after=1)
    clients = []
    for request_id in ("in-time", "too-late"):
        clients.append(begun(castor, CHAT, chat_body(stream=True), request_id, castor.tokens["draining"]))
        google.wait_until(lambda log: len(log) == len(clients))
    leave(castor, clients)
    assert castor.stop() == 0
    records = {row["request_id"]: dict(row) for row in castor.rows("SELECT * FROM openai_api_usagerecord")}
    assert [(one["status"], one["estimated"]) for one in (records["in-time"], records["too-late"])] == [(499, 0), (499, 1)]
    assert [call.client_closed for call in google.log] == [False, True]


# --- Servers -------------------------------------------------------------------------------------------------------------

PIECES = tuple(b'data: {"choices":[{"delta":{"content":"%d%s"}}]}\n\n' % (number, b"x" * 40_000) for number in range(100))
"""More than the buffers on the way: a server that nobody listens to notices."""
FIRST = b'data: {"choices":[{"delta":{"content":"twelve signs"}}]}\n\n'
END = (
    b'data: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":11,"completion_tokens":7}}\n\n'
    b"data: [DONE]\n\n"
)  # fmt: skip


@pytest.fixture(scope="module")
def _beside(_makers, _elsewhere):
    castor = _makers.make(GEMINI_API_KEYS="pool-key-1", UPSTREAM_URL=_elsewhere.url)
    castor.python(f"""
from credentials.servers import add_keys, take_in_server
from openai_api.checks import check_credentials
from credentials.models import ServerKey
add_keys(take_in_server("{_elsewhere.url}/v1"), ["sk-one", "sk-two"])
list(check_credentials(ServerKey.objects.all()))
""")
    castor.wait(lambda: castor.ask("GET", "/v1/models/llama-9")[0] == 200, "aware of the server")
    yield castor
    castor.stop()


@pytest.fixture
def beside(_beside, _known_to_google, elsewhere):
    return _beside


def passing(castor: Castor, request_id: str, sort: str, **fields) -> socket.socket:
    body = chat_body("four words and more", model="llama-9", **fields)
    return begun(castor, CHAT, body, request_id, castor.tokens[sort])


def test_a_passing_stream_that_is_left_is_estimated_by_what_has_passed(beside, elsewhere):
    rest = threading.Event()
    elsewhere.script(streaming(FIRST, *PIECES, waits=rest))
    client = passing(beside, "passing-left", "full", stream=True)
    while b"twelve" not in client.recv(65536):
        pass
    leave(beside, [client])
    record = record_of(beside, "passing-left")
    rest.set()
    assert elsewhere.hung_up.wait(20)
    assert (record["status"], record["estimated"]) == (499, 1)
    assert (record["prompt_tokens"], record["completion_tokens"]) == (len("llama-9userfour words and more") // 4, 4)


@pytest.mark.parametrize("amid", [False, True], ids=["before its first token", "amid"])
def test_a_passing_stream_that_is_drained_is_recorded_as_its_server_counts(beside, elsewhere, amid):
    rest, request_id = threading.Event(), f"passing-drained-{amid}"
    # What says nothing yet is kept back, so nothing reaches the client.
    first = FIRST if amid else b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n'
    elsewhere.script(streaming(first, *PIECES[:3], END, waits=rest))
    client = passing(beside, request_id, "draining", stream=True)
    if amid:
        while b"twelve" not in client.recv(65536):
            pass
    else:
        beside.wait(lambda: elsewhere.taken, "asked")
    leave(beside, [client])
    rest.set()
    record = record_of(beside, request_id)
    assert (record["status"], record["estimated"], record["prompt_tokens"], record["completion_tokens"]) == (499, 0, 11, 7)
    assert not elsewhere.hung_up.is_set()


def test_a_whole_answer_that_passes_is_drained_too(beside, elsewhere):
    rest, body = threading.Event(), completion()
    elsewhere.script(Reply(pieces=(body[:20], body[20:]), headers={"Content-Type": "application/json"}, waits=rest))
    client = passing(beside, "passing-whole", "draining")
    beside.wait(lambda: elsewhere.taken, "asked")
    leave(beside, [client])
    rest.set()
    record = record_of(beside, "passing-whole")
    assert (record["status"], record["estimated"], record["prompt_tokens"], record["completion_tokens"]) == (499, 0, 11, 7)
