"""Utterances in, and out as each of OpenAI's formats, whole or as a stream."""

import zlib
from collections.abc import Iterable, Sequence
from typing import Literal

import msgspec
from msgspec import Struct

from openai_api.errors import GatewayError, InvalidRequest, UpstreamBroken
from openai_api.translation.chat.errors import error_body
from openai_api.translation.events import Event, Finished, Usage, UsageReport, Utterance

from .languages import language_name
from .reader import TranscriptionRequest
from .segments import Segment, cut, gap, glue, in_order

TOKENS_A_SECOND = 32
"""Of sound, as Gemini counts."""
_encode = msgspec.json.Encoder().encode


class _InputDetails(Struct):
    audio_tokens: int
    text_tokens: int


class _Tokens(Struct):
    input_tokens: int
    input_token_details: _InputDetails
    output_tokens: int
    total_tokens: int
    type: str = "tokens"


class _Duration(Struct):
    seconds: float
    type: str = "duration"


class _Language(Struct):
    code: str


class _Json(Struct, omit_defaults=True):
    text: str
    languages: list[_Language] = []
    usage: _Tokens | None = None


class _Word(Struct):
    word: str
    start: float
    end: float


class _Segment(Struct):
    """Of what only Whisper knows, the numbers say nothing."""

    id: int
    start: float
    end: float
    text: str
    temperature: float
    compression_ratio: float
    seek: int = 0
    tokens: list[int] = []
    avg_logprob: float = 0.0
    no_speech_prob: float = 0.0


class _Verbose(Struct, omit_defaults=True):
    task: str
    language: str
    duration: float
    text: str
    words: list[_Word] | None = None
    segments: list[_Segment] | None = None
    usage: _Duration | None = None


class _Turn(Struct):
    id: str
    start: float
    end: float
    text: str
    speaker: str
    type: Literal["transcript.text.segment"] = "transcript.text.segment"


class _Diarized(Struct):
    duration: float
    segments: list[_Turn]
    text: str
    usage: _Tokens
    task: str = "transcribe"


class _Delta(Struct, omit_defaults=True):
    type: str
    delta: str
    segment_id: str = ""


class _Done(Struct, omit_defaults=True):
    type: str
    text: str
    languages: list[_Language] = []
    usage: _Tokens | None = None


class Writer:
    """Either `answer`, or `chunks` as events arrive and then `finish` (or `error`).

    A transcript that the model did not bring to its end is never written as if it were whole.
    """

    def __init__(self, request: TranscriptionRequest) -> None:
        self._request = request
        self._usage = Usage()
        self._utterances: list[Utterance] = []
        self._speakers: dict[str, str] = {}
        self._text = ""
        self._turns = 0

    @property
    def content_type(self) -> str:
        return "application/json" if self._request.format.endswith("json") else "text/plain; charset=utf-8"

    def answer(self, events: Iterable[Event]) -> bytes:
        for event in events:
            self._take(event)
        self._utterances = in_order(self._utterances)
        self._text = ""
        for utterance in self._utterances:
            self._text += self._next(utterance)
        self._text = self._text.strip()
        return self._written()

    def _written(self) -> bytes:
        match self._request.format:
            case "text":
                return self._text.encode() + b"\n"
            case "srt":
                return "\n".join(_subtitle(number, segment) for number, segment in enumerate(self._segments(), 1)).encode()
            case "vtt":
                return "\n".join(["WEBVTT\n", *map(_cue, self._segments())]).encode()
            case "verbose_json":
                return _encode(self._verbose())
            case "diarized_json":
                return _encode(_Diarized(self._seconds, [self._turn(one) for one in self._segments()], self._text, self._tokens))
            case _:
                return _encode(_Json(self._text, self._languages, self._tokens))

    # --- As a stream ---------------------------------------------------------------------------------------------------

    def chunks(self, events: Iterable[Event], index: int) -> bytes:
        written = b""
        for event in events:
            self._take(event)
            if isinstance(event, Utterance):
                written += self._delta(event)
        return written

    def finish(self) -> bytes:
        return _event(_Done("transcript.text.done", self._text.strip(), self._languages, self._tokens))

    def error(self, error: GatewayError) -> bytes:
        return b"data: " + error_body(error) + b"\n\n"

    def _delta(self, utterance: Utterance) -> bytes:
        delta = self._next(utterance)
        if not self._text:
            delta = delta.lstrip()
        self._text += delta
        if self._request.format != "diarized_json":
            return _event(_Delta("transcript.text.delta", delta)) if delta else b""
        turns = [self._turn(segment) for segment in self._timed(utterance)]
        named = turns[0].id if turns else ""
        return b"".join([_event(_Delta("transcript.text.delta", delta, named)), *map(_event, turns)]) if delta else b""

    # --- What is known -------------------------------------------------------------------------------------------------

    def _take(self, event: Event) -> None:
        if isinstance(event, Utterance):
            self._utterances.append(event)
        elif isinstance(event, UsageReport):
            self._usage = event.usage
        elif isinstance(event, Finished):
            _check_end(event)

    def _next(self, utterance: Utterance) -> str:
        """What the utterance adds to the text. Of one that is a speaker's turn, or has times, it is known that it is whole."""
        is_whole = bool(utterance.words or utterance.speaker)
        return (gap if is_whole else glue)(self._text, utterance.text) + utterance.text

    @property
    def _seconds(self) -> float:
        """The recording's length, as near as it can be known."""
        if self._request.wanted.seconds is not None:
            return round(self._request.wanted.seconds, 3)
        last = max((utterance.end or 0.0 for utterance in self._utterances), default=0.0)
        return max(last, self._usage.prompt_audio / TOKENS_A_SECOND)

    @property
    def _tokens(self) -> _Tokens:
        used = self._usage
        details = _InputDetails(used.prompt_audio, used.prompt - used.prompt_audio)
        return _Tokens(used.prompt, details, used.completion, used.total or used.prompt + used.completion)

    @property
    def _languages(self) -> list[_Language]:
        codes = dict.fromkeys(utterance.language for utterance in self._utterances if utterance.language)
        return [_Language(code) for code in codes]

    def _segments(self) -> list[Segment]:
        return [segment for utterance in self._utterances for segment in self._timed(utterance)]

    def _timed(self, utterance: Utterance) -> list[Segment]:
        segments = list(cut(utterance))
        if not segments and utterance.text.strip():
            raise UpstreamBroken("Google's model wrote the recording down, but did not tell when what is said.")
        return segments

    def _turn(self, segment: Segment) -> _Turn:
        """Speakers are A, B and so on, in the order in which they speak up."""
        self._turns += 1
        speaker = self._speakers.setdefault(segment.speaker, _letters(len(self._speakers)))
        return _Turn(f"seg_{self._turns:03}", segment.start, segment.end, segment.text, speaker)

    def _verbose(self) -> _Verbose:
        wanted, granularities = self._request.wanted, self._request.granularities
        told = next((utterance.language for utterance in self._utterances if utterance.language), "")
        heard = told or next(iter(wanted.languages), "") or "unknown"
        segments = self._segments()  # Also where only words are asked for: they must have times.
        words = [_Word(word.word, word.start, word.end) for utterance in self._utterances for word in utterance.words]
        return _Verbose(
            task="translate" if wanted.into else "transcribe",
            language=wanted.into.lower() or language_name(heard),
            duration=self._seconds,
            text=self._text,
            words=words if "word" in granularities else None,
            segments=_numbered(segments, wanted.temperature or 0.0) if "segment" in granularities else None,
            usage=_Duration(self._seconds),
        )


def check_whole(events: Iterable[Event]) -> None:
    """Raises InvalidRequest where the model did not bring its transcript to the end."""
    for event in events:
        if isinstance(event, Finished):
            _check_end(event)


def _check_end(end: Finished) -> None:
    if end.reason == "length":
        message = "The recording is too long for one answer of the model: its transcript was cut off. Send it in pieces."
        raise InvalidRequest(message, param="file", code="audio_too_long")
    if end.reason == "content_filter":
        message = f"Google's filters stopped the transcript ({end.native}). {end.message}".strip()
        raise InvalidRequest(message, param="file", code="content_policy_violation")


def _numbered(segments: Sequence[Segment], temperature: float) -> list[_Segment]:
    return [
        _Segment(number, segment.start, segment.end, segment.text, temperature, _compression(segment.text))
        for number, segment in enumerate(segments)
    ]


def _compression(text: str) -> float:
    """As Whisper reckons it: what says the same over and over shows by it."""
    return round(len(text.encode()) / len(zlib.compress(text.encode())), 4)


def _subtitle(number: int, segment: Segment) -> str:
    return f"{number}\n{_clock(segment.start, ',')} --> {_clock(segment.end, ',')}\n{_in_lines(segment.text)}\n"


def _cue(segment: Segment) -> str:
    text = _in_lines(segment.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"{_clock(segment.start, '.')} --> {_clock(segment.end, '.')}\n{text}\n"


def _in_lines(text: str) -> str:
    """An empty line would end the subtitle."""
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())


def _clock(seconds: float, point: str) -> str:
    """`HH:MM:SS,mmm`"""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{milliseconds // 1000:02}{point}{milliseconds % 1000:03}"


def _letters(number: int) -> str:
    """A … Z, AA, AB …"""
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("A") + number % 26)


def _event(data: Struct) -> bytes:
    return b"data: " + _encode(data) + b"\n\n"
