"""Google's own SDK as the judge of the simulator: what it can read and replay, real clients can."""

import pytest
from google import genai
from google.genai import errors, types
from pydantic import BaseModel

from tests.google.asking import FLASH, FLASH_25


@pytest.fixture
def client(google):
    with genai.Client(api_key="test-key-1", http_options={"base_url": google.url, "api_version": "v1beta"}) as client:
        yield client


def weather(city: str) -> dict[str, str]:
    """Tells the weather."""
    return {"sky": f"clear over {city}"}


WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="weather",
            description="Tells the weather.",
            parameters_json_schema={"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        )
    ]
)
BY_HAND = types.GenerateContentConfig(
    tools=[WEATHER], automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
)
ROME = 'call weather {"city": "Rome"} call weather {"city": "Bern"}'
SKIES = 'weather answered: {"result": {"sky": "clear over Rome"}}\nweather answered: {"result": {"sky": "clear over Bern"}}'


class City(BaseModel):
    name: str
    people: int
    twins: list["City"] = []


def test_a_whole_answer(client):
    answer = client.models.generate_content(model=FLASH, contents="Hello, wörld!")
    assert answer.text == "echo: Hello, wörld!"
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    assert (answer.usage_metadata.prompt_token_count, answer.usage_metadata.thoughts_token_count) == (4, 16)
    assert (answer.model_version, bool(answer.response_id)) == (FLASH, True)


def test_a_stream(client):
    chunks = list(client.models.generate_content_stream(model=FLASH, contents="one two three four"))
    assert "".join(chunk.text or "" for chunk in chunks) == "echo: one two three four"
    assert [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates[0].finish_reason] == ["STOP"]


async def test_an_asynchronous_stream(client):
    chunks = [chunk async for chunk in await client.aio.models.generate_content_stream(model=FLASH_25, contents="one two three")]
    assert "".join(chunk.text or "" for chunk in chunks) == "echo: one two three"


@pytest.mark.parametrize("model", [FLASH, FLASH_25, "gemini-4-argon"])
def test_the_sdks_own_tool_loop_ends_in_an_answer(google, client, model):
    chat = client.chats.create(model=model, config=types.GenerateContentConfig(tools=[weather]))
    answer = chat.send_message(ROME)
    assert answer.text == SKIES
    assert [call.broken_rule for call in google.log] == ["", ""]
    assert chat.send_message("thanks").text == "echo: thanks"


def test_a_streamed_tool_step_is_replayed_with_its_signature(client):
    question = types.Content(role="user", parts=[types.Part(text=ROME)])
    chunks = list(client.models.generate_content_stream(model=FLASH, contents=[question], config=BY_HAND))
    parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or () if part.function_call]
    assert [bool(part.thought_signature) for part in parts] == [True, False]
    answers = [
        types.Part(function_response=types.FunctionResponse(id=part.function_call.id, name="weather", response={}))
        for part in parts
    ]
    history = [question, types.Content(role="model", parts=parts), types.Content(role="user", parts=answers)]
    answer = client.models.generate_content(model=FLASH, contents=history, config=BY_HAND)
    assert answer.text == "weather answered: {}\nweather answered: {}"


def test_a_lost_signature_raises(client):
    question = types.Content(role="user", parts=[types.Part(text=ROME)])
    step = client.models.generate_content(model=FLASH, contents=[question], config=BY_HAND).candidates[0].content
    for part in step.parts:
        part.thought_signature = None
    answers = [types.Part(function_response=types.FunctionResponse(name="weather", response={})) for _ in step.parts]
    with pytest.raises(errors.ClientError, match="thought_signature") as raised:
        client.models.generate_content(
            model=FLASH, contents=[question, step, types.Content(role="user", parts=answers)], config=BY_HAND
        )
    assert (raised.value.code, raised.value.status) == (400, "INVALID_ARGUMENT")


def test_the_documented_dummy_passes_through_the_sdk(client):
    question = types.Content(role="user", parts=[types.Part(text=ROME)])
    call = types.FunctionCall(name="weather", args={})
    step = types.Content(
        role="model", parts=[types.Part(function_call=call, thought_signature=b"skip_thought_signature_validator")]
    )
    reply = types.FunctionResponse(name="weather", response={"a": 1})
    history = [question, step, types.Content(role="user", parts=[types.Part(function_response=reply)])]
    assert client.models.generate_content(model=FLASH, contents=history, config=BY_HAND).text == 'weather answered: {"a": 1}'


@pytest.mark.parametrize("model", [FLASH, FLASH_25])
def test_thoughts(client, model):
    config = types.GenerateContentConfig(thinking_config=types.ThinkingConfig(include_thoughts=True))
    chunks = list(client.models.generate_content_stream(model=model, contents="hi", config=config))
    thought = [part.text for chunk in chunks for part in chunk.candidates[0].content.parts or () if part.thought]
    assert "".join(thought).startswith("**Thinking it over**")
    assert "".join(chunk.text or "" for chunk in chunks) == "echo: hi"


@pytest.mark.parametrize("field", ["response_json_schema", "response_schema"])
def test_structured_answers_are_parsed(client, field):
    schema = City.model_json_schema() if field == "response_json_schema" else list[int]
    config = types.GenerateContentConfig(response_mime_type="application/json", **{field: schema})
    answer = client.models.generate_content(model=FLASH, contents="a city", config=config)
    assert answer.parsed in ([1], {"name": "text", "people": 1, "twins": []})
    if field == "response_json_schema":
        City.model_validate_json(answer.text)


def test_models_are_listed_and_read(client):
    names = [model.name for model in client.models.list(config={"page_size": 7})]
    assert f"models/{FLASH}" in names
    assert len(names) == len(set(names)) > 20
    model = client.models.get(model=FLASH)
    assert (model.input_token_limit, "generateContent" in model.supported_actions) == (1_048_576, True)


def test_tokens_are_counted(client):
    assert client.models.count_tokens(model=FLASH, contents="one two three").total_tokens == 3


def test_embeddings(client):
    answer = client.models.embed_content(model="gemini-embedding-001", contents=["a", "b"], config={"output_dimensionality": 768})
    assert [len(embedding.values) for embedding in answer.embeddings] == [768, 768]


def test_grounding_is_read(client):
    config = types.GenerateContentConfig(tools=[types.Tool(google_search=types.GoogleSearch())])
    metadata = client.models.generate_content(model=FLASH, contents="Grüße", config=config).candidates[0].grounding_metadata
    assert metadata.grounding_supports[0].segment.end_index == len("echo: Grüße".encode())


@pytest.mark.parametrize(
    ("fault", "raised", "code"),
    [
        ("leaked", errors.ClientError, 403),
        ("day_quota", errors.ClientError, 429),
        ("out_of_credit", errors.ClientError, 402),
        ("overloaded", errors.ServerError, 503),
        ("html_502", errors.ServerError, 502),
    ],
)
def test_errors_are_raised(google, client, fault, raised, code):
    google.script(error=fault)
    with pytest.raises(raised) as caught:
        client.models.generate_content(model=FLASH, contents="hi")
    assert caught.value.code == code


@pytest.mark.parametrize("ends", ["error", "bare_error"])
def test_an_error_in_mid_stream_is_raised(google, client, ends):
    google.script(ends=ends, error="overloaded", after=1)
    heard = []
    with pytest.raises(errors.APIError, match="overloaded"):
        heard.extend(chunk.text for chunk in client.models.generate_content_stream(model=FLASH, contents="one two three"))
    assert google.log[-1].chunks_sent == 1


def test_a_blocked_prompt_is_read(google, client):
    google.script(block_reason="SAFETY")
    answer = client.models.generate_content(model=FLASH, contents="hi")
    assert (answer.prompt_feedback.block_reason, answer.candidates) == (types.BlockedReason.SAFETY, None)


def test_an_unknown_field_is_named(client):
    with pytest.raises(errors.ClientError, match='Unknown name "frequencyPenalties" at'):
        client.models.generate_content(
            model=FLASH,
            contents="hi",
            config=types.GenerateContentConfig(http_options={"extra_body": {"generationConfig": {"frequencyPenalties": 1}}}),
        )
