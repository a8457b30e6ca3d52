"""Speech to text (section 1.9): what a transcription model takes, and what it hears in a recording.

A recording lasts as long as its bytes would as 16-bit sound at 16 kHz. In every half second of it a word is spoken, from a few
sentences that come again and again; recordings of nothing but zeros are silent. With times or speakers the answer has a part
for each speaker's turn, without white space around it: one for all where speakers are not asked for, else one for each
sentence, of two speakers in turn. Where nothing is asked for, the text comes in pieces.

That a vocabulary and SMART exclude times and speakers stands in Google's page on transcription, and in its SDK. Their refusals
were not seen: they are the bare one.
"""

import base64
from typing import Any

from tests.google import tokens
from tests.google.errors import invalid
from tests.google.files import URI, Files

MOST_WORDS = 1000
LONGEST, LONGEST_WITH_TIMES = 3600, 1800
SECONDS_A_WORD = 0.5
HEADER = 44
"""Bytes of a WAV file that are no sound."""
SENTENCES = ("The beaver builds a dam.", "Is the water deep enough?", "It says: three metres!")
LANGUAGE = "en-US"

Json = dict[str, Any]


def check(request: Json, files: Files) -> None:
    """The rules that a request to a transcription model must keep beside those of all requests."""
    config = request.get("generationConfig", {}).get("audioTranscriptionConfig", {})
    found = sounds(request, files)
    if len(found) != 1:
        raise invalid("Request contains an invalid argument.")
    is_detailed = config.get("wordTimestamp") or config.get("diarization")
    vocabulary = config.get("customVocabulary", [])
    if len(vocabulary) > MOST_WORDS or (is_detailed and (vocabulary or config.get("mode") == "SMART")):
        raise invalid("Request contains an invalid argument.")
    if request.get("systemInstruction") or request.get("tools"):
        raise invalid("Request contains an invalid argument.")
    [(_, size)] = found
    most = LONGEST_WITH_TIMES if is_detailed else LONGEST
    if size / tokens.BYTES_PER_SECOND > most:
        raise invalid(f"The audio is longer than the maximum of {most} seconds.")


def sounds(request: Json, files: Files) -> list[tuple[bytes, int]]:
    """(how it begins, bytes) of each recording of the last content."""
    parts = request.get("contents", [{}])[-1].get("parts", ())
    return [found for part in parts if (found := _sound(part, files))]


def _sound(part: Json, files: Files) -> tuple[bytes, int] | None:
    if part.get("inlineData", {}).get("mimeType", "").startswith("audio/"):
        content = base64.b64decode(part["inlineData"]["data"])
        return content, len(content)
    if part.get("fileData", {}).get("mimeType", "").startswith("audio/"):
        named = URI.fullmatch(part["fileData"]["fileUri"])
        file = next((file for file in files if named and file.id == named[1]), None)
        return (file.bytes.beginning, file.bytes.size) if file else None
    return None


def heard(beginning: bytes, size: int) -> list[str]:
    """The words of a recording."""
    if not beginning[HEADER:].strip(b"\0"):
        return []
    every = " ".join(SENTENCES).split()
    count = max(1, int(size / tokens.BYTES_PER_SECOND / SECONDS_A_WORD))
    return (every * (count // len(every) + 1))[:count]


def turns(words: list[str], config: Json) -> list[Json]:
    """The parts of a detailed answer."""
    each = _sentences(words) if config.get("diarization") else [list(enumerate(words))] * bool(words)
    return [_turn(turn, number, config) for number, turn in enumerate(each)]


def _sentences(words: list[str]) -> list[list[tuple[int, str]]]:
    found: list[list[tuple[int, str]]] = [[]]
    for place, word in enumerate(words):
        found[-1].append((place, word))
        if word[-1] in ".?!":
            found.append([])
    return [sentence for sentence in found if sentence]


def _turn(turn: list[tuple[int, str]], number: int, config: Json) -> Json:
    told: Json = {"languageCode": LANGUAGE}
    if config.get("diarization"):
        told["speakerLabel"] = f"spk:{number % 2}"
    if config.get("wordTimestamp"):
        told["words"] = [_word(place, word) for place, word in turn]
    return {"text": " ".join(word for _, word in turn), "audioTranscription": told}


def _word(place: int, word: str) -> Json:
    start = place * SECONDS_A_WORD
    return {"word": word, "startOffset": f"{start:.3f}s", "endOffset": f"{start + 0.4:.3f}s"}
