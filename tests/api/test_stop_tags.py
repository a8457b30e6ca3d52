"""Stop tags and whole answers of Gemini's, through the real product: by header, route and setting."""

import json

import pytest

from tests.google.asking import FLASH

TAG = "</answer>"
SIXTH = f"a1,a2,a3,a4,a5,{TAG}"
"""Google takes five: the last of them is ours to enforce."""
LONG = f"Grüße 🙂 and more{TAG} which nobody " + "wants to pay for " * 40
CUT = "Grüße 🙂 and more"
KINDS = pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/completions"])
BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])


def ask(castor, path, *, tags=None, **fields):
    """(status, headers, the texts of the choices, their finish reasons, usage, the first error)"""
    said = {"prompt": "hi"} if path == "/v1/completions" else {"messages": [{"role": "user", "content": "hi"}]}
    headers = {} if tags is None else {"X-Castor-Stop-Tags": tags}
    if fields.get("stream"):
        fields["stream_options"] = {"include_usage": True}
    status, answered, content = castor.ask("POST", path, {"model": FLASH, **said, **fields}, **headers)
    if not fields.get("stream") or status != 200:
        return Got(status, answered, [json.loads(content)])
    assert content.endswith(b"data: [DONE]\n\n")
    lines = [line.removeprefix(b"data: ") for line in content.splitlines() if line.startswith(b"data: {")]
    return Got(status, answered, [json.loads(line) for line in lines])


class Got:
    def __init__(self, status, headers, bodies) -> None:
        self.status, self.headers, self.bodies = status, headers, bodies
        choices = [choice for body in bodies for choice in body.get("choices", ())]
        self.texts, self.ends = {}, {}
        for choice in choices:
            said = choice.get("message") or choice.get("delta") or choice
            index = choice["index"]
            self.texts[index] = self.texts.get(index, "") + (said.get("content") or said.get("text") or "")
            self.ends[index] = choice["finish_reason"] or self.ends.get(index)
        self.usage = next((body["usage"] for body in reversed(bodies) if body.get("usage")), None)
        self.error = bodies[0].get("error")


@KINDS
@BOTH
@pytest.mark.parametrize("tags", [TAG, SIXTH, '["\\u0441\\u0442\\u043e\\u043f", "</answer>"]'], ids=["Google's", "ours", "JSON"])
def test_an_answer_ends_before_the_tag(castor, google, path, stream, tags):
    google.script(text=LONG, cut_every=5)
    got = ask(castor, path, tags=tags, stream=stream)
    assert (got.status, got.texts, got.ends) == (200, {0: CUT}, {0: "stop"})


@KINDS
@BOTH
def test_the_upstream_is_closed_at_once_and_usage_is_what_it_said_last(castor, google, path, stream):
    google.script(text=LONG, tokens_per_chunk=1, chunk_delay=0.02)
    got = ask(castor, path, tags=SIXTH, stream=stream)
    assert got.texts == {0: CUT}
    google.wait_until(lambda log: log.generation()[-1].client_closed)
    [call] = google.log.generation()
    assert call.chunks_sent < 40
    assert 0 < got.usage["completion_tokens"] <= call.usage["candidatesTokenCount"] + call.usage.get("thoughtsTokenCount", 0)
    assert got.usage["completion_tokens"] < 30
    [row] = castor.usage(got.headers["x-request-id"])
    assert (row["status"], row["completion_tokens"], row["estimated"]) == (200, got.usage["completion_tokens"], False)


@KINDS
@BOTH
def test_each_of_several_choices_is_cut(castor, google, path, stream):
    with google.scripted(text=LONG):
        got = ask(castor, path, tags=SIXTH, n=2, stream=stream)
    assert (got.texts, got.ends) == ({0: CUT, 1: CUT}, {0: "stop", 1: "stop"})


@KINDS
def test_tags_stand_behind_the_callers_own_stops(castor, google, path):
    ask(castor, path, tags="t1,t2,own", stop=["own", "o2", "o3", "o4"])
    assert google.log.generation()[-1].body["generationConfig"]["stopSequences"] == ["own", "o2", "o3", "o4", "t1"]


@BOTH
def test_an_answer_that_begins_with_a_tag_is_empty_and_blames_nobody(castor, google, stream):
    google.script(text=TAG + "more")
    got = ask(castor, "/v1/chat/completions", tags=SIXTH, stream=stream)
    assert (got.texts, got.ends, got.headers["x-castor-attempts"]) == ({0: ""}, {0: "stop"}, "1")
    google.script(empty=True, times=2)  # What Google's own stop leaves of it.
    got = ask(castor, "/v1/chat/completions", tags=TAG, stream=stream)
    assert (got.status, got.texts, got.ends, got.headers["x-castor-attempts"]) == (200, {0: ""}, {0: "stop"}, "2")


def test_calls_of_tools_are_not_cut(castor, google):
    google.script(calls=[{"name": "f", "args": {"x": TAG}}])
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}},
    }
    got = ask(castor, "/v1/chat/completions", tags=SIXTH, tools=[tool])
    [call] = got.bodies[0]["choices"][0]["message"]["tool_calls"]
    assert (json.loads(call["function"]["arguments"]), got.ends) == ({"x": TAG}, {0: "tool_calls"})


@KINDS
@BOTH
@pytest.mark.parametrize(
    "tags", ["x" * 201, ",".join(map(str, range(21))), '["open', "[1]", "\xe9"], ids=["long", "many", "open", "number", "latin"]
)
def test_a_header_that_cannot_be_used_is_the_callers_fault(castor, google, path, stream, tags):
    got = ask(castor, path, tags=tags, stream=stream)
    assert (got.status, got.error["type"], got.error["param"]) == (400, "invalid_request_error", "X-Castor-Stop-Tags")
    assert "X-Castor-Stop-Tags" in got.error["message"]
    assert len(google.log) == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions/input_tokens", {"messages": [{"role": "user", "content": "hi"}]}),
        ("/v1/embeddings", {"model": "gemini-embedding-001", "input": "hi"}),
        (
            "/v1/audio/speech",
            {"model": "gemini-3.1-flash-tts-preview", "input": "hi", "voice": "alloy", "response_format": "pcm"},
        ),
        ("/v1/moderations", {"model": FLASH, "input": "hi"}),
        ("/v1/images/generations", {"model": "gemini-3.1-flash-image", "prompt": "a fox"}),
    ],
)
def test_what_is_no_text_of_a_chat_has_no_tags(cutting, google, path, body):
    status, _, content = cutting.ask("POST", path, {"model": FLASH, **body}, X_Castor_Stop_Tags="x" * 999)
    assert status == 200, content
    assert not any(b"stopSequences" in call.raw for call in google.log)


# --- Settings and routes ----------------------------------------------------------------------------------------------

ROUTES = """
from credentials.models import ModelRoute

ModelRoute.objects.create(pattern="gemini-3.6-flash", stop_tags=["ROUTE"], stream_internally=True)
ModelRoute.objects.create(pattern="gemini-3.5-flash")
"""


@pytest.fixture(scope="module")
def _cutting(_makers):
    castor = _makers.make(STOP_TAGS=SIXTH, STREAM_INTERNALLY="false")
    castor.python(ROUTES)
    yield castor
    castor.stop()


@pytest.fixture
def cutting(_cutting, _known_to_google):
    return _cutting


def method(google) -> str:
    return google.log.generation()[-1].method


@KINDS
@BOTH
def test_the_setting_holds_where_nothing_else_does(cutting, google, path, stream):
    for model in (FLASH, "gemini-3.5-flash"):
        google.script(text=LONG)
        got = ask(cutting, path, model=model, stream=stream)
        assert (got.texts, got.ends) == ({0: CUT}, {0: "stop"})
        assert method(google) == ("streamGenerateContent" if stream else "generateContent")


def test_an_empty_header_lifts_the_setting(cutting, google):
    google.script(text=LONG)
    assert ask(cutting, "/v1/chat/completions", tags="").texts == {0: LONG}
    assert "stopSequences" not in google.log.generation()[-1].body.get("generationConfig", {})


def test_a_route_overrules_the_settings_and_the_header_its_tags(cutting, google):
    def stops():
        return google.log.generation()[-1].body.get("generationConfig", {}).get("stopSequences")

    cutting.wait(
        lambda: ask(cutting, "/v1/chat/completions", model="gemini-3.6-flash") and stops() == ["ROUTE"], "aware of its routes"
    )
    assert method(google) == "streamGenerateContent"
    ask(cutting, "/v1/chat/completions", model="gemini-3.6-flash", tags="HEADER")
    assert (stops(), method(google)) == (["HEADER"], "streamGenerateContent")


def test_usage_of_an_answer_that_was_cut_afterwards_is_that_of_all_of_it(cutting, google):
    google.script(text=LONG)
    got = ask(cutting, "/v1/chat/completions")
    call = google.log.generation()[-1]
    assert (got.texts, got.usage["total_tokens"]) == ({0: CUT}, call.usage["totalTokenCount"])
    assert got.usage["completion_tokens"] > 40
