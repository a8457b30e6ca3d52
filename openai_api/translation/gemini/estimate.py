"""About how many tokens of input a conversation is, so that they can be set aside before Google has counted them.

Cheap rather than exact: what Google counts takes the estimate's place as soon as the answer says it.
Source: wire reference 1.11; for Gemini 3 and later https://ai.google.dev/gemini-api/docs/media-resolution
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Struct

from openai_api.translation.conversation import (
    Conversation,
    Media,
    Part,
    RemoteMedia,
    StoredMedia,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    UploadedMedia,
)

from .media import normalised

BYTES_A_TOKEN = 4

_TILED = re.compile(r"(models/)?gemini-[12](\.|-)")
"""Models that count an image as a tile; the later ones by the resolution at which they look."""


class _Rate(Struct, frozen=True):
    """Tokens of one unit (an image, a page, a second), and the bytes of which so much is usually made; 0: it is always one."""

    tokens: int
    size: int = 0

    def of(self, size: int) -> int:
        return self.tokens * max(1, size // self.size) if self.size else self.tokens


_SOUND = _Rate(32, size=16_000)  # 128 kbit/s
_PLAIN_SOUND = _Rate(32, size=32_000)  # 16 bits at 16 kHz
_PLAIN_SOUNDS = ("audio/wav", "audio/l16", "audio/aiff")
_RATES = {
    False: {"image": _Rate(258), "video": _Rate(258 + 32, size=250_000), "application": _Rate(258, size=100_000)},
    True: {"image": _Rate(1_120), "video": _Rate(70 + 32, size=250_000), "application": _Rate(560, size=100_000)},
}
"""By whether the model is later than Gemini 2; a film is one picture and the sound of a second, a document one page."""


def estimate_tokens(conversation: Conversation) -> int:
    """At least 1. What lies in cached content is not known here, and not counted."""
    rates = _RATES[_TILED.match(conversation.model) is None]
    parts = sum(_part(part, rates) for turn in conversation.turns for part in turn.parts)
    schema = _json(conversation.format.schema) if conversation.format is not None and conversation.format.schema else 0
    bytes_of_text = _texts(conversation.system) + sum(map(_tool, conversation.tools)) + schema
    return max(1, parts + _tokens(bytes_of_text))


def _part(part: Part, rates: dict[str, _Rate]) -> int:
    match part:
        case Text():
            return _tokens(_length(part.text))
        case ToolCall():
            return _tokens(len(part.name) + _json(part.arguments))
        case ToolResult():
            return _tokens(len(part.name) + _length(part.output)) + sum(_media(media, rates) for media in part.media)
        case Media() | StoredMedia() | RemoteMedia() | UploadedMedia():
            return _media(part, rates)


def _media(media: Media | StoredMedia | RemoteMedia | UploadedMedia, rates: dict[str, _Rate]) -> int:
    """Never what its base64 would cost as text: only its size in bytes tells something, of how long it lasts."""
    if isinstance(media, RemoteMedia):
        return rates["video"].tokens  # Google fetches it: nothing is known of it.
    size = _size(media)
    name = normalised(media.mime_type)
    kind = name.partition("/")[0]
    if kind == "audio":
        return (_PLAIN_SOUND if name in _PLAIN_SOUNDS else _SOUND).of(size)
    if kind in ("image", "video") or name == "application/pdf":
        return rates[kind].of(size)
    return _tokens(size)


def _size(media: Media | StoredMedia | UploadedMedia) -> int:
    match media:
        case StoredMedia():
            return media.file.size
        case UploadedMedia():
            return media.size
        case Media():
            return len(media.data) * 3 // 4


def _texts(texts: Iterable[Text]) -> int:
    return sum(_length(text.text) for text in texts)


def _tool(tool: Tool) -> int:
    return len(tool.name) + _length(tool.description) + (_json(tool.parameters) if tool.parameters is not None else 0)


def _json(value: object) -> int:
    return len(msgspec.json.encode(value))


def _length(text: str) -> int:
    """Bytes, not signs: a sign of Chinese is about a token, and has three of them."""
    return len(text) if text.isascii() else len(text.encode(errors="replace"))


def _tokens(size: int) -> int:
    return -(-size // BYTES_A_TOKEN)
