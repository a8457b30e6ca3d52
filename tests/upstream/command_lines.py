"""Programs in the place of the Gemini CLI, and the real one; and what is left of them afterwards."""

import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from credentials.roster import Entry
from openai_api.translation.cli_prompt import CliPrompt, write_prompt
from openai_api.translation.conversation import Conversation, Text, Turn
from openai_api.translation.events import Event
from openai_api.translation.gemini.request import write_request
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.gemini_cli import GeminiCli
from openai_api.upstream.refusals import Refusal

REAL = Path(__file__).resolve().parents[1] / "gemini_cli" / "node_modules" / ".bin" / "gemini"
KEY = "test-key-1"
BY_KEY = Entry(id=1, kind="gemini_cli", label="by key", secret=KEY, group="key:1")
BY_LOGIN = Entry(id=2, kind="gemini_cli", label="by login", secret="", group="key:2", project="ada-project")
HELLO = '{"type":"message","role":"assistant","content":"Hello","delta":true}'
DONE = '{"type":"result","status":"success","stats":{"models":{"gemini-2.5-flash":{}}}}'


class Login:
    """Stands in for the access tokens of this process: the first one, and others once that is refused."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)

    async def token(self, entry: Entry, *, than: str = "", seconds: float) -> str:
        if than:
            self.tokens.remove(than)
        return self.tokens[0]


def need_real_cli() -> str:
    if not REAL.exists():
        pytest.skip("missing program: npm (it installs the Gemini CLI into tests/gemini_cli)")
    return str(REAL)


def cli_of(
    path: str | Path, url: str = "http://127.0.0.1:9", *, most: int = 2, patience: float = 60, login: Login | None = None
) -> GeminiCli:
    access: Any = login or Login()
    return GeminiCli(path=str(path), most=most, patience=patience, access=access, base_url=url, code_assist_url=url)


def program(folder: Path, code: str) -> Path:
    """A program in Python that may use `say(line)`, `here` (the folder), and what it imports."""
    file = folder / "gemini"
    head = f"#!{sys.executable}\nimport os, pathlib, signal, subprocess, sys, time\nhere = pathlib.Path({str(folder)!r})\n"
    file.write_text(f"{head}def say(line):\n    print(line, flush=True)\n{code}")
    file.chmod(0o755)
    return file


def asking(text: str = "hi", *, model: str = "gemini-2.5-flash", **fields: Any) -> Conversation:
    return Conversation(model, (Turn("user", (Text(text),)),), **fields)


def prepared(conversation: Conversation) -> Prepared:
    prompt = write_prompt(conversation)
    assert isinstance(prompt, CliPrompt), prompt
    return Prepared(model=conversation.model, body=write_request(conversation).body, prompt=prompt)


def begin(cli: GeminiCli, conversation: Conversation | None = None, *, entry: Entry = BY_KEY, seconds: float = 60.0):
    return cli.ask(prepared(conversation or asking()), entry, new_call_id=str, seconds=seconds)


async def answer_of(*asked: Any, **how: Any) -> list[Event]:
    return [event async for events in begin(*asked, **how) for event in events]


async def refusal_of(*asked: Any, **how: Any) -> Refusal:
    with pytest.raises(UpstreamRefused) as caught:
        await answer_of(*asked, **how)
    return caught.value.refusal


def homes() -> list[Path]:
    return list(Path(tempfile.gettempdir()).glob("castor-cli-*"))


def is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


_others: set[int] = set()
"""What runs on behalf of the tests before: servers that they all share."""


def leave_out_others() -> None:
    """To be called before a test starts anything."""
    _others.clear()
    _others.update(children())


def children(pid: int = os.getpid()) -> list[int]:
    """Processes that it has started and that run, or that it has not waited for."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # A thread may end while it is looked at.
            found += map(int, (task / "children").read_text().split())
    return [child for child in found if child not in _others]


def command_lines() -> list[bytes]:
    """Of all that runs on our behalf."""
    below = children()
    for pid in below:
        below += children(pid)
    return [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in below]


async def until(condition: Callable[[], Any], seconds: float = 10.0) -> Any:
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "It did not come true."
        await asyncio.sleep(0.01)
    return value
