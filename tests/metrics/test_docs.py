"""docs/metrics.md and the dashboard speak of what is really told."""

import json
import re
from pathlib import Path

import pytest

from openai_api.metrics import catalogue
from openai_api.metrics.families import BUCKETS, FAMILIES
from tests.metrics.dashboard import DASHBOARD, expressions

HOME = Path(__file__).parents[2]
DOCS = (HOME / "docs/metrics.md").read_text()
RULES = (HOME / "deploy/prometheus/castor.rules.yml").read_text()
SUFFIXES = {"histogram": ("_bucket", "_count", "_sum")}
TOLD = {name + suffix for name, family in FAMILIES.items() for suffix in SUFFIXES.get(family.kind, ("",))}


def test_the_catalogue_is_not_empty():
    assert catalogue.REQUESTS.name in TOLD
    assert len(TOLD) > 20


def test_the_table_lists_every_metric_with_its_labels_and_meaning():
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in DOCS.splitlines() if line.startswith("| `castor_")]
    known = [
        [f"`{family.name}`", family.kind, ", ".join(f"`{label}`" for label in family.labels), family.meaning]
        for family in FAMILIES.values()
    ]
    assert rows == known


def test_the_buckets_are_those_of_the_code():
    assert f"in seconds: {', '.join(f'{bound:g}' for bound in BUCKETS)}." in DOCS


def test_every_alert_is_in_the_docs():
    alerts = re.findall(r"- alert: (\w+)", RULES)
    assert re.findall(r"^\| `(Castor\w+)` ", DOCS, re.MULTILINE) == alerts


@pytest.mark.parametrize("text", [RULES, DASHBOARD.read_text()], ids=["alerts", "dashboard"])
def test_every_metric_that_is_asked_for_exists(text):
    asked = set(re.findall(r"castor_\w+", text))
    assert asked
    assert asked <= TOLD


def test_the_dashboard_shows_every_family():
    shown = " ".join(expressions())
    assert [name for name in FAMILIES if name not in shown] == []


def test_panels_have_places_of_their_own():
    panels = json.loads(DASHBOARD.read_text())["panels"]
    places = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places))
    assert max(x for x, _ in places) < 24
    assert len({panel["id"] for panel in panels}) == len(panels)
