"""How a picture is to be, in Gemini's words."""

import json

import pytest

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Conversation, PictureFormat, Text, Turn
from openai_api.translation.gemini.request import write_request

FLASH, LITE, PRO, OLD, TEXT = (
    "gemini-3.1-flash-image",
    "gemini-3.1-flash-lite-image",
    "gemini-3-pro-image",
    "gemini-2.5-flash-image",
    "gemini-3.8-flash",
)


def written(model, **picture):
    asked = Conversation(model=model, turns=(Turn("user", (Text("A fox"),)),), picture=PictureFormat(**picture))
    request = write_request(asked)
    return json.loads(request.body).get("generationConfig", {}).get("imageConfig"), [notice.field for notice in request.notices]


@pytest.mark.parametrize(
    ("model", "picture", "sent", "named"),
    [
        (FLASH, {"aspect_ratio": "16:9", "size": "2K"}, {"aspectRatio": "16:9", "imageSize": "2K"}, []),
        (FLASH, {"size": "512"}, {"imageSize": "512"}, []),
        (FLASH, {"aspect_ratio": "1:8"}, {"aspectRatio": "1:8"}, []),
        (FLASH, {"size": "2k"}, {"imageSize": "2K"}, []),
        (PRO, {"aspect_ratio": "1:8"}, {"aspectRatio": "9:16"}, ["image_config.aspect_ratio"]),
        (PRO, {"size": "512"}, {"imageSize": "1K"}, ["image_config.image_size"]),
        (LITE, {"size": "4K"}, {"imageSize": "1K"}, ["image_config.image_size"]),
        (
            OLD,
            {"aspect_ratio": "2:1", "size": "1K"},
            {"aspectRatio": "16:9"},
            ["image_config.aspect_ratio", "image_config.image_size"],
        ),
        (TEXT, {"aspect_ratio": "1:1"}, None, ["image_config.aspect_ratio"]),
        (FLASH, {}, None, []),
    ],
)
def test_the_nearest_that_the_model_makes(model, picture, sent, named):
    assert written(model, **picture) == (sent, named)


@pytest.mark.parametrize(
    ("picture", "param"),
    [
        ({"aspect_ratio": "wide"}, "image_config.aspect_ratio"),
        ({"aspect_ratio": "0:1"}, "image_config.aspect_ratio"),
        ({"aspect_ratio": "1:" + "9" * 400}, "image_config.aspect_ratio"),
        ({"size": "huge"}, "image_config.image_size"),
    ],
)
def test_what_is_no_shape_and_no_size_is_refused(picture, param):
    with pytest.raises(InvalidRequest) as refused:
        written(FLASH, **picture)
    assert refused.value.param == param
