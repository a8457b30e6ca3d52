"""Found logins → accounts of the pool: whose each is, if need be asked of Google, and the saving."""

import time
from collections.abc import Iterator

from django.db import transaction
from msgspec.structs import replace

from credentials.accounts import oauth
from credentials.accounts.importing.comparing import imported_before, mark_of, use_of
from credentials.accounts.importing.found import FoundLogin, read_address
from credentials.accounts.importing.shapes import Found
from credentials.accounts.oauth import OAuthClient, OAuthError, OAuthUnavailable, Tokens
from credentials.accounts.saving import save_login
from credentials.findings import Finding, Report, Verdict
from credentials.models import Credential, CredentialQuerySet, ImportedLogin, Use

_ENOUGH = 60
"""Seconds that an access token must last to be worth asking with."""

HOW_TO_ENABLE = (
    "Code Assist accounts serve only once somebody has acknowledged what Google's terms say of that: enable it in the admin, "
    "or import it again with --acknowledge-terms."
)


def identify(found: list[Found], *, use: str = "") -> list[Found]:
    """Ask Google whose the logins are that do not say so, but for those that were imported before.

    A login that Google refuses, or cannot be asked about, gets a flaw. Once Google cannot be reached, it is asked no more:
    every further attempt would take its full time.
    """
    unnamed = [login for login in found if isinstance(login, FoundLogin) and not login.flaw and not login.email]
    known = imported_before(unnamed)
    asked: dict[str, FoundLogin] = {}
    unavailable = ""
    for login in unnamed:
        if login.origin in asked or (login.origin, use_of(login, use)) in known:
            continue
        asked[login.origin], unavailable = _identified(login, unavailable)
    return [_with_answer(item, asked) for item in found]


def save_logins(report: Report, *, use: str, project: str, priority: int, terms_accepted_by: str) -> list[Credential]:
    """Store the new logins of a report and the updating ones, each by itself; returns the accounts that have changed.

    Those that are there already change where `terms_accepted_by` is the acknowledgement that they were waiting for.
    """
    saved = []
    for finding in report.findings:
        if not isinstance(login := finding.candidate, FoundLogin):
            continue
        with transaction.atomic():
            if finding.verdict in (Verdict.NEW, Verdict.UPDATES):
                saved.append(_save(login, use_of(login, use), project, priority, terms_accepted_by))
                _remember(saved[-1].pk, login)
            elif finding.verdict is Verdict.DUPLICATE and finding.credential:
                saved += _acknowledged(finding.credential, terms_accepted_by)  # First: it locks the pool's version.
                _remember(finding.credential, login)
    return saved


def accounts_of(report: Report, use: str = "") -> CredentialQuerySet:
    """The accounts as which the new and the updating logins of a report have been stored."""
    logins = [finding.candidate for finding in report.of(Verdict.NEW, Verdict.UPDATES)]
    marks = [mark_of(login, use) for login in logins if isinstance(login, FoundLogin)]
    return Credential.objects.filter(fingerprint__in=marks)


def lacks_terms(report: Report, use: str = "") -> list[Finding]:
    """The logins of a report that nobody has acknowledged Google's terms for: for Code Assist, and not of such an account."""
    findings = [finding for finding in report.of(Verdict.NEW, Verdict.UPDATES) if _is_for_code_assist(finding, use)]
    accounts = Credential.objects.filter(pk__in=[finding.credential for finding in findings])
    accepted = set(accounts.exclude(terms_accepted_at=None).values_list("pk", flat=True))
    return [finding for finding in findings if finding.credential not in accepted]


def _is_for_code_assist(finding: Finding, use: str) -> bool:
    return isinstance(finding.candidate, FoundLogin) and use_of(finding.candidate, use) == Use.CODE_ASSIST


def _identified(login: FoundLogin, unavailable: str) -> tuple[FoundLogin, str]:
    """The login with its address and what was renewed on the way, or with a flaw; and why Google cannot be asked, if so."""
    if unavailable:
        return replace(login, flaw=unavailable), unavailable
    try:
        for tokens in _attempts(login):
            if address := read_address(oauth.email_of(tokens.access_token)):
                return _renewed(login, tokens, address), ""
    except OAuthUnavailable as error:
        unavailable = f"it does not say whose account it is, and Google cannot be asked: {error}"
        return replace(login, flaw=unavailable), unavailable
    except OAuthError as error:
        return replace(login, flaw=f"{error} {error.remedy}"), ""
    return replace(login, flaw="neither the file nor Google says whose account it is"), ""


def _attempts(login: FoundLogin) -> Iterator[Tokens]:
    """What Google may be asked with: the access token of the file, if it should still hold, and a new one."""
    if login.access_token and login.expires_at > time.time() + _ENOUGH:
        yield Tokens(login.access_token, login.expires_at)
    yield oauth.refresh(_client(login) or oauth.client_of(None), login.refresh_token)


def _renewed(login: FoundLogin, tokens: Tokens, address: str) -> FoundLogin:
    return replace(
        login,
        email=address,
        access_token=tokens.access_token,
        expires_at=tokens.expires_at,
        refresh_token=tokens.refresh_token or login.refresh_token,
        scope=tokens.scope or login.scope,
    )


def _with_answer(item: Found, asked: dict[str, FoundLogin]) -> Found:
    if not isinstance(item, FoundLogin) or item.origin not in asked or item.email:
        return item
    return replace(asked[item.origin], where=item.where)


def _client(login: FoundLogin) -> OAuthClient | None:
    return OAuthClient(login.client_id, login.client_secret) if login.client_id else None


def _save(login: FoundLogin, use: str, project: str, priority: int, terms_accepted_by: str) -> Credential:
    account, _ = save_login(
        email=login.email,
        tokens=Tokens(login.access_token, login.expires_at, login.refresh_token, login.scope),
        use=Use(use),
        client=_client(login),
        project=login.project or project,
        label=login.label,
        terms_accepted_by=terms_accepted_by,
        priority=priority,
    )
    return account


def _acknowledged(credential: int, by: str) -> list[Credential]:
    waiting = Credential.objects.lacking_terms().filter(pk=credential) if by else []
    for account in waiting:
        account.accept_terms(by=by)
        account.enabled = True
        account.save()
    return list(waiting)


def _remember(credential: int, login: FoundLogin) -> None:
    ImportedLogin.objects.get_or_create(credential_id=credential, fingerprint=login.origin)
