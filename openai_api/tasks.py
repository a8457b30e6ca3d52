"""Background work: keep knowing what the credentials serve, try the rejected ones again, forget what is old."""

from collections.abc import Iterable
from datetime import timedelta

from celery import shared_task
from django.conf import settings
from django.utils.timezone import now

from credentials.models import Credential
from openai_api.checks import check_credentials
from openai_api.models import ThoughtSignature, UsageRecord

LISTING_LASTS = timedelta(hours=6)
_AT_ONCE = 500
"""Checks started in one round: a pool of ten thousand new keys is listed over some rounds, the longest unchecked first."""
_ROUND = 60.0
"""Seconds after which a check that no worker took is dropped; the next round asks again."""


@shared_task
def refresh_model_lists() -> None:
    check_soon(Credential.objects.due_for_listing(at=now(), every=LISTING_LASTS).values_list("pk", flat=True)[:_AT_ONCE])


@shared_task
def recheck_invalid_credentials() -> None:
    check_soon(Credential.objects.due_for_recheck(at=now()).values_list("pk", flat=True)[:_AT_ONCE])


@shared_task
def check_credential(credential_id: int) -> None:
    for _ in check_credentials(Credential.objects.filter(pk=credential_id)):
        pass  # Each check is written down as it comes; there is one, or none if the credential is gone.


@shared_task
def forget_expired_signatures() -> None:
    ThoughtSignature.objects.filter(expires_at__lt=now()).delete()


@shared_task
def forget_old_usage() -> None:
    UsageRecord.objects.filter(started_at__lt=now() - timedelta(days=settings.USAGE_DAYS)).delete()


def check_soon(credential_ids: Iterable[int]) -> None:
    """Have credentials checked in the background: one task each, so that one that hangs cannot delay the rest."""
    for credential_id in credential_ids:
        check_credential.apply_async((credential_id,), expires=_ROUND)
