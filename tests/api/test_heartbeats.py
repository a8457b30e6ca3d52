"""Streams that are silent for long: comments keep them alive, and what goes wrong afterwards is still an error."""

import json

import openai
import pytest

from tests.api import recordings
from tests.api.impatient_proxy import impatient_proxy
from tests.api.server import chat_body
from tests.api.test_transcription import form

HEARTBEAT = b": heartbeat\n\n"
LIVELY = {"HEARTBEAT_SECONDS": "0.1"}


def sdk(base_url: str, token: str) -> openai.OpenAI:
    return openai.OpenAI(base_url=base_url, api_key=token, max_retries=0)


def read_stream(castor, **fields) -> bytes:
    status, headers, content = castor.ask("POST", "/v1/chat/completions", chat_body(stream=True, **fields))
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    return content


def test_a_stream_lives_before_its_first_token(castor_with, google):
    google.script(first_byte_delay=1, text="late")
    content = read_stream(castor_with(**LIVELY))
    assert content.startswith(HEARTBEAT)
    answer = content.replace(HEARTBEAT, b"")
    assert answer.startswith(b"data: ")
    assert answer.endswith(b"data: [DONE]\n\n")
    assert b"late" in answer


def test_a_stream_lives_between_two_tokens(castor_with, google):
    google.script(text="one two", tokens_per_chunk=1, chunk_delay=1)
    content = read_stream(castor_with(**LIVELY))
    assert HEARTBEAT in content[content.index(b"data: ") :]
    assert content.endswith(b"data: [DONE]\n\n")


SPEECH = {"model": "gemini-3.8-flash-tts", "voice": "alloy", "input": "Hello.", "response_format": "pcm", "stream_format": "sse"}
PICTURE = {"model": "gemini-3.1-flash-image", "prompt": "a fox", "stream": True}
STREAMS = {
    "completions": ("/v1/completions", {"model": "gemini-3.8-flash", "prompt": "hello", "stream": True}),
    "speech": ("/v1/audio/speech", SPEECH),
    "a picture": ("/v1/images/generations", PICTURE),
    "a picture with drafts": ("/v1/images/generations", {**PICTURE, "partial_images": 1}),
}


@pytest.mark.parametrize(("path", "body"), STREAMS.values(), ids=STREAMS.keys())
def test_every_stream_lives_before_its_first_event(castor_with, google, path, body):
    google.script(delay=0.3)
    status, headers, content = castor_with(**LIVELY).ask("POST", path, body)
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    assert content.startswith(HEARTBEAT)
    assert b"data: " in content
    assert b'"error"' not in content


def test_a_transcription_lives_too(castor_with, google):
    google.script(delay=0.3)
    body, content_type = form(recordings.wav(2), model="gemini-3.5-transcribe", stream="true")
    _, _, content = castor_with(**LIVELY).ask("POST", "/v1/audio/transcriptions", body, Content_Type=content_type)
    assert content.startswith(HEARTBEAT)
    assert b"transcript.text.done" in content


def test_a_stream_that_is_never_silent_has_no_heartbeats(castor_with):
    assert HEARTBEAT not in read_stream(castor_with(HEARTBEAT_SECONDS="30"))


def test_heartbeats_can_be_switched_off(castor_with, google):
    google.script(first_byte_delay=0.5, text="late")
    assert HEARTBEAT not in read_stream(castor_with(HEARTBEAT_SECONDS="0"))


def test_a_stream_that_began_with_a_heartbeat_says_whose_it_is(castor_with, google):
    google.script(first_byte_delay=1, text="late")
    castor = castor_with(**LIVELY)
    _, headers, _ = castor.ask("POST", "/v1/chat/completions", chat_body(stream=True, seed=2**40), X_Request_ID="mine-1")
    assert headers["x-request-id"] == "mine-1"
    assert headers["x-castor-dropped"] == "seed"
    assert headers["x-accel-buffering"] == "no"


def test_an_error_before_the_first_heartbeat_has_its_status(castor_with, google):
    google.script(error="bad_request")
    castor = castor_with(**LIVELY)
    assert castor.ask("POST", "/v1/chat/completions", chat_body(stream=True))[0] == 400


def test_an_error_after_a_heartbeat_is_an_event_that_the_sdk_raises(castor_with, google):
    google.script(delay=1, error="bad_request")
    castor = castor_with(**LIVELY)
    stream = sdk(castor.base_url, castor.token).chat.completions.create(**chat_body(), stream=True)
    with pytest.raises(openai.APIError) as raised:
        list(stream)
    assert raised.value.type == "invalid_request_error"


def test_the_node_sdk_raises_it_too(castor_with, google, node):
    google.script(delay=0.5, error="bad_request", times=2)
    castor = castor_with(**LIVELY)
    raised = node("late_error", castor.base_url, castor.token)
    assert {how: error["kind"] for how, error in raised.items()} == {"stream": "APIError", "helper": "APIError"}


def test_an_error_after_a_heartbeat_is_recorded_with_its_own_status(castor_with, google):
    google.script(delay=1, error="bad_request")
    castor = castor_with(**LIVELY)
    status, _, content = castor.ask("POST", "/v1/chat/completions", chat_body(stream=True), X_Request_ID="failed-late")
    event = content.replace(HEARTBEAT, b"").strip()
    assert (status, list(json.loads(event.removeprefix(b"data: ")))) == (200, ["error"])
    assert castor.usage("failed-late")[0]["status"] == 400


def test_another_key_still_takes_over_after_a_heartbeat(castor_with, google):
    google.script(delay=1, error="day_quota")
    castor = castor_with(**LIVELY)
    stream = sdk(castor.base_url, castor.token).chat.completions.create(**chat_body(), stream=True)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "echo: hello"
    first, second = google.log.generation()
    assert first.key != second.key


def test_whole_answers_are_left_alone(castor_with, google):
    google.script(first_byte_delay=1, text="late")
    status, headers, body = castor_with(**LIVELY).chat()
    assert (status, headers["content-type"]) == (200, "application/json")
    assert body["choices"][0]["message"]["content"] == "late"


async def test_a_client_that_leaves_while_it_hears_only_heartbeats_ends_the_call(castor_with, google):
    castor = castor_with(**LIVELY)
    google.script(first_byte_delay=60, text="never")
    with castor.streaming() as response:
        assert response.read(len(HEARTBEAT)) == HEARTBEAT
    await google.until(lambda log: log.generation()[-1].client_closed)


def test_the_python_sdk_outlives_a_proxy_that_cuts_the_silent(castor_with, google):
    castor = castor_with(**LIVELY)
    google.script(first_byte_delay=1.5, text="late")
    with impatient_proxy(castor.port, patience=0.6) as url:
        stream = sdk(url, castor.token).chat.completions.create(**chat_body(), stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices) == "late"


def test_the_proxy_does_cut_the_silent(castor_with, google):
    castor = castor_with(HEARTBEAT_SECONDS="0")
    google.script(first_byte_delay=60, text="late")
    with impatient_proxy(castor.port, patience=0.5) as url, pytest.raises(openai.APIConnectionError):
        sdk(url, castor.token).chat.completions.create(**chat_body(), stream=True)


def test_the_node_sdk_outlives_a_proxy_that_cuts_the_silent(castor_with, google, node):
    castor = castor_with(**LIVELY)
    google.script(first_byte_delay=1.5, text="late")
    with impatient_proxy(castor.port, patience=0.6) as url:
        assert node("stream", url, castor.token)["text"] == "late"
