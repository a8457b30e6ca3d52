"""The pool's memory in the database: writes down what web processes have learned, what checks found and what admins wish.

Synchronous ORM code, for the background loop, for tasks and for the admin; requests never come here. It alone writes
`KeyHealth`, and (by `states.py`) the state columns of `Credential`. Reading it back is `loading.py`.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import DataError, IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from credentials import chronicle, loading
from credentials.blame import AT_ONCE
from credentials.health import EFFECTS, SCOPES, Outcome, Reason, RestRules, State, rest_until, suspected_until
from credentials.learning import AlertChange, Change, Learned, LearnedLimit, Tally
from credentials.loading import group_of
from credentials.models import Alert, Cause, Credential, KeyHealth, PoolVersion, ProjectSource, QuotaLimit
from credentials.rests import FOREVER, Place, Rest
from credentials.states import derive_states

FORGOTTEN_AFTER = timedelta(minutes=10)
"""How long an ended rest is remembered: its strikes count when the trouble comes straight back, and others learn of its end."""
CLAIM_LASTS = timedelta(minutes=2)
UNMET_AFTER = timedelta(minutes=15)

_SHARED = [reason for reason, scope in SCOPES.items() if scope.is_shared]
"""The reasons of rests that all credentials of a project have in common."""
_DEADLY = [effect.reason for effect in EFFECTS.values() if effect.state is State.INVALID]
_MOST_STRIKES = 32_767
"""As many as the column counts."""
_UNWRITABLE = (DataError, IntegrityError, ValueError, OverflowError)
"""What the database, or the way to it, says of values that it will never take."""

log = structlog.get_logger("castor.pool")


def save(learned: Learned) -> None:
    """Write down what a web process has learned; what has been written is taken out of `learned`."""
    if learned.is_urgent:
        try:
            _save_what_matters(learned)
        except _UNWRITABLE:
            _save_one_by_one(learned)
        learned.forget_urgent()
    if learned.tallies:
        _save_tallies(learned.tallies)


def _save_one_by_one(learned: Learned) -> None:
    """What can never be written must not be tried again for ever: nothing else would be learned any more."""
    for piece in learned.pieces():
        try:
            _save_what_matters(piece)
        except _UNWRITABLE as error:
            log.error("Something learned can never be written; it is forgotten.", cause=str(error))


@transaction.atomic
def _save_tallies(tallies: Mapping[int, Tally]) -> None:
    PoolVersion.lock()  # Other processes add to the same counts.
    chronicle.write_tallies(tallies)


@transaction.atomic
def _save_what_matters(learned: Learned) -> None:
    PoolVersion.lock()
    if learned.changes:
        _save_changes(learned.changes)
    for credential_id, project in learned.projects.items():  # Afterwards: its rests become those of the project.
        set_project([credential_id], project, ProjectSource.LEARNED)
    if learned.limits:
        _save_limits(learned.limits.values())
    chronicle.keep_unknown(learned.unknown)
    chronicle.note_alerts(learned.alerts)


def _save_changes(changes: Iterable[Change]) -> None:
    """Of several changes at one place the last one counts."""
    at = now()
    version = PoolVersion.bump_rests()
    latest = {change.place: change for change in changes}.values()
    # What was learned about a credential that has been deleted meanwhile can belong to no row.
    known = set(Credential.objects.filter(pk__in={change.credential_id for change in latest}).values_list("pk", flat=True))
    touched: set[int] = set()
    for change in latest:
        if change.credential_id not in known:
            continue
        touched.add(change.credential_id)
        if change.rest is None:
            _end(_at(change.place), version, at=at, cause=Cause.REQUEST)
        elif change.rest.until is not None:
            _begin(change.place, change.rest, version, cause=Cause.REQUEST, found_by=change.credential_id)
    derive_states(touched, at=at)


@transaction.atomic
def record_check(
    credential_id: int, outcome: Outcome, *, detail: str = "", asked_for: float | None = None, model: str = ""
) -> None:
    """Write down what a check of one credential found; `model`: the one that it was asked for.

    SERVED revives an INVALID credential and what is INVALID of its project; other rests stay as they are.
    """
    PoolVersion.lock()
    at = now()
    credential = Credential.objects.defer("secret").filter(pk=credential_id).first()
    if credential is None:
        return
    Credential.objects.filter(pk=credential_id).update(checked_at=at)
    effect = EFFECTS[outcome]
    if outcome is Outcome.SERVED:
        found = KeyHealth.objects.at_group(credential).filter(model="", reason__in=_DEADLY)
        if not found.exists():
            return
        _end(found, PoolVersion.bump_rests(), at=at, cause=Cause.CHECK)
    elif effect.reason is None or effect.soft or (effect.scope.is_of_one_model and not model):
        return
    else:
        who = group_of(credential.project, credential_id) if effect.scope.is_shared else f"key:{credential_id}"
        place = who, model if effect.scope.is_of_one_model else ""
        until = rest_until(outcome, at=at.timestamp(), strikes=1, asked_for=asked_for, rules=_rules())
        rest = Rest(effect.state, effect.reason, FOREVER if until is None else until, at.timestamp(), 1, detail)
        if effect.guarded and _is_everywhere(credential, rest, place, at=at):
            rest = _suspicion(rest, _at(place).first(), at=at)
            message = (
                f"Checks find half of the credentials or more alike, so the fault may not be theirs. The upstream says: {detail}"
            )
            chronicle.note_alerts([AlertChange(place[1], at.timestamp(), outcome, message)])
        if _is_known(place, rest):
            return  # Most checks find what was known: ten thousand of them must not stir up every process as often.
        _begin(place, rest, PoolVersion.bump_rests(), cause=Cause.CHECK, found_by=credential_id)
    derive_states([credential_id], at=at)


@transaction.atomic
def return_to_service(
    credentials: Iterable[Credential], *, models: Collection[str] | None = None, reasons: Collection[Reason] | None = None
) -> int:
    """Forget what is wrong with these credentials and their projects, at all or with these models, or for these reasons, only.

    Returns how many credentials had something.
    """
    PoolVersion.lock()
    at = now()
    ids = [credential.pk for credential in credentials]
    projects = set(Credential.objects.filter(pk__in=ids).exclude(project="").values_list("project", flat=True))
    wrong = KeyHealth.objects.standing().filter(Q(credential_id__in=ids) | Q(project__in=projects))
    if models is not None:
        wrong = wrong.filter(model__in=models)
    if reasons is not None:
        wrong = wrong.filter(reason__in=reasons)
    troubled = Q(health__in=wrong) | Q(project__in=wrong.exclude(project="").values("project"))
    revived = Credential.objects.filter(troubled, pk__in=ids).distinct().count()
    _end(wrong, PoolVersion.bump_rests(), at=at, cause=Cause.ADMIN)
    derive_states(ids, at=at, projects=projects)
    return revived


@transaction.atomic
def set_project(credential_ids: Collection[int], project: str, source: ProjectSource) -> int:
    """Say which Google project these credentials belong to; what Google says does not change what an admin has typed.

    Their quota rests become those of the project. Returns how many credentials changed.
    """
    PoolVersion.lock()
    chosen = Credential.objects.filter(pk__in=credential_ids).exclude(project=project, project_source=source if project else "")
    if source == ProjectSource.LEARNED:
        chosen = chosen.exclude(project_source=ProjectSource.TYPED)
    ids = list(chosen.values_list("pk", flat=True))
    Credential.objects.filter(pk__in=ids).update(project=project, project_source=source if project else "")
    if ids:
        at = now()
        if project:
            _share(KeyHealth.objects.standing().filter(credential_id__in=ids, reason__in=_SHARED), project, at)
        derive_states(ids, at=at)
        PoolVersion.bump()
    return len(ids)


@transaction.atomic
def forget_ended_rests(*, at: datetime) -> int:
    """Tidy up after rests that ended by themselves; returns how many were forgotten."""
    PoolVersion.lock()
    ended = KeyHealth.objects.standing().filter(until__lt=at)
    ids = set(ended.exclude(credential=None).values_list("credential_id", flat=True))
    projects = set(ended.exclude(project="").values_list("project", flat=True))
    derive_states(ids, at=at, projects=projects)
    long_ended = list(ended.filter(until__lt=at - FORGOTTEN_AFTER))
    if long_ended:
        over = KeyHealth.objects.filter(pk__in=[rest.pk for rest in long_ended])
        chronicle.note_returns(long_ended, cause=Cause.TIME, at=at)
        over.update(state=State.AVAILABLE, reason="", until=at, version=PoolVersion.bump_rests())
    KeyHealth.objects.filter(reason="", until__lt=at - FORGOTTEN_AFTER).delete()
    _end_alerts_of_nobody(at)
    return len(long_ended)


def _is_everywhere(credential: Credential, rest: Rest, place: Place, *, at: datetime) -> bool:
    """Whether half of the pool has come to the same end at about the same time: as `blame.py` asks, of what checks find.

    A credential that never listed a model has never been well, so nothing has befallen it.
    """
    if credential.models_listed_at is None:
        return False
    lately = at - timedelta(seconds=AT_ONCE)
    peers = Credential.objects.enabled().filter(
        server=credential.server_id
    )  # What befalls another server's keys is another matter.
    rests = KeyHealth.objects.filter(reason=rest.reason, model=place[1], credential__server=credential.server_id)
    struck = rests.filter(since__gte=lately).exclude(**_columns(place)).count()
    dead_for_long = peers.filter(health__state=State.INVALID, health__since__lt=lately).distinct().count()
    return struck + 1 > max(1, (peers.count() - dead_for_long) // 2)


def _suspicion(rest: Rest, before: KeyHealth | None, *, at: datetime) -> Rest:
    """A short rest in place of an end, unless this is found once too often."""
    again = before is not None and before.reason == rest.reason
    if before is not None and again and before.until is None:
        return rest  # It was dead before all this.
    strikes = before.strikes + (before.until is not None and before.until <= at) if before is not None and again else 1
    until = suspected_until(at=at.timestamp(), strikes=strikes, rules=_rules())
    if until is None:
        return rest
    return Rest(State.RATE_LIMITED, rest.reason, until, rest.since, strikes, rest.detail)


def _rules() -> RestRules:
    return RestRules(cooldown=settings.COOLDOWN_SECONDS, failures=settings.CONSECUTIVE_FAILURES)


def claim_probes(places: Iterable[Place], *, at: datetime) -> tuple[list[Place], list[Place]]:
    """Take the right to find out whether these rests are over; returns (granted, refused: another process has it)."""
    granted: list[Place] = []
    refused: list[Place] = []
    free = Q(probe_until=None) | Q(probe_until__lt=at)
    for place in places:
        # One row updated means that nobody else got there between our read and our write.
        over = _at(place).filter(free, until__lte=at)
        (granted if over.update(probe_until=at + CLAIM_LASTS) else refused).append(place)
    return granted, refused


def _at(place: Place) -> QuerySet[KeyHealth]:
    return KeyHealth.objects.filter(**_columns(place))


def _columns(place: Place) -> dict[str, Any]:
    who, model = place
    kind, _, value = who.partition(":")
    if kind == "project":
        return {"credential": None, "project": value, "model": model}
    return {"credential_id": int(value), "project": "", "model": model}


def _begin(place: Place, rest: Rest, version: int, *, cause: Cause, found_by: int) -> None:
    before = _at(place).first()
    if before is not None and _outlasts(before, rest):
        return
    row, _ = KeyHealth.objects.update_or_create(
        **_columns(place),
        defaults={
            "state": rest.state,
            "reason": rest.reason,
            "detail": rest.detail,
            "since": _kept_since(before, rest),
            "until": _moment(rest.until),
            "strikes": min(rest.strikes, _MOST_STRIKES),
            "version": version,
            "probe_until": None,
        },
    )
    if before is None or before.reason != rest.reason or before.strikes != rest.strikes:
        chronicle.note_change(row, cause=cause, at=now(), credential_id=found_by)


def _outlasts(known: KeyHealth, rest: Rest) -> bool:
    """Whether what stands there already, another process having written it meanwhile, is the longer or the graver trouble."""
    standing = loading.rest_of(known)
    if standing is None or not standing.is_in_force(now().timestamp()):
        return False
    if standing.is_soft != rest.is_soft:
        return rest.is_soft
    return (standing.until or 0.0) > (rest.until or 0.0)


def _kept_since(before: KeyHealth | None, rest: Rest) -> datetime:
    """The dead have been so since the first time that it was found."""
    began = datetime.fromtimestamp(rest.since, UTC)
    return before.since if before is not None and before.reason == rest.reason and rest.state is State.INVALID else began


def _is_known(place: Place, rest: Rest) -> bool:
    return rest.until == FOREVER and _at(place).filter(reason=rest.reason, state=rest.state, detail=rest.detail).exists()


def _end(rests: QuerySet[KeyHealth], version: int, *, at: datetime, cause: Cause) -> None:
    ending = [rest for rest in rests if rest.reason]
    chronicle.note_returns(ending, cause=cause, at=at)
    KeyHealth.objects.filter(pk__in=[rest.pk for rest in ending]).update(
        state=State.AVAILABLE, reason="", detail="", until=at, strikes=0, version=version, probe_until=None
    )


def _share(rests: QuerySet[KeyHealth], project: str, at: datetime) -> None:
    """Make the rests of a credential those of its project, as far as that does not rest longer already."""
    version = PoolVersion.bump_rests()
    for rest in rests:
        place = f"project:{project}", rest.model
        standing = _at(place).exclude(reason="").first()
        if standing is None or (standing.until is not None and (rest.until is None or standing.until < rest.until)):
            until = rest.until.timestamp() if rest.until else FOREVER
            shared = Rest(State(rest.state), Reason(rest.reason), until, rest.since.timestamp(), rest.strikes, rest.detail)
            _begin(place, shared, version, cause=Cause.REQUEST, found_by=rest.credential_id or 0)
    KeyHealth.objects.filter(pk__in=[rest.pk for rest in rests]).update(
        state=State.AVAILABLE, reason="", detail="", until=at, strikes=0, version=version
    )


def _save_limits(limits: Iterable[LearnedLimit]) -> None:
    changed = False
    for limit in limits:
        field, place = _field_of(limit.quota), _place_of(limit)
        if not field or place is None:
            continue
        row, is_new = QuotaLimit.objects.get_or_create(
            **place, model=limit.model, source=ProjectSource.LEARNED, defaults={field: limit.value}
        )
        if is_new or getattr(row, field) != limit.value:
            setattr(row, field, limit.value)
            row.save()
            changed = True
    if changed:
        PoolVersion.bump()


def _place_of(limit: LearnedLimit) -> dict[str, Any] | None:
    """Whom it concerns, as columns: the project, if by now it is known. None: a credential that is gone."""
    kind, _, value = limit.group.partition(":")
    if kind == "key":
        project = Credential.objects.filter(pk=int(value)).values_list("project", flat=True).first()
        if not project:
            return None if project is None else {"project": "", "credential_id": int(value)}
        value = project
    return {"project": value, "credential": None}


def _field_of(quota: str) -> str:
    """Which of our limits Google's quota is; empty: none of them."""
    if "InputTokens" in quota:
        return "tpm" if "PerMinute" in quota else ""
    if "Requests" not in quota:
        return ""
    return "rpd" if "PerDay" in quota else "rpm" if "PerMinute" in quota else ""


def _end_alerts_of_nobody(at: datetime) -> None:
    """Where nobody is suspected to be dead any more, or where a fault has not been met for long."""
    chronicle.end_alerts(Alert.objects.filter(met_at__lt=at - UNMET_AFTER, cause__in=chronicle.PASSING), at=at)
    for alert in Alert.objects.filter(ended_at=None):
        effect = EFFECTS[Outcome(alert.cause)]
        if effect.reason is None or effect.soft:
            continue
        suspected = KeyHealth.objects.filter(reason=effect.reason, state=State.RATE_LIMITED, until__gt=at)
        if not suspected.exists():
            chronicle.end_alerts(Alert.objects.filter(pk=alert.pk), at=at)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None or seconds == FOREVER else datetime.fromtimestamp(seconds, UTC)
