"""How Google says no: one JSON shape for every error (section 6.1)."""

from typing import Any

ERROR_INFO = "type.googleapis.com/google.rpc.ErrorInfo"
LOCALIZED_MESSAGE = "type.googleapis.com/google.rpc.LocalizedMessage"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"
HELP = "type.googleapis.com/google.rpc.Help"
QUOTA_FAILURE = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"

SERVICE = "generativelanguage.googleapis.com"

STATUS_WORDS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Refusal(Exception):
    """A request that Google refuses. `body` is the JSON object to send, or the text of a page that some front end made."""

    def __init__(self, code: int, body: dict[str, Any] | str, message: str = "") -> None:
        self.message = message or (body if isinstance(body, str) else body["error"]["message"])
        super().__init__(self.message)
        self.code = code
        self.body = body


def refusal(code: int, message: str, *details: dict[str, Any], status: str = "") -> Refusal:
    return Refusal(code, error_body(code, message, *details, status=status))


def error_body(code: int, message: str, *details: dict[str, Any], status: str = "") -> dict[str, Any]:
    error: dict[str, Any] = {"code": code, "message": message, "status": status or STATUS_WORDS[code]}
    if details:
        error["details"] = list(details)
    return {"error": error}


def error_info(reason: str, *, domain: str = "googleapis.com", **metadata: str) -> dict[str, Any]:
    """`service` in the metadata is the Gemini API, unless another is given."""
    return {"@type": ERROR_INFO, "reason": reason, "domain": domain, "metadata": {"service": SERVICE, **metadata}}


def localized(message: str) -> dict[str, Any]:
    return {"@type": LOCALIZED_MESSAGE, "locale": "en-US", "message": message}


def invalid(message: str) -> Refusal:
    """400 for a request that breaks a rule of the service; these carry no details (section 1.14)."""
    return refusal(400, message)


def bad_payload(violations: list[tuple[str, str]]) -> Refusal:
    """400 for a body that does not fit its message: `(path, text)` each; the texts become the lines of the message."""
    fields = [{"field": path, "description": text} if path else {"description": text} for path, text in violations]
    message = "\n".join(text for _, text in violations)
    return refusal(400, message, {"@type": BAD_REQUEST, "fieldViolations": fields})
