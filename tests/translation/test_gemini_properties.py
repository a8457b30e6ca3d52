"""Any conversation becomes a body that Google's protobuf and all of its known rules accept."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Conversation, Text, ToolCall, ToolResult
from openai_api.translation.gemini.request import write_request
from tests.google import contents
from tests.google.models import MODELS
from tests.translation import strategies
from tests.translation.google_rules import accepted

MODEL_NAMES = tuple(name for name, model in MODELS.items() if model.kind in ("text", "image", "speech", "transcription"))


def says_nothing(conversation: Conversation) -> bool:
    parts = [part for turn in conversation.turns for part in turn.parts]
    return not any(part != Text("") for part in [*parts, *conversation.system])


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conversation=strategies.conversations(MODEL_NAMES))
def test_google_accepts_every_conversation(conversation):
    if says_nothing(conversation):
        with pytest.raises(InvalidRequest, match="no text"):
            write_request(conversation)
        return
    request = accepted(write_request(conversation).body, conversation.model)
    assert not contents.answers_other_calls(request["contents"])


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conversation=strategies.conversations(MODEL_NAMES))
def test_no_text_call_or_result_of_the_history_is_lost(conversation):
    if says_nothing(conversation):
        return
    contents = json.loads(write_request(conversation).body)["contents"]
    sent = [part for content in contents for part in content["parts"]]
    texts = [part["text"] for part in sent if "text" in part]
    responses = [part["functionResponse"]["response"] for part in sent if "functionResponse" in part]
    said = [part for turn in conversation.turns for part in turn.parts]
    calls = [part.arguments for part in said if isinstance(part, ToolCall)]
    assert [part["functionCall"]["args"] for part in sent if "functionCall" in part] == calls
    assert len(responses) == len(calls)
    for part in said:
        if isinstance(part, Text) and part.text:
            assert part.text in texts
        elif isinstance(part, ToolResult) and not part.output.lstrip().startswith("{"):
            assert {"result": part.output} in responses or any(text.endswith(f": {part.output}") for text in texts)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conversation=strategies.conversations(MODEL_NAMES))
def test_translating_twice_gives_the_same_bytes(conversation):
    if not says_nothing(conversation):
        assert write_request(conversation) == write_request(conversation)
