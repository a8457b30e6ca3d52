"""How long a recording is, where its header tells: no decoder is needed for that, and none is there."""

import math
import re
import struct
from collections.abc import Callable, Iterator

from openai_api.translation.conversation import StoredFile

_LAST_PAGE = 128 * 1024
"""The end of an Ogg file that holds its last page, whose position is its length."""
_MOST_CHUNKS = 200
_BITRATES = {
    1: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Of layer III in kbit/s, for MPEG-1 and for its halved rates (MPEG-2, and 2.5 as 2)."""
_RATES = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""Samples a second, by the version as it stands in a frame: 3 is MPEG-1, 2 is MPEG-2, 0 is 2.5."""
_FRAME = re.compile(rb"\xff[\xe2\xe3\xf2\xf3\xfa\xfb][\x10-\xef].", re.DOTALL)


def length_of(file: StoredFile, mime_type: str) -> float | None:
    """Seconds, or None where it cannot be told."""
    try:
        seconds = _MEASURES[mime_type](file) if mime_type in _MEASURES else None
    except (struct.error, ArithmeticError, IndexError):  # It breaks off, or says nonsense: whoever decodes it will say so.
        return None
    return seconds if seconds is not None and 0 <= seconds < math.inf else None


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
            within = _boxes(file, at, min(end, file.size))
            return next((_mvhd(file, inner) for name, inner, _ in within if name == b"mvhd"), None)
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


def _mp3(file: StoredFile) -> float | None:
    """By the count of frames where the encoder has left one, else by the bitrate, if the first frames agree on it."""
    tag = file.read(0, 10)
    at = 10 + _seven_bits(tag[6:10]) if tag.startswith(b"ID3") else 0
    head = file.read(at, 64 * 1024)
    first = _FRAME.search(head)
    if first is None:
        return None
    at += first.start()
    head = head[first.start() :]
    bitrate, rate, samples, size = _frame(head)
    for name in (b"Xing", b"Info"):
        if (found := head.find(name, 0, size)) >= 0 and head[found + 7] & 1:
            return float(struct.unpack_from(">I", head, found + 8)[0] * samples / rate)
    following = head[size : size + 4]
    return (file.size - at) * 8 / bitrate if _FRAME.match(following) and _frame(following)[0] == bitrate else None


def _seven_bits(size: bytes) -> int:
    """A number of which each byte holds seven bits."""
    number = 0
    for byte in size:
        number = number << 7 | byte
    return number


def _frame(head: bytes) -> tuple[int, int, int, int]:
    """(bits a second, samples a second, samples, bytes) of the frame of MPEG layer III that begins here."""
    version = head[1] >> 3 & 3
    bitrate = _BITRATES[1 if version == 3 else 2][(head[2] >> 4) - 1] * 1000
    rate = _RATES[version][head[2] >> 2 & 3]
    samples = 1152 if version == 3 else 576
    return bitrate, rate, samples, samples * bitrate // 8 // rate + (head[2] >> 1 & 1)


_MEASURES: dict[str, Callable[[StoredFile], float | None]] = {
    "audio/wav": _wav,
    "audio/aiff": _aiff,
    "audio/flac": _flac,
    "audio/ogg": _ogg,
    "audio/m4a": _mp4,
    "audio/mp3": _mp3,
    "audio/mpeg": _mp3,
}
