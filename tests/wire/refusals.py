"""Bodies of Google's refusals, built as they come over the wire (wire reference, sections 4.6, 6.1 to 6.3)."""

import json
from typing import Any

TYPE = "type.googleapis.com/google.rpc."
CODE_ASSIST = "cloudcode-pa.googleapis.com"

DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
TOKENS_DAY = "GenerateContentInputTokensPerModelPerDay"
TOKENS_MINUTE = "GenerateContentPaidTierInputTokensPerModelPerMinute"

EXCEEDED = (
    "You exceeded your current quota, please check your plan and billing details. For more information on this error, head to: "
    "https://ai.google.dev/gemini-api/docs/rate-limits."
)
EXHAUSTED = "Resource has been exhausted (e.g. check quota)."
METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_requests"
SORRY = b"<html><head><title>Sorry...</title></head><body>your computer may be sending automated queries</body></html>"

WORDS = {
    400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 402: "RESOURCE_EXHAUSTED", 403: "PERMISSION_DENIED", 404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED", 499: "CANCELLED", 500: "INTERNAL", 503: "UNAVAILABLE", 504: "DEADLINE_EXCEEDED",
}  # fmt: skip


def error(code: int, message: str, *details: dict[str, Any], word: str | None = None) -> bytes:
    """As AI Studio says it."""
    said = {"code": code, "message": message, "status": WORDS.get(code, "UNKNOWN") if word is None else word}
    return json.dumps({"error": said | ({"details": list(details)} if details else {})}).encode()


def code_assist_error(code: int, message: str, *details: dict[str, Any], legacy: str = "forbidden") -> bytes:
    """As Code Assist says it to one who streams: in a list, with the reasons of old beside the new ones."""
    said: dict[str, Any] = {"code": code, "message": message, "status": WORDS[code]}
    said["errors"] = [{"message": message, "domain": "global", "reason": legacy}]
    return json.dumps([{"error": said | ({"details": list(details)} if details else {})}], indent=2).encode()


def page(title: str) -> bytes:
    """As a front end says it."""
    return f"<!DOCTYPE html><html lang=en><title>{title}</title><p>That’s an error.</p></html>".encode()


def info(reason: str, *, domain: str = "googleapis.com", **metadata: str) -> dict[str, Any]:
    return {"@type": TYPE + "ErrorInfo", "reason": reason, "domain": domain, "metadata": metadata}


def used_up(*quotas: str, value: str | None = "20", metric: str = METRIC) -> dict[str, Any]:
    common = {"quotaMetric": metric, "quotaDimensions": {"location": "global", "model": "gemini-3.8-flash"}}
    return {
        "@type": TYPE + "QuotaFailure",
        "violations": [common | {"quotaId": quota} | ({"quotaValue": value} if value else {}) for quota in quotas],
    }


def retry(delay: Any) -> dict[str, Any]:
    return {"@type": TYPE + "RetryInfo", "retryDelay": delay}


def link(url: str, description: str = "") -> dict[str, Any]:
    return {"@type": TYPE + "Help", "links": [{"description": description, "url": url}]}


def localized(message: str) -> dict[str, Any]:
    return {"@type": TYPE + "LocalizedMessage", "locale": "en-US", "message": message}


def bad_request(description: str) -> dict[str, Any]:
    return {"@type": TYPE + "BadRequest", "fieldViolations": [{"field": "contents", "description": description}]}


def exceeded(limit: int, *, metric: str = METRIC, model: str = "gemini-3.8-flash", seconds: str = "56.18s") -> str:
    return f"{EXCEEDED}\n* Quota exceeded for metric: {metric}, limit: {limit}, model: {model}\nPlease retry in {seconds}."


def capacity_used_up(reset: str, *, reason: str = "QUOTA_EXHAUSTED", retry_delay: str | None = None) -> bytes:
    """Code Assist's own 429; `reset` as it stands in the metadata."""
    metadata = {"uiMessage": "true", "model": "gemini-2.5-pro", "quotaResetDelay": reset}
    details = [info(reason, domain=CODE_ASSIST, **metadata, quotaResetTimeStamp="2026-11-22T15:14:47Z")]
    details += [retry(retry_delay)] if retry_delay else []
    message = f"You have exhausted your capacity on this model. Your quota will reset after {reset}."
    return code_assist_error(429, message, *details, legacy="rateLimitExceeded")
