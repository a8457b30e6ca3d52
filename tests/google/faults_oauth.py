"""How Google's sign-in says no: `{"error", "error_description"}`, by name (section 5)."""

from typing import Any

from tests.google.errors import Refusal
from tests.google.faults import Maker


def refused(code: int, error: str, description: str, **more: str) -> Refusal:
    body: dict[str, Any] = {"error": error, "error_description": description, **more}
    return Refusal(code, body, f"{error}: {description}")


def _maker(code: int, error: str, description: str, **more: str) -> Maker:
    return lambda _: refused(code, error, description, **more)


FAULTS: dict[str, Maker] = {
    "invalid_grant": _maker(400, "invalid_grant", "Token has been expired or revoked."),
    "invalid_rapt": _maker(400, "invalid_grant", "reauth related error (invalid_rapt)", error_subtype="invalid_rapt"),
    "invalid_client": _maker(401, "invalid_client", "The OAuth client was not found."),
    "deleted_client": _maker(401, "deleted_client", "The OAuth client was deleted."),
    "unauthorized_client": _maker(401, "unauthorized_client", "Unauthorized"),
    "redirect_uri_mismatch": _maker(400, "redirect_uri_mismatch", "Bad Request"),
    "invalid_request": _maker(400, "invalid_request", "Bad Request"),
    "invalid_token": _maker(400, "invalid_token", "Token expired or revoked"),
    "internal": _maker(500, "internal_failure", "Backend Error"),
    "overloaded": _maker(503, "temporarily_unavailable", "The server is temporarily unable to handle the request."),
    "bare_429": _maker(429, "rate_limit_exceeded", "Rate Limit Exceeded"),
}
