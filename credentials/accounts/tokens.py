"""Access tokens: the one that is stored, or a new one, for which Google is asked once however many want it.

Whoever renews claims the account's row first, by one UPDATE that counts; all others wait until its row says something new.
The claim only saves calls: that nothing newer is overwritten does not rest on it, since a process may be frozen for as long as
it likes and wake up with an answer. What is written down therefore takes the place of exactly the tokens that Google was asked
with, or of none.

Claims are timed by the database's clock, so that machines need not agree on the time. When a token expires is by their own:
with the margin of `at_least`, a minute, they may differ by as much.
"""

import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Lock

import structlog
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.timezone import now
from msgspec import Struct

from credentials.accounts import oauth
from credentials.accounts.oauth import ClientRefused, LoginEnded, OAuthError, OAuthUnavailable, Tokens
from credentials.accounts.outage import outage
from credentials.health import State
from credentials.models import Credential, GoogleLogin

LOCK_SECONDS = 15.0
"""How long a claim lasts: longer than Google is waited for, so that only the claim of one who died runs out."""
PAUSE_SECONDS = 3.0
"""For so long nobody asks again after Google has failed or refused; whoever had waited is told the same."""
POLL_SECONDS = 0.05
SAID_AGAIN_AFTER = 60.0
_AGAIN_AFTER = 0.5
_LEAST_CALL = 1.0
_SAVE_PAUSES = (0.2, 1.0)

_FAILURES: dict[str, type[OAuthError]] = {failure.__name__: failure for failure in (LoginEnded, ClientRefused, OAuthUnavailable)}
"""What stands in place of a claim during the pause."""

log = structlog.get_logger("castor.accounts")

_noted: dict[str, float] = {}
"""When each cause may be logged again. They are few: nothing of what Google says is in them but a status or a word."""
_turns: dict[int, Lock] = {}
"""Threads of one process line up here, so that only one of them looks at the row."""


class NoLogin(OAuthError):
    message = "This account is no longer in the pool."
    remedy = "Connect it again."


class DatabaseUnavailable(OAuthUnavailable):
    message = "The tokens of an account cannot be read or written: the database cannot be used."


class TokensSealed(OAuthError):
    message = "The stored tokens of an account cannot be decrypted."
    remedy = "Put back the key of CREDENTIAL_ENCRYPTION_KEYS that they were stored with, or log in again."


class Access(Struct, frozen=True):
    """`expires_at` is in seconds since the epoch."""

    token: str
    expires_at: float

    def __repr__(self) -> str:
        return f"<Access until {self.expires_at:.0f}>"


def fresh(credential_id: int, *, than: str = "", at_least: float = 60.0) -> Access:
    """An access token that holds `at_least` so many seconds more, and is not the one that Google has refused (`than`).

    Where Google cannot be asked, or its tokens live no longer, one that holds for less. Blocks for some seconds at worst; must
    not be called within a transaction. Raises OAuthError: NoLogin, LoginEnded, ClientRefused, ClientMissing, OAuthUnavailable,
    TokensSealed.
    """
    with _turns.setdefault(credential_id, Lock()), _named_errors():
        login = _read(credential_id)
        if _holds(login, at_least) and login.access_token != than:
            return _access(login)
        try:
            if outage.lasts:
                raise OAuthUnavailable
            return _renewed(login, {than, login.access_token})
        except OAuthUnavailable:
            if _holds(login) and login.access_token != than:
                return _access(login)
            raise


def expiring(within: timedelta) -> list[int]:
    """The credentials whose access token ends within that time, or is not known. Not those that are dead or disabled."""
    ending = Q(access_until=None) | Q(access_until__lt=now() + within)
    wanted = GoogleLogin.objects.filter(ending, credential__enabled=True).exclude(credential__state=State.INVALID)
    return list(wanted.order_by("access_until").values_list("pk", flat=True))


def _renewed(login: GoogleLogin, outdated: set[str]) -> Access:
    """Renew it, or wait until somebody else has."""
    while not _is_new(login, outdated):
        is_claimed = _is_claimed(login)
        if is_claimed and login.renewal in _FAILURES:
            raise _FAILURES[login.renewal]
        if not is_claimed and (claim := _claim(login.pk)):
            if (access := _renew(login.pk, claim, outdated)) is not None:
                return access
        else:
            time.sleep(POLL_SECONDS)
        login = _read(login.pk)
    return _access(login)


def _renew(credential_id: int, claim: str, outdated: set[str]) -> Access | None:
    """Ask Google, as the one that has claimed it. None: others had an answer before; it is to be looked at again."""
    login = _read(credential_id)
    try:
        if _is_new(login, outdated):  # Whoever had the claim before us has renewed it.
            _end_claim(credential_id, claim)
            return None
        tokens = _ask(login)
    except OAuthError as error:
        _note(error)
        failure = type(error).__name__ if type(error) in _FAILURES.values() else ""
        if _end_claim(credential_id, claim, failure=failure):
            raise
        return None  # A new login came in between, or we were away for so long that another has taken over.
    return _keep(login, tokens)


def _ask(login: GoogleLogin) -> Tokens:
    """Raises OAuthError."""
    try:
        tokens = _ask_twice(login)
    except OAuthUnavailable:
        outage.failed()
        raise
    except (LoginEnded, ClientRefused):
        outage.is_over()
        raise
    outage.is_over()
    return tokens


def _ask_twice(login: GoogleLogin) -> Tokens:
    """A fault of Google that comes quickly is met once more, in what remains of the time."""
    client, deadline = oauth.client_of(login), time.monotonic() + oauth.CALL_SECONDS
    refresh_token = login.credential.secret
    try:
        return oauth.refresh(client, refresh_token)
    except OAuthUnavailable:
        time.sleep(_AGAIN_AFTER)
        left = deadline - time.monotonic()
        if left < _LEAST_CALL:
            raise
    return oauth.refresh(client, refresh_token, seconds=left)


def _note(error: OAuthError) -> None:
    """Once a renewal, not for everybody that waits for it; and of what strikes all accounts not for each of them."""
    if isinstance(error, LoginEnded) or time.monotonic() < _noted.get(error.message, 0.0):
        return  # The end of a login is the account's own, and its history will tell.
    _noted[error.message] = time.monotonic() + SAID_AGAIN_AFTER
    if isinstance(error, OAuthUnavailable):
        log.warning("An access token could not be renewed; it is tried again.", cause=error.message)
    else:
        log.error("No access token can be renewed.", cause=f"{error.message} {error.remedy}")


def _keep(asked_with: GoogleLogin, tokens: Tokens) -> Access:
    """Write the new tokens down. They are good even if that cannot be done: whoever waits for them may have them."""
    for pause in (*_SAVE_PAUSES, None):
        try:
            return _store(asked_with, tokens)
        except (DatabaseError, InterfaceError) as error:
            log.error("New tokens of an account cannot be written down.", account=asked_with.pk, cause=type(error).__name__)
        if pause is not None:
            time.sleep(pause)
    return Access(tokens.access_token, tokens.expires_at)


@transaction.atomic
def _store(asked_with: GoogleLogin, tokens: Tokens) -> Access:
    """Put the tokens in place of those that Google was asked with; returns what is stored then."""
    # The row of the login is locked before the credential's: whoever deletes or saves one does so in that order.
    row = GoogleLogin.objects.select_for_update().filter(pk=asked_with.pk)
    if not row:
        raise NoLogin
    login = _read(asked_with.pk)
    if _secrets(login) != _secrets(asked_with):
        return _access(login)  # We were frozen, say, while another took over, or somebody has logged in anew.
    row.update(
        access_token=tokens.access_token,
        access_until=datetime.fromtimestamp(tokens.expires_at, UTC),
        scope=tokens.scope or login.scope,
        renewal="",
        renewing_until=None,
    )
    if tokens.refresh_token not in ("", login.credential.secret):
        # Not by `save`: the pool's version stays, since no process has a login's tokens in its picture of the pool.
        Credential.objects.filter(pk=login.pk).update(secret=tokens.refresh_token)
    return Access(tokens.access_token, tokens.expires_at)


def _read(credential_id: int) -> GoogleLogin:
    """With its credential's secret, and with what `_is_claimed` tells."""
    claimed = Q(renewing_until__isnull=False, renewing_until__gt=Now())
    login = GoogleLogin.objects.select_related("credential").annotate(is_claimed=claimed).filter(pk=credential_id).first()
    if login is None:
        raise NoLogin
    return login


def _is_claimed(login: GoogleLogin) -> bool:
    """Whether somebody renews it now, or has just failed to."""
    return bool(login.is_claimed)  # type: ignore[attr-defined]  # `_read` has had the database say so.


def _claim(credential_id: int) -> str:
    """Take the right to renew it; empty: another process was faster."""
    claim = secrets.token_hex(16)
    free = Q(renewing_until=None) | Q(renewing_until__lte=Now())
    until = Now() + timedelta(seconds=LOCK_SECONDS)
    # One row updated means that nobody else got there between our read and our write.
    return claim if GoogleLogin.objects.filter(free, pk=credential_id).update(renewal=claim, renewing_until=until) else ""


def _end_claim(credential_id: int, claim: str, *, failure: str = "") -> bool:
    """Let others have it, after a pause if there was a failure. False: it was ours no more."""
    until = Now() + timedelta(seconds=PAUSE_SECONDS) if failure else None
    return bool(GoogleLogin.objects.filter(pk=credential_id, renewal=claim).update(renewal=failure, renewing_until=until))


def _secrets(login: GoogleLogin) -> tuple[str, str]:
    return login.credential.secret, login.access_token


def _is_new(login: GoogleLogin, outdated: set[str]) -> bool:
    """Whether it is another one than those: however short it lives, Google gives none that lives longer."""
    return login.access_token not in outdated and _holds(login)


def _holds(login: GoogleLogin, at_least: float = 0.0) -> bool:
    until = login.access_until
    return bool(login.access_token) and until is not None and until.timestamp() - time.time() > at_least


def _access(login: GoogleLogin) -> Access:
    until = login.access_until
    return Access(login.access_token, until.timestamp() if until is not None else 0.0)


@contextmanager
def _named_errors() -> Iterator[None]:
    try:
        yield
    except (DatabaseError, InterfaceError) as error:
        raise DatabaseUnavailable from error
    except ImproperlyConfigured:
        _note(sealed := TokensSealed())
        raise sealed from None
