"""What is read of a request that another server answers: the model, and whether a stream is wanted. All else is its affair."""

import json
import re
from collections.abc import Iterator

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


_read_fields = msgspec.json.Decoder(_Fields).decode

# Strings are taken whole, so that no bracket within them counts; possessive, so that megabytes of base64 cost one pass.
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_COLON = re.compile(rb"\s*:\s*")


def read_head(body: bytes) -> Head | None:
    """None for what is no JSON object with a model: there is nothing to hand on."""
    try:
        fields = _read_fields(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return Head(fields.model, bytes(fields.stream) == b"true" or bytes(fields.stream_format) == b'"sse"')


def with_model(body: bytes, model: str) -> bytes:
    """The same bytes, but for the value of the request's own `model`; what is deeper inside may be called so too."""
    value = msgspec.json.encode(model)
    pieces, at = [], 0
    for start, end in _models(body):
        pieces += [body[at:start], value]
        at = end
    return b"".join((*pieces, body[at:]))


def _models(body: bytes) -> Iterator[tuple[int, int]]:
    """Where the values of the outermost object's `model` stand: one, unless somebody wrote it twice."""
    depth, is_model = 0, False
    for token in _TOKEN.finditer(body):
        first = token.group()[:1]
        if first in b"{[":
            depth, is_model = depth + 1, False
        elif first in b"}]":
            depth -= 1
        elif is_model:
            yield token.span()
            is_model = False
        elif depth == 1 and (colon := _COLON.match(body, token.end())):
            is_model = json.loads(token.group()) == "model" and body[colon.end() : colon.end() + 1] == b'"'
