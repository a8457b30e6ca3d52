"""Runs: what an admin sees of checks that were asked for together."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.utils.timezone import now
from kombu.exceptions import OperationalError

from credentials import runs
from credentials.health import EFFECTS, Outcome, State
from credentials.models import ApiKey, CheckResult, CheckRun
from credentials.runs import Verdict, verdict_of
from credentials.signals import check_requested, request_check


@pytest.fixture
def wishes() -> Iterator[list[dict]]:
    """What has been asked for, and nobody does."""
    seen: list[dict] = []

    def remember(sender, signal, **wish):
        seen.append(wish)

    others, check_requested.receivers = check_requested.receivers, []
    check_requested.connect(remember)
    yield seen
    check_requested.receivers = others


@pytest.fixture
def keys(db) -> list[ApiKey]:
    return [ApiKey.objects.create(secret=f"test-key-{number}") for number in range(1, 5)]


@pytest.fixture
def run(keys) -> CheckRun:
    return runs.begin_run(len(keys), by="root", generates=False)


class TestStart:
    def test_a_run_says_who_asked_for_what(self, keys, wishes):
        run = runs.start_run([key.pk for key in keys], by="root", generates=True)
        assert (run.by, run.generates, run.total) == ("root", True, 4)
        assert wishes == [{"ids": [key.pk for key in keys], "generates": True, "run": run.pk}]

    def test_a_check_without_a_run_makes_none(self, keys, wishes):
        assert request_check([keys[0].pk])
        assert wishes == [{"ids": [keys[0].pk], "generates": False, "run": None}]
        assert not CheckRun.objects.exists()

    @pytest.mark.parametrize("error", [OperationalError("redis is gone"), ConnectionRefusedError()], ids=repr)
    def test_without_a_task_queue_nothing_is_left_behind(self, keys, wishes, error):
        def no_queue(**wish):
            raise error

        check_requested.connect(no_queue)
        assert runs.start_run([key.pk for key in keys], by="root") is None
        assert not CheckRun.objects.exists()


class TestProgress:
    def test_the_results_are_counted_the_most_frequent_first(self, keys, run):
        for key, outcome in zip(keys, [Outcome.KEY_LEAKED, Outcome.SERVED, Outcome.SERVED], strict=False):
            runs.record_result(run.pk, key.pk, outcome)
        progress = runs.progress(run)
        assert (progress.total, progress.done, progress.finished) == (4, 3, False)
        assert list(progress.by_outcome.items()) == [(Outcome.SERVED, 2), (Outcome.KEY_LEAKED, 1)]

    def test_it_is_finished_with_the_last_result(self, keys, run):
        for key in keys:
            runs.record_result(run.pk, key.pk, Outcome.SERVED)
        assert runs.progress(run).finished

    def test_what_never_came_ends_with_its_time(self, keys, run):
        """The worker was down, or a key has been deleted: the page must not wait for ever."""
        run.started_at = now() - runs.LASTS - timedelta(seconds=1)
        assert runs.progress(run).finished

    def test_the_first_result_stays(self, keys, run):
        runs.record_result(run.pk, keys[0].pk, Outcome.KEY_LEAKED, detail="leaked")
        before = list(CheckResult.objects.values())
        runs.record_result(run.pk, keys[0].pk, Outcome.SERVED, models=7)
        assert list(CheckResult.objects.values()) == before

    def test_a_run_waits_for_those_that_it_has_no_result_of(self, keys, run):
        ids = [key.pk for key in keys]
        runs.record_result(run.pk, ids[1], Outcome.SERVED)
        assert runs.unfinished(run.pk, ids[:3]) == [ids[0], ids[2]]

    def test_a_deleted_run_waits_for_nobody(self, keys, run):
        number = run.pk
        run.delete()
        assert runs.unfinished(number, [key.pk for key in keys]) == []

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("gone", ["run", "credential"])
    def test_a_result_that_comes_too_late_is_dropped(self, gone):
        key = ApiKey.objects.create(secret="test-key-1")
        run = runs.begin_run(1, by="root", generates=False)
        run_id, key_id = run.pk, key.pk
        (run if gone == "run" else key).delete()
        runs.record_result(run_id, key_id, Outcome.SERVED)
        assert not CheckResult.objects.exists()


def test_only_the_newest_runs_are_kept(keys):
    made = [runs.begin_run(1, by=str(number), generates=False) for number in range(25)]
    runs.record_result(made[0].pk, keys[0].pk, Outcome.SERVED)
    assert runs.forget_old_runs() == 5
    assert set(CheckRun.objects.values_list("by", flat=True)) == {str(number) for number in range(5, 25)}
    assert runs.forget_old_runs() == 0


class TestVerdict:
    @pytest.mark.parametrize(
        ("outcome", "verdict"),
        [
            (Outcome.SERVED, Verdict.ALIVE),
            (Outcome.DAY_QUOTA, Verdict.ALIVE),
            (Outcome.MINUTE_QUOTA, Verdict.ALIVE),
            (Outcome.NOT_ENTITLED, Verdict.ALIVE),
            (Outcome.SPEND_LIMIT, Verdict.ALIVE),
            (Outcome.OUT_OF_CREDIT, Verdict.ALIVE),
            (Outcome.HALF_ALIVE, Verdict.HALF_ALIVE),
            (Outcome.KEY_REJECTED, Verdict.DEAD),
            (Outcome.API_DISABLED, Verdict.DEAD),
            (Outcome.THROTTLED, Verdict.UNKNOWN),
            (Outcome.UNEXPLAINED, Verdict.UNKNOWN),
            (Outcome.UPSTREAM_FAILED, Verdict.UNKNOWN),
            (Outcome.MODEL_ABSENT, Verdict.UNKNOWN),
            (Outcome.REQUEST_REFUSED, Verdict.UNKNOWN),
            (Outcome.GATEWAY_REFUSED, Verdict.UNKNOWN),
        ],
    )
    def test_what_an_outcome_says_of_the_key(self, outcome, verdict):
        assert verdict_of(outcome) is verdict

    def test_whatever_makes_a_key_invalid_is_no_life(self):
        deadly = [outcome for outcome, effect in EFFECTS.items() if effect.state is State.INVALID]
        assert {verdict_of(outcome) for outcome in deadly} == {Verdict.DEAD, Verdict.HALF_ALIVE}
