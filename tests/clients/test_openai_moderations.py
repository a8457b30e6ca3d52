"""Moderations by the official Python SDK, on a real server."""

import json

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

from tests.google.media import picture

LITE = "gemini-3.5-flash-lite"
CLEAN = "fill in {}"


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


@pytest.mark.parametrize("model", [None, "omni-moderation-latest", "omni-moderation-2024-09-26", "text-moderation-stable"])
def test_a_text_is_judged(client, google, model):
    answer = client.moderations.create(input=CLEAN, **({"model": model} if model else {}))
    [result] = answer.results
    assert (answer.id[:5], answer.model) == ("modr-", LITE)
    assert result.flagged is False
    assert not any(result.categories.model_dump().values())
    assert set(result.category_scores.model_dump().values()) == {0.0}
    assert result.category_applied_input_types.violence == ["text"]
    assert google.log.generation()[-1].model == LITE


def test_every_category_has_the_sdks_name(client):
    wanted = {"self_harm_intent", "sexual_minors", "violence_graphic", "harassment_threatening", "illicit_violent"}
    [result] = client.moderations.create(input=f"fill in {json.dumps(dict.fromkeys(wanted, 0.75))}").results
    flagged = {name for name in type(result.categories).model_fields if getattr(result.categories, name)}
    assert (result.flagged, flagged) == (True, wanted)
    assert {getattr(result.category_scores, name) for name in wanted} == {0.75}
    for told in (result.categories, result.category_scores, result.category_applied_input_types):
        known = {field.alias or name for name, field in type(told).model_fields.items()}
        assert known <= set(told.to_dict())
        assert len(known) == 13


async def test_several_texts_are_judged_in_order(castor):
    async with AsyncOpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        answer = await client.moderations.create(input=[CLEAN, 'fill in {"hate": 0.9}', ""])
    assert [result.categories.hate for result in answer.results][:2] == [False, True]
    assert len(answer.results) == 3


def test_texts_and_pictures_are_judged_together(client):
    url = f"data:image/png;base64,{picture()}"
    given = [{"type": "text", "text": CLEAN}, {"type": "image_url", "image_url": {"url": url}}]
    [result] = client.moderations.create(model="omni-moderation-latest", input=given).results
    assert result.category_applied_input_types.violence == ["text", "image"]
    assert result.category_applied_input_types.hate == ["text"]


def test_what_google_blocks_is_flagged(client, google):
    google.script(block_reason="PROHIBITED_CONTENT")
    [result] = client.moderations.create(input="the worst").results
    assert (result.flagged, result.categories.illicit, result.block_reason) == (True, True, "PROHIBITED_CONTENT")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": ["a"] * 65}, "input"),
        ({"input": [1]}, "input[0]"),
        (
            {"input": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,bm8gcGljdHVyZQ=="}}]},
            "input[0].image_url.url",
        ),
        ({"input": [{"type": "input_audio"}]}, "input[0].type"),
        ({"model": "gemini-3.1-flash-image"}, "model"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_is_wrong_is_named_and_google_is_not_asked(client, google, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.moderations.create(**{"input": "a", **fields})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert not list(google.log)
