"""An Embeddings request, read."""

from typing import Any

import msgspec
from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.chat.invalid import check_range, missing, mistyped, undecodable, unsupported
from openai_api.translation.conversation import EMBEDDING_TASKS, Notice, TextsToEmbed

from .cl100k import UnknownToken, decode

MOST_INPUTS = 2048
"""As many as OpenAI takes in one request."""
ENCODINGS = ("float", "base64")
LENGTHS = {"text-embedding-3-small": 1536, "text-embedding-ada-002": 1536}
"""How long a vector is where `dimensions` is not given: callers of these models have made their tables so."""

_OPTIONS = ("task_type", "title")
_WORDS = {str: "str", int: "int", list: "array", dict: "object"}
"""Types as msgspec calls them."""


class _Body(Struct):
    input: str | list[str | int | list[int]]
    model: str
    dimensions: int | None = None
    encoding_format: str | None = None
    user: str | None = None
    task_type: str | None = None
    title: str | None = None
    google: dict[str, Any] | None = None
    extra_body: dict[str, Any] | None = None


class _KnownBody(_Body, forbid_unknown_fields=True):
    pass


_read_known = msgspec.json.Decoder(_KnownBody).decode
_read_any = msgspec.json.Decoder(_Body).decode
_read_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class EmbeddingsRequest(Struct, frozen=True):
    wanted: TextsToEmbed
    """`model` is still the name as the caller wrote it."""
    encoding: str
    notices: tuple[Notice, ...] = ()


def read_request(body: bytes) -> EmbeddingsRequest:
    """Read the body of POST /v1/embeddings; anything wrong with it raises InvalidRequest."""
    notices: list[Notice] = []
    asked = _decode(body, notices)
    if not asked.model:
        raise missing("model")
    check_range(asked.dimensions, 1, float("inf"), "dimensions")
    encoding = asked.encoding_format or "float"
    if encoding not in ENCODINGS:
        raise unsupported(encoding, ENCODINGS, "encoding_format")
    options = _read_options(asked, notices)
    _check_options(options)
    wanted = TextsToEmbed(
        model=asked.model,
        texts=_read_input(asked.input),
        dimensions=asked.dimensions or LENGTHS.get(asked.model),
        task=options.get("task_type", ""),
        title=options.get("title", ""),
    )
    return EmbeddingsRequest(wanted, encoding, tuple(notices))


def _decode(body: bytes, notices: list[Notice]) -> _Body:
    """Strictly first: only a body with unknown (or wrong) fields is gone over again to name them."""
    try:
        try:
            return _read_known(body)
        except msgspec.ValidationError:
            asked = _read_any(body)
        fields = _read_fields(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise undecodable(error) from error
    known = _Body.__struct_fields__
    notices += [Notice(field, "unknown") for field, value in fields.items() if field not in known and bytes(value) != b"null"]
    return asked


def _read_input(given: str | list[str | int | list[int]]) -> tuple[str, ...]:
    if isinstance(given, str):
        return (_not_empty(given, "input"),)
    if not given:
        raise InvalidRequest("Invalid 'input': it must hold at least one text.", param="input", code="empty_array")
    kind = type(given[0])
    for position, one in enumerate(given):
        if type(one) is not kind:
            raise _mistyped(f"input[{position}]", _WORDS[kind], one)
    if kind is int:
        return (_read_one(given, "input"),)
    if len(given) > MOST_INPUTS:
        message = f"Invalid 'input': at most {MOST_INPUTS} inputs are taken in one request, but there are {len(given)}."
        raise InvalidRequest(message, param="input", code="array_above_max_length")
    return tuple(_read_one(one, f"input[{position}]") for position, one in enumerate(given))


def _read_one(one: Any, param: str) -> str:
    """One text, or one list of tokens."""
    if isinstance(one, str):
        return _not_empty(one, param)
    try:
        return _not_empty(decode(one), param)
    except UnknownToken as error:
        message = (
            f"Invalid '{param}': {error}, the only vocabulary that is known here. Send text instead: "
            "LangChain does with check_embedding_ctx_length=False."
        )
        raise InvalidRequest(message, param=param, code="invalid_value") from error


def _not_empty(text: str, param: str) -> str:
    if not text:
        raise InvalidRequest(f"Invalid '{param}': it is empty.", param=param, code="invalid_value")
    return text


def _read_options(asked: _Body, notices: list[Notice]) -> dict[str, str]:
    """Google's options from all the places where they may stand; the one nearest to the top of the body wins."""
    extra = dict(asked.extra_body or {})
    nested = extra.pop("google", None) or {}
    if not isinstance(nested, dict):
        raise _mistyped("extra_body.google", "object", nested)
    top = {"task_type": asked.task_type, "title": asked.title}
    found: dict[str, str] = {}
    for options, where in ((top, ""), (asked.google or {}, "google."), (nested, "extra_body.google."), (extra, "extra_body.")):
        for name, value in options.items():
            _take_option(found, name, value, where + name, notices)
    return found


def _take_option(found: dict[str, str], name: str, value: Any, param: str, notices: list[Notice]) -> None:
    name = "task_type" if name == "taskType" else name
    if name not in _OPTIONS:
        notices.append(Notice(param, "unknown"))
    elif value is not None and not isinstance(value, str):
        raise _mistyped(param, "str", value)
    elif value:
        found.setdefault(name, value)


def _check_options(options: dict[str, str]) -> None:
    task = options.get("task_type", "")
    if task and task not in EMBEDDING_TASKS:
        raise unsupported(task, EMBEDDING_TASKS, "task_type")
    if "title" in options and task != "RETRIEVAL_DOCUMENT":
        raise InvalidRequest("Invalid 'title': only a text of task_type 'RETRIEVAL_DOCUMENT' has one.", param="title")


def _mistyped(param: str, expected: str, value: Any) -> InvalidRequest:
    return mistyped(param, expected, _WORDS.get(type(value), type(value).__name__))
