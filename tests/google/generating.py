"""A model's answer to a request in order, whichever service was asked."""

from collections.abc import Sequence
from typing import Any

from tests.google import answers, responses, tokens
from tests.google.models import Model
from tests.google.scripts import Script

Body = dict[str, Any]


def responses_to(method: str, request: Body, model: Model, script: Script, words: Sequence[str] = ()) -> list[Body]:
    """What goes out: one GenerateContentResponse for a whole answer, any number for a stream. `words`: what is heard."""
    if script.chunks is not None:
        return script.chunks
    if script.block_reason:
        return [responses.blocked(script.block_reason, tokens.count_request(request), model, script.ratings)]
    wanted = int(request.get("generationConfig", {}).get("candidateCount", 1))
    streamed = method == "streamGenerateContent"
    composed = [answers.compose(request, model, script, streamed=streamed, words=words) for _ in range(wanted)]
    return responses.stream(composed, model, script) if streamed else [responses.whole(composed, model, script)]


def count(request: Body) -> Body:
    counts = tokens.count_request(request)
    return {"totalTokens": sum(counts.values()), "promptTokensDetails": tokens.details(counts)}
