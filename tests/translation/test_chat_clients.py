"""Bodies as well-known clients send them, and what is read from them."""

import json
from pathlib import Path

import pytest

from openai_api.translation.chat import ChatRequest, read_request
from openai_api.translation.conversation import Format, Media, Text, Thinking, ToolCall, ToolChoice, ToolResult

BODIES = Path(__file__).parent.parent / "wire" / "chat"


def request_of(client: str) -> ChatRequest:
    return read_request(json.dumps(json.loads((BODIES / f"{client}.json").read_text())["body"]).encode())


@pytest.mark.parametrize(
    ("client", "noticed"),
    [
        ("ai_sdk_compatible", []),
        ("ai_sdk_openai", []),
        ("aider", []),
        ("continue", ["prediction"]),
        ("google_extra_body", []),
        ("langchain_js", []),
        ("langchain_python", ["messages[1].content[1].image_url.detail"]),
        ("langchain_python_stream", []),
        ("langchain_python_structured", []),
        ("litellm_functions", []),
        ("open_webui", ["min_p"]),
        ("openai_node_tools", []),
        ("openai_node_zod", []),
        ("sillytavern", ["messages[3].name", "frequency_penalty", "logprobs", "top_logprobs"]),
    ],
)
def test_each_client_is_told_only_what_it_really_loses(client, noticed):
    assert sorted(notice.field for notice in request_of(client).notices) == sorted(noticed)


def test_every_recorded_body_is_in_the_table_above():
    table = test_each_client_is_told_only_what_it_really_loses.pytestmark[0].args[1]
    assert sorted(client for client, _ in table) == sorted(path.stem for path in BODIES.glob("*.json"))


def test_a_tool_round_of_langchain_python():
    conversation = request_of("langchain_python").conversation
    assert conversation.system == (Text("Be brief."),)
    assert conversation.turns[0].parts == (Text("what?"), Media("image/png", "iVBORw0KGgo="))
    assert conversation.turns[1].parts == (ToolCall("call_1", "get_weather", {"city": "Rome"}),)
    assert conversation.turns[2].parts == (ToolResult("call_1", "get_weather", "sunny"),)
    assert conversation.tool_choice == ToolChoice("required")
    assert (conversation.sampling.max_tokens, conversation.sampling.stop) == (500, ("\nObservation",))


@pytest.mark.parametrize("client", ["langchain_python_structured", "openai_node_zod", "ai_sdk_openai"])
def test_structured_output_carries_its_schema_unchanged(client):
    sent = json.loads((BODIES / f"{client}.json").read_text())["body"]["response_format"]["json_schema"]["schema"]
    assert request_of(client).conversation.format == Format(sent)


def test_litellm_with_old_functions():
    request = request_of("litellm_functions")
    assert request.legacy_functions
    assert request.include_usage
    assert request.conversation.tool_choice == ToolChoice("required", ("write",))
    assert not request.conversation.parallel_tool_calls


def test_sillytavern_keeps_its_late_system_messages_in_place():
    conversation = request_of("sillytavern").conversation
    assert [turn.role for turn in conversation.turns] == ["model", "user", "system"]
    assert len(conversation.system) == 2
    assert conversation.sampling.top_k is None


def test_continue_gets_results_by_id_whatever_their_order():
    conversation = request_of("continue").conversation
    assert [result.name for turn in conversation.turns[2:] for result in turn.parts] == ["builtin_ls", "builtin_read_file"]
    assert conversation.turns[1].parts[1:] == (
        ToolCall("tool_1", "builtin_read_file", {"filepath": "a.py"}),
        ToolCall("tool_2", "builtin_ls", {}),
    )


def test_googles_own_options_through_the_python_sdk():
    conversation = request_of("google_extra_body").conversation
    assert conversation.thinking == Thinking(level="low", include=True)
    assert conversation.cached_content == "cachedContents/abc"
