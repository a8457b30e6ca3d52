"""Speech on its way out: as plain sound, or as events that hold it."""

from base64 import b64encode
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from openai_api.errors import GatewayError
from openai_api.translation.chat.errors import error_body
from openai_api.translation.events import Usage

_encode = msgspec.json.Encoder().encode


class Writer(Protocol):
    def sound(self, piece: bytes) -> bytes: ...

    def finish(self, usage: Usage) -> bytes: ...

    def error(self, error: GatewayError) -> bytes | None:
        """None: this form has no way to say it."""
        ...


class SoundWriter:
    """Sound ends where the connection does: it can tell nothing else."""

    def sound(self, piece: bytes) -> bytes:
        return piece

    def finish(self, usage: Usage) -> bytes:
        return b""

    def error(self, error: GatewayError) -> None:
        return None


class _Usage(Struct):
    input_tokens: int
    output_tokens: int
    total_tokens: int


class _Done(Struct, tag_field="type", tag="speech.audio.done"):
    usage: _Usage


class EventWriter:
    """Server-sent events: `speech.audio.delta` with the sound in base64, then `speech.audio.done` with the tokens used."""

    def sound(self, piece: bytes) -> bytes:
        return b'data: {"type":"speech.audio.delta","audio":"%b"}\n\n' % b64encode(piece)

    def finish(self, usage: Usage) -> bytes:
        used = _Usage(usage.prompt, usage.completion, usage.total or usage.prompt + usage.completion)
        return b"data: %b\n\n" % _encode(_Done(used))

    def error(self, error: GatewayError) -> bytes:
        """What the official SDKs raise on."""
        told = msgspec.json.decode(error_body(error), type=dict[str, Raw])
        return b"data: %b\n\n" % _encode({"type": "error", **told})
