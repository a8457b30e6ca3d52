"""What a request asks the model for: which calls, which form, about which text."""

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.google import contents, instances, signatures

FILL_IN = re.compile(r"\bfill in\s*")
CALL = re.compile(r"\bcall ([A-Za-z_][\w.:-]*)\s*")


def _last_user(request: dict[str, Any]) -> list[dict[str, Any]]:
    by_user = [content for content in request.get("contents", []) if content.get("role") != "model"]
    return by_user[-1]["parts"] if by_user else []


def last_text(request: dict[str, Any]) -> str:
    words = []
    for part in _last_user(request):
        if "text" in part:
            words.append(part["text"])
        elif "inlineData" in part:
            words.append(f"[{part['inlineData'].get('mimeType', '')}]")
        elif "fileData" in part:
            words.append(f"[{part['fileData'].get('fileUri', '')}]")
    return " ".join(word for word in words if word)


def quoted_responses(request: dict[str, Any]) -> str:
    responses = contents.results(request["contents"][-1])
    return "\n".join(f"{one['name']} answered: {_json(one.get('response', {}))}" for one in responses)


def _declarations(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [declared for tool in request.get("tools", ()) for declared in tool.get("functionDeclarations", ())]


def calls(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    config = request.get("toolConfig", {}).get("functionCallingConfig", {})
    mode = config.get("mode", "AUTO")
    allowed = config.get("allowedFunctionNames") or [declared["name"] for declared in _declarations(request)]
    if mode == "NONE":
        return
    asked = [call for call in _asked_for(last_text(request)) if call["name"] in allowed]
    yield from asked
    if mode == "ANY" and not asked:
        called = _called_in_this_turn(request)
        choices = [declared for declared in _declarations(request) if declared["name"] in allowed]
        declared = next((choice for choice in choices if choice["name"] not in called), choices[-1])
        schema = declared.get("parametersJsonSchema") or declared.get("parameters") or {"type": "object"}
        arguments = instances.generate(schema)
        yield {"name": declared["name"], "args": arguments if isinstance(arguments, dict) else {}}


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


def formatted(request: dict[str, Any]) -> str:
    """The answer in the form that was asked for; empty where plain text is wanted."""
    config = request.get("generationConfig", {})
    text_format = config.get("responseFormat", {}).get("text", {})
    schema = config.get("responseJsonSchema") or config.get("responseSchema") or text_format.get("schema")
    mime_type = config.get("responseMimeType") or text_format.get("mimeType", "")
    if mime_type == "text/x.enum":
        return str(instances.generate(schema))
    if mime_type not in ("application/json", "APPLICATION_JSON"):
        return ""
    return _json(_filled_in(instances.generate(schema), last_text(request)) if schema else {"echo": last_text(request)})


def _filled_in(instance: Any, text: str) -> Any:
    match = FILL_IN.search(text)
    if not match or not isinstance(instance, dict):
        return instance
    fields, _ = json.JSONDecoder().raw_decode(text, match.end())
    rest = {name: 0 if type(value) in (int, float) else value for name, value in instance.items()}
    return rest | {name: value for name, value in fields.items() if name in instance}


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
