"""What a conversation becomes on Google's wire, and what is said about the parts that could not go."""

import json

import pytest

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import (
    Conversation,
    Format,
    SafetySetting,
    Sampling,
    Text,
    Thinking,
    Tool,
    ToolChoice,
    Turn,
)
from openai_api.translation.gemini.request import WrittenRequest, write_request
from tests.translation.google_rules import accepted

FLASH = "gemini-3.8-flash"
OLD = "gemini-2.5-flash"
HELLO = (Turn("user", (Text("hello"),)),)
WEATHER = Tool("weather", "Tells it.", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})
CLOCK = Tool("clock")


def ask(model=FLASH, turns=HELLO, **wishes) -> WrittenRequest:
    written = write_request(Conversation(model, turns, **wishes))
    accepted(written.body, model)
    return written


def body(model=FLASH, turns=HELLO, **wishes) -> dict:
    return json.loads(ask(model, turns, **wishes).body)


def config(**wishes) -> dict:
    return body(**wishes).get("generationConfig", {})


def fields(written: WrittenRequest) -> list[str]:
    return [notice.field for notice in written.notices]


def test_the_least_request_holds_nothing_that_was_not_asked_for():
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
    assert ask().notices == ()


def test_texts_leave_as_utf8_and_not_escaped():
    assert "Grüße 𝄞".encode() in ask(turns=(Turn("user", (Text("Grüße 𝄞"),)),)).body


# --- Instructions ---------------------------------------------------------------------------------------------------


def test_instructions_become_the_system_instruction_in_their_order():
    written = body(system=(Text("Be brief."), Text(""), Text("Be kind.")))
    assert written["systemInstruction"] == {"parts": [{"text": "Be brief."}, {"text": "Be kind."}]}


def test_an_instruction_in_mid_conversation_is_a_users_text():
    turns = (*HELLO, Turn("model", (Text("Hi."),)), Turn("system", (Text("Now in French."),)))
    assert body(turns=turns)["contents"][-1] == {"role": "user", "parts": [{"text": "Now in French."}]}


def test_instructions_alone_are_sent_as_the_users_text():
    written = ask(turns=(), system=(Text("Write a poem."),))
    assert json.loads(written.body) == {"contents": [{"role": "user", "parts": [{"text": "Write a poem."}]}]}
    assert fields(written) == ["messages"]


def test_older_gemma_gets_its_instructions_as_the_users_text():
    written = write_request(Conversation("gemma-3-27b-it", HELLO, system=(Text("Be brief."),)))
    sent = json.loads(written.body)
    assert sent == {"contents": [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "hello"}]}]}
    assert fields(written) == ["messages"]
    assert "systemInstruction" in body(model="gemma-4-31b-it", system=(Text("Be brief."),))


def test_a_speech_model_does_not_read_its_instructions_aloud():
    written = ask(model="gemini-3.8-flash-tts", system=(Text("Be brief."),))
    assert b"brief" not in written.body
    assert fields(written) == ["messages"]


@pytest.mark.parametrize("turns", [(), (Turn("user", ()),), (Turn("user", (Text(""),)), Turn("model", (Text(""),)))])
def test_nothing_to_answer_is_refused(turns):
    with pytest.raises(InvalidRequest) as refusal:
        write_request(Conversation(FLASH, turns))
    assert refusal.value.param == "messages"


# --- Sampling -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sampling", "sent", "dropped"),
    [
        (Sampling(), {}, []),
        (Sampling(temperature=0.0, top_p=0.5, top_k=40.0), {"temperature": 0.0, "topP": 0.5, "topK": 40}, []),
        (Sampling(temperature=2.5), {"temperature": 2.0}, ["temperature"]),
        (Sampling(temperature=-1.0), {"temperature": 0.0}, ["temperature"]),
        (Sampling(top_p=1.5), {"topP": 1.0}, ["top_p"]),
        (Sampling(top_k=-1), {}, ["top_k"]),
        (Sampling(max_tokens=100), {"maxOutputTokens": 100}, []),
        (Sampling(max_tokens=128_000), {"maxOutputTokens": 65_536}, ["max_completion_tokens"]),
        (Sampling(seed=0), {"seed": 0}, []),
        (Sampling(seed=-5), {"seed": -5}, []),
        (Sampling(seed=2**31 - 1), {"seed": 2**31 - 1}, []),
        (Sampling(seed=2**31), {"seed": -(2**31)}, ["seed"]),
        (Sampling(seed=2**63), {"seed": 0}, ["seed"]),
        (Sampling(stop=("a", "b")), {"stopSequences": ["a", "b"]}, []),
        (Sampling(stop=("", "a", "a", "")), {"stopSequences": ["a"]}, []),
    ],
    ids=str,
)
def test_sampling(sampling, sent, dropped):
    written = ask(sampling=sampling)
    assert json.loads(written.body).get("generationConfig", {}) == sent
    assert fields(written) == dropped


def test_stop_sequences_beyond_five_are_left_to_us():
    written = ask(sampling=Sampling(stop=("1", "2", "", "3", "4", "5", "6", "2", "7")))
    assert json.loads(written.body)["generationConfig"]["stopSequences"] == ["1", "2", "3", "4", "5"]
    assert written.stops == ("6", "7")


def test_the_listed_output_limit_counts_before_the_familys():
    written = write_request(Conversation(FLASH, HELLO, sampling=Sampling(max_tokens=900)), output_limit=512)
    assert json.loads(written.body)["generationConfig"] == {"maxOutputTokens": 512}
    assert "512" in written.notices[0].reason


@pytest.mark.parametrize("tokens", [0, -1])
def test_an_answer_of_no_tokens_is_refused(tokens):
    with pytest.raises(InvalidRequest) as refusal:
        ask(sampling=Sampling(max_tokens=tokens))
    assert refusal.value.param == "max_completion_tokens"


# --- Thinking -------------------------------------------------------------------------------------------------------

EFFORT = "reasoning_effort"
LEVEL = "extra_body.google.thinking_config.thinking_level"
BUDGET = "extra_body.google.thinking_config.thinking_budget"
CONFIG = "extra_body.google.thinking_config"


@pytest.mark.parametrize(
    ("model", "thinking", "sent", "dropped"),
    [
        (FLASH, Thinking(), None, []),
        (FLASH, Thinking(effort="low"), {"thinkingLevel": "LOW"}, []),
        (FLASH, Thinking(effort="high", include=True), {"thinkingLevel": "HIGH", "includeThoughts": True}, []),
        (FLASH, Thinking(include=True), {"includeThoughts": True}, []),
        (FLASH, Thinking(include=False), None, []),
        (FLASH, Thinking(effort="none"), {"thinkingLevel": "LOW"}, [EFFORT]),
        (FLASH, Thinking(effort="minimal"), {"thinkingLevel": "LOW"}, [EFFORT]),
        (FLASH, Thinking(effort="xhigh"), {"thinkingLevel": "HIGH"}, [EFFORT]),
        (FLASH, Thinking(effort="max"), {"thinkingLevel": "HIGH"}, []),
        (FLASH, Thinking(level="MINIMAL"), {"thinkingLevel": "LOW"}, [LEVEL]),
        (FLASH, Thinking(level="Medium"), {"thinkingLevel": "MEDIUM"}, []),
        (FLASH, Thinking(budget=0), {"thinkingLevel": "LOW"}, [BUDGET]),
        (FLASH, Thinking(budget=1024), {"thinkingLevel": "LOW"}, [BUDGET]),
        (FLASH, Thinking(budget=8000), {"thinkingLevel": "MEDIUM"}, [BUDGET]),
        (FLASH, Thinking(budget=32768), {"thinkingLevel": "HIGH"}, [BUDGET]),
        (FLASH, Thinking(budget=-1), None, []),
        (FLASH, Thinking(budget=-1, include=True), {"includeThoughts": True}, []),
        ("gemini-3.6-flash", Thinking(effort="none"), {"thinkingLevel": "MINIMAL"}, [EFFORT]),
        ("gemini-3.6-flash", Thinking(effort="minimal"), {"thinkingLevel": "MINIMAL"}, []),
        ("gemini-3-flash-preview", Thinking(effort="minimal"), {"thinkingLevel": "MINIMAL"}, []),
        ("gemini-3.1-flash-lite", Thinking(effort="minimal"), {"thinkingLevel": "MINIMAL"}, []),
        ("gemini-3.1-pro-preview", Thinking(effort="minimal"), {"thinkingLevel": "LOW"}, [EFFORT]),
        ("gemini-4-argon", Thinking(effort="xhigh"), {"thinkingLevel": "HIGH"}, [EFFORT]),
        ("gemini-4-hydrogen", Thinking(effort="xhigh"), {"thinkingLevel": "XHIGH"}, []),
        ("gemini-4-hydrogen", Thinking(effort="max"), {"thinkingLevel": "XHIGH"}, []),
        ("gemini-3.1-flash-image", Thinking(effort="low"), {"thinkingLevel": "MINIMAL"}, [EFFORT]),
        ("gemini-3.1-flash-image", Thinking(effort="medium"), {"thinkingLevel": "HIGH"}, [EFFORT]),
        ("gemini-3-pro-image", Thinking(effort="high"), None, [EFFORT]),
        ("gemini-3-pro-image", Thinking(level="high", include=True), None, [CONFIG]),
        ("gemini-3-pro-image", Thinking(effort="none"), None, []),
        (OLD, Thinking(effort="none"), {"thinkingBudget": 0}, []),
        (OLD, Thinking(effort="minimal"), {"thinkingBudget": 512}, []),
        (OLD, Thinking(effort="low"), {"thinkingBudget": 1024}, []),
        (OLD, Thinking(effort="medium"), {"thinkingBudget": 8192}, []),
        (OLD, Thinking(effort="high"), {"thinkingBudget": 24576}, []),
        (OLD, Thinking(effort="xhigh"), {"thinkingBudget": 24576}, [EFFORT]),
        (OLD, Thinking(effort="max"), {"thinkingBudget": 24576}, []),
        (OLD, Thinking(budget=100_000), {"thinkingBudget": 24576}, [BUDGET]),
        (OLD, Thinking(budget=-1), {"thinkingBudget": -1}, []),
        (OLD, Thinking(level="low"), {"thinkingBudget": 1024}, [LEVEL]),
        ("gemini-2.5-pro", Thinking(effort="none"), {"thinkingBudget": 128}, [EFFORT]),
        ("gemini-2.5-pro", Thinking(effort="max"), {"thinkingBudget": 32768}, []),
        ("gemini-2.5-flash-lite", Thinking(budget=100), {"thinkingBudget": 512}, [BUDGET]),
        ("gemini-2.5-flash-lite", Thinking(budget=0), {"thinkingBudget": 0}, []),
    ],
    ids=str,
)
def test_thinking(model, thinking, sent, dropped):
    written = ask(model=model, thinking=thinking)
    assert json.loads(written.body).get("generationConfig", {}).get("thinkingConfig") == sent
    assert fields(written) == dropped


@pytest.mark.parametrize("thinking", [Thinking(effort="enormous"), Thinking(level="hihg")])
@pytest.mark.parametrize("model", [FLASH, OLD])
def test_a_word_that_nobody_knows_is_refused(model, thinking):
    with pytest.raises(InvalidRequest, match="must be one of"):
        ask(model=model, thinking=thinking)


# --- Tools ----------------------------------------------------------------------------------------------------------


def test_functions_are_declared_with_their_json_schema():
    assert body(tools=(WEATHER, CLOCK))["tools"] == [
        {
            "functionDeclarations": [
                {"name": "weather", "description": "Tells it.", "parametersJsonSchema": WEATHER.parameters},
                {"name": "clock"},
            ]
        }
    ]


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (ToolChoice(), None),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("required", ("clock",)), {"mode": "ANY", "allowedFunctionNames": ["clock"]}),
        (ToolChoice("auto", ("clock",)), {"mode": "VALIDATED", "allowedFunctionNames": ["clock"]}),
        (ToolChoice("none", ("clock",)), {"mode": "NONE"}),
    ],
    ids=str,
)
def test_the_choice_of_tools(choice, sent):
    assert body(tools=(WEATHER, CLOCK), tool_choice=choice).get("toolConfig", {}).get("functionCallingConfig") == sent


def test_without_functions_nothing_is_said_about_calling_them():
    assert "toolConfig" not in body(tool_choice=ToolChoice("none"))
    written = ask(tool_choice=ToolChoice("required"), web_search=True)
    assert json.loads(written.body)["tools"] == [{"googleSearch": {}}]
    assert "toolConfig" not in json.loads(written.body)
    assert fields(written) == ["tool_choice"]


def test_a_choice_of_an_unknown_function_is_refused():
    with pytest.raises(InvalidRequest, match="'nothing'") as refusal:
        ask(tools=(CLOCK,), tool_choice=ToolChoice("required", ("nothing",)))
    assert refusal.value.param == "tool_choice"


@pytest.mark.parametrize(
    ("tools", "param"), [((CLOCK, CLOCK), "tools[1].function.name"), ((Tool(""),), "tools[0].function.name")]
)
def test_functions_need_names_of_their_own(tools, param):
    with pytest.raises(InvalidRequest) as refusal:
        ask(tools=tools)
    assert refusal.value.param == param


def test_names_that_google_refuses_are_changed_and_can_be_changed_back():
    long = "mcp__" + "x" * 80
    names = ("2fa", "-go", "plain", "wetter_für", long, long + "y")
    written = ask(tools=tuple(Tool(name) for name in names), tool_choice=ToolChoice("required", ("2fa",)))
    sent = json.loads(written.body)
    declared = [tool["name"] for tool in sent["tools"][0]["functionDeclarations"]]
    assert declared[:4] == ["_2fa", "_-go", "plain", "_wetter_f_r"]
    assert len(set(declared)) == len(names)
    assert [written.names.get(name, name) for name in declared] == list(names)
    assert sent["toolConfig"]["functionCallingConfig"]["allowedFunctionNames"] == ["_2fa"]


def test_a_changed_name_does_not_take_that_of_another_function():
    written = ask(tools=(Tool("_1"), Tool("1"), Tool("ü"), Tool("ö"), Tool("__")))
    declared = [tool["name"] for tool in json.loads(written.body)["tools"][0]["functionDeclarations"]]
    assert len(set(declared)) == 5
    assert [written.names.get(name, name) for name in declared] == ["_1", "1", "ü", "ö", "__"]


def test_search_joins_functions_where_the_model_can():
    written = body(tools=(CLOCK,), web_search=True)
    assert written["tools"] == [{"functionDeclarations": [{"name": "clock"}]}, {"googleSearch": {}}]
    assert written["toolConfig"] == {"includeServerSideToolInvocations": True}


@pytest.mark.parametrize(
    ("model", "wishes", "tools", "is_json", "dropped"),
    [
        (FLASH, {"format": Format()}, 0, True, []),
        (FLASH, {"tools": (CLOCK,), "format": Format()}, 1, True, []),
        (OLD, {"format": Format()}, 0, True, []),
        (OLD, {"tools": (CLOCK,), "web_search": True}, 1, False, ["web_search_options"]),
        (OLD, {"tools": (CLOCK,), "format": Format()}, 1, False, ["response_format"]),
        (OLD, {"web_search": True, "format": Format()}, 1, False, ["response_format"]),
        (OLD, {"tools": (CLOCK,), "tool_choice": ToolChoice("none"), "format": Format()}, 0, True, []),
        (OLD, {"tools": (CLOCK,), "tool_choice": ToolChoice("none"), "web_search": True}, 1, False, []),
        (FLASH, {"tools": (CLOCK,), "tool_choice": ToolChoice("none"), "web_search": True}, 1, False, []),
        ("gemini-3.8-flash-tts", {"tools": (CLOCK,), "web_search": True}, 0, False, ["tools", "web_search_options"]),
        ("gemini-3.5-transcribe", {"tools": (CLOCK,)}, 0, False, ["tools"]),
        ("gemini-3.1-flash-image", {"format": Format()}, 0, False, ["response_format"]),
    ],
)
def test_what_a_model_cannot_combine_is_taken_out(model, wishes, tools, is_json, dropped):
    written = ask(model=model, **wishes)
    sent = json.loads(written.body)
    assert len(sent.get("tools", ())) == tools
    assert (sent.get("generationConfig", {}).get("responseMimeType") == "application/json") == is_json
    assert fields(written) == dropped


def test_a_response_format_is_json_of_a_schema():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
    assert config(format=Format(schema)) == {"responseMimeType": "application/json", "responseJsonSchema": schema}
    assert config(format=Format()) == {"responseMimeType": "application/json"}
    assert config(format=Format({})) == {"responseMimeType": "application/json"}


# --- The rest -------------------------------------------------------------------------------------------------------


def test_cached_content_brings_its_own_instruction_and_tools():
    written = ask(system=(Text("Be brief."),), tools=(CLOCK,), web_search=True, cached_content="cachedContents/abc")
    sent = json.loads(written.body)
    assert sent == {"contents": [{"role": "user", "parts": [{"text": "hello"}]}], "cachedContent": "cachedContents/abc"}
    assert fields(written) == ["messages", "tools", "web_search_options"]


def test_gemini_4_takes_no_cached_content():
    with pytest.raises(InvalidRequest) as refusal:
        ask(model="gemini-4-hydrogen", cached_content="cachedContents/abc")
    assert refusal.value.param == "cached_content"


def test_the_last_safety_setting_of_a_category_counts():
    harassment = "HARM_CATEGORY_HARASSMENT"
    settings = (SafetySetting(harassment, "OFF"), SafetySetting(harassment, "BLOCK_NONE"))
    assert body(safety=settings)["safetySettings"] == [{"category": harassment, "threshold": "BLOCK_NONE"}]


def test_the_service_tier_goes_along():
    assert body(service_tier="flex")["serviceTier"] == "flex"


@pytest.mark.parametrize(
    ("model", "asked", "sent", "dropped"),
    [
        (FLASH, ("TEXT",), ["TEXT"], []),
        (FLASH, ("TEXT", "AUDIO"), ["TEXT"], ["modalities"]),
        (FLASH, ("AUDIO",), None, ["modalities"]),
        ("gemini-3.1-flash-image", ("TEXT", "IMAGE"), ["TEXT", "IMAGE"], []),
        ("gemini-3.1-flash-image", ("IMAGE",), ["IMAGE"], []),
        ("gemini-3.8-flash-tts", (), ["AUDIO"], []),
        ("gemini-3.8-flash-tts", ("TEXT",), ["AUDIO"], ["modalities"]),
    ],
)
def test_modalities(model, asked, sent, dropped):
    written = ask(model=model, modalities=asked)
    assert json.loads(written.body).get("generationConfig", {}).get("responseModalities") == sent
    assert fields(written) == dropped
