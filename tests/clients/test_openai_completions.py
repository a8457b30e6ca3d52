"""The completions from before chats by the official Python SDK, on a real server."""

import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

MODEL = "gemini-3.5-flash-lite"


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


def test_a_text_is_continued(client, google):
    answer = client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt="Once upon", max_tokens=50, stop=["."], temperature=0.7
    )
    [choice] = answer.choices
    assert (answer.object, answer.model, answer.id[:5]) == ("text_completion", MODEL, "cmpl-")
    assert (choice.index, choice.text, choice.finish_reason, choice.logprobs) == (0, "echo: Once upon", "stop", None)
    call = google.log.generation()[-1]
    assert answer.usage.total_tokens == call.usage["totalTokenCount"]
    assert call.body["contents"] == [{"role": "user", "parts": [{"text": "Once upon"}]}]
    assert "You continue texts." in call.body["systemInstruction"]["parts"][0]["text"]
    asked = call.body["generationConfig"]
    assert (asked["maxOutputTokens"], asked["stopSequences"], asked["temperature"]) == (50, ["."], 0.7)


def test_several_prompts_of_several_choices_with_echo(client):
    answer = client.completions.create(model=MODEL, prompt=["a", "b "], n=2, best_of=2, echo=True)
    assert [choice.text for choice in answer.choices] == ["aecho: a", "aecho: a", "b echo: b ", "b echo: b "]
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("prompt", "texts"),
    [([9906, 1917], ["echo: Hello world"]), ([[9906], [1917]], ["echo: Hello", "echo:  world"]), ("  \n", ["echo:   \n"])],
    ids=str,
)
def test_tokens_and_blanks(client, prompt, texts):
    assert [choice.text for choice in client.completions.create(model=MODEL, prompt=prompt).choices] == texts


def test_an_empty_prompt_begins_a_new_text(client, google):
    answer = client.completions.create(model=MODEL, prompt="", echo=True)
    assert answer.choices[0].text.startswith("echo: (The text is still empty.")
    assert google.log.generation()[-1].body["contents"][0]["parts"][0]["text"]


def test_a_stream_with_echo_and_usage(client, google):
    google.script(text=" one two three four five six", tokens_per_chunk=1, chunk_delay=0.2)
    chunks = list(
        client.completions.create(model=MODEL, prompt="zero", echo=True, stream=True, stream_options={"include_usage": True})
    )
    *said, last = chunks
    assert said[0].choices[0].text.startswith("zero")
    assert "".join(chunk.choices[0].text for chunk in said) == "zero one two three four five six"
    assert [chunk.choices[0].finish_reason for chunk in said] == [None] * (len(said) - 1) + ["stop"]
    assert len(said) > 1
    assert {chunk.usage for chunk in said} == {None}
    assert (last.choices, last.usage.total_tokens) == ([], google.log.generation()[-1].usage["totalTokenCount"])


@pytest.mark.parametrize("stream", [False, True])
def test_stop_tags_of_a_header_end_each_text(client, google, stream):
    with google.scripted(text="one two </end> three"):
        answer = client.completions.create(
            model=MODEL, prompt=["a", "b"], stop=list("12345"), stream=stream, extra_headers={"X-Castor-Stop-Tags": "</end>"}
        )
        choices = [choice for part in (answer if stream else [answer]) for choice in part.choices]
    assert ["".join(choice.text for choice in choices if choice.index == index) for index in (0, 1)] == ["one two "] * 2
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["stop", "stop"]


async def test_a_stream_of_several_prompts(castor):
    async with AsyncOpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        texts: dict[int, str] = {}
        async for chunk in await client.completions.create(model=MODEL, prompt=["a", "b"], n=2, stream=True):
            for choice in chunk.choices:
                texts[choice.index] = texts.get(choice.index, "") + choice.text
    assert texts == {0: "echo: a", 1: "echo: a", 2: "echo: b", 3: "echo: b"}


@pytest.mark.parametrize("ends", [{"ends": "reset"}, {"ends": "cut"}, {"ends": "error", "error": "overloaded"}], ids=str)
def test_a_broken_stream_raises(client, google, ends):
    google.script(text="one two three four five", tokens_per_chunk=1, after=2, chunk_delay=0.5, **ends)
    with pytest.raises(openai.APIError):
        list(client.completions.create(model=MODEL, prompt="a", stream=True))


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", [64]]}, "prompt[1]"),
        ({"prompt": [100_256]}, "prompt"),
        ({"suffix": "the end"}, "suffix"),
        ({"n": 0}, "n"),
        ({"n": 3, "best_of": 2}, "best_of"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 3}, "temperature"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_is_wrong_is_named_and_google_is_not_asked(client, google, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.completions.create(**{"model": MODEL, "prompt": "a", **fields})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert not list(google.log)
