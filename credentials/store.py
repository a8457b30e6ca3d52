"""The pool's memory in the database: loads the roster and its rests, writes down what the pool has learned.

Synchronous ORM code, for the background loop, for tasks and for the admin; requests never come here. It alone writes
`KeyHealth` and the state columns of `Credential` that are derived from it.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils.timezone import now

from credentials.crypto import decrypt
from credentials.health import EFFECTS, SCOPES, Outcome, Reason, Scope, State, rest_until
from credentials.models import ClientToken, Credential, KeyHealth, ModelAlias, PoolVersion, ServedModel
from credentials.pool import FOREVER, Change, Place, Rest
from credentials.roster import Entry, ModelCard, Roster, TokenEntry

FORGOTTEN_AFTER = timedelta(minutes=10)
"""How long an ended rest is remembered, so that its strikes count when the trouble comes straight back."""

_OF_GROUPS = [reason for reason, scope in SCOPES.items() if scope is Scope.GROUP_AND_MODEL]
"""The reasons of rests that all credentials of a project share."""

_MOST_STRIKES = 32_767
"""As many as the column counts."""

_decrypted = lru_cache(maxsize=50_000)(decrypt)


def load_roster(shipped: Mapping[str, ModelCard]) -> Roster:
    """Read the whole pool. `shipped` is the list of models to go by until some credential has been listed."""
    version = PoolVersion.current()  # Read first: what changes during the load is loaded again.
    listed = _listed_models()
    exact, patterns = _aliases()
    return Roster(
        version=version,
        entries=tuple(_entry(row, listed.get(row["id"])) for row in _credential_rows()),
        tokens={token.digest: token for token in map(_token_entry, ClientToken.objects.select_related("owner"))},
        aliases=exact,
        alias_patterns=patterns,
        models=_model_cards() or dict(shipped),
    )


def load_rests() -> dict[Place, Rest]:
    rows = KeyHealth.objects.filter(credential__enabled=True).select_related("credential").order_by("until")
    return {_place_of(row): _rest_of(row) for row in rows}


@transaction.atomic
def save_changes(changes: Iterable[Change]) -> None:
    """Write what the pool has learned; of several changes at one place the last one counts."""
    touched: set[int] = set()
    latest = {change.place: change for change in changes}.values()
    # What was learned about a credential that has been deleted meanwhile can belong to no row.
    known = set(Credential.objects.filter(pk__in={change.credential_id for change in latest}).values_list("pk", flat=True))
    for change in latest:
        if change.rest is None:
            touched |= _forget(change.place)
        elif change.rest.until is not None and change.credential_id in known:
            _write_rest(change.credential_id, change.place[1], change.rest)
            touched.add(change.credential_id)
    if touched:
        derive_states(touched, at=now())
        PoolVersion.bump()


@transaction.atomic
def record_check(credential_id: int, outcome: Outcome, *, detail: str = "", asked_for: float | None = None) -> None:
    """Write down what a check of one credential found. SERVED revives an INVALID one; its other rests stay as they are."""
    at = now()
    Credential.objects.filter(pk=credential_id).update(checked_at=at)
    effect = EFFECTS[outcome]
    revived = 0
    if outcome is Outcome.SERVED:
        revived, _ = KeyHealth.objects.filter(credential_id=credential_id, model="", state=State.INVALID).delete()
    elif effect.scope is Scope.CREDENTIAL and effect.reason is not None:
        until = rest_until(outcome, at=at.timestamp(), strikes=1, asked_for=asked_for)
        known = KeyHealth.objects.filter(credential_id=credential_id, model="", reason=effect.reason).first()
        since = known.since if known else at
        rest = Rest(effect.state, effect.reason, FOREVER if until is None else until, since.timestamp(), 1, detail)
        _write_rest(credential_id, "", rest)
    if derive_states([credential_id], at=at) or revived:
        PoolVersion.bump()  # Most checks find what was known: ten thousand of them must not reload every roster as often.


@transaction.atomic
def return_to_service(credentials: Iterable[Credential]) -> int:
    """Forget everything that is wrong with these credentials; returns how many of them had something."""
    ids = [credential.pk for credential in credentials]
    troubled = KeyHealth.objects.filter(credential_id__in=ids)
    revived = troubled.values("credential_id").distinct().count()
    troubled.delete()
    derive_states(ids, at=now())
    PoolVersion.bump()
    return revived


@transaction.atomic
def forget_ended_rests(*, at: datetime) -> int:
    """Tidy up after rests that ended by themselves; returns how many were forgotten."""
    ended = KeyHealth.objects.filter(until__lt=at)
    ids = set(ended.values_list("credential_id", flat=True))
    forgotten, _ = ended.filter(until__lt=at - FORGOTTEN_AFTER).delete()
    if derive_states(ids, at=at) or forgotten:
        PoolVersion.bump()
    return forgotten


def derive_states(ids: Iterable[int], *, at: datetime) -> int:
    """Set the state that lists and filters show, from what is wrong now; returns how many credentials changed.

    Those of the same project are looked at as well: they share its rests.
    """
    projects = set(Credential.objects.filter(pk__in=list(ids)).exclude(project="").values_list("project", flat=True))
    concerned = Credential.objects.filter(Q(pk__in=list(ids)) | Q(project__in=projects))
    shared = _rests_by_project(projects)
    changed = [
        credential
        for credential in concerned.prefetch_related("health", "served_models")
        if _derive(credential, [*credential.health.all(), *shared.get(credential.project, ())], at)
    ]
    Credential.objects.bulk_update(changed, ["state", "reason", "detail", "until"], batch_size=200)
    return len(changed)


def _rests_by_project(projects: Iterable[str]) -> dict[str, list[KeyHealth]]:
    rests: dict[str, list[KeyHealth]] = {}
    rows = KeyHealth.objects.filter(credential__project__in=projects, reason__in=_OF_GROUPS).select_related("credential")
    for row in rows:
        rests.setdefault(row.credential.project, []).append(row)
    return rests


def _derive(credential: Credential, rows: Iterable[KeyHealth], at: datetime) -> bool:
    wrong = [row for row in rows if row.until is None or row.until > at]
    worst = min((row for row in wrong if not row.model), key=lambda row: row.state != State.INVALID, default=None)
    if worst is None and _all_rest(credential, wrong):
        worst = min(wrong, key=lambda row: row.until or datetime.max.replace(tzinfo=UTC))
    before = (credential.state, credential.reason, credential.detail, credential.until)
    credential.state, credential.reason, credential.detail, credential.until = (
        (worst.state, worst.reason, worst.detail, worst.until) if worst else (State.AVAILABLE, "", "", None)
    )
    return before != (credential.state, credential.reason, credential.detail, credential.until)


def _all_rest(credential: Credential, wrong: list[KeyHealth]) -> bool:
    """Whether nothing that the credential serves is free."""
    serves = {model.name for model in credential.served_models.all() if "generateContent" in model.methods}
    return bool(serves) and serves <= {row.model for row in wrong}


def _write_rest(credential_id: int, model: str, rest: Rest) -> None:
    KeyHealth.objects.update_or_create(
        credential_id=credential_id,
        model=model,
        defaults={
            "state": rest.state,
            "reason": rest.reason,
            "detail": rest.detail,
            "since": datetime.fromtimestamp(rest.since, UTC),
            "until": _moment(rest.until),
            "strikes": min(rest.strikes, _MOST_STRIKES),
        },
    )


def _forget(place: Place) -> set[int]:
    """Delete the rests at one place; returns the credentials that they belonged to."""
    name, model = place
    kind, _, value = name.partition(":")
    belongs = Q(credential__project=value) if kind == "project" else Q(credential_id=int(value))
    rows = KeyHealth.objects.filter(belongs, model=model)
    if kind == "project":
        rows = rows.filter(reason__in=_OF_GROUPS)
    touched = set(rows.values_list("credential_id", flat=True))
    rows.delete()
    return touched


def _credential_rows() -> Iterable[dict[str, Any]]:
    # Not through the model: decrypting is what costs, and only secrets that have changed need it.
    fields = ("id", "kind", "label", "masked", "project", "priority", "weight", "max_concurrent")
    rows = Credential.objects.enabled().order_by("-priority", "id").annotate(sealed=Cast("secret", TextField()))
    return rows.values(*fields, "sealed").iterator(chunk_size=2_000)


def _entry(row: dict[str, Any], models: frozenset[str] | None) -> Entry:
    return Entry(
        id=row["id"],
        kind=row["kind"],
        label=row["label"] or row["masked"],
        secret=_decrypted(row["sealed"]),
        group=_group(row["project"], row["id"]),
        priority=row["priority"],
        weight=max(row["weight"], 1),
        max_concurrent=row["max_concurrent"] or settings.MAX_CONCURRENT,
        models=models,
    )


def _token_entry(token: ClientToken) -> TokenEntry:
    return TokenEntry(
        id=token.pk,
        owner_id=token.owner_id,
        digest=token.digest,
        label=token.label,
        prefix=token.prefix,
        allowed=tuple(token.allowed_models),
        expires_at=token.expires_at.timestamp() if token.expires_at else None,
        revoked=token.revoked_at is not None or not token.owner.is_active,
    )


def _aliases() -> tuple[dict[str, str], tuple[tuple[str, str], ...]]:
    pairs = list(ModelAlias.objects.filter(enabled=True).values_list("pattern", "target"))
    patterns = [pair for pair in pairs if "*" in pair[0]]
    # The longer a pattern's fixed text, the more specific it is.
    patterns.sort(key=lambda pair: (-len(pair[0].replace("*", "")), pair[0]))
    return {pattern: target for pattern, target in pairs if "*" not in pattern}, tuple(patterns)


def _listed_models() -> dict[int, frozenset[str]]:
    listed: dict[int, set[str]] = {}
    for credential_id, name in ServedModel.objects.values_list("credential_id", "name").iterator(chunk_size=5_000):
        listed.setdefault(credential_id, set()).add(name)
    return {credential_id: _shared(frozenset(names)) for credential_id, names in listed.items()}


@lru_cache(maxsize=1_000)
def _shared(names: frozenset[str]) -> frozenset[str]:
    """One set for all credentials that list the same: ten thousand keys list the same sixty models."""
    return names


def _model_cards() -> dict[str, ModelCard]:
    """What the enabled credentials list, each model once, by name."""
    rows = ServedModel.objects.filter(credential__enabled=True).exclude(credential__state=State.INVALID)
    cards: dict[str, ModelCard] = {}
    values = rows.values_list("name", "display_name", "input_limit", "output_limit", "methods").distinct().order_by("name")
    for name, display_name, input_limit, output_limit, methods in values:
        cards[name] = ModelCard(name, display_name, input_limit, output_limit, tuple(methods))
    return cards


def _group(project: str, credential_id: int) -> str:
    return f"project:{project}" if project else f"key:{credential_id}"


def _place_of(row: KeyHealth) -> Place:
    if SCOPES[Reason(row.reason)] is Scope.GROUP_AND_MODEL:
        return _group(row.credential.project, row.credential_id), row.model
    return f"key:{row.credential_id}", row.model


def _rest_of(row: KeyHealth) -> Rest:
    until = row.until.timestamp() if row.until else FOREVER
    return Rest(State(row.state), Reason(row.reason), until, row.since.timestamp(), row.strikes, row.detail)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None or seconds == FOREVER else datetime.fromtimestamp(seconds, UTC)
