"""What the model answers when no script says otherwise.

- After function responses that bear other ids or names than their calls: nothing (section 1.14).
- `call NAME {json}` in the last user text, any number of times: those function calls, if they are declared and allowed.
- functionCallingConfig mode ANY: a call of the first allowed function that was not called in this turn, with arguments made
  from its schema.
- A JSON mime type: an instance of the schema, or `{"echo": TEXT}`; `text/x.enum`: the first word of the enum. With
  `fill in {json}` in the last user text: those fields, and 0 for the other numbers.
- After function responses: `NAME answered: {json}`, one line each.
- An image or speech model: a red picture of the size that was asked for, a tone as long as the text. A transcription model: the
  words that it hears.
- Otherwise `echo: TEXT`, naming inline files as `[image/png]`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct, field

from tests.google import contents, continuation, grounding, media, safety, speech, thinking, tokens, transcription, wishes
from tests.google.models import Model
from tests.google.scripts import Script

FILLER = "many" * 31 + "much. "
"""Huge answers are made of few long words: counting millions of short ones would take longer than sending them."""
CACHED_TOKENS = 4096
"""What every explicit cache holds here."""


class Answer(Struct, kw_only=True):
    """One candidate, before it is written as one response or as many."""

    thoughts: str = ""
    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    media: list[dict[str, Any]] = field(default_factory=list)
    turns: list[dict[str, Any]] = field(default_factory=list)
    """The parts of a transcript that tells times or speakers."""
    finish_reason: str = "STOP"
    finish_message: str = ""
    thought_tokens: int = 0
    grounding: dict[str, Any] | None = None
    traces: list[dict[str, Any]] = field(default_factory=list)
    """The parts that show a search of the server's own."""
    tool_tokens: int = 0
    """What was read from tools of the server's own: counted beside the prompt."""
    continuation_token: str = ""
    ratings: list[dict[str, Any]] = field(default_factory=list)
    """What the safety filters think of it."""
    prompt: Counter[str] = field(default_factory=Counter)
    cached: int = 0
    """Tokens of the prompt that came from a cache."""


def compose(request: dict[str, Any], model: Model, script: Script, *, streamed: bool, words: Sequence[str] = ()) -> Answer:
    """The model's answer to a request that has passed every rule; `words` are those that a transcription model hears."""
    config = request.get("generationConfig", {})
    answer = Answer(prompt=tokens.count_request(request))
    if request.get("cachedContent"):
        answer.cached = CACHED_TOKENS
        answer.prompt["TEXT"] += CACHED_TOKENS
    _think(answer, request, model, script)
    if model.kind == "transcription":
        _write_down(answer, config.get("audioTranscriptionConfig", {}), list(words))
    else:
        _speak(answer, request, model, script, streamed=streamed)
    _respect_limits(answer, config)
    _interrupt(answer, request, script.hop_tokens or continuation.hop(model, streamed=streamed), model)
    if any("googleSearch" in tool for tool in request.get("tools", ())) and answer.text:
        _search(answer, request)
    answer.finish_reason = script.finish_reason or answer.finish_reason
    answer.finish_message = script.finish_message
    answer.ratings = safety.of_request(request) if script.ratings is None else script.ratings
    return answer


def _think(answer: Answer, request: dict[str, Any], model: Model, script: Script) -> None:
    config = request.get("generationConfig", {}).get("thinkingConfig", {})
    answer.thought_tokens = thinking.tokens(config, model)
    if script.thoughts is not None:
        answer.thoughts, answer.thought_tokens = script.thoughts, tokens.count(script.thoughts)
    elif config.get("includeThoughts") and answer.thought_tokens:
        answer.thoughts = f"**Thinking it over**\n\nThe user says: {wishes.last_text(request)[:80]}\n"


def _speak(answer: Answer, request: dict[str, Any], model: Model, script: Script, *, streamed: bool) -> None:
    is_silent = script.empty or contents.answers_other_calls(request.get("contents", []))
    if rest := continuation.rest(request):
        answer.text = rest
    elif script.text is not None or script.calls or script.megabytes:
        answer.text = script.text or FILLER * round(script.megabytes * 1_000_000 / len(FILLER))
        answer.calls = script.calls
        answer.media = list(_pictures(request, script.pictures or 0))
    elif is_silent:
        answer.thoughts, answer.thought_tokens = "", 0
    elif calls := list(wishes.calls(request)):
        answer.calls = calls
    elif model.kind == "image" and "IMAGE" in _modalities(request):
        answer.media = list(_pictures(request, 1 if script.pictures is None else script.pictures))
    elif model.kind == "speech":
        answer.media = speech.blobs(wishes.last_text(request), model, script, streamed=streamed)
    else:
        answer.text = wishes.formatted(request) or wishes.quoted_responses(request) or f"echo: {wishes.last_text(request)}"


def _write_down(answer: Answer, config: dict[str, Any], words: list[str]) -> None:
    if config.get("wordTimestamp") or config.get("diarization"):
        answer.turns = transcription.turns(words, config)
    else:
        answer.text = " ".join(words)


def _modalities(request: dict[str, Any]) -> list[str]:
    return list(request.get("generationConfig", {}).get("responseModalities") or ("TEXT", "IMAGE"))


def _pictures(request: dict[str, Any], count: int) -> Iterator[dict[str, Any]]:
    """No two of them are the same."""
    size = media.pixels(request.get("generationConfig", {}).get("imageConfig", {}))
    for number in range(count):
        yield {"mimeType": "image/png", "data": media.numbered(*size, number)}


def _respect_limits(answer: Answer, config: dict[str, Any]) -> None:
    """Stop sequences end a text; maxOutputTokens caps thoughts and answer together (section 1.5)."""
    found = [at for at in (answer.text.find(stop) for stop in config.get("stopSequences", ())) if at >= 0]
    if found:
        answer.text = answer.text[: min(found)]
    limit = config.get("maxOutputTokens")
    if limit is None:
        return
    left = int(limit) - answer.thought_tokens
    spoken = tokens.count(answer.text) + sum(tokens.count_call(call) for call in answer.calls)
    if spoken > max(left, 0):
        answer.finish_reason = "MAX_TOKENS"
        answer.thought_tokens = min(answer.thought_tokens, int(limit))
        answer.text = tokens.cut(answer.text, max(left, 0))
        answer.calls = []


def _interrupt(answer: Answer, request: dict[str, Any], hop_tokens: int | None, model: Model) -> None:
    """Gemini 4 says a long answer in hops."""
    if model.generation == "4":
        answer.text, answer.continuation_token = continuation.divide(answer.text, hop_tokens, request)
    if answer.continuation_token:
        answer.finish_reason = "CONTINUATION"


def _search(answer: Answer, request: dict[str, Any]) -> None:
    query = wishes.last_text(request)
    answer.grounding = grounding.of(answer.text, query)
    answer.tool_tokens = tokens.count_json(grounding.SOURCES)
    if request.get("toolConfig", {}).get("includeServerSideToolInvocations"):
        answer.traces = grounding.trace(query)
