"""GatewayView: DRF's APIView made async, with everything that looks only at memory run inline."""

import re
import time
from typing import Any, cast

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request
from rest_framework.views import APIView

from credentials.roster import TokenEntry
from openai_api.errors import MethodNotAllowed
from openai_api.exchange import Exchange
from openai_api.gateway import gateway
from openai_api.ids import new_id

_REQUEST_ID = re.compile(r"[\w.:/+=@-]{1,100}", re.ASCII)

EXPOSED_HEADERS = "X-Request-ID, X-Castor-Attempts, X-Castor-Dropped, Retry-After"


def unix_time() -> int:
    return int(time.time())


def json_response(body: bytes, *, status: int = 200) -> HttpResponse:
    """A plain response: DRF's own would be rendered in a thread."""
    return HttpResponse(body, content_type="application/json", status=status)


class GatewayView(APIView):
    """A view whose handlers are coroutines. Authentication, permissions, throttles and error bodies stay DRF's."""

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        self.request_id = request_id(request)
        self.request = request = self.initialize_request(request, *args, **kwargs)
        self._exchange: Exchange | None = None
        try:
            if request.method == "OPTIONS":
                response: HttpResponseBase = HttpResponse(status=204)
            else:
                response = await self._handle(request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  # DRF's contract: its handler knows every error, and logs those it does not.
            response = self.handle_exception(error)
        return self._finalized(response)

    @property
    def token(self) -> TokenEntry:
        """Who asks, once authenticated."""
        return cast(TokenEntry, self.request.auth)

    def exchange(self, dialect: str, *, stream: bool) -> Exchange:
        """The exchange of this request."""
        strict = self.request.META.get("HTTP_X_CASTOR_STRICT", "").lower() in ("1", "true", "yes")
        self._exchange = Exchange(gateway, self.token, dialect=dialect, stream=stream, request_id=self.request_id, strict=strict)
        return self._exchange

    async def _handle(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        method = (request.method or "").lower()
        handler = getattr(self, method, None) if method in self.http_method_names else None
        if handler is None:
            allowed = ", ".join(method for method in self.allowed_methods if method != "OPTIONS")
            raise MethodNotAllowed(f"{request.method} is not supported for {request.path}. Use {allowed}.")
        # DRF's `initial` without content negotiation and versions: the API speaks JSON and has one version.
        self.perform_authentication(request)
        self.check_permissions(request)
        self.check_throttles(request)
        return await handler(request, *args, **kwargs)

    def _finalized(self, response: HttpResponseBase) -> HttpResponseBase:
        response["X-Request-ID"] = self.request_id
        if self._exchange is not None:
            for name, value in self._exchange.headers.items():
                response[name] = value
        if settings.CORS_ALLOWED_ORIGINS:
            self._allow_origin(response)
        return response

    def _allow_origin(self, response: HttpResponseBase) -> None:
        origin = self.request.META.get("HTTP_ORIGIN", "")
        if "*" in settings.CORS_ALLOWED_ORIGINS:
            origin = "*"
        elif origin not in settings.CORS_ALLOWED_ORIGINS:
            return
        else:
            response["Vary"] = "Origin"
        response["Access-Control-Allow-Origin"] = origin
        response["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
        if self.request.method == "OPTIONS":
            response["Access-Control-Allow-Methods"] = ", ".join(self.allowed_methods)
            asked = self.request.META.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
            response["Access-Control-Allow-Headers"] = asked or "Authorization, Content-Type"
            response["Access-Control-Max-Age"] = "600"


def request_id(request: HttpRequest) -> str:
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else new_id("req")
