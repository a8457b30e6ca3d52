"""Models that speak (section 1.9): their rules, and the tone that they answer with, as long as the text is."""

import base64
import itertools
import math
import struct
from typing import Any

from tests.google.errors import invalid
from tests.google.models import Model
from tests.google.scripts import Script

VOICES = (
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus",
    "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar", "Alnilam",
    "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
)  # fmt: skip
SPEAKERS = 2

RATE = 24_000
BYTES_PER_SECOND = 2 * RATE
SECONDS_PER_CHARACTER = 0.05
TOKENS_PER_SECOND = 25
PIECES = 5
# One turn of a sine of 480 Hz.
WAVE = struct.pack("<50h", *(round(12_000 * math.sin(math.tau * number / 50)) for number in range(50)))
UNKNOWN = 0xFFFFFFFF


def check(request: dict[str, Any], model: Model) -> None:
    config = request.get("generationConfig", {}).get("speechConfig", {})
    several = config.get("multiSpeakerVoiceConfig", {}).get("speakerVoiceConfigs")
    if several is not None and ("voiceConfig" in config or len(several) != SPEAKERS):
        raise invalid("Request contains an invalid argument.")
    if any(not one.get("speaker") or not one.get("voiceConfig") for one in several or ()):
        raise invalid("Request contains an invalid argument.")
    for voice in [config.get("voiceConfig", {}), *(one["voiceConfig"] for one in several or ())]:
        _check_voice(voice)
    styled = [part for content in request.get("contents", ()) for part in content["parts"] if "speechMetadata" in part]
    if styled and (model.kind != "speech" or speaks_raw(model)):
        # Only the second generation knows the field; how the first one refuses it was not seen.
        raise invalid("Request contains an invalid argument.")


def _check_voice(config: dict[str, Any]) -> None:
    """Google's names, in any case; how a wrong one is refused was not seen."""
    name = config.get("voice") or config.get("prebuiltVoiceConfig", {}).get("voiceName")
    if config and (name or "").lower() not in [voice.lower() for voice in VOICES]:
        allowed = ", ".join(sorted(voice.lower() for voice in VOICES))
        raise invalid(f"Voice name {name} is not supported. Allowed voice names are: {allowed}")


def speaks_raw(model: Model) -> bool:
    """The first generation sends samples without a header."""
    return "preview" in model.id


def duration(text: str) -> float:
    """Seconds, a whole number of waves."""
    return round(len(text) * SECONDS_PER_CHARACTER * 480) / 480


def tone(text: str) -> bytes:
    """Samples: 16 bits, mono, 24 kHz."""
    return WAVE * round(duration(text) * 480)


def wav(samples: bytes, size: int | None = None) -> bytes:
    size = len(samples) if size is None else size
    head = (b"RIFF", min(36 + size, UNKNOWN), b"WAVEfmt ", 16, 1, 1, RATE, BYTES_PER_SECOND, 2, 16, b"data", size)
    return struct.pack("<4sI8sIHHIIHH4sI", *head) + samples


def blobs(text: str, model: Model, script: Script, *, streamed: bool) -> list[dict[str, Any]]:
    """The sound, in one piece or in several. Whether each streamed piece is a WAV file, nobody has told: `script.wav` decides."""
    samples = tone(text)
    size = max(2, len(samples) // PIECES // 2 * 2) if streamed else max(2, len(samples))
    pieces = [samples[at : at + size] for at in range(0, len(samples), size)]
    if speaks_raw(model):
        return [_blob(f"audio/L16;codec=pcm;rate={RATE}", piece) for piece in pieces]
    if script.wav == "each_piece" or not streamed:
        return [_blob("audio/wav", wav(piece)) for piece in pieces]
    return [_blob("audio/wav", piece) for piece in itertools.chain([wav(pieces[0], UNKNOWN)], pieces[1:])]


def tokens(blob: dict[str, Any]) -> int:
    return -(-len(base64.b64decode(blob["data"])) * TOKENS_PER_SECOND // BYTES_PER_SECOND)


def _blob(mime_type: str, data: bytes) -> dict[str, Any]:
    return {"mimeType": mime_type, "data": encoded(data)}


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
