"""The servers that are compared, each started as its makers mean it to be, with one worker."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.load import Target

HOME = Path(__file__).resolve().parent.parent
# Where the runtime requirements are alone, if `make bench` has made it: tools for tests in the same place cost memory.
_ALONE = HOME / ".venv-bench/bin/python"
_PYTHON = str(_ALONE) if _ALONE.exists() else sys.executable
_LITELLM = HOME / ".venv-litellm/bin/litellm"
_GUNICORN = [_PYTHON, "-m", "gunicorn", "-c", "python:proxy_site.gunicorn"]
_TOKEN = "castor-bench-0123456789abcdef"
_MODEL = "gemini-3.8-flash"
_KEYS = [f"AQ.bench-key-number-{number}" for number in range(5)]
_PREPARE = "import django; django.setup(); from credentials import startup; startup.check(); startup.take_in_environment()"


@dataclass(frozen=True)
class Running:
    pid: int
    target: Target
    cold_start: float
    """Seconds from its start to its first answer."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


@contextlib.contextmanager
def upstream() -> Iterator[int]:
    port = free_port()
    with _process([sys.executable, "-m", "bench.upstream", str(port)], os.environ, port, "/"):
        yield port


@contextlib.contextmanager
def floor(upstream_port: int) -> Iterator[Running]:
    with _directory() as var:
        environment, port = _environment(var, upstream_port)
        with _process([*_GUNICORN, "bench.floor:application"], environment, port, "/health") as running:
            yield running


@contextlib.contextmanager
def castor(upstream_port: int) -> Iterator[Running]:
    with _directory() as var:
        environment, port = _environment(var, upstream_port)
        (var / "queue").mkdir()
        for command in (["manage.py", "migrate", "--verbosity=0"], ["-c", _PREPARE]):
            subprocess.run([_PYTHON, *command], check=True, env=environment, cwd=HOME)
        with _process(_GUNICORN, environment, port, "/health") as running:
            yield running


@contextlib.contextmanager
def litellm(upstream_port: int) -> Iterator[Running]:
    root = f"http://127.0.0.1:{upstream_port}/v1beta"
    models = [
        {"model_name": _MODEL, "litellm_params": {"model": f"gemini/{_MODEL}", "api_key": key, "api_base": root}} for key in _KEYS
    ]
    with _directory() as var:
        configuration = var / "config.yaml"  # JSON is YAML.
        configuration.write_text(json.dumps({"model_list": models, "general_settings": {"master_key": _TOKEN}}))
        port = free_port()
        # Its table of prices is asked for on the internet unless told otherwise.
        environment = os.environ | {"LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        command = [_LITELLM, "--config", configuration, "--host=127.0.0.1", f"--port={port}", "--num_workers=1"]
        with _process(command, environment, port, "/health/liveliness") as running:
            yield running


def systems() -> dict:
    return {"floor": floor, "Castor": castor} | ({"LiteLLM": litellm} if _LITELLM.exists() else {})


@contextlib.contextmanager
def _directory() -> Iterator[Path]:
    var = Path(tempfile.mkdtemp(prefix="castor-bench-"))
    try:
        yield var
    finally:
        shutil.rmtree(var)


def _environment(var: Path, upstream_port: int) -> tuple[dict[str, str], int]:
    port = free_port()
    return {
        **{name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ},
        "DJANGO_SETTINGS_MODULE": "proxy_site.settings",
        "CASTOR_VAR": str(var),
        "CASTOR_ENV_FILE": os.devnull,
        "PORT": str(port),
        "GOOGLE_GEMINI_BASE_URL": f"http://127.0.0.1:{upstream_port}",
        "GEMINI_API_KEYS": ",".join(_KEYS),
        "PROXY_AUTH_KEYS": _TOKEN,
        # A thousand streams at once is more than five keys get by default.
        "MAX_CONCURRENT": "1000",
        "MAX_IN_FLIGHT": "2000",
        "UPSTREAM_CONNECTIONS": "2000",
        "SHUTDOWN_SECONDS": "1",
    }, port


@contextlib.contextmanager
def _process(command, environment, port: int, path: str) -> Iterator:
    """A server that answers; its output is shown if it does not."""
    with tempfile.TemporaryFile("w+") as log:
        begin = time.perf_counter()
        process = subprocess.Popen(command, env=environment, cwd=HOME, stdout=log, stderr=log, start_new_session=True)
        try:
            while not _answers(port, path):
                if process.poll() is not None or time.perf_counter() > begin + 120:
                    log.seek(0)
                    raise SystemExit(f"{' '.join(map(str, command))} did not start:\n{log.read()[-3000:]}")
                time.sleep(0.02)
            yield Running(process.pid, Target(port, _TOKEN), time.perf_counter() - begin)
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
