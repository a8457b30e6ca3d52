"""What the model answers when no script says otherwise.

- After function responses that bear other ids or names than their calls: nothing (section 1.14).
- `call NAME {json}` in the last user text, any number of times: those function calls, if they are declared and allowed.
- functionCallingConfig mode ANY: a call of the first allowed function that was not called in this turn, with arguments made
  from its schema.
- A JSON mime type: an instance of the schema, or `{"echo": TEXT}`; `text/x.enum`: the first word of the enum.
- After function responses: `NAME answered: {json}`, one line each.
- An image or speech model: a small picture, a short tone.
- Otherwise `echo: TEXT`, naming inline files as `[image/png]`.
"""

import base64
import json
import re
import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Any

from msgspec import Struct, field

from tests.google import contents, continuation, grounding, instances, signatures, thinking, tokens
from tests.google.models import Model
from tests.google.scripts import Script

CALL = re.compile(r"\bcall ([A-Za-z_][\w.:-]*)\s*")
FILLER = "many" * 31 + "much. "
"""Huge answers are made of few long words: counting millions of short ones would take longer than sending them."""
TOKENS_PER_IMAGE = 1120
CACHED_TOKENS = 4096
"""What every explicit cache holds here."""


class Answer(Struct, kw_only=True):
    """One candidate, before it is written as one response or as many."""

    thoughts: str = ""
    text: str = ""
    calls: list[dict[str, Any]] = field(default_factory=list)
    media: list[dict[str, Any]] = field(default_factory=list)
    finish_reason: str = "STOP"
    finish_message: str = ""
    thought_tokens: int = 0
    grounding: dict[str, Any] | None = None
    traces: list[dict[str, Any]] = field(default_factory=list)
    """The parts that show a search of the server's own."""
    tool_tokens: int = 0
    """What was read from tools of the server's own: counted beside the prompt."""
    continuation_token: str = ""
    prompt: Counter[str] = field(default_factory=Counter)
    cached: int = 0
    """Tokens of the prompt that came from a cache."""


def compose(request: dict[str, Any], model: Model, script: Script, *, streamed: bool) -> Answer:
    """The model's answer to a request that has passed every rule."""
    config = request.get("generationConfig", {})
    answer = Answer(prompt=tokens.count_request(request))
    if request.get("cachedContent"):
        answer.cached = CACHED_TOKENS
        answer.prompt["TEXT"] += CACHED_TOKENS
    answer.thought_tokens = thinking.tokens(config.get("thinkingConfig", {}), model)
    if script.thoughts is not None:
        answer.thoughts, answer.thought_tokens = script.thoughts, tokens.count(script.thoughts)
    elif config.get("thinkingConfig", {}).get("includeThoughts") and answer.thought_tokens:
        answer.thoughts = f"**Thinking it over**\n\nThe user says: {_last_text(request)[:80]}\n"
    _speak(answer, request, model, script)
    _respect_limits(answer, config)
    hop = script.hop_tokens if model.generation == "4" and script.hop_tokens else continuation.hop(model, streamed=streamed)
    answer.text, answer.continuation_token = continuation.divide(answer.text, hop, request)
    if answer.continuation_token:
        answer.finish_reason = "CONTINUATION"
    if any("googleSearch" in tool for tool in request.get("tools", ())) and answer.text:
        _search(answer, request)
    answer.finish_reason = script.finish_reason or answer.finish_reason
    answer.finish_message = script.finish_message
    return answer


def _speak(answer: Answer, request: dict[str, Any], model: Model, script: Script) -> None:
    is_silent = script.empty or contents.answers_other_calls(request.get("contents", []))
    if rest := continuation.rest(request):
        answer.text = rest
    elif script.text is not None or script.calls or script.megabytes:
        answer.text = script.text or FILLER * round(script.megabytes * 1_000_000 / len(FILLER))
        answer.calls = script.calls
    elif is_silent:
        answer.thoughts, answer.thought_tokens = "", 0
    elif calls := list(_wanted_calls(request)):
        answer.calls = calls
    elif model.kind == "image":
        answer.media = [{"mimeType": "image/png", "data": _picture()}]
    elif model.kind == "speech":
        answer.media = [{"mimeType": "audio/wav", "data": _tone()}]
    else:
        answer.text = _formatted(request) or _quoted_responses(request) or f"echo: {_last_text(request)}"


def _search(answer: Answer, request: dict[str, Any]) -> None:
    query = _last_text(request)
    answer.grounding = grounding.of(answer.text, query)
    answer.tool_tokens = tokens.count(_json(grounding.SOURCES))
    if request.get("toolConfig", {}).get("includeServerSideToolInvocations"):
        answer.traces = grounding.trace(query)


def _respect_limits(answer: Answer, config: dict[str, Any]) -> None:
    """Stop sequences end a text; maxOutputTokens caps thoughts and answer together (section 1.5)."""
    found = [at for at in (answer.text.find(stop) for stop in config.get("stopSequences", ())) if at >= 0]
    if found:
        answer.text = answer.text[: min(found)]
    limit = config.get("maxOutputTokens")
    if limit is None:
        return
    left = int(limit) - answer.thought_tokens
    spoken = tokens.count(answer.text) + sum(_call_tokens(call) for call in answer.calls)
    if spoken > max(left, 0):
        answer.finish_reason = "MAX_TOKENS"
        answer.thought_tokens = min(answer.thought_tokens, int(limit))
        answer.text = tokens.cut(answer.text, max(left, 0))
        answer.calls = []


# --- What the user wants ------------------------------------------------------------------------------------------


def _last_user(request: dict[str, Any]) -> list[dict[str, Any]]:
    by_user = [content for content in request.get("contents", []) if content.get("role") != "model"]
    return by_user[-1]["parts"] if by_user else []


def _last_text(request: dict[str, Any]) -> str:
    words = []
    for part in _last_user(request):
        if "text" in part:
            words.append(part["text"])
        elif "inlineData" in part:
            words.append(f"[{part['inlineData'].get('mimeType', '')}]")
        elif "fileData" in part:
            words.append(f"[{part['fileData'].get('fileUri', '')}]")
    return " ".join(word for word in words if word)


def _quoted_responses(request: dict[str, Any]) -> str:
    responses = contents.results(request["contents"][-1])
    return "\n".join(f"{one['name']} answered: {_json(one.get('response', {}))}" for one in responses)


def declarations(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [declared for tool in request.get("tools", ()) for declared in tool.get("functionDeclarations", ())]


def _wanted_calls(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    config = request.get("toolConfig", {}).get("functionCallingConfig", {})
    mode = config.get("mode", "AUTO")
    allowed = config.get("allowedFunctionNames") or [declared["name"] for declared in declarations(request)]
    if mode == "NONE":
        return
    asked = [call for call in _asked_for(_last_text(request)) if call["name"] in allowed]
    yield from asked
    if mode == "ANY" and not asked:
        called = _called_in_this_turn(request)
        choices = [declared for declared in declarations(request) if declared["name"] in allowed]
        declared = next((choice for choice in choices if choice["name"] not in called), choices[-1])
        schema = declared.get("parametersJsonSchema") or declared.get("parameters") or {"type": "object"}
        yield {"name": declared["name"], "args": instances.generate(schema)}


def _called_in_this_turn(request: dict[str, Any]) -> set[str]:
    turn = request["contents"][signatures.turn_start(request["contents"]) :]
    return {call["name"] for content in turn for call in contents.calls(content)}


def _asked_for(text: str) -> Iterator[dict[str, Any]]:
    for match in CALL.finditer(text):
        try:
            arguments, _ = json.JSONDecoder().raw_decode(text, match.end())
        except ValueError:
            arguments = {}
        yield {"name": match[1], "args": arguments if isinstance(arguments, dict) else {}}


def _formatted(request: dict[str, Any]) -> str:
    """The answer in the form that was asked for; empty where plain text is wanted."""
    config = request.get("generationConfig", {})
    text_format = config.get("responseFormat", {}).get("text", {})
    schema = config.get("responseJsonSchema") or config.get("responseSchema") or text_format.get("schema")
    mime_type = config.get("responseMimeType") or text_format.get("mimeType", "")
    if mime_type == "text/x.enum":
        return str(instances.generate(schema))
    if mime_type not in ("application/json", "APPLICATION_JSON"):
        return ""
    return _json(instances.generate(schema) if schema else {"echo": _last_text(request)})


# --- Parts and counts ---------------------------------------------------------------------------------------------


def call_part(call: dict[str, Any], model: Model, number: int, nonce: bytes) -> dict[str, Any]:
    """A functionCall part as the model sends it: with an id on 3 and later, signed if it is the first of its step."""
    call = {"name": call["name"], "args": call.get("args", {}), **({"id": call["id"]} if "id" in call else {})}
    if model.generation in ("3", "4"):
        call.setdefault("id", f"{nonce.hex()[:7]}{number}")
    part: dict[str, Any] = {"functionCall": call}
    if number == 0 and model.checks_signatures:
        part["thoughtSignature"] = signatures.for_call(model, call, nonce)
    return part


def _call_tokens(call: dict[str, Any]) -> int:
    return tokens.count_part({"functionCall": call})["TEXT"]


def spoken(parts: list[dict[str, Any]]) -> Counter[str]:
    """Tokens of what is visible of an answer, by modality. An id costs nothing: it is Google's, not the model's."""
    counts: Counter[str] = Counter()
    for part in parts:
        if "functionCall" in part:
            call = part["functionCall"]
            counts["TEXT"] += _call_tokens({"name": call["name"], "args": call.get("args", {})})
        elif "inlineData" in part:
            modality = "AUDIO" if part["inlineData"]["mimeType"].startswith("audio") else "IMAGE"
            counts[modality] += tokens.count_part(part)["AUDIO"] if modality == "AUDIO" else TOKENS_PER_IMAGE
        elif not part.get("thought"):
            counts["TEXT"] += tokens.count(part.get("text", ""))
    return counts


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _picture() -> str:
    """A PNG of one red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


def _tone() -> str:
    """A WAV file of a second of silence: 16-bit mono at 24 kHz."""
    samples = bytes(48_000)
    head = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVEfmt ", 16, 1, 1, 24_000, 48_000, 2, 16, b"data", len(samples)
    )
    return base64.b64encode(head + samples).decode()
