"""Background work of the pool."""

from celery import shared_task
from django.utils.timezone import now

from credentials import store


@shared_task
def forget_ended_rests() -> None:
    store.forget_ended_rests(at=now())
