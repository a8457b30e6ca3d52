"""Whatever changes the pool's tables one row at a time moves the pool's version. Bulk writes bump it themselves."""

from django.contrib.auth import get_user_model
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal

from credentials.models import ApiKey, ClientToken, Credential, ModelAlias, PoolVersion

check_requested = Signal()
"""Somebody wants credentials checked now (`ids`). How a credential is tried is not known here: `openai_api` listens."""


def connect() -> None:
    for model in (Credential, ApiKey, ClientToken, ModelAlias, get_user_model()):
        post_save.connect(_pool_changed, sender=model)
        post_delete.connect(_pool_changed, sender=model)


def _pool_changed(update_fields=None, **_) -> None:
    if update_fields != {"last_login"}:  # Signing in to the admin changes nothing that requests read.
        PoolVersion.bump()
