"""The answer to an Embeddings request: vectors in, OpenAI's list out."""

import struct
from array import array
from base64 import b64encode
from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from openai_api.translation.events import Event, UsageReport, Vectors

_encode = msgspec.json.Encoder().encode


class _Embedding(Struct):
    index: int
    embedding: Raw
    object: str = "embedding"


class _Usage(Struct):
    prompt_tokens: int
    total_tokens: int


class _List(Struct):
    data: list[_Embedding]
    model: str
    usage: _Usage
    object: str = "list"


class Writer:
    """Takes the answers of all batches, in whatever order they come, and writes each of them at once."""

    def __init__(self, encoding: str, *, model: str) -> None:
        self._in_encoding = _in_base64 if encoding == "base64" else _in_floats
        self._model = model
        self._tokens = 0
        self._written: dict[int, list[Raw]] = {}

    def take(self, batch: int, events: Iterable[Event]) -> None:
        for event in events:
            if isinstance(event, Vectors):
                self._written[batch] = [Raw(self._in_encoding(vector)) for vector in event.vectors]
            elif isinstance(event, UsageReport):
                self._tokens += event.usage.prompt

    def answer(self) -> bytes:
        in_order = (vector for _, vectors in sorted(self._written.items()) for vector in vectors)
        data = [_Embedding(index, vector) for index, vector in enumerate(in_order)]
        return _encode(_List(data, self._model, _Usage(self._tokens, self._tokens)))


def _in_floats(vector: "array[float]") -> bytes:
    return _encode(vector.tolist())


def _in_base64(vector: "array[float]") -> bytes:
    """Float32, little endian, as OpenAI's SDKs unpack it."""
    return b'"' + b64encode(struct.pack(f"<{len(vector)}f", *vector)) + b'"'
