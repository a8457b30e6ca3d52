"""The bodies of the Images API, as OpenAI's SDKs send them; `aspect_ratio` and `image_size` are Gemini's words."""

from typing import Any

from msgspec import Struct


class Variation(Struct, kw_only=True):
    model: str | None = None
    n: int | None = None
    size: str | None = None
    aspect_ratio: str | None = None
    image_size: str | None = None
    response_format: str | None = None

    # Taken and without effect on the answer.
    user: Any = None
    safety_identifier: Any = None


class Edit(Variation, kw_only=True):
    prompt: str
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    output_compression: int | None = None
    stream: bool | None = None
    partial_images: int | None = None
    input_fidelity: str | None = None


class Generation(Edit, kw_only=True):
    style: str | None = None
    moderation: Any = None


class KnownGeneration(Generation, kw_only=True, forbid_unknown_fields=True):
    """The same, refusing other fields: decoding with it first makes finding them free where there are none."""
