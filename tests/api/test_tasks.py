"""Background work: what is asked for when, and that a task which is delivered twice does no more than once."""

import random
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from credentials import runs
from credentials.health import Outcome, Reason, State
from credentials.models import (
    Alert,
    ApiKey,
    CheckResult,
    CheckRun,
    Credential,
    KeyHealth,
    Kind,
    ServedModel,
    StateChange,
    UnknownError,
    Use,
)
from credentials.store import record_check
from credentials.tasks import forget_old_history
from openai_api import tasks
from openai_api.models import ThoughtSignature, UsageRecord
from proxy_site.celery import app

GOOD = "test-key-1"
SCHEDULE = app.conf.beat_schedule


@pytest.fixture
def at_google(google, settings):
    settings.GOOGLE_GEMINI_BASE_URL = google.url
    return google


@pytest.fixture
def key(db) -> ApiKey:
    return ApiKey.objects.create(secret=GOOD)


@pytest.fixture
def at_once() -> Iterator[None]:
    """What is queued is done at once."""
    app.conf.update(task_always_eager=True, task_eager_propagates=True)
    yield
    app.conf.update(task_always_eager=False, task_eager_propagates=False)


class Message(tuple):
    """A queued check: (ids, its wishes, its options)."""


@pytest.fixture
def queued(monkeypatch) -> list[Message]:
    """The checks that were asked for, which nobody does."""
    queued: list[Message] = []
    note = lambda args, kwargs, **options: queued.append(Message((*args, kwargs, options)))  # noqa: E731
    monkeypatch.setattr(tasks.check_several, "apply_async", note)
    return queued


def ids_of(queued: list[Message]) -> list[int]:
    return [credential_id for ids, _, _ in queued for credential_id in ids]


class TestDue:
    @pytest.mark.parametrize(
        ("task", "state"),
        [(tasks.recheck_invalid_credentials, State.INVALID), (tasks.recheck_resting_credentials, State.RATE_LIMITED)],
        ids=["invalid", "resting"],
    )
    def test_only_the_due_are_rechecked_the_longest_unchecked_first(self, db, queued, settings, task, state):
        at = now()
        interval = timedelta(seconds=settings.RECHECK_INTERVAL_SECONDS)
        late, never, soon, alive, off = (ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 6))
        Credential.objects.exclude(pk=alive.pk).update(state=state, checked_at=at - 2 * interval)
        Credential.objects.filter(pk=never.pk).update(checked_at=None)
        Credential.objects.filter(pk=soon.pk).update(checked_at=at - interval / 2)
        Credential.objects.filter(pk=off.pk).update(enabled=False)
        task()
        assert ids_of(queued) == [never.pk, late.pk]

    def test_only_the_unlisted_and_the_stale_are_listed(self, db, queued):
        at = now()
        new, stale, fresh, dead = (ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 5))
        long_ago = at - tasks.LISTING_LASTS - timedelta(minutes=1)
        Credential.objects.filter(pk=stale.pk).update(models_listed_at=long_ago, checked_at=long_ago)
        Credential.objects.filter(pk=fresh.pk).update(models_listed_at=at, checked_at=at)
        Credential.objects.filter(pk=dead.pk).update(state=State.INVALID)
        tasks.refresh_model_lists()
        assert ids_of(queued) == [new.pk, stale.pk]

    def test_a_login_that_has_ended_is_not_tried_again(self, db, queued):
        ended, rejected = (ApiKey.objects.create(secret=f"test-key-{number}") for number in (1, 2))
        Credential.objects.update(state=State.INVALID, reason=Reason.KEY_REJECTED)
        Credential.objects.filter(pk=ended.pk).update(reason=Reason.LOGIN_ENDED)
        tasks.recheck_invalid_credentials()
        assert ids_of(queued) == [rejected.pk]

    def test_the_quotas_of_code_assist_are_asked_for_more_often_than_listings(self, db, queued):
        at = now()
        listed = at - tasks.QUOTA_LASTS - timedelta(minutes=1)
        for use in Use:
            Credential.objects.create(
                kind=Kind.OAUTH, use=use, email="ada@example.com", secret="1//0", terms_accepted_at=at, models_listed_at=listed,
                checked_at=listed,
            )  # fmt: skip
        tasks.refresh_model_lists()
        assert ids_of(queued) == [Credential.objects.get(use=Use.CODE_ASSIST).pk]

    def test_a_listing_that_failed_is_not_asked_for_again_at_once(self, db, queued):
        ApiKey.objects.create(secret=GOOD, checked_at=now())
        tasks.refresh_model_lists()
        assert queued == []

    def test_a_round_is_bounded(self, db, queued, monkeypatch):
        monkeypatch.setattr(tasks, "_AT_ONCE", 3)
        for number in range(5):
            ApiKey.objects.create(secret=f"test-key-{number}")
        tasks.refresh_model_lists()
        assert len(ids_of(queued)) == 3

    def test_two_rounds_that_asked_for_the_same_check_it_once(self, at_google, key, queued):
        tasks.refresh_model_lists()
        tasks.refresh_model_lists()
        for ids, wishes, _ in queued:
            tasks.check_several(ids, **wishes)
        assert len(queued) == 2
        assert len(list(at_google.log)) == 1

    def test_a_resting_key_is_only_listed_and_goes_on_resting(self, at_google, key, at_once):
        record_check(key.pk, Outcome.SPEND_LIMIT)
        Credential.objects.update(checked_at=None)
        before = list(KeyHealth.objects.values())
        tasks.recheck_resting_credentials()
        assert [call.method for call in at_google.log] == ["listModels"]
        assert list(KeyHealth.objects.values()) == before
        assert Credential.objects.get().state == State.RATE_LIMITED

    def test_a_key_that_died_while_it_rests_is_found_out(self, at_google, key, at_once):
        record_check(key.pk, Outcome.SPEND_LIMIT)
        Credential.objects.update(checked_at=None)
        at_google.script(method="listModels", error="leaked")
        tasks.recheck_resting_credentials()
        credential = Credential.objects.get()
        assert (credential.state, credential.reason) == (State.INVALID, Reason.KEY_LEAKED)

    def test_a_half_alive_key_is_revived_once_it_generates(self, at_google, key, at_once):
        record_check(key.pk, Outcome.HALF_ALIVE)
        at_google.script(error="service_blocked")
        states = []
        for _ in range(2):
            Credential.objects.update(checked_at=None)
            tasks.recheck_invalid_credentials()
            states.append(Credential.objects.get().state)
        assert states == [State.INVALID, State.AVAILABLE]


class TestBulk:
    def test_a_whole_pool_is_asked_for_in_batches_that_hold_up_no_other_work(self, queued):
        tasks.check_soon(range(10_000), generates=True, run=7)
        assert ids_of(queued) == list(range(10_000))
        assert {len(ids) for ids, _, _ in queued} == {20}
        assert all(wishes == {"generates": True, "run": 7} for _, wishes, _ in queued)
        assert {(options["expires"], options["priority"]) for _, _, options in queued} == {(3600.0, 9)}

    def test_a_single_one_goes_before_them(self, queued):
        tasks.check_soon([1])
        [(_, _, options)] = queued
        assert options["priority"] == 0

    def test_a_run_gets_a_result_for_every_key(self, at_google, db, at_once):
        keys = [ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 46)]
        at_google.script(method="listModels", key="test-key-3", error="leaked")
        at_google.script(method="generateContent", key="test-key-4", error="service_blocked")
        run = runs.start_run([key.pk for key in keys], by="root", generates=True)
        progress = runs.progress(run)
        assert progress.finished
        assert progress.by_outcome == {Outcome.SERVED: 43, Outcome.HALF_ALIVE: 1, Outcome.KEY_LEAKED: 1}
        assert CheckResult.objects.get(credential=keys[2]).detail

    def test_a_batch_that_is_delivered_again_asks_google_for_what_is_missing_alone(self, at_google, db):
        keys = [ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 6)]
        run = runs.begin_run(len(keys), by="root", generates=False)
        ids = [key.pk for key in keys]
        tasks.check_several(ids[:3], run=run.pk)
        tasks.check_several(ids, run=run.pk)
        once = dump()
        tasks.check_several(ids, run=run.pk)
        assert dump() == once
        assert sorted(call.key for call in at_google.log) == [key.secret for key in keys]

    def test_a_batch_of_a_deleted_run_asks_google_nothing(self, at_google, key):
        tasks.check_several([key.pk], run=999)
        assert not list(at_google.log)

    def test_a_deleted_key_is_left_out(self, at_google, key):
        tasks.check_several([key.pk + 1])
        assert not list(at_google.log)

    def test_a_queue_that_breaks_half_way_leaves_no_run(self, key, monkeypatch):
        sent = []

        def break_at_the_third(args, kwargs, **options):
            sent.append(args)
            if len(sent) == 3:
                raise OperationalError("redis is gone")

        monkeypatch.setattr(tasks.check_several, "apply_async", break_at_the_third)
        assert runs.start_run(range(1, 101), by="root") is None
        assert not CheckRun.objects.exists()


class TestForgetting:
    def test_expired_signatures_are_forgotten(self, owner):
        for call_id, hours in (("old", -1), ("new", 1)):
            expires_at = now() + timedelta(hours=hours)
            ThoughtSignature.objects.create(owner=owner, call_id=call_id, model="m", signature="s", expires_at=expires_at)
        tasks.forget_expired_signatures()
        assert [signature.call_id for signature in ThoughtSignature.objects.all()] == ["new"]

    def test_usage_older_than_the_setting_is_forgotten(self, db, settings):
        settings.USAGE_DAYS = 30
        for name, days in (("old", 31), ("new", 29)):
            add_usage(name, days=days)
        tasks.forget_old_usage()
        assert [record.uid for record in UsageRecord.objects.all()] == ["new"]

    def test_history_older_than_the_setting_is_forgotten_but_no_alert_that_stands(self, key, settings):
        settings.HISTORY_DAYS = 30
        for name, days in (("old", 31), ("new", 29)):
            add_history(key, name, days=days)
        Alert.objects.create(cause="upstream_failed", model="m", message="stands", began_at=now() - timedelta(days=99))
        forget_old_history()
        assert [change.detail for change in StateChange.objects.all()] == ["new"]
        assert [error.body for error in UnknownError.objects.all()] == ["new"]
        assert {alert.message for alert in Alert.objects.all()} == {"new", "stands"}


class TestSchedule:
    def test_every_task_exists(self):
        app.loader.import_default_modules()
        assert {entry["task"] for entry in SCHEDULE.values()} <= set(app.tasks)

    def test_what_nobody_took_is_dropped_when_its_next_turn_comes(self):
        assert all(entry["options"]["expires"] == entry["schedule"] for entry in SCHEDULE.values())

    @pytest.mark.parametrize("seed", range(4))
    def test_every_task_delivered_again_in_any_order_changes_nothing_more(self, eventful_pool, at_once, seed):
        deliver(sorted(SCHEDULE))
        once = dump()
        again = sorted(SCHEDULE) * 2
        random.Random(seed).shuffle(again)
        deliver(again)
        assert dump() == once

    def test_the_next_rounds_find_what_the_first_found(self, eventful_pool, at_once):
        deliver(sorted(SCHEDULE))
        once = dump()
        for _ in range(2):
            Credential.objects.update(checked_at=None, models_listed_at=None)
            deliver(sorted(SCHEDULE))
        assert dump() == once

    def test_what_the_first_round_finds_is_the_truth(self, eventful_pool, at_once):
        deliver(sorted(SCHEDULE))
        states = {credential.label: (credential.state, credential.reason) for credential in Credential.objects.all()}
        assert states == {
            "new": (State.AVAILABLE, ""),
            "revived": (State.AVAILABLE, ""),
            "half alive": (State.INVALID, Reason.HALF_ALIVE),
            "dead": (State.INVALID, Reason.KEY_REJECTED),
            "resting": (State.RATE_LIMITED, Reason.SPEND_LIMIT),
            "rested": (State.AVAILABLE, ""),
        }
        assert ServedModel.objects.filter(credential__label="new").exists()
        assert [runs.progress(run).total for run in CheckRun.objects.all()] == [1] * 20
        assert not UsageRecord.objects.exists()


@pytest.fixture
def eventful_pool(at_google, owner, settings) -> None:
    """Something for every task to do."""
    labels = ("new", "revived", "half alive", "dead", "resting", "rested")
    keys = {label: ApiKey.objects.create(secret=f"test-key-{number}", label=label) for number, label in enumerate(labels, 1)}
    at_google.script(method="generation", key=keys["half alive"].secret, error="service_blocked", times=None)
    at_google.script(method="*", key=keys["dead"].secret, error="api_key_invalid", times=None)
    record_check(keys["revived"].pk, Outcome.KEY_LEAKED)
    record_check(keys["half alive"].pk, Outcome.KEY_RESTRICTED)
    record_check(keys["dead"].pk, Outcome.KEY_REJECTED, detail="before")
    for label in ("resting", "rested"):
        record_check(keys[label].pk, Outcome.SPEND_LIMIT, asked_for=7200)
    KeyHealth.objects.filter(credential=keys["rested"]).update(until=now() - timedelta(hours=1))
    Credential.objects.update(checked_at=None)
    add_history(keys["new"], "old", days=settings.HISTORY_DAYS + 1)
    add_usage("old", days=settings.USAGE_DAYS + 1)
    ThoughtSignature.objects.create(owner=owner, call_id="c", model="m", signature="s", expires_at=now() - timedelta(hours=1))
    for _ in range(25):
        runs.begin_run(1, by="root", generates=False)


def deliver(entries: list[str]) -> None:
    app.loader.import_default_modules()
    for entry in entries:
        app.tasks[SCHEDULE[entry]["task"]].apply(throw=True)


STAMPS = {"checked_at", "models_listed_at"}


def dump() -> dict[str, list[dict]]:
    """Every table of ours, without the columns that only say when somebody last looked."""
    ours = [*apps.get_app_config("credentials").get_models(), *apps.get_app_config("openai_api").get_models()]
    tables = {model.__name__: model.objects.order_by("pk").values() for model in ours if not model._meta.proxy}
    return {name: [{field: row[field] for field in row.keys() - STAMPS} for row in rows] for name, rows in tables.items()}


def add_history(key: ApiKey, name: str, *, days: float) -> None:
    at = now() - timedelta(days=days)
    StateChange.objects.create(credential=key, state=State.AVAILABLE, at=at, detail=name)
    UnknownError.objects.create(digest=name, status=418, body=name, first_at=at, last_at=at)
    Alert.objects.create(cause="throttled", message=name, began_at=at, ended_at=at)


def add_usage(name: str, *, days: float) -> None:
    started_at = now() - timedelta(days=days)
    UsageRecord.objects.create(uid=name, request_id=name, started_at=started_at, model_asked="m", dialect="chat", status=200)


def test_an_admin_s_wish_reaches_the_task(key, queued: list[Message], client):
    client.force_login(User.objects.create_superuser("root"))
    client.post("/admin/credentials/apikey/", {"action": "check_now", "_selected_action": [key.pk]})
    assert ids_of(queued) == [key.pk]
