"""Every rule of sections 1.3-1.9, 1.14 and 1.15 as a row: what is sent, and what Google answers."""
# ruff: noqa: E501 (one row of a table, one line)

import base64

import pytest

from tests.google import rules
from tests.google.asking import FLASH, FLASH_25, call, configured, function, model, result, saying, tools, user
from tests.google.errors import Refusal
from tests.google.transcoding import read

DUMMY = "skip_thought_signature_validator"
SIGNED = {**call(), "thoughtSignature": DUMMY}
BARE = "Request contains an invalid argument."
AFTER_USER = "Please ensure that function call turn comes immediately after a user turn or after a function response turn."
AFTER_CALL = "Please ensure that function response turn comes immediately after a function call turn."
AS_MANY = "Please ensure that the number of function response parts is equal to the number of function call parts of the function call turn."
DATA = "data: required oneof field 'data' must have one initialized field"
CONTENTS = "* GenerateContentRequest.contents"
CONFIG = "* GenerateContentRequest.generation_config"
DECLARED = "* GenerateContentRequest.tools[0].function_declarations[0]"
PNG = base64.b64encode(b"\x89PNG").decode()


def verdict(body, model_id=FLASH, method="generateContent", message="GenerateContentRequest"):
    """The text of the refusal, empty if there is none."""
    try:
        rules.check(method, model_id, read(body, message))
    except Refusal as refusal:
        return refusal.message if refusal.code == 400 else f"{refusal.code}: {refusal.message}"
    return ""


def blob(mime_type, data=PNG):
    return {"inlineData": {"mimeType": mime_type, "data": data}}


@pytest.mark.parametrize(
    ("contents", "text"),
    [
        ([], f"{CONTENTS}: contents is not specified"),
        ([user("a"), {"role": "model", "parts": []}, user("b")], f"{CONTENTS}[1].parts: contents.parts must not be empty."),
        ([{"role": "user"}], f"{CONTENTS}[0].parts: contents.parts must not be empty."),
        ([user("")], f"{CONTENTS}[0].parts[0].{DATA}"),
        ([user("", "a", {}), user({"thought": True})], f"{CONTENTS}[0].parts[0].{DATA}\n{CONTENTS}[0].parts[2].{DATA}\n{CONTENTS}[1].parts[0].{DATA}"),
        ([{"role": "function", "parts": [result()]}], "Please use a valid role: user, model."),
        ([{"role": "system", "parts": [{"text": "a"}]}], "Please use a valid role: user, model."),
        ([user(call(""))], f"{CONTENTS}[0].parts[0].function_call.name: Name cannot be empty."),
        ([model(SIGNED), user(result())], AFTER_USER),
        ([user("a"), model("b"), model(SIGNED), user(result())], AFTER_USER),
        ([user("a"), user(call()), user(result())], AFTER_USER),
        ([user("a"), model("b"), user(result())], AFTER_CALL),
        ([user(result())], AFTER_CALL),
        ([user("a"), model(SIGNED), user(result()), user(result())], AFTER_CALL),
        ([user("a"), model(SIGNED), user("b")], AS_MANY),
        ([user("a"), model(SIGNED, call("g")), user(result())], AS_MANY),
        ([user("a"), model(SIGNED), user(result(), result("g"))], AS_MANY),
        ([user("a"), model("b")], "Please ensure that multiturn requests end with a user role or a function response."),
        ([user("a"), model(SIGNED)], "Please ensure that multiturn requests end with a user role or a function response."),
        ([user(blob("image/gif"))], "Unsupported MIME type: image/gif"),
        ([user(blob("application/octet-stream"))], "Unsupported MIME type: application/octet-stream"),
        ([user(blob(""))], "Unsupported MIME type: "),
        ([user(blob("image/png", ""))], BARE),
        ([user({"fileData": {"mimeType": "image/png"}})], BARE),
        ([user({**blob("video/mp4"), "videoMetadata": {"fps": 25}})], BARE),
    ],
)  # fmt: skip
def test_a_conversation_out_of_order_is_refused(contents, text):
    assert verdict({"contents": contents}) == text


@pytest.mark.parametrize(
    "contents",
    [
        [{"parts": [{"text": "no role"}]}],
        [user("a"), user("b"), model("c"), model("d"), user("e")],
        [user("a"), model("thinking", SIGNED), user(result())],
        [user("a"), model(SIGNED, call("g")), user(result("g"), result())],
        [user("a"), model(SIGNED), user(result()), model(SIGNED), user(result()), model("done"), user("b")],
        [user("a"), model({"text": "", "thoughtSignature": DUMMY}), user("b")],
        [user(blob("image/webp"), blob("application/pdf"), blob("text/csv"), blob("audio/L16;codec=pcm;rate=24000"))],
        [user({"fileData": {"fileUri": "https://example.com/a.mp4"}})],
    ],
)
def test_a_conversation_in_order_passes(contents):
    assert verdict({"contents": contents}) == ""


@pytest.mark.parametrize(
    ("model_id", "config", "text"),
    [
        (FLASH, {"temperature": 2.1}, f"{CONFIG}.temperature: temperature must be in the range [0.0, 2.0]."),
        (FLASH, {"topP": 1.5}, f"{CONFIG}.top_p: top_p must be in the range [0.0, 1.0]."),
        (FLASH, {"topK": -1}, f"{CONFIG}.top_k: top_k must be in the range [0, inf)."),
        (FLASH, {"maxOutputTokens": 0}, BARE),
        (FLASH, {"maxOutputTokens": 65_537}, BARE),
        (FLASH, {"stopSequences": list("abcdef")}, f"{CONFIG}.stop_sequences: at most 5 stop sequences can be specified."),
        (FLASH, {"stopSequences": [""]}, f"{CONFIG}.stop_sequences: stop sequences must not be empty."),
        (FLASH, {"candidateCount": 2}, "Multiple candidates is not enabled for this model"),
        ("gemini-2.5-flash-image", {"candidateCount": 2}, "Multiple candidates is not enabled for this model"),
        (FLASH_25, {"candidateCount": 9}, f"{CONFIG}.candidate_count: must be in the range [1, 8]."),
        (FLASH, {"presencePenalty": 0.5}, "Penalty is not enabled for this model"),
        (FLASH_25, {"frequencyPenalty": -1}, f"Penalty is not enabled for models/{FLASH_25}"),
        (FLASH, {"responseLogprobs": True}, "Logprobs is not supported for this model"),
        (FLASH_25, {"responseLogprobs": True, "logprobs": 3}, f"Logprobs is not enabled for models/{FLASH_25}"),
        (FLASH, {"responseMimeType": "application/xml"}, f"{CONFIG}.response_mime_type: allowed mimetypes are `text/plain`, `application/json`, `text/x.enum`."),
        (FLASH, {"responseJsonSchema": {}}, f"{CONFIG}.response_schema: only allowed when response_mime_type is application/json or text/x.enum."),
        (FLASH, {"responseMimeType": "application/json", "responseJsonSchema": {}, "responseSchema": {"type": "STRING"}}, f"{CONFIG}: only one of response_schema and response_json_schema may be set."),
        (FLASH, {"responseMimeType": "application/json", "responseFormat": {"text": {}, "image": {}}}, f"{CONFIG}: response_format cannot be combined with response_mime_type or a response schema."),
        (FLASH, {"responseMimeType": "application/json", "responseJsonSchema": {"$ref": "#/$defs/A"}}, f"{CONFIG}.response_json_schema: $ref #/$defs/A cannot be resolved."),
        (FLASH, {"responseMimeType": "application/json", "responseJsonSchema": {"$ref": "#/$defs/A", "title": "x", "$defs": {"A": {}}}}, f"{CONFIG}.response_json_schema: a schema with $ref may only have properties that start with $."),
        (FLASH, {"responseMimeType": "application/json", "responseJsonSchema": ["a"]}, f"{CONFIG}.response_json_schema: must be a JSON object."),
        ("gemini-2.5-flash-image", {"responseMimeType": "application/json"}, "JSON mode is not enabled for this model."),
        (FLASH, {"responseModalities": ["IMAGE"]}, "Model does not support the requested response modalities: image"),
        (FLASH, {"imageConfig": {"aspectRatio": "1:1"}}, BARE),
        ("gemini-3-pro-image", {"imageConfig": {"aspectRatio": "1:8"}}, BARE),
        ("gemini-3-pro-image", {"imageConfig": {"imageSize": "2k"}}, BARE),
        ("gemini-3.8-flash-tts", {"responseModalities": ["AUDIO"], "speechConfig": {"multiSpeakerVoiceConfig": {"speakerVoiceConfigs": [{}]}}}, BARE),
        (FLASH, {"audioTranscriptionConfig": {"diarization": True}}, BARE),
    ],
)  # fmt: skip
def test_a_setting_that_the_model_does_not_take_is_refused(model_id, config, text):
    assert verdict(configured(**config), model_id) == text


@pytest.mark.parametrize(
    ("model_id", "config"),
    [
        (FLASH, {"temperature": 2, "topP": 0, "topK": 0, "seed": -1, "maxOutputTokens": 65_536, "stopSequences": list("abcde")}),
        (FLASH, {"presencePenalty": 0.0, "frequencyPenalty": 0, "responseLogprobs": False, "candidateCount": 1}),
        (FLASH_25, {"candidateCount": 8}),
        (
            FLASH,
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": ["string", "null"], "const": "a", "x-y": 1}},
        ),
        (FLASH, {"responseFormat": {"text": {"mimeType": "APPLICATION_JSON", "schema": {"type": "object"}}}}),
        ("gemini-3.1-flash-image", {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": "1:8", "imageSize": "512"}}),
        ("gemini-3.8-flash-tts", {"responseModalities": ["AUDIO"]}),
    ],
)
def test_a_setting_within_the_models_means_passes(model_id, config):
    assert verdict(configured(**config), model_id) == ""


@pytest.mark.parametrize(
    ("schema", "faults"),
    [
        ({"type": "OBJECT"}, ["properties: should be non-empty for OBJECT type"]),
        ({"type": "OBJECT", "properties": {"a": {}}}, ["properties[a].type: must be specified when not using one_of, any_of or all_of fields"]),
        ({"type": "ARRAY"}, ["items: missing field."]),
        ({"enum": ["a"]}, ["enum: only allowed for STRING type"]),
        ({"type": "INTEGER", "enum": ["1"]}, ["enum: only allowed for STRING type"]),
        ({"type": "STRING", "format": "enum"}, ["enum: should be non-empty for STRING type with enum format"]),
        ({"type": "STRING", "enum": []}, ["enum: should be non-empty for STRING type with enum format"]),
        ({"type": "STRING", "enum": [""]}, ["enum[0]: cannot be empty"]),
        ({"type": "STRING", "format": "email"}, ["format: only 'enum' and 'date-time' are supported for STRING type"]),
        ({"type": "INTEGER", "format": "float"}, ["format: only 'int32' and 'int64' are supported for INTEGER type"]),
        ({"type": "OBJECT", "properties": {"a": {"type": "STRING"}}, "required": ["a", "b"]}, ["required[1]: property is not defined"]),
        ({"anyOf": [{"type": "ARRAY"}, {"type": "NULL"}]}, ["any_of[0].items: missing field."]),
        ({"type": "ARRAY", "items": {"type": "OBJECT"}, "enum": ["a"]}, ["enum: only allowed for STRING type", "items.properties: should be non-empty for OBJECT type"]),
    ],
)  # fmt: skip
def test_a_schema_outside_of_the_strict_subset_is_refused(schema, faults):
    asked = verdict(configured(responseMimeType="application/json", responseSchema=schema))
    assert asked == "\n".join(f"{CONFIG}.response_schema.{fault}" for fault in faults)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"tools": tools(function("1st"))}, f"{DECLARED}.name: Invalid function name. Must start with a letter or an underscore. Must be alphameric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or dashes (-), with a maximum length of 64."),
        ({"tools": tools(function(), function())}, "Duplicate function declaration found: f"),
        ({"tools": [*tools(function()), *tools(function())]}, "Duplicate function declaration found: f"),
        ({"tools": tools(function(parameters={"type": "OBJECT", "properties": {"a": {"type": "STRING"}}}, parametersJsonSchema={}))}, f"{DECLARED}: only one of parameters and parameters_json_schema may be set."),
        ({"tools": tools(function(parameters={"type": "OBJECT", "properties": {}}))}, f"{DECLARED}.parameters.properties: should be non-empty for OBJECT type"),
        ({"tools": tools(function(parameters={"type": "STRING"}))}, f"{DECLARED}.parameters: schema type must be OBJECT."),
        ({"tools": tools(*(function(f"f{number}") for number in range(513)))}, "At most 512 function declarations can be specified."),
        ({"tools": [{}]}, "* GenerateContentRequest.tools[0].tool_type: required one_of 'tool_type' must have one initialized field"),
        ({"tools": [{"googleSearchRetrieval": {}}]}, "google_search_retrieval is not supported. Please use google_search tool instead."),
        ({"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}}, "Function calling config is set without function_declarations."),
        ({"tools": [{"googleSearch": {}}], "toolConfig": {"functionCallingConfig": {}}}, "Function calling config is set without function_declarations."),
        ({"tools": tools(), "toolConfig": {"functionCallingConfig": {"allowedFunctionNames": ["f"]}}}, "Function calling config: allowed_function_names should be set only when the function calling mode is ANY."),
        ({"tools": tools(), "toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["g"]}}}, "Function calling config: allowed_function_names holds 'g', which is not declared."),
        ({"tools": [*tools(), {"googleSearch": {}}]}, "Please enable tool_config.include_server_side_tool_invocations to use Built-in tools with Function calling."),
        ({"safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "OFF"}] * 2}, BARE),
        ({"safetySettings": [{"category": "HARM_CATEGORY_TOXICITY", "threshold": "OFF"}]}, "* GenerateContentRequest.safety_settings[0]: element predicate failed: $.category in (HarmCategory.HARM_CATEGORY_SEXUALLY_EXPLICIT, HarmCategory.HARM_CATEGORY_HATE_SPEECH, HarmCategory.HARM_CATEGORY_HARASSMENT, HarmCategory.HARM_CATEGORY_DANGEROUS_CONTENT, HarmCategory.HARM_CATEGORY_CIVIC_INTEGRITY, HarmCategory.HARM_CATEGORY_JAILBREAK)"),
        ({"systemInstruction": user(blob("image/png"))}, "* GenerateContentRequest.system_instruction.parts: system instruction must hold text parts only."),
        ({"cachedContent": "cachedContents/a", "systemInstruction": user("b")}, "CachedContent can not be used with GenerateContent request setting system_instruction, tools or tool_config.\n\nProposed fix: move those values to CachedContent from GenerateContent request."),
        ({"continuationToken": "AAAA"}, BARE),
    ],
)  # fmt: skip
def test_tools_and_settings_that_do_not_go_together_are_refused(fields, text):
    assert verdict(saying(**fields)) == text


@pytest.mark.parametrize(
    ("model_id", "fields", "text"),
    [
        (FLASH_25, {"tools": [*tools(), {"googleSearch": {}}]}, "Tool use with function calling is unsupported"),
        (FLASH_25, {"tools": tools(), "generationConfig": {"responseMimeType": "application/json"}}, "Function calling with a response mime type: 'application/json' is unsupported"),
        ("gemini-3.8-flash-tts", {"tools": tools(), "generationConfig": {"responseModalities": ["AUDIO"]}}, "Tool use is not enabled for this model."),
        ("gemini-3.8-flash-tts", {}, "The requested combination of response modalities (TEXT) is not supported by the model. models/gemini-3.8-flash-tts accepts the following combination of response modalities:\n* AUDIO\n"),
        ("gemini-4-argon", {"cachedContent": "cachedContents/a"}, BARE),
    ],
)  # fmt: skip
def test_some_models_take_less_than_others(model_id, fields, text):
    assert verdict(saying(**fields), model_id) == text


@pytest.mark.parametrize(
    ("model_id", "fields"),
    [
        (FLASH, {"tools": [*tools(), {"googleSearch": {}}], "toolConfig": {"includeServerSideToolInvocations": True}}),
        (FLASH, {"tools": tools(), "generationConfig": {"responseMimeType": "application/json"}}),
        (
            FLASH,
            {"tools": tools(), "toolConfig": {"functionCallingConfig": {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}}},
        ),
        (FLASH, {"tools": tools(function("a" * 64), function("_b.c:d-e"))}),
        (FLASH_25, {"tools": [{"googleSearch": {}}, {"urlContext": {}}]}),
    ],
)
def test_tools_that_go_together_pass(model_id, fields):
    assert verdict(saying(**fields), model_id) == ""


def test_a_prompt_over_the_models_limit_is_refused_with_both_numbers():
    words = saying("word " * 8_200, generationConfig={"responseModalities": ["AUDIO"]})
    assert (
        verdict(words, "gemini-3.8-flash-tts")
        == "The input token count (8200) exceeds the maximum number of tokens allowed (8192)."
    )


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (saying(), ""),
        ({"contents": [user("a"), model("b")]}, ""),
        ({"generateContentRequest": {"model": f"models/{FLASH}", **saying(tools=tools())}}, ""),
        ({**saying(), "generateContentRequest": {"model": f"models/{FLASH}", **saying()}}, "* CountTokensRequest: contents and generate_content_request are mutually exclusive"),
        ({"generateContentRequest": saying()}, "* CountTokensRequest.generate_content_request.model: model must be the one of the URL"),
        ({"contents": [user("")]}, f"* CountTokensRequest.contents[0].parts[0].{DATA}"),
        ({**saying(), "tools": tools()}, "Invalid JSON payload received. Unknown name \"tools\": Cannot find field."),
    ],
)  # fmt: skip
def test_counting_takes_contents_or_a_whole_request(body, text):
    assert verdict(body, method="countTokens", message="CountTokensRequest") == text


@pytest.mark.parametrize(
    ("request_count", "text"),
    [(100, ""), (101, "* BatchEmbedContentsRequest.requests: at most 100 requests can be in one batch")],
)
def test_a_batch_of_embeddings_holds_a_hundred(request_count, text):
    one = {"model": "models/gemini-embedding-001", "content": user("a")}
    body = {"requests": [one] * request_count}
    assert verdict(body, "gemini-embedding-001", "batchEmbedContents", "BatchEmbedContentsRequest") == text


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"content": user("")}, f"* EmbedContentRequest.content.parts[0].{DATA}"),
        ({"content": user("a"), "outputDimensionality": 64}, "* EmbedContentRequest.output_dimensionality: must be between 128 and 3072"),
        ({"content": user("a"), "title": "t"}, "The `title` parameter is only supported when task_type is RETRIEVAL_DOCUMENT."),
        ({"content": user("a"), "title": "t", "taskType": "RETRIEVAL_DOCUMENT", "outputDimensionality": 768}, ""),
    ],
)  # fmt: skip
def test_rules_of_embeddings(fields, text):
    assert verdict(fields, "gemini-embedding-001", "embedContent", "EmbedContentRequest") == text
