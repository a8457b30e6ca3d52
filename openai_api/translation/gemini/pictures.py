"""How a picture is to be → imageConfig, within what the model can do.

Source: wire reference 1.8, which does not have the pixels of 1:4, 4:1, 1:8 and 8:1: those are not confirmed.
"""

import re
from collections.abc import Iterable
from math import log
from typing import Any

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Notice, PictureFormat, PictureWish

from .capabilities import Capabilities

PIXELS = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
    "1:4": (512, 2048),
    "4:1": (2048, 512),
    "1:8": (384, 3072),
    "8:1": (3072, 384),
}
"""Width and height at 1K."""
RATIOS = tuple(PIXELS)[:10]
"""Those that every family of models makes."""

_RATIO = re.compile(r"(\d{1,9}(?:\.\d{1,9})?):(\d{1,9}(?:\.\d{1,9})?)")
_SIZES = {"512": 512, "1K": 1024, "2K": 2048, "4K": 4096}
"""Gemini's words for the length of a square's side, in pixels."""
_FINER = {"hd": "2K", "high": "2K", "xhigh": "4K", "max": "4K"}
"""What these words for quality stand for, where the caller leaves the size open."""


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


def choose(wish: PictureWish, can: Capabilities, notices: list[Notice]) -> PictureFormat:
    """What comes nearest to the wish of all that the model makes. Raises InvalidRequest."""
    told: list[Notice] = []
    ratio = _nearest(wish.aspect_ratio, can.aspect_ratios, _shape, "aspect_ratio", told)
    size = _nearest(wish.size.upper(), can.picture_sizes, _side, "image_size", told)
    if wish.width and (ratio or size):
        told.append(Notice("size", "aspect_ratio and image_size say how large the picture is to be"))
    elif wish.width:
        ratio, size = _of_size(wish, can, told)
    elif not size and wish.quality in _FINER and can.picture_sizes:
        size = _least_far(_FINER[wish.quality], can.picture_sizes, _side)
    if not wish.is_hint:
        notices += told
    return PictureFormat(ratio, size)


def knows_quality(wish: PictureWish, can: Capabilities) -> bool:
    """Whether a wish for a better picture than usual changes anything."""
    return wish.quality not in _FINER or thinks_harder(wish, can) or not (wish.width or wish.size or len(can.picture_sizes) < 2)


def thinks_harder(wish: PictureWish, can: Capabilities) -> bool:
    return wish.quality in _FINER and "high" in can.levels


def pixels(ratio: str, size: str) -> tuple[int, int]:
    """Width and height of what the model makes of these words."""
    width, height = PIXELS[ratio or "1:1"]
    side = _SIZES[size or "1K"]
    return width * side // 1024, height * side // 1024


def nearest_ratio(width: float, height: float, ratios: Iterable[str] = RATIOS) -> str:
    return min(ratios, key=lambda ratio: abs(_shape(ratio) - log(width / height)))


def _of_size(wish: PictureWish, can: Capabilities, notices: list[Notice]) -> tuple[str, str]:
    """The format whose picture is of this very size, or the one that comes nearest and is large enough if there is any."""
    if not can.aspect_ratios:
        notices.append(Notice("size", "it cannot be chosen with this model"))
        return "", ""
    asked = (wish.width, wish.height)
    sizes = can.picture_sizes or ("",)
    exact = ((ratio, size) for ratio in can.aspect_ratios for size in sizes if pixels(ratio, size) == asked)
    if found := next(exact, None):
        return found
    ratio = nearest_ratio(*asked, can.aspect_ratios)
    size = _least_far(_large_enough(max(asked)), can.picture_sizes, _side) if can.picture_sizes else ""
    notices.append(Notice("size", "made as {}x{}, the nearest that this model makes".format(*pixels(ratio, size))))
    return ratio, size


def _large_enough(side: int) -> str:
    return next((size for size, pixels in _SIZES.items() if side <= pixels), "4K")


def _nearest(asked: str, possible: tuple[str, ...], measure: Any, field: str, notices: list[Notice]) -> str:
    if not asked or asked in possible:
        return asked
    measure(asked, field)
    if not possible:
        notices.append(Notice(field, "it cannot be chosen with this model"))
        return ""
    nearest = _least_far(asked, possible, measure)
    notices.append(Notice(field, f"sent as {nearest}, the nearest that this model makes"))
    return nearest


def _least_far(asked: str, possible: tuple[str, ...], measure: Any) -> str:
    return min(possible, key=lambda one: abs(measure(one) - measure(asked)))


def _shape(ratio: str, field: str = "aspect_ratio") -> float:
    """Width to height, such that twice as wide and twice as high are equally far from a square."""
    match = _RATIO.fullmatch(ratio)
    if not match or not float(match[1]) or not float(match[2]):
        raise InvalidRequest(f"Invalid '{field}': '{ratio}' is no ratio such as 16:9.", param=field, code="invalid_value")
    return log(float(match[1]) / float(match[2]))


def _side(size: str, field: str = "image_size") -> float:
    if size not in _SIZES:
        words = ", ".join(_SIZES)
        raise InvalidRequest(f"Invalid '{field}': '{size}' is none of {words}.", param=field, code="invalid_value")
    return log(_SIZES[size])
