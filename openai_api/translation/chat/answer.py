"""One choice of an answer in the making: events in, OpenAI's deltas out. A whole message is its deltas, joined."""

from collections.abc import Iterable
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from openai_api.translation.events import (
    Citation,
    Event,
    Finished,
    MediaDelta,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)

from .history import CUSTOM_INPUT
from .reader import ChatRequest

WITHHELD = "The answer was withheld by the model's content filter."

_OBJECT = msgspec.json.Decoder(dict[str, Any])
_ENCODER = msgspec.json.Encoder()


class FunctionAnswer(Struct, omit_defaults=True, gc=False):
    name: str
    arguments: str
    extra_content: dict[str, Any] | UnsetType = UNSET


class CustomAnswer(Struct, gc=False):
    name: str
    input: str


class CallAnswer(Struct, omit_defaults=True, gc=False):
    """`index` is the stream's; the whole answer has none."""

    index: int | UnsetType
    id: str
    type: Literal["function", "custom"]
    function: FunctionAnswer | UnsetType = UNSET
    custom: CustomAnswer | UnsetType = UNSET
    extra_content: dict[str, Any] | UnsetType = UNSET


class URLCitation(Struct, gc=False):
    start_index: int
    end_index: int
    title: str
    url: str


class Annotation(Struct, gc=False):
    """Has an index in streams, because the Python SDK's accumulator refuses entries of a list without one."""

    index: int | UnsetType
    url_citation: URLCitation
    type: str = "url_citation"


class ImageAnswer(Struct, gc=False):
    index: int | UnsetType
    image_url: dict[str, str]
    type: str = "image_url"
    extra_content: dict[str, Any] | UnsetType = UNSET


class Delta(Struct, omit_defaults=True, gc=False):
    role: str | UnsetType = UNSET
    content: str | UnsetType = UNSET
    reasoning_content: str | UnsetType = UNSET
    refusal: str | UnsetType = UNSET
    tool_calls: list[CallAnswer] | UnsetType = UNSET
    function_call: FunctionAnswer | UnsetType = UNSET
    annotations: list[Annotation] | UnsetType = UNSET
    images: list[ImageAnswer] | UnsetType = UNSET


class Message(Struct):
    role: str
    content: str | None
    refusal: str | None
    annotations: list[Annotation]
    reasoning_content: str | UnsetType = UNSET
    tool_calls: list[CallAnswer] | UnsetType = UNSET
    function_call: FunctionAnswer | UnsetType = UNSET
    images: list[ImageAnswer] | UnsetType = UNSET


class Choice:
    """Turns one answer's events into deltas, in order; at its end `end` and `finish_reason` are set."""

    def __init__(self, request: ChatRequest) -> None:
        self._legacy = request.legacy_functions
        self._custom = request.custom_tools
        self._most_calls = None if request.conversation.parallel_tool_calls and not self._legacy else 1
        self._said = False
        self._calls = 0
        self._annotations = 0
        self._images = 0
        self.usage = Usage()
        self.end: Finished | None = None
        self.finish_reason = ""

    @property
    def broken(self) -> bool:
        """Whether the upstream gave up before it had said anything: such an answer may not pass as one."""
        return self.end is not None and self.end.reason == "failed" and not self._said

    def deltas(self, events: Iterable[Event]) -> list[Delta]:
        """Return what `events` add to the message, in one delta each.

        Citations side by side share one, and so do pictures: the Node SDK's accumulator keeps only the last delta's.
        """
        deltas: list[Delta] = []
        for event in events:
            delta = self._delta(event)
            if delta is None:
                continue
            last = deltas[-1] if deltas else None
            if last and last.annotations and delta.annotations:
                last.annotations += delta.annotations
            elif last and last.images and delta.images:
                last.images += delta.images
            else:
                deltas.append(delta)
        return deltas

    def _delta(self, event: Event) -> Delta | None:
        match event:
            case TextDelta(text):
                return self._text(text)
            case ThoughtDelta(text):
                return Delta(reasoning_content=text) if text else None
            case ToolCallDelta():
                return self._call(event)
            case MediaDelta():
                return self._media(event)
            case Citation():
                return self._citation(event)
            case UsageReport(usage):
                self.usage = usage
                return None
            case Finished():
                return self._finish(event)
            case _:
                raise TypeError(f"No part of a completion: {type(event).__name__}")

    def _text(self, text: str) -> Delta | None:
        if not text:
            return None
        self._said = True
        return Delta(content=text)

    def _call(self, call: ToolCallDelta) -> Delta | None:
        if self._calls == self._most_calls:
            return None
        self._said = True
        index, self._calls = self._calls, self._calls + 1
        extra = _signed(call.signature)
        if self._legacy:
            return Delta(function_call=FunctionAnswer(call.name, call.arguments, extra))
        if call.name in self._custom:
            custom = CustomAnswer(call.name, _custom_input(call.arguments))
            return Delta(tool_calls=[CallAnswer(index, call.id, "custom", custom=custom, extra_content=extra)])
        function = FunctionAnswer(call.name, call.arguments)
        return Delta(tool_calls=[CallAnswer(index, call.id, "function", function, extra_content=extra)])

    def _media(self, media: MediaDelta) -> Delta:
        """Chat Completions has no standard place for pictures: OpenRouter's is the one that clients look at."""
        self._said = True
        index, self._images = self._images, self._images + 1
        url = f"data:{media.mime_type};base64,{media.data}"
        return Delta(images=[ImageAnswer(index, {"url": url}, extra_content=_signed(media.signature))])

    def _citation(self, source: Citation) -> Delta:
        index, self._annotations = self._annotations, self._annotations + 1
        return Delta(annotations=[Annotation(index, URLCitation(source.start, source.end, source.title, source.url))])

    def _finish(self, end: Finished) -> Delta | None:
        self.end = end
        self.finish_reason = self._openai_reason(end.reason)
        if end.reason == "content_filter" and not self._said:
            return Delta(refusal=end.message or WITHHELD)
        return None

    def _openai_reason(self, reason: str) -> str:
        """An answer with calls that ended by itself asks for them to be made; one that broke off half-said is a `stop`."""
        if reason in ("length", "content_filter"):
            return reason
        if reason == "failed" or not self._calls:
            return "stop"
        return "function_call" if self._legacy else "tool_calls"


def _signed(signature: str) -> dict[str, Any] | UnsetType:
    """As Google's own OpenAI layer carries signatures."""
    return {"google": {"thought_signature": signature}} if signature else UNSET


def _custom_input(arguments: str) -> str:
    try:
        given = _OBJECT.decode(arguments).get(CUSTOM_INPUT)
    except (msgspec.DecodeError, RecursionError):
        return arguments
    if given is None:
        return arguments
    return given if isinstance(given, str) else _ENCODER.encode(given).decode()


def joined(deltas: Iterable[Delta]) -> Message:
    """Put a choice's deltas together, as a client that reads the stream would."""
    texts: dict[str, list[str]] = {"content": [], "reasoning_content": [], "refusal": []}
    lists: dict[str, list[Any]] = {"tool_calls": [], "annotations": [], "images": []}
    function_call: FunctionAnswer | UnsetType = UNSET
    for delta in deltas:
        for field, pieces in texts.items():
            if (piece := getattr(delta, field)) is not UNSET:
                pieces.append(piece)
        for field, entries in lists.items():
            if (new := getattr(delta, field)) is not UNSET:
                entries += (replace(entry, index=UNSET) for entry in new)
        if delta.function_call is not UNSET:
            function_call = delta.function_call
    silent = bool(lists["tool_calls"] or texts["refusal"] or function_call is not UNSET)
    return Message(
        role="assistant",
        content="".join(texts["content"]) or (None if silent else ""),
        refusal="".join(texts["refusal"]) or None,
        annotations=lists["annotations"],
        reasoning_content="".join(texts["reasoning_content"]) or UNSET,
        tool_calls=lists["tool_calls"] or UNSET,
        function_call=function_call,
        images=lists["images"] or UNSET,
    )
