"""The form of POST /v1/audio/transcriptions, or of /v1/audio/translations, read."""

import re
from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.chat.invalid import check_range, missing, unsupported
from openai_api.translation.conversation import Notice, SpeechToWrite, StoredFile, StoredMedia
from openai_api.translation.forms import read_form
from openai_api.translation.gemini.transcription import MOST_WORDS

from .length import length_of
from .sounds import sound_type

FORMATS = ("json", "text", "srt", "verbose_json", "vtt", "diarized_json")
TIMED = ("srt", "vtt", "verbose_json", "diarized_json")
GRANULARITIES = ("word", "segment")
STREAMED = ("json", "text", "diarized_json")
_TERMS = re.compile(r"\s*[,;\n]\s*")
_LONGEST_TERM = 4
"""Words. What is longer is no term but a sentence."""
_LANGUAGE = re.compile(r"[a-z]{2,3}([-_][a-z0-9]{2,8})*", re.IGNORECASE)
_LISTS = ("languages", "keywords", "timestamp_granularities", "include", "known_speaker_names", "known_speaker_references")


class SentFile(StoredFile, Protocol):
    @property
    def field(self) -> str: ...

    @property
    def filename(self) -> str: ...

    @property
    def content_type(self) -> str: ...


class _Translation(Struct):
    model: str = ""
    prompt: str = ""
    response_format: str = "json"
    temperature: float | None = None


class _Transcription(_Translation):
    language: str = ""
    languages: list[str] = []
    keywords: list[str] = []
    timestamp_granularities: list[str] = []
    stream: bool = False
    include: list[str] = []
    known_speaker_names: list[str] = []
    known_speaker_references: list[str] = []


class TranscriptionRequest(Struct, frozen=True):
    wanted: SpeechToWrite
    """`model` is still the name as the caller wrote it."""
    format: str
    granularities: tuple[str, ...] = ()
    stream: bool = False
    notices: tuple[Notice, ...] = ()


def read_request(
    fields: Mapping[str, Sequence[str]], files: Sequence[SentFile], *, translates: bool = False
) -> TranscriptionRequest:
    """Anything wrong with the form raises InvalidRequest."""
    notices: list[Notice] = []
    kind = _Translation if translates else _Transcription
    asked = read_form(kind, _without_chunking(fields, notices), lists=_LISTS, notices=notices)
    if not asked.model:
        raise missing("model")
    formats = FORMATS[:-1] if translates else FORMATS
    if asked.response_format not in formats:
        raise unsupported(asked.response_format, formats, "response_format")
    check_range(asked.temperature, 0, 1, "temperature")
    options = asked if isinstance(asked, _Transcription) else _Transcription()
    _check(options, asked.response_format)
    notices += _dropped(options)
    vocabulary, hint = _read_words(asked, options.keywords)
    audio = _read_file(files, notices)
    wanted = SpeechToWrite(
        model=asked.model,
        audio=audio,
        seconds=length_of(audio.file, audio.mime_type),
        languages=_read_languages(options),
        vocabulary=vocabulary,
        hint=hint,
        times=asked.response_format in TIMED,
        speakers=asked.response_format == "diarized_json",
        into="English" if translates else "",
        # 0 is OpenAI's word for "as the model sees fit", and what many clients always send.
        temperature=asked.temperature or None,
    )
    granularities = tuple(dict.fromkeys(options.timestamp_granularities)) or ("segment",)
    return TranscriptionRequest(wanted, asked.response_format, granularities, options.stream, tuple(notices))


def _without_chunking(fields: Mapping[str, Sequence[str]], notices: list[Notice]) -> dict[str, Sequence[str]]:
    """`auto` is what Gemini does anyway; an object comes as `chunking_strategy[type]` and so on."""
    for name, values in fields.items():
        if name.startswith("chunking_strategy") and list(values) not in ([""], ["auto"]):
            notices.append(Notice("chunking_strategy", "Gemini divides a recording as it sees fit"))
            break
    return {name: values for name, values in fields.items() if not name.startswith("chunking_strategy")}


def _check(asked: _Transcription, response_format: str) -> None:
    for name in asked.timestamp_granularities:
        if name not in GRANULARITIES:
            raise unsupported(name, GRANULARITIES, "timestamp_granularities")
    if asked.timestamp_granularities and response_format != "verbose_json":
        message = "'timestamp_granularities' needs the response_format 'verbose_json'."
        raise InvalidRequest(message, param="timestamp_granularities", code="invalid_value")
    if asked.stream and response_format not in STREAMED:
        message = f"A transcription is streamed as json, text or diarized_json, not as {response_format}."
        raise InvalidRequest(message, param="stream", code="unsupported_value")
    for name in asked.include:
        if name != "logprobs":
            raise unsupported(name, ("logprobs",), "include")
    if len(asked.keywords) > MOST_WORDS:
        message = f"Invalid 'keywords': at most {MOST_WORDS} are taken, but there are {len(asked.keywords)}."
        raise InvalidRequest(message, param="keywords", code="array_above_max_length")


def _dropped(asked: _Transcription) -> list[Notice]:
    notices = []
    if asked.include:
        notices.append(Notice("include", "Gemini tells no log probabilities"))
    if asked.known_speaker_names or asked.known_speaker_references:
        notices.append(Notice("known_speaker_names", "Gemini cannot be told whose voice is whose: speakers are A, B and so on"))
    return notices


def _read_languages(asked: _Transcription) -> tuple[str, ...]:
    for field, given in (("language", [asked.language] if asked.language else []), ("languages", asked.languages)):
        for language in given:
            if not _LANGUAGE.fullmatch(language):
                message = f"Invalid '{field}': '{language}' is no language code such as 'en' or 'pt-BR'."
                raise InvalidRequest(message, param=field, code="invalid_language_format")
    named = [asked.language] if asked.language else asked.languages
    return tuple(dict.fromkeys(language.replace("_", "-") for language in named))


def _read_words(asked: _Translation, keywords: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """(words that may come up, what else the prompt says). A prompt that is a list of terms is nothing else."""
    terms = [term for term in _TERMS.split(asked.prompt.strip().rstrip(".")) if term]
    is_list = len(terms) > 1 and all(len(term.split()) <= _LONGEST_TERM for term in terms)
    vocabulary = dict.fromkeys([*keywords, *(terms if is_list else ())])
    return tuple(vocabulary)[:MOST_WORDS], "" if is_list else asked.prompt.strip()


def _read_file(files: Sequence[SentFile], notices: list[Notice]) -> StoredMedia:
    recordings = [file for file in files if file.field.removesuffix("[]") == "file"]
    notices += [Notice(file.field, "unknown") for file in files if file not in recordings]
    if not recordings:
        raise missing("file")
    if len(recordings) > 1:
        message = f"Invalid 'file': one recording is taken in a request, but there are {len(recordings)}."
        raise InvalidRequest(message, param="file", code="invalid_value")
    [file] = recordings
    named = sound_type(file, filename=file.filename, content_type=file.content_type)
    return StoredMedia(named, file, file.filename)
