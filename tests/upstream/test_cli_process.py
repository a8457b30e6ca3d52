"""What becomes of a command that does not behave, with programs of ours in the place of the Gemini CLI."""

import asyncio
import json
import os
import signal
import sys
import tracemalloc
from pathlib import Path

import pytest

from credentials.accounts.gemini_cli import NOT_INSTALLED
from credentials.health import Outcome
from openai_api.translation.events import Finished, TextDelta
from openai_api.upstream.refusal_body import LONGEST_BODY
from tests.upstream.command_lines import (
    DONE,
    HELLO,
    answer_of,
    begin,
    children,
    cli_of,
    homes,
    is_alive,
    leave_out_others,
    program,
    refusal_of,
    until,
)

MEGABYTE = 1024 * 1024
SHOWS_WHERE = """
(here / "pids").write_text(f"{os.getpid()} {subprocess.Popen(['sleep', '1000']).pid}")
"""
HANGS = f"""
signal.signal(signal.SIGTERM, signal.SIG_IGN)
{SHOWS_WHERE}
say({HELLO!r})
time.sleep(1000)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    leave_out_others()
    return tmp_path


def pids(folder: Path) -> list[int]:
    file = folder / "pids"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


async def nothing_is_left_in(folder: Path) -> None:
    for pid in pids(folder):
        await until(lambda pid=pid: not is_alive(pid))
    assert (homes(), children()) == ([], [])


async def test_an_answer_ends_it_without_waiting_for_what_it_does_then(folder):
    cli = cli_of(program(folder, f"{SHOWS_WHERE}\nsay({HELLO!r})\nsay({DONE!r})\ntime.sleep(1000)"))
    events = await answer_of(cli)
    assert [event for event in events if isinstance(event, TextDelta | Finished)] == [TextDelta("Hello"), Finished("stop")]
    await nothing_is_left_in(folder)


async def test_who_leaves_ends_it_with_all_that_it_has_started(folder):
    answer = begin(cli_of(program(folder, HANGS)))
    assert await anext(answer) == [TextDelta("Hello")]
    assert [is_alive(pid) for pid in pids(folder)] == [True, True]
    await answer.aclose()
    await nothing_is_left_in(folder)


async def test_who_is_cancelled_ends_it_too(folder):
    cli = cli_of(program(folder, HANGS))
    asking = asyncio.ensure_future(answer_of(cli))
    await until(lambda: len(pids(folder)) == 2)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await nothing_is_left_in(folder)


@pytest.mark.parametrize("turns", range(1, 13))
async def test_who_is_cancelled_while_it_starts_leaves_at_once_and_nothing_behind(folder, turns):
    asking = asyncio.ensure_future(answer_of(cli_of(program(folder, HANGS))))
    for _ in range(turns):  # Of the event loop: each finds it at another step of its start.
        await asyncio.sleep(0)
    asking.cancel()
    done, _ = await asyncio.wait([asking], timeout=10)
    assert done
    await until(lambda: (homes(), children()) == ([], []))


async def test_the_deadline_ends_it(folder):
    refusal = await refusal_of(cli_of(program(folder, HANGS)), seconds=1)
    assert (refusal.outcome, refusal.status) == (Outcome.UPSTREAM_FAILED, 504)
    await nothing_is_left_in(folder)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
async def test_a_worker_that_dies_leaves_nothing_behind(folder, number):
    worker = folder / "worker.py"
    worker.write_text(
        "import asyncio, os, sys, tempfile\n"
        "import django\n"
        "django.setup()\n"
        "from tests.upstream.command_lines import begin, cli_of\n"
        f"tempfile.tempdir = {str(folder)!r}\n"
        "async def main():\n"
        f"    answer = begin(cli_of({str(program(folder, HANGS))!r}))\n"
        "    await anext(answer)\n"
        "    await asyncio.sleep(1000)\n"
        "asyncio.run(main())\n"
    )
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": os.getcwd()}
    process = await asyncio.create_subprocess_exec(sys.executable, worker, env=environment)
    try:
        await until(lambda: len(pids(folder)) == 2 and homes(), seconds=30)
        process.send_signal(number)
    except BaseException:
        process.kill()
        raise
    finally:
        await process.wait()
    await until(lambda: not homes())
    await nothing_is_left_in(folder)


async def test_no_more_run_at_once_than_may_and_those_that_wait_come_in_turn(folder):
    code = f"""
mark = here / f"running-{{os.getpid()}}"
mark.touch()
with open(here / "seen", "a") as seen:
    seen.write(f"{{len(list(here.glob('running-*')))}}\\n")
while not (here / "go").exists():
    time.sleep(0.01)
mark.unlink()
say({HELLO!r})
say({DONE!r})
"""
    cli = cli_of(program(folder, code), most=2)
    asked = [asyncio.ensure_future(answer_of(cli)) for _ in range(5)]
    await until(lambda: len(list(folder.glob("running-*"))) == 2)
    late = await refusal_of(cli, seconds=0.2)
    (folder / "go").touch()
    answers = await asyncio.gather(*asked)
    assert [answer[-1] for answer in answers] == [Finished("stop")] * 5
    assert late.status == 504
    counts = [int(line) for line in (folder / "seen").read_text().split()]
    assert len(counts) == 5
    assert max(counts) == 2


async def test_a_flood_in_one_line_is_given_up(folder):
    cli = cli_of(program(folder, f"{SHOWS_WHERE}\nwhile True: sys.stdout.write('x' * 65536)"))
    refusal = await refusal_of(cli)
    assert (refusal.outcome, refusal.message) == (Outcome.UPSTREAM_FAILED, "The Gemini CLI's answer could not be read.")
    await nothing_is_left_in(folder)


async def test_floods_of_lines_and_of_errors_take_bounded_memory_until_the_deadline(folder):
    flood = "while True:\n    sys.stdout.write('no json\\n' * 8192)\n    sys.stderr.write('oh no\\n' * 8192)"
    cli = cli_of(program(folder, SHOWS_WHERE + flood))
    tracemalloc.start()
    try:
        refusal = await refusal_of(cli, seconds=2)
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refusal.status == 504
    assert most < 40 * MEGABYTE
    await nothing_is_left_in(folder)


async def test_a_slow_reader_loses_nothing_of_a_long_answer(folder):
    line = json.dumps({"type": "message", "role": "assistant", "content": "x" * 1000})
    cli = cli_of(
        program(folder, f"for _ in range(2000):\n    print({line!r})\nsys.stdout.flush()\n(here / 'done').touch()\nsay({DONE!r})")
    )
    answer = begin(cli)
    events = await anext(answer)
    await until((folder / "done").exists)  # It is not held up, though nobody reads.
    async for more in answer:
        events += more
    assert sum(len(event.text) for event in events if isinstance(event, TextDelta)) == 2_000_000
    assert events[-1] == Finished("stop")


async def test_what_nobody_has_foreseen_is_kept_for_the_admin_without_the_key(folder):
    refusal = await refusal_of(cli_of(program(folder, "print('x y ' * 100_000, file=sys.stderr)\nsys.exit(42)")))
    assert (refusal.outcome, refusal.message) == (Outcome.UNEXPLAINED, "The Gemini CLI ended with exit code 42.")
    assert 0 < len(refusal.unknown) <= LONGEST_BODY
    code = "print('Something odd with ' + os.environ['GEMINI_API_KEY'], file=sys.stderr); sys.exit(41)"
    refusal = await refusal_of(cli_of(program(folder, code)))
    assert refusal.unknown.startswith("Something odd with")
    assert "test-key-1" not in refusal.unknown


@pytest.mark.parametrize(
    ("line", "outcome", "message"),
    [
        (DONE.replace("2.5-flash", "4-pro"), Outcome.MODEL_ABSENT, "The Gemini CLI asks gemini-4-pro in place of this model."),
        ('{"type":"message",', Outcome.UPSTREAM_FAILED, "The Gemini CLI's answer could not be read."),
        ('{"type":"init"}', Outcome.UPSTREAM_FAILED, "The Gemini CLI's answer broke off."),
    ],
)
async def test_an_answer_of_another_model_or_a_broken_one_is_none(folder, line, outcome, message):
    refusal = await refusal_of(cli_of(program(folder, f"say({HELLO!r})\nsay({line!r})")))
    assert (refusal.outcome, refusal.message) == (outcome, message)


async def test_its_environment_is_made_from_scratch(folder, monkeypatch):
    for name in ("SECRET_KEY", "GEMINI_API_KEYS", "GOOGLE_CLOUD_PROJECT", "NODE_OPTIONS", "HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"):
        monkeypatch.setenv(name, "ours")
    code = f"import json\n(here / 'seen').write_text(json.dumps(dict(os.environ)))\nsay({HELLO!r})\nsay({DONE!r})"
    await answer_of(cli_of(program(folder, code)))
    seen = json.loads((folder / "seen").read_text())
    assert {name for name, value in seen.items() if value == "ours"} == {"HTTPS_PROXY", "NODE_EXTRA_CA_CERTS"}
    assert seen["PATH"] == os.environ["PATH"]
    assert seen["GEMINI_API_KEY"] == "test-key-1"
    assert seen["HOME"].startswith(f"{folder}/castor-cli-")
    assert seen["TMPDIR"].startswith(seen["HOME"])


async def test_without_the_cli_nobody_is_served_and_told_why(folder):
    cli = cli_of(folder / "nothing")
    refusal = await refusal_of(cli)
    assert not cli.installed
    assert (refusal.outcome, refusal.status, refusal.message) == (Outcome.UPSTREAM_FAILED, 503, NOT_INSTALLED)


async def test_a_machine_without_room_for_another_process_is_no_fault_of_the_credential(folder, monkeypatch):
    async def refuse(*_args, **_kwargs):
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(asyncio, "create_subprocess_exec", refuse)
    refusal = await refusal_of(cli_of(program(folder, "")))
    assert (refusal.outcome, refusal.status) == (Outcome.UPSTREAM_FAILED, 503)
    assert "Resource temporarily unavailable" in refusal.message
