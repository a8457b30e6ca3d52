"""Embeddings by the official Python SDK, on a real server."""

import json
import math

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

FIRST, SECOND = "gemini-embedding-001", "gemini-embedding-2"


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


def vectors_of(answer) -> list[list[float]]:
    return [one.embedding for one in answer.data]


def test_a_text_becomes_a_vector(client, google):
    answer = client.embeddings.create(model=SECOND, input="a beaver")
    [one] = answer.data
    assert (answer.object, answer.model, one.object, one.index) == ("list", SECOND, "embedding", 0)
    assert (len(one.embedding), type(one.embedding[0])) == (3072, float)
    [asked] = google.log[-1].body["requests"]
    assert asked["content"]["parts"] == [{"text": "a beaver"}]
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 2


def test_base64_which_the_sdk_asks_for_and_numbers_are_the_same_vectors(client):
    packed = client.embeddings.create(model=SECOND, input=["a", "b"])
    plain = client.embeddings.create(model=SECOND, input=["a", "b"], encoding_format="float")
    text = client.embeddings.create(model=SECOND, input=["a", "b"], encoding_format="base64")
    assert all(isinstance(vector, str) for vector in vectors_of(text))
    for one, other in zip(vectors_of(packed), vectors_of(plain), strict=True):
        assert one == pytest.approx(other, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("model", [FIRST, SECOND])
@pytest.mark.parametrize("dimensions", [128, 768, 3072])
def test_vectors_of_every_length_are_of_length_one(client, model, dimensions):
    [vector] = vectors_of(client.embeddings.create(model=model, input="a", dimensions=dimensions))
    assert len(vector) == dimensions
    assert math.hypot(*vector) == pytest.approx(1, abs=1e-5)


async def test_many_texts_come_back_in_order(castor, google):
    texts = [f"text {number}" for number in range(230)]
    async with AsyncOpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        answer = await client.embeddings.create(model=SECOND, input=texts, dimensions=128)
        assert sorted(len(call.body["requests"]) for call in google.log) == [30, 100, 100]
        assert [one.index for one in answer.data] == list(range(230))
        for number in (0, 99, 100, 199, 200, 229):
            alone = await client.embeddings.create(model=SECOND, input=texts[number], dimensions=128)
            assert answer.data[number].embedding == alone.data[0].embedding
    assert answer.usage.total_tokens == 2 * 230


def test_tokens_in_place_of_text_give_the_texts_vectors(client):
    texts = vectors_of(client.embeddings.create(model=SECOND, input=["Hello", " world!"]))
    assert vectors_of(client.embeddings.create(model=SECOND, input=[[9906], [1917, 0]])) == texts
    assert vectors_of(client.embeddings.create(model=SECOND, input=[9906])) == texts[:1]


@pytest.mark.parametrize(
    ("name", "length"), [("text-embedding-3-small", 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)]
)
def test_openais_names_lead_to_gemini_and_keep_their_lengths(client, name, length):
    answer = client.embeddings.create(model=name, input="a")
    assert (answer.model, len(answer.data[0].embedding)) == (SECOND, length)


@pytest.mark.parametrize(
    "options",
    [
        {"task_type": "RETRIEVAL_DOCUMENT", "title": "Beavers"},
        {"extra_body": {"google": {"task_type": "RETRIEVAL_DOCUMENT", "title": "Beavers"}}},
    ],
    ids=["on top", "nested"],
)
def test_task_and_title_reach_both_generations(client, google, options):
    for model in (FIRST, SECOND):
        client.embeddings.create(model=model, input="they build", extra_body=options)
    [first], [second] = (call.body["requests"] for call in google.log)
    assert (first["taskType"], first["title"], first["content"]["parts"][0]["text"]) == (
        "RETRIEVAL_DOCUMENT",
        "Beavers",
        "they build",
    )
    assert second["content"]["parts"][0]["text"] == "title: Beavers | text: they build"


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": []}, "input"),
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": ["a"] * 2049}, "input"),
        ({"input": [[64], [100_256]]}, "input[1]"),
        ({"input": "a", "dimensions": 0}, "dimensions"),
        ({"input": "a", "dimensions": 127}, "dimensions"),
        ({"input": "a", "dimensions": 3073}, "dimensions"),
        ({"input": "a", "encoding_format": "hex"}, "encoding_format"),
        ({"input": "a", "extra_body": {"task_type": "GUESSING"}}, "task_type"),
        ({"input": "a", "model": "gemini-3.8-flash"}, "model"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_is_wrong_is_named_and_google_is_not_asked(client, google, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.embeddings.create(**{"model": FIRST, **fields})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert not list(google.log)


def test_a_model_for_embeddings_is_not_asked_to_chat(client, google):
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="text-embedding-3-small", messages=[{"role": "user", "content": "hi"}])
    assert caught.value.param == "model"
    assert not list(google.log)
    assert client.embeddings.create(model=SECOND, input="a").data
