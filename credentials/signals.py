"""Whatever changes the pool's tables one row at a time moves the pool's version. Bulk writes bump it themselves."""

import logging
from collections.abc import Iterable
from typing import cast

from django.contrib.auth import get_user_model
from django.db import connections
from django.db.models.signals import post_delete, post_save, pre_delete, pre_save
from django.dispatch import Signal
from kombu.exceptions import OperationalError
from msgspec import Struct

from credentials.models import (
    ApiKey,
    ClientToken,
    Credential,
    GeminiCli,
    GoogleAccount,
    ModelAlias,
    ModelRoute,
    PoolVersion,
    QuotaLimit,
    Server,
    ServerKey,
)

logger = logging.getLogger(__name__)

check_requested = Signal()
"""Somebody wants credentials checked now: `ids`, whether each `generates` a token, and the `run` (an id or None) that it is for.

How a credential is tried is not known here: `openai_api` listens.
"""

login_saved = Signal()
"""Somebody has logged in with the account of `credential_id`: whoever knows how it is set up does so; returns a `LoginSetUp`."""

MOST_CHECKS = 10_000
"""How many may be wished for at once; the schedule sees to new keys beyond that, so many a round."""


def request_check(credential_ids: Iterable[int], *, generates: bool = False, run: int | None = None) -> bool:
    """Have credentials checked soon. False when the task queue cannot be reached: then the schedule sees to them later."""
    try:
        check_requested.send(sender=Credential, ids=list(credential_ids), generates=generates, run=run)
    except (OperationalError, OSError) as error:
        logger.warning("The task queue cannot be reached: %s", type(error).__name__)
        return False
    return True


class LoginSetUp(Struct, frozen=True):
    """How far an account has come after its login. Sentences for people; `link` is where a person can put it right."""

    ready: bool
    message: str = ""
    remedy: str = ""
    link: str = ""


def set_up_login(credential_id: int) -> LoginSetUp:
    """Have Google asked what the account may use. Takes up to about a minute where the account is new to Code Assist."""
    [(_, found)] = login_saved.send(sender=Credential, credential_id=credential_id)
    return cast(LoginSetUp, found)


def connect() -> None:
    kinds = (Credential, ApiKey, GoogleAccount, GeminiCli, ServerKey)
    for model in (*kinds, Server, ClientToken, ModelAlias, ModelRoute, QuotaLimit, get_user_model()):
        pre_save.connect(_about_to_change, sender=model)
        pre_delete.connect(_about_to_change, sender=model)
        post_save.connect(_pool_changed, sender=model)
        post_delete.connect(_pool_changed, sender=model)


def _about_to_change(using: str, **_) -> None:
    if connections[using].in_atomic_block:
        PoolVersion.lock()


def _pool_changed(update_fields=None, **_) -> None:
    if update_fields != {"last_login"}:  # Signing in to the admin changes nothing that requests read.
        PoolVersion.bump()
