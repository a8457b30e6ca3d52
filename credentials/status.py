"""A credential's state as a person reads it: on admin pages and in the terminal."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Count, Q
from django.utils.timezone import localtime
from msgspec import Struct

from credentials.health import PACIFIC, Reason, State
from credentials.models import Credential, KeyHealth

DISABLED = "disabled"
SHOWN = {**dict(State.choices), DISABLED: "Disabled"}


class Status(Struct, frozen=True):
    """`state` is one of SHOWN; `returns` is empty where nothing ends by itself."""

    state: str
    reason: str = ""
    returns: str = ""

    @property
    def label(self) -> str:
        return SHOWN[self.state]

    def __str__(self) -> str:
        return " · ".join(part for part in (self.label, self.reason, self.returns) if part)


def status_of(credential: Credential, *, at: datetime) -> Status:
    if not credential.enabled:
        return Status(DISABLED)
    if credential.state == State.AVAILABLE or (credential.until is not None and credential.until <= at):
        # A rest that is over is tidied up minutes later; the credential serves already.
        return Status(State.AVAILABLE.value)
    reason = Reason(credential.reason).label if credential.reason else ""
    return Status(
        credential.state, reason, describe_return(credential.until, day_quota=credential.reason == Reason.DAY_QUOTA, at=at)
    )


def shown_as(state: str, *, at: datetime) -> Q:
    """The credentials whose `status_of` is `state`, as a condition for the database."""
    if state == DISABLED:
        return Q(enabled=False)
    over = Q(until__isnull=False, until__lte=at)
    if state == State.AVAILABLE:
        return Q(enabled=True) & (Q(state=State.AVAILABLE) | over)
    return Q(enabled=True, state=state) & ~over


def counts_by_kind(*, at: datetime) -> dict[str, dict[str, int]]:
    """How many of each kind are in which state, of SHOWN; kinds of which there is none are left out."""
    number = {state: Count("pk", filter=shown_as(state, at=at)) for state in SHOWN}
    rows = Credential.objects.order_by().values("kind").annotate(**number).values_list("kind", *SHOWN)
    return {kind: dict(zip(SHOWN, numbers, strict=True)) for kind, *numbers in rows}


def rests_by_reason(*, at: datetime) -> dict[str, int]:
    """How many rests are in force."""
    standing = KeyHealth.objects.standing().exclude(until__lte=at).order_by()
    return dict(standing.values_list("reason").annotate(Count("pk")))


def rests_of(credentials: Iterable[Credential], *, at: datetime) -> dict[int, list[KeyHealth]]:
    """What is wrong now with each of them, at its own place or at its project's: two queries, however many they are."""
    credentials = list(credentials)
    standing = KeyHealth.objects.standing().exclude(until__lte=at).order_by("model").defer("detail")
    own: dict[int | None, list[KeyHealth]] = {}
    shared: dict[str, list[KeyHealth]] = {}
    for rest in standing.filter(credential__in=[credential.pk for credential in credentials]):
        own.setdefault(rest.credential_id, []).append(rest)
    for rest in standing.filter(project__in={credential.project for credential in credentials} - {""}):
        shared.setdefault(rest.project, []).append(rest)
    return {one.pk: own.get(one.pk, []) + shared.get(one.project, []) for one in credentials}


def first_return(rests: Iterable[KeyHealth], *, at: datetime) -> str:
    """When the first of them ends; empty where none does by itself."""
    ending = [(rest.until, rest) for rest in rests if rest.until is not None]
    if not ending:
        return ""
    until, rest = min(ending, key=lambda pair: pair[0])
    return describe_return(until, day_quota=rest.reason == Reason.DAY_QUOTA, at=at)


def describe_return(until: datetime | None, *, day_quota: bool, at: datetime) -> str:
    """`back 00:00 Pacific, in 6 h`: day quotas end at Google's midnight, everything else is told in the admin's time."""
    if until is None:
        return ""
    local = until.astimezone(PACIFIC) if day_quota else localtime(until)
    zone = "Pacific" if day_quota else local.strftime("%Z")
    return f"back {local:%H:%M} {zone}, in {describe_span(until - at)}"


def describe_span(span: timedelta) -> str:
    seconds = max(span.total_seconds(), 0)
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
