"""What is read of requests and answers that pass, and what is changed of them: nothing but the model's name."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api.translation.events import Usage
from openai_api.translation.passing.answer import Seen, Stream, estimate
from openai_api.translation.passing.form import FormBody, FormFile
from openai_api.translation.passing.request import Head, read_head, with_model

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8) | st.just('"model":"m"'),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3) | st.just("model"), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("body", "head"),
    [
        (b'{"model":"m"}', Head("m")),
        (b' {"x": {"model": 1}, "model" : "m\\u00e9" , "stream": true}', Head("m\N{LATIN SMALL LETTER E WITH ACUTE}", True)),
        (b'{"model":"m","stream":false,"messages":"not a list"}', Head("m")),
        (b'{"model":"m","stream":"yes"}', Head("m")),
        (b'{"model":"m","stream_format":"sse"}', Head("m", True)),
        (b'{"model":"m","stream_format":"audio"}', Head("m")),
        (b'{"messages":[]}', None),
        (b'{"model":7}', None),
        (b'{"model":"m"', None),
        (b'{"model":"\xff"}', None),
        (b'["model"]', None),
        (b"", None),
    ],
)
def test_of_a_request_the_model_is_read_and_whether_it_is_a_stream(body, head):
    assert read_head(body) == head


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"a"}', b'{"model":"b\\""}'),
        (b'{ "x":"model", "model" :\n"a" ,"y":1.0}', b'{ "x":"model", "model" :\n"b\\"" ,"y":1.0}'),
        (b'{"m":{"model":"a"},"l":[{"model":"a"}],"model":"a"}', b'{"m":{"model":"a"},"l":[{"model":"a"}],"model":"b\\""}'),
        (b'{"t":"\\"model\\":\\"a\\" {[","model":"a\\"}"}', b'{"t":"\\"model\\":\\"a\\" {[","model":"b\\""}'),
        (b'{"mod\\u0065l":"a","model":{"model":"a"}}', b'{"mod\\u0065l":"b\\"","model":{"model":"a"}}'),
        (b'{"model":"a","model":"c"}', b'{"model":"b\\"","model":"b\\""}'),
        (b'{"model":"\xc3\xa9","x":"\xc3\xa9"}', b'{"model":"b\\"","x":"\xc3\xa9"}'),
    ],
)
def test_only_the_bytes_of_the_requests_own_model_change(before, after):
    assert with_model(before, 'b"') == after


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.sampled_from([None, 1]), st.booleans())
def test_whatever_else_a_request_holds_stays_as_it_is(rest, indent, ascii_only):
    asked = rest | {"model": "old"}
    body = json.dumps(asked, indent=indent, ensure_ascii=ascii_only).encode()
    assert json.loads(with_model(body, "new")) == rest | {"model": "new"}
    assert with_model(with_model(body, "new"), "old") == body


def chunk(**choice) -> bytes:
    return json.dumps({"choices": [choice]}).encode()


@pytest.mark.parametrize(
    ("payload", "speaks"),
    [
        (chunk(delta={"role": "assistant"}), False),
        (chunk(delta={"role": "assistant", "content": "", "tool_calls": [], "refusal": None}), False),
        (chunk(delta={"content": "a"}), True),
        (chunk(delta={"reasoning_content": "a"}), True),
        (chunk(delta={"tool_calls": [{"index": 0}]}), True),
        (chunk(text="a"), True),
        (chunk(delta={}, finish_reason="length"), True),
        (b'{"choices":[],"usage":{"prompt_tokens":1}}', False),
        (b'{"type":"response.created","response":{}}', False),
        (b'{"type":"response.output_item.added"}', False),
        (b'{"type":"response.output_text.delta","delta":"a"}', True),
        (b'{"type":"image_generation.partial_image"}', True),
        (b'{"something":"else"}', True),
        (b"no JSON", True),
    ],
)
def test_an_answer_begins_with_its_first_real_token(payload, speaks):
    seen = Seen()
    seen.take(payload)
    assert (seen.speaks, seen.error) == (speaks, None)


@pytest.mark.parametrize(
    ("payloads", "awaited", "finished"),
    [
        ([chunk(delta={"content": "a"})], True, False),
        ([chunk(delta={"content": "a"}), chunk(delta={}, finish_reason="stop")], True, True),
        ([chunk(delta={"content": "a"}), b"[DONE]"], True, True),
        ([b'{"type":"response.output_text.delta"}'], True, False),
        ([b'{"type":"response.output_text.delta"}', b'{"type":"response.output_text.done"}'], True, False),
        ([b'{"type":"response.output_text.delta"}', b'{"type":"response.incomplete"}'], True, True),
        ([chunk(delta={"content": "a"}), b'{"error":{"message":"x"}}'], True, True),
        ([b'{"type":"speech.audio.delta"}'], False, False),
    ],
)
def test_what_tells_of_its_end_is_not_complete_without_it(payloads, awaited, finished):
    seen = Seen()
    for payload in payloads:
        seen.take(payload)
    assert (seen.awaited, seen.finished, seen.error) == (awaited, finished, None)


@pytest.mark.parametrize(
    "payload",
    [b'{"error":{"message":"x"}}', b'{"error":"x"}', b'{"type":"error","message":"x"}', b'{"choices":[],"error":{"a":1}}'],
)
def test_an_error_in_place_of_an_answer_is_kept(payload):
    seen = Seen()
    seen.take(chunk(delta={"role": "assistant"}))
    seen.take(payload)
    assert seen.error == payload


@pytest.mark.parametrize("payload", [b'{"error":null,"choices":[]}', b'{"object":"response","error":{"code":"x"},"output":[]}'])
def test_what_only_mentions_an_error_is_an_answer(payload):
    seen = Seen()
    seen.take(payload)
    assert seen.error is None


@pytest.mark.parametrize(
    ("used", "usage"),
    [
        (
            {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, "prompt_tokens_details": {"cached_tokens": 4}},
            Usage(prompt=9, completion=5, cached=4, total=14),
        ),
        (
            {"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 3}},
            Usage(prompt=9, completion=5, reasoning=3, total=14),
        ),
        ({"prompt_tokens": 9, "total_tokens": 9, "cost": 0.1}, Usage(prompt=9, total=9)),
        ({"total_tokens": 7}, Usage(prompt=7, total=7)),
        ({"prompt_tokens": 9.0, "completion_tokens": None}, Usage(prompt=9, total=9)),
        ({"prompt_tokens": "many"}, None),
        (None, None),
    ],
)
@pytest.mark.parametrize("inside", [False, True], ids=["beside", "in the response"])
def test_usage_is_read_by_whichever_names_it_has(used, usage, inside):
    seen = Seen()
    body = {"type": "response.completed", "response": {"usage": used}} if inside else {"object": "list", "usage": used}
    seen.take(json.dumps(body).encode())
    assert seen.usage == usage


@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"])
def test_a_stream_is_only_cut_between_events(end):
    events = [b": ping" + end, b"event: x" + end[: len(end) // 2] + b"data: {}" + end, b"data: [DONE]" + end]
    whole = b"".join(events)
    ends = {0, *(len(b"".join(events[: n + 1])) for n in range(3))}
    for size in range(1, len(whole) + 1):
        stream, sent = Stream(), b""
        for at in range(0, len(whole), size):
            sent += stream.feed(whole[at : at + size])
            assert len(sent) in ends
        assert sent + stream.end() == whole
        assert stream.seen.finished


def test_what_a_stream_leaves_unfinished_is_not_lost():
    stream = Stream()
    assert stream.feed(b'data: {"a":1}\n\ndata: {"b"') == b'data: {"a":1}\n\n'
    assert stream.end() == b'data: {"b"'


def test_the_texts_of_responses_are_counted_while_they_pass():
    stream = Stream()
    stream.feed(b'data: {"type":"response.output_text.delta","delta":"twelve signs"}\n\n')
    stream.feed(b'data: {"type":"response.function_call_arguments.done","delta":"none"}\n\n')
    assert stream.seen.letters == 12


def test_an_estimate_counts_texts_and_no_files():
    body = {"messages": [{"content": "x" * 40}], "image": "A" * 20_000, "note": "a " * 6_000}
    assert estimate(json.dumps(body).encode(), 80) == Usage(prompt=3_010, completion=20, total=3_030)
    assert estimate(b"no JSON", 4) == Usage(completion=1, total=1)


def test_a_long_request_is_estimated_without_being_read():
    parts = [{"type": "text", "text": "a word or two "} for _ in range(50_000)]
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4_000_000}}
    body = json.dumps({"model": "llama-9", "messages": [{"role": "user", "content": [*parts, picture]}]}).encode()
    texts, names = 50_000 * len("a word or two "), 50_000 * len("typetexttext")
    assert estimate(body, 0).prompt == pytest.approx((texts + names) / 4, rel=0.01)


class InMemory:
    key = 0

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size = len(data)

    def read(self, offset: int, size: int) -> bytes:
        return self._data[offset : offset + size]


def test_a_form_is_as_long_as_it_says_and_can_be_sent_twice():
    data = b"\0\r\n--b" * 50_000
    form = FormBody([("model", "a"), ('odd"\r\n', "x")], [FormFile("f", 'n"\n', "a/b\r\nX: y", InMemory(data))], "b0undary")
    once = b"".join(form)
    assert (len(once), b"".join(form), data in once) == (form.size, once, True)
    assert b"\r\nX: y" not in once
    assert b'name="odd%22%0D%0A"' in once
    assert b'name="model"\r\n\r\nzzz\r\n' in b"".join(form.with_model("zzz"))
