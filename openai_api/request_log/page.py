"""What the page of a recorded request shows. Every text is hostile: the template escapes all of them."""

import json
from typing import Any

from credentials.crypto import redact
from openai_api.models import LoggedRequest, UsageRecord
from openai_api.request_log.curl import as_curl, is_faithful
from openai_api.request_log.kept import Attempt, Kept, Pairs, Text
from openai_api.request_log.saying import saying


def page_of(record: LoggedRequest, kept: Kept, *, address: str) -> dict[str, Any]:
    """`address`: of this Castor, without a slash at the end."""
    return {
        "record": record,
        "kept": kept,
        "headers": _lines(kept.headers),
        "request_text": _shown(kept.request),
        "attempts": [_attempt(attempt, kept, number) for number, attempt in enumerate(kept.attempts, kept.earlier_attempts + 1)],
        "answer": _shown(kept.answer),
        "saying": _plain(saying(kept.answer.text)),
        "answer_headers": _lines(kept.answer_headers),
        "answer_kind": kind_of(kept.answer_status),
        "usage": UsageRecord.objects.filter(uid=record.usage_uid).first() if record.usage_uid else None,
        "curl": as_curl(record.method, address + record.path, kept, stream=record.stream),
        "is_faithful": is_faithful(record.path, kept),
        "copy_attrs": {"type": "button", "x-on:click": "copyText(document.getElementById('curl')); copied = true"},
    }


def kind_of(status: int) -> str:
    """Which of Unfold's kinds of labels a status is."""
    if 200 <= status < 300:
        return "success"
    return "warning" if 400 <= status < 500 else "danger"


def _attempt(attempt: Attempt, kept: Kept, number: int) -> dict[str, Any]:
    calls = [
        {
            "call": call,
            "kind": kind_of(call.status),
            "body": _shown(kept.bodies[call.body]),
            "answer": _shown(call.answer),
        }
        for call in attempt.calls
    ]
    return {"number": number, "attempt": attempt, "calls": calls, "is_last": number == kept.earlier_attempts + len(kept.attempts)}


def _shown(text: Text) -> dict[str, Any]:
    return {"text": _pretty(text), "size": text.size, "cut": text.cut, "media_type": text.media_type}


def _pretty(text: Text) -> str:
    if not text.text.lstrip().startswith(("{", "[")):
        return text.text
    try:
        pretty = json.dumps(json.loads(text.text), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return text.text
    # Half a pair of surrogates is fine JSON, and no text; and a secret may have been written with escapes until now.
    return redact(pretty.encode(errors="replace").decode())


def _lines(pairs: Pairs) -> dict[str, Any]:
    return _plain("\n".join(f"{name}: {value}" for name, value in pairs))


def _plain(text: str) -> dict[str, Any]:
    return {"text": text, "size": len(text.encode(errors="replace"))}
