"""Where Google sends the browser after the consent, and what comes back from there."""

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from django.conf import settings
from django.http import HttpRequest
from django.urls import reverse
from msgspec import Struct

from credentials.accounts.wanted import LoginFailed


class Redirect(Struct, frozen=True):
    """`comes_back`: whether the browser of this request then arrives at this Castor, with the session that it has now."""

    uri: str
    comes_back: bool


class Callback(Struct, frozen=True):
    """What Google's redirect says: a code, or an error."""

    state: str
    code: str = ""
    error: str = ""


def redirect_for(request: HttpRequest, *, paste: bool, own_client: bool) -> Redirect:
    """`own_client`: the account brings its own OAuth client, nearly always one for desktops, which may use loopback only."""
    here = request.build_absolute_uri(reverse("auth:callback"))
    if settings.GOOGLE_OAUTH_REDIRECT_URI and not own_client:
        return Redirect(settings.GOOGLE_OAUTH_REDIRECT_URI, comes_back=not paste and here == settings.GOOGLE_OAUTH_REDIRECT_URI)
    if not paste and _google_takes(here, loopback_only=own_client):
        return Redirect(here, comes_back=True)
    return Redirect(loopback_uri(), comes_back=False)


def to_register(request: HttpRequest) -> str:
    """What a client for web applications must have among its redirect URIs, so that Google leads this browser back."""
    return settings.GOOGLE_OAUTH_REDIRECT_URI or request.build_absolute_uri(reverse("auth:callback"))


def pasted_redirect() -> str:
    """Where Google is told to send a browser that has no way to this Castor."""
    return settings.GOOGLE_OAUTH_REDIRECT_URI or loopback_uri()


def loopback_uri() -> str:
    return f"http://127.0.0.1:{settings.PORT}{reverse('auth:callback')}"


def read_callback(query: Mapping[str, str]) -> Callback:
    """Raises LoginFailed where it is nothing that Google could have sent."""
    state, code, error = (query.get(name, "") for name in ("state", "code", "error"))
    if not state or not (code or error):
        raise LoginFailed(
            "This is not the address at which Google's login ends.",
            "It contains state= and code=. Begin the login again and copy the whole address line of the page at which the "
            "browser arrives, even if that page cannot be shown.",
        )
    return Callback(state=state, code=code, error=error if re.fullmatch(r"[a-z_]{1,50}", error) or not error else "unknown")


def read_pasted(text: str) -> Callback:
    """The address line of a browser, or what follows the question mark in it."""
    address = "".join(text.split())  # Mail programs and terminals break long lines.
    query = address.partition("?")[2] or address
    return read_callback(dict(parse_qsl(query.partition("#")[0])))


def _google_takes(uri: str, *, loopback_only: bool) -> bool:
    """Google sends nobody to plain http on the internet, nor to a bare address there."""
    parts = urlsplit(uri)
    host = parts.hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or (parts.scheme == "https" and not loopback_only)
