"""Images requests, read."""

import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.chat.invalid import check_range, undecodable, unsupported
from openai_api.translation.conversation import Notice, PicturesToMake, PictureWish
from openai_api.translation.forms import read_form

from . import wire

DEFAULT_MODEL = "gemini-3.1-flash-image"
MOST_PICTURES = 10
LONGEST_PROMPT = 32_000
"""Characters, as many as OpenAI takes."""
SIDES = (16, 8192)
"""Pixels, the least and the most that a side may have."""

QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max", "standard", "hd")
BACKGROUNDS = ("auto", "opaque", "transparent")
FORMATS = ("png", "jpeg", "webp")
STYLES = {
    "vivid": "Make it vivid: hyper-real and dramatic.",
    "natural": "Make it natural: less hyper-real, as it would look in life.",
}
VARIATION = (
    "Make a variation of this image: another picture of the same subject, in the same style and mood, "
    "that differs in its composition and details."
)

_SIZE = re.compile(r"(\d{1,5})[xX](\d{1,5})")
_GAVE_URLS = ("dall-e-2", "dall-e-3")
"""OpenAI's models that answered with a URL where nothing was said about it."""

_read_known = msgspec.json.Decoder(wire.KnownGeneration).decode
_read_any = msgspec.json.Decoder(wire.Generation).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Output(Struct, frozen=True):
    """How pictures are handed over. `format` is one of FORMATS, or empty: as they come."""

    format: str = ""
    quality: int | None = None
    """0 … 100, of a JPEG or a WebP."""
    as_url: bool = False


class ImagesRequest(Struct, frozen=True):
    wanted: PicturesToMake
    """`model` is still the name as the caller wrote it; the files of a form are not in it yet."""
    output: Output = Output()
    stream: bool = False
    partial_images: int = 0
    quality: str = ""
    styled: bool = False
    """The prompt is no longer the caller's own."""
    notices: tuple[Notice, ...] = ()


def read_generation(body: bytes) -> ImagesRequest:
    """Read the body of POST /v1/images/generations; anything wrong with it raises InvalidRequest."""
    notices: list[Notice] = []
    asked = _decode(body, notices)
    prompt = _prompt(asked.prompt)
    if asked.style:
        if asked.style not in STYLES:
            raise unsupported(asked.style, STYLES, "style")
        prompt = f"{prompt}\n\n{STYLES[asked.style]}"
    return _read_drawn(asked, prompt, notices, styled=bool(asked.style))


def read_edit(fields: Mapping[str, Sequence[str]]) -> ImagesRequest:
    """Read the fields of POST /v1/images/edits."""
    notices: list[Notice] = []
    asked = read_form(wire.Edit, fields, notices=notices)
    if asked.input_fidelity == "low":
        notices.append(Notice("input_fidelity", "Gemini always looks closely"))
    return _read_drawn(asked, _prompt(asked.prompt), notices)


def read_variation(fields: Mapping[str, Sequence[str]]) -> ImagesRequest:
    """Read the fields of POST /v1/images/variations."""
    notices: list[Notice] = []
    asked = read_form(wire.Variation, fields, notices=notices)
    wanted = _wanted(asked, VARIATION, _wish(asked))
    return ImagesRequest(wanted, Output(as_url=_as_url(asked)), notices=tuple(notices))


def _decode(body: bytes, notices: list[Notice]) -> wire.Generation:
    """Strictly first: only a body with unknown (or wrong) fields is gone over again to name them."""
    try:
        try:
            return _read_known(body)
        except msgspec.ValidationError:
            asked = _read_any(body)
        fields = _read_fields(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise undecodable(error) from error
    known = wire.Generation.__struct_fields__
    notices += [Notice(field, "unknown") for field, value in fields.items() if field not in known and bytes(value) != b"null"]
    return asked


def _prompt(prompt: str) -> str:
    if not prompt.strip():
        raise InvalidRequest("Invalid 'prompt': it is empty.", param="prompt", code="invalid_value")
    if len(prompt) > LONGEST_PROMPT:
        message = f"Invalid 'prompt': it has {len(prompt)} characters, of which at most {LONGEST_PROMPT} are taken."
        raise InvalidRequest(message, param="prompt", code="string_above_max_length")
    return prompt


def _read_drawn(asked: wire.Edit, prompt: str, notices: list[Notice], *, styled: bool = False) -> ImagesRequest:
    """What generations and edits have in common."""
    quality = _one_of(asked.quality, QUALITIES, "quality")
    if _one_of(asked.background, BACKGROUNDS, "background") == "transparent":
        notices.append(Notice("background", "Gemini makes opaque pictures only"))
    check_range(asked.partial_images, 0, 3, "partial_images")
    stream, partial_images = bool(asked.stream), asked.partial_images or 0
    if partial_images and not stream:
        notices.append(Notice("partial_images", "only a stream has partial pictures"))
    elif partial_images and (asked.n or 1) > 1:
        notices.append(Notice("partial_images", "only a stream of one picture has partial ones"))
        partial_images = 0
    wanted = _wanted(asked, prompt, _wish(asked, quality), drafts=stream and partial_images > 0)
    return ImagesRequest(
        wanted, _output(asked, notices), stream, partial_images, quality=quality, styled=styled, notices=tuple(notices)
    )


def _wanted(asked: wire.Variation, prompt: str, wish: PictureWish, *, drafts: bool = False) -> PicturesToMake:
    check_range(asked.n, 1, MOST_PICTURES, "n")
    return PicturesToMake(asked.model or DEFAULT_MODEL, prompt, asked.n or 1, wish=wish, drafts=drafts)


def _wish(asked: wire.Variation, quality: str = "") -> PictureWish:
    width, height = _read_size(asked.size)
    return PictureWish(width, height, asked.aspect_ratio or "", asked.image_size or "", quality)


def _read_size(size: str | None) -> tuple[int, int]:
    """Width and height; (0, 0) where it is left to the model."""
    if size in (None, "", "auto"):
        return 0, 0
    match = _SIZE.fullmatch(size)
    if match is None:
        message = f"Invalid value: '{size}'. Supported values are: 'auto', and sizes in pixels such as '1536x1024'."
        raise InvalidRequest(message, param="size", code="invalid_value")
    width, height = int(match[1]), int(match[2])
    least, most = SIDES
    if not (least <= width <= most and least <= height <= most):
        message = f"Invalid 'size': width and height must be from {least} to {most} pixels, but '{size}' was asked for."
        raise InvalidRequest(message, param="size", code="invalid_value")
    return width, height


def _output(asked: wire.Edit, notices: list[Notice]) -> Output:
    form = _one_of("jpeg" if asked.output_format == "jpg" else asked.output_format, FORMATS, "output_format")
    check_range(asked.output_compression, 0, 100, "output_compression")
    quality = asked.output_compression
    if quality is not None and form not in ("jpeg", "webp"):
        if quality < 100:
            notices.append(Notice("output_compression", "only output_format jpeg and webp can be compressed"))
        quality = None
    as_url = _as_url(asked)
    if as_url and asked.stream:
        if asked.response_format:
            notices.append(Notice("response_format", "a stream carries the pictures themselves"))
        as_url = False
    return Output(form, quality, as_url)


def _as_url(asked: wire.Variation) -> bool:
    chosen = _one_of(asked.response_format, ("url", "b64_json"), "response_format")
    return chosen == "url" or (not chosen and asked.model in _GAVE_URLS)


def _one_of(given: str | None, supported: tuple[str, ...], param: str) -> str:
    if given and given not in supported:
        raise unsupported(given, supported, param)
    return given or ""
