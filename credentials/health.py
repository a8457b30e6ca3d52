"""What an outcome does to a credential: states, outcomes and one transition table. Pure: no clock, no database.

Times are seconds since the epoch. What a response *means* is decided where it is read (`openai_api`); here is decided
what follows from it for the credential that was used.
"""

from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum, auto
from zoneinfo import ZoneInfo

from django.db.models import TextChoices
from msgspec import Struct

PACIFIC = ZoneInfo("America/Los_Angeles")
DAY = 86_400.0
HOUR = 3_600.0
LONGEST_MINUTE_REST = 15 * 60.0


class State(TextChoices):
    AVAILABLE = "available", "Available"
    RATE_LIMITED = "rate_limited", "Rate limited"
    INVALID = "invalid", "Invalid"


class Reason(TextChoices):
    """Why a credential rests or is dead, in an admin's words."""

    DAY_QUOTA = "day_quota", "day quota used up"
    MINUTE_QUOTA = "minute_quota", "minute quota used up"
    NOT_ENTITLED = "not_entitled", "its plan does not include this model"
    OUT_OF_CREDIT = "out_of_credit", "prepaid credit used up"
    REPEATED_FAILURES = "repeated_failures", "failed several times in a row"
    UNEXPLAINED = "unexplained", "refused for no known reason"
    MODEL_ABSENT = "model_absent", "does not serve this model"
    KEY_REJECTED = "key_rejected", "Google does not accept it"
    KEY_LEAKED = "key_leaked", "reported as leaked"
    KEY_RESTRICTED = "key_restricted", "restricted to other APIs or places"
    SUSPENDED = "suspended", "suspended by Google"
    API_DISABLED = "api_disabled", "the Gemini API is not enabled in its project"


class Outcome(StrEnum):
    """What happened to one call, as far as its credential is concerned."""

    SERVED = auto()
    REQUEST_REFUSED = auto()
    DAY_QUOTA = auto()
    MINUTE_QUOTA = auto()
    NOT_ENTITLED = auto()
    THROTTLED = auto()
    OUT_OF_CREDIT = auto()
    KEY_REJECTED = auto()
    KEY_LEAKED = auto()
    KEY_RESTRICTED = auto()
    SUSPENDED = auto()
    API_DISABLED = auto()
    MODEL_ABSENT = auto()
    UPSTREAM_FAILED = auto()
    GATEWAY_REFUSED = auto()
    """Google refuses this gateway, not the credential: its region, or a header that it should not have sent."""
    UNEXPLAINED = auto()


class Scope(Enum):
    """Whom an outcome concerns."""

    NOBODY = auto()
    CREDENTIAL = auto()
    CREDENTIAL_AND_MODEL = auto()
    GROUP_AND_MODEL = auto()


class Effect(Struct, frozen=True):
    scope: Scope
    another_may_help: bool
    state: State = State.AVAILABLE
    reason: Reason | None = None


_DEAD = (Scope.CREDENTIAL, True, State.INVALID)
_RESTS = (Scope.GROUP_AND_MODEL, True, State.RATE_LIMITED)

EFFECTS: dict[Outcome, Effect] = {
    Outcome.SERVED: Effect(Scope.NOBODY, False),
    Outcome.REQUEST_REFUSED: Effect(Scope.NOBODY, False),
    Outcome.GATEWAY_REFUSED: Effect(Scope.NOBODY, False),
    Outcome.THROTTLED: Effect(Scope.NOBODY, True),
    Outcome.DAY_QUOTA: Effect(*_RESTS, Reason.DAY_QUOTA),
    Outcome.MINUTE_QUOTA: Effect(*_RESTS, Reason.MINUTE_QUOTA),
    Outcome.NOT_ENTITLED: Effect(*_RESTS, Reason.NOT_ENTITLED),
    Outcome.UNEXPLAINED: Effect(*_RESTS, Reason.UNEXPLAINED),
    Outcome.OUT_OF_CREDIT: Effect(Scope.CREDENTIAL, True, State.RATE_LIMITED, Reason.OUT_OF_CREDIT),
    Outcome.UPSTREAM_FAILED: Effect(Scope.CREDENTIAL_AND_MODEL, True, State.RATE_LIMITED, Reason.REPEATED_FAILURES),
    Outcome.MODEL_ABSENT: Effect(Scope.CREDENTIAL_AND_MODEL, True, State.RATE_LIMITED, Reason.MODEL_ABSENT),
    Outcome.KEY_REJECTED: Effect(*_DEAD, Reason.KEY_REJECTED),
    Outcome.KEY_LEAKED: Effect(*_DEAD, Reason.KEY_LEAKED),
    Outcome.KEY_RESTRICTED: Effect(*_DEAD, Reason.KEY_RESTRICTED),
    Outcome.SUSPENDED: Effect(*_DEAD, Reason.SUSPENDED),
    Outcome.API_DISABLED: Effect(*_DEAD, Reason.API_DISABLED),
}


SCOPES = {effect.reason: effect.scope for effect in EFFECTS.values() if effect.reason is not None}
"""Whom a stored reason concerns."""


class RestRules(Struct, frozen=True):
    """The operator's settings: COOLDOWN_SECONDS and CONSECUTIVE_FAILURES."""

    cooldown: float = 60.0
    failures: int = 3


def rest_until(
    outcome: Outcome,
    *,
    at: float,
    strikes: int,
    asked_for: float | None,
    rules: RestRules = RestRules(),  # noqa: B008
) -> float | None:
    """Until when the one concerned rests; None: it does not rest (yet), or rests until somebody checks it (INVALID).

    `strikes` counts this outcome in a row, this one included; `asked_for` is the delay in seconds that Google named.
    """
    match outcome:
        case Outcome.DAY_QUOTA:
            return next_pacific_midnight(at)  # Google's own retryDelay is wrong for day quotas.
        case Outcome.MINUTE_QUOTA:
            growing = (asked_for or rules.cooldown) * float(2 ** min(strikes - 1, 8))
            return at + max(asked_for or 0.0, min(growing, LONGEST_MINUTE_REST))
        case Outcome.NOT_ENTITLED:
            return at + DAY
        case Outcome.OUT_OF_CREDIT | Outcome.MODEL_ABSENT:
            return at + 6 * HOUR
        case Outcome.UNEXPLAINED:
            return at + rules.cooldown / 4
        case Outcome.UPSTREAM_FAILED if strikes >= rules.failures:
            return at + rules.cooldown
        case _:
            return None


def next_pacific_midnight(at: float) -> float:
    """When Google's day quotas begin anew: right on the two days of 23 and 25 hours as well."""
    today = datetime.fromtimestamp(at, UTC).astimezone(PACIFIC).date()
    tomorrow = today + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=PACIFIC).timestamp()
