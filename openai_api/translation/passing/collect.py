"""A stream of chat or legacy completion chunks → the whole answer that the server would have given without a stream.

What is merged is what has to be: values that nobody here knows stay as the server wrote them, the last one of each.
"""

import base64
import binascii
from typing import Any

import msgspec
from msgspec import Raw, Struct

from openai_api.translation.passing import surrogates
from openai_api.translation.passing.answer import MOST_CHOICES, TooManyChoices
from openai_api.translation.sse import Decoder

_NONE = frozenset({b"null", b'""', b"[]", b"{}"})
_OF_STREAMS = frozenset({"choices", "obfuscation"})
"""What a chunk has, and no whole answer: OpenAI pads its chunks, so that their lengths tell nothing."""
_OBJECTS = {b'"chat.completion.chunk"': Raw(b'"chat.completion"')}
_WORDS = frozenset({"role", "id", "type", "format"})
"""Texts that are said whole, perhaps again and again, and are no pieces of a longer one."""


class UnreadableChunk(Exception):
    """Something in the stream is no chunk, so that nobody knows what the answer lacks without it."""


class _Text(Struct):
    """Joined once, so that a long text in small pieces costs linear time."""

    pieces: list[str]


class _Choice(Struct):
    index: int
    fields: dict[str, Raw] = {}
    """Beside those that are merged: the last of each that says something."""
    lists: dict[str, list[bytes]] = {}
    logprobs: dict[str, list[bytes]] = {}
    """The items of lists, as the server wrote them: of probabilities there may be twenty for each token."""
    delta: dict[str, Any] = {}
    text: _Text | None = None
    """Of a legacy completion."""


_read_chunk = msgspec.json.Decoder(dict[str, Raw]).decode
_read_choices = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_read_delta = msgspec.json.Decoder(dict[str, Any] | None).decode
_read_logprobs = msgspec.json.Decoder(dict[str, Raw] | None).decode
_read_text = msgspec.json.Decoder(str | None).decode
_read_index = msgspec.json.Decoder(int).decode


class Collector:
    def __init__(self) -> None:
        self._decoder = Decoder()
        self._fields: dict[str, Raw] = {}
        self._choices: dict[int, _Choice] = {}
        self._done = False
        self._has_halves = False
        """Of letters, which are put together at the end."""

    def feed(self, data: bytes) -> None:
        """Raises UnreadableChunk, and EventTooLarge."""
        for payload in self._decoder.feed(data):
            self._take(payload)

    @property
    def is_complete(self) -> bool:
        """Whether every choice has told of its end, or the stream of its own."""
        choices = self._choices.values()
        return self._done or (bool(choices) and all(_says(choice.fields.get("finish_reason")) for choice in choices))

    def answer(self) -> bytes:
        """Raises UnreadableChunk where there was none, or where it cannot be written."""
        for payload in self._decoder.end():
            self._take(payload)
        if not (self._fields or self._choices):
            raise UnreadableChunk("The stream held no chunk.")
        try:
            written = [_written(self._choices[index]) for index in sorted(self._choices)]
            body = msgspec.json.encode({**self._fields, "choices": written})
        except RecursionError as error:
            raise UnreadableChunk("What the chunks hold is nested too deeply.") from error
        return surrogates.put_together(body) if self._has_halves else body

    def _take(self, payload: bytes) -> None:
        if payload == b"[DONE]":
            self._done = True
            return
        try:
            chunk = self._read(payload)
            if "choices" in chunk or "usage" in chunk:  # Otherwise it is a sign of life, or something else beside the answer.
                self._take_chunk(chunk)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise UnreadableChunk("A chunk could not be read.") from error

    def _read(self, payload: bytes) -> dict[str, Raw]:
        try:
            return _read_chunk(payload)
        except msgspec.DecodeError:
            chunk = _read_chunk(surrogates.set_aside(payload))
            self._has_halves = True
            return chunk

    def _take_chunk(self, chunk: dict[str, Raw]) -> None:
        for choice in _read_choices(chunk["choices"]) if _says(chunk.get("choices")) else ():
            self._take_choice(choice)
        for name, value in chunk.items():
            if name not in _OF_STREAMS:
                _note(self._fields, name, value)
        if (told := self._fields.get("object")) is not None:
            self._fields["object"] = _OBJECTS.get(bytes(told), told)

    def _take_choice(self, given: dict[str, Raw]) -> None:
        index = _read_index(given.pop("index", b"0"))
        choice = self._choices.setdefault(index, _Choice(index))
        if len(self._choices) > MOST_CHOICES:
            raise TooManyChoices
        for name, value in given.items():
            if name == "delta":
                _merge(choice.delta, _read_delta(value) or {})
            elif name == "text":
                choice.text = choice.text or _Text([])
                choice.text.pieces.append(_read_text(value) or "")
            elif name == "logprobs":
                _extend_raw(choice.logprobs, _read_logprobs(value) or {})
                _note(choice.fields, name, value)
            elif bytes(value).startswith(b"["):
                _extend_raw(choice.lists, {name: value})
            else:
                _note(choice.fields, name, value)


def _says(value: Raw | None) -> bool:
    return value is not None and bytes(value) not in _NONE


def _note(fields: dict[str, Raw], name: str, value: Raw) -> None:
    if name not in fields or _says(value):
        fields[name] = value


def _extend_raw(lists: dict[str, list[bytes]], given: dict[str, Raw]) -> None:
    for name, value in given.items():
        items = lists.setdefault(name, [])
        if inner := bytes(value).strip()[1:-1].strip() if bytes(value).startswith(b"[") else b"":
            items.append(inner)


def _merge(into: dict[str, Any], given: dict[str, Any]) -> None:
    for name, value in given.items():
        known = into.get(name)
        if value is None:
            into.setdefault(name, None)
        elif isinstance(value, str):
            _merge_text(into, name, value)
        elif isinstance(value, dict):
            into[name] = known if isinstance(known, dict) else {}
            _merge(into[name], value)
        elif isinstance(value, list):
            into[name] = known if isinstance(known, list) else _as_parts(known)
            _merge_items(into[name], value)
        else:
            into[name] = value


def _merge_text(into: dict[str, Any], name: str, piece: str) -> None:
    known = into.get(name)
    if name in _WORDS:
        into[name] = piece or known or ""
    elif isinstance(known, list):  # The parts of a content, of which some servers write only the first as such.
        _merge_items(known, [{"type": "text", "text": piece}])
    elif not isinstance(known, _Text):
        into[name] = _Text([piece])
    elif name != "name" or known.pieces != [piece]:  # Some servers repeat a function's name with each piece of its arguments.
        known.pieces.append(piece)


def _as_parts(known: Any) -> list[Any]:
    """The text before the first part."""
    return [{"type": "text", "text": known}] if isinstance(known, _Text) and any(known.pieces) else []


def _merge_items(items: list[Any], given: list[Any]) -> None:
    """Those that say which they are, such as tool calls, are merged; others are new."""
    for item in given:
        index = item.get("index") if isinstance(item, dict) else None
        known = _of_index(items, index) if index is not None else None
        if known is not None:
            _merge(known, item)
        elif isinstance(item, dict):
            items.append({})
            _merge(items[-1], item)
        else:
            items.append(item)


def _of_index(items: list[Any], index: object) -> dict[str, Any] | None:
    return next((item for item in reversed(items) if isinstance(item, dict) and item.get("index") == index), None)


def _written(choice: _Choice) -> dict[str, Any]:
    lists: dict[str, Any] = {name: _raw_list(items) for name, items in choice.lists.items()}
    if choice.logprobs:
        lists["logprobs"] = {name: _raw_list(items) if items else None for name, items in choice.logprobs.items()}
    return {"index": choice.index, **_said(choice), "finish_reason": None, **choice.fields, **lists}


def _said(choice: _Choice) -> dict[str, Any]:
    """A message or, of a legacy completion, a text. Some servers write both, one of them empty."""
    text = "".join(choice.text.pieces) if choice.text is not None else ""
    said = {"message": _message(choice.delta)} if choice.delta or choice.text is None else {}
    return {**said, "text": text} if text or not said else said


def _raw_list(items: list[bytes]) -> Raw:
    return Raw(b"[" + b",".join(items) + b"]")


def _message(delta: dict[str, Any]) -> dict[str, Any]:
    audio = delta.get("audio")
    if isinstance(audio, dict) and isinstance(audio.get("data"), _Text):
        audio["data"] = _joined_base64(audio["data"].pieces)
    message = {"role": None, "content": None, **_joined(delta)}
    message["role"] = message["role"] or "assistant"  # Some servers send an empty one with each piece.
    calls = message.get("tool_calls")
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            call.pop("index", None)  # It has told the pieces of several calls apart.
    return message


def _joined(value: Any) -> Any:
    if isinstance(value, _Text):
        return "".join(value.pieces)
    if isinstance(value, dict):
        return {name: _joined(inner) for name, inner in value.items()}
    return [_joined(inner) for inner in value] if isinstance(value, list) else value


def _joined_base64(pieces: list[str]) -> str:
    """Each piece may be padded for itself."""
    try:
        return base64.b64encode(b"".join(base64.b64decode(piece, validate=True) for piece in pieces)).decode()
    except binascii.Error:  # A text that has been cut anywhere.
        return "".join(pieces)
