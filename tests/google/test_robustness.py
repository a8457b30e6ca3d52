"""Whatever is sent, the simulator answers as Google would: with an answer, or with a refusal that has a reason."""

import base64
import copy
import subprocess
import sys
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.google import answers, responses, rules, transcoding
from tests.google.asking import ask, call, function, model, result, tools, user
from tests.google.errors import Refusal
from tests.google.models import MODELS
from tests.google.scripts import Script

ROOT = Path(__file__).resolve().parents[2]
LEGAL = {
    "contents": [
        user("hi", {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
        model({**call(x=1), "thoughtSignature": "skip_thought_signature_validator"}),
        user(result()),
    ],
    "systemInstruction": user("Be brief."),
    "tools": tools(
        function(parameters={"type": "OBJECT", "properties": {"x": {"type": "INTEGER", "format": "int32"}}, "required": ["x"]})
    ),
    "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
    "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}],
    "generationConfig": {
        "temperature": 1.0,
        "maxOutputTokens": 100,
        "stopSequences": ["x"],
        "thinkingConfig": {"includeThoughts": True, "thinkingLevel": "LOW"},
        "responseMimeType": "application/json",
        "responseJsonSchema": {"type": "object", "properties": {"a": {"enum": ["b"]}}, "required": ["a"]},
    },
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["OBJECT", "ANY", "user", "-1", "1.0", "AA=="]),
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=6
)


def places(value, path=()):
    """The path to every value in a body."""
    yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inner:
        yield from places(item, (*path, key))


def put(body, path, value):
    changed = copy.deepcopy(body)
    place = changed
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return changed


PLACES = [path for path in places(LEGAL) if path]


def ask_without_socket(body, model_id):
    request = transcoding.read(body, "GenerateContentRequest")
    rules.check("generateContent", model_id, request)
    return responses.stream([answers.compose(request, MODELS[model_id], Script(), streamed=True)], MODELS[model_id], Script())


def test_the_request_that_is_varied_is_legal():
    assert ask_without_socket(LEGAL, "gemini-3.8-flash")


@settings(max_examples=300, deadline=None)
@given(
    path=st.sampled_from(PLACES), value=JSON, model_id=st.sampled_from(["gemini-3.8-flash", "gemini-2.5-flash", "gemini-4-argon"])
)
def test_a_request_with_one_odd_value_is_answered_or_refused(path, value, model_id):
    try:
        assert ask_without_socket(put(LEGAL, path, value), model_id)
    except Refusal as refusal:
        assert refusal.code == 400  # noqa: PT017 (both ends are allowed)
        assert refusal.message  # noqa: PT017


@settings(max_examples=200, deadline=None)
@given(
    raw=st.binary(max_size=60)
    | st.text(max_size=60).map(str.encode)
    | JSON.map(lambda value: repr(value).encode(errors="replace"))
)
def test_any_bytes_are_a_body_or_a_bad_one(raw):
    try:
        assert isinstance(transcoding.read_json(raw), dict)
    except Refusal as refusal:
        assert refusal.message.startswith("Invalid JSON payload received.")  # noqa: PT017


def test_the_simulator_runs_where_pytest_is_not_installed():
    script = "import sys, tests.google; print('pytest' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", script], cwd=ROOT, text=True).strip() == "False"


def test_a_port_that_is_taken_is_one_plain_sentence(google):
    port = google.url.rsplit(":", 1)[1]
    command = [sys.executable, "-m", "tests.google", "--port", port]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr == f"Cannot listen on 127.0.0.1:{port}: Address already in use.\n"


def test_of_large_bodies_the_log_keeps_what_they_begin_with_once_they_are_judged(google):
    google.log.longest = 1_000
    data = base64.b64encode(b"\x10" * 3_000).decode()
    image = {"inlineData": {"mimeType": "image/png", "data": data}}
    for part, status in ((image, 200), ({"inlineData": {**image["inlineData"], "data": data + "!"}}, 400)):
        assert ask(google, {"contents": [user("hi", part)]}).status_code == status
    kept = google.log[0]
    assert kept.raw == b""
    assert kept.body["contents"][0]["parts"][1]["inlineData"]["data"] == f"{data[:40]}… (4000 characters)"
    google.reset()
    ask(google, {"contents": [user("hi", image)]})
    assert (len(google.log[0].raw) > 4_000, google.log[0].body["contents"][0]["parts"][1]) == (True, image)
