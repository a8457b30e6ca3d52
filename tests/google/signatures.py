"""Thought signatures: issued with calls, texts and pictures, and checked when they come back (sections 2.4 and 2.5).

A signature here is a keyed digest of the model and of the call's name and arguments, or of the picture, so that an altered
call, another model or a made-up value is recognised. The secret is fixed: a restarted simulator knows its signatures again.

Image models are in dispute. The stricter reading is played, with the words that callers have been refused with: in every turn
of the model, not the current one alone, each picture needs a signature, and so does what comes first. `lenient` is the other.
"""

import base64
import hashlib
import hmac
import json
from typing import Any

from tests.google.errors import Refusal, invalid
from tests.google.models import MODELS, Model

SECRET = b"the simulator's signing secret"
DUMMIES = (b"skip_thought_signature_validator", b"context_engineering_is_the_way_to_go")
NONCE_BYTES = 8
# Drops a bad signature without a word (section 2.4).
FORGIVING = ("gemini-3.1-flash-lite",)


def for_call(model: Model, call: dict[str, Any], nonce: bytes) -> str:
    return _encode(nonce + _digest(model.quota_name, _subject(call), nonce))


def for_text(model: Model, nonce: bytes) -> str:
    return _encode(nonce + _digest(model.quota_name, "text", nonce))


def for_picture(model: Model, blob: dict[str, Any], nonce: bytes) -> str:
    return _encode(nonce + _digest(model.quota_name, _picture(blob), nonce))


def check(contents: list[dict[str, Any]], model: Model, *, lenient: bool = False) -> None:
    """Refuse a history that lacks a signature that is needed, or holds one that is not good."""
    if not model.checks_signatures:
        return
    start = turn_start(contents)
    if model.signs_pictures:
        for position, content in enumerate(contents, start=1):
            if content.get("role") == "model":
                _check_parts(content.get("parts", []), model, position, lenient=lenient)
    for position, content in enumerate(contents[start:], start=start):
        if content.get("role") == "model":
            _check_step(content.get("parts", []), model, position)


def turn_start(contents: list[dict[str, Any]]) -> int:
    """Where the current turn begins: after the last user content that holds something other than function responses."""
    for index in range(len(contents) - 1, -1, -1):
        if contents[index].get("role") != "model" and any(
            "functionResponse" not in part for part in contents[index].get("parts", ())
        ):
            return index + 1
    return 0


def _check_parts(parts: list[dict[str, Any]], model: Model, position: int, *, lenient: bool) -> None:
    shown = [part for part in parts if not part.get("thought")]
    for number, part in enumerate(shown, start=1):
        if part.get("thoughtSignature"):
            subjects = [_picture(part["inlineData"])] if "inlineData" in part else ["text", *map(_subject, _calls([part]))]
            if problem := _problem(part["thoughtSignature"], model, subjects):
                raise problem
        elif not lenient and ("inlineData" in part or (number == 1 and "text" in part)):
            raise _missing_on("Image" if "inlineData" in part else "Text", position, number)


def _check_step(parts: list[dict[str, Any]], model: Model, position: int) -> None:
    calls = _calls(parts)
    signed = [part["thoughtSignature"] for part in parts if part.get("thoughtSignature") and "inlineData" not in part]
    if calls and not signed:
        raise missing(calls[0].get("name", ""), position)
    subjects = [*(_subject(call) for call in calls), "text"]
    for signature in signed:
        if model.id not in FORGIVING and (problem := _problem(signature, model, subjects)):
            raise problem


def _calls(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part["functionCall"] for part in parts if "functionCall" in part]


def missing(name: str, position: int) -> Refusal:
    return invalid(
        "Function call is missing a thought_signature in functionCall parts. This is required for tools to work correctly, and "
        "missing thought_signature may lead to degraded model performance. Additional data, function call "
        f"`default_api:{name}` , position {position + 1}. "
        "Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures for more details."
    )


def _missing_on(kind: str, content: int, part: int) -> Refusal:
    return invalid(
        f"{kind} part is missing a thought_signature in content position {content}, part position {part}. "
        "Please refer to https://ai.google.dev/gemini-api/docs/thought-signatures#model-behavior for more details."
    )


def _problem(signature: str, model: Model, subjects: list[str]) -> Refusal | None:
    """What is wrong with a signature, if anything. A dummy is good in both spellings: raw, and as base64 of the raw."""
    raw = _decode(signature)
    if signature.encode() in DUMMIES or raw in DUMMIES or _is_of(raw, model.quota_name, subjects):
        return None
    if any(_is_of(raw, other.quota_name, subjects) for other in MODELS.values()):
        return invalid("Invalid thought signature.")
    return invalid("Corrupted thought signature.")


def _is_of(raw: bytes, model: str, subjects: list[str]) -> bool:
    nonce, digest = raw[:NONCE_BYTES], raw[NONCE_BYTES:]
    return any(hmac.compare_digest(digest, _digest(model, subject, nonce)) for subject in subjects)


def _picture(blob: dict[str, Any]) -> str:
    return hashlib.sha256(_decode(blob.get("data", ""))).hexdigest()


def _subject(call: dict[str, Any]) -> str:
    return json.dumps([call.get("name"), _plain(call.get("args") or {})], sort_keys=True)


def _plain(value: Any) -> Any:
    """A value as protobuf's Struct keeps it: every number is a double there, so 1 and 1.0 are the same."""
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _digest(model: str, subject: str, nonce: bytes) -> bytes:
    return hmac.new(SECRET, nonce + f"{model}\0{subject}".encode(), hashlib.sha256).digest()[:28]


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _decode(signature: str) -> bytes:
    """Both alphabets of base64, padded or not; the wire has already been checked to be base64."""
    standard = signature.replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(standard + "=" * (-len(standard) % 4))
