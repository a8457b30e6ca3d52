"""About how many tokens of input a conversation is, so that they can be set aside before Google has counted them.

Cheap rather than exact: what Google counts takes the estimate's place as soon as the answer says it.
Source: wire reference 1.11; for Gemini 3 and later https://ai.google.dev/gemini-api/docs/media-resolution
"""

import re
from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

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
from openai_api.translation.events import (
    AudioDelta,
    DraftDelta,
    Event,
    MediaDelta,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
    Utterance,
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


class _Blob(Struct, rename="camel"):
    mime_type: str = ""
    data: Raw = Raw(b'""')


class _Content(Struct):
    parts: list[dict[str, Raw]] = []


class _Result(_Content):
    """Of a tool."""

    response: Raw = Raw(b"")


class _Config(Struct, frozen=True, rename="camel"):
    response_json_schema: Raw = Raw(b"")


class _Body(Struct, rename="camel"):
    """Of generateContent; another call's has nothing of it."""

    contents: list[_Content] = []
    system_instruction: _Content | None = None
    tools: Raw = Raw(b"")
    generation_config: _Config = _Config()


_read_body = msgspec.json.Decoder(_Body).decode
_read_blob = msgspec.json.Decoder(_Blob).decode
_read_result = msgspec.json.Decoder(_Result).decode


def estimate_body(model: str, body: bytes) -> int:
    """The same of a conversation that was written already; 0 for the body of another call."""
    rates = _RATES[_TILED.match(model) is None]
    try:
        read = _read_body(body)
    except msgspec.DecodeError:
        return 0
    contents = [*read.contents, *([read.system_instruction] if read.system_instruction is not None else [])]
    beside = len(bytes(read.tools)) + len(bytes(read.generation_config.response_json_schema))
    return sum(_content(content, rates) for content in contents) + _tokens(beside)


def _content(content: _Content, rates: dict[str, _Rate]) -> int:
    return sum(_written(name, value, rates) for part in content.parts for name, value in part.items())


def _written(name: str, value: Raw, rates: dict[str, _Rate]) -> int:
    match name:
        case "inlineData":
            blob = _read_blob(value)
            return _sized(blob.mime_type, (len(bytes(blob.data)) - 2) * 3 // 4, rates)
        case "fileData":
            return rates["video"].tokens
        case "functionResponse":
            result = _read_result(value)
            return _tokens(len(bytes(result.response))) + _content(result, rates)
        case "thoughtSignature" | "thought":
            return 0
        case _:
            return _tokens(len(bytes(value)))


_SOUND_MADE = 25
"""Tokens of a second of speech (wire reference 1.9), which has 48,000 bytes."""
_PICTURE_MADE = 1_120
"""Tokens of a picture of 1K."""


def bytes_said(event: Event) -> int:
    """How much text an event is, or would be where it has as many tokens."""
    match event:
        case TextDelta() | ThoughtDelta() | Utterance():
            return _length(event.text)
        case ToolCallDelta():
            return len(event.name) + _length(event.arguments)
        case AudioDelta():
            return len(event.pcm) * _SOUND_MADE * BYTES_A_TOKEN // 48_000
        case MediaDelta() | DraftDelta():
            return _PICTURE_MADE * BYTES_A_TOKEN
        case _:
            return 0


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
    return _sized(media.mime_type, _size(media), rates)


def _sized(mime_type: str, size: int, rates: dict[str, _Rate]) -> int:
    name = normalised(mime_type)
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
