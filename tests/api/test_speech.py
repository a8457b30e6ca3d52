"""POST /v1/audio/speech: sound as it comes, failover, what breaks, encoders, limits and records."""

import http.client
import json
import os
import time
from base64 import b64encode
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.api.server import PATIENCE, TWO_KEYS
from tests.google import speech
from tests.sound import measured, need_ffmpeg

MODEL = "gemini-3.8-flash-tts"
TEXT = "A beaver is building a dam where the river is narrow, and the water is rising behind it, day by day."
STALLS = {"ends": "stall", "after": 2}
NO_FFMPEG = {"FFMPEG_PATH": "/nowhere/ffmpeg"}
ONE_AT_A_TIME = {"FFMPEG_MAX_PROCESSES": "1"}


def body_of(**fields):
    return {"model": MODEL, "voice": "alloy", "input": TEXT, "response_format": "pcm", **fields}


def speak(castor, *, token: str | None = None, headers: dict[str, str] | None = None, **fields):
    return castor.ask("POST", "/v1/audio/speech", body_of(**fields), token=token, **(headers or {}))


def refused(castor, **fields):
    status, headers, content = speak(castor, **fields)
    return status, headers, json.loads(content)["error"]


@contextmanager
def speaking(castor, request_id: str = "spoken", **fields):
    """An answer whose bytes the test reads itself; leaving the block hangs up."""
    with closing(http.client.HTTPConnection("127.0.0.1", castor.port, timeout=PATIENCE)) as connection:
        headers = {"Authorization": f"Bearer {castor.token}", "Content-Type": "application/json", "X-Request-ID": request_id}
        connection.request("POST", "/v1/audio/speech", json.dumps(body_of(**fields)), headers)
        yield connection


def encoders(castor) -> list[int]:
    """The processes of the server's workers that are ffmpeg."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, parent = rest.split()[:2]
        if name == "ffmpeg" and state != "Z" and int(parent) in castor.workers():
            found.append(int(pid))
    return found


def holding(*parts, **candidate):
    return {"candidates": [{"content": {"parts": list(parts)}, **candidate}]}


def sound(data: bytes, mime_type: str = "audio/wav"):
    return {"inlineData": {"mimeType": mime_type, "data": b64encode(data).decode()}}


# --- As it comes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("form", "speed"), [("pcm", 1), ("wav", 1), ("mp3", 1), ("opus", 1), ("aac", 1), ("flac", 1), ("pcm", 2)]
)
def test_the_first_bytes_leave_before_the_last_have_come(castor, google, form, speed):
    need_ffmpeg()
    google.script(**STALLS)
    with speaking(castor, response_format=form, speed=speed) as connection:
        response = connection.getresponse()
        assert response.status == 200
        assert len(response.read(200)) == 200
        assert google.log[-1].ended is None


def test_each_piece_is_sent_when_it_is_there(castor, google):
    google.script(**STALLS)
    piece = len(speech.tone(TEXT)) // speech.PIECES // 2 * 2
    with speaking(castor) as connection:
        assert connection.getresponse().read(2 * piece) == speech.tone(TEXT)[: 2 * piece]


@pytest.mark.parametrize("form", ["header_first", "each_piece"])
def test_the_headers_of_the_pieces_are_not_heard(castor, google, form):
    google.script(wav=form)
    assert speak(castor)[2] == speech.tone(TEXT)


def test_sound_of_another_form_becomes_what_pcm_is(castor, google):
    stereo = b"".join(sample * 2 for sample in (speech.WAVE[at : at + 2] for at in range(0, len(speech.WAVE), 2)))
    head = bytearray(speech.wav(stereo))
    head[22:24], head[28:34] = b"\2\0", (96_000).to_bytes(4, "little") + b"\4\0"
    google.script(chunks=[holding(sound(bytes(head)), finishReason="STOP")])
    assert speak(castor)[2] == speech.WAVE


# --- Failover and what breaks -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"error": "overloaded"},
        {"ends": "close", "after": 0},
        {"chunks": [holding({"text": "Here is what I would say."}, finishReason="STOP")]},
        {"chunks": [holding(finishReason="STOP")]},
        {"chunks": [holding(finishReason="OTHER")]},
        {"chunks": [holding(sound(b"ID3", "audio/mpeg"), finishReason="STOP")]},
        {"chunks": [holding(sound(speech.wav(b"")), finishReason="STOP")]},
    ],
    ids=range(7),
)
def test_until_something_is_heard_another_key_may_speak(castor, google, fault):
    google.script(**fault)
    status, headers, content = speak(castor)
    assert (status, headers["x-castor-attempts"], content) == (200, "2", speech.tone(TEXT))
    assert len({call.key for call in google.log}) == 2


@pytest.mark.parametrize(
    "script",
    [{"block_reason": "PROHIBITED_CONTENT"}, {"chunks": [holding(finishReason="SAFETY")]}],
    ids=["the text", "the speech"],
)
@pytest.mark.parametrize("form", [{"response_format": "mp3"}, {"stream_format": "sse"}], ids=str)
def test_what_google_does_not_let_be_spoken_is_refused_and_not_asked_again(castor, google, script, form):
    need_ffmpeg()
    google.script(**script)
    status, headers, error = refused(castor, **form)
    assert (status, error["code"], headers["x-castor-attempts"]) == (400, "content_policy_violation", "1")
    assert headers["content-type"] == "application/json"


@pytest.mark.parametrize("reason", ["SAFETY", "MAX_TOKENS", "OTHER"])
def test_speech_that_google_cuts_short_breaks_off(castor, google, reason):
    google.script(finish_reason=reason, chunk_delay=0.2)
    with speaking(castor, request_id=f"cut-{reason}") as connection, pytest.raises(http.client.IncompleteRead):
        connection.getresponse().read()
    [record] = castor.usage(f"cut-{reason}")
    assert (record["status"], record["error"]) == (502, "UpstreamBroken")
    assert record["completion_tokens"] > 0


def test_a_text_too_long_for_one_answer_is_refused_in_a_sentence(castor, google):
    google.script(chunks=[holding(finishReason="MAX_TOKENS")])
    status, _, error = refused(castor)
    assert (status, "shorter pieces" in error["message"]) == (400, True)


def test_what_google_refuses_is_passed_on(castor, google):
    status, headers, error = refused(castor, model="gemini-2.5-flash-preview-tts", instructions="word " * 8_200)
    assert (status, headers["x-castor-attempts"]) == (400, "1")
    assert "exceeds the maximum number of tokens" in error["message"]


# --- ffmpeg -----------------------------------------------------------------------------------------------------------


def test_a_client_that_leaves_takes_its_encoder_along_within_a_second(castor, google):
    need_ffmpeg()
    google.script(**STALLS)
    with speaking(castor, request_id="left", response_format="flac") as connection:
        assert connection.getresponse().read(100)
        [encoder] = encoders(castor)
    left = time.monotonic()
    castor.wait(lambda: encoder not in encoders(castor), "rid of its encoder")
    assert time.monotonic() - left < 1
    google.wait_until(lambda log: log[-1].client_closed)
    assert castor.usage("left")[0]["status"] == 499


def test_a_client_that_leaves_before_anything_is_heard_leaves_nothing_behind(castor, google):
    need_ffmpeg()
    google.script(ends="stall", after=0)
    with speaking(castor, request_id="impatient", response_format="mp3"):
        google.wait_until(lambda log: len(log) == 1)
    google.wait_until(lambda log: log[-1].client_closed)
    castor.wait(lambda: not encoders(castor), "rid of its encoder")
    assert castor.usage("impatient")[0]["status"] == 499


def test_a_worker_that_dies_leaves_no_encoder_behind(castor_alone, google):
    need_ffmpeg()
    castor = castor_alone()
    google.script(**STALLS)
    with speaking(castor, response_format="flac") as connection:
        assert connection.getresponse().read(100)
        [encoder] = encoders(castor)
        castor.kill()
    castor.wait(lambda: not Path(f"/proc/{encoder}").exists(), "rid of its encoder")


def test_who_finds_no_encoder_free_waits_for_one(castor_with, google):
    need_ffmpeg()
    castor = castor_with(**ONE_AT_A_TIME)
    google.script(**STALLS)
    with speaking(castor, response_format="mp3") as first:
        assert first.getresponse().read(100)
        with speaking(castor, response_format="mp3") as second:
            assert speak(castor)[0] == 200  # It needs none.
            assert (len(encoders(castor)), len(google.log)) == (1, 2)
            first.close()
            content = second.getresponse().read()
    assert measured(content).seconds == pytest.approx(speech.duration(TEXT), abs=0.15)


@pytest.mark.parametrize("form", ["mp3", "opus", "aac", "flac"])
def test_without_ffmpeg_other_formats_are_refused_in_a_sentence(castor_with, google, form):
    status, _, error = refused(castor_with(**NO_FFMPEG), response_format=form)
    assert (status, error["param"], "apt install ffmpeg" in error["message"]) == (400, "response_format", True)
    assert not list(google.log)


def test_without_ffmpeg_samples_are_spoken_all_the_same(castor_with):
    castor = castor_with(**NO_FFMPEG)
    assert speak(castor)[2] == speech.tone(TEXT)
    assert speak(castor, response_format="wav")[2][44:] == speech.tone(TEXT)


def test_without_ffmpeg_another_speed_is_left_out_loudly(castor_with, google):
    castor = castor_with(**NO_FFMPEG)
    status, headers, content = speak(castor, speed=2)
    assert (status, headers["x-castor-dropped"], content) == (200, "speed", speech.tone(TEXT))
    status, _, error = refused(castor, speed=2, headers={"X-Castor-Strict": "true"})
    assert (status, error["param"], len(google.log)) == (400, "speed", 1)


def test_with_ffmpeg_another_speed_is_nothing_to_be_named(castor):
    need_ffmpeg()
    status, headers, _ = speak(castor, speed=2, headers={"X-Castor-Strict": "true"})
    assert (status, "x-castor-dropped" in headers) == (200, False)


@pytest.mark.parametrize("script", ["exit 3", "head -c 100 > /dev/null; exit 0", "kill -9 $$"])
def test_an_encoder_that_fails_is_an_error_and_not_a_short_file(castor_alone, tmp_path, google, script):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    status, _, error = refused(castor_alone(FFMPEG_PATH=str(program)), response_format="mp3")
    assert (status, error["code"]) == (500, "encoder_failed")


# --- Tokens, models and records ---------------------------------------------------------------------------------------


def test_a_request_is_recorded_with_its_tokens(castor, google):
    speak(castor, headers={"X-Request-ID": "speech-1"}, model="tts-1")
    [record] = castor.usage("speech-1")
    used = google.log[-1].usage
    assert (record["dialect"], record["model_asked"], record["model_served"]) == ("speech", "tts-1", MODEL)
    assert (record["prompt_tokens"], record["completion_tokens"]) == (used["promptTokenCount"], used["candidatesTokenCount"])
    assert record["completion_tokens"] >= speech.TOKENS_PER_SECOND * speech.duration(TEXT)
    assert (record["status"], record["attempts"]) == (200, 1)


def test_a_token_that_may_not_use_the_model_is_refused(castor, google):
    status, _, error = refused(castor, token=castor.tokens["flash"])
    assert (status, error["code"]) == (403, "model_not_allowed")
    assert not list(google.log)


def test_what_is_unknown_is_named_and_refused_where_asked(castor, google):
    status, headers, _ = speak(castor, language="en")
    assert (status, headers["x-castor-dropped"]) == (200, "language")
    status, _, error = refused(castor, language="en", headers={"X-Castor-Strict": "true"})
    assert (status, error["param"], len(google.log)) == (400, "language", 1)


def test_a_quota_for_speech_that_is_used_up_says_so_and_leaves_chats_alone(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    with google.scripted(error="day_quota", model=MODEL):
        status, headers, error = refused(castor, response_format="wav")
    assert (status, error["code"]) == (429, "rate_limit_exceeded")
    assert int(headers["retry-after"]) > 0
    assert castor.chat()[0] == 200


def test_speech_is_only_asked_for_by_post(castor):
    assert castor.ask("GET", "/v1/audio/speech")[0] == 405
    assert speak(castor, token="")[0] == 401
