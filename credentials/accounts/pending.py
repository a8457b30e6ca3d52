"""Logins that are under way at Google, each bound to the session in which it began."""

from collections.abc import MutableMapping
from hmac import compare_digest
from typing import Any

import msgspec
from django.utils.timezone import now
from msgspec import Struct

from credentials.accounts.wanted import LoginFailed, Wanted
from credentials.crypto import decrypt, encrypt

LIFETIME = 15 * 60  # seconds
MOST = 5
"""How many a session holds; a further one takes the place of the oldest."""

_KEY = "google_logins"
_AGAIN = "Begin the login again."


class Pending(Struct, frozen=True):
    """A login under way. `verifier` is the secret half of its PKCE challenge, sealed; `began_at` is a time of the epoch."""

    wanted: Wanted
    redirect_uri: str
    verifier: str
    began_at: float
    used: bool = False


def keep(session: MutableMapping[str, Any], state: str, wanted: Wanted, *, redirect_uri: str, verifier: str) -> None:
    login = Pending(wanted=wanted, redirect_uri=redirect_uri, verifier=encrypt(verifier), began_at=now().timestamp())
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
    session[_KEY] = logins | {found[0]: msgspec.to_builtins(msgspec.structs.replace(login, verifier="", used=True))}
    if login.began_at < now().timestamp() - LIFETIME:
        raise LoginFailed(f"This login began more than {LIFETIME // 60} minutes ago.", _AGAIN)
    return login, decrypt(login.verifier)
