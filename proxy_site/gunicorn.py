"""gunicorn's configuration: `gunicorn -c python:proxy_site.gunicorn`."""

import gc
import os
import sys
from pathlib import Path

# The wizard draws with rich. structlog and httpx load it too wherever it is installed, for nothing that a web process does:
# 5 MB and a tenth of a second. To them it is not there.
sys.modules.setdefault("rich", None)  # type: ignore[arg-type]
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxy_site.settings")

from django.conf import settings  # noqa: E402

from openai_api.metrics.memory import Shared, here  # noqa: E402
from proxy_site import logs  # noqa: E402

logs.configure(settings.LOGGING)

_MEMORY = Path("/dev/shm")  # noqa: S108 - not for our files: gunicorn's heartbeats, which a busy disk would hold up

wsgi_app = "proxy_site.asgi:application"
worker_class = "proxy_site.worker.Worker"
bind = f"[{settings.HOST}]:{settings.PORT}" if ":" in settings.HOST else f"{settings.HOST}:{settings.PORT}"
workers = settings.WEB_WORKERS
keepalive = 75  # seconds; longer than the minute after which proxies in front usually hang up, so that they do it first
backlog = 2048
logger_class = "proxy_site.worker.Log"
loglevel = "warning"
worker_tmp_dir = str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None
control_socket_disable = True

# A worker that is told to stop first lets its answers end (SHUTDOWN_SECONDS), then writes down what it still holds.
graceful_timeout = settings.SHUTDOWN_SECONDS + 5
# It gives no sign of life while it does so, and up to half of this time may have passed since the last one.
timeout = 2 * graceful_timeout + 30

# Twice as many as there are, and some: when all are renewed, the new ones begin before the old ones have ended.
_numbers = Shared(2 * settings.WEB_WORKERS + 2)


def pre_fork(_server, worker) -> None:
    _numbers.take(worker.age)


def post_fork(_server, worker) -> None:
    here.use(_numbers, worker=worker.age)


def child_exit(_server, worker) -> None:
    _numbers.give_back(worker.age)


def post_worker_init(_worker) -> None:
    """What is imported by now stays for good: the garbage collector need not visit it again."""
    gc.collect()
    gc.freeze()
    # Requests leave little garbage in cycles, so looking for it after every 700 new objects is mostly in vain.
    gc.set_threshold(20_000, 20, 20)
