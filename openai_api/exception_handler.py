"""DRF's hook: any error becomes an error body in the caller's dialect."""

import math
from typing import Any

import structlog
from django.http import HttpResponse
from rest_framework import exceptions

from openai_api.errors import GatewayError, MethodNotAllowed, NotAuthenticated, NotReady
from openai_api.translation.chat import error_body

log = structlog.get_logger("castor.errors")

INTERNAL = "internal_error"

SDK_RETRIES_UP_TO = 120.0
"""OpenAI's SDKs do not retry at all when Retry-After is longer than this, which is what a day quota needs."""


def answer(error: Exception, _context: dict[str, Any]) -> HttpResponse:
    known = known_error(error)
    if known.code == INTERNAL:
        # A fault of ours: its trace belongs in the log, and nothing of it to the caller.
        log.error("unexpected error", exc_info=error)
    return error_response(known)


def error_response(error: GatewayError) -> HttpResponse:
    response = HttpResponse(error_body(error), content_type="application/json", status=error.status)
    if error.retry_after is not None:
        response["Retry-After"] = str(math.ceil(error.retry_after))
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def known_error(error: Exception) -> GatewayError:
    """What the caller is told of it."""
    match error:
        case GatewayError():
            return error
        case exceptions.AuthenticationFailed() | exceptions.NotAuthenticated():
            return NotAuthenticated(str(error.detail))
        case exceptions.MethodNotAllowed():
            return MethodNotAllowed(str(error.detail))
        case exceptions.APIException(status_code=503):
            return NotReady(str(error.detail), retry_after=1)
        case _:
            return GatewayError("Castor failed to handle this request. Its log says why.", code=INTERNAL)
