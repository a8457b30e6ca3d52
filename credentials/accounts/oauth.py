"""Google's sign-in on the wire: consent, codes, tokens, and who they belong to. Synchronous: a token is renewed once an hour.

No redirect is followed, since secrets must not travel elsewhere, and no message holds a secret or a text that may echo one.
Source: https://developers.google.com/identity/protocols/oauth2/web-server
"""

import base64
import hashlib
import re
import secrets
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any
from urllib.parse import urlencode

import httpx
import msgspec
from django.conf import settings
from msgspec import Struct

from credentials.models import GoogleLogin, Use

CALL_SECONDS = 10.0
"""A whole call lasts no longer, whatever the network does."""
_LIFETIME = 3600.0
"""Seconds that an access token lives where Google does not say: that is what it always does say."""
_MOST_BYTES = 1024 * 1024
_CODE = re.compile(r"[a-z_]{1,40}")
"""What an error's code looks like. Anything else may hold what we have sent."""
_AUTH = "https://www.googleapis.com/auth/"
_PLATFORM = (f"{_AUTH}cloud-platform", f"{_AUTH}userinfo.email", f"{_AUTH}userinfo.profile")

SCOPES: dict[Use, tuple[str, ...]] = {Use.GEMINI_API: _PLATFORM, Use.CODE_ASSIST: _PLATFORM}


class OAuthError(Exception):
    """What came of a login or a renewal instead of tokens: a sentence for people, and in `remedy` another, without secrets."""

    message = "Google did not give any tokens."
    remedy = "Log in again."

    def __init__(self, message: str = "", *, remedy: str = "") -> None:
        super().__init__(message or self.message)
        self.message = message or self.message
        self.remedy = remedy or self.remedy


class LoginEnded(OAuthError):
    """`invalid_grant`: this refresh token, or code, serves no more."""

    message = "Google no longer takes the login of this account: it has expired or was revoked."
    remedy = "Log in again with this account."


class ClientRefused(OAuthError):
    """The OAuth client is at fault, and with it every account that was logged in by it."""

    message = "Google does not accept the OAuth client."
    remedy = (
        "Check its id and its secret: those of the account's own client, if it has one, and GOOGLE_OAUTH_CLIENT_ID and "
        "GOOGLE_OAUTH_CLIENT_SECRET otherwise."
    )


class ClientMissing(OAuthError):
    message = "No OAuth client is configured."
    remedy = (
        "Set GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET, or give the account a client of its own where you connect it "
        "in the admin; docs/google-accounts.md shows how to make one."
    )


class ConsentDenied(OAuthError):
    message = "The consent was denied."
    remedy = "Log in again, and choose Allow on Google's page."


class OAuthUnavailable(OAuthError):
    """Google, or the way to it, is at fault: nobody is to blame for it, and it may be tried again."""

    message = "Google's sign-in could not be used a moment ago."
    remedy = "Try again in a moment."


class OAuthClient(Struct, frozen=True):
    id: str
    secret: str

    def __repr__(self) -> str:
        return f"<OAuthClient {self.id}>"


class Tokens(Struct, frozen=True):
    """`expires_at` is in seconds since the epoch. Empty: Google has named no (new) refresh token, or no scope."""

    access_token: str
    expires_at: float
    refresh_token: str = ""
    scope: str = ""

    def __repr__(self) -> str:
        return f"<Tokens until {self.expires_at:.0f}>"


def client_of(login: GoogleLogin | None) -> OAuthClient:
    """The client by which an account was, or will be, logged in. Raises ClientMissing."""
    if login is not None and login.client_id:
        return OAuthClient(login.client_id, login.client_secret)
    if not settings.GOOGLE_OAUTH_CLIENT_ID:
        raise ClientMissing
    return OAuthClient(settings.GOOGLE_OAUTH_CLIENT_ID, settings.GOOGLE_OAUTH_CLIENT_SECRET)


def new_verifier() -> str:
    """A PKCE code verifier: 43 characters (RFC 7636, 4.1)."""
    return secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """Its S256 challenge (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def authorize_url(client: OAuthClient, *, redirect_uri: str, state: str, verifier: str, use: Use, login_hint: str = "") -> str:
    """Where a browser asks its person for consent. `login_hint`: the address of the account that should be chosen."""
    asked = {
        "client_id": client.id,
        "redirect_uri": redirect_uri,
        "response_type": "code",
        "scope": " ".join(SCOPES[use]),
        "state": state,
        "code_challenge": challenge_of(verifier),
        "code_challenge_method": "S256",
        "access_type": "offline",
        "prompt": "consent",  # Without it whoever has consented before gets no refresh token.
    }
    if login_hint:
        asked["login_hint"] = login_hint
    joint = "&" if "?" in settings.GOOGLE_OAUTH_AUTH_URL else "?"
    return f"{settings.GOOGLE_OAUTH_AUTH_URL}{joint}{urlencode(asked)}"


def exchange(client: OAuthClient, *, code: str, verifier: str, redirect_uri: str) -> Tokens:
    """The tokens for an authorization code, which serves once and for a few minutes. Raises OAuthError."""
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, "redirect_uri": redirect_uri}
    return _tokens(client, form)


def refresh(client: OAuthClient, refresh_token: str, *, seconds: float = CALL_SECONDS) -> Tokens:
    """A new access token, within so many seconds. Raises OAuthError."""
    return _tokens(client, {"grant_type": "refresh_token", "refresh_token": refresh_token}, seconds=seconds)


def email_of(access_token: str) -> str:
    """Whose token it is; empty if Google does not say, for want of that consent, or doubts it. Raises OAuthUnavailable."""
    # As bytes: what somebody took for a token may be any text, and it is for Google to say that it is none.
    headers = {b"Authorization": b"Bearer " + access_token.encode()}
    status, body = _call("GET", settings.GOOGLE_OAUTH_USERINFO_URL, headers=headers)
    if status in (401, 403):
        return ""
    if status != 200:
        raise OAuthUnavailable(f"Google does not say whose account it is: it answers with status {status}.")
    said = _read(body)
    # Accounts are told apart by it: whoever makes up an address must not come in the place of its owner.
    return _text(said, "email") if said.get("verified_email") is not False else ""


def revoke(token: str) -> bool:
    """End an access or refresh token, and the grant that it belongs to. False: it may still be good."""
    try:
        status, body = _call("POST", settings.GOOGLE_OAUTH_REVOKE_URL, data={"token": token})
        return status == 200 or (status == 400 and _text(_read(body), "error") == "invalid_token")  # It was no good any more.
    except OAuthUnavailable:
        return False


def _tokens(client: OAuthClient, form: dict[str, str], *, seconds: float = CALL_SECONDS) -> Tokens:
    began = time.time()  # Whatever time the answer takes, the token has lived no longer than since then.
    form |= {"client_id": client.id, **({"client_secret": client.secret} if client.secret else {})}
    status, body = _call("POST", settings.GOOGLE_OAUTH_TOKEN_URL, data=form, seconds=seconds)
    if status != 200:
        raise _refusal(status, body)
    answer = _read(body)
    access_token = _text(answer, "access_token")
    if not access_token:
        raise OAuthUnavailable("Google's sign-in answers without an access token.")
    expires_at = began + _lifetime(answer.get("expires_in"))
    return Tokens(access_token, expires_at, _text(answer, "refresh_token"), _text(answer, "scope"))


def _lifetime(expires_in: Any) -> float:
    try:
        return max(0.0, float(expires_in))
    except (TypeError, ValueError):
        return _LIFETIME


def _refusal(status: int, body: bytes) -> OAuthError:
    """What a refusal of the token endpoint says: `{"error": code, "error_description": …}` (RFC 6749, 5.2)."""
    try:
        error = _text(_read(body), "error")
    except OAuthUnavailable:
        error = ""
    if status == 429 or status >= 500:
        return OAuthUnavailable(f"Google's sign-in answers with status {status}.")
    match error:
        case "invalid_grant":
            return LoginEnded()
        case "redirect_uri_mismatch":
            return ClientRefused(
                "Google does not know this redirect address of the OAuth client.",
                remedy="Add the address of /auth/callback to the client's redirect URIs in the Google Cloud console, "
                "or set GOOGLE_OAUTH_REDIRECT_URI to one that is there.",
            )
        case "unauthorized_client":
            return ClientRefused(
                "The account was logged in by another OAuth client than the one that is used now.",
                remedy="Put back that client's GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET, or log in again.",
            )
        case "invalid_client" | "deleted_client" | "disabled_client" | "invalid_request":  # The last: without its secret.
            return ClientRefused(f"Google does not accept the OAuth client ({error}).")
    said = f" ({error})" if _CODE.fullmatch(error) else ""
    return OAuthUnavailable(f"Google's sign-in answers with status {status}{said}.")


def _call(method: str, url: str, *, seconds: float = CALL_SECONDS, **given: Any) -> tuple[int, bytes]:
    """(status, body), in time or not at all. Raises OAuthUnavailable.

    In a thread of its own: neither a name server nor a body that drips can be told how long all of it may take.
    """
    thread = ThreadPoolExecutor(1, thread_name_prefix="castor-oauth")
    try:
        return thread.submit(partial(_fetch, method, url, seconds, **given)).result(seconds)
    except TimeoutError:
        raise OAuthUnavailable("Google's sign-in did not answer in time.") from None
    finally:
        thread.shutdown(wait=False)


def _fetch(method: str, url: str, seconds: float, **given: Any) -> tuple[int, bytes]:
    deadline = time.monotonic() + seconds
    body = bytearray()
    try:
        with (
            httpx.Client(verify=_tls(), timeout=seconds, follow_redirects=False) as client,
            client.stream(method, url, **given) as response,
        ):
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > _MOST_BYTES or time.monotonic() > deadline:
                    raise OAuthUnavailable("Google's sign-in gives no answer that can be read.")
    except httpx.TimeoutException:
        raise OAuthUnavailable("Google's sign-in did not answer in time.") from None
    except (httpx.HTTPError, httpx.InvalidURL) as error:  # Their texts may quote what was sent: not a word of them.
        raise OAuthUnavailable(f"Google's sign-in could not be reached: {type(error).__name__}.") from None
    return response.status_code, bytes(body)


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Loading the trusted certificates takes longer than all the rest."""
    return httpx.create_ssl_context()


def _read(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise OAuthUnavailable("Google's sign-in gives no answer that can be read.") from None


def _text(answer: dict[str, Any], name: str) -> str:
    value = answer.get(name)
    return value.strip() if isinstance(value, str) else ""
