"""Keeps conversations that begin alike with the same quota group, so that Google's implicit cache is met again.

A conversation's home is found on a ring of hashes, the same in every process, and remembered here. No group is home to
many more conversations than its share: then the next one on the ring is. A home that rests is left for another.
"""

from collections import Counter, OrderedDict
from collections.abc import Iterator

from credentials.lines import Judge, Line, Ring
from credentials.roster import Entry

BOUND = 1.25
"""No group is home to more than this many times its share."""
_MOST_HOMES = 10_000
_MOST_ASKED = 32
"""Groups along the ring that are looked at before the choice is left to the usual order."""


class Homes:
    def __init__(self) -> None:
        self._homes: OrderedDict[tuple[str, int], str] = OrderedDict()
        self._guests: Counter[tuple[str, str]] = Counter()

    def choose(self, line: Line, model: str, prefix: int, at: float, judge: Judge) -> Entry | None:
        """A free credential of the conversation's home, new or known; None where the ring has none nearby."""
        key = model, prefix
        home = self._homes.get(key)
        entry = line.pick_near(at, judge, lambda groups: self._order(groups, model, prefix, home))
        if entry is not None and entry.group != home:
            self._move(key, entry.group)
        elif home is not None:
            self._homes.move_to_end(key)
        return entry

    def _order(self, groups: Ring, model: str, prefix: int, home: str | None) -> Iterator[str]:
        if home is not None and home in groups:
            yield home
        nearby = groups.near(prefix, _MOST_ASKED)
        share = (sum(self._guests[model, group] for group in nearby) + 1) / len(nearby)
        full = [group for group in nearby if self._guests[model, group] >= max(1.0, BOUND * share)]
        yield from (group for group in nearby if group not in full)
        yield from full

    def _move(self, key: tuple[str, int], group: str) -> None:
        self._leave(key)
        self._homes[key] = group
        self._guests[key[0], group] += 1
        if len(self._homes) > _MOST_HOMES:
            self._leave(next(iter(self._homes)))

    def _leave(self, key: tuple[str, int]) -> None:
        group = self._homes.pop(key, None)
        if group is not None:
            self._guests[key[0], group] -= 1
            if not self._guests[key[0], group]:
                del self._guests[key[0], group]
