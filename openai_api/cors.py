"""Which web pages may call the API from a browser (CORS_ALLOWED_ORIGINS)."""

from collections.abc import Iterable

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

EXPOSED = "X-Request-ID, X-Castor-Attempts, X-Castor-Dropped, X-Castor-Failed, X-Castor-Fallback, Retry-After"
PREFLIGHT_LASTS = "600"  # seconds


def allow_origin(request: HttpRequest, response: HttpResponseBase, *, methods: Iterable[str] = ()) -> None:
    """Tell the browser that the page may read this answer, if it may. `methods`: for a preflight, those that the path has."""
    allowed = settings.CORS_ALLOWED_ORIGINS
    if not allowed:
        return
    origin = request.META.get("HTTP_ORIGIN", "")
    if "*" in allowed:
        origin = "*"
    else:
        response["Vary"] = "Origin"
        if origin not in allowed:
            return
    response["Access-Control-Allow-Origin"] = origin
    response["Access-Control-Expose-Headers"] = EXPOSED
    if request.method == "OPTIONS":
        response["Access-Control-Allow-Methods"] = ", ".join(methods)
        asked = request.META.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
        response["Access-Control-Allow-Headers"] = asked or "Authorization, Content-Type"
        response["Access-Control-Max-Age"] = PREFLIGHT_LASTS
