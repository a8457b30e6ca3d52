"""Transcriptions and translations by the official Python SDK, on a real server."""

import json

import openai
import pytest
from openai import OpenAI

from tests.api import recordings
from tests.api.recordings import SAID

pytestmark = pytest.mark.filterwarnings("ignore:deprecated")  # By OpenAI, not by us.


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


@pytest.fixture
def transcribe(client):
    def transcribe(seconds: float = 7, *, content: bytes = b"", name: str = "speech.wav", model: str = "whisper-1", **fields):
        return client.audio.transcriptions.create(file=(name, content or recordings.wav(seconds)), model=model, **fields)

    return transcribe


def config_of(google) -> dict:
    return google.log[-1].body["generationConfig"]["audioTranscriptionConfig"]


def test_json(transcribe, google):
    answer = transcribe()
    assert answer.text == SAID
    assert google.log[-1].model == "gemini-3.5-transcribe"
    assert "generationConfig" not in google.log[-1].body
    used = answer.usage
    assert (used.type, used.input_tokens, used.input_token_details.audio_tokens) == ("tokens", 224, 224)
    assert used.total_tokens == used.input_tokens + used.output_tokens


def test_text(transcribe):
    assert transcribe(response_format="text") == f"{SAID}\n"


SRT = """1
00:00:00,000 --> 00:00:02,400
The beaver builds a dam.

2
00:00:02,500 --> 00:00:04,900
Is the water deep enough?

3
00:00:05,000 --> 00:00:06,900
It says: three metres!
"""


def test_srt(transcribe, google):
    assert transcribe(response_format="srt") == SRT
    assert config_of(google) == {"wordTimestamp": True}


def test_vtt(transcribe):
    cues = [line for line in SRT.replace(",", ".").splitlines() if not line.isdecimal()]
    assert transcribe(response_format="vtt").splitlines() == ["WEBVTT", "", *cues]


def test_verbose_json_has_segments_unless_asked_otherwise(transcribe):
    answer = transcribe(response_format="verbose_json")
    assert (answer.text, answer.language, answer.duration, answer.task) == (SAID, "english", 7.0, "transcribe")
    assert [(one.id, one.start, one.end, one.text) for one in answer.segments] == [
        (0, 0.0, 2.4, "The beaver builds a dam."),
        (1, 2.5, 4.9, "Is the water deep enough?"),
        (2, 5.0, 6.9, "It says: three metres!"),
    ]
    assert all(type(one.compression_ratio) is float and one.tokens == [] for one in answer.segments)
    assert (answer.usage.type, answer.usage.seconds, answer.words) == ("duration", 7.0, None)


@pytest.mark.parametrize("granularities", [["word"], ["word", "segment"]])
def test_words_with_their_times(transcribe, granularities):
    answer = transcribe(response_format="verbose_json", timestamp_granularities=granularities)
    assert [(one.word, one.start, one.end) for one in answer.words[:2]] == [("The", 0.0, 0.4), ("beaver", 0.5, 0.9)]
    assert len(answer.words) == 14
    assert (answer.segments is None) == (granularities == ["word"])


def test_who_said_what(transcribe, google):
    answer = transcribe(response_format="diarized_json", model="gpt-4o-transcribe-diarize")
    assert config_of(google) == {"wordTimestamp": True, "diarization": True}
    assert [(one.id, one.speaker, one.text, one.start, one.end) for one in answer.segments] == [
        ("seg_001", "A", "The beaver builds a dam.", 0.0, 2.4),
        ("seg_002", "B", "Is the water deep enough?", 2.5, 4.9),
        ("seg_003", "A", "It says: three metres!", 5.0, 6.9),
    ]
    assert (answer.text, answer.duration, answer.task, answer.usage.type) == (SAID, 7.0, "transcribe", "tokens")


def test_a_stream(transcribe, google):
    events = list(transcribe(stream=True))
    assert {event.type for event in events[:-1]} == {"transcript.text.delta"}
    assert len(events) > 3
    assert "".join(event.delta for event in events[:-1]) == SAID
    assert (events[-1].type, events[-1].text) == ("transcript.text.done", SAID)
    assert events[-1].usage.total_tokens == google.log[-1].usage["totalTokenCount"]


def test_a_stream_of_turns(transcribe):
    events = list(transcribe(stream=True, response_format="diarized_json"))
    assert [event.type for event in events] == ["transcript.text.delta", "transcript.text.segment"] * 3 + ["transcript.text.done"]
    deltas, turns = events[0:6:2], events[1:6:2]
    assert [turn.speaker for turn in turns] == ["A", "B", "A"]
    assert [delta.segment_id for delta in deltas] == [turn.id for turn in turns]
    assert "".join(delta.delta for delta in deltas) == events[-1].text == SAID


def test_what_helps_to_hear(transcribe, google):
    transcribe(prompt="Beaver, Dam, Lodge", language="en", extra_body={"keywords": ["metre"]})
    assert config_of(google) == {"languageCodes": ["en"], "customVocabulary": ["metre", "Beaver", "Dam", "Lodge"]}


def test_several_languages_and_keywords_as_the_sdk_sends_them(transcribe, google):
    transcribe(model="gpt-transcribe", languages=["de", "pt-BR"], keywords=["Biber", "castor"])
    assert config_of(google) == {"languageCodes": ["de", "pt-BR"], "customVocabulary": ["Biber", "castor"]}


def test_silence_is_no_failure(transcribe, google):
    assert transcribe(content=recordings.wav(2, silent=True)).text == ""
    assert transcribe(content=recordings.wav(2, silent=True), response_format="srt") == ""
    assert transcribe(content=recordings.wav(2, silent=True), response_format="vtt") == "WEBVTT\n"
    assert len(google.log) == 3


@pytest.mark.parametrize(
    ("name", "content", "sent"),
    [
        ("a.mp3", recordings.mp3(2), "audio/mp3"),
        ("a.mpga", recordings.mp3(2), "audio/mp3"),
        ("a.flac", recordings.flac(2), "audio/flac"),
        ("a.m4a", recordings.m4a(2), "audio/m4a"),
        ("a.mp4", recordings.m4a(2, brand=b"isom"), "audio/m4a"),
        ("a.ogg", recordings.opus(2), "audio/ogg"),
        ("a.webm", b"\x1a\x45\xdf\xa3" + b"\x10" * 64_000, "audio/webm"),
        ("wrong.txt", recordings.wav(2), "audio/wav"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_recording_is_what_its_bytes_say(transcribe, google, name, content, sent):
    assert transcribe(content=content, name=name).text
    assert google.log[-1].body["contents"][0]["parts"][0]["inlineData"]["mimeType"] == sent


def test_other_models_are_asked_in_words(transcribe, google):
    google.script(text="Der Biber baut.")
    answer = transcribe(model="gemini-3.8-flash", language="de", prompt="Biber, Damm", temperature=0.3)
    assert answer.text == "Der Biber baut."
    body = google.log[-1].body
    [sound, task] = body["contents"][0]["parts"]
    assert sound["inlineData"]["mimeType"] == "audio/wav"
    assert "Biber, Damm" in task["text"]
    assert body["generationConfig"] == {"temperature": 0.3, "thinkingConfig": {"thinkingLevel": "LOW"}}


def test_a_model_that_is_asked_in_words_may_hear_nobody(transcribe, google):
    google.script(text="[no speech]", tokens_per_chunk=1)
    assert transcribe(model="gemini-3.8-flash").text == ""


@pytest.mark.parametrize("format", ["srt", "vtt", "verbose_json", "diarized_json"])
def test_a_model_that_knows_no_times_says_so(transcribe, google, format):
    with pytest.raises(openai.BadRequestError, match=r"gemini-3\.5-transcribe") as caught:
        transcribe(model="gemini-3.8-flash", response_format=format)
    assert caught.value.param == "response_format"
    assert len(google.log) == 0


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": "docx"}, "response_format"),
        ({"temperature": 1.5}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ({"timestamp_granularities": ["line"], "response_format": "verbose_json"}, "timestamp_granularities"),
        ({"language": "english please"}, "language"),
        ({"languages": ["en", "?"]}, "languages"),
        ({"include": ["thoughts"]}, "include"),
        ({"stream": True, "response_format": "srt"}, "stream"),
        ({"keywords": ["word"] * 1001}, "keywords"),
        ({"model": "gemini-3.8-flash-tts"}, "model"),
        ({"model": "gemini-embedding-2"}, "model"),
        ({"model": "gemini-3.5-transcribe-live"}, "model"),
        ({"content": b"Hello, I am a text.", "name": "a.mp3"}, "file"),
        ({"content": b"\x89PNG\r\n\x1a\n", "name": "a.wav"}, "file"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_wrong_is_named(transcribe, google, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        transcribe(**fields)
    assert caught.value.param == param
    assert len(google.log) == 0


def test_an_empty_file_is_refused(client):
    with pytest.raises(openai.BadRequestError, match="empty") as caught:
        client.audio.transcriptions.create(file=("a.wav", b""), model="whisper-1")
    assert caught.value.param == "file"


@pytest.mark.parametrize(("format", "minutes"), [("json", 61), ("srt", 31)])
def test_a_recording_that_is_too_long_is_refused_before_it_is_sent(transcribe, google, format, minutes):
    with pytest.raises(openai.BadRequestError, match=f"{minutes} minutes") as caught:
        transcribe(content=recordings.flac(minutes * 60), response_format=format)
    assert (caught.value.param, caught.value.code) == ("file", "audio_too_long")
    assert len(google.log) == 0


def test_what_cannot_be_had_is_named_or_refused(client, google):
    asked = {"file": ("a.wav", recordings.wav(1)), "model": "whisper-1"}
    wished = {**asked, "include": ["logprobs"], "chunking_strategy": {"type": "server_vad"}}
    answer = client.audio.transcriptions.with_raw_response.create(**wished)
    assert answer.headers["x-castor-dropped"] == "chunking_strategy, include"
    strictly = {"X-Castor-Strict": "true"}
    with pytest.raises(openai.BadRequestError, match="X-Castor-Strict"):
        client.audio.transcriptions.create(**wished, extra_headers=strictly)
    client.audio.transcriptions.create(**asked, chunking_strategy="auto", temperature=0, extra_headers=strictly)
    assert len(google.log) == 2


def test_a_transcript_that_was_cut_off_is_no_transcript(transcribe, google):
    google.script(text="The beaver", finish_reason="MAX_TOKENS")
    with pytest.raises(openai.BadRequestError) as caught:
        transcribe()
    assert caught.value.code == "audio_too_long"
    google.script(text="The beaver", finish_reason="MAX_TOKENS")
    with pytest.raises(openai.APIError, match="cut off"):
        list(transcribe(stream=True))


def test_a_stream_that_breaks_off_ends_in_an_error(transcribe, google):
    google.script(text=SAID, ends="cut", after=2)
    with pytest.raises(openai.APIError, match="broke off"):
        list(transcribe(stream=True))


# --- Translations ------------------------------------------------------------------------------------------------------


@pytest.fixture
def translate(client):
    def translate(seconds: float = 7, **fields):
        return client.audio.translations.create(**{"file": ("a.wav", recordings.wav(seconds)), "model": "whisper-1", **fields})

    return translate


@pytest.mark.parametrize("model", ["whisper-1", "gemini-3.5-flash", "gemini-2.5-flash"])
def test_a_translation(translate, google, model):
    google.script(text="The beaver builds.")
    assert translate(model=model, prompt="About beavers and their dams.").text == "The beaver builds."
    assert google.log[-1].model == ("gemini-3.8-flash" if model == "whisper-1" else model)
    task = google.log[-1].body["contents"][0]["parts"][1]["text"]
    assert "into English" in task
    assert "About beavers and their dams." in task


def test_a_translation_as_text(translate, google):
    google.script(text="The beaver builds.")
    assert translate(response_format="text") == "The beaver builds.\n"


def test_translated_subtitles_keep_the_times_of_what_was_said(translate, google):
    google.script(model="gemini-3.8-flash", text=json.dumps({"texts": ["One.", "Two?", "Three!"]}))
    lines = translate(response_format="srt").splitlines()
    assert lines[:7] == ["1", "00:00:00,000 --> 00:00:02,400", "One.", "", "2", "00:00:02,500 --> 00:00:04,900", "Two?"]
    heard, translated = google.log
    assert (heard.model, translated.model) == ("gemini-3.5-transcribe", "gemini-3.8-flash")
    assert json.loads(translated.text) == ["The beaver builds a dam.", "Is the water deep enough?", "It says: three metres!"]


def test_a_translation_with_segments(translate, google):
    google.script(model="gemini-3.8-flash", text=json.dumps({"texts": ["One.", "Two?", "Three!"]}))
    answer = translate(response_format="verbose_json")
    assert (answer.text, answer.language, answer.duration) == ("One. Two? Three!", "english", 7.0)
    assert [(one.start, one.text) for one in answer.segments] == [(0.0, "One."), (2.5, "Two?"), (5.0, "Three!")]


def test_a_translation_that_lost_a_line_is_none(translate, google):
    google.script(model="gemini-3.8-flash", text=json.dumps({"texts": ["One."]}))
    with pytest.raises(openai.InternalServerError, match="did not translate all"):
        translate(response_format="srt")


def test_a_translation_is_not_into_speakers(translate):
    with pytest.raises(openai.BadRequestError) as caught:
        translate(response_format="diarized_json")
    assert caught.value.param == "response_format"


def test_who_names_the_model_is_told_that_another_translates(client, google):
    google.script(text="The beaver builds.")
    asked = {"file": ("a.wav", recordings.wav(1)), "model": "gemini-3.5-transcribe"}
    answer = client.audio.translations.with_raw_response.create(**asked)
    assert answer.headers["x-castor-dropped"] == "model"
