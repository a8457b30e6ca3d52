"""Any legal OpenAI request is read, and nothing that it says is lost."""

import json

from hypothesis import given, settings

from openai_api.translation.chat import read_request
from openai_api.translation.conversation import Text, ToolCall, ToolResult

from .openai_histories import histories, requests


@settings(max_examples=100, deadline=None)
@given(requests())
def test_any_legal_request_is_read(body):
    request = read_request(json.dumps(body).encode())
    assert request.choices == (body.get("n") or 1)
    assert request.stream is bool(body.get("stream"))
    tokens = request.conversation.sampling.max_tokens
    assert tokens == (body.get("max_completion_tokens") or body.get("max_tokens"))


@settings(max_examples=100, deadline=None)
@given(histories())
def test_every_text_call_and_result_is_kept_in_order(messages):
    conversation = read_request(json.dumps({"model": "m", "messages": messages}).encode()).conversation
    parts = [*conversation.system, *(part for turn in conversation.turns for part in turn.parts)]
    texts = [part.text for part in parts if isinstance(part, Text)]
    assert texts == [text for text in said(messages) if text]
    assert len([part for part in parts if isinstance(part, ToolCall)]) == calls_in(messages)


@settings(max_examples=100, deadline=None)
@given(histories())
def test_every_result_knows_the_call_that_it_answers(messages):
    conversation = read_request(json.dumps({"model": "m", "messages": messages}).encode()).conversation
    names: dict[str, str] = {}
    for part in (part for turn in conversation.turns for part in turn.parts):
        if isinstance(part, ToolCall):
            assert part.id not in names
            names[part.id] = part.name
        elif isinstance(part, ToolResult):
            assert part.name == names[part.call_id]


def said(messages):
    leading = [message for message in messages if message["role"] not in ("tool", "function")]
    for message in leading:
        content = message["content"] or ""
        parts = [content] if isinstance(content, str) else content
        for part in parts:
            yield part if isinstance(part, str) else part.get("text") or part.get("refusal")


def calls_in(messages) -> int:
    return sum(len(message.get("tool_calls", ())) + ("function_call" in message) for message in messages)
