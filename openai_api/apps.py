from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.apps import AppConfig

if TYPE_CHECKING:
    from credentials.signals import LoginSetUp


class OpenAIApiConfig(AppConfig):
    name = "openai_api"
    verbose_name = "API"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from credentials.signals import check_requested, login_saved

        check_requested.connect(_check_soon)
        login_saved.connect(_set_up_account)


def _check_soon(ids: Iterable[int], generates: bool, run: int | None, **_: object) -> None:
    from openai_api.tasks import check_soon  # Only now: the web process needs neither httpx nor Celery to start.

    check_soon(ids, generates=generates, run=run)


def _set_up_account(credential_id: int, **_: object) -> "LoginSetUp":
    from openai_api.account_setup import set_up_account

    return set_up_account(credential_id)
