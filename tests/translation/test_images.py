"""The Images API, pure: bodies in, what Google is asked, and Google's answers back out as OpenAI's."""

import json

import pytest

from openai_api.errors import InvalidRequest, UpstreamBroken
from openai_api.translation import images
from openai_api.translation.conversation import Notice, PictureFormat, PicturesToMake, PictureWish
from openai_api.translation.events import DraftDelta, Finished, MediaDelta, TextDelta, Usage, UsageReport
from openai_api.translation.gemini import imagen
from openai_api.translation.gemini.capabilities import capabilities_of
from openai_api.translation.gemini.drawing import conversation_for
from openai_api.translation.gemini.pictures import PIXELS, RATIOS, choose, pixels
from openai_api.translation.gemini.response import MalformedAnswer, Reader
from openai_api.translation.images import Album, Output, Picture, Writer

FLASH, LITE, PRO, OLD = (
    "gemini-3.1-flash-image",
    "gemini-3.1-flash-lite-image",
    "gemini-3-pro-image",
    "gemini-2.5-flash-image",
)


def read(**fields) -> images.ImagesRequest:
    return images.read_generation(json.dumps({"prompt": "a fox", **fields}).encode())


def named(notices) -> list[str]:
    return [notice.field for notice in notices]


# --- What the caller asks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "wish"),
    [
        ({}, PictureWish()),
        ({"size": None}, PictureWish()),
        ({"size": "auto"}, PictureWish()),
        ({"size": "1536x864"}, PictureWish(1536, 864)),
        ({"size": "256X256"}, PictureWish(256, 256)),
        ({"quality": "hd"}, PictureWish(quality="hd")),
        ({"aspect_ratio": "16:9", "image_size": "2K"}, PictureWish(aspect_ratio="16:9", size="2K")),
    ],
    ids=str,
)
def test_the_wish_of_a_request(fields, wish):
    assert read(**fields).wanted == PicturesToMake(FLASH, "a fox", wish=wish)


@pytest.mark.parametrize(
    ("fields", "output", "left_out"),
    [
        ({}, Output(), []),
        ({"output_format": "jpeg"}, Output("jpeg"), []),
        ({"output_format": "jpg"}, Output("jpeg"), []),
        ({"output_format": "webp", "output_compression": 0}, Output("webp", 0), []),
        ({"output_format": "png", "output_compression": 100}, Output("png"), []),
        ({"output_format": "png", "output_compression": 50}, Output("png"), ["output_compression"]),
        ({"output_compression": 50}, Output(), ["output_compression"]),
        ({"response_format": "url"}, Output(as_url=True), []),
        ({"model": "dall-e-3"}, Output(as_url=True), []),
        ({"model": "dall-e-2", "response_format": "b64_json"}, Output(), []),
        ({"model": "gpt-image-2"}, Output(), []),
        ({"model": "dall-e-3", "stream": True}, Output(), []),
        ({"response_format": "url", "stream": True}, Output(), ["response_format"]),
    ],
    ids=str,
)
def test_how_pictures_are_handed_over(fields, output, left_out):
    asked = read(**fields)
    assert (asked.output, named(asked.notices)) == (output, left_out)


@pytest.mark.parametrize(
    ("fields", "stream", "partial_images", "drafts", "left_out"),
    [
        ({"stream": True}, True, 0, False, []),
        ({"stream": True, "partial_images": 3}, True, 3, True, []),
        ({"stream": True, "partial_images": 2, "n": 2}, True, 0, False, ["partial_images"]),
        ({"partial_images": 2}, False, 2, False, ["partial_images"]),
        ({"partial_images": 0}, False, 0, False, []),
    ],
    ids=str,
)
def test_partial_pictures_are_for_streams_of_one(fields, stream, partial_images, drafts, left_out):
    asked = read(**fields)
    assert (asked.stream, asked.partial_images, asked.wanted.drafts) == (stream, partial_images, drafts)
    assert named(asked.notices) == left_out


@pytest.mark.parametrize("fields", [{"user": "ada"}, {"safety_identifier": "x"}, {"moderation": "low"}, {"background": "opaque"}])
def test_what_needs_no_word(fields):
    assert read(**fields).notices == ()


def test_unknown_fields_are_named():
    assert named(read(seed=7, complexity="low", nothing=None).notices) == ["seed", "complexity"]
    assert named(images.read_edit({"prompt": ["x"], "seed": ["7"], "input_fidelity": ["low"]}).notices) == [
        "seed",
        "input_fidelity",
    ]


def test_a_form_is_read_as_a_body_is():
    fields = {"prompt": ["a fox"], "n": ["3"], "size": ["1536x864"], "stream": ["true"], "output_format": ["webp"]}
    asked = images.read_edit(fields)
    assert asked == read(n=3, size="1536x864", stream=True, output_format="webp")
    assert images.read_variation({"n": ["2"], "size": ["512x512"]}).wanted.wish == PictureWish(512, 512)


# --- What Google is asked ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "wish", "chosen", "left_out"),
    [
        (FLASH, PictureWish(), PictureFormat(), []),
        (FLASH, PictureWish(1024, 1024), PictureFormat("1:1", "1K"), []),
        (FLASH, PictureWish(512, 512), PictureFormat("1:1", "512"), []),
        (FLASH, PictureWish(256, 256), PictureFormat("1:1", "512"), ["size"]),
        (PRO, PictureWish(256, 256), PictureFormat("1:1", "1K"), ["size"]),
        (FLASH, PictureWish(1264, 848), PictureFormat("3:2", "1K"), []),
        (FLASH, PictureWish(2528, 1696), PictureFormat("3:2", "2K"), []),
        (FLASH, PictureWish(1536, 1024), PictureFormat("3:2", "2K"), ["size"]),
        (FLASH, PictureWish(1024, 1536), PictureFormat("2:3", "2K"), ["size"]),
        (FLASH, PictureWish(1792, 1024), PictureFormat("16:9", "2K"), ["size"]),
        (FLASH, PictureWish(3840, 2160), PictureFormat("16:9", "4K"), ["size"]),
        (FLASH, PictureWish(8192, 1024), PictureFormat("8:1", "4K"), ["size"]),
        (PRO, PictureWish(8192, 1024), PictureFormat("21:9", "4K"), ["size"]),
        (LITE, PictureWish(1536, 1024), PictureFormat("3:2", "1K"), ["size"]),
        (OLD, PictureWish(1024, 1024), PictureFormat("1:1", ""), []),
        (OLD, PictureWish(quality="high"), PictureFormat(), []),
        (FLASH, PictureWish(quality="low"), PictureFormat(), []),
        (FLASH, PictureWish(quality="hd"), PictureFormat("", "2K"), []),
        (FLASH, PictureWish(quality="max"), PictureFormat("", "4K"), []),
        (FLASH, PictureWish(1024, 1024, quality="max"), PictureFormat("1:1", "1K"), []),
        (FLASH, PictureWish(aspect_ratio="16:9", size="1k", quality="max"), PictureFormat("16:9", "1K"), []),
        (PRO, PictureWish(aspect_ratio="1:8"), PictureFormat("9:16", ""), ["aspect_ratio"]),
        (LITE, PictureWish(size="4K"), PictureFormat("", "1K"), ["image_size"]),
        (LITE, PictureWish(size="4K", is_hint=True), PictureFormat("", "1K"), []),
        (FLASH, PictureWish(1024, 1024, aspect_ratio="2:3"), PictureFormat("2:3", ""), ["size"]),
        ("gemini-3.8-flash", PictureWish(1024, 1024), PictureFormat(), ["size"]),
    ],
    ids=str,
)
def test_the_format_that_comes_nearest(model, wish, chosen, left_out):
    notices: list[Notice] = []
    assert choose(wish, capabilities_of(model), notices) == chosen
    assert named(notices) == left_out


@pytest.mark.parametrize(
    ("model", "wish", "effort", "left_out"),
    [
        (FLASH, PictureWish(quality="high"), "high", []),
        (FLASH, PictureWish(1024, 1024, quality="hd"), "high", []),
        (FLASH, PictureWish(quality="medium"), None, []),
        (PRO, PictureWish(quality="high"), None, []),
        (PRO, PictureWish(1024, 1024, quality="high"), None, ["quality"]),
        (LITE, PictureWish(quality="high"), None, ["quality"]),
        (LITE, PictureWish(quality="low"), None, []),
    ],
    ids=str,
)
def test_better_quality_is_more_pixels_and_harder_thinking_where_the_model_has_them(model, wish, effort, left_out):
    notices: list[Notice] = []
    asked = conversation_for(PicturesToMake(model, "a fox", wish=wish), capabilities_of(model), notices)
    assert (asked.thinking.effort, asked.modalities, named(notices)) == (effort, ("IMAGE",), left_out)


def test_every_format_has_the_shape_of_its_name():
    for ratio, (width, height) in PIXELS.items():
        across, down = map(int, ratio.split(":"))
        assert width / height == pytest.approx(across / down, rel=0.02), ratio
        assert pixels(ratio, "4K") == (width * 4, height * 4)
    assert set(RATIOS) == set(capabilities_of(PRO).aspect_ratios)
    assert set(PIXELS) == set(capabilities_of(FLASH).aspect_ratios)


# --- Imagen ------------------------------------------------------------------------------------------------------------


def predicted(model="imagen-4.0-generate-001", **fields) -> tuple[list[dict], list[str]]:
    notices: list[Notice] = []
    calls = list(imagen.write_predictions(PicturesToMake(model, "a fox", **fields), notices))
    return [json.loads(call.body) for call in calls], named(notices)


@pytest.mark.parametrize(
    ("count", "samples"), [(1, [1]), (4, [4]), (5, [4, 1]), (10, [4, 4, 2])],
)  # fmt: skip
def test_imagen_makes_four_at_once(count, samples):
    calls, _ = predicted(count=count)
    assert [call["parameters"]["sampleCount"] for call in calls] == samples
    assert all(call["instances"] == [{"prompt": "a fox"}] for call in calls)


@pytest.mark.parametrize(
    ("model", "wish", "sent", "left_out"),
    [
        ("imagen-4.0-generate-001", PictureWish(), {}, []),
        ("imagen-4.0-generate-001", PictureWish(1024, 1024), {"aspectRatio": "1:1", "imageSize": "1K"}, []),
        ("imagen-4.0-generate-001", PictureWish(quality="hd"), {"imageSize": "2K"}, []),
        ("imagen-4.0-fast-generate-001", PictureWish(quality="hd"), {}, ["quality"]),
        ("imagen-4.0-fast-generate-001", PictureWish(aspect_ratio="21:9"), {"aspectRatio": "16:9"}, ["aspect_ratio"]),
    ],
    ids=str,
)
def test_imagen_has_shapes_of_its_own(model, wish, sent, left_out):
    [call], notices = predicted(model, wish=wish)
    assert call["parameters"] == {"sampleCount": 1, **sent}
    assert notices == left_out


def test_imagen_edits_nothing():
    with pytest.raises(InvalidRequest) as caught:
        predicted(sources=(object(),))
    assert caught.value.code == "model_not_supported"


def test_the_predictions_of_imagen():
    made = {"mimeType": "image/png", "bytesBase64Encoded": "aGk="}
    assert imagen.read_predictions(json.dumps({"predictions": [made, made]}).encode()) == [
        MediaDelta("image/png", "aGk="),
        MediaDelta("image/png", "aGk="),
        Finished("stop", "STOP"),
    ]
    assert imagen.read_predictions(json.dumps({"predictions": [made, {"raiFilteredReason": "A child."}]}).encode()) == [
        MediaDelta("image/png", "aGk="),
        Finished("content_filter", "RAI_FILTERED", "A child."),
    ]
    assert imagen.read_predictions(b"{}") == [Finished("failed", "NO_IMAGE")]
    for broken in (b"", b"[]", b'{"predictions": [7]}', b"\xff"):
        with pytest.raises(MalformedAnswer):
            imagen.read_predictions(broken)


# --- What Google answers -----------------------------------------------------------------------------------------------

PNG = MediaDelta("image/png", "aGk=")
STOP = Finished("stop", "STOP")


def album(*answers, count: int | None = None) -> Album:
    album = Album(count or len(answers))
    for index, events in enumerate(answers):
        album.take(index, events)
    return album


def test_a_draft_is_told_only_to_those_who_ask_for_drafts():
    part = {"thought": True, "inlineData": {"mimeType": "image/png", "data": "aGk="}}
    payload = json.dumps({"candidates": [{"content": {"parts": [part]}}]}).encode()
    assert Reader(new_call_id=str).read(payload) == []
    assert Reader(new_call_id=str, drafts=True).read(payload) == [DraftDelta("image/png", "aGk=")]
    assert Album(1).take(0, [DraftDelta("image/png", "aGk="), PNG]) == [DraftDelta("image/png", "aGk=")]


@pytest.mark.parametrize(
    ("events", "kind", "code", "told"),
    [
        (
            [Finished("content_filter", "IMAGE_SAFETY", "A face.")],
            InvalidRequest,
            "content_policy_violation",
            "(IMAGE_SAFETY). A face.",
        ),
        ([Finished("content_filter", "PROHIBITED_CONTENT")], InvalidRequest, "content_policy_violation", "(PROHIBITED_CONTENT)."),
        ([TextDelta("No, "), TextDelta("thanks."), STOP], InvalidRequest, "no_image", "“No, thanks.”"),
        ([TextDelta("x" * 301), STOP], InvalidRequest, "no_image", f"“{'x' * 300}…”"),
        ([MediaDelta("audio/wav", "aGk="), STOP], UpstreamBroken, "upstream_broken", "(STOP)."),
        ([Finished("length", "MAX_TOKENS")], UpstreamBroken, "upstream_broken", "(MAX_TOKENS)."),
    ],
    ids=str,
)
def test_why_there_is_no_picture(events, kind, code, told):
    [failure] = album(events).failures
    assert (type(failure), failure.code) == (kind, code)
    assert failure.message.endswith(told)


def test_pictures_come_in_the_order_of_their_answers_and_as_many_as_were_asked_for():
    first, second, third = (MediaDelta("image/png", data) for data in ("MQ==", "Mg==", "Mw=="))
    assert album([first, second, STOP], [third, STOP]).pictures == [first, third]
    assert album([first, second, STOP], [Finished("content_filter", "SAFETY")]).pictures == [first, second]
    assert album([first, second, STOP], [Finished("content_filter", "SAFETY")]).failures == []
    assert album([first, STOP], [Finished("content_filter", "SAFETY")]).pictures == [first]
    withheld = album([first, Finished("content_filter", "RAI_FILTERED", "A child.")], count=2)
    assert (withheld.pictures, len(withheld.failures)) == ([first], 1)


def test_what_all_answers_have_used_counts():
    used = UsageReport(Usage(prompt=7, completion=1120, total=1127, prompt_image=3, completion_image=1120))
    assert album([PNG, used, STOP], [used, STOP]).usage == Usage(
        prompt=14, completion=2240, total=2254, prompt_image=6, completion_image=2240
    )
    assert album([PNG, STOP]).usage is None


# --- What the caller gets ----------------------------------------------------------------------------------------------

USED = Usage(prompt=7, completion=1130, total=1137, prompt_image=3, completion_image=1120)


def test_the_body_of_an_answer():
    picture = Picture("png", 1264, 848, data="aGk=")
    body = json.loads(Writer(created=17, quality="hd").body([picture], USED))
    assert body == {
        "created": 17,
        "data": [{"b64_json": "aGk="}],
        "background": "opaque",
        "output_format": "png",
        "size": "1264x848",
        "quality": "high",
        "usage": {
            "input_tokens": 7,
            "input_tokens_details": {"text_tokens": 4, "image_tokens": 3},
            "output_tokens": 1130,
            "output_tokens_details": {"text_tokens": 10, "image_tokens": 1120},
            "total_tokens": 1137,
        },
    }


def test_a_body_of_urls_without_usage_but_with_failures():
    picture = Picture("webp", 64, 64, url="https://castor.example.com/media/x.webp")
    refusal = InvalidRequest("No.", code="content_policy_violation")
    body = json.loads(Writer(created=17, prompt="a fox, vivid").body([picture], None, [refusal]))
    assert body["data"] == [{"url": picture.url, "revised_prompt": "a fox, vivid"}]
    assert body["failed"] == [
        {"message": "No.", "type": "invalid_request_error", "param": None, "code": "content_policy_violation"}
    ]
    assert "usage" not in body
    assert "quality" not in body


def events_of(written: bytes) -> list[tuple[str, dict]]:
    pairs = (event.split("\n", 1) for event in written.decode().split("\n\n") if event)
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in pairs]


def test_the_events_of_a_stream():
    writer = Writer(kind="image_edit", created=17)
    first, second = (Picture("png", 64, 64, data=data) for data in ("MQ==", "Mg=="))
    drafts = events_of(writer.partial(first) + writer.partial(second))
    assert [(name, event["partial_image_index"], event["b64_json"]) for name, event in drafts] == [
        ("image_edit.partial_image", 0, "MQ=="),
        ("image_edit.partial_image", 1, "Mg=="),
    ]
    end = events_of(writer.completed([first, second], USED, [InvalidRequest("No.")]))
    assert [name for name, _ in end] == ["image_edit.completed", "image_edit.completed", "image_edit.failed"]
    assert [event["usage"]["total_tokens"] for _, event in end[:2]] == [0, 1137]
    assert all(event["type"] == name and event["created_at"] == 17 for name, event in drafts + end)
    [(name, error)] = events_of(writer.error(InvalidRequest("No.", code="content_policy_violation")))
    assert (name, error["error"]["code"]) == ("error", "content_policy_violation")
