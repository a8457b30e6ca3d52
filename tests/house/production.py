"""Castor as it runs on servers: PostgreSQL, Redis, web processes, a background worker and beat, each a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import psycopg
from cryptography.fernet import Fernet
from msgspec import Struct
from psycopg.rows import dict_row

from tests.google import GoogleSimulator
from tests.house import castor
from tests.house.castor import HOME, LIMIT, free_port
from tests.house.parts import Part, Redis, children_of
from tests.house.waiting import eventually
from tests.postgresql import Cluster

WEB = ["-m", "gunicorn", "-c", "python:proxy_site.gunicorn"]
WORKER = ["-m", "celery", "-q", "-A", "proxy_site", "worker", "--pool=threads", "--concurrency=2", "--without-gossip"]
BEAT = ["-m", "celery", "-q", "-A", "proxy_site", "beat"]

_DOWN_FOR_AN_HOUR = """
from datetime import timedelta
from celery.beat import PersistentScheduler
from proxy_site.celery import app
scheduler = PersistentScheduler(app, schedule_filename=app.conf.beat_schedule_filename)
for entry in scheduler.schedule.values():
    entry.last_run_at -= timedelta(hours=1)
scheduler.close()
"""


class Answer(Struct):
    """`keys`: those that Google was asked with for it."""

    status: int
    body: dict[str, Any]
    request_id: str
    keys: list[str]

    @property
    def text(self) -> str:
        return self.body["choices"][0]["message"]["content"]


class WebProcess:
    """One of the web processes, and a connection that it alone serves."""

    def __init__(self, pid: int, connection: http.client.HTTPConnection, google: GoogleSimulator, token: str) -> None:
        self.pid = pid
        self._connection, self._google, self._token = connection, google, token

    def chat(self, text: str = "hello", *, token: str = "", model: str = "gemini-3.8-flash") -> Answer:
        asked_before = len(self._google.log.generation())
        body = {"model": model, "messages": [{"role": "user", "content": text}]}
        status, headers, said = self.ask("POST", "/v1/chat/completions", body, token=token)
        keys = [call.key for call in self._google.log.generation()[asked_before:]]
        return Answer(status, json.loads(said), headers["x-request-id"], keys)

    def ask(self, method: str, path: str, body: Any = None, *, token: str = "") -> tuple[int, dict[str, str], bytes]:
        headers = {"Authorization": f"Bearer {token or self._token}", "Content-Type": "application/json"}
        self._connection.request(method, path, json.dumps(body) if body else None, headers)
        answer = self._connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()


class Production:
    """`workers`: web processes. `settings`: more of Castor's, or others than these; `application`: another one than its own."""

    def __init__(
        self, directory: Path, google: GoogleSimulator, *, workers: int = 2, application: str = "", **settings: str
    ) -> None:
        self.google = google
        self.workers = workers
        self.var = directory / "var"
        self.var.mkdir()
        (self.var / "static").mkdir()  # WhiteNoise warns where it finds none.
        self.cluster = Cluster()
        self.redis = Redis(directory)
        self.port = free_port()
        self.secrets = {"SECRET_KEY": "only for these tests " * 3, "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
        self.settings = {
            **self.secrets,
            "DJANGO_SETTINGS_MODULE": "proxy_site.settings",
            "DATABASE_URL": self.cluster.url,
            "REDIS_URL": self.redis.url,
            **google.settings(),
            "PORT": str(self.port),
            "WEB_WORKERS": str(workers),
            "RETRY_DELAY": "10",
            **settings,
        }
        environment = castor.environment(self.var, **self.settings)
        self.web, self.worker, self.beat = (
            Part([sys.executable, *command], directory / f"{name}.log", environment)
            for name, command in {"web": [*WEB, *application.split()], "worker": WORKER, "beat": BEAT}.items()
        )
        self.token = self.password = ""

    def prepare(self) -> None:
        """What is done once on new servers."""
        self.manage("migrate", "--verbosity=0")
        made = json.loads(self.manage("first_run", "--json"))
        self.token, self.password = made["token"], made["admin"]["password"]

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start_web(self, **settings: str) -> None:
        self.web.start(**settings)
        self.wait_for_web()

    def wait_for_web(self) -> None:
        eventually(lambda: self.web.has_ended or (len(self.web_pids()) == self.workers and self._is_ready()), "ready")
        assert not self.web.has_ended, f"The web processes did not start:\n{self.web.said[-3000:]}"

    def web_pids(self) -> list[int]:
        return children_of(self.web.pid)

    def start_beat_after_an_hour(self) -> None:
        """Beat first waits a whole round; one that was down for an hour finds everything due."""
        written = self.run("-c", _DOWN_FOR_AN_HOUR)
        assert written.returncode == 0, written.stderr
        self.beat.start()

    def manage(self, *arguments: str, typed: str = "") -> str:
        done = self.run("manage.py", *arguments, typed=typed)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def run(self, *arguments: str, typed: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
        """A program of the product with other settings than the rest; an empty one is left out."""
        chosen = {name: value for name, value in {**self.settings, **settings}.items() if value}
        environment = castor.environment(self.var, **chosen)
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=environment, cwd=HOME, input=typed, capture_output=True, text=True, timeout=LIMIT)

    def rows(self, query: str, *values: Any) -> list[dict[str, Any]]:
        with psycopg.connect(self.cluster.url, row_factory=dict_row) as database:
            return database.execute(query, values).fetchall()

    def pool(self) -> list[dict[str, Any]]:
        return json.loads(self.manage("pool_status", "--json"))

    @contextmanager
    def processes(self) -> Iterator[list[WebProcess]]:
        """All web processes."""
        pids = self.web_pids()
        with ExitStack() as stack:
            connections = [stack.enter_context(closing(self._connect_to(pid, pids))) for pid in pids]
            yield [WebProcess(*pair, self.google, self.token) for pair in zip(pids, connections, strict=True)]

    @contextmanager
    def admin(self) -> Iterator[httpx.Client]:
        """A browser in which the admin has signed in."""
        with httpx.Client(base_url=self.root, headers={"Referer": self.root}, follow_redirects=True, timeout=LIMIT) as browser:
            browser.get("/admin/login/")
            answer = self.post(browser, "/admin/login/?next=/admin/", username="admin", password=self.password)
            assert "/admin/logout/" in answer.text
            yield browser

    @staticmethod
    def post(browser: httpx.Client, path: str, **fields: Any) -> httpx.Response:
        return browser.post(path, data={**fields, "csrfmiddlewaretoken": browser.cookies["csrftoken"]})

    def _connect_to(self, pid: int, all_pids: list[int]) -> http.client.HTTPConnection:
        """All of them take connections from one queue: while the others are held, this one takes ours."""
        others = [other for other in all_pids if other != pid]
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=LIMIT)
        for other in others:
            os.kill(other, signal.SIGSTOP)
        try:
            connection.request("GET", "/health")
            connection.getresponse().read()
        finally:
            for other in others:
                os.kill(other, signal.SIGCONT)
        return connection

    def _is_ready(self) -> bool:
        try:
            with self.processes() as processes:
                return all(process.ask("GET", "/ready")[0] == 200 for process in processes)
        except OSError:
            return False


@contextmanager
def production(
    directory: Path,
    google: GoogleSimulator,
    *,
    workers: int = 2,
    with_redis: bool = True,
    with_worker: bool = True,
    application: str = "",
    **settings: str,
) -> Iterator[Production]:
    """Everything started but beat."""
    if not with_redis:
        settings["REDIS_URL"] = ""
    made = Production(directory, google, workers=workers, application=application, **settings)
    with ExitStack() as stack:
        stack.callback(made.cluster.remove)
        for part in (made.redis, made.worker, made.beat, made.web):
            stack.callback(part.stop)
        made.cluster.start()
        if with_redis:
            made.redis.start()
        made.prepare()
        if with_worker:
            made.worker.start()
        made.start_web()
        yield made
