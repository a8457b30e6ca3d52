"""Speech by the official Python SDK, on a real server."""

import io
import json
import wave
from base64 import b64decode

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.google import speech
from tests.sound import measured, need_ffmpeg

SECOND, FIRST = "gemini-3.8-flash-tts", "gemini-2.5-flash-preview-tts"
TEXT = "A beaver is building a dam where the river is narrow."
RAW = ("-f", "s16le", "-ar", "24000", "-ac", "1")
FORMATS = {
    "mp3": ("audio/mpeg", "mp3", "mp3", 24_000),
    "opus": ("audio/ogg", "opus", "ogg", 48_000),
    "aac": ("audio/aac", "aac", "aac", 24_000),
    "flac": ("audio/flac", "flac", "flac", 24_000),
    "wav": ("audio/wav", "pcm_s16le", "wav", 24_000),
    "pcm": ("audio/pcm", "pcm_s16le", "s16le", 24_000),
}


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


def asked_of(google):
    body = google.log[-1].body
    return body["contents"][0]["parts"], body["generationConfig"]["speechConfig"]


@pytest.mark.parametrize("model", [SECOND, FIRST])
@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_what_it_says_and_as_long_as_what_was_spoken(client, model, form):
    need_ffmpeg()
    content_type, codec, container, rate = FORMATS[form]
    answer = client.audio.speech.create(model=model, voice="alloy", input=TEXT, response_format=form)
    sound = measured(answer.content, *(RAW if form == "pcm" else ()))
    assert answer.response.headers["content-type"] == content_type
    assert (sound.codec, sound.container, sound.rate, sound.channels) == (codec, container, rate, 1)
    assert sound.seconds == pytest.approx(speech.duration(TEXT), abs=0.15)
    assert sound.pitch == pytest.approx(480, rel=0.05)


def test_mp3_is_what_openai_makes_unasked(client):
    need_ffmpeg()
    answer = client.audio.speech.create(model="tts-1", voice="alloy", input=TEXT)
    assert answer.response.headers["content-type"] == "audio/mpeg"
    assert measured(answer.content).codec == "mp3"


def test_samples_are_googles_to_the_byte(client):
    for model in (SECOND, FIRST):
        answer = client.audio.speech.create(model=model, voice="Kore", input=TEXT, response_format="pcm")
        assert answer.content == speech.tone(TEXT)


def test_a_file_is_streamed_to_disk(client, tmp_path):
    path = tmp_path / "speech.wav"
    with client.audio.speech.with_streaming_response.create(
        model="tts-1-hd", voice="nova", input=TEXT, response_format="wav"
    ) as answer:
        answer.stream_to_file(path)
    assert path.read_bytes()[44:] == speech.tone(TEXT)


async def test_an_asynchronous_stream(castor):
    need_ffmpeg()
    async with (
        AsyncOpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client,
        client.audio.speech.with_streaming_response.create(model=SECOND, voice="sage", input=TEXT) as answer,
    ):
        sound = b"".join([piece async for piece in answer.iter_bytes()])
    assert measured(sound).seconds == pytest.approx(speech.duration(TEXT), abs=0.15)


def test_a_wav_file_whose_length_is_known_when_it_begins_says_so(client, google):
    blob = {"mimeType": "audio/wav", "data": speech.encoded(speech.wav(speech.tone(TEXT)))}
    google.script(chunks=[{"candidates": [{"content": {"parts": [{"inlineData": blob}]}, "finishReason": "STOP"}]}])
    answer = client.audio.speech.create(model=SECOND, voice="alloy", input=TEXT, response_format="wav")
    with wave.open(io.BytesIO(answer.content)) as file:
        assert file.readframes(file.getnframes()) == speech.tone(TEXT)
        assert file.getnframes() == len(speech.tone(TEXT)) // 2


def test_a_wav_file_whose_length_nobody_knows_has_openais_header(client, google):
    google.script(chunk_delay=0.3)  # Else a busy machine may see all of it at once, and so its length.
    answer = client.audio.speech.create(model=SECOND, voice="alloy", input=TEXT, response_format="wav")
    assert answer.content[:44] == speech.wav(b"", speech.UNKNOWN)
    assert answer.content[44:] == speech.tone(TEXT)


@pytest.mark.parametrize("form", ["pcm", "wav", "mp3", "opus", "aac", "flac"])
@pytest.mark.parametrize("speed", [0.25, 0.8, 1.5, 4.0])
def test_another_speed_changes_the_length_and_not_the_pitch(client, form, speed):
    need_ffmpeg()
    answer = client.audio.speech.create(model=SECOND, voice="alloy", input=TEXT, response_format=form, speed=speed)
    sound = measured(answer.content, *(RAW if form == "pcm" else ()))
    assert sound.seconds == pytest.approx(speech.duration(TEXT) / speed, abs=0.2)
    assert sound.pitch == pytest.approx(480, rel=0.1)


@pytest.mark.parametrize(
    ("voice", "name"),
    [("onyx", "Algenib"), ("ALLOY", "Kore"), ("zubenelgenubi", "Zubenelgenubi"), ({"id": "Sulafat"}, "Sulafat")],
    ids=str,
)
def test_a_voice_is_found_by_openais_and_by_googles_names(client, google, voice, name):
    client.audio.speech.create(model="gpt-4o-mini-tts", voice=voice, input=TEXT, response_format="pcm")
    assert google.log[-1].model == SECOND
    assert asked_of(google)[1]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == name


def test_instructions_reach_both_generations(client, google):
    fields = {"voice": "alloy", "input": TEXT, "instructions": "Whisper it.", "response_format": "pcm"}
    client.audio.speech.create(model=SECOND, **fields)
    assert asked_of(google)[0] == [{"text": TEXT, "speechMetadata": {"style": "Whisper it."}}]
    client.audio.speech.create(model=FIRST, **fields)
    assert asked_of(google)[0] == [{"text": f"Whisper it:\n{TEXT}"}]


@pytest.mark.parametrize("form", ["pcm", "mp3"])
def test_events_hold_the_sound_and_end_with_what_was_used(client, google, form):
    need_ffmpeg()
    with client.audio.speech.with_streaming_response.create(
        model=SECOND, voice="alloy", input=TEXT, response_format=form, stream_format="sse"
    ) as answer:
        content_type = answer.headers["content-type"]
        *deltas, done = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    sound = measured(b"".join(b64decode(delta["audio"]) for delta in deltas), *(RAW if form == "pcm" else ()))
    used = google.log[-1].usage
    assert content_type.startswith("text/event-stream")
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert sound.seconds == pytest.approx(speech.duration(TEXT), abs=0.15)
    assert (done["type"], done["usage"]) == (
        "speech.audio.done",
        {
            "input_tokens": used["promptTokenCount"],
            "output_tokens": used["candidatesTokenCount"],
            "total_tokens": used["totalTokenCount"],
        },
    )


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "a" * 4097}, "input"),
        ({"voice": "nobody"}, "voice"),
        ({"voice": {"id": "voice_1234"}}, "voice"),
        ({"speed": 0.2}, "speed"),
        ({"speed": 4.5}, "speed"),
        ({"response_format": "midi"}, "response_format"),
        ({"extra_body": {"stream_format": "audio/wav"}}, "stream_format"),
        ({"model": "gemini-3.8-flash"}, "model"),
        ({"model": "gemini-embedding-2"}, "model"),
        ({"model": "gemini-3.5-transcribe"}, "model"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_is_wrong_is_named_and_google_is_not_asked(client, google, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.audio.speech.create(**{"model": "tts-1", "voice": "alloy", "input": TEXT, "response_format": "wav", **fields})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert not list(google.log)


def test_a_model_that_does_not_speak_is_refused_in_a_sentence(client):
    with pytest.raises(openai.BadRequestError, match="does not speak") as caught:
        client.audio.speech.create(model="gemini-3.8-flash", voice="alloy", input=TEXT)
    assert caught.value.code == "model_not_supported"


@pytest.mark.parametrize("ends", [{"ends": "reset"}, {"ends": "cut"}, {"ends": "error", "error": "overloaded"}], ids=str)
@pytest.mark.parametrize("form", ["pcm", "wav", "mp3"])
def test_sound_that_breaks_off_does_not_pass_for_complete(client, google, form, ends):
    if form == "mp3":
        need_ffmpeg()
    google.script(after=2, chunk_delay=0.5, **ends)
    with pytest.raises(openai.APIConnectionError):
        client.audio.speech.create(model=SECOND, voice="alloy", input=TEXT, response_format=form)


def test_events_that_break_off_end_in_an_error(client, google):
    google.script(after=2, chunk_delay=0.3, ends="cut")
    with client.audio.speech.with_streaming_response.create(
        model=SECOND, voice="alloy", input=TEXT, response_format="pcm", stream_format="sse"
    ) as answer:
        *deltas, error = [json.loads(line.removeprefix("data: ")) for line in answer.iter_lines() if line]
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert (error["type"], error["error"]["code"]) == ("error", "upstream_broken")
