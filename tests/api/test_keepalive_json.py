"""Whole answers that are silent for long: white space keeps them alive, and an error after it is never taken for an answer."""

import http.client
import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest

from tests.api import recordings
from tests.api.impatient_proxy import impatient_proxy
from tests.api.server import chat_body
from tests.api.test_heartbeats import HEARTBEAT
from tests.api.test_transcription import form
from tests.servers.server import Reply, completion, streaming

LIVELY = {"HEARTBEAT_SECONDS": "0.1", "KEEPALIVE_JSON": "true", "READ_TIMEOUT": "2"}
CHAT = "/v1/chat/completions"
SAY = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def _lively(_makers, _elsewhere):
    castor = _makers.make(**LIVELY)
    castor.python(f"from credentials.servers import *\nadd_keys(take_in_server('{_elsewhere.url}/v1'), ['sk-one', 'sk-two'])")
    castor.wait(lambda: _serves_llamas(castor), "aware of the server")
    yield castor
    castor.stop()


def _serves_llamas(castor) -> bool:
    try:
        return castor.chat(model="llama-9")[0] == 200
    except http.client.IncompleteRead:  # That it does not came late.
        return False


@pytest.fixture
def lively(_lively, _known_to_google, elsewhere):
    return _lively


def sdk(url: str, castor, retries: int = 0) -> openai.OpenAI:
    return openai.OpenAI(base_url=url, api_key=castor.token, max_retries=retries)


def is_kept_alive(headers, content) -> bool:
    lived = content.startswith(b" ")
    assert lived == ("content-length" not in headers)
    return lived


def broken(castor, path=CHAT, body=None) -> bytes:
    """What has arrived of an answer when its connection breaks."""
    with pytest.raises(http.client.IncompleteRead) as raised:
        castor.ask("POST", path, body or chat_body())
    return raised.value.partial


# --- Answers ---------------------------------------------------------------------------------------------------------------

ANSWERS = {
    "chat": (CHAT, chat_body()),
    "counting": (f"{CHAT}/input_tokens", chat_body()),
    "completions": ("/v1/completions", {"model": "gemini-3.8-flash", "prompt": "hello"}),
    "embeddings": ("/v1/embeddings", {"model": "gemini-embedding-2", "input": "hello"}),
    "images": ("/v1/images/generations", {"model": "gemini-3.1-flash-image", "prompt": "a fox"}),
    "moderations": ("/v1/moderations", {"input": "hello"}),
}


@pytest.mark.parametrize(("path", "body"), ANSWERS.values(), ids=ANSWERS.keys())
def test_a_silent_answer_begins_with_white_space(lively, google, path, body):
    google.script(method="*", delay=0.3)
    status, headers, content = lively.ask("POST", path, body, X_Request_ID="mine-1")
    assert (status, headers["content-type"], headers["x-request-id"]) == (200, "application/json", "mine-1")
    assert headers["x-accel-buffering"] == "no"
    assert is_kept_alive(headers, content)
    assert len(content) - len(content.lstrip(b" ")) > 1
    assert "error" not in json.loads(content)


@pytest.mark.parametrize(
    ("path", "wanted", "lives"),
    [
        ("transcriptions", "json", True),
        ("transcriptions", "verbose_json", True),
        ("transcriptions", "text", False),
        ("transcriptions", "srt", False),
        ("translations", "verbose_json", True),
        ("translations", "vtt", False),
    ],
)
def test_of_transcriptions_only_json_has_white_space(lively, google, path, wanted, lives):
    google.script(method="*", delay=0.3)
    body, content_type = form(recordings.wav(2), response_format=wanted)
    status, headers, content = lively.ask("POST", f"/v1/audio/{path}", body, Content_Type=content_type)
    assert status == 200
    assert is_kept_alive(headers, content) == lives


def test_sound_has_none(lively, google):
    google.script(delay=0.3)
    body = {"model": "gemini-3.8-flash-tts", "voice": "alloy", "input": "Hello.", "response_format": "wav"}
    status, _, content = lively.ask("POST", "/v1/audio/speech", body)
    assert (status, content[:4]) == (200, b"RIFF")


def test_what_a_server_answers_is_kept_alive_and_stays_as_it_is(lively, elsewhere):
    elsewhere.script(Reply(completion(), delay=0.3))
    _, headers, content = lively.ask("POST", CHAT, chat_body(model="llama-9"))
    assert is_kept_alive(headers, content)
    assert content.lstrip(b" ") == completion()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/audio/speech", {"model": "llama-9", "input": "x"}),
        (CHAT, {"model": "llama-9", "messages": SAY}),
        (CHAT, {"model": "llama-9", "messages": SAY, "stream": True}),
    ],
    ids=["asked for sound", "asked for JSON", "asked for events"],
)
def test_no_sign_of_life_falls_into_a_servers_sound(lively, elsewhere, path, body):
    pieces = (b"RIFF", b"one", b"two")
    elsewhere.script(Reply(pieces=pieces, headers={"Content-Type": "audio/wav"}, pause=0.3))
    _, _, content = lively.ask("POST", path, body)
    assert content == b"RIFFonetwo"


@pytest.mark.parametrize(
    ("path", "asked", "event"),
    [
        (CHAT, {"stream": True}, '{"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}'),
        ("/v1/responses", {"stream": True}, '{"type":"response.completed","response":{}}'),
        ("/v1/images/generations", {"stream": True}, '{"type":"image_generation.completed"}'),
        ("/v1/audio/speech", {"stream_format": "sse"}, '{"type":"speech.audio.done"}'),
    ],
)
def test_a_servers_stream_lives_by_comments(lively, elsewhere, path, asked, event):
    said = f"data: {event}\n\n".encode()
    elsewhere.script(Reply(pieces=(said,), headers={"Content-Type": "text/event-stream"}, delay=0.3))
    _, _, content = lively.ask("POST", path, {"model": "llama-9", **asked})
    assert content.startswith(HEARTBEAT)
    assert content.replace(HEARTBEAT, b"") == said


def test_json_of_several_lines_is_one_event_of_a_stream_that_has_begun(lively, elsewhere):
    several = json.dumps(json.loads(completion()), indent=2)
    elsewhere.script(Reply(several.encode(), delay=0.3))
    [answer] = sdk(lively.base_url, lively).chat.completions.create(**chat_body(model="llama-9"), stream=True)
    assert answer.to_dict() == json.loads(several)


def test_a_quick_answer_leaves_as_ever(lively, castor):
    for one in (lively, castor):
        _, headers, content = one.ask("POST", CHAT, chat_body())
        assert headers["content-length"] == str(len(content))
        assert not {"transfer-encoding", "x-accel-buffering"} & set(headers)


def test_it_is_off_unless_it_is_wanted(castor_with, google):
    google.script(delay=0.3)
    assert not is_kept_alive(*castor_with(HEARTBEAT_SECONDS="0.1").ask("POST", CHAT, chat_body())[1:])


# --- Errors ----------------------------------------------------------------------------------------------------------------


def test_an_error_before_the_first_space_has_its_status(lively, google):
    google.script(error="bad_request")
    status, headers, content = lively.ask("POST", CHAT, chat_body())
    assert (status, headers["content-length"]) == (400, str(len(content)))
    assert list(json.loads(content)) == ["error"]


def test_an_error_after_it_can_be_read_and_breaks_the_connection(lively, google):
    google.script(delay=0.3, error="bad_request")
    content = broken(lively)
    assert content.startswith(b" ")
    assert json.loads(content)["error"]["type"] == "invalid_request_error"


def test_the_same_holds_for_servers(lively, elsewhere):
    elsewhere.script(Reply(b'{"error":{"message":"no such thing","type":"invalid_request_error"}}', 400, delay=0.3))
    assert "no such thing" in json.loads(broken(lively, body=chat_body(model="llama-9")))["error"]["message"]


def test_it_is_recorded_with_its_own_status(lively, google):
    google.script(delay=0.3, error="bad_request")
    with pytest.raises(http.client.IncompleteRead):
        lively.ask("POST", CHAT, chat_body(), X_Request_ID="late-1")
    assert lively.usage("late-1")[0]["status"] == 400


def test_the_python_sdk_that_does_not_ask_again_raises_a_broken_connection(lively, google):
    google.script(delay=0.3, error="bad_request")
    with pytest.raises(openai.APIConnectionError):
        sdk(lively.base_url, lively).chat.completions.create(**chat_body())


def test_the_python_sdk_asks_again_and_raises_the_error_itself(lively, google):
    google.script(delay=0.3, error="bad_request")
    with pytest.raises(openai.BadRequestError, match="invalid argument") as raised:
        sdk(lively.base_url, lively, retries=1).chat.completions.create(**chat_body("again"))
    assert raised.value.type == "invalid_request_error"
    assert len(google.log.generation()) == 1


def test_the_error_is_told_once_and_to_nobody_else(lively, google):
    google.script(delay=0.3, error="bad_request")
    broken(lively, body=chat_body("once"))

    def again(text="once", **given):
        return lively.ask("POST", CHAT, chat_body(text), **{"X_Stainless_Retry_Count": "1", **given})[0]

    assert again(X_Stainless_Retry_Count="0") == 200
    assert again("something else") == 200
    assert again(token=lively.tokens["other"]) == 200
    assert again() == 400
    assert again() == 200


def test_what_needs_no_token_can_be_asked_again(lively):
    assert lively.ask("GET", "/ready", token="", X_Stainless_Retry_Count="1")[0] == 200


def test_the_node_sdk_raises_a_broken_connection(lively, google, node):
    google.script(delay=0.3, error="bad_request")
    assert node("broken_whole", lively.base_url, lively.token)["kind"] == "TypeError"


class _Careless(BaseHTTPRequestHandler):
    """Ends its errors properly, with status 200."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(b'  {"error":{"message":"it failed","type":"server_error"}}')

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_an_error_that_ended_properly_would_be_taken_for_an_answer(node):
    """Why the connection is broken: once this fails, it need not be any more."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Careless) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/v1"
        assert openai.OpenAI(base_url=url, api_key="x").chat.completions.create(**chat_body()).choices is None
        assert node("broken_whole", url, "x") is None
        server.shutdown()


# --- Proxies that cut off the silent ---------------------------------------------------------------------------------------


def test_the_sdks_outlive_a_proxy_that_cuts_the_silent(lively, google, node):
    with impatient_proxy(lively.port, patience=0.6) as url:
        google.script(delay=1.5, text="late")
        completion = sdk(url, lively).chat.completions.create(**chat_body())
        assert completion.choices[0].message.content == "late"
        google.script(delay=1.5, text="late")
        assert node("whole", url, lively.token)["text"] == "late"


def test_without_white_space_they_do_not(castor_with, google):
    castor = castor_with(HEARTBEAT_SECONDS="0.1")
    google.script(delay=60, text="late")
    with impatient_proxy(castor.port, patience=0.3) as url, pytest.raises(openai.APIConnectionError):
        sdk(url, castor).chat.completions.create(**chat_body())


# --- Upstreams that only give signs of life themselves -----------------------------------------------------------------------


def test_a_key_on_which_google_only_pings_makes_room_for_another(lively, google):
    google.script(pings=1, ends="stall", text="never")
    google.script(text="here")
    stream = sdk(lively.base_url, lively).chat.completions.create(**chat_body(), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "here"
    first, second = google.log.generation()
    assert first.key != second.key


def deltas(delta: str, again: str) -> itertools.chain:
    event = 'data: {"choices":[{"index":0,"delta":%s}]}\n\n'
    return itertools.chain([(event % delta).encode()], itertools.repeat((event % again).encode()))


ROLE = '{"role":"assistant","content":""}'


def test_before_its_first_token_a_server_that_only_pings_makes_room_for_another_key(lively, elsewhere):
    end = b'data: {"choices":[{"index":0,"delta":{"content":"here"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    elsewhere.script(Reply(pieces=deltas(ROLE, ROLE), headers={"Content-Type": "text/event-stream"}, pause=0.2), streaming(end))
    status, _, content = lively.ask("POST", CHAT, chat_body(model="llama-9", stream=True))
    assert (status, content.replace(HEARTBEAT, b"")) == (200, end)
    assert content.startswith(HEARTBEAT)
    assert len({taken.key for taken in elsewhere.taken}) == 2


def test_after_it_the_stream_ends_in_an_error_that_the_sdk_raises(lively, elsewhere):
    pieces = deltas('{"content":"one"}', '{"content":""}')
    elsewhere.script(Reply(pieces=pieces, headers={"Content-Type": "text/event-stream"}, pause=0.2))
    stream = sdk(lively.base_url, lively).chat.completions.create(**chat_body(model="llama-9"), stream=True)
    with pytest.raises(openai.APIError, match="signs of life") as raised:
        list(stream)
    assert raised.value.code == "upstream_broken"


def test_white_space_for_ever_is_no_answer(lively, elsewhere):
    white = Reply(pieces=itertools.repeat(b" "), pause=0.2)
    elsewhere.script(white, Reply(completion()))
    _, headers, content = lively.ask("POST", CHAT, chat_body(model="llama-9"))
    assert is_kept_alive(headers, content)
    assert content.lstrip(b" ") == completion()
