"""A Moderations request, read."""

from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.bodies import BodyDecoder
from openai_api.translation.chat.invalid import missing, mistyped
from openai_api.translation.chat.media import read_image
from openai_api.translation.chat.wire import ImagePart, TextPart
from openai_api.translation.conversation import Media, Notice, RemoteMedia, Text

MOST_INPUTS = 64
"""Each text of a list is a call of its own."""
DEFAULT_MODEL = "omni-moderation-latest"
"""OpenAI's own default."""


class _Body(Struct):
    input: str | list[str | TextPart | ImagePart]
    model: str | None = None


class _KnownBody(_Body, forbid_unknown_fields=True):
    pass


_decode = BodyDecoder(_KnownBody, _Body, part_types=("text", "image_url")).decode


class Input(Struct, frozen=True):
    """What is judged together. `params` are the places of the parts in the caller's body."""

    parts: tuple[Text | Media | RemoteMedia, ...]
    params: tuple[str, ...]


class ModerationRequest(Struct, frozen=True):
    model: str
    """As the caller wrote it."""
    inputs: tuple[Input, ...]
    notices: tuple[Notice, ...] = ()


def read_request(body: bytes) -> ModerationRequest:
    """Read the body of POST /v1/moderations; anything wrong with it raises InvalidRequest."""
    notices: list[Notice] = []
    asked = _decode(body, notices)
    if asked.model == "":
        raise missing("model")
    inputs = _read_inputs(asked.input, notices)
    return ModerationRequest(asked.model or DEFAULT_MODEL, inputs, tuple(notices))


def _read_inputs(given: str | list[str | TextPart | ImagePart], notices: list[Notice]) -> tuple[Input, ...]:
    """One for each text; parts are one together."""
    if isinstance(given, str):
        return (Input((Text(given),), ("input",)),)
    if not given:
        raise InvalidRequest("Invalid 'input': it must hold at least one text.", param="input", code="empty_array")
    if len(given) > MOST_INPUTS:
        message = f"Invalid 'input': at most {MOST_INPUTS} inputs are taken in one request, but there are {len(given)}."
        raise InvalidRequest(message, param="input", code="array_above_max_length")
    are_texts = isinstance(given[0], str)
    for position, one in enumerate(given):
        if isinstance(one, str) != are_texts:
            raise mistyped(f"input[{position}]", *(("str", "object") if are_texts else ("object", "str")))
    if are_texts:
        return tuple(Input((Text(str(one)),), (f"input[{position}]",)) for position, one in enumerate(given))
    return (_read_parts(given, notices),)


def _read_parts(given: list[str | TextPart | ImagePart], notices: list[Notice]) -> Input:
    parts: list[Text | Media | RemoteMedia] = []
    params: list[str] = []
    for position, part in enumerate(given):
        where = f"input[{position}]"
        if isinstance(part, TextPart):
            parts.append(Text(part.text))
            params.append(f"{where}.text")
        elif isinstance(part, ImagePart):
            parts.append(read_image(part, where, notices))
            params.append(f"{where}.image_url.url" if not isinstance(part.image_url, str) else f"{where}.image_url")
    return Input(tuple(parts), tuple(params))
