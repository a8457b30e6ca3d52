"""Checks of credentials: what Google is asked, what is made of its answer, and the tasks that see to it."""

import io
from datetime import timedelta

import httpx
import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from credentials.crypto import redact
from credentials.health import Outcome, Reason, State
from credentials.listing import ListedModel, store_listing
from credentials.models import ApiKey, Credential, KeyHealth, PoolVersion, ServedModel
from openai_api import tasks
from openai_api.checks import check_credentials
from openai_api.models import ThoughtSignature, UsageRecord
from openai_api.upstream import model_list
from openai_api.upstream.base import UpstreamRefused

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
        with model_list.http_client() as client:
            listed = model_list.list_models(client, GOOD)
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
            assert len(model_list.list_models(client, GOOD)) == 20

    def test_a_body_that_trickles_is_given_up_at_the_deadline(self, monkeypatch):
        moments = iter(range(0, 10_000, 10))
        monkeypatch.setattr(model_list.time, "monotonic", lambda: next(moments))
        trickle = httpx.Response(200, content=(b" " for _ in range(1_000)))
        with (
            httpx.Client(base_url="http://google", transport=httpx.MockTransport(lambda _: trickle)) as client,
            pytest.raises(UpstreamRefused, match="in time"),
        ):
            model_list.list_models(client, GOOD)


def refusal_of(secret: str) -> Outcome:
    with model_list.http_client() as client, pytest.raises(UpstreamRefused) as caught:
        model_list.list_models(client, secret)
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
        with django_assert_num_queries(4):  # a savepoint and its end, one look, and the time of the listing
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

    def test_a_dead_key_that_google_takes_again_is_revived(self, at_google, key):
        at_google.script(method="listModels", error="api_key_invalid")
        list(check_credentials([key]))
        list(check_credentials([key]))
        key.refresh_from_db()
        assert (key.state, key.reason, key.until) == (State.AVAILABLE, "", None)
        assert not KeyHealth.objects.exists()

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

    def test_many_are_checked_in_the_order_given(self, at_google, db):
        keys = [ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 21)]
        at_google.script(method="listModels", error="api_key_invalid", key="test-key-7")
        checks = list(check_credentials(keys))
        assert [check.credential for check in checks] == keys
        assert [check.credential.secret for check in checks if check.outcome is not Outcome.SERVED] == ["test-key-7"]

    def test_a_check_that_finds_what_was_known_moves_no_version(self, at_google, key):
        list(check_credentials([key]))
        version = PoolVersion.current()
        list(check_credentials([key]))
        assert PoolVersion.current() == version


class TestTasks:
    @pytest.fixture
    def queued(self, monkeypatch) -> list[int]:
        queued: list[int] = []
        monkeypatch.setattr(tasks.check_credential, "apply_async", lambda args, expires: queued.append(args[0]))
        return queued

    def test_only_the_due_are_rechecked_the_longest_unchecked_first(self, db, queued, settings):
        at = now()
        interval = timedelta(seconds=settings.RECHECK_INTERVAL_SECONDS)
        late, never, soon, alive, off = (ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 6))
        Credential.objects.exclude(pk=alive.pk).update(state=State.INVALID, checked_at=at - 2 * interval)
        Credential.objects.filter(pk=never.pk).update(checked_at=None)
        Credential.objects.filter(pk=soon.pk).update(checked_at=at - interval / 2)
        Credential.objects.filter(pk=off.pk).update(enabled=False)
        tasks.recheck_invalid_credentials()
        assert queued == [never.pk, late.pk]

    def test_only_the_unlisted_and_the_stale_are_listed(self, db, queued):
        at = now()
        new, stale, fresh, dead = (ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 5))
        long_ago = at - tasks.LISTING_LASTS - timedelta(minutes=1)
        Credential.objects.filter(pk=stale.pk).update(models_listed_at=long_ago, checked_at=long_ago)
        Credential.objects.filter(pk=fresh.pk).update(models_listed_at=at, checked_at=at)
        Credential.objects.filter(pk=dead.pk).update(state=State.INVALID)
        tasks.refresh_model_lists()
        assert queued == [new.pk, stale.pk]

    def test_a_listing_that_failed_is_not_asked_for_again_at_once(self, db, queued):
        ApiKey.objects.create(secret=GOOD, checked_at=now())
        tasks.refresh_model_lists()
        assert queued == []

    def test_a_check_done_twice_leaves_what_one_leaves(self, at_google, key):
        tasks.check_credential(key.pk)
        once = list(ServedModel.objects.order_by("pk").values())
        tasks.check_credential(key.pk)
        assert list(ServedModel.objects.order_by("pk").values()) == once

    def test_a_check_of_a_deleted_key_does_nothing(self, at_google, key):
        pk = key.pk
        key.delete()
        tasks.check_credential(pk)
        assert not list(at_google.log)

    def test_expired_signatures_are_forgotten(self, owner):
        for call_id, hours in (("old", -1), ("new", 1)):
            expires_at = now() + timedelta(hours=hours)
            ThoughtSignature.objects.create(owner=owner, call_id=call_id, model="m", signature="s", expires_at=expires_at)
        tasks.forget_expired_signatures()
        tasks.forget_expired_signatures()
        assert [signature.call_id for signature in ThoughtSignature.objects.all()] == ["new"]

    def test_usage_older_than_the_setting_is_forgotten(self, db, settings):
        settings.USAGE_DAYS = 30
        for name, days in (("old", 31), ("new", 29)):
            UsageRecord.objects.create(
                uid=name, request_id=name, started_at=now() - timedelta(days=days), model_asked="m", dialect="chat", status=200
            )
        tasks.forget_old_usage()
        assert [record.uid for record in UsageRecord.objects.all()] == ["new"]


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
        header, first, second = table.splitlines()
        assert header.split() == ["id", "credential", "result", "models", "what", "Google", "said"]
        assert "alive" in first
        assert second.startswith(f"{dead.pk}")
        assert "dead one" in second
        assert "key rejected" in second
        assert "API key not valid" in second
        assert error == "1 of 2 are not usable now."

    def test_ids_choose_and_unknown_ids_are_named(self, at_google, key):
        ApiKey.objects.create(secret=OTHER)
        table, error = self.run(str(key.pk))
        assert (len(table.splitlines()), error) == (2, "")
        assert "999" in self.run("999")[1]

    def test_disabled_keys_are_checked_only_when_asked(self, at_google, key):
        ApiKey.objects.update(enabled=False)
        assert "pool is empty" in self.run()[1]
        assert "alive" in self.run("--all")[0]


def test_an_admin_s_wish_reaches_the_task(at_google, key, monkeypatch, client):
    queued: list[int] = []
    monkeypatch.setattr(tasks.check_credential, "apply_async", lambda args, expires: queued.append(args[0]))
    client.force_login(User.objects.create_superuser("root"))
    client.post("/admin/credentials/apikey/", {"action": "check_now", "_selected_action": [key.pk]})
    assert queued == [key.pk]
