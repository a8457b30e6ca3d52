"""The fields of a form, which are all texts → a typed body."""

from collections.abc import Collection, Mapping, Sequence
from typing import TypeVar

import msgspec
from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.chat.invalid import undecodable
from openai_api.translation.conversation import Notice

T = TypeVar("T", bound=Struct)


def read_form(kind: type[T], fields: Mapping[str, Sequence[str]], *, lists: Collection[str] = (), notices: list[Notice]) -> T:
    """Numbers and booleans are told from texts; what `kind` does not know is noticed. Raises InvalidRequest.

    `lists` names the fields that may be sent several times, as `name` or as `name[]`. A field sent empty counts as not sent.
    """
    given: dict[str, str | list[str]] = {}
    for sent, values in fields.items():
        name = sent.removesuffix("[]")
        said = [value for value in values if value]
        if name not in kind.__struct_fields__:
            notices.append(Notice(sent, "unknown"))
        elif name in lists:
            given[name] = [*given.get(name, ()), *said]
        elif len(said) > 1:
            raise InvalidRequest(f"Invalid '{name}': it was sent {len(said)} times.", param=name, code="invalid_value")
        elif said:
            given[name] = said[0]
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise undecodable(error) from error
