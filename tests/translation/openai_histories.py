"""Hypothesis strategies for histories that OpenAI allows, as the JSON values that its SDKs send."""

import base64
import json
from typing import Any

from hypothesis import strategies as st

JSON = dict[str, Any]

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
PDF = base64.b64encode(b"%PDF-1.7").decode()
NAMES = ("get_weather", "search", "read-file", "f2")

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(texts, json_values, max_size=3)

text_parts = texts.map(lambda text: {"type": "text", "text": text})
media_parts = st.sampled_from(
    [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
        {"type": "image_url", "image_url": {"url": f"data:image/jpeg;base64,{PNG}", "detail": "high"}},
        {"type": "image_url", "image_url": {"url": "https://example.org/cat.png", "detail": "auto"}},
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}},
        {"type": "input_audio", "input_audio": {"data": PNG, "format": "mp3"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PDF}"}},
        {"type": "file", "file": {"filename": "a.pdf", "file_data": PDF}},
    ]
)
text_contents = texts | st.lists(text_parts, min_size=1, max_size=3)
user_contents = texts | st.lists(text_parts | media_parts, min_size=1, max_size=4)


@st.composite
def instructions(draw: st.DrawFn) -> list[JSON]:
    message = {"role": draw(st.sampled_from(["system", "developer"])), "content": draw(text_contents)}
    return [_maybe_named(draw, message)]


@st.composite
def user_messages(draw: st.DrawFn) -> list[JSON]:
    return [_maybe_named(draw, {"role": "user", "content": draw(user_contents)})]


@st.composite
def answers(draw: st.DrawFn) -> list[JSON]:
    refusal = texts.map(lambda text: [{"type": "refusal", "refusal": text}])
    return [_maybe_named(draw, {"role": "assistant", "content": draw(text_contents | refusal | st.just(""))})]


@st.composite
def tool_rounds(draw: st.DrawFn) -> list[JSON]:
    """Calls side by side, and their results in any order."""
    calls = [draw(_tool_calls()) for _ in range(draw(st.integers(1, 3)))]
    results = [{"role": "tool", "tool_call_id": call["id"], "content": draw(text_contents)} for call in calls]
    asked = {"role": "assistant", "content": draw(st.none() | text_contents), "tool_calls": calls}
    return [asked, *draw(st.permutations(results))]


@st.composite
def function_rounds(draw: st.DrawFn) -> list[JSON]:
    """The old form: one call, without an id."""
    name = draw(st.sampled_from(NAMES))
    call = {"name": name, "arguments": json.dumps(draw(json_objects))}
    return [
        {"role": "assistant", "content": None, "function_call": call},
        {"role": "function", "name": name, "content": draw(texts | st.none())},
    ]


@st.composite
def histories(draw: st.DrawFn) -> list[JSON]:
    """Any legal list of messages: one at least, of rounds in any order."""
    rounds = st.one_of(instructions(), user_messages(), answers(), tool_rounds(), function_rounds())
    return [message for messages in draw(st.lists(rounds, min_size=1, max_size=6)) for message in messages]


@st.composite
def requests(draw: st.DrawFn) -> JSON:
    """A whole body around such a history."""
    tool = st.fixed_dictionaries(
        {"type": st.just("function"), "function": st.fixed_dictionaries({"name": st.sampled_from(NAMES)})}
    )
    optional: dict[str, st.SearchStrategy[Any]] = {
        "temperature": st.none() | st.floats(0, 2),
        "top_p": st.none() | st.floats(0, 1),
        "max_tokens": st.none() | st.integers(1, 10**6),
        "max_completion_tokens": st.integers(1, 10**6),
        "stop": st.none() | texts | st.lists(texts, max_size=7),
        "n": st.none() | st.integers(1, 8),
        "seed": st.integers(-(2**31), 2**31),
        "stream": st.none() | st.booleans(),
        "stream_options": st.none() | st.fixed_dictionaries({"include_usage": st.booleans()}),
        "tools": st.lists(tool, min_size=1, max_size=3, unique_by=lambda one: one["function"]["name"]),
        "response_format": st.sampled_from([{"type": "text"}, {"type": "json_object"}]),
        "reasoning_effort": st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh", "max"]),
        "frequency_penalty": st.none() | st.floats(-2, 2),
        "logprobs": st.none() | st.booleans(),
        "user": texts,
        "metadata": st.none() | st.dictionaries(texts, texts, max_size=2),
        "service_tier": st.sampled_from(["auto", "default", "flex", "priority"]),
    }
    return draw(st.fixed_dictionaries({"model": st.just("gpt-4o"), "messages": histories()}, optional=optional))


@st.composite
def _tool_calls(draw: st.DrawFn) -> JSON:
    call_id = f"call_{draw(st.uuids(version=4)).hex}"
    name = draw(st.sampled_from(NAMES))
    if draw(st.booleans()):
        return {"id": call_id, "type": "custom", "custom": {"name": name, "input": draw(texts)}}
    function = {"name": name, "arguments": json.dumps(draw(json_objects))}
    call: JSON = {"id": call_id, "type": "function", "function": function}
    if draw(st.booleans()):
        call["extra_content"] = {"google": {"thought_signature": PNG}}
    return call


def _maybe_named(draw: st.DrawFn, message: JSON) -> JSON:
    name = draw(st.sampled_from([None, "alice"]))
    return message if name is None else {**message, "name": name}
