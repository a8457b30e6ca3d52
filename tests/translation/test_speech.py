"""Speech: the request read, Gemini's request written, its sound read in whatever form, and OpenAI's answer written."""

import json
import math
import struct
from array import array
from base64 import b64decode, b64encode

import pytest

from openai_api.errors import InvalidRequest, UpstreamBroken
from openai_api.translation.conversation import Notice, TextToSpeak
from openai_api.translation.events import AudioDelta, Finished, MediaDelta, TextDelta, ThoughtDelta, Usage, UsageReport
from openai_api.translation.gemini.response import MalformedAnswer
from openai_api.translation.gemini.speech import SoundReader, write_speech
from openai_api.translation.gemini.voices import GEMINI, OPENAI, voice_named
from openai_api.translation.pcm import Converter
from openai_api.translation.speech import EventWriter, read_request, tempo
from openai_api.translation.wav import Form, NoSound, Reader, write_header
from tests.google import wire
from tests.google.speech import VOICES

SECOND, FIRST, MIDDLE = "gemini-3.8-flash-tts", "gemini-2.5-pro-preview-tts", "gemini-3.1-flash-tts-preview"
L16 = "audio/L16;codec=pcm;rate=24000"
PCM = bytes(range(200))


def read(**fields):
    return read_request(json.dumps({"model": "tts-1", "input": "Hello.", "voice": "alloy", **fields}).encode())


# --- The request ------------------------------------------------------------------------------------------------------


def test_a_request_with_everything():
    asked = read(instructions=" Whisper. ", response_format="opus", speed=2, stream_format="sse")
    assert asked.wanted == TextToSpeak("tts-1", "Hello.", "alloy", "Whisper.")
    assert (asked.format, asked.speed, asked.in_events, asked.notices) == ("opus", 2.0, True, ())


def test_what_is_left_out_is_as_with_openai():
    asked = read(instructions=None, speed=None, response_format=None)
    assert (asked.format, asked.speed, asked.in_events, asked.wanted.style) == ("mp3", 1.0, False, "")


def test_a_voice_may_be_an_object():
    assert read(voice={"id": "Kore"}).wanted.voice == "Kore"


def test_what_is_unknown_is_named():
    assert read(stream=True, user=None).notices == (Notice("stream", "unknown"),)


def test_as_many_characters_as_openai_takes():
    assert len(read(input="ß" * 4096).wanted.text) == 4096


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"input": ""}, "input", "invalid_value"),
        ({"input": " \n"}, "input", "invalid_value"),
        ({"input": "a" * 4097}, "input", "string_above_max_length"),
        ({"input": ["a"]}, "input", "invalid_type"),
        ({"model": ""}, "model", "missing_required_parameter"),
        ({"voice": 7}, "voice", "invalid_type"),
        ({"voice": {}}, "voice.id", "missing_required_parameter"),
        ({"voice": None}, "voice", "invalid_type"),
        ({"speed": 0.24}, "speed", "decimal_below_minimum_value"),
        ({"speed": 4.1}, "speed", "decimal_above_maximum_value"),
        ({"speed": "fast"}, "speed", "invalid_type"),
        ({"response_format": "ogg"}, "response_format", "invalid_value"),
        ({"response_format": ""}, "response_format", "invalid_value"),
        ({"stream_format": "json"}, "stream_format", "invalid_value"),
        ({"instructions": 1}, "instructions", "invalid_type"),
    ],
    ids=str,
)
def test_what_is_wrong_is_named(fields, param, code):
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"model":"tts-1","voice":"alloy"}', b'{"input":"\xff"}'], ids=repr)
def test_a_body_that_is_none_is_refused(body):
    with pytest.raises(InvalidRequest):
        read_request(body)


# --- Gemini's request -------------------------------------------------------------------------------------------------


def written(model: str, *, voice: str = "alloy", style: str = ""):
    body = json.loads(write_speech(TextToSpeak(model, "Hello.", voice, style)))
    wire.judge(body, "GenerateContentRequest")
    return body


def test_a_text_is_sent_verbatim_with_its_voice():
    body = written(SECOND)
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Hello."}]}]
    assert body["generationConfig"] == {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }


@pytest.mark.parametrize(
    ("model", "part"),
    [
        (SECOND, {"text": "Hello.", "speechMetadata": {"style": "Say it sadly."}}),
        ("gemini-3.8-flash-lite-tts", {"text": "Hello.", "speechMetadata": {"style": "Say it sadly."}}),
        ("gemini-4-flash-tts", {"text": "Hello.", "speechMetadata": {"style": "Say it sadly."}}),
        (FIRST, {"text": "Say it sadly:\nHello."}),
        (MIDDLE, {"text": "Say it sadly:\nHello."}),
    ],
)
def test_each_generation_is_told_the_style_in_its_own_way(model, part):
    assert written(model, style="Say it sadly.")["contents"][0]["parts"] == [part]


def test_every_voice_of_gemini_is_taken_in_any_case():
    assert sorted(GEMINI) == sorted(VOICES)
    assert [voice_named(name.upper()) for name in GEMINI] == list(GEMINI)


def test_every_voice_of_openai_has_one_of_its_own():
    names = "alloy ash ballad coral echo fable nova onyx sage shimmer verse marin cedar"
    assert sorted(OPENAI) == sorted(names.split())
    assert {voice_named(name.title()) for name in OPENAI} == set(OPENAI.values()) <= set(GEMINI)
    assert len(set(OPENAI.values())) == len(OPENAI)


@pytest.mark.parametrize("voice", ["", "nobody", "voice_1234", "Kor", "alloy2"])
def test_a_voice_that_nobody_has_is_refused_with_the_list(voice):
    with pytest.raises(InvalidRequest, match=r"'alloy'.*'Sulafat'") as caught:
        written(SECOND, voice=voice)
    assert caught.value.param == "voice"


# --- Its sound --------------------------------------------------------------------------------------------------------


def heard(*pieces: bytes, mime_type: str = "audio/wav") -> bytes:
    reader = SoundReader()
    events = [reader.read([MediaDelta(mime_type, b64encode(piece).decode())]) for piece in pieces]
    assert all(isinstance(event, AudioDelta) and event.pcm for batch in events for event in batch)
    return b"".join(event.pcm for batch in events for event in batch)


def wav(samples: bytes, form: Form = Form(), *, size: int | None = -1, tag: int = 1, before: bytes = b"", after: bytes = b""):  # noqa: B008
    fmt = struct.pack("<HHIIHH", tag, form.channels, form.rate, form.rate * form.frame, form.frame, form.bits)
    if tag == 0xFFFE:
        fmt += struct.pack("<HHIH14s", 22, form.bits, 0, 3 if form.is_float else 1, b"\0" * 14)
    data = len(samples) if size == -1 else size
    chunks = before + struct.pack("<4sI", b"fmt ", len(fmt)) + fmt + struct.pack("<4sI", b"data", data) + samples + after
    return struct.pack("<4sI4s", b"RIFF", min(4 + len(chunks), 0xFFFFFFFF), b"WAVE") + chunks


LIST = struct.pack("<4sI", b"LIST", 5) + b"abcde\0"


@pytest.mark.parametrize("mime_type", [L16, "audio/l16; rate=24000", "audio/pcm", "AUDIO/L16;codec=pcm;rate=24000"])
def test_raw_samples_are_taken_as_they_are(mime_type):
    assert heard(PCM[:100], PCM[100:], mime_type=mime_type) == PCM


@pytest.mark.parametrize("mime_type", ["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave", L16])
def test_a_wav_file_is_freed_of_its_header(mime_type):
    assert heard(wav(PCM), mime_type=mime_type) == PCM


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFFFFF, len(PCM), 20])
def test_a_header_may_stand_before_the_first_piece_alone_whatever_length_it_names(size):
    assert heard(wav(PCM[:20], size=size), PCM[20:120], PCM[120:]) == PCM


def test_each_piece_may_be_a_wav_file_of_its_own():
    assert heard(*(wav(PCM[at : at + 50], after=LIST) for at in range(0, 200, 50))) == PCM


def test_other_chunks_before_and_after_the_samples_are_not_heard():
    assert heard(wav(PCM, before=LIST, after=LIST)) == PCM


@pytest.mark.parametrize("cut", [1, 4, 11, 12, 19, 20, 43, 44, 45, 47, 90])
def test_a_file_may_be_cut_anywhere(cut):
    file = wav(PCM, before=LIST)
    assert heard(file[:cut], file[cut:]) == PCM


def test_a_sample_that_is_cut_in_two_is_put_together():
    assert heard(PCM[:33], PCM[33:66], PCM[66:], mime_type=L16) == PCM


@pytest.mark.parametrize(
    ("form", "tag", "samples"),
    [
        (Form(bits=8), 1, bytes([128, 228, 28])),
        (Form(bits=16), 0xFFFE, struct.pack("<3h", 0, 25_600, -25_600)),
        (Form(bits=24), 1, b"".join((value << 8).to_bytes(3, "little", signed=True) for value in (0, 25_600, -25_600))),
        (Form(bits=32), 1, struct.pack("<3i", 0, 25_600 << 16, -25_600 << 16)),
        (Form(bits=32, is_float=True), 3, struct.pack("<3f", 0, 25_600 / 32_767, -25_600 / 32_767)),
        (Form(bits=64, is_float=True), 0xFFFE, struct.pack("<3d", 0, 25_600 / 32_767, -25_600 / 32_767)),
        (Form(channels=2), 1, struct.pack("<6h", 100, -100, 25_600, 25_600, -30_000, -21_200)),
    ],
    ids=str,
)
def test_samples_of_any_depth_and_number_of_channels_become_16_bits_of_one(form, tag, samples):
    assert heard(wav(samples, form, tag=tag)) == struct.pack("<3h", 0, 25_600, -25_600)


def test_what_is_too_loud_is_cut_off():
    samples = struct.pack("<4f", 2.0, -2.0, math.inf, math.nan)
    assert set(array("h", heard(wav(samples, Form(bits=32, is_float=True), tag=3)))) <= {32_767, -32_767}


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
def test_another_rate_keeps_pitch_and_length(rate):
    tone = [round(10_000 * math.sin(math.tau * 200 * at / rate)) for at in range(rate)]
    converter = Converter(Form(rate=rate))
    data = struct.pack(f"<{rate}h", *tone)
    made = array("h", b"".join(converter.read(data[at : at + 999]) for at in range(0, len(data), 999)))
    assert len(made) == pytest.approx(24_000, abs=4)
    assert all(abs(value - 10_000 * math.sin(math.tau * 200 * at / 24_000)) < 150 for at, value in enumerate(made))


@pytest.mark.parametrize(
    ("mime_type", "piece"),
    [
        ("audio/mpeg", b"ID3"),
        ("", b"abc"),
        ("audio/wav", b"OggS" + bytes(40)),
        ("audio/wav", wav(PCM, Form(bits=12))),
        ("audio/wav", wav(PCM, tag=6)),
        ("audio/wav", wav(PCM, Form(channels=0))),
        ("audio/wav", wav(PCM, Form(rate=0))),
        ("audio/wav", b"RIFF\0\0\0\0WAVEdata\x04\0\0\0abcd"),
        ("audio/wav", b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0abcd"),
        ("audio/wav", b"RIFF\0\0\0\0WAVE" + b"LIST\xff\xff\0\0" + bytes(70_000)),
    ],
    ids=range(10),
)
def test_what_is_no_such_sound_is_no_answer(mime_type, piece):
    with pytest.raises(MalformedAnswer):
        heard(piece, mime_type=mime_type)


def test_what_is_no_base64_is_no_answer():
    with pytest.raises(MalformedAnswer):
        SoundReader().read([MediaDelta(L16, "a")])


def test_words_are_no_speech():
    usage, end = UsageReport(Usage(prompt=3)), Finished("stop")
    assert SoundReader().read([ThoughtDelta("hm"), TextDelta("Hello."), usage, end]) == [usage, end]


# --- The answer -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("size", "around", "within"), [(200, 236, 200), (None, 0xFFFFFFFF, 0xFFFFFFFF)])
def test_a_header_is_read_back(size, around, within):
    header = write_header(Form(), size)
    assert (len(header), struct.unpack_from("<I", header, 4)[0], struct.unpack_from("<I", header, 40)[0]) == (44, around, within)
    reader = Reader()
    assert (reader.read(header + PCM), reader.form) == (PCM, Form())


def test_a_file_without_samples_has_no_end():
    with pytest.raises(NoSound):
        Reader().read(b"RIFF\0\0\0\0WAVE" + struct.pack("<4sI", b"JUNK", 0) * 10_000)


@pytest.mark.parametrize(
    ("speed", "steps"), [(0.25, [0.5, 0.5]), (0.5, [0.5]), (0.9, [0.9]), (1.5, [1.5]), (2, [2]), (3, [1.732051] * 2), (4, [2, 2])]
)
def test_a_speed_is_reached_in_steps_that_skip_nothing(speed, steps):
    flag, filters = tempo(speed)
    assert (flag, filters) == ("-filter:a", ",".join(f"atempo={step:.6f}" for step in steps))


def test_one_is_no_change_of_speed():
    assert tempo(1.0) == ()


def test_events_hold_sound_and_end_with_usage():
    writer = EventWriter()
    sound, end = (json.loads(event.removeprefix(b"data: ")) for event in (writer.sound(PCM), writer.finish(Usage(7, 50))))
    assert (sound["type"], b64decode(sound["audio"])) == ("speech.audio.delta", PCM)
    assert end == {"type": "speech.audio.done", "usage": {"input_tokens": 7, "output_tokens": 50, "total_tokens": 57}}


def test_an_error_is_an_event_of_its_own():
    [line, *rest] = EventWriter().error(UpstreamBroken("It broke.")).split(b"\n")
    told = json.loads(line.removeprefix(b"data: "))
    assert rest == [b"", b""]
    assert told == {
        "type": "error",
        "error": {"message": "It broke.", "type": "server_error", "param": None, "code": "upstream_broken"},
    }
