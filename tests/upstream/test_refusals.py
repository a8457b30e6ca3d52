"""What Google says when it refuses, and what follows from it: for whom, how long, and whether another credential may help."""

import json
from datetime import datetime

import pytest

from credentials.health import EFFECTS, PACIFIC, Outcome, Scope, State, rest_until
from openai_api.upstream.refusals import read_refusal
from tests.google.faults import FAULTS, Circumstances
from tests.upstream.refusal_table import KEY, REFUSALS, Meaning

NOON = datetime(2026, 11, 21, 12, tzinfo=PACIFIC).timestamp()
NAMES = [row[0].replace(" ", "_") for row in REFUSALS]


@pytest.mark.parametrize(("status", "body", "meaning", "rest"), [row[1:] for row in REFUSALS], ids=NAMES)
def test_what_a_refusal_means_and_what_follows(status, body, meaning, rest):
    refusal = read_refusal(status, body)
    effect = EFFECTS[refusal.outcome]
    until = rest_until(refusal.outcome, at=NOON, strikes=1, asked_for=refusal.retry_after)
    concerned = effect.scope is not Scope.NOBODY and (until is not None or effect.state is State.INVALID)
    blamed = effect.scope is not Scope.NOBODY and not effect.soft
    state = effect.state if concerned else State.AVAILABLE
    assert Meaning(refusal.outcome, effect.scope, effect.another_may_help, state, blamed) == meaning
    assert (until is None) == (rest is None)
    assert rest is None or until == pytest.approx(NOON + rest, abs=0.001)


@pytest.mark.parametrize(("status", "body"), [row[1:3] for row in REFUSALS], ids=NAMES)
def test_a_refusal_is_told_without_the_key_and_kept_only_if_nobody_knows_it(status, body):
    refusal = read_refusal(status, body)
    assert refusal.message
    assert KEY not in f"{refusal.message}{refusal.unknown}"
    assert bool(refusal.unknown) == (refusal.outcome is Outcome.UNEXPLAINED)
    assert refusal.status == (status if status >= 400 else refusal.status) >= 400


def test_the_table_has_no_row_twice():
    assert len({row[0] for row in REFUSALS}) == len({row[1:3] for row in REFUSALS}) == len(REFUSALS)


# --- The simulator's own faults ---------------------------------------------------------------------------------------------

OF_FAULT = {
    "api_key_invalid": Outcome.KEY_REJECTED,
    "api_key_expired": Outcome.KEY_REJECTED,
    "wrong_kind": Outcome.KEY_REJECTED,
    "no_key": Outcome.GATEWAY_REFUSED,
    "two_credentials": Outcome.GATEWAY_REFUSED,
    "credentials_missing": Outcome.GATEWAY_REFUSED,
    "location_unsupported": Outcome.GATEWAY_REFUSED,
    "suspended": Outcome.SUSPENDED,
    "project_denied": Outcome.PROJECT_DENIED,
    "service_blocked": Outcome.KEY_RESTRICTED,
    "referrer_blocked": Outcome.KEY_RESTRICTED,
    "ip_blocked": Outcome.KEY_RESTRICTED,
    "android_app_blocked": Outcome.KEY_RESTRICTED,
    "ios_app_blocked": Outcome.KEY_RESTRICTED,
    "service_disabled": Outcome.API_DISABLED,
    "leaked": Outcome.KEY_LEAKED,
    "free_tier_unavailable": Outcome.NOT_ENTITLED,
    "zero_quota": Outcome.NOT_ENTITLED,
    "out_of_credit": Outcome.OUT_OF_CREDIT,
    "out_of_credit_before_september": Outcome.OUT_OF_CREDIT,
    "spend_cap": Outcome.SPEND_LIMIT,
    "bare_429": Outcome.THROTTLED,
    "html_429": Outcome.THROTTLED,
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
    "html_404": Outcome.UNEXPLAINED,
    "strange": Outcome.UNEXPLAINED,
    "html_408": Outcome.UPSTREAM_FAILED,
    "html_502": Outcome.UPSTREAM_FAILED,
    "empty_502": Outcome.UPSTREAM_FAILED,
    "cancelled": Outcome.UPSTREAM_FAILED,
    "deadline": Outcome.UPSTREAM_FAILED,
    "internal": Outcome.UPSTREAM_FAILED,
    "overloaded": Outcome.UPSTREAM_FAILED,
    "high_demand": Outcome.UPSTREAM_FAILED,
}


def test_no_fault_of_the_simulator_is_left_out():
    assert OF_FAULT.keys() == FAULTS.keys()


@pytest.mark.parametrize("wrapped", ["{}", "[{}]", "[[{}]]"], ids=["plain", "in_a_list", "in_two_lists"])
@pytest.mark.parametrize(("name", "outcome"), OF_FAULT.items())
def test_the_faults_that_the_simulator_plays(name, outcome, wrapped):
    fault = FAULTS[name](Circumstances(key=KEY, project="project-1"))
    body = fault.body if isinstance(fault.body, str) else wrapped.replace("{}", json.dumps(fault.body))
    refusal = read_refusal(fault.code, body.encode())
    assert refusal.outcome == outcome
    assert KEY not in refusal.message
