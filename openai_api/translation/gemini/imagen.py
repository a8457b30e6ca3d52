"""Pictures by `:predict`, the call of Imagen: Google has none any more, but an upstream may.

Source: wire reference 1.10.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Notice, PicturesToMake
from openai_api.translation.events import Event, Finished, MediaDelta

from .capabilities import Capabilities
from .pictures import choose, knows_quality
from .response import MalformedAnswer

METHOD = "predict"
MOST_SAMPLES = 4
FILTERED = "RAI_FILTERED"

_CAN = Capabilities(
    outputs=("IMAGE",), aspect_ratios=("1:1", "3:4", "4:3", "9:16", "16:9"), picture_sizes=("1K", "2K"), tools=False, json=False
)
_FAST = replace(_CAN, picture_sizes=())

_encode = msgspec.json.Encoder().encode


class Predict(Struct, frozen=True):
    """One call, for so many pictures."""

    body: bytes
    samples: int


class _Prediction(Struct, rename="camel"):
    mime_type: str = "image/png"
    bytes_base64_encoded: str = ""
    rai_filtered_reason: str = ""


class _Predictions(Struct):
    predictions: list[_Prediction] = []


_read = msgspec.json.Decoder(_Predictions).decode


def write_predictions(wanted: PicturesToMake, notices: list[Notice]) -> Iterator[Predict]:
    """As few calls as it takes. Raises InvalidRequest."""
    if wanted.sources:
        message = f"The model '{wanted.model}' makes pictures from text alone: it edits none."
        raise InvalidRequest(message, param="model", code="model_not_supported")
    can = _FAST if "fast" in wanted.model else _CAN
    parameters = _parameters(wanted, can, notices)
    for start in range(0, wanted.count, MOST_SAMPLES):
        samples = min(MOST_SAMPLES, wanted.count - start)
        body = {"instances": [{"prompt": wanted.prompt}], "parameters": {"sampleCount": samples, **parameters}}
        yield Predict(_encode(body), samples)


def _parameters(wanted: PicturesToMake, can: Capabilities, notices: list[Notice]) -> dict[str, Any]:
    if not knows_quality(wanted.wish, can):
        notices.append(Notice("quality", "this model makes pictures of that size in one quality"))
    if wanted.drafts:
        notices.append(Notice("partial_images", "this model makes its pictures in one go"))
    chosen = choose(wanted.wish, can, notices)
    named = {"aspectRatio": chosen.aspect_ratio, "imageSize": chosen.size}
    return {name: value for name, value in named.items() if value}


def read_predictions(body: bytes | bytearray) -> list[Event]:
    """What was withheld is told at the end. Raises MalformedAnswer."""
    try:
        predictions = _read(body).predictions
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer from error
    made: list[Event] = [MediaDelta(one.mime_type, one.bytes_base64_encoded) for one in predictions if one.bytes_base64_encoded]
    reasons = dict.fromkeys(one.rai_filtered_reason for one in predictions if one.rai_filtered_reason)
    if reasons:
        return [*made, Finished("content_filter", FILTERED, " ".join(reasons))]
    return [*made, Finished("stop" if made else "failed", "STOP" if made else "NO_IMAGE")]
