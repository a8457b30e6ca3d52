"""After a login: what Google is asked about the account, what is kept of it, and what the person is told."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from credentials.health import Outcome, Reason, State
from credentials.listing import ListedModel, store_listing
from credentials.loading import load_roster
from credentials.models import (
    ApiKey,
    Credential,
    GoogleLogin,
    KeyHealth,
    Kind,
    PoolVersion,
    ProjectSource,
    ServedModel,
    StateChange,
    Use,
)
from credentials.signals import set_up_login
from openai_api.account_setup import set_up_account
from openai_api.checks import check_one
from openai_api.questions import Question
from tests.api.accounts import ADA, PROJECT, account, point_at

VERIFY = "https://accounts.google.com/signin/continue?sarp=1"
AT_ONCE = Question(wait=lambda _: None)
A_TOKEN = Question(generates=True, wait=lambda _: None)
RESTS_FOR_A_MOMENT = (State.RATE_LIMITED, Reason.SIGN_IN_FAILED)

pytestmark = pytest.mark.django_db


@pytest.fixture
def at_google(google, settings):
    point_at(google, settings)
    return google


@pytest.fixture
def ada(at_google):
    """As Google knows her: licensed, with a project of her own."""
    return at_google.add_user(ADA, project=PROJECT)


def set_up(credential: Credential):
    """What the person is told, without any waiting."""
    return set_up_account(credential.pk, wait=lambda _: None)


def health_of(credential: Credential) -> tuple[str, str]:
    credential.refresh_from_db()
    return credential.state, credential.reason


def methods_of(google) -> list[str]:
    return [call.method for call in google.log]


class TestCodeAssist:
    def test_an_account_with_a_licence_is_ready_at_once(self, at_google, ada):
        credential = account(at_google)
        told = set_up_login(credential.pk)
        assert (told.ready, told.remedy, told.link) == (True, "", "")
        assert methods_of(at_google) == ["loadCodeAssist", "retrieveUserQuota"]
        login = GoogleLogin.objects.get()
        assert (login.project, login.tier, login.tier_name) == (PROJECT, "standard-tier", "Gemini Code Assist")
        assert health_of(credential) == (State.AVAILABLE, "")
        assert {(call.surface, call.account, call.key_in) for call in at_google.log} == {("code_assist", ADA, "bearer")}

    def test_what_is_left_of_its_quota_is_kept_for_the_admin(self, at_google, ada):
        ada.quota = {"gemini-2.5-pro": 0.25}
        set_up(account(at_google))
        login = GoogleLogin.objects.get()
        [pro] = [left for left in login.quota if left["model"] == "gemini-2.5-pro"]
        assert (pro["remaining_fraction"], pro["remaining_amount"]) == (0.25, 250)
        assert pro["reset_at"].endswith("+00:00")
        assert now() - login.quota_at < timedelta(minutes=1)

    def test_the_models_of_the_quota_are_its_listing_by_their_names_of_the_gemini_api(self, at_google, ada):
        credential = account(at_google)
        set_up(credential)
        served = dict(ServedModel.objects.filter(credential=credential).values_list("name", "methods"))
        assert "gemini-3.5-flash" in served
        assert "gemini-3-flash" not in served
        assert served["gemini-2.5-pro"] == ["generateContent", "countTokens"]

    @pytest.mark.parametrize("code_assist_first", [True, False])
    def test_that_it_names_models_only_takes_nothing_from_what_keys_know_of_them(self, at_google, ada, code_assist_first):
        known = ListedModel("gemini-2.5-pro", "Gemini 2.5 Pro", 1_048_576, 65_536, ("generateContent",))
        makers = [
            lambda: set_up(account(at_google)),
            lambda: store_listing(ApiKey.objects.create(secret="k").pk, [known], at=now()),
        ]
        for make in makers if code_assist_first else reversed(makers):
            make()
        card = load_roster({}).models["gemini-2.5-pro"]
        assert (card.display_name, card.input_limit, card.output_limit) == ("Gemini 2.5 Pro", 1_048_576, 65_536)

    def test_the_free_tier_is_joined_without_a_project_and_brings_one(self, at_google):
        at_google.add_user(ADA, tier="", allowed=("free-tier",), polls=2)
        credential = account(at_google, project="")
        before = PoolVersion.current()
        assert set_up(credential).ready
        assert methods_of(at_google) == ["loadCodeAssist", "onboardUser", "getOperation", "getOperation", "retrieveUserQuota"]
        login = GoogleLogin.objects.get()
        assert (login.tier, login.project[:8], login.operation) == ("free-tier", "managed-", "")
        assert PoolVersion.current() > before  # Requests name the project.

    def test_a_joining_that_takes_its_time_is_gone_on_with_by_a_later_check(self, at_google):
        user = at_google.add_user(ADA, tier="", allowed=("free-tier",), polls=1_000)
        credential = account(at_google, project="")
        told = set_up(credential)
        assert (told.ready, "still setting" in told.message) == (False, True)
        assert GoogleLogin.objects.get().operation.startswith("operations/")
        assert health_of(credential) == (State.INVALID, Reason.PROJECT_MISSING)
        [operation] = at_google.state.code_assist.operations.values()
        operation.polls_left = 0
        check = check_one(credential, AT_ONCE)
        assert (check.outcome, health_of(credential)) == (Outcome.SERVED, (State.AVAILABLE, ""))
        assert GoogleLogin.objects.values_list("operation", "project").get() == ("", user.managed_project)
        assert methods_of(at_google).count("onboardUser") == 1

    def test_a_project_that_an_admin_sets_while_google_is_asked_stays(self, at_google):
        at_google.add_user(ADA, tier="", allowed=("free-tier",), polls=2)
        credential = account(at_google, project="")
        login = GoogleLogin.objects.filter(pk=credential.pk)
        set_up_account(credential.pk, wait=lambda _: login.update(project="the-admin-s-choice"))
        assert login.values_list("project", "tier").get() == ("the-admin-s-choice", "free-tier")

    def test_the_project_for_all_accounts_is_used_and_kept_where_none_is_given(self, at_google, ada, settings):
        settings.GOOGLE_CLOUD_PROJECT = PROJECT
        assert set_up(account(at_google, project="")).ready
        assert GoogleLogin.objects.get().project == PROJECT

    def test_without_a_project_it_is_told_what_to_do(self, at_google, ada):
        credential = account(at_google, project="")
        told = set_up(credential)
        assert (told.ready, "GOOGLE_CLOUD_PROJECT" in told.message) == (False, True)
        assert health_of(credential) == (State.INVALID, Reason.PROJECT_MISSING)

    def test_an_individual_is_told_in_google_s_words_and_what_else_there_is(self, at_google):
        at_google.add_user(ADA, tier="", allowed=(), ineligible=("UNSUPPORTED_CLIENT",))
        credential = account(at_google, project="")
        told = set_up(credential)
        assert told.message.startswith("This client is no longer supported for Gemini Code Assist for individuals.")
        assert "Gemini API" in told.remedy
        assert health_of(credential) == (State.INVALID, Reason.UNSUPPORTED_CLIENT)
        assert credential.detail == told.message

    def test_one_that_is_to_be_verified_gets_the_link(self, at_google):
        at_google.add_user(ADA, tier="", ineligible=("VALIDATION_REQUIRED",), validation_url=VERIFY)
        credential = account(at_google, project="")
        told = set_up(credential)
        assert told.link == VERIFY
        assert VERIFY in told.message
        assert health_of(credential) == (State.INVALID, Reason.VALIDATION_REQUIRED)

    def test_an_api_that_is_not_enabled_is_named_with_its_page(self, at_google, ada):
        ada.projects = {"bare-project"}
        credential = account(at_google, project="bare-project")
        told = set_up(credential)
        assert "Gemini for Google Cloud API" in told.message
        assert told.link.startswith("https://console.developers.google.com/")
        assert health_of(credential) == (State.INVALID, Reason.API_DISABLED)
        assert credential.project == ""  # It counts by account: what Google names is nobody's quota group.

    def test_behind_service_controls_it_is_believed_to_be_licensed(self, at_google, ada):
        at_google.script(method="loadCodeAssist", error="security_policy_violated")
        assert set_up(account(at_google)).ready
        assert GoogleLogin.objects.get().tier == "standard-tier"

    def test_nothing_is_asked_before_the_terms_are_acknowledged(self, at_google, ada):
        told = set_up(account(at_google, terms=False))
        assert (told.ready, "acknowledged" in told.message) == (False, True)
        assert methods_of(at_google) == []

    def test_a_login_of_the_gemini_cli_is_set_up_likewise(self, at_google, ada):
        assert set_up(account(at_google, kind=Kind.GEMINI_CLI)).ready
        assert methods_of(at_google) == ["loadCodeAssist", "retrieveUserQuota"]

    def test_it_may_be_set_up_again_at_any_time(self, at_google, ada):
        ada.quota = {"gemini-2.5-pro": 0}
        credential = account(at_google)
        set_up(credential)
        before = PoolVersion.current(), list(KeyHealth.objects.values()), list(ServedModel.objects.values())
        assert set_up(credential).ready
        assert (PoolVersion.current(), list(KeyHealth.objects.values()), list(ServedModel.objects.values())) == before

    def test_an_account_that_is_gone_is_said_to_be(self, at_google):
        assert not set_up_login(7).ready


class TestQuotaRests:
    def test_a_model_of_which_nothing_is_left_rests_until_there_is_again(self, at_google, ada):
        ada.quota = {"gemini-3-flash": 0}
        credential = account(at_google)
        set_up(credential)
        rest = KeyHealth.objects.get()
        assert (rest.credential, rest.model, rest.reason) == (credential, "gemini-3.5-flash", Reason.DAY_QUOTA)
        [flash] = [left for left in GoogleLogin.objects.get().quota if left["model"] == "gemini-3.5-flash"]
        assert abs((rest.until - now()) - (rest.until.fromisoformat(flash["reset_at"]) - now())) < timedelta(seconds=5)
        assert health_of(credential) == (State.AVAILABLE, "")

    def test_it_is_one_line_in_its_history_however_often_it_is_found(self, at_google, ada):
        ada.quota = {"gemini-2.5-pro": 0}
        credential = account(at_google)
        for _ in range(3):
            check_one(credential, AT_ONCE)
        assert StateChange.objects.count() == 1

    def test_one_whose_quota_is_back_by_now_does_not_rest(self, at_google, ada):
        past = {"buckets": [{"modelId": "gemini-2.5-pro", "remainingFraction": 0, "resetTime": "2020-01-01T00:00:00Z"}]}
        at_google.script(method="retrieveUserQuota", status=200, body=past)
        set_up(account(at_google))
        assert not KeyHealth.objects.exists()

    def test_one_whose_end_google_does_not_name_rests_for_the_day(self, at_google, ada):
        endless = {"buckets": [{"modelId": "gemini-2.5-pro", "remainingFraction": 0}]}
        at_google.script(method="retrieveUserQuota", status=200, body=endless, times=2)
        credential = account(at_google)
        set_up(credential)
        rest = KeyHealth.objects.get()
        assert timedelta() < rest.until - now() <= timedelta(hours=25)
        set_up(credential)
        assert KeyHealth.objects.get() == rest

    def test_when_nothing_at_all_is_left_the_account_rests_and_lives(self, at_google, ada):
        ada.daily_requests = 0
        credential = account(at_google)
        assert set_up(credential).ready
        assert health_of(credential) == (State.RATE_LIMITED, Reason.DAY_QUOTA)

    @pytest.mark.parametrize(
        "fault", [{"error": "internal"}, {"ends": "reset_before_headers"}, {"status": 200, "body": "<html>"}]
    )
    def test_a_quota_that_cannot_be_had_takes_nothing_from_the_account(self, at_google, ada, fault):
        credential = account(at_google, quota=[{"model": "m"}])
        at_google.script(method="retrieveUserQuota", **fault)
        assert set_up(credential).ready
        login = GoogleLogin.objects.get()
        assert (login.quota, login.quota_at, login.tier) == ([{"model": "m"}], None, "standard-tier")
        assert health_of(credential) == (State.AVAILABLE, "")

    def test_a_quota_of_no_model_is_no_listing_and_is_not_asked_for_at_every_turn(self, at_google, ada):
        at_google.script(method="retrieveUserQuota", status=200, body={})
        credential = account(at_google)
        assert set_up(credential).ready
        credential.refresh_from_db()
        assert (ServedModel.objects.count(), credential.models_listed_at is None) == (0, False)


class TestGeminiApi:
    def test_its_models_are_listed_in_the_name_of_its_project(self, at_google, ada):
        credential = account(at_google, use=Use.GEMINI_API)
        assert set_up(credential).ready
        [call] = at_google.log
        assert (call.method, call.account, call.headers["x-goog-user-project"]) == ("listModels", ADA, PROJECT)
        assert "x-goog-api-key" not in call.headers
        assert ServedModel.objects.filter(credential=credential).count() > 10

    def test_without_a_project_google_is_not_asked(self, at_google, ada):
        credential = account(at_google, use=Use.GEMINI_API, project="")
        told = set_up(credential)
        assert (told.ready, methods_of(at_google)) == (False, [])
        assert "GOOGLE_CLOUD_PROJECT" in told.message
        assert health_of(credential) == (State.INVALID, Reason.PROJECT_MISSING)

    def test_the_project_for_all_accounts_becomes_its_own(self, at_google, ada, settings):
        settings.GOOGLE_CLOUD_PROJECT = PROJECT
        credential = account(at_google, use=Use.GEMINI_API, project="")
        assert set_up(credential).ready
        credential.refresh_from_db()
        assert (credential.project, credential.project_source) == (PROJECT, ProjectSource.LOGIN)

    def test_a_project_that_it_may_not_bill_is_said_to_be_so(self, at_google, ada):
        credential = account(at_google, use=Use.GEMINI_API, project="somebody-elses")
        told = set_up(credential)
        assert (told.ready, bool(told.message), bool(told.remedy)) == (False, True, True)
        assert health_of(credential) == (State.INVALID, Reason.NOT_PERMITTED)
        assert credential.project == "somebody-elses"

    def test_what_google_names_in_a_refusal_does_not_become_its_project(self, at_google, ada):
        at_google.script(method="listModels", error="service_disabled")
        credential = account(at_google, use=Use.GEMINI_API)
        set_up(credential)
        credential.refresh_from_db()
        assert credential.project == PROJECT

    def test_one_token_is_asked_for_in_the_same_way(self, at_google, ada):
        check = check_one(account(at_google, use=Use.GEMINI_API), A_TOKEN)
        [call] = at_google.log.generation()
        assert (check.outcome, check.asked) == (Outcome.SERVED, call.model)
        assert (call.account, call.headers["x-goog-user-project"]) == (ADA, PROJECT)


class TestOneToken:
    """Of Code Assist."""

    def test_it_comes_out_of_the_envelope(self, at_google, ada):
        check = check_one(account(at_google), A_TOKEN)
        [call] = at_google.log.generation()
        assert (check.outcome, call.surface, call.method, call.project) == (
            Outcome.SERVED,
            "code_assist",
            "generateContent",
            PROJECT,
        )
        assert call.body["request"]["generationConfig"]["maxOutputTokens"] == 1
        assert (check.asked, check.detail) == (call.model, "")

    def test_a_model_of_which_nothing_is_left_is_not_the_one_to_ask(self, at_google, ada):
        ada.quota = {"gemini-3.1-flash-lite": 0}
        assert check_one(account(at_google), A_TOKEN).asked == "gemini-2.5-flash-lite"

    def test_where_no_model_is_named_a_likely_one_is_asked(self, at_google, ada):
        at_google.script(method="retrieveUserQuota", error="internal")
        check = check_one(account(at_google), A_TOKEN)
        assert (check.outcome, check.models, check.asked) == (Outcome.SERVED, 0, "gemini-3.5-flash")
        assert at_google.log.generation()[0].model == "gemini-3-flash"

    @pytest.mark.parametrize(
        ("error", "reason"),
        [
            ("validation_required", Reason.VALIDATION_REQUIRED),
            ("tos_violation", Reason.SUSPENDED),
            ("unsupported_client", Reason.UNSUPPORTED_CLIENT),
            ("no_licence", Reason.NOT_PERMITTED),
        ],
    )
    def test_what_is_wrong_with_an_account_is_said_and_not_merely_that_something_is(self, at_google, ada, error, reason):
        at_google.script(error=error)
        credential = account(at_google)
        check = check_one(credential, A_TOKEN)
        assert health_of(credential) == (State.INVALID, reason)
        assert credential.detail == check.detail != ""
        if error == "validation_required":
            assert check.link == VERIFY

    def test_one_that_is_dead_is_asked_for_a_token_unasked_and_revived_by_it(self, at_google, ada):
        credential = account(at_google, project="")
        set_up(credential)
        assert health_of(credential) == (State.INVALID, Reason.PROJECT_MISSING)
        GoogleLogin.objects.update(project=PROJECT)
        check = check_one(credential, AT_ONCE)
        assert (check.outcome, health_of(credential)) == (Outcome.SERVED, (State.AVAILABLE, ""))
        assert at_google.log.generation()


class TestAccess:
    def test_a_token_that_google_refuses_is_renewed_once_and_the_question_asked_again(self, at_google, ada):
        credential = account(at_google)
        at_google.expire_access(ADA)
        assert set_up(credential).ready
        assert methods_of(at_google) == ["loadCodeAssist", "token", "loadCodeAssist", "retrieveUserQuota"]

    def test_one_that_is_refused_again_is_not_tried_a_third_time(self, at_google, ada):
        credential = account(at_google)
        at_google.script(method="loadCodeAssist", error="token_expired", times=None)
        told = set_up(credential)
        assert methods_of(at_google) == ["loadCodeAssist", "token", "loadCodeAssist"]
        assert (told.ready, told.remedy) == (False, "Log in again.")

    def test_a_login_that_has_ended_is_said_to_have(self, at_google, ada):
        credential = account(at_google)
        at_google.revoke(ADA)
        told = set_up(credential)
        assert (told.ready, told.remedy) == (False, "Log in again.")
        assert health_of(credential) == (State.INVALID, Reason.LOGIN_ENDED)

    @pytest.mark.parametrize("use", Use)
    def test_a_missing_client_is_no_fault_of_the_account_s(self, at_google, ada, settings, use):
        credential = account(at_google, use=use)
        at_google.expire_access(ADA)
        settings.GOOGLE_OAUTH_CLIENT_ID = ""
        told = set_up(credential)
        assert (told.ready, "GOOGLE_OAUTH_CLIENT_ID" in told.message) == (False, True)
        assert health_of(credential) == RESTS_FOR_A_MOMENT

    def test_a_client_that_google_refuses_is_no_fault_of_the_account_s(self, at_google, ada, settings):
        credential = account(at_google)
        at_google.expire_access(ADA)
        settings.GOOGLE_OAUTH_CLIENT_SECRET = "wrong"
        check = check_one(credential, AT_ONCE)
        assert (check.outcome, health_of(credential)) == (Outcome.SIGN_IN_FAILED, RESTS_FOR_A_MOMENT)

    def test_google_s_bad_minute_is_no_fault_of_the_account_s(self, at_google, ada):
        credential = account(at_google)
        at_google.script(method="token", status=503, body="", times=None)
        at_google.expire_access(ADA)
        check = check_one(credential, AT_ONCE)
        assert (check.outcome, health_of(credential)) == (Outcome.SIGN_IN_FAILED, RESTS_FOR_A_MOMENT)
