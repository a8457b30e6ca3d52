"""Found logins, compared with the accounts of the pool. An account is recognised by its address, not by its tokens."""

from collections.abc import Iterable

from django.conf import settings
from msgspec import Struct

from credentials.accounts.importing.found import FoundLogin
from credentials.crypto import fingerprint
from credentials.findings import Finding, Verdict
from credentials.models import Credential, ImportedLogin, Kind, Use

_AT_ONCE = 500  # SQLite takes a bounded number of parameters in one statement.


class _Account(Struct, frozen=True):
    pk: int
    name: str
    refresh_token: str


def use_of(login: FoundLogin, use: str) -> str:
    """What a login is taken in for: what was asked for, else what the tool that wrote it used it for."""
    return use or login.use


def mark_of(login: FoundLogin, use: str) -> str:
    """What tells two logins of one account from those of two; of a login whose account is unknown, its token does."""
    if not login.email:
        return login.origin
    return fingerprint(Credential(kind=Kind.OAUTH, use=use_of(login, use), email=login.email).identity)


def imported_before(logins: Iterable[FoundLogin]) -> dict[tuple[str, str], tuple[int, str]]:
    """(origin, use) of those refresh tokens that have been imported → the account's id and name."""
    origins = sorted({login.origin for login in logins})
    known: dict[tuple[str, str], tuple[int, str]] = {}
    for start in range(0, len(origins), _AT_ONCE):
        rows = ImportedLogin.objects.filter(fingerprint__in=origins[start : start + _AT_ONCE])
        columns = rows.values_list("fingerprint", "credential__use", "credential_id", "credential__label", "credential__masked")
        known.update({(origin, its_use): (pk, label or masked) for origin, its_use, pk, label, masked in columns})
    return known


class Comparison:
    """Judges logins one after the other; remembers where it met each account first."""

    def __init__(self, logins: list[FoundLogin], use: str) -> None:
        sound = [login for login in logins if not login.flaw]
        self._use = use
        self._imported = imported_before(sound)
        self._accounts = _accounts({mark_of(login, self._use) for login in sound if login.email})
        self._newest: dict[str, FoundLogin] = {}
        for login in sorted(sound, key=lambda login: login.expires_at):
            self._newest[mark_of(login, self._use)] = login
        self._seen: dict[str, str] = {}

    def judge(self, login: FoundLogin) -> Finding:
        if login.flaw:
            return Finding(Verdict.MALFORMED, login, login.flaw)
        if known := self._known(login):
            return known
        mark = mark_of(login, self._use)
        if mark in self._seen:
            return Finding(Verdict.DUPLICATE, login, f"the same account as in {self._seen[mark]}")
        newest = self._newest[mark]
        if newest.expires_at > login.expires_at:
            return Finding(Verdict.DUPLICATE, login, f"a newer login of the same account is in {newest.where}")
        self._seen[mark] = login.where
        if account := self._accounts.get(mark):
            note = f"replaces the tokens of {account.name}; {self._described(login)}"
            return Finding(Verdict.UPDATES, login, note, account.pk)
        return Finding(Verdict.NEW, login, self._described(login))

    def _known(self, login: FoundLogin) -> Finding | None:
        account = self._accounts.get(mark_of(login, self._use))
        if account and account.refresh_token == login.refresh_token:
            return Finding(Verdict.DUPLICATE, login, f"in the pool already as {account.name}", account.pk)
        imported = self._imported.get((login.origin, use_of(login, self._use)))
        if imported and (account is None or account.pk == imported[0]):
            note = f"taken in before, as {imported[1]}: what the account has now is left alone"
            return Finding(Verdict.DUPLICATE, login, note, imported[0])
        return None

    def _described(self, login: FoundLogin) -> str:
        said = [f"for {Use(use_of(login, self._use)).label}"]
        if login.tool:
            said.append(f"written by {login.tool}")
        if not login.email:
            said.append("whose account it is, Google is asked when it is taken in")
        if client := _client_note(login):
            said.append(client)
        return "; ".join(said)


def _client_note(login: FoundLogin) -> str:
    """A refresh token can be renewed only with the OAuth client that it was made with."""
    if login.client_id:
        return "brings its own OAuth client"
    if not settings.GOOGLE_OAUTH_CLIENT_ID:
        return "cannot be renewed before GOOGLE_OAUTH_CLIENT_ID and GOOGLE_OAUTH_CLIENT_SECRET are set"
    if login.issued_to and login.issued_to != settings.GOOGLE_OAUTH_CLIENT_ID:
        return "made with another OAuth client than GOOGLE_OAUTH_CLIENT_ID, so that Castor may be unable to renew it"
    return ""


def _accounts(marks: set[str]) -> dict[str, _Account]:
    wanted = sorted(marks)
    accounts: dict[str, _Account] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = Credential.objects.filter(fingerprint__in=wanted[start : start + _AT_ONCE])
        accounts.update({row.fingerprint: _Account(row.pk, str(row), row.secret) for row in rows})
    return accounts
