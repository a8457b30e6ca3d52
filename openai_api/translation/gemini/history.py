"""Turns → contents, in the order that Gemini demands: each call step is followed at once by all of its results.

OpenAI's clients send results late, twice or never, put texts between them, and begin anywhere. Gemini refuses all of that.
Source: wire reference 1.3, 1.4, 1.14, 2.4 and 2.5.
"""

import re
from collections import deque
from collections.abc import Iterable
from typing import Any, Literal

import msgspec

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import (
    Media,
    Notice,
    Part,
    RemoteMedia,
    StoredMedia,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    UploadedMedia,
)

from .capabilities import Capabilities
from .media import write_media
from .names import Names

Content = dict[str, Any]
_Shown = Text | Media | StoredMedia | RemoteMedia | UploadedMedia

SKIP_SIGNATURE = "skip_thought_signature_validator"
"""Google's documented stand-in for a thought signature that was lost."""

_CUT_OFF = "(The beginning of this conversation is not shown.)"
_GO_ON = "Continue."
_NO_RESULT = "No result was given for this call."
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2,3}={0,2})?")
_LONG_NUMBER = re.compile(r"\d{16}")
_DEEPEST_RESULT = 24
"""Levels of JSON. Google's parser counts messages, of which each level is three, and stops at 100."""


class _Step:
    """Neighbouring turns of one role. `results` stand beside their calls from the start."""

    def __init__(self, role: Literal["user", "model"]) -> None:
        self.role = role
        self.parts: list[_Shown] = []
        self.calls: list[ToolCall] = []
        self.results: list[ToolResult | None] = []

    @property
    def answered(self) -> bool:
        return any(self.results)


class _Steps:
    def __init__(self, notices: list[Notice]) -> None:
        self.steps: list[_Step] = []
        self._notices = notices
        # Call id → for each step that has such calls, the places of those without a result. Ids may come again in later steps.
        self._open: dict[str, list[tuple[_Step, deque[int]]]] = {}

    def take(self, turn: Turn) -> None:
        parts = [part for part in turn.parts if not (isinstance(part, Text) and not part.text)]
        if not parts:
            return
        calls = [part for part in parts if isinstance(part, ToolCall)]
        if turn.role == "model":
            self._take_model(parts, calls)
            return
        for part in parts:
            if isinstance(part, ToolResult):
                self._take_result(part)
            elif not isinstance(part, ToolCall):
                self._user().parts.append(part)

    def _take_model(self, parts: list[Part], calls: list[ToolCall]) -> None:
        step = self.steps[-1] if self.steps else None
        # Calls of one step may come in several messages; a text after calls was said after their results.
        if step is None or step.role != "model" or step.answered or (step.calls and not calls):
            step = _Step("model")
            self.steps.append(step)
        step.parts += [part for part in parts if isinstance(part, _Shown)]
        for call in calls:
            waiting = self._open.setdefault(call.id, [])
            if not waiting or waiting[-1][0] is not step:
                waiting.append((step, deque()))
            waiting[-1][1].append(len(step.calls))
            step.calls.append(call)
            step.results.append(None)

    def _take_result(self, result: ToolResult) -> None:
        waiting = self._open.get(result.call_id)
        if not waiting:
            self._notices.append(Notice("messages", f"the result for '{result.call_id}' answers no call: sent as text"))
            self._user().parts += [Text(f"Result of {result.name or result.call_id}: {result.output}"), *result.media]
            return
        step, places = waiting[-1]
        step.results[places.popleft()] = result
        if not places:
            waiting.pop()

    def _user(self) -> _Step:
        if not self.steps or self.steps[-1].role != "user":
            self.steps.append(_Step("user"))
        return self.steps[-1]


def write_history(turns: Iterable[Turn], can: Capabilities, names: Names, notices: list[Notice]) -> list[Content]:
    """The contents. Raises InvalidRequest when there is nothing to send."""
    history = _Steps(notices)
    for turn in turns:
        history.take(turn)
    steps = history.steps
    if not steps:
        raise InvalidRequest("The messages hold no text for the model to answer.", param="messages")
    if steps[0].calls:
        notices.append(Notice("messages", "the history begins with a call: a user's text was put before it"))
        steps.insert(0, _user_step(_CUT_OFF))
    if steps[-1].role == "model" and not steps[-1].calls:
        notices.append(Notice("messages", "the last message is the assistant's: a user's text was put after it"))
        steps.append(_user_step(_GO_ON))
    current = max((index for index, step in enumerate(steps) if step.role == "user"), default=-1)
    contents: list[Content] = []
    for index, step in enumerate(steps):
        contents += _write_step(step, can, names, notices, sign=can.strict_signatures and index > current)
    return contents


def _user_step(text: str) -> _Step:
    step = _Step("user")
    step.parts.append(Text(text))
    return step


def _write_step(step: _Step, can: Capabilities, names: Names, notices: list[Notice], *, sign: bool) -> list[Content]:
    parts = [write_part(part) for part in step.parts]
    if step.role == "model" and can.signs_pictures:
        _sign(step.parts, parts)
    if not step.calls:
        return [{"role": step.role, "parts": parts}]
    ids = _distinct(call.id for call in step.calls)
    calls = [_write_call(call, call_id, can, names) for call, call_id in zip(step.calls, ids, strict=True)]
    if sign and not any("thoughtSignature" in call for call in calls):
        calls[0]["thoughtSignature"] = SKIP_SIGNATURE
    results: list[dict[str, Any]] = []
    loose: list[dict[str, Any]] = []
    for call, call_id, result in zip(step.calls, ids, step.results, strict=True):
        if result is None:
            notices.append(Notice("messages", f"the call '{call.id}' has no result: an error was put in its place"))
        results.append(_write_result(result, call_id, names.on_wire(call.name), can))
        if result and result.media and not can.media_in_results:
            loose += [{"text": f"Files that {call.name} returned:"}, *map(write_media, result.media)]
    contents = [{"role": "model", "parts": parts + calls}, {"role": "user", "parts": results}]
    return [*contents, {"role": "user", "parts": loose}] if loose else contents


def write_part(part: _Shown) -> dict[str, Any]:
    return {"text": part.text} if isinstance(part, Text) else write_media(part)


def _sign(parts: Iterable[Part], written: list[dict[str, Any]]) -> None:
    """Image models check every turn of theirs, not the current one alone: all pictures, and what comes first.

    What another model made, or nobody remembers, gets the stand-in.
    """
    for number, (part, body) in enumerate(zip(parts, written, strict=True)):
        if number == 0 or not isinstance(part, Text):
            given = part.signature if isinstance(part, Text | Media) else ""
            body["thoughtSignature"] = given if given and _BASE64.fullmatch(given) else SKIP_SIGNATURE


def _write_call(call: ToolCall, call_id: str, can: Capabilities, names: Names) -> dict[str, Any]:
    body: dict[str, Any] = {"name": names.on_wire(call.name), "args": call.arguments}
    if call_id:
        body["id"] = call_id
    # Where signatures are not demanded they are not sent: one that another model made would be refused.
    if call.signature and can.strict_signatures and _BASE64.fullmatch(call.signature):
        return {"functionCall": body, "thoughtSignature": call.signature}
    return {"functionCall": body}


def _write_result(result: ToolResult | None, call_id: str, name: str, can: Capabilities) -> dict[str, Any]:
    body: dict[str, Any] = {"name": name, "response": _response(result.output) if result else {"error": _NO_RESULT}}
    if call_id:
        body["id"] = call_id
    if result and result.media and can.media_in_results:
        body["parts"] = [write_media(media) for media in result.media]
    return {"functionResponse": body}


def _response(output: str) -> dict[str, Any]:
    """The object that a tool's text is, or one that holds the text."""
    # Google keeps numbers as doubles: an id of 16 or more digits would come out changed, so it stays text.
    if output.lstrip().startswith("{") and not _LONG_NUMBER.search(output):
        try:
            value = msgspec.json.decode(output)
        except (msgspec.DecodeError, RecursionError):
            return {"result": output}
        if isinstance(value, dict) and _depth_within(value, _DEEPEST_RESULT):
            return value
    return {"result": output}


def _depth_within(value: object, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return True
    inner = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(_depth_within(item, levels - 1) for item in inner)


def _distinct(ids: Iterable[str]) -> list[str]:
    """Ids as given, but those that come again within one step told apart: results are matched by them."""
    seen: dict[str, int] = {}
    distinct = []
    for call_id in ids:
        seen[call_id] = count = seen.get(call_id, 0) + 1
        distinct.append(f"{call_id}_{count}" if call_id and count > 1 else call_id)
    return distinct
