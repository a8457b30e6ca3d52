"""Setting an account up with Code Assist, and its quota (section 4.4)."""

import re

import httpx
import pytest

from tests.google.accounts import SCOPES
from tests.google.asking_google import ADA, METADATA, PRO, assist, bearer, reason_of, wrapped

BOB = "bob@example.com"


def load(google, email=ADA, **fields):
    return assist(google, google.login(email), "loadCodeAssist", {"metadata": METADATA, **fields})


def onboard(google, tokens, tier, **fields):
    return assist(google, tokens, "onboardUser", {"tierId": tier, "metadata": METADATA, **fields})


def look(google, tokens, name):
    return httpx.get(f"{google.url}/v1internal/{name}", headers=bearer(tokens))


# --- loadCodeAssist -----------------------------------------------------------------------------------------------


def test_a_licensed_account_has_a_tier_and_brings_its_own_project(google):
    google.add_user(ADA, project="ada-project")
    answer = load(google, cloudaicompanionProject="ada-project", mode="FULL_ELIGIBILITY_CHECK").json()
    assert answer["currentTier"]["id"] == "standard-tier"
    assert "cloudaicompanionProject" not in answer
    assert "ineligibleTiers" not in answer


def test_a_managed_project_is_named(google):
    google.add_user(ADA, tier="free-tier", managed_project="managed-1", paid_tier="g1-pro-tier")
    answer = load(google).json()
    assert (answer["cloudaicompanionProject"], answer["currentTier"]["id"]) == ("managed-1", "free-tier")
    assert answer["paidTier"] == {"id": "g1-pro-tier", "name": "Google AI Pro", "description": "The simulated g1-pro-tier."}


def test_an_account_without_a_tier_is_offered_some(google):
    google.add_user(ADA, tier="", allowed=["free-tier", "standard-tier"])
    answer = load(google).json()
    assert "currentTier" not in answer
    offered = [(tier["id"], tier.get("isDefault"), tier["userDefinedCloudaicompanionProject"]) for tier in answer["allowedTiers"]]
    assert offered == [("free-tier", True, False), ("standard-tier", None, True)]


def test_reasons_why_not_are_told(google):
    google.add_user(
        ADA, tier="", allowed=[], ineligible=["UNSUPPORTED_CLIENT", "VALIDATION_REQUIRED"], validation_url="https://v/"
    )
    answer = load(google).json()
    assert answer.keys() == {"ineligibleTiers"}
    client, validation = answer["ineligibleTiers"]
    assert (client["reasonCode"], client["tierId"]) == ("UNSUPPORTED_CLIENT", "free-tier")
    assert client["reasonMessage"].startswith("This client is no longer supported for Gemini Code Assist for individuals.")
    assert "validationUrl" not in client
    assert (validation["reasonCode"], validation["validationUrl"]) == ("VALIDATION_REQUIRED", "https://v/")


@pytest.mark.parametrize(
    ("fields", "code", "reason"),
    [
        ({"metadata": None}, 400, ""),
        ({"metadata": {**METADATA, "ideType": "ANTIGRAVITY"}}, 400, ""),
        ({"metadata": {**METADATA, "platform": "LINUX"}}, 400, ""),
        ({"metadata": {**METADATA, "pluginType": "CASTOR"}}, 400, ""),
        ({"metadata": {**METADATA, "project": "p"}}, 400, ""),
        ({"mode": "FULL"}, 400, ""),
        ({"project": "ada-project"}, 400, ""),
        ({"cloudaicompanionProject": "eves-project"}, 403, "CONSUMER_INVALID"),
        ({"cloudaicompanionProject": "disabled"}, 403, "SERVICE_DISABLED"),
    ],
)
def test_what_load_code_assist_refuses(google, fields, code, reason):
    google.add_user(ADA, project="ada-project", projects=["disabled"])
    answer = load(google, **fields)
    assert reason_of(answer)[::2] == (code, reason)


def test_what_a_perimeter_refuses(google):
    google.add_user(ADA)
    google.script(method="loadCodeAssist", error="security_policy_violated")
    assert reason_of(load(google))[::2] == (403, "SECURITY_POLICY_VIOLATED")
    assert load(google).status_code == 200


# --- onboardUser --------------------------------------------------------------------------------------------------


def test_onboarding_with_a_project_of_ones_own_takes_a_while(google):
    google.add_user(ADA, tier="", project="ada-project", polls=2)
    tokens = google.login(ADA)
    assert assist(google, tokens, "generateContent", wrapped()).status_code == 403
    first = onboard(google, tokens, "standard-tier", cloudaicompanionProject="ada-project").json()
    assert re.fullmatch(r"operations/[\w.]+", first["name"])
    assert first == {"name": first["name"], "done": False}
    assert look(google, tokens, first["name"]).json() == first
    assert "currentTier" not in load(google).json()
    last = look(google, tokens, first["name"]).json()
    assert (last["done"], last["response"]["cloudaicompanionProject"]["id"]) == (True, "ada-project")
    assert load(google).json()["currentTier"]["id"] == "standard-tier"
    assert assist(google, tokens, "generateContent", wrapped()).status_code == 200
    assert [call.method for call in google.log if call.method in ("onboardUser", "getOperation")] == [
        "onboardUser", "getOperation", "getOperation",
    ]  # fmt: skip


def test_the_free_tier_gets_a_project_of_googles(google):
    google.add_user(ADA, tier="", allowed=["free-tier"])
    tokens = google.login(ADA)
    done = onboard(google, tokens, "free-tier").json()
    project = done["response"]["cloudaicompanionProject"]["id"]
    assert done["done"]
    assert load(google).json()["cloudaicompanionProject"] == project
    assert assist(google, tokens, "generateContent", wrapped(project=project)).status_code == 200


@pytest.mark.parametrize(
    ("fields", "status", "text"),
    [
        ({"tierId": "free-tier", "cloudaicompanionProject": "ada-project"}, "FAILED_PRECONDITION", "Precondition Failed"),
        ({"tierId": "standard-tier"}, "INVALID_ARGUMENT", "Request contains an invalid argument."),
        (
            {"tierId": "standard-tier", "cloudaicompanionProject": "eves-project"},
            "PERMISSION_DENIED",
            "Permission denied on resource project eves-project.",
        ),
        ({"tierId": "legacy-tier"}, "PERMISSION_DENIED", "The caller does not have permission"),
        ({}, "PERMISSION_DENIED", "The caller does not have permission"),
        ({"tierId": "free-tier", "metadata": None}, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    ],
)
def test_what_onboarding_refuses(google, fields, status, text):
    google.add_user(ADA, tier="", allowed=["free-tier", "standard-tier"], project="ada-project")
    answer = assist(google, google.login(ADA), "onboardUser", {"metadata": METADATA, **fields})
    assert (answer.json()["error"]["status"], answer.json()["error"]["message"]) == (status, text)


def test_an_onboarding_that_fails_says_so_at_its_end(google):
    google.add_user(ADA, tier="", allowed=["free-tier"], polls=1, onboarding_error="The project could not be made.")
    tokens = google.login(ADA)
    name = onboard(google, tokens, "free-tier").json()["name"]
    done = look(google, tokens, name).json()
    assert done == {"name": name, "done": True, "error": {"code": 9, "message": "The project could not be made."}}
    assert "currentTier" not in load(google).json()


def test_an_operation_is_shown_to_its_owner_alone(google):
    google.add_user(ADA, tier="", allowed=["free-tier"], polls=1)
    google.add_user(BOB)
    name = onboard(google, google.login(ADA), "free-tier").json()["name"]
    assert look(google, google.login(BOB), name).status_code == 404
    assert look(google, google.login(ADA), "operations/nothing").status_code == 404
    assert look(google, google.login(ADA), name).json()["done"]


# --- Quota --------------------------------------------------------------------------------------------------------


def bucket(google, tokens, model=PRO):
    buckets = assist(google, tokens, "retrieveUserQuota", {"project": "ada-project"}).json()["buckets"]
    return next(one for one in buckets if one["modelId"] == model)


def test_what_is_left_of_the_day_is_told_and_counted(google):
    google.add_user(ADA, project="ada-project", quota={PRO: 0.5}, daily_requests=4)
    tokens = google.login(ADA)
    before = bucket(google, tokens)
    assert (before["remainingAmount"], before["remainingFraction"], before["tokenType"]) == ("2", 0.5, "REQUESTS")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT0[78]:00:00Z", before["resetTime"])
    answers = [assist(google, tokens, "generateContent", wrapped()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert reason_of(answers[2])[2] == "QUOTA_EXHAUSTED"
    assert bucket(google, tokens)["remainingFraction"] == 0
    assert bucket(google, tokens, "gemini-2.5-flash")["remainingAmount"] == "4"


def test_quota_is_the_users_and_returns_at_midnight(google):
    google.add_user(ADA, project="ada-project", daily_requests=1)
    google.add_user(BOB, project="ada-project", daily_requests=1)
    tokens, bobs = google.login(ADA), google.login(BOB)
    assert [assist(google, one, "generateContent", wrapped()).status_code for one in (tokens, tokens, bobs)] == [200, 429, 200]
    google.clock.advance(google.clock.seconds_to_pacific_midnight() + 1)
    tokens = google.login(ADA, scope=SCOPES)
    assert bucket(google, tokens)["remainingAmount"] == "1"
    assert assist(google, tokens, "generateContent", wrapped()).status_code == 200


def test_refused_requests_cost_nothing(google):
    google.add_user(ADA, project="ada-project", daily_requests=2)
    tokens = google.login(ADA)
    google.script(error="no_capacity")
    assert assist(google, tokens, "generateContent", wrapped()).status_code == 503
    assert assist(google, tokens, "generateContent", wrapped({})).status_code == 400
    assert bucket(google, tokens)["remainingAmount"] == "2"


def test_requests_per_minute_are_limited_apart(google):
    google.clock.set(google.clock.now().replace(second=1))
    google.add_user(ADA, project="ada-project", requests_per_minute=1)
    tokens = google.login(ADA)
    assert assist(google, tokens, "generateContent", wrapped()).status_code == 200
    code, message, reason = reason_of(assist(google, tokens, "generateContent", wrapped()))
    assert (code, reason) == (429, "RATE_LIMIT_EXCEEDED")
    assert re.search(r"reset after [\d.]+s\.$", message)
    google.clock.advance(60)
    assert assist(google, tokens, "generateContent", wrapped()).status_code == 200


@pytest.mark.parametrize(("project", "code"), [("", 400), ("eves-project", 403)])
def test_quota_is_told_for_a_project_of_the_users(google, project, code):
    google.add_user(ADA, project="ada-project")
    assert assist(google, google.login(ADA), "retrieveUserQuota", {"project": project}).status_code == code


# --- What else gemini-cli asks ------------------------------------------------------------------------------------


def test_what_gemini_cli_asks_besides_is_answered(google):
    google.add_user(ADA, project="ada-project")
    tokens = google.login(ADA)
    metadata = {"ideName": "IDE_UNSPECIFIED", "pluginType": "GEMINI", "ideVersion": "0.61.0", "platform": "LINUX_AMD64"}
    project = {"project": "ada-project", "metadata": {**metadata, "updateChannel": "stable", "duetProject": "ada-project"}}
    assert assist(google, tokens, "listExperiments", project).json() == {}
    assert assist(google, tokens, "fetchAdminControls", {"project": "ada-project"}).json() == {}
    assert assist(google, tokens, "recordCodeAssistMetrics", {**project, "metrics": [{"a": 1}]}).json() == {}
    setting = {"freeTierDataCollectionOptin": True}
    assert assist(google, tokens, "setCodeAssistGlobalUserSetting", setting).json() == setting
    url = f"{google.url}/v1internal:getCodeAssistGlobalUserSetting"
    assert httpx.get(url, headers=bearer(tokens)).json() == {"freeTierDataCollectionOptin": False}
