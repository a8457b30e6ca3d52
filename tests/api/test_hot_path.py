"""The gates of DESIGN.md section 3, without a clock: what a request may not do, and what must come of it whatever happens."""

import http.client
import json
import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.api.server import RESTRICTED, TWO_KEYS, chat_body

FLASH = "gemini-3.8-flash"
WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
STALLS = {"text": "one two three four five six", "tokens_per_chunk": 1, "ends": "stall"}


def data_lines(response):
    """The payloads of an SSE stream, one by one as they arrive."""
    for line in response:
        if line.startswith(b"data: "):
            yield line[6:].strip()


def said(payloads) -> str:
    chunks = [json.loads(payload) for payload in payloads if payload != b"[DONE]"]
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def first_content(response) -> str:
    """Reads on until the first piece of text."""
    return next(text for payload in data_lines(response) if (text := said([payload])))


def peak_memory(pid: int) -> int:
    """The most bytes that a process ever had resident."""
    return int(re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())[1]) * 1024


# --- What a request may not do ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watch_file(tmp_path_factory):
    return tmp_path_factory.mktemp("watch") / "notes"


@pytest.fixture(scope="module")
def _watched(watch_file, _makers):
    castor = _makers.make(application="tests.api.watched:application", CASTOR_WATCH=str(watch_file))
    yield castor
    castor.stop()


@pytest.fixture
def watched(_watched, _known_to_google):
    return _watched


def tool_round(castor, **fields) -> None:
    """A call and its result, without the signature: it must come from memory."""
    _, _, first = castor.chat('call get_weather {"city": "Paris"}', tools=[WEATHER], **fields)
    call = first["choices"][0]["message"]["tool_calls"][0]
    call.pop("extra_content")
    history = [
        {"role": "user", "content": 'call get_weather {"city": "Paris"}'},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call["id"], "content": "sunny"},
    ]
    status, _, _ = castor.chat(messages=history, tools=[WEATHER], **fields)
    assert status == 200


def whole_stream(castor, **fields) -> None:
    with castor.streaming(**fields) as response:
        assert list(data_lines(response))[-1] == b"[DONE]"


REQUESTS = {
    "whole": lambda castor: castor.chat(),
    "stream": whole_stream,
    "several choices": lambda castor: castor.chat(n=3),
    "several choices streamed": lambda castor: whole_stream(castor, n=3),
    "tools": tool_round,
    "a schema": lambda castor: castor.chat(response_format={"type": "json_object"}),
    "an image": lambda castor: castor.chat(
        messages=[
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}]}
        ]
    ),
    "an alias": lambda castor: castor.chat(model="gpt-4o"),
    "no token": lambda castor: castor.chat(token=""),
    "a wrong token": lambda castor: castor.chat(token="sk-nonsense"),
    "a forbidden model": lambda castor: castor.chat(token=castor.tokens["flash"], model="gemini-3.1-pro-preview"),
    "an unknown model": lambda castor: castor.chat(model="llama-9"),
    "a malformed body": lambda castor: castor.ask("POST", "/v1/chat/completions", b"{"),
    "the models": lambda castor: castor.ask("GET", "/v1/models"),
    "one model": lambda castor: castor.ask("GET", f"/v1/models/{FLASH}"),
    "an unknown path": lambda castor: castor.ask("GET", "/v1/nonsense"),
    "a wrong method": lambda castor: castor.ask("DELETE", "/v1/chat/completions"),
    "health": lambda castor: castor.ask("GET", "/health"),
    "readiness": lambda castor: castor.ask("GET", "/ready"),
}


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_request_starts_no_thread_runs_no_query_and_makes_no_client(watched, watch_file, kind):
    REQUESTS[kind](watched)  # Once to be warm.
    before = watch_file.read_text()
    for _ in range(3):
        REQUESTS[kind](watched)
    assert watch_file.read_text() == before


def test_a_failover_starts_no_thread_and_runs_no_query(watched, watch_file, google):
    watched.chat()
    before = watch_file.read_text()
    for error in ("day_quota", "api_key_invalid", "overloaded"):
        google.script(error=error)
        assert watched.chat()[0] == 200
    assert watch_file.read_text() == before


def test_the_watchman_is_awake(watched, watch_file):
    """A tool call that this process has never seen is looked up in the database: the one thing that may cost a query."""
    strange = {"id": "call_strange", "type": "function"}
    history = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "tool_calls": [{**strange, "function": {"name": "get_weather", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "call_strange", "content": "sunny"},
    ]  # fmt: skip
    before = watch_file.read_text()
    assert watched.chat(messages=history, tools=[WEATHER])[0] == 200
    assert "/v1/chat/completions ThreadPoolExecutor.submit" in watch_file.read_text().removeprefix(before)


def test_a_warm_server_opens_no_connection_to_google(castor, google):
    castor.chat()
    accepted = google.connections
    for _ in range(5):
        castor.chat()
        whole_stream(castor)
        castor.chat(model="gemini-2.5-flash")
    assert google.connections == accepted


def test_a_cold_request_opens_one_connection(castor_alone, google):
    castor = castor_alone()
    accepted = google.connections
    castor.chat()
    assert google.connections == accepted + 1


# --- Streams as they flow ----------------------------------------------------------------------------------------------


def test_the_first_chunk_leaves_before_the_second_arrives(castor, google):
    google.script(**STALLS, after=1)
    with castor.streaming() as response:
        assert first_content(response).startswith("one")
        assert google.log.generation()[-1].ended is None


@pytest.mark.parametrize("after", [1, 3])
def test_a_client_that_leaves_a_stream_takes_the_upstream_call_with_it(castor, google, after):
    google.script(**STALLS, after=after)
    with castor.streaming() as response:
        first_content(response)
    google.wait_until(lambda log: log.generation()[-1].client_closed)


@pytest.mark.parametrize("fields", [{"stream": True}, {"stream": False}, {"n": 2}, {"stream": True, "n": 2}])
@pytest.mark.parametrize("after", [0, 2])
def test_a_client_that_leaves_before_it_got_anything_takes_the_upstream_calls_with_it(castor, google, fields, after):
    choices = fields.get("n", 1)
    google.script(**STALLS, after=0 if fields.get("stream") else after, times=choices)
    with socket.create_connection(("127.0.0.1", castor.port)) as client:
        send_chat(castor, client, **fields)
        google.wait_until(lambda log: len(log.generation()) == choices)
    google.wait_until(lambda log: all(call.client_closed for call in log.generation()))
    assert castor.chat()[0] == 200


def send_chat(castor, client: socket.socket, request_id: str = "", **fields) -> None:
    body = json.dumps(chat_body(**fields)).encode()
    headers = ["Host: x", f"Authorization: Bearer {castor.token}", f"Content-Length: {len(body)}"]
    headers += [f"X-Request-ID: {request_id}"] if request_id else []
    client.sendall("\r\n".join(["POST /v1/chat/completions HTTP/1.1", *headers, "", ""]).encode() + body)


def test_a_client_that_left_is_recorded_as_such(castor, google):
    google.script(**STALLS, after=0)
    with socket.create_connection(("127.0.0.1", castor.port)) as client:
        send_chat(castor, client, request_id="the-one-who-left", stream=True)
        google.wait_until(lambda log: log.generation())
    [record] = castor.usage("the-one-who-left")
    assert (record["status"], record["attempts"]) == (499, 1)


def test_a_slow_reader_holds_back_the_upstream_and_the_memory(castor_alone, google):
    castor = castor_alone()
    whole_stream(castor)
    [worker] = castor.workers()
    before = peak_memory(worker)
    # Thoughts: a text, which ends at 65,536 tokens, is kept until its end because citations may point into it.
    thought = response_of({"text": "x" * 20_000, "thought": True})
    google.script(chunks=[*[thought] * 2_000, response_of({"text": "done"}, finishReason="STOP")])
    thinking = {"extra_body": {"google": {"thinking_config": {"include_thoughts": True}}}}
    with castor.streaming(**thinking) as response:
        payloads = data_lines(response)
        next(payloads)
        # What does not hold back would have all 40 MB here long before; the kernel's own buffers hold up to 14.
        with pytest.raises(TimeoutError):
            google.wait_until(lambda log: log.generation()[-1].bytes_sent > 20_000_000, seconds=2)
        rest = list(payloads)
    assert said(rest) == "done"
    assert sum(map(len, rest)) > 40_000_000
    assert peak_memory(worker) - before < 8_000_000


def response_of(part: dict, **candidate) -> dict:
    return {"candidates": [{"content": {"role": "model", "parts": [part]}, "index": 0, **candidate}]}


def test_an_answer_larger_than_any_buffer_arrives_whole(castor, google):
    google.script(megabytes=5)
    _, _, answer = castor.chat()
    assert len(answer["choices"][0]["message"]["content"]) > 4_900_000


def test_clients_that_leave_at_any_moment_leave_nothing_taken(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS, MAX_CONCURRENT="1", MAX_IN_FLIGHT="3")
    for fields in ({"stream": True}, {"stream": False}, {"stream": True, "n": 2}, {"n": 2}):
        for after in (0, 1):
            google.script(**STALLS, after=after, times=None)
            asked = len(google.log.generation()) + fields.get("n", 1)
            with socket.create_connection(("127.0.0.1", castor.port)) as client:
                send_chat(castor, client, **fields)
                google.wait_until(lambda log, asked=asked: len(log.generation()) == asked)
            google.wait_until(lambda log: all(call.client_closed for call in log.generation()))
    google.state.scripts.clear()
    # Every credential and every place in flight is free again, or one of these would wait for ever.
    castor.wait(lambda: castor.chat()[0] == 200, "serving")
    google.script(**STALLS, after=1, times=2)
    with castor.streaming() as one, castor.streaming() as two:
        assert first_content(one)
        assert first_content(two)


def test_a_request_that_waits_for_its_turn_gets_it_and_one_that_gave_up_holds_nobody_up(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS, MAX_CONCURRENT="1")
    google.script(**STALLS, after=1, times=2)
    with castor.streaming() as one, castor.streaming() as two:
        assert first_content(one)
        assert first_content(two)
        with socket.create_connection(("127.0.0.1", castor.port)) as impatient:
            send_chat(castor, impatient, request_id="impatient")
            patient = socket.create_connection(("127.0.0.1", castor.port), timeout=20)
            send_chat(castor, patient, text="patient")
        castor.usage("impatient")
        assert len(google.log.generation()) == 2
    with patient:
        response = http.client.HTTPResponse(patient)
        response.begin()
        assert json.loads(response.read())["choices"][0]["message"]["content"] == "echo: patient"
    assert google.log.generation()[-1].text == "patient"
    assert castor.usage("impatient")[0]["status"] == 499


# --- The server's own life ---------------------------------------------------------------------------------------------


def test_a_server_that_is_told_to_stop_ends_its_answers_and_takes_no_new_ones(castor_alone, google):
    castor = castor_alone()
    google.script(text="one two three four five six seven eight nine ten", tokens_per_chunk=1, chunk_delay=0.2)
    with castor.streaming() as response:
        first_content(response)
        castor.terminate()
        castor.wait(lambda: not castor.is_ready(), "refusing")
        assert google.log.generation()[-1].ended is None
        payloads = list(data_lines(response))
    assert payloads[-1] == b"[DONE]"
    assert said(payloads).endswith("nine ten")
    assert castor.wait_until_ended() == 0
    records = castor.rows("SELECT * FROM openai_api_usagerecord")
    assert [(record["status"], record["stream"]) for record in records] == [(200, 1)]


def test_more_requests_than_it_takes_are_shed_at_once_and_health_goes_on(castor_with, google):
    castor = castor_with(MAX_IN_FLIGHT="2")
    google.script(**STALLS, after=1, times=2)
    with castor.streaming() as one, castor.streaming() as two:
        first_content(one)
        first_content(two)
        status, headers, body = castor.chat()
        assert (status, body["error"]["code"]) == (503, "overloaded")
        assert int(headers["retry-after"]) >= 1
        assert headers["x-request-id"]
        assert castor.ask("GET", "/health")[0] == 200
        assert castor.ask("GET", "/ready")[0] == 200
        assert len(google.log.generation()) == 2
    google.wait_until(lambda log: all(call.client_closed for call in log.generation()))
    castor.wait(lambda: castor.chat()[0] == 200, "serving again")


# --- Accounts ------------------------------------------------------------------------------------------------------------


def test_every_request_is_one_record_and_the_tokens_are_googles(castor_alone, google):
    castor = castor_alone()
    for number in range(4):
        castor.chat(f"question number {number}")
        whole_stream(castor, text=f"question number {number}")
        castor.chat("twice", n=2)
    google.script(error="overloaded")
    castor.chat("after a failure")
    castor.chat(model="llama-9")
    castor.chat(temperature="hot")
    castor.chat(token="sk-nonsense")
    assert castor.stop() == 0
    records = castor.rows("SELECT * FROM openai_api_usagerecord")
    # What has no token, or cannot be read, is nobody's usage.
    assert len(records) == 14
    assert sum(record["attempts"] for record in records) == len(google.log.generation())
    usage = [call.usage for call in google.log.generation() if call.status == 200]
    assert sum(record["prompt_tokens"] for record in records) == sum(one["promptTokenCount"] for one in usage)
    assert sum(record["reasoning_tokens"] for record in records) == sum(one.get("thoughtsTokenCount", 0) for one in usage)
    assert sum(record["completion_tokens"] for record in records) == sum(
        one.get("candidatesTokenCount", 0) + one.get("thoughtsTokenCount", 0) for one in usage
    )
    assert {record["status"] for record in records} == {200, 404}


@pytest.mark.parametrize("victim", ["the worker", "everything"])
def test_kill_9_loses_no_record(castor_alone, google, victim):
    castor = castor_alone()
    for number in range(5):
        castor.chat(headers={"X-Request-ID": f"done-{number}"})
    google.script(**STALLS, after=2)
    with castor.streaming() as response:
        under_way = response.headers["X-Request-ID"]
        first_content(response)
        if victim == "everything":
            castor.kill()
            castor.start()
        else:
            [worker] = castor.workers()
            os.kill(worker, signal.SIGKILL)
            castor.wait(lambda: castor.workers() not in ([], [worker]) and castor.is_ready(), "ready again")
    for number in range(5):
        [record] = castor.usage(f"done-{number}")
        assert record["status"] == 200
    [killed] = castor.usage(under_way)
    assert (killed["status"], killed["error"], killed["stream"]) == (0, "killed", 1)
    assert len(castor.rows("SELECT * FROM openai_api_usagerecord")) == 6


# --- Failover --------------------------------------------------------------------------------------------------------------

SERVED_BY_ANOTHER = [
    "api_key_invalid", "api_key_expired", "wrong_kind", "suspended", "leaked", "service_blocked", "referrer_blocked",
    "ip_blocked", "service_disabled", "project_denied", "out_of_credit", "out_of_credit_before_september", "spend_cap",
    "minute_quota", "day_quota", "minute_token_quota", "day_token_quota", "day_and_minute_quota", "zero_quota", "retry_info_only",
    "bare_429", "html_429", "strange",
    "model_not_found", "model_closed_to_new_users",
    "internal", "overloaded", "high_demand", "deadline", "html_502", "empty_502", "html_408", "cancelled",
]  # fmt: skip
BROKEN_BEFORE_THE_FIRST_TOKEN = [
    {"ends": "reset"},
    {"ends": "close"},
    {"ends": "cut"},
    {"ends": "malformed"},
    {"ends": "error", "error": "overloaded"},
    {"ends": "bare_error", "error": "day_quota"},
    {"empty": True},
    {"text": "", "finish_reason": "MALFORMED_FUNCTION_CALL"},
    {"status": 200, "body": "<html>captive portal</html>"},
    {"status": 302, "body": "", "headers": {"location": "http://127.0.0.1:9/"}},
]


def outcome(castor, stream: bool) -> tuple[int, str]:
    """(status, text) of one chat, however it is asked."""
    if not stream:
        status, _, body = castor.chat("hello")
        return status, body["choices"][0]["message"]["content"] if status == 200 else body["error"]["message"]
    with castor.streaming("hello") as response:
        if response.status != 200:
            return response.status, json.loads(response.read())["error"]["message"]
        payloads = list(data_lines(response))
        assert payloads[-1] == b"[DONE]"
        return 200, said(payloads)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("error", SERVED_BY_ANOTHER)
def test_what_another_credential_can_serve_is_served(castor, google, error, stream):
    google.script(error=error)
    assert outcome(castor, stream) == (200, "echo: hello")
    first, second = google.log.generation()
    assert (first.status, second.status) == (first.status, 200) != (200, 200)
    assert first.key != second.key


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("script", BROKEN_BEFORE_THE_FIRST_TOKEN, ids=str)
def test_an_answer_that_breaks_before_its_first_token_is_asked_of_another(castor, google, script, stream):
    google.script(**script)
    assert outcome(castor, stream) == (200, "echo: hello")
    first, second = google.log.generation()
    assert first.key != second.key


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(("error", "status"), [("bad_request", 400), ("too_long", 400), ("file_denied", 403), ("html_413", 413)])
def test_what_is_the_requests_own_fault_is_said_at_once_and_changes_no_key(castor, google, error, status, stream):
    before = rests_written_down(castor)
    asked = len(google.log.generation())
    google.script(error=error)
    assert outcome(castor, stream)[0] == status
    assert len(google.log.generation()) == asked + 1
    assert rests_written_down(castor) <= before


def rests_written_down(castor) -> set[tuple]:
    """The rests in the database once all that was learned so far is in it."""
    _, headers, _ = castor.chat()
    castor.usage(headers["x-request-id"])  # Rests are written before the usage that was recorded by then.
    return {tuple(row) for row in castor.rows("SELECT credential_id, model, reason, since, strikes FROM credentials_keyhealth")}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("error", ["location_unsupported", "two_credentials", "no_key", "credentials_missing"])
def test_what_google_holds_against_this_gateway_burns_through_no_keys(castor, google, error, stream):
    google.script(error=error, times=None)
    assert outcome(castor, stream)[0] in (502, 503)
    assert len(google.log.generation()) == 1


def test_an_illness_of_googles_is_given_up_after_the_retries(castor_with, google):
    castor = castor_with(MAX_RETRIES="2", CONSECUTIVE_FAILURES="100")
    google.script(error="overloaded", times=None)
    assert outcome(castor, stream=True)[0] == 503
    assert len(google.log.generation()) == 3


def test_dead_keys_do_not_count_as_retries(castor_with, google):
    castor = castor_with(MAX_RETRIES="2", CONSECUTIVE_FAILURES="100")
    google.script(error="api_key_invalid", times=7)
    assert outcome(castor, stream=False) == (200, "echo: hello")
    assert len(google.log.generation()) == 8


def test_a_resting_key_is_not_asked_for_that_model_but_for_others(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    google.script(error="day_quota", key="pool-key-1", model=FLASH, times=None)
    for _ in range(6):
        assert castor.chat()[0] == 200
    asked = [call.key for call in google.log.generation()]
    assert asked.count("pool-key-1") == 1
    for _ in range(4):
        assert castor.chat(model="gemini-2.5-flash")[0] == 200
    assert "pool-key-1" in [call.key for call in google.log.generation() if call.model == "gemini-2.5-flash"]


# --- Manners -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "code"),
    [
        ("POST", "/v1/chat/completions", "", 401, "invalid_api_key"),
        ("POST", "/v1/chat/completions", "sk-nonsense", 401, "invalid_api_key"),
        ("GET", "/v1/models", "", 401, "invalid_api_key"),
        ("GET", "/v1/chat/completions", None, 405, "method_not_supported"),
        ("PUT", "/v1/models", None, 405, "method_not_supported"),
        ("GET", "/v1/nonsense", None, 404, "unknown_url"),
        ("POST", "/v1/chat/completions/", None, 404, "unknown_url"),
        ("DELETE", "/v1/", None, 404, "unknown_url"),
        ("GET", "/v1/models/llama-9", None, 404, "model_not_found"),
    ],
)
def test_every_refusal_speaks_openais_language(castor, method, path, token, status, code):
    answered, headers, body = castor.ask(method, path, {} if method in ("POST", "PUT") else None, token=token)
    error = json.loads(body)["error"]
    assert (answered, error["code"]) == (status, code)
    assert set(error) == {"message", "type", "param", "code"}
    assert headers["content-type"] == "application/json"
    assert headers["x-request-id"]
    assert ("allow" in headers) == (status == 405)
    assert "server" not in headers


@pytest.mark.parametrize("sort", ["expired", "revoked"])
def test_a_token_that_ended_is_told_apart_from_a_wrong_one(castor, sort):
    status, _, body = castor.chat(token=castor.tokens[sort])
    assert status == 401
    assert sort in body["error"]["message"]


def test_a_model_beyond_the_token_is_forbidden(castor):
    status, _, body = castor.chat(token=castor.tokens["flash"], model="gemini-3.1-pro-preview")
    assert (status, body["error"]["type"]) == (403, "permission_error")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"model": "x", "messages": ', b"[" * 100_000])
def test_a_body_that_is_no_request_is_the_callers_fault(castor, google, body):
    status, _, answer = castor.ask("POST", "/v1/chat/completions", body)
    assert status == 400
    assert json.loads(answer)["error"]["type"] == "invalid_request_error"
    assert google.log.generation() == []


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_is_too_large_is_refused_before_it_is_read(castor_with, google, chunked):
    castor = castor_with(**RESTRICTED)
    with socket.create_connection(("127.0.0.1", castor.port), timeout=20) as client:
        length = "Transfer-Encoding: chunked" if chunked else "Content-Length: 50000000000"
        head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {castor.token}\r\n{length}\r\n\r\n"
        client.sendall(head.encode() + (b"4e20\r\n" + b"x" * 20_000 if chunked else b""))
        response = http.client.HTTPResponse(client)
        response.begin()
        error = json.loads(response.read())["error"]
    assert (response.status, error["code"]) == (413, "request_too_large")
    assert response.headers["x-request-id"]
    assert castor.chat("x" * 9_000)[0] == 200
    assert castor.chat("x" * 10_000)[0] == 413


def test_the_callers_request_id_is_taken_over_if_it_is_a_decent_one(castor):
    assert castor.chat(headers={"X-Request-ID": "abc-123"})[1]["x-request-id"] == "abc-123"
    for indecent in ("x" * 200, "a b", "ä", "<script>"):
        given = castor.chat(headers={"X-Request-ID": indecent.encode("utf-8").decode("latin-1")})[1]["x-request-id"]
        assert given != indecent
        assert re.fullmatch(r"req-[0-9a-f]{32}", given)


def test_the_request_id_is_that_of_the_usage_record(castor):
    castor.chat(headers={"X-Request-ID": "find-me-again"})
    [record] = castor.usage("find-me-again")
    assert (record["status"], record["model_asked"], record["dialect"]) == (200, FLASH, "chat")


def test_what_is_dropped_is_named_and_strictness_refuses_it(castor, google):
    _, headers, _ = castor.chat(presence_penalty=1, logit_bias={"1": 2})
    assert {"presence_penalty", "logit_bias"} <= set(re.findall(r"\w+", headers["x-castor-dropped"]))
    _, headers, _ = castor.chat()
    assert "x-castor-dropped" not in headers
    asked = len(google.log.generation())
    status, _, body = castor.chat(presence_penalty=1, headers={"X-Castor-Strict": "true"})
    assert (status, body["error"]["param"]) == (400, "presence_penalty")
    assert len(google.log.generation()) == asked
    assert castor.chat(headers={"X-Castor-Strict": "true"})[0] == 200


def test_browsers_are_told_who_may_call(castor_with):
    castor = castor_with(**RESTRICTED)
    asked = {
        "Origin": "https://app.example.com",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }
    status, headers, _ = castor.ask("OPTIONS", "/v1/chat/completions", token="", **asked)
    assert status == 204
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert "POST" in headers["access-control-allow-methods"]
    assert headers["access-control-allow-headers"] == "authorization"
    _, headers, _ = castor.chat(headers={"Origin": "https://app.example.com"})
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert {"X-Request-ID", "X-Castor-Fallback"} <= set(headers["access-control-expose-headers"].split(", "))
    _, headers, _ = castor.chat(token="sk-nonsense", headers={"Origin": "https://app.example.com"})
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    _, headers, _ = castor.chat(headers={"Origin": "https://evil.example.com"})
    assert "access-control-allow-origin" not in headers


def test_browsers_are_told_nothing_unless_an_origin_is_allowed(castor):
    _, headers, _ = castor.chat(headers={"Origin": "https://app.example.com"})
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"temperature": "hot"}, "status=400 error=InvalidRequest code=invalid_type param=temperature"),
        ({"token": "castor-nonsense"}, "status=401 error=NotAuthenticated code=invalid_api_key"),
    ],
    ids=str,
)
def test_a_refusal_before_anybody_was_asked_is_in_the_log(castor, google, asked, said):
    request_id = f"refused-{next(iter(asked))}"
    castor.chat(headers={"X-Request-ID": request_id}, **asked)
    castor.wait(lambda: f"id={request_id}" in castor.logs, "told")
    [line] = [line for line in castor.logs.splitlines() if f"id={request_id}" in line]
    assert said in line
    assert "path=/v1/chat/completions" in line
    assert not google.log.generation()


def test_no_secret_and_no_prompt_is_in_the_log(castor_alone, google):
    castor = castor_alone()
    google.script(error="suspended")
    castor.chat("a very private question")
    castor.chat("a very private question", temperature="hot")
    castor.stop()
    assert castor.logs
    for secret in ("private question", castor.token, *[call.key for call in google.log]):
        assert secret not in castor.logs
