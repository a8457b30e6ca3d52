"""JSON of servers that count in UTF-16: they may cut a letter in two, and escape each half alone."""

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

# Escapes are taken in turn, so that a backslash which is escaped itself begins none; whole pairs are passed over.
_ESCAPE = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\(?:(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_UNKNOWN_LETTER = rb"\ufffd"

T = TypeVar("T")


def read(decode: Callable[[bytes], T], payload: bytes) -> T:
    """What `decode` makes of the payload; half a letter is an unknown one. Raises msgspec.DecodeError or UnicodeDecodeError."""
    try:
        return decode(payload)
    except msgspec.DecodeError:
        mended = _ESCAPE.sub(_mend, payload)
        if mended == payload:
            raise
        return decode(mended)


def _mend(escape: re.Match[bytes]) -> bytes:
    return _UNKNOWN_LETTER if escape[1] else escape[0]
