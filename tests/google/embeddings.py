"""embedContent and batchEmbedContents (section 1.16): the same text always gets the same vector."""

import hashlib
import math
import struct
from typing import Any

from tests.google import tokens
from tests.google.errors import invalid

DIMENSIONS = 3072
LEAST_DIMENSIONS = 128
MOST_REQUESTS = 100


def check(request: dict[str, Any], model_id: str) -> None:
    config = request.get("embedContentConfig", {})
    wanted = request.get("outputDimensionality", config.get("outputDimensionality"))
    if wanted is not None and not LEAST_DIMENSIONS <= int(wanted) <= DIMENSIONS:
        raise invalid(f"* EmbedContentRequest.output_dimensionality: must be between {LEAST_DIMENSIONS} and {DIMENSIONS}")
    task = request.get("taskType", config.get("taskType"))
    if request.get("title") and task != "RETRIEVAL_DOCUMENT":
        raise invalid("The `title` parameter is only supported when task_type is RETRIEVAL_DOCUMENT.")
    if request.get("model") not in (None, f"models/{model_id}"):
        raise invalid(f"* EmbedContentRequest.model: unexpected model name format, expected models/{model_id}")


def check_batch(request: dict[str, Any], model_id: str) -> None:
    requests = request.get("requests", [])
    if len(requests) > MOST_REQUESTS:
        raise invalid(f"* BatchEmbedContentsRequest.requests: at most {MOST_REQUESTS} requests can be in one batch")
    for number, one in enumerate(requests):
        if not one.get("model"):
            raise invalid(f"* BatchEmbedContentsRequest.requests[{number}].model: model is required")
        check(one, model_id)


def one(request: dict[str, Any], model_id: str) -> dict[str, Any]:
    return {"embedding": {"values": _vector(request, model_id)}, "usageMetadata": _usage([request])}


def many(request: dict[str, Any], model_id: str) -> dict[str, Any]:
    requests = request.get("requests", [])
    return {"embeddings": [{"values": _vector(one, model_id)} for one in requests], "usageMetadata": _usage(requests)}


def _usage(requests: list[dict[str, Any]]) -> dict[str, Any]:
    counts = tokens.count_contents([request["content"] for request in requests])
    return {"promptTokenCount": sum(counts.values()), "promptTokenDetails": tokens.details(counts)}


def _vector(request: dict[str, Any], model_id: str) -> list[float]:
    """Full length is of norm 1; gemini-embedding-001 does not normalise what it shortens, gemini-embedding-2 does."""
    wanted = request.get("outputDimensionality", request.get("embedContentConfig", {}).get("outputDimensionality", DIMENSIONS))
    text = "".join(part.get("text", part.get("inlineData", {}).get("data", "")) for part in request["content"]["parts"])
    seed = hashlib.shake_256(f"{model_id}\0{text}".encode()).digest(DIMENSIONS * 4)
    full = _normal([number / 2**31 - 1 for number in struct.unpack(f"<{DIMENSIONS}I", seed)])
    short = full[: int(wanted)]
    return short if model_id == "gemini-embedding-001" else _normal(short)


def _normal(values: list[float]) -> list[float]:
    norm = math.sqrt(sum(value * value for value in values))
    return [value / norm for value in values]
