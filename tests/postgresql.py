"""`CASTOR_TEST_DATABASE=postgresql`: the whole suite on a PostgreSQL of its own, started for one run and gone after it."""

import atexit
import os
import shutil
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
    return None if _programs() else "CASTOR_TEST_DATABASE=postgresql, but PostgreSQL's initdb is not installed"


def environment() -> dict[str, str]:
    """What the product needs to run on the cluster, which is started when none runs yet."""
    if _URL not in os.environ:
        os.environ[_URL] = _start()
    return {
        "DATABASE_URL": os.environ[_URL],
        "SECRET_KEY": "only for the tests " * 3,
        "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode(),
    }


def _programs() -> Path | None:
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    found = versions[-1] if versions else shutil.which("initdb")
    return Path(found).parent if found else None


def _start() -> str:
    programs = _programs()
    assert programs is not None
    home = Path(tempfile.mkdtemp(prefix="castor-postgresql-"))
    # PostgreSQL refuses to run as root; Debian's package brings the user that it runs as.
    account = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if account:
        shutil.chown(home, "postgres", "postgres")
    port = _free_port()
    data = home / "data"
    options = ["--auth=trust", "--username=castor", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"]
    subprocess.run([programs / "initdb", "-D", data, *options], check=True, stdout=subprocess.DEVNULL, cwd="/", **account)
    speed = ["-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off"]
    where = ["-h", "127.0.0.1", "-p", str(port), "-k", str(home)]
    with (home / "log").open("w") as log:
        server = subprocess.Popen([programs / "postgres", "-D", data, *where, *speed], stdout=log, stderr=log, cwd="/", **account)
    atexit.register(_stop, server, home)
    _wait_for(programs / "pg_isready", port, server, home / "log")
    return f"postgres://castor@127.0.0.1:{port}/postgres"


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def _wait_for(pg_isready: Path, port: int, server: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + 60
    while subprocess.run([pg_isready, "-q", "-h", "127.0.0.1", "-p", str(port)], check=False).returncode:
        if server.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def _stop(server: subprocess.Popen, home: Path) -> None:
    server.send_signal(2)  # SIGINT: disconnect everybody, then stop in good order
    server.wait(timeout=60)
    shutil.rmtree(home, ignore_errors=True)
