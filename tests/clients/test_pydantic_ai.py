"""pydantic-ai against the real server: agents with typed results, tools and streams."""

from typing import Literal

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, NativeOutput, PromptedOutput, ToolOutput
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider


class City(BaseModel):
    name: str
    population: int
    climate: Literal["mild", "harsh"]
    twin: "City | None" = None


@pytest.fixture
def model(castor):
    return OpenAIChatModel("gemini-3.8-flash", provider=OpenAIProvider(base_url=castor.base_url, api_key=castor.token))


async def test_a_plain_agent_answers(model):
    result = await Agent(model, instructions="Be brief.").run("hello")
    assert result.output == "echo: hello"
    assert result.usage.input_tokens > 0
    assert result.usage.output_tokens > 0


@pytest.mark.parametrize("way", [ToolOutput, NativeOutput, PromptedOutput])
async def test_an_agent_returns_its_type_whichever_way_it_asks_for_it(model, google, way):
    if way is PromptedOutput:  # The schema is in the prompt then, and the simulator does not read prompts.
        google.script(text='{"name": "Paris", "population": 2, "climate": "mild"}')
    result = await Agent(model, output_type=way(City)).run("a city")
    assert isinstance(result.output, City)


async def test_an_agent_with_tools_goes_round_until_it_can_answer(model):
    agent = Agent(model)
    asked = []

    @agent.tool_plain
    def get_weather(city: str, days: int = 1) -> dict[str, str]:
        """The weather.

        Args:
            city: Where.
            days: How many days ahead.
        """
        asked.append(city)
        return {"sky": f"clear over {city}"}

    result = await agent.run('call get_weather {"city": "Paris"} call get_weather {"city": "Rome", "days": 3}')
    assert sorted(asked) == ["Paris", "Rome"]  # Both at once, each in a thread of its own.
    assert "clear over Paris" in result.output
    assert "clear over Rome" in result.output


async def test_a_tool_that_asks_for_a_retry_gets_one(model, google):
    from pydantic_ai import ModelRetry

    agent = Agent(model, retries=2)
    asked = []

    @agent.tool_plain
    def find(word: str) -> str:
        asked.append(word)
        if len(asked) == 1:
            raise ModelRetry("Try another word.")
        return "found"

    google.script(calls=[{"name": "find", "args": {"word": "first"}}])
    google.script(calls=[{"name": "find", "args": {"word": "second"}}])
    result = await agent.run("find it")
    assert asked == ["first", "second"]
    assert "found" in result.output


async def test_an_agent_streams_text(model):
    async with Agent(model).run_stream("one two three four five six seven") as stream:
        pieces = [piece async for piece in stream.stream_text(delta=True, debounce_by=None)]
    assert len(pieces) > 1
    assert "".join(pieces) == "echo: one two three four five six seven"


async def test_an_agent_streams_its_type(model):
    async with Agent(model, output_type=NativeOutput(City)).run_stream("a city") as stream:
        assert isinstance(await stream.get_output(), City)


async def test_a_conversation_goes_on_from_its_history(model, google):
    agent = Agent(model)
    first = await agent.run("first question")
    second = await agent.run("second question", message_history=first.all_messages())
    assert second.output == "echo: second question"
    roles = [content["role"] for content in google.log.generation()[-1].body["contents"]]
    assert roles == ["user", "model", "user"]
