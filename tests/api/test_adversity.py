"""What the request path must survive: clients that stall or flood it, choices that compete, and a database that is gone."""

import http.client
import json
import socket

import pytest
from cryptography.fernet import Fernet

from tests.api.server import TWO_KEYS, Castor
from tests.api.test_hot_path import STALLS, data_lines, first_content, outcome, peak_memory, response_of, send_chat

THINKING = {"extra_body": {"google": {"thinking_config": {"include_thoughts": True}}}}
FLOOD = [*[response_of({"text": "x" * 20_000, "thought": True})] * 2_000, response_of({"text": "done"}, finishReason="STOP")]
"""More than all buffers between Google and a client that does not read."""


def free_again(castor, google) -> bool:
    """Whether both keys of TWO_KEYS serve, one call each."""
    google.state.scripts.clear()
    castor.wait(lambda: castor.chat()[0] == 200, "serving")
    google.script(**STALLS, after=1, times=2)
    with castor.streaming() as one, castor.streaming() as two:
        return bool(first_content(one) and first_content(two))


def test_more_choices_than_places_are_streamed_one_after_the_other(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS, MAX_CONCURRENT="1", TIMEOUT="20")
    with castor.streaming("hello", n=3) as response:
        payloads = list(data_lines(response))
    assert payloads[-1] == b"[DONE]"
    chunks = [json.loads(payload) for payload in payloads[:-1]]
    ended = [choice["index"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]
    assert sorted(ended) == [0, 1, 2]


def test_a_client_that_leaves_several_choices_unread_leaves_nothing_taken(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS, MAX_CONCURRENT="1")
    google.script(chunks=FLOOD)
    google.script(**STALLS, after=1)
    with socket.create_connection(("127.0.0.1", castor.port)) as client:
        send_chat(castor, client, request_id="unread", stream=True, n=2, **THINKING)
        google.wait_until(lambda log: len(log.generation()) == 2 and max(call.bytes_sent for call in log.generation()) > 500_000)
    assert castor.usage("unread")[0]["status"] == 499
    assert free_again(castor, google)


def test_a_client_that_reads_no_further_keeps_nothing_beyond_the_deadline(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS, MAX_CONCURRENT="1", TIMEOUT="2")
    google.script(chunks=FLOOD)
    with socket.create_connection(("127.0.0.1", castor.port)) as client:
        send_chat(castor, client, request_id="stalled", stream=True, **THINKING)
        google.wait_until(lambda log: len(log.generation()) == 1 and log.generation()[0].client_closed)
        assert castor.usage("stalled")[0]["status"] == 499
    assert free_again(castor, google)


def answer_to(castor, head: str, body: bytes = b"") -> tuple[int, str]:
    """(status, code of the error) of what is answered to a request that is left unfinished."""
    with socket.create_connection(("127.0.0.1", castor.port), timeout=20) as client:
        client.sendall(f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode() + body)
        response = http.client.HTTPResponse(client)
        response.begin()
        return response.status, json.loads(response.read())["error"]["code"]


@pytest.mark.parametrize("token", ["", "sk-nonsense"])
@pytest.mark.parametrize("chunked", [False, True])
def test_the_large_body_of_a_stranger_is_not_taken_in(castor, token, chunked):
    authorization = f"Authorization: Bearer {token}" if token else "X-Nobody: 1"
    length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 50000000"
    body = b"%x\r\n" % 200_000 + b"x" * 200_000 if chunked else b"x"
    assert answer_to(castor, f"{authorization}\r\n{length}", body) == (401, "invalid_api_key")


def test_a_body_that_never_ends_keeps_no_place_beyond_the_deadline(castor_alone):
    castor = castor_alone(TIMEOUT="2")
    head = f"Authorization: Bearer {castor.token}\r\nContent-Length: 1000"
    assert answer_to(castor, head, b"{") == (504, "deadline_exceeded")
    assert castor.chat()[0] == 200


@pytest.fixture
def makers(_makers):
    return _makers


def test_a_database_that_never_answers_keeps_no_server_from_starting(tmp_path, makers):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings = {
            "DATABASE_URL": f"postgres://castor:x@127.0.0.1:{silent.getsockname()[1]}/castor",
            "SECRET_KEY": "only for this test " * 3,
            "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        }
        castor = Castor(tmp_path, makers._databases, {"full": "castor-unknown"}, {**makers._environment, **settings}, "")
        castor.is_ready = lambda: is_alive(castor)
        castor.start()
        assert castor.ask("GET", "/ready", token="")[0] == 503
        status, headers, body = castor.chat()
        assert (status, body["error"]["code"]) == (503, "not_ready")
        assert headers["retry-after"]
        assert castor.stop() == 0


def is_alive(castor) -> bool:
    try:
        return castor.ask("GET", "/health", token="")[0] == 200
    except OSError:
        return False


@pytest.mark.parametrize("line", [b"X-More: " + b"x" * 1_000 + b"\r\n", b"x" * 1_000], ids=["many headers", "one header"])
def test_a_head_that_never_ends_fills_no_memory(castor_alone, line):
    castor = castor_alone()
    [worker] = castor.workers()
    before = peak_memory(worker)
    with socket.create_connection(("127.0.0.1", castor.port), timeout=20) as client:
        client.sendall(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Long: ")
        with pytest.raises(ConnectionError):
            client.sendall(line * 50_000)
    assert peak_memory(worker) - before < 5_000_000
    assert castor.chat()[0] == 200


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("ends", ["reset", "close", "malformed"])
def test_an_answer_that_had_come_to_its_end_is_complete_whatever_follows_it(castor, google, ends, stream):
    chunks = [response_of({"text": "all of "}), response_of({"text": "it"}, finishReason="STOP")]
    google.script(chunks=chunks, ends=ends, after=2)
    assert outcome(castor, stream) == (200, "all of it")
    assert len(google.log.generation()) == 1
