"""The pages beside the list of keys: one key's own, runs of checks, who would serve, limits, unknown errors, shared faults."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import Permission, User
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils.timezone import now

from credentials.health import Outcome, Reason, State
from credentials.models import (
    Alert,
    ApiKey,
    Cause,
    CheckResult,
    CheckRun,
    ModelAlias,
    ProjectSource,
    QuotaLimit,
    ServedModel,
    StateChange,
    UnknownError,
)
from credentials.runs import LASTS
from tests.credentials.pages import ALERTS, ERRORS, KEYS, LIMITS, RUNS, WHO, many_keys, rest

pytestmark = pytest.mark.django_db


def page_of(admin, key: ApiKey, query: str = "") -> str:
    return admin.get(f"{KEYS}{key.pk}/change/{query}").content.decode()


class TestOneKey:
    def test_it_lists_its_own_rests_and_those_of_its_project(self, admin, key):
        rest(key, "flash")
        rest(project="p-1", model="pro", reason=Reason.NOT_ENTITLED)
        rest(project="p-2", model="lite")
        rests = admin.get(f"{KEYS}{key.pk}/change/").context["rests"]
        assert [(row["model"], row["whose"], row["reason"]) for row in rests] == [
            ("flash", "this key", "day quota used up"),
            ("pro", "project p-1", "its plan does not include this model"),
        ]
        assert rests[0]["until"].endswith("Pacific, in 6 h")

    @pytest.mark.parametrize(
        ("reason", "effect"),
        [(Reason.DAY_QUOTA, "Not asked"), (Reason.THROTTLED, "Asked last"), (Reason.KEY_LEAKED, "Invalid")],
    )
    def test_each_rest_says_whether_the_key_is_asked(self, admin, key, reason, effect):
        rest(key, reason=reason)
        [row] = admin.get(f"{KEYS}{key.pk}/change/").context["rests"]
        assert row["chip"].text == effect

    def test_a_rest_that_is_over_is_called_so(self, admin, key):
        rest(key, until=now())
        [row] = admin.get(f"{KEYS}{key.pk}/change/").context["rests"]
        assert (row["chip"].text, row["until"]) == ("Over", "")

    def test_the_timeline_tells_what_caused_each_change_and_the_newest_first(self, admin, key):
        other = ApiKey.objects.create(secret="AQ.another-0123456789", label="laptop", project="p-1")
        long_ago, lately = now() - timedelta(hours=2), now() - timedelta(hours=1)
        StateChange.objects.create(at=long_ago, credential=key, state=State.INVALID, reason=Reason.KEY_LEAKED, cause=Cause.CHECK)
        found = {"state": State.RATE_LIMITED, "reason": Reason.DAY_QUOTA, "detail": "You exceeded your quota."}
        StateChange.objects.create(at=lately, credential=other, project="p-1", model="pro", **found)
        StateChange.objects.create(at=lately, credential=other, state=State.INVALID, reason=Reason.SUSPENDED)
        lines = admin.get(f"{KEYS}{key.pk}/change/").context["timeline"]
        assert [(line["reason"], line["whose"]) for line in lines] == [
            ("day quota used up", "project p-1"),
            ("reported as leaked", ""),
        ]
        assert "a request with" in lines[0]["cause"]
        assert "laptop" in lines[0]["cause"]
        assert lines[1]["cause"] == "a check"
        assert "You exceeded your quota." in page_of(admin, key)

    def test_a_long_timeline_comes_in_pages(self, admin, key):
        for number in range(25):
            at = now() - timedelta(minutes=number)
            StateChange.objects.create(at=at, credential=key, state=State.RATE_LIMITED, reason=Reason.THROTTLED)
        first, last = (admin.get(f"{KEYS}{key.pk}/change/{query}").context for query in ("", "?earlier=1"))
        assert (len(first["timeline"]), first["earlier"], first["later"]) == (20, "?earlier=1#timeline", "")
        assert (len(last["timeline"]), last["earlier"], last["later"]) == (5, "", "?earlier=0#timeline")

    @pytest.mark.parametrize("query", ["?earlier=x", "?earlier=-1", f"?earlier={'9' * 30}"])
    def test_a_page_that_cannot_be_is_the_first(self, admin, key, query):
        StateChange.objects.create(credential=key, state=State.INVALID, reason=Reason.KEY_LEAKED)
        assert "reported as leaked" in page_of(admin, key, query)

    def test_what_google_said_is_text_and_nothing_else(self, admin, key):
        StateChange.objects.create(credential=key, state=State.INVALID, detail="<script>alert(1)</script>")
        assert "<script>alert(1)" not in page_of(admin, key)

    def test_who_may_only_look_is_offered_no_button(self, client, key):
        viewer = User.objects.create_user("viewer", is_staff=True)
        viewer.user_permissions.add(Permission.objects.get(codename="view_apikey"))
        client.force_login(viewer)
        assert "Check with one token" not in page_of(client, key)

    def test_a_key_that_does_not_exist_leads_back(self, admin):
        assert admin.get(f"{KEYS}77/change/").status_code == 302


class TestRuns:
    @pytest.fixture
    def run(self, key) -> CheckRun:
        run = CheckRun.objects.create(by="root", total=3)
        CheckResult.objects.create(run=run, credential=key, outcome=Outcome.SERVED, models_listed=58)
        other = ApiKey.objects.create(secret="AQ.another-0123456789", label="laptop")
        CheckResult.objects.create(run=run, credential=other, outcome=Outcome.KEY_LEAKED, detail="It was leaked.")
        return run

    def test_it_says_how_far_it_is_and_asks_for_more_by_itself(self, admin, run):
        response = admin.get(f"{RUNS}{run.pk}/change/")
        page = response.content.decode()
        assert "2 of 3 checked" in page
        assert 'aria-valuenow="66"' in page
        assert 'hx-trigger="every 2s"' in page
        assert [(found["outcome"], found["number"]) for found in response.context["outcomes"]] == [
            ("served", 1),
            ("key_leaked", 1),
        ]

    def test_once_it_is_done_it_asks_no_more(self, admin, run):
        CheckRun.objects.update(total=2)
        page = admin.get(f"{RUNS}{run.pk}/change/").content.decode()
        assert "Done" in page
        assert "every 2s" not in page

    def test_one_that_nobody_went_on_with_says_how_many_are_missing(self, admin, run):
        CheckRun.objects.update(started_at=now() - 2 * LASTS)
        page = admin.get(f"{RUNS}{run.pk}/change/").content.decode()
        assert "1 were not checked" in page
        assert "every 2s" not in page

    def test_the_results_of_one_outcome_can_be_had_alone(self, admin, run):
        response = admin.get(f"{RUNS}{run.pk}/change/?outcome=key_leaked")
        [row] = response.context["rows"]
        assert ("laptop" in row["credential"], row["detail"]) == (True, "It was leaked.")

    def test_the_list_tells_how_each_run_went(self, admin, run):
        page = admin.get(RUNS).content.decode()
        assert "2 of 3" in page

    def test_its_page_costs_no_more_queries_for_more_results(self, admin, run):
        with CaptureQueriesContext(connection) as few:
            admin.get(f"{RUNS}{run.pk}/change/")
        keys = many_keys(90)
        CheckResult.objects.bulk_create(CheckResult(run=run, credential=key, outcome=Outcome.SERVED) for key in keys)
        with CaptureQueriesContext(connection) as many:
            admin.get(f"{RUNS}{run.pk}/change/")
        assert len(many) == len(few)


class TestWhoWouldServe:
    def test_it_names_the_candidates_in_order_and_why_each_other_one_is_passed_over(self, admin, key):
        first = ApiKey.objects.create(secret="AQ.another-0123456789", label="first", priority=5)
        resting = ApiKey.objects.create(secret="AQ.resting-0123456789", label="resting")
        ApiKey.objects.create(secret="AQ.disabled-0123456789", enabled=False)
        rest(resting, "gemini-3.8-flash")
        shown = admin.get(f"{WHO}?model=gemini-3.8-flash").context
        assert [row["entry"].id for row in shown["asked"]] == [first.pk, key.pk]
        assert [(row["entry"].id, row["why"], row["back"]) for row in shown["skipped"]] == [
            (resting.pk, "day quota used up", "in 6 h")
        ]
        assert (shown["reasons"], shown["disabled"]) == ([("day quota used up", 1)], 1)

    def test_one_that_is_only_suspected_is_asked_last(self, admin, key):
        rest(key, "gemini-3.8-flash", reason=Reason.THROTTLED)
        other = ApiKey.objects.create(secret="AQ.another-0123456789")
        asked = admin.get(f"{WHO}?model=gemini-3.8-flash").context["asked"]
        assert [(row["entry"].id, row["last_resort"]) for row in asked] == [(other.pk, False), (key.pk, True)]

    def test_a_model_that_a_key_does_not_list_is_a_reason(self, admin, key):
        ServedModel.objects.create(credential=key, name="gemini-3.8-pro")
        other = ApiKey.objects.create(secret="AQ.another-0123456789")
        ServedModel.objects.create(credential=other, name="gemini-3.8-flash")
        shown = admin.get(f"{WHO}?model=gemini-3.8-flash").context
        assert [row["entry"].id for row in shown["asked"]] == [other.pk]
        assert shown["reasons"] == [("does not list the model", 1)]

    def test_an_alias_is_followed(self, admin, key):
        ModelAlias.objects.create(pattern="house-model", target="gemini-3.8-pro")
        page = admin.get(f"{WHO}?model=house-model").content.decode()
        assert "house-model is an alias" in page
        assert "gemini-3.8-pro" in page

    def test_ten_thousand_are_counted_but_not_all_shown(self, admin):
        many_keys(10_000)
        response = admin.get(f"{WHO}?model=gemini-3.8-flash")
        assert (response.context["asked_number"], len(response.context["asked"])) == (10_000, 200)
        assert "The first 200 are shown." in response.content.decode()

    def test_who_may_see_no_keys_does_not_see_this(self, client, key):
        client.force_login(User.objects.create_user("clerk", is_staff=True))
        assert client.get(WHO).status_code == 403


class TestLimits:
    FORM = {"project": "p-1", "model": "gemini-*-flash", "rpm": "10", "tpm": "", "rpd": "", "max_concurrent": ""}

    def test_one_is_typed_in(self, admin):
        admin.post(f"{LIMITS}add/", self.FORM)
        limit = QuotaLimit.objects.get()
        assert (limit.project, limit.model, limit.rpm, limit.source) == ("p-1", "gemini-*-flash", 10, ProjectSource.TYPED)
        assert "10 requests a minute" in admin.get(LIMITS).content.decode()

    @pytest.mark.parametrize(
        ("given", "says"),
        [
            ({"rpm": ""}, "Give at least one number"),
            ({"model": "gemini flash"}, "This is the name of a model"),
            ({"model": "models/known"}, "There is a limit for this project and model already"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, admin, given, says):
        QuotaLimit.objects.create(project="p-1", model="known", rpm=1)
        assert says in admin.post(f"{LIMITS}add/", self.FORM | given).content.decode()
        assert QuotaLimit.objects.count() == 1

    def test_one_may_be_typed_beside_a_learned_one(self, admin):
        QuotaLimit.objects.create(project="p-1", model="gemini-*-flash", rpd=20, source=ProjectSource.LEARNED)
        admin.post(f"{LIMITS}add/", self.FORM)
        assert QuotaLimit.objects.count() == 2

    def test_a_learned_one_can_be_read_and_deleted_but_not_changed(self, admin, key):
        limit = QuotaLimit.objects.create(credential=key, model="m", rpd=20, source=ProjectSource.LEARNED)
        page = admin.get(f"{LIMITS}{limit.pk}/change/").content.decode()
        assert "named by Google in an error" in page
        assert 'name="rpd"' not in page
        assert admin.post(f"{LIMITS}{limit.pk}/change/", self.FORM).status_code == 403
        admin.post(f"{LIMITS}{limit.pk}/delete/", {"post": "yes"})
        assert not QuotaLimit.objects.exists()

    def test_saving_one_again_is_no_second_one(self, admin):
        limit = QuotaLimit.objects.create(project="p-1", model="gemini-*-flash", rpm=1)
        admin.post(f"{LIMITS}{limit.pk}/change/", self.FORM)
        assert QuotaLimit.objects.get().rpm == 10


class TestUnknownErrors:
    @pytest.fixture
    def error(self, key) -> UnknownError:
        seen = {"first_at": now() - timedelta(days=3), "last_at": now() - timedelta(minutes=5)}
        return UnknownError.objects.create(
            digest="d", status=418, body='{"error": "<b>a teapot</b>"}', credential=key, model="pro", count=7, **seen
        )

    def test_it_is_told_with_how_often_when_and_by_whom_it_was_met(self, admin, error):
        page = admin.get(ERRORS).content.decode()
        for said in ("418", "a teapot", ">7<", "5 min ago", "3 d ago", "pro", "build server"):
            assert said in page
        assert "<b>a teapot" not in page

    def test_it_outlives_the_key_that_met_it(self, admin, error, key):
        key.delete()
        assert "a credential that is gone" in admin.get(ERRORS).content.decode()

    def test_it_can_be_deleted_and_not_changed(self, admin, error):
        address = f"{ERRORS}{error.pk}"
        assert admin.post(f"{address}/change/", {"body": "tea"}).status_code == 403
        admin.post(f"{address}/delete/", {"post": "yes"})
        assert not UnknownError.objects.exists()


class TestAlerts:
    def test_those_that_go_on_stand_first(self, admin):
        over = Alert.objects.create(cause=Outcome.THROTTLED, message="over", began_at=now(), ended_at=now())
        going_on = Alert.objects.create(cause=Outcome.THROTTLED, message="going on", began_at=now() - timedelta(days=1))
        listed = list(admin.get(ALERTS).context["cl"].result_list)
        assert listed == [going_on, over]

    @pytest.mark.parametrize("action", ["add", "change", "delete"])
    def test_nobody_writes_them(self, admin, action):
        alert = Alert.objects.create(cause=Outcome.THROTTLED, message="as it was", began_at=now())
        address = f"{ALERTS}add/" if action == "add" else f"{ALERTS}{alert.pk}/{action}/"
        assert admin.post(address, {"message": "changed", "post": "yes"}).status_code == 403
        assert Alert.objects.get().message == "as it was"


def test_the_overview_tells_nothing_to_who_may_see_nothing(client, key):
    rest(key, "", reason=Reason.KEY_LEAKED)
    ApiKey.objects.update(state=State.INVALID, reason=Reason.KEY_LEAKED)
    Alert.objects.create(cause=Outcome.THROTTLED, message="Everybody is throttled.", began_at=now())
    client.force_login(User.objects.create_user("clerk", is_staff=True))
    page = client.get("/admin/").content.decode()
    assert not [word for word in ("build server", "Everybody is throttled", "Invalid", "Client tokens") if word in page]
