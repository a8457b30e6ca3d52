"""What `pool_status --model` prints: who would be asked for a model, in order, and why each other credential is skipped."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from django.utils.timezone import now
from msgspec import Struct

from credentials.explain import Candidate, explain, snapshot
from credentials.health import Reason
from credentials.management.table import format_table
from credentials.models import Credential, Kind
from credentials.roster import Entry
from credentials.status import describe_return

MOST_ROWS = 50
"""Of those that are asked, and of those that are skipped; the rest is counted."""


class Explained(Struct, frozen=True):
    asked_for: str
    model: str
    """The one that answers to that name."""
    is_listed: bool
    """Whether any credential's listing names it."""
    is_any_listed: bool
    """Whether any credential has been listed at all."""
    asked: Sequence[Candidate]
    skipped: Sequence[Candidate]
    disabled: int
    at: datetime


def explain_model(asked_for: str) -> Explained:
    pool, at = snapshot(), now()
    found = explain(pool, asked_for, at=at.timestamp())
    model = pool.roster.resolve(asked_for)
    return Explained(
        asked_for=asked_for,
        model=model,
        is_listed=model in pool.roster.models,
        is_any_listed=bool(pool.roster.models),
        asked=[candidate for candidate in found if candidate.rank],
        skipped=[candidate for candidate in found if not candidate.rank],
        disabled=Credential.objects.filter(enabled=False).count(),
        at=at,
    )


def as_text(explained: Explained, *, most: int | None) -> str:
    """`most`: rows of each table; None: all."""
    return "\n".join([*_introduction(explained), *_asked(explained, most), *_skipped(explained, most)])


def as_json(explained: Explained, *, most: int | None) -> str:
    """For programs; times in ISO 8601."""
    shown = [*explained.asked[:most], *explained.skipped[:most]]
    counts = Counter(candidate.why for candidate in explained.skipped)
    return json.dumps(
        {
            "asked_for": explained.asked_for,
            "model": explained.model,
            "listed": explained.is_listed,
            "would_be_asked": len(explained.asked),
            "skipped": len(explained.skipped),
            "disabled": explained.disabled,
            "reasons": dict(counts.most_common()),
            "candidates": [_for_programs(candidate) for candidate in shown],
        },
        indent=2,
    )


def _introduction(explained: Explained) -> Iterable[str]:
    if explained.model != explained.asked_for:
        yield f"{explained.asked_for} is answered by {explained.model}."
    if explained.is_listed:
        return
    if not explained.is_any_listed:
        yield "No credential has been listed yet, so nobody knows which of them serve the model: all may be asked."
    else:
        yield (
            f"{explained.model} is unknown: no credential lists it, and no alias leads to it. Only if its name is one that "
            "Google may have given would it be asked for, of anybody, in this order."
        )


def _asked(explained: Explained, most: int | None) -> Iterable[str]:
    asked = explained.asked
    if not asked:
        yield "Nobody would be asked: the request would be refused at once."
        return
    yield f"{len(asked)} would be asked, in this order:"
    rows = [[one.rank, *_named(one), one.entry.priority, one.entry.weight, _remark(one) or "-"] for one in asked[:most]]
    yield format_table(("turn", "id", "credential", "kind", "quota", "priority", "weight", "remark"), rows)
    if more := len(asked) - len(rows):
        yield f"… and {more} more."


def _skipped(explained: Explained, most: int | None) -> Iterable[str]:
    skipped = explained.skipped
    if explained.disabled:
        yield f"{explained.disabled} disabled."
    if not skipped:
        return
    reasons = ", ".join(f"{number} × {why}" for why, number in Counter(one.why for one in skipped).most_common())
    yield f"{len(skipped)} would be skipped: {reasons}."
    rows = [[*_named(one), one.why, _returns(one, explained.at) or "-"] for one in skipped[:most]]
    yield format_table(("id", "credential", "kind", "quota", "why", "until"), rows)
    if more := len(skipped) - len(rows):
        yield f"… and {more} more. With --all each one is shown."


def _named(candidate: Candidate) -> list[object]:
    entry = candidate.entry
    return [entry.id, entry.label, _kind(entry), _project(candidate) or "its own"]


def _kind(entry: Entry) -> str:
    """In the roster the keys of each server are of a kind of their own."""
    return Kind.OPENAI_COMPATIBLE.value if entry.server else entry.kind


def _project(candidate: Candidate) -> str:
    kind, _, name = candidate.entry.group.partition(":")
    return name if kind == "project" else ""


def _remark(candidate: Candidate) -> str:
    return f"only if nobody else can: {candidate.why}" if candidate.last_resort else candidate.why


def _returns(candidate: Candidate, at: datetime) -> str:
    return describe_return(_moment(candidate), day_quota=candidate.why == Reason.DAY_QUOTA.label, at=at)


def _moment(candidate: Candidate) -> datetime | None:
    return datetime.fromtimestamp(candidate.until, UTC) if candidate.until is not None else None


def _for_programs(candidate: Candidate) -> dict[str, object]:
    entry, until = candidate.entry, _moment(candidate)
    return {
        "turn": candidate.rank or None,
        "id": entry.id,
        "credential": entry.label,
        "kind": _kind(entry),
        "project": _project(candidate),
        "priority": entry.priority,
        "weight": entry.weight,
        "last_resort": candidate.last_resort,
        "why": candidate.why,
        "until": until.isoformat() if until else None,
    }
