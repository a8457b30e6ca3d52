"""The answer to an Images request: one JSON body, or the events of a stream."""

from collections.abc import Sequence

import msgspec
from msgspec import UNSET, Struct, UnsetType

from openai_api.errors import GatewayError
from openai_api.translation.chat import error_body
from openai_api.translation.events import Usage

_encode = msgspec.json.Encoder().encode
_SAME = {"standard": "medium", "hd": "high"}
"""What DALL·E called a quality, and what OpenAI calls it today."""


class Picture(Struct, frozen=True):
    """A picture as it is handed over: itself in base64, or the URL where it lies."""

    format: str
    width: int
    height: int
    data: str = ""
    url: str = ""


class _Failure(Struct):
    message: str
    type: str
    param: str | None
    code: str | None


class _Image(Struct, omit_defaults=True):
    b64_json: str | None = None
    url: str | None = None
    revised_prompt: str | None = None


class _Details(Struct):
    text_tokens: int
    image_tokens: int


class _Usage(Struct):
    input_tokens: int
    input_tokens_details: _Details
    output_tokens: int
    output_tokens_details: _Details
    total_tokens: int


class _Body(Struct):
    created: int
    data: list[_Image]
    background: str
    output_format: str
    size: str
    quality: str | UnsetType = UNSET
    usage: _Usage | UnsetType = UNSET
    failed: list[_Failure] | UnsetType = UNSET
    """Not OpenAI's: those of the pictures that could not be had, where others could."""


class _Event(Struct):
    type: str
    b64_json: str
    created_at: int
    size: str
    quality: str
    background: str
    output_format: str
    partial_image_index: int | UnsetType = UNSET
    usage: _Usage | UnsetType = UNSET


class _FailedEvent(Struct):
    type: str
    created_at: int
    failed: list[_Failure]


class Writer:
    """`kind` is how the events of a stream are called: `image_generation` or `image_edit`."""

    def __init__(self, *, kind: str = "image_generation", created: int, quality: str = "", prompt: str = "") -> None:
        """`prompt`: the one that was sent, where it is not the caller's own."""
        self._kind = kind
        self._created = created
        self._quality = _SAME.get(quality, quality) or "auto"
        self._prompt = prompt or None
        self._drafts = 0

    def body(self, pictures: Sequence[Picture], usage: Usage | None, failures: Sequence[GatewayError] = ()) -> bytes:
        """`pictures`: one at least."""
        first = pictures[0]
        return _encode(
            _Body(
                created=self._created,
                data=[_Image(one.data or None, one.url or None, self._prompt) for one in pictures],
                background="opaque",
                output_format=first.format,
                size=_size(first),
                quality=self._quality if self._quality != "auto" else UNSET,
                usage=_usage(usage) if usage is not None else UNSET,
                failed=_failed(failures) or UNSET,
            )
        )

    def partial(self, draft: Picture) -> bytes:
        index, self._drafts = self._drafts, self._drafts + 1
        return self._event(draft, "partial_image", index, UNSET)

    def completed(self, pictures: Sequence[Picture], usage: Usage | None, failures: Sequence[GatewayError] = ()) -> bytes:
        """The end of the stream. What all pictures have used together stands with the last of them."""
        none, last = _usage(Usage()), _usage(usage or Usage())
        events = [self._event(one, "completed", UNSET, none) for one in pictures[:-1]]
        events.append(self._event(pictures[-1], "completed", UNSET, last))
        if failures:
            name = f"{self._kind}.failed"
            events.append(_written(name, _encode(_FailedEvent(name, self._created, _failed(failures)))))
        return b"".join(events)

    def error(self, error: GatewayError) -> bytes:
        return _written("error", error_body(error))

    def _event(self, picture: Picture, name: str, index: int | UnsetType, usage: _Usage | UnsetType) -> bytes:
        event = _Event(
            type=f"{self._kind}.{name}",
            b64_json=picture.data,
            created_at=self._created,
            size=_size(picture),
            quality=self._quality,
            background="opaque",
            output_format=picture.format,
            partial_image_index=index,
            usage=usage,
        )
        return _written(event.type, _encode(event))


def _written(name: str, data: bytes) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), data)


def _size(picture: Picture) -> str:
    return f"{picture.width}x{picture.height}"


def _usage(usage: Usage) -> _Usage:
    return _Usage(
        input_tokens=usage.prompt,
        input_tokens_details=_Details(usage.prompt - usage.prompt_image, usage.prompt_image),
        output_tokens=usage.completion,
        output_tokens_details=_Details(usage.completion - usage.completion_image, usage.completion_image),
        total_tokens=usage.total,
    )


def _failed(failures: Sequence[GatewayError]) -> list[_Failure]:
    return [_Failure(error.message, error.kind, error.param, error.code) for error in failures]
