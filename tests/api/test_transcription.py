"""POST /v1/audio/transcriptions and /translations: large recordings, failover, limits, records and memory."""

import http.client
import json
import re
from contextlib import closing

import httpx
import pytest

from tests.api import recordings
from tests.api.recordings import SAID
from tests.api.server import PATIENCE, TWO_KEYS

LARGE = recordings.wav(460)
"""Too large to travel within a request."""
TRANSCRIBE = "gemini-3.5-transcribe"


def form(content: bytes = b"", **fields) -> tuple[bytes, str]:
    """(body, content type)"""
    files = {"file": ("speech.wav", content or recordings.wav(7), "audio/wav")}
    request = httpx.Request("POST", "http://castor", data={"model": "whisper-1", **fields}, files=files)
    return request.read(), request.headers["content-type"]


def transcribe(castor, content: bytes = b"", *, path="transcriptions", token=None, headers=None, **fields):
    body, content_type = form(content, **fields)
    status, answered, said = castor.ask(
        "POST", f"/v1/audio/{path}", body, token=token, **{"Content_Type": content_type, **(headers or {})}
    )
    return status, answered, said if fields.get("response_format") in ("srt", "text", "vtt") else json.loads(said)


def methods(google) -> list[str]:
    return [call.method for call in google.log]


def is_gone(google) -> bool:
    """Whether nothing of a recording is left at Google."""
    return "deleteFile" in methods(google) and list(google.files) == []


# --- Large recordings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [TRANSCRIBE, "gemini-3.8-flash"])
def test_a_large_recording_lies_with_google_only_as_long_as_it_is_heard(castor, google, model):
    google.files.polls = 1
    status, _, body = transcribe(castor, LARGE, model=model)
    assert (status, bool(body["text"])) == (200, True)
    google.wait_until(lambda _: is_gone(google))
    assert methods(google) == ["startUpload", "uploadFile", "getFile", "getFile", "streamGenerateContent", "deleteFile"]
    assert len({call.key for call in google.log if call.method != "uploadFile"}) == 1
    [part, *_] = google.log.generation()[0].body["contents"][0]["parts"]
    assert part["fileData"]["mimeType"] == "audio/wav"


def test_a_large_recording_has_times_too(castor, google):
    status, _, body = transcribe(castor, LARGE, response_format="srt")
    assert status == 200
    assert body.startswith(b"1\n00:00:00,000 --> 00:00:02,400\nThe beaver builds a dam.\n\n2\n")
    google.wait_until(lambda _: is_gone(google))


def test_a_small_recording_never_lies_with_google(castor, google):
    assert transcribe(castor)[0] == 200
    assert methods(google) == ["streamGenerateContent"]


@pytest.mark.parametrize("method", ["startUpload", "uploadFile", "getFile", "streamGenerateContent"])
def test_where_one_step_fails_another_key_begins_anew(castor, google, method):
    google.files.polls = 1
    google.script(error="overloaded", method=method)
    status, headers, body = transcribe(castor, LARGE)
    assert (status, headers["x-castor-attempts"], bool(body["text"])) == (200, "2", True)
    google.wait_until(lambda _: is_gone(google))
    assert methods(google).count("deleteFile") == (1 if method in ("startUpload", "uploadFile") else 2)


def test_a_recording_that_google_cannot_process_is_the_callers_fault(castor, google):
    google.files.polls, google.files.fails = 1, True
    status, headers, body = transcribe(castor, LARGE)
    assert (status, headers["x-castor-attempts"]) == (400, "1")
    assert "could not be processed" in body["error"]["message"]
    google.wait_until(lambda _: is_gone(google))


def test_a_caller_who_leaves_leaves_nothing_at_google(castor, google):
    google.script(text="The beaver", ends="stall", after=1)
    body, content_type = form(LARGE)
    with closing(http.client.HTTPConnection("127.0.0.1", castor.port, timeout=PATIENCE)) as connection:
        headers = {"Authorization": f"Bearer {castor.token}", "Content-Type": content_type}
        connection.request("POST", "/v1/audio/transcriptions", body, headers)
        google.wait_until(lambda log: log.generation(), PATIENCE)
    google.wait_until(lambda _: is_gone(google), PATIENCE)


def test_where_google_does_not_delete_the_answer_is_none_the_worse(castor, google):
    google.script(error="overloaded", method="deleteFile")
    assert transcribe(castor, LARGE)[0] == 200
    castor.wait(lambda: "could not be deleted at Google" in castor.logs, "a word in the log")


# --- The pool ------------------------------------------------------------------------------------------------------------


def test_another_key_takes_over(castor, google):
    google.script(error="overloaded")
    status, headers, body = transcribe(castor)
    assert (status, headers["x-castor-attempts"], body["text"]) == (200, "2", SAID)
    first, second = google.log.generation()
    assert first.key != second.key
    assert first.raw == second.raw


def test_where_all_rest_it_is_said_when_they_return(castor_with, google):
    castor = castor_with(GEMINI_API_KEYS=TWO_KEYS)
    google.script(error="day_quota", times=None)
    status, headers, body = transcribe(castor)
    assert (status, body["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(headers["retry-after"]) > 0


@pytest.mark.parametrize(("path", "model"), [("transcriptions", "whisper-1"), ("translations", "whisper-1")])
def test_a_token_may_use_only_its_models(castor, google, path, model):
    status, _, body = transcribe(castor, path=path, model=model, token=castor.tokens["flash"])
    if path == "transcriptions":
        assert (status, body["error"]["code"], len(google.log)) == (403, "model_not_allowed", 0)
    else:  # It is a flash model that translates.
        assert (status, google.log[-1].model) == (200, "gemini-3.8-flash")


@pytest.mark.parametrize("stream", ["false", "true"])
def test_every_transcription_is_recorded(castor, google, stream):
    body, content_type = form(stream=stream)
    answered = castor.ask("POST", "/v1/audio/transcriptions", body, Content_Type=content_type)[1]
    [record] = castor.usage(answered["x-request-id"])
    used = google.log[-1].usage
    assert (record["model_asked"], record["model_served"], record["dialect"]) == ("whisper-1", TRANSCRIBE, "transcription")
    assert (record["status"], record["attempts"], bool(record["stream"])) == (200, 1, stream == "true")
    assert (record["prompt_tokens"], record["completion_tokens"]) == (used["promptTokenCount"], used["candidatesTokenCount"])


def test_both_steps_of_a_translation_are_recorded(castor, google):
    google.script(model="gemini-3.8-flash", text=json.dumps({"texts": ["One.", "Two?", "Three!"]}))
    headers = transcribe(castor, path="translations", response_format="srt")[1]
    castor.wait(lambda: len(castor.usage(headers["x-request-id"])) == 2, "recorded twice")
    records = castor.usage(headers["x-request-id"])
    assert [record["model_asked"] for record in records] == ["whisper-1", "whisper-1"]
    assert {record["model_served"] for record in records} == {TRANSCRIBE, "gemini-3.8-flash"}
    assert {record["dialect"] for record in records} == {"translation"}


def test_a_transcript_that_was_cut_off_is_recorded_as_an_error(castor, google):
    for path in ("transcriptions", "translations"):
        google.script(text="The beaver", finish_reason="MAX_TOKENS")
        status, headers, body = transcribe(castor, path=path)
        assert (status, body["error"]["code"]) == (400, "audio_too_long")
        assert castor.usage(headers["x-request-id"])[0]["status"] == 400


def test_a_model_that_is_not_there(castor):
    status, _, body = transcribe(castor, model="gemini-9-transcribe")
    assert (status, body["error"]["code"]) == (404, "model_not_found")


# --- What is sent --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["transcriptions", "translations"])
def test_json_is_no_form(castor, path):
    status, _, body = castor.ask("POST", f"/v1/audio/{path}", {"model": "whisper-1"})
    assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")


def test_a_form_without_a_file_says_so(castor):
    request = httpx.Request("POST", "http://castor", files={"model": (None, "whisper-1")})
    headers = {"Content_Type": request.headers["content-type"]}
    status, _, body = castor.ask("POST", "/v1/audio/transcriptions", request.read(), **headers)
    assert (status, json.loads(body)["error"]["param"]) == (400, "file")


def test_a_recording_may_be_larger_than_anything_may_be(castor_with):
    castor = castor_with(MAX_UPLOAD_BYTES="1000000")
    status, _, body = transcribe(castor, LARGE)
    assert (status, body["error"]["code"]) == (413, "request_too_large")


def test_a_stream_says_in_events_what_is_wrong_with_it(castor, google):
    google.script(text="The beaver", finish_reason="SAFETY")
    body, content_type = form(stream="true")
    status, headers, said = castor.ask("POST", "/v1/audio/transcriptions", body, Content_Type=content_type)
    assert (status, headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
    *_, last = re.findall(rb"data: (.+)\n\n", said)
    assert json.loads(last)["error"]["code"] == "content_policy_violation"
