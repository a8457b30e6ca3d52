"""The Celery application and its beat schedule."""

import os
import sys
from typing import Any

from celery import Celery
from celery.signals import before_task_publish, setup_logging, task_postrun, task_prerun, worker_ready
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from openai_api import heartbeat
from openai_api.ids import current_request

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
app.conf.worker_prefetch_multiplier = 1  # What waits in Redis can be taken by whoever is free, and by priority.
app.conf.task_time_limit = 600  # Seconds. Tasks bound what they wait for themselves: a pool of threads knows no such limit.


def _every(seconds: float, task: str) -> dict[str, object]:
    # What has not begun when its next turn comes is dropped, so that nothing piles up while there is no worker.
    return {"task": task, "schedule": seconds, "options": {"expires": seconds}}


app.conf.beat_schedule = {
    "refresh-model-lists": _every(60.0, "openai_api.tasks.refresh_model_lists"),
    "recheck-invalid-credentials": _every(60.0, "openai_api.tasks.recheck_invalid_credentials"),
    "recheck-resting-credentials": _every(60.0, "openai_api.tasks.recheck_resting_credentials"),
    "refresh-expiring-logins": _every(60.0, "credentials.tasks.refresh_expiring_logins"),
    "forget-ended-rests": _every(300.0, "credentials.tasks.forget_ended_rests"),
    "forget-old-history": _every(86400.0, "credentials.tasks.forget_old_history"),
    "forget-expired-signatures": _every(3600.0, "openai_api.tasks.forget_expired_signatures"),
    "forget-expired-media": _every(3600.0, "openai_api.tasks.forget_expired_media"),
    "forget-expired-files": _every(300.0, "openai_api.tasks.forget_expired_files"),
    "forget-old-requests": _every(60.0, "openai_api.tasks.forget_old_requests"),
    "forget-old-usage": _every(86400.0, "openai_api.tasks.forget_old_usage"),
    "give-a-sign-of-life": _every(heartbeat.EVERY, "openai_api.tasks.give_sign_of_life"),
}

_REQUEST = "castor_request"
"""The header of a message that says for which request its task is done."""


@before_task_publish.connect
def name_the_request(headers: dict[str, Any], **_) -> None:
    """Also of what a task sends in its turn."""
    if request := current_request.get():
        headers[_REQUEST] = request


@task_prerun.connect
def remember_the_request(task: Any, **_) -> None:
    if request := task.request.get(_REQUEST):
        from structlog import get_logger  # Only now: web processes load this module before they keep rich away from it.

        current_request.set(request)
        get_logger("castor.task").info("task", name=task.name)


@task_postrun.connect
def forget_the_request(task: Any, **_) -> None:
    if task.request.get(_REQUEST):
        current_request.set("")


@worker_ready.connect
def look_at_new_credentials(**_) -> None:
    """Beat would wait a whole round first."""
    app.send_task("openai_api.tasks.refresh_model_lists", expires=60.0)


@setup_logging.connect
def keep_our_logging(**_) -> None:
    """Whoever listens here takes logging out of Celery's hands: Django has configured it by now (see `proxy_site.logs`)."""
