"""The memory that web processes share, and the text that is made of it."""

import os

import pytest

from openai_api.metrics import families, memory
from openai_api.metrics.families import BUCKETS, Family, Level, Series, Timings
from openai_api.metrics.memory import Region, Shared
from openai_api.metrics.text import totals, written
from tests.metrics.scrape import Page, read


@pytest.fixture
def shared() -> Shared:
    return Shared(2)


@pytest.fixture(autouse=True)
def known(monkeypatch):
    """Families of these tests' own."""
    monkeypatch.setattr(families, "FAMILIES", known := {})
    for sort, name, kind in ((Series, "sums_total", "counter"), (Level, "now", "gauge"), (Timings, "took", "histogram")):
        Family(sort, name, kind, "…", "label")
    monkeypatch.setattr("openai_api.metrics.text.FAMILIES", known)


def worker(shared: Shared, number: int) -> Region:
    shared.take(number)
    region = shared.of(number)
    region.take()
    return region


def page(shared: Shared) -> Page:
    return read(written(totals(shared.regions)).decode())


def test_what_several_processes_count_is_summed_up_by_name_whatever_their_order(shared):
    one, other = worker(shared, 1), worker(shared, 2)
    for region, labels in ((one, "ab"), (other, "ba")):
        for label in labels:
            Series(region, f'sums_total{{label="{label}"}}').add(2)
            Level(region, f'now{{label="{label}"}}').set(3)
    told = page(shared)
    assert [told.value("sums_total", label=label) for label in "ab"] == [4, 4]
    assert told.value("now", label="a") == 6


def test_who_comes_after_a_dead_process_goes_on_counting_and_begins_anew_with_what_is_of_the_moment(shared):
    dead = worker(shared, 1)
    Series(dead, 'sums_total{label="a"}').add(5)
    Timings(dead, 'took{label="a"}').observe(0.3)
    Level(dead, 'now{label="a"}').set(7)
    shared.give_back(1)
    assert (series(shared)['sums_total{label="a"}'], 'now{label="a"}' in series(shared)) == ([5], False)
    heir = worker(shared, 3)
    assert heir is dead
    assert series(shared)['now{label="a"}'] == [0]
    # A process that has just been forked knows only the memory.
    heir = Region(memoryview(shared._memory)[: memory._SIZE])
    heir.take()
    Series(heir, 'sums_total{label="b"}').add(1)
    Series(heir, 'sums_total{label="a"}').add(1)
    Timings(heir, 'took{label="a"}').observe(0.3)
    assert (series(shared)['sums_total{label="a"}'], series(shared)['sums_total{label="b"}']) == ([6], [1])
    assert page(shared).value("took_count", label="a") == 2


def series(shared: Shared) -> dict[str, list[float]]:
    return totals(shared.regions)


def test_it_is_really_shared_with_a_child_and_outlives_it(shared):
    child = os.fork()
    if child == 0:
        region = worker(shared, 1)
        Series(region, 'sums_total{label="a"}').add(5)
        os.kill(os.getpid(), 9)
    os.waitpid(child, 0)
    assert series(shared) == {'sums_total{label="a"}': [5]}


def test_more_workers_than_regions_count_for_themselves(shared):
    regions = [worker(shared, number) for number in (1, 2)]
    shared.take(3)
    assert shared.of(3) is None
    shared.give_back(3)
    shared.give_back(1)
    assert worker(shared, 4) is regions[0]


def test_names_beyond_all_bounds_are_not_told_and_spoil_nothing(shared, monkeypatch):
    region = worker(shared, 1)
    Series(region, 'sums_total{label="first"}').add(1)
    for number in range(memory.SLOTS):
        Series(region, f'sums_total{{label="{number}"}}').add(1)
        Timings(region, f'took{{label="{number}"}}').observe(1)
    assert sum(len(values) for values in series(shared).values()) <= memory.SLOTS - memory.WIDEST
    Series(region, 'sums_total{label="last"}').add(1)
    assert series(shared)['sums_total{label="first"}'] == [1]


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "a\u2028b", "models/ä", "{}", "1+x"])
def test_whatever_a_model_is_called_can_be_read(shared, name):
    region = worker(shared, 1)
    family = families.FAMILIES["sums_total"]
    Series(region, family.named(name)).add(1)
    assert page(shared).labels("sums_total", "label") == {name}


@pytest.mark.parametrize(
    ("seconds", "below"), [(0.0, BUCKETS[0]), (BUCKETS[3], BUCKETS[3]), (BUCKETS[3] + 0.001, BUCKETS[4]), (601.0, float("inf"))]
)
def test_a_time_is_counted_in_every_bucket_that_it_is_not_above(shared, seconds, below):
    Timings(worker(shared, 1), 'took{label="a"}').observe(seconds)
    told = page(shared)
    for bound in BUCKETS:
        assert told.values_of("took_bucket", le=f"{bound:g}") == [float(bound >= below)]
    assert (told.value("took_bucket", le="+Inf"), told.value("took_count"), told.value("took_sum")) == (1, 1, seconds)
