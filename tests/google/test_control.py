"""Steering a simulator in another process, over HTTP."""

import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from tests.google.asking import FLASH, saying

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def simulated():
    """What it prints: a simulator of its own process, as `python -m tests.google --open` starts it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.google", "--open", "--account", "ada@example.com"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield [process.stdout.readline().strip() for _ in range(10)]
    finally:
        process.terminate()
        process.wait(timeout=10)


@pytest.fixture
def url(simulated):
    return simulated[0].split()[-1]


@pytest.fixture
def control(url):
    with httpx.Client(base_url=f"{url}/_simulator/") as client:
        yield client
        client.post("reset")


@pytest.fixture
def ask(url):
    def post(body=None):
        headers = {"x-goog-api-key": "AQ.whatever"}
        return httpx.post(f"{url}/v1beta/models/{FLASH}:generateContent", json=body or saying(), headers=headers)

    return post


def test_scripts_are_written_and_forgotten(control, ask):
    assert control.post("scripts", json=[{"error": "day_quota"}, {"text": "fine"}]).json() == {"scripts": 2}
    assert [script["error"] for script in control.get("scripts").json()["scripts"]] == ["day_quota", None]
    assert [ask().status_code, ask().json()["candidates"][0]["content"]["parts"][0]["text"]] == [429, "fine"]
    control.post("scripts", json={"error": "overloaded", "times": None})
    control.delete("scripts")
    assert ask().status_code == 200


def test_calls_are_read_from_any_point_on(control, ask):
    ask()
    seen = control.get("calls").json()["calls"][-1]["number"]
    ask({"contents": []})
    answer = control.get("calls", params={"since": seen}).json()
    (call,) = answer["calls"]
    assert (call["status"], call["body"], call["key"], call["client_closed"]) == (400, {"contents": []}, "AQ.whatever", False)
    assert answer["connections"] >= 2
    control.delete("calls")
    assert control.get("calls").json()["calls"] == []


def test_quotas_and_the_clock(control, ask):
    control.post("clock", json={"set": "2026-11-20T12:00:00-08:00"})
    control.post("quotas", json={"rpd": 1})
    assert [ask().status_code, ask().status_code] == [200, 429]
    assert control.post("clock", json={"advance": 86400}).json()["now"].startswith("2026-11-21T20:00")
    assert ask().status_code == 200
    control.delete("quotas")
    assert ask().status_code == 200


def test_keys_and_faults_are_listed(control):
    control.post("keys", json={"mine": "project-9"})
    assert control.get("keys").json()["mine"] == "project-9"
    assert {"day_quota", "leaked", "html_502"} <= set(control.get("faults").json()["faults"])
    assert control.get("health").json() == {"status": "ok"}


def test_accounts_are_added_and_logged_in(control, url):
    assert [user["email"] for user in control.get("users").json()["users"]] == ["ada@example.com"]
    control.post("users", json={"email": "bob@example.com", "tier": "", "polls": 2})
    tokens = control.post("logins", json={"email": "bob@example.com"}).json()
    headers = {"authorization": f"Bearer {tokens['access_token']}"}
    assert httpx.get(f"{url}/oauth2/v2/userinfo", headers=headers).json()["email"] == "bob@example.com"


def test_the_environment_is_printed(simulated):
    printed = dict(line.split("=", 1) for line in simulated[1:9])
    assert printed["CODE_ASSIST_ENDPOINT"] == printed["GOOGLE_GEMINI_BASE_URL"] == simulated[0].split()[-1]
    assert printed["GOOGLE_OAUTH_CLIENT_ID"] == "castor-test-client"
    assert simulated[9] == "ada@example.com has the project ada-project"


@pytest.mark.parametrize(
    ("path", "body", "word"),
    [
        ("scripts", {"eror": 1}, "eror"),
        ("scripts", {"error": "nonsense"}, "nonsense"),
        ("clock", {"set": "noon"}, "noon"),
        ("clock", {}, "advance"),
        ("quotas", {"rph": 1}, "rph"),
        ("users", {"tier": "free-tier"}, "email"),
        ("users", {"email": "x", "tyre": ""}, "tyre"),
        ("logins", {"email": "nobody@example.com"}, "nobody@example.com"),
    ],
)
def test_a_wrong_body_is_answered_by_one_sentence(control, path, body, word):
    response = control.post(path, json=body)
    assert response.status_code == 400
    assert word in response.json()["error"]


def test_an_unknown_control_is_not_found(control):
    assert control.get("nothing").status_code == 404
