"""`/metrics` as tests read it: by Prometheus's own parser."""

from collections.abc import Iterable

from prometheus_client.parser import text_string_to_metric_families

from tests.api.server import Castor

Labels = tuple[tuple[str, str], ...]


class Page(dict[tuple[str, Labels], float]):
    """(name, labels in the order of the alphabet) → value."""

    def value(self, name: str, **labels: str) -> float:
        """The sum of all series of this name that have these labels."""
        return sum(self.values_of(name, **labels))

    def values_of(self, name: str, **labels: str) -> list[float]:
        return [value for (known, pairs), value in self.items() if known == name and labels.items() <= dict(pairs).items()]

    def labels(self, name: str, label: str) -> set[str]:
        return {dict(pairs)[label] for known, pairs in self if known == name}


def read(text: str) -> Page:
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    page = Page({(sample.name, tuple(sorted(sample.labels.items()))): sample.value for sample in samples})
    assert len(page) == len(samples), "a series is told twice"
    return page


def scrape(castor: Castor) -> Page:
    status, headers, body = castor.ask("GET", "/metrics", token="")
    assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    return read(body.decode())


def names_of(series: Iterable[tuple[str, Labels]]) -> set[str]:
    return {name for name, _ in series}
