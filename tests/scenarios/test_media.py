"""Files, recordings and pictures through two web processes: what they cost in memory, and what faults of Google's do to them."""

import json
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import Any

import openai
import pytest
from PIL import Image

from tests.api import recordings
from tests.house.waiting import eventually
from tests.scenarios.forms import Answer, Form, send_together, sending
from tests.scenarios.media_calls import KINDS, Served, ask
from tests.scenarios.scene import Scene

MB = 1024 * 1024
PROMISED = 300 * MB
"""All web processes together."""

FOUR = {f"media-{number}": f"media-{number}" for number in range(4)}


@pytest.fixture(scope="module")
def scene(set_scene) -> Scene:
    # RETRY_DELAY as it is unless somebody says otherwise: that long a retry waits until others answer. And so many times, since
    # others take their time on a busy machine: retries are paid from a budget that their answers fill.
    return set_scene(RETRY_DELAY="1000", MAX_RETRIES="8")


# --- Memory --------------------------------------------------------------------------------------------------------------


def a_text() -> Form:
    content = b"0123456789abcde\n" * (20 * MB // 16)
    return Form(
        path="/v1/files", fields={"purpose": "user_data"}, field="file", filename="large.txt", content_type="text/plain",
        content=content,
    )  # fmt: skip


def a_recording(megabytes: float) -> Form:
    content = recordings.wav(megabytes * MB / 2 / recordings.RATE)
    return Form(
        path="/v1/audio/transcriptions", fields={"model": "whisper-1"}, field="file", filename="large.wav",
        content_type="audio/wav", content=content,
    )  # fmt: skip


def a_picture() -> Form:
    """Noise, which nothing can compress: 20 MB."""
    written = BytesIO()
    Image.frombytes("RGB", (2_640, 2_640), os.urandom(2_640 * 2_640 * 3)).save(written, "PNG", compress_level=0)
    return Form(
        path="/v1/images/edits", fields={"model": "gemini-3.1-flash-image", "prompt": "a fox"}, field="image",
        filename="noise.png", content_type="image/png", content=written.getvalue(),
    )  # fmt: skip


@contextmanager
def bounded(scene: Scene) -> Iterator[None]:
    """What all web processes together take within the block, each at its own worst moment, is less than promised.

    What they share, and so has been there since before they were two, is counted once (as the kernel's Pss does).
    """
    pids = [scene.castor.web.pid, *scene.castor.web_pids()]
    at_rest = sum(_memory(pid, "smaps_rollup", "Pss") for pid in pids)
    resident = sum(_memory(pid, "status", "VmRSS") for pid in pids)
    for pid in pids:
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # From now on VmHWM counts anew.
    yield
    peaks = [_memory(pid, "status", "VmHWM") for pid in pids]
    grown = sum(peaks) - resident
    print(f"{(at_rest + grown) // MB} MB, {grown // MB} of them for this; resident at most: {[peak // MB for peak in peaks]}")
    assert pids == [scene.castor.web.pid, *scene.castor.web_pids()], "a web process died"
    assert at_rest + grown < PROMISED
    assert max(peaks) < PROMISED


def _memory(pid: int, file: str, what: str) -> int:
    """Bytes."""
    [found] = re.findall(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/{file}").read_text(), re.MULTILINE)
    return int(found) * 1024


@contextmanager
def short_log(scene: Scene) -> Iterator[None]:
    """Google forgets the bytes that it has read."""
    scene.google.log.longest = 1 * MB
    try:
        yield
    finally:
        scene.google.log.longest = None


@pytest.mark.parametrize(
    ("make", "count"),
    [(a_text, 100), (lambda: a_recording(20), 15), (lambda: a_recording(13), 15), (a_picture, 15)],
    ids=["100 files", "15 recordings that lie at Google", "15 recordings within requests", "15 pictures"],
)
def test_uploads_at_once_stay_out_of_memory_and_nothing_is_left_of_them(scene, make, count):
    form = make()
    with scene.pool(FOUR), short_log(scene), bounded(scene):
        answers = send_together(scene.castor.root, scene.castor.token, form, count)
        print(f"{count} × {len(form.content) / MB:.1f} MB in {max(answer.took for answer in answers):.1f} s", end="; ")
        assert [answer.status for answer in answers] == [200] * count, answers[0]
        assert taken(scene, form) == [len(form.content)] * count
        eventually(lambda: len(records(scene, answers)) == count, "recorded")
        assert {(row["status"], row["attempts"]) for row in records(scene, answers)} == {(200, 1)}
        assert held(scene) == []


def taken(scene: Scene, form: Form) -> list[int]:
    """How many bytes Google was sent, file by file."""
    scene.google.log.wait(lambda log: all(call.ended for call in log))  # Only then are they shortened.
    ends = [call for call in scene.google.log if call.method == "uploadFile"]
    if ends:
        return [int(call.headers["content-length"]) for call in ends]
    parts = [part for call in scene.calls() for part in call.body["contents"][0]["parts"]]
    sizes = [re.search(r"… \((\d+) characters\)$", part["inlineData"]["data"])[1] for part in parts if "inlineData" in part]
    padding = -len(form.content) % 3
    return [int(size) // 4 * 3 - padding for size in sizes]


def records(scene: Scene, answers: Sequence[Answer | Served]) -> list[dict[str, Any]]:
    query = "SELECT * FROM openai_api_usagerecord WHERE request_id = ANY(%s)"
    return scene.castor.rows(query, [answer.request_id for answer in answers])


def held(scene: Scene) -> list[str]:
    """Uploads that a web process still has open, or that lie in the folder under a name."""
    folder = str(scene.castor.var / "uploads")
    links = [link for pid in scene.castor.web_pids() for link in Path(f"/proc/{pid}/fd").iterdir()]
    return [path for link in links if (path := os.readlink(link)).startswith(folder)] + os.listdir(folder)


# --- Faults --------------------------------------------------------------------------------------------------------------

EIGHT = {f"eight-{number}": f"eight-{number}" for number in range(8)}
FAULTS = {
    "eight-0": {"error": "day_quota"},
    "eight-1": {"error": "minute_quota"},
    "eight-2": {"error": "leaked"},
    "eight-3": {"error": "internal"},
    "eight-4": {"ends": "reset_before_headers"},
}


@pytest.mark.parametrize("name", KINDS)
def test_no_call_fails_while_one_key_can_serve_and_each_is_metered_once(scene, name):
    kind = KINDS[name]
    with scene.pool(EIGHT):
        served = ask(scene.castor.root, scene.castor.token, kind, 4)
        for key, fault in FAULTS.items():
            scene.google.script(key=key, method="*", times=None, **fault)
        if name in ("files", "large transcription"):
            # The address of an upload says nothing of a key. Whoever meets it meets two more passing faults: that is MAX_RETRIES.
            scene.google.script(method="uploadFile", ends="reset_before_headers")
        # As many calls at once whatever the kind: retries are paid from a budget that grows with those that others need not make.
        at_once = max(2, 6 // kind.calls)
        for _ in range(2):
            served += ask(scene.castor.root, scene.castor.token, kind, at_once)
        assert max(answer.attempts for answer in served) > kind.calls, "nobody met a fault"
        eventually(lambda: len(records(scene, served)) == len(served), "recorded")
        rows = records(scene, served)
        assert {(row["status"], row["dialect"], row["error"]) for row in rows} == {(200, kind.dialect, "")}
        assert {row["request_id"]: row["attempts"] for row in rows} == {one.request_id: one.attempts for one in served}
        used = sum(call.usage.get("totalTokenCount", call.usage.get("promptTokenCount", 0)) for call in scene.google.log)
        assert sum(row["prompt_tokens"] + row["completion_tokens"] for row in rows) == used
        assert (used == 0) == (name == "files")


# --- Tokens --------------------------------------------------------------------------------------------------------------


def test_a_token_serves_each_endpoint_for_its_models_alone(scene):
    models = sorted({kind.model for kind in KINDS.values() if kind.model} | {"gemini-3.8-flash"})
    with scene.pool(FOUR):
        tokens = json.loads(scene.django(_TOKENS, models))
        for name, kind in KINDS.items():
            if kind.model:
                assert len(ask(scene.castor.root, tokens[kind.model], kind, 1)) == 1, name
                asked = len(scene.google.log)
                with pytest.raises(openai.PermissionDeniedError, match="may not use"):
                    ask(scene.castor.root, tokens["gemini-3.8-flash"], kind, 1)
                assert len(scene.google.log) == asked, name


_TOKENS = """
import json, sys
import django
django.setup()
from django.contrib.auth.models import User
from credentials.models import ClientToken
admin = User.objects.get(username="admin")
print(json.dumps({model: ClientToken.issue(admin, label=model, allowed_models=[model])[1] for model in json.load(sys.stdin)}))
"""


# --- Killed --------------------------------------------------------------------------------------------------------------


def test_of_a_process_that_is_killed_amid_uploads_nothing_is_left_but_its_records(scene):
    form, began, before = a_text(), datetime.now(UTC), sorted(os.listdir(scene.castor.var / "media"))
    with scene.pool(FOUR), short_log(scene):
        hanging = scene.google.script(method="uploadFile", delay=3600, times=None)
        with sending(scene.castor.root, scene.castor.token, form, 12) as outcomes:
            scene.google.wait_until(lambda log: [call.method for call in log].count("uploadFile") == 12, 60)
            assert len(held(scene)) == 12
            for pid in scene.castor.web_pids():
                os.kill(pid, signal.SIGKILL)
        assert outcomes == ["ServerDisconnectedError"] * 12
        scene.google.scripts.remove(hanging)
        scene.castor.wait_for_web()
        assert held(scene) == []
        assert sorted(os.listdir(scene.castor.var / "media")) == before
        killed = "SELECT status, dialect, error FROM openai_api_usagerecord WHERE status = 0"
        eventually(lambda: len(scene.castor.rows(killed)) == 12, "recorded")
        assert scene.castor.rows("SELECT id FROM openai_api_uploadedfile WHERE created_at > %s", began) == []
        assert [answer.status for answer in send_together(scene.castor.root, scene.castor.token, form, 2)] == [200, 200]
