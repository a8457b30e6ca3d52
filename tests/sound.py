"""Sound, judged by ffmpeg and ffprobe: what it is, how long, and whether every byte of it can be decoded."""

import array
import json
import shutil
import subprocess
import sys
from itertools import pairwise

import pytest
from msgspec import Struct


class Sound(Struct, frozen=True):
    codec: str
    container: str
    rate: int
    channels: int
    seconds: float
    pitch: float
    """Hz, by the signs' changes."""


def need_ffmpeg() -> None:
    if not shutil.which("ffmpeg") or not shutil.which("ffprobe"):
        pytest.skip("missing program: ffmpeg")


def measured(data: bytes, *given: str) -> Sound:
    """`given`: ffmpeg's options for a file that does not say what it is."""
    source = [*given, "-i", "pipe:0"]
    told = json.loads(_run(["ffprobe", "-v", "error", "-of", "json", "-show_streams", "-show_format", *source], data))
    [stream] = told["streams"]
    # To ffmpeg a WAV file that does not know its own length is a fault.
    strict = [] if data.startswith(b"RIFF") else ["-xerror"]
    decoded = _run(["ffmpeg", "-v", "error", *strict, *source, "-f", "s16le", "-ac", "1", "-ar", "24000", "pipe:1"], data)
    samples = array.array("h", decoded)
    if sys.byteorder == "big":
        samples.byteswap()
    seconds = len(samples) / 24_000
    return Sound(
        codec=stream["codec_name"],
        container=told["format"]["format_name"],
        rate=int(stream["sample_rate"]),
        channels=stream["channels"],
        seconds=seconds,
        pitch=_upward(samples) / seconds,
    )


def _upward(samples: "array.array[int]") -> int:
    """How often the sound rises through zero; a little noise around it counts for nothing."""
    loud = [sample > 0 for sample in samples if abs(sample) > 1_000]
    return sum(1 for before, after in pairwise(loud) if after and not before)


def _run(command: list[str], data: bytes) -> bytes:
    result = subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr.decode(errors="replace")
    return result.stdout
