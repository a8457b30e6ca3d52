"""Files that Castor hands out by URL: under names that nobody can guess, and for some hours only.

They lie in one folder, which any number of web processes may share. A file appears there whole or not at all.
"""

import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from openai_api.uploads import no_room

TYPES = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}
"""By extension: no other files are kept."""

_NAME = re.compile(rf"[A-Za-z0-9_-]{{32}}\.({'|'.join(TYPES)})", re.ASCII)
_BYTES_OF_CHANCE = 24
_UNFINISHED = ".part"
_WRITING_TAKES = 3600.0
"""Seconds after which what is still unfinished was left by a process that has died."""


class MediaFile(Struct, frozen=True):
    path: Path
    content_type: str
    size: int
    seconds_left: int


class MediaStore:
    def __init__(self, folder: Path, *, hours: float, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._lasts = hours * 3600
        self._clock = clock

    def save(self, content: bytes, extension: str) -> str:
        """The name under which it is found. Raises StorageFull."""
        name = f"{secrets.token_urlsafe(_BYTES_OF_CHANCE)}.{extension}"
        draft = self._folder / f"{name}{_UNFINISHED}"
        try:
            with open(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(content)
            draft.rename(self._folder / name)
        except OSError as error:
            with suppress(OSError):
                draft.unlink()
            raise no_room() from error
        return name

    def find(self, name: str) -> MediaFile | None:
        """None for what is not there, or not any more. No name leads out of the folder."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        path = self._folder / name
        try:
            status = path.stat()
        except OSError:
            return None
        left = int(status.st_mtime + self._lasts - self._clock())
        return MediaFile(path, TYPES[match[1]], status.st_size, left) if left > 0 else None

    def forget_expired(self) -> int:
        """Returns how many files are gone."""
        gone = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # Somebody else was faster.
                    age = self._clock() - entry.stat(follow_symlinks=False).st_mtime
                    if age >= (_WRITING_TAKES if entry.name.endswith(_UNFINISHED) else self._lasts):
                        os.unlink(entry.path)
                        gone += 1
        return gone
