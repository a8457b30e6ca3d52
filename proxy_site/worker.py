"""One web process: uvicorn under gunicorn, as fast and as silent as Castor wants it."""

import logging

from django.conf import settings
from gunicorn.config import Config
from gunicorn.glogging import Logger
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn_worker import UvicornWorker

LONGEST_HEAD = 64 * 1024
"""Bytes; what comes with a head's first packet is not counted."""

_NO_HEAD = -1


class Protocol(HttpToolsProtocol):
    """uvicorn's own, which takes in a request's head however long it grows."""

    _head = _NO_HEAD

    def data_received(self, data: bytes) -> None:
        if self._head != _NO_HEAD:
            self._head += len(data)
            if self._head > LONGEST_HEAD:
                self.send_400_response("The head of this request is too long.")
                return
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._head = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._head = _NO_HEAD
        super().on_headers_complete()


class Worker(UvicornWorker):
    CONFIG_KWARGS = {
        "loop": "uvloop",
        "http": Protocol,
        "ws": "none",
        "lifespan": "on",
        "interface": "asgi3",
        # Only /metrics asks for the peer's address, and wants the real one. Django reads X-Forwarded-Proto itself
        # (BEHIND_TLS_PROXY).
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
