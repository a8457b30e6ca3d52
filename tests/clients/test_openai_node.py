"""The official Node SDK against the real server. What it does is in `node/cases.mjs`; what must come of it, here."""

import base64
import io
import json
import shutil
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
from PIL import Image

from openai_api.translation.gemini.history import SKIP_SIGNATURE as STAND_IN
from tests.api import recordings
from tests.google import media, speech

DIRECTORY = Path(__file__).parent / "node"


@pytest.fixture
def run(castor):
    if not shutil.which("node"):
        pytest.skip("missing program: node")
    if not (DIRECTORY / "node_modules" / "openai").is_dir():
        pytest.skip("missing program: npm (it installs the Node SDK into tests/clients/node)")

    def run(case: str, *more: str):
        command = ["node", "cases.mjs", case, castor.base_url, castor.token, *more]
        result = subprocess.run(command, cwd=DIRECTORY, capture_output=True, text=True, timeout=60, check=False)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return run


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
