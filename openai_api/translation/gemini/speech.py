"""A text to speak → generateContent body, and the sound of the answer → events.

Source: wire reference 1.9; https://ai.google.dev/gemini-api/docs/speech-generation
"""

import re
from base64 import b64decode
from collections.abc import Iterable
from typing import Any

import msgspec

from openai_api.translation.chat.invalid import unsupported
from openai_api.translation.conversation import TextToSpeak
from openai_api.translation.events import AudioDelta, Event, Finished, MediaDelta, UsageReport
from openai_api.translation.pcm import Converter
from openai_api.translation.wav import Form, NoSound, Reader, is_beginning

from .response import MalformedAnswer
from .voices import GEMINI, OPENAI, voice_named

_TOLD_IN_THE_TEXT = re.compile(r"(models/)?gemini-(2\.|3-|3\.[0-7]-)")
"""The first generation has no field for the style: it reads the text as a prompt, the second speaks it as it stands."""
_SAMPLES = re.compile(r"audio/(l16|pcm)\b")
_WAV = re.compile(r"audio/(x-|vnd\.)?wave?\b")
_PARAMETER = re.compile(r";\s*(rate|channels)\s*=\s*(\d{1,6})")

_encode = msgspec.json.Encoder().encode


def write_speech(asked: TextToSpeak) -> bytes:
    """Raises InvalidRequest for a voice that nobody has."""
    voice = voice_named(asked.voice)
    if voice is None:
        raise unsupported(asked.voice, (*OPENAI, *GEMINI), "voice")
    config = {
        "responseModalities": ["AUDIO"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}},
    }
    return _encode({"contents": [{"role": "user", "parts": [_part(asked)]}], "generationConfig": config})


def _part(asked: TextToSpeak) -> dict[str, Any]:
    if not asked.style:
        return {"text": asked.text}
    if _TOLD_IN_THE_TEXT.match(asked.model):
        # A colon is what keeps the model from reading its instructions aloud: "Say cheerfully: …" are Google's own examples.
        return {"text": f"{asked.style.rstrip(' .:')}:\n{asked.text}"}
    return {"text": asked.text, "speechMetadata": {"style": asked.style}}


class SoundReader:
    """Reads the events of one answer for their sound, which comes in pieces: raw samples, one WAV file, or one WAV file each."""

    def __init__(self) -> None:
        self._wav: Reader | None = None
        self._converter: Converter | None = None

    def read(self, events: Iterable[Event]) -> list[Event]:
        """Samples, usage and the end: words in place of sound are left out, so that an answer of words alone counts as empty.

        Raises MalformedAnswer.
        """
        heard: list[Event] = []
        for event in events:
            if isinstance(event, MediaDelta):
                if pcm := self._sound(event):
                    heard.append(AudioDelta(pcm))
            elif isinstance(event, UsageReport | Finished):
                heard.append(event)
        return heard

    def _sound(self, media: MediaDelta) -> bytes:
        try:
            return self._samples(media.mime_type.lower(), b64decode(media.data))
        except ValueError as error:  # NoSound, or no base64
            raise MalformedAnswer(f"The upstream's speech cannot be read: {error}") from error

    def _samples(self, mime_type: str, piece: bytes) -> bytes:
        if is_beginning(piece) or (_WAV.match(mime_type) and self._wav is None):
            self._wav, self._converter = Reader(), None
        if self._wav is not None:
            piece = self._wav.read(piece)
            form = self._wav.form
        else:
            form = _form_in(mime_type)
        if not piece or form is None:
            return b""
        if self._converter is None:
            self._converter = Converter(form)
        return self._converter.read(piece)


def _form_in(mime_type: str) -> Form:
    """`audio/L16;codec=pcm;rate=24000`: formally big endian, in truth little."""
    if not _SAMPLES.match(mime_type):
        raise NoSound(f"it is {mime_type[:60] or 'of no type'}")
    given = {name: int(number) for name, number in _PARAMETER.findall(mime_type)}
    return Form(rate=given.get("rate") or Form().rate, channels=given.get("channels") or 1)
