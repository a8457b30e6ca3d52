"""A Google login as some tool has written it down, and the reading of its fields, which every tool calls otherwise."""

import base64
import json
import math
import re
from datetime import UTC, datetime
from typing import Any

from msgspec import Struct

from credentials.crypto import mask
from credentials.keys import printable, text_of
from credentials.models import Use

_ADDRESS = re.compile(r"[^\s@<>\"']+@[^\s@<>\"']+")
_PROJECT = re.compile(r"[a-z0-9][a-z0-9.:-]{2,99}")
_TOKEN = re.compile(r"[!-~]{8,4000}")
_MILLISECONDS = 1e11
"""Larger numbers are no seconds since 1970 that a token could have: those would be in the year 5138."""


class FoundLogin(Struct, frozen=True):
    """A refresh token that stood in a file, and what else the file says of it. Nothing of that has been asked of Google."""

    where: str
    refresh_token: str = ""
    email: str = ""
    """Whose it is: a label that the file brings, or an id_token whose signature nobody has verified. Empty: it does not say."""
    access_token: str = ""
    expires_at: float = 0.0
    """Of the access token, in seconds since 1970; 0: the file does not say."""
    scope: str = ""
    client_id: str = ""
    client_secret: str = ""
    project: str = ""
    label: str = ""
    use: str = Use.CODE_ASSIST
    """What the tool that wrote the file uses it for."""
    tool: str = ""
    issued_to: str = ""
    """The OAuth client that it was made with, if the file says."""
    origin: str = ""
    """Fingerprint of the refresh token as the file has it, which Google may replace when it is renewed."""
    flaw: str = ""
    """Why it cannot be taken in; empty: it can."""

    def __repr__(self) -> str:
        return f"<FoundLogin in {self.where}>"

    @property
    def masked(self) -> str:
        return self.email or mask(self.refresh_token)


def read_address(text: str) -> str:
    return text if len(text) <= 254 and text.isprintable() and _ADDRESS.fullmatch(text) else ""


def read_project(text: str) -> str:
    """A project's id. Some tools write `ALL`, a list, or a made-up path there: then Google's own choice is better."""
    return text if _PROJECT.fullmatch(text) else ""


def read_token(text: str) -> str:
    return text if _TOKEN.fullmatch(text) else ""


def read_expiry(value: Any) -> float:
    """When an access token ends, in seconds since 1970, from seconds, milliseconds or ISO 8601 (UTC if it names no zone)."""
    if isinstance(value, str):
        return _read_moment(value.strip())
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        seconds = float(value)
    except OverflowError:
        return 0.0
    return _plausible(seconds)


def _read_moment(text: str) -> float:
    try:
        return _plausible(float(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
        return _plausible((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return 0.0


def _plausible(number: float) -> float:
    seconds = number / 1000 if number > _MILLISECONDS else number
    return seconds if math.isfinite(seconds) and 0 < seconds < _MILLISECONDS else 0.0


def read_claims(id_token: str) -> dict[str, Any]:
    """The payload of a JWT. Its signature is not verified, so what it says is a label and nothing to rely on."""
    payload = id_token.split(".")[1] if id_token.count(".") == 2 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (ValueError, RecursionError):  # binascii.Error and UnicodeDecodeError are ValueErrors.
        return {}
    return claims if isinstance(claims, dict) else {}


def read_scope(fields: dict[str, Any]) -> str:
    """Scopes with blanks between, from such text or from a list."""
    listed = fields.get("scopes", fields.get("scope"))
    if isinstance(listed, list):
        return " ".join(scope for scope in listed if isinstance(scope, str))
    return printable(text_of(fields, "scope", "scopes"))
