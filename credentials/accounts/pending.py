"""Logins that are under way at Google, each bound to the session in which it began."""

from collections.abc import MutableMapping
from hmac import compare_digest
from typing import Any

import msgspec
from django.utils.timezone import now
from msgspec import Struct

from credentials.accounts.oauth import OAuthClient
from credentials.accounts.wanted import LoginFailed, Wanted
from credentials.crypto import decrypt, encrypt

LIFETIME = 15 * 60  # seconds
MOST = 5
"""How many a session holds; a further one takes the place of the oldest."""

_KEY = "google_logins"
_AGAIN = "Begin the login again."


class Pending(Struct, frozen=True):
    """A login under way. `verifier` is the secret half of its PKCE challenge, sealed; `began_at` is a time of the epoch.

    `client_id`, and `client_secret`, sealed too, are of the client that somebody gave for this login; empty: nobody has.
    """

    wanted: Wanted
    redirect_uri: str
    verifier: str
    began_at: float
    client_id: str = ""
    client_secret: str = ""
    used: bool = False

    @property
    def client(self) -> OAuthClient | None:
        return OAuthClient(self.client_id, decrypt(self.client_secret)) if self.client_id else None


def keep(
    session: MutableMapping[str, Any],
    state: str,
    wanted: Wanted,
    *,
    redirect_uri: str,
    verifier: str,
    client: OAuthClient | None = None,
) -> None:
    login = Pending(
        wanted=wanted,
        redirect_uri=redirect_uri,
        verifier=encrypt(verifier),
        began_at=now().timestamp(),
        client_id=client.id if client else "",
        client_secret=encrypt(client.secret) if client else "",
    )
    logins = session.get(_KEY, {}) | {state: msgspec.to_builtins(login)}
    session[_KEY] = dict(sorted(logins.items(), key=lambda item: item[1]["began_at"])[-MOST:])


def take(session: MutableMapping[str, Any], state: str) -> tuple[Pending, str]:
    """The login that `state` names, and its verifier; it cannot be taken again. Raises LoginFailed."""
    logins = session.get(_KEY, {})
    # Every one is compared, and each in constant time: how long it takes tells nothing of the states there are.
    found = [known for known in logins if compare_digest(known.encode(), state.encode())]
    if not found:
        raise LoginFailed(
            "This browser has not begun this login here, or it has begun others since.",
            "Log in again from its beginning. If you began at another address of this Castor or in another browser, copy the "
            "address of this page into the field there.",
        )
    login = msgspec.convert(logins[found[0]], Pending)
    if login.used:
        raise LoginFailed("This login has been used already: an answer of Google's is good for one login.", _AGAIN)
    used_up = msgspec.structs.replace(login, verifier="", client_secret="", used=True)
    session[_KEY] = logins | {found[0]: msgspec.to_builtins(used_up)}
    if login.began_at < now().timestamp() - LIFETIME:
        raise LoginFailed(f"This login began more than {LIFETIME // 60} minutes ago.", _AGAIN)
    return login, decrypt(login.verifier)
