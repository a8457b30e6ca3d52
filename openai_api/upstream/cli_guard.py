"""Runs one command in a home of its own, and lets neither of them outlive whoever asked for it.

A program for itself, of Python's standard library alone: `python -I -S cli_guard.py`. Its standard input brings one line of
JSON, an Order of `cli_process`, and is a leash from then on: when it ends, because the asker has let go of it or has died of
whatever cause, the command and all that it has started are killed. Ends with the command's exit code; 128 + n for signal n.
"""

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

_HOME = "{home}"
_WORK = "{work}"


def main() -> int:
    woken = _wake_up_for_signals()
    line = sys.stdin.buffer.readline()
    if not line.endswith(b"\n"):
        return 1  # The asker has gone before it was done asking.
    order = json.loads(line)
    home = tempfile.mkdtemp(prefix="castor-cli-", dir=order["folder"])
    try:
        return _run(order, Path(home), woken)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _run(order: dict[str, Any], home: Path, woken: int) -> int:
    # Nobody can guess its name, and so nobody can name what the command keeps under that name.
    work = Path(tempfile.mkdtemp(dir=home))
    for name, text in order["files"].items():
        file = home / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", errors="replace", newline="")
    environment = {
        name: value.replace(_HOME, str(home)).replace(_WORK, str(work)) for name, value in order["environment"].items()
    }
    with (home / order["input"]).open("rb") as given:
        command = subprocess.Popen(  # noqa: S603  # No shell, and no word of a caller's: that is what its input is for.
            order["command"], cwd=work, env=environment, stdin=given, start_new_session=True
        )
    select.select([sys.stdin.buffer, woken], [], [])
    # Before it is waited for: until then its number is nobody else's.
    with suppress(ProcessLookupError):
        os.killpg(command.pid, signal.SIGKILL)
    code = command.wait()
    return code if code >= 0 else 128 - code


def _wake_up_for_signals() -> int:
    """A file that can be read from once the command has ended, or somebody wants this process to end."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return reading


if __name__ == "__main__":
    sys.exit(main())
