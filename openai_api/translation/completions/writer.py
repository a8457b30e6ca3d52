"""A Completions answer, whole or as a stream."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from openai_api.errors import GatewayError
from openai_api.translation.chat.errors import error_body
from openai_api.translation.chat.usage import CompletionUsage, openai_usage, summed
from openai_api.translation.chat.writer import broken
from openai_api.translation.events import Event, Finished, TextDelta, Usage, UsageReport

from .reader import CompletionsRequest

_encode = msgspec.json.Encoder().encode

_DONE = b"data: [DONE]\n\n"


class _Choice(Struct):
    text: str
    index: int
    logprobs: None = None
    finish_reason: str | None = None


class _Completion(Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    usage: CompletionUsage
    system_fingerprint: None = None


class _Text:
    """One choice in the making. Thoughts and sources have no place in such an answer."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt
        self._said = False
        self.usage = Usage()
        self.end: Finished | None = None

    def take(self, events: Iterable[Event]) -> str:
        """What they add to the text; with the first of it comes the prompt, if it is to be repeated."""
        text, self._prompt = self._prompt, ""
        for event in events:
            if isinstance(event, TextDelta):
                self._said = self._said or bool(event.text)
                text += event.text
            elif isinstance(event, UsageReport):
                self.usage = event.usage
            elif isinstance(event, Finished):
                self.end = event
        return text

    @property
    def is_broken(self) -> bool:
        """Whether the upstream gave up before it had said anything: such an answer may not pass as one."""
        return self.end is not None and self.end.reason == "failed" and not self._said

    @property
    def finish_reason(self) -> str | None:
        if self.end is None:
            return None
        return self.end.reason if self.end.reason in ("length", "content_filter") else "stop"


class Writer:
    """Writes one answer: either `completion`, or `chunks` as events arrive and then `finish` (or `error`).

    Choice `index` belongs to prompt `index // choices`. What is said of failed answers in the Writer of chats holds here too.
    """

    def __init__(self, request: CompletionsRequest, *, id: str, created: int, model: str) -> None:
        self._include_usage = request.include_usage
        self._id, self._created, self._model = id, created, model
        repeated = request.prompts if request.echo else [""] * len(request.prompts)
        self._texts = [_Text(prompt) for prompt in repeated for _ in range(request.choices)]
        self._closed = False
        self._head = b'data: {"id":%b,"object":"text_completion","created":%d,"model":%b,"choices":[' % (
            _encode(id),
            created,
            _encode(model),
        )
        self._tail = b'],"usage":null}\n\n' if request.include_usage else b"]}\n\n"

    @property
    def usage(self) -> Usage:
        """What all choices have used so far."""
        return summed(text.usage for text in self._texts)

    def chunks(self, events: Iterable[Event], index: int = 0) -> bytes:
        """Write events of one choice that arrived together."""
        choice = self._texts[index]
        if self._closed or choice.end is not None:
            return b""
        text = choice.take(events)
        if choice.end is not None and choice.is_broken:
            return self.error(broken(choice.end))
        if not text and choice.end is None:
            return b""
        return self._head + _encode(_Choice(text, index, finish_reason=choice.finish_reason)) + self._tail

    def finish(self) -> bytes:
        """Write the usage, if asked for, and the end."""
        if self._closed:
            return b""
        if any(text.end is None for text in self._texts):
            return self.error(broken(None))
        self._closed = True
        if not self._include_usage:
            return _DONE
        return b"".join((self._head, b'],"usage":', _encode(openai_usage(self.usage)), b"}\n\n", _DONE))

    def error(self, error: GatewayError) -> bytes:
        """Write the event on which the official SDKs raise, and close: nothing is written after it."""
        if self._closed:
            return b""
        self._closed = True
        return b"data: " + error_body(error) + b"\n\n"

    def completion(self, answers: Sequence[Sequence[Event]]) -> bytes:
        """Write the whole answer: the events of each choice, in order."""
        choices = [self._collected(index, events) for index, events in enumerate(answers)]
        usage = openai_usage(self.usage)
        return _encode(_Completion(self._id, "text_completion", self._created, self._model, choices, usage))

    def _collected(self, index: int, events: Iterable[Event]) -> _Choice:
        choice = self._texts[index]
        text = choice.take(events)
        if choice.end is None or choice.is_broken:
            raise broken(choice.end)
        return _Choice(text, index, finish_reason=choice.finish_reason)
