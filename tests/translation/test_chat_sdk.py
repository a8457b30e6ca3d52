"""The official Python SDK against the dialect alone: its requests are read, its own parser takes the answers."""

from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from pydantic import BaseModel

from openai_api.errors import UpstreamBroken
from openai_api.translation.chat import ChatRequest, Writer, read_request
from openai_api.translation.conversation import Format, Thinking
from openai_api.translation.events import Event, Finished, TextDelta, ThoughtDelta, ToolCallDelta, Usage, UsageReport

HI: Any = [{"role": "user", "content": "hi"}]
END = Finished("stop")
USAGE = UsageReport(Usage(prompt=5, completion=7, total=12))


class Gateway:
    """Answers every call with the same events and keeps what was asked."""

    def __init__(self, events: list[Event], ending: Callable[[Writer], bytes] = Writer.finish) -> None:
        self._events, self._ending = events, ending
        self.asked: list[ChatRequest] = []
        transport = httpx2.MockTransport(self._answer)
        self.client = openai.OpenAI(api_key="k", base_url="http://gateway/v1", http_client=httpx2.Client(transport=transport))

    def _answer(self, call: httpx2.Request) -> httpx2.Response:
        request = read_request(call.content)
        self.asked.append(request)
        writer = Writer(request, id="chatcmpl-1", created=1, model="m")
        if not request.stream:
            return httpx2.Response(200, content=writer.completion([self._events] * request.choices))
        stream = b"".join(writer.chunks([event]) for event in self._events) + self._ending(writer)
        return httpx2.Response(200, content=stream, headers={"content-type": "text/event-stream"})


class City(BaseModel):
    name: str
    people: int


def test_a_pydantic_answer_is_parsed():
    gateway = Gateway([TextDelta('{"name": "Rome", "people": 3}'), USAGE, END])
    completion = gateway.client.chat.completions.parse(model="m", messages=HI, response_format=City)
    assert completion.choices[0].message.parsed == City(name="Rome", people=3)
    assert isinstance(gateway.asked[0].conversation.format, Format)
    assert not gateway.asked[0].notices


def test_a_strict_tool_is_streamed_and_parsed():
    gateway = Gateway([ThoughtDelta("hm"), ToolCallDelta("c", "City", '{"name": "Rome", "people": 3}', "c2ln"), USAGE, END])
    tool = openai.pydantic_function_tool(City)
    with gateway.client.chat.completions.stream(
        model="m", messages=HI, tools=[tool], stream_options={"include_usage": True}
    ) as stream:
        kinds = {event.type for event in stream}
        completion = stream.get_final_completion()
    assert "tool_calls.function.arguments.done" in kinds
    assert completion.choices[0].message.tool_calls[0].function.parsed_arguments == City(name="Rome", people=3)
    assert completion.usage.total_tokens == 12
    assert completion.choices[0].message.reasoning_content == "hm"


def test_an_error_in_mid_stream_is_raised():
    gateway = Gateway([TextDelta("a")], lambda writer: writer.error(UpstreamBroken("It broke.")))
    stream = gateway.client.chat.completions.create(model="m", messages=HI, stream=True)
    with pytest.raises(openai.APIError, match="It broke"):
        list(stream)


def test_a_stream_that_was_cut_is_raised():
    gateway = Gateway([TextDelta("a")])
    with pytest.raises(openai.APIError, match="broke off"):
        list(gateway.client.chat.completions.create(model="m", messages=HI, stream=True))


def test_a_custom_tool_is_called_by_its_type():
    gateway = Gateway([ToolCallDelta("c", "patch", '{"input": "*** Begin"}'), END])
    tools: Any = [{"type": "custom", "custom": {"name": "patch"}}]
    call = gateway.client.chat.completions.create(model="m", messages=HI, tools=tools).choices[0].message.tool_calls[0]
    assert (call.type, call.custom.input) == ("custom", "*** Begin")
    chunks = list(gateway.client.chat.completions.create(model="m", messages=HI, tools=tools, stream=True))
    assert chunks[1].choices[0].delta.tool_calls[0].to_dict()["custom"] == {"name": "patch", "input": "*** Begin"}


def test_googles_options_reach_us_through_extra_body():
    gateway = Gateway([TextDelta("a"), END])
    config = {"google": {"thinking_config": {"thinking_budget": 64, "include_thoughts": True}}}
    for extra in (config, {"extra_body": config}):
        gateway.client.chat.completions.create(model="m", messages=HI, extra_body=extra)
    assert [request.conversation.thinking for request in gateway.asked] == [Thinking(budget=64, include=True)] * 2
