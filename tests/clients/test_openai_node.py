"""The official Node SDK against the real server. What it does is in `node/cases.mjs`; what must come of it, here."""

import base64
import io
import json
from array import array
from base64 import b64decode

import pytest
from PIL import Image

from openai_api.translation.gemini.history import SKIP_SIGNATURE as STAND_IN
from tests.api import recordings
from tests.google import media, speech
from tests.sound import measured as heard
from tests.sound import need_ffmpeg


@pytest.fixture
def run(castor, node):
    return lambda case, *more: node(case, castor.base_url, castor.token, *more)


def test_a_whole_answer(run, google):
    tokens = run("whole")
    assert tokens == {"text": "echo: hello", "end": "stop", "tokens": google.log.generation()[-1].usage["totalTokenCount"]}


def test_a_stream_with_usage(run, google):
    seen = run("stream")
    assert (seen["text"], seen["roles"], seen["ends"]) == ("echo: hello", ["assistant"], ["stop"])
    assert seen["usage"] == [google.log.generation()[-1].usage["totalTokenCount"]]


def test_the_stream_helper(run):
    assert run("helper") == {"text": "", "final": "echo: hello", "end": "stop", "streamed": "echo: hello"}


def test_the_tool_runner_goes_round_parallel_calls(run):
    seen = run("tools")
    assert seen["roles"] == ["user", "assistant", "tool", "tool", "assistant"]
    assert "sunny in Paris" in seen["text"]
    assert "noon" in seen["text"]


def test_the_streaming_tool_runner_goes_round(run):
    seen = run("streamed_tools")
    assert seen["roles"] == ["user", "assistant", "tool", "assistant"]
    assert "sunny in Paris" in seen["text"]


def test_zod_schemas_come_back_parsed(run):
    assert run("structured") == [True, True]
    assert run("structured_tool") is True


def test_embeddings_which_the_sdk_asks_for_in_base64(run):
    seen = run("embeddings")
    refused = seen.pop("refused")
    assert seen == {"model": "gemini-embedding-2", "lengths": [128, 128], "isSame": True, "tokens": 2}
    assert (refused["kind"], refused["status"], refused["param"]) == ("BadRequestError", 400, "dimensions")


def test_embeddings_packed_or_not_as_they_were_asked_for(run):
    seen = run("packed_embeddings")
    packed = array("f", b64decode(seen["packed"]))
    assert len(packed) == 256
    assert list(packed) == pytest.approx(seen["plain"], rel=1e-6, abs=1e-9)


@pytest.fixture
def recording(tmp_path):
    path = tmp_path / "speech.wav"
    path.write_bytes(recordings.wav(7))
    return str(path)


def test_transcriptions_in_every_format(run, recording):
    seen = run("transcriptions", recording)
    assert seen["json"]["text"] == seen["verbose_json"]["text"] == seen["diarized_json"]["text"] == recordings.SAID
    assert seen["text"] == f"{recordings.SAID}\n"
    assert seen["srt"].splitlines()[:3] == ["1", "00:00:00,000 --> 00:00:02,400", "The beaver builds a dam."]
    assert seen["vtt"].splitlines()[:4] == ["WEBVTT", "", "00:00:00.000 --> 00:00:02.400", "The beaver builds a dam."]
    assert [segment["end"] for segment in seen["verbose_json"]["segments"]] == [2.4, 4.9, 6.9]
    assert [segment["speaker"] for segment in seen["diarized_json"]["segments"]] == ["A", "B", "A"]
    assert seen["words"]["words"][1] == {"word": "beaver", "start": 0.5, "end": 0.9}
    *deltas, done = seen["stream"]
    assert "".join(delta["delta"] for delta in deltas) == done["text"] == recordings.SAID
    assert (seen["refused"]["kind"], seen["refused"]["param"]) == ("BadRequestError", "response_format")


def test_a_translation(run, recording, google):
    google.script(text="The beaver builds.")
    assert run("translation", recording) == "The beaver builds."


def test_translations_in_every_other_format(run, recording, google):
    lines = json.dumps({"texts": ["One.", "Two?", "Three!"]})
    google.script(text="One. Two? Three!")
    google.script(model="gemini-3.8-flash", text=lines, times=None)
    seen = run("translations", recording)
    assert seen["text"] == "One. Two? Three!\n"
    assert seen["srt"].splitlines()[:3] == ["1", "00:00:00,000 --> 00:00:02,400", "One."]
    assert seen["vtt"].splitlines()[:4] == ["WEBVTT", "", "00:00:00.000 --> 00:00:02.400", "One."]
    assert [(one["start"], one["text"]) for one in seen["verbose_json"]["segments"]] == [
        (0, "One."),
        (2.5, "Two?"),
        (5, "Three!"),
    ]


def test_completions_from_before_chats(run):
    seen = run("completions")
    texts = ["aecho: a", "aecho: a", "becho: b", "becho: b"]
    streamed, refused = seen.pop("streamed"), seen.pop("refused")
    tokens = seen.pop("tokens")
    assert seen == {"object": "text_completion", "model": "gemini-3.5-flash-lite", "texts": texts}
    assert streamed == {"texts": texts, "ends": ["stop"] * 4, "usage": [tokens]}
    assert (refused["kind"], refused["status"], refused["param"]) == ("BadRequestError", 400, "suffix")


def test_moderations(run):
    seen = run("moderations")
    refused = seen.pop("refused")
    assert seen == {"model": "gemini-3.5-flash-lite", "flagged": [False, True], "intent": [0, 0.9], "applied": ["text"]}
    assert (refused["kind"], refused["status"], refused["param"]) == ("BadRequestError", 400, "input[1].image_url.url")


def test_a_picture_is_judged(run, tmp_path):
    path = tmp_path / "picture.png"
    path.write_bytes(b64decode(media.picture()))
    assert run("judged_picture", str(path)) == [{"violence": 0.8, "applied": ["text", "image"]}]


SOUNDS = {
    "mp3": ("audio/mpeg", "mp3"),
    "opus": ("audio/ogg", "opus"),
    "aac": ("audio/aac", "aac"),
    "flac": ("audio/flac", "flac"),
    "wav": ("audio/wav", "pcm_s16le"),
    "pcm": ("audio/pcm", "pcm_s16le"),
}


def test_speech_in_every_format_at_half_the_speed(run):
    need_ffmpeg()
    seen = run("speech_formats")
    assert seen.keys() == SOUNDS.keys()
    for form, (content_type, codec) in SOUNDS.items():
        raw = ("-f", "s16le", "-ar", "24000", "-ac", "1") if form == "pcm" else ()
        sound = heard(b64decode(seen[form]["sound"]), *raw)
        assert (seen[form]["type"], sound.codec, sound.channels) == (content_type, codec, 1)
        assert sound.seconds == pytest.approx(2 * speech.duration("A beaver is building a dam."), abs=0.2)


def test_speech_in_events(run, google):
    *deltas, done = run("speech_events")
    assert {delta["type"] for delta in deltas} == {"speech.audio.delta"}
    assert b"".join(b64decode(delta["audio"]) for delta in deltas) == speech.tone("A beaver.")
    assert (done["type"], done["usage"]["total_tokens"]) == ("speech.audio.done", google.log[-1].usage["totalTokenCount"])


def test_speech(run):
    seen = run("speech")
    sound = b64decode(seen["sound"])
    assert (seen["type"], sound[:4], sound[44:]) == ("audio/wav", b"RIFF", speech.tone("A beaver is building a dam."))
    assert (seen["refused"]["kind"], seen["refused"]["param"]) == ("BadRequestError", "voice")


def test_speech_that_breaks_off_raises(run, google):
    google.script(ends="cut", after=2, chunk_delay=0.5)
    assert run("broken_speech")["kind"] == "TypeError"


def measured(picture: str) -> tuple[str, tuple[int, int]]:
    image = Image.open(io.BytesIO(base64.b64decode(picture)))
    image.load()
    return image.format, image.size


def test_pictures_are_made_edited_and_varied(run):
    seen = run("images")
    assert [measured(one) for one in seen["whole"]] == [("WEBP", (512, 512))] * 2
    square = ("PNG", (1024, 1024))
    assert [measured(seen[name]) for name in ("linked", "picture")] == [square] * 2
    assert (seen["streamed"], seen["edits"]) == (["image_generation.completed"], ["image_edit.completed"])
    assert [measured(one) for one in seen["edited"] + seen["varied"]] == [square] * 3
    assert seen["tokens"] == 2 * 1120
    assert [(error["kind"], error["param"]) for error in seen["refused"]] == [
        ("BadRequestError", "prompt"),
        ("BadRequestError", "image"),
        ("BadRequestError", "model"),
    ]


@pytest.fixture
def drawn(tmp_path):
    """A folder with a picture of noise, and a mask with a hole in the middle."""
    noise = Image.effect_noise((300, 200), 80).convert("RGB")
    noise.save(tmp_path / "picture.png")
    mask = Image.new("RGBA", noise.size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), HOLE)
    mask.save(tmp_path / "mask.png")
    return tmp_path


HOLE = (75, 50, 150, 100)


def test_pictures_in_every_format_and_by_url(run, drawn):
    seen = run("image_formats", str(drawn))
    expected = Image.open(drawn / "picture.png")
    expected.paste((255, 0, 0), HOLE)
    assert Image.open(io.BytesIO(b64decode(seen.pop("masked")))).tobytes() == expected.tobytes()
    for form in ("png", "jpeg", "webp"):
        assert measured(seen.pop(form)) == (form.upper(), (2528, 1696))
        assert measured(seen.pop(f"{form} by URL")) == (form.upper(), (1024, 1024))
    assert {name: measured(one) for name, one in seen.items()} == dict.fromkeys(
        ["edited by URL", "varied by URL"], ("PNG", (1024, 1024))
    )


def test_partial_pictures(run, google):
    drafts = [{"thought": True, "inlineData": {"mimeType": "image/png", "data": media.picture(side, side)}} for side in (16, 32)]
    final = {"inlineData": {"mimeType": "image/png", "data": media.picture(64, 64)}}
    parts = [{"content": {"role": "model", "parts": [part]}, "index": 0} for part in (*drafts, final)]
    google.script(chunks=[{"candidates": [part]} for part in [*parts[:2], {**parts[2], "finishReason": "STOP"}]])
    seen = run("partial_images")
    assert [event["type"] for event in seen] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event.get("partial_image_index") for event in seen] == [0, 1, None]
    assert [measured(event["b64_json"]) for event in seen] == [("JPEG", (side, side)) for side in (16, 32, 64)]


def test_pictures_in_the_deltas_of_a_chat(run, google):
    google.script(text="Here they are.", pictures=2)
    seen = run("streamed_pictures")
    assert [measured(url.partition(",")[2]) for url in seen["images"]] == [("PNG", (1024, 1024))] * 2
    assert (seen["text"], seen["tokens"]) == ("Here they are.", google.log[-1].usage["totalTokenCount"])


def test_a_refusal_within_a_stream_of_pictures_raises(run, google):
    sketch = {"thought": True, "inlineData": {"mimeType": "image/png", "data": media.picture(8, 8)}}
    ends = [{"content": {"role": "model", "parts": [sketch]}, "index": 0}, {"finishReason": "IMAGE_SAFETY", "index": 0}]
    google.script(chunks=[{"candidates": [end]} for end in ends])
    seen = run("broken_images")
    assert seen["seen"] == ["image_generation.partial_image"]
    assert seen["error"]["code"] == "content_policy_violation"


def test_files_are_kept_listed_used_and_deleted(run, google):
    seen = run("files")
    gone, empty = seen.pop("gone"), seen.pop("empty")
    assert seen == {"bytes": 7, "status": "processed", "isListed": True, "text": "echo: Sum up.", "deleted": True}
    assert (gone["kind"], gone["status"], gone["param"]) == ("NotFoundError", 404, "file_id")
    assert (empty["kind"], empty["code"], empty["param"]) == ("BadRequestError", "empty_file", "file")


def test_pictures_come_whole_and_streamed_and_go_back_with_their_signatures(run, google):
    whole, streamed, changed = run("pictures")
    assert whole == streamed == changed == [f"data:image/png;base64,{media.picture(1024, 1024)}"]
    [sent] = [content["parts"] for content in google.log.generation()[-1].body["contents"] if content["role"] == "model"]
    assert [part["thoughtSignature"] == STAND_IN for part in sent] == [False]


def test_files_are_gone_through_page_by_page_waited_for_and_used_in_streams(run, google, tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(b"\0\0\0\x18ftypisom" + b"\0" * 50)
    seen = run("more_files", str(path))
    content, purpose, streamed = seen.pop("content"), seen.pop("purpose"), seen.pop("streamed")
    assert seen == {
        "page": ["a.txt", "b.txt"],
        "hasMore": True,
        "names": ["a.txt", "b.txt", "c.txt"],
        "film": [62, "user_data", "film.mp4", "file"],
        "waited": "processed",
        "lasts": 3600,
    }
    named = [
        part["fileData"]["fileUri"] for part in google.log.generation()[0].body["contents"][0]["parts"] if "fileData" in part
    ]
    assert streamed == f"echo: Sum up. [{named[0]}]"
    assert (content["kind"], content["code"]) == ("BadRequestError", "file_content_not_available")
    assert (purpose["kind"], purpose["param"]) == ("BadRequestError", "purpose")


def test_models_are_listed_and_retrieved(run):
    seen = run("models")
    assert seen["one"] == "gemini-3.8-flash"
    assert "gemini-3.8-flash" in seen["names"]


def test_errors_are_the_sdks_own_classes_with_code_and_param(run):
    errors = run("errors")
    assert [error.pop("requestID", None) is not None for error in errors] == [True] * 3
    assert errors == [
        {"kind": "AuthenticationError", "status": 401, "code": "invalid_api_key", "param": None},
        {"kind": "NotFoundError", "status": 404, "code": "model_not_found", "param": None},
        {"kind": "BadRequestError", "status": 400, "code": "invalid_type", "param": "temperature"},
    ]


@pytest.mark.parametrize("ends", [{"ends": "reset"}, {"ends": "cut"}, {"ends": "error", "error": "overloaded"}], ids=str)
def test_a_broken_stream_raises(run, google, ends):
    google.script(text="one two three four five", tokens_per_chunk=1, after=2, chunk_delay=0.5, **ends)
    assert run("broken_stream")["kind"] == "APIError"


def test_an_abandoned_stream_frees_the_upstream(run, google):
    google.script(text="one two three four five", tokens_per_chunk=1, ends="stall", after=2)
    assert run("abandoned") == "aborted"
    google.wait_until(lambda log: log.generation()[-1].client_closed)
