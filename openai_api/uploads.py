"""Forms with files (multipart/form-data), taken in as they come: what is a file goes to the disk, never into memory."""

import os
from collections.abc import AsyncIterator
from contextlib import suppress
from io import BufferedReader, RawIOBase
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from openai_api.errors import InvalidRequest, StorageFull

MOST_FILES = 32
MOST_TEXT = 1024 * 1024
"""Bytes of all fields that are no files, together."""
MOST_FIELDS = 2000
"""One list may have a thousand entries, each of which is a field."""


class Upload:
    """A file of a form; a `StoredFile`. It has no name on the disk, so nothing is left of it, however the process ends."""

    def __init__(self, key: int, field: str, filename: str, content_type: str, folder: Path) -> None:
        self.key = key
        self.field = field
        self.filename = filename
        self.content_type = content_type
        """As it was sent: it may be anything."""
        self.size = 0
        self._file = TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115  # closed with its form

    def read(self, offset: int, size: int) -> bytes:
        """Whoever else reads it is not disturbed."""
        return os.pread(self._file.fileno(), size, offset)

    def open(self) -> BufferedReader:
        """To be read from its beginning, as any file."""
        return BufferedReader(_Reading(self))

    def take(self, data: bytes) -> None:
        self.size += len(data)
        while data:
            data = data[self._file.write(data) :]

    def close(self) -> None:
        self._file.close()


class Form:
    """What a form holds. Its files are gone once it is closed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.fields: dict[str, list[str]] = {}
        """The values of each name, which stand as they were sent: `image[]` and `image` are two."""
        self.files: list[Upload] = []

    def files_of(self, name: str) -> list[Upload]:
        """Those that were sent as `name`, or as `name[]`."""
        return [file for file in self.files if file.field.removesuffix("[]") == name]

    def add(self, field: str, filename: str = "", content_type: str = "") -> Upload:
        """A file with nothing in it yet."""
        upload = Upload(len(self.files), field, filename, content_type, self._folder)
        self.files.append(upload)
        return upload

    def keep(self, content: bytes) -> Upload:
        """What was made of its files, on the disk and for as long as they are. Raises StorageFull."""
        upload = self.add("")
        try:
            upload.take(content)
        except OSError as error:
            raise no_room() from error
        return upload

    def close(self) -> None:
        for file in self.files:
            file.close()


def is_form(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


async def read_form(content_type: str, chunks: AsyncIterator[bytes], folder: Path) -> Form:
    """Raises InvalidRequest for what is no form, or too much of one, and StorageFull; and whatever `chunks` raises."""
    reader = _FormReader(content_type, folder)
    try:
        async for chunk in chunks:
            reader.feed(chunk)
        return reader.finish()
    except BaseException:  # Also if the client went away: the files must not wait for the garbage collector.
        reader.form.close()
        raise


class _FormReader:
    def __init__(self, content_type: str, folder: Path) -> None:
        self.form = Form(folder)
        self._text = self._fields = 0
        self._headers: dict[str, bytes] = {}
        self._header = b""
        self._value = b""
        self._field = ""
        self._upload: Upload | None = None
        self._said = bytearray()
        self._ended = False
        boundary = parse_options_header(content_type)[1].get(b"boundary")
        if not boundary:
            raise InvalidRequest("The request's Content-Type names no boundary, so the form cannot be read.")
        try:
            self._parser = MultipartParser(boundary, self._callbacks())
        except FormParserError as error:
            raise _malformed() from error

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise _malformed() from error
        except OSError as error:
            raise no_room() from error

    def finish(self) -> Form:
        if not self._ended:
            raise InvalidRequest("The form breaks off: its closing boundary is missing.")
        return self.form

    def _callbacks(self) -> Any:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._take_header,
            "on_header_value": self._take_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._begin_content,
            "on_part_data": self._take_content,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._headers, self._upload, self._said = {}, None, bytearray()

    def _take_header(self, data: bytes, start: int, end: int) -> None:
        self._header += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._headers[self._header.decode("latin-1").lower()] = self._value
        self._header = self._value = b""

    def _begin_content(self) -> None:
        _, options = parse_options_header(self._headers.get("content-disposition"))
        self._field = _decoded(options.get(b"name", b""))
        if not self._field:
            raise InvalidRequest("A part of the form has no name.")
        if b"filename" in options:
            self._begin_file(_decoded(options[b"filename"]))
            return
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise InvalidRequest(f"The form has more than {MOST_FIELDS} fields.", param=self._field)

    def _begin_file(self, filename: str) -> None:
        if len(self.form.files) == MOST_FILES:
            raise InvalidRequest(f"The form has more than {MOST_FILES} files.", param=self._field)
        content_type = self._headers.get("content-type", b"").decode("latin-1")
        self._upload = self.form.add(self._field, filename, content_type)

    def _take_content(self, data: bytes, start: int, end: int) -> None:
        if self._upload is not None:
            self._upload.take(data[start:end])
            return
        self._text += end - start
        if self._text > MOST_TEXT:
            raise InvalidRequest(f"The texts of the form have more than {MOST_TEXT} bytes together.", param=self._field)
        self._said += data[start:end]

    def _end_part(self) -> None:
        if self._upload is None:
            self.form.fields.setdefault(self._field, []).append(self._said.decode(errors="replace"))

    def _end(self) -> None:
        self._ended = True


class _Reading(RawIOBase):
    def __init__(self, upload: Upload) -> None:
        self._upload = upload
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._upload.size}[whence]
        self._at = max(0, start + offset)
        return self._at

    def readinto(self, buffer: Any, /) -> int:
        data = self._upload.read(self._at, len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)


def _decoded(name: bytes) -> str:
    with suppress(UnicodeDecodeError):
        return name.decode()
    return name.decode("latin-1")


def _malformed() -> InvalidRequest:
    return InvalidRequest("The request body is no well-formed multipart/form-data.")


def no_room() -> StorageFull:
    return StorageFull("This Castor cannot keep the file: its disk is full, or not writable.")
