"""What is asked of a server, and what of its answers is none, by the client of the hot path."""

import asyncio
import itertools
import json
import threading
from types import SimpleNamespace

import pytest
from msgspec.structs import replace

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.events import Passed, PassedHead, Usage, UsageReport
from openai_api.upstream import openai_compatible, progress
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


async def ask(client, server, secret="sk-one", asked=ASKED, upstream=None):
    entry = Entry(id=1, kind="server:1", label="one", secret=secret, group="key:1", server=1, base_url=f"{server.url}/v1")
    return [events async for events in (upstream or OpenAiCompatible(client)).ask(asked, entry, new_call_id=str, seconds=100)]


async def refusal(client, server, secret="sk-one", asked=ASKED):
    with pytest.raises(UpstreamRefused) as refused:
        await ask(client, server, secret, asked)
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


@pytest.mark.parametrize("role", [b"", b'data: {"choices":[{"index":0,"delta":{"role":"assistant"}}]}\n\n'])
async def test_an_error_behind_text_that_is_only_held_lets_another_take_over(client, elsewhere, role):
    cut = Prepared("llama-9", handed_on=HandedOn("/chat/completions", "application/json", BODY, stop_tags=("END",)))
    elsewhere.script(streaming(role + word("E"), b'data: {"error":{"message":"no luck"}}\n\n', DONE))
    assert "no luck" in (await refusal(client, elsewhere, asked=cut)).message


async def test_text_is_told_although_more_is_held(client, elsewhere):
    cut = Prepared("llama-9", handed_on=HandedOn("/chat/completions", "application/json", BODY, stop_tags=("END",)))
    elsewhere.script(streaming(word("one") + word("E"), word("else", finish_reason="stop"), DONE))
    passed = [event for events in await ask(client, elsewhere, asked=cut) for event in events if isinstance(event, Passed)]
    assert (passed[0].data.startswith(word("one")), passed[0].speaks) == (True, True)


async def test_an_error_behind_the_cut_is_not_looked_at(client, elsewhere):
    elsewhere.script(streaming(word("a END") + b'data: {"error":{"message":"no luck"}}\n\n'))
    [_, [passed, _]] = await ask(client, elsewhere, asked=collecting("END"))
    assert json.loads(passed.data)["choices"][0]["message"]["content"] == "a "


async def test_the_key_is_concealed_in_whatever_the_server_says(client, elsewhere):
    found = await refusal(client, elsewhere, "zq-not-a-key-0123456789")
    assert found.outcome is Outcome.KEY_REJECTED
    assert "zq-not-a-key-0123456789" not in found.message
    assert "Incorrect API key provided" in found.message


async def test_an_answer_that_is_far_too_large_is_given_up(client, elsewhere, monkeypatch):
    monkeypatch.setattr(openai_compatible, "_MOST_WHOLE", 100)
    assert "far too large" in (await refusal(client, elsewhere)).message


# --- Collected from a stream, and cut -----------------------------------------------------------------------------------

BODY = b'{"model":"llama-9","messages":[{"role":"user","content":"hi"}],"stream":false}'
AS_STREAM = {**json.loads(BODY), "stream": True, "stream_options": {"include_usage": True}}


def collecting(*stop_tags) -> Prepared:
    request = HandedOn("/chat/completions", "application/json", BODY, stop_tags=stop_tags, collected=True)
    return Prepared("llama-9", handed_on=request)


def word(text, **more) -> bytes:
    return b"data: " + json.dumps({"id": "x-1", "choices": [{"index": 0, "delta": {"content": text}, **more}]}).encode() + b"\n\n"


USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n'
DONE = b"data: [DONE]\n\n"


async def test_a_whole_answer_is_collected_from_a_stream_that_tells_what_it_used(client, elsewhere):
    elsewhere.script(streaming(b": ping\n\n", word("one "), word("two", finish_reason="stop"), USAGE, DONE))
    head, [answer, used] = await ask(client, elsewhere, asked=collecting())
    assert head == [PassedHead("application/json", whole=True)]
    assert json.loads(answer.data)["choices"][0]["message"]["content"] == "one two"
    assert used == UsageReport(Usage(prompt=5, completion=2, total=7))
    assert elsewhere.taken[0].json == AS_STREAM


async def test_a_server_that_answers_as_a_whole_all_the_same_is_passed_as_it_is(client, elsewhere):
    head, [answer, _] = await ask(client, elsewhere, asked=collecting())
    assert (head, answer.data) == ([PassedHead("application/json", whole=True)], completion())


async def test_also_what_was_not_streamed_is_cut(client, elsewhere):
    _, [answer, used] = await ask(client, elsewhere, asked=collecting(" from"))
    assert json.loads(answer.data)["choices"][0]["message"]["content"] == "hello"
    assert used.usage.completion == 7


REFUSED = {"status": 400, "type": "invalid_request_error"}


@pytest.mark.parametrize(
    ("refusals", "bodies"),
    [
        ([("Unknown parameter: stream_options", None)], [AS_STREAM, {**json.loads(BODY), "stream": True}]),
        ([("extra inputs", "stream_options.include_usage"), ("This model cannot", "stream")],
         [AS_STREAM, {**json.loads(BODY), "stream": True}, json.loads(BODY)]),
    ],
)  # fmt: skip
async def test_a_server_that_refuses_to_stream_is_asked_for_less(client, elsewhere, refusals, bodies):
    elsewhere.script(*(failing(message=message, param=param, **REFUSED) for message, param in refusals))
    elsewhere.script(streaming(word("hi", finish_reason="stop")) if len(refusals) == 1 else Reply(completion("hi")))
    _, [answer, used] = await ask(client, elsewhere, asked=collecting())
    assert json.loads(answer.data)["choices"][0]["message"]["content"] == "hi"
    assert used.estimated == (len(refusals) == 1)
    assert [taken.json for taken in elsewhere.taken] == bodies
    assert elsewhere.taken[-1].body == BODY or len(refusals) == 1


@pytest.mark.parametrize("message", ["top_k is too small", "upstream said no", "unknown model"])
async def test_any_other_refusal_is_one(client, elsewhere, message):
    elsewhere.script(failing(message=message, **REFUSED))
    assert (await refusal(client, elsewhere, asked=collecting())).message == message
    assert len(elsewhere.taken) == 1


async def test_whoever_refused_to_stream_is_for_a_while_asked_at_once_as_it_likes(client, elsewhere):
    upstream = OpenAiCompatible(client)
    whole, other = collecting(), replace(collecting(), model="other")
    elsewhere.script(*(failing(message="no stream", **REFUSED) for _ in range(2)), *(Reply(completion("hi")) for _ in range(3)))
    for asked in (whole, whole, other):
        await ask(client, elsewhere, asked=asked, upstream=upstream)
    as_stream = [taken.json.get("stream") for taken in elsewhere.taken]
    assert as_stream == [True, True, False, False, True], "of another model nothing is known"


async def test_a_request_that_is_refused_in_every_form_is_refused(client, elsewhere):
    elsewhere.script(*(failing(message="no stream of yours", **REFUSED) for _ in range(3)))
    assert (await refusal(client, elsewhere, asked=collecting())).outcome is Outcome.REQUEST_REFUSED


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (streaming(word("a")), "broke off"),
        (streaming(word("a"), cuts=True), "broke off"),
        (streaming(word("a", finish_reason="stop"), word("b", index=1)), "broke off"),
        (streaming(word("a"), b'data: {"error":{"message":"no luck"}}\n\n'), "no luck"),
        (streaming(word("a", finish_reason="stop"), b"data: oops\n\n"), "could not be read"),
        (streaming(DONE), "could not be read"),
    ],
)
async def test_what_is_not_whole_is_no_answer(client, elsewhere, reply, words):
    elsewhere.script(reply)
    found = await refusal(client, elsewhere, asked=collecting())
    assert (found.outcome, words in found.message) == (Outcome.UPSTREAM_FAILED, True)


async def test_what_is_collected_has_the_same_limits(client, elsewhere, monkeypatch):
    monkeypatch.setattr(openai_compatible, "_MOST_WHOLE", 100)
    elsewhere.script(streaming(word("a" * 200, finish_reason="stop")))
    assert "far too large" in (await refusal(client, elsewhere, asked=collecting())).message
    moments = itertools.count(0, 25)
    monkeypatch.setattr(progress, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    elsewhere.script(streaming(b": ping\n\n", b": ping\n\n"))
    found = await refusal(client, elsewhere, asked=collecting())
    assert (found.status, "signs of life" in found.message) == (504, True)


async def test_a_tag_closes_the_connection_before_the_end_is_passed_on(client, elsewhere):
    rest = threading.Event()
    pieces = (word("so "), word("END of it"), *(word("x" * 50_000) for _ in range(200)))
    elsewhere.script(streaming(b"".join(pieces[:2]), *pieces[2:], waits=rest))
    request = HandedOn("/chat/completions", "application/json", BODY, stop_tags=("END",))
    entry = Entry(id=1, kind="server:1", label="one", secret="sk-one", group="key:1", server=1, base_url=f"{elsewhere.url}/v1")
    arriving = OpenAiCompatible(client).ask(Prepared("llama-9", handed_on=request), entry, new_call_id=str, seconds=20)
    assert (await anext(arriving))[0].content_type == "text/event-stream"
    passed, used = await anext(arriving)
    rest.set()
    assert await asyncio.to_thread(elsewhere.hung_up.wait, 20)  # And we have not left the answer yet.
    assert (passed.data.startswith(word("so ")), passed.data.endswith(DONE), b"END" in passed.data) == (True, True, False)
    assert used.estimated
    assert [events async for events in arriving] == []
