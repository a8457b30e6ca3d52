"""The simulator before Google's own Gemini CLI (section 7): what the real program sends must pass, and what it gets it must read.

The CLI runs as it was published by npm, in an empty home. Its addresses are set by its own variables; those of Google's sign-in
it lets nobody set, and `sign_in_redirect.cjs` sends them here.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.google.asking_google import ADA

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "tests" / "gemini_cli" / "node_modules" / "@google" / "gemini-cli"
REDIRECT = Path(__file__).with_name("sign_in_redirect.cjs")
PATIENCE = 120
MODEL = "gemini-3-flash-preview"


@pytest.fixture
def cli(google, tmp_path):
    """Runs the CLI once: `cli({...environment}, settings=…)` → what it printed, line by line, and how it ended."""
    program = PACKAGE.parents[1] / ".bin" / "gemini"
    if not program.exists():
        pytest.skip("missing program: gemini (npm installs it into tests/gemini_cli)")
    if not shutil.which("node"):
        pytest.skip("missing program: node")
    google.add_user(ADA, project="ada-project")
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "a-file.txt").write_text("Hello.")
    (tmp_path / ".gemini").mkdir()
    (tmp_path / "system.md").write_text("Be brief.")

    def run(environment, auth="oauth-personal", statistics=False):
        settings = {
            "security": {"auth": {"selectedType": auth}}, "telemetry": {"enabled": False},
            "privacy": {"usageStatisticsEnabled": statistics}, "general": {"maxAttempts": 1, "enableAutoUpdate": False},
        }  # fmt: skip
        (tmp_path / ".gemini" / "settings.json").write_text(json.dumps(settings))
        surroundings = {
            "HOME": str(tmp_path), "PATH": os.environ["PATH"], "GEMINI_SYSTEM_MD": str(tmp_path / "system.md"),
            "NODE_OPTIONS": f"--require {REDIRECT}", "GOOGLE_SIMULATOR": google.url, "NO_BROWSER": "true",
        }  # fmt: skip
        command = [program, "-m", MODEL, "-o", "stream-json", "--skip-trust"]
        ended = subprocess.run(
            command, input="Say hello", env={**surroundings, **environment}, cwd=tmp_path / "work",
            capture_output=True, text=True, timeout=PATIENCE, check=False,
        )  # fmt: skip
        lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
        return SimpleNamespace(code=ended.returncode, lines=lines, errors=ended.stderr, home=tmp_path)

    return run


@pytest.fixture
def by_token(google, cli):
    """Runs it with nothing but an access token, as a proxy would."""

    def run(project="ada-project", **more):
        given = {"GOOGLE_GENAI_USE_GCA": "true", "GOOGLE_CLOUD_ACCESS_TOKEN": google.login(ADA).access_token}
        named = {"GOOGLE_CLOUD_PROJECT": project} if project else {}
        return cli({"CODE_ASSIST_ENDPOINT": google.url, **given, **named}, **more)

    return run


def answer_of(ended):
    said = [line["content"] for line in ended.lines if line["type"] == "message" and line["role"] == "assistant"]
    return "".join(said), ended.lines[-1]["status"], ended.code


def asked(google, method):
    return [call for call in google.log if call.method == method]


def test_by_key(google, cli):
    google.script(text="Hello to you")
    ended = cli({"GEMINI_API_KEY": "test-key-1", "GOOGLE_GEMINI_BASE_URL": google.url}, auth="gemini-api-key")
    assert answer_of(ended) == ("Hello to you", "success", 0), ended.errors
    (call,) = google.log
    assert (call.surface, call.method, call.model, call.status) == ("gemini", "streamGenerateContent", MODEL, 200)
    assert (call.key, call.key_in) == ("test-key-1", "header")
    assert ended.lines[-1]["stats"]["total_tokens"] == call.usage["totalTokenCount"]


def test_by_code_assist_and_an_access_token(google, by_token):
    google.script(text="Hello to you")
    ended = by_token()
    assert answer_of(ended) == ("Hello to you", "success", 0), ended.errors
    methods = [call.method for call in google.log]
    assert methods[:2] == ["userinfo", "loadCodeAssist"]
    assert methods[-1] == "streamGenerateContent"
    assert set(methods[2:-1]) <= {"retrieveUserQuota", "listExperiments", "fetchAdminControls"}
    assert {(call.status, call.broken_rule, call.account) for call in google.log} == {(200, "", ADA)}
    last = google.log[-1]
    assert (last.surface, last.model, last.project) == ("code_assist", MODEL, "ada-project")
    assert last.body["request"]["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"]
    assert ended.lines[-1]["stats"]["total_tokens"] == last.usage["totalTokenCount"]


def test_with_usage_statistics_its_metrics_are_taken(google, by_token):
    google.script(calls=[{"name": "write_file", "args": {"file_path": "b-file.txt", "content": "Hello."}}])
    assert answer_of(by_token(statistics=True))[1:] == ("success", 0)
    metrics = asked(google, "recordCodeAssistMetrics")
    assert metrics
    assert {call.status for call in metrics} == {200}


@pytest.mark.parametrize("how", ["key", "token"])
def test_a_call_goes_round_with_its_signature(google, cli, by_token, how):
    google.script(calls=[{"name": "list_directory", "args": {"dir_path": "."}}])
    google.script(text="There is one file.")
    if how == "key":
        ended = cli({"GEMINI_API_KEY": "test-key-1", "GOOGLE_GEMINI_BASE_URL": google.url}, auth="gemini-api-key")
    else:
        ended = by_token()
    assert answer_of(ended) == ("There is one file.", "success", 0), ended.errors
    first, second = google.log.generation()
    assert (first.status, second.status, second.broken_rule) == (200, 200, "")
    contents = second.body.get("request", second.body)["contents"]
    (called,) = [part for part in contents[-2]["parts"] if "functionCall" in part]
    assert called["thoughtSignature"]
    assert "a-file.txt" in json.dumps(contents[-1]["parts"])


# --- A prepared oauth_creds.json ----------------------------------------------------------------------------------


def write_credentials(home, tokens):
    credentials = {
        "access_token": tokens.access_token, "refresh_token": tokens.refresh_token, "scope": tokens.scope,
        "token_type": "Bearer", "expiry_date": int(tokens.expires_at * 1000),
    }  # fmt: skip
    path = home / ".gemini" / "oauth_creds.json"
    path.write_text(json.dumps(credentials))
    return path


def test_by_code_assist_and_a_prepared_file(google, cli, tmp_path):
    google.script(text="Hello to you")
    tokens = google.login(ADA)
    write_credentials(tmp_path, tokens)
    ended = cli({"CODE_ASSIST_ENDPOINT": google.url, "GOOGLE_CLOUD_PROJECT": "ada-project"})
    assert answer_of(ended) == ("Hello to you", "success", 0), ended.errors
    assert [call.method for call in google.log][:3] == ["tokeninfo", "userinfo", "loadCodeAssist"]
    assert {(call.status, call.key) for call in google.log} == {(200, tokens.access_token)}


def test_a_token_that_ran_out_is_refreshed_at_sign_in(google, cli, tmp_path):
    """By the CLI's own OAuth client, which stands in the program that npm has brought, and nowhere in this repository."""
    client_id, secret = own_client()
    google.add_client(client_id, secret=secret, loopback=True)
    google.token_lifetime = 1
    tokens = google.login(ADA, client=client_id)
    google.token_lifetime = 3599
    google.clock.advance(2)
    path = write_credentials(tmp_path, tokens)
    path.write_text(path.read_text().replace(f'"expiry_date": {int(tokens.expires_at * 1000)}', '"expiry_date": 1'))
    ended = cli({"CODE_ASSIST_ENDPOINT": google.url, "GOOGLE_CLOUD_PROJECT": "ada-project"})
    assert answer_of(ended)[1:] == ("success", 0), ended.errors
    (renewal,) = asked(google, "token")
    assert (renewal.status, renewal.body["grant_type"], renewal.body["refresh_token"]) == (
        200,
        "refresh_token",
        tokens.refresh_token,
    )
    stored = json.loads(path.read_text())
    assert stored["access_token"] == google.log[-1].key != tokens.access_token
    assert stored["refresh_token"] == tokens.refresh_token


def own_client():
    """The id and the secret of the CLI's OAuth client, out of its published bundle."""
    found = re.compile(r'OAUTH_CLIENT_ID = "([^"]+)";\s*var OAUTH_CLIENT_SECRET = "([^"]+)"')
    for file in sorted((PACKAGE / "bundle").glob("chunk-*.js")):
        if match := found.search(file.read_text()):
            return match.groups()
    raise AssertionError("The CLI's OAuth client stands elsewhere in this version.")


# --- Setting up, and refusals -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tier", "project"), [("free-tier", ""), ("standard-tier", "ada-project")])
def test_it_onboards_an_account_without_a_tier(google, by_token, tier, project):
    user = google.add_user(ADA, tier="", allowed=[tier], project=project)
    assert answer_of(by_token(project=project))[1:] == ("success", 0)
    (onboarding,) = asked(google, "onboardUser")
    assert (onboarding.status, onboarding.body["tierId"], user.tier) == (200, tier, tier)
    assert google.log[-1].project == (project or user.managed_project) != ""


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tier": "free-tier", "ineligible": ["UNSUPPORTED_CLIENT"]}, "no longer supported for Gemini Code Assist"),
        ({"tier": "", "allowed": [], "ineligible": ["VALIDATION_REQUIRED"]}, "Verify your account to continue"),
        ({}, "GOOGLE_CLOUD_PROJECT"),
    ],
)
def test_it_understands_why_an_account_is_not_set_up(google, by_token, fields, words):
    google.add_user(ADA, **fields)
    ended = by_token(project="")
    assert ended.code != 0
    assert words in ended.errors
    assert google.log.generation() == []


@pytest.mark.parametrize(
    ("error", "words"),
    [
        ("individual_quota", "Individual quota reached"),
        ("no_licence", "The caller does not have permission"),
        ("validation_required", "Verify your account to continue"),
    ],
)
def test_it_reads_the_refusals_of_a_stream(google, by_token, error, words):
    google.script(error=error, times=None)
    ended = by_token()
    assert ended.code != 0
    assert words in json.dumps(ended.lines) + ended.errors
