"""Every error of Code Assist's as the simulated Google says it, to those who stream and to those who do not."""

import json

import pytest

from credentials.health import Outcome
from openai_api.upstream.refusals import Refusal, read_refusal
from tests.google.faults import Circumstances
from tests.google.faults_code_assist import APPEAL, FAULTS, VERIFY, wording

CONSOLE = "https://console.developers.google.com/apis/api/{}/overview?project=my-proj"

# name -> (what it means, Google's page for it)
MEANINGS = {
    "rate_limit_exceeded": (Outcome.MINUTE_QUOTA, ""),
    "quota_exhausted": (Outcome.DAY_QUOTA, ""),
    "individual_quota": (Outcome.DAY_QUOTA, ""),
    "capacity_exhausted": (Outcome.UPSTREAM_FAILED, ""),
    "no_capacity": (Outcome.UPSTREAM_FAILED, ""),
    "credits_exhausted": (Outcome.OUT_OF_CREDIT, ""),
    "token_expired": (Outcome.KEY_REJECTED, ""),
    "unsupported_client": (Outcome.UNSUPPORTED_CLIENT, ""),
    "no_licence": (Outcome.NOT_PERMITTED, ""),
    "not_a_named_user": (Outcome.NOT_PERMITTED, ""),
    "validation_required": (Outcome.VALIDATION_REQUIRED, VERIFY),
    "tos_violation": (Outcome.SUSPENDED, APPEAL),
    "security_policy_violated": (Outcome.NOT_PERMITTED, ""),
    "service_disabled": (Outcome.API_DISABLED, CONSOLE.format("cloudaicompanion.googleapis.com")),
    "private_api_disabled": (Outcome.API_DISABLED, CONSOLE.format("cloudcode-pa.googleapis.com")),
    "foreign_project": (Outcome.NOT_PERMITTED, ""),
    "model_not_found": (Outcome.MODEL_ABSENT, ""),
}


def said(name: str, *, streamed: bool, seconds: float = 69_287.0) -> Refusal:
    refusal = FAULTS[name](Circumstances(project="my-proj", model="gemini-2.5-pro", seconds=seconds))
    body = json.dumps(wording(refusal.body, streamed=streamed)).encode()
    return read_refusal(refusal.code, body, of_code_assist=not streamed)


def test_there_is_a_meaning_for_each():
    assert set(MEANINGS) == set(FAULTS)


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("name", MEANINGS)
def test_each_is_understood_with_the_page_where_it_can_be_put_right(name, streamed):
    refusal = said(name, streamed=streamed, seconds=45.0 if name == "rate_limit_exceeded" else 69_287.0)
    outcome, link = MEANINGS[name]
    assert (refusal.outcome, refusal.link) == (outcome, link)
    assert link in refusal.message
    assert refusal.project == ""


@pytest.mark.parametrize("streamed", [True, False], ids=["streamed", "whole"])
@pytest.mark.parametrize("seconds", [45.0, 69_287.0])
def test_a_quota_rests_for_as_long_as_google_says(streamed, seconds):
    name = "quota_exhausted" if seconds > 300 else "rate_limit_exceeded"
    assert said(name, streamed=streamed, seconds=seconds).retry_after == pytest.approx(seconds)


def test_the_api_that_is_not_enabled_is_named():
    assert said("service_disabled", streamed=True).message.startswith("Gemini for Google Cloud API has not been used in")
