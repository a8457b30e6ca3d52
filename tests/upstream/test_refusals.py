"""What Google says when it refuses, and what it means for the credential, the caller and the gateway."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.health import Outcome
from openai_api.upstream.refusals import read_refusal
from tests.google.faults import FAULTS, Circumstances

INFO = "type.googleapis.com/google.rpc.ErrorInfo"
QUOTA = "type.googleapis.com/google.rpc.QuotaFailure"
RETRY = "type.googleapis.com/google.rpc.RetryInfo"
HELP = "type.googleapis.com/google.rpc.Help"
LOCALIZED = "type.googleapis.com/google.rpc.LocalizedMessage"
BAD_REQUEST = "type.googleapis.com/google.rpc.BadRequest"

KEY = "AIzaSyD-0123456789abcdefghijklmnopqrstuv"


def error(code: int, message: str, *details: dict, status: str = "") -> bytes:
    body = {"code": code, "message": message, "status": status} | ({"details": list(details)} if details else {})
    return json.dumps({"error": body}).encode()


def info(reason: str, **metadata: str) -> dict:
    return {"@type": INFO, "reason": reason, "domain": "googleapis.com", "metadata": metadata}


def used_up(*quotas: str, value: str | None = "20") -> dict:
    common = {"quotaMetric": "m", "quotaDimensions": {"model": "gemini-3.8-flash"}} | ({"quotaValue": value} if value else {})
    return {"@type": QUOTA, "violations": [common | {"quotaId": quota} for quota in quotas]}


def retry(delay: str) -> dict:
    return {"@type": RETRY, "retryDelay": delay}


MINUTE = "GenerateRequestsPerMinutePerProjectPerModel-FreeTier"
DAY = "GenerateRequestsPerDayPerProjectPerModel-FreeTier"
TOKENS_MINUTE = "GenerateContentPaidTierInputTokensPerModelPerMinute"
TOKENS_DAY = "GenerateContentInputTokensPerModelPerDay"
EXCEEDED = "You exceeded your current quota. * Quota exceeded for metric: m, limit: 20, model: gemini-3.8-flash"
ZERO = "You exceeded your current quota. * Quota exceeded for metric: m, limit: 0, model: gemini-3.1-pro"
SORRY = b"<html><head><title>Sorry...</title></head><body>your computer may be sending automated queries</body></html>"

REFUSALS = [
    # The key
    (400, error(400, "API key not valid. Please pass a valid API key.", info("API_KEY_INVALID")), Outcome.KEY_REJECTED),
    (400, error(400, "API key not valid. Please pass a valid API key."), Outcome.KEY_REJECTED),
    (400, error(400, "Schlüssel ungültig", {"@type": LOCALIZED}, info("API_KEY_INVALID")), Outcome.KEY_REJECTED),
    (400, error(400, "API key expired. Please renew the API key.", info("API_KEY_INVALID")), Outcome.KEY_REJECTED),
    (400, b"[" + error(400, "API key expired. Please renew the API key.") + b"]", Outcome.KEY_REJECTED),
    (
        401,
        error(401, "Request had invalid authentication credentials.", info("ACCESS_TOKEN_TYPE_UNSUPPORTED")),
        Outcome.KEY_REJECTED,
    ),
    (401, error(401, "Request had invalid authentication credentials. Expected OAuth 2 access token"), Outcome.KEY_REJECTED),
    (401, b"", Outcome.KEY_REJECTED),
    (401, error(401, "API keys are not supported by this API.", info("CREDENTIALS_MISSING")), Outcome.GATEWAY_REFUSED),
    (403, error(403, "Your API key was reported as leaked. Please use another API key."), Outcome.KEY_LEAKED),
    (
        403,
        error(403, f"Permission denied: Consumer 'api_key:{KEY}' has been suspended.", info("CONSUMER_SUSPENDED")),
        Outcome.SUSPENDED,
    ),
    (403, error(403, "Permission denied: Consumer 'api_key:x' has been suspended."), Outcome.SUSPENDED),
    (403, error(403, "Your project has been denied access. Please contact support."), Outcome.SUSPENDED),
    (403, error(403, "Requests to this API m method x are blocked.", info("API_KEY_SERVICE_BLOCKED")), Outcome.KEY_RESTRICTED),
    (403, error(403, "Requests to this API generativelanguage.googleapis.com method x are blocked."), Outcome.KEY_RESTRICTED),
    (
        403,
        error(403, "Requests from referer <empty> are blocked.", info("API_KEY_HTTP_REFERRER_BLOCKED")),
        Outcome.KEY_RESTRICTED,
    ),
    (403, error(403, "An IP address restriction.", info("API_KEY_IP_ADDRESS_BLOCKED")), Outcome.KEY_RESTRICTED),
    (403, error(403, "Blocked.", info("API_KEY_ANDROID_APP_BLOCKED")), Outcome.KEY_RESTRICTED),
    (403, error(403, "The API has not been used in project 123456789 before or it is disabled."), Outcome.API_DISABLED),
    (403, error(403, "Disabled.", info("SERVICE_DISABLED", consumer="projects/123456789")), Outcome.API_DISABLED),
    # The gateway
    (400, error(400, "Multiple authentication credentials received. Please pass only one."), Outcome.GATEWAY_REFUSED),
    (400, error(400, "User location is not supported for the API use.", status="FAILED_PRECONDITION"), Outcome.GATEWAY_REFUSED),
    (
        403,
        error(403, "Method doesn't allow unregistered callers (callers without established identity)."),
        Outcome.GATEWAY_REFUSED,
    ),
    # The model
    (400, error(400, "Free tier is not available in your country.", status="FAILED_PRECONDITION"), Outcome.NOT_ENTITLED),
    (
        404,
        error(404, "models/x is not found for API version v1beta, or is not supported for generateContent."),
        Outcome.MODEL_ABSENT,
    ),
    (404, error(404, "This model models/gemini-2.5-pro is no longer available to new users."), Outcome.MODEL_ABSENT),
    (404, error(404, "Requested entity was not found."), Outcome.MODEL_ABSENT),
    (403, error(403, "You do not have permission to access tunedModels/x: this model is private."), Outcome.MODEL_ABSENT),
    # The request
    (400, error(400, "Request contains an invalid argument."), Outcome.REQUEST_REFUSED),
    (400, error(400, "* GenerateContentRequest.contents: contents is not specified"), Outcome.REQUEST_REFUSED),
    (400, error(400, "Invalid JSON payload received.", {"@type": BAD_REQUEST, "fieldViolations": []}), Outcome.REQUEST_REFUSED),
    (400, error(400, "The input token count (2) exceeds the maximum number of tokens allowed (1)."), Outcome.REQUEST_REFUSED),
    (400, error(400, "Penalty is not enabled for models/x"), Outcome.REQUEST_REFUSED),
    (400, error(400, "Logprobs is not supported for this model"), Outcome.REQUEST_REFUSED),
    (400, error(400, "Function call is missing a thought_signature in functionCall parts."), Outcome.REQUEST_REFUSED),
    (400, error(400, "User location is not supported", status="INVALID_ARGUMENT"), Outcome.REQUEST_REFUSED),
    (400, b"<html><title>400 Bad Request</title></html>", Outcome.REQUEST_REFUSED),
    (403, error(403, "You do not have permission to access the File abc or it may not exist."), Outcome.REQUEST_REFUSED),
    (403, error(403, "CachedContent not found (or permission denied)"), Outcome.REQUEST_REFUSED),
    (404, error(404, "files/abc was not found."), Outcome.REQUEST_REFUSED),
    (413, b"<html><title>Error 413 (Request Entity Too Large)!!1</title></html>", Outcome.REQUEST_REFUSED),
    # Quota and money
    (402, error(402, "Your prepayment credits are depleted.", status="RESOURCE_EXHAUSTED"), Outcome.OUT_OF_CREDIT),
    (402, b"", Outcome.OUT_OF_CREDIT),
    (429, error(429, "Your prepayment credits are depleted."), Outcome.OUT_OF_CREDIT),
    (429, error(429, "Your project has exceeded its monthly spending cap."), Outcome.OUT_OF_CREDIT),
    (429, error(429, EXCEEDED, used_up(MINUTE), retry("56s")), Outcome.MINUTE_QUOTA),
    (429, error(429, EXCEEDED, retry("0.52s"), used_up(TOKENS_MINUTE)), Outcome.MINUTE_QUOTA),
    (429, error(429, "Too many requests.", retry("7s")), Outcome.MINUTE_QUOTA),
    (429, error(429, EXCEEDED + "\nPlease retry in 12.5s."), Outcome.MINUTE_QUOTA),
    (429, error(429, EXCEEDED), Outcome.MINUTE_QUOTA),
    (429, error(429, EXCEEDED, used_up(DAY), retry("30s")), Outcome.DAY_QUOTA),
    (429, error(429, EXCEEDED, retry("30s"), used_up(MINUTE, TOKENS_DAY)), Outcome.DAY_QUOTA),
    (429, b"[" + error(429, EXCEEDED, used_up(DAY)) + b"]", Outcome.DAY_QUOTA),
    (429, error(429, ZERO, used_up(DAY, MINUTE, value=None), retry("5s")), Outcome.NOT_ENTITLED),
    (429, error(429, ZERO), Outcome.NOT_ENTITLED),
    (429, error(429, "Quota exceeded.", used_up(MINUTE, value=None)), Outcome.NOT_ENTITLED),
    (429, error(429, EXCEEDED, used_up(MINUTE, value=None)), Outcome.MINUTE_QUOTA),
    (429, error(429, "Resource has been exhausted (e.g. check quota)."), Outcome.THROTTLED),
    (429, SORRY, Outcome.THROTTLED),
    (429, b"", Outcome.THROTTLED),
    # Google itself
    (408, b"", Outcome.UPSTREAM_FAILED),
    (499, error(499, "The operation was cancelled."), Outcome.UPSTREAM_FAILED),
    (500, error(500, "An internal error has occurred."), Outcome.UPSTREAM_FAILED),
    (502, b"<html><title>502 Bad Gateway</title></html>", Outcome.UPSTREAM_FAILED),
    (503, error(503, "The model is overloaded. Please try again later."), Outcome.UPSTREAM_FAILED),
    (504, error(504, "Deadline expired before operation could complete."), Outcome.UPSTREAM_FAILED),
    # Who knows
    (403, error(403, "The caller does not have permission"), Outcome.UNEXPLAINED),
    (403, b"<html><title>Error 403 (Forbidden)!!1</title></html>", Outcome.UNEXPLAINED),
    (404, b"<html><title>Error 404 (Not Found)!!1</title></html>", Outcome.UNEXPLAINED),
    (418, b'{"odd": true}', Outcome.UNEXPLAINED),
]


@pytest.mark.parametrize(("status", "body", "outcome"), REFUSALS, ids=lambda value: str(value)[:60])
def test_what_a_refusal_means(status, body, outcome):
    refusal = read_refusal(status, body)
    assert refusal.outcome == outcome
    assert refusal.status == status
    assert refusal.message


OF_FAULT = {
    "api_key_invalid": Outcome.KEY_REJECTED,
    "api_key_expired": Outcome.KEY_REJECTED,
    "wrong_kind": Outcome.KEY_REJECTED,
    "no_key": Outcome.GATEWAY_REFUSED,
    "two_credentials": Outcome.GATEWAY_REFUSED,
    "credentials_missing": Outcome.GATEWAY_REFUSED,
    "location_unsupported": Outcome.GATEWAY_REFUSED,
    "suspended": Outcome.SUSPENDED,
    "project_denied": Outcome.SUSPENDED,
    "service_blocked": Outcome.KEY_RESTRICTED,
    "referrer_blocked": Outcome.KEY_RESTRICTED,
    "ip_blocked": Outcome.KEY_RESTRICTED,
    "service_disabled": Outcome.API_DISABLED,
    "leaked": Outcome.KEY_LEAKED,
    "free_tier_unavailable": Outcome.NOT_ENTITLED,
    "zero_quota": Outcome.NOT_ENTITLED,
    "out_of_credit": Outcome.OUT_OF_CREDIT,
    "out_of_credit_before_september": Outcome.OUT_OF_CREDIT,
    "spend_cap": Outcome.OUT_OF_CREDIT,
    "bare_429": Outcome.THROTTLED,
    "minute_quota": Outcome.MINUTE_QUOTA,
    "minute_token_quota": Outcome.MINUTE_QUOTA,
    "retry_info_only": Outcome.MINUTE_QUOTA,
    "day_quota": Outcome.DAY_QUOTA,
    "day_token_quota": Outcome.DAY_QUOTA,
    "day_and_minute_quota": Outcome.DAY_QUOTA,
    "model_not_found": Outcome.MODEL_ABSENT,
    "model_closed_to_new_users": Outcome.MODEL_ABSENT,
    "file_denied": Outcome.REQUEST_REFUSED,
    "bad_request": Outcome.REQUEST_REFUSED,
    "too_long": Outcome.REQUEST_REFUSED,
    "html_413": Outcome.REQUEST_REFUSED,
    "html_429": Outcome.THROTTLED,
    "android_app_blocked": Outcome.KEY_RESTRICTED,
    "ios_app_blocked": Outcome.KEY_RESTRICTED,
    "html_404": Outcome.UNEXPLAINED,
    "html_408": Outcome.UPSTREAM_FAILED,
    "html_502": Outcome.UPSTREAM_FAILED,
    "empty_502": Outcome.UPSTREAM_FAILED,
    "cancelled": Outcome.UPSTREAM_FAILED,
    "deadline": Outcome.UPSTREAM_FAILED,
    "internal": Outcome.UPSTREAM_FAILED,
    "overloaded": Outcome.UPSTREAM_FAILED,
    "high_demand": Outcome.UPSTREAM_FAILED,
}
CIRCUMSTANCES = Circumstances(key=KEY, project="project-1")


@pytest.mark.parametrize(("name", "outcome"), OF_FAULT.items())
def test_the_faults_that_the_simulator_plays(name, outcome):
    fault = FAULTS[name](CIRCUMSTANCES)
    body = fault.body if isinstance(fault.body, str) else json.dumps(fault.body)
    refusal = read_refusal(fault.code, body.encode())
    assert refusal.outcome == outcome
    assert KEY not in refusal.message


# --- What a caller could put into a message -------------------------------------------------------------------------

QUOTED = [
    "Your API key was reported as leaked.",
    "API key not valid.",
    "API key expired.",
    "has been suspended",
    "has not been used in project 123456789",
    "User location is not supported for the API use.",
    "Your prepayment credits are depleted.",
    "not available in your country",
    "Multiple authentication credentials received.",
]


@pytest.mark.parametrize("quoted", QUOTED)
def test_words_of_the_caller_quoted_in_a_400_cost_no_credential(quoted):
    message = f"Invalid value at 'safety_settings[0].category' (type.googleapis.com/HarmCategory), \"{quoted}\""
    assert read_refusal(400, error(400, message, status="INVALID_ARGUMENT")).outcome == Outcome.REQUEST_REFUSED


# --- What else it says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "seconds"),
    [
        (error(429, EXCEEDED, used_up(MINUTE), retry("56s")), 56.0),
        (error(429, EXCEEDED, used_up(MINUTE), retry("0.52s")), 0.52),
        (error(429, EXCEEDED + "\nPlease retry in 56.18s.", used_up(MINUTE)), 56.18),
        (error(429, EXCEEDED + "\nPlease retry in 250.5ms."), 0.2505),
        (error(429, EXCEEDED, used_up(MINUTE), {"@type": RETRY, "retryDelay": {"seconds": 12}}), 12.0),
        (error(429, EXCEEDED, used_up(MINUTE), retry("soon")), None),
        (error(429, EXCEEDED, used_up(MINUTE), retry("-5s")), None),
        (error(429, EXCEEDED, used_up(MINUTE), retry("infs")), None),
        (error(429, EXCEEDED, used_up(MINUTE), {"@type": RETRY}), None),
        (error(429, EXCEEDED, used_up(DAY), retry("56s")), None),
        (error(429, ZERO, retry("56s")), None),
        (error(503, "overloaded", retry("3s")), 3.0),
        (error(429, "Resource has been exhausted (e.g. check quota)."), None),
    ],
)
def test_when_to_come_back(body, seconds):
    assert read_refusal(json.loads(body)["error"]["code"], body).retry_after == seconds


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            400,
            error(400, "The input token count (2) exceeds the maximum number of tokens allowed (1)."),
            "context_length_exceeded",
        ),
        (400, error(400, "Penalty is not enabled for this model"), "unsupported_parameter"),
        (400, error(400, "Request contains an invalid argument."), None),
        (404, error(404, "models/x is not found for API version v1beta"), "model_not_found"),
        (413, b"", "request_too_large"),
        (429, error(429, EXCEEDED, used_up(DAY)), "rate_limit_exceeded"),
        (402, b"", "insufficient_quota"),
        (503, b"", None),
    ],
)
def test_openais_word_for_it(status, body, code):
    assert read_refusal(status, body).code == code


@pytest.mark.parametrize(
    ("details", "quota"),
    [
        ([used_up(MINUTE)], MINUTE),
        ([used_up(MINUTE, DAY)], DAY),
        ([used_up(TOKENS_MINUTE, MINUTE)], TOKENS_MINUTE),
        ([used_up("")], ""),
        ([], ""),
    ],
)
def test_the_quota_that_decides_is_named(details, quota):
    assert read_refusal(429, error(429, EXCEEDED, *details)).quota == quota


@pytest.mark.parametrize(
    ("body", "project"),
    [
        (error(403, "x", info("SERVICE_DISABLED", consumer="projects/123456789")), "123456789"),
        (error(403, "x", info("CONSUMER_SUSPENDED", consumer="projects/my-project")), "my-project"),
        (error(403, "x", info("CONSUMER_SUSPENDED", consumer=f"api_key:{KEY}")), ""),
        (error(403, "The API has not been used in project 123456789 before"), "123456789"),
        (error(403, "Your project has been denied access."), ""),
        (error(403, "The project number is unknown."), ""),
    ],
)
def test_the_project_is_learned_where_it_is_named(body, project):
    assert read_refusal(403, body).project == project


# --- Bodies as they come --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'[{"error":{"code":429,"message":"q","status":"RESOURCE_EXHAUSTED","details":[%s]}}]'
        % json.dumps(used_up(DAY)).encode(),
        b'[\n{"error":{"code":429,"message":"q","details":[%s,],},},\n]' % json.dumps(used_up(DAY)).encode(),
        b'\n {"error":{"details":[5, null, %s],"message":"q"}}' % json.dumps(used_up(DAY)).encode(),
        b'[[{"error":{"details":[%s],"message":null}}]]' % json.dumps(used_up(DAY)).encode(),
    ],
)
def test_bodies_are_understood_however_they_are_wrapped(body):
    assert read_refusal(429, body).outcome == Outcome.DAY_QUOTA


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (502, b"<html><head><title>Error 502 (Server Error)!!1</title></head>...</html>", "Error 502 (Server Error)!!1"),
        (502, b"<!doctype html><p>Bad <b>gateway</b><style>p{}</style>", "Bad gateway"),
        (502, b"upstream connect error", "upstream connect error"),
        (502, b"", "Google answered 502 with no explanation."),
        (500, b'{"error":"just text"}', "just text"),
        (500, b'{"error":{"message":"two\\n\\n  lines"}}', "two lines"),
        (500, b"\xff\xfe", "\ufffd\ufffd"),
        (403, error(403, f"Consumer 'api_key:{KEY}' has been suspended."), "Consumer 'api_key:…' has been suspended."),
        (403, error(403, "Consumer 'api_key:of-no-known-shape' is gone"), "Consumer 'api_key:…' is gone"),
        (400, error(400, f"Bad key {KEY}."), "Bad key AIzaS…stuv."),
    ],
)
def test_messages_are_plain_and_hold_no_secret(status, body, message):
    assert read_refusal(status, body).message == message


def test_messages_have_an_end():
    assert len(read_refusal(500, b"x" * 100_000).message) == 2_000


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [(200, error(503, "x"), 503), (200, error(0, "x"), 500), (200, b"?", 500), (429, error(503, "x"), 429), (302, b"", 500)],
)
def test_an_error_inside_an_answer_brings_its_own_status(status, body, found):
    assert read_refusal(status, body).status == found


FIELDS = ("code", "message", "status", "details", "@type", "reason", "metadata", "violations", "quotaId", "retryDelay")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from((INFO, QUOTA, RETRY, MINUTE)),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=4),
    max_leaves=15,
)


@settings(max_examples=200, deadline=None)
@given(
    status=st.integers(200, 599),
    body=st.binary(max_size=30) | json_values.map(lambda value: json.dumps({"error": value}).encode()),
)
def test_no_body_is_too_odd_to_be_read(status, body):
    refusal = read_refusal(status, body)
    assert refusal.message
    assert refusal.outcome != Outcome.SERVED
    assert 400 <= refusal.status <= 599


@pytest.mark.parametrize("message", ["a \\ud800 b", "nul \\u0000 b", "escape \\u001b[31m b"])
def test_a_message_can_be_told_and_stored_whatever_stands_in_it(message):
    refusal = read_refusal(429, f'{{"error": {{"code": 429, "message": "{message}"}}}}'.encode())
    assert refusal.message.encode().decode().isprintable()


@pytest.mark.parametrize(
    "error",
    [
        {"message": f"Please retry in {'9' * 500}s."},
        {"message": "x", "details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "1e300s"}]},
    ],
    ids=["text", "details"],
)
def test_a_delay_beyond_reason_is_a_day_at_most(error):
    refusal = read_refusal(429, json.dumps({"error": {"code": 429, **error}}).encode())
    assert (refusal.outcome, refusal.retry_after) == (Outcome.MINUTE_QUOTA, 86_400)
