"""Checks of credentials: what Google is asked, and what is made of its answer."""

import io
import re

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from credentials import runs
from credentials.crypto import redact
from credentials.health import Outcome, Reason, State
from credentials.listing import ListedModel, store_listing
from credentials.models import (
    ApiKey,
    CheckResult,
    CheckRun,
    Credential,
    GeminiCli,
    KeyHealth,
    Kind,
    PoolVersion,
    ProjectSource,
    ServedModel,
    UnknownError,
    Use,
)
from credentials.runs import Verdict, verdict_of
from credentials.store import record_check
from openai_api import checks
from openai_api.checks import check_credentials
from openai_api.tasks import check_several
from openai_api.upstream import blocking, model_list
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.blocking import http_client
from openai_api.upstream.probe import cheapest_first, probe
from openai_api.upstream.sessions import KeySession
from tests.api.accounts import ADA, PROJECT, account, point_at
from tests.google.models import MODELS

GOOD, OTHER, CANARY = "test-key-1", "test-key-2", "AQ.CANARY-0123456789-abcdef"


@pytest.fixture
def at_google(google, settings):
    settings.GOOGLE_GEMINI_BASE_URL = google.url
    return google


@pytest.fixture
def key(db) -> ApiKey:
    return ApiKey.objects.create(secret=GOOD)


class TestListing:
    def test_every_page_is_asked_for_with_the_key_in_the_header_alone(self, at_google, monkeypatch):
        monkeypatch.setattr(model_list, "_PAGE_SIZE", "7")
        with http_client() as client:
            listed = model_list.list_models(KeySession(client, GOOD))
        calls = list(at_google.log)
        assert len(calls) > 1
        assert {(call.key, call.key_in) for call in calls} == {(GOOD, "header")}
        assert len({model.name for model in listed}) == len(listed) > 7 * (len(calls) - 1)
        flash = next(model for model in listed if model.name == "gemini-3.8-flash")
        assert (flash.input_limit, flash.output_limit) == (1_048_576, 65_536)
        assert "generateContent" in flash.methods

    @pytest.mark.parametrize(
        ("error", "outcome"),
        [
            ("api_key_invalid", Outcome.KEY_REJECTED),
            ("leaked", Outcome.KEY_LEAKED),
            ("suspended", Outcome.SUSPENDED),
            ("service_disabled", Outcome.API_DISABLED),
            ("service_blocked", Outcome.KEY_RESTRICTED),
            ("high_demand", Outcome.UPSTREAM_FAILED),
        ],
    )
    def test_a_refusal_is_classified(self, at_google, error, outcome):
        at_google.script(method="listModels", error=error)
        assert refusal_of(GOOD) == outcome

    @pytest.mark.parametrize("ends", ["reset_before_headers", "cut", "close"])
    def test_a_broken_connection_is_google_s_fault(self, at_google, ends):
        at_google.script(method="listModels", ends=ends)
        assert refusal_of(GOOD) == Outcome.UPSTREAM_FAILED

    def test_what_somebody_took_for_a_key_may_be_any_text(self, at_google):
        assert refusal_of("a kéy, 密钥") == Outcome.KEY_REJECTED

    @pytest.mark.parametrize("body", ["<html>hello</html>", "[]", '{"models": [{"displayName": "nameless"}]}', '{"models": 7}'])
    def test_what_is_no_list_of_models_is_google_s_fault(self, at_google, body):
        at_google.script(method="listModels", status=200, body=body)
        assert refusal_of(GOOD) == Outcome.UPSTREAM_FAILED

    def test_nobody_at_the_address_is_google_s_fault(self):
        assert refusal_of(GOOD) == Outcome.UPSTREAM_FAILED

    def test_a_redirect_is_not_followed(self, at_google):
        at_google.script(
            method="listModels", status=302, body="", headers={"Location": f"{at_google.url}/v1beta/models?elsewhere"}
        )
        refusal_of(GOOD)
        assert len(list(at_google.log)) == 1

    def test_a_listing_that_never_ends_is_given_up(self):
        page = httpx.Response(200, json={"models": [{"name": "models/m"}], "nextPageToken": "again"})
        with httpx.Client(base_url="http://google", transport=httpx.MockTransport(lambda _: page)) as client:
            assert len(model_list.list_models(KeySession(client, GOOD))) == 20

    def test_a_body_that_trickles_is_given_up_at_the_deadline(self, monkeypatch):
        moments = iter(range(0, 10_000, 10))
        monkeypatch.setattr(blocking.time, "monotonic", lambda: next(moments))
        trickle = httpx.Response(200, content=(b" " for _ in range(1_000)))
        with (
            httpx.Client(base_url="http://google", transport=httpx.MockTransport(lambda _: trickle)) as client,
            pytest.raises(UpstreamRefused, match="in time"),
        ):
            model_list.list_models(KeySession(client, GOOD))


def refusal_of(secret: str) -> Outcome:
    with http_client() as client, pytest.raises(UpstreamRefused) as caught:
        model_list.list_models(KeySession(client, secret))
    return caught.value.refusal.outcome


class TestStoring:
    FLASH = ListedModel("gemini-3.8-flash", "Flash", 1_048_576, 65_536, ("generateContent",))
    LITE = ListedModel("gemini-3.5-flash-lite", "Lite", 1_048_576, 65_536, ("generateContent",))

    def test_the_rows_become_what_the_listing_says(self, key):
        store_listing(key.pk, [self.FLASH, self.LITE], at=now())
        renamed = ListedModel("gemini-3.8-flash", "Flash, renamed", 2, 3, ("countTokens",))
        assert store_listing(key.pk, [renamed], at=now())
        row = ServedModel.objects.get()
        assert (row.name, row.display_name, row.input_limit, row.output_limit, row.methods) == (
            "gemini-3.8-flash", "Flash, renamed", 2, 3, ["countTokens"]
        )  # fmt: skip

    def test_an_unchanged_listing_writes_no_row_and_leaves_the_pool_s_version(self, key, django_assert_num_queries):
        store_listing(key.pk, [self.FLASH, self.LITE], at=now())
        version = PoolVersion.current()
        with django_assert_num_queries(5):  # a savepoint and its end, one look, and the time of the listing
            assert not store_listing(key.pk, [self.LITE, self.FLASH], at=now())
        assert PoolVersion.current() == version

    def test_what_does_not_fit_the_columns_does_no_harm(self, key):
        huge = ListedModel("m", "d" * 500, 10**12, -5)
        store_listing(key.pk, [huge, ListedModel("n" * 101)], at=now())
        row = ServedModel.objects.get()
        assert (len(row.display_name), row.input_limit, row.output_limit) == (200, 2**31 - 1, 0)


class TestChecks:
    def test_a_living_key_gets_its_models_and_loses_nothing(self, at_google, key):
        [check] = check_credentials([key])
        key.refresh_from_db()
        assert check.outcome is Outcome.SERVED
        assert check.models == ServedModel.objects.filter(credential=key).count() > 10
        assert key.state == State.AVAILABLE
        assert key.checked_at
        assert key.models_listed_at

    def test_a_dead_key_says_why_in_the_admin_s_words_and_google_s(self, at_google, key):
        at_google.script(method="listModels", error="leaked")
        [check] = check_credentials([key])
        key.refresh_from_db()
        assert (key.state, key.reason) == (State.INVALID, Reason.KEY_LEAKED)
        assert check.detail == key.detail
        assert "leaked" in key.detail
        assert key.models_listed_at is None

    def test_google_s_bad_minute_kills_no_key(self, at_google, key):
        at_google.script(method="listModels", error="internal")
        list(check_credentials([key]))
        key.refresh_from_db()
        assert key.state == State.AVAILABLE
        assert key.checked_at

    def test_the_key_that_google_quotes_is_kept_nowhere(self, at_google, db):
        at_google.keys[CANARY] = "project-x"
        at_google.script(method="listModels", error="suspended")
        key = ApiKey.objects.create(secret=CANARY)
        [check] = check_credentials([key])
        key.refresh_from_db()
        assert key.reason == Reason.SUSPENDED
        assert "CANARY" not in check.detail + key.detail + KeyHealth.objects.get().detail
        assert redact(key.detail) == key.detail

    def test_each_of_many_gets_the_answer_to_its_own_key(self, at_google, db, monkeypatch):
        monkeypatch.setattr(checks, "_SLICE", 8)
        keys = [ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 21)]
        at_google.script(method="listModels", error="api_key_invalid", key="test-key-7")
        found = list(check_credentials(keys))
        assert sorted(check.credential.pk for check in found) == [key.pk for key in keys]
        assert [check.credential.secret for check in found if check.outcome is not Outcome.SERVED] == ["test-key-7"]

    def test_one_that_hangs_delays_none_of_the_others(self, at_google, db):
        keys = [ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 13)]
        at_google.script(method="listModels", key="test-key-1", delay=1.0)
        assert [check.credential for check in check_credentials(keys)][-1] == keys[0]

    @pytest.mark.django_db(transaction=True)
    def test_a_key_deleted_while_google_is_asked_is_left_out(self, at_google):
        doomed, other = (ApiKey.objects.create(secret=secret) for secret in (GOOD, OTHER))
        at_google.script(method="listModels", key=GOOD, delay=0.5)
        done = check_credentials([doomed, other])
        assert next(done).credential == other
        Credential.objects.filter(pk=doomed.pk).delete()
        assert list(done) == []
        assert set(ServedModel.objects.values_list("credential_id", flat=True)) == {other.pk}

    def test_a_check_that_finds_what_was_known_moves_no_version(self, at_google, key):
        list(check_credentials([key]))
        version = PoolVersion.current()
        list(check_credentials([key]))
        assert PoolVersion.current() == version


class TestOneToken:
    """The second question: may the key use what it lists?"""

    LISTED = ("gemini-3.8-flash", "gemini-4-argon", "gemini-2.5-flash-lite", "gemini-3.5-flash-lite", "gemini-3.8-flash-lite-tts")

    def test_the_cheapest_first_and_only_those_that_write_text(self):
        listed = [ListedModel(name, methods=("generateContent",)) for name in self.LISTED]
        listed.append(ListedModel("gemini-embedding-2", methods=("embedContent",)))
        listed.append(ListedModel("gemini-3.8-flash-live", methods=("bidiGenerateContent",)))
        listed.append(ListedModel("gemini-3.1-flash-lite-image", methods=("generateContent",)))
        listed.append(ListedModel("aqa", methods=("generateContent",)))
        assert cheapest_first(listed) == ["gemini-3.5-flash-lite", "gemini-2.5-flash-lite", "gemini-3.8-flash", "gemini-4-argon"]

    @pytest.mark.parametrize("model", [name for name, model in MODELS.items() if model.kind == "text"])
    def test_google_takes_the_question_for_every_model_that_writes_text(self, at_google, model):
        with http_client() as client:
            [done] = probe(KeySession(client, GOOD), [ListedModel(model, methods=("generateContent",))])
        assert (done.model, done.refusal) == (model, None)
        [call] = at_google.log.generation()
        assert (call.method, call.model, call.key_in) == ("generateContent", model, "header")
        assert call.body["generationConfig"]["maxOutputTokens"] == 1

    def test_thinking_is_as_low_as_the_model_allows(self, at_google):
        for model in ("gemini-3.5-flash-lite", "gemini-3.8-flash", "gemini-2.5-flash", "gemini-2.5-pro"):
            with http_client() as client:
                probe(KeySession(client, GOOD), [ListedModel(model, methods=("generateContent",))])
        assert [call.body["generationConfig"]["thinkingConfig"] for call in at_google.log.generation()] == [
            {"thinkingLevel": "MINIMAL"}, {"thinkingLevel": "LOW"}, {"thinkingBudget": 0}, {"thinkingBudget": 128}
        ]  # fmt: skip

    def test_a_living_key_answers_and_its_failures_are_forgotten(self, at_google, key):
        Credential.objects.update(failures=7)
        [check] = check_credentials([key], generates=True)
        key.refresh_from_db()
        assert (check.outcome, check.asked) == (Outcome.SERVED, "gemini-3.5-flash-lite")
        assert (key.state, key.failures) == (State.AVAILABLE, 0)

    def test_a_listing_alone_asks_for_no_token(self, at_google, key):
        Credential.objects.update(failures=7)
        list(check_credentials([key]))
        key.refresh_from_db()
        assert not at_google.log.generation()
        assert key.failures == 7

    @pytest.mark.parametrize("error", ["service_blocked", "leaked", "suspended", "api_key_invalid", "service_disabled"])
    def test_a_key_that_lists_but_may_not_generate_is_half_alive(self, at_google, key, error):
        at_google.script(error=error)
        [check] = check_credentials([key], generates=True)
        key.refresh_from_db()
        assert check.outcome is Outcome.HALF_ALIVE
        assert (key.state, key.reason, key.until) == (State.INVALID, Reason.HALF_ALIVE, None)
        assert key.detail == check.detail != ""
        assert key.models_listed_at

    @pytest.mark.parametrize(("status", "said"), [(401, "Who are you?"), (403, "The caller does not have permission")])
    def test_any_401_or_403_will_do(self, at_google, key, status, said):
        at_google.script(status=status, body={"error": {"code": status, "message": said}})
        [check] = check_credentials([key], generates=True)
        assert (check.outcome, check.detail) == (Outcome.HALF_ALIVE, said)

    @pytest.mark.parametrize(
        "fault",
        [
            {"error": "high_demand"},
            {"error": "internal"},
            {"error": "bare_429"},
            {"error": "html_429"},
            {"error": "bad_request"},
            {"error": "no_key"},
            {"error": "location_unsupported"},
            {"ends": "reset_before_headers"},
            {"ends": "cut"},
            {"status": 200, "body": "<html>hello</html>"},
            {"status": 200, "body": {}},
            {"status": 200, "body": {"error": {"code": 503, "message": "The model is overloaded."}}},
        ],
        ids=str,
    )
    def test_what_is_no_fault_of_the_key_says_nothing_about_it(self, at_google, key, fault):
        at_google.script(**fault, times=None)
        dead = ApiKey.objects.create(secret=OTHER)
        record_check(dead.pk, Outcome.HALF_ALIVE, detail="before")
        for check in check_credentials(Credential.objects.all(), generates=True):
            assert verdict_of(check.outcome) is Verdict.UNKNOWN
        assert [row.state for row in Credential.objects.order_by("pk")] == [State.AVAILABLE, State.INVALID]
        assert all(row.checked_at for row in Credential.objects.all())

    def test_a_model_that_is_absent_is_noted_and_the_next_one_asked(self, at_google, key):
        at_google.script(error="model_not_found", model="gemini-3.5-flash-lite")
        [check] = check_credentials([key], generates=True)
        assert (check.outcome, check.asked) == (Outcome.SERVED, "gemini-3.1-flash-lite")
        rest = KeyHealth.objects.standing().get()
        assert (rest.model, rest.reason) == ("gemini-3.5-flash-lite", Reason.MODEL_ABSENT)

    def test_three_models_at_most_are_asked(self, at_google, key):
        at_google.script(error="model_not_found", times=None)
        [check] = check_credentials([key], generates=True)
        assert check.outcome is Outcome.MODEL_ABSENT
        assert len(at_google.log.generation()) == 3

    def test_a_key_without_models_for_text_is_believed_by_its_listing(self, at_google, key):
        record_check(key.pk, Outcome.KEY_REJECTED)
        page = {"models": [{"name": "models/gemini-embedding-2", "supportedGenerationMethods": ["embedContent"]}]}
        at_google.script(method="listModels", status=200, body=page)
        [check] = check_credentials(Credential.objects.all())
        key.refresh_from_db()
        assert (check.outcome, check.asked, key.state) == (Outcome.SERVED, "", State.AVAILABLE)


class TestRevival:
    @pytest.fixture
    def dead(self, key) -> Credential:
        record_check(key.pk, Outcome.HALF_ALIVE, detail="before")
        return Credential.objects.get()

    def test_a_dead_key_is_asked_for_a_token_unasked_and_revived_by_it(self, at_google, dead):
        [check] = check_credentials([dead])
        dead.refresh_from_db()
        assert check.outcome is Outcome.SERVED
        assert (dead.state, dead.reason, dead.until) == (State.AVAILABLE, "", None)
        assert not KeyHealth.objects.standing().exists()

    def test_a_listing_alone_revives_nothing(self, at_google, dead):
        at_google.script(error="service_blocked")
        [check] = check_credentials([dead])
        dead.refresh_from_db()
        assert check.outcome is Outcome.HALF_ALIVE
        assert dead.state == State.INVALID

    def test_a_key_that_dies_while_it_is_listed_stays_dead(self, at_google, key):
        """A request finds it out just then; the listing that was under way knows nothing of it."""
        found = check_credentials([key])
        record_check(key.pk, Outcome.KEY_LEAKED)
        list(found)
        key.refresh_from_db()
        assert (key.state, key.reason) == (State.INVALID, Reason.KEY_LEAKED)

    @pytest.mark.parametrize(
        ("error", "reason"),
        [("day_quota", Reason.DAY_QUOTA), ("minute_quota", Reason.MINUTE_QUOTA), ("zero_quota", Reason.NOT_ENTITLED)],
    )
    def test_a_quota_that_is_used_up_proves_life(self, at_google, dead, error, reason):
        at_google.script(error=error)
        [check] = check_credentials([dead])
        dead.refresh_from_db()
        assert verdict_of(check.outcome) is Verdict.ALIVE
        assert dead.state == State.AVAILABLE  # It serves other models.
        rest = KeyHealth.objects.standing().get()
        assert (rest.model, rest.reason) == ("gemini-3.5-flash-lite", reason)

    def test_a_listing_ends_no_quota_s_rest(self, at_google, key):
        record_check(key.pk, Outcome.DAY_QUOTA, model="gemini-3.8-flash")
        before = list(KeyHealth.objects.values())
        list(check_credentials([key], generates=True))
        list(check_credentials([key]))
        assert list(KeyHealth.objects.values()) == before

    def test_the_project_that_google_names_is_learned(self, at_google, key):
        at_google.script(error="service_disabled")
        list(check_credentials([key], generates=True))
        key.refresh_from_db()
        assert (key.project.isdigit(), key.project_source) == (True, ProjectSource.LEARNED)

    def test_a_refusal_that_nobody_knows_is_kept_for_the_admin(self, at_google, key):
        at_google.script(status=418, body={"error": {"code": 418, "message": "I am a teapot"}})
        [check] = check_credentials([key], generates=True)
        unknown = UnknownError.objects.get()
        assert check.outcome is Outcome.UNEXPLAINED
        assert (unknown.status, unknown.credential_id, unknown.model) == (418, key.pk, "gemini-3.5-flash-lite")
        assert "teapot" in unknown.body


class TestAccounts:
    """What is asked of them alone is in `test_account_setup.py`."""

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize(
        ("kind", "use", "methods"),
        [
            (Kind.OAUTH, Use.GEMINI_API, ["listModels", "generateContent"]),
            (Kind.OAUTH, Use.CODE_ASSIST, ["loadCodeAssist", "retrieveUserQuota", "generateContent"]),
            (Kind.GEMINI_CLI, Use.CODE_ASSIST, ["loadCodeAssist", "retrieveUserQuota", "generateContent"]),
        ],
    )
    def test_an_account_is_checked_among_keys_by_the_service_that_it_is_for(self, at_google, settings, kind, use, methods):
        point_at(at_google, settings)
        at_google.add_user(ADA, project=PROJECT)
        [check] = check_credentials([account(at_google, kind=kind, use=use)], generates=True)
        assert (check.outcome, bool(check.models)) == (Outcome.SERVED, True)
        assert [(call.method, call.account) for call in at_google.log] == [(method, ADA) for method in methods]

    def test_a_key_of_the_gemini_cli_is_checked_as_keys_are(self, at_google, db):
        key = GeminiCli.objects.create(secret=GOOD, use=Use.GEMINI_API)
        [check] = check_credentials([key], generates=True)
        assert (check.outcome, check.models > 10) == (Outcome.SERVED, True)
        assert {(call.key, call.key_in) for call in at_google.log} == {(GOOD, "header")}

    @pytest.mark.django_db(transaction=True)
    def test_a_run_hears_of_an_account_what_it_hears_of_keys(self, at_google, settings):
        point_at(at_google, settings)
        at_google.add_user(ADA, tier="", allowed=(), ineligible=("UNSUPPORTED_CLIENT",))
        credential = account(at_google, project="")
        run = runs.begin_run(1, by="ada", generates=False)
        check_several([credential.pk], run=run.pk)
        result = CheckResult.objects.get()
        assert (result.outcome, runs.progress(run).finished) == ("unsupported_client", True)
        assert result.detail.startswith("This client is no longer supported")


class TestCommand:
    def run(self, *args: str) -> tuple[str, str]:
        out = io.StringIO()
        try:
            call_command("check_credentials", *args, stdout=out)
        except CommandError as error:
            return out.getvalue(), str(error)
        return out.getvalue(), ""

    def test_the_result_of_every_key_is_a_row_and_one_dead_key_makes_it_fail(self, at_google, key):
        dead = ApiKey.objects.create(secret="not-a-key-of-google", label="dead one")
        table, error = self.run()
        header, first, second = (re.split(" {2,}", line) for line in table.splitlines())
        assert header == ["id", "credential", "result", "why", "models", "asked", "what Google said"]
        assert first[2:4] == ["alive", "-"]
        assert second[:4] == [str(dead.pk), "dead one", "dead", "is not accepted"]
        assert "API key not valid" in second[-1]
        assert error == "1 of 2 are not usable now."

    def test_with_a_token_it_tells_the_living_from_those_that_only_look_so(self, at_google, key):
        half, spent, unclear = (ApiKey.objects.create(secret=f"test-key-{number}") for number in (2, 3, 4))
        at_google.script(key=half.secret, error="service_blocked")
        at_google.script(key=spent.secret, error="day_quota")
        at_google.script(key=unclear.secret, error="high_demand")
        table, error = self.run("--generate")
        results = [re.split(" {2,}", line)[2:6] for line in table.splitlines()[1:]]
        models = str(ServedModel.objects.filter(credential=key).count())
        assert results == [
            ["alive", "-", models, "gemini-3.5-flash-lite"],
            ["half-alive", "lists models, but may not use them", models, "gemini-3.5-flash-lite"],
            ["alive", "day quota used up", models, "gemini-3.5-flash-lite"],
            ["unknown", "upstream failed", models, "gemini-3.5-flash-lite"],
        ]
        assert error == "2 of 4 are not usable now."

    def test_the_admin_sees_it_as_a_run(self, at_google, key):
        self.run("--generate")
        run = CheckRun.objects.get()
        result = CheckResult.objects.get()
        assert (run.by, run.generates, run.total) == ("manage.py check_credentials", True, 1)
        assert (result.run, result.credential_id, result.outcome) == (run, key.pk, "served")
        assert result.models_listed > 10

    def test_ids_choose_and_unknown_ids_are_named(self, at_google, key):
        ApiKey.objects.create(secret=OTHER)
        table, error = self.run(str(key.pk))
        assert (len(table.splitlines()), error) == (2, "")
        assert "999" in self.run("999")[1]

    def test_disabled_keys_are_checked_only_when_asked(self, at_google, key):
        ApiKey.objects.update(enabled=False)
        assert "pool is empty" in self.run()[1]
        assert "alive" in self.run("--all")[0]
