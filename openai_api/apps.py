from collections.abc import Iterable

from django.apps import AppConfig


class OpenAIApiConfig(AppConfig):
    name = "openai_api"
    verbose_name = "API"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from credentials.signals import check_requested

        check_requested.connect(_check_soon)


def _check_soon(ids: Iterable[int], generates: bool, run: int | None, **_: object) -> None:
    from openai_api.tasks import check_soon  # Only now: the web process needs neither httpx nor Celery to start.

    check_soon(ids, generates=generates, run=run)
