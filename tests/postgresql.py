"""`CASTOR_TEST_DATABASE=postgresql`: the whole suite on a PostgreSQL of its own, started for one run and gone after it."""

import atexit
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from cryptography.fernet import Fernet

_URL = "CASTOR_TEST_POSTGRESQL_URL"
"""Where the cluster is: the workers of pytest-xdist inherit it, so that one cluster serves them all."""


def wanted() -> bool:
    return os.environ.get("CASTOR_TEST_DATABASE") == "postgresql"


def missing() -> str | None:
    """Why there can be no PostgreSQL here, or None."""
    return None if _programs() else "missing program: PostgreSQL's initdb"


def environment() -> dict[str, str]:
    """What the product needs to run on the cluster, which is started when none runs yet."""
    if _URL not in os.environ:
        cluster = Cluster()
        atexit.register(cluster.remove)
        cluster.start()
        os.environ[_URL] = cluster.url
    return {
        "DATABASE_URL": os.environ[_URL],
        "SECRET_KEY": "only for the tests " * 3,
        "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }


class Cluster:
    """A PostgreSQL in a temporary directory, on a free port of this machine."""

    def __init__(self) -> None:
        programs = _programs()
        assert programs is not None
        self.programs = programs
        self._home = Path(tempfile.mkdtemp(prefix="castor-postgresql-"))
        # PostgreSQL refuses to run as root; Debian's package brings the user that it runs as.
        self._account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
        if self._account:
            shutil.chown(self._home, "postgres", "postgres")
        self._port = _free_port()
        self._server: subprocess.Popen[bytes] | None = None
        options = ["--auth=trust", "--username=castor", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
        command = [programs / "initdb", "-D", self._data, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/", **self._account)

    @property
    def url(self) -> str:
        return f"postgres://castor@127.0.0.1:{self._port}/postgres"

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def start(self) -> None:
        """Returns when it answers."""
        speed = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
        where = ["-h", "127.0.0.1", "-p", str(self._port), "-k", str(self._home)]
        command = [self.programs / "postgres", "-D", self._data, *where, *speed]
        with (self._home / "log").open("a") as log:
            self._server = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **self._account)
        self._wait(self._server)

    def stop(self) -> None:
        """Disconnect everybody, then stop in good order."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.wait(timeout=60)
            self._server = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    def _wait(self, server: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        asking = [self.programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self._port)]
        while subprocess.run(asking, check=False).returncode:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self._home / 'log').read_text()[-2000:]}")
            time.sleep(0.05)


def _programs() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).parent if found else None


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]
