"""The Celery application and its beat schedule."""

import os
import sys

from celery import Celery
from celery.signals import setup_logging, worker_ready
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxy_site.settings")


class App(Celery):
    def on_configure(self) -> None:  # type: ignore[override]  # Celery takes a method or a signal.
        """Called before the settings are read: `celery -A proxy_site …` must say in one sentence what is wrong with them."""
        try:
            settings.CELERY_BROKER_URL  # noqa: B018 - any of them: the first access loads all
        except ImproperlyConfigured as error:
            sys.exit(str(error))


app = App("castor")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.conf.beat_schedule = {
    "refresh-model-lists": {"task": "openai_api.tasks.refresh_model_lists", "schedule": 60.0},
    "recheck-invalid-credentials": {"task": "openai_api.tasks.recheck_invalid_credentials", "schedule": 60.0},
    "forget-ended-rests": {"task": "credentials.tasks.forget_ended_rests", "schedule": 300.0},
    "forget-expired-signatures": {"task": "openai_api.tasks.forget_expired_signatures", "schedule": 3600.0},
    "forget-old-usage": {"task": "openai_api.tasks.forget_old_usage", "schedule": 86400.0},
}


@worker_ready.connect
def look_at_new_credentials(**_) -> None:
    """Beat would wait a whole round first."""
    app.send_task("openai_api.tasks.refresh_model_lists")


@setup_logging.connect
def keep_our_logging(**_) -> None:
    """Whoever listens here takes logging out of Celery's hands: Django has configured it by now (see `proxy_site.logs`)."""
