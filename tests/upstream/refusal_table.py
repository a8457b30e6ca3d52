"""Google's refusals as they come, and what each means: for whom, how long, and whether another credential may help."""

from typing import NamedTuple

from credentials.health import HOUR, Outcome, Scope, State
from tests.wire.refusals import (
    CODE_ASSIST,
    DAY,
    EXCEEDED,
    EXHAUSTED,
    MINUTE,
    SORRY,
    TOKENS_DAY,
    TOKENS_MINUTE,
    bad_request,
    capacity_used_up,
    code_assist_error,
    error,
    exceeded,
    info,
    link,
    localized,
    page,
    retry,
    used_up,
)

KEY = "AIzaSyD-0123456789abcdefghijklmnopqrstuv"
MIDNIGHT = 12 * HOUR
"""Seconds from noon in California, which is when the refusals of this table come."""


class Meaning(NamedTuple):
    outcome: Outcome
    scope: Scope
    another_may_help: bool
    state: State
    """Of the one concerned, after this refusal alone."""
    blamed: bool = True
    """False where it may not be its fault: it then is the last choice at most."""


def dead(outcome: Outcome, scope: Scope = Scope.CREDENTIAL) -> Meaning:
    return Meaning(outcome, scope, True, State.INVALID)


def nobodys(outcome: Outcome) -> Meaning:
    return Meaning(outcome, Scope.NOBODY, False, State.AVAILABLE, blamed=False)


REJECTED = dead(Outcome.KEY_REJECTED)
LEAKED = dead(Outcome.KEY_LEAKED)
RESTRICTED = dead(Outcome.KEY_RESTRICTED)
SUSPENDED = dead(Outcome.SUSPENDED)
DENIED = dead(Outcome.PROJECT_DENIED, Scope.GROUP)
DISABLED = dead(Outcome.API_DISABLED, Scope.GROUP)
UNVERIFIED = dead(Outcome.VALIDATION_REQUIRED)
RETIRED = dead(Outcome.UNSUPPORTED_CLIENT)
NOT_PERMITTED = dead(Outcome.NOT_PERMITTED)
REQUEST = nobodys(Outcome.REQUEST_REFUSED)
GATEWAY = nobodys(Outcome.GATEWAY_REFUSED)
DAY_QUOTA = Meaning(Outcome.DAY_QUOTA, Scope.GROUP_AND_MODEL, True, State.RATE_LIMITED)
MINUTE_QUOTA = Meaning(Outcome.MINUTE_QUOTA, Scope.GROUP_AND_MODEL, True, State.RATE_LIMITED)
NOT_ENTITLED = Meaning(Outcome.NOT_ENTITLED, Scope.GROUP_AND_MODEL, True, State.RATE_LIMITED)
SPEND_LIMIT = Meaning(Outcome.SPEND_LIMIT, Scope.GROUP, True, State.RATE_LIMITED)
NO_CREDIT = Meaning(Outcome.OUT_OF_CREDIT, Scope.GROUP, True, State.RATE_LIMITED)
MODEL_ABSENT = Meaning(Outcome.MODEL_ABSENT, Scope.CREDENTIAL_AND_MODEL, True, State.RATE_LIMITED)
THROTTLED = Meaning(Outcome.THROTTLED, Scope.GROUP_AND_MODEL, True, State.AVAILABLE, blamed=False)
GOOGLE_ILL = Meaning(Outcome.UPSTREAM_FAILED, Scope.CREDENTIAL_AND_MODEL, True, State.AVAILABLE, blamed=False)
WHO_KNOWS = Meaning(Outcome.UNEXPLAINED, Scope.GROUP_AND_MODEL, True, State.RATE_LIMITED, blamed=False)

VERIFY = "https://accounts.google.com/signin/continue?sarp=1&plt=abc"
NAMED_USER = (
    "You must be a named user on your organization's\nGemini Code Assist Standard edition subscription to use this service."
)
RETIRED_TEXT = (
    "This client is no longer supported for Gemini Code Assist for individuals. To continue using Gemini, please migrate."
)
OLD_QUOTA = (
    "Quota exceeded for quota metric 'Generate Content API requests per minute' and limit 'GenerateContent request limit per "
    "{} for a region' of service 'generativelanguage.googleapis.com' for consumer 'project_number:696498078762'."
)
TOS = "has been disabled in this account for violation of Terms of\n\t\tService. If you believe this is an error, contact us."

# (what is said, its status, its body, what it means, for how many seconds the one concerned rests)
REFUSALS: list[tuple[str, int, bytes, Meaning, float | None]] = [
    # --- The key or the login
    (
        "an invalid key",
        400,
        error(400, "API key not valid. Please pass a valid API key.", info("API_KEY_INVALID"), localized("API key not valid.")),
        REJECTED,
        None,
    ),
    ("an invalid key, without a reason", 400, error(400, "API key not valid. Please pass a valid API key."), REJECTED, None),
    ("a key, in German", 400, error(400, "Ungültig", localized("Ungültig"), info("API_KEY_INVALID")), REJECTED, None),
    ("an expired key", 400, error(400, "API key expired. Please renew the API key.", info("API_KEY_INVALID")), REJECTED, None),
    ("an expired key, in a list", 400, b"[" + error(400, "API key expired. Please renew the API key.") + b"]", REJECTED, None),
    ("an invalid key, with another status", 403, error(403, "Denied.", info("API_KEY_INVALID")), REJECTED, None),
    ("a key of the wrong kind", 401, error(401, "Invalid credentials.", info("ACCESS_TOKEN_TYPE_UNSUPPORTED")), REJECTED, None),
    ("a bearer token of no use", 401, error(401, "Request had invalid authentication credentials."), REJECTED, None),
    ("a disabled account", 401, error(401, "Disabled.", info("ACCOUNT_STATE_INVALID")), REJECTED, None),
    ("a lapsed login", 401, code_assist_error(401, "Request had invalid authentication credentials."), REJECTED, None),
    ("a 401 without a word", 401, b"", REJECTED, None),
    ("a leaked key", 403, error(403, "Your API key was reported as leaked. Please use another API key."), LEAKED, None),
    (
        "a suspended key",
        403,
        error(403, f"Permission denied: Consumer 'api_key:{KEY}' has been suspended.", info("CONSUMER_SUSPENDED")),
        SUSPENDED,
        None,
    ),
    ("a suspension in words", 403, error(403, "Permission denied: Consumer 'api_key:x' has been suspended."), SUSPENDED, None),
    ("a suspended cloud account", 403, error(403, "No.", info("GCP_SUSPENDED")), SUSPENDED, None),
    (
        "a breach of the terms",
        403,
        code_assist_error(403, f"This service {TOS}", info("TOS_VIOLATION", domain=CODE_ASSIST, appeal_url="https://forms.gle/x")),
        SUSPENDED,
        None,
    ),
    ("a breach of the terms, in words", 403, code_assist_error(403, f"This service {TOS}"), SUSPENDED, None),
    ("a breach of the terms, as said earlier", 403, error(403, f"Gemini {TOS}"), SUSPENDED, None),
    ("a project denied access", 403, error(403, "Your project has been denied access. Please contact support."), DENIED, None),
    (
        "a key for other APIs",
        403,
        error(403, "Requests to this API x method y are blocked.", info("API_KEY_SERVICE_BLOCKED")),
        RESTRICTED,
        None,
    ),
    ("a key for other APIs, in words", 403, error(403, "Requests to this API x.y method a.B are blocked."), RESTRICTED, None),
    (
        "a key for other referrers",
        403,
        error(403, "Requests from referer <empty> are blocked.", info("API_KEY_HTTP_REFERRER_BLOCKED")),
        RESTRICTED,
        None,
    ),
    ("a key for other referrers, in words", 403, error(403, "Requests from referer <empty> are blocked."), RESTRICTED, None),
    ("a key for other addresses", 403, error(403, "Not from here.", info("API_KEY_IP_ADDRESS_BLOCKED")), RESTRICTED, None),
    ("a key for an Android app", 403, error(403, "Blocked.", info("API_KEY_ANDROID_APP_BLOCKED")), RESTRICTED, None),
    ("a key for an iOS app", 403, error(403, "Blocked.", info("API_KEY_IOS_APP_BLOCKED")), RESTRICTED, None),
    (
        "an API that is not enabled",
        403,
        error(403, "Not enabled.", info("SERVICE_DISABLED", consumer="projects/123456789")),
        DISABLED,
        None,
    ),
    (
        "an API that is not enabled, in words",
        403,
        error(403, "Generative Language API has not been used in project 123456789 before or it is disabled."),
        DISABLED,
        None,
    ),
    (
        "a project without Code Assist",
        403,
        code_assist_error(
            403,
            "Gemini for Google Cloud API has not been used in project my-proj before or it is disabled.",
            link("https://console.developers.google.com/"),
            info("SERVICE_DISABLED", service="cloudaicompanion.googleapis.com", consumer="projects/my-proj"),
        ),
        DISABLED,
        None,
    ),
    (
        "the wrong project",
        403,
        code_assist_error(403, "Cloud Code Private API has not been used in project 681255809395 before or it is disabled."),
        DISABLED,
        None,
    ),
    (
        "an account to verify",
        403,
        code_assist_error(
            403, "Verify your account to continue.", info("VALIDATION_REQUIRED", domain=CODE_ASSIST), link(VERIFY)
        ),
        UNVERIFIED,
        None,
    ),
    ("an account to verify, in other words", 403, error(403, "Wait.", info("VALIDATION_REQUIRED")), UNVERIFIED, None),
    ("an account to verify, in words", 403, error(403, f"To continue, verify your account at\n\n{VERIFY}"), UNVERIFIED, None),
    ("a retired client", 403, code_assist_error(403, RETIRED_TEXT), RETIRED, None),
    ("a retired client, with a reason", 403, error(403, "No.", info("UNSUPPORTED_CLIENT", domain=CODE_ASSIST)), RETIRED, None),
    ("a retired client, with another status", 400, code_assist_error(400, RETIRED_TEXT), RETIRED, None),
    ("a login without a licence", 403, code_assist_error(403, "The caller does not have permission"), NOT_PERMITTED, None),
    ("a login that nobody named", 403, code_assist_error(403, NAMED_USER), NOT_PERMITTED, None),
    (
        "a project of others",
        403,
        code_assist_error(
            403, "Permission denied on resource project default.", info("CONSUMER_INVALID", consumer="projects/default")
        ),
        NOT_PERMITTED,
        None,
    ),
    ("a project of others, in words", 403, error(403, "Permission denied on resource project default."), NOT_PERMITTED, None),
    ("a billing project of others", 403, error(403, "No.", info("USER_PROJECT_DENIED")), NOT_PERMITTED, None),
    ("a login of too small a scope", 403, error(403, "No.", info("ACCESS_TOKEN_SCOPE_INSUFFICIENT")), NOT_PERMITTED, None),
    ("a login that its admin blocks", 403, error(403, "No.", info("USER_BLOCKED_BY_ADMIN")), NOT_PERMITTED, None),
    ("a perimeter of the organisation", 403, error(403, "No.", info("SECURITY_POLICY_VIOLATED")), NOT_PERMITTED, None),
    (
        "a role that is missing",
        403,
        code_assist_error(
            403,
            "Permission 'cloudaicompanion.companions.generateChat' denied on resource.",
            info("IAM_PERMISSION_DENIED", resource="//cloudaicompanion.googleapis.com/projects/my-proj/locations/global"),
        ),
        NOT_PERMITTED,
        None,
    ),
    # --- The gateway
    ("no key at all", 403, error(403, "Method doesn't allow unregistered callers (callers without identity)."), GATEWAY, None),
    ("two keys at once", 400, error(400, "Multiple authentication credentials received. Please pass only one."), GATEWAY, None),
    ("two kinds of key at once", 400, error(400, "Only one.", info("OVERLOADED_CREDENTIALS")), GATEWAY, None),
    ("no credentials", 401, error(401, "API keys are not supported by this API.", info("CREDENTIALS_MISSING")), GATEWAY, None),
    ("no credentials, in words", 401, error(401, "API keys are not supported by this API. Expected OAuth2."), GATEWAY, None),
    (
        "a region that Google does not serve",
        400,
        error(400, "User location is not supported for the API use.", word="FAILED_PRECONDITION"),
        GATEWAY,
        None,
    ),
    # --- The model
    ("an unknown model", 404, error(404, "models/x is not found for API version v1beta, or is not su…"), MODEL_ABSENT, 6 * HOUR),
    ("a model for some", 404, error(404, "This model models/x is no longer available to new users."), MODEL_ABSENT, 6 * HOUR),
    ("a model that Code Assist lacks", 404, code_assist_error(404, "Requested entity was not found."), MODEL_ABSENT, 6 * HOUR),
    ("a private model", 403, error(403, "You do not have permission to access tunedModels/x."), MODEL_ABSENT, 6 * HOUR),
    (
        "a country without the free tier",
        400,
        error(400, "Gemini API free tier is not available in your country. Please enable billing.", word="FAILED_PRECONDITION"),
        NOT_ENTITLED,
        24 * HOUR,
    ),
    # --- The request
    ("a wrong argument", 400, error(400, "Request contains an invalid argument."), REQUEST, None),
    ("a wrong argument to Code Assist", 400, code_assist_error(400, "Request contains an invalid argument."), REQUEST, None),
    ("a failed precondition", 400, error(400, "Precondition check failed.", word="FAILED_PRECONDITION"), REQUEST, None),
    ("an unknown field", 400, error(400, "Invalid JSON payload received.", bad_request("Unknown name")), REQUEST, None),
    ("too long a prompt", 400, error(400, "The input token count (2) exceeds the maximum number of tokens (1)."), REQUEST, None),
    ("a penalty", 400, error(400, "Penalty is not enabled for models/x"), REQUEST, None),
    ("log probabilities", 400, error(400, "Logprobs is not supported for this model"), REQUEST, None),
    ("a lost signature", 400, error(400, "Function call is missing a thought_signature in functionCall parts."), REQUEST, None),
    ("a location, but no precondition", 400, error(400, "User location is not supported"), REQUEST, None),
    ("a page for a 400", 400, page("Error 400 (Bad Request)!!1"), REQUEST, None),
    ("a file of another project", 403, error(403, "You do not have permission to access the File abc or it…"), REQUEST, None),
    ("a cache of another project", 403, error(403, "CachedContent not found (or permission denied)"), REQUEST, None),
    (
        "a file, with a reason",
        403,
        error(403, "You do not have permission to access the File abc.", info("IAM_PERMISSION_DENIED", resource="files/abc")),
        REQUEST,
        None,
    ),
    ("a file that is gone", 404, error(404, "files/abc was not found."), REQUEST, None),
    ("a cache that is gone", 404, error(404, "cachedContents/abc is not found"), REQUEST, None),
    ("too large a body", 413, page("Error 413 (Request Entity Too Large)!!1"), REQUEST, None),
    # --- Money
    ("no credit", 402, error(402, "Your prepayment credits are depleted."), NO_CREDIT, 6 * HOUR),
    ("a 402 without a word", 402, b"", NO_CREDIT, 6 * HOUR),
    ("no credit, before September", 429, error(429, "Your prepayment credits are depleted."), NO_CREDIT, 6 * HOUR),
    ("a project's month", 429, error(429, "Your project has exceeded its monthly spending cap."), NO_CREDIT, 6 * HOUR),
    ("an account's month", 429, error(429, "Your billing account has exceeded its monthly spending cap."), NO_CREDIT, 6 * HOUR),
    ("no billing", 403, error(403, "Billing is required.", info("BILLING_DISABLED")), NO_CREDIT, 6 * HOUR),
    (
        "no overage credits",
        429,
        code_assist_error(429, EXHAUSTED, info("INSUFFICIENT_G1_CREDITS_BALANCE", domain="", error_number="2008")),
        NO_CREDIT,
        6 * HOUR,
    ),
    ("ten minutes' spending", 429, error(429, "You exceeded your spend-based rate limit. Your spending rate…"), SPEND_LIMIT, 600),
    (
        "ten minutes' spending, with a delay",
        429,
        error(429, "You exceeded your spend-based rate limit.", used_up(), retry("45s")),
        SPEND_LIMIT,
        45,
    ),
    ("a cap of no known period", 429, error(429, "Your project has exceeded its spending cap."), SPEND_LIMIT, 600),
    # --- Quotas of AI Studio
    ("a minute", 429, error(429, exceeded(5), used_up(MINUTE, value="5"), retry("56s")), MINUTE_QUOTA, 56),
    ("a minute's tokens", 429, error(429, exceeded(250000), retry("7s"), used_up(TOKENS_MINUTE)), MINUTE_QUOTA, 7),
    ("a minute, with less than a second left", 429, error(429, exceeded(5), retry("0.52s"), used_up(MINUTE)), MINUTE_QUOTA, 0.52),
    ("a minute, without a delay", 429, error(429, EXCEEDED, used_up(MINUTE)), MINUTE_QUOTA, 60),
    ("a minute, in words", 429, error(429, exceeded(20, seconds="12.5s")), MINUTE_QUOTA, 12.5),
    ("a delay and no quota", 429, error(429, "Too many requests.", retry("7s")), MINUTE_QUOTA, 7),
    (
        "a minute, as said of old",
        429,
        error(429, OLD_QUOTA.format("minute"), info("RATE_LIMIT_EXCEEDED", quota_limit="PerMinute", quota_limit_value="60")),
        MINUTE_QUOTA,
        60,
    ),
    ("a minute, as said of old, in words", 429, error(429, OLD_QUOTA.format("minute")), MINUTE_QUOTA, 60),
    ("a day", 429, error(429, exceeded(20), used_up(DAY), retry("56s")), DAY_QUOTA, MIDNIGHT),
    ("a day, in a list", 429, b"[" + error(429, exceeded(20), used_up(DAY)) + b"]", DAY_QUOTA, MIDNIGHT),
    ("a day's tokens", 429, error(429, exceeded(20), retry("3s"), used_up(TOKENS_DAY)), DAY_QUOTA, MIDNIGHT),
    ("a day and a minute", 429, error(429, exceeded(20), used_up(MINUTE, DAY), retry("30s")), DAY_QUOTA, MIDNIGHT),
    ("a day, with a delay of hours", 429, error(429, EXCEEDED, used_up(DAY), retry("72000s")), DAY_QUOTA, MIDNIGHT),
    (
        "a day, as said of old",
        429,
        error(429, OLD_QUOTA.format("day"), info("RATE_LIMIT_EXCEEDED", quota_limit="RequestsPerDay", quota_limit_value="60")),
        DAY_QUOTA,
        MIDNIGHT,
    ),
    ("a day, as said of old, in words", 429, error(429, OLD_QUOTA.format("day")), DAY_QUOTA, MIDNIGHT),
    ("no quota", 429, error(429, exceeded(0), used_up(DAY, MINUTE, value=None), retry("5s")), NOT_ENTITLED, 24 * HOUR),
    ("no quota, in words", 429, error(429, exceeded(0)), NOT_ENTITLED, 24 * HOUR),
    ("no quota, in the details", 429, error(429, EXCEEDED, used_up(MINUTE, value=None)), NOT_ENTITLED, 24 * HOUR),
    ("no quota, written out", 429, error(429, EXCEEDED, used_up(MINUTE, value="0")), NOT_ENTITLED, 24 * HOUR),
    (
        "no quota, as said of old",
        429,
        error(429, OLD_QUOTA.format("minute"), info("RATE_LIMIT_EXCEEDED", quota_limit="PerMinute", quota_limit_value="0")),
        NOT_ENTITLED,
        24 * HOUR,
    ),
    (
        "no free tier",
        429,
        error(429, "Gemini 2.5 Pro Preview doesn't have a free quota tier.", used_up() | {"violations": [{}]}),
        NOT_ENTITLED,
        24 * HOUR,
    ),
    ("a quota in words, none in the details", 429, error(429, exceeded(20), used_up(MINUTE, value=None)), MINUTE_QUOTA, 56.18),
    # --- Quotas of Code Assist
    ("a burst", 429, capacity_used_up("539.47ms", reason="RATE_LIMIT_EXCEEDED", retry_delay="0.53947s"), MINUTE_QUOTA, 0.53947),
    ("a burst, only in the metadata", 429, capacity_used_up("12s", reason="RATE_LIMIT_EXCEEDED"), MINUTE_QUOTA, 12),
    ("a burst of five minutes", 429, capacity_used_up("300s", reason="RATE_LIMIT_EXCEEDED"), MINUTE_QUOTA, 300),
    ("a burst that is over", 429, capacity_used_up("0s", reason="RATE_LIMIT_EXCEEDED"), MINUTE_QUOTA, 60),
    ("a rate that takes hours", 429, capacity_used_up("1h2m3.5s", reason="RATE_LIMIT_EXCEEDED"), DAY_QUOTA, 3723.5),
    (
        "a rate without a delay",
        429,
        code_assist_error(429, EXHAUSTED, info("RATE_LIMIT_EXCEEDED", domain=CODE_ASSIST), legacy="rateLimitExceeded"),
        MINUTE_QUOTA,
        60,
    ),
    ("a day of Code Assist", 429, capacity_used_up("19h14m47s"), DAY_QUOTA, 69_287),
    ("a day of Code Assist, twice", 429, capacity_used_up("33740.9s", retry_delay="33740.9s"), DAY_QUOTA, 33_740.9),
    ("a week of Code Assist", 429, capacity_used_up("161h39m41.3s"), DAY_QUOTA, 581_981.3),
    ("a day of Code Assist that seems over", 429, capacity_used_up("0s"), DAY_QUOTA, 60),
    (
        "a day of Code Assist, in words",
        429,
        error(429, "You have exhausted your capacity on this model. Your quota will reset after 8h44m7s."),
        DAY_QUOTA,
        31_447,
    ),
    (
        "a day of Code Assist, in other words",
        429,
        error(429, "Individual quota reached. Please upgrade your subscription to increase your limits. Resets in 9h22m20s."),
        DAY_QUOTA,
        33_740,
    ),
    (
        "a day of Code Assist, without its end",
        429,
        code_assist_error(429, "Quota exceeded.", info("QUOTA_EXHAUSTED", domain=CODE_ASSIST), legacy="rateLimitExceeded"),
        DAY_QUOTA,
        MIDNIGHT,
    ),
    ("a day of Code Assist, as counted before", 429, code_assist_error(429, "No.", used_up(DAY)), DAY_QUOTA, MIDNIGHT),
    # --- Throttled
    ("exhausted", 429, error(429, EXHAUSTED), THROTTLED, None),
    ("exhausted, says Code Assist", 429, code_assist_error(429, EXHAUSTED, legacy="rateLimitExceeded"), THROTTLED, None),
    ("exhausted, says Vertex", 429, code_assist_error(429, "Resource exhausted. Please try again later."), THROTTLED, None),
    ("a quota without details", 429, error(429, EXCEEDED), THROTTLED, None),
    ("a page about automated queries", 429, SORRY, THROTTLED, None),
    ("a 429 without a word", 429, b"", THROTTLED, None),
    # --- Google itself
    ("too slow a caller", 408, page("Error 408 (Request Timeout)!!1"), GOOGLE_ILL, None),
    ("a cancelled call", 499, error(499, "The operation was cancelled."), GOOGLE_ILL, None),
    ("an internal error", 500, error(500, "An internal error has occurred."), GOOGLE_ILL, None),
    ("a bad gateway", 502, page("Error 502 (Server Error)!!1"), GOOGLE_ILL, None),
    ("a 502 without a word", 502, b"", GOOGLE_ILL, None),
    ("an overloaded model", 503, error(503, "The model is overloaded. Please try again later."), GOOGLE_ILL, None),
    ("high demand", 503, error(503, "This model is currently experiencing high demand."), GOOGLE_ILL, None),
    ("a lapsed deadline", 504, error(504, "Deadline expired before operation could complete."), GOOGLE_ILL, None),
    (
        "no capacity, with a 429",
        429,
        code_assist_error(
            429,
            "No capacity available for model gemini-3.1-pro-preview on the server",
            info("MODEL_CAPACITY_EXHAUSTED", domain=CODE_ASSIST, model="gemini-3.1-pro-preview"),
            legacy="rateLimitExceeded",
        ),
        GOOGLE_ILL,
        None,
    ),
    (
        "no capacity, with a 503 and a delay",
        503,
        error(503, "No capacity available.", info("MODEL_CAPACITY_EXHAUSTED", domain=CODE_ASSIST), retry("40s")),
        GOOGLE_ILL,
        None,
    ),
    ("no capacity, in other words", 429, error(429, "Busy.", info("MODEL_CAPACITY_EXHAUSTED"), retry("9s")), GOOGLE_ILL, None),
    ("no capacity, in words", 429, error(429, "No capacity available for model x on the server"), GOOGLE_ILL, None),
    ("a redirect", 302, b"", GOOGLE_ILL, None),
    # --- Who knows
    ("no permission, for no reason", 403, error(403, "The caller does not have permission"), WHO_KNOWS, 15),
    ("a page for a 403", 403, page("Error 403 (Forbidden)!!1"), WHO_KNOWS, 15),
    ("a page for a 404", 404, page("Error 404 (Not Found)!!1"), WHO_KNOWS, 15),
    ("something that is not there", 404, error(404, "Requested entity was not found."), WHO_KNOWS, 15),
    ("a new kind of 429", 429, error(429, "Something that nobody has written down yet."), WHO_KNOWS, 15),
    ("a status of no known meaning", 418, b'{"odd": true}', WHO_KNOWS, 15),
    # --- Inside an answer that began well
    ("a day, inside a 200", 200, error(429, exceeded(20), used_up(DAY)), DAY_QUOTA, MIDNIGHT),
    ("a suspension, inside a 200", 200, error(403, "No.", info("CONSUMER_SUSPENDED")), SUSPENDED, None),
    ("an overloaded model, inside a 200", 200, error(503, "The model is overloaded."), GOOGLE_ILL, None),
    ("nothing readable, inside a 200", 200, b"<html>", GOOGLE_ILL, None),
]  # fmt: skip
