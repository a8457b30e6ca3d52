"""A form written anew for another server: the same fields and files, which are read from the disk while they are sent."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from openai_api.translation.conversation import StoredFile
from openai_api.translation.splicing import Stored


class FormFile(Struct, frozen=True):
    field: str
    filename: str
    content_type: str
    file: StoredFile


class FormBody(Struct, frozen=True):
    """A multipart/form-data body that can be sent again from its beginning. Source: RFC 7578, and HTML on names in quotes."""

    fields: Sequence[tuple[str, str]]
    files: Sequence[FormFile]
    boundary: str

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self.boundary}"

    @property
    def size(self) -> int:
        return sum(piece.size if isinstance(piece, Stored) else len(piece) for piece in self._pieces())

    def __iter__(self) -> Iterator[bytes]:
        for piece in self._pieces():
            if isinstance(piece, Stored):
                yield from piece
            else:
                yield piece

    def with_model(self, model: str) -> "FormBody":
        fields = [(name, model if name == "model" else value) for name, value in self.fields]
        return FormBody(fields, self.files, self.boundary)

    def _pieces(self) -> Iterator[bytes | Stored]:
        for name, value in self.fields:
            yield f'--{self.boundary}\r\nContent-Disposition: form-data; name="{_quoted(name)}"\r\n\r\n{value}\r\n'.encode()
        for file in self.files:
            yield self._head(file)
            yield Stored(file.file)
            yield b"\r\n"
        yield f"--{self.boundary}--\r\n".encode()

    def _head(self, file: FormFile) -> bytes:
        names = f'name="{_quoted(file.field)}"; filename="{_quoted(file.filename)}"'
        kind = f"\r\nContent-Type: {_one_line(file.content_type)}" if file.content_type else ""
        return f"--{self.boundary}\r\nContent-Disposition: form-data; {names}{kind}\r\n\r\n".encode()


def _quoted(name: str) -> str:
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ")
