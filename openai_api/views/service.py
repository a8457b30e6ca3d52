"""Whether Castor lives (`/health`) and may be sent requests (`/ready`), its numbers (`/metrics`), and paths that do not exist."""

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from openai_api.errors import PathNotFound
from openai_api.gateway import gateway
from openai_api.metrics.access import check_access
from openai_api.metrics.standing import page
from openai_api.metrics.text import CONTENT_TYPE
from openai_api.readiness import OK
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
    """GET /ready: tokens and credentials are known, and the database is there and up to date. It says nothing about Google."""

    async def get(self, request: Request) -> HttpResponse:
        checks = gateway.readiness.checks(gateway.pool)
        ready = all(check == OK for check in checks.values())
        body = {"status": "ready" if ready else "not ready", "checks": checks, "credentials": len(gateway.pool.roster.entries)}
        return json_response(msgspec.json.encode(body), status=200 if ready else 503)


class MetricsView(PublicView):
    """GET /metrics, for Prometheus: by token, or from a network that is allowed to."""

    async def get(self, request: Request) -> HttpResponse:
        check_access(request.META)
        return HttpResponse(await page(gateway), content_type=CONTENT_TYPE)


class NotFoundView(PublicView):
    """Every other path, whatever the method."""

    async def get(self, request: Request) -> HttpResponse:
        raise PathNotFound(f"Unknown path: {request.method} {request.path}. The API is below /v1/.")

    post = put = patch = delete = head = get
