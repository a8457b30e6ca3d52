"""LangChain's classes for OpenAI against the real server: chats, streams, tools, typed answers, embeddings, old completions."""

from typing import Literal

import pytest
from langchain_core.messages import HumanMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from openai import AuthenticationError
from pydantic import BaseModel

from tests.google import media


class City(BaseModel):
    name: str
    climate: Literal["mild", "harsh"]
    twins: list[str]


@tool
def get_weather(city: str) -> str:
    """The weather."""
    return f"clear over {city}"


@pytest.fixture
def access(castor):
    return {"base_url": castor.base_url, "api_key": castor.token, "max_retries": 0}


@pytest.fixture
def model(access):
    return ChatOpenAI(model="gemini-3.8-flash", stream_usage=True, **access)


def gathered(chunks):
    """A streamed message, put together as LangChain does it."""
    first, *others = chunks
    for chunk in others:
        first += chunk
    return first


def test_an_answer(model, google):
    answer = model.invoke("hello")
    assert answer.content == "echo: hello"
    assert answer.usage_metadata["total_tokens"] == google.log[-1].usage["totalTokenCount"]


async def test_an_answer_in_async(model):
    assert (await model.ainvoke("hello")).content == "echo: hello"


def test_a_stream_brings_its_usage_where_it_is_asked_for(model, google):
    chunks = list(model.stream("one two three four five six seven"))
    assert sum(bool(chunk.content) for chunk in chunks) > 1
    answer = gathered(chunks)
    assert answer.content == "echo: one two three four five six seven"
    assert answer.usage_metadata["total_tokens"] == google.log[-1].usage["totalTokenCount"]


@pytest.mark.parametrize("ask", ["invoke", "stream"])
def test_tools_go_round_though_langchain_drops_their_signatures(model, google, ask):
    bound = model.bind_tools([get_weather])
    messages = [HumanMessage('call get_weather {"city": "Paris"} call get_weather {"city": "Rome"}')]
    answer = getattr(bound, ask)(messages)
    messages.append(answer if ask == "invoke" else gathered(answer))
    messages += [get_weather.invoke(call) for call in messages[-1].tool_calls]
    assert [message.content for message in messages[2:]] == ["clear over Paris", "clear over Rome"]
    assert "clear over Rome" in bound.invoke(messages).content
    sent = [part for content in google.log[-1].body["contents"] for part in content["parts"] if "functionCall" in part]
    assert sent[0]["thoughtSignature"]


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_answers_of_a_type(model, method):
    assert isinstance(model.with_structured_output(City, method=method).invoke("a city"), City)


def test_a_picture_is_seen(model, google):
    picture = {"type": "image", "base64": media.picture(16, 16), "mime_type": "image/png"}
    answer = model.invoke([HumanMessage([{"type": "text", "text": "look"}, picture])])
    assert answer.content == "echo: look [image/png]"


def test_embeddings(access):
    embeddings = OpenAIEmbeddings(model="gemini-embedding-2", dimensions=256, check_embedding_ctx_length=False, **access)
    assert len(embeddings.embed_query("hello")) == 256
    assert [len(vector) for vector in embeddings.embed_documents(["one", "two", "three"])] == [256] * 3


def test_old_completions(access):
    assert OpenAI(model="gemini-3.8-flash", **access).invoke("hello") == "echo: hello"


def test_a_wrong_token_is_an_error_of_authentication(access):
    with pytest.raises(AuthenticationError):
        ChatOpenAI(model="gemini-3.8-flash", **{**access, "api_key": "castor-nonsense"}).invoke("hello")
