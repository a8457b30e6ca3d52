"""What the request log keeps of one request: its form in the database, inside the encryption."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator

import msgspec
from msgspec import Struct

Pairs = list[tuple[str, str]]
"""(name, value) of headers, or of the fields of a form."""


class Text(Struct, omit_defaults=True):
    """`size`: bytes of what it was; 0 and no text: nothing came."""

    text: str = ""
    size: int = 0
    cut: bool = False
    media_type: str = ""


class File(Struct):
    """Of a form. Its bytes are not kept."""

    field: str
    filename: str
    media_type: str
    size: int


class Call(Struct, omit_defaults=True):
    """What was sent to an upstream, and what it answered. `status` 0: it did not."""

    method: str
    url: str
    body: int = -1
    """Its place among the bodies: an attempt after another often sends the same one."""
    status: int = 0
    answer: Text = msgspec.field(default_factory=Text)


class Attempt(Struct, omit_defaults=True):
    credential: str
    outcome: str = ""
    ms: float = 0.0
    calls: list[Call] = []


class Kept(Struct, omit_defaults=True):
    headers: Pairs = []
    request: Text = msgspec.field(default_factory=Text)
    is_form: bool = False
    fields: Pairs = []
    files: list[File] = []
    bodies: list[Text] = []
    """Those that were sent upstream."""
    attempts: list[Attempt] = []
    """The last ones."""
    earlier_attempts: int = 0
    answer_status: int = 0
    answer_headers: Pairs = []
    answer: Text = msgspec.field(default_factory=Text)

    def texts(self) -> Iterator[str]:
        """All that somebody said."""
        yield from (self.request.text, self.answer.text)
        yield from (value for _, value in self.fields)
        yield from (body.text for body in self.bodies)
        yield from (call.answer.text for attempt in self.attempts for call in attempt.calls)

    def packed(self) -> str:
        return b64encode(zlib.compress(msgspec.json.encode(self), 3)).decode()


def unpacked(packed: str) -> Kept:
    return msgspec.json.decode(zlib.decompress(b64decode(packed)), type=Kept)
