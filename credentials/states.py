"""The state that lists and filters show, derived from what is wrong with a credential and with its project."""

from collections.abc import Iterable
from datetime import UTC, datetime

from django.db.models import Q

from credentials.health import State
from credentials.models import Credential, KeyHealth, PoolVersion

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
    concerned = Credential.objects.filter(Q(pk__in=ids) | Q(project__in=projects)).defer("secret")
    changed = [
        credential
        for credential in concerned.prefetch_related("health", "served_models")
        if _derive(credential, [*credential.health.all(), *shared.get(credential.project, ())], at)
    ]
    Credential.objects.bulk_update(changed, _COLUMNS, batch_size=200)
    return len(changed)


def _derive(credential: Credential, rests: Iterable[KeyHealth], at: datetime) -> bool:
    wrong = [rest for rest in rests if rest.reason and (rest.until is None or rest.until > at)]
    worst = min((rest for rest in wrong if not rest.model), key=_severity, default=None)
    if worst is None and _all_rest(credential, wrong):
        worst = min(wrong, key=lambda rest: rest.until or datetime.max.replace(tzinfo=UTC))
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


def _all_rest(credential: Credential, wrong: list[KeyHealth]) -> bool:
    """Whether nothing that the credential serves is free."""
    serves = {model.name for model in credential.served_models.all() if "generateContent" in model.methods}
    return bool(serves) and serves <= {rest.model for rest in wrong}
