"""Recordings to transcribe: 16-bit mono sound at 16 kHz, in which the simulated Google hears a word in every half second."""

import io
import struct
import wave

RATE = 16_000
SAID = "The beaver builds a dam. Is the water deep enough? It says: three metres!"
"""In seven seconds."""


def wav(seconds: float, *, silent: bool = False) -> bytes:
    samples = int(seconds * RATE)
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(bytes(2 * samples) if silent else b"\x10\x00" * samples)
    return content.getvalue()


def mp3(seconds: float) -> bytes:
    """Frames of MPEG-1 layer III at 128 kbit/s and 44.1 kHz, with nothing in them."""
    return (b"\xff\xfb\x90\x00" + bytes(413)) * int(seconds * 44_100 / 1152)


def flac(seconds: float) -> bytes:
    packed = RATE << 44 | 15 << 36 | int(seconds * RATE)
    return b"fLaC\x80\x00\x00\x22" + bytes(10) + packed.to_bytes(8, "big") + bytes(16) + b"\x10" * 64_000


def m4a(seconds: float, *, brand: bytes = b"M4A ", behind: bool = False) -> bytes:
    """`behind`: what tells the length stands behind the sound."""
    header = box(b"ftyp", brand + bytes(4))
    movie = box(b"moov", box(b"mvhd", struct.pack(">IIIII", 0, 0, 0, 1000, int(seconds * 1000)) + bytes(80)))
    sound = box(b"mdat", b"\x10" * 64_000)
    return header + (sound + movie if behind else movie + sound)


def box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def opus(seconds: float) -> bytes:
    head = b"OpusHead\x01\x01" + struct.pack("<HI", 312, RATE)
    first = b"OggS\x00\x02" + bytes(8) + bytes(12) + b"\x01\x13" + head
    last = b"OggS\x00\x04" + struct.pack("<q", int(seconds * 48_000) + 312) + bytes(12) + b"\x01\xff"
    return first + b"\x10" * 64_000 + last + b"\x10" * 255
