"""JSON → protobuf: what fits, and what Google says where it does not (sections 1.3, 1.7 and 1.14)."""
# ruff: noqa: E501 (one row of a table, one line)

import pytest

from tests.google.asking import FLASH, ask, configured, function, saying, tools, user
from tests.google.errors import Refusal
from tests.google.transcoding import read

MESSAGE = "GenerateContentRequest"
INVALID = "Invalid JSON payload received. "


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"frequency_penalty": 1}, INVALID + 'Unknown name "frequency_penalty": Cannot find field.'),
        (configured(x=1), INVALID + "Unknown name \"x\" at 'generation_config': Cannot find field."),
        (
            saying(tools=tools(function(parameters={"type": "object", "properties": {"q": {"type": "string", "const": 1}}}))),
            INVALID
            + "Unknown name \"const\" at 'tools[0].function_declarations[0].parameters.properties[0].value': Cannot find field.",
        ),
        (saying(tools=[{"functionDeclarations": [{"name": "f", "strict": True}]}]), INVALID + "Unknown name \"strict\" at 'tools[0].function_declarations[0]': Cannot find field."),
        (
            configured(responseSchema={"type": ["string", "null"]}),
            INVALID + "Unknown name \"type\" at 'generation_config.response_schema': Proto field is not repeating, cannot start list.",
        ),
        (configured(responseSchema={"type": "STRING", "enum": [7]}), "Invalid value at 'generation_config.response_schema.enum[0]' (TYPE_STRING), 7"),
        ({"contents": [{"role": "user", "parts": [{"text": 5}]}]}, "Invalid value at 'contents[0].parts[0].text' (TYPE_STRING), 5"),
        (configured(seed=2**31), "Invalid value at 'generation_config.seed' (TYPE_INT32), 2147483648"),
        (configured(maxOutputTokens=1.5), "Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32), 1.5"),
        (configured(temperature="warm"), "Invalid value at 'generation_config.temperature' (TYPE_FLOAT), \"warm\""),
        (configured(stopSequences="x"), "Invalid value at 'generation_config.stop_sequences' (TYPE_STRING), \"x\""),
        ({"contents": ["hi"]}, "Invalid value at 'contents[0]' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), \"hi\""),
        ({"contents": {"parts": []}}, "Invalid value at 'contents' (type.googleapis.com/google.ai.generativelanguage.v1beta.Content), {\"parts\": []}"),
        (
            {"contents": [user({"functionResponse": {"name": "f", "response": "text"}})]},
            "Invalid value at 'contents[0].parts[0].function_response.response' (type.googleapis.com/google.protobuf.Struct), \"text\"",
        ),
        (
            {"contents": [user({"text": "a", "functionCall": {"name": "f"}})]},
            "Invalid value at 'contents[0].parts[0]' (oneof), oneof field 'data' is already set. Cannot set 'functionCall'",
        ),
        (
            {"contents": [user({"inlineData": {"mimeType": "image/png", "data": "data:image/png;base64,AA"}})]},
            "Invalid value at 'contents[0].parts[0].inline_data.data' (TYPE_BYTES), Base64 decoding failed for \"data:image/png;base64,AA\"",
        ),
        (
            saying(safetySettings=[{"category": "HARM_CATEGORY_X", "threshold": "OFF"}]),
            "Invalid value at 'safety_settings[0].category' (type.googleapis.com/google.ai.generativelanguage.v1beta.HarmCategory), \"HARM_CATEGORY_X\"",
        ),
        (
            saying(serviceTier="FLEX"),
            "Invalid value at 'service_tier' (type.googleapis.com/google.ai.generativelanguage.v1beta.ServiceTier), \"FLEX\"",
        ),
        (
            configured(thinkingConfig={"thinkingLevel": "extreme"}),
            "Invalid value at 'generation_config.thinking_config.thinking_level' "
            '(type.googleapis.com/google.ai.generativelanguage.v1beta.ThinkingLevel), "EXTREME"',
        ),
        (saying(toolConfig={"functionCallingConfig": {"streamFunctionCallArguments": True}}), INVALID + "Unknown name \"streamFunctionCallArguments\" at 'tool_config.function_calling_config': Cannot find field."),
    ],
)  # fmt: skip
def test_a_body_that_does_not_fit_is_refused_in_googles_words(body, text):
    with pytest.raises(Refusal) as refused:
        read(body, MESSAGE)
    assert (refused.value.code, refused.value.message) == (400, text)


@pytest.mark.parametrize(
    "fields",
    [
        {"system_instruction": {"parts": [{"text": "a"}]}, "toolConfig": {"function_calling_config": {"mode": "AUTO"}}},
        {"generationConfig": {"topK": 40.0, "maxOutputTokens": "12", "temperature": None, "thinkingConfig": {"thinkingLevel": "low"}}},
        {"generationConfig": {"responseSchema": {"type": "string"}, "responseFormat": {"text": {"mimeType": "APPLICATION_JSON"}}}},
        {"serviceTier": "priority", "store": False, "labels": {"team": "a"}, "cachedContent": "cachedContents/x"},
        {"toolConfig": {"includeServerSideToolInvocations": True}, "continuationToken": "AAAA"},
        {"tools": [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": {"$defs": {}, "additionalProperties": False}}]}]},
        {"tools": [{"googleSearch": {"searchTypes": {"webSearch": {}}}}, {"urlContext": {}}]},
        {"contents": [user({"toolCall": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB", "args": {"q": 1}}})]},
        {"contents": [user({"inlineData": {"mimeType": "image/png", "data": "_-8", "displayName": "a"}, "mediaResolution": {"level": "MEDIA_RESOLUTION_HIGH"}})]},
        {"contents": [user({"functionResponse": {"id": "1", "name": "f", "response": {}, "parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}})]},
        {"contents": [user({"functionCall": {"name": "f"}, "thoughtSignature": "skip_thought_signature_validator"})]},
    ],
)  # fmt: skip
def test_real_fields_pass_in_both_spellings(fields):
    read({**saying(), **fields}, MESSAGE)


def test_what_passes_comes_back_in_camel_case_without_nulls():
    body = {"contents": [{"role": "user", "parts": [{"inline_data": {"mime_type": "image/png", "data": "AA=="}}]}], "store": None}
    assert read(body, MESSAGE) == {"contents": [user({"inlineData": {"mimeType": "image/png", "data": "AA=="}})]}


def test_every_fault_is_named_in_a_line_and_a_violation_of_its_own(google):
    error = ask(google, {"a": 1, "generation_config": {"b": 2}}, FLASH).json()["error"]
    assert error["message"].split("\n") == [violation["description"] for violation in error["details"][0]["fieldViolations"]]
    assert [violation.get("field") for violation in error["details"][0]["fieldViolations"]] == [None, "generation_config"]


def test_one_field_in_both_spellings_is_refused():
    with pytest.raises(Refusal, match="cannot be set twice"):
        read(
            {**saying(), "systemInstruction": {"parts": [{"text": "a"}]}, "system_instruction": {"parts": [{"text": "b"}]}},
            MESSAGE,
        )


def test_a_lone_surrogate_is_refused():
    with pytest.raises(Refusal, match="surrogate"):
        read({"contents": [user("\ud800")]}, MESSAGE)
