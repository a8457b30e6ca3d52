"""How long a recording is, where its header tells: no decoder is needed for that, and none is there."""

import struct
from collections.abc import Iterator

from openai_api.translation.conversation import StoredFile

_LAST_PAGE = 128 * 1024
"""The end of an Ogg file that holds its last page, whose position is its length."""
_MOST_CHUNKS = 200


def length_of(file: StoredFile, mime_type: str) -> float | None:
    """Seconds, or None where it cannot be told."""
    measure = {"audio/wav": _wav, "audio/aiff": _aiff, "audio/flac": _flac, "audio/ogg": _ogg, "audio/m4a": _mp4}.get(mime_type)
    try:
        seconds = measure(file) if measure is not None else None
    except (struct.error, ZeroDivisionError):  # It breaks off, or says nonsense: whoever decodes it will say so.
        return None
    return seconds if seconds is not None and seconds >= 0 else None


def _wav(file: StoredFile) -> float | None:
    bytes_per_second = 0
    for kind, at, size in _chunks(file, 12, "<"):
        if kind == b"fmt ":
            bytes_per_second = struct.unpack("<I", file.read(at + 8, 4))[0]
        elif kind == b"data":
            # What is written while it is recorded claims no length, or the longest.
            left = file.size - at
            return min(size or left, left) / bytes_per_second
    return None


def _aiff(file: StoredFile) -> float | None:
    for kind, at, _ in _chunks(file, 12, ">"):
        if kind == b"COMM":
            _, frames, _, exponent, mantissa = struct.unpack(">hIhHQ", file.read(at, 18))
            return float(frames / (mantissa * 2.0 ** (exponent - 16383 - 63)))
    return None


def _chunks(file: StoredFile, at: int, order: str) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where it begins, bytes) of each chunk of a RIFF or IFF file."""
    for _ in range(_MOST_CHUNKS):
        kind, size = struct.unpack(f"{order}4sI", file.read(at, 8))
        yield kind, at + 8, size
        at += 8 + size + size % 2


def _flac(file: StoredFile) -> float | None:
    """STREAMINFO always comes first: 20 bits of sample rate, 3 of channels, 5 of sample size, 36 of samples."""
    packed = int.from_bytes(file.read(18, 8), "big")
    samples = packed & (2**36 - 1)
    return samples / (packed >> 44) if samples else None


def _ogg(file: StoredFile) -> float | None:
    head = file.read(0, 512)
    if (opus := head.find(b"OpusHead")) >= 0:
        skipped, rate = struct.unpack_from("<H", head, opus + 10)[0], 48_000
    elif (vorbis := head.find(b"\x01vorbis")) >= 0:
        skipped, rate = 0, struct.unpack_from("<I", head, vorbis + 12)[0]
    else:
        return None
    tail = file.read(max(0, file.size - _LAST_PAGE), _LAST_PAGE)
    samples = struct.unpack_from("<q", tail, tail.rfind(b"OggS") + 6)[0]
    return float((samples - skipped) / rate)


def _mp4(file: StoredFile) -> float | None:
    """`mvhd` within `moov`, which may stand behind the sound itself."""
    for kind, at, end in _boxes(file, 0, file.size):
        if kind == b"moov":
            return next((_mvhd(file, inner) for name, inner, _ in _boxes(file, at, end) if name == b"mvhd"), None)
    return None


def _mvhd(file: StoredFile, at: int) -> float | None:
    is_long = file.read(at, 1) == b"\x01"
    scale, duration = struct.unpack(">IQ", file.read(at + 20, 12)) if is_long else struct.unpack(">II", file.read(at + 12, 8))
    return float(duration / scale) if duration else None  # A fragmented file says nothing there.


def _boxes(file: StoredFile, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """(kind, where its content begins, where it ends) of each box."""
    for _ in range(_MOST_CHUNKS):
        if at + 8 > end:
            return
        size, kind = struct.unpack(">I4s", file.read(at, 8))
        header = 8
        if size == 1:
            size, header = struct.unpack(">Q", file.read(at + 8, 8))[0], 16
        elif size == 0:
            size = end - at
        if size < header:
            return
        yield kind, at + header, at + size
        at += size
