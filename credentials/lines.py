"""In which order credentials are asked for one model: a line of tiers, the better tier first.

Within a tier those that may be asked stand in a heap by whose turn it is; those that rest lie in heaps by when they come
back. A pick looks at the top only, whatever the size of the pool: whoever is found resting is laid aside until its time.
"""

from bisect import bisect
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import cached_property
from hashlib import blake2b
from heapq import heapify, heappop, heappush, heapreplace
from itertools import chain, count, islice

from msgspec import Struct

from credentials.roster import Entry


class Strategy(StrEnum):
    ROUND_ROBIN = "round_robin"
    """In turn, as often as the weight says."""
    LEAST_IN_FLIGHT = "least_in_flight"
    """The one with the fewest calls in flight for its weight."""
    FILL_FIRST = "fill_first"
    """The same one until it rests, then the next."""


class Block(Struct, frozen=True):
    """Why a credential cannot be asked now. `until` 0: for the length of a call, or because it has been asked already."""

    until: float = 0.0
    soft: bool = False
    """It may be asked all the same where nobody else can be."""
    busy: bool = False
    """It may be free as soon as a call ends."""
    look_again: float = 0.0
    """When to look again, where that may be before `until`."""
    too_long: bool = False
    """What is asked is too long for it now; something shorter may go."""


BUSY = Block(busy=True)
TRIED = Block()
_MOST_JUDGED = 200
_FEWEST_POINTS = 1_000
"""On a ring."""

Judge = Callable[[Entry], Block | None]
_Heap = list[tuple[float, int, int, "_Turn"]]
"""(when it comes back, order, stamp, who); a stamp that is no longer the turn's marks what is out of date."""


class _Turn:
    """One credential's place in its tier. `due`: the moment of its next turn, in rounds."""

    __slots__ = ("asleep", "due", "entry", "order", "stamp", "stride", "until")

    def __init__(self, entry: Entry, order: int, due: float) -> None:
        self.entry = entry
        self.order = order
        self.due = due
        self.stride = 1.0 / entry.weight
        self.stamp = 0
        self.asleep = False
        self.until = 0.0


class _Tier:
    def __init__(self, entries: Iterable[Entry], due: Mapping[int, float]) -> None:
        # Half a stride is the middle of a credential's share of the first round: so weights spread their turns evenly.
        self.turns = [_Turn(entry, order, due.get(entry.id, 0.5 / entry.weight)) for order, entry in enumerate(entries)]
        self.ready = [(turn.due, turn.order, turn) for turn in self.turns]
        heapify(self.ready)
        self.firm: _Heap = []
        self.soft: _Heap = []
        self.short_of_tokens: _Heap = []
        """Those that rest only for what is as long as what was asked last."""
        self.now = self.ready[0][0] if self.ready else 0.0
        self._stamps = count(1)

    @property
    def sleeping(self) -> tuple[_Heap, _Heap, _Heap]:
        return self.firm, self.soft, self.short_of_tokens

    @cached_property
    def by_group(self) -> dict[str, list[_Turn]]:
        groups: dict[str, list[_Turn]] = {}
        for turn in self.turns:
            groups.setdefault(turn.entry.group, []).append(turn)
        return groups

    @cached_property
    def ring(self) -> "Ring":
        return Ring(self.by_group)

    def when(self, turn: _Turn) -> tuple[float, int]:
        """Its turn, if it were free; what it has missed while it rested it does not make up for."""
        return max(turn.due, self.now) if turn.asleep else turn.due, turn.order

    def wake(self, turn: _Turn) -> None:
        if turn.asleep:
            turn.due, _ = self.when(turn)
            turn.asleep = False
            heappush(self.ready, (turn.due, turn.order, turn))

    def wake_those_whose_time_is_over(self, at: float) -> None:
        for sleeping in self.sleeping:
            while sleeping and sleeping[0][0] <= at:
                _, _, stamp, turn = heappop(sleeping)
                if turn.asleep and turn.stamp == stamp:
                    self.wake(turn)

    def lay_aside(self, turn: _Turn, block: Block) -> None:
        """Only for one that is not in `ready`."""
        turn.asleep = True
        turn.until = block.look_again or block.until
        turn.stamp = next(self._stamps)
        heap = self.short_of_tokens if block.too_long else self.soft if block.soft else self.firm
        heappush(heap, (turn.until, turn.order, turn.stamp, turn))

    def move_on(self, turn: _Turn) -> None:
        """It has had its turn, and is not in `ready`."""
        self.now = turn.due
        turn.due += turn.stride
        heappush(self.ready, (turn.due, turn.order, turn))


class Ring:
    """The quota groups of a tier in the order of their hashes, the same in every process."""

    def __init__(self, groups: Iterable[str]) -> None:
        self._names = set(groups)
        # Several points a group: with one each, chance would give some of few groups a much larger arc than others.
        copies = max(1, _FEWEST_POINTS // max(len(self._names), 1))
        self._points = sorted((_point(f"{group}#{copy}"), group) for group in self._names for copy in range(copies))

    def __contains__(self, group: str) -> bool:
        return group in self._names

    def near(self, point: int, most: int) -> list[str]:
        """The first groups at or after a point, going round."""
        first, most = bisect(self._points, (point, "")), min(most, len(self._names))
        found: dict[str, None] = {}
        for _, group in chain(islice(self._points, first, None), islice(self._points, first)):
            found[group] = None
            if len(found) == most:
                break
        return list(found)


class Line:
    """Those that can serve one model."""

    def __init__(self, tiers: Iterable[Iterable[Entry]], strategy: Strategy, *, due: Mapping[int, float]) -> None:
        self._strategy = strategy
        self._tiers = [_Tier(entries, due) for entries in tiers]
        self._by_id = {turn.entry.id: (tier, turn) for tier in self._tiers for turn in tier.turns}
        self._by_group: dict[str, list[_Turn]] = {}
        for turn in self._turns():
            if turn.entry.group != turn.entry.name:
                self._by_group.setdefault(turn.entry.group, []).append(turn)
        self.groups = len({turn.entry.group for turn in self._turns()})
        """How many quota groups there are."""

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Entry]:
        return (turn.entry for turn in self._turns())

    def __contains__(self, credential_id: int) -> bool:
        return credential_id in self._by_id

    def entry(self, credential_id: int) -> Entry:
        return self._by_id[credential_id][1].entry

    @property
    def tiers(self) -> list[list[Entry]]:
        """As they would be asked if all were free."""
        return [[turn.entry for turn in sorted(tier.turns, key=tier.when)] for tier in self._tiers]

    @property
    def due(self) -> dict[int, float]:
        """Whose turn is when, counted from now, for the line that takes this one's place."""
        return {turn.entry.id: max(turn.due - tier.now, 0.0) for tier in self._tiers for turn in tier.turns}

    def pick(self, at: float, judge: Judge, load: Callable[[Entry], int]) -> Entry | None:
        """The next one that `judge` lets be asked."""
        for tier in self._tiers:
            tier.wake_those_whose_time_is_over(at)
            entry = self._pick(tier, judge, load)
            if entry is None and tier.short_of_tokens:
                entry = _pick_for_something_shorter(tier, judge)
            if entry is not None:
                return entry
        return None

    def pick_last_resort(self, at: float, judge: Judge) -> Entry | None:
        """One that rests softly and is not to be asked while there is any other: the one that comes back first."""
        for tier in self._tiers:
            for turn in _in_order(tier.soft):
                block = judge(turn.entry)
                if block is None or (block.soft and not block.busy):
                    return turn.entry
        return None

    def pick_near(self, at: float, judge: Judge, order: Callable[[Ring], Iterable[str]]) -> Entry | None:
        """One of the first of these groups that has one free; those in turn lose nothing by it."""
        return self._prefer(at, judge, lambda tier: (turn for group in order(tier.ring) for turn in tier.by_group[group]))

    def pick_among(self, ids: Collection[int], at: float, judge: Judge) -> Entry | None:
        """The first of these that is free, unless a better tier has somebody free."""
        known = [self._by_id[credential_id] for credential_id in ids if credential_id in self._by_id]
        return self._prefer(at, judge, lambda tier: (turn for of_tier, turn in known if of_tier is tier)) if known else None

    def has_busy(self, judge: Judge) -> bool:
        """Whether somebody may be free as soon as a call ends. To be asked after a `pick` in vain."""
        awake = (turn for tier in self._tiers for _, _, turn in tier.ready)
        return _is_any_busy(judge, chain(awake, self._asleep(lambda tier: tier.short_of_tokens)))

    def has_busy_last_resort(self, judge: Judge) -> bool:
        """Whether one that rests softly may be asked as soon as a call ends."""
        return _is_any_busy(judge, self._asleep(lambda tier: tier.soft))

    def may_serve(self) -> bool:
        """Whether anybody could be asked now or after the calls under way, if need be."""
        return any(tier.ready or tier.soft for tier in self._tiers)

    def earliest(self, judge: Judge, *, without: Collection[int] = ()) -> float | None:
        """When the first of those that rest comes back; None: nobody does by itself."""
        moments = (
            moment
            for tier in self._tiers
            for sleeping in tier.sleeping
            if (moment := _first_return(sleeping, judge, without)) is not None
        )
        return min(moments, default=None)

    def wake(self, who: str) -> None:
        """Something has ended at a place of this credential or project: look at those concerned anew."""
        for turn in self._by_group.get(who, ()):
            self._by_id[turn.entry.id][0].wake(turn)
        kind, _, value = who.partition(":")
        if kind == "key" and (found := self._by_id.get(int(value))):
            tier, turn = found
            tier.wake(turn)

    def _prefer(self, at: float, judge: Judge, preferred: Callable[[_Tier], Iterable[_Turn]]) -> Entry | None:
        for tier in self._tiers:
            tier.wake_those_whose_time_is_over(at)
            if (entry := next((turn.entry for turn in preferred(tier) if judge(turn.entry) is None), None)) is not None:
                return entry
            if any(judge(turn.entry) is None for _, _, turn in tier.ready):
                return None
        return None

    def _asleep(self, where: Callable[[_Tier], _Heap]) -> Iterator[_Turn]:
        return (turn for tier in self._tiers for _, _, stamp, turn in where(tier) if turn.stamp == stamp)

    def _turns(self) -> Iterator[_Turn]:
        return (turn for tier in self._tiers for turn in tier.turns)

    def _pick(self, tier: _Tier, judge: Judge, load: Callable[[Entry], int]) -> Entry | None:
        aside: list[_Turn] = []
        best: _Turn | None = None
        ready = tier.ready
        while ready:
            turn = ready[0][2]
            block = judge(turn.entry)
            if block is None:
                if self._strategy is Strategy.FILL_FIRST:
                    best = turn  # It keeps its turn.
                    break
                if self._strategy is Strategy.ROUND_ROBIN:
                    tier.now = turn.due
                    turn.due += turn.stride
                    heapreplace(ready, (turn.due, turn.order, turn))
                    best = turn
                    break
            heappop(ready)
            if block is not None and block.until:
                tier.lay_aside(turn, block)
            else:
                aside.append(turn)
                if block is None and not load(turn.entry):
                    break
        if self._strategy is Strategy.LEAST_IN_FLIGHT:
            free = (turn for turn in aside if judge(turn.entry) is None)
            best = min(free, key=lambda turn: load(turn.entry) * turn.stride, default=None)
        for turn in aside:
            if turn is best:
                tier.move_on(turn)
            else:
                turn.due = max(turn.due, tier.now)  # What it has missed while it was busy it does not make up for.
                heappush(ready, (turn.due, turn.order, turn))
        return best.entry if best is not None else None


def _is_any_busy(judge: Judge, turns: Iterable[_Turn]) -> bool:
    return any(block is not None and block.busy for block in (judge(turn.entry) for turn in turns))


def _pick_for_something_shorter(tier: _Tier, judge: Judge) -> Entry | None:
    for turn in islice(_in_order(tier.short_of_tokens), _MOST_JUDGED):
        if judge(turn.entry) is None:
            tier.wake(turn)
            return turn.entry
    return None


def _point(group: str) -> int:
    return int.from_bytes(blake2b(group.encode(), digest_size=8).digest())


def _in_order(sleeping: _Heap) -> Iterator[_Turn]:
    """Those that are still asleep there, the first to come back first."""
    rest = sleeping.copy()
    while rest:
        _, _, stamp, turn = heappop(rest)
        if turn.asleep and turn.stamp == stamp:
            yield turn


def _first_return(sleeping: _Heap, judge: Judge, without: Collection[int]) -> float | None:
    """When the first comes back, as things are now: some rests have become longer since they were laid aside."""
    first: float | None = None
    for turn in islice(_in_order(sleeping), _MOST_JUDGED):
        if first is not None and first <= turn.until:
            break
        if turn.entry.id not in without:
            block = judge(turn.entry)
            moment = max(turn.until, block.until) if block is not None else turn.until
            first = moment if first is None else min(first, moment)
    return first
