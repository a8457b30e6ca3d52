"""Files out of ZIP archives, in memory alone: names are labels, nothing is written anywhere, and what is too much is refused."""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from msgspec import Struct

from credentials.keys import printable

LARGEST_FILE = 20 * 1024 * 1024
LARGEST_MEMBER = 1024 * 1024
MOST_MEMBERS = 5_000
MOST_BYTES = 64 * 1024 * 1024
DEEPEST = 2
"""An archive in an archive is read, one in that is not."""

COMPANIONS = frozenset(
    {"google_accounts.json", "settings.json", "state.json", "trustedFolders.json", "projects.json"}
    | {"mcp-oauth-tokens.json", "mcp-oauth-tokens-v2.json"}
)
"""What lies in the Gemini CLI's directory beside a login: no credential, or those of other people's servers."""

_MAGIC = b"PK\x03\x04"
_DIRECTORY_ENTRY = b"PK\x01\x02"
_UNDERSTOOD = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_DAMAGES = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, IndexError, OSError, RuntimeError, ValueError)
"""What Python raises of an archive that is broken, or of a kind that it does not know (RuntimeError)."""


class File(Struct, frozen=True):
    name: str
    content: bytes = b""
    flaw: str = ""
    """Why it was not read."""


class _Budget:
    """How much all archives of one import may still bring."""

    def __init__(self) -> None:
        self.members, self.bytes = MOST_MEMBERS, MOST_BYTES

    @property
    def is_spent(self) -> bool:
        return self.members <= 0 or self.bytes <= 0


def unpack(named: Iterable[tuple[str, bytes]]) -> Iterator[File]:
    """Yield the files as they are, and in the place of an archive those of its files that may hold credentials."""
    budget = _Budget()
    for name, content in named:
        yield from _unpack(shown(name), content, DEEPEST, budget)


def may_hold_credentials(name: str) -> bool:
    """Of a file that was not asked for by name: JSON, an archive, or text that is named after keys."""
    path = PurePosixPath(name.lower())
    if path.name.startswith(".") or "__macosx" in path.parts:
        return False
    return path.suffix in (".json", ".zip") or (path.suffix == ".txt" and "key" in path.stem)


def shown(name: str) -> str:
    """A name that somebody else has chosen, as a terminal or a page may show it."""
    return printable(name.replace("\\", "/"))[-200:] or "a file without a name"


def _unpack(name: str, content: bytes, depth: int, budget: _Budget) -> Iterator[File]:
    if not content.startswith(_MAGIC):
        yield File(name, content)
    elif not depth:
        yield File(name, flaw="an archive within an archive within an archive is not read")
    elif len(content) > LARGEST_FILE:
        yield File(name, flaw=f"an archive of more than {LARGEST_FILE // 2**20} MB")
    elif content.count(_DIRECTORY_ENTRY) > MOST_MEMBERS:
        yield File(name, flaw=f"an archive of more than {MOST_MEMBERS} files")
    else:
        yield from _members(name, content, depth, budget)


def _members(name: str, content: bytes, depth: int, budget: _Budget) -> Iterator[File]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for member in archive.infolist():
                if budget.is_spent:
                    yield File(name, flaw="it brings more than is read at once: the rest of it is left out")
                    return
                if not member.is_dir() and may_hold_credentials(member.filename):
                    yield from _member(archive, member, f"{name}/{shown(member.filename)}", depth, budget)
    except _DAMAGES as error:
        yield File(name, flaw=f"a broken archive ({type(error).__name__})")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, depth: int, budget: _Budget) -> Iterator[File]:
    budget.members -= 1
    content = _content(archive, member)
    if isinstance(content, str):
        yield File(name, flaw=content)
        return
    budget.bytes -= len(content)
    yield from _unpack(name, content, depth - 1, budget)


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | str:
    """What a file in an archive holds, or why it is not read. Its declared size is not believed."""
    if member.flag_bits & 0x1:
        return "encrypted in its archive"
    # Of the other methods Python unpacks a whole block at once, however large it becomes.
    if member.compress_type not in _UNDERSTOOD:
        return "compressed in its archive by a method that is not read"
    try:
        with archive.open(member) as opened:
            content = opened.read(LARGEST_MEMBER + 1)
    except _DAMAGES as error:
        return f"cannot be read from its archive ({type(error).__name__})"
    return content if len(content) <= LARGEST_MEMBER else f"larger than {LARGEST_MEMBER // 2**20} MB"
