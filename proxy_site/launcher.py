"""The steps of a start on one machine. Everything that can be wrong is looked at before anything is started."""

import fcntl
import http.client
import socket
import sys
from pathlib import Path
from typing import IO

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command

from credentials import startup
from credentials.management.commands.first_run import ADMIN, first_admin, first_token
from proxy_site.environment import unusable
from proxy_site.greeting import address, greeting
from proxy_site.supervisor import Supervisor

_HOME = Path(__file__).resolve().parent.parent
_PYTHON = [sys.executable, "-W", "ignore:You're running the worker with superuser"]
_WEB = [*_PYTHON, "-m", "gunicorn", "-c", "python:proxy_site.gunicorn"]
_WORKER = [*_PYTHON, "-m", "celery", "-q", "-A", "proxy_site", "worker", "-B", "--loglevel=warning"]
# Tasks wait for the network, so threads do; and one worker alone has nobody to gossip with.
_WORKER += ["--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle", "--without-heartbeat"]


def launch(supervisor: Supervisor) -> int:
    """Start Castor and stay until it ends; returns the exit status.

    Raises ImproperlyConfigured, in one sentence, or DatabaseError, with nothing started.
    """
    lock = _take_directory(settings.VAR_DIR)
    _check_address(settings.HOST, settings.PORT)
    return _run(supervisor, lock, _prepare())


def _take_directory(var: Path) -> IO[str]:
    """Hold `var/` for this process and its children: the lock goes when the last of them does."""
    try:
        lock = (var / "castor.lock").open("a+")
    except OSError as error:
        raise unusable(var, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise ImproperlyConfigured(
            f"Another Castor is running on {var}. Stop it first; or set CASTOR_VAR and PORT, to have two."
        ) from error
    return lock


def _check_address(host: str, port: int) -> None:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise ImproperlyConfigured(
            f"Castor cannot listen on {host} port {port} ({error.strerror}). Set HOST and PORT in .env to a free address."
        ) from error


def _prepare() -> str | None:
    """Bring the database up to date. Returns the first client token if this is the first start."""
    call_command("migrate", verbosity=0, interactive=False)
    startup.check()
    startup.take_in_environment()
    if password := first_admin():
        # At once, not with the rest: nobody can read it again, should something fail from here on.
        print(f"Made the first admin: {ADMIN}, password {password} (shown only this once).\n", flush=True)
    return first_token()


def _run(supervisor: Supervisor, lock: IO[str], token: str | None) -> int:
    supervisor.start("The web server", _WEB, directory=_HOME, inherit=[lock.fileno()])
    supervisor.start("The background worker", _WORKER, directory=_HOME, inherit=[lock.fileno()])
    if supervisor.wait_until(_healthy):
        print(greeting(token), flush=True)
        supervisor.wait_until(lambda: False)
    ended = None if supervisor.told_to_stop else supervisor.ended()
    print(f"Stopping. Answers under way get {settings.SHUTDOWN_SECONDS} seconds to end; Ctrl-C cuts them off.", flush=True)
    supervisor.stop(patience=settings.SHUTDOWN_SECONDS + 10)
    if ended:
        print(f"{ended[0]} ended by itself (status {ended[1]}), so Castor has stopped. The lines above say why.", file=sys.stderr)
    return 1 if ended else 0


def _healthy() -> bool:
    # Not through urllib: that would ask a proxy of the environment.
    connection = http.client.HTTPConnection(*address(), timeout=2)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
