"""Parameters of a Chat Completions request, tools, and what is named as left out."""

import json
from typing import Any

import pytest

from openai_api.translation.chat import ChatRequest, read_request
from openai_api.translation.chat.wire import Body
from openai_api.translation.conversation import (
    Conversation,
    Format,
    PictureFormat,
    SafetySetting,
    Sampling,
    Thinking,
    Tool,
    ToolChoice,
)

SCHEMA = {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": "string"}}}
LOOK = {"type": "function", "function": {"name": "look", "description": "Look.", "parameters": SCHEMA, "strict": True}}
WAIT = {"type": "function", "function": {"name": "wait", "description": None}}
PATCH = {"type": "custom", "custom": {"name": "patch", "description": "Edit."}}


def read(**fields: Any) -> ChatRequest:
    return read_request(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode())


def conversation(**fields: Any) -> Conversation:
    return read(**fields).conversation


def noticed(**fields: Any) -> list[str]:
    return sorted(notice.field for notice in read(**fields).notices)


def test_a_bare_request_sets_nothing():
    request = read()
    turns = request.conversation.turns
    assert request == ChatRequest(Conversation("m", turns))
    assert len(turns) == 1


def test_null_is_the_same_as_nothing_said():
    optional = set(Body.__struct_fields__) - {"model", "messages"}
    assert read(**dict.fromkeys(optional), unheard_of=None) == read()


@pytest.mark.parametrize(
    ("fields", "sampling"),
    [
        ({"temperature": 0, "top_p": 1, "top_k": 40, "seed": -3}, Sampling(temperature=0, top_p=1, top_k=40, seed=-3)),
        ({"max_tokens": 5}, Sampling(max_tokens=5)),
        ({"max_tokens": 5, "max_completion_tokens": 7}, Sampling(max_tokens=7)),
        ({"top_k": 0}, Sampling()),
        ({"top_k": -1}, Sampling()),
        ({"stop": "x"}, Sampling(stop=("x",))),
        ({"stop": ""}, Sampling()),
        ({"stop": ["c", "", "a", "c", *"bdefghij"]}, Sampling(stop=tuple("cabdefghij"))),
    ],
)
def test_sampling(fields, sampling):
    assert conversation(**fields).sampling == sampling


def test_stream_and_choices():
    assert read(stream=True, n=8).choices == 8
    assert read(stream=True).stream
    assert not read(stream=False, stream_options={"include_usage": False, "include_obfuscation": True}).include_usage
    assert read(stream=True, stream_options={"include_usage": True}).include_usage


@pytest.mark.parametrize(
    ("response_format", "read_as"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, Format()),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}, Format(SCHEMA)),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}, Format({})),
    ],
)
def test_response_format(response_format, read_as):
    assert conversation(response_format=response_format).format == read_as


def test_tools_of_both_types():
    request = read(tools=[LOOK, WAIT, PATCH])
    free_text = {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]}
    assert request.conversation.tools == (Tool("look", "Look.", SCHEMA), Tool("wait"), Tool("patch", "Edit.", free_text))
    assert request.custom_tools == {"patch"}
    assert not request.legacy_functions


def test_a_grammar_is_shown_to_the_model_and_noticed():
    form = {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: WORD"}}
    request = read(tools=[{"type": "custom", "custom": {"name": "patch", "format": form}}])
    assert request.conversation.tools[0].description == "The input must follow this lark grammar:\nstart: WORD"
    assert [notice.field for notice in request.notices] == ["tools[0].custom.format"]


@pytest.mark.parametrize(
    ("choice", "read_as"),
    [
        ("auto", ToolChoice()),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "look"}}, ToolChoice("required", ("look",))),
        ({"type": "custom", "custom": {"name": "patch"}}, ToolChoice("required", ("patch",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "auto",
                    "tools": [
                        {"type": "function", "function": {"name": "wait"}},
                        {"type": "custom", "custom": {"name": "patch"}},
                    ],
                },
            },
            ToolChoice("auto", ("wait", "patch")),
        ),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [{"function": {"name": "look"}}]}},
            ToolChoice("required", ("look",)),
        ),
    ],
)
def test_tool_choice(choice, read_as):
    assert conversation(tools=[LOOK, WAIT, PATCH], tool_choice=choice).tool_choice == read_as


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_a_choice_that_asks_for_no_tool_needs_none(choice):
    assert conversation(tool_choice=choice).tool_choice.mode == choice


def test_parallel_calls_can_be_turned_off():
    assert conversation(tools=[LOOK], parallel_tool_calls=True).parallel_tool_calls
    assert not conversation(tools=[LOOK], parallel_tool_calls=False).parallel_tool_calls


@pytest.mark.parametrize(
    ("choice", "read_as"),
    [(None, ToolChoice()), ("none", ToolChoice("none")), ({"name": "look"}, ToolChoice("required", ("look",)))],
)
def test_old_functions(choice, read_as):
    request = read(functions=[{"name": "look", "parameters": SCHEMA}], function_call=choice)
    assert request.legacy_functions
    assert request.conversation.tools == (Tool("look", "", SCHEMA),)
    assert request.conversation.tool_choice == read_as
    assert not request.conversation.parallel_tool_calls


@pytest.mark.parametrize(("fields", "old"), [({}, True), ({"tools": [LOOK]}, False)])
def test_a_function_call_parameter_alone_marks_an_old_client_unless_it_has_tools(fields, old):
    assert read(function_call="auto", **fields).legacy_functions is old


CONFIG = {"thinking_level": "LOW", "include_thoughts": True}


@pytest.mark.parametrize(
    ("fields", "thinking"),
    [
        ({"reasoning_effort": "high"}, Thinking(effort="high")),
        ({"reasoning_effort": "none"}, Thinking(effort="none")),
        ({"reasoning_effort": "low", "include_thoughts": True}, Thinking(effort="low", include=True)),
        ({"reasoning": {"effort": "max"}}, Thinking(effort="max")),
        ({"reasoning": {"effort": "low", "max_tokens": 2000}}, Thinking(effort="low")),
        ({"reasoning": {"max_tokens": 2000, "exclude": True}}, Thinking(budget=2000, include=False)),
        ({"reasoning": {"enabled": False}}, Thinking(effort="none")),
        ({"reasoning_effort": "low", "reasoning": {"effort": "high"}}, Thinking(effort="low")),
        ({"include_reasoning": True}, Thinking(include=True)),
        ({"google": {"thinking_config": CONFIG}}, Thinking(level="low", include=True)),
        ({"extra_body": {"google": {"thinking_config": CONFIG}}}, Thinking(level="low", include=True)),
        ({"extra_body": {"google": {"thinkingConfig": {"thinkingBudget": -1}}}}, Thinking(budget=-1)),
        ({"google": {"thinking_config": {"thinking_budget": 0}}, "include_thoughts": True}, Thinking(budget=0, include=True)),
        ({"google": {"include_thoughts": True}}, Thinking(include=True)),
        ({"thinking_config": CONFIG}, Thinking(level="low", include=True)),
    ],
)
def test_thinking(fields, thinking):
    assert conversation(**fields).thinking == thinking
    assert not noticed(**fields)


SETTING = {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}


@pytest.mark.parametrize("wrap", [lambda g: g, lambda g: {"google": g}, lambda g: {"extra_body": {"google": g}}])
def test_googles_options_at_each_of_their_places(wrap):
    read_as = conversation(**wrap({"safety_settings": [SETTING], "cached_content": "cachedContents/x"}))
    assert read_as.safety == (SafetySetting("HARM_CATEGORY_HARASSMENT", "BLOCK_NONE"),)
    assert read_as.cached_content == "cachedContents/x"


def test_the_top_of_the_body_wins_over_googles_nested_options():
    nested = {"google": {"cached_content": "b"}, "extra_body": {"google": {"cached_content": "c"}}}
    assert conversation(cached_content="a", **nested).cached_content == "a"
    assert conversation(**nested).cached_content == "b"


def test_unknown_nested_options_are_named_by_their_path():
    fields = noticed(google={"thought_tag_marker": "x"}, extra_body={"google": {"y": 1}, "z": 2})
    assert fields == ["extra_body.google.y", "extra_body.z", "google.thought_tag_marker"]


@pytest.mark.parametrize(
    ("options", "searches", "fields"),
    [
        (None, False, []),
        ({}, True, []),
        ({"search_context_size": "medium", "user_location": None}, True, []),
        ({"search_context_size": "high", "user_location": {}}, True, ["search_context_size", "user_location"]),
    ],
)
def test_web_search(options, searches, fields):
    assert conversation(web_search_options=options).web_search is searches
    assert noticed(web_search_options=options) == [f"web_search_options.{field}" for field in fields]


@pytest.mark.parametrize(
    ("modalities", "read_as", "fields"),
    [
        ([], (), []),
        (["text"], ("TEXT",), []),
        (["image", "text"], ("IMAGE", "TEXT"), []),
        (["text", "audio"], ("TEXT",), ["modalities"]),
    ],
)
def test_modalities(modalities, read_as, fields):
    assert conversation(modalities=modalities).modalities == read_as
    assert noticed(modalities=modalities) == fields


WIDE = {"aspect_ratio": "16:9", "image_size": "2K"}


@pytest.mark.parametrize(
    ("fields", "read_as", "named"),
    [
        ({"image_config": WIDE}, PictureFormat("16:9", "2K"), []),
        ({"image_config": {"aspectRatio": "1:1"}}, PictureFormat("1:1"), []),
        ({"image_config": {"image_size": "4K", "aspect_ratio": None}}, PictureFormat(size="4K"), []),
        ({"image_config": {"strength": 0.2}}, PictureFormat(), ["image_config.strength"]),
        ({"google": {"image_config": WIDE}}, PictureFormat("16:9", "2K"), []),
        ({"extra_body": {"google": {"imageConfig": {"imageSize": "1K"}}}}, PictureFormat(size="1K"), []),
        ({"extra_body": {"google": {"generation_config": {"image_config": WIDE}}}}, PictureFormat("16:9", "2K"), []),
        (
            {"extra_body": {"google": {"generationConfig": {"imageConfig": {"aspectRatio": "3:2"}, "topP": 1}}}},
            PictureFormat("3:2"),
            ["generation_config.top_p"],
        ),
        ({"image_config": {"image_size": "1K"}, "generation_config": {"image_config": WIDE}}, PictureFormat(size="1K"), []),
        ({"generation_config": {}}, None, []),
        ({"image_config": None}, None, []),
    ],
)
def test_how_a_picture_is_to_be(fields, read_as, named):
    assert conversation(**fields).picture == read_as
    assert noticed(**fields) == named


@pytest.mark.parametrize(
    ("tier", "read_as", "fields"),
    [
        ("auto", "", []),
        ("default", "", []),
        ("flex", "flex", []),
        ("priority", "priority", []),
        ("fast", "priority", []),
        ("standard", "standard", []),
        ("scale", "", ["service_tier"]),
    ],
)
def test_service_tier(tier, read_as, fields):
    assert conversation(service_tier=tier).service_tier == read_as
    assert noticed(service_tier=tier) == fields


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "u"),
        ("metadata", {"a": "b"}),
        ("store", True),
        ("prompt_cache_key", "k"),
        ("prompt_cache_options", {"ttl": "30m"}),
        ("prompt_cache_retention", "24h"),
        ("safety_identifier", "s"),
        ("frequency_penalty", 0),
        ("presence_penalty", 0.0),
        ("logprobs", False),
        ("top_logprobs", 0),
        ("logit_bias", {}),
        ("verbosity", "medium"),
    ],
)
def test_what_changes_no_answer_is_taken_in_silence(field, value):
    assert read(**{field: value}) == read()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("frequency_penalty", 0.5),
        ("presence_penalty", -1),
        ("logprobs", True),
        ("top_logprobs", 5),
        ("logit_bias", {"50256": -100}),
        ("prediction", {"type": "content", "content": "x"}),
        ("verbosity", "low"),
        ("audio", {"voice": "alloy", "format": "wav"}),
        ("moderation", {"model": "m"}),
        ("repetition_penalty", 1.1),
        ("enable_thinking", False),
    ],
)
def test_what_cannot_be_had_is_named(field, value):
    assert noticed(**{field: value}) == [field]
    assert conversation(**{field: value}) == conversation()
