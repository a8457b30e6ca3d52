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
_ASIDE = 0x10F800 - 0xD800
"""From half a letter to what stands in for it: one of the last 2048 letters of all, which are for private use."""
# Two halves that belong together, or one alone, of those that are set aside, in UTF-8.
_SET_ASIDE = re.compile(rb"(\xf4\x8f[\xa0-\xaf].)(\xf4\x8f[\xb0-\xbf].)|\xf4\x8f[\xa0-\xbf].", re.DOTALL)

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


def set_aside(payload: bytes) -> bytes:
    """The same, but that a letter stands in for each half that is alone: its other half may come with the next payload."""
    return _ESCAPE.sub(lambda escape: chr(int(escape[1][1:], 16) + _ASIDE).encode() if escape[1] else escape[0], payload)


def put_together(text: bytes) -> bytes:
    """What has been made of such payloads, with whole letters where both halves came."""
    return _SET_ASIDE.sub(_letter, text)


def _letter(halves: re.Match[bytes]) -> bytes:
    if halves[1] is None:
        return "\ufffd".encode()
    high, low = (ord(half.decode()) - _ASIDE for half in halves.groups())
    return chr(0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00).encode()


def _mend(escape: re.Match[bytes]) -> bytes:
    return _UNKNOWN_LETTER if escape[1] else escape[0]
