"""The ASGI application: API paths go to the lean handler, everything else to Django's own with its middleware."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "proxy_site.settings")
django.setup(set_prefix=False)

from django.core.exceptions import ImproperlyConfigured  # noqa: E402
from django.core.handlers.asgi import ASGIHandler  # noqa: E402

from openai_api.gateway import gateway  # noqa: E402
from openai_api.ids import current_request, new_id  # noqa: E402
from proxy_site.lean import LeanHandler  # noqa: E402

API_PATHS = ("/v1", "/health", "/ready", "/metrics", "/media/", "/chat/", "/models")
"""The last two are where clients go whose base URL lacks /v1: they are told so, in JSON."""


class Application:
    def __init__(self) -> None:
        self._lean = LeanHandler()
        self._full = ASGIHandler()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["path"].startswith(API_PATHS):
            await self._lean(scope, receive, send)
        else:
            current_request.set(new_id("req"))  # For what its pages have done in the background.
            await self._full(scope, receive, send)

    async def _lifespan(self, receive, send) -> None:
        await receive()
        try:
            await gateway.open()
        except ImproperlyConfigured as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await gateway.close()
        await send({"type": "lifespan.shutdown.complete"})


application = Application()
