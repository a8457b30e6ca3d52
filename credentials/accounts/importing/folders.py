"""Files and directories that somebody names on the command line → (name, content), never more than is safe to hold."""

from collections.abc import Iterator
from pathlib import Path

from credentials.accounts.importing.archives import COMPANIONS, LARGEST_FILE, may_hold_credentials

MOST_FILES = 10_000
_OF_THE_ROTATORS = "oauth creds"
"""Proxies that rotate logins keep them in a directory of this name, and their key files beside it."""


def files_at(path: Path) -> list[Path]:
    """The file itself; of a directory its own files that may hold credentials, and those of `oauth creds` within it."""
    if not path.is_dir():
        return [path]
    return sorted(file for folder in (path, path / _OF_THE_ROTATORS) if folder.is_dir() for file in _files_in(folder))[
        :MOST_FILES
    ]


def read_named(path: Path) -> list[tuple[str, bytes]]:
    """The file, and whatever beside it says whose login is in it. Raises OSError."""
    companion = path.with_name("google_accounts.json")
    named = [(str(path), _content(path))]
    if path.name == "oauth_creds.json" and companion.is_file():
        named.append((str(companion), _content(companion)))
    return named


def _files_in(folder: Path) -> Iterator[Path]:
    for file in folder.iterdir():
        if file.is_file() and may_hold_credentials(file.name) and file.name not in COMPANIONS:
            yield file


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST_FILE + 1)  # One more than is taken, so that too much is noticed.
