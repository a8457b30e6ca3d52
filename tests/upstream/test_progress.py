"""Upstreams that keep their connections alive and say nothing are failed, whatever it is that they send."""

import asyncio
import itertools
from contextlib import aclosing, asynccontextmanager
from types import SimpleNamespace

import pytest
from msgspec import structs

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.conversation import Conversation, Text, TextsToEmbed, Turn
from openai_api.translation.events import Passed, TextDelta
from openai_api.translation.gemini.embeddings import write_batches
from openai_api.upstream import openai_compatible, progress
from openai_api.upstream.ai_studio import AiStudio
from openai_api.upstream.base import HandedOn, Prepared, UpstreamRefused
from openai_api.upstream.code_assist import CodeAssist
from openai_api.upstream.openai_compatible import OpenAiCompatible
from tests.api.upstreams import prepare
from tests.credentials.pools import FLASH, key
from tests.upstream.command_lines import HELLO, Login, begin, cli_of, program
from tests.upstream.test_http import opened

PATIENCE = 20.0
LOOK = 8.0
"""Seconds that pass, by the clock of these tests, from one look at it to the next."""
ENOUGH = 6
"""Words, with signs of life between them, that take more looks than there is patience for."""


@pytest.fixture
def _clock(monkeypatch):
    moments = itertools.count(0, LOOK)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(moments)))


@asynccontextmanager
async def endless(*again: bytes, first: bytes = b"", kind: str = "text/event-stream"):
    """A server that answers 200, says something first, and then the same again and again, for ever."""

    def chunk(data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data)

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nTransfer-Encoding: chunked\r\n\r\n" % kind.encode())
        if first:
            writer.write(chunk(first))
        for data in itertools.cycle(again):
            if writer.is_closing():
                break
            writer.write(chunk(data))
            await asyncio.sleep(0.002)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()


def event(data: str) -> bytes:
    return f"data: {data}\r\n\r\n".encode()


def asked():
    return prepare(Conversation(FLASH, (Turn("user", (Text("hi"),)),)))


def by_gemini(client, url):
    return AiStudio(client, url, Login("a-token")).ask(asked(), key(1), new_call_id=str, seconds=60)


def by_code_assist(client, url):
    account = structs.replace(key(1), secret="", project="a-project")
    return CodeAssist(client, url, Login("a-token")).ask(asked(), account, new_call_id=str, seconds=60)


def by_server(client, url, *, stop_tags=()):
    entry = Entry(id=1, kind="server:1", label="one", secret="sk-one", group="key:1", server=1, base_url=f"{url}/v1")
    handed_on = HandedOn("/chat/completions", "application/json", b"{}", stop_tags=stop_tags)
    return OpenAiCompatible(client).ask(Prepared("llama-9", handed_on=handed_on), entry, new_call_id=str, seconds=60)


def cut_by_tags(client, url):
    return by_server(client, url, stop_tags=("END",))


def embedding(client, url):
    [batch] = write_batches(TextsToEmbed("gemini-embedding-001", ("hi",)))
    prepared = Prepared("gemini-embedding-001", batch.body, inputs=1)
    return AiStudio(client, url, Login("a-token")).embed(prepared, key(1), new_call_id=str, seconds=60)


async def refused(answer) -> tuple[list, UpstreamRefused]:
    """The events until then."""
    heard: list = []

    async def hear() -> None:
        async for events in answer:
            heard.extend(events)

    with pytest.raises(UpstreamRefused) as caught:
        await hear()
    return heard, caught.value


GEMINI = event('{"candidates":[{"content":{"parts":[{"text":"word"}]}}]}')
CODE_ASSIST = event('{"response":{"candidates":[{"content":{"parts":[{"text":"word"}]}}]}}')
OPENAI = event('{"choices":[{"delta":{"content":"word"}}]}')
SIGNS_OF_LIFE = {
    "Gemini, comments": (by_gemini, GEMINI, b": ping\r\n\r\n"),
    "Gemini, line ends": (by_gemini, GEMINI, b"\r\n"),
    "Gemini, empty events": (by_gemini, GEMINI, event("{}")),
    "Gemini, empty texts": (by_gemini, GEMINI, event('{"candidates":[{"content":{"parts":[{"text":""}]}}]}')),
    "Gemini, the same usage": (by_gemini, GEMINI, event('{"usageMetadata":{"promptTokenCount":3}}')),
    "Code Assist, comments": (by_code_assist, CODE_ASSIST, b": ping\r\n\r\n"),
    "Code Assist, empty answers": (by_code_assist, CODE_ASSIST, event('{"response":{}}')),
    "server, comments": (by_server, OPENAI, b": ping\n\n"),
    "server, comments, tags looked for": (cut_by_tags, OPENAI, b": ping\n\n"),
    "server, its role, tags looked for": (cut_by_tags, OPENAI, event('{"choices":[{"delta":{"role":"assistant"}}]}')),
    "server, line ends": (by_server, OPENAI, b"\n"),
    "server, empty events": (by_server, OPENAI, event("{}")),
    "server, empty deltas": (by_server, OPENAI, event('{"choices":[{"delta":{"content":"","tool_calls":null}}]}')),
    "server, its role": (by_server, OPENAI, event('{"choices":[{"delta":{"role":"assistant","content":""}}]}')),
    "server, no choices": (by_server, OPENAI, event('{"choices":[]}')),
    "server, the same usage": (by_server, OPENAI, event('{"choices":[],"usage":{"prompt_tokens":3}}')),
    "server, in progress": (by_server, OPENAI, event('{"type":"response.in_progress"}')),
    "server, typed pings": (by_server, OPENAI, event('{"type":"ping"}')),
}
EACH = pytest.mark.parametrize(("ask", "word", "again"), SIGNS_OF_LIFE.values(), ids=SIGNS_OF_LIFE.keys())


@EACH
@pytest.mark.usefixtures("_clock")
@pytest.mark.parametrize("begun", [False, True], ids=["before the first token", "after it"])
async def test_signs_of_life_alone_do_not_keep_a_stream_alive(ask, word, again, begun):
    async with opened(read_timeout=PATIENCE) as client, endless(again, first=word if begun else b"") as url:
        heard, error = await refused(ask(client, url))
    assert (error.refusal.outcome, error.refusal.status) == (Outcome.UPSTREAM_FAILED, 504)
    assert "signs of life" in error.refusal.message
    assert begun == any(isinstance(one, TextDelta) or (isinstance(one, Passed) and one.speaks) for one in heard)


@EACH
@pytest.mark.usefixtures("_clock")
async def test_between_words_they_do_no_harm(ask, word, again):
    words = 0
    async with opened(read_timeout=PATIENCE) as client, endless(again, word) as url:
        answer = ask(client, url)
        async for events in answer:
            words += sum(isinstance(one, TextDelta) or (isinstance(one, Passed) and b"word" in one.data) for one in events)
            if words >= ENOUGH:
                break
        await answer.aclose()
    assert words >= ENOUGH


@pytest.mark.parametrize("first", [b"", b'{"object":"list",'], ids=["before its beginning", "in its midst"])
@pytest.mark.parametrize("ask", [by_server, embedding])
@pytest.mark.usefixtures("_clock")
async def test_white_space_does_not_keep_a_whole_answer_alive(ask, first):
    async with opened(read_timeout=PATIENCE) as client, endless(b" \n", first=first, kind="application/json") as url:
        _, error = await refused(ask(client, url))
    assert (error.refusal.outcome, error.refusal.status) == (Outcome.UPSTREAM_FAILED, 504)
    assert "signs of life" in error.refusal.message


@pytest.mark.parametrize(("said", "patience"), [("", 0.3), (f"say({HELLO!r})", 2.0)], ids=["before its first word", "after it"])
async def test_lines_that_say_nothing_do_not_keep_the_cli_alive(tmp_path, monkeypatch, said, patience):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ping = '{"type":"init","session_id":"1"}'
    file = program(tmp_path, f"{said}\nwhile True:\n    say({ping!r})\n    time.sleep(0.05)\n")
    heard, error = await refused(begin(cli_of(file, patience=patience)))
    assert heard == ([TextDelta("Hello")] if said else [])
    assert (error.refusal.outcome, error.refusal.status) == (Outcome.UPSTREAM_FAILED, 504)
    assert "signs of life" in error.refusal.message


async def test_a_client_who_reads_slowly_takes_no_time_from_its_server(monkeypatch):
    now = 0.0
    clock = SimpleNamespace(monotonic=lambda: now)
    monkeypatch.setattr(progress, "time", clock)
    monkeypatch.setattr(openai_compatible, "time", clock)
    silent = event('{"choices":[{"delta":{"role":"assistant"}}]}')
    async with (
        endless(silent, first=OPENAI) as url,
        opened(read_timeout=PATIENCE) as client,
        aclosing(by_server(client, url)) as answer,
    ):
        for _ in range(5):
            assert await anext(answer)
            now += PATIENCE + 1
