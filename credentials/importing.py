"""Keys from pasted text and files: read whatever separators they come with, compare with the pool, take in what is new.

Google's keys have no fixed prefix, length or alphabet, so none is asked for. A key is taken to be 8 to 500 visible ASCII
characters (it travels in an HTTP header); whether it works is for a check to find out.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Any

from django.db import transaction
from msgspec import Struct

from credentials.crypto import TOKEN_PREFIX, fingerprint, mask
from credentials.models import ApiKey, Credential, Kind, PoolVersion, ProjectSource
from credentials.signals import MOST_CHECKS, request_check

_SHORTEST, _LONGEST = 8, 500
_SEPARATORS = re.compile(r"""[\s,;|\[\]()<>"'`“”‘’\u200b\ufeff]+""")
_COMMENT = re.compile(r"(^|\s)(#|//).*")
_ASSIGNMENT = re.compile(
    r"^\s*(export\s+)?"
    r"([A-Za-z_]\w*\s*(=(?!\s*(=|$))|:\s)"  # A key may end in equals signs itself …
    r"|[A-Z][A-Z0-9_]*\s*=\s*$)"  # … but NAME= is a variable without a value.
)
_AT_ONCE = 500  # SQLite takes a bounded number of parameters in one statement.


class Candidate(Struct, frozen=True):
    """Something that stood where a key was expected, and where that was: `line 3`, `item 2`."""

    secret: str
    where: str
    label: str = ""
    project: str = ""
    flaw: str = ""
    """Why it cannot be a key; empty: it can."""


class Verdict(StrEnum):
    NEW = "new"
    DUPLICATE = "duplicate"
    MALFORMED = "malformed"


class Finding(Struct, frozen=True):
    verdict: Verdict
    candidate: Candidate
    note: str = ""

    @property
    def masked(self) -> str:
        return mask(self.candidate.secret)


class Report(Struct, frozen=True):
    findings: tuple[Finding, ...]

    def of(self, verdict: Verdict) -> list[Finding]:
        return [finding for finding in self.findings if finding.verdict is verdict]

    @property
    def counts(self) -> dict[str, int]:
        return {verdict.value: len(self.of(verdict)) for verdict in Verdict}


def read_keys(text: str) -> list[Candidate]:
    """Read a JSON list (of keys, or of objects with `key` and perhaps `label` and `project`), or text.

    In text, keys stand between any of white space, commas, semicolons, quotes and brackets; `NAME=` and `NAME:` before
    them and comments (`#`, `//`) are passed over; a line may also be a JSON object.
    """
    stripped = text.strip().lstrip("\ufeff")
    if not stripped.startswith(("[", "{")):
        return list(_read_lines(text))
    try:
        document = json.loads(stripped)
    except RecursionError:
        return [Candidate("", "JSON", flaw="nested too deeply")]
    except json.JSONDecodeError as error:
        return _read_broken_json(stripped, error)
    return [_read_item(item, f"item {number}") for number, item in enumerate(_items(document), 1)]


def examine(candidates: Iterable[Candidate]) -> Report:
    """Say of each candidate whether it is new, there already, or no key at all. Changes nothing."""
    candidates = list(candidates)
    known = _known({fingerprint(candidate.secret) for candidate in candidates if not candidate.flaw})
    seen: dict[str, str] = {}
    return Report(tuple(_judge(candidate, known, seen) for candidate in candidates))


def take_in(report: Report, *, project: str = "", priority: int = 0, check: Callable[[list[int]], object] = request_check) -> int:
    """Add the new keys of a report to the pool, and have `check` see to them; returns how many there are."""
    new = [_api_key(finding.candidate, project, priority) for finding in report.of(Verdict.NEW)]
    if new:
        with transaction.atomic():
            # Another process may be taking in the same keys: each is stored once all the same.
            ApiKey.objects.bulk_create(new, batch_size=_AT_ONCE, ignore_conflicts=True)
            PoolVersion.bump()
        # Only now: a worker may be faster than a transaction, and would find no key to check.
        marks = [key.fingerprint for key in new[:MOST_CHECKS]]
        check(list(ApiKey.objects.filter(fingerprint__in=marks).values_list("pk", flat=True)))
    return len(new)


def _read_lines(text: str) -> Iterator[Candidate]:
    for number, line in enumerate(text.splitlines(), 1):
        where = f"line {number}"
        if line.lstrip().startswith("{"):
            yield _read_json_line(line, where)
        else:
            words = _SEPARATORS.split(_ASSIGNMENT.sub("", _COMMENT.sub("", line)))
            yield from (candidate_of(word, where) for word in words if any(map(str.isalnum, word)))


def _read_json_line(line: str, where: str) -> Candidate:
    try:
        return _read_item(json.loads(line.strip().rstrip(",")), where)
    except (json.JSONDecodeError, RecursionError):
        return Candidate("", where, flaw="not valid JSON")


def _read_broken_json(text: str, error: json.JSONDecodeError) -> list[Candidate]:
    if "{" not in text or all(line.lstrip().startswith("{") for line in text.splitlines() if line.strip()):
        return list(_read_lines(text))  # A list without quotes, or one object a line.
    return [Candidate("", f"line {error.lineno}", flaw=f"not valid JSON: {error.msg}")]


def _items(document: Any) -> list[Any]:
    return document if isinstance(document, list) else [document]


def _read_item(item: Any, where: str) -> Candidate:
    if isinstance(item, str):
        return candidate_of(item.strip(), where)
    if not isinstance(item, dict):
        return Candidate("", where, flaw="neither a key nor an object with a key")
    secret = _text(item, "key", "api_key", "apiKey")
    if not secret:
        return Candidate("", where, flaw="an object without key or api_key")
    return candidate_of(secret, where, label=_text(item, "label", "name"), project=_text(item, "project", "project_id"))


def _text(item: dict[str, Any], *names: str) -> str:
    return next((value.strip() for name in names if isinstance(value := item.get(name), str)), "")


def candidate_of(secret: str, where: str, *, label: str = "", project: str = "") -> Candidate:
    return Candidate(secret, where, label[:100], project[:100], _flaw(secret))


def _flaw(secret: str) -> str:
    if not all("!" <= character <= "~" for character in secret):
        return "has a character that no key can have"
    if len(secret) < _SHORTEST:
        return f"shorter than {_SHORTEST} characters"
    if len(secret) > _LONGEST:
        return f"longer than {_LONGEST} characters"
    if secret.startswith(TOKEN_PREFIX):
        return "a client token of this gateway, not a Gemini key"
    return ""


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
