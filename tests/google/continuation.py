"""Gemini 4's long answers: one request's output stops at a limit, and a token brings the rest (section 2.6).

The token carries the rest itself, signed, and holds only for the request that it came with.
"""

import base64
import hashlib
import hmac
import json
import zlib
from typing import Any

from tests.google import tokens
from tests.google.errors import invalid
from tests.google.models import Model
from tests.google.signatures import SECRET

ONE_HOP = 65_536
ONE_WHOLE_HOP = {"gemini-4-argon": 32_768}
"""What an answer that is not streamed stops at, where that is less."""


def hop(model: Model, *, streamed: bool) -> int | None:
    """Tokens after which an answer is interrupted; None where none ever is."""
    if model.generation != "4":
        return None
    return ONE_HOP if streamed else ONE_WHOLE_HOP.get(model.id, ONE_HOP)


def divide(text: str, hop_tokens: int | None, request: dict[str, Any]) -> tuple[str, str]:
    """What is said now, and the token for the rest (empty if that is all)."""
    if hop_tokens is None or tokens.count(text) <= hop_tokens:
        return text, ""
    now = tokens.cut(text, hop_tokens)
    rest = zlib.compress(text[len(now) :].encode())
    return now, base64.b64encode(_mac(rest, request) + rest).decode()


def rest(request: dict[str, Any]) -> str:
    """The text that a continued request still has to get; empty if it continues nothing."""
    token = request.get("continuationToken")
    if not token:
        return ""
    raw = base64.b64decode(token.replace("-", "+").replace("_", "/") + "==")
    mac, content = raw[:32], raw[32:]
    if not hmac.compare_digest(mac, _mac(content, request)):
        raise invalid("Request contains an invalid argument.")
    return zlib.decompress(content).decode()


def _mac(content: bytes, request: dict[str, Any]) -> bytes:
    same = {name: value for name, value in request.items() if name != "continuationToken"}
    return hmac.new(SECRET, json.dumps(same, sort_keys=True).encode() + content, hashlib.sha256).digest()
