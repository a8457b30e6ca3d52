"""Writes down what Google says of an account: its tier and project, and what is left of each model's quota."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.utils.timezone import now

from credentials import store
from credentials.health import Outcome, Reason
from credentials.models import Credential, GoogleLogin, KeyHealth, PoolVersion, ProjectSource, Use
from openai_api.upstream.code_assist_calls import Quota
from openai_api.upstream.code_assist_setup import Account

_LONGEST = timedelta(days=7)
_AS_BEFORE = timedelta(minutes=1)
"""So much later a quota may come back than was known, before that is worth telling every process."""


def keep_account(credential: Credential, account: Account, quota: list[Quota] | None, *, chosen: str = "") -> None:
    """`quota` None: nothing is known of it now. `chosen`: the project that Code Assist's login had when Google was asked."""
    if credential.use != Use.CODE_ASSIST:
        if not credential.project:
            store.set_project([credential.pk], account.project, ProjectSource.LOGIN)
        return
    _keep_login(credential.pk, account, chosen)
    if quota is None:
        return
    shown = [_shown(left) for left in quota]
    GoogleLogin.objects.filter(pk=credential.pk).update(quota=shown, quota_at=now())
    if not quota:  # There is no listing to be had, so it is not to be asked for at every turn.
        Credential.objects.filter(pk=credential.pk).update(models_listed_at=now())


def rest_by(credential_id: int, quota: Iterable[Quota], *, at: datetime) -> None:
    """Let each model rest of which nothing is left, until there is again. To be called once the models are listed."""
    known = dict(KeyHealth.objects.filter(credential_id=credential_id, reason=Reason.DAY_QUOTA).values_list("model", "until"))
    for left in quota:
        if not left.is_used_up or (left.reset_at is not None and left.reset_at <= at):
            continue
        rests_until = known.get(left.model)
        if rests_until is not None and (left.reset_at or at) <= rests_until + _AS_BEFORE:
            continue
        asked_for = min(left.reset_at - at, _LONGEST).total_seconds() if left.reset_at is not None else None
        detail = "Code Assist says that nothing is left of this model's quota."
        store.record_check(credential_id, Outcome.DAY_QUOTA, detail=detail, asked_for=asked_for, model=left.model)


@transaction.atomic
def _keep_login(credential_id: int, account: Account, chosen: str) -> None:
    PoolVersion.lock()
    login = GoogleLogin.objects.filter(pk=credential_id)
    login.update(tier=account.tier[:50], tier_name=account.tier_name[:100])
    # Asking takes up to a minute: what an admin has set meanwhile is newer than what Google said.
    if account.project != chosen and login.filter(project=chosen).update(project=account.project[:100]):
        PoolVersion.bump()  # Requests name it.


def _shown(left: Quota) -> dict[str, Any]:
    return {
        "model": left.model,
        "remaining_fraction": left.remaining_fraction,
        "remaining_amount": left.remaining_amount,
        "reset_at": left.reset_at.isoformat() if left.reset_at else None,
    }
