"""A speech request, read."""

from collections.abc import Collection

import msgspec
from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.chat.invalid import check_range, missing, undecodable, unsupported
from openai_api.translation.conversation import Notice, TextToSpeak

from .formats import FORMATS

LONGEST_INPUT = 4096
"""Characters, as with OpenAI. Gemini reads 8,192 tokens, but speaks for eleven minutes at most: more text would be cut short."""
SLOWEST, FASTEST = 0.25, 4.0
STREAM_FORMATS = ("audio", "sse")


class _Voice(Struct):
    id: str


class _Body(Struct):
    input: str
    model: str
    voice: str | _Voice
    instructions: str | None = None
    response_format: str | None = None
    speed: float | None = None
    stream_format: str | None = None


class _KnownBody(_Body, forbid_unknown_fields=True):
    pass


_read_known = msgspec.json.Decoder(_KnownBody).decode
_read_any = msgspec.json.Decoder(_Body).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class SpeechRequest(Struct, frozen=True):
    wanted: TextToSpeak
    """`model` is still the name as the caller wrote it."""
    format: str
    """One of FORMATS."""
    speed: float
    in_events: bool
    notices: tuple[Notice, ...] = ()


def read_request(body: bytes) -> SpeechRequest:
    """Read the body of POST /v1/audio/speech; anything wrong with it raises InvalidRequest, but for a voice that nobody knows."""
    notices: list[Notice] = []
    asked = _decode(body, notices)
    if not asked.model:
        raise missing("model")
    _check_input(asked.input)
    check_range(asked.speed, SLOWEST, FASTEST, "speed")
    return SpeechRequest(
        wanted=TextToSpeak(
            model=asked.model,
            text=asked.input,
            voice=asked.voice if isinstance(asked.voice, str) else asked.voice.id,
            style=(asked.instructions or "").strip(),
        ),
        format=_one_of(FORMATS, asked.response_format, "mp3", "response_format"),
        speed=1.0 if asked.speed is None else asked.speed,
        in_events=_one_of(STREAM_FORMATS, asked.stream_format, "audio", "stream_format") == "sse",
        notices=tuple(notices),
    )


def _decode(body: bytes, notices: list[Notice]) -> _Body:
    """Strictly first: only a body with unknown (or wrong) fields is gone over again to name them."""
    try:
        try:
            return _read_known(body)
        except msgspec.ValidationError:
            asked = _read_any(body)
        fields = _read_fields(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise undecodable(error) from error
    known = _Body.__struct_fields__
    notices += [Notice(field, "unknown") for field, value in fields.items() if field not in known and bytes(value) != b"null"]
    return asked


def _check_input(text: str) -> None:
    if not text.strip():
        raise InvalidRequest("Invalid 'input': there is nothing in it to speak.", param="input", code="invalid_value")
    if len(text) > LONGEST_INPUT:
        message = f"Invalid 'input': at most {LONGEST_INPUT} characters are spoken in one request, but there are {len(text)}."
        raise InvalidRequest(message, param="input", code="string_above_max_length")


def _one_of(choices: Collection[str], given: str | None, default: str, param: str) -> str:
    if given is not None and given not in choices:
        raise unsupported(given, choices, param)
    return given or default
