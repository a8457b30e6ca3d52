"""What is kept of bytes that come bit by bit: their beginning, in which files in base64 are shortened. Pure."""

import re
from codecs import getincrementaldecoder

LEAST = 512
"""Letters that base64 has without a blank between them for it to be taken for a file, or for what else nobody reads."""
_SHOWN = 40
_SLICE = 64 * 1024
"""Bytes that are looked at in one go: what is beyond the end of what is kept is not looked at."""
_LONGEST_REST = 2000

_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=-"
# Some encoders of JSON put a backslash before each slash, which interrupts nothing. Both look at no letter more than once
# or twice: they try where a run begins, and not again at each of its letters, which would take seconds for some texts.
_LONG = re.compile(rb"(?<![A-Za-z0-9+/_=-])[A-Za-z0-9+/_=-]{%d,}+" % LEAST)
_LONG_ESCAPED = re.compile(rb"(?:(?<![A-Za-z0-9+/_=\\-])|(?<=\\[^/]))(?:[A-Za-z0-9+/_=-]|\\/){%d,}+" % LEAST)
_GOES_ON = re.compile(rb"(?:[A-Za-z0-9+/_=-]+|\\/)*+")
_OTHER_ESCAPE = re.compile(rb"\\(?:[^/]|\Z)", re.DOTALL)
_WORD = _LETTERS.decode() + ".~:\\"

_Decoder = getincrementaldecoder("utf-8")


class Excerpt:
    """`most`: bytes that are kept of it."""

    def __init__(self, most: int) -> None:
        self.size = 0
        """Bytes that came."""
        self.is_cut = False
        self._most = most
        self._kept = bytearray()
        self._run = bytearray()
        """The beginning of what may be a file in base64, and has not ended yet."""
        self._run_size = 0

    def take(self, data: bytes | bytearray) -> None:
        self.size += len(data)
        for start in range(0, len(data), _SLICE):
            if self.is_cut:
                return
            self._take(bytes(data[start : start + _SLICE]))

    def skip(self, size: int, note: str = "") -> None:
        """Something of that size came that nobody could read; `note` stands in its place."""
        self.size += size
        if note and not self.is_cut:
            self._take(note.encode())

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return len(self._kept) + len(self._run)

    @property
    def text(self) -> str:
        """What has been kept so far; of what is cut, without the word that the cut goes through: it may be half a secret."""
        kept = bytes(self._kept) if self.is_cut else bytes(self._kept) + self._shown_run()
        text = _Decoder("replace").decode(kept, final=not self.is_cut)
        if not self.is_cut:
            return text
        return text[:-_LONGEST_REST] + text[-_LONGEST_REST:].rstrip(_WORD)

    def _take(self, data: bytes) -> None:
        if self._run_size:
            end = _end_of_run(data)
            self._lengthen(data[:end])
            if end == len(data):
                return
            run, self._run, self._run_size = self._shown_run(), bytearray(), 0
            self._append(run)
            data = data[end:]
        start = _start_of_run(data)
        pattern = _LONG_ESCAPED if b"\\/" in data else _LONG
        self._append(pattern.sub(lambda match: _shortened(match.group(), len(match.group())), data[:start]))
        self._lengthen(data[start:])

    def _lengthen(self, run: bytes) -> None:
        self._run_size += len(run)
        self._run += run[: max(LEAST - len(self._run), 0)]

    def _shown_run(self) -> bytes:
        return bytes(self._run) if self._run_size < LEAST else _shortened(bytes(self._run), self._run_size)

    def _append(self, data: bytes) -> None:
        room = self._most - len(self._kept)
        self._kept += data[:room]
        self.is_cut = self.is_cut or len(data) > room


def _shortened(beginning: bytes, size: int) -> bytes:
    return b"%b\xe2\x80\xa6 (%d characters)" % (beginning[:_SHOWN].rstrip(b"\\"), size)


def _end_of_run(data: bytes) -> int:
    match = _GOES_ON.match(data)
    return match.end() if match is not None else 0


def _start_of_run(data: bytes) -> int:
    """Where the letters of base64 begin that `data` ends in."""
    start = len(data.rstrip(_LETTERS + b"\\"))
    for escape in _OTHER_ESCAPE.finditer(data, start):
        start = escape.end()
    return start
