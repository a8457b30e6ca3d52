"""What models that speak answer with, and what they refuse."""

import base64
import io
import wave

import pytest

from tests.google import rules, speech
from tests.google.asking import ask, saying
from tests.google.errors import Refusal
from tests.google.models import MODELS

SECOND, FIRST = "gemini-3.8-flash-tts", "gemini-2.5-flash-preview-tts"
TEXT = "A beaver is building a dam."


def speaking(text: str = TEXT, **speech_config):
    return saying(text, generationConfig={"responseModalities": ["AUDIO"], "speechConfig": speech_config})


def named(voice: str):
    return {"prebuiltVoiceConfig": {"voiceName": voice}}


def sounds(responses):
    parts = [part for response in responses for part in response["candidates"][0]["content"].get("parts", ())]
    return [(part["inlineData"]["mimeType"], base64.b64decode(part["inlineData"]["data"])) for part in parts]


def test_the_second_generation_answers_with_a_wav_file_as_long_as_the_text(google):
    answer = ask(google, speaking(voiceConfig=named("Kore")), SECOND).json()
    [(mime_type, data)] = sounds([answer])
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (24_000, 1, 2)
        assert file.getnframes() / 24_000 == speech.duration(TEXT)
    assert mime_type == "audio/wav"
    assert answer["usageMetadata"]["candidatesTokensDetails"][0]["modality"] == "AUDIO"


def test_the_first_generation_answers_with_samples_alone(google):
    [(mime_type, data)] = sounds([ask(google, speaking(), FIRST).json()])
    assert (mime_type, data) == ("audio/L16;codec=pcm;rate=24000", speech.tone(TEXT))


@pytest.mark.parametrize("form", ["header_first", "each_piece"])
def test_a_stream_is_in_several_pieces(google, form):
    google.script(wav=form)
    stream = ask(google, speaking(), SECOND, method="streamGenerateContent").json()
    pieces = [data for _, data in sounds(stream)]
    heads = [data[:4] == b"RIFF" for data in pieces]
    assert len(pieces) >= speech.PIECES
    assert heads == [True] + [form == "each_piece"] * (len(pieces) - 1)
    assert b"".join(data[44:] if head else data for data, head in zip(pieces, heads, strict=True)) == speech.tone(TEXT)


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (SECOND, speaking(voiceConfig=named("alloy"))),
        (SECOND, speaking(voiceConfig={"voice": "nobody"})),
        (SECOND, speaking(multiSpeakerVoiceConfig={"speakerVoiceConfigs": [{"speaker": "Joe", "voiceConfig": named("Puck")}]})),
        (SECOND, speaking(multiSpeakerVoiceConfig={"speakerVoiceConfigs": [{"speaker": "Joe"}, {"speaker": "Jane"}]})),
        (SECOND, saying(TEXT)),
        (SECOND, {**speaking(), "systemInstruction": {"parts": [{"text": "Whisper."}]}}),
        (SECOND, {**speaking(), "tools": [{"googleSearch": {}}]}),
        (SECOND, speaking("word " * 8_193)),
        (FIRST, {**speaking(), "contents": [{"parts": [{"text": TEXT, "speechMetadata": {"style": "sad"}}]}]}),
        ("gemini-3.8-flash", saying(TEXT, generationConfig={"responseModalities": ["AUDIO"]})),
    ],
    ids=range(10),
)  # fmt: skip
def test_what_google_would_refuse_is_refused(model, body):
    with pytest.raises(Refusal):
        rules.check_generation(body, MODELS[model])


def test_two_speakers_are_let_through():
    both = [{"speaker": name, "voiceConfig": named(voice)} for name, voice in (("Joe", "puck"), ("Jane", "Kore"))]
    rules.check_generation(speaking(multiSpeakerVoiceConfig={"speakerVoiceConfigs": both}), MODELS[SECOND])
