"""What a web process has learned about its credentials and not yet written down."""

from collections.abc import Iterator

from msgspec import Struct, field

from credentials.health import LETTERS, Outcome
from credentials.rests import Place, Rest

MOST_LETTERS = 20
_MOST_UNKNOWN = 50
_MOST_ALERTS = 1_000
"""As many as the guard knows models: callers make their names up, and the database may be down for long."""


class Evidence(Struct, frozen=True):
    """What an upstream said besides the outcome."""

    asked_for: float | None = None
    """Seconds until it may be asked again, where they can be trusted."""
    detail: str = ""
    """Its words, redacted."""
    project: str = ""
    """The Google project that it named as the credential's."""
    quota: str = ""
    """Google's id of the quota that is used up."""
    quota_value: int | None = None
    """How much that quota is."""
    status: int = 0
    unknown: str = ""
    """The redacted body, where nobody knows what it means."""


NOTHING = Evidence()


class Change(Struct, frozen=True):
    """`rest` begins or goes on at `place`; None: all is well there again."""

    place: Place
    credential_id: int
    rest: Rest | None


class Unknown(Struct, frozen=True):
    """A refusal that the classifier does not know."""

    credential_id: int
    model: str
    status: int
    body: str
    at: float


class LearnedLimit(Struct, frozen=True):
    """A limit that Google named. `group` is a quota group; `quota` Google's id."""

    group: str
    model: str
    quota: str
    value: int


class AlertChange(Struct, frozen=True):
    """A shared fault of a model has been noticed, or (no cause) is over. No model: of all of them."""

    model: str
    at: float
    cause: Outcome | None = None
    message: str = ""


class Tally(Struct):
    """A credential's outcomes since they were written down last."""

    letters: str = ""
    failures: int = 0
    """Calls in a row that it has not answered."""
    answered: bool = False
    """Whether it has answered any."""
    last_error: Outcome | None = None
    last_error_at: float = 0.0

    def add(self, outcome: Outcome, at: float) -> None:
        self.letters = (self.letters + LETTERS[outcome])[-MOST_LETTERS:]
        if outcome is Outcome.SERVED:
            self.failures, self.answered = 0, True
        else:
            self.failures += outcome not in (Outcome.REQUEST_REFUSED, Outcome.ANSWER_UNUSABLE)
            self.last_error, self.last_error_at = outcome, at

    def merged(self, later: "Tally") -> "Tally":
        return Tally(
            letters=(self.letters + later.letters)[-MOST_LETTERS:],
            failures=later.failures if later.answered else self.failures + later.failures,
            answered=self.answered or later.answered,
            last_error=later.last_error or self.last_error,
            last_error_at=later.last_error_at or self.last_error_at,
        )


class Learned(Struct):
    """For the store to write."""

    changes: list[Change] = field(default_factory=list)
    projects: dict[int, str] = field(default_factory=dict)
    """By credential."""
    limits: dict[tuple[str, str, str], LearnedLimit] = field(default_factory=dict)
    unknown: list[Unknown] = field(default_factory=list)
    alerts: list[AlertChange] = field(default_factory=list)
    tallies: dict[int, Tally] = field(default_factory=dict)
    """By credential. They come with every call, so they are written less often than the rest."""

    @property
    def is_urgent(self) -> bool:
        return bool(self.changes or self.projects or self.limits or self.unknown or self.alerts)

    def forget_urgent(self) -> None:
        """It has been written."""
        for kind in (self.changes, self.projects, self.limits, self.unknown, self.alerts):
            kind.clear()

    def note(self, credential_id: int, outcome: Outcome, at: float) -> None:
        tally = self.tallies.get(credential_id)
        if tally is None:
            tally = self.tallies[credential_id] = Tally()
        tally.add(outcome, at)

    def keep_unknown(self, unknown: Unknown) -> None:
        if len(self.unknown) < _MOST_UNKNOWN:
            self.unknown.append(unknown)

    def keep_alert(self, alert: AlertChange) -> None:
        """What was noticed already, and has not changed since, need not be written again."""
        for known in reversed(self.alerts):
            if known.model == alert.model:
                if known.cause is alert.cause:
                    return
                if known.cause is None or alert.cause is None:
                    break
        if len(self.alerts) >= _MOST_ALERTS:
            del self.alerts[0]
        self.alerts.append(alert)

    def pieces(self) -> Iterator["Learned"]:
        """The urgent ones, each by itself."""
        yield from (Learned(changes=[change]) for change in self.changes)
        yield from (Learned(projects={credential_id: project}) for credential_id, project in self.projects.items())
        yield from (Learned(limits={name: limit}) for name, limit in self.limits.items())
        yield from (Learned(unknown=[unknown]) for unknown in self.unknown)
        yield from (Learned(alerts=[alert]) for alert in self.alerts)

    def followed_by(self, later: "Learned") -> "Learned":
        """Both, as if the first had never been taken away. The last change at a place is all that there is to write."""
        tallies = dict(self.tallies)
        for credential_id, tally in later.tallies.items():
            tallies[credential_id] = tallies[credential_id].merged(tally) if credential_id in tallies else tally
        both = Learned(
            changes=list({change.place: change for change in (*self.changes, *later.changes)}.values()),
            projects=self.projects | later.projects,
            limits=self.limits | later.limits,
            unknown=[*self.unknown, *later.unknown][:_MOST_UNKNOWN],
            alerts=list(self.alerts),
            tallies=tallies,
        )
        for alert in later.alerts:
            both.keep_alert(alert)
        return both
