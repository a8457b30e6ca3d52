"""Bodies that are refused: always as InvalidRequest, naming the field."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api.errors import InvalidRequest, QuotaExhausted
from openai_api.translation.chat import error_body, read_request

from .openai_histories import PNG, json_values, requests

HI = {"role": "user", "content": "hi"}
LOOK = {"type": "function", "function": {"name": "look"}}


def refusal(body: bytes) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read_request(body)
    return caught.value


def refusal_of(**fields: Any) -> InvalidRequest:
    return refusal(json.dumps({"model": "m", "messages": [HI], **fields}).encode())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"model": "m", "messages": [{"role": "user", "content": "\\ud83d"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "\xff"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}], "temperature": NaN}',
        b'{"model": "m", "messages": [{"role": "user", "content": "hi"}]} {}',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_said_so(body):
    error = refusal(body)
    assert error.message.startswith("The request body could not be parsed as JSON: ")
    assert error.param is None


@pytest.mark.parametrize("where", [b'"unknown"', b'"metadata"', b'"extra_body"', b'"tools"'])
@pytest.mark.parametrize("bomb", [b'{"a":' * 100_000, b"[" * 100_000, b'[{"a":' * 50_000])
def test_a_nesting_bomb_is_refused(where, bomb):
    refusal(b'{"model":"m","messages":[{"role":"user","content":"hi"}],%b:%b' % (where, bomb))


def nested(levels: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(levels - 1):
        value = {"a": [value]} if levels % 2 else {"a": value}
    return value


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": nested(101)}}]}, "tools[0].function.parameters"),
        ({"functions": [{"name": "f", "parameters": nested(200)}]}, "functions[0].parameters"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": nested(101)}}},
            "response_format.json_schema.schema",
        ),
        ({"google": {"x": nested(200)}}, "google"),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": json.dumps(nested(200))}}],
                    }
                ]
            },
            "messages[0].tool_calls[0].function.arguments",
        ),
    ],
)
def test_what_is_legal_json_but_too_deep_to_walk_is_refused(fields, param):
    assert refusal_of(**fields).param == param


def test_a_schema_of_a_hundred_levels_is_taken():
    tool = {"type": "function", "function": {"name": "f", "parameters": nested(100)}}
    read_request(json.dumps({"model": "m", "messages": [HI], "tools": [tool]}).encode())


def part(value: Any) -> dict[str, Any]:
    return {"messages": [HI, {"role": "user", "content": [{"type": "text", "text": "see"}, value]}]}


def image(url: Any) -> dict[str, Any]:
    return part({"type": "image_url", "image_url": {"url": url}})


def file(**fields: Any) -> dict[str, Any]:
    return part({"type": "file", "file": fields})


def choice(**fields: Any) -> dict[str, Any]:
    return {"tools": [LOOK], "tool_choice": fields}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": [{"role": "wizard", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [HI, {"content": "hi"}]}, "messages[1].role"),
        ({"messages": [{"role": "tool", "content": "hi"}]}, "messages[0].tool_call_id"),
        ({"messages": [{"role": "function", "content": "hi"}]}, "messages[0].name"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": {}}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"model": 4}, "model"),
        (part({"type": "hologram"}), "messages[1].content[1].type"),
        (part({"text": "hi"}), "messages[1].content[1].type"),
        (part({"type": "text", "text": 1}), "messages[1].content[1].text"),
        (part({"type": "text"}), "messages[1].content[1].text"),
        (image(5), "messages[1].content[1].image_url.url"),
        (image("ftp://example.org/a.png"), "messages[1].content[1].image_url.url"),
        (image("/etc/passwd"), "messages[1].content[1].image_url.url"),
        (image("data:image/png,rawbytes"), "messages[1].content[1].image_url.url"),
        (image(f"data:;base64,{PNG}"), "messages[1].content[1].image_url.url"),
        (image("data:image/png;base64,"), "messages[1].content[1].image_url.url"),
        (image("data:image/png;base64,no%20way"), "messages[1].content[1].image_url.url"),
        (image("data:image/png;base64,abcde"), "messages[1].content[1].image_url.url"),
        (part({"type": "image_url", "image_url": "gs://b/a.png"}), "messages[1].content[1].image_url"),
        (
            part({"type": "input_audio", "input_audio": {"data": PNG, "format": "midi"}}),
            "messages[1].content[1].input_audio.format",
        ),
        (part({"type": "input_audio", "input_audio": {"data": "é", "format": "wav"}}), "messages[1].content[1].input_audio.data"),
        (file(file_id=""), "messages[1].content[1].file.file_data"),
        (file(), "messages[1].content[1].file.file_data"),
        (file(file_data=PNG), "messages[1].content[1].file.filename"),
        (file(file_data=PNG, filename="a.exe"), "messages[1].content[1].file.filename"),
        (file(file_data="?", filename="a.pdf"), "messages[1].content[1].file.file_data"),
        (
            {"messages": [{"role": "system", "content": image("https://a/b.png")["messages"][1]["content"]}]},
            "messages[0].content",
        ),
        ({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}]}, "messages[0].tool_calls[0].id"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "c"}]}]}, "messages[0].tool_calls[0].function"),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{"id": "c", "function": {}}]}]},
            "messages[0].tool_calls[0].function.name",
        ),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": -0.1}, "temperature"),
        ({"top_p": 1.5}, "top_p"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": -1}, "max_completion_tokens"),
        ({"n": 0}, "n"),
        ({"n": 9}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stop": [1]}, "stop[0]"),
        ({"stop": ["x" * 1025]}, "stop"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "custom"}]}, "tools[0].custom"),
        ({"tools": [{"type": "function", "function": {"name": ""}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "f", "parameters": []}}]}, "tools[0].function.parameters"),
        ({"tools": [LOOK], "functions": [{"name": "look"}]}, "functions"),
        ({"tools": [LOOK], "tool_choice": "any"}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"function_call": {"name": "look"}}, "function_call"),
        (choice(type="function", function={"name": "leap"}), "tool_choice"),
        (choice(type="function"), "tool_choice.function"),
        (choice(type="mcp"), "tool_choice.type"),
        (choice(type="allowed_tools"), "tool_choice.allowed_tools"),
        (choice(type="allowed_tools", allowed_tools={"mode": "none", "tools": []}), "tool_choice.allowed_tools.mode"),
        (
            choice(type="allowed_tools", allowed_tools={"tools": [{"type": "custom"}]}),
            "tool_choice.allowed_tools.tools[0].custom",
        ),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema.schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": "s"}}}, "response_format.json_schema.schema"),
        ({"modalities": ["smell"]}, "modalities"),
        ({"image_config": "wide"}, "image_config"),
        ({"image_config": {"aspect_ratio": 2}}, "image_config.aspect_ratio"),
        ({"google": {"generation_config": {"image_config": {"image_size": 1}}}}, "generation_config.image_config.image_size"),
        ({"service_tier": "gold"}, "service_tier"),
        ({"reasoning_effort": "heroic"}, "reasoning_effort"),
        ({"reasoning": {"effort": "heroic"}}, "reasoning.effort"),
        ({"reasoning_effort": "low", "google": {"thinking_config": {"thinking_level": "low"}}}, "reasoning_effort"),
        ({"reasoning": {"max_tokens": 5}, "google": {"thinking_config": {}}}, "reasoning_effort"),
        ({"google": {"thinking_config": {"thinking_level": "low", "thinking_budget": 5}}}, "thinking_config"),
        ({"google": {"thinking_config": {"thinking_level": "loud"}}}, "thinking_config.thinking_level"),
        (
            {"extra_body": {"google": {"thinking_config": {"thinkingBudget": "5"}}}},
            "extra_body.google.thinking_config.thinking_budget",
        ),
        ({"extra_body": {"google": []}}, "extra_body.google"),
        ({"google": 5}, "google"),
        ({"safety_settings": [{"category": "X"}]}, "safety_settings[0].threshold"),
        ({"unknown": 1, "temperature": "hot"}, "temperature"),
    ],
)
def test_the_field_at_fault_is_named(fields, param):
    error = refusal_of(**fields)
    assert error.param == param
    assert error.status == 400


@pytest.mark.parametrize(
    ("fields", "message", "code"),
    [
        (
            {"messages": [{"role": "user", "content": 5}]},
            "Invalid type for 'messages[0].content': expected a string or an array, but got an integer instead.",
            "invalid_type",
        ),
        (
            {"messages": [{"role": "tool"}]},
            "Missing required parameter: 'messages[0].tool_call_id'.",
            "missing_required_parameter",
        ),
        (
            {"messages": [{"role": "x"}]},
            "Invalid value: 'x'. Supported values are: 'system', 'developer', 'user', 'assistant', 'tool', 'function'.",
            "invalid_value",
        ),
        (
            {"n": 9},
            "Invalid 'n': integer above maximum value. Expected a value <= 8, but got 9 instead.",
            "integer_above_maximum_value",
        ),
    ],
)
def test_the_words_are_those_that_openais_users_know(fields, message, code):
    error = refusal_of(**fields)
    assert (error.message, error.code) == (message, code)


def test_a_number_too_large_for_anyone_is_named():
    error = refusal(b'{"model": "m", "messages": [{"role": "user"}], "seed": 1e999}')
    assert (error.message, error.param) == ("Invalid value for 'seed': Number out of range.", "seed")


def test_a_body_that_is_no_object_is_refused():
    assert refusal(b"[]").message == "Invalid type of the request body: expected an object, but got an array instead."


def test_an_error_is_written_in_openais_shape():
    error = QuotaExhausted('All "keys" rest.', retry_after=3)
    assert json.loads(error_body(error)) == {
        "error": {"message": 'All "keys" rest.', "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    }


@settings(max_examples=60, deadline=None)
@given(requests(), st.data())
def test_a_body_damaged_anywhere_is_read_or_refused_and_never_breaks(body, data):
    place: Any = body
    while isinstance(place, dict | list) and place:
        key = data.draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        holder, place = place, place[key]
        if data.draw(st.booleans()):
            break
    holder[key] = data.draw(json_values)
    with suppress(InvalidRequest):
        read_request(json.dumps(body).encode())
