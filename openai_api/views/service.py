"""Whether Castor lives (`/health`) and may be sent requests (`/ready`), and the answer for paths that do not exist."""

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from openai_api.errors import PathNotFound
from openai_api.gateway import gateway
from openai_api.views.base import GatewayView, json_response


class PublicView(GatewayView):
    """A view that asks for no token."""

    authentication_classes = []
    permission_classes = []


class HealthView(PublicView):
    """GET /health: this process answers."""

    async def get(self, request: Request) -> HttpResponse:
        return json_response(b'{"status":"ok"}')


class ReadyView(PublicView):
    """GET /ready: the pool has been loaded, so tokens and credentials are known. It says nothing about Google."""

    async def get(self, request: Request) -> HttpResponse:
        ready = gateway.pool.loaded
        body = {"status": "ready" if ready else "loading", "credentials": len(gateway.pool.roster.entries)}
        return json_response(msgspec.json.encode(body), status=200 if ready else 503)


class NotFoundView(PublicView):
    """Every other path, whatever the method."""

    async def get(self, request: Request) -> HttpResponse:
        raise PathNotFound(f"Unknown path: {request.method} {request.path}. The API is below /v1/.")

    post = put = patch = delete = head = get
