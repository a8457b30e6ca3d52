"""The forms in which speech is handed out, as data: what each is called, and what ffmpeg is told to make it."""

import math

from msgspec import Struct


class SoundFormat(Struct, frozen=True):
    content_type: str
    encoding: tuple[str, ...]
    """ffmpeg's options for its output. None of them needs to go back in what it has written: that has left by then."""
    is_plain: bool = False
    """Samples as they come: no encoder is needed."""


_SAMPLES = ("-f", "s16le")

FORMATS = {
    "mp3": SoundFormat(
        "audio/mpeg",
        # A constant rate, without the frame that counts the others: players tell the length by the size.
        ("-codec:a", "libmp3lame", "-b:a", "96k", "-write_xing", "0", "-id3v2_version", "0", "-f", "mp3"),
    ),
    "opus": SoundFormat("audio/ogg", ("-codec:a", "libopus", "-b:a", "48k", "-page_duration", "200000", "-f", "ogg")),
    "aac": SoundFormat("audio/aac", ("-codec:a", "aac", "-b:a", "96k", "-f", "adts")),
    "flac": SoundFormat("audio/flac", ("-codec:a", "flac", "-f", "flac")),
    "wav": SoundFormat("audio/wav", _SAMPLES, is_plain=True),
    "pcm": SoundFormat("audio/pcm", _SAMPLES, is_plain=True),
}
"""Source: wire reference 9.6."""


def tempo(speed: float) -> tuple[str, ...]:
    """ffmpeg's options to speak so much faster at the same pitch: in steps of 2 at most, as it would skip sound beyond."""
    if speed == 1:
        return ()
    steps = max(1, math.ceil(abs(math.log2(speed))))
    return ("-filter:a", ",".join([f"atempo={speed ** (1 / steps):.6f}"] * steps))
