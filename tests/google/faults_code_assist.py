"""Code Assist's own errors, by name (section 4.6): in `google.script(error=…)` they are said to its callers."""

from datetime import timedelta
from typing import Any

from tests.google import bearer
from tests.google.accounts import rfc3339
from tests.google.errors import HELP, RETRY_INFO, Refusal, error_info, refusal
from tests.google.faults import Circumstances, Maker

SERVICE = "cloudcode-pa.googleapis.com"
COMPANION = "cloudaicompanion.googleapis.com"
VERIFY = "https://accounts.google.com/signin/continue?sarp=1"
APPEAL = "https://forms.gle/appeal-the-suspension"
UNSUPPORTED = (
    "This client is no longer supported for Gemini Code Assist for individuals. "
    "To continue using Gemini, please migrate to the Antigravity suite of products: https://antigravity.google"
)
CAPACITY = "You have exhausted your capacity on this model. Your quota will reset after"
LEGACY_REASONS = {
    400: "badRequest", 401: "authError", 403: "forbidden", 404: "notFound", 429: "rateLimitExceeded",
    499: "clientClosedRequest", 500: "backendError", 503: "backendError", 504: "backendError",
}  # fmt: skip

FAULTS: dict[str, Maker] = {}


def wording(body: dict[str, Any] | str, *, streamed: bool) -> Any:
    """A refusal's body as it is sent: to those who stream, in an array and with the reasons of old beside the new ones."""
    if not streamed or isinstance(body, str):
        return body
    error = body["error"]
    legacy = {"message": error["message"], "domain": "global", "reason": LEGACY_REASONS.get(error["code"], "backendError")}
    return [{"error": {"code": error["code"], "message": error["message"], "errors": [legacy], **error}}]


def _fault(maker: Maker) -> Maker:
    FAULTS[maker.__name__] = maker
    return maker


def info(reason: str, **metadata: str) -> dict[str, Any]:
    return error_info(reason, domain=SERVICE, **{"service": SERVICE, **metadata})


def spelled(seconds: float) -> str:
    """A duration as Go writes it, e.g. 19h14m47s; below a second, 539.47ms."""
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    hours, minutes = divmod(int(minutes), 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{round(rest, 3):g}s"


# --- Quota --------------------------------------------------------------------------------------------------------


@_fault
def rate_limit_exceeded(c: Circumstances) -> Refusal:
    """Short: `seconds` say how long."""
    return _out_of_quota(c, "RATE_LIMIT_EXCEEDED", f"{CAPACITY} {spelled(c.seconds)}.", spelled(c.seconds))


@_fault
def quota_exhausted(c: Circumstances) -> Refusal:
    """The model's day; it begins anew in `seconds`, which retryDelay says too."""
    return _out_of_quota(c, "QUOTA_EXHAUSTED", f"{CAPACITY} {spelled(c.seconds)}.", spelled(c.seconds))


@_fault
def individual_quota(c: Circumstances) -> Refusal:
    """A limit of the account's own, which no bucket of retrieveUserQuota shows.

    Seen 2026-09-20: google-gemini/gemini-cli#29425. Its delay is spelled in plain seconds.
    """
    message = "Individual quota reached. Please upgrade your subscription to increase your limits."
    return _out_of_quota(c, "QUOTA_EXHAUSTED", f"{message} Resets in {spelled(int(c.seconds))}.", f"{c.seconds:g}s")


def _out_of_quota(c: Circumstances, reason: str, message: str, delay: str) -> Refusal:
    resets_at = rfc3339((c.now + timedelta(seconds=c.seconds)).timestamp())
    details = info(reason, uiMessage="true", model=c.model, quotaResetDelay=delay, quotaResetTimeStamp=resets_at)
    return refusal(429, message, details, {"@type": RETRY_INFO, "retryDelay": f"{c.seconds:g}s"})


@_fault
def capacity_exhausted(c: Circumstances) -> Refusal:
    message = f"No capacity available for model {c.model} on the server"
    return refusal(429, message, info("MODEL_CAPACITY_EXHAUSTED", model=c.model))


@_fault
def no_capacity(c: Circumstances) -> Refusal:
    message = f"No capacity available for model {c.model} on the server"
    return refusal(503, message, info("MODEL_CAPACITY_EXHAUSTED", model=c.model))


@_fault
def credits_exhausted(c: Circumstances) -> Refusal:
    return refusal(429, "Insufficient Google One AI credits.", info("INSUFFICIENT_G1_CREDITS_BALANCE"))


# --- The account --------------------------------------------------------------------------------------------------


@_fault
def token_expired(c: Circumstances) -> Refusal:
    return bearer.expired()


@_fault
def unsupported_client(c: Circumstances) -> Refusal:
    """An individual's account, since 2026-06-18; no reason was noted beside the text."""
    return refusal(403, UNSUPPORTED)


@_fault
def no_licence(c: Circumstances) -> Refusal:
    return refusal(403, "The caller does not have permission")


@_fault
def not_a_named_user(c: Circumstances) -> Refusal:
    """A licence that the organisation has given to others (seen 2025-11-15: google-gemini/gemini-cli#13108)."""
    message = (
        "You must be a named user on your organization's\nGemini Code Assist Standard edition subscription to use this service. "
        "Please contact your\nadministrator to request an entitlement to Gemini Code Assist Standard\nedition."
    )
    return refusal(403, message)


@_fault
def validation_required(c: Circumstances) -> Refusal:
    links = [
        {"description": "Verify your account", "url": VERIFY},
        {"description": "Learn more", "url": "https://support.google.com/accounts?p=al_alert"},
    ]
    return refusal(
        403,
        "Verify your account to continue.",
        info("VALIDATION_REQUIRED", validation_link=VERIFY),
        {"@type": HELP, "links": links},
    )


@_fault
def tos_violation(c: Circumstances) -> Refusal:
    message = (
        "This service has been disabled in this account for violation of Terms of Service. "
        "If you believe this is an error, please submit an appeal."
    )
    return refusal(403, message, info("TOS_VIOLATION", appeal_url=APPEAL))


@_fault
def security_policy_violated(c: Circumstances) -> Refusal:
    message = "Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: simulated"
    return refusal(403, message, error_info("SECURITY_POLICY_VIOLATED", service=SERVICE))


# --- The project --------------------------------------------------------------------------------------------------


@_fault
def service_disabled(c: Circumstances) -> Refusal:
    """Gemini for Google Cloud is not enabled in the project."""
    return _disabled(c, "Gemini for Google Cloud API", COMPANION)


@_fault
def private_api_disabled(c: Circumstances) -> Refusal:
    """What a wrong project gets, or one that was named by `x-goog-user-project`."""
    return _disabled(c, "Cloud Code Private API", SERVICE)


def _disabled(c: Circumstances, api: str, service: str) -> Refusal:
    project = c.project or "681255809395"
    console = f"https://console.developers.google.com/apis/api/{service}/overview?project={project}"
    message = (
        f"{api} has not been used in project {project} before or it is disabled. Enable it by visiting {console} then retry. "
        "If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry."
    )
    details = error_info("SERVICE_DISABLED", service=service, consumer=f"projects/{project}", activationUrl=console)
    return refusal(403, message, details)


@_fault
def foreign_project(c: Circumstances) -> Refusal:
    """A project that is not there, or not the caller's."""
    consumer = error_info("CONSUMER_INVALID", service=SERVICE, consumer=f"projects/{c.project}")
    return refusal(403, f"Permission denied on resource project {c.project}.", consumer)


@_fault
def model_not_found(c: Circumstances) -> Refusal:
    return refusal(404, "Requested entity was not found.")
