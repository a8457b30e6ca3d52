"""The numbers as Prometheus's text format, version 0.0.4."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import accumulate

from openai_api.metrics.families import BUCKETS, FAMILIES, Family
from openai_api.metrics.memory import Region

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BOUNDS = (*(f"{bound:g}" for bound in BUCKETS), "+Inf")


def totals(regions: Iterable[Region]) -> dict[str, list[float]]:
    """Every series with its numbers, summed up over all processes."""
    sums: dict[str, list[float]] = {}
    for region in regions:
        for name, values in region.series():
            known = sums.get(name)
            sums[name] = [one + other for one, other in zip(known, values, strict=True)] if known else values
    return sums


def written(series: Mapping[str, list[float]]) -> bytes:
    """The page. `series`: by name, with labels."""
    by_family: dict[str, list[str]] = {name: [] for name in FAMILIES}
    for name in sorted(series):
        by_family[_family_name(name)].append(name)
    lines = (line for family in FAMILIES.values() for line in _lines(family, by_family[family.name], series))
    return "".join(f"{line}\n" for line in lines).encode()


def _lines(family: Family, names: list[str], series: Mapping[str, list[float]]) -> Iterator[str]:
    yield f"# HELP {family.name} {family.meaning}"
    yield f"# TYPE {family.name} {family.kind}"
    for name in names:
        if family.kind == "histogram":
            yield from _histogram(family.name, name.removeprefix(family.name), series[name])
        else:
            yield f"{name} {_number(series[name][0])}"


def _histogram(name: str, labels: str, values: list[float]) -> Iterator[str]:
    *counts, total = values
    for bound, count in zip(_BOUNDS, accumulate(counts), strict=True):
        yield f'{name}_bucket{labels[:-1]},le="{bound}"}} {_number(count)}'
    yield f"{name}_count{labels} {_number(sum(counts))}"
    yield f"{name}_sum{labels} {_number(total)}"


def _family_name(name: str) -> str:
    return name.partition("{")[0]


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(value)
