"""The state that lists and filters show, derived from what is wrong with a credential and with its project."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import Q

from credentials.health import State
from credentials.models import Credential, KeyHealth, PoolVersion, ServedModel

_COLUMNS = ("state", "reason", "detail", "until")


def derive_states(ids: Iterable[int], *, at: datetime, projects: Iterable[str] = ()) -> int:
    """Bring the state of these credentials up to date; returns how many changed.

    Those of the same projects are looked at as well: they share their rests.
    """
    ids = list(ids)
    projects = {*projects, *Credential.objects.filter(pk__in=ids).exclude(project="").values_list("project", flat=True)}
    shared: dict[str, list[KeyHealth]] = {}
    for rest in KeyHealth.objects.standing().filter(project__in=projects).exclude(project=""):
        shared.setdefault(rest.project, []).append(rest)
    concerned = Credential.objects.filter(Q(pk__in=ids) | Q(project__in=projects)).defer("secret").prefetch_related("health")
    wrong = {
        credential: [rest for rest in (*credential.health.all(), *shared.get(credential.project, ())) if _stands(rest, at)]
        for credential in concerned
    }
    serves = _served_by(credential.pk for credential, rests in wrong.items() if rests)
    changed = [credential for credential, rests in wrong.items() if _derive(credential, rests, serves.get(credential.pk, set()))]
    Credential.objects.bulk_update(changed, _COLUMNS, batch_size=200)
    return len(changed)


def _stands(rest: KeyHealth, at: datetime) -> bool:
    return bool(rest.reason) and (rest.until is None or rest.until > at)


def _served_by(ids: Iterable[int]) -> dict[int, set[str]]:
    """The models that each lists and that can be asked."""
    served: dict[int, set[str]] = {}
    for row in ServedModel.objects.filter(credential__in=list(ids)).iterator(chunk_size=2_000):
        if not row.methods or "generateContent" in row.methods:  # Servers of OpenAI's dialect do not tell what a model can do.
            served.setdefault(row.credential_id, set()).add(row.name)
    return served


def _derive(credential: Credential, wrong: list[KeyHealth], serves: set[str]) -> bool:
    worst = min((rest for rest in wrong if not rest.model), key=_severity, default=None)
    if worst is None and serves and serves <= {rest.model for rest in wrong}:
        worst = min(wrong, key=lambda rest: rest.until or datetime.max.replace(tzinfo=UTC))  # Nothing that it serves is free.
    before = tuple(getattr(credential, column) for column in _COLUMNS)
    now = (worst.state, worst.reason, worst.detail, worst.until) if worst else (State.AVAILABLE, "", "", None)
    if (before[0] == State.INVALID) != (now[0] == State.INVALID):
        PoolVersion.bump()  # What a dead credential lists is not offered.
    for column, value in zip(_COLUMNS, now, strict=True):
        setattr(credential, column, value)
    return before != now


def _severity(rest: KeyHealth) -> tuple[bool, float]:
    """The dead first, then what lasts longest."""
    return rest.state != State.INVALID, -(rest.until.timestamp() if rest.until else 0.0)
