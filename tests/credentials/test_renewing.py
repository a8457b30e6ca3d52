"""One access token that several processes want at the same moment, some of which are killed or frozen while they renew it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.fernet import Fernet

from tests import postgresql
from tests.credentials.accounts import ADA, calls
from tests.google import GoogleSimulator
from tests.house.castor import HOME, environment
from tests.house.parts import frozen
from tests.house.waiting import eventually
from tests.postgresql import Cluster
from tests.scenarios import clock

PROCESSES, REQUESTS = 8, 50


class Database:
    """One that several processes share, with Castor's tables. `cluster`: the PostgreSQL, if it is one."""

    def __init__(self, var: Path, google: GoogleSimulator, cluster: Cluster | None) -> None:
        self.cluster = cluster
        secrets = {"SECRET_KEY": "only for the tests " * 3, "CREDENTIAL_ENCRYPTION_KEYS": Fernet.generate_key().decode()}
        where = {"DATABASE_URL": cluster.url, **secrets} if cluster else {}
        self.environment = environment(var, DJANGO_SETTINGS_MODULE="proxy_site.settings", **where, **google.settings())
        migrate = [sys.executable, "manage.py", "migrate", "-v", "0"]
        subprocess.run(migrate, check=True, cwd=HOME, env=self.environment)


class Process:
    """One that wants tokens; `said` is what it wrote for people."""

    def __init__(self, database: Database, log: Path, **more: str) -> None:
        self._log = log
        with log.open("w") as said:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.credentials.renewing"], cwd=HOME, env={**database.environment, **more},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    def begin(self, do: str, **given: Any) -> None:
        self._process.stdin.write(json.dumps({"do": do, **given}) + "\n")
        self._process.stdin.flush()

    def end(self) -> Any:
        line = self._process.stdout.readline()
        assert line, self.said
        return json.loads(line)

    def run(self, do: str, **given: Any) -> Any:
        self.begin(do, **given)
        return self.end()

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database(request, google_server, tmp_path_factory) -> Iterator[Database]:
    var = tmp_path_factory.mktemp("renewing")
    with ExitStack() as stack:
        cluster = None
        if request.param == "postgresql":
            if missing := postgresql.missing():
                pytest.skip(missing)
            cluster = Cluster()
            stack.callback(cluster.remove)
            cluster.start()
        yield Database(var, google_server, cluster)


Start = Callable[..., list[Process]]


@contextmanager
def starting(database: Database, logs: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(count: int, **more: str) -> list[Process]:
            processes = [Process(database, logs / f"{uuid4().hex}.log", **more) for _ in range(count)]
            for process in processes:
                stack.callback(process.close)
            for process in processes:
                process.run("settle")
            return processes

        yield start


@pytest.fixture
def start(database: Database, tmp_path) -> Iterator[Start]:
    """`start(3)`: so many processes, ready to be asked; more settings for all of them by name."""
    with starting(database, tmp_path) as start:
        yield start


@pytest.fixture(scope="module")
def eight(database: Database, tmp_path_factory) -> Iterator[list[Process]]:
    """Processes that outlive a test: none of them is killed."""
    with starting(database, tmp_path_factory.mktemp("eight")) as start:
        yield start(PROCESSES)


@pytest.fixture
def ada(google: GoogleSimulator) -> GoogleSimulator:
    google.add_user(ADA, project="ada-project")
    return google


def at_expiry(google: GoogleSimulator, process: Process) -> int:
    """Ada's account, whose access token has just ended."""
    account = process.run("log_in", **login_of(google, ADA))
    google.expire_access(ADA)
    return account


def login_of(google: GoogleSimulator, email: str) -> dict[str, Any]:
    login = google.login(email)
    given = {"access_token": login.access_token, "refresh_token": login.refresh_token, "scope": login.scope}
    return {"email": email, "expires_at": 0.0, **given}


def all_ask(processes: list[Process], account: int, threads: int = REQUESTS, **wish: Any) -> list[str]:
    for process in processes:
        process.begin("ask", account=account, threads=threads, **wish)
    return [answer for process in processes for answer in process.end()]


def test_eight_processes_with_fifty_requests_each_ask_google_once(ada, eight):
    account = at_expiry(ada, eight[0])
    before = eight[0].run("pool")
    ada.script(method="token", delay=0.5)
    answers = all_ask(eight, account)
    assert len(calls(ada)) == 1
    assert len(answers) == PROCESSES * REQUESTS
    assert set(answers) == {eight[0].run("stored", account=account)[0]}
    assert answers[0] in ada.oauth.access
    assert eight[0].run("pool") == before


def test_a_token_that_google_refuses_to_all_of_them_is_renewed_once(ada, eight):
    account = at_expiry(ada, eight[0])
    [refused] = eight[0].run("ask", account=account)
    answers = all_ask(eight, account, than=refused)
    assert len(calls(ada)) == 2
    assert len(set(answers)) == 1
    assert refused not in answers


def test_the_end_of_a_login_is_found_out_by_one_call(ada, eight):
    account = at_expiry(ada, eight[0])
    ada.revoke(ADA)
    for process in eight:  # However slow they are, the last one comes within the pause.
        process.run("settle", PAUSE_SECONDS=60.0)
    assert set(all_ask(eight, account)) == {"LoginEnded"}
    assert len(calls(ada)) == 1


def test_all_that_log_in_with_a_new_account_at_once_make_one(google, eight):
    google.add_user("grace@example.com")
    logins = [login_of(google, "grace@example.com") for _ in eight]
    for process, login in zip(eight, logins, strict=True):
        process.begin("log_in", **login)
    [account] = {process.end() for process in eight}
    assert eight[0].run("stored", account=account) in [[login["access_token"], login["refresh_token"]] for login in logins]


@pytest.mark.parametrize("rotate", [False, True])
def test_another_takes_over_from_one_that_is_killed_while_it_renews(ada, start, rotate):
    ada.rotate_refresh_tokens = rotate
    holder, *others = start(4)
    account = at_expiry(ada, holder)
    holder.run("settle", LOCK_SECONDS=2.0)
    ada.script(method="token", delay=60)
    holder.begin("ask", account=account)
    eventually(lambda: calls(ada), "asking Google")
    for other in others:
        other.begin("ask", account=account, threads=5)
    holder.kill()
    answers = [answer for other in others for answer in other.end()]
    assert len(calls(ada)) == 2
    assert set(answers) == {others[0].run("stored", account=account)[0]}


def test_one_that_wakes_up_after_another_has_taken_over_overwrites_nothing(ada, start):
    holder, other = start(2)
    account = at_expiry(ada, holder)
    holder.run("settle", LOCK_SECONDS=1.0)
    ada.script(method="token", first_byte_delay=0.5)
    holder.begin("ask", account=account)
    eventually(lambda: calls(ada), "asking Google")
    with frozen(holder.pid):
        [taken] = other.run("ask", account=account)
        eventually(lambda: calls(ada)[0].ended, "answered by Google")
    assert holder.end() == [taken]
    assert other.run("stored", account=account)[0] == taken
    assert len(calls(ada)) == 2


def test_one_that_wakes_up_with_the_only_refresh_token_left_still_saves_it(ada, start):
    """Google has answered the frozen one by another refresh token, and does not take the old one from whoever took over."""
    ada.rotate_refresh_tokens = True
    holder, other = start(2)
    account = at_expiry(ada, holder)
    holder.run("settle", LOCK_SECONDS=1.0)
    ada.script(method="token", first_byte_delay=0.5)
    holder.begin("ask", account=account)
    eventually(lambda: calls(ada), "asking Google")
    with frozen(holder.pid):
        assert other.run("ask", account=account) == ["LoginEnded"]
    [saved] = holder.end()
    assert other.run("ask", account=account) == [saved]
    _, refresh_token = other.run("stored", account=account)
    assert not ada.oauth.refresh[refresh_token].is_dead


def test_machines_need_not_agree_on_the_time(ada, database, start, tmp_path):
    if database.cluster is None:
        pytest.skip("processes that share a file share a clock")
    if missing := clock.missing():
        pytest.skip(missing)
    moved = clock.MovedClock(tmp_path, ada)
    late, ahead = start(2), start(2, **moved.environment)
    moved.advance(40)
    account = at_expiry(ada, late[0])
    ada.script(method="token", delay=1)
    answers = all_ask([*late, *ahead], account, threads=5)
    assert len(calls(ada)) == len(set(answers)) == 1


def test_a_database_that_goes_down_in_the_middle_is_named_and_costs_nobody_the_token(ada, database, start):
    if database.cluster is None:
        pytest.skip("a file does not go down")
    holder, other = start(2)
    account = at_expiry(ada, holder)
    holder.run("settle", LOCK_SECONDS=1.0)
    ada.script(method="token", delay=1)
    holder.begin("ask", account=account)
    eventually(lambda: calls(ada), "asking Google")
    database.cluster.stop()
    try:
        [unsaved] = holder.end()
        assert other.run("ask", account=account) == holder.run("ask", account=account) == ["DatabaseUnavailable"]
    finally:
        database.cluster.start()
    assert unsaved in ada.oauth.access
    [renewed] = other.run("ask", account=account)
    assert holder.run("ask", account=account) == [renewed]
    hidden = [*other.run("stored", account=account), unsaved]
    for process in (holder, other):
        assert "Traceback" not in process.said
        assert not [secret for secret in hidden if secret in process.said]
