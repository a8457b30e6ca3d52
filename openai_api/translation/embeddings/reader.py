"""An Embeddings request, read."""

from typing import Any

from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.bodies import BodyDecoder
from openai_api.translation.chat.invalid import check_range, missing, unsupported
from openai_api.translation.conversation import EMBEDDING_TASKS, Notice, TextsToEmbed
from openai_api.translation.texts import Texts, mistyped_value, read_texts

MOST_INPUTS = 2048
"""As many as OpenAI takes in one request."""
ENCODINGS = ("float", "base64")
LENGTHS = {"text-embedding-3-small": 1536, "text-embedding-ada-002": 1536}
"""How long a vector is where `dimensions` is not given: callers of these models have made their tables so."""

_OPTIONS = ("task_type", "title")
_SEND_TEXT = "Send text instead: LangChain does with check_embedding_ctx_length=False."


class _Body(Struct):
    input: Texts
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


_decode = BodyDecoder(_KnownBody, _Body).decode


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
    texts = read_texts(asked.input, "input", most=MOST_INPUTS, advice=_SEND_TEXT)
    wanted = TextsToEmbed(
        model=asked.model,
        texts=tuple(_not_empty(text, param) for param, text in texts),
        dimensions=asked.dimensions or LENGTHS.get(asked.model),
        task=options.get("task_type", ""),
        title=options.get("title", ""),
    )
    return EmbeddingsRequest(wanted, encoding, tuple(notices))


def _not_empty(text: str, param: str) -> str:
    if not text:
        raise InvalidRequest(f"Invalid '{param}': it is empty.", param=param, code="invalid_value")
    return text


def _read_options(asked: _Body, notices: list[Notice]) -> dict[str, str]:
    """Google's options from all the places where they may stand; the one nearest to the top of the body wins."""
    extra = dict(asked.extra_body or {})
    nested = extra.pop("google", None) or {}
    if not isinstance(nested, dict):
        raise mistyped_value("extra_body.google", "object", nested)
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
        raise mistyped_value(param, "str", value)
    elif value:
        found.setdefault(name, value)


def _check_options(options: dict[str, str]) -> None:
    task = options.get("task_type", "")
    if task and task not in EMBEDDING_TASKS:
        raise unsupported(task, EMBEDDING_TASKS, "task_type")
    if "title" in options and task != "RETRIEVAL_DOCUMENT":
        raise InvalidRequest("Invalid 'title': only a text of task_type 'RETRIEVAL_DOCUMENT' has one.", param="title")
