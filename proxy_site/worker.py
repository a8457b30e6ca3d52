"""One web process: uvicorn under gunicorn, as fast and as silent as Castor wants it."""

import logging

from django.conf import settings
from gunicorn.config import Config
from gunicorn.glogging import Logger
from uvicorn_worker import UvicornWorker


class Worker(UvicornWorker):
    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": "httptools",
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        # Nothing asks for the peer's address, and Django reads X-Forwarded-Proto itself (BEHIND_TLS_PROXY).
        "proxy_headers": False,
        # Usage records say more than an access log would, and whoever serves need not be advertised.
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": settings.SHUTDOWN_SECONDS,
    }


class Log(Logger):
    """gunicorn's and uvicorn's own messages, written like all others: see `proxy_site.logs`."""

    def setup(self, cfg: Config) -> None:
        super().setup(cfg)
        self.error_log.handlers = logging.getLogger().handlers
