"""The real product under test: gunicorn, its worker, a database of its own, and the simulated Google behind it.

`castor` is one server for the whole session; `castor_with(NAME=value)` gives one with other settings, shared by all tests
that ask for the same. `castor_alone(NAME=value)` is for tests that stop or kill theirs.
"""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.api.databases import Databases, Row, databases

HOME = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
KEYS = 300
"""Tests break keys, and share a server: there are enough for all."""

# Settings that several tests ask for, so that they share a server.
TWO_KEYS = "pool-key-1,pool-key-2"
RESTRICTED = {
    "MAX_BODY_BYTES": "10000",
    "CORS_ALLOWED_ORIGINS": "https://app.example.com",
    "FETCH_ALLOW_PRIVATE_NETWORKS": "false",
}


class Castor:
    """A running server. `tokens` maps a sort of token (full, other, flash, expired, revoked, recorded …) to its plain text."""

    def __init__(
        self, var: Path, databases: Databases, tokens: dict[str, str], environment: dict[str, str], application: str
    ) -> None:
        self.var = var
        self._databases = databases
        self.tokens = tokens
        self.token = tokens["full"]
        self.port = _free_port()
        self._log = var / "server.log"
        self._command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "gunicorn",
            "-c",
            "python:proxy_site.gunicorn",
            *application.split(),
        ]
        self._environment = {**environment, "CASTOR_VAR": str(var), "PORT": str(self.port)}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def base_url(self) -> str:
        return f"{self.url}/v1"

    @property
    def logs(self) -> str:
        return self._log.read_text()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, cwd=HOME, env=self._environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self.wait(lambda: self._process.poll() is not None or self.is_ready(), "ready")
        assert self._process.poll() is None, f"The server did not start:\n{self.logs}"

    def is_ready(self) -> bool:
        try:
            return self.ask("GET", "/ready", token="")[0] == 200
        except OSError:
            return False

    def workers(self) -> list[int]:
        """The ids of the web processes under gunicorn's master."""
        pid = self._process.pid
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def terminate(self) -> None:
        self._process.terminate()

    def wait_until_ended(self) -> int:
        return self._process.wait(PATIENCE)

    def stop(self) -> int:
        if self._process is None:
            return 0
        self.terminate()
        try:
            return self.wait_until_ended()
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """`kill -9` of every process, at a moment that none of them knows."""
        workers = self.workers()
        self._process.kill()
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        self._process.wait(PATIENCE)
        self.wait(lambda: not any(_is_alive(pid) for pid in workers), "dead")

    def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: (status, headers, body). `body` is sent as it is, or as JSON."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        token = self.token if token is None else token
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            response = connection.getresponse()
            return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    def chat(self, text: str = "hello", *, token: str | None = None, headers: dict[str, str] | None = None, **fields: Any):
        """A chat completion asked without any SDK: (status, headers, JSON)."""
        status, answered, content = self.ask(
            "POST", "/v1/chat/completions", chat_body(text, **fields), token=token, **(headers or {})
        )
        return status, answered, json.loads(content)

    @contextmanager
    def streaming(self, text: str = "hello", **fields: Any) -> Iterator[http.client.HTTPResponse]:
        """A stream whose bytes the test reads itself; leaving the block hangs up."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request("POST", "/v1/chat/completions", json.dumps(chat_body(text, stream=True, **fields)), headers)
            with closing(connection.getresponse()) as response:
                yield response

    def python(self, code: str) -> str:
        """Run code beside the server, on its database, as `manage.py shell` does; returns what it prints."""
        command = [sys.executable, "-W", "ignore", "manage.py", "shell", "-v", "0", "-c", code]
        result = subprocess.run(
            command, cwd=HOME, env=self._environment, capture_output=True, text=True, check=False, timeout=PATIENCE
        )
        assert result.returncode == 0, result.stderr
        return result.stdout

    def rows(self, query: str, *values: Any) -> list[Row]:
        """Read the server's database."""
        return self._databases.rows(self.var, query, values)

    def usage(self, request_id: str) -> list[Row]:
        """The usage records of a request, once there is one."""
        query = "SELECT * FROM openai_api_usagerecord WHERE request_id = ?"
        self.wait(lambda: self.rows(query, request_id), f"a usage record of {request_id}")
        return self.rows(query, request_id)

    def wait(self, condition: Callable[[], Any], what: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, f"Not {what} after {PATIENCE:g} s. The server's log:\n{self.logs}"
            time.sleep(0.02)


def chat_body(text: str = "hello", **fields: Any) -> dict[str, Any]:
    return {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": text}], **fields}


def pool_keys(count: int = KEYS) -> list[str]:
    return [f"pool-key-{number}" for number in range(count)]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


class _Makers:
    """Starts servers on copies of prepared directories, one for each set of keys."""

    def __init__(self, directory: Path, google_url: str) -> None:
        self._directory = directory
        self._databases = databases()
        self._seeds: dict[str, tuple[Path, dict[str, str]]] = {}
        self._made = 0
        self._environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ},
            "DJANGO_SETTINGS_MODULE": "proxy_site.settings",
            "PYTHONDONTWRITEBYTECODE": "1",
            "CASTOR_ENV_FILE": os.devnull,
            "GOOGLE_GEMINI_BASE_URL": google_url,
            "GEMINI_API_KEYS": ",".join(pool_keys()),
            "FETCH_ALLOW_PRIVATE_NETWORKS": "true",
            "RETRY_DELAY": "10",
            "SHUTDOWN_SECONDS": "20",
        }

    def make(self, *, application: str = "", **environment: str) -> Castor:
        """`application`: another one than the product's own."""
        environment = {**self._environment, **environment}
        seed, tokens = self._seed(environment)
        self._made += 1
        var = self._directory / f"var-{self._made}"
        environment |= self._databases.copy(seed, var)
        castor = Castor(var, self._databases, tokens, environment, application)
        castor.start()
        return castor

    def _seed(self, environment: dict[str, str]) -> tuple[Path, dict[str, str]]:
        keys = environment["GEMINI_API_KEYS"]
        if keys not in self._seeds:
            var = self._directory / f"seed-{len(self._seeds)}"
            var.mkdir()
            environment = {**environment, **self._databases.prepare(var), "CASTOR_VAR": str(var)}
            command = [sys.executable, "-m", "tests.api.seed"]
            result = subprocess.run(command, cwd=HOME, env=environment, capture_output=True, text=True, check=False)
            assert result.returncode == 0, result.stderr
            self._seeds[keys] = var, json.loads(result.stdout)
        return self._seeds[keys]


@pytest.fixture(scope="session")
def _makers(tmp_path_factory, google_server) -> _Makers:
    return _Makers(tmp_path_factory.mktemp("castor"), google_server.url)


@pytest.fixture(scope="session")
def _shared(_makers) -> Iterator[Callable[..., Castor]]:
    running: dict[frozenset[tuple[str, str]], Castor] = {}

    def castor_with(**environment: str) -> Castor:
        wanted = frozenset(environment.items())
        if wanted not in running:
            running[wanted] = _makers.make(**environment)
        return running[wanted]

    yield castor_with
    with ExitStack() as stack:
        for castor in running.values():
            stack.callback(castor.stop)


@pytest.fixture
def _known_to_google(google) -> None:
    google.keys.update({key: f"project-of-{key}" for key in pool_keys()})


@pytest.fixture
def castor_with(_known_to_google, _shared) -> Callable[..., Castor]:
    return _shared


@pytest.fixture
def castor(castor_with) -> Castor:
    return castor_with()


@pytest.fixture
def castor_alone(_known_to_google, _makers) -> Iterator[Callable[..., Castor]]:
    with ExitStack() as stack:

        def castor_alone(application: str = "", **environment: str) -> Castor:
            castor = _makers.make(application=application, **environment)
            stack.callback(castor.stop)
            return castor

        yield castor_alone
