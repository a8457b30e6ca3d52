"""A refusal taken apart: what the body of Google's error says, in whatever wrapping it comes. Nothing is judged here.

Source: wire reference, sections 4.6 and 6.1. Bodies come from a server, but hold words of callers: nothing in them may raise.
"""

import html
import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from credentials.crypto import redact

LONGEST_MESSAGE = 2_000
LONGEST_BODY = 4_000
_LONGEST_READ = 64_000
_LONGEST_PAGE = 8_000

_HTTP_STATUSES = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
"""Source: google/rpc/code.proto."""

_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_KEY_IN_TEXT = re.compile(r"(api[ _-]?key[\"']?\s*[:=]\s*[\"']?|[?&]key=|\bbearer\s+)[^\s'\"&]+", re.IGNORECASE)
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:d|h|ms|m|s))+")
_PART_OF_DURATION = re.compile(r"(\d+(?:\.\d+)?)(d|h|ms|m|s)")
_UNITS = {"d": 86_400.0, "h": 3_600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


class ErrorInfo(Struct, frozen=True):
    reason: str
    domain: str
    metadata: dict[str, str]


class Said(Struct, frozen=True):
    """Google's error. `status` is HTTP's, and always one of an error."""

    status: int
    message: str
    """For people: one line, without secrets."""
    text: str = ""
    """The whole message in lower case, for tests of what it says. Empty for a page, which may quote anything."""
    word: str = ""
    """Google's name of the status, such as FAILED_PRECONDITION."""
    infos: tuple[ErrorInfo, ...] = ()
    violations: tuple[dict[str, Any], ...] = ()
    retry_delay: float | None = None
    """Seconds."""
    links: tuple[str, ...] = ()
    is_of_code_assist: bool = False

    @property
    def reasons(self) -> frozenset[str]:
        return frozenset(info.reason for info in self.infos)

    def metadata(self, name: str) -> str:
        """The first value of that name, or nothing."""
        return next((value for info in self.infos if (value := info.metadata.get(name))), "")


def read_body(status: int, body: bytes) -> Said:
    """`status` is the answer's; where that is none of an error, the body brings its own."""
    text = _decoded(body)
    error = _error_object(text)
    if error is None:
        status = _http_status(status, {})
        return Said(status=status, message=plain(_page_text(text), LONGEST_MESSAGE) or _nothing_said(status))
    return _read_error(_http_status(status, error), error)


def body_for_people(body: bytes) -> str:
    """The body as an admin may keep and see it, whatever stands in it: plain, short, without anything that looks like a key."""
    text = _decoded(body)
    try:
        # Written anew, so that no key hides behind escapes.
        text = json.dumps(json.loads(text), ensure_ascii=False)
    except (ValueError, RecursionError):
        text = html.unescape(text)
    return plain(text, LONGEST_BODY)


def plain(text: str, longest: int) -> str:
    """One line that can be shown, logged and stored, whatever Google or a caller quoted by it has put in."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[:_LONGEST_READ])
    line = redact(_KEY_IN_TEXT.sub(r"\1…", " ".join(printable.split())))
    if len(line) <= longest:
        return line
    # No half of a word: whoever knows the key conceals it, but would not recognise a part of it.
    return line[:longest].rpartition(" ")[0] or line[:longest]


def seconds(duration: Any) -> float | None:
    """A length of time: `56.18s`, `539.47ms`, `1h2m3.5s`, a number of seconds, or protobuf's fields; None for anything else."""
    if isinstance(duration, dict):
        duration = duration.get("seconds")
    if isinstance(duration, str):
        if duration.isdecimal():
            return float(duration)
        if not _DURATION.fullmatch(duration):
            return None
        return sum(float(number) * _UNITS[unit] for number, unit in _PART_OF_DURATION.findall(duration))
    if isinstance(duration, int | float) and duration >= 0:
        return float(min(duration, 1e12))
    return None


def _decoded(body: bytes) -> str:
    return body.decode("utf-8-sig", errors="replace").strip()


def _read_error(status: int, error: dict[str, Any]) -> Said:
    details = _dicts(error.get("details"))
    infos = tuple(_error_info(detail) for detail in details if _is(detail, "ErrorInfo"))
    message = _text(error.get("message"))
    return Said(
        status=status,
        message=plain(message, LONGEST_MESSAGE) or _nothing_said(status),
        text=" ".join(message[:_LONGEST_READ].lower().split()),
        word=_text(error.get("status")),
        infos=infos,
        violations=tuple(item for detail in details if _is(detail, "QuotaFailure") for item in _dicts(detail.get("violations"))),
        retry_delay=next(_retry_delays(details), None),
        links=tuple(_text(link.get("url")) for detail in details if _is(detail, "Help") for link in _dicts(detail.get("links"))),
        # Only Code Assist adds the list that Google's APIs had before `details`.
        is_of_code_assist=bool(_dicts(error.get("errors"))) or any(_is_code_assist(info.domain) for info in infos),
    )


def _error_object(text: str) -> dict[str, Any] | None:
    """The `error` of a body, whatever it is wrapped in; None where there is none."""
    for candidate in (text, _TRAILING_COMMA.sub("", text)):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        return _first_error(value)
    return None


def _first_error(value: Any) -> dict[str, Any] | None:
    waiting = deque([value])
    while waiting:
        value = waiting.popleft()
        if isinstance(value, list):
            waiting.extendleft(reversed(value))
        elif isinstance(value, dict):
            error = value.get("error")
            if isinstance(error, str):
                return {"message": error}
            if isinstance(error, dict):
                return error
    return None


def _http_status(status: int, error: dict[str, Any]) -> int:
    code = error.get("code")
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    for candidate in (status, code, _HTTP_STATUSES.get(_text(error.get("status")))):
        if isinstance(candidate, int) and 400 <= candidate <= 599:
            return candidate
    return 500


def _error_info(detail: dict[str, Any]) -> ErrorInfo:
    metadata = detail.get("metadata")
    named = metadata.items() if isinstance(metadata, dict) else ()
    return ErrorInfo(
        reason=_text(detail.get("reason")),
        domain=_text(detail.get("domain")),
        metadata={name: value for name, value in named if isinstance(value, str)},
    )


def _retry_delays(details: list[dict[str, Any]]) -> Iterator[float]:
    for detail in details:
        if _is(detail, "RetryInfo") and (delay := seconds(detail.get("retryDelay"))) is not None:
            yield delay


def _is_code_assist(domain: str) -> bool:
    return domain.endswith("cloudcode-pa.googleapis.com")


def _is(detail: dict[str, Any], kind: str) -> bool:
    return _text(detail.get("@type")).endswith(f"google.rpc.{kind}")


def _page_text(text: str) -> str:
    """What a reader would see of an HTML page; other text as it is."""
    if not text.startswith("<"):
        return text
    page = text[:_LONGEST_PAGE]
    title = _TITLE.search(page)
    return html.unescape(title.group(1) if title else _TAG.sub(" ", page))


def _nothing_said(status: int) -> str:
    return f"Google answered {status} with no explanation."


def _dicts(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
