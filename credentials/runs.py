"""Runs: checks that somebody asked for together, how far they are, and what they found."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from enum import StrEnum

from django.db import IntegrityError, transaction
from django.db.models import Count
from django.utils.timezone import now
from msgspec import Struct

from credentials.health import EFFECTS, Outcome, State
from credentials.models import CheckResult, CheckRun
from credentials.signals import request_check

LASTS = timedelta(hours=1)
"""What nobody has checked by then is not checked any more: the worker was down, or the credential is gone."""
_KEPT = 20


class Verdict(StrEnum):
    ALIVE = "alive"
    HALF_ALIVE = "half-alive"
    DEAD = "dead"
    UNKNOWN = "unknown"


class Progress(Struct, frozen=True):
    total: int
    done: int
    by_outcome: dict[Outcome, int]
    """The most frequent first."""
    finished: bool


def verdict_of(outcome: Outcome) -> Verdict:
    """What the outcome of a check says about the credential itself."""
    effect = EFFECTS[outcome]
    if outcome is Outcome.HALF_ALIVE:
        return Verdict.HALF_ALIVE
    if effect.state is State.INVALID:
        return Verdict.DEAD
    # A quota that is used up was counted against somebody: Google knows this key.
    is_quota = effect.state is State.RATE_LIMITED and effect.scope.is_shared and not effect.soft
    return Verdict.ALIVE if outcome is Outcome.SERVED or is_quota else Verdict.UNKNOWN


def start_run(credential_ids: Collection[int], *, by: str, generates: bool = False) -> CheckRun | None:
    """Have credentials checked in the background; None, and no run, when the task queue cannot be reached.

    Not to be called inside a transaction: a worker may be faster than its end, and would find no run.
    """
    run = begin_run(len(credential_ids), by=by, generates=generates)
    if request_check(credential_ids, generates=generates, run=run.pk):
        return run
    run.delete()
    return None


def begin_run(total: int, *, by: str, generates: bool) -> CheckRun:
    """A run whose checks the caller makes."""
    return CheckRun.objects.create(by=by[:150], generates=generates, total=total)


def unfinished(run_id: int, credential_ids: Iterable[int]) -> list[int]:
    """Those of the credentials that the run still waits for; none, if there is no such run any more."""
    if not CheckRun.objects.filter(pk=run_id).exists():
        return []
    ids = list(credential_ids)
    done = set(CheckResult.objects.filter(run_id=run_id, credential_id__in=ids).values_list("credential_id", flat=True))
    return [credential_id for credential_id in ids if credential_id not in done]


def record_result(run_id: int, credential_id: int, outcome: Outcome, *, detail: str = "", models: int = 0) -> None:
    """The first result of a run for a credential stays."""
    found = {"outcome": outcome.value, "detail": detail, "models_listed": models, "at": now()}
    try:
        with transaction.atomic():
            CheckResult.objects.get_or_create(run_id=run_id, credential_id=credential_id, defaults=found)
    except IntegrityError:
        pass  # The run or the credential has been deleted meanwhile: there is nobody to tell.


def progress(run: CheckRun) -> Progress:
    counted = run.results.values_list("outcome").annotate(count=Count("pk")).order_by("-count", "outcome")
    by_outcome = {Outcome(outcome): count for outcome, count in counted}
    done = sum(by_outcome.values())
    return Progress(run.total, done, by_outcome, finished=done >= run.total or now() > run.started_at + LASTS)


def forget_old_runs() -> int:
    """All but the newest; returns how many."""
    old = list(CheckRun.objects.order_by("-started_at", "-pk").values_list("pk", flat=True)[_KEPT:])
    CheckRun.objects.filter(pk__in=old).delete()
    return len(old)
