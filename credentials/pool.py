"""Lease a credential, report an outcome: the pool as requests meet it, in memory only.

One event loop uses it, so nothing here needs a lock. What it learns about credentials is queued in `changes`, which
`store.py` writes to the database; what the database says comes back by `install`.
"""

import asyncio
import math
from collections import deque
from collections.abc import Iterator, Mapping

from msgspec import Struct

from credentials.health import EFFECTS, Effect, Outcome, Reason, RestRules, Scope, State, rest_until
from credentials.roster import Entry, Ring, Roster

FOREVER = math.inf
Place = tuple[str, str]
"""(credential or quota group, model; no model: all of them)"""

_MOST_CACHED_RINGS = 2_000


class Rest(Struct):
    """Something is wrong at one place. `until` None: it only counts strikes so far; FOREVER: until somebody checks it."""

    state: State
    reason: Reason
    until: float | None
    since: float
    strikes: int = 1
    detail: str = ""
    probing: bool = False
    """The rest is over and one call is finding out whether the trouble is."""

    def stops(self, at: float) -> bool:
        return self.until is not None and (self.until > at or self.probing)


class Change(Struct, frozen=True):
    """One thing for the store to write: `rest` begins or goes on at `place`; None: all is well there again."""

    place: Place
    credential_id: int
    rest: Rest | None


class Lease(Struct):
    """The right to make one call. It must be handed back by `report` or `release`, whatever happens."""

    entry: Entry
    model: str
    probed: tuple[Rest, ...] = ()
    open: bool = True


class Pool:
    def __init__(self, rules: RestRules | None = None) -> None:
        self.rules = rules or RestRules()
        self.roster = Roster()
        self.loaded = False
        self.up_to_date = True
        """False while the database cannot be asked: what it has learned meanwhile, a new token say, is not known here."""
        self.rests: dict[Place, Rest] = {}
        self.changes: list[Change] = []
        self.in_flight: dict[int, int] = {}
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._cursors: dict[str, int] = {}
        self._rings: dict[str, tuple[Ring, ...]] = {}

    def install(self, roster: Roster, rests: Mapping[Place, Rest]) -> None:
        """Take in what the database says; what has happened here since it was read still counts, and so do strikes so far."""
        self.rests = {**self._strikes_so_far(roster), **{place: self._probed(place, rest) for place, rest in rests.items()}}
        self.roster = roster
        for change in self.changes:
            self._remember(change)
        self._rings.clear()
        self.loaded = True
        self._let_one_of_each_look()

    def lease(self, model: str, *, at: float, kinds: frozenset[str], tried: frozenset[int] = frozenset()) -> Lease | None:
        """The next credential in turn that is free for the model; None when there is none now."""
        for entry in self._in_turn(model):
            if entry.kind in kinds and entry.id not in tried and self.is_free(entry, model, at=at):
                return self._take(entry, model)
        return None

    def has_free(self, model: str, *, at: float, kinds: frozenset[str]) -> bool:
        return any(self.is_free(entry, model, at=at) for entry in self._able(model, kinds))

    def is_free(self, entry: Entry, model: str, *, at: float) -> bool:
        return not self._is_full(entry) and not self._is_resting(entry, model, at)

    def is_busy(self, model: str, *, at: float, kinds: frozenset[str], tried: frozenset[int] = frozenset()) -> bool:
        """Whether a credential may serve as soon as a call ends, so that it pays to wait for a `turn`.

        Either it has MAX_CONCURRENT calls in flight, or one call is finding out whether its rest is really over.
        """
        able = (entry for entry in self._able(model, kinds) if entry.id not in tried)
        return any(not self.is_free(entry, model, at=at) and not self._rests_beyond(entry, model, at) for entry in able)

    async def turn(self, model: str, *, again: bool = False) -> None:
        """Wait until a call has ended; those who wait for one model are served in the order in which they came.

        `again`: it was our turn, but somebody was quicker, so we stay at the head of the line. Whoever has waited must
        `pass_on` when it needs no further turn, for there may be room for more than one, or nothing left to wait for.
        """
        mine = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(model, deque())
        if again:
            line.appendleft(mine)
        else:
            line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.pass_on(model)  # It was our turn, but we go: the next one must not wait for ever.
            raise
        finally:
            # Since it was emptied another line may stand in its place, with somebody in it.
            if not line and self._waiting.get(model) is line:
                del self._waiting[model]

    def pass_on(self, model: str) -> None:
        """Let the next of those who wait for the model look whether there is something for it."""
        if line := self._waiting.get(model):
            self._wake(line)

    def report(self, lease: Lease, outcome: Outcome, *, at: float, asked_for: float | None = None, detail: str = "") -> None:
        """Hand back a lease and draw the conclusions. `asked_for` is the delay in seconds that the upstream named."""
        self.release(lease)
        effect = EFFECTS[outcome]
        if outcome is Outcome.SERVED:
            self._all_is_well(lease, at)
        elif effect.reason is not None:
            self._strike(lease, outcome, effect, effect.reason, at=at, asked_for=asked_for, detail=detail)

    def answered(self, lease: Lease) -> None:
        """The call under way has its first token: where it was to find out whether a rest is over, others may follow."""
        if lease.probed:
            for rest in lease.probed:
                rest.probing = False
            lease.probed = ()
            self._let_one_of_each_look()

    def release(self, lease: Lease) -> None:
        """Hand back a lease of which nothing was learned: the client went away, or the request was at fault."""
        if not lease.open:
            return
        lease.open = False
        for rest in lease.probed:
            rest.probing = False
        left = self.in_flight.get(lease.entry.id, 0) - 1
        if left > 0:
            self.in_flight[lease.entry.id] = left
        else:
            self.in_flight.pop(lease.entry.id, None)
        self._let_one_of_each_look()

    def next_return(self, model: str, *, at: float, kinds: frozenset[str], tried: frozenset[int]) -> float:
        """When the next of the credentials not yet tried comes back from a rest; FOREVER: none will."""
        able = (entry for entry in self._able(model, kinds) if entry.id not in tried)
        rests = ([rest.until for rest in self._rests_of(entry, model) if rest.until is not None] for entry in able)
        return min((latest for untils in rests if (latest := max(untils, default=at)) > at), default=FOREVER)

    def free_at(self, model: str, *, at: float, kinds: frozenset[str]) -> float | None:
        """The earliest moment at which some credential can serve the model; None: none will by itself."""
        return min(
            (moment for entry in self._able(model, kinds) if (moment := self._free_at(entry, model, at)) < FOREVER), default=None
        )

    def serves(self, model: str, *, kinds: frozenset[str]) -> bool:
        """Whether there is any credential for the model, resting or not."""
        return any(True for _ in self._able(model, kinds))

    def absent(self, model: str, *, kinds: frozenset[str]) -> bool:
        """Whether every credential has said that it does not serve the model."""
        able = list(self._able(model, kinds))
        return bool(able) and all(
            any(rest.reason is Reason.MODEL_ABSENT for rest in self._rests_of(entry, model)) for entry in able
        )

    def rests_for(self, model: str, *, kinds: frozenset[str]) -> list[Rest]:
        """What keeps the model's credentials from serving it."""
        return [rest for entry in self._able(model, kinds) for rest in self._rests_of(entry, model)]

    def take_changes(self) -> list[Change]:
        taken, self.changes = self.changes, []
        return taken

    def put_back(self, changes: list[Change]) -> None:
        """Changes that could not be written: they are tried again. The last one at a place is all that there is to write."""
        self.changes = list({change.place: change for change in (*changes, *self.changes)}.values())

    def _let_one_of_each_look(self) -> None:
        for model in list(self._waiting):
            self.pass_on(model)

    def _is_full(self, entry: Entry) -> bool:
        return self.in_flight.get(entry.id, 0) >= entry.max_concurrent

    def _is_resting(self, entry: Entry, model: str, at: float) -> bool:
        return any(rest.stops(at) for rest in self._rests_of(entry, model))

    def _rests_beyond(self, entry: Entry, model: str, at: float) -> bool:
        return any(rest.until is not None and rest.until > at for rest in self._rests_of(entry, model))

    @staticmethod
    def _wake(line: deque[asyncio.Future[None]]) -> None:
        while line:
            waiter = line.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _able(self, model: str, kinds: frozenset[str]) -> Iterator[Entry]:
        return (entry for ring in self._rings_for(model) for entry in ring if entry.kind in kinds)

    def _free_at(self, entry: Entry, model: str, at: float) -> float:
        moments = [rest.until if rest.until > at else at + 1 for rest in self._rests_of(entry, model) if rest.until is not None]
        if not moments and self._is_full(entry):
            return at + 1  # Busy, not resting: a call ends any moment.
        return max(moments, default=at)

    def _rings_for(self, model: str) -> tuple[Ring, ...]:
        rings = self._rings.get(model)
        if rings is None:
            if max(len(self._rings), len(self._cursors)) >= _MOST_CACHED_RINGS:
                self._rings.clear()  # Model names come from callers: without a bound they could fill the memory.
                self._cursors.clear()
            rings = self._rings[model] = self.roster.rings(model)
        return rings

    def _in_turn(self, model: str) -> Iterator[Entry]:
        for ring in self._rings_for(model):
            start = self._cursors.get(model, 0) % len(ring)
            for step in range(len(ring)):
                position = (start + step) % len(ring)
                self._cursors[model] = position + 1
                yield ring[position]

    def _rests_of(self, entry: Entry, model: str) -> Iterator[Rest]:
        if self.rests:
            for place in ((entry.name, ""), (entry.name, model), (entry.group, model)):
                if (rest := self.rests.get(place)) is not None:
                    yield rest

    def _take(self, entry: Entry, model: str) -> Lease:
        self.in_flight[entry.id] = self.in_flight.get(entry.id, 0) + 1
        probed = tuple(rest for rest in self._rests_of(entry, model) if rest.until is not None)
        for rest in probed:
            rest.probing = True
        return Lease(entry, model, probed)

    def _strikes_so_far(self, roster: Roster) -> dict[Place, Rest]:
        """What only counts strikes, which the database does not. Not for models that nobody lists: callers make them up."""
        counting = {place: rest for place, rest in self.rests.items() if rest.until is None and place[1] in roster.models}
        if not counting:
            return counting
        names = {entry.name for entry in roster.entries}
        return {place: rest for place, rest in counting.items() if place[0] in names}

    def _probed(self, place: Place, read: Rest) -> Rest:
        """The rest as it was read, unless it is the one of which a call is finding out whether it is over."""
        known = self.rests.get(place)
        if known is None or not known.probing or known.until is None or read.until is None:
            return read
        return known if read.until < known.until + 1 else read  # The database rounds times.

    def _all_is_well(self, lease: Lease, at: float) -> None:
        entry = lease.entry
        if self.rests:
            for place in {(entry.name, ""), (entry.name, lease.model), (entry.group, lease.model)}:
                rest = self.rests.get(place)
                # A call that began before the trouble says nothing about it, however well it went.
                if rest is not None and (rest.until is None or rest.until <= at):
                    self._change(Change(place, entry.id, None))

    def _strike(
        self, lease: Lease, outcome: Outcome, effect: Effect, reason: Reason, *, at: float, asked_for: float | None, detail: str
    ) -> None:
        place = _place(effect.scope, lease)
        before = self.rests.get(place)
        resting = before.until if before is not None and before.until is not None and before.until > at else 0.0
        strikes = before.strikes + 1 if before is not None and before.reason is reason else 1
        if before is not None and resting:
            strikes = before.strikes  # Calls that were in flight together are one strike, not many.
        until = rest_until(outcome, at=at, strikes=strikes, asked_for=asked_for, rules=self.rules)
        if effect.state is State.INVALID:
            until = FOREVER
        if resting and (until is None or until <= resting):
            return  # Nor may one of them shorten the rest that another began.
        self._change(Change(place, lease.entry.id, Rest(effect.state, reason, until, at, strikes, detail)))

    def _change(self, change: Change) -> None:
        self.changes.append(change)
        self._remember(change)

    def _remember(self, change: Change) -> None:
        if change.rest is None:
            self.rests.pop(change.place, None)
        else:
            self.rests[change.place] = change.rest


def _place(scope: Scope, lease: Lease) -> Place:
    match scope:
        case Scope.GROUP_AND_MODEL:
            return lease.entry.group, lease.model
        case Scope.CREDENTIAL_AND_MODEL:
            return lease.entry.name, lease.model
        case _:
            return lease.entry.name, ""


pool = Pool()
"""The one of this process."""
