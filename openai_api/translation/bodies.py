"""Bodies of JSON, decoded, with a word on every field that is not known."""

from collections.abc import Iterable
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from openai_api.translation.conversation import Notice

from .chat.invalid import undecodable
from .chat.wire import PART_TYPES

B = TypeVar("B", bound=Struct)

_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class BodyDecoder(Generic[B]):
    """`known` is `lenient` that refuses unknown fields: only a body that has such (or wrong) ones is gone over again."""

    def __init__(self, known: type[B], lenient: type[B], *, part_types: Iterable[str] = PART_TYPES) -> None:
        self._read_known = msgspec.json.Decoder(known).decode
        self._read = msgspec.json.Decoder(lenient).decode
        self._fields = frozenset(lenient.__struct_fields__)
        self._part_types = part_types

    def decode(self, body: bytes, notices: list[Notice]) -> B:
        """Raises InvalidRequest."""
        try:
            try:
                return self._read_known(body)
            except msgspec.ValidationError:
                asked = self._read(body)
            fields = _read_fields(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise undecodable(error, part_types=self._part_types) from error
        unknown = (name for name, value in fields.items() if name not in self._fields and bytes(value) != b"null")
        notices += [Notice(name, "unknown") for name in unknown]
        return asked
