"""What Google meant: the table of refusals, read from the top.

Source: wire reference, sections 4.6 and 6.4; names of reasons: google/api/error_reason.proto. Two rules keep callers from
harming a credential by their own words. Google quotes callers in its sentences, so a sentence is only believed from its
beginning, which is Google's; and reasons, which stand in a field of their own, come before sentences.
"""

import re
from collections.abc import Callable

from credentials.health import Outcome
from openai_api.upstream.refusal_body import Said
from openai_api.upstream.refusal_quota import (
    is_day_quota,
    is_long_quota_of_code_assist,
    is_minute_quota,
    is_zero_quota,
)

Test = Callable[[Said], bool]
Rule = tuple[Test, Outcome, str | None]


def classify(said: Said) -> tuple[Outcome, str | None]:
    """(what happened, OpenAI's code for it)."""
    for holds, outcome, code in (*_ANY_STATUS, *_BY_STATUS.get(said.status, ())):
        if holds(said):
            return outcome, code
    if said.status >= 500:
        return Outcome.UPSTREAM_FAILED, None
    return Outcome.UNEXPLAINED, None


def _reason(*reasons: str) -> Test:
    wanted = frozenset(reasons)
    return lambda said: not wanted.isdisjoint(said.reasons)


def _begins(*beginnings: str) -> Test:
    """The message begins so. Regular expressions, in lower case."""
    matches = re.compile("|".join(beginnings)).match
    return lambda said: matches(said.text) is not None


def _says(*phrases: str) -> Test:
    """The message says so anywhere. Only for what costs no credential anything: callers are quoted too."""
    return lambda said: any(phrase in said.text for phrase in phrases)


def _both(*tests: Test) -> Test:
    return lambda said: all(holds(said) for holds in tests)


def _precondition(said: Said) -> bool:
    return said.word == "FAILED_PRECONDITION"


def _is_of_code_assist(said: Said) -> bool:
    return said.is_of_code_assist


def _always(_said: Said) -> bool:
    return True


def _is_restricted(said: Said) -> bool:
    return any(reason.startswith("API_KEY_") and reason.endswith("_BLOCKED") for reason in said.reasons)


def _is_about_what_was_named(said: Said) -> bool:
    """About a file or a cache of the caller's, which belongs to another project or is gone."""
    return said.status in (403, 404) and _begins_with_what_was_named(said)


def _is_denied_its_project(said: Said) -> bool:
    """Not when it is denied some other thing: that may be one which the caller named."""
    return "IAM_PERMISSION_DENIED" in said.reasons and _PROJECT.search(said.metadata("resource")) is not None


def _is_bare(said: Said) -> bool:
    """A 429 that says no more than its number does, such as the page about automated queries."""
    return not said.text or _says_nothing_more(said)


_says_nothing_more = _begins(
    "resource (has been )?exhausted", "too many requests", "you exceeded your current quota", "(quota|rate limit) exceeded"
)
_PROJECT = re.compile(r"(?:^|/)projects/[^/]+(?:/locations/[^/]+)?/?$")
_begins_with_what_was_named = _begins(
    r"you do not have permission to access the file\b", r"(the )?(cachedcontent|file)\b", r"(files|cachedcontents)/"
)

_ANY_STATUS: tuple[Rule, ...] = (
    (_is_about_what_was_named, Outcome.REQUEST_REFUSED, None),
    (_reason("MODEL_CAPACITY_EXHAUSTED"), Outcome.UPSTREAM_FAILED, None),
    (_reason("API_KEY_INVALID"), Outcome.KEY_REJECTED, None),
    (_reason("CONSUMER_SUSPENDED", "GCP_SUSPENDED", "TOS_VIOLATION"), Outcome.SUSPENDED, None),
    (_reason("SERVICE_DISABLED"), Outcome.API_DISABLED, None),
    (_reason("VALIDATION_REQUIRED"), Outcome.VALIDATION_REQUIRED, None),
    (_reason("UNSUPPORTED_CLIENT"), Outcome.UNSUPPORTED_CLIENT, None),
    (_begins("this client is no longer supported for gemini code assist"), Outcome.UNSUPPORTED_CLIENT, None),
    (_reason("INSUFFICIENT_G1_CREDITS_BALANCE", "BILLING_DISABLED"), Outcome.OUT_OF_CREDIT, "insufficient_quota"),
    (_is_restricted, Outcome.KEY_RESTRICTED, None),
    (_reason("CREDENTIALS_MISSING", "OVERLOADED_CREDENTIALS"), Outcome.GATEWAY_REFUSED, None),
    (
        _reason(
            "CONSUMER_INVALID", "USER_PROJECT_DENIED", "USER_BLOCKED_BY_ADMIN", "ACCESS_TOKEN_SCOPE_INSUFFICIENT",
            "RESOURCE_USAGE_RESTRICTION_VIOLATED", "SECURITY_POLICY_VIOLATED",
        ),
        Outcome.NOT_PERMITTED,
        None,
    ),
    (_is_denied_its_project, Outcome.NOT_PERMITTED, None),
)  # fmt: skip

_BY_STATUS: dict[int, tuple[Rule, ...]] = {
    400: (
        (_begins(r"api key not valid\. please pass a valid", r"api key expired\. please renew"), Outcome.KEY_REJECTED, None),
        (_begins("multiple authentication credentials received"), Outcome.GATEWAY_REFUSED, None),
        (_both(_precondition, _begins("user location is not supported")), Outcome.GATEWAY_REFUSED, None),
        (
            _both(_precondition, _begins(r"(the )?(gemini api )?free tier is not available in your country")),
            Outcome.NOT_ENTITLED,
            None,
        ),
        (_says("exceeds the maximum number of tokens"), Outcome.REQUEST_REFUSED, "context_length_exceeded"),
        (_says("is not enabled for", "is not supported for this model"), Outcome.REQUEST_REFUSED, "unsupported_parameter"),
        (_always, Outcome.REQUEST_REFUSED, None),
    ),
    401: (
        (_begins("api keys are not supported by this api"), Outcome.GATEWAY_REFUSED, None),
        (_always, Outcome.KEY_REJECTED, None),
    ),
    402: ((_always, Outcome.OUT_OF_CREDIT, "insufficient_quota"),),
    403: (
        (_begins("your api key was reported as leaked"), Outcome.KEY_LEAKED, None),
        (_begins(r"permission denied: consumer '[^']*' has been suspended"), Outcome.SUSPENDED, None),
        (
            _begins(r"(this service|gemini( code assist)?) has been disabled in this account for violation of terms"),
            Outcome.SUSPENDED,
            None,
        ),
        (_begins("your project has been denied access"), Outcome.PROJECT_DENIED, None),
        (_begins(r"[a-z ]{1,60} api has not been used in project \w+ before"), Outcome.API_DISABLED, None),
        (_begins("verify your account to continue", "to continue, verify your account"), Outcome.VALIDATION_REQUIRED, None),
        (_begins("method doesn't allow unregistered callers"), Outcome.GATEWAY_REFUSED, None),
        (
            _begins(
                r"requests to this api \S+ method \S+ are blocked",
                r"requests from (referer|this (android|ios) client application) \S+ are blocked",
                r"the provided api key has an ip address restriction",
            ),
            Outcome.KEY_RESTRICTED,
            None,
        ),
        (
            _begins("you must be a named user on your organization's gemini", "permission denied on resource project "),
            Outcome.NOT_PERMITTED,
            None,
        ),
        # Without a reason AI Studio says the same of one model, or of a video that the caller may not see.
        (_both(_is_of_code_assist, _begins("the caller does not have permission")), Outcome.NOT_PERMITTED, None),
        (
            _begins(r"(this|the) model\b", r"models/", r"you do not have permission to access (the )?(models|tunedmodels)/"),
            Outcome.MODEL_ABSENT,
            "model_not_found",
        ),
    ),
    404: (
        # AI Studio names the model when it means it; what else it does not find the caller may have named.
        (_is_of_code_assist, Outcome.MODEL_ABSENT, "model_not_found"),
        (_begins(r"(this |the )?model\b", r"(models|tunedmodels)/"), Outcome.MODEL_ABSENT, "model_not_found"),
    ),
    408: ((_always, Outcome.UPSTREAM_FAILED, None),),
    413: ((_always, Outcome.REQUEST_REFUSED, "request_too_large"),),
    429: (
        (_begins("your prepayment credits", "your prepaid credit"), Outcome.OUT_OF_CREDIT, "insufficient_quota"),
        (_begins(r"your (project|billing account) has exceeded its monthly "), Outcome.OUT_OF_CREDIT, "insufficient_quota"),
        (
            _begins(
                "you exceeded your spend-based rate limit",
                # Of which period this does not say: if it is the month's, a call every ten minutes will find that out.
                r"your (project|billing account) has exceeded its (spending|spend) (cap|limit)",
            ),
            Outcome.SPEND_LIMIT,
            "rate_limit_exceeded",
        ),
        (_begins("no capacity available for model "), Outcome.UPSTREAM_FAILED, None),
        (is_long_quota_of_code_assist, Outcome.DAY_QUOTA, "rate_limit_exceeded"),
        (is_zero_quota, Outcome.NOT_ENTITLED, None),
        (_begins(r"[\w .-]{1,60} doesn't have a free quota tier"), Outcome.NOT_ENTITLED, None),
        (is_day_quota, Outcome.DAY_QUOTA, "rate_limit_exceeded"),
        (is_minute_quota, Outcome.MINUTE_QUOTA, "rate_limit_exceeded"),
        (_is_bare, Outcome.THROTTLED, "rate_limit_exceeded"),
    ),
    499: ((_always, Outcome.UPSTREAM_FAILED, None),),
}  # fmt: skip
