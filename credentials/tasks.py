"""Background work of the pool: tidy up, and renew access tokens ahead of time. Nothing waits for these tasks.

Rests end by themselves, and a request that finds no good access token renews it.
"""

from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils.timezone import now

from credentials import runs, store
from credentials.accounts import tokens
from credentials.accounts.oauth import LoginEnded, OAuthError
from credentials.health import Outcome
from credentials.models import Alert, StateChange, UnknownError

AHEAD = timedelta(minutes=10)
"""So long before its end an access token is renewed: a request that would have to wait for that is rare then."""
_ROUND = 60.0
"""Seconds after which a renewal that no worker took is dropped; the next round asks again."""


@shared_task
def refresh_expiring_logins() -> None:
    """One task each, so that an account that Google is slow about delays no other."""
    for credential_id in tokens.expiring(AHEAD):
        refresh_login.apply_async((credential_id,), expires=_ROUND)


@shared_task
def refresh_login(credential_id: int) -> None:
    try:
        tokens.fresh(credential_id, at_least=AHEAD.total_seconds())
    except LoginEnded as error:
        store.record_check(credential_id, Outcome.LOGIN_ENDED, detail=error.message)
    except OAuthError:
        return  # It says nothing about the account, has been logged, and is tried again in the next round.


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
