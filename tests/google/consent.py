"""The page on which a person agrees, and what Google refuses to ask them at all (section 5)."""

import re
from html import escape
from urllib.parse import urlsplit

from tests.google.accounts import OAuthClient
from tests.google.errors import Refusal
from tests.google.faults_oauth import refused

LOOPBACK = ("127.0.0.1", "localhost", "::1")
# What S256 makes of any verifier: 32 bytes in base64url without padding.
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<title>Sign in - Google Accounts (simulated)</title></head>
<body><h1>{client} wants to access your Google Account</h1>
<form method="post">
<p><label>Account <select id="account" name="account">{accounts}</select></label></p>
<ul>{scopes}</ul>
<p><button id="deny" name="decision" value="deny">Deny</button>
<button id="allow" name="decision" value="allow">Allow</button></p>
</form></body></html>
"""
ERROR_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><link rel="icon" href="data:,">
<title>Error (simulated)</title></head>
<body><h1>Access blocked: Authorization Error</h1><p id="error">{message}</p></body></html>
"""


def problem(asked: dict[str, str], clients: dict[str, OAuthClient]) -> Refusal | None:
    """Why the person is not even asked; such a refusal is a page, and never leads back to the client."""
    client = clients.get(asked.get("client_id", ""))
    if not asked.get("client_id"):
        return refused(400, "invalid_request", "Missing required parameter: client_id")
    if client is None:
        return refused(401, "invalid_client", "The OAuth client was not found.")
    if client.deleted:
        return refused(401, "deleted_client", "The OAuth client was deleted.")
    for name in ("redirect_uri", "response_type", "scope"):
        if not asked.get(name):
            return refused(400, "invalid_request", f"Missing required parameter: {name}")
    if not is_allowed(asked["redirect_uri"], client):
        return refused(400, "redirect_uri_mismatch", f"The redirect URI {asked['redirect_uri']} is not registered.")
    if asked["response_type"] != "code":
        return refused(400, "unsupported_response_type", f"Invalid response_type: {asked['response_type']}")
    return _bad_challenge(asked)


def is_allowed(redirect_uri: str, client: OAuthClient) -> bool:
    """An installed app may listen on any port of the own machine; every other address must match to the letter."""
    if redirect_uri in client.redirect_uris:
        return True
    parts = urlsplit(redirect_uri)
    return client.loopback and parts.scheme == "http" and parts.hostname in LOOPBACK and not parts.fragment and not parts.username


def _bad_challenge(asked: dict[str, str]) -> Refusal | None:
    method = asked.get("code_challenge_method", "plain")
    if method not in ("S256", "plain"):
        return refused(400, "invalid_request", f"Invalid code_challenge_method: {method}")
    if "code_challenge" not in asked:
        return refused(400, "invalid_request", "Missing code_challenge.") if "code_challenge_method" in asked else None
    if method == "S256" and not CHALLENGE.fullmatch(asked["code_challenge"]):
        return refused(400, "invalid_request", "Invalid code_challenge.")
    return None


def page(asked: dict[str, str], accounts: list[str]) -> str:
    hint = asked.get("login_hint", "")
    options = "".join(f"<option{' selected' if email == hint else ''}>{escape(email)}</option>" for email in accounts)
    scopes = "".join(f"<li>{escape(scope)}</li>" for scope in asked["scope"].split())
    return PAGE.format(client=escape(asked["client_id"]), accounts=options, scopes=scopes)


def error_page(message: str) -> str:
    return ERROR_PAGE.format(message=escape(message))
