"""Google quotes its callers in what it refuses: none of their words may cost a credential anything."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.health import EFFECTS, LETTERS, Outcome
from openai_api.upstream.refusals import read_refusal
from tests.wire.refusals import CODE_ASSIST, MINUTE, TYPE, bad_request, code_assist_error, error, exceeded, info, page, used_up

BELIEVED = [
    "API key not valid. Please pass a valid API key.",
    "API key expired. Please renew the API key.",
    "Your API key was reported as leaked. Please use another API key.",
    "Permission denied: Consumer 'api_key:x' has been suspended.",
    "This service has been disabled in this account for violation of Terms of Service.",
    "Your project has been denied access. Please contact support.",
    "Requests to this API x method y are blocked.",
    "Generative Language API has not been used in project 123456789 before or it is disabled.",
    "Verify your account to continue.",
    "This client is no longer supported for Gemini Code Assist for individuals.",
    "You must be a named user on your organization's Gemini Code Assist subscription.",
    "The caller does not have permission",
    "Permission denied on resource project x.",
    "Your prepayment credits are depleted.",
    "Your project has exceeded its monthly spending cap.",
    "You exceeded your spend-based rate limit.",
    "You have exhausted your capacity on this model. Your quota will reset after 99h.",
    "Individual quota reached. Resets in 99h.",
    "Gemini 9 doesn't have a free quota tier.",
    "Gemini API free tier is not available in your country.",
    "User location is not supported for the API use.",
    "Multiple authentication credentials received.",
    exceeded(0),
    "Please retry in 86000s.",
    error(429, "x", used_up(MINUTE), info("API_KEY_INVALID"), info("CONSUMER_SUSPENDED")).decode(),
]


def quoting(words: str) -> list[tuple[int, bytes]]:
    """Refusals in which Google quotes what a caller sent."""
    value = f"Invalid value at 'contents[0].role' (TYPE_STRING), \"{words}\""
    unknown = f'Invalid JSON payload received. Unknown name "{words}": Cannot find field.'
    return [
        (400, error(400, value)),
        (400, error(400, value, word="FAILED_PRECONDITION")),
        (400, error(400, unknown, bad_request(words))),
        (400, error(400, "Request contains an invalid argument.", bad_request(words))),
        (400, code_assist_error(400, f"* GenerateContentRequest.tools[0].function_declarations[0].name: {words}")),
        (400, page(f"Error 400: {words}")),
        (403, error(403, f"You do not have permission to access the File {words} or it may not exist.")),
        (403, error(403, f"CachedContent not found (or permission denied): {words}")),
        (404, error(404, f"files/{words} was not found.")),
        (413, page(words)),
    ]


@pytest.mark.parametrize("words", BELIEVED)
def test_words_of_the_caller_stay_the_callers_fault(words):
    for status, body in quoting(words):
        refusal = read_refusal(status, body)
        assert (refusal.outcome, refusal.quota, refusal.project) == (Outcome.REQUEST_REFUSED, "", ""), body


@pytest.mark.parametrize("words", BELIEVED)
@pytest.mark.parametrize("status", [403, 404, 405, 409, 429, 451, 500, 503])
def test_words_inside_another_sentence_or_a_page_cost_no_credential_its_life_or_its_day(status, words):
    for body in (error(status, f"About “{words}”: no."), page(words), b"Told: " + words.encode(), b"<p>" + words.encode()):
        refusal = read_refusal(status, body)
        assert refusal.outcome in (Outcome.UNEXPLAINED, Outcome.UPSTREAM_FAILED, Outcome.THROTTLED), body
        assert EFFECTS[refusal.outcome].soft
        assert (refusal.retry_after, refusal.quota, refusal.quota_value, refusal.project) == (None, "", None, "")


@pytest.mark.parametrize("words", BELIEVED)
def test_a_made_up_model_name_costs_no_more_than_itself(words):
    refusal = read_refusal(404, error(404, f"models/{words} is not found for API version v1beta"))
    assert (refusal.outcome, refusal.project, refusal.retry_after) == (Outcome.MODEL_ABSENT, "", None)


@pytest.mark.parametrize("model", ["x, limit: 0", "x PerDay", "limit: 0", "GenerateRequestsPerDay", "quota_limit_value: 0"])
def test_the_name_of_the_model_uses_up_no_day(model):
    refusal = read_refusal(429, error(429, exceeded(20, model=model), used_up(MINUTE)))
    assert (refusal.outcome, refusal.quota, refusal.quota_value) == (Outcome.MINUTE_QUOTA, MINUTE, 20)


def test_a_role_that_is_missing_for_what_the_caller_named_is_not_a_dead_login():
    for resource in (
        "files/abc",
        "//generativelanguage.googleapis.com/cachedContents/abc",
        "projects/p/locations/l/tunedModels/x",
    ):
        body = error(403, "Permission 'x' denied on resource.", info("IAM_PERMISSION_DENIED", resource=resource))
        assert read_refusal(403, body).outcome is Outcome.UNEXPLAINED


# --- Whatever comes -----------------------------------------------------------------------------------------------------------

FIELDS = (
    "error", "errors", "code", "message", "status", "details", "@type", "reason", "domain", "metadata", "violations",
    "quotaId", "quotaValue", "quotaMetric", "retryDelay", "seconds", "links", "url", "consumer", "resource", "quotaResetDelay",
    "quota_limit",
)  # fmt: skip
KINDS = tuple(TYPE + kind for kind in ("ErrorInfo", "QuotaFailure", "RetryInfo", "Help", "BadRequest"))
REASONS = (
    "API_KEY_INVALID",
    "QUOTA_EXHAUSTED",
    "RATE_LIMIT_EXCEEDED",
    "VALIDATION_REQUIRED",
    "IAM_PERMISSION_DENIED",
    CODE_ASSIST,
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from((*KINDS, *REASONS, MINUTE, "5s", "projects/x", *BELIEVED))
)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5), max_leaves=20
)
bodies = st.binary(max_size=40) | values.map(lambda value: json.dumps({"error": value}).encode()) | values.map(
    lambda value: json.dumps(value).encode()
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(status=st.integers() | st.integers(200, 599), body=bodies)
def test_no_body_is_too_odd_to_be_read(status, body):
    refusal = read_refusal(status, body)
    assert refusal.outcome in EFFECTS
    assert refusal.outcome in LETTERS
    assert refusal.outcome not in (Outcome.SERVED, Outcome.HALF_ALIVE)
    assert 400 <= refusal.status <= 599
    assert 0 < len(refusal.message) <= 2_000
    assert len(refusal.unknown) <= 4_000
    assert refusal.message.isprintable()
    assert refusal.unknown.isprintable()
    assert refusal.retry_after is None or 0 <= refusal.retry_after <= 7 * 86_400
    assert refusal.quota_value is None or refusal.quota_value >= 0


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"error":' * 50_000,
        b'{"error":{"code":' + b"9" * 10_000 + b"}}",
        b'{"error":{"code":429,"details":[' + b"[" * 900 + b"]" * 900 + b"]}}",
        b"{,}" * 80_000,
        b"<script" * 30_000,
    ],
    ids=["deep", "deep_objects", "long_number", "deep_details", "commas", "open_tags"],
)
def test_no_body_is_too_large_to_be_read(body):
    assert read_refusal(500, body).outcome is Outcome.UPSTREAM_FAILED
