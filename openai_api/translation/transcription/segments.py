"""Utterances with the times of their words → segments: what one line of a subtitle holds."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from openai_api.translation.events import SpokenWord, Utterance

LONGEST_SECONDS, LONGEST_LETTERS = 8.0, 90
"""What can be read at once."""
PAUSE = 1.0
"""Seconds of silence at which a segment ends in any case."""
_SENTENCE_ENDS = (".", "!", "?", "…", "。", "！", "？", "।", "؟")
_CLOSING = "\"'”’»)]」』"
_PACKED = (
    (0x0E00, 0x0EFF),
    (0x1780, 0x17FF),
    (0x1000, 0x109F),
    (0x3000, 0x30FF),
    (0x3400, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF00, 0xFFEF),
)
"""Scripts (Thai, Lao, Khmer, Burmese, Japanese, Chinese) that put no spaces between their words."""


class Segment(Struct, frozen=True):
    """Times are seconds; `speaker` is the upstream's label, or empty."""

    text: str
    start: float
    end: float
    speaker: str = ""


def in_order(utterances: Iterable[Utterance]) -> list[Utterance]:
    """In the order of time: with several speakers, Gemini's parts have been seen to come in another."""
    listed = list(utterances)
    if any(utterance.start is None for utterance in listed):
        return listed
    return sorted(listed, key=lambda utterance: utterance.start or 0.0)


def cut(utterance: Utterance) -> Iterator[Segment]:
    """At the ends of sentences, at pauses, and where it would become too long. Nothing comes of what has no times."""
    if not utterance.words:
        if utterance.start is not None and utterance.end is not None and utterance.text.strip():
            yield Segment(utterance.text.strip(), utterance.start, utterance.end, utterance.speaker)
        return
    words = utterance.words
    starts = _places(utterance.text, words)
    for begin, end in _spans(words):
        if starts is None:
            text = joined(word.word for word in words[begin:end])
        else:
            text = utterance.text[starts[begin] if begin else 0 : starts[end] if end < len(words) else None]
        yield Segment(text.strip(), words[begin].start, words[end - 1].end, utterance.speaker)


def joined(texts: Iterable[str]) -> str:
    """Texts that are whole words or utterances, one behind the other."""
    said = ""
    for text in texts:
        said += gap(said, text) + text
    return said


def gap(before: str, after: str) -> str:
    """What belongs between two texts that are whole: a space, where their script has any and there is none yet."""
    if not before or not after or before[-1].isspace() or after[0].isspace():
        return ""
    return "" if _is_packed(before[-1]) or _is_packed(after[0]) else " "


def glue(before: str, after: str) -> str:
    """The same for pieces of an answer, which may end within a word: only between a sentence's end and a letter."""
    return gap(before, after) if before.rstrip(_CLOSING).endswith(_SENTENCE_ENDS) and after[:1].isalpha() else ""


def _is_packed(letter: str) -> bool:
    return any(first <= ord(letter) <= last for first, last in _PACKED)


def _spans(words: Sequence[SpokenWord]) -> Iterator[tuple[int, int]]:
    begin = letters = 0
    for index, word in enumerate(words):
        if index > begin and _breaks(words[begin], words[index - 1], word, letters):
            yield begin, index
            begin, letters = index, 0
        letters += len(word.word) + 1
    yield begin, len(words)


def _breaks(first: SpokenWord, last: SpokenWord, following: SpokenWord, letters: int) -> bool:
    """Whether a segment that began with `first` ends with `last`."""
    return (
        last.word.rstrip(_CLOSING).endswith(_SENTENCE_ENDS)
        or following.start - last.end >= PAUSE
        or following.end - first.start > LONGEST_SECONDS
        or letters + len(following.word) > LONGEST_LETTERS
    )


def _places(text: str, words: Sequence[SpokenWord]) -> list[int] | None:
    """Where each word stands in the text; None where the text is not made of these words."""
    places, at = [], 0
    for word in words:
        at = text.find(word.word, at)
        if at < 0:
            return None
        places.append(at)
        at += len(word.word)
    return places
