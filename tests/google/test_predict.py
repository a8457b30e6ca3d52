"""`:predict`, which is there only where a test says so (section 1.10), and the sizes of pictures (section 1.8)."""

import base64
import struct

import httpx
import pytest

from tests.google.media import PIXELS
from tests.google.predict import IMAGEN


def predict(google, model=IMAGEN, prompt="a fox", **parameters) -> httpx.Response:
    body = {"instances": [{"prompt": prompt}], "parameters": parameters}
    return ask(google, f"{model}:predict", body)


def ask(google, path: str, body: dict) -> httpx.Response:
    key = next(iter(google.keys))
    return httpx.post(f"{google.url}/v1beta/models/{path}", json=body, headers={"x-goog-api-key": key})


def size_of(picture: str) -> tuple[int, int]:
    return struct.unpack(">II", base64.b64decode(picture)[16:24])


def test_imagen_is_gone(google):
    assert predict(google).status_code == 404
    google.deploy_imagen()
    assert predict(google).status_code == 200
    google.reset()
    assert predict(google).status_code == 404


def test_no_other_model_predicts(google):
    google.deploy_imagen()
    assert predict(google, "gemini-3.1-flash-image").status_code == 404
    assert ask(google, f"{IMAGEN}:generateContent", {"contents": [{"parts": [{"text": "hi"}]}]}).status_code == 404


def test_four_pictures_unless_fewer_are_asked_for(google):
    google.deploy_imagen()
    assert len(predict(google).json()["predictions"]) == 4
    [one] = predict(google, sampleCount=1, aspectRatio="16:9", imageSize="2K").json()["predictions"]
    assert size_of(one["bytesBase64Encoded"]) == (2816, 1536)


def test_what_is_filtered_has_a_reason_in_place_of_a_picture(google):
    google.deploy_imagen()
    made, filtered = predict(google, prompt="an unsafe fox", sampleCount=2).json()["predictions"]
    assert "bytesBase64Encoded" in made
    assert list(filtered) == ["raiFilteredReason"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"sampleCount": 5},
        {"sampleCount": 0},
        {"sampleCount": "1"},
        {"aspectRatio": "21:9"},
        {"imageSize": "4K"},
        {"personGeneration": "everybody"},
        {"seed": 7},
    ],
    ids=str,
)
def test_what_imagen_does_not_take(google, parameters):
    google.deploy_imagen()
    assert predict(google, **parameters).status_code == 400


def test_the_fast_one_has_no_sizes(google):
    fast = "imagen-4.0-fast-generate-001"
    google.deploy_imagen(fast)
    assert predict(google, fast, imageSize="1K").status_code == 400
    assert predict(google, fast, aspectRatio="3:4").status_code == 200


@pytest.mark.parametrize("ratio", PIXELS)
@pytest.mark.parametrize(("size", "scale"), [("512", 0.5), ("1K", 1), ("2K", 2)])
def test_pictures_have_the_size_that_was_asked_for(google, ratio, size, scale):
    config = {"responseModalities": ["IMAGE"], "imageConfig": {"aspectRatio": ratio, "imageSize": size}}
    body = {"contents": [{"parts": [{"text": "a fox"}]}], "generationConfig": config}
    answer = ask(google, "gemini-3.1-flash-image:generateContent", body).json()
    [part] = answer["candidates"][0]["content"]["parts"]
    assert size_of(part["inlineData"]["data"]) == tuple(side * scale for side in PIXELS[ratio])
