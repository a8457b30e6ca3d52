"""What is wrong, and where: the pool's memory of rests, looked up by credential, Google project and model."""

import math
from collections import Counter, OrderedDict
from collections.abc import Iterator, Mapping

from msgspec import Struct

from credentials.health import EFFECTS, SOFT, Reason, State
from credentials.roster import Entry

FOREVER = math.inf
Place = tuple[str, str]
"""(credential `key:ID` or project `project:P`, model; no model: all of them)"""

MOST_COUNTING = 50_000
"""As many places only count strikes: callers make up names of models, and what fails for those counts as well."""

_DEADLY = frozenset(effect.reason for effect in EFFECTS.values() if effect.state is State.INVALID)


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
    probe_until: float = 0.0
    """Another process has the right to find out, until then."""
    claimed: bool = False
    """This process has that right."""

    @property
    def is_soft(self) -> bool:
        """Whether it makes its credential the last choice rather than none: a passing fault, or one that is only suspected."""
        return self.reason in SOFT or (self.reason in _DEADLY and self.state is not State.INVALID)

    def is_in_force(self, at: float) -> bool:
        return self.until is not None and self.until > at


class Lease(Struct):
    """The right to make one call. It must be handed back by `report` or `release`, whatever happens."""

    entry: Entry
    model: str
    kinds: frozenset[str]
    at: float
    """When it began."""
    tokens: int = 0
    """The estimate of its input, reserved where tokens are paced."""
    probed: tuple[Rest, ...] = ()
    open: bool = True


class Rests:
    """All of them, by place."""

    def __init__(self) -> None:
        self.by_place: dict[Place, Rest] = {}
        self._by_reason: dict[Reason, set[Place]] = {}
        self._counting: OrderedDict[Place, None] = OrderedDict()
        """Those that do not rest yet, the one that failed longest ago first."""

    def __bool__(self) -> bool:
        return bool(self.by_place)

    def get(self, place: Place) -> Rest | None:
        return self.by_place.get(place)

    def put(self, place: Place, rest: Rest | None) -> None:
        """None: all is well there again."""
        known = self.by_place.pop(place, None)
        if known is not None:
            self._by_reason[known.reason].discard(place)
            self._counting.pop(place, None)
        if rest is not None:
            self.by_place[place] = rest
            self._by_reason.setdefault(rest.reason, set()).add(place)
            if rest.until is None:
                self._counting[place] = None
                if len(self._counting) > MOST_COUNTING:
                    self.put(next(iter(self._counting)), None)

    def replace(self, rests: Mapping[Place, Rest]) -> None:
        self.by_place = {}
        self._by_reason = {}
        self._counting.clear()
        for place, rest in rests.items():
            self.put(place, rest)

    def of(self, entry: Entry, model: str) -> Iterator[Rest]:
        """What keeps the credential from serving the model, or has done so until a moment ago, or may soon."""
        for place in places_of(entry, model):
            if (rest := self.by_place.get(place)) is not None:
                yield rest

    def models_at_rest(self, at: float, *, besides: str) -> Counter[str]:
        """How many other models rest, of each credential or project."""
        return Counter(who for (who, model), rest in self.by_place.items() if model not in ("", besides) and rest.is_in_force(at))

    def struck_by(self, reason: Reason, model: str, *, since: float, at: float, besides: Place) -> list[str]:
        """Who else rests for this reason and has begun to lately."""
        places = (place for place in self._by_reason.get(reason, ()) if place[1] == model and place != besides)
        return [place[0] for place in places if self.by_place[place].is_in_force(at) and self.by_place[place].since >= since]


def places_of(entry: Entry, model: str) -> tuple[Place, ...]:
    if entry.group == entry.name:
        return (entry.name, ""), (entry.name, model)
    return (entry.name, ""), (entry.name, model), (entry.group, ""), (entry.group, model)
