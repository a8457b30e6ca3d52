"""Texts to embed → batchEmbedContents bodies, and its answers → events.

Source: wire reference 1.16; the prefixes: https://ai.google.dev/gemini-api/docs/embeddings
"""

import math
import re
from array import array
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import TextsToEmbed
from openai_api.translation.events import Event, Finished, Usage, UsageReport, Vectors

from .estimate import BYTES_A_TOKEN
from .response import MalformedAnswer

MOST_IN_A_BATCH = 100

_LEAST, _MOST = 128, 3072
_OF_THAT_RANGE = re.compile(r"gemini-embedding-(001|2)(-|$)")
"""What models to come can do, Google itself says when asked."""
_READS_ITS_TASK = re.compile(r"gemini-embedding-[2-9]")
"""The second generation has no taskType: it is told in the text."""
_QUERY = "task: {} | query: "
_PREFIXES = {
    "RETRIEVAL_QUERY": _QUERY.format("search result"),
    "SEMANTIC_SIMILARITY": _QUERY.format("sentence similarity"),
    "CLASSIFICATION": _QUERY.format("classification"),
    "CLUSTERING": _QUERY.format("clustering"),
    "QUESTION_ANSWERING": _QUERY.format("question answering"),
    "FACT_VERIFICATION": _QUERY.format("fact checking"),
    "CODE_RETRIEVAL_QUERY": _QUERY.format("code retrieval"),
}
_AS_GOOD_AS_ONE = 1e-5

_encode = msgspec.json.Encoder().encode


class Batch(Struct, frozen=True):
    """`tokens` is an estimate."""

    body: bytes
    size: int
    tokens: int


class _Embedding(Struct):
    values: list[float] = []


class _Usage(Struct, rename="camel"):
    prompt_token_count: int = 0


class _Answer(Struct, rename="camel"):
    embeddings: list[_Embedding] = []
    usage_metadata: _Usage | None = None


_read_answer = msgspec.json.Decoder(_Answer).decode


def write_batches(asked: TextsToEmbed) -> Iterator[Batch]:
    """In the order of the texts. Raises InvalidRequest where the model has no vectors of that length."""
    _check_length(asked)
    common, prefix = _common(asked)
    for start in range(0, len(asked.texts), MOST_IN_A_BATCH):
        texts = [prefix + text for text in asked.texts[start : start + MOST_IN_A_BATCH]]
        requests = [{**common, "content": {"parts": [{"text": text}]}} for text in texts]
        yield Batch(_encode({"requests": requests}), len(texts), sum(map(_estimate, texts)))


def _check_length(asked: TextsToEmbed) -> None:
    if asked.dimensions is None or not _OF_THAT_RANGE.match(asked.model) or _LEAST <= asked.dimensions <= _MOST:
        return
    message = f"Invalid 'dimensions': {asked.model} makes vectors of {_LEAST} to {_MOST} numbers, not of {asked.dimensions}."
    raise InvalidRequest(message, param="dimensions", code="invalid_value")


def _common(asked: TextsToEmbed) -> tuple[dict[str, Any], str]:
    """(what all requests of a batch say alike, what stands before each text)."""
    common: dict[str, Any] = {"model": f"models/{asked.model}"}
    if asked.dimensions is not None:
        common["outputDimensionality"] = asked.dimensions
    if asked.task and _READS_ITS_TASK.match(asked.model):
        return common, _PREFIXES.get(asked.task) or f"title: {asked.title or 'none'} | text: "
    if asked.task:
        common["taskType"] = asked.task
    if asked.title:
        common["title"] = asked.title
    return common, ""


def _estimate(text: str) -> int:
    return -(-len(text.encode(errors="replace")) // BYTES_A_TOKEN)


def read_vectors(body: bytes | bytearray, *, size: int, tokens: int) -> list[Event]:
    """The answer to a batch of so many texts; `tokens` holds where Google does not count them. Raises MalformedAnswer."""
    try:
        answer = _read_answer(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer from error
    if len(answer.embeddings) != size or not all(embedding.values for embedding in answer.embeddings):
        raise MalformedAnswer
    if answer.usage_metadata is not None and answer.usage_metadata.prompt_token_count:
        tokens = answer.usage_metadata.prompt_token_count
    vectors = tuple(_of_length_one(embedding.values) for embedding in answer.embeddings)
    return [Vectors(vectors), UsageReport(Usage(prompt=tokens, total=tokens)), Finished("stop")]


def _of_length_one(values: list[float]) -> "array[float]":
    """OpenAI's vectors are, so callers compare them by their dot product; gemini-embedding-001 leaves short ones as they are."""
    length = math.hypot(*values)
    if length and abs(length - 1) > _AS_GOOD_AS_ONE:
        values = [value / length for value in values]
    return array("d", values)
