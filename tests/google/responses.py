"""An answer, written as one GenerateContentResponse or as the chunks of a stream (sections 1.12, 1.13, 2.3 and 2.4)."""

import secrets
from collections import Counter
from typing import Any

from tests.google import signatures, tokens
from tests.google.answers import Answer
from tests.google.models import Model
from tests.google.parts import call_part, media_part, spoken
from tests.google.scripts import Script

MOST_CHUNKS = 20
LEAST_TOKENS_PER_CHUNK = 3

Response = dict[str, Any]
Parts = list[dict[str, Any]]


def whole(answers: list[Answer], model: Model, script: Script) -> Response:
    """One response holding every candidate."""
    written = [_parts(answer, model) for answer in answers]
    candidates = [_candidate(answer, parts, number) for number, (answer, parts) in enumerate(zip(answers, written, strict=True))]
    said = sum((spoken(parts) for parts in written), Counter[str]())
    return {
        "candidates": candidates,
        "usageMetadata": _usage(answers[0], said, sum(answer.thought_tokens for answer in answers), script),
        "modelVersion": model.quota_name,
        "responseId": _response_id(),
    }


def stream(answers: list[Answer], model: Model, script: Script) -> list[Response]:
    """The chunks: thoughts, texts, calls; finishReason in the last alone; usage on each, and cumulative."""
    same = {"modelVersion": model.quota_name, "responseId": _response_id()}
    said: Counter[str] = Counter()
    thought = 0
    chunks = []
    for number, answer in enumerate(answers):
        # Thoughts are counted as soon as the first chunk (section 1.13).
        thought += answer.thought_tokens
        steps = _steps(answer, model, script)
        for step, parts in enumerate(steps, start=1):
            said = said + spoken(parts)
            candidate = _candidate(answer, parts, number, last=step == len(steps))
            chunks.append({"candidates": [candidate], "usageMetadata": _usage(answer, said, thought, script), **same})
    return chunks


def blocked(reason: str, prompt: Counter[str], model: Model, ratings: Parts | None = None) -> Response:
    """A blocked prompt: 200, no candidates, and only the prompt is counted."""
    total = sum(prompt.values())
    return {
        "promptFeedback": {"blockReason": reason} | ({"safetyRatings": ratings} if ratings else {}),
        "usageMetadata": {"promptTokenCount": total, "totalTokenCount": total, "promptTokensDetails": tokens.details(prompt)},
        "modelVersion": model.quota_name,
        "responseId": _response_id(),
    }


def _candidate(answer: Answer, parts: Parts, number: int, *, last: bool = True) -> dict[str, Any]:
    content: dict[str, Any] = {"role": "model"}
    if parts:
        content["parts"] = parts
    candidate: dict[str, Any] = {"content": content}
    if last:
        candidate["finishReason"] = answer.finish_reason
        if answer.continuation_token:
            candidate["continuationToken"] = answer.continuation_token
        if answer.finish_message:
            candidate["finishMessage"] = answer.finish_message
        if answer.grounding:
            candidate["groundingMetadata"] = answer.grounding
        if answer.ratings:
            candidate["safetyRatings"] = answer.ratings
    return {**candidate, "index": number}


def _parts(answer: Answer, model: Model) -> Parts:
    nonce = secrets.token_bytes(signatures.NONCE_BYTES)
    parts: Parts = [{"text": answer.thoughts, "thought": True}] if answer.thoughts else []
    parts += answer.traces
    parts += [{"text": answer.text}] if answer.text else []
    if answer.text and not answer.calls and model.checks_signatures:
        parts[-1]["thoughtSignature"] = signatures.for_text(model, nonce)
    parts += [call_part(call, model, number, nonce) for number, call in enumerate(answer.calls)]
    return parts + answer.turns + [media_part(blob, model, nonce) for blob in answer.media]


def _steps(answer: Answer, model: Model, script: Script) -> list[Parts]:
    """The parts of each chunk. On 3 and later every call has a chunk to itself; on 2.5 they come together, and last."""
    nonce = secrets.token_bytes(signatures.NONCE_BYTES)
    steps: list[Parts] = [[{"text": piece, "thought": True}] for piece in _pieces(answer.thoughts, script)]
    steps += [answer.traces] * bool(answer.traces)
    texts: list[Parts] = [[{"text": piece}] for piece in _pieces(answer.text, script)]
    if texts and answer.media and model.signs_pictures:
        # What comes first after the thoughts is signed, text or picture.
        texts[0][0]["thoughtSignature"] = signatures.for_text(model, nonce)
    steps += texts
    calls = [call_part(call, model, number, nonce) for number, call in enumerate(answer.calls)]
    steps += [[call] for call in calls] if model.generation != "2.5" else [calls] * bool(calls)
    steps += [[turn] for turn in answer.turns]
    steps += [[media_part(blob, model, nonce)] for blob in answer.media]
    if answer.text and not answer.calls and not answer.media and model.checks_signatures:
        # The signature of a plain text comes at its end, with no text of its own (section 1.13).
        steps.append([{"text": "", "thoughtSignature": signatures.for_text(model, nonce)}])
    elif answer.calls and model.generation != "2.5":
        steps.append([{"text": ""}])
    return steps or [[]]


def _pieces(text: str, script: Script) -> list[str]:
    if not text:
        return []
    size = script.tokens_per_chunk or max(LEAST_TOKENS_PER_CHUNK, tokens.count(text) // MOST_CHUNKS + 1)
    return tokens.split(text, min(size, 10_000))


def _usage(answer: Answer, said: Counter[str], thought: int, script: Script) -> dict[str, Any]:
    """Counts of zero are left out; the total is all of them (section 1.12)."""
    read, spoke = sum(answer.prompt.values()), sum(said.values())
    usage: dict[str, Any] = {"promptTokenCount": read}
    if answer.cached:
        usage |= {
            "cachedContentTokenCount": answer.cached,
            "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": answer.cached}],
        }
    if spoke:
        usage |= {"candidatesTokenCount": spoke}
    if answer.tool_tokens:
        usage |= {
            "toolUsePromptTokenCount": answer.tool_tokens,
            "toolUsePromptTokensDetails": [{"modality": "TEXT", "tokenCount": answer.tool_tokens}],
        }
    usage |= {
        "totalTokenCount": read + spoke + thought + answer.tool_tokens,
        "promptTokensDetails": tokens.details(answer.prompt),
    }
    if set(said) - {"TEXT"}:
        usage["candidatesTokensDetails"] = tokens.details(said)
    if thought:
        usage["thoughtsTokenCount"] = thought
    return {**usage, **script.usage}


def _response_id() -> str:
    return secrets.token_urlsafe(17)
