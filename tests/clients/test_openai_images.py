"""Pictures by the official Python SDK, on a real server: every one of them is decoded and measured."""

import base64
import io
import json

import httpx
import openai
import pytest
from openai import OpenAI
from PIL import Image

from tests.google import media

FLASH, LITE, PRO, OLD = (
    "gemini-3.1-flash-image",
    "gemini-3.1-flash-lite-image",
    "gemini-3-pro-image",
    "gemini-2.5-flash-image",
)


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


def opened(data: str | bytes) -> Image.Image:
    image = Image.open(io.BytesIO(base64.b64decode(data) if isinstance(data, str) else data))
    image.load()
    return image


def measured(data: str | bytes) -> tuple[str, tuple[int, int]]:
    image = opened(data)
    return image.format, image.size


def a_file(form: str = "PNG", size: tuple[int, int] = (300, 200), colour: object = "blue", mode: str = "RGB") -> bytes:
    written = io.BytesIO()
    Image.new(mode, size, colour).save(written, form)
    return written.getvalue()


def config_of(google) -> dict:
    return google.log[-1].body["generationConfig"]


def test_a_picture(client, google):
    answer = client.images.generate(model=FLASH, prompt="a red fox")
    [one] = answer.data
    assert measured(one.b64_json) == ("PNG", (1024, 1024))
    assert (one.url, one.revised_prompt) == (None, None)
    assert (answer.output_format, answer.size, answer.background) == ("png", "1024x1024", "opaque")
    used = google.log[-1].usage
    assert answer.usage.input_tokens == answer.usage.input_tokens_details.text_tokens == used["promptTokenCount"] == 3
    assert answer.usage.output_tokens_details.image_tokens == 1120
    assert answer.usage.total_tokens == used["totalTokenCount"]
    assert config_of(google) == {"responseModalities": ["IMAGE"]}


@pytest.mark.parametrize(
    ("model", "fields", "sent", "pixels"),
    [
        (FLASH, {"size": "1024x1024"}, {"aspectRatio": "1:1", "imageSize": "1K"}, (1024, 1024)),
        (FLASH, {"size": "1536x1024"}, {"aspectRatio": "3:2", "imageSize": "2K"}, (2528, 1696)),
        (FLASH, {"size": "512x512"}, {"aspectRatio": "1:1", "imageSize": "512"}, (512, 512)),
        (PRO, {"size": "512x512"}, {"aspectRatio": "1:1", "imageSize": "1K"}, (1024, 1024)),
        (LITE, {"size": "1024x1792"}, {"aspectRatio": "9:16", "imageSize": "1K"}, (768, 1376)),
        (OLD, {"size": "1792x1024"}, {"aspectRatio": "16:9"}, (1376, 768)),
        (
            FLASH,
            {"extra_body": {"aspect_ratio": "21:9", "image_size": "1K"}},
            {"aspectRatio": "21:9", "imageSize": "1K"},
            (1584, 672),
        ),
        (FLASH, {"size": "auto"}, None, (1024, 1024)),
        (PRO, {"quality": "high"}, {"imageSize": "2K"}, (2048, 2048)),
    ],
    ids=str,
)
def test_sizes_are_the_nearest_that_the_model_makes(client, google, model, fields, sent, pixels):
    answer = client.images.generate(model=model, prompt="a fox", **fields)
    assert config_of(google).get("imageConfig") == sent
    assert measured(answer.data[0].b64_json)[1] == pixels
    assert answer.size == "{}x{}".format(*pixels)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp"])
def test_pictures_come_in_the_format_that_was_asked_for(client, form):
    answer = client.images.generate(model=FLASH, prompt="a fox", output_format=form)
    assert measured(answer.data[0].b64_json) == (form.upper(), (1024, 1024))
    assert answer.output_format == form


def test_a_jpeg_of_googles_stays_one_where_nothing_is_said_and_becomes_a_png_on_demand(client, google):
    data = base64.b64encode(a_file("JPEG", (64, 32))).decode()
    for _ in range(2):
        google.script(chunks=[chunk({"inlineData": {"mimeType": "image/jpeg", "data": data}})])
    answer = client.images.generate(model=FLASH, prompt="a fox")
    assert (answer.data[0].b64_json, answer.output_format, answer.size) == (data, "jpeg", "64x32")
    answer = client.images.generate(model=FLASH, prompt="a fox", output_format="png")
    assert measured(answer.data[0].b64_json) == ("PNG", (64, 32))


def chunk(*parts: dict, finish: str = "STOP") -> dict:
    return {"candidates": [{"content": {"role": "model", "parts": list(parts)}, "finishReason": finish, "index": 0}]}


def test_several_pictures_are_asked_for_side_by_side(client, google):
    answer = client.images.generate(model=FLASH, prompt="a fox", n=10, size="512x512")
    assert [measured(one.b64_json)[1] for one in answer.data] == [(512, 512)] * 10
    assert len(google.log.generation()) == 10
    assert answer.usage.input_tokens == 2 * 10


@pytest.mark.parametrize("name", ["dall-e-2", "dall-e-3", "gpt-image-2", "imagen-4.0-generate-001", None])
def test_openais_names_lead_to_gemini_and_those_that_gave_urls_still_do(client, google, name):
    answer = client.images.generate(prompt="a fox", **({"model": name} if name else {}))
    assert google.log[-1].model == FLASH
    if name in ("dall-e-2", "dall-e-3"):
        assert measured(httpx.get(answer.data[0].url).content) == ("PNG", (1024, 1024))
    else:
        assert measured(answer.data[0].b64_json) == ("PNG", (1024, 1024))


def test_a_url_leads_to_the_picture_and_needs_no_token(client, castor):
    answer = client.images.generate(model=FLASH, prompt="a fox", n=2, response_format="url", output_format="webp")
    assert len({one.url for one in answer.data}) == 2
    for one in answer.data:
        assert one.url.startswith(f"{castor.url}/media/")
        response = httpx.get(one.url)
        assert measured(response.content) == ("WEBP", (1024, 1024))
        assert response.headers["content-type"] == "image/webp"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert int(response.headers["content-length"]) == len(response.content)


def test_a_style_is_told_in_the_prompt(client, google):
    answer = client.images.generate(model="dall-e-3", prompt="a fox", style="vivid", response_format="b64_json")
    assert answer.data[0].revised_prompt == google.log[-1].text
    assert google.log[-1].text.startswith("a fox\n\nMake it vivid")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"background": "transparent"}, "background"),
        ({"extra_body": {"seed": 7}}, "seed"),
        ({"output_compression": 50}, "output_compression"),
        ({"size": "1000x1000"}, "size"),
        ({"extra_body": {"aspect_ratio": "7:5"}}, "aspect_ratio"),
        ({"model": LITE, "quality": "high"}, "quality"),
        ({"partial_images": 2}, "partial_images"),
    ],
    ids=str,
)
def test_what_cannot_be_done_is_named_and_refused_where_the_caller_is_strict(client, google, fields, named):
    fields = {"model": FLASH, "prompt": "a fox", **fields}
    raw = client.images.with_raw_response.generate(**fields)
    assert raw.headers["x-castor-dropped"] == named
    google.log.clear()
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**fields, extra_headers={"X-Castor-Strict": "true"})
    assert caught.value.param == named
    assert not list(google.log)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": "  "}, "prompt"),
        ({"prompt": "a" * 32_001}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": "two"}, "n"),
        ({"size": "huge"}, "size"),
        ({"size": "0x100"}, "size"),
        ({"size": "100000x1"}, "size"),
        ({"extra_body": {"aspect_ratio": "wide"}}, "aspect_ratio"),
        ({"extra_body": {"image_size": "8K"}}, "image_size"),
        ({"quality": "superb"}, "quality"),
        ({"style": "cubist"}, "style"),
        ({"background": "green"}, "background"),
        ({"output_format": "svg"}, "output_format"),
        ({"output_compression": 101}, "output_compression"),
        ({"response_format": "file"}, "response_format"),
        ({"stream": True, "partial_images": 4}, "partial_images"),
        ({"model": "gemini-3.8-flash"}, "model"),
        ({"model": "gemini-embedding-2"}, "model"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_is_wrong_is_named_and_google_is_not_asked(client, google, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(**{"model": FLASH, "prompt": "a fox", **fields})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert not list(google.log)


# --- Where there is no picture -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "script",
    [
        {"chunks": [chunk(finish="IMAGE_SAFETY")]},
        {"chunks": [chunk(finish="IMAGE_PROHIBITED_CONTENT")]},
        {"chunks": [chunk(finish="IMAGE_RECITATION")]},
        {"block_reason": "PROHIBITED_CONTENT"},
    ],
    ids=str,
)
def test_a_refusal_is_a_content_policy_violation_and_no_keys_fault(client, castor, google, script):
    google.script(**script)
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=FLASH, prompt="a fox")
    assert (caught.value.code, caught.value.type) == ("content_policy_violation", "invalid_request_error")
    assert len(google.log.generation()) == 1
    [record] = castor.usage(caught.value.request_id)
    assert (record["status"], record["dialect"], record["attempts"]) == (400, "images", 1)


def test_googles_words_are_told(client, google):
    google.script(finish_reason="IMAGE_SAFETY", finish_message="This looks like a person.", text=" ")
    with pytest.raises(openai.BadRequestError, match=r"IMAGE_SAFETY.*This looks like a person\."):
        client.images.generate(model=FLASH, prompt="a fox")


def test_text_in_place_of_a_picture_is_quoted(client, google):
    google.script(text="I would rather tell you about foxes. " * 50)
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=FLASH, prompt="a fox")
    assert caught.value.code == "no_image"
    assert "I would rather tell you about foxes." in caught.value.message
    assert len(caught.value.message) < 500


# Each with a model of its own: retries are paid from a budget, which the failures of one test would use up for the next.


@pytest.mark.parametrize(("model", "reason"), [(OLD, "NO_IMAGE"), (LITE, "IMAGE_OTHER")])
def test_an_answer_without_a_picture_is_asked_for_again(client, google, model, reason):
    google.script(chunks=[chunk(finish=reason)])
    assert client.images.generate(model=model, prompt="a fox").data[0].b64_json
    assert len(google.log.generation()) == 2
    with google.scripted(chunks=[chunk(finish=reason)]), pytest.raises(openai.InternalServerError, match=reason):
        client.images.generate(model=model, prompt="a fox")


def test_another_key_takes_over(client, google):
    google.script(error="overloaded")
    raw = client.images.with_raw_response.generate(model=PRO, prompt="a fox")
    assert raw.headers["x-castor-attempts"] == "2"
    assert raw.parse().data[0].b64_json


@pytest.mark.parametrize(
    ("script", "code"),
    [({"chunks": [chunk(finish="IMAGE_SAFETY")]}, "content_policy_violation"), ({"error": "bad_request"}, None)],
    ids=str,
)
def test_some_of_several_are_an_answer_and_what_became_of_the_others_is_told(client, google, script, code):
    google.script(**script, times=2)
    raw = client.images.with_raw_response.generate(model=FLASH, prompt="a fox", n=5, size="512x512")
    answer = raw.parse()
    assert [measured(one.b64_json)[1] for one in answer.data] == [(512, 512)] * 3
    assert raw.headers["x-castor-failed"].startswith("2: ")
    assert [failure["code"] for failure in answer.failed] == [code] * 2
    assert all(failure["message"] for failure in answer.failed)


def test_where_all_fail_the_request_does(client, google):
    google.script(chunks=[chunk(finish="IMAGE_SAFETY")], times=3)
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model=FLASH, prompt="a fox", n=3)
    assert caught.value.code == "content_policy_violation"


# --- Streams -----------------------------------------------------------------------------------------------------------


def test_a_stream_of_a_whole_picture(client, google):
    [end] = client.images.generate(model=FLASH, prompt="a fox", stream=True, size="1024x1024", quality="low")
    assert (end.type, end.size, end.quality, end.output_format) == ("image_generation.completed", "1024x1024", "low", "png")
    assert measured(end.b64_json) == ("PNG", (1024, 1024))
    assert end.usage.total_tokens == google.log[-1].usage["totalTokenCount"]


def draft(side: int) -> dict:
    return {"thought": True, "inlineData": {"mimeType": "image/png", "data": media.picture(side, side)}}


def test_partial_pictures_are_those_that_the_model_makes_on_its_way(client, google):
    final = {"inlineData": {"mimeType": "image/png", "data": media.picture(64, 64)}}
    parts = [{"candidates": [{"content": {"role": "model", "parts": [draft(side)]}, "index": 0}]} for side in (16, 32, 48)]
    google.script(chunks=[*parts, chunk(final)])
    events = list(client.images.generate(model=FLASH, prompt="a fox", stream=True, partial_images=2, output_format="jpeg"))
    assert [event.type for event in events] == ["image_generation.partial_image"] * 2 + ["image_generation.completed"]
    assert [event.partial_image_index for event in events[:2]] == [0, 1]
    assert [measured(event.b64_json) for event in events] == [("JPEG", (side, side)) for side in (16, 32, 64)]
    assert config_of(google)["thinkingConfig"] == {"includeThoughts": True}


def test_drafts_are_no_pictures_where_nobody_asks_for_them(client, google):
    final = {"inlineData": {"mimeType": "image/png", "data": media.picture(64, 64)}}
    google.script(chunks=[chunk(draft(16), final)])
    answer = client.images.generate(model=PRO, prompt="a fox")
    assert [measured(one.b64_json)[1] for one in answer.data] == [(64, 64)]


def test_a_refusal_before_the_stream_is_an_error_and_one_within_it_is_raised_by_the_sdk(client, google):
    google.script(chunks=[chunk(finish="IMAGE_SAFETY")])
    with pytest.raises(openai.BadRequestError):
        client.images.generate(model=FLASH, prompt="a fox", stream=True)
    google.script(
        chunks=[{"candidates": [{"content": {"role": "model", "parts": [draft(16)]}, "index": 0}]}, chunk(finish="IMAGE_SAFETY")]
    )
    stream = client.images.generate(model=FLASH, prompt="a fox", stream=True, partial_images=1)
    with pytest.raises(openai.APIError, match="IMAGE_SAFETY") as caught:
        list(stream)
    assert caught.value.code == "content_policy_violation"


# --- Edits and variations ----------------------------------------------------------------------------------------------


def parts_of(google) -> list[dict]:
    return google.log[-1].body["contents"][0]["parts"]


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_an_edit_sends_the_image_as_it_is(client, google, form):
    image = a_file(form)
    answer = client.images.edit(model=FLASH, image=("picture", image), prompt="make it red")
    assert measured(answer.data[0].b64_json)[0] == "PNG"
    told, sent = parts_of(google)
    assert told == {"text": "make it red"}
    assert sent["inlineData"]["mimeType"] == f"image/{form.lower()}"
    assert base64.b64decode(sent["inlineData"]["data"]) == image
    assert answer.usage.input_tokens_details.image_tokens == 258


def test_an_edit_of_several_images_keeps_their_order(client, google):
    files = [a_file(colour=(number, 0, 0)) for number in range(16)]
    client.images.edit(model=FLASH, image=files, prompt="put them together", n=2)
    for call in google.log.generation():
        sent = call.body["contents"][0]["parts"][1:]
        assert [base64.b64decode(part["inlineData"]["data"]) for part in sent] == files


def test_a_streamed_edit(client):
    [end] = client.images.edit(model=FLASH, image=a_file(), prompt="make it red", stream=True)
    assert end.type == "image_edit.completed"
    assert measured(end.b64_json) == ("PNG", (1024, 1024))


def masked(size: tuple[int, int], hole: tuple[int, int, int, int]) -> bytes:
    mask = Image.new("RGBA", size, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), hole)
    written = io.BytesIO()
    mask.save(written, "PNG")
    return written.getvalue()


@pytest.mark.parametrize("size", [(300, 200), (200, 300), (1000, 1000), (640, 100)])
def test_nothing_outside_of_the_mask_changes(client, google, size):
    image = Image.effect_noise(size, 80).convert("RGB")
    written = io.BytesIO()
    image.save(written, "PNG")
    hole = (size[0] // 4, size[1] // 4, size[0] // 2, size[1] // 2)
    answer = client.images.edit(model=FLASH, image=written.getvalue(), mask=masked(size, hole), prompt="a red box")
    result = opened(answer.data[0].b64_json)
    assert (result.size, result.mode) == (size, "RGB")
    expected = image.copy()
    expected.paste((255, 0, 0), hole)
    assert result.tobytes() == expected.tobytes()
    told, _, mask = parts_of(google)
    assert told["text"].startswith("a red box\n\nThe last image is a mask")
    assert opened(mask["inlineData"]["data"]).getextrema() == ((0, 255),) * 3


def test_what_the_model_is_shown_has_the_shape_of_what_it_makes(client, google):
    client.images.edit(model=FLASH, image=a_file(size=(640, 100)), mask=masked((640, 100), (0, 0, 9, 9)), prompt="x")
    _, image, mask = (part.get("inlineData", {}).get("data") for part in parts_of(google))
    width, height = opened(image).size
    assert opened(mask).size == (width, height)
    assert width / height == pytest.approx(1584 / 672, rel=0.01)
    assert config_of(google)["imageConfig"] == {"aspectRatio": "21:9", "imageSize": "1K"}


def test_a_picture_of_another_shape_is_not_squeezed_into_the_mask(client, google):
    square = {"inlineData": {"mimeType": "image/png", "data": media.picture(64, 64)}}
    google.script(chunks=[chunk(square)])
    with pytest.raises(openai.InternalServerError, match="another shape"):
        client.images.edit(model=FLASH, image=a_file(), mask=masked((300, 200), (0, 0, 9, 9)), prompt="x")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_variation(client, google):
    answer = client.images.create_variation(model="dall-e-2", image=a_file(), n=2, size="512x512")
    assert [measured(httpx.get(one.url).content)[1] for one in answer.data] == [(512, 512)] * 2
    told, sent = parts_of(google)
    assert "variation" in told["text"]
    assert base64.b64decode(sent["inlineData"]["data"]) == a_file()


NO_HOLE = a_file(mode="RGBA", colour=(0, 0, 0, 255))
HOLE = masked((300, 200), (0, 0, 9, 9))
BOMB = a_file(size=(10_000, 6_000), mode="1", colour=0)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"image": b"this is no image"}, "image"),
        ({"image": b""}, "image"),
        ({"image": a_file("GIF")}, "image"),
        ({"image": a_file()[:-40]}, "image"),
        ({"image": ("a.png", b"%PDF-1.4", "image/png")}, "image"),
        ({"image": ("a.txt", a_file(), "text/plain")}, "image"),
        ({"image": BOMB}, "image"),
        ({"image": []}, "image"),
        ({"image": [a_file()] * 17}, "image"),
        ({"prompt": ""}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"size": "huge"}, "size"),
        ({"mask": a_file()}, "mask"),
        ({"mask": NO_HOLE}, "mask"),
        ({"mask": masked((30, 20), (0, 0, 9, 9))}, "mask"),
        ({"mask": b"this is no image"}, "mask"),
        ({"mask": b""}, "mask"),
        ({"model": "gemini-3.8-flash"}, "model"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_edit_is_named_and_google_is_not_asked(client, google, fields, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.edit(**{"model": FLASH, "image": a_file(), "prompt": "make it red", **fields})
    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert not list(google.log)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("image", "param"), [([a_file()] * 2, "image"), (b"nothing", "image")], ids=["two", "none"])
def test_a_wrong_variation_is_named(client, google, image, param):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.create_variation(model=FLASH, image=image)
    assert caught.value.param == param
    assert not list(google.log)


def test_a_file_that_is_too_large_is_refused(client, google):
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.edit(model=FLASH, image=a_file() + bytes(51 * 1024 * 1024), prompt="x")
    assert (caught.value.param, caught.value.code) == ("image", "image_too_large")
    assert not list(google.log)


def test_an_edit_that_is_no_form_is_refused(castor):
    status, _, body = castor.ask("POST", "/v1/images/edits", {"prompt": "x"})
    assert (status, json.loads(body)["error"]["type"]) == (400, "invalid_request_error")
