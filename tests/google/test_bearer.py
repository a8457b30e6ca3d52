"""The Gemini API by a Google account: the access token, and the project that pays (sections 1.1 and 5)."""

import httpx
import pytest

from tests.google.accounts import CLOUD_PLATFORM, EMAIL, SCOPES
from tests.google.asking import FLASH, saying
from tests.google.asking_google import ADA, bearer, reason_of

INVALID = "Request had invalid authentication credentials."
PAYING = {"x-goog-user-project": "ada-project"}


@pytest.fixture(autouse=True)
def ada(google):
    return google.add_user(ADA, project="ada-project", projects=["another-that-pays"])


def post(google, headers, method="generateContent", query=""):
    return httpx.post(f"{google.url}/v1beta/models/{FLASH}:{method}{query}", headers=headers, json=saying())


@pytest.mark.parametrize("project", ["ada-project", "another-that-pays"])
def test_a_project_of_the_account_pays(google, project):
    tokens = google.login(ADA)
    assert post(google, bearer(tokens, **{"x-goog-user-project": project})).status_code == 200
    call = google.log[-1]
    assert (call.surface, call.project, call.account) == ("gemini", project, ADA)
    assert (call.key, call.key_in) == (tokens.access_token, "bearer")


def test_models_are_listed_for_an_account(google):
    tokens = google.login(ADA)
    url = f"{google.url}/v1beta/models"
    assert httpx.get(url, headers=bearer(tokens, **PAYING)).json()["models"]
    assert httpx.get(url, headers=bearer(tokens)).status_code == 403


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [
        ({}, 403, "SERVICE_DISABLED"),
        ({"x-goog-user-project": "somebody-elses"}, 403, "USER_PROJECT_DENIED"),
        ({**PAYING, "x-goog-api-key": "test-key-1"}, 400, ""),
        ({**PAYING, "authorization": "Basic YTpi"}, 401, "CREDENTIALS_MISSING"),
        ({**PAYING, "authorization": "Bearer test-key-1"}, 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
    ],
)
def test_what_an_account_is_refused_for(google, headers, code, reason):
    answer = post(google, {**bearer(google.login(ADA)), **headers})
    assert reason_of(answer)[::2] == (code, reason)
    assert answer.status_code == code


def test_a_refresh_token_is_no_access_token(google):
    answer = post(google, {"authorization": f"Bearer {google.login(ADA).refresh_token}", **PAYING})
    assert reason_of(answer)[::2] == (401, "ACCESS_TOKEN_TYPE_UNSUPPORTED")


def test_a_token_that_has_run_out_is_refused_and_a_new_one_serves(google):
    headers = bearer(google.login(ADA), **PAYING)
    google.expire_access(ADA)
    code, message, _ = reason_of(post(google, headers))
    assert code == 401
    assert message.startswith(INVALID)
    assert post(google, bearer(google.login(ADA), **PAYING)).status_code == 200


@pytest.mark.parametrize(
    ("scope", "code"),
    [
        (SCOPES, 200),
        (f"{EMAIL} {CLOUD_PLATFORM}", 200),
        ("https://www.googleapis.com/auth/generative-language.retriever", 200),
        (EMAIL, 403),
    ],
)
def test_a_token_must_be_meant_for_this(google, scope, code):
    answer = post(google, bearer(google.login(ADA, scope=scope), **PAYING))
    assert answer.status_code == code
    if code == 403:
        assert reason_of(answer)[2] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_quota_is_the_projects_whoever_asks(google):
    google.keys["a-key"] = "ada-project"
    google.quotas.set(project="ada-project", rpd=2)
    headers = bearer(google.login(ADA), **PAYING)
    assert [post(google, {"x-goog-api-key": "a-key"}).status_code, post(google, headers).status_code] == [200, 200]
    assert [post(google, {"x-goog-api-key": "a-key"}).status_code, post(google, headers).status_code] == [429, 429]
    assert post(google, {**headers, "x-goog-user-project": "another-that-pays"}).status_code == 200


def test_scripts_find_an_account_and_its_token(google):
    tokens = google.login(ADA)
    google.script(account=ADA, error="overloaded")
    google.script(key=tokens.access_token, error="day_quota")
    headers = bearer(tokens, **PAYING)
    assert post(google, {"x-goog-api-key": "test-key-1"}).status_code == 200
    assert [post(google, headers).status_code for _ in range(3)] == [503, 429, 200]
    google.script(account=ADA, surface="code_assist", error="overloaded")
    assert post(google, headers).status_code == 200
