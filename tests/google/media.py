"""The small files that image and speech models make here."""

import base64
import struct
import zlib


def picture() -> str:
    """A PNG of one red pixel."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\xff\0\0")) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


def silence() -> str:
    """A WAV file of a second of silence: 16-bit mono at 24 kHz."""
    samples = bytes(48_000)
    head = struct.pack(
        "<4sI8sIHHIIHH4sI", b"RIFF", 36 + len(samples), b"WAVEfmt ", 16, 1, 1, 24_000, 48_000, 2, 16, b"data", len(samples)
    )
    return base64.b64encode(head + samples).decode()
