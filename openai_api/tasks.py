"""Background work: keep knowing what the credentials serve, try the rejected and the resting ones again, forget what is old.

Any of these may be delivered twice, late or not at all. What comes late is dropped (`expires`): the next round asks again.
"""

from collections.abc import Iterable
from datetime import timedelta

from celery import current_app, shared_task
from django.conf import settings
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from credentials import runs
from credentials.health import Reason, State
from credentials.models import Credential, Kind, Use
from openai_api import heartbeat
from openai_api.checks import check_credentials
from openai_api.file_deletion import delete_expired, delete_files
from openai_api.media_store import MediaStore
from openai_api.models import ThoughtSignature, UsageRecord
from openai_api.request_log import tidying

LISTING_LASTS = timedelta(hours=6)
QUOTA_LASTS = timedelta(minutes=15)
"""What Code Assist says is left of an account's quota changes with every request, what a server of one's own has with every
model that is loaded there; and asking is free."""
_AT_ONCE = 500
"""Checks started in one round: a pool of ten thousand new keys is listed over some rounds, the longest unchecked first."""
_ROUND = 60.0
"""Seconds after which a check of the schedule that no worker took is dropped; the next round asks again."""
_BATCH = 20
"""Checks in one task. They go on side by side, so one that hangs delays none of the others, and its task some minutes at most."""
_PROMPT = {"socket_timeout": 1, "socket_connect_timeout": 1, "max_retries": 0}
"""Who asks for a check waits no longer for a Redis that is frozen. Only they: a worker has to be patient, since an
acknowledgement that it gave up would be counted as outstanding for ever, and soon it would take no more tasks."""
_LAST, _FIRST = 9, 0
"""Priorities, as the Redis transport counts them: a check of thousands must not hold up all other work."""


@shared_task
def refresh_model_lists() -> None:
    at = now()
    often = Credential.objects.filter(Q(use=Use.CODE_ASSIST) | Q(kind=Kind.OPENAI_COMPATIBLE))
    _check_due(Credential.objects.due_for_listing(at=at, every=LISTING_LASTS) | often.due_for_listing(at=at, every=QUOTA_LASTS))


@shared_task
def recheck_invalid_credentials() -> None:
    # A login that has ended comes back by a login alone: Google need not be asked again and again for what it has refused.
    _check_due(Credential.objects.due_for_recheck(at=now(), state=State.INVALID).exclude(reason=Reason.LOGIN_ENDED))


@shared_task
def recheck_resting_credentials() -> None:
    """A key may have died while it rests. That it still lists models ends no rest."""
    _check_due(Credential.objects.due_for_recheck(at=now(), state=State.RATE_LIMITED))


@shared_task(acks_late=True)
def check_several(credential_ids: list[int], *, generates: bool = False, run: int | None = None, if_due: bool = False) -> None:
    """`run` is whom to tell the results; `if_due` leaves out what has been checked since it was asked for."""
    if run is not None:
        credential_ids = runs.unfinished(run, credential_ids)
    wanted = Credential.objects.filter(pk__in=credential_ids)
    for check in check_credentials(wanted.unchecked(at=now()) if if_due else wanted, generates=generates):
        if run is not None:
            runs.record_result(run, check.credential.pk, check.outcome, detail=check.detail, models=check.models)


@shared_task
def forget_expired_signatures() -> None:
    ThoughtSignature.objects.filter(expires_at__lt=now()).delete()


@shared_task
def forget_expired_files() -> None:
    delete_expired()


@shared_task(acks_late=True)
def delete_several_files(file_ids: list[str]) -> None:
    delete_files(file_ids)


@shared_task
def forget_old_usage() -> None:
    UsageRecord.objects.filter(started_at__lt=now() - timedelta(days=settings.USAGE_DAYS)).delete()


@shared_task
def forget_old_requests() -> None:
    tidying.forget_old()


@shared_task
def forget_expired_media() -> None:
    MediaStore(settings.MEDIA_DIR, hours=settings.MEDIA_HOURS).forget_expired()


@shared_task
def give_sign_of_life() -> None:
    heartbeat.beat()


def check_soon(credential_ids: Iterable[int], *, generates: bool = False, run: int | None = None) -> None:
    """Have credentials checked in the background, as somebody wishes."""
    _queue(list(credential_ids), expires=runs.LASTS.total_seconds(), generates=generates, run=run)


def delete_files_soon(file_ids: Iterable[str]) -> None:
    """Have files deleted in the background, as somebody wishes."""
    with current_app.connection_for_write(transport_options=_PROMPT) as connection:
        delete_several_files.apply_async((list(file_ids),), producer=connection.Producer(), retry=False)


def _check_due(due: QuerySet[Credential]) -> None:
    _queue(list(due.values_list("pk", flat=True)[:_AT_ONCE]), expires=_ROUND, if_due=True)


def _queue(ids: list[int], *, expires: float, **wish: object) -> None:
    priority = _LAST if len(ids) > _BATCH else _FIRST
    with current_app.connection_for_write(transport_options=_PROMPT) as connection:
        producer = connection.Producer()
        for start in range(0, len(ids), _BATCH):
            batch = (ids[start : start + _BATCH],)
            check_several.apply_async(batch, wish, expires=expires, priority=priority, producer=producer, retry=False)
