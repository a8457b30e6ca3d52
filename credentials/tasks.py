"""Background work of the pool: tidy up. Rests end by themselves; nothing waits for these tasks."""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils.timezone import now

from credentials import runs, store
from credentials.models import Alert, StateChange, UnknownError


@shared_task
def forget_ended_rests() -> None:
    store.forget_ended_rests(at=now())


@shared_task
def forget_old_history() -> None:
    before = now() - timedelta(days=settings.HISTORY_DAYS)
    StateChange.objects.filter(at__lt=before).delete()
    UnknownError.objects.filter(last_at__lt=before).delete()
    Alert.objects.filter(ended_at__lt=before).delete()
    runs.forget_old_runs()
