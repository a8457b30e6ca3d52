"""The messages of a request, brought to instructions and turns."""

from collections.abc import Iterable
from typing import Any

import msgspec

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import (
    Media,
    Notice,
    Part,
    RemoteMedia,
    Role,
    Text,
    ToolCall,
    ToolResult,
    Turn,
    UploadedMedia,
)

from . import wire
from .invalid import check_depth, missing
from .media import read_audio, read_file, read_image
from .wire import thought_signature

UNPARSED = "_unparsed"
"""Gemini takes a call's arguments as an object only: text that is none is kept as {"_unparsed": text}."""

CUSTOM_INPUT = "input"
"""A custom tool takes free text; for Gemini it is a function of this one string."""

_NOTHING = Text("")
_OBJECT = msgspec.json.Decoder(dict[str, Any])


class History:
    """Reads messages in their order; `system` and `turns` hold what they said."""

    def __init__(self, notices: list[Notice]) -> None:
        self.system: list[Text] = []
        self.turns: list[Turn] = []
        self._notices = notices
        self._names: dict[str, str] = {}  # of each call made so far, by its id
        self._unanswered: list[ToolCall] = []  # legacy calls, which have no id on the wire

    def read(self, messages: Iterable[wire.Message]) -> None:
        for position, message in enumerate(messages):
            match message:
                case wire.UserMessage():
                    self._add("user", self._parts(message.content, position))
                case wire.AssistantMessage():
                    self._assistant(message, position)
                case wire.ToolMessage():
                    name = self._names.get(message.tool_call_id) or message.name or ""
                    self._result(message.tool_call_id, name, message.content, position)
                    continue
                case wire.FunctionMessage():
                    self._function(message, position)
                    continue
                case wire.SystemMessage():
                    self._instruction(message, position)
            if message.name:
                self._notices.append(Notice(f"messages[{position}].name", "Gemini does not name the authors of messages"))

    def _add(self, role: Role, parts: Iterable[Part]) -> None:
        if parts := tuple(parts):
            self.turns.append(Turn(role, parts))

    def _instruction(self, message: wire.SystemMessage, position: int) -> None:
        parts = self._parts(message.content, position)
        texts = [part for part in parts if isinstance(part, Text)]
        if len(texts) != len(parts):
            param = f"messages[{position}].content"
            raise InvalidRequest(f"Invalid '{param}': instructions can hold only text.", param=param, code="invalid_value")
        if self.turns:
            self._add("system", texts)
        else:
            self.system += texts

    def _assistant(self, message: wire.AssistantMessage, position: int) -> None:
        parts: list[Part] = [*self._parts(message.content, position)]
        if message.refusal:
            parts.append(Text(message.refusal))
        for number, image in enumerate(message.images or ()):
            parts.append(read_image(image, f"messages[{position}].images[{number}]", self._notices))
        for number, call in enumerate(message.tool_calls or ()):
            parts.append(self._call(call, f"messages[{position}].tool_calls[{number}]"))
        if message.function_call:
            parts.append(self._legacy_call(message.function_call, position))
        if message.audio:
            self._notices.append(Notice(f"messages[{position}].audio", "earlier spoken answers are not kept"))
        self._add("model", parts)

    def _call(self, call: wire.ToolCall, where: str) -> ToolCall:
        self._names[call.id] = name = _called_name(call, where)
        if call.function is None:
            return ToolCall(
                call.id,
                name,
                {CUSTOM_INPUT: call.custom.input if call.custom else ""},
                thought_signature(call.extra_content),
            )
        arguments = self._arguments(call.function.arguments, f"{where}.function.arguments")
        return ToolCall(call.id, name, arguments, thought_signature(call.extra_content or call.function.extra_content))

    def _legacy_call(self, function: wire.FunctionCall, position: int) -> ToolCall:
        arguments = self._arguments(function.arguments, f"messages[{position}].function_call.arguments")
        call = ToolCall(f"call_{position}", function.name, arguments, thought_signature(function.extra_content))
        self._unanswered.append(call)
        return call

    def _function(self, message: wire.FunctionMessage, position: int) -> None:
        """Pair an answer with the oldest open legacy call of its name."""
        call = next((call for call in self._unanswered if call.name == message.name), None)
        if call is not None:
            self._unanswered.remove(call)
        self._result(call.id if call else f"call_{position}", message.name, message.content, position)

    def _result(self, call_id: str, name: str, content: wire.Content, position: int) -> None:
        parts = self._parts(content, position)
        output = "\n".join(part.text for part in parts if isinstance(part, Text))
        media = tuple(part for part in parts if isinstance(part, Media | RemoteMedia | UploadedMedia))
        self.turns.append(Turn("tool", (ToolResult(call_id, name, output, media),)))

    def _parts(self, content: wire.Content, position: int) -> tuple[Part, ...]:
        if not content:
            return ()
        if isinstance(content, str):
            return (Text(content),)
        read = (self._part(part, f"messages[{position}].content[{number}]") for number, part in enumerate(content))
        return tuple(part for part in read if part != _NOTHING)

    def _part(self, part: wire.Part, where: str) -> Text | Media | RemoteMedia | UploadedMedia:
        match part:
            case wire.TextPart():
                return Text(part.text)
            case wire.RefusalPart():
                return Text(part.refusal)
            case wire.ImagePart():
                return read_image(part, where, self._notices)
            case wire.AudioPart():
                return read_audio(part, where)
            case wire.FilePart():
                return read_file(part, where)

    def _arguments(self, arguments: str | dict[str, Any] | None, param: str) -> dict[str, Any]:
        if isinstance(arguments, str) and arguments.strip():
            try:
                arguments = _OBJECT.decode(arguments)
            except (msgspec.DecodeError, RecursionError):
                self._notices.append(Notice(param, f"not a JSON object; kept as text under '{UNPARSED}'"))
                return {UNPARSED: arguments}
        if not isinstance(arguments, dict):
            return {}
        check_depth(arguments, param)
        return arguments


def _called_name(call: wire.ToolCall, where: str) -> str:
    called = call.function or call.custom
    if called is None:
        raise missing(f"{where}.function")
    return called.name
