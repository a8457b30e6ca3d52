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
    SPEND_LIMIT = "spend_limit", "spending limit reached"
    OUT_OF_CREDIT = "out_of_credit", "prepaid credit used up"
    REPEATED_FAILURES = "repeated_failures", "failed several times while others answered"
    THROTTLED = "throttled", "throttled several times while others answered"
    UNEXPLAINED = "unexplained", "refused for no known reason"
    MODEL_ABSENT = "model_absent", "does not serve this model"
    KEY_REJECTED = "key_rejected", "is not accepted"
    KEY_LEAKED = "key_leaked", "reported as leaked"
    KEY_RESTRICTED = "key_restricted", "restricted to other APIs or places"
    SUSPENDED = "suspended", "suspended by Google"
    PROJECT_DENIED = "project_denied", "its project is denied access"
    API_DISABLED = "api_disabled", "the API is not enabled in its project"
    VALIDATION_REQUIRED = "validation_required", "Google wants the account to be verified"
    UNSUPPORTED_CLIENT = "unsupported_client", "Google no longer serves this kind of account"
    NOT_PERMITTED = "not_permitted", "lacks the permission or the licence"
    HALF_ALIVE = "half_alive", "lists models, but may not use them"
    LOGIN_ENDED = "login_ended", "its login has ended: log in again"
    PROJECT_MISSING = "project_missing", "needs a Google Cloud project"
    SIGN_IN_FAILED = "sign_in_failed", "its access token cannot be renewed for now"


class Outcome(StrEnum):
    """What happened to one call, as far as its credential is concerned."""

    SERVED = auto()
    REQUEST_REFUSED = auto()
    DAY_QUOTA = auto()
    MINUTE_QUOTA = auto()
    NOT_ENTITLED = auto()
    SPEND_LIMIT = auto()
    THROTTLED = auto()
    """A 429 without a word about a quota: nobody's quota, or everybody's."""
    OUT_OF_CREDIT = auto()
    KEY_REJECTED = auto()
    KEY_LEAKED = auto()
    KEY_RESTRICTED = auto()
    SUSPENDED = auto()
    PROJECT_DENIED = auto()
    API_DISABLED = auto()
    VALIDATION_REQUIRED = auto()
    UNSUPPORTED_CLIENT = auto()
    NOT_PERMITTED = auto()
    HALF_ALIVE = auto()
    """Found by a check: its models are listed, but one of them, asked for one token, refuses."""
    MODEL_ABSENT = auto()
    UPSTREAM_FAILED = auto()
    ANSWER_UNUSABLE = auto()
    """An answer whose end spoils it, a malformed call say: as likely the prompt's doing as Google's, and never the key's."""
    GATEWAY_REFUSED = auto()
    """Google refuses this gateway, not the credential: its region, or a header that it should not have sent."""
    UNEXPLAINED = auto()
    LOGIN_ENDED = auto()
    """Google takes the refresh token of an account no longer."""
    PROJECT_MISSING = auto()
    SIGN_IN_FAILED = auto()
    """An account could not be asked at all: Google's sign-in is down, or refuses the OAuth client. Its login may be good."""


class Scope(Enum):
    """Whom an outcome concerns. A group is those that share one quota: a Google project, or one credential alone."""

    NOBODY = auto()
    CREDENTIAL = auto()
    CREDENTIAL_AND_MODEL = auto()
    GROUP = auto()
    GROUP_AND_MODEL = auto()

    @property
    def is_shared(self) -> bool:
        return self in (Scope.GROUP, Scope.GROUP_AND_MODEL)

    @property
    def is_of_one_model(self) -> bool:
        return self in (Scope.CREDENTIAL_AND_MODEL, Scope.GROUP_AND_MODEL)


class Effect(Struct, frozen=True):
    scope: Scope
    another_may_help: bool
    state: State = State.AVAILABLE
    reason: Reason | None = None
    soft: bool = False
    """The credential becomes the last choice rather than none: what is wrong may not be its own fault."""
    guarded: bool = False
    """It may strike everybody through no fault of theirs, so it must not take more than half of the pool at once."""


_QUOTA = (Scope.GROUP_AND_MODEL, True, State.RATE_LIMITED)
_OF_PROJECT = (Scope.GROUP, True, State.RATE_LIMITED)


def _dead(reason: Reason, scope: Scope = Scope.CREDENTIAL) -> Effect:
    return Effect(scope, True, State.INVALID, reason, guarded=True)


def _passing(reason: Reason, scope: Scope) -> Effect:
    return Effect(scope, True, State.RATE_LIMITED, reason, soft=True, guarded=True)


EFFECTS: dict[Outcome, Effect] = {
    Outcome.SERVED: Effect(Scope.NOBODY, False),
    Outcome.REQUEST_REFUSED: Effect(Scope.NOBODY, False),
    Outcome.GATEWAY_REFUSED: Effect(Scope.NOBODY, False),
    Outcome.ANSWER_UNUSABLE: Effect(Scope.NOBODY, True),
    # Google names the project, the model and the quota: this strikes nobody by mistake, however many it strikes.
    Outcome.DAY_QUOTA: Effect(*_QUOTA, Reason.DAY_QUOTA),
    Outcome.MINUTE_QUOTA: Effect(*_QUOTA, Reason.MINUTE_QUOTA),
    Outcome.NOT_ENTITLED: Effect(*_QUOTA, Reason.NOT_ENTITLED),
    Outcome.SPEND_LIMIT: Effect(*_OF_PROJECT, Reason.SPEND_LIMIT),
    Outcome.OUT_OF_CREDIT: Effect(*_OF_PROJECT, Reason.OUT_OF_CREDIT),
    Outcome.UNEXPLAINED: _passing(Reason.UNEXPLAINED, Scope.GROUP_AND_MODEL),
    Outcome.THROTTLED: _passing(Reason.THROTTLED, Scope.GROUP_AND_MODEL),
    Outcome.UPSTREAM_FAILED: _passing(Reason.REPEATED_FAILURES, Scope.CREDENTIAL_AND_MODEL),
    Outcome.MODEL_ABSENT: Effect(Scope.CREDENTIAL_AND_MODEL, True, State.RATE_LIMITED, Reason.MODEL_ABSENT, guarded=True),
    Outcome.KEY_REJECTED: _dead(Reason.KEY_REJECTED),
    Outcome.KEY_LEAKED: _dead(Reason.KEY_LEAKED),
    Outcome.KEY_RESTRICTED: _dead(Reason.KEY_RESTRICTED),
    Outcome.SUSPENDED: _dead(Reason.SUSPENDED),
    Outcome.PROJECT_DENIED: _dead(Reason.PROJECT_DENIED, Scope.GROUP),
    Outcome.API_DISABLED: _dead(Reason.API_DISABLED, Scope.GROUP),
    Outcome.VALIDATION_REQUIRED: _dead(Reason.VALIDATION_REQUIRED),
    Outcome.UNSUPPORTED_CLIENT: _dead(Reason.UNSUPPORTED_CLIENT),
    Outcome.NOT_PERMITTED: _dead(Reason.NOT_PERMITTED),
    Outcome.HALF_ALIVE: _dead(Reason.HALF_ALIVE),
    Outcome.LOGIN_ENDED: _dead(Reason.LOGIN_ENDED),
    Outcome.PROJECT_MISSING: _dead(Reason.PROJECT_MISSING),
    # Whoever has no token cannot be asked, whosesoever the fault is: at once others are, and be it all of the accounts.
    Outcome.SIGN_IN_FAILED: Effect(Scope.CREDENTIAL, True, State.RATE_LIMITED, Reason.SIGN_IN_FAILED),
}

SCOPES = {effect.reason: effect.scope for effect in EFFECTS.values() if effect.reason is not None}
"""Whom a stored reason concerns."""

SOFT = frozenset(effect.reason for effect in EFFECTS.values() if effect.soft)

CONTRASTED = frozenset({Outcome.UPSTREAM_FAILED, Outcome.THROTTLED})
"""What counts against a credential only while others are answered: it takes that contrast to tell whose fault it is."""

LETTERS: dict[Outcome, str] = dict(zip(Outcome, "srdmnxtckluyjavwphbfqg?oie", strict=True))
"""One letter an outcome, for the strip of the last ones."""
OUTCOMES = {letter: outcome for outcome, letter in LETTERS.items()}


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

    `strikes` counts this outcome in a row, this one included; `asked_for` is the delay in seconds that Google named and
    that can be trusted.
    """
    match outcome:
        case Outcome.DAY_QUOTA:
            return at + asked_for if asked_for is not None else next_pacific_midnight(at)
        case Outcome.MINUTE_QUOTA:
            growing = (asked_for or rules.cooldown) * float(2 ** min(strikes - 1, 8))
            return at + max(asked_for or 0.0, min(growing, LONGEST_MINUTE_REST))
        case Outcome.NOT_ENTITLED:
            return at + DAY
        case Outcome.SPEND_LIMIT:
            return at + (asked_for or 10 * 60.0)  # It rolls over ten minutes.
        case Outcome.OUT_OF_CREDIT | Outcome.MODEL_ABSENT:
            return at + 6 * HOUR
        case Outcome.UNEXPLAINED:
            return at + rules.cooldown / 4
        case Outcome.SIGN_IN_FAILED:
            return at + min(rules.cooldown / 4 * 2.0 ** min(strikes - 1, 8), rules.cooldown)
        case Outcome.UPSTREAM_FAILED | Outcome.THROTTLED if strikes >= max(rules.failures, 2):
            # One failure alone has no contrast: others must have been answered since.
            return at + max(asked_for or 0.0, rules.cooldown)
        case _:
            return None


def suspected_until(*, at: float, strikes: int, rules: RestRules) -> float | None:
    """Until when one rests that fails as half of the pool does already; None: it has done so often enough to be believed."""
    return at + rules.cooldown * 2 ** (strikes - 1) if strikes < rules.failures else None


def next_pacific_midnight(at: float) -> float:
    """When Google's day quotas begin anew: right on the two days of 23 and 25 hours as well."""
    today = datetime.fromtimestamp(at, UTC).astimezone(PACIFIC).date()
    tomorrow = today + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=PACIFIC).timestamp()
