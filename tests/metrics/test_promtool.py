"""What is shipped for Prometheus, in the eyes of promtool."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.metrics.prometheus import ALERTS, SHIPPED, program

HERE = Path(__file__).parent


@pytest.mark.parametrize(
    "arguments",
    [
        ["check", "config", str(SHIPPED / "prometheus.yml")],
        ["check", "rules", str(SHIPPED / "castor.rules.yml")],
        ["test", "rules", str(HERE / "alerts.yml")],
    ],
    ids=["config", "rules", "unit tests of the rules"],
)
def test_promtool_accepts(arguments):
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_is_tested_in_both_directions(alert):
    tested = (HERE / "alerts.yml").read_text()
    assert re.search(rf"alertname: {alert}, exp_alerts: \[\]", tested)
    assert re.search(rf"alertname: {alert}\n\s+exp_alerts:\n", tested)
