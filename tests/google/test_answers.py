"""What the model says unasked: echoes, calls, JSON, sources; whole and in chunks (sections 1.12 and 1.13)."""

import json

import jsonschema
import pytest
from google.protobuf import json_format

from tests.google import continuation, tokens, wire
from tests.google.asking import (
    FLASH,
    FLASH_25,
    ask,
    call,
    configured,
    function,
    model,
    parts,
    result,
    said,
    saying,
    stream,
    tools,
    user,
)
from tests.google.models import MODELS

WEATHER = function(
    "weather", parametersJsonSchema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
)
GERMAN = "Grüße aus Köln. Ça va? Oui!"
REQUESTS = [
    saying("Hello, wörld! How are you doing today?"),
    saying('call weather {"city": "Rom"} call weather {"city": "Bern"}', tools=tools(WEATHER)),
    configured(thinkingConfig={"includeThoughts": True}),
    saying(GERMAN, tools=[{"googleSearch": {}}]),
    saying("long " * 500),
]


@pytest.mark.parametrize("model_id", [FLASH, FLASH_25])
@pytest.mark.parametrize("body", REQUESTS)
def test_a_stream_says_what_the_whole_answer_says_and_costs_the_same(google, body, model_id):
    whole, chunks = ask(google, body, model_id).json(), stream(google, body, model_id)
    assert said(chunks) == said(whole)
    assert calls_in([whole]) == calls_in(chunks)
    assert chunks[-1]["usageMetadata"] == whole["usageMetadata"]
    assert chunks[-1]["candidates"][0].get("groundingMetadata") == whole["candidates"][0].get("groundingMetadata")


def calls_in(chunks):
    found = [part["functionCall"] for part in parts(chunks) if "functionCall" in part]
    return [(one["name"], one["args"]) for one in found]


@pytest.mark.parametrize("body", REQUESTS)
def test_every_answer_is_googles_own_message(google, body):
    for response in [ask(google, body).json(), *stream(google, body)]:
        json_format.ParseDict(response, wire.message_class("GenerateContentResponse")(), ignore_unknown_fields=False)


def test_only_the_last_chunk_is_finished_and_every_chunk_counts_more(google):
    chunks = stream(google, REQUESTS[0])
    assert [chunk["candidates"][0].get("finishReason") for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1]["candidates"][0]["finishReason"] == "STOP"
    totals = [chunk["usageMetadata"]["totalTokenCount"] for chunk in chunks]
    assert len(chunks) > 3
    assert totals == sorted(totals)
    assert len({chunk["responseId"] for chunk in chunks}) == 1


def test_the_answer_echoes_text_and_names_files(google):
    picture = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}}
    answer = ask(google, {"contents": [user("What is this?", picture)]}).json()
    assert said(answer) == "echo: What is this? [image/png]"
    assert answer["usageMetadata"]["promptTokensDetails"] == [
        {"modality": "TEXT", "tokenCount": 4},
        {"modality": "IMAGE", "tokenCount": 258},
    ]


@pytest.mark.parametrize(
    ("text", "count"), [("", 0), ("one", 1), ("Hello, world!", 4), ("  a  b ", 2), ("naïve café_1", 2), ("日本語 です", 2)]
)
def test_words_and_signs_are_tokens(text, count):
    assert tokens.count(text) == count


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_a_text_is_split_without_losing_anything(size):
    text = "  One, two;  three…\n\nfour "
    pieces = tokens.split(text, size)
    assert "".join(pieces) == text
    assert [tokens.count(piece) for piece in pieces[:-1]] == [size] * (len(pieces) - 1)


def test_counting_agrees_with_what_the_answer_reports(google):
    body = {
        "contents": [user("How many?"), model("Many."), user("Really?")],
        "systemInstruction": user("Be short."),
        "tools": tools(WEATHER),
    }
    counted = ask(google, {"generateContentRequest": {"model": f"models/{FLASH}", **body}}, method="countTokens").json()
    assert counted["totalTokens"] == ask(google, body).json()["usageMetadata"]["promptTokenCount"]


@pytest.mark.parametrize(
    ("config", "calls"),
    [
        ({}, []),
        ({"mode": "NONE"}, []),
        ({"mode": "VALIDATED"}, []),
        ({"mode": "ANY"}, [("f", {})]),
        ({"mode": "ANY", "allowedFunctionNames": ["weather"]}, [("weather", {"city": "text"})]),
    ],
)
def test_any_forces_a_call_of_an_allowed_function(google, config, calls):
    body = saying(tools=tools(function(), WEATHER), toolConfig={"functionCallingConfig": config})
    assert calls_in([ask(google, body).json()]) == calls


def test_any_calls_each_function_once_in_a_turn(google):
    body = saying(tools=tools(function(), WEATHER), toolConfig={"functionCallingConfig": {"mode": "ANY"}})
    step = ask(google, body).json()["candidates"][0]["content"]
    named = {"id": step["parts"][0]["functionCall"]["id"], "name": "f", "response": {}}
    body["contents"] += [step, user({"functionResponse": named})]
    assert calls_in([ask(google, body).json()]) == [("weather", {"city": "text"})]


def test_a_call_that_is_asked_for_but_not_declared_is_not_made(google):
    assert said(ask(google, saying("call rm", tools=tools(WEATHER))).json()) == "echo: call rm"


@pytest.mark.parametrize("wrong", [{"name": "weather", "id": "other"}, {"name": "wether"}])
def test_responses_to_other_calls_get_an_empty_answer(google, wrong):
    signed = {"functionCall": {"name": "weather", "id": "1"}, "thoughtSignature": "skip_thought_signature_validator"}
    answer = ask(google, {"contents": [user("a"), model(signed), user({"functionResponse": {**wrong, "response": {}}})]}).json()
    assert answer["candidates"] == [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}]


def test_function_responses_are_quoted(google):
    history = [user("a"), model(call("f"), call("g")), user(result("f", sum=3), result("g", error="no"))]
    answer = ask(google, {"contents": history}, FLASH_25).json()
    assert said(answer) == 'f answered: {"sum": 3}\ng answered: {"error": "no"}'


def test_json_is_of_the_schema(google):
    schema = {
        "$defs": {
            "Node": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "next": {"$ref": "#/$defs/Node"}},
                "required": ["name"],
            }
        },
        "type": "object",
        "properties": {"root": {"$ref": "#/$defs/Node"}, "size": {"type": "integer", "minimum": 3}},
        "required": ["root", "size"],
    }
    answer = ask(google, configured(responseMimeType="application/json", responseJsonSchema=schema)).json()
    jsonschema.validate(json.loads(said(answer)), schema)


def test_json_without_a_schema_holds_the_echo(google):
    assert json.loads(said(ask(google, configured(responseMimeType="application/json")).json())) == {"echo": "hi"}


def test_an_enum_answers_one_of_its_words(google):
    config = {"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING", "enum": ["yes", "no"]}}
    assert said(ask(google, configured(**config)).json()) == "yes"


def test_sources_point_at_bytes_of_the_answer(google):
    answer = ask(google, REQUESTS[3]).json()
    grounding, text = answer["candidates"][0]["groundingMetadata"], said(answer).encode()
    segments = [support["segment"] for support in grounding["groundingSupports"]]
    assert len(segments) == 3
    for segment in segments:
        assert text[segment.get("startIndex", 0) : segment["endIndex"]].decode() == segment["text"]
    assert segments[1]["startIndex"] > len(segments[0]["text"])  # bytes, not characters


def test_what_a_search_reads_is_counted_beside_the_prompt(google):
    usage = ask(google, REQUESTS[3]).json()["usageMetadata"]
    counted = ("promptTokenCount", "candidatesTokenCount", "toolUsePromptTokenCount", "thoughtsTokenCount")
    assert usage["totalTokenCount"] == sum(usage[name] for name in counted)


def test_a_search_beside_functions_is_shown_and_may_be_sent_back_only_so(google):
    shown = {"tools": [*tools(WEATHER), {"googleSearch": {}}], "toolConfig": {"includeServerSideToolInvocations": True}}
    content = ask(google, saying("hi", **shown)).json()["candidates"][0]["content"]
    assert [next(iter(part)) for part in content["parts"]] == ["toolCall", "toolResponse", "text"]
    history = [user("hi"), content, user("and?")]
    assert ask(google, {"contents": history, **shown}).status_code == 200
    assert ask(google, {"contents": history}).status_code == 400


def test_candidates_are_counted_together(google):
    answer = ask(google, configured(candidateCount=3), FLASH_25).json()
    assert [candidate["index"] for candidate in answer["candidates"]] == [0, 1, 2]
    assert answer["usageMetadata"]["candidatesTokenCount"] == 9
    chunks = stream(google, configured(candidateCount=3), FLASH_25)
    assert {chunk["candidates"][0]["index"] for chunk in chunks} == {0, 1, 2}


def test_stop_sequences_and_the_cap_end_a_text(google):
    cut = ask(google, configured(stopSequences=["h"], thinkingConfig={"thinkingLevel": "LOW"})).json()["candidates"][0]
    capped = ask(google, configured(maxOutputTokens=10, thinkingConfig={"thinkingLevel": "LOW"})).json()["candidates"][0]
    assert (cut["content"]["parts"][0]["text"], cut["finishReason"]) == ("ec", "STOP")
    assert (capped["content"]["parts"][0]["text"], capped["finishReason"]) == ("echo:", "MAX_TOKENS")


def test_a_cached_context_is_part_of_the_prompt(google):
    usage = ask(google, saying(cachedContent="cachedContents/a")).json()["usageMetadata"]
    assert (usage["promptTokenCount"], usage["cachedContentTokenCount"]) == (4097, 4096)


def test_pictures_and_sounds_are_made_by_the_models_for_them(google):
    picture = parts([ask(google, saying(), "gemini-3.1-flash-image").json()])[0]["inlineData"]
    sound = parts([ask(google, configured(responseModalities=["AUDIO"]), "gemini-3.8-flash-tts").json()])[0]["inlineData"]
    assert (picture["mimeType"], picture["data"][:7]) == ("image/png", "iVBORw0")
    assert (sound["mimeType"], sound["data"][:4]) == ("audio/wav", "UklG")


def test_a_long_answer_of_gemini_4_goes_on_with_its_token(google):
    body, text = saying("on"), "one two three four five"
    google.script(text=text, hop_tokens=2)
    answer = ask(google, body, "gemini-4-argon").json()
    heard = said(answer)
    while token := answer["candidates"][0].get("continuationToken"):
        assert answer["candidates"][0]["finishReason"] == "CONTINUATION"
        google.script(hop_tokens=2)
        answer = ask(google, {**body, "continuationToken": token}, "gemini-4-argon").json()
        heard += said(answer)
    assert heard == text
    assert answer["candidates"][0]["finishReason"] == "STOP"


def test_a_continuation_belongs_to_its_request(google):
    google.script(text="one two three", hop_tokens=1)
    token = ask(google, saying("a"), "gemini-4-argon").json()["candidates"][0]["continuationToken"]
    assert ask(google, saying("b", continuationToken=token), "gemini-4-argon").status_code == 400


@pytest.mark.parametrize(
    ("model_id", "streamed", "hop"),
    [
        ("gemini-4-argon", False, 32_768),
        ("gemini-4-argon", True, 65_536),
        ("gemini-4-hydrogen", False, 65_536),
        (FLASH, True, None),
    ],
)
def test_where_answers_are_interrupted(model_id, streamed, hop):
    assert continuation.hop(MODELS[model_id], streamed=streamed) == hop


def test_embeddings_are_stable_and_as_long_as_asked(google):
    body = {"content": user("a"), "outputDimensionality": 768}
    one = ask(google, body, "gemini-embedding-2", "embedContent").json()["embedding"]["values"]
    batch = {"requests": [{"model": "models/gemini-embedding-2", **body}] * 2}
    many = ask(google, batch, "gemini-embedding-2", "batchEmbedContents").json()["embeddings"]
    assert [vector["values"] for vector in many] == [one, one]
    assert sum(value * value for value in one) == pytest.approx(1)
    short = ask(google, body, "gemini-embedding-001", "embedContent").json()["embedding"]["values"]
    assert sum(value * value for value in short) < 0.9  # what embedding-001 shortens it does not normalise


def test_filters_that_look_say_what_they_think(google):
    settings = [
        {"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"},
        {"category": "HARM_CATEGORY_HATE_SPEECH", "threshold": "OFF"},
    ]
    ratings = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "NEGLIGIBLE"}]
    assert ask(google, saying(safetySettings=settings)).json()["candidates"][0]["safetyRatings"] == ratings
    assert stream(google, saying(safetySettings=settings))[-1]["candidates"][0]["safetyRatings"] == ratings
    assert "safetyRatings" not in ask(google, saying()).json()["candidates"][0]


def test_fields_of_an_answer_in_json_can_be_wished_for(google):
    fields = {"a": {"type": "number"}, "b": {"type": "string"}, "d": {"type": "number"}}
    schema = {"type": "object", "properties": fields, "required": [*fields]}
    body = saying(
        'fill in {"a": 0.5, "c": 1}', generationConfig={"responseMimeType": "application/json", "responseJsonSchema": schema}
    )
    assert json.loads(said(ask(google, body).json())) == {"a": 0.5, "b": "text", "d": 0}
