"""Stop tags in a stream that passes: the text is cut exactly before the first of them, all else stays byte for byte.

Tags are looked for in the text of each choice (`content` of chats, `text` of legacy completions); tool calls and thoughts pass.
"""

from collections import deque
from typing import Any

import msgspec
from msgspec import Raw, Struct

from openai_api.translation.passing import surrogates
from openai_api.translation.passing.answer import MOST_CHOICES, Stream, TooManyChoices
from openai_api.translation.passing.shorten import NONE, Left, ending, frames, payload_of, shortened
from openai_api.translation.sse import MAX_EVENT_BYTES, EventTooLarge
from openai_api.translation.stops import StopSearch

_NULL = Raw(b"null")


class _Delta(Struct):
    """Its text, and what else a model may say: a tag does not go on behind that."""

    content: Any = None
    tool_calls: Raw = _NULL
    function_call: Raw = _NULL
    reasoning_content: Raw = _NULL
    reasoning: Raw = _NULL
    refusal: Raw = _NULL
    audio: Raw = _NULL

    @property
    def says_more(self) -> bool:
        others = (self.tool_calls, self.function_call, self.reasoning_content, self.reasoning, self.refusal, self.audio)
        return any(bytes(other) not in NONE for other in others)

    @property
    def calls(self) -> bool:
        return bytes(self.tool_calls) not in NONE


class _Choice(Struct):
    index: int = 0
    delta: _Delta | None = None
    text: Any = None
    finish_reason: Any = None

    @property
    def said(self) -> str:
        text = self.delta.content if self.delta is not None else self.text
        return text if isinstance(text, str) else ""


class _Chunk(Struct):
    choices: list[_Choice] = []
    error: Raw = _NULL


_read_chunk = msgspec.json.Decoder(_Chunk).decode


class _Answer(Struct):
    """One choice on its way."""

    search: StopSearch
    legacy: bool = False
    came: int = 0
    """Characters so far."""
    calls: bool = False
    """The model has called a tool."""
    finished: bool = False
    """The server has said that it ends."""
    ended: bool = False
    """We have, since it was cut."""


class _Share(Struct):
    """What one event has of one choice: its text, which begins at a character of the whole."""

    answer: _Answer
    start: int
    text: str

    @property
    def is_decided(self) -> bool:
        return self.answer.search.hit or self.start + len(self.text) <= self.answer.search.passed

    @property
    def left(self) -> str | Left:
        search = self.answer.search
        if self.start > search.passed:
            return Left.NOTHING
        is_cut = search.hit and self.start + len(self.text) > search.passed
        return self.text[: search.passed - self.start] if is_cut else Left.ALL


class _Event(Struct):
    frame: bytes
    payload: bytes = b""
    shares: list[_Share] = []

    @property
    def is_decided(self) -> bool:
        return all(share.is_decided for share in self.shares)

    def written(self) -> bytes:
        left = [share.left for share in self.shares]
        return self.frame if all(text is Left.ALL for text in left) else shortened(self.frame, self.payload, left)


class CutStream:
    """As `Stream`, by which the same is read on the side; once it is `over`, nothing more of the answer is wanted."""

    def __init__(self, tags: tuple[str, ...], choices: int | None) -> None:
        """`choices`: how many there will be, where that is known."""
        self.over = False
        self._stream = Stream()
        self.seen = self._stream.seen
        self._tags = tags
        self._choices = choices
        self._answers: dict[int, _Answer] = {}
        self._envelope = b"{}"
        """The chunk that came last."""
        self._held: deque[_Event] = deque()
        self._size = 0  # of what is held

    @property
    def speaks(self) -> bool:
        """As of `Stream`: what says something may all be held."""
        searches = [answer.search for answer in self._answers.values()]
        return self.seen.speaks and (not self._held or any(search.hit or search.passed for search in searches))

    def feed(self, data: bytes) -> bytes:
        """What may be sent on. Raises EventTooLarge."""
        for frame in frames(self._stream.feed(data)):
            self._take(frame)
            if self._is_over():
                self.over = True
                return self._decided() + b"data: [DONE]\n\n"
        decided = self._decided()
        if self._size > MAX_EVENT_BYTES:
            raise EventTooLarge("What may belong to a stop tag is too long.")
        return decided

    def end(self) -> bytes:
        if rest := self._stream.end():
            self._take(rest)
        self._release()
        return self._decided()

    def _take(self, frame: bytes) -> None:
        payload = payload_of(frame)
        chunk = _chunk_of(payload) if payload else _Chunk()
        if chunk is None:  # The end, an error, or what nobody knows: no tag goes on behind it.
            self._release()
            self._hold(_Event(frame))
            return
        if chunk.choices:
            self._envelope = payload
        self._hold(_Event(frame, payload, [self._take_choice(choice) for choice in chunk.choices]))
        self._end_what_is_cut()

    def _take_choice(self, choice: _Choice) -> _Share:
        if choice.index not in self._answers:
            self._answers[choice.index] = _Answer(StopSearch(self._tags))
            if len(self._answers) > MOST_CHOICES:
                raise TooManyChoices
        answer, text = self._answers[choice.index], choice.said
        answer.finished = answer.finished or choice.finish_reason is not None
        answer.legacy = answer.legacy or isinstance(choice.text, str)
        share = _Share(answer, answer.came, text)
        if not answer.search.hit:
            answer.came += len(text)
            self._search(answer, choice)
        return share

    def _search(self, answer: _Answer, choice: _Choice) -> None:
        if choice.said:
            answer.search.feed(choice.said)
        more = choice.delta is not None and choice.delta.says_more
        if not answer.search.hit and (more or answer.finished):
            answer.search.release()
        if not answer.search.hit:
            answer.calls = answer.calls or (choice.delta is not None and choice.delta.calls)

    def _release(self) -> None:
        for answer in self._answers.values():
            if not answer.search.hit:
                answer.search.release()
        self._end_what_is_cut()

    def _end_what_is_cut(self) -> None:
        for index, answer in self._answers.items():
            if answer.search.hit and not answer.ended:
                answer.ended = True
                reason = "tool_calls" if answer.calls else "stop"
                self._hold(_Event(ending(self._envelope, index, legacy=answer.legacy, reason=reason)))

    def _is_over(self) -> bool:
        """Whether every choice has ended, one of them by a cut of which the server knows nothing."""
        answers = self._answers.values()
        return (
            self._choices is not None
            and len(answers) >= self._choices
            and all(answer.search.hit or answer.finished for answer in answers)
            and not all(answer.finished for answer in answers)
        )

    def _hold(self, event: _Event) -> None:
        self._held.append(event)
        self._size += len(event.frame)

    def _decided(self) -> bytes:
        written = []
        while self._held and self._held[0].is_decided:
            event = self._held.popleft()
            self._size -= len(event.frame)
            written.append(event.written())
        return b"".join(written)


def _chunk_of(payload: bytes) -> _Chunk | None:
    try:
        chunk = surrogates.read(_read_chunk, payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return chunk if bytes(chunk.error) in NONE else None
