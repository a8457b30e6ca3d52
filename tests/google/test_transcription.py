import base64

import pytest

from tests.google import transcription
from tests.google.asking import ask, parts, said, stream, user

MODEL = "gemini-3.5-transcribe"
SECOND = b"\x01" * 32_000


def recording(seconds: float, mime_type: str = "audio/wav", content: bytes = b"") -> dict:
    data = content or (SECOND * int(seconds + 1))[: int(seconds * len(SECOND))]
    return {"inlineData": {"mimeType": mime_type, "data": base64.b64encode(data).decode()}}


def request(seconds: float = 3, *more: dict, **config) -> dict:
    configured = {"generationConfig": {"audioTranscriptionConfig": config}} if config else {}
    return {"contents": [user(recording(seconds), *more)], **configured}


def test_every_half_second_has_a_word(google):
    assert said(ask(google, request(3), MODEL).json()) == "The beaver builds a dam. Is"
    assert said(stream(google, request(3), MODEL)) == "The beaver builds a dam. Is"


def test_words_bear_their_times(google):
    [part] = parts(stream(google, request(1, wordTimestamp=True), MODEL))
    assert part == {
        "text": "The beaver",
        "audioTranscription": {
            "languageCode": "en-US",
            "words": [
                {"word": "The", "startOffset": "0.000s", "endOffset": "0.400s"},
                {"word": "beaver", "startOffset": "0.500s", "endOffset": "0.900s"},
            ],
        },
    }


def test_each_turn_of_a_speaker_is_a_part(google):
    found = parts([ask(google, request(7, diarization=True, wordTimestamp=True), MODEL).json()])
    assert [(part["text"], part["audioTranscription"]["speakerLabel"]) for part in found] == [
        ("The beaver builds a dam.", "spk:0"),
        ("Is the water deep enough?", "spk:1"),
        ("It says: three metres!", "spk:0"),
    ]
    assert found[1]["audioTranscription"]["words"][0]["startOffset"] == "2.500s"


def test_silence_is_an_answer_without_a_word(google):
    body = {"contents": [user(recording(0, content=bytes(64_000)))]}
    assert said(ask(google, body, MODEL).json()) == ""


@pytest.mark.parametrize(
    "body",
    [
        {"contents": [user("hello")]},
        {"contents": [user(recording(1), recording(1))]},
        {"contents": [user(recording(1, "video/mp4"))]},
        request(1, wordTimestamp=True, customVocabulary=["dam"]),
        request(1, diarization=True, customVocabulary=["dam"]),
        request(1, diarization=True, mode="SMART"),
        request(1, customVocabulary=["dam"] * 1001),
        {**request(1), "systemInstruction": {"parts": [{"text": "Be brief."}]}},
        request(1, wordTimestamps=True),
    ],
    ids=["no sound", "two", "a film", "words", "words with speakers", "smart", "1001 words", "instruction", "unknown"],
)
def test_what_the_model_does_not_take_is_refused(google, body):
    assert ask(google, body, MODEL).status_code == 400


def test_a_recording_may_be_longer_where_only_its_text_is_wanted(google, monkeypatch):
    monkeypatch.setattr(transcription, "LONGEST", 4)
    monkeypatch.setattr(transcription, "LONGEST_WITH_TIMES", 2)
    assert [ask(google, request(length), MODEL).status_code for length in (4, 5)] == [200, 400]
    assert [ask(google, request(length, wordTimestamp=True), MODEL).status_code for length in (2, 3)] == [200, 400]


def test_other_models_have_no_configuration_for_it(google):
    assert ask(google, request(1, wordTimestamp=True)).status_code == 400
