"""JSON bodies in which files stand in base64, without the files: they are read from the disk piece by piece, as they are sent."""

from base64 import b64encode
from collections.abc import Iterable, Iterator
from typing import Protocol

from msgspec import Raw, Struct

from openai_api.translation.conversation import StoredFile

_MARK = b"\0"
"""What no encoder of JSON writes, whatever stands in its texts."""
_PIECE = 48 * 1024
"""Bytes of a file that are in memory at once; divisible by three, so that the pieces' base64 can stand one behind the other."""


class Streamed(Protocol):
    """A body that can be sent again from its beginning."""

    @property
    def size(self) -> int:
        """Bytes."""
        ...

    def __iter__(self) -> Iterator[bytes]: ...


class Stored(Struct, frozen=True):
    """A file as it is."""

    file: StoredFile

    @property
    def size(self) -> int:
        return self.file.size

    def __iter__(self) -> Iterator[bytes]:
        return (self.file.read(offset, _PIECE) for offset in range(0, self.file.size, _PIECE))


class Spliced(Struct, frozen=True):
    """A JSON text in pieces, some of which are files that stand there in base64."""

    pieces: tuple[bytes | StoredFile, ...]

    @property
    def size(self) -> int:
        return sum(len(piece) if isinstance(piece, bytes) else -(-piece.size // 3) * 4 for piece in self.pieces)

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, bytes):
                yield piece
            else:
                yield from map(b64encode, Stored(piece))

    def within(self, head: bytes, tail: bytes) -> "Spliced":
        return Spliced((head, *self.pieces, tail))


Body = bytes | Spliced


def place(file: StoredFile) -> Raw:
    """A JSON string to be encoded where the file belongs."""
    return Raw(b'"%b%d%b"' % (_MARK, file.key, _MARK))


def splice(body: bytes, files: Iterable[StoredFile]) -> Body:
    """The body with each file in its place; without files it is the body itself."""
    known = {file.key: file for file in files}
    if not known:
        return body
    texts = body.split(_MARK)
    return Spliced(tuple(known[int(text)] if number % 2 else text for number, text in enumerate(texts)))


def enclosed(head: bytes, body: Body, tail: bytes) -> Body:
    return body.within(head, tail) if isinstance(body, Spliced) else head + body + tail


def in_memory(body: Body) -> bytes:
    """The body of what has no files on the disk."""
    if isinstance(body, Spliced):
        raise TypeError("Files on the disk are part of this body.")
    return body
