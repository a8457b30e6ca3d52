"""Requests as the views get them, and recordings of them."""

import json
from collections.abc import Callable
from io import BytesIO

from credentials.roster import TokenEntry
from openai_api.request_log.recording import Recording
from proxy_site.lean import _Request

TOKEN = TokenEntry(id=0, owner_id=0, digest="", label="laptop", prefix="castor-abc")


def request(
    body: bytes = b'{"model": "m"}', *, path: str = "/v1/chat/completions", query: bytes = b"", **headers: str
) -> _Request:
    given = [
        (name.replace("_", "-").encode(), value.encode())
        for name, value in {"content_type": "application/json", **headers}.items()
    ]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": query, "headers": given}
    made = _Request(scope, BytesIO(b""))
    made._body = body
    return made


def recording(
    body: bytes = b"{}",
    *,
    done: Callable[[Recording], None] = lambda _: None,
    token: TokenEntry = TOKEN,
    most: int = 10_000,
    **given,
) -> Recording:
    """`given`: what else the request has."""
    return Recording(request(body, **given), token, request_id="req-1", most=most, done=done)


def answered(recording: Recording, said: object = "hi", status: int = 200) -> Recording:
    recording.hear({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    recording.hear({"type": "http.response.body", "body": json.dumps(said).encode()})
    recording.ended()
    return recording
