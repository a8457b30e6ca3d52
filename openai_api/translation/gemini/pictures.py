"""How a picture is to be → imageConfig, within what the model can do.

Source: wire reference 1.8.
"""

import re
from math import log
from typing import Any

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Notice, PictureFormat

from .capabilities import Capabilities

_RATIO = re.compile(r"(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)")
_SIZES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
"""Gemini's words for the length of a square's side, in pixels."""


def write_picture(picture: PictureFormat | None, can: Capabilities, notices: list[Notice]) -> dict[str, Any]:
    """The nearest that the model makes, with a notice where that is not what was asked for. Raises InvalidRequest."""
    if picture is None:
        return {}
    config = {
        "aspectRatio": _nearest(picture.aspect_ratio, can.aspect_ratios, _shape, "image_config.aspect_ratio", notices),
        "imageSize": _nearest(picture.size.upper(), can.picture_sizes, _side, "image_config.image_size", notices),
    }
    config = {name: value for name, value in config.items() if value}
    return {"imageConfig": config} if config else {}


def _nearest(asked: str, possible: tuple[str, ...], measure: Any, field: str, notices: list[Notice]) -> str:
    if not asked or asked in possible:
        return asked
    wanted = measure(asked, field)
    if not possible:
        notices.append(Notice(field, "it cannot be chosen with this model"))
        return ""
    nearest = min(possible, key=lambda one: abs(measure(one, field) - wanted))
    notices.append(Notice(field, f"sent as {nearest}, the nearest that this model makes"))
    return nearest


def _shape(ratio: str, field: str) -> float:
    """Width to height, such that twice as wide and twice as high are equally far from a square."""
    match = _RATIO.fullmatch(ratio)
    if not match or not float(match[1]) or not float(match[2]):
        raise InvalidRequest(f"Invalid '{field}': '{ratio}' is no ratio such as 16:9.", param=field, code="invalid_value")
    return log(float(match[1]) / float(match[2]))


def _side(size: str, field: str) -> float:
    if size not in _SIZES:
        words = ", ".join(_SIZES)
        raise InvalidRequest(f"Invalid '{field}': '{size}' is none of {words}.", param=field, code="invalid_value")
    return log(_SIZES[size])
