"""What is read of an answer while it passes: when it begins to say something, whether it is complete, what it has used."""

from typing import Any

import msgspec
from msgspec import Raw, Struct

from openai_api.translation.events import Usage
from openai_api.translation.sse import Decoder

_EMPTY = frozenset({b"null", b'""', b"[]", b"{}"})
_ENDS_OF_EVENTS = (b"\n\n", b"\r\r", b"\n\r\n")
_PRELUDE = (".created", ".in_progress", ".queued", ".added", "ping")
"""How events end in their names that say nothing yet."""
_ENDS = ("response.completed", "response.failed", "response.incomplete")
_SAYING = "text.delta"
"""How events end in their names that bring a piece of a text."""
_MOST_READ = 1024 * 1024
"""Bytes of a body that is read for the length of its texts; a longer one is looked at."""
_LONGEST_WORD = 10_000
"""Letters: what is longer without a blank is a file in base64."""


class _Details(Struct):
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


class _Usage(Struct):
    """OpenAI calls the same by other names from one endpoint to the next."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    prompt_tokens_details: _Details | None = None
    completion_tokens_details: _Details | None = None
    input_tokens_details: _Details | None = None
    output_tokens_details: _Details | None = None
    total_tokens: int | None = None

    def read(self) -> Usage:
        prompt = self.prompt_tokens or self.input_tokens or 0
        completion = self.completion_tokens or self.output_tokens or 0
        of_prompt = self.prompt_tokens_details or self.input_tokens_details or _Details()
        of_completion = self.completion_tokens_details or self.output_tokens_details or _Details()
        if not prompt and not completion:
            prompt = self.total_tokens or 0  # As rerankers count.
        return Usage(
            prompt=prompt,
            completion=completion,
            cached=of_prompt.cached_tokens or 0,
            reasoning=of_completion.reasoning_tokens or 0,
            total=self.total_tokens or prompt + completion,
        )


class _Choice(Struct):
    delta: dict[str, Raw] | None = None
    message: dict[str, Raw] | None = None
    text: str | None = None
    finish_reason: str | None = None

    @property
    def said(self) -> int:
        """Bytes, roughly, of what it says; none of its role."""
        spoken = [value for name, value in (self.delta or self.message or {}).items() if name != "role"]
        return len(self.text or "") + sum(len(bytes(value)) for value in spoken if bytes(value) not in _EMPTY)


class _Response(Struct):
    usage: Raw = Raw(b"null")


class _Payload(Struct):
    type: Any = None
    object: Any = None
    delta: Any = None
    choices: list[_Choice] | None = None
    usage: Raw = Raw(b"null")
    response: _Response | None = None
    error: Raw = Raw(b"null")

    @property
    def is_error(self) -> bool:
        # A failed Response is an answer all the same: it says so in more than this field.
        return self.type == "error" or (bytes(self.error) not in _EMPTY and self.object != "response")


_read_payload = msgspec.json.Decoder(_Payload).decode
_read_usage = msgspec.json.Decoder(_Usage, strict=False).decode


MOST_CHOICES = 4_096
"""Of one answer that is looked into; OpenAI makes 128 of each prompt at the most."""


class TooManyChoices(Exception):
    """More than MOST_CHOICES, which nobody has asked for."""


class Seen(Struct):
    """What has been read so far."""

    speaks: bool = False
    told: int = 0
    """How many events said something, in that they differ from a mere sign of life."""
    finished: bool = False
    awaited: bool = False
    """It is of a kind that tells of its end, so an end without that is none."""
    usage: Usage | None = None
    letters: int = 0
    """How long its texts are."""
    error: bytes | None = None
    """The error that stood in place of an answer."""
    promised: bool = True
    """Some of it has been told, if it speaks at all, so that an error which comes later is a part of it."""

    def take(self, payload: bytes) -> None:
        """One event of a stream, or a whole answer."""
        if payload in _EMPTY:
            return
        if payload == b"[DONE]":
            self.finished = True
            self.told += 1
            return
        try:
            read = _read_payload(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self._speak()  # What is not known is an answer: nothing may be held back for ever.
            return
        if read.is_error:
            self._take_error(payload)
            return
        self._take_usage(read)
        if read.choices is not None:
            self._take_choices(read.choices)
        elif isinstance(read.type, str):
            self._take_typed(read.type)
            self.letters += len(read.delta) if isinstance(read.delta, str) and read.type.endswith(_SAYING) else 0
        else:
            self._speak()

    def _speak(self) -> None:
        self.speaks = True
        self.told += 1

    def _take_error(self, payload: bytes) -> None:
        self.finished = True  # Whoever reads it is told by it.
        self.told += 1
        if not (self.speaks and self.promised):
            self.error = payload

    def _take_choices(self, choices: list[_Choice]) -> None:
        self.awaited = True
        for choice in choices:
            self.letters += choice.said
            self.finished = self.finished or choice.finish_reason is not None
            if choice.said or choice.finish_reason is not None:
                self._speak()

    def _take_typed(self, kind: str) -> None:
        """An event as Responses, speech, transcription and images send them."""
        self.awaited = self.awaited or kind.startswith("response.")
        self.finished = self.finished or kind in _ENDS
        if not kind.endswith(_PRELUDE):
            self._speak()

    def _take_usage(self, read: _Payload) -> None:
        raw = bytes(read.usage) if bytes(read.usage) not in _EMPTY else bytes(read.response.usage) if read.response else b"null"
        if raw in _EMPTY:
            return
        try:
            used = _read_usage(raw).read()
        except (msgspec.DecodeError, UnicodeDecodeError):
            return  # In a form that nobody knows: it passes all the same.
        if used != self.usage:  # More tokens were made, though perhaps none that is shown.
            self.usage = used
            self.told += 1


class Stream:
    """An event stream that passes: the same bytes, cut only between two events, so that others may be put there."""

    over = False
    """It is wanted to its end."""

    def __init__(self) -> None:
        self.seen = Seen()
        self._decoder = Decoder()
        self._held: list[bytes] = []
        """Of an event whose end has not come yet; joined once, so that a long one in small pieces costs linear time."""
        self._tail = b""

    @property
    def speaks(self) -> bool:
        """Whether what may have been sent on says something."""
        return self.seen.speaks

    def feed(self, data: bytes) -> bytes:
        """What may be sent on. Raises EventTooLarge."""
        self._take(self._decoder.feed(data))
        end = _end_of_events(self._tail + data) - len(self._tail)
        if end <= 0:
            self._held.append(data)
            self._tail = (self._tail + data)[-2:]
            return b""
        whole = b"".join((*self._held, data[:end]))
        self._held, self._tail = [data[end:]], data[end:][-2:]
        return whole

    def end(self) -> bytes:
        self._take(self._decoder.end())
        rest, self._held = b"".join(self._held), []
        return rest

    def _take(self, payloads: list[bytes]) -> None:
        for payload in payloads:
            self.seen.take(payload)


def _end_of_events(data: bytes) -> int:
    """Where the last whole event ends; 0: none does."""
    return max(found + len(end) if (found := data.rfind(end)) >= 0 else 0 for end in _ENDS_OF_EVENTS)


def estimate(body: bytes, letters: int) -> Usage:
    """What a call has used of which the server told nothing: some four letters a token, without what is no text."""
    prompt = (_length_of_body(body) if len(body) <= _MOST_READ else _length_at_a_glance(body)) // 4
    completion = letters // 4
    return Usage(prompt=prompt, completion=completion, total=prompt + completion)


def _length_of_body(body: bytes) -> int:
    try:
        return _length_of(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return 0


def _length_at_a_glance(body: bytes) -> int:
    """Of what stands in quotes, names of fields too: whoever sends so much may not hold up the others by hanging up."""
    quoted = body.split(b'"')[1::2]
    return sum(len(text) for text in quoted if len(text) <= _LONGEST_WORD or b" " in text)


def _length_of(value: Any) -> int:
    if isinstance(value, str):
        return len(value) if len(value) <= _LONGEST_WORD or " " in value else 0
    if isinstance(value, dict):
        return sum(_length_of(inner) for inner in value.values())
    return sum(map(_length_of, value)) if isinstance(value, list) else 0
