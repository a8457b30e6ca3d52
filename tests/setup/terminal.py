"""The wizard in a real terminal, in a directory of its own; and Castor as that directory's settings start it."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pexpect
import pytest

from tests.google.simulator import GoogleSimulator
from tests.house.castor import HOME, LIMIT

KEY = "test-key-1"

ENTER, DOWN, UP, CTRL_C = "\r", "\x1b[B", "\x1b[A", "\x03"
_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
KEPT_OUT = ("--database", "sqlite", "--redis", "none")
"""Whatever runs beside these tests on its usual port, the same questions are asked."""


class Place:
    """A directory in which somebody sets Castor up."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.env = folder / ".env"
        self.var = folder / "var"
        self.settings = {"CASTOR_ENV_FILE": str(self.env), **environment}
        passed_on = {name: os.environ[name] for name in ("PATH",)}
        self._environment = {
            **passed_on,
            **self.settings,
            "HOME": str(folder / "home"),
            "CASTOR_VAR": str(self.var),
            "LANG": "C.UTF-8",
            "TERM": "xterm-256color",
            "PROMPT_TOOLKIT_NO_CPR": "1",  # Nobody is there to answer where the cursor stands.
        }

    def wizard(self, *arguments: str, kept_out: tuple[str, ...] = KEPT_OUT) -> "Terminal":
        return Terminal([str(HOME / "manage.py"), "setup", *kept_out, *arguments], self.folder, self._environment)

    def script(self, *arguments: str, typed: str = "", without: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """`setup --non-interactive`, as a script runs it; `without`: variables that are left out."""
        environment = {name: value for name, value in self._environment.items() if name not in without}
        command = [sys.executable, str(HOME / "manage.py"), "setup", "--non-interactive", *arguments]
        return subprocess.run(
            command, cwd=self.folder, env=environment, input=typed, capture_output=True, text=True, timeout=LIMIT, check=False
        )

    def ask_database(self, code: str) -> str:
        """What an expression gives in this installation."""
        program = f"""
import os, django
os.environ["DJANGO_SETTINGS_MODULE"] = "proxy_site.settings"
django.setup()
from django.conf import settings
from django.contrib.auth.models import User
from credentials.models import *
print(({code}))
"""
        command = [sys.executable, "-c", program]
        done = subprocess.run(
            command, cwd=HOME, env=self._environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def census(self) -> str:
        """How many credentials, tokens and users there are."""
        return self.ask_database("[model.objects.count() for model in (Credential, ClientToken, User)]")

    def lay_down_a_login(self, google: GoogleSimulator) -> None:
        """As the replaced projects keep them: one in `oauth creds`, and a key beside it."""
        google.add_user("ada@example.com", tier="standard-tier", project="ada-project")
        login = {
            "refresh_token": google.login("ada@example.com").refresh_token,
            "email": "ada@example.com",
            "project_id": "ada-project",
            "client_id": "castor-test-client",
            "client_secret": "castor-test-secret",
            "expiry_date": 1750000000000,
            "scope": "https://www.googleapis.com/auth/cloud-platform",
        }
        (self.folder / "oauth creds").mkdir()
        (self.folder / "oauth creds" / "ada.json").write_text(json.dumps(login))
        (self.folder / "keys.txt").write_text(f"{KEY}\n")

    def files(self) -> dict[str, bytes]:
        """What lies in the directory itself."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir() if path.is_file()}


class Terminal:
    def __init__(self, arguments: list[str], folder: Path, environment: dict[str, str]) -> None:
        self._child = pexpect.spawn(
            sys.executable, arguments, cwd=folder, env=environment, dimensions=(60, 110), encoding="utf-8", timeout=LIMIT
        )
        self._seen: list[str] = []

    def answer(self, *questions: tuple[str, str]) -> None:
        """Wait for each question, and then press the keys."""
        for question, keys in questions:
            self.expect(question)
            self._child.send(keys)

    def expect(self, text: str) -> None:
        try:
            self._child.expect_exact(text)
        except (pexpect.TIMEOUT, pexpect.EOF) as error:
            raise AssertionError(f"{text!r} was not shown. What was:\n{self.shown}{plain(self._child.before or '')}") from error
        self._seen.append(f"{self._child.before}{self._child.after}")

    @property
    def shown(self) -> str:
        """All that was shown up to what was expected last, without colours."""
        return plain("".join(self._seen))

    def end(self) -> int:
        """The exit status."""
        self._child.expect(pexpect.EOF)
        self._seen.append(self._child.before)
        self._child.close()
        assert self._child.exitstatus is not None
        return self._child.exitstatus


def plain(text: str) -> str:
    return _CODES.sub("", text)


def curl_of(said: str) -> list[str]:
    """The printed command, as a shell would split it."""
    found = re.search(r"^    curl .*?'$", said, re.MULTILINE | re.DOTALL)
    assert found, said
    return shlex.split(found[0].replace("\\\n", " "))


def run_curl(said: str) -> tuple[int, str]:
    """Status and body that the printed command gives."""
    if shutil.which("curl") is None:
        pytest.skip("missing program: curl")
    command = ["curl", "-s", "-w", "\n%{http_code}", *curl_of(said)[1:]]
    body, status = subprocess.run(command, capture_output=True, text=True, check=True).stdout.rsplit("\n", 1)
    return int(status), body


def run_python(said: str) -> str:
    """What the printed program for OpenAI's SDK prints."""
    found = re.search(r"^    from openai .*?^    print\(.*?$", said, re.MULTILINE | re.DOTALL)
    assert found, said
    command = [sys.executable, "-c", textwrap.dedent(found[0])]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.removesuffix("\n")
