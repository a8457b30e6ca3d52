"""Whether a failure is its credential's own, and what follows: the rest that begins, for whom, and until when.

On plain values: what rests already, who has answered lately, and who else there is.
"""

from msgspec import Struct

from credentials.guard import Guard
from credentials.health import CONTRASTED, SCOPES, Effect, Outcome, Reason, RestRules, State, rest_until, suspected_until
from credentials.learning import Evidence
from credentials.lines import Line
from credentials.rests import FOREVER, Lease, Place, Rest, Rests
from credentials.roster import Entry

AT_ONCE = 600.0
"""Seconds within which what befalls many credentials alike is taken for one event."""


class Failure(Struct, frozen=True):
    lease: Lease
    outcome: Outcome
    effect: Effect
    at: float
    evidence: Evidence

    @property
    def place(self) -> Place:
        """Whom it concerns."""
        scope, entry = self.effect.scope, self.lease.entry
        return entry.group if scope.is_shared else entry.name, self.lease.model if scope.is_of_one_model else ""


class Verdict(Struct, frozen=True):
    place: Place
    rest: Rest
    is_suspicion: bool = False
    """Half of the pool seems to be dead of the same cause: the fault may not be theirs."""


class Blame:
    def __init__(self, rests: Rests, guard: Guard, rules: RestRules) -> None:
        self.rules = rules
        self._rests = rests
        self._guard = guard

    def judge(self, failure: Failure, line: Line) -> Verdict | None:
        """The rest that takes the place of what stands there; None: nothing changes. `line`: all who can serve the model."""
        before = self._rests.get(failure.place)
        verdict = self._verdict(failure, before, line)
        return verdict if before is None or _outdoes(before, verdict.rest, failure.at) else None

    def _verdict(self, failure: Failure, before: Rest | None, line: Line) -> Verdict:
        effect, at, evidence = failure.effect, failure.at, failure.evidence
        reason, state = _reason(effect), effect.state
        strikes = self._strikes(failure, before)
        until = rest_until(failure.outcome, at=at, strikes=strikes, asked_for=evidence.asked_for, rules=self.rules)
        if state is State.INVALID:
            until = FOREVER
        is_suspicion = False
        if effect.guarded and until is not None and self._is_everywhere(failure, line):
            suspected = suspected_until(at=at, strikes=strikes, rules=self.rules)
            if effect.soft:
                until = None
            elif suspected is not None:
                until, state, is_suspicion = suspected, State.RATE_LIMITED, True
        detail = evidence.detail if until is not None else ""  # What only counts is shown to nobody.
        return Verdict(failure.place, Rest(state, reason, until, at, strikes, detail), is_suspicion)

    def _strikes(self, failure: Failure, before: Rest | None) -> int:
        """How many times in a row; what happens during a rest is part of what began it."""
        if before is None or before.reason is not failure.effect.reason:
            return 1
        if before.is_in_force(failure.at):
            return before.strikes
        if failure.outcome in CONTRASTED and not self._another_answered(failure.lease, since=before.since):
            return before.strikes
        return before.strikes + 1

    def _another_answered(self, lease: Lease, *, since: float) -> bool:
        return self._guard.another_answered(lease.model, lease.entry.id, since=since)

    def _is_everywhere(self, failure: Failure, line: Line) -> bool:
        """Whether half of the pool rests for this reason already, and has begun to at about the same time."""
        reason, place, at = _reason(failure.effect), failure.place, failure.at
        struck = self._rests.struck_by(reason, place[1], since=at - AT_ONCE, at=at, besides=place)
        if not struck:
            return False
        peers = {name for entry in line for name in (entry.name, entry.group)}  # Those of other servers have their own fate.
        struck = [who for who in struck if who in peers]
        alive = [entry for entry in line if not self._is_dead(entry, before=at - AT_ONCE)]
        size = len({entry.group for entry in alive}) if SCOPES[reason].is_shared else len(alive)
        return len(struck) + 1 > max(1, size // 2)

    def _is_dead(self, entry: Entry, *, before: float) -> bool:
        rests = (self._rests.get((who, "")) for who in (entry.name, entry.group))
        return any(rest is not None and rest.state is State.INVALID and rest.since < before for rest in rests)


def _outdoes(before: Rest, rest: Rest, at: float) -> bool:
    """Whether the rest that would begin takes the place of the one that stands there."""
    if not before.is_in_force(at):
        if rest.until is not None:
            return True
        # Of a rest that is over nobody knows yet whether it really is. And in one episode, in which nobody else has
        # answered, the first failure is the one to remember: `since` is its time.
        return before.until is None and (rest.reason is not before.reason or rest.strikes > before.strikes)
    if rest.until is None or (rest.is_soft and not before.is_soft):
        return False
    if before.is_soft and not rest.is_soft:
        return True
    # Calls that were in flight together, or were let through as a last resort: none shortens the rest that another
    # began, and of a passing fault none lengthens it.
    return not rest.is_soft and rest.until > (before.until or 0.0)


def _reason(effect: Effect) -> Reason:
    if effect.reason is None:
        raise ValueError("only what concerns somebody is judged")
    return effect.reason
