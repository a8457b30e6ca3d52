"""Calls and formats that the asynchronous Python SDK sends in its own way, on a real server."""

import asyncio
import base64
import io
import json

import httpx
import openai
import pytest
from openai import AsyncOpenAI
from PIL import Image

from tests.api import recordings
from tests.api.recordings import SAID
from tests.google import media, speech

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # OpenAI's, about variations and models for audio.
FLASH_IMAGE, LITE = "gemini-3.1-flash-image", "gemini-3.5-flash-lite"


@pytest.fixture
async def client(castor):
    async with AsyncOpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


def measured(content: bytes) -> tuple[str, tuple[int, int]]:
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image.format, image.size


def a_picture() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (300, 200), "blue").save(written, "PNG")
    return written.getvalue()


# --- Pictures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("response_format", ["b64_json", "url"])
async def test_made_edited_and_varied_in_every_format_and_both_ways(client, form, response_format):
    asked = {"model": FLASH_IMAGE, "response_format": response_format, "size": "512x512"}
    answers = await asyncio.gather(
        client.images.generate(**asked, prompt="a fox", output_format=form),
        client.images.edit(**asked, prompt="a fox", image=a_picture(), output_format=form),
        client.images.create_variation(**asked, image=a_picture()),
    )
    for answer, expected in zip(answers, (form, form, "png"), strict=True):
        [one] = answer.data
        assert (one.b64_json is None, one.url is None) == (response_format == "url", response_format == "b64_json")
        content = base64.b64decode(one.b64_json) if one.b64_json else await loaded(one.url)
        assert measured(content) == (expected.upper(), (512, 512))


async def loaded(url: str) -> bytes:
    async with httpx.AsyncClient() as browser:
        return (await browser.get(url)).content


async def test_how_much_a_picture_is_compressed_is_heard(client, google):
    noise = io.BytesIO()
    Image.effect_noise((256, 256), 90).convert("RGB").save(noise, "PNG")
    part = {"inlineData": {"mimeType": "image/png", "data": base64.b64encode(noise.getvalue()).decode()}}
    chunk = {"candidates": [{"content": {"role": "model", "parts": [part]}, "finishReason": "STOP", "index": 0}]}
    google.script(chunks=[chunk], times=2)
    asked = {"model": FLASH_IMAGE, "prompt": "noise", "output_format": "jpeg"}
    small, large = [(await client.images.generate(**asked, output_compression=much)).data[0].b64_json for much in (10, 95)]
    assert 3 * len(small) < len(large)
    assert measured(base64.b64decode(small)) == ("JPEG", (256, 256))


async def test_a_stream_of_drafts_and_the_picture(client, google):
    draft, final = ({"inlineData": {"mimeType": "image/png", "data": media.picture(side, side)}} for side in (16, 64))
    first = {"content": {"role": "model", "parts": [{"thought": True, **draft}]}, "index": 0}
    last = {"content": {"role": "model", "parts": [final]}, "finishReason": "STOP", "index": 0}
    google.script(chunks=[{"candidates": [first]}, {"candidates": [last]}])
    stream = await client.images.edit(model=FLASH_IMAGE, image=a_picture(), prompt="a fox", stream=True, partial_images=1)
    events = [event async for event in stream]
    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]
    assert [measured(base64.b64decode(event.b64_json))[1] for event in events] == [(16, 16), (64, 64)]


async def test_a_picture_in_a_chat_is_streamed_and_changed(client):
    asked = [{"role": "user", "content": "a red fox"}]
    images = []
    async for chunk in await client.chat.completions.create(model="gemini-3-pro-image", messages=asked, stream=True):
        images += getattr(chunk.choices[0].delta, "images", None) or []
    again = [*asked, {"role": "assistant", "content": "", "images": images}, {"role": "user", "content": "now in blue"}]
    changed = await client.chat.completions.create(model="gemini-3-pro-image", messages=again)
    for image in (*images, *changed.choices[0].message.images):
        assert measured(base64.b64decode(image["image_url"]["url"].partition(",")[2])) == ("PNG", (1024, 1024))
    assert len(images) == 1


# --- Sound -------------------------------------------------------------------------------------------------------------


async def test_a_transcript_is_streamed(client, google):
    stream = await client.audio.transcriptions.create(file=("a.wav", recordings.wav(7)), model="whisper-1", stream=True)
    *deltas, done = [event async for event in stream]
    assert "".join(delta.delta for delta in deltas) == done.text == SAID
    assert done.usage.total_tokens == google.log[-1].usage["totalTokenCount"]


async def test_translated_captions_for_the_web(client, google):
    google.script(model="gemini-3.8-flash", text=json.dumps({"texts": ["One.", "Two?", "Three!"]}))
    asked = {"file": ("a.wav", recordings.wav(7)), "model": "whisper-1", "response_format": "vtt"}
    captions = (await client.audio.translations.create(**asked)).splitlines()
    assert captions[:7] == [
        "WEBVTT", "", "00:00:00.000 --> 00:00:02.400", "One.", "", "00:00:02.500 --> 00:00:04.900", "Two?",
    ]  # fmt: skip


async def test_speech_comes_in_pieces(client):
    asked = {"model": "tts-1", "voice": "alloy", "input": "A beaver.", "response_format": "pcm"}
    async with client.audio.speech.with_streaming_response.create(**asked) as answer:
        assert b"".join([piece async for piece in answer.iter_bytes(1_000)]) == speech.tone("A beaver.")


# --- Texts -------------------------------------------------------------------------------------------------------------


async def test_a_completion_has_no_probabilities_which_is_said(client):
    raw = await client.completions.with_raw_response.create(model=LITE, prompt="a", logprobs=3)
    [choice] = raw.parse().choices
    assert (choice.text, choice.logprobs, raw.headers["x-castor-dropped"]) == ("echo: a", None, "logprobs")


async def test_vectors_of_both_kinds_of_encoding(client):
    packed, plain = [
        (await client.embeddings.create(model="gemini-embedding-001", input="a", dimensions=128, encoding_format=form)).data[0]
        for form in ("base64", "float")
    ]
    assert memoryview(base64.b64decode(packed.embedding)).cast("f").tolist() == pytest.approx(plain.embedding, rel=1e-6)


async def test_files_are_listed_as_they_come_and_deleted(client, castor):
    made = [(await client.files.create(file=(f"{number}.txt", b"x"), purpose="assistants")).id for number in range(3)]
    mine = {file.id async for file in client.files.list(limit=1, order="asc", purpose="assistants")}
    assert set(made) <= mine
    for file_id in made:
        assert (await client.files.delete(file_id)).deleted
    with pytest.raises(openai.NotFoundError):
        await client.files.retrieve(made[0])
