"""What the Gemini API meant when it refused: one reading of status, reasons, quotas and texts, for everything that reacts to it.

Source: wire reference, sections 6.1 to 6.4. The order of the tests is that of 6.4: reasons and texts before statuses.
"""

import json
import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from credentials.crypto import redact
from credentials.health import DAY, Outcome

_LONGEST_MESSAGE = 2_000


class Refusal(Struct, frozen=True):
    """`status` is Google's; `message` is plain text without secrets; `code` is OpenAI's word for it, where there is one."""

    outcome: Outcome
    status: int
    message: str
    retry_after: float | None = None
    """Seconds, where Google named them and they can be trusted."""
    quota: str = ""
    """Google's id of the quota that is used up."""
    project: str = ""
    """The Google project of the credential, where the refusal names it."""
    code: str | None = None


class _Said(Struct, frozen=True):
    """Google's error, taken apart. `text` is the message in lower case, for the tests below."""

    status: int
    message: str
    is_json: bool
    word: str = ""
    """Google's name of the status, such as FAILED_PRECONDITION."""
    reasons: tuple[str, ...] = ()
    violations: tuple[dict[str, Any], ...] = ()
    retry_delay: float | None = None
    consumer: str = ""

    @property
    def text(self) -> str:
        return self.message.lower()


def read_refusal(status: int, body: bytes) -> Refusal:
    """`status` is the answer's; an error inside a 200 brings its own. Never raises."""
    said = _read(status, body)
    outcome, code = _classify(said)
    return Refusal(
        outcome=outcome,
        status=said.status,
        message=said.message,
        # What it says for a day's quota is wrong more often than not.
        retry_after=None if outcome in (Outcome.DAY_QUOTA, Outcome.NOT_ENTITLED) else _delay(said),
        quota=_quota(said),
        project=_project(said),
        code=code,
    )


# --- Taking it apart ------------------------------------------------------------------------------------------------

_TRAILING_COMMA = re.compile(r",(?=\s*[}\]])")
_TAG = re.compile(r"<(script|style)\b.*?</\1\s*>|<[^>]*>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title", re.DOTALL | re.IGNORECASE)
_KEY_IN_TEXT = re.compile(r"(api_key:)[^\s'\"]+", re.IGNORECASE)


def _read(status: int, body: bytes) -> _Said:
    text = body.decode(errors="replace").strip()
    error = _error_object(text)
    if error is None:
        return _Said(
            _status(status, None), _plain(_page_text(text)) or f"Google answered {status} with no explanation.", is_json=False
        )
    details = [detail for detail in _as_list(error.get("details")) if isinstance(detail, dict)]
    info = [detail for detail in details if _is(detail, "ErrorInfo")]
    metadata = [_as_dict(detail.get("metadata")) for detail in info]
    status = _status(status, error.get("code"))
    violations = [item for detail in details if _is(detail, "QuotaFailure") for item in _as_list(detail.get("violations"))]
    return _Said(
        status=status,
        message=_plain(_as_text(error.get("message"))) or f"Google answered {status} with no explanation.",
        is_json=True,
        word=_as_text(error.get("status")),
        reasons=tuple(_as_text(detail.get("reason")) for detail in info),
        violations=tuple(item for item in violations if isinstance(item, dict)),
        retry_delay=next((_seconds(detail.get("retryDelay")) for detail in details if _is(detail, "RetryInfo")), None),
        consumer=next((_as_text(item.get("consumer")) for item in metadata if item.get("consumer")), ""),
    )


def _error_object(text: str) -> dict[str, Any] | None:
    """The `error` of a body, whatever it is wrapped in; None where there is none."""
    for candidate in (text, _TRAILING_COMMA.sub("", text)):
        try:
            value = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        while isinstance(value, list) and value:
            value = value[0]
        error = value.get("error") if isinstance(value, dict) else None
        if isinstance(error, str):
            return {"message": error}
        return error if isinstance(error, dict) else None
    return None


def _status(status: int, code: Any) -> int:
    """The HTTP status of the answer, or where that was no error, the one that the error names."""
    if status >= 400:
        return status
    return code if isinstance(code, int) and 400 <= code <= 599 else 500


def _page_text(text: str) -> str:
    """What a reader would see of an HTML page; other text as it is."""
    if not text.startswith("<"):
        return text
    title = _TITLE.search(text)
    return title.group(1) if title else _TAG.sub(" ", text)


def _plain(text: str) -> str:
    """One line that can be shown, logged and stored, whatever Google or a caller quoted by it has put in."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 2 * _LONGEST_MESSAGE])
    return redact(_KEY_IN_TEXT.sub(r"\1…", " ".join(printable.split())))[:_LONGEST_MESSAGE]


def _is(detail: dict[str, Any], kind: str) -> bool:
    return _as_text(detail.get("@type")).endswith(f"google.rpc.{kind}")


def _seconds(duration: Any) -> float | None:
    """Protobuf's JSON for a duration, `56.18s`; some servers send its fields instead."""
    if isinstance(duration, dict):
        duration = duration.get("seconds")
    try:
        seconds = float(str(duration).removesuffix("s"))
    except ValueError:
        return None
    return seconds if 0 <= seconds < float("inf") else None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _as_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else ""


# --- Understanding it -----------------------------------------------------------------------------------------------

_RETRY_IN = re.compile(r"retry in (\d+(?:\.\d+)?)\s*(ms|s)\b")
_LIMIT = re.compile(r"limit:\s*(\d+)(?![\d.]*\d)")
_PROJECT = re.compile(r"\bproject (\d{6,})\b|\bprojects/([a-z0-9-]+)")


_Test = Callable[[_Said], bool]
_Rule = tuple[_Test, Outcome, str | None]


def _classify(said: _Said) -> tuple[Outcome, str | None]:
    """(what happened, OpenAI's code for it)."""
    for holds, outcome, code in (*_ANY_STATUS, *_BY_STATUS.get(said.status, ())):
        if holds(said):
            return outcome, code
    if said.status >= 500:
        return Outcome.UPSTREAM_FAILED, None
    return Outcome.UNEXPLAINED, None


def _reason(*reasons: str) -> _Test:
    return lambda said: any(reason in reasons for reason in said.reasons)


def _says(*phrases: str) -> _Test:
    """Any of these, in lower case, stands in the message. Not for 400s that cost a credential: those quote the caller's words."""
    return lambda said: any(phrase in said.text for phrase in phrases)


def _begins(*phrases: str) -> _Test:
    return lambda said: said.text.startswith(phrases)


def _precondition(phrase: str) -> _Test:
    return lambda said: said.word == "FAILED_PRECONDITION" and phrase in said.text


def _is_restricted(said: _Said) -> bool:
    return any(reason.startswith("API_KEY_") and reason.endswith("_BLOCKED") for reason in said.reasons)


def _is_json(said: _Said) -> bool:
    return said.is_json


def _always(_said: _Said) -> bool:
    return True


def _is_zero_quota(said: _Said) -> bool:
    """A limit of 0 means that the model is not in the project's plan. Protobuf's JSON leaves a zero out."""
    stated = [int(limit) for limit in _LIMIT.findall(said.text)]
    if stated:
        return 0 in stated
    values = [str(violation.get("quotaValue", "0")) for violation in said.violations]
    return "0" in values


def _is_day_quota(said: _Said) -> bool:
    return any("PerDay" in _as_text(violation.get("quotaId")) for violation in said.violations) or "perday" in said.text


def _is_minute_quota(said: _Said) -> bool:
    return bool(said.violations) or _delay(said) is not None or "quota exceeded for metric" in said.text


_ANY_STATUS: tuple[_Rule, ...] = (
    (_reason("API_KEY_INVALID"), Outcome.KEY_REJECTED, None),
    (_reason("CONSUMER_SUSPENDED"), Outcome.SUSPENDED, None),
    (_reason("SERVICE_DISABLED"), Outcome.API_DISABLED, None),
    (_is_restricted, Outcome.KEY_RESTRICTED, None),
)

_BY_STATUS: dict[int, tuple[_Rule, ...]] = {
    400: (
        (_begins("api key not valid", "api key expired"), Outcome.KEY_REJECTED, None),
        (_begins("multiple authentication credentials"), Outcome.GATEWAY_REFUSED, None),
        (_precondition("user location is not supported"), Outcome.GATEWAY_REFUSED, None),
        (_precondition("not available in your country"), Outcome.NOT_ENTITLED, None),
        (_says("exceeds the maximum number of tokens"), Outcome.REQUEST_REFUSED, "context_length_exceeded"),
        (_says("is not enabled for", "is not supported for this model"), Outcome.REQUEST_REFUSED, "unsupported_parameter"),
        (_always, Outcome.REQUEST_REFUSED, None),
    ),
    401: (
        (_reason("CREDENTIALS_MISSING"), Outcome.GATEWAY_REFUSED, None),
        (_always, Outcome.KEY_REJECTED, None),
    ),
    402: ((_always, Outcome.OUT_OF_CREDIT, "insufficient_quota"),),
    403: (
        (_says("access the file", "cachedcontent not found"), Outcome.REQUEST_REFUSED, None),
        (_says("reported as leaked"), Outcome.KEY_LEAKED, None),
        (_says("has been suspended", "project has been denied access"), Outcome.SUSPENDED, None),
        (_says("has not been used in project"), Outcome.API_DISABLED, None),
        (_says("unregistered callers"), Outcome.GATEWAY_REFUSED, None),
        (_says("requests to this api"), Outcome.KEY_RESTRICTED, None),
        (_says("models/", "this model", "the model"), Outcome.MODEL_ABSENT, "model_not_found"),
    ),
    404: (
        (_says("files/", "cachedcontent"), Outcome.REQUEST_REFUSED, None),
        (_is_json, Outcome.MODEL_ABSENT, "model_not_found"),
    ),
    408: ((_always, Outcome.UPSTREAM_FAILED, None),),
    413: ((_always, Outcome.REQUEST_REFUSED, "request_too_large"),),
    429: (
        (_says("prepayment credits", "prepaid credit"), Outcome.OUT_OF_CREDIT, "insufficient_quota"),
        (_is_zero_quota, Outcome.NOT_ENTITLED, None),
        (_is_day_quota, Outcome.DAY_QUOTA, "rate_limit_exceeded"),
        (_says("monthly spend", "spend cap", "spending cap", "spending limit"), Outcome.OUT_OF_CREDIT, "insufficient_quota"),
        (_is_minute_quota, Outcome.MINUTE_QUOTA, "rate_limit_exceeded"),
        (_always, Outcome.THROTTLED, "rate_limit_exceeded"),
    ),
    499: ((_always, Outcome.UPSTREAM_FAILED, None),),
}  # fmt: skip


def _delay(said: _Said) -> float | None:
    """Seconds, a day at most: nothing rests longer on Google's word alone."""
    if said.retry_delay is not None:
        return min(said.retry_delay, DAY)
    named = _RETRY_IN.search(said.text)
    if named is None:
        return None
    return min(float(named.group(1)) / (1000 if named.group(2) == "ms" else 1), DAY)


def _quota(said: _Said) -> str:
    """The quota that decides: a day's before a minute's."""
    ids = [quota for violation in said.violations if (quota := _as_text(violation.get("quotaId")))]
    return next((quota for quota in ids if "PerDay" in quota), ids[0] if ids else "")


def _project(said: _Said) -> str:
    if said.consumer.startswith("projects/"):
        return said.consumer.removeprefix("projects/")
    named = _PROJECT.search(said.text)
    return named.group(1) or named.group(2) if named else ""
