"""Counters, gauges and histograms by name and labels. Counting is an addition in memory: no lock, no clock, no text."""

from bisect import bisect_left
from typing import Any, Generic, TypeVar

from openai_api.metrics.memory import Region, here

BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds. What took longer than the last one is counted behind it, and behind that stands the sum."""


class Series:
    """One number, which is summed up."""

    __slots__ = ("_slot", "_values")
    width = 1
    sums = True

    def __init__(self, region: Region, name: str) -> None:
        self._values, self._slot = region.values, region.slot(name, self.width, sums=self.sums)

    def add(self, amount: float = 1.0) -> None:
        self._values[self._slot] += amount


class Level(Series):
    """One number of this moment: what a process says of itself counts as long as it lives."""

    __slots__ = ()
    sums = False

    def set(self, value: float) -> None:
        self._values[self._slot] = value


class Timings(Series):
    """How often something took how long."""

    __slots__ = ()
    width = len(BUCKETS) + 2

    def observe(self, seconds: float) -> None:
        values, slot = self._values, self._slot
        values[slot + bisect_left(BUCKETS, seconds)] += 1.0
        values[slot + self.width - 1] += seconds


S = TypeVar("S", bound=Series)


class Family(Generic[S]):
    """All series of one name. `kind` is Prometheus's word for what they are; `sort` None: each scrape finds them out anew."""

    def __init__(self, sort: type[S] | None, name: str, kind: str, meaning: str, *labels: str) -> None:
        self.name, self.kind, self.meaning, self.labels = name, kind, meaning, labels
        self._sort = sort
        self._made: dict[tuple[str, ...], S] = {}
        FAMILIES[name] = self

    def of(self, *values: str) -> S:
        """The series of these labels, in their order. Whoever counts sees to it that there are few."""
        series = self._made.get(values)
        if series is None:
            assert self._sort is not None, f"{self.name} is not counted"  # noqa: S101
            series = self._made[values] = self._sort(here.region, self.named(*values))
        return series

    def named(self, *values: str) -> str:
        """The name of one of its series, as Prometheus writes it."""
        pairs = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(self.labels, values, strict=True))
        return f"{self.name}{{{pairs}}}" if pairs else self.name


def counter(name: str, meaning: str, *labels: str) -> Family[Series]:
    return Family(Series, name, "counter", meaning, *labels)


def gauge(name: str, meaning: str, *labels: str) -> Family[Level]:
    return Family(Level, name, "gauge", meaning, *labels)


def histogram(name: str, meaning: str, *labels: str) -> Family[Timings]:
    return Family(Timings, name, "histogram", meaning, *labels)


def found(name: str, meaning: str, *labels: str) -> Family[Level]:
    """A gauge that is nobody's: each scrape finds it out anew."""
    return Family(None, name, "gauge", meaning, *labels)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


FAMILIES: dict[str, Family[Any]] = {}
"""By name, in the order in which they are told."""
