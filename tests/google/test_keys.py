"""Who may ask: section 1.1, and the order of the checks."""

import httpx
import pytest

from tests.google import GoogleSimulator
from tests.google.asking import FLASH, ask, saying

HEADER = {"x-goog-api-key": "test-key-1"}
UNKNOWN = {"x-goog-api-key": "AIza-nobody"}


def post(google, headers, query="", content=None):
    url = f"{google.url}/v1beta/models/{FLASH}:generateContent{query}"
    return httpx.post(url, headers=headers, **({"content": content} if content is not None else {"json": saying()}))


@pytest.mark.parametrize(
    ("headers", "query", "code", "status", "reason"),
    [
        (HEADER, "", 200, None, None),
        ({}, "?key=test-key-1", 200, None, None),
        ({}, "", 403, "PERMISSION_DENIED", None),
        (UNKNOWN, "", 400, "INVALID_ARGUMENT", "API_KEY_INVALID"),
        ({"authorization": "Bearer ya29.x"}, "", 401, "UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ({"authorization": "Bearer test-key-1"}, "", 401, "UNAUTHENTICATED", "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        (HEADER, "?key=test-key-1", 400, "INVALID_ARGUMENT", None),
        ({**HEADER, "authorization": "Bearer test-key-1"}, "", 400, "INVALID_ARGUMENT", None),
    ],
)
def test_one_known_key_in_its_header_is_what_google_takes(google, headers, query, code, status, reason):
    response = post(google, headers, query)
    error = response.json().get("error", {})
    assert (response.status_code, error.get("status")) == (code, status)
    assert next((detail["reason"] for detail in error.get("details", ()) if "reason" in detail), None) == reason


def test_a_key_in_the_query_is_noted(google):
    post(google, {}, "?key=test-key-1")
    post(google, HEADER)
    assert [(call.key, call.key_in) for call in google.log] == [("test-key-1", "query"), ("test-key-1", "header")]


@pytest.mark.parametrize("content", [b"{", b'{"contents": NaN}', b"[]", b'{"unknown": 1}'])
def test_a_bad_body_is_refused_before_the_key_is_looked_at(google, content):
    response = post(google, UNKNOWN, content=content)
    assert response.status_code == 400
    assert response.json()["error"]["message"].startswith("Invalid JSON payload received.")


def test_the_key_is_looked_at_before_the_rules_and_the_model(google):
    body = {"contents": []}
    assert "API key not valid" in ask(google, body, key="nobody").text
    assert "API key not valid" in ask(google, body, model="no-model", key="nobody").text
    assert "no-model" in ask(google, body, model="no-model").text
    assert "contents is not specified" in ask(google, body).text


@pytest.mark.parametrize("key", ["AIzaSyA-short", "AQ.Ab8RN6_x", "anything"])
def test_keys_of_every_shape_are_alike(google, key):
    assert ask(google, saying(), key=key).status_code == 400
    google.keys[key] = "project-a"
    assert ask(google, saying(), key=key).status_code == 200
    assert google.log[-1].project == "project-a"


def test_an_open_simulator_takes_every_key_but_not_none():
    with GoogleSimulator(everybody=True) as google:
        assert ask(google, saying(), key="whoever").status_code == 200
        assert post(google, {}).status_code == 403


@pytest.mark.parametrize(
    ("http_method", "path", "code"),
    [
        ("GET", "/v1beta/models", 200),
        ("GET", f"/v1beta/models/{FLASH}", 200),
        ("GET", "/v1beta/models/gemini-1.5-pro", 404),
        ("POST", "/v1beta/models/gemini-1.5-pro:generateContent", 404),
        ("POST", "/v1beta/models/gemini-embedding-001:generateContent", 404),
        ("POST", f"/v1beta/models/{FLASH}:embedContent", 404),
        ("POST", f"/v1beta/models/{FLASH}:predict", 404),
        ("GET", f"/v1beta/models/{FLASH}:generateContent", 404),
        ("GET", "/v1beta/nothing", 404),
        ("GET", "/", 404),
    ],
)
def test_what_is_there_and_what_is_not(google, http_method, path, code):
    response = httpx.request(http_method, google.url + path, headers=HEADER, content=b"{}" if http_method == "POST" else None)
    assert response.status_code == code


def test_an_unknown_model_is_named(google):
    error = ask(google, saying(), model="gemini-1.5-pro").json()["error"]
    assert error["status"] == "NOT_FOUND"
    assert error["message"].startswith(
        "models/gemini-1.5-pro is not found for API version v1beta, or is not supported for generateContent."
    )


def test_models_come_in_pages(google):
    names, token = [], ""
    while True:
        page = httpx.get(f"{google.url}/v1beta/models?pageSize=10&pageToken={token}", headers=HEADER).json()
        assert len(page["models"]) <= 10
        names += [model["name"] for model in page["models"]]
        if not (token := page.get("nextPageToken", "")):
            break
    everything = httpx.get(f"{google.url}/v1beta/models?pageSize=1000", headers=HEADER).json()
    assert names == [model["name"] for model in everything["models"]]
    assert len(set(names)) == len(names) > 20
    flash = next(model for model in everything["models"] if model["name"] == f"models/{FLASH}")
    assert (flash["inputTokenLimit"], flash["outputTokenLimit"], flash["thinking"]) == (1_048_576, 65_536, True)
