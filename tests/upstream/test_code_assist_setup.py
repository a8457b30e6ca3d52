"""How an account comes to be served by Code Assist: what is asked in which order, and what is made of each answer."""

import json
from datetime import UTC, datetime

import pytest

from credentials.health import Outcome
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.code_assist_calls import CodeAssistCalls, Quota
from openai_api.upstream.code_assist_setup import Account, SetUp
from openai_api.upstream.refusals import read_refusal
from tests.wire.refusals import error, info

STANDARD = {"id": "standard-tier", "name": "Gemini Code Assist"}
OFFERED = {**STANDARD, "isDefault": True, "userDefinedCloudaicompanionProject": True}
FREE = {"id": "free-tier", "name": "For individuals", "isDefault": True}
LOAD, JOIN, QUOTA = ":loadCodeAssist", ":onboardUser", ":retrieveUserQuota"
OPERATION = "operations/onboard.1"
VERIFY = "https://accounts.google.com/signin/continue?sarp=1"
UNDER_WAY = {"name": OPERATION, "done": False}
DONE = {"name": OPERATION, "done": True, "response": {"cloudaicompanionProject": {"id": "my-proj", "name": "my-proj"}}}


def denied(reason: str, said: str = "Not for you.", **more: str) -> dict:
    return {"reasonCode": reason, "reasonMessage": said, "tierId": "free-tier", "tierName": "For individuals", **more}


def refused(status: int, body: bytes) -> UpstreamRefused:
    return UpstreamRefused(read_refusal(status, body, of_code_assist=True))


class Google:
    """Answers from a list, and remembers what it was asked."""

    secret = "ya29.token"

    def __init__(self, *answers: dict | UpstreamRefused) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, dict]] = []

    def fetch(self, method, url, *, deadline, content=b"{}"):
        self.asked.append((url.partition("/v1internal")[2], json.loads(content)))
        answer = self._answers.pop(0)
        if isinstance(answer, UpstreamRefused):
            raise answer
        return json.dumps(answer).encode()

    @property
    def methods(self) -> list[str]:
        return [method for method, _ in self.asked]


class Memory(list):
    """What is remembered of joinings, and for how many seconds was waited."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def run(memory):
    """Sets an account up; returns the account, or the refusal."""

    def run(google: Google, *, project: str = "", under_way: str = "", looks: int = 3):
        calls = CodeAssistCalls(google)
        set_up = SetUp(calls=calls, project=project, remember=memory.append, wait=memory.waited.append, looks=looks)
        try:
            return set_up.run(under_way)
        except UpstreamRefused as caught:
            return caught.refusal

    return run


class TestOneThatHasATier:
    def test_the_project_that_google_names_is_used(self, run):
        google = Google({"currentTier": STANDARD, "cloudaicompanionProject": "managed"})
        assert run(google) == Account(project="managed", tier="standard-tier", tier_name="Gemini Code Assist")
        assert google.asked == [
            (LOAD, {"metadata": {"ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}})
        ]

    def test_else_the_one_that_an_admin_has_chosen_which_google_is_told(self, run):
        google = Google({"currentTier": STANDARD})
        assert run(google, project="my-proj").project == "my-proj"
        [(_, asked)] = google.asked
        assert (asked["cloudaicompanionProject"], asked["metadata"]["duetProject"]) == ("my-proj", "my-proj")

    def test_with_neither_it_is_told_what_to_do(self, run):
        refusal = run(Google({"currentTier": STANDARD}))
        assert refusal.outcome is Outcome.PROJECT_MISSING
        assert "GOOGLE_CLOUD_PROJECT" in refusal.message

    def test_what_is_paid_for_is_its_tier(self, run):
        paid = {"id": "g1-pro-tier", "name": "Google AI Pro"}
        google = Google({"currentTier": STANDARD, "paidTier": paid, "cloudaicompanionProject": "p"})
        assert run(google) == Account(project="p", tier="g1-pro-tier", tier_name="Google AI Pro")

    def test_a_tier_that_is_denied_by_now_is_none(self, run):
        said = {"currentTier": FREE, "cloudaicompanionProject": "p", "ineligibleTiers": [denied("UNSUPPORTED_CLIENT", "Gone.")]}
        refusal = run(Google(said))
        assert (refusal.outcome, refusal.message) == (Outcome.UNSUPPORTED_CLIENT, "Gone.")

    def test_that_another_tier_is_denied_does_no_harm(self, run):
        said = {"currentTier": STANDARD, "ineligibleTiers": [denied("UNSUPPORTED_CLIENT")]}
        assert run(Google(said), project="p").project == "p"

    def test_behind_service_controls_it_is_taken_for_a_standard_one(self, run):
        barred = refused(403, error(403, "Prohibited by policy.", info("SECURITY_POLICY_VIOLATED")))
        assert run(Google(barred), project="my-proj") == Account(project="my-proj", tier="standard-tier")
        assert run(Google(barred)).outcome is Outcome.PROJECT_MISSING

    @pytest.mark.parametrize("project", ["123456789012", "7"])
    def test_a_project_s_number_is_refused_in_words_and_google_is_not_asked(self, run, project):
        google = Google()
        refusal = run(google, project=project)
        assert (refusal.outcome, google.asked) == (Outcome.PROJECT_MISSING, [])
        assert f"not its number {project}" in refusal.message


class TestOneThatIsDenied:
    @pytest.mark.parametrize(
        ("reason", "outcome"),
        [
            ("UNSUPPORTED_CLIENT", Outcome.UNSUPPORTED_CLIENT),
            ("RESTRICTED_AGE", Outcome.NOT_PERMITTED),
            ("DASHER_USER", Outcome.NOT_PERMITTED),
            ("A_REASON_OF_TOMORROW", Outcome.NOT_PERMITTED),
            ("", Outcome.NOT_PERMITTED),
        ],
    )
    def test_the_reason_decides_and_google_s_words_are_told(self, run, reason, outcome):
        google = Google({"ineligibleTiers": [denied(reason, "Please migrate\nelsewhere.")]})
        refusal = run(google)
        assert (refusal.outcome, refusal.message) == (outcome, "Please migrate elsewhere.")
        assert google.methods == [LOAD]

    def test_one_that_is_to_be_verified_gets_the_link_before_anything_else(self, run):
        offered = {"allowedTiers": [OFFERED]}
        reasons = [denied("UNSUPPORTED_CLIENT"), denied("VALIDATION_REQUIRED", "Verify first.", validationUrl=VERIFY)]
        refusal = run(Google({**offered, "ineligibleTiers": reasons}), project="my-proj")
        assert (refusal.outcome, refusal.message, refusal.link) == (
            Outcome.VALIDATION_REQUIRED, f"Verify first. {VERIFY}", VERIFY
        )  # fmt: skip

    def test_a_link_that_is_none_is_not_passed_on(self, run):
        refusal = run(Google({"ineligibleTiers": [denied("VALIDATION_REQUIRED", validationUrl="javascript:alert(1)")]}))
        assert (refusal.message, refusal.link) == ("Not for you.", "")

    def test_without_a_project_for_the_tier_that_is_left_the_denial_is_what_is_wrong(self, run):
        google = Google({"allowedTiers": [OFFERED], "ineligibleTiers": [denied("UNSUPPORTED_CLIENT", "Gone.")]})
        refusal = run(google)
        assert (refusal.outcome, refusal.message, google.methods) == (Outcome.UNSUPPORTED_CLIENT, "Gone.", [LOAD])

    def test_it_explains_why_joining_the_tier_that_is_left_is_not_permitted(self, run):
        said = {"allowedTiers": [OFFERED], "ineligibleTiers": [denied("UNSUPPORTED_CLIENT", "Gone.")]}
        refusal = run(Google(said, refused(403, error(403, "The caller does not have permission"))), project="my-proj")
        assert (refusal.outcome, refusal.message) == (Outcome.UNSUPPORTED_CLIENT, "Gone.")


class TestJoining:
    def test_the_default_tier_is_joined_with_the_project(self, run, memory):
        google = Google({"allowedTiers": [{"id": "legacy-tier"}, OFFERED]}, DONE)
        assert run(google, project="my-proj") == Account(project="my-proj", tier="standard-tier", tier_name="Gemini Code Assist")
        method, asked = google.asked[1]
        assert (method, asked["tierId"], asked["cloudaicompanionProject"]) == (JOIN, "standard-tier", "my-proj")
        assert asked["metadata"]["duetProject"] == "my-proj"
        assert (memory, memory.waited) == ([], [])

    def test_the_free_tier_must_not_hear_of_a_project_and_brings_its_own(self, run):
        managed = {"done": True, "response": {"cloudaicompanionProject": {"id": "managed-1"}}}
        google = Google({"allowedTiers": [FREE]}, managed)
        assert run(google, project="my-proj").project == "managed-1"
        assert google.asked[1] == (JOIN, {"tierId": "free-tier", "metadata": google.asked[1][1]["metadata"]})
        assert "duetProject" not in google.asked[1][1]["metadata"]

    def test_a_tier_that_needs_a_project_is_not_asked_for_without_one(self, run):
        google = Google({"allowedTiers": [OFFERED]})
        assert run(google).outcome is Outcome.PROJECT_MISSING
        assert google.methods == [LOAD]

    def test_without_a_default_it_is_the_legacy_tier(self, run):
        google = Google({"allowedTiers": []}, DONE)
        run(google, project="my-proj")
        assert google.asked[1][1]["tierId"] == "legacy-tier"

    def test_it_is_looked_at_every_five_seconds_and_kept_in_mind_until_it_is_done(self, run, memory):
        google = Google({"allowedTiers": [OFFERED]}, UNDER_WAY, UNDER_WAY, DONE)
        assert run(google, project="my-proj").project == "my-proj"
        assert google.methods == [LOAD, JOIN, f"/{OPERATION}", f"/{OPERATION}"]
        assert (memory, memory.waited) == ([OPERATION, ""], [5.0, 5.0])

    @pytest.mark.parametrize(
        ("offered", "project", "outcome"),
        [(OFFERED, "my-proj", Outcome.UPSTREAM_FAILED), (FREE, "", Outcome.PROJECT_MISSING)],
        ids=["of a known project", "of a project that comes with it"],
    )
    def test_one_that_takes_too_long_is_gone_on_with_later(self, run, memory, offered, project, outcome):
        google = Google({"allowedTiers": [offered]}, UNDER_WAY, UNDER_WAY, UNDER_WAY)
        refusal = run(google, project=project, looks=2)
        assert (refusal.outcome, memory) == (outcome, [OPERATION])
        assert "still setting this account up" in refusal.message
        later = Google(DONE, {"currentTier": STANDARD})
        assert run(later, project=project, under_way=memory[-1]).project == "my-proj"
        assert later.methods == [f"/{OPERATION}", LOAD]
        assert memory == [OPERATION, ""]

    @pytest.mark.parametrize("code", [9, 13], ids=["refused", "failed"])
    def test_one_that_ends_in_an_error_says_so_and_is_begun_anew_next_time(self, run, memory, code):
        ended = {"name": OPERATION, "done": True, "error": {"code": code, "message": "Precondition check failed."}}
        refusal = run(Google({"allowedTiers": [OFFERED]}, UNDER_WAY, ended), project="my-proj")
        assert refusal.message == "Precondition check failed."
        assert memory == [OPERATION, ""]
        assert run(Google(ended), project="my-proj", under_way=OPERATION).message == "Precondition check failed."
        assert memory == [OPERATION, "", ""]

    def test_one_that_google_has_forgotten_is_not_waited_for(self, run, memory):
        google = Google(refused(404, error(404, "Requested entity was not found.")), {"currentTier": STANDARD})
        assert run(google, project="my-proj", under_way=OPERATION).project == "my-proj"
        assert memory == [""]

    def test_a_bad_minute_of_google_s_does_not_make_it_forgotten(self, run, memory):
        google = Google(refused(503, error(503, "Overloaded.")))
        assert run(google, project="my-proj", under_way=OPERATION).outcome is Outcome.UPSTREAM_FAILED
        assert memory == []

    @pytest.mark.parametrize("answer", [{}, {"name": "", "done": False}])
    def test_a_beginning_without_a_name_cannot_be_followed(self, run, answer):
        google = Google({"allowedTiers": [OFFERED]}, answer)
        assert run(google, project="my-proj").outcome is Outcome.UPSTREAM_FAILED

    def test_google_s_own_refusal_is_classified(self, run):
        disabled = refused(403, error(403, "Off.", info("SERVICE_DISABLED", service="cloudaicompanion.googleapis.com")))
        assert run(Google({"allowedTiers": [OFFERED]}, disabled), project="p").outcome is Outcome.API_DISABLED


@pytest.mark.parametrize("answer", [b"<html>", b"[]", b'{"currentTier": 7}', b"\xff"])
def test_what_is_no_answer_of_code_assist_s_is_nobody_s_fault(run, answer):
    google = Google()
    google.fetch = lambda *_, **__: answer
    assert run(google).outcome is Outcome.UPSTREAM_FAILED


class TestQuota:
    def quota_of(self, *buckets: dict) -> list[Quota]:
        google = Google({"buckets": list(buckets)})
        quota = CodeAssistCalls(google).quota("my-proj")
        assert google.asked == [(QUOTA, {"project": "my-proj"})]
        return quota

    def test_a_bucket_is_read(self):
        resets = "2026-11-22T08:00:00.123456789Z"
        bucket = {"modelId": "gemini-2.5-pro", "remainingAmount": "930", "remainingFraction": 0.93, "resetTime": resets}
        [quota] = self.quota_of({"tokenType": "REQUESTS", **bucket})
        assert quota == Quota("gemini-2.5-pro", 0.93, 930, datetime(2026, 11, 22, 8, 0, 0, 123456, tzinfo=UTC))
        assert not quota.is_used_up

    def test_models_have_their_names_of_the_gemini_api(self):
        assert [quota.model for quota in self.quota_of({"modelId": "gemini-3-flash"})] == ["gemini-3.5-flash"]

    def test_of_several_things_that_are_counted_the_scarcest_counts(self):
        left = [
            {"modelId": "m", "tokenType": kind, "remainingFraction": share}
            for kind, share in [("A", 0.5), ("B", 0.1), ("C", 0.7)]
        ]
        assert [quota.remaining_fraction for quota in self.quota_of(*left)] == [0.1]

    @pytest.mark.parametrize(
        ("bucket", "used_up"),
        [
            ({"remainingFraction": 0}, True),
            ({"remainingFraction": 0.0, "remainingAmount": "0"}, True),
            ({"remainingAmount": "0"}, True),
            ({"remainingFraction": 0.001, "remainingAmount": "0"}, False),
            ({"remainingAmount": "5"}, False),
            ({}, False),
            ({"remainingAmount": "plenty"}, False),
        ],
    )
    def test_what_is_used_up_is_said_so_and_not_guessed(self, bucket, used_up):
        [quota] = self.quota_of({"modelId": "m", **bucket})
        assert quota.is_used_up is used_up

    @pytest.mark.parametrize("moment", ["", "soon", "2026-99-99T00:00:00Z"])
    def test_a_moment_that_cannot_be_read_is_none(self, moment):
        assert self.quota_of({"modelId": "m", "resetTime": moment})[0].reset_at is None

    def test_a_bucket_of_no_model_and_an_answer_without_buckets_say_nothing(self):
        assert self.quota_of({"remainingFraction": 0.5}) == []
        assert CodeAssistCalls(Google({})).quota("p") == []
