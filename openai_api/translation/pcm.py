"""Samples of any form → 16 bits, one channel, 24,000 a second: what OpenAI calls pcm, and what Gemini sends as a rule."""

import sys
from array import array
from collections.abc import Sequence

from .wav import Form

OURS = Form()


class Converter:
    """Takes samples of one form in pieces, cut wherever."""

    def __init__(self, form: Form) -> None:
        self._form = form
        self._cut = b""
        self._resampler = Resampler(form.rate) if form.rate != OURS.rate else None

    def read(self, piece: bytes) -> bytes:
        data = self._cut + piece if self._cut else piece
        whole = len(data) - len(data) % self._form.frame
        data, self._cut = data[:whole], data[whole:]
        return data if self._form == OURS else self._converted(data)

    def _converted(self, data: bytes) -> bytes:
        mono = _mixed(_in_16_bits(data, self._form), self._form.channels)
        return _packed(mono if self._resampler is None else self._resampler.read(mono))


class Resampler:
    """By straight lines between samples, which is good enough for a voice. Time is counted in 24,000ths of a sample."""

    def __init__(self, rate: int) -> None:
        self._step = rate
        self._at = 0
        self._rest: list[int] = []

    def read(self, samples: Sequence[int]) -> list[int]:
        samples = [*self._rest, *samples]
        made = []
        end = (len(samples) - 1) * OURS.rate
        while self._at < end:
            number, part = divmod(self._at, OURS.rate)
            made.append(samples[number] + (samples[number + 1] - samples[number]) * part // OURS.rate)
            self._at += self._step
        used = min(self._at // OURS.rate, len(samples))
        self._rest = samples[used:]
        self._at -= used * OURS.rate
        return made


def _in_16_bits(data: bytes, form: Form) -> Sequence[int]:
    if form.is_float:
        floats = array("f" if form.bits == 32 else "d", data)
        if sys.byteorder == "big":
            floats.byteswap()
        return [round(32_767 * max(-1.0, min(1.0, value))) for value in floats]
    if form.bits == 8:
        return [(value - 128) << 8 for value in data]
    width = form.bits // 8
    # The two highest bytes of each sample.
    upper = bytearray(2 * (len(data) // width))
    upper[0::2], upper[1::2] = data[width - 2 :: width], data[width - 1 :: width]
    samples = array("h", bytes(upper))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def _mixed(samples: Sequence[int], channels: int) -> Sequence[int]:
    if channels == 1:
        return samples
    return [sum(frame) // channels for frame in zip(*(samples[channel::channels] for channel in range(channels)), strict=True)]


def _packed(samples: Sequence[int]) -> bytes:
    packed = array("h", samples)
    if sys.byteorder == "big":
        packed.byteswap()
    return packed.tobytes()
