"""The real Prometheus, with the configuration that is shipped."""

import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.api.server import Castor
from tests.house.castor import free_port

SHIPPED = Path(__file__).parents[2] / "deploy/prometheus"
ALERTS = re.findall(r"- alert: (\w+)", (SHIPPED / "castor.rules.yml").read_text())
PATIENCE = 30.0


def program(name: str) -> str:
    return shutil.which(name) or pytest.skip(f"missing program: {name}")


class Prometheus:
    """The real one, which scrapes every tenth of a second."""

    def __init__(self, port: int) -> None:
        self._port = port

    def ask(self, path: str, **query: str) -> dict:
        url = f"http://127.0.0.1:{self._port}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE) as answer:
            return json.load(answer)["data"]

    def values(self, query: str) -> list[float]:
        return [float(series["value"][1]) for series in self.ask("query", query=query)["result"]]

    def wait_for(self, query: str) -> list[float]:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                if found := self.values(query):
                    return found
            except OSError:  # It has not begun to listen, or to answer.
                pass
            assert time.monotonic() < deadline, f"{query} finds nothing"
            time.sleep(0.05)


@contextmanager
def prometheus_of(castor: Castor, token: str, directory: Path) -> Iterator[Prometheus]:
    """As it is shipped, but for the address, the token and the patience. Skips where there is no Prometheus."""
    command = [program("prometheus"), f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data"]
    config = (SHIPPED / "prometheus.yml").read_text().replace("127.0.0.1:8000", f"127.0.0.1:{castor.port}")
    config = re.sub(r"# (authorization:|  credentials_file:)", r"\1", config.replace(": 15s", ": 100ms"))
    assert "\n    authorization:\n      credentials_file: castor-token" in config
    (directory / "prometheus.yml").write_text(config)
    (directory / "castor-token").write_text(f"{token}\n")
    shutil.copy(SHIPPED / "castor.rules.yml", directory)
    port = free_port()
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        yield Prometheus(port)
    finally:
        process.terminate()
        process.wait(PATIENCE)
