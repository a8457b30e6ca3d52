"""Any conversation becomes a body that Google's protobuf and all of its known rules accept."""

import json

import pytest
from hypothesis import HealthCheck, given, settings

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Conversation, Text, ToolCall, ToolResult
from openai_api.translation.gemini.capabilities import SHIPPED_MODELS
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
    body = write_request(conversation).body
    text = json.dumps(json.loads(body)["contents"], ensure_ascii=False)
    calls = [part for turn in conversation.turns for part in turn.parts if isinstance(part, ToolCall)]
    assert text.count('"functionCall"') == len(calls)
    assert text.count('"functionResponse"') == len(calls)
    for turn in conversation.turns:
        for part in turn.parts:
            if isinstance(part, Text):
                assert json.dumps(part.text, ensure_ascii=False) in text or not part.text
            elif isinstance(part, ToolResult) and part.output and not part.output.lstrip().startswith("{"):
                assert json.dumps(part.output, ensure_ascii=False)[1:-1] in text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conversation=strategies.conversations(MODEL_NAMES))
def test_translating_twice_gives_the_same_bytes(conversation):
    if not says_nothing(conversation):
        assert write_request(conversation) == write_request(conversation)


def test_every_shipped_model_is_one_that_google_lists():
    assert {model.name for model in SHIPPED_MODELS} <= MODELS.keys()


@pytest.mark.parametrize("model", SHIPPED_MODELS, ids=lambda model: model.name)
def test_the_limits_of_shipped_models_are_googles(model):
    assert (model.input_limit, model.output_limit) == (MODELS[model.name].input_limit, MODELS[model.name].output_limit)
