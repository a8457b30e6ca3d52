"""Stop tags, and whole answers from streams, where another server answers: through the real product and the official SDK."""

import json
import threading

import openai
import pytest

from tests.servers.server import Reply, completion, streaming

CHAT = "/v1/chat/completions"
DONE = b"data: [DONE]\n\n"

PLACES = """
from credentials.models import *
from credentials.servers import add_keys, take_in_server

add_keys(take_in_server("{url}/v1"), ["sk-one", "sk-two"])
server = Server.objects.get()
ModelRoute.objects.create(pattern="collected-*", server=server, stream_internally=True)
ModelRoute.objects.create(pattern="cut-*", server=server, stop_tags=["</answer>", "END"])
"""


@pytest.fixture(scope="module")
def _castor_before(_makers, _elsewhere):
    castor = _makers.make()
    castor.python(PLACES.format(url=_elsewhere.url))
    castor.wait(lambda: castor.chat(model="llama-9")[0] == 200, "aware of the server")
    yield castor
    castor.stop()


@pytest.fixture
def before(_castor_before, _known_to_google, elsewhere):
    return _castor_before


@pytest.fixture
def client(before):
    with openai.OpenAI(base_url=before.base_url, api_key=before.token, max_retries=0) as client:
        yield client


def chunk(*deltas, **more) -> bytes:
    choices = [{"index": index, "delta": delta, "finish_reason": None} for index, delta in enumerate(deltas)]
    answer = {"id": "x-1", "object": "chat.completion.chunk", "created": 1, "model": "llama-9", "choices": choices}
    return b"data: " + json.dumps(answer | more).encode() + b"\n\n"


def end(reason="stop", index=0) -> bytes:
    return chunk(choices=[{"index": index, "delta": {}, "finish_reason": reason}])


def said(*texts) -> list[bytes]:
    return [chunk({"role": "assistant"}), *(chunk({"content": text}) for text in texts)]


USAGE = chunk(usage={"prompt_tokens": 5, "completion_tokens": 6, "total_tokens": 11})
ASKED = [{"role": "user", "content": "hi"}]


def going_on(*pieces: bytes) -> tuple[Reply, threading.Event]:
    """A reply that talks on and on after these pieces, once it may: its server ends it by noticing that nobody listens."""
    rest = threading.Event()
    return streaming(b"".join(pieces), *[chunk({"content": "x" * 50_000})] * 400, waits=rest), rest


# --- Stop tags ----------------------------------------------------------------------------------------------------------


def test_a_stream_is_cut_before_the_tag_and_its_server_is_left_at_once(client, before, elsewhere):
    reply, rest = going_on(*said("one ", "two </an", "swer> three"))
    elsewhere.script(reply)
    headers = {"X-Castor-Stop-Tags": "</answer>", "X-Request-ID": "cut-stream"}
    chunks = list(client.chat.completions.create(model="llama-9", messages=ASKED, stream=True, extra_headers=headers))
    rest.set()
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "one two "
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices[0].finish_reason] == ["stop"]
    assert {(chunk.id, chunk.model, chunk.usage) for chunk in chunks} == {("x-1", "llama-9", None)}
    assert elsewhere.hung_up.wait(20)
    assert "stream_options" not in elsewhere.taken[-1].json  # It was the caller's own stream.
    [row] = before.usage("cut-stream")
    assert (row["status"], row["estimated"], row["stream"], row["completion_tokens"] < 20) == (200, True, True, True)


def test_a_whole_answer_is_cut_by_a_stream_that_is_left_at_once(client, before, elsewhere):
    reply, rest = going_on(*said("so </answer>"))
    elsewhere.script(reply)
    answer = client.chat.completions.create(model="cut-1", messages=ASKED, extra_headers={"X-Request-ID": "cut-whole"})
    rest.set()
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("so ", "stop")
    assert (answer.object, answer.id, answer.usage) == ("chat.completion", "x-1", None)
    assert elsewhere.hung_up.wait(20)
    assert elsewhere.taken[-1].json["stream"] is True
    [row] = before.usage("cut-whole")
    assert (row["status"], row["estimated"], row["stream"]) == (200, True, False)


def test_an_answer_that_begins_with_a_tag_is_empty_and_nobody_else_is_asked(before, elsewhere):
    elsewhere.script(streaming(*said("END")))
    status, headers, answer = before.chat(model="cut-1")
    assert (status, headers["x-castor-attempts"], answer["choices"][0]["message"]["content"]) == (200, "1", "")


def test_of_several_choices_those_go_on_that_have_no_tag(client, elsewhere):
    elsewhere.script(
        streaming(chunk({"content": "a END"}, {"content": "b"}), chunk({"content": "no"}, {"content": "c"}), end(index=1), DONE)
    )
    answer = client.chat.completions.create(model="cut-1", messages=ASKED, n=2)
    assert [choice.message.content for choice in answer.choices] == ["a ", "bc"]


def test_a_legacy_completion_is_cut_too(client, elsewhere):
    pieces = [{"id": "t", "object": "text_completion", "created": 1, "model": "m", "choices": [{"index": 0, "text": text}]}
              for text in ("a E", "ND b")]  # fmt: skip
    for stream in (False, True):
        elsewhere.script(streaming(*(b"data: " + json.dumps(piece).encode() + b"\n\n" for piece in pieces)))
        answer = client.completions.create(model="cut-1", prompt="hi", stream=stream)
        choices = [chunk.choices[0] for chunk in answer] if stream else answer.choices
        assert ("".join(choice.text for choice in choices), choices[-1].finish_reason) == ("a ", "stop")


def test_without_its_tag_a_stream_passes_byte_for_byte(before, elsewhere):
    pieces = [*said("a < b", "</answe", "R>"), chunk({"content": "EN"}), end("length"), USAGE, DONE]
    elsewhere.script(streaming(*pieces))
    body = {"model": "cut-1", "messages": ASKED, "stream": True}
    assert before.ask("POST", CHAT, body, X_Request_ID="not-cut")[2] == b"".join(pieces)
    [row] = before.usage("not-cut")
    assert (row["completion_tokens"], row["estimated"]) == (6, False)


def test_the_caller_may_want_no_tags_and_then_all_passes_as_ever(before, elsewhere):
    elsewhere.script(Reply(completion("a END b")))
    body = json.dumps({"model": "cut-1", "messages": ASKED}).encode()
    status, _, content = before.ask("POST", CHAT, body, X_Castor_Stop_Tags="")
    assert (status, content, elsewhere.taken[-1].body) == (200, completion("a END b"), body)


def test_what_is_no_chat_is_never_cut(before, elsewhere):
    stream = b'data: {"type":"response.output_text.delta","delta":"a END b"}\n\ndata: {"type":"response.completed"}\n\n'
    elsewhere.script(streaming(stream))
    body = json.dumps({"model": "cut-1", "input": "hi", "stream": True}).encode()
    assert before.ask("POST", "/v1/responses", body)[2] == stream


# --- Collected ----------------------------------------------------------------------------------------------------------


def test_a_whole_answer_is_collected_with_its_exact_usage(client, before, elsewhere):
    calls = [{"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a"'}}]
    more = [{"index": 0, "function": {"arguments": ":1}"}}]
    elsewhere.script(
        streaming(*said("one ", "two"), chunk({"tool_calls": calls}), chunk({"tool_calls": more}), end("tool_calls"), USAGE, DONE)
    )
    answer = client.chat.completions.with_raw_response.create(
        model="collected-1", messages=ASKED, extra_headers={"X-Request-ID": "collected"}
    )
    assert answer.headers["content-type"] == "application/json"
    parsed = answer.parse()
    [choice] = parsed.choices
    assert (choice.message.content, choice.finish_reason, parsed.usage.total_tokens) == ("one two", "tool_calls", 11)
    assert choice.message.tool_calls[0].function.arguments == '{"a":1}'
    asked = elsewhere.taken[-1].json
    assert (asked["stream"], asked["stream_options"]) == (True, {"include_usage": True})
    [row] = before.usage("collected")
    assert (row["prompt_tokens"], row["completion_tokens"], row["estimated"], row["stream"]) == (5, 6, False, False)


def test_another_key_takes_over_to_the_last_word_of_what_is_collected(before, elsewhere):
    elsewhere.script(streaming(*said("half"), cuts=True), streaming(*said("other half"), b'data: {"error":{"message":"x"}}\n\n'))
    elsewhere.script(streaming(*said("whole"), end(), DONE))
    status, headers, answer = before.chat(model="collected-1")
    assert (status, headers["x-castor-attempts"], answer["choices"][0]["message"]["content"]) == (200, "3", "whole")


def test_a_stream_that_the_caller_wants_is_its_own(before, elsewhere):
    pieces = [*said("a"), end(), DONE]
    elsewhere.script(streaming(*pieces))
    body = json.dumps({"model": "collected-1", "messages": ASKED, "stream": True}).encode()
    assert before.ask("POST", CHAT, body)[2] == b"".join(pieces)
    assert elsewhere.taken[-1].body == body


def test_a_server_that_refuses_to_tell_its_usage_is_no_failure(before, elsewhere):
    refusal = {"message": "stream_options is not supported", "type": "invalid_request_error", "param": None, "code": None}
    elsewhere.script(Reply(json.dumps({"error": refusal}).encode(), 400), streaming(*said("a"), end(), DONE))
    status, headers, answer = before.chat(model="collected-1")
    assert (status, headers["x-castor-attempts"], answer["choices"][0]["message"]["content"]) == (200, "1", "a")
    assert elsewhere.taken[0].key == elsewhere.taken[1].key
