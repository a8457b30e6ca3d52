"""The official Python SDK against the real server: what it sends we serve, and what we send it parses."""

import base64
import json
from enum import Enum
from typing import Literal

import openai
import pytest
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

from tests.api.media_server import PDF, PNG, WAV, http, media_server
from tests.api.server import RESTRICTED, TWO_KEYS

FLASH = "gemini-3.8-flash"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
TIME = {
    "type": "function",
    "function": {"name": "get_time", "parameters": {"type": "object", "properties": {"zone": {"type": "string"}}}},
}
CALL_PARIS = 'Please call get_weather {"city": "Paris"}'
CALL_BOTH = 'call get_weather {"city": "Paris"} call get_time {"zone": "CET"}'


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


@pytest.fixture
async def async_client(castor):
    async with AsyncOpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


def user(content) -> list[dict]:
    return [{"role": "user", "content": content}]


def text_of(chunks) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# --- Whole answers and streams ---------------------------------------------------------------------------------------


def test_a_whole_answer(client, google):
    completion = client.chat.completions.create(model=FLASH, messages=user("hello"))
    choice = completion.choices[0]
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", "echo: hello", "stop")
    assert (choice.index, choice.message.tool_calls, choice.message.refusal) == (0, None, None)
    assert (completion.object, completion.model) == ("chat.completion", FLASH)
    assert completion.id.startswith("chatcmpl-")
    sent = google.log[-1].usage
    assert completion.usage.prompt_tokens == sent["promptTokenCount"]
    assert completion.usage.completion_tokens == sent["candidatesTokenCount"] + sent.get("thoughtsTokenCount", 0)
    assert completion.usage.completion_tokens_details.reasoning_tokens == sent.get("thoughtsTokenCount", 0)
    assert completion.usage.total_tokens == sent["totalTokenCount"]


def test_a_stream_says_its_role_once_and_ends_once(client):
    chunks = list(client.chat.completions.create(model=FLASH, messages=user("one two three four five six seven"), stream=True))
    assert text_of(chunks) == "echo: one two three four five six seven"
    assert [chunk.choices[0].delta.role for chunk in chunks if chunk.choices[0].delta.role] == ["assistant"]
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert len({(chunk.id, chunk.created, chunk.model, chunk.object) for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_and_a_whole_answer_say_and_cost_the_same(client):
    asked = {"model": FLASH, "messages": user("the very same question, please")}
    whole = client.chat.completions.create(**asked)
    chunks = list(client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert text_of(chunks) == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_the_stream_helper_collects_what_was_said(client):
    with client.chat.completions.stream(model=FLASH, messages=user("hello there")) as stream:
        events = [event.type for event in stream]
        final = stream.get_final_completion()
    assert events[-1] == "content.done"
    assert "content.delta" in events
    assert final.choices[0].message.content == "echo: hello there"
    assert final.choices[0].finish_reason == "stop"


async def test_the_async_client_asks_whole_and_streamed(async_client):
    whole = await async_client.chat.completions.create(model=FLASH, messages=user("hello"))
    chunks = [
        chunk async for chunk in await async_client.chat.completions.create(model=FLASH, messages=user("hello"), stream=True)
    ]
    assert whole.choices[0].message.content == text_of(chunks) == "echo: hello"


@pytest.mark.parametrize("stream", [False, True])
def test_two_choices_are_two_answers(client, google, stream):
    answer = client.chat.completions.create(model=FLASH, messages=user("twice"), n=2, stream=stream)
    said: dict[int, str] = {}
    ends = []
    for choices in [chunk.choices for chunk in answer] if stream else [answer.choices]:
        for choice in choices:
            said[choice.index] = said.get(choice.index, "") + ((choice.delta if stream else choice.message).content or "")
            ends += [choice.index] if choice.finish_reason else []
    assert said == {0: "echo: twice", 1: "echo: twice"}
    assert sorted(ends) == [0, 1]
    assert len(google.log.generation()) == 2


def test_text_in_every_script_arrives_whole_wherever_the_bytes_are_cut(client, google):
    text = "žluťoučký kůň 𝔘𝔫𝔦 👩‍👩‍👧 中文 عربي"
    google.script(text=text, cut_every=1, tokens_per_chunk=12)
    chunks = list(client.chat.completions.create(model=FLASH, messages=user("x"), stream=True))
    assert text_of(chunks) == text


def test_reasoning_effort_becomes_a_thinking_level_and_thoughts_are_counted(client, google):
    google.script(text="42", thoughts="Let me think this over.")
    completion = client.chat.completions.create(model=FLASH, messages=user("x"), reasoning_effort="high")
    assert google.log[-1].body["generationConfig"]["thinkingConfig"]["thinkingLevel"] == "HIGH"
    assert completion.usage.completion_tokens_details.reasoning_tokens > 0
    assert completion.choices[0].message.content == "42"


def test_thoughts_come_as_reasoning_content_when_asked_for(client, google):
    google.script(text="42", thoughts="Let me think.", times=2)
    extra = {"extra_body": {"google": {"thinking_config": {"include_thoughts": True}}}}
    asked = {"model": FLASH, "messages": user("x"), "extra_body": extra}
    whole = client.chat.completions.create(**asked)
    assert whole.choices[0].message.reasoning_content == "Let me think."
    chunks = list(client.chat.completions.create(**asked, stream=True))
    assert "".join(getattr(chunk.choices[0].delta, "reasoning_content", None) or "" for chunk in chunks) == "Let me think."
    assert text_of(chunks) == "42"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_an_answer_cut_by_its_limit_says_so(client, limit):
    completion = client.chat.completions.create(
        model="gemini-2.5-flash-lite", messages=user("one two three four five six seven eight nine ten"), **{limit: 3}
    )
    assert completion.choices[0].finish_reason == "length"


@pytest.mark.parametrize("stops", [["five"], ["x1", "x2", "x3", "x4", "x5", "five"]])
@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_sequence_ends_the_answer_even_if_it_is_the_sixth(client, google, stops, stream):
    google.script(text="one two three four five six seven", tokens_per_chunk=1)
    answer = client.chat.completions.create(model=FLASH, messages=user("x"), stop=stops, stream=stream)
    text = text_of(answer) if stream else answer.choices[0].message.content
    assert text == "one two three four "


@pytest.mark.parametrize("stream", [False, True])
def test_a_stop_tag_of_a_header_ends_the_answer_behind_the_callers_own_stops(client, google, stream):
    google.script(text="one two three <end> five six seven", tokens_per_chunk=1, chunk_delay=0.02)
    answer = client.chat.completions.create(
        model=FLASH, messages=user("x"), stop=list("12345"), stream=stream, extra_headers={"X-Castor-Stop-Tags": "<end>"}
    )
    choices = [chunk.choices[0] for chunk in answer] if stream else answer.choices
    assert "".join((choice.delta if stream else choice.message).content or "" for choice in choices) == "one two three "
    assert choices[-1].finish_reason == "stop"
    google.wait_until(lambda log: log[-1].client_closed)


def test_stop_tags_that_cannot_be_used_are_the_callers_fault(client):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=FLASH, messages=user("x"), extra_headers={"X-Castor-Stop-Tags": "x" * 201})
    assert caught.value.param == "X-Castor-Stop-Tags"


# --- Tools -------------------------------------------------------------------------------------------------------------


def as_known_to_the_sdk(message) -> dict:
    """What most clients keep of an assistant message: only fields that OpenAI has documented, so no signature."""
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.function.name, "arguments": call.function.arguments}}
        for call in message.tool_calls
    ]
    return {"role": "assistant", "content": message.content, "tool_calls": calls}


def results_of(message, answers: dict[str, str]) -> list[dict]:
    return [{"role": "tool", "tool_call_id": call.id, "content": answers[call.function.name]} for call in message.tool_calls]


def signatures_of(call) -> list[str]:
    """The thought signatures in a request that Google got."""
    parts = [part for content in call.body["contents"] for part in content["parts"]]
    return [part["thoughtSignature"] for part in parts if "thoughtSignature" in part]


@pytest.mark.parametrize(
    ("prompt", "names"), [(CALL_PARIS, ["get_weather"]), (CALL_BOTH, ["get_weather", "get_time"])], ids=["single", "parallel"]
)
@pytest.mark.parametrize("keeps_unknown_fields", [True, False])
def test_a_tool_loop_ends_in_an_answer_even_if_the_client_drops_the_signatures(
    client, google, prompt, names, keeps_unknown_fields
):
    messages = user(prompt)
    first = client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER, TIME]).choices[0]
    assert first.finish_reason == "tool_calls"
    assert [call.function.name for call in first.message.tool_calls] == names
    assert json.loads(first.message.tool_calls[0].function.arguments) == {"city": "Paris"}
    assert len({call.id for call in first.message.tool_calls}) == len(names)
    given = first.message.tool_calls[0].extra_content["google"]["thought_signature"]
    kept = first.message.model_dump(exclude_none=True) if keeps_unknown_fields else as_known_to_the_sdk(first.message)
    messages += [kept, *results_of(first.message, {"get_weather": "sunny", "get_time": "noon"})]
    second = client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER, TIME]).choices[0]
    assert second.finish_reason == "stop"
    assert second.message.content.startswith("get_weather answered:")
    assert all(answer in second.message.content for answer in ["sunny", "noon"][: len(names)])
    assert signatures_of(google.log[-1]) == [given]


def test_the_signatures_of_a_stream_are_kept_too(client, google):
    messages = user(CALL_BOTH)
    with client.chat.completions.stream(model=FLASH, messages=messages, tools=[WEATHER, TIME]) as stream:
        message = stream.get_final_completion().choices[0].message
    assert [call.function.name for call in message.tool_calls] == ["get_weather", "get_time"]
    messages += [as_known_to_the_sdk(message), *results_of(message, {"get_weather": "sunny", "get_time": "noon"})]
    list(client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER, TIME], stream=True))
    assert len(signatures_of(google.log[-1])) == 1
    assert google.log[-1].status == 200


def test_steps_one_after_the_other_each_carry_their_own_signature(client, google):
    messages = user("look it up")
    for step in range(3):
        google.script(calls=[{"name": "get_weather", "args": {"city": f"city {step}"}}])
        message = client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER]).choices[0].message
        messages += [as_known_to_the_sdk(message), *results_of(message, {"get_weather": f"weather {step}"})]
    final = client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER]).choices[0]
    assert final.finish_reason == "stop"
    assert len(set(signatures_of(google.log[-1]))) == 3


def test_a_signature_is_never_given_to_another_owner(castor, client, google):
    messages = user(CALL_PARIS)
    message = client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER]).choices[0].message
    given = message.tool_calls[0].extra_content["google"]["thought_signature"]
    messages += [as_known_to_the_sdk(message), *results_of(message, {"get_weather": "sunny"})]
    with OpenAI(base_url=castor.base_url, api_key=castor.tokens["other"], max_retries=0) as stranger:
        stranger.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER])
    assert given not in signatures_of(google.log[-1])
    assert len(signatures_of(google.log[-1])) == 1  # the documented dummy, so that Google answers at all


def test_a_signature_does_not_follow_to_another_model(client, google):
    messages = user(CALL_PARIS)
    message = client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER]).choices[0].message
    given = message.tool_calls[0].extra_content["google"]["thought_signature"]
    messages += [message.model_dump(exclude_none=True), *results_of(message, {"get_weather": "sunny"})]
    answer = client.chat.completions.create(model="gemini-3.6-flash", messages=messages, tools=[WEATHER])
    assert answer.choices[0].finish_reason == "stop"
    assert given not in signatures_of(google.log[-1])


def test_a_signature_outlives_the_server_that_gave_it(castor_alone, google):
    castor = castor_alone()
    messages = user(CALL_PARIS)
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        message = client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER]).choices[0].message
        given = message.tool_calls[0].extra_content["google"]["thought_signature"]
        castor.stop()
        castor.start()
        messages += [as_known_to_the_sdk(message), *results_of(message, {"get_weather": "sunny"})]
        client.chat.completions.create(model=FLASH, messages=messages, tools=[WEATHER])
    assert signatures_of(google.log[-1]) == [given]


@pytest.mark.parametrize(
    ("choice", "mode", "allowed"),
    [
        ("auto", "AUTO", None),
        ("none", "NONE", None),
        ("required", "ANY", None),
        ({"type": "function", "function": {"name": "get_time"}}, "ANY", ["get_time"]),
    ],
)
def test_the_choice_of_tools_is_passed_on(client, google, choice, mode, allowed):
    answer = client.chat.completions.create(
        model=FLASH, messages=user("hello"), tools=[WEATHER, TIME], tool_choice=choice
    ).choices[0]
    config = google.log[-1].body.get("toolConfig", {}).get("functionCallingConfig", {"mode": "AUTO"})
    assert config["mode"] == mode
    assert config.get("allowedFunctionNames") == allowed
    assert answer.finish_reason == ("tool_calls" if mode == "ANY" else "stop")


def test_functions_of_the_old_kind_still_go_round(client, google):
    functions = [WEATHER["function"]]
    messages = user(CALL_PARIS)
    first = client.chat.completions.create(model=FLASH, messages=messages, functions=functions, function_call="auto").choices[0]
    assert first.finish_reason == "function_call"
    call = first.message.function_call
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    messages += [
        {"role": "assistant", "content": None, "function_call": {"name": call.name, "arguments": call.arguments}},
        {"role": "function", "name": call.name, "content": "sunny"},
    ]
    second = client.chat.completions.create(model=FLASH, messages=messages, functions=functions).choices[0]
    assert (second.finish_reason, google.log[-1].status) == ("stop", 200)
    assert "sunny" in second.message.content


@pytest.mark.parametrize("stream", [False, True])
def test_a_web_search_cites_its_sources_by_characters_of_the_answer(client, google, stream):
    asked = {"model": FLASH, "messages": user("Žluťoučký kůň. Zweiter Satz."), "web_search_options": {}}
    answer = client.chat.completions.create(**asked, stream=stream)
    if stream:
        chunks = list(answer)
        text = text_of(chunks)
        found = [one for chunk in chunks for one in getattr(chunk.choices[0].delta, "annotations", None) or []]
        citations = [one["url_citation"] for one in found]
    else:
        text = answer.choices[0].message.content
        citations = [one.url_citation.model_dump() for one in answer.choices[0].message.annotations]
    assert {"googleSearch": {}} in google.log[-1].body["tools"]
    assert all(citation["url"].startswith("https://") for citation in citations)
    cited = [text[citation["start_index"] : citation["end_index"]] for citation in citations]
    assert cited == ["echo: Žluťoučký kůň.", " Zweiter Satz."]


# --- Structured output ---------------------------------------------------------------------------------------------------


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Address(BaseModel):
    street: str
    number: int | None


class Person(BaseModel):
    name: str
    home: Address
    colours: list[Colour]
    mood: Literal["good", "bad"]
    contact: Address | str


class Tree(BaseModel):
    value: int
    children: list["Tree"]


class Step(BaseModel):
    explanation: str
    output: float


class Maths(BaseModel):
    steps: list[Step]
    final: str
    sure: bool


@pytest.mark.parametrize("model", [Person, Tree, Maths, Address])
@pytest.mark.parametrize("served_by", [FLASH, "gemini-2.5-flash"])
def test_a_pydantic_model_comes_back_parsed(client, google, model, served_by):
    completion = client.chat.completions.parse(model=served_by, messages=user("a person"), response_format=model)
    assert isinstance(completion.choices[0].message.parsed, model)
    config = google.log[-1].body["generationConfig"]
    assert config["responseMimeType"] == "application/json"
    assert "responseJsonSchema" in config


def test_a_pydantic_model_comes_back_parsed_from_a_stream(client):
    with client.chat.completions.stream(model=FLASH, messages=user("a person"), response_format=Person) as stream:
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Person)


async def test_a_pydantic_tool_has_its_arguments_parsed(async_client):
    tool = openai.pydantic_function_tool(Person, name="remember")
    completion = await async_client.chat.completions.parse(model=FLASH, messages=user("x"), tools=[tool], tool_choice="required")
    assert isinstance(completion.choices[0].message.tool_calls[0].function.parsed_arguments, Person)


def test_a_json_object_without_a_schema(client):
    completion = client.chat.completions.create(
        model=FLASH, messages=user("json please"), response_format={"type": "json_object"}
    )
    assert json.loads(completion.choices[0].message.content) == {"echo": "json please"}


def test_an_answer_that_was_cut_or_refused_raises_in_parse_rather_than_passing_as_whole(client, google):
    google.script(text='{"street": "High', finish_reason="MAX_TOKENS")
    with pytest.raises(openai.LengthFinishReasonError):
        client.chat.completions.parse(model=FLASH, messages=user("x"), response_format=Address)
    google.script(text='{"str', finish_reason="SAFETY")
    with pytest.raises(openai.ContentFilterFinishReasonError):
        client.chat.completions.parse(model=FLASH, messages=user("x"), response_format=Address)


# --- Media ---------------------------------------------------------------------------------------------------------------


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def data_url(mime_type: str, content: bytes) -> str:
    return f"data:{mime_type};base64,{encoded(content)}"


@pytest.mark.parametrize(
    ("part", "mime_type", "content"),
    [
        ({"type": "image_url", "image_url": {"url": data_url("image/png", PNG)}}, "image/png", PNG),
        ({"type": "image_url", "image_url": {"url": data_url("image/png", PNG), "detail": "low"}}, "image/png", PNG),
        ({"type": "input_audio", "input_audio": {"data": encoded(WAV), "format": "wav"}}, "audio/wav", WAV),
        ({"type": "input_audio", "input_audio": {"data": encoded(b"ID3x"), "format": "mp3"}}, "audio/mp3", b"ID3x"),
        ({"type": "file", "file": {"file_data": data_url("application/pdf", PDF), "filename": "a.pdf"}}, "application/pdf", PDF),
    ],
)
def test_files_in_the_message_reach_google_inline(client, google, part, mime_type, content):
    completion = client.chat.completions.create(model=FLASH, messages=user([{"type": "text", "text": "what is it?"}, part]))
    assert completion.choices[0].message.content == f"echo: what is it? [{mime_type}]"
    inline = google.log[-1].body["contents"][0]["parts"][1]["inlineData"]
    assert (inline["mimeType"], base64.b64decode(inline["data"])) == (mime_type, content)


def test_images_named_by_url_are_fetched_and_sent_inline(client, google):
    with media_server() as site:
        site.answers |= {"/a.png": http(PNG, "image/png"), "/b.pdf": http(PDF, "application/octet-stream")}
        parts = [{"type": "image_url", "image_url": {"url": site.url(path)}} for path in ("/a.png", "/b.pdf", "/a.png")]
        completion = client.chat.completions.create(model=FLASH, messages=user(parts))
    assert completion.choices[0].message.content == "echo: [image/png] [application/pdf] [image/png]"
    assert sorted(path for path, _ in site.asked) == ["/a.png", "/b.pdf"]
    assert base64.b64decode(google.log[-1].body["contents"][0]["parts"][0]["inlineData"]["data"]) == PNG


def test_an_image_that_cannot_be_fetched_is_the_callers_error_with_its_field(client, google):
    with media_server() as site:
        messages = user([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": site.url("/absent.png")}}])
        with pytest.raises(openai.BadRequestError) as caught:
            client.chat.completions.create(model=FLASH, messages=messages)
    assert caught.value.param == "messages[0].content[1].image_url.url"
    assert "404" in caught.value.message
    assert google.log.generation() == []


def test_a_private_address_is_not_fetched_unless_the_operator_allows_it(castor_with, google):
    castor = castor_with(**RESTRICTED)
    with (
        media_server() as site,
        OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client,
        pytest.raises(openai.BadRequestError, match="not on the public internet"),
    ):
        client.chat.completions.create(
            model=FLASH, messages=user([{"type": "image_url", "image_url": {"url": site.url("/a.png")}}])
        )
    assert site.asked == []


# --- Models --------------------------------------------------------------------------------------------------------------


def test_models_are_listed_and_retrieved(client):
    listed = {model.id: model for model in client.models.list()}
    assert FLASH in listed
    assert listed[FLASH].object == "model"
    assert client.models.retrieve(FLASH) == listed[FLASH]
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-nonsense")
    assert caught.value.code == "model_not_found"


def test_a_token_sees_only_the_models_that_it_may_use(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.tokens["flash"], max_retries=0) as client:
        names = [model.id for model in client.models.list()]
        assert FLASH in names
        assert "gemini-3.1-pro-preview" not in names
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve("gemini-3.1-pro-preview")


def test_a_name_of_openais_leads_to_a_gemini_model(client, google):
    completion = client.chat.completions.create(model="gpt-4o", messages=user("hello"))
    assert completion.choices[0].message.content == "echo: hello"
    assert google.log[-1].model.startswith("gemini-")


# --- Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sort", "word"), [("wrong", "Incorrect"), ("expired", "expired"), ("revoked", "revoked")])
def test_a_token_that_does_not_open_raises_authentication_error(castor, sort, word):
    with (
        OpenAI(base_url=castor.base_url, api_key=castor.tokens.get(sort, "sk-nonsense"), max_retries=0) as client,
        pytest.raises(openai.AuthenticationError, match=word) as caught,
    ):
        client.chat.completions.create(model=FLASH, messages=user("x"))
    assert caught.value.code == "invalid_api_key"
    assert caught.value.request_id


def test_a_model_that_the_token_may_not_use_raises_permission_denied(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.tokens["flash"], max_retries=0) as client:
        client.chat.completions.create(model=FLASH, messages=user("x"))
        with pytest.raises(openai.PermissionDeniedError, match=r"gemini-3\.1-pro-preview"):
            client.chat.completions.create(model="gemini-3.1-pro-preview", messages=user("x"))


def test_an_unknown_model_raises_not_found(client, google):
    with pytest.raises(openai.NotFoundError, match="llama-9") as caught:
        client.chat.completions.create(model="llama-9", messages=user("x"))
    assert caught.value.code == "model_not_found"
    assert google.log.generation() == []


def test_an_unknown_path_raises_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.get("/nonsense", cast_to=object)
    assert caught.value.code == "unknown_url"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "hot"}, "temperature"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"n": 0}, "n"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
    ],
)
def test_a_wrong_field_raises_bad_request_and_is_named(client, google, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(**{"model": FLASH, "messages": user("x"), **fields})
    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"
    assert google.log.generation() == []


def test_what_google_calls_a_bad_request_raises_bad_request_with_its_words(client, google):
    google.script(error="too_long")
    with pytest.raises(openai.BadRequestError, match="input token count") as caught:
        client.chat.completions.create(model=FLASH, messages=user("x"))
    assert caught.value.code == "context_length_exceeded"


def test_an_exhausted_pool_raises_rate_limit_error_with_the_time_to_come_back(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    google.script(error="minute_quota", seconds=40, times=None)
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as caught:
            client.chat.completions.create(model=FLASH, messages=user("x"))
        assert caught.value.code == "rate_limit_exceeded"
        assert 30 <= float(caught.value.response.headers["retry-after"]) <= 41
        asked = len(google.log.generation())
        with pytest.raises(openai.RateLimitError):
            client.chat.completions.create(model=FLASH, messages=user("x"), stream=True)
        assert len(google.log.generation()) == asked == 2


@pytest.mark.parametrize("stream", [False, True])
def test_google_being_ill_for_good_raises_internal_server_error(castor_with, google, stream):
    castor = castor_with(MAX_RETRIES="0", CONSECUTIVE_FAILURES="100")
    google.script(error="overloaded", times=None)
    with (
        OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(model=FLASH, messages=user("x"), stream=stream)
    assert caught.value.status_code == 503
    assert caught.value.code == "upstream_unavailable"
    assert caught.value.response.headers["retry-after"]


def test_without_any_key_the_answer_says_where_to_add_one(castor_with):
    castor = castor_with(GEMINI_API_KEYS="")
    with (
        OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client,
        pytest.raises(openai.InternalServerError, match="/admin/") as caught,
    ):
        client.chat.completions.create(model=FLASH, messages=user("x"))
    assert caught.value.status_code == 503


def test_the_sdk_retries_what_we_tell_it_to_and_succeeds(castor_with, google):
    castor = castor_with(MAX_RETRIES="0", CONSECUTIVE_FAILURES="100")
    google.script(error="overloaded")
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=1) as client:
        answer = client.chat.completions.create(model=FLASH, messages=user("x"))
    assert answer.choices[0].message.content == "echo: x"
    assert len(google.log.generation()) == 2


def test_a_deadline_of_ours_raises_with_504(castor_with, google):
    castor = castor_with(TIMEOUT="1")
    google.script(ends="stall", times=None)
    with (
        OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client,
        pytest.raises(openai.InternalServerError) as caught,
    ):
        client.chat.completions.create(model=FLASH, messages=user("x"))
    assert caught.value.status_code == 504
    assert caught.value.code == "deadline_exceeded"


@pytest.mark.parametrize(
    ("setting", "code"), [({"TIMEOUT": "1"}, "deadline_exceeded"), ({"READ_TIMEOUT": "1"}, "upstream_broken")], ids=str
)
def test_a_stream_that_stalls_raises_and_never_looks_finished(castor_with, google, setting, code):
    castor = castor_with(**setting)
    google.script(text="one two three four", tokens_per_chunk=1, ends="stall", after=2)
    chunks = []
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        stream = client.chat.completions.create(model=FLASH, messages=user("x"), stream=True)
        with pytest.raises(openai.APIError) as caught:
            chunks.extend(stream)
    assert caught.value.code == code
    assert text_of(chunks).startswith("one")
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)
    google.wait_until(lambda log: log.generation()[-1].client_closed)


@pytest.mark.parametrize("stream", [False, True])
def test_an_upstream_that_stalls_before_its_first_token_is_given_up_for_another(castor_with, google, stream):
    castor = castor_with(READ_TIMEOUT="1")
    google.script(ends="stall")
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        answer = client.chat.completions.create(model=FLASH, messages=user("hello"), stream=stream)
        assert (text_of(answer) if stream else answer.choices[0].message.content) == "echo: hello"
    assert len(google.log.generation()) == 2


def test_a_client_that_loses_patience_frees_the_upstream(castor, google):
    google.script(ends="stall")
    with (
        OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0, timeout=0.5) as client,
        pytest.raises(openai.APITimeoutError),
    ):
        client.chat.completions.create(model=FLASH, messages=user("x"))
    google.wait_until(lambda calls: calls[-1].client_closed)


BROKEN_ENDS = [
    {"ends": "reset"},
    {"ends": "close"},
    {"ends": "cut"},
    {"ends": "error", "error": "overloaded"},
    {"ends": "bare_error", "error": "internal"},
    {"ends": "malformed"},
]


@pytest.mark.parametrize("ends", BROKEN_ENDS, ids=str)
def test_a_stream_that_breaks_after_its_first_token_raises_and_never_looks_finished(client, google, ends):
    # The pause lets the first token through: what arrives together with the break is not a promise yet.
    google.script(text="one two three four five six", tokens_per_chunk=1, after=2, chunk_delay=0.5, **ends)
    chunks = []
    stream = client.chat.completions.create(model=FLASH, messages=user("x"), stream=True)
    with pytest.raises(openai.APIError) as caught:
        chunks.extend(stream)
    assert text_of(chunks).startswith("one")
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)
    assert not isinstance(caught.value, openai.APIConnectionError)
    assert caught.value.type
    assert len(google.log.generation()) == 1


@pytest.mark.parametrize("ends", BROKEN_ENDS, ids=str)
def test_a_whole_answer_that_breaks_is_asked_again(client, google, ends):
    google.script(text="one two three four five six", tokens_per_chunk=1, after=2, **ends)
    completion = client.chat.completions.create(model=FLASH, messages=user("again"))
    assert completion.choices[0].message.content == "echo: again"
    assert len(google.log.generation()) == 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_blocked_prompt_is_a_content_filter_end(client, google, stream):
    google.script(block_reason="PROHIBITED_CONTENT")
    answer = client.chat.completions.create(model=FLASH, messages=user("x"), stream=stream)
    ends = [chunk.choices[0].finish_reason for chunk in answer][-1:] if stream else [answer.choices[0].finish_reason]
    assert ends == ["content_filter"]


# --- Headers -------------------------------------------------------------------------------------------------------------


def test_raw_responses_carry_a_request_id_of_ours_or_of_the_callers(client):
    ours = client.chat.completions.with_raw_response.create(model=FLASH, messages=user("x"))
    assert ours.headers["x-request-id"]
    assert ours.parse().choices[0].message.content == "echo: x"
    theirs = client.chat.completions.with_raw_response.create(
        model=FLASH, messages=user("x"), extra_headers={"X-Request-ID": "mine-123"}
    )
    assert theirs.headers["x-request-id"] == "mine-123"


def test_whatever_is_dropped_is_named_and_strict_callers_are_refused(client, google):
    asked = {"model": FLASH, "messages": user("x"), "frequency_penalty": 0.5, "logprobs": True}
    raw = client.chat.completions.with_raw_response.create(**asked)
    assert "frequency_penalty" in raw.headers["x-castor-dropped"]
    assert "logprobs" in raw.headers["x-castor-dropped"]
    with pytest.raises(openai.BadRequestError, match="frequency_penalty") as caught:
        client.chat.completions.create(**asked, extra_headers={"X-Castor-Strict": "true"})
    assert caught.value.param in ("frequency_penalty", "logprobs")
    assert len(google.log.generation()) == 1
