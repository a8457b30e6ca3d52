"""ffmpeg as a process: started, fed, bounded and ended. Programs of a few lines stand in for it, so it need not be there."""

import asyncio
import json
import os
import sys

import pytest
import uvloop

from openai_api import ffmpeg
from openai_api.errors import EncoderFailed, Overloaded
from openai_api.ffmpeg import Ffmpeg
from tests.upstream.command_lines import children, is_alive, leave_out_others, until

ECHO = "while data := sys.stdin.buffer.read1(): sys.stdout.buffer.write(data); sys.stdout.flush()"
HANGS = "print(os.getpid(), flush=True); time.sleep(1000)"


@pytest.fixture
def made_of(tmp_path):
    leave_out_others()

    def made_of(code: str, *, most: int = 3) -> Ffmpeg:
        program = tmp_path / "ffmpeg"
        program.write_text(f"#!{sys.executable} -IS\nimport json, os, signal, sys, time\n{code}\n")
        program.chmod(0o755)
        return Ffmpeg(path=str(program), most=most)

    return made_of


async def test_what_goes_in_comes_out_as_it_comes(made_of):
    async with made_of(ECHO).run(()) as process:
        for piece in (b"one", b"two"):
            await process.write(piece)
            assert await process.read() == piece
        process.end_input()
        assert await process.read() == b""
        await process.check()


async def test_a_slow_reader_holds_it_up_instead_of_filling_the_memory(made_of):
    async with made_of(ECHO).run(()) as process:
        writing = asyncio.ensure_future(process.write(bytes(10_000_000)))
        for _ in range(100):
            await asyncio.sleep(0)
        assert not writing.done()
        heard = 0
        while heard < 10_000_000:
            heard += len(await process.read())
        await writing
    assert heard == 10_000_000


async def test_it_is_told_its_options_and_none_of_our_secrets(made_of, monkeypatch):
    monkeypatch.setenv("GEMINI_API_KEYS", "AQ.secret")
    async with made_of("print(json.dumps([sys.argv[1:], dict(os.environ)]))").run(("-i", "$(id); pipe:0")) as process:
        arguments, environment = json.loads(await process.read())
    assert arguments[-2:] == ["-i", "$(id); pipe:0"]
    assert set(environment) <= {"PATH", "LANG", "LD_LIBRARY_PATH", "LC_CTYPE"}


async def test_who_leaves_ends_it(made_of):
    async with made_of(HANGS).run(()) as process:
        pid = int(await process.read())
        assert os.getpgid(pid) == pid != os.getpgid(0)
    assert not is_alive(pid)


@pytest.mark.parametrize("turns", range(1, 13))
async def test_who_is_cancelled_while_it_starts_leaves_at_once_and_nothing_behind(made_of, turns):
    async def use() -> None:
        async with made_of(HANGS).run(()) as process:
            await process.read()
            await process.read()

    using = asyncio.ensure_future(use())
    for _ in range(turns):  # Of the event loop: each finds it at another step of its start.
        await asyncio.sleep(0)
    using.cancel()
    done, _ = await asyncio.wait([using], timeout=10)
    assert done
    await until(lambda: children() == [])


@pytest.mark.parametrize("code", ["sys.exit(1)", "os.kill(os.getpid(), signal.SIGKILL)"])
async def test_an_end_that_is_not_good_is_an_error(made_of, code):
    async with made_of(code).run(()) as process:
        assert await process.read() == b""
        with pytest.raises(EncoderFailed):
            await process.check()


async def test_what_cannot_be_started_is_an_error():
    missing = Ffmpeg(path="/nowhere/ffmpeg", most=1)
    assert not missing.installed
    with pytest.raises(EncoderFailed):
        async with missing.run(()):
            pass


async def test_who_finds_no_turn_is_told_after_a_while(made_of, monkeypatch):
    monkeypatch.setattr(ffmpeg, "_PATIENCE", 0.01)
    encoders = made_of(ECHO, most=1)
    async with encoders.turn():
        with pytest.raises(Overloaded) as caught:
            async with encoders.turn():
                pass
    assert caught.value.retry_after
    async with encoders.turn():
        pass


def test_writing_to_a_process_that_has_ended_is_its_failure_on_the_servers_loop_too():
    async def feed() -> None:
        ffmpeg = Ffmpeg(path="true", most=1)
        async with ffmpeg.turn(), ffmpeg.run([]) as process:
            while True:
                await process.write(b"\0" * 9000)
                await asyncio.sleep(0)

    with pytest.raises(EncoderFailed):
        uvloop.run(feed())
