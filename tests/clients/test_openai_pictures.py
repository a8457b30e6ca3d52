"""Pictures in chat by the official Python SDK: made, streamed, sent back and changed. The simulator insists on signatures."""

import base64
import io

import pytest
from openai import BadRequestError, OpenAI
from PIL import Image

from tests.api.server import TWO_KEYS
from tests.api.test_hot_path import data_lines, peak_memory, response_of
from tests.google import media

PRO, FLASH, OLD, TEXT = "gemini-3-pro-image", "gemini-3.1-flash-image", "gemini-2.5-flash-image", "gemini-3.8-flash"
DUMMY = "skip_thought_signature_validator"
FOX = [{"role": "user", "content": "a red fox"}]
IN_BLUE = {"role": "user", "content": "now in blue"}


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


@pytest.fixture
def draw(client):
    def draw(messages=FOX, model=PRO, **fields):
        return client.chat.completions.create(model=model, messages=messages, **fields)

    return draw


def measured(image) -> tuple[str, tuple[int, int]]:
    """(format, size) of a data URL's picture, decoded to its last pixel."""
    head, _, data = image["image_url"]["url"].partition(",")
    assert (image["type"], head) == ("image_url", "data:image/png;base64")
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        picture.load()
        return picture.format, picture.size


def signature_of(image) -> str:
    return image["extra_content"]["google"]["thought_signature"]


def plain(image) -> dict:
    """What most clients keep of a picture."""
    return {"type": "image_url", "image_url": {"url": image["image_url"]["url"]}}


def signatures_sent(call) -> list[str | None]:
    """Of every part of the model's turns in a request that Google got."""
    own = [content for content in call.body["contents"] if content["role"] == "model"]
    return [part.get("thoughtSignature") for content in own for part in content["parts"]]


# --- Made -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [PRO, FLASH, OLD])
def test_a_picture_comes_in_the_message(draw, google, model):
    completion = draw(model=model, modalities=["image", "text"])
    message = completion.choices[0].message
    assert (message.role, message.content, completion.choices[0].finish_reason) == ("assistant", "", "stop")
    assert [measured(image) for image in message.images] == [("PNG", (1024, 1024))]
    assert google.log[-1].body["generationConfig"]["responseModalities"] == ["IMAGE", "TEXT"]


def test_models_that_always_make_pictures_need_no_modalities(draw):
    assert len(draw().choices[0].message.images) == 1


def test_pictures_are_counted(draw):
    usage = draw().usage
    assert (usage.completion_tokens, usage.completion_tokens_details.image_tokens) == (1120, 1120)


def test_texts_and_several_pictures(draw, google):
    google.script(text="Here they are.", pictures=3)
    message = draw().choices[0].message
    assert message.content == "Here they are."
    assert len({image["image_url"]["url"] for image in message.images}) == 3


def test_a_stream_brings_each_picture_whole_in_a_delta_with_a_place_of_its_own(draw, google):
    google.script(text="Here they are.", pictures=2)
    chunks = list(draw(stream=True))
    pictures = [image for chunk in chunks for image in getattr(chunk.choices[0].delta, "images", None) or ()]
    assert [image["index"] for image in pictures] == [0, 1]
    assert [measured(image) for image in pictures] == [("PNG", (1024, 1024))] * 2
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Here they are."
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_the_sdks_own_accumulator_keeps_every_picture(client, google):
    google.script(text="Here they are.", pictures=3)
    with client.chat.completions.stream(model=PRO, messages=FOX) as stream:
        message = stream.get_final_completion().choices[0].message
    assert message.content == "Here they are."
    assert len({image["image_url"]["url"] for image in message.images}) == 3
    assert all(map(signature_of, message.images))


def test_drafts_are_not_shown(draw, google):
    draft = {"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}
    google.script(chunks=[response_of(draft), response_of({"text": "No more."}, finishReason="STOP")])
    message = draw().choices[0].message
    assert (message.content, message.model_extra.get("images")) == ("No more.", None)


# --- As asked -------------------------------------------------------------------------------------------------------

WIDE = {"aspect_ratio": "16:9", "image_size": "2K"}


@pytest.mark.parametrize(
    "fields",
    [
        {"image_config": WIDE},
        {"google": {"image_config": WIDE}},
        {"extra_body": {"google": {"image_config": WIDE}}},
        {"extra_body": {"google": {"generation_config": {"image_config": WIDE}}}},
    ],
    ids=str,
)
def test_shape_and_size_as_the_ecosystem_asks_for_them(draw, fields):
    [image] = draw(model=FLASH, extra_body=fields).choices[0].message.images
    assert measured(image) == ("PNG", (2752, 1536))


def test_what_the_model_cannot_make_becomes_the_nearest_and_is_named(client):
    asked = {"model": PRO, "messages": FOX, "extra_body": {"image_config": {"aspect_ratio": "1:8", "image_size": "512"}}}
    answer = client.chat.completions.with_raw_response.create(**asked)
    assert answer.headers["x-castor-dropped"] == "image_config.aspect_ratio, image_config.image_size"
    [image] = answer.parse().choices[0].message.images
    assert measured(image) == ("PNG", (768, 1376))
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(**asked, extra_headers={"X-Castor-Strict": "true"})
    assert refused.value.param == "image_config.aspect_ratio"


@pytest.mark.parametrize(
    ("config", "param"),
    [
        ({"aspect_ratio": "wide"}, "image_config.aspect_ratio"),
        ({"image_size": "1024x1024"}, "image_config.image_size"),
        ({"aspect_ratio": 1.5}, "image_config.aspect_ratio"),
    ],
)
def test_what_is_no_shape_and_no_size_is_refused(draw, google, config, param):
    with pytest.raises(BadRequestError) as refused:
        draw(extra_body={"image_config": config})
    assert refused.value.param == param
    assert not google.log.generation()


def test_a_model_of_texts_that_is_asked_for_a_picture_says_so(client):
    asked = {"model": TEXT, "messages": FOX, "modalities": ["image", "text"]}
    answer = client.chat.completions.with_raw_response.create(**asked)
    assert answer.headers["x-castor-dropped"] == "modalities"
    assert answer.parse().choices[0].message.content == "echo: a red fox"
    with pytest.raises(BadRequestError) as refused:
        client.chat.completions.create(**asked, extra_headers={"X-Castor-Strict": "true"})
    assert refused.value.param == "modalities"


# --- Sent back ------------------------------------------------------------------------------------------------------


def in_images(message) -> list:
    return [{"role": "assistant", "content": message.content, "images": list(map(plain, message.images))}, IN_BLUE]


def in_content(message) -> list:
    text = [{"type": "text", "text": message.content}]
    return [{"role": "assistant", "content": [*text, *map(plain, message.images)]}, IN_BLUE]


def as_it_came(message) -> list:
    return [message.model_dump(exclude_none=True), IN_BLUE]


@pytest.mark.parametrize("kept", [in_images, in_content, as_it_came])
@pytest.mark.parametrize("model", [PRO, FLASH])
def test_a_picture_that_comes_back_is_changed_with_its_own_signature(draw, google, kept, model):
    google.script(text="Here.", pictures=2)
    message = draw(model=model).choices[0].message
    assert draw([*FOX, *kept(message)], model).choices[0].message.images
    sent = signatures_sent(google.log[-1])
    assert sent[1:] == list(map(signature_of, message.images))
    assert sent[0] not in (None, DUMMY), "the signature of the text before the pictures"


def test_the_signatures_of_a_stream_are_kept_too(client, draw, google):
    google.script(text="Here is one, as you wished.", pictures=1)
    with client.chat.completions.stream(model=PRO, messages=FOX) as stream:
        message = stream.get_final_completion().choices[0].message
    assert draw([*FOX, *in_images(message)]).choices[0].message.images
    assert signatures_sent(google.log[-1])[1:] == [signature_of(message.images[0])]
    assert DUMMY not in signatures_sent(google.log[-1])


def test_a_picture_that_the_user_sends_is_theirs(draw, google):
    [image] = draw().choices[0].message.images
    content = [{"type": "text", "text": "change this"}, plain(image), image]
    assert draw([{"role": "user", "content": content}]).choices[0].message.images
    assert [list(part) for part in google.log[-1].body["contents"][0]["parts"]] == [["text"], ["inlineData"], ["inlineData"]]


def test_a_picture_that_nobody_remembers_gets_the_stand_in(draw, google):
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{media.numbered(512, 512, 5)}"}}
    message = {"role": "assistant", "content": "Here.", "images": [image]}
    assert draw([*FOX, message, IN_BLUE]).choices[0].message.images
    assert signatures_sent(google.log[-1]) == [DUMMY, DUMMY]


@pytest.mark.parametrize("kept", [in_images, as_it_came])
def test_a_picture_of_another_model_loses_its_signature(draw, google, kept):
    message = draw(model=FLASH).choices[0].message
    assert draw([*FOX, *kept(message)], PRO).choices[0].message.images
    assert signatures_sent(google.log[-1]) == [DUMMY]
    assert draw([*FOX, *kept(message)], TEXT).choices[0].message.content
    assert signatures_sent(google.log[-1]) == [None]


def test_another_owner_gets_the_stand_in(castor, draw, google):
    message = draw().choices[0].message
    with OpenAI(base_url=castor.base_url, api_key=castor.tokens["other"], max_retries=0) as stranger:
        stranger.chat.completions.create(model=PRO, messages=[*FOX, *in_images(message)])
    assert signatures_sent(google.log[-1]) == [DUMMY]


def test_the_signature_of_a_picture_outlives_the_server_that_gave_it(castor_alone, google):
    castor = castor_alone()
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        message = client.chat.completions.create(model=PRO, messages=FOX).choices[0].message
        castor.wait(lambda: castor.rows("SELECT * FROM openai_api_thoughtsignature"), "saved")
        castor.kill()
        castor.start()
        client.chat.completions.create(model=PRO, messages=[*FOX, *in_images(message)])
    assert signatures_sent(google.log[-1]) == [signature_of(message.images[0])]


# --- Not made -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", ["IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "PROHIBITED_CONTENT"])
@pytest.mark.parametrize("streams", [False, True])
def test_a_picture_that_is_withheld_is_a_refusal(draw, google, reason, streams):
    google.script(pictures=0, finish_reason=reason, finish_message="Such a fox may not be shown.")
    if streams:  # The SDK's helper would raise.
        choices = [chunk.choices[0] for chunk in draw(stream=True)]
        refusal, end = "".join(choice.delta.refusal or "" for choice in choices), choices[-1].finish_reason
    else:
        choice = draw().choices[0]
        refusal, end = choice.message.refusal, choice.finish_reason
    assert (end, refusal) == ("content_filter", "Such a fox may not be shown.")
    assert len(google.log.generation()) == 1


@pytest.mark.parametrize("reason", ["NO_IMAGE", "IMAGE_OTHER"])
@pytest.mark.parametrize("streams", [False, True])
def test_where_no_picture_came_another_credential_is_asked(castor, google, reason, streams):
    google.script(pictures=0, finish_reason=reason)
    status, headers, body = castor.ask("POST", "/v1/chat/completions", {"model": PRO, "messages": FOX, "stream": streams})
    assert (status, headers["x-castor-attempts"]) == (200, "2")
    assert b"data:image/png;base64," in body


def test_where_nobody_makes_a_picture_the_error_says_so(castor_with, google):
    castor = castor_with(GEMINI_API_KEYS=TWO_KEYS, RETRY_DELAY="0.01")
    google.script(pictures=0, finish_reason="NO_IMAGE", times=None)
    status, _, body = castor.chat("a red fox", model=PRO)
    assert status == 503
    assert "NO_IMAGE" in body["error"]["message"]


# --- Large ----------------------------------------------------------------------------------------------------------

LARGE = 20_000_000
"""Characters of base64: what a picture of 4K may have."""


@pytest.fixture(scope="module")
def large():
    made = {"inlineData": {"mimeType": "image/png", "data": "A" * LARGE}, "thoughtSignature": "c2ln"}
    return response_of(made, finishReason="STOP")


@pytest.mark.parametrize("streams", [False, True])
def test_a_large_picture_leaves_as_one_delta_and_its_memory_is_free_again(castor_alone, google, large, streams):
    castor = castor_alone()
    [worker] = castor.workers()

    def fetch() -> list[bytes]:
        google.script(chunks=[large])
        if streams:
            with castor.streaming("a fox", model=PRO) as response:
                return [payload for payload in data_lines(response) if b"data:image" in payload]
        return [castor.ask("POST", "/v1/chat/completions", {"model": PRO, "messages": FOX})[2]]

    [first] = fetch()
    assert first.count(b"A" * LARGE) == 1
    after_one = peak_memory(worker)
    for _ in range(6):
        fetch()
    # Nothing of the earlier pictures is kept: not two of the six more fit between the peaks, which vary with how bytes arrive.
    assert peak_memory(worker) - after_one < 2 * LARGE
