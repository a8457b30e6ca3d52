"""The small files that image models make here."""

import base64
import struct
import zlib
from functools import lru_cache
from typing import Any

PIXELS = {
    "1:1": (1024, 1024), "2:3": (848, 1264), "3:2": (1264, 848), "3:4": (896, 1200), "4:3": (1200, 896), "4:5": (928, 1152),
    "5:4": (1152, 928), "9:16": (768, 1376), "16:9": (1376, 768), "21:9": (1584, 672),
    "1:4": (512, 2048), "4:1": (2048, 512), "1:8": (384, 3072), "8:1": (3072, 384),
}  # fmt: skip
"""Width and height at 1K (section 1.8, which does not have the last four)."""
SCALES = {"512": 0.5, "1K": 1, "2K": 2, "4K": 4}


def pixels(config: dict[str, Any]) -> tuple[int, int]:
    """The size of the picture that an imageConfig asks for."""
    width, height = PIXELS[config.get("aspectRatio", "1:1")]
    scale = SCALES[config.get("imageSize", "1K")]
    return int(width * scale), int(height * scale)


@lru_cache(maxsize=32)
def picture(width: int = 1, height: int = 1) -> str:
    """A PNG, all red."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff\0\0" * width) * height, 1)
    png = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return base64.b64encode(png).decode()


@lru_cache(maxsize=32)
def numbered(width: int, height: int, number: int) -> str:
    """The same picture, told apart from others by what follows its end; nothing follows that of the first, 0."""
    after = str(number).encode() if number else b""
    return base64.b64encode(base64.b64decode(picture(width, height)) + after).decode()
