"""What is asked of a server, and what of its answers is none, by the client of the hot path."""

import pytest

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.events import Passed, PassedHead, Usage, UsageReport
from openai_api.upstream import openai_compatible
from openai_api.upstream.base import HandedOn, Prepared, UpstreamRefused
from openai_api.upstream.http import HttpClient
from openai_api.upstream.openai_compatible import OpenAiCompatible
from tests.servers.server import Reply, completion, failing, streaming

ASKED = Prepared("llama-9", handed_on=HandedOn("/chat/completions", "application/json", b'{"model":"llama-9"}'))


@pytest.fixture
async def client():
    client = HttpClient(connections=10, connect_timeout=5, read_timeout=20)
    client.open()
    yield client
    await client.close()


async def ask(client, server, secret="sk-one"):
    entry = Entry(id=1, kind="server:1", label="one", secret=secret, group="key:1", server=1, base_url=f"{server.url}/v1")
    return [events async for events in OpenAiCompatible(client).ask(ASKED, entry, new_call_id=str, seconds=20)]


async def refusal(client, server, secret="sk-one"):
    with pytest.raises(UpstreamRefused) as refused:
        await ask(client, server, secret)
    return refused.value.refusal


async def test_an_answer_is_its_head_its_bytes_and_what_it_used(client, elsewhere):
    head, answer = await ask(client, elsewhere)
    assert head == [PassedHead("application/json", whole=True)]
    assert answer == [Passed(completion()), UsageReport(Usage(prompt=11, completion=7, cached=3, total=18))]
    assert elsewhere.taken[0].key == "sk-one"


async def test_nothing_is_said_before_the_first_token(client, elsewhere):
    role, word = b'data: {"choices":[{"delta":{"role":"assistant"}}]}\n\n', b'data: {"choices":[{"text":"x"}]}\n\n'
    elsewhere.script(streaming(b": ping\n\n", role, word, b"data: [DONE]\n\n"))
    arrived = [event for events in await ask(client, elsewhere) for event in events]
    passed = [event for event in arrived if isinstance(event, Passed)]
    assert b"".join(event.data for event in passed if not event.speaks) in (b"", b": ping\n\n", b": ping\n\n" + role)
    assert b"".join(event.data for event in passed) == b": ping\n\n" + role + word + b"data: [DONE]\n\n"
    assert arrived[-1].estimated


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(b"<html>", headers={"Content-Type": "text/html"}), "base URL may be wrong"),
        (Reply(b"hello"), "no JSON"),
        (Reply(b""), "no JSON"),
        (Reply(b'{"id":1', cuts=True), "broke off"),
        (Reply(b"", 302, {"Location": "http://127.0.0.1:9/"}), "answered 302"),
        (streaming(b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'), "broke off"),
        (streaming(b'data: {"error":{"message":"no luck"}}\n\n'), "no luck"),
        (failing(503, "no luck"), "no luck"),
    ],
)
async def test_what_is_no_answer_is_the_servers_failure_and_nobodys_fault(client, elsewhere, reply, words):
    elsewhere.script(reply)
    found = await refusal(client, elsewhere)
    assert found.outcome is Outcome.UPSTREAM_FAILED
    assert words in found.message


async def test_the_key_is_concealed_in_whatever_the_server_says(client, elsewhere):
    found = await refusal(client, elsewhere, "zq-not-a-key-0123456789")
    assert found.outcome is Outcome.KEY_REJECTED
    assert "zq-not-a-key-0123456789" not in found.message
    assert "Incorrect API key provided" in found.message


async def test_an_answer_that_is_far_too_large_is_given_up(client, elsewhere, monkeypatch):
    monkeypatch.setattr(openai_compatible, "_MOST_WHOLE", 100)
    assert "far too large" in (await refusal(client, elsewhere)).message
