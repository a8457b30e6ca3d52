"""What was found in text and files, compared with the pool; and what is new, taken in."""

from collections.abc import Callable, Iterable

from django.db import transaction

from credentials.accounts.importing.comparing import Comparison
from credentials.accounts.importing.found import FoundLogin
from credentials.accounts.importing.intake import identify, save_logins
from credentials.accounts.importing.shapes import Found
from credentials.crypto import fingerprint, mask
from credentials.findings import Finding, Report, Verdict
from credentials.keys import Candidate
from credentials.models import ApiKey, Credential, Kind, PoolVersion, ProjectSource
from credentials.signals import MOST_CHECKS, request_check

_AT_ONCE = 500  # SQLite takes a bounded number of parameters in one statement.


def examine(found: Iterable[Found], *, use: str = "", ask_google: bool = False) -> Report:
    """Say of each key and login whether it is new, updates an account, is there already, or is neither. Changes nothing.

    `use` (a `Use`) is what logins are for; empty: what the tool that wrote each used it for. With `ask_google`, Google is
    asked whose the logins are that do not say so, which `take_in` needs to know.
    """
    everything = identify(list(found), use=use) if ask_google else list(found)
    logins = Comparison([item for item in everything if isinstance(item, FoundLogin)], use)
    keys = [item for item in everything if isinstance(item, Candidate)]
    known = _known({fingerprint(key.secret) for key in keys if not key.flaw})
    seen: dict[str, str] = {}
    return Report(tuple(logins.judge(x) if isinstance(x, FoundLogin) else _judge(x, known, seen) for x in everything))


def take_in(
    report: Report,
    *,
    project: str = "",
    priority: int = 0,
    use: str = "",
    terms_accepted_by: str = "",
    check: Callable[[list[int]], object] = request_check,
) -> int:
    """Add what is new to the pool, replace the tokens of known accounts, and have `check` see to all of them; returns how many.

    `project` is that of whatever names none. For Code Assist an account is enabled only where `terms_accepted_by` says who
    has acknowledged Google's terms, or somebody has before; the others are stored disabled, and not checked.
    """
    marks = _add_keys(report, project, priority)
    accounts = save_logins(report, use=use, project=project, priority=priority, terms_accepted_by=terms_accepted_by)
    # Only now: a worker may be faster than a transaction, and would find nothing to check.
    ids = list(ApiKey.objects.filter(fingerprint__in=marks[:MOST_CHECKS]).values_list("pk", flat=True))
    if ids := ids + [account.pk for account in accounts if account.enabled]:
        check(ids)
    return len(marks) + len(accounts)


def _add_keys(report: Report, project: str, priority: int) -> list[str]:
    """Store the new keys; returns their fingerprints."""
    candidates = [finding.candidate for finding in report.of(Verdict.NEW)]
    new = [_api_key(candidate, project, priority) for candidate in candidates if isinstance(candidate, Candidate)]
    if new:
        with transaction.atomic():
            # Another process may be taking in the same keys: each is stored once all the same.
            ApiKey.objects.bulk_create(new, batch_size=_AT_ONCE, ignore_conflicts=True)
            PoolVersion.bump()
    return [key.fingerprint for key in new]


def _known(fingerprints: set[str]) -> dict[str, str]:
    """What those of the fingerprints that the pool has are called there."""
    wanted = sorted(fingerprints)
    known: dict[str, str] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        rows = Credential.objects.filter(fingerprint__in=wanted[start : start + _AT_ONCE])
        known.update({print_: label or masked for print_, label, masked in rows.values_list("fingerprint", "label", "masked")})
    return known


def _judge(candidate: Candidate, known: dict[str, str], seen: dict[str, str]) -> Finding:
    """`seen` remembers, from one candidate to the next, where each key stood first."""
    if candidate.flaw:
        return Finding(Verdict.MALFORMED, candidate, candidate.flaw)
    mark = fingerprint(candidate.secret)
    if mark in known:
        return Finding(Verdict.DUPLICATE, candidate, f"in the pool already as {known[mark]}")
    if mark in seen:
        return Finding(Verdict.DUPLICATE, candidate, f"the same as {seen[mark]}")
    seen[mark] = candidate.where
    return Finding(Verdict.NEW, candidate)


def _api_key(candidate: Candidate, project: str, priority: int) -> ApiKey:
    project = candidate.project or project
    return ApiKey(
        kind=Kind.API_KEY,
        secret=candidate.secret,
        fingerprint=fingerprint(candidate.secret),
        masked=mask(candidate.secret),
        label=candidate.label,
        project=project,
        project_source=ProjectSource.TYPED if project else "",
        priority=priority,
    )
