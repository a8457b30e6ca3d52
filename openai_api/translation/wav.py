"""WAV files: their header, written and read, also of files whose length nobody knew when they began.

Source: Microsoft's "Multiple channel audio data and WAVE files", and RFC 2361 for the format tags.
"""

import struct

from msgspec import Struct

_UNKNOWN = 0xFFFFFFFF
_INTEGER, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_DEPTHS = {_INTEGER: (8, 16, 24, 32), _FLOAT: (32, 64)}
_FMT = struct.Struct("<HHIIHH")
_MOST_HEAD = 64 * 1024
"""Bytes before the samples; programs write their names and the like there."""


class NoSound(ValueError):
    """The bytes are no WAV file, or hold something other than plain samples."""


class Form(Struct, frozen=True):
    """How samples are kept: `rate` a second, little endian, those of all channels in turn. 8 bits are unsigned."""

    rate: int = 24_000
    channels: int = 1
    bits: int = 16
    is_float: bool = False

    @property
    def frame(self) -> int:
        """Bytes of one sample of every channel."""
        return self.channels * self.bits // 8


def write_header(form: Form, size: int | None) -> bytes:
    """What stands before `size` bytes of integer samples; None: nobody knows yet, which is said as OpenAI says it."""
    fmt = _FMT.pack(_INTEGER, form.channels, form.rate, form.rate * form.frame, form.frame, form.bits)
    head = b"WAVE" + struct.pack("<4sI", b"fmt ", len(fmt)) + fmt
    around, within = (_UNKNOWN, _UNKNOWN) if size is None else (len(head) + 8 + size, size)
    return struct.pack("<4sI", b"RIFF", around) + head + struct.pack("<4sI", b"data", within)


def is_beginning(data: bytes) -> bool:
    return data[:4] == b"RIFF" and data[8:12] == b"WAVE"


class Reader:
    """Reads one file in pieces. `form` is known once `read` has given the first samples."""

    def __init__(self) -> None:
        self.form: Form | None = None
        self._head: bytes | None = b""
        self._left: int | None = None

    def read(self, piece: bytes) -> bytes:
        """The samples that the piece holds. Raises NoSound."""
        if self._head is None:
            return self._samples(piece)
        self._head += piece
        return self._past_head(self._head)

    def _past_head(self, head: bytes) -> bytes:
        if len(head) >= 12 and not is_beginning(head):
            raise NoSound("no RIFF WAVE")
        at = 12
        while at + 8 <= len(head):
            name, size = struct.unpack_from("<4sI", head, at)
            at += 8
            if name == b"data":
                return self._begin(head[at:], size)
            if name == b"fmt " and at + size <= len(head):
                self.form = _read_form(head[at : at + size])
            at += size + size % 2
        if len(head) > _MOST_HEAD:
            raise NoSound("no samples")
        return b""

    def _begin(self, samples: bytes, size: int) -> bytes:
        if self.form is None:
            raise NoSound("samples of unknown form")
        self._head = None
        # Who writes while the sound is made leaves 0, or the largest number there is, rounded or not.
        self._left = size if 0 < size < 0x7FFFFF00 else None
        return self._samples(samples)

    def _samples(self, piece: bytes) -> bytes:
        """Without what may follow the samples in a file. Where a header has counted its own piece alone, others are all sound."""
        if not self._left:
            return piece
        samples = piece[: self._left]
        self._left -= len(samples)
        return samples


def _read_form(fmt: bytes) -> Form:
    if len(fmt) < _FMT.size:
        raise NoSound("a format chunk that is too short")
    tag, channels, rate, _, _, bits = _FMT.unpack_from(fmt)
    if tag == _EXTENSIBLE and len(fmt) >= 26:
        (tag,) = struct.unpack_from("<H", fmt, 24)
    if bits not in _DEPTHS.get(tag, ()) or not channels or not rate:
        raise NoSound(f"samples of format {tag}, {bits} bits, {channels} channels, {rate} Hz")
    return Form(rate, channels, bits, is_float=tag == _FLOAT)
