"""The Celery application and its beat schedule."""

import os

from celery import Celery
from celery.signals import setup_logging, worker_ready

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxy_site.settings")

app = Celery("castor")
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
