"""What the Gemini CLI says of a failure → a refusal, read by the same classifier as Google's own words.

It hands on Google's whole error, or its sentence alone, or a sentence of its own; the status is in the exit code, or in the
name of the error that it logs. Source: wire reference, section 7.6, and gemini-cli 0.61.0 run against a server of ours.
"""

import json
import re
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from credentials.health import Outcome
from openai_api.upstream.refusal_body import body_for_people
from openai_api.upstream.refusals import Refusal, read_refusal

_API_ERROR = re.compile(r"\[API Error: (.*)\]", re.DOTALL)
"""All that follows is advice to whoever sits in front of the CLI."""
_SETTING_UP = re.compile(
    r"^Error authenticating: \S*GaxiosError: (?P<message>[^\n]*)\n.*?^ +code: (?P<status>[45]\d\d),$", re.DOTALL | re.MULTILINE
)
"""An error of Google's from before the conversation, when an account is introduced to Code Assist."""
_LOGGED = re.compile(
    r"^(?:Error when talking to Gemini API(?: Full report available at: \S+)?|Validation handler failed:) (\w+): ", re.MULTILINE
)
"""Only the first is meant: what follows it may quote a caller."""
_LINK = re.compile(r"^  (?:validationLink|appealUrl): '(https://[^'\s]+)',?$", re.MULTILINE)
_SUGGESTED = re.compile(r"\nSuggested retry after [^\n]*\Z")
_DAY_IS_OVER = "You have exhausted your daily quota on this model."
"""Said in place of Google's own words, which name the quota."""

_QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
_ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"


class _Named(Struct, frozen=True):
    """What the CLI makes of some errors, of which it keeps neither the status nor the details."""

    status: int
    reason: str = ""
    link: str = ""
    """Where Google's error has the link to the page on which a person can put it right."""


_ERRORS = {
    "AccountSuspendedError": _Named(403, "TOS_VIOLATION", "appeal_url"),
    "ValidationRequiredError": _Named(403, "VALIDATION_REQUIRED", "validation_link"),
    "UnauthorizedError": _Named(401),
    "ForbiddenError": _Named(403),
    "BadRequestError": _Named(400),
    "ModelNotFoundError": _Named(404),
}
_UNKNOWN = _Named(0)


def read_failure(failure: str | None, code: int, errors: bytes, *, of_code_assist: bool) -> Refusal:
    """`failure`: the message of its result, if it has come to one; `code`: its exit code; `errors`: its standard error."""
    log = errors.decode(errors="replace")
    if said := _API_ERROR.match(failure or ""):
        refusal = _of_google(said.group(1), code, log, of_code_assist=of_code_assist)
    elif said := _SETTING_UP.search(log):
        refusal = read_refusal(0, _body(said["message"], int(said["status"])), of_code_assist=of_code_assist)
    else:
        refusal = _unexplained(failure or log, code)
    # Code Assist counts by account, so no project rests with it.
    return replace(refusal, project="") if of_code_assist else refusal


def _of_google(text: str, code: int, log: str, *, of_code_assist: bool) -> Refusal:
    logged = _LOGGED.search(log)
    named = _ERRORS.get(logged.group(1), _UNKNOWN) if logged else _UNKNOWN
    status = _http_status(code) or named.status
    body = _whole_error(text)
    if body is None and not status:  # It has not come as far as an answer of Google's.
        return Refusal(outcome=Outcome.UPSTREAM_FAILED, status=502, message=f"The Gemini CLI failed: {_plain(text)}")
    return read_refusal(status, body or _body(text, status, named, log), of_code_assist=of_code_assist)


def _http_status(code: int) -> int:
    """The CLI exits with the status of a failed call, of which 8 bits are left. Below are signals and its own codes."""
    return code + 256 if 144 <= code <= 255 else 0


def _whole_error(text: str) -> bytes | None:
    """Google's own body, where the CLI hands it on."""
    if text.startswith("<"):
        return text.encode()
    try:
        return msgspec.json.encode(json.JSONDecoder().raw_decode(text)[0]) if text[:1] in ("{", "[") else None
    except (ValueError, RecursionError):
        return None


def _body(text: str, status: int, named: _Named = _UNKNOWN, log: str = "") -> bytes:
    """A body such as Google's must have been, from what the CLI has left of it."""
    details: list[dict[str, Any]] = []
    if text == _DAY_IS_OVER:
        details.append({"@type": _QUOTA_FAILURE, "violations": [{"quotaId": "PerDay", "quotaValue": ""}]})
    if named.reason:
        link = _LINK.search(log)
        details.append({"@type": _ERROR_INFO, "reason": named.reason, "metadata": {named.link: link.group(1)} if link else {}})
    return msgspec.json.encode({"error": {"code": status, "message": _SUGGESTED.sub("", text), "details": details}})


def _unexplained(text: str, code: int) -> Refusal:
    message = f"The Gemini CLI ended with exit code {code}."
    return Refusal(outcome=Outcome.UNEXPLAINED, status=502, message=message, unknown=_plain(text) or "It said nothing.")


def _plain(text: str) -> str:
    return body_for_people(text.encode(errors="replace"))
