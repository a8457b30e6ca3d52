"""The Files dialect: the form of an upload, the queries of a list, and OpenAI's file object."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from openai_api.errors import InvalidRequest
from openai_api.translation.conversation import Notice

from .chat.invalid import check_range, missing, unsupported
from .forms import read_form

PURPOSES = ("user_data", "vision", "assistants")
_WITHOUT_EFFECT = {
    "batch": "Castor runs no batches",
    "fine-tune": "Gemini cannot be fine-tuned here",
    "evals": "Castor runs no evals",
}
_SHORTEST_LIFE, _LONGEST_LIFE = 3_600, 2_592_000
GOOGLES_LIFE = 172_800
"""Seconds: Google deletes each file after 48 hours."""
MOST_LISTED = 10_000

_encode = msgspec.json.Encoder().encode


class Wish(Struct, frozen=True):
    """What an upload asks for beside its file. `life`: seconds; None: as long as Google keeps it."""

    purpose: str
    life: int | None = None
    same_project_as: str = ""
    """The id of a file with which it is to be used."""


class Query(Struct, frozen=True):
    after: str = ""
    limit: int = MOST_LISTED
    ascending: bool = False
    purpose: str = ""


class _Form(Struct):
    purpose: str = ""
    same_project_as: str = ""
    expires_after_anchor: str = ""
    expires_after_seconds: str = ""


_NAMES = {
    "expires_after[anchor]": "expires_after_anchor",
    "expires_after[seconds]": "expires_after_seconds",
}


def read_upload(fields: Mapping[str, Sequence[str]], notices: list[Notice]) -> Wish:
    """Raises InvalidRequest."""
    form = read_form(_Form, {_NAMES.get(name, name): values for name, values in fields.items()}, notices=notices)
    if not form.purpose:
        raise missing("purpose")
    if form.purpose in _WITHOUT_EFFECT:
        message = f"A file for '{form.purpose}' would be of no use: {_WITHOUT_EFFECT[form.purpose]}. Use 'user_data'."
        raise InvalidRequest(message, param="purpose", code="unsupported_purpose")
    if form.purpose not in PURPOSES:
        raise unsupported(form.purpose, PURPOSES, "purpose")
    return Wish(form.purpose, _read_life(form, notices), form.same_project_as)


def read_query(given: Mapping[str, str]) -> Query:
    """Raises InvalidRequest."""
    limit = _whole(given.get("limit") or str(MOST_LISTED), "limit")
    check_range(limit, 1, MOST_LISTED, "limit")
    order = given.get("order") or "desc"
    if order not in ("asc", "desc"):
        raise unsupported(order, ("asc", "desc"), "order")
    purpose = given.get("purpose", "")
    if purpose and purpose not in (*PURPOSES, *_WITHOUT_EFFECT):
        raise unsupported(purpose, PURPOSES, "purpose")
    return Query(given.get("after", ""), limit, order == "asc", purpose)


def write_file(
    *, id: str, bytes: int, created_at: float, expires_at: float, filename: str, purpose: str, status: str, detail: str
) -> dict[str, Any]:  # fmt: skip
    """OpenAI's object; `status` is uploaded, processed or error."""
    return {
        "id": id,
        "object": "file",
        "bytes": bytes,
        "created_at": int(created_at),
        "expires_at": int(expires_at),
        "filename": filename,
        "purpose": purpose,
        "status": status,
        "status_details": detail or None,
    }


def write_list(files: list[dict[str, Any]], *, has_more: bool) -> bytes:
    ends = {"first_id": files[0]["id"], "last_id": files[-1]["id"]} if files else {"first_id": None, "last_id": None}
    return _encode({"object": "list", "data": files, **ends, "has_more": has_more})


def write_deletion(file_id: str) -> bytes:
    return _encode({"id": file_id, "object": "file", "deleted": True})


def _read_life(form: _Form, notices: list[Notice]) -> int | None:
    if not form.expires_after_anchor and not form.expires_after_seconds:
        return None
    if form.expires_after_anchor != "created_at":
        raise unsupported(form.expires_after_anchor, ("created_at",), "expires_after[anchor]")
    life = _whole(form.expires_after_seconds, "expires_after[seconds]")
    check_range(life, _SHORTEST_LIFE, _LONGEST_LIFE, "expires_after[seconds]")
    if life > GOOGLES_LIFE:
        notices.append(Notice("expires_after[seconds]", "Google deletes every file after 48 hours"))
    return life


def _whole(text: str, param: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 12):
        raise InvalidRequest(f"Invalid '{param}': expected a whole number.", param=param, code="invalid_type")
    return int(text)
