"""Short ways to ask sign-in and Code Assist over HTTP, and requests to vary."""

import base64
import hashlib
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from tests.google import GoogleSimulator
from tests.google.accounts import DEFAULT_CLIENT, DEFAULT_SECRET, SCOPES, Tokens
from tests.google.asking import saying

ADA = "ada@example.com"
PRO = "gemini-2.5-pro"
CALLBACK = "http://127.0.0.1:8080/auth/callback"
VERIFIER = "a-verifier-of-more-than-forty-three-characters~"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
METADATA = {"ideType": "IDE_UNSPECIFIED", "platform": "PLATFORM_UNSPECIFIED", "pluginType": "GEMINI"}

Body = dict[str, Any]


def authorize_url(google: GoogleSimulator, **changes: str | None) -> str:
    """The address of a request for consent that is in order, but for the changes; None leaves a parameter out."""
    asked: dict[str, str | None] = {
        "client_id": DEFAULT_CLIENT, "redirect_uri": CALLBACK, "response_type": "code", "scope": SCOPES, "state": "a state",
        "access_type": "offline", "prompt": "consent", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    kept = {name: value for name, value in {**asked, **changes}.items() if value is not None}
    return f"{google.url}/o/oauth2/v2/auth?{urlencode(kept)}"


def brought(address: str) -> dict[str, str]:
    """What the browser brings to the client's own address."""
    return dict(parse_qsl(urlsplit(address).query))


def agreed(google: GoogleSimulator, **changes: str | None) -> str:
    """The code of a consent."""
    return brought(google.consent(authorize_url(google, **changes), ADA))["code"]


def token(google: GoogleSimulator, **changes: str | None) -> httpx.Response:
    """The token endpoint's answer to a form of the default client, but for the changes."""
    form = {"client_id": DEFAULT_CLIENT, "client_secret": DEFAULT_SECRET, **changes}
    return httpx.post(f"{google.url}/token", data={name: value for name, value in form.items() if value is not None}, timeout=10)


def exchange(google: GoogleSimulator, code: str, /, **changes: str | None) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
    return token(google, **{**form, **changes})


def refresh(google: GoogleSimulator, refresh_token: str, /, **changes: str | None) -> httpx.Response:
    return token(google, **{"grant_type": "refresh_token", "refresh_token": refresh_token, **changes})


def error_of(response: httpx.Response) -> tuple[int, str, str]:
    body = response.json()
    return response.status_code, body["error"], body["error_description"]


def bearer(tokens: Tokens, **more: str) -> dict[str, str]:
    return {"authorization": f"Bearer {tokens.access_token}", **more}


def assist(google: GoogleSimulator, tokens: Tokens, method: str, body: Any) -> httpx.Response:
    return httpx.post(f"{google.url}/v1internal:{method}", json=body, headers=bearer(tokens), timeout=20)


def wrapped(request: Body | None = None, **outer: Any) -> Body:
    """The envelope of a generation call of ada's."""
    return {"model": PRO, "project": "ada-project", "request": saying() if request is None else request, **outer}


def reason_of(response: httpx.Response) -> tuple[int, str, str]:
    """Code, text and ErrorInfo's reason (empty without one) of a refusal, wherever it is wrapped."""
    body = response.json()
    error = (body[0] if isinstance(body, list) else body)["error"]
    return (
        error["code"],
        error["message"],
        next((detail["reason"] for detail in error.get("details", ()) if "reason" in detail), ""),
    )
