"""Every error body of section 6, by name: `make("day_quota", Circumstances(model="gemini-3.8-flash"))`.

The names are what `google.script(error=…)` and the control endpoint take. `tests/wire/google_errors.json` holds the
bodies as they were seen, and a test holds this file to them.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

from msgspec import Struct

from tests.google import bearer, files, keys, models
from tests.google.errors import HELP, QUOTA_FAILURE, RETRY_INFO, SERVICE, Refusal, error_info, localized, refusal

QUOTA_DOCS = {"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}
SORRY = (
    "<html><head><title>Sorry...</title></head><body><h1>We're sorry...</h1>"
    "<p>... but your computer or network may be sending automated queries. To protect our users, we can't process your "
    "request right now.</p></body></html>"
)


class Circumstances(Struct, frozen=True, kw_only=True):
    """What an error body may mention."""

    key: str = ""
    account: str = ""
    project: str = ""
    model: str = "gemini-3.8-flash"
    method: str = "generateContent"
    limit: int = 20
    """The quota that was used up; 0 is a quota that the project does not have at all."""
    seconds: float = 56.18
    """What `retryDelay` says."""
    paid: bool = False
    now: datetime = datetime.fromtimestamp(0, UTC)

    @property
    def project_number(self) -> str:
        return str(100_000_000_000 + crc32(self.project.encode()))


Maker = Callable[[Circumstances], Refusal]
FAULTS: dict[str, Maker] = {}


def make(name: str, circumstances: Circumstances) -> Refusal:
    """The error of that name; `KeyError` names the ones that exist."""
    if name not in FAULTS:
        raise KeyError(f"There is no fault {name!r}. There are: {', '.join(sorted(FAULTS))}.")
    return FAULTS[name](circumstances)


def _fault(maker: Maker) -> Maker:
    FAULTS[maker.__name__] = maker
    return maker


def _plain(name: str, code: int, message: str, status: str = "") -> None:
    FAULTS[name] = lambda _: refusal(code, message, status=status)


# --- The key ------------------------------------------------------------------------------------------------------


@_fault
def api_key_invalid(c: Circumstances) -> Refusal:
    return keys.invalid_key()


@_fault
def api_key_expired(c: Circumstances) -> Refusal:
    return keys.invalid_key("API key expired. Please renew the API key.")


@_fault
def no_key(c: Circumstances) -> Refusal:
    return keys.no_key()


@_fault
def wrong_kind(c: Circumstances) -> Refusal:
    """What an old standard key gets, or a bearer token where a key belongs."""
    return bearer.wrong_kind()


@_fault
def two_credentials(c: Circumstances) -> Refusal:
    return keys.two_credentials()


@_fault
def credentials_missing(c: Circumstances) -> Refusal:
    message = "API keys are not supported by this API. "
    message += "Expected OAuth2 access token or other authentication credentials that assert a principal."
    return refusal(401, message, error_info("CREDENTIALS_MISSING"))


@_fault
def suspended(c: Circumstances) -> Refusal:
    """Echoes the key in full, in the message and in the details."""
    message = f"Permission denied: Consumer 'api_key:{c.key}' has been suspended."
    consumer = error_info("CONSUMER_SUSPENDED", consumer=f"projects/{c.project_number}", containerInfo=f"api_key:{c.key}")
    return refusal(403, message, consumer, localized(message))


@_fault
def service_blocked(c: Circumstances) -> Refusal:
    """A key restricted to other APIs."""
    rpc = f"google.ai.generativelanguage.v1beta.GenerativeService.{c.method[:1].upper()}{c.method[1:]}"
    message = f"Requests to this API {SERVICE} method {rpc} are blocked."
    return _forbidden(c, message, "API_KEY_SERVICE_BLOCKED")


@_fault
def referrer_blocked(c: Circumstances) -> Refusal:
    return _forbidden(c, "Requests from referer <empty> are blocked.", "API_KEY_HTTP_REFERRER_BLOCKED")


@_fault
def ip_blocked(c: Circumstances) -> Refusal:
    message = (
        "The provided API key has an IP address restriction. The originating IP address of the call violates this restriction."
    )
    return _forbidden(c, message, "API_KEY_IP_ADDRESS_BLOCKED")


@_fault
def android_app_blocked(c: Circumstances) -> Refusal:
    return _forbidden(c, "Requests from this Android client application <empty> are blocked.", "API_KEY_ANDROID_APP_BLOCKED")


@_fault
def ios_app_blocked(c: Circumstances) -> Refusal:
    return _forbidden(c, "Requests from this iOS client application <empty> are blocked.", "API_KEY_IOS_APP_BLOCKED")


@_fault
def service_disabled(c: Circumstances) -> Refusal:
    console = f"https://console.developers.google.com/apis/api/{SERVICE}/overview?project={c.project_number}"
    message = (
        f"Generative Language API has not been used in project {c.project_number} before or it is disabled. "
        f"Enable it by visiting {console} then retry."
    )
    details = error_info("SERVICE_DISABLED", consumer=f"projects/{c.project_number}", activationUrl=console)
    return refusal(403, message, details, localized(message))


def _forbidden(c: Circumstances, message: str, reason: str) -> Refusal:
    return refusal(403, message, error_info(reason, consumer=f"projects/{c.project_number}"))


_plain("leaked", 403, "Your API key was reported as leaked. Please use another API key.")
_plain("project_denied", 403, "Your project has been denied access. Please contact support.")
_plain("location_unsupported", 400, "User location is not supported for the API use.", "FAILED_PRECONDITION")
_plain(
    "free_tier_unavailable",
    400,
    "Gemini API free tier is not available in your country. Please enable billing on your project in Google AI Studio.",
    "FAILED_PRECONDITION",
)

# --- Money and quota ----------------------------------------------------------------------------------------------

_plain("out_of_credit", 402, "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.")
_plain(
    "out_of_credit_before_september",
    429,
    "Your prepayment credits are depleted. Please go to AI Studio to manage your project and billing.",
)
_plain("bare_429", 429, "Resource has been exhausted (e.g. check quota).")
_plain("spend_cap", 429, "Your project has exceeded its spending cap. Please try again later.")


@_fault
def minute_quota(c: Circumstances) -> Refusal:
    return quota_exceeded(c, [("generate_content", "requests", "GenerateRequestsPerMinutePerProjectPerModel")])


@_fault
def day_quota(c: Circumstances) -> Refusal:
    return quota_exceeded(c, [("generate_content", "requests", "GenerateRequestsPerDayPerProjectPerModel")])


@_fault
def minute_token_quota(c: Circumstances) -> Refusal:
    return quota_exceeded(c, [("generate_content", "input_token_count", "GenerateContentInputTokensPerModelPerMinute")])


@_fault
def day_token_quota(c: Circumstances) -> Refusal:
    return quota_exceeded(c, [("generate_content", "input_token_count", "GenerateContentInputTokensPerModelPerDay")])


@_fault
def day_and_minute_quota(c: Circumstances) -> Refusal:
    """Several violations in one body: the day is the one that counts."""
    minute = ("generate_content", "requests", "GenerateRequestsPerMinutePerProjectPerModel")
    return quota_exceeded(c, [minute, ("generate_content", "requests", "GenerateRequestsPerDayPerProjectPerModel")])


@_fault
def zero_quota(c: Circumstances) -> Refusal:
    """A model that the project may not use at all: the message says `limit: 0`, and the violations carry no value."""
    none = Circumstances(key=c.key, project=c.project, model=c.model, limit=0, seconds=c.seconds, paid=c.paid)
    return quota_exceeded(
        none,
        [
            ("generate_content", "requests", "GenerateRequestsPerDayPerProjectPerModel"),
            ("generate_content", "requests", "GenerateRequestsPerMinutePerProjectPerModel"),
        ],
    )


@_fault
def retry_info_only(c: Circumstances) -> Refusal:
    """A 429 that says when to come back, and not which quota it was."""
    message = f"Too many requests. Please retry in {c.seconds:g}s."
    return refusal(429, message, {"@type": RETRY_INFO, "retryDelay": f"{c.seconds:g}s"})


def quota_exceeded(c: Circumstances, used_up: list[tuple[str, str, str]]) -> Refusal:
    """The 429 of section 6.3. `used_up` holds (what for, what is counted, quotaId without its tier)."""
    tier = "paid_tier" if c.paid else "free_tier"
    metrics = [f"{SERVICE}/{purpose}_{tier}_{counted}" for purpose, counted, _ in used_up]
    message = "You exceeded your current quota, please check your plan and billing details. "
    message += "For more information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits. "
    message += " ".join(f"\n* Quota exceeded for metric: {metric}, limit: {c.limit}, model: {c.model}" for metric in metrics)
    message += f"\nPlease retry in {c.seconds:g}s."
    violations = []
    for metric, (_, _, quota_id) in zip(metrics, used_up, strict=True):
        violation: dict[str, Any] = {
            "quotaMetric": metric,
            "quotaId": quota_id if c.paid else f"{quota_id}-FreeTier",
            "quotaDimensions": {"location": "global", "model": c.model},
        }
        if c.limit:
            violation["quotaValue"] = str(c.limit)
        violations.append(violation)
    return refusal(
        429,
        message,
        {"@type": HELP, "links": [QUOTA_DOCS]},
        {"@type": QUOTA_FAILURE, "violations": violations},
        {"@type": RETRY_INFO, "retryDelay": f"{int(c.seconds)}s" if c.seconds >= 1 else f"{c.seconds:g}s"},
    )


# --- The model ----------------------------------------------------------------------------------------------------


@_fault
def model_not_found(c: Circumstances) -> Refusal:
    return models.not_found(c.model, c.method)


@_fault
def model_closed_to_new_users(c: Circumstances) -> Refusal:
    """2.5 pro and flash, for projects that never used them."""
    message = f"This model models/{c.model} is no longer available to new users. Please update your code to use a newer model."
    return refusal(404, message)


@_fault
def file_denied(c: Circumstances) -> Refusal:
    return files.denied("abc123")


# --- The request --------------------------------------------------------------------------------------------------

_plain("bad_request", 400, "Request contains an invalid argument.")
_plain("too_long", 400, "The input token count (1048600) exceeds the maximum number of tokens allowed (1048576).")

# --- Google itself ------------------------------------------------------------------------------------------------

_plain(
    "internal",
    500,
    "An internal error has occurred. Please retry or report in https://developers.generativeai.google/guide/troubleshooting",
)
_plain("overloaded", 503, "The model is overloaded. Please try again later.")
_plain(
    "high_demand",
    503,
    "This model is currently experiencing high demand. Spikes in demand are usually temporary. Please try again later.",
)
_plain("deadline", 504, "Deadline expired before operation could complete.")
_plain("cancelled", 499, "The operation was cancelled.")
_plain("strange", 429, "Something that nobody has written down yet.", "A_NEW_STATUS")


def _page(name: str, code: int, html: str) -> None:
    FAULTS[name] = lambda _: Refusal(code, html)


_page("html_429", 429, SORRY)
_page(
    "html_502",
    502,
    "<!DOCTYPE html><html lang=en><title>Error 502 (Server Error)!!1</title><p><b>502.</b> <ins>That’s an error.</ins></html>",
)
_page(
    "html_404",
    404,
    "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)!!1</title><p><b>404.</b> <ins>That’s an error.</ins></html>",
)
_page(
    "html_413",
    413,
    "<html><head><title>413 Request Entity Too Large</title></head><body><h1>413 Request Entity Too Large</h1></body></html>",
)
_page("html_408", 408, "<html><head><title>408 Request Timeout</title></head><body><h1>Request Timeout</h1></body></html>")
_page("empty_502", 502, "")
