"""A Chat Completions answer, whole or as a stream."""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec import Struct

from openai_api.errors import GatewayError, UpstreamBroken
from openai_api.translation.events import Event, Finished, Usage

from .answer import Choice, Delta, Message, joined
from .errors import error_body
from .reader import ChatRequest
from .usage import CompletionUsage, openai_usage, summed

_encode = msgspec.json.Encoder().encode

_OPENING = _encode(Delta(role="assistant", content=""))
_DONE = b"data: [DONE]\n\n"


class _Choice(Struct):
    index: int
    message: Message
    finish_reason: str
    logprobs: None = None


class _Completion(Struct):
    id: str
    object: str
    created: int
    model: str
    choices: list[_Choice]
    usage: CompletionUsage
    system_fingerprint: None = None


class Writer:
    """Writes one answer: either `completion`, or `chunks` as events arrive and then `finish` (or `error`).

    An answer that the upstream gave up on before anything was said, or that ends without `Finished`, is never written as
    a normal end: streams get the error event, `completion` raises UpstreamBroken. One that failed half-said ends as `stop`.
    """

    def __init__(self, request: ChatRequest, *, id: str, created: int, model: str) -> None:
        self._include_usage = request.include_usage
        self._id, self._created, self._model = id, created, model
        self._choices = [Choice(request) for _ in range(request.choices)]
        self._opened = self._closed = False
        # Everything but the delta is the same in all chunks of a choice.
        head = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,"choices":['
        self._head = head % (_encode(id), created, _encode(model))
        self._heads = [b'%b{"index":%d,"delta":' % (self._head, index) for index in range(request.choices)]
        self._usage = b',"usage":null}\n\n' if request.include_usage else b"}\n\n"
        self._tail = b',"logprobs":null,"finish_reason":null}]' + self._usage

    @property
    def usage(self) -> Usage:
        """What all choices have used so far."""
        return summed(choice.usage for choice in self._choices)

    def chunks(self, events: Iterable[Event], index: int = 0) -> bytes:
        """Write events of one choice that arrived together."""
        if self._closed:
            return b""
        choice, head, tail = self._choices[index], self._heads[index], self._tail
        ended = choice.end is not None
        written = [] if self._opened else self._open()
        for delta in choice.deltas(events):
            written += (head, _encode(delta), tail)
        if choice.end and not ended:
            written.append(self.error(broken(choice.end)) if choice.broken else self._last_chunk(choice, head))
        return b"".join(written)

    def _last_chunk(self, choice: Choice, head: bytes) -> bytes:
        return b'%b{},"logprobs":null,"finish_reason":%b}]%b' % (head, _encode(choice.finish_reason), self._usage)

    def _open(self) -> list[bytes]:
        """Give every choice its role at once: the Python SDK takes a choice's place from the order of first appearance."""
        self._opened = True
        return [piece for head in self._heads for piece in (head, _OPENING, self._tail)]

    def finish(self) -> bytes:
        """Write the usage, if asked for, and the end."""
        if self._closed:
            return b""
        if any(choice.end is None for choice in self._choices):
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
        return _encode(_Completion(self._id, "chat.completion", self._created, self._model, choices, usage))

    def _collected(self, index: int, events: Iterable[Event]) -> _Choice:
        choice = self._choices[index]
        deltas = choice.deltas(events)
        if choice.end is None or choice.broken:
            raise broken(choice.end)
        return _Choice(index, joined(deltas), choice.finish_reason)


def broken(end: Finished | None) -> UpstreamBroken:
    if end is None:
        return UpstreamBroken("The upstream's answer broke off.")
    return UpstreamBroken(f"The upstream gave up on its answer: {end.message or end.native or 'no reason given'}.")
