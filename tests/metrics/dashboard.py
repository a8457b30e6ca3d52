"""The queries of deploy/grafana/castor.json, with values in the place of Grafana's variables."""

import json
from pathlib import Path

DASHBOARD = Path(__file__).parents[2] / "deploy/grafana/castor.json"
_VARIABLES = {"$job": ".*", "$model": ".*", "$__rate_interval": "1m"}


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [_filled(target["expr"]) for panel in panels for target in panel.get("targets", ())]


def _filled(expression: str) -> str:
    for name, value in _VARIABLES.items():
        expression = expression.replace(name, value)
    assert "$" not in expression
    return expression
