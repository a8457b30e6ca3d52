"""Opening and encoding pictures. What strangers send may be made to fill the memory, so sizes are looked at first."""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import IO

from PIL import Image, ImageOps

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import StoredMedia
from openai_api.uploads import Upload

MOST_BYTES = 50 * 1024 * 1024
"""Of one image, as OpenAI has it."""
MOST_PIXELS = 50_000_000
MIME_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}

_READ = ("PNG", "JPEG", "WEBP")
_NAMES = {"MPO": "jpeg", **{name: name.lower() for name in _READ}}
"""A JPEG with a second picture in it is an MPO."""
_BROKEN = (OSError, SyntaxError, ValueError, OverflowError, Image.DecompressionBombError, zlib.error, struct.error)
"""What Pillow raises for files that are not what they say."""
_DEFAULT_QUALITY = 95


class Unreadable(Exception):
    """It is no PNG, JPEG or WebP, or a broken one, or has too many pixels."""


@contextmanager
def opened(file: IO[bytes], *, most_pixels: int = MOST_PIXELS) -> Iterator[Image.Image]:
    """The picture, not decoded yet. Raises Unreadable, also for what is found within the block to be wrong with it."""
    try:
        with Image.open(file, formats=_READ) as image:
            if image.width * image.height > most_pixels:
                raise Unreadable(f"it has more than {most_pixels:,} pixels")
            yield image
    except _BROKEN as error:
        raise Unreadable("it is not a PNG, JPEG or WebP image, or a broken one") from error


def format_of(image: Image.Image) -> str:
    """`png`, `jpeg` or `webp`."""
    return _NAMES[image.format or ""]


def examined(upload: Upload, param: str) -> StoredMedia:
    """The upload as an image. Raises InvalidRequest for everything else, whatever it says that it is."""
    if not upload.size:
        raise refused(param, "the file is empty")
    if upload.size > MOST_BYTES:
        raise refused(param, f"the file is larger than {MOST_BYTES:,} bytes", code="image_too_large")
    claimed = upload.content_type.partition(";")[0].strip().lower()
    if claimed and not claimed.startswith("image/") and claimed != "application/octet-stream":
        raise refused(param, f"files of type '{claimed}' are not taken: send a PNG, JPEG or WebP image")
    try:
        with upload.open() as file, opened(file) as image:
            mime_type = MIME_TYPES[format_of(image)]
            image.verify()
    except Unreadable as error:
        raise refused(param, str(error)) from error
    return StoredMedia(mime_type, upload)


def refused(param: str, reason: str, *, code: str = "invalid_image") -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': {reason}.", param=param, code=code)


def upright(image: Image.Image) -> Image.Image:
    """Decoded, and turned as its camera was held; in colours, with transparency if it has any."""
    turned = ImageOps.exif_transpose(image)
    return turned.convert("RGBA" if turned.has_transparency_data else "RGB")


def encoded(image: Image.Image, form: str, quality: int | None = None) -> bytes:
    """`form`: a key of MIME_TYPES; `quality`: 0 … 100 of a JPEG or a WebP."""
    if form == "jpeg":
        image = _on_white(image)
    elif image.mode not in ("RGB", "RGBA", "L"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    written = BytesIO()
    options = {} if form == "png" else {"quality": _DEFAULT_QUALITY if quality is None else quality}
    image.save(written, form.upper(), icc_profile=image.info.get("icc_profile"), **options)
    return written.getvalue()


def _on_white(image: Image.Image) -> Image.Image:
    """JPEG knows no transparency."""
    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    paper.info = dict(image.info)
    return paper.convert("RGB")
