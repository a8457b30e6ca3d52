"""Transcriptions, pure: forms in, requests for Google, and Google's answers back out in each of OpenAI's formats."""

import json
import shutil
import struct
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct

from openai_api.errors import InvalidRequest, UpstreamBroken
from openai_api.translation import transcription
from openai_api.translation.conversation import Notice, SpeechToWrite, StoredMedia
from openai_api.translation.events import Finished, SpokenWord, ThoughtDelta, Usage, UsageReport, Utterance
from openai_api.translation.gemini.transcription import MOST_INLINE, TranscriptReader, with_address, write_transcription
from openai_api.translation.transcription.length import length_of
from openai_api.translation.transcription.segments import LONGEST_LETTERS, LONGEST_SECONDS, cut, glue, in_order, joined
from openai_api.translation.transcription.sounds import sound_type
from openai_api.uploads import Upload
from tests.api import recordings

MODEL, IN_WORDS = "gemini-3.5-transcribe", "gemini-3.8-flash"


class Sent(Struct):
    """An uploaded file, in memory."""

    content: bytes
    field: str = "file"
    filename: str = "a.wav"
    content_type: str = "audio/wav"
    key: int = 0
    claims: int = 0

    @property
    def size(self) -> int:
        return self.claims or len(self.content)

    def read(self, offset: int, size: int) -> bytes:
        return self.content[offset : offset + size]


RECORDING = Sent(recordings.wav(7))


def read(translates=False, files=(RECORDING,), **fields) -> transcription.TranscriptionRequest:
    lists = {name: value if isinstance(value, list) else [value] for name, value in {"model": "whisper-1", **fields}.items()}
    return transcription.read_request(lists, files, translates=translates)


def refused(**fields) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(**fields)
    return caught.value


# --- What the caller asks ----------------------------------------------------------------------------------------------


def test_a_form_is_read_to_the_last_field():
    asked = read(
        language="pt_BR",
        prompt="It goes on.",
        response_format="verbose_json",
        temperature="0.4",
        **{"timestamp_granularities[]": ["word", "segment", "word"], "keywords[]": ["dam", "lodge"]},
    )
    assert (asked.format, asked.granularities, asked.stream, asked.notices) == ("verbose_json", ("word", "segment"), False, ())
    assert asked.wanted == SpeechToWrite(
        "whisper-1",
        StoredMedia("audio/wav", RECORDING, "a.wav"),
        seconds=7.0,
        languages=("pt-BR",),
        vocabulary=("dam", "lodge"),
        hint="It goes on.",
        times=True,
        temperature=0.4,
    )


@pytest.mark.parametrize(
    ("prompt", "vocabulary", "hint"),
    [
        ("Beaver, dam; Lodge\nKorallen Oy.", ("Beaver", "dam", "Lodge", "Korallen Oy"), ""),
        ("The beaver said that it would build, which it did.", (), "The beaver said that it would build, which it did."),
        ("Beaver", (), "Beaver"),
        ("  ", (), ""),
    ],
)
def test_a_prompt_that_is_a_list_of_terms_is_a_vocabulary(prompt, vocabulary, hint):
    wanted = read(prompt=prompt).wanted
    assert (wanted.vocabulary, wanted.hint) == (vocabulary, hint)


def test_zero_degrees_are_openais_word_for_as_you_see_fit():
    assert read(temperature="0").wanted.temperature is None


def test_what_nobody_knows_or_can_do_is_noticed():
    fields = {"chunking_strategy[type]": "server_vad", "include[]": "logprobs", "known_speaker_names[]": ["Ada"], "wish": "x"}
    notices = read(**fields).notices
    assert [notice.field for notice in notices] == ["chunking_strategy", "wish", "include", "known_speaker_names"]


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"model": ""}, "model", "missing_required_parameter"),
        ({"files": ()}, "file", "missing_required_parameter"),
        ({"files": (RECORDING, RECORDING)}, "file", "invalid_value"),
        ({"files": (Sent(b""),)}, "file", "invalid_value"),
        ({"temperature": "warm"}, "temperature", "invalid_type"),
        ({"temperature": "1.1"}, "temperature", "decimal_above_maximum_value"),
        ({"stream": "perhaps"}, "stream", "invalid_type"),
        ({"translates": True, "response_format": "diarized_json"}, "response_format", "invalid_value"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_wrong_is_named(fields, param, code):
    error = refused(**fields)
    assert (error.param, error.code) == (param, code)


def test_a_file_under_another_name_is_noticed():
    asked = read(files=(RECORDING, Sent(b"x", field="attachment", key=1)))
    assert asked.notices == (Notice("attachment", "unknown"),)


# --- What a recording is, and how long -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "filename", "content_type", "found"),
    [
        (recordings.wav(1), "a.mp3", "audio/mpeg", "audio/wav"),
        (recordings.m4a(1, brand=b"mp42"), "a.mp4", "video/mp4", "audio/m4a"),
        (b"\x1aE\xdf\xa3more", "a", "", "audio/webm"),
        (b"\0\0\xff\xfb\x90\0", "a", "audio/mpeg", "audio/mpeg"),
        (b"\0\0\xff\xfb\x90\0", "a.mpga", "application/octet-stream", "audio/mpeg"),
        (b"\1\2\3\4", "a", "audio/L16; rate=16000", "audio/l16; rate=16000"),
        (b"\1\2\3\4", "a.l16", "", "audio/l16"),
        (b"\1\2\3\4", "a", "audio/l16; rate=1\x00", "audio/l16"),
        (b"\1\2\3\4", "a", "audio/mulaw", "audio/mulaw"),
    ],
)
def test_a_recording_is_what_its_bytes_say(content, filename, content_type, found):
    assert sound_type(Sent(content), filename=filename, content_type=content_type) == found


@pytest.mark.parametrize(
    ("content", "filename", "content_type"),
    [
        (b"Dear Sir or Madam", "a.mp3", "audio/mpeg"),
        (b"%PDF-1.7", "a.wav", "audio/wav"),
        (b"RIFF\0\0\0\0AVI ", "a.avi", "video/avi"),
        (b"\1\2\3\4", "a.xyz", "application/octet-stream"),
    ],
)
def test_what_is_no_sound_is_refused(content, filename, content_type):
    with pytest.raises(InvalidRequest) as caught:
        sound_type(Sent(content), filename=filename, content_type=content_type)
    assert caught.value.param == "file"


def aiff(seconds: int) -> bytes:
    rate = struct.pack(">HQ", 16383 + 13, 8000 << 50)  # An 80-bit float, as Apple's were.
    common = b"COMM" + struct.pack(">IhIh", 18, 1, seconds * 8000, 16) + rate
    return b"FORM\0\0\0\0AIFF" + b"NAME\0\0\0\x03abc\0" + common


def with_rate(exponent: int) -> bytes:
    return aiff(1)[:-10] + struct.pack(">HQ", exponent, 8000 << 50)


def endless_mp4() -> bytes:
    """Boxes that end, as they say, behind the last byte that any file could have."""
    return struct.pack(">I4sQ", 1, b"moov", 2**64 - 1) + struct.pack(">I4sQ", 1, b"free", 2**63) + bytes(64)


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [(with_rate(0x7FFF), "audio/aiff"), (with_rate(0x0100), "audio/aiff"), (endless_mp4(), "audio/m4a")],
    ids=["an endless rate", "no rate", "endless boxes"],
)
def test_numbers_that_no_file_can_hold_are_no_length(tmp_path, content, mime_type):
    file = Upload(0, "file", "a", "", tmp_path)
    file.take(content)
    assert length_of(file, mime_type) is None


def xing(frames: int) -> bytes:
    frame = bytearray(b"\xff\xfb\x90\x00" + bytes(413))
    frame[36:48] = b"Xing\0\0\0\x01" + struct.pack(">I", frames)
    return bytes(frame)


@pytest.mark.parametrize(
    ("content", "mime_type", "seconds"),
    [
        (recordings.wav(7.5), "audio/wav", 7.5),
        # Written while it was recorded: the length was not known yet.
        (recordings.wav(2)[:40] + b"\xff\xff\xff\xff" + recordings.wav(2)[44:], "audio/wav", 2),
        (recordings.wav(2)[:40] + bytes(4) + recordings.wav(2)[44:], "audio/wav", 2),
        (recordings.flac(90), "audio/flac", 90),
        (recordings.m4a(12.5), "audio/m4a", 12.5),
        (recordings.m4a(12.5, behind=True), "audio/m4a", 12.5),
        (recordings.m4a(0), "audio/m4a", None),
        (recordings.opus(3661), "audio/ogg", 3661),
        (aiff(30), "audio/aiff", 30),
        (recordings.mp3(10), "audio/mp3", pytest.approx(10, abs=0.05)),
        (b"ID3\x04\0\0\0\0\x01\x00" + bytes(128) + recordings.mp3(10), "audio/mp3", pytest.approx(10, abs=0.05)),
        (xing(1000) + recordings.mp3(1), "audio/mp3", pytest.approx(1000 * 1152 / 44_100)),
        (recordings.wav(1)[:30], "audio/wav", None),
        (recordings.flac(1)[:20], "audio/flac", None),
        (b"OggS\0\2", "audio/ogg", None),
        (b"\0\0\0\0", "audio/webm", None),
    ],
    ids=lambda value: "" if isinstance(value, bytes) else str(value),
)
def test_the_length_of_a_recording(content, mime_type, seconds):
    assert length_of(Sent(content), mime_type) == seconds


@pytest.mark.parametrize(
    ("name", "options", "mime_type", "seconds"),
    [
        ("a.wav", "", "audio/wav", 3),
        ("a.aiff", "", "audio/aiff", 3),
        ("a.flac", "", "audio/flac", 3),
        ("a.mp3", "-b:a 64k", "audio/mp3", 3),
        ("a.mp3", "-q:a 5", "audio/mp3", 3),
        ("a.mp3", "-b:a 32k -ar 22050 -write_xing 0 -id3v2_version 0", "audio/mp3", 3),
        ("a.mp2", "", "audio/mpeg", None),
        ("a.m4a", "", "audio/m4a", 3),
        ("a.mp4", "", "audio/m4a", 3),
        ("a.mp4", "-movflags +faststart", "audio/m4a", 3),
        ("a.mov", "", "audio/m4a", 3),
        ("a.aac", "", "audio/aac", None),
        ("a.ogg", "-c:a libvorbis", "audio/ogg", 3),
        ("a.opus", "-c:a libopus", "audio/ogg", 3),
        ("a.webm", "-c:a libopus", "audio/webm", None),
    ],
)
def test_real_files(tmp_path, name, options, mime_type, seconds):
    if not shutil.which("ffmpeg"):
        pytest.skip("missing program: ffmpeg")
    path = tmp_path / name
    made = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "sine=frequency=300:duration=3", "-ac", "1"]
    subprocess.run([*made, *options.split(), str(path)], check=True, timeout=60)
    file = Sent(path.read_bytes())
    assert sound_type(file, filename=name, content_type="audio/mpeg" if name == "a.mp2" else "") == mime_type
    assert length_of(file, mime_type) == (seconds and pytest.approx(seconds, abs=0.1))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(["wav", "aiff", "flac", "ogg", "m4a", "mp3"]), st.data())
def test_no_file_can_break_the_measuring(kind, data):
    whole = {"wav": recordings.wav(0.01), "aiff": aiff(1), "mp3": recordings.mp3(0.1), "m4a": recordings.m4a(1)[:200]}
    content = bytearray(whole.get(kind, recordings.opus(1)[:300] if kind == "ogg" else recordings.flac(1)[:60]))
    for _ in range(data.draw(st.integers(0, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    seconds = length_of(Sent(bytes(content[: data.draw(st.integers(0, len(content)))])), f"audio/{kind}")
    assert seconds is None or seconds >= 0


# --- What Google is asked ------------------------------------------------------------------------------------------------


def written(**fields) -> dict:
    body = write_transcription(SpeechToWrite(**{"model": MODEL, "audio": StoredMedia("audio/wav", RECORDING), **fields})).body
    return json.loads(b"".join(body))


def test_the_recording_travels_within_the_request():
    [part] = written()["contents"][0]["parts"]
    assert part["inlineData"]["mimeType"] == "audio/wav"
    assert len(part["inlineData"]["data"]) == -(-RECORDING.size // 3) * 4


@pytest.mark.parametrize("model", [MODEL, IN_WORDS])
def test_a_large_one_is_named_by_its_address(model):
    large = StoredMedia("audio/wav", Sent(b"RIFF", claims=MOST_INLINE + 1, key=3))
    asked = write_transcription(SpeechToWrite(model, large))
    assert asked.upload is large
    body = json.loads(with_address(asked.body, large, 'https://example.com/"files"/1'))
    file = {"mimeType": "audio/wav", "fileUri": 'https://example.com/"files"/1'}
    assert body["contents"][0]["parts"][0] == {"fileData": file}


def test_what_cannot_be_combined_is_noticed():
    asked = SpeechToWrite(MODEL, StoredMedia("audio/wav", RECORDING), vocabulary=("dam",), hint="So far.", times=True)
    request = write_transcription(asked)
    assert [notice.field for notice in request.notices] == ["keywords", "prompt"]
    config = json.loads(b"".join(request.body))["generationConfig"]
    assert config == {"audioTranscriptionConfig": {"wordTimestamp": True}}


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "in the language in which it is spoken"),
        ({"into": "English"}, "into English"),
        ({"languages": ("de",)}, "de"),
        ({"vocabulary": ("Biber", "Damm")}, "Biber, Damm"),
        ({"hint": "Es war einmal"}, "Es war einmal"),
    ],
)
def test_other_models_are_told_in_words(fields, said):
    body = written(model=IN_WORDS, **fields)
    assert said in body["contents"][0]["parts"][1]["text"]


@pytest.mark.parametrize(
    "model", ["gemini-3.8-flash-tts", "gemini-3.1-flash-image", "gemma-4-31b-it", "gemini-3.8-live", "lyria-3.5"]
)
def test_models_that_cannot_hear_are_refused(model):
    with pytest.raises(InvalidRequest) as caught:
        written(model=model)
    assert (caught.value.param, caught.value.code) == ("model", "model_not_supported")


@pytest.mark.parametrize(
    ("fields", "is_taken"),
    [
        ({"seconds": 3600.0}, True),
        ({"seconds": 3601.0}, False),
        ({"seconds": 1800.0, "times": True}, True),
        ({"seconds": 1801.0, "times": True}, False),
        ({"seconds": 1801.0, "speakers": True}, False),
        ({"seconds": 9000.0, "model": IN_WORDS}, True),
    ],
)
def test_how_much_is_heard_at_once(fields, is_taken):
    if is_taken:
        assert written(**fields)
        return
    with pytest.raises(InvalidRequest) as caught:
        written(**fields)
    assert (caught.value.param, caught.value.code) == ("file", "audio_too_long")


# --- What Google answers -------------------------------------------------------------------------------------------------


def answered(*parts: dict, in_words=False, finish="STOP") -> list:
    reader = TranscriptReader(new_call_id=str, in_words=in_words)
    events = []
    for part in parts:
        events += reader.read(json.dumps({"candidates": [{"content": {"parts": [part]}}]}).encode())
    return events + reader.read(json.dumps({"candidates": [{"finishReason": finish}]}).encode())


def test_an_utterance_with_everything():
    word = {"word": "Dam.", "startOffset": "1.500s", "endOffset": "2s"}
    told = {"words": [word], "speakerLabel": "spk:1", "languageCode": "en-US"}
    utterance, end = answered({"text": "Dam.", "audioTranscription": told})
    assert utterance == Utterance("Dam.", (SpokenWord("Dam.", 1.5, 2.0),), 1.5, 2.0, "spk:1", "en-US")
    assert end == Finished("stop", "STOP")


@pytest.mark.parametrize(
    ("part", "utterance"),
    [
        ({"text": "Hello"}, Utterance("Hello")),
        ({"audioTranscription": {"text": "Hello"}}, Utterance("Hello")),
        ({"text": "Hello", "audioTranscription": {"text": "Hello"}}, Utterance("Hello")),
        (
            {"audioTranscription": {"words": [{"word": "Hel", "endOffset": "0.5s"}, {"word": "lo", "startOffset": "1s"}]}},
            Utterance("Hel lo", (SpokenWord("Hel", 0.0, 0.5), SpokenWord("lo", 1.0, 1.0)), 0.0, 1.0),
        ),
        (
            {"text": "Hello", "audioTranscription": {"startOffset": "0.25s", "endOffset": "900.5s"}},
            Utterance("Hello", (), 0.25, 900.5),
        ),
        ({"text": "Hello", "audioTranscription": {"startOffset": "soon", "endOffset": ""}}, Utterance("Hello")),
    ],
    ids=str,
)
def test_the_forms_that_an_utterance_may_have(part, utterance):
    assert answered(part)[0] == utterance


def test_a_transcription_model_that_says_nothing_has_heard_nobody():
    assert answered() == [Utterance(""), Finished("stop", "STOP")]
    assert answered(finish="SAFETY") == [Finished("content_filter", "SAFETY")]


def test_a_model_that_is_asked_in_words_must_say_that_nobody_speaks():
    pieces = [{"text": piece} for piece in (" [no", " spe", "ech]\n")]
    assert answered(*pieces, in_words=True) == [Utterance(""), Finished("stop", "STOP")]
    assert answered(in_words=True) == [Finished("stop", "STOP")]


def test_what_only_begins_like_silence_is_said():
    pieces = [{"text": piece} for piece in ("[no", " way] he said", " so")]
    assert answered(*pieces, in_words=True)[:2] == [Utterance("[no way] he said"), Utterance(" so")]
    assert answered({"text": "[no"}, in_words=True)[0] == Utterance("[no")


def test_thoughts_are_no_transcript():
    events = answered({"text": "Who is it?", "thought": True}, {"text": "Hello"}, in_words=True)
    assert not any(isinstance(event, ThoughtDelta) for event in events)
    assert events[0] == Utterance("Hello")


# --- Segments ------------------------------------------------------------------------------------------------------------


def spoken(text: str, *, at: float = 0.0, every: float = 0.5) -> Utterance:
    words = tuple(SpokenWord(word, at + number * every, at + number * every + 0.4) for number, word in enumerate(text.split()))
    return Utterance(text, words, words[0].start, words[-1].end)


def texts(utterance: Utterance) -> list[str]:
    return [segment.text for segment in cut(utterance)]


def test_segments_end_with_sentences():
    said = spoken('He said "stop!" Then (at last?) it went... on')
    assert texts(said) == ['He said "stop!"', "Then (at last?)", "it went...", "on"]


def test_segments_end_at_pauses():
    first, second = spoken("one two"), spoken("three four", at=5)
    assert texts(Utterance("one two three four", first.words + second.words)) == ["one two", "three four"]


def test_a_text_that_is_not_made_of_its_words_is_made_of_them():
    words = spoken("one two. three").words
    assert texts(Utterance("eins zwei drei", words)) == ["one two.", "three"]


def test_scripts_without_spaces_stay_so():
    words = tuple(SpokenWord(word, at, at + 0.5) for at, word in enumerate(["海狸", "在", "筑坝。", "水深吗？"]))
    utterance = Utterance("海狸在筑坝。水深吗？", words)
    assert texts(utterance) == ["海狸在筑坝。", "水深吗？"]
    assert texts(Utterance("", words)) == texts(utterance)


def test_an_utterance_without_words_is_one_segment_if_it_has_times():
    assert [(one.start, one.end) for one in cut(Utterance("A. B.", start=1.0, end=2.0))] == [(1.0, 2.0)]
    assert list(cut(Utterance("A. B."))) == []


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.text("ab.?é", min_size=1, max_size=30), st.floats(0, 3), st.floats(0, 3)), min_size=1, max_size=60))
def test_segments_keep_every_word_and_the_order_of_time(drawn):
    at, words = 0.0, []
    for word, pause, length in drawn:
        words.append(SpokenWord(word, at + pause, at + pause + length))
        at += pause + length
    text = " ".join(word.word for word in words)
    segments = list(cut(Utterance(text, tuple(words))))
    assert " ".join(segment.text for segment in segments) == text
    assert all(one.end <= other.start + 1e-6 for one, other in pairwise(segments))
    assert all(segment.end - segment.start <= LONGEST_SECONDS + 1e-6 for segment in segments)
    assert all(len(segment.text) <= LONGEST_LETTERS for segment in segments)


def test_turns_are_put_in_the_order_of_time_if_it_is_known():
    late, early = spoken("late", at=9), spoken("early")
    assert in_order([late, early]) == [early, late]
    assert in_order([late, Utterance("whenever"), early]) == [late, Utterance("whenever"), early]


@pytest.mark.parametrize(
    ("before", "after", "between"),
    [("Hel", "lo", ""), ("done.", "Then", " "), ("done. ", "Then", ""), ("3.", "5", ""), ("坝。", "水", ""), ("", "A", "")],
)
def test_pieces_of_an_answer_are_put_together_as_they_come_but_for_sentences(before, after, between):
    assert glue(before, after) == between


def test_whole_utterances_get_their_spaces():
    assert joined(["Yes,", "sure", "好", "的"]) == "Yes, sure好的"


# --- What the caller gets -------------------------------------------------------------------------------------------------


def answer(*events, **fields) -> bytes:
    return transcription.Writer(read(**fields)).answer(events)


def test_turns_in_disorder_are_told_in_order():
    late, early = spoken("And so on.", at=9), spoken("First.")
    assert json.loads(answer(late, early))["text"] == "First. And so on."


def test_the_clock_of_subtitles_goes_on_after_an_hour():
    line = Utterance("Late.", start=3599.9996, end=3725.0621)
    assert answer(line, response_format="srt") == b"1\n01:00:00,000 --> 01:02:05,062\nLate.\n"
    assert answer(line, response_format="vtt") == b"WEBVTT\n\n01:00:00.000 --> 01:02:05.062\nLate.\n"


def test_no_text_can_break_a_subtitle():
    line = Utterance("One\n\nTwo --> <b> & Co", start=0.0, end=1.0)
    assert answer(line, response_format="srt").decode().splitlines()[2:] == ["One", "Two --> <b> & Co"]
    assert answer(line, response_format="vtt").decode().splitlines()[3:] == ["One", "Two --&gt; &lt;b&gt; &amp; Co"]


def test_languages_are_told():
    heard = [Utterance("Oi.", language="pt-BR"), Utterance("Yes.", language="en-US"), Utterance("Sim.", language="pt-BR")]
    assert json.loads(answer(*heard))["languages"] == [{"code": "pt-BR"}, {"code": "en-US"}]
    times = [Utterance(one.text, start=0.0, end=1.0, language=one.language) for one in heard]
    assert json.loads(answer(*times, response_format="verbose_json"))["language"] == "portuguese"
    unknown = Utterance("Oi.", start=0.0, end=1.0)
    assert json.loads(answer(unknown, response_format="verbose_json", language="de"))["language"] == "german"
    assert json.loads(answer(unknown, response_format="verbose_json"))["language"] == "unknown"


def test_a_length_that_no_header_tells_is_reckoned():
    webm = Sent(b"\x1aE\xdf\xa3")
    used = UsageReport(Usage(prompt=330, prompt_audio=320, completion=5))
    line = Utterance("One", start=0.0, end=9.5)
    assert json.loads(answer(line, used, files=(webm,), response_format="verbose_json"))["duration"] == 10.0
    assert json.loads(answer(line, files=(webm,), response_format="verbose_json"))["duration"] == 9.5


def test_a_transcript_without_times_is_no_subtitle():
    with pytest.raises(UpstreamBroken, match="did not tell when"):
        answer(Utterance("One"), response_format="srt")


@pytest.mark.parametrize(("reason", "code"), [("length", "audio_too_long"), ("content_filter", "content_policy_violation")])
def test_a_transcript_that_stops_early_is_an_error(reason, code):
    with pytest.raises(InvalidRequest) as caught:
        answer(Utterance("One"), Finished(reason, "WHY", "so it is"))
    assert (caught.value.param, caught.value.code) == ("file", code)


def test_many_speakers_have_letters():
    turns = [Utterance(f"I am {number}.", start=float(number), end=number + 0.5, speaker=f"spk:{number}") for number in range(28)]
    segments = json.loads(answer(*turns, response_format="diarized_json"))["segments"]
    assert [segments[number]["speaker"] for number in (0, 25, 26, 27)] == ["A", "Z", "AA", "AB"]
