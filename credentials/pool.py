"""Lease a credential, report an outcome: the pool as requests meet it, in memory only.

One event loop uses it, so nothing here needs a lock. What it learns about credentials is gathered in `learned`, which
`store.py` writes to the database; what the database says comes back by `install` and `take_in`.
"""

from collections.abc import Collection, Iterator, Mapping
from itertools import chain, islice

from credentials.affinity import Homes
from credentials.blame import Blame, Failure
from credentials.guard import Guard
from credentials.health import (
    EFFECTS,
    Effect,
    Outcome,
    Reason,
    RestRules,
)
from credentials.learning import NOTHING, AlertChange, Change, Evidence, Learned, LearnedLimit, Unknown
from credentials.lines import BUSY, TRIED, Block, Judge, Line
from credentials.pacing import Pacer
from credentials.rests import FOREVER, Lease, Place, Rest, Rests, places_of
from credentials.roster import Entry, Roster
from credentials.selection import Selection
from credentials.waiting import Waiting

LOOK_AGAIN = 15.0
"""Seconds after which it is looked again whether a limit that was reached has become free."""
MOST_NAMED = 1_000
"""As many rests are looked at when a caller is told why nobody is free."""
MOST_CLAIMED = 200

_MOST_LINES = 1_000
_MOST_TURNS = 1_000_000
_NEW_CLAIM = 120.0


class Pool:
    def __init__(self, rules: RestRules | None = None, selection: Selection | None = None) -> None:
        self.selection = selection or Selection()
        self.roster = Roster()
        self.rests = Rests()
        self.rests_version = 0
        self.guard = Guard()
        self.blame = Blame(self.rests, self.guard, rules or RestRules())
        self.pacer = Pacer()
        self.homes: Homes | None = None
        self.waiting = Waiting()
        self.loaded = False
        self.up_to_date = True
        """False while the database cannot be asked: what it has learned meanwhile, a new token say, is not known here."""
        self.is_alone = True
        """Whether no other process uses the same credentials: then nobody need be asked who may probe a rest that is over."""
        self.learned = Learned()
        self.in_flight: dict[int, int] = {}
        self._lines: dict[tuple[str, frozenset[str]], Line] = {}
        self._lines_of_groups: dict[tuple[str, frozenset[str], str], Line] = {}
        self._due: dict[tuple[str, frozenset[str]], dict[int, float]] = {}

    # --- What the database says ---------------------------------------------------------------------------------

    def install(self, roster: Roster, rests: Mapping[Place, Rest], *, rests_version: int = 0) -> None:
        """Take in the whole pool; what has happened here since it was read still counts, and so do strikes so far."""
        self.rests.replace(
            {**self._strikes_so_far(roster), **{place: self._as_known(place, rest) for place, rest in rests.items()}}
        )
        self._use(roster)
        self.rests_version = rests_version
        self.loaded = True
        for change in self.learned.changes:
            self.rests.put(change.place, change.rest)
        self.waiting.let_one_of_each_look()

    def renew(self, roster: Roster) -> None:
        """Take in credentials, tokens, aliases and limits; rests go on."""
        self._use(roster)
        self.waiting.let_one_of_each_look()

    def take_in(self, rests: Mapping[Place, Rest | None], *, version: int) -> None:
        """What others have learned since `rests_version`, and what we have ourselves."""
        unwritten = {change.place for change in self.learned.changes}
        for place, rest in rests.items():
            if place not in unwritten:
                self._remember(place, self._as_known(place, rest) if rest is not None else None)
        self.rests_version = version
        self.waiting.let_one_of_each_look()

    def take_learned(self, *, tallies: bool = True) -> Learned:
        """For the store to write; `tallies`: also the outcomes that come with every call."""
        taken, self.learned = self.learned, Learned()
        if not tallies:
            taken.tallies, self.learned.tallies = {}, taken.tallies
        return taken

    def put_back(self, learned: Learned) -> None:
        """What could not be written: it is tried again."""
        self.learned = learned.followed_by(self.learned)

    def probes_wanted(self, *, at: float) -> list[Place]:
        """Places whose rest is over, or is about to be, and of which no process has yet the right to find out."""
        if self.is_alone:
            return []
        over = (place for place, rest in self.rests.by_place.items() if _is_unclaimed(rest, at))
        return list(islice(over, MOST_CLAIMED))

    def probes_granted(self, granted: Collection[Place], refused: Collection[Place], *, at: float) -> None:
        for place in refused:
            if (rest := self.rests.get(place)) is not None:
                rest.probe_until = at + _NEW_CLAIM
        for place in granted:
            if (rest := self.rests.get(place)) is not None:
                rest.claimed = True
                self._wake(place)
        self.waiting.let_one_of_each_look()

    # --- Leasing ------------------------------------------------------------------------------------------------

    def lease(
        self,
        model: str,
        *,
        at: float,
        kinds: frozenset[str],
        tried: frozenset[int] = frozenset(),
        tokens: int = 0,
        prefix: int | None = None,
        group: str = "",
        lasting: bool = False,
    ) -> Lease | None:
        """The next credential in turn that is free for the model; None when there is none now.

        After a failure (`tried`) those come first that have answered lately. `prefix` stands for the beginning of the
        conversation, `tokens` for its estimated length; both matter only where they are asked for by settings. `group` is the
        one quota group that can serve it, where not all can. What is `lasting` binds later calls for other models to whoever
        is chosen now: those come first that have the fewest models at rest.
        """
        line = self._line(model, kinds, group)

        def judge_each(entry: Entry) -> Block | None:
            return TRIED if entry.id in tried else self.block(entry, model, at, tokens)

        judge = self._with_fewest_rests(line, model, judge_each, at) if lasting and self.rests.by_place else judge_each
        entry = line.pick_among(self.guard.lately(model), at, judge) if tried else None
        if entry is None and prefix is not None and self.homes is not None:
            entry = self.homes.choose(line, model, prefix, at, judge)
        if entry is None:
            entry = line.pick(at, judge, self._load)
        if entry is not None:
            return self._take(entry, model, kinds, at, tokens)
        if line.has_busy(judge):
            return None
        entry = line.pick_last_resort(at, judge)
        return self._take(entry, model, kinds, at, tokens) if entry is not None else None

    def block(self, entry: Entry, model: str, at: float, tokens: int = 0) -> Block | None:
        """Why the credential cannot be asked for the model now; None: it can. `tokens`: the estimated length of what is asked."""
        resting = self._resting(entry, model, at) if self.rests.by_place else None
        if resting is not None and not resting.soft:
            return resting
        if self.pacer.has_limits:
            paced = self.pacer.blocked_until(entry.group, model, at=at, tokens=tokens)
            if paced is not None:
                return self._paced(entry, model, at, paced, tokens) if paced > at else BUSY
        if self.in_flight.get(entry.id, 0) >= entry.max_concurrent:
            return BUSY
        return resting

    def report(self, lease: Lease, outcome: Outcome, *, at: float, evidence: Evidence = NOTHING, used: int | None = None) -> bool:
        """Hand back a lease and draw the conclusions. Returns whether the credential is out of the way now.

        `used`: the tokens of the call's input, where they are known.
        """
        if lease.open:
            self.learned.note(lease.entry.id, outcome, at)
        self.release(lease, at=at, used=used)
        if evidence.project:
            self._learn_project(lease.entry, evidence.project)
        if evidence.unknown:
            self.learned.keep_unknown(Unknown(lease.entry.id, lease.model, evidence.status, evidence.unknown, at))
        effect = EFFECTS[outcome]
        if outcome is Outcome.SERVED:
            self._all_is_well(lease, at)
            return False
        if outcome is Outcome.GATEWAY_REFUSED and self.guard.refused(lease.model, at=at):
            message = f"Google refuses this Castor itself, whatever the credential: {evidence.detail}"
            self.learned.keep_alert(AlertChange(lease.model, at, outcome, message))
        is_suspected = effect.reason is not None and self._strike(lease, outcome, effect, at, evidence)
        resting = self._resting(lease.entry, lease.model, at)
        # Whoever has just come under suspicion is the last choice from now on: that is asked of each of them once.
        return is_suspected or (resting is not None and not resting.soft)

    def answered(self, lease: Lease, *, at: float) -> None:
        """The call under way has its first token: where it was to find out whether a rest is over, others may follow."""
        self._note_answer(lease, at)
        if lease.probed:
            proven = [rest for rest in lease.probed if not rest.is_soft]  # Of a passing fault only a whole answer is a proof.
            self._end_probe(lease)
            for place in places_of(lease.entry, lease.model):
                if any(self.rests.get(place) is rest for rest in proven):
                    self._change(Change(place, lease.entry.id, None))
            self.waiting.let_one_of_each_look()

    def release(self, lease: Lease, *, at: float, used: int | None = None) -> None:
        """Hand back a lease of which nothing was learned: the client went away, or the request was at fault.

        `used`: the tokens of its input, where they are known.
        """
        if not lease.open:
            return
        lease.open = False
        self._end_probe(lease)
        left = self.in_flight.get(lease.entry.id, 0) - 1
        if left > 0:
            self.in_flight[lease.entry.id] = left
        else:
            self.in_flight.pop(lease.entry.id, None)
        if self.pacer.has_limits:
            self.pacer.end(lease.entry.group, lease.model, at=at, reserved=lease.tokens, used=used, began=lease.at)
        self.waiting.let_one_of_each_look()

    # --- Questions ----------------------------------------------------------------------------------------------

    def is_busy(
        self,
        model: str,
        *,
        at: float,
        kinds: frozenset[str],
        tried: frozenset[int] = frozenset(),
        tokens: int = 0,
        group: str = "",
    ) -> bool:
        """Whether a credential may serve as soon as a call ends, so that it pays to wait for a turn.

        Either it has MAX_CONCURRENT calls in flight, or one call is finding out whether its rest is really over.
        """
        line = self._line(model, kinds, group)

        def judge(entry: Entry) -> Block | None:
            return TRIED if entry.id in tried else self.block(entry, model, at, tokens)

        return line.has_busy(judge) or line.has_busy_last_resort(judge)

    def may_serve(self, model: str, *, kinds: frozenset[str], group: str = "") -> bool:
        """Whether anybody could be asked for the model now, soon, or as a last resort."""
        return self._line(model, kinds, group).may_serve()

    def next_return(
        self, model: str, *, at: float, kinds: frozenset[str], tried: frozenset[int], tokens: int = 0, group: str = ""
    ) -> float:
        """When the next of the credentials not yet tried comes back from a rest; FOREVER: none will."""
        moment = self._line(model, kinds, group).earliest(lambda entry: self.block(entry, model, at, tokens), without=tried)
        return FOREVER if moment is None else moment

    def free_at(self, model: str, *, at: float, kinds: frozenset[str], tokens: int = 0, group: str = "") -> float | None:
        """The earliest moment at which some credential can serve the model; None: none will by itself."""
        line = self._line(model, kinds, group)

        def judge(entry: Entry) -> Block | None:
            return self.block(entry, model, at, tokens)

        if line.pick(at, judge, self._load) is not None:
            return at
        if line.has_busy(judge) or line.has_busy_last_resort(judge):
            return at + 1  # Busy, not resting: a call ends any moment.
        moment = line.earliest(judge)
        return None if moment is None or moment == FOREVER else max(moment, at)

    def serves(self, model: str, *, kinds: frozenset[str], group: str = "") -> bool:
        """Whether there is any credential for the model, resting or not."""
        return len(self._line(model, kinds, group)) > 0

    def absent(self, model: str, *, kinds: frozenset[str], group: str = "") -> bool:
        """Whether every credential has said that it does not serve the model."""
        line = self._line(model, kinds, group)
        return len(line) > 0 and all(
            any(rest.reason is Reason.MODEL_ABSENT for rest in self.rests.of(entry, model)) for entry in line
        )

    def rests_for(self, model: str, *, kinds: frozenset[str], group: str = "") -> Iterator[Rest]:
        """What keeps the model's credentials from serving it; a sample where there are very many."""
        return (rest for entry in islice(self._line(model, kinds, group), MOST_NAMED) for rest in self.rests.of(entry, model))

    def line(self, model: str, *, kinds: frozenset[str] | None = None, group: str = "") -> Line:
        """Those that can serve the model, in order; of all of Google's kinds if none are named."""
        return self._line(model, kinds if kinds is not None else self.roster.googles, group)

    # --- Means --------------------------------------------------------------------------------------------------

    def _use(self, roster: Roster) -> None:
        turns = {key: line.due for key, line in self._lines.items()}
        self._due = self._due | turns if len(self._due) + len(turns) <= _MOST_LINES else turns
        self._lines.clear()
        self._lines_of_groups.clear()
        self.roster = roster
        self.pacer.install(roster.limits)

    def _line(self, model: str, kinds: frozenset[str], group: str = "") -> Line:
        if group:
            return self._line_of_group(model, kinds, group)
        line = self._lines.get((model, kinds))
        if line is None:
            if len(self._lines) >= min(_MOST_LINES, _MOST_TURNS // (len(self.roster.entries) + 1) + 1):
                self._lines.clear()  # Model names come from callers: without a bound they could fill the memory.
            able = self.roster.able(model, kinds)
            due = self._due.pop((model, kinds), {})
            line = self._lines[model, kinds] = Line(self.selection.tiers(able, model), self.selection.strategy, due=due)
        return line

    def _line_of_group(self, model: str, kinds: frozenset[str], group: str) -> Line:
        key = model, kinds, group
        line = self._lines_of_groups.get(key)
        if line is None:
            if len(self._lines_of_groups) >= _MOST_LINES:
                self._lines_of_groups.clear()
            able = [entry for entry in self.roster.able(model, kinds) if entry.group == group]
            tiers = self.selection.tiers(able, model)
            line = self._lines_of_groups[key] = Line(tiers, self.selection.strategy, due={})
        return line

    def _load(self, entry: Entry) -> int:
        return self.in_flight.get(entry.id, 0)

    def _with_fewest_rests(self, line: Line, model: str, judge: Judge, at: float) -> Judge:
        """`judge`, which lets only those of the free be asked that have the fewest other models at rest."""
        resting = self.rests.models_at_rest(at, besides=model)
        free = {
            entry.id: resting[entry.name] + (resting[entry.group] if entry.group != entry.name else 0)
            for entry in line
            if judge(entry) is None
        }
        fewest = min(free.values(), default=0)
        others = frozenset(credential_id for credential_id, number in free.items() if number > fewest)
        return (lambda entry: TRIED if entry.id in others else judge(entry)) if others else judge

    def _resting(self, entry: Entry, model: str, at: float) -> Block | None:
        firm, soft, probing, elsewhere = 0.0, 0.0, False, False
        for rest in self.rests.of(entry, model):
            if rest.until is None:
                continue
            if rest.until > at:
                if rest.is_soft:
                    soft = max(soft, rest.until)
                else:
                    firm = max(firm, rest.until)
            elif rest.probing:
                probing = True
            elif not self.is_alone and not rest.claimed:
                elsewhere = True
        if firm:
            return Block(until=firm)
        if soft:
            return Block(until=soft, soft=True)
        if probing:
            return BUSY
        # Another process may be finding out; where nobody else can serve there is no time to wait for it.
        return Block(until=at + 1, soft=True) if elsewhere else None

    def _paced(self, entry: Entry, model: str, at: float, until: float, tokens: int) -> Block:
        too_long = tokens > 0 and self.pacer.blocked_until(entry.group, model, at=at) is None
        # Permits that others give back may come earlier than the end of the minute or day.
        return Block(until=until, look_again=min(until, at + LOOK_AGAIN), too_long=too_long)

    def _take(self, entry: Entry, model: str, kinds: frozenset[str], at: float, tokens: int) -> Lease:
        self.in_flight[entry.id] = self.in_flight.get(entry.id, 0) + 1
        probed: tuple[Rest, ...] = ()
        if self.rests.by_place:
            over = (rest for rest in self.rests.of(entry, model) if rest.until is not None and rest.until <= at)
            probed = tuple(rest for rest in over if not rest.probing)  # A last resort may be asked while another finds out.
            for rest in probed:
                rest.probing = True
        if self.pacer.has_limits:
            self.pacer.begin(entry.group, model, at=at, tokens=tokens)
        return Lease(entry, model, kinds, at, tokens, probed)

    def _end_probe(self, lease: Lease) -> None:
        for rest in lease.probed:
            rest.probing = False
        lease.probed = ()

    def _note_answer(self, lease: Lease, at: float) -> None:
        if self.guard.answered(lease.model, lease.entry.id, at=at):
            self.learned.keep_alert(AlertChange(lease.model, at))

    def _learn_project(self, entry: Entry, project: str) -> None:
        if not entry.project_is_typed and entry.group != f"project:{project}":
            self.learned.projects[entry.id] = project

    def _all_is_well(self, lease: Lease, at: float) -> None:
        self._note_answer(lease, at)
        if not self.rests.by_place:
            return
        entry = lease.entry
        for place in places_of(entry, lease.model):
            rest = self.rests.get(place)
            if rest is None:
                continue
            # A call that began before the trouble says nothing about it, however well it went.
            if rest.until is None or (rest.since <= lease.at and (rest.is_soft or rest.until <= at)):
                self._change(Change(place, entry.id, None))

    def _strike(self, lease: Lease, outcome: Outcome, effect: Effect, at: float, evidence: Evidence) -> bool:
        """Returns whether this has brought the credential under suspicion."""
        self.guard.no_longer(lease.model, lease.entry.id)
        self._learn_limit(lease, outcome, evidence)
        line = self._line(lease.model, lease.kinds)
        if effect.soft and self.guard.failed(lease.model, lease.entry, groups=line.groups, at=at):
            self._alert(lease, outcome, at, evidence)
        failure = Failure(lease, outcome, effect, at, evidence)
        verdict = self.blame.judge(failure, line)
        if verdict is not None:
            if verdict.is_suspicion:
                self._alert(lease, outcome, at, evidence)
            self._change(Change(verdict.place, lease.entry.id, verdict.rest))
        return verdict is not None and verdict.is_suspicion

    def _alert(self, lease: Lease, outcome: Outcome, at: float, evidence: Evidence) -> None:
        message = (
            f"Half of the credentials for {lease.model} or more fail alike, so the fault is not theirs. "
            f"The upstream says: {evidence.detail or 'no explanation'}"
        )
        model = lease.model if EFFECTS[outcome].soft or EFFECTS[outcome].scope.is_of_one_model else ""
        self.learned.keep_alert(AlertChange(model, at, outcome, message))

    def _learn_limit(self, lease: Lease, outcome: Outcome, evidence: Evidence) -> None:
        if evidence.quota and evidence.quota_value:
            limit = LearnedLimit(lease.entry.group, lease.model, evidence.quota, evidence.quota_value)
            self.learned.limits[limit.group, limit.model, limit.quota] = limit

    def _strikes_so_far(self, roster: Roster) -> dict[Place, Rest]:
        """What only counts strikes, which the database does not. Not for models that nobody lists: callers make them up."""
        counting = {
            place: rest for place, rest in self.rests.by_place.items() if rest.until is None and place[1] in roster.models
        }
        if not counting:
            return counting
        names = set(chain.from_iterable((entry.name, entry.group) for entry in roster.entries))
        return {place: rest for place, rest in counting.items() if place[0] in names}

    def _as_known(self, place: Place, read: Rest) -> Rest:
        """The rest as it was read, with what only this process knows of it: that a call is finding out whether it is over."""
        known = self.rests.get(place)
        if known is None or known.until is None or read.until is None or abs(known.until - read.until) > 1:
            return read  # The database rounds times, hence the second.
        if known.probing:
            return known
        read.claimed = known.claimed
        return read

    def _change(self, change: Change) -> None:
        known = self.rests.get(change.place)
        is_stored = known is not None and known.until is not None
        if is_stored or (change.rest is not None and change.rest.until is not None):
            self.learned.changes.append(change)
        self._remember(change.place, change.rest)

    def _remember(self, place: Place, rest: Rest | None) -> None:
        self.rests.put(place, rest)
        self._wake(place)

    def _wake(self, place: Place) -> None:
        who, model = place
        for key, line in chain(self._lines.items(), self._lines_of_groups.items()):
            if not model or model == key[0]:
                line.wake(who)


def _is_unclaimed(rest: Rest, at: float) -> bool:
    return rest.until is not None and rest.until <= at and not rest.claimed and not rest.probing and rest.probe_until <= at


pool = Pool()
"""The one of this process."""
