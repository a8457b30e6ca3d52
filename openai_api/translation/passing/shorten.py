"""What is left of an event, or of a whole answer, whose text is cut. Values that are not cut stay as the server wrote them."""

import re
from collections.abc import Iterator, Sequence
from enum import Enum, auto

import msgspec
from msgspec import Raw

from openai_api.translation.passing import surrogates
from openai_api.translation.stops import StopSearch

NONE = frozenset({b"null", b'""', b"[]", b"{}"})

_BLANK_LINE = re.compile(rb"(?>\r\n?|\n)(?>\r\n?|\n)")
_BOM = b"\xef\xbb\xbf"
_NULL = Raw(b"null")
_CALLS = ("tool_calls", "function_call")
_ENVELOPE = ("id", "object", "created", "model", "system_fingerprint", "service_tier", "provider")
"""What the chunk that ends a choice has of the chunk before it."""


class Left(Enum):
    ALL = auto()
    NOTHING = auto()


_read_object = msgspec.json.Decoder(dict[str, Raw]).decode
_read_objects = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_encode = msgspec.json.encode


def frames(events: bytes) -> Iterator[bytes]:
    """Whole events, one by one, each with the blank line behind it."""
    start = 0
    for end in _BLANK_LINE.finditer(events):
        yield events[start : end.end()]
        start = end.end()
    if start < len(events):
        yield events[start:]


def payload_of(frame: bytes) -> bytes:
    lines = (line.rstrip(b"\r\n") for line in frame.removeprefix(_BOM).splitlines())
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


def shortened(frame: bytes, payload: bytes, left: Sequence[str | Left]) -> bytes:
    """The event with what is left of each of its choices, in turn; a text stands for its own. Empty, if nothing is left."""
    chunk = surrogates.read(_read_object, payload)
    choices = _read_objects(chunk["choices"])
    kept = [_shortened(choice, text) for choice, text in zip(choices, left, strict=True) if text is not Left.NOTHING]
    if not kept and bytes(chunk.get("usage", _NULL)) in NONE:
        return b""
    chunk["choices"] = Raw(_encode(kept))
    return _with_payload(frame, _encode(chunk))


def _shortened(choice: dict[str, Raw], text: str | Left) -> dict[str, Raw]:
    """What a model does behind its text goes as well, and so does its end."""
    if not isinstance(text, str):
        return choice
    choice |= {name: _NULL for name in ("finish_reason", "logprobs") if name in choice}
    if bytes(choice.get("delta", _NULL)) in NONE:
        return choice | {"text": Raw(_encode(text))}
    delta = {name: value for name, value in _read_object(choice["delta"]).items() if name not in _CALLS}
    return choice | {"delta": Raw(_encode({**delta, "content": text}))}


def _with_payload(frame: bytes, payload: bytes) -> bytes:
    """The same lines, but for those of the data, which may have been several and are one."""
    lines: list[bytes] = []
    told = False
    for line in frame.removeprefix(_BOM).splitlines(keepends=True):
        if not line.startswith(b"data:"):
            lines.append(line)
        elif not told:
            told = True
            content = line.rstrip(b"\r\n")
            lines += [b"data: " if content.startswith(b"data: ") else b"data:", payload, line[len(content) :]]
    written = b"".join(lines)
    # The last event of a stream may have no end, and something is put behind it now.
    return written if written.endswith((b"\n", b"\r")) else written + b"\n\n"


def ending(payload: bytes, index: int, *, legacy: bool, reason: str) -> bytes:
    """The event that ends a choice, in the envelope of a chunk that has come."""
    chunk = surrogates.read(_read_object, payload)
    said: dict[str, object] = {"text": ""} if legacy else {"delta": {}}
    choice = {"index": index, **said, "logprobs": None, "finish_reason": reason}
    envelope = {name: chunk[name] for name in _ENVELOPE if name in chunk}
    return b"data: " + _encode({**envelope, "choices": [choice]}) + b"\n\n"


def cut_whole(body: bytes, tags: tuple[str, ...]) -> bytes:
    """An answer that did not come as a stream: the same bytes where it has no tag."""
    try:
        answer = surrogates.read(_read_object, body)
        choices = _read_objects(answer.get("choices", Raw(b"[]")))
        were_cut = [_cut(choice, tags) for choice in choices]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return body
    if not any(were_cut):
        return body
    answer["choices"] = Raw(_encode(choices))
    return _encode(answer)


def _cut(choice: dict[str, Raw], tags: tuple[str, ...]) -> bool:
    """Returns whether there was a tag."""
    message = _read_object(choice["message"]) if bytes(choice.get("message", _NULL)) not in NONE else {}
    told = message.get("content", choice.get("text", _NULL))
    text = msgspec.json.decode(told) if bytes(told).startswith(b'"') else ""
    search = StopSearch(tags)
    kept = search.feed(text) + search.release()
    if not search.hit:
        return False
    if message:
        choice["message"] = Raw(_encode({**message, "content": kept}))
    else:
        choice["text"] = Raw(_encode(kept))
    calls = bytes(message.get("tool_calls", _NULL)) not in NONE
    choice |= {"finish_reason": Raw(_encode("tool_calls" if calls else "stop"))}
    choice |= {"logprobs": _NULL} if "logprobs" in choice else {}
    return True
