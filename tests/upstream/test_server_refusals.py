"""What servers of OpenAI's dialect mean by their refusals: a table of bodies as such servers send them."""

import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.health import DAY, Outcome
from openai_api.upstream.server_refusals import read_server_refusal, rest_of


def error(message="it failed", **given):
    return json.dumps({"error": {"message": message, "type": "", "param": None, "code": None} | given}).encode()


ROWS = [
    # OpenAI
    (401, error("Incorrect API key provided: sk-x.", type="invalid_request_error", code="invalid_api_key"), Outcome.KEY_REJECTED),
    (429, error("Rate limit reached for gpt-4o", type="requests", code="rate_limit_exceeded"), Outcome.MINUTE_QUOTA),
    (429, error("Rate limit reached for gpt-4o", type="tokens", code="rate_limit_exceeded"), Outcome.MINUTE_QUOTA),
    (429, error("You exceeded your current quota", type="insufficient_quota", code="insufficient_quota"), Outcome.OUT_OF_CREDIT),
    (
        404,
        error("The model `gpt-9` does not exist or you do not have access to it.", code="model_not_found"),
        Outcome.MODEL_ABSENT,
    ),
    (403, error("Project does not have access to model `o9`", code="model_not_found"), Outcome.MODEL_ABSENT),
    (403, error("Country not supported", code="unsupported_country_region_territory"), Outcome.GATEWAY_REFUSED),
    (400, error("Unsupported parameter: 'top_k'", type="invalid_request_error", param="top_k"), Outcome.REQUEST_REFUSED),
    (400, error("too long", code="context_length_exceeded"), Outcome.REQUEST_REFUSED),
    (404, error("Invalid URL (POST /v1/rerank)", type="invalid_request_error"), Outcome.REQUEST_REFUSED),
    (413, error("too large"), Outcome.REQUEST_REFUSED),
    (500, error("The server had an error", type="server_error"), Outcome.UPSTREAM_FAILED),
    (503, error("The engine is overloaded", type="overloaded"), Outcome.UPSTREAM_FAILED),
    # DeepSeek, xAI, OpenRouter
    (402, error("Insufficient Balance", code="invalid_request_error"), Outcome.OUT_OF_CREDIT),
    (400, error("Incorrect API key provided: xa***x9."), Outcome.KEY_REJECTED),
    (403, error("Your input was flagged", code="content_policy_violation"), Outcome.REQUEST_REFUSED),
    (200, error("Provider returned error", code=502), Outcome.UPSTREAM_FAILED),
    (200, error("Rate limited", code=429), Outcome.MINUTE_QUOTA),
    # New-API
    (503, error("No available channel for model x", type="new_api_error", code="model_not_found"), Outcome.MODEL_ABSENT),
    (403, error("user quota is not enough", type="new_api_error", code="insufficient_user_quota"), Outcome.OUT_OF_CREDIT),
    # vLLM, Ollama, FastAPI, LiteLLM, and what stands before a server
    (
        404,
        b'{"object":"error","message":"The model `x` does not exist.","type":"NotFoundError","code":404}',
        Outcome.MODEL_ABSENT,
    ),
    (404, error('model "x" not found, try pulling it first', type="api_error"), Outcome.MODEL_ABSENT),
    (401, b'{"error":"Unauthorized"}', Outcome.KEY_REJECTED),
    (422, b'{"detail":[{"loc":["body","messages"],"msg":"field required"}]}', Outcome.REQUEST_REFUSED),
    (400, error("No connected db.", type="no_db_connection", code="400"), Outcome.KEY_REJECTED),
    (400, error("ExceededBudget: over budget", type="budget_exceeded", code="400"), Outcome.OUT_OF_CREDIT),
    (401, error("key not allowed to access model", type="key_model_access_denied", code="401"), Outcome.MODEL_ABSENT),
    (429, error("No deployments available", type="None", code="429"), Outcome.MINUTE_QUOTA),
    (403, b"<html><title>Attention Required!</title></html>", Outcome.GATEWAY_REFUSED),
    (403, b'{"error":{"message":"Forbidden"}}', Outcome.NOT_PERMITTED),
    (502, b"<html>Bad Gateway</html>", Outcome.UPSTREAM_FAILED),
    (429, b"", Outcome.MINUTE_QUOTA),
    (301, b"", Outcome.UPSTREAM_FAILED),
    (408, b"{}", Outcome.UPSTREAM_FAILED),
    # What a caller may make a server repeat costs no key anything.
    (400, error("'insufficient_quota invalid_api_key' is not valid"), Outcome.REQUEST_REFUSED),
    (422, error("the model said: Incorrect API key provided"), Outcome.REQUEST_REFUSED),
]


@pytest.mark.parametrize(("status", "body", "outcome"), ROWS, ids=[f"{row[0]}-{number}" for number, row in enumerate(ROWS)])
def test_what_a_refusal_means(status, body, outcome):
    assert read_server_refusal(status, body, {}).outcome is outcome


def test_its_words_are_kept_for_the_caller():
    refusal = read_server_refusal(400, error("top_k is odd", type="weird", param="top_k", code="odd"), {})
    assert (refusal.status, refusal.message, refusal.kind) == (400, "top_k is odd", "weird")
    assert (refusal.param, refusal.code) == ("top_k", "odd")
    assert read_server_refusal(400, b'{"detail":"Not so"}', {}).message == "Not so"
    assert read_server_refusal(500, b"", {}).message == "The server answered 500 with no explanation."


def test_what_looks_like_a_key_and_the_very_key_are_concealed():
    refusal = read_server_refusal(401, error("Incorrect API key provided: zz-0123456789-zz."), {}).concealing("zz-0123456789-zz")
    assert "0123456789" not in refusal.message
    assert "AIzaSy" not in read_server_refusal(400, error("key AIzaSy" + "A" * 33), {}).message.replace("AIzaS…", "")


@pytest.mark.parametrize(
    ("headers", "rest"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "20", "retry-after-ms": "1500"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "99999999"}, DAY),
        ({"retry-after": "2", "x-ratelimit-reset-requests": "9s"}, 2),
        ({"x-ratelimit-reset-requests": "120ms", "x-ratelimit-reset-tokens": "6m0s"}, 0.12),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 360),
        (
            {
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1h2m3.5s",
                "x-ratelimit-reset-tokens": "6m0s",
            },
            3723.5,
        ),
        ({"x-ratelimit-reset-requests": "2030-01-01T00:00:00Z"}, None),
    ],
)
def test_until_when_a_key_rests(headers, rest):
    assert rest_of(headers) == rest
    assert read_server_refusal(429, b"", headers).retry_after == rest


def test_a_moment_is_understood_too():
    moment = datetime.now(UTC) + timedelta(seconds=100)
    assert 95 < (rest_of({"retry-after": format_datetime(moment, usegmt=True)}) or 0) <= 100
    assert rest_of({"retry-after": format_datetime(moment - timedelta(hours=1), usegmt=True)}) == 0


@settings(max_examples=100, deadline=None)
@given(
    st.integers(200, 599),
    st.binary(max_size=60) | st.recursive(st.none() | st.text(), st.lists).map(lambda x: json.dumps(x).encode()),
)
def test_nothing_that_a_server_says_raises(status, body):
    refusal = read_server_refusal(status, body, {"retry-after": "x", "x-ratelimit-reset-tokens": "y"})
    assert refusal.status >= 300
    assert refusal.message
