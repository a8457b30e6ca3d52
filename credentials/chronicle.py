"""What is written down for people to read: the history of each credential, its last outcomes, unknown errors and alerts."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from hashlib import sha256

import structlog
from django.db.models import F, QuerySet

from credentials.health import EFFECTS, Outcome, State
from credentials.learning import MOST_LETTERS, AlertChange, Tally, Unknown
from credentials.models import Alert, Cause, Credential, KeyHealth, StateChange, UnknownError

MOST_UNKNOWN = 200
"""As many kinds of unknown error are kept; the one that was seen longest ago makes way."""

PASSING = [Outcome.GATEWAY_REFUSED.value, *(outcome.value for outcome, effect in EFFECTS.items() if effect.soft)]

log = structlog.get_logger("castor.pool")


def note_change(rest: KeyHealth, *, cause: Cause, at: datetime, credential_id: int | None = None) -> None:
    """One line of history: `rest` as it stands now. `credential_id`: who found out, where a project is concerned."""
    StateChange.objects.create(
        at=at,
        credential_id=rest.credential_id or credential_id,
        project=rest.project,
        model=rest.model,
        state=rest.state,
        reason=rest.reason,
        until=rest.until if rest.reason else None,
        cause=cause,
        detail=rest.detail,
    )


def note_returns(rests: Iterable[KeyHealth], *, cause: Cause, at: datetime) -> None:
    lines = (
        StateChange(
            at=at,
            credential_id=rest.credential_id,
            project=rest.project,
            model=rest.model,
            state=State.AVAILABLE,
            cause=cause,
        )
        for rest in rests
    )
    StateChange.objects.bulk_create(lines, batch_size=200)


def write_tallies(tallies: Mapping[int, Tally]) -> None:
    rows = Credential.objects.only("recent", "failures", "last_error", "last_error_at").in_bulk(list(tallies))
    for credential_id, row in rows.items():
        tally = tallies[credential_id]
        row.recent = (row.recent + tally.letters)[-MOST_LETTERS:]
        row.failures = tally.failures if tally.answered else row.failures + tally.failures
        if tally.last_error is not None:
            row.last_error, row.last_error_at = tally.last_error.value, _moment(tally.last_error_at)
    Credential.objects.bulk_update(rows.values(), ["recent", "failures", "last_error", "last_error_at"], batch_size=200)


def keep_unknown(errors: Iterable[Unknown]) -> None:
    for error in errors:
        digest = sha256(f"{error.status} {error.body}".encode()).hexdigest()
        seen = {"credential_id": _existing(error.credential_id), "model": error.model[:100], "last_at": _moment(error.at)}
        known = UnknownError.objects.filter(digest=digest).update(count=F("count") + 1, **seen)
        if not known:
            first = {"status": error.status, "body": error.body, "first_at": _moment(error.at)}
            UnknownError.objects.create(digest=digest, **first, **seen)
    spare = UnknownError.objects.order_by("-last_at").values_list("pk", flat=True)[MOST_UNKNOWN:]
    UnknownError.objects.filter(pk__in=list(spare)).delete()


def note_alerts(changes: Iterable[AlertChange]) -> None:
    """One row an incident, whichever process notices it first; the log says it once as well."""
    for change in changes:
        if change.cause is None:
            end_alerts(Alert.objects.filter(model=change.model, cause__in=PASSING), at=_moment(change.at))
            continue
        is_new = Alert.objects.update_or_create(
            cause=change.cause.value,
            model=change.model,
            ended_at=None,
            defaults={"met_at": _moment(change.at)},
            create_defaults={"message": change.message, "began_at": _moment(change.at), "met_at": _moment(change.at)},
        )[1]
        if is_new:
            log.error(change.message, cause=change.cause.value, model=change.model)


def end_alerts(alerts: QuerySet[Alert], *, at: datetime) -> None:
    if ended := alerts.filter(ended_at=None).update(ended_at=at):
        log.warning("A shared fault is over.", alerts=ended)


def _existing(credential_id: int) -> int | None:
    return Credential.objects.filter(pk=credential_id).values_list("pk", flat=True).first()


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
