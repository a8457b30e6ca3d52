"""The parts that the model sends, and what they count."""

from collections import Counter
from typing import Any

from tests.google import signatures, speech, tokens
from tests.google.models import Model

TOKENS_PER_IMAGE = 1120


def call_part(call: dict[str, Any], model: Model, number: int, nonce: bytes) -> dict[str, Any]:
    """A functionCall part as the model sends it: with an id on 3 and later, signed if it is the first of its step."""
    call = {"name": call["name"], "args": call.get("args", {}), **({"id": call["id"]} if "id" in call else {})}
    if model.generation in ("3", "4"):
        call.setdefault("id", f"{nonce.hex()[:7]}{number}")
    part: dict[str, Any] = {"functionCall": call}
    if number == 0 and model.checks_signatures:
        part["thoughtSignature"] = signatures.for_call(model, call, nonce)
    return part


def media_part(blob: dict[str, Any], model: Model, nonce: bytes) -> dict[str, Any]:
    part: dict[str, Any] = {"inlineData": blob}
    if model.signs_pictures:
        part["thoughtSignature"] = signatures.for_picture(model, blob, nonce)
    return part


def spoken(parts: list[dict[str, Any]]) -> Counter[str]:
    """Tokens of what is visible of an answer, by modality."""
    counts: Counter[str] = Counter()
    for part in parts:
        if "functionCall" in part:
            counts["TEXT"] += tokens.count_call(part["functionCall"])
        elif "inlineData" in part:
            modality = "AUDIO" if part["inlineData"]["mimeType"].startswith("audio") else "IMAGE"
            counts[modality] += speech.tokens(part["inlineData"]) if modality == "AUDIO" else TOKENS_PER_IMAGE
        elif not part.get("thought"):
            counts["TEXT"] += tokens.count(part.get("text", ""))
    return counts
