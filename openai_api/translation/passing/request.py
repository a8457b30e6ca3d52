"""What is read of a request that another server answers, and the few values that may be replaced. All else is its affair."""

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw, Struct


class Head(Struct, frozen=True):
    model: str
    stream: bool = False


class _Fields(Struct):
    model: str
    stream: Raw = Raw(b"null")
    stream_format: Raw = Raw(b"null")
    """What speech calls it."""


class _Count(Struct):
    n: int | None = None
    prompt: Any = None


_read_fields = msgspec.json.Decoder(_Fields).decode
_read_count = msgspec.json.Decoder(_Count, strict=False).decode

# Strings are taken whole, so that no bracket within them counts; possessive, so that megabytes of base64 cost one pass.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"\s*:\s*")
_SCALAR = re.compile(rb"[^\s\"\[\]{},]+")
_QUOTE, _BRACE = b'"{'


def read_head(body: bytes) -> Head | None:
    """None for what is no JSON object with a model: there is nothing to hand on."""
    try:
        fields = _read_fields(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return Head(fields.model, bytes(fields.stream) == b"true" or bytes(fields.stream_format) == b'"sse"')


def with_model(body: bytes, model: str) -> bytes:
    """The same bytes, but for the value of the request's own `model`; what is deeper inside may be called so too."""
    value = msgspec.json.encode(model)
    return _spliced(body, [(start, end, value) for start, end in _values(body, "model") if body[start] == _QUOTE])


def as_stream(body: bytes, *, usage: bool = True) -> bytes:
    """The same bytes, but that a stream is asked for and (`usage`) that it shall tell what it has used.

    Other `stream_options` of the caller's own stay.
    """
    if not usage:
        return _with(body, "stream", b"true")
    given = [body[start:end] for start, end in _values(body, "stream_options") if body[start] == _BRACE]
    options = _with(given[-1], "include_usage", b"true") if given else b'{"include_usage":true}'
    return _with(_with(body, "stream_options", options), "stream", b"true")


def most_choices(body: bytes) -> int | None:
    """How many choices the answer will have; None: the request does not say so in a way that is understood."""
    try:
        asked = _read_count(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return (1 if asked.n is None else asked.n) * _count_prompts(asked.prompt)


def _count_prompts(prompt: Any) -> int:
    """Of a legacy completion: a text, several, the tokens of one, or of several."""
    return len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1


def _with(body: bytes, name: str, value: bytes) -> bytes:
    """An object's text with another value for one of its members, which comes first if it is new."""
    if places := [(start, end, value) for start, end in _values(body, name)]:
        return _spliced(body, places)
    first = body.index(b"{") + 1
    rest = body[first:]
    comma = b"" if rest.lstrip().startswith(b"}") else b","
    return body[:first] + msgspec.json.encode(name) + b":" + value + comma + rest


def _spliced(body: bytes, places: list[tuple[int, int, bytes]]) -> bytes:
    pieces, at = [], 0
    for start, end, value in places:
        pieces += [body[at:start], value]
        at = end
    return b"".join((*pieces, body[at:]))


def _values(body: bytes, name: str) -> list[tuple[int, int]]:
    return [(start, end) for member, start, end in _members(body) if member == name]


def _members(body: bytes) -> Iterator[tuple[str, int, int]]:
    """(name, where its value begins, where it ends) of the outermost object's members; one may be there twice."""
    depth, name, start = 0, None, 0
    for token in _TOKEN.finditer(body):
        first = token.group()[:1]
        if first in b"{[":
            depth += 1
            start = token.start() if depth == 2 else start
        elif first in b"}]":
            depth -= 1
            if depth == 1 and name is not None:
                yield name, start, token.end()
                name = None
        elif depth == 1:
            if name is not None:
                yield name, *token.span()
                name = None
            elif colon := _COLON.match(body, token.end()):
                name = json.loads(token.group())
                if scalar := _SCALAR.match(body, colon.end()):
                    yield name, *scalar.span()
                    name = None
