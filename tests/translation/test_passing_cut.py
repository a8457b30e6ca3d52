"""Stop tags in streams and answers that pass: cut as if the text had been looked at whole, and untouched where nothing is cut."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api.translation.passing import cut
from openai_api.translation.passing.answer import MOST_CHOICES, TooManyChoices
from openai_api.translation.passing.cut import CutStream
from openai_api.translation.passing.shorten import cut_whole, frames, payload_of
from openai_api.translation.sse import Decoder, EventTooLarge

DONE = b"data: [DONE]\n\n"
TAGS = ("</answer>", "END")


def event(*choices, end=b"\n\n", ascii_only=True, **more) -> bytes:
    chunk = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "llama-9", "choices": choices, **more}
    return b"data: " + json.dumps(chunk, ensure_ascii=ascii_only).encode() + end


def said(text, index=0, **more) -> dict:
    return {"index": index, "delta": {"content": text, **more}, "finish_reason": None}


def finish(index=0, reason="stop") -> dict:
    return {"index": index, "delta": {}, "finish_reason": reason}


def fed(stream: CutStream, data: bytes, size: int = 1 << 30) -> bytes:
    """What is sent on until the stream is over or ends."""
    sent = b""
    for at in range(0, len(data), size):
        sent += stream.feed(data[at : at + size])
        if stream.over:
            return sent
    return sent + stream.end()


def chunks_of(sent: bytes) -> list[dict]:
    return [json.loads(payload) for payload in Decoder().feed(sent) if payload != b"[DONE]"]


def texts_of(sent: bytes) -> dict[int, str]:
    texts: dict[int, str] = {}
    for choice in (choice for chunk in chunks_of(sent) for choice in chunk["choices"]):
        text = choice["delta"].get("content") if "delta" in choice else choice["text"]
        texts[choice["index"]] = texts.get(choice["index"], "") + (text or "")
    return texts


def ends_of(sent: bytes) -> list[tuple[int, str]]:
    choices = [choice for chunk in chunks_of(sent) for choice in chunk["choices"]]
    return [(choice["index"], choice["finish_reason"]) for choice in choices if choice.get("finish_reason")]


def naive(text: str, tags) -> str:
    return text[: min((at for tag in tags if (at := text.find(tag)) >= 0), default=len(text))]


# --- Where it is cut ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "utf-8"])
@pytest.mark.parametrize("end", [b"\n\n", b"\r\n\r\n", b"\r\r"], ids=["LF", "CRLF", "CR"])
def test_a_tag_is_found_wherever_it_and_its_bytes_were_cut(end, ascii_only):
    before, tag = "caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{GRINNING FACE}", "<\N{SNOWMAN}stop\N{GRINNING FACE}>"
    for at in range(len(tag) + 1):
        pieces = [before + tag[:at], tag[at:] + " and more", "never"]
        data = b"".join(event(said(piece), end=end, ascii_only=ascii_only) for piece in pieces)
        for size in range(1, len(data) + 1, 1 if at == 3 else 29):
            stream = CutStream((tag,), 1)
            sent = fed(stream, data, size)
            assert (texts_of(sent), ends_of(sent), stream.over) == ({0: before}, [(0, "stop")], True)
            assert sent.endswith(DONE)


words = st.text(alphabet="ab<", max_size=12)
some_tags = st.lists(st.text(alphabet="ab<", min_size=1, max_size=4), min_size=1, max_size=3).map(tuple)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 1), words), max_size=8),
    some_tags,
    st.integers(1, 200),
    st.sampled_from([b"\n\n", b"\r\n\r\n", b"\n\r\n", b"\r\r"]),
    st.booleans(),
)
def test_whatever_comes_is_cut_as_if_each_text_had_been_looked_at_whole(pieces, tags, size, end, legacy):
    def choice(index, text):
        return {"index": index, "text": text, "finish_reason": None} if legacy else said(text, index)

    ends = [{"index": index, **({"text": ""} if legacy else {"delta": {}}), "finish_reason": "length"} for index in (0, 1)]
    events = [event(choice(index, text), end=end) for index, text in pieces] + [event(*ends, end=end)]
    data = b"".join(events) + b"data: [DONE]" + end
    whole = {index: "".join(text for number, text in pieces if number == index) for index in (0, 1)}
    stream = CutStream(tags, 2)
    sent = fed(stream, data, size)
    left = {index: naive(text, tags) for index, text in whole.items()}
    assert {index: texts_of(sent).get(index, "") for index in (0, 1)} == left
    assert sorted(ends_of(sent)) == [(index, "length" if left[index] == whole[index] else "stop") for index in (0, 1)]
    assert sent.rstrip().endswith(b"data: [DONE]")
    assert sent.count(b"[DONE]") == 1
    if left == whole:
        assert sent == data


@settings(max_examples=100, deadline=None)
@given(st.lists(words, max_size=8), some_tags)
def test_no_more_is_held_than_the_events_in_which_a_tag_may_begin(pieces, tags):
    stream, sent, came = CutStream(tags, 1), b"", []
    for piece in pieces:
        came.append(piece)
        sent += stream.feed(event(said(piece)))
        if stream.over:
            break
        text = "".join(came)
        prefix = next(text[at:] for at in range(len(text) + 1) if any(tag.startswith(text[at:]) for tag in tags))
        certain, passed = len(text) - len(prefix), 0
        while came[passed:] and len("".join(came[: passed + 1])) <= certain:
            passed += 1
        assert sent == b"".join(event(said(piece)) for piece in came[:passed])


# --- What passes --------------------------------------------------------------------------------------------------------

ODD = (
    b": a comment\r\n\r\n"
    b'event: x\nid: 7\ndata:{"choices":[{"index":0,"delta":{"role":"assistant","content":null}}]}\n\n'
    b'data: {"choices": [{"delta":\ndata: {"content": "a < b"}, "odd": 1.50}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"reasoning_content":"END </answer>"}}]}\r\r'
    b'data: {"choices":[{"index":0,"delta":{"content":"E"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"END"}}]}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":"ND \\ud83d"}}]}\n\n'
    b'data: {"choices":[{"index":0,"delta":{"content":[{"type":"text","text":"END"}]}}]}\n\n'
    b"data: what nobody knows\n\n"
    b'data: {"choices":[{"index":0,"delta":{"content":"EN"},"finish_reason":"stop"}]}\n\n'
    b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}\n\n'
    b"data: [DONE]\n\n"
)


def test_without_a_tag_every_byte_passes_whatever_the_stream_looks_like():
    for size in (*range(1, 40), 500, len(ODD)):
        stream = CutStream(TAGS, 1)
        assert (fed(stream, ODD, size), stream.over) == (ODD, False)
        assert stream.seen.usage.completion == 6


def test_a_tag_that_waits_is_decided_by_the_end_of_the_stream():
    held, error = event(said("text </ans")), b'data: {"error":{"message":"gone"}}\n\n'
    for rest in (event(finish()), error, DONE):
        stream = CutStream(TAGS, 1)
        assert stream.feed(held) == b""
        assert stream.feed(rest) == held + rest
    stream = CutStream(TAGS, 1)
    assert (stream.feed(held), stream.end()) == (b"", held)


def test_a_stream_may_begin_with_a_byte_order_mark():
    sent = fed(CutStream(TAGS, 1), b"\xef\xbb\xbf" + event(said("a END")))
    assert (texts_of(sent), ends_of(sent)) == ({0: "a "}, [(0, "stop")])


def test_a_short_tag_within_what_might_be_a_longer_one_is_found_at_the_end():
    stream = CutStream(("bc", "abcd"), 1)
    sent = fed(stream, event(said("xab")) + event(said("c")) + event(finish(reason="length")) + DONE)
    assert (texts_of(sent), ends_of(sent), sent.count(DONE)) == ({0: "xa"}, [(0, "stop")], 1)


def test_the_rest_of_an_event_that_is_cut_stays_as_it_was():
    frame = (
        b': note\r\nevent: x\r\ndata: {"id":"1","odd":[1.50,"\\u00e9"],"choices":\r\n'
        b'data: [{"index":0,"seed":1.0,"delta":{"role":"assistant","content":"so END"},"logprobs":{"content":[1]}}],'
        b'"usage":{"total_tokens":3}}\r\n\r\n'
    )
    stream = CutStream(TAGS, 1)
    first, second, done = frames(stream.feed(frame))
    assert first == (
        b': note\r\nevent: x\r\ndata: {"id":"1","odd":[1.50,"\\u00e9"],'
        b'"choices":[{"index":0,"seed":1.0,"delta":{"role":"assistant","content":"so "},"logprobs":null}],'
        b'"usage":{"total_tokens":3}}\r\n\r\n'
    )
    assert json.loads(payload_of(second)) == {
        "id": "1",
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
    }
    assert (done, stream.seen.usage.total) == (DONE, 3)


def test_the_end_has_the_servers_own_envelope():
    stream = CutStream(TAGS, 1)
    *_, end, _ = frames(stream.feed(event(said("END"), system_fingerprint="fp", usage=None, obfuscation="aa")))
    assert json.loads(payload_of(end)) == {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "llama-9",
        "system_fingerprint": "fp",
        "choices": [{"index": 0, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
    }


def test_a_legacy_choice_is_cut_in_its_text():
    choice = {"index": 0, "text": "a END", "delta": None, "logprobs": None, "finish_reason": None}
    first, end, _ = frames(CutStream(TAGS, 1).feed(event(choice)))
    assert json.loads(payload_of(first))["choices"] == [choice | {"text": "a "}]
    assert json.loads(payload_of(end))["choices"] == [{"index": 0, "text": "", "logprobs": None, "finish_reason": "stop"}]


def test_after_a_tool_call_the_answer_ends_for_its_sake():
    call = {"index": 0, "delta": {"tool_calls": [{"index": 0, "id": "c"}]}}
    assert ends_of(fed(CutStream(TAGS, 1), event(call) + event(said("END")))) == [(0, "tool_calls")]
    late = said("END", tool_calls=[{"index": 0, "id": "c"}])
    sent = fed(CutStream(TAGS, 1), event(late))
    assert (ends_of(sent), b"tool_calls" in sent) == ([(0, "stop")], False)


def test_a_tag_does_not_go_on_behind_something_else():
    data = event(said("E")) + event({"index": 0, "delta": {"reasoning": "hm"}}) + event(said("ND")) + DONE
    assert fed(CutStream(TAGS, 1), data) == data


# --- Several choices ----------------------------------------------------------------------------------------------------


def test_a_choice_that_was_cut_gets_nothing_more_and_the_others_go_on():
    stream = CutStream(TAGS, 2)
    sent = stream.feed(event(said("zero END", 0), said("one", 1)))
    assert (texts_of(sent), ends_of(sent), stream.over) == ({0: "zero ", 1: "one"}, [(0, "stop")], False)
    assert stream.feed(event(said("more", 0))) == b""
    other = event(said(" goes on", 1))
    assert stream.feed(other) == other
    assert texts_of(stream.feed(event(said("x", 0), said("y", 1)))) == {1: "y"}
    last = stream.feed(event(finish(1, "length")))
    assert (ends_of(last), last.endswith(DONE), stream.over) == ([(1, "length")], True, True)


def test_a_server_that_has_ended_by_itself_is_read_to_its_usage():
    usage = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}}\n\n'
    stream = CutStream(TAGS, 1)
    sent = fed(stream, event({"index": 0, "delta": {"content": "a END"}, "finish_reason": "length"}) + usage + DONE)
    assert (texts_of(sent), ends_of(sent), stream.over) == ({0: "a "}, [(0, "stop")], False)
    assert sent.endswith(usage + DONE)


def test_usage_that_comes_with_text_after_a_cut_is_not_lost():
    stream = CutStream(TAGS, 2)
    stream.feed(event(said("END", 0), said("b", 1)))
    [chunk] = chunks_of(stream.feed(event(said("c", 0), usage={"total_tokens": 4})))
    assert (chunk["choices"], chunk["usage"]) == ([], {"total_tokens": 4})


def test_where_nobody_knows_how_many_choices_there_are_the_stream_is_read_to_its_end():
    stream = CutStream(TAGS, None)
    sent = fed(stream, event(said("END")) + event(said("late")) + DONE)
    assert (texts_of(sent), stream.over, sent.count(DONE)) == ({0: ""}, False, 1)


def test_what_is_held_has_its_limit(monkeypatch):
    monkeypatch.setattr(cut, "MAX_EVENT_BYTES", 1000)
    stream = CutStream(TAGS, 2)
    assert stream.feed(event(said("E", 0)) + event(said("x" * 100, 1))) == b""
    with pytest.raises(EventTooLarge):
        stream.feed(event(said("x" * 1000, 1)))


# --- Whole answers ------------------------------------------------------------------------------------------------------


def test_a_whole_answer_is_cut_in_each_choice():
    answer = {
        "odd": 1.5,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "a END b"}, "finish_reason": "length", "logprobs": {}},
            {"index": 1, "message": {"content": None, "tool_calls": [{"id": "END"}]}, "finish_reason": "tool_calls"},
            {"index": 2, "text": "x</answer>y", "finish_reason": "length"},
        ],
    }
    assert json.loads(cut_whole(json.dumps(answer).encode(), TAGS)) == {
        "odd": 1.5,
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "a "}, "finish_reason": "stop", "logprobs": None},
            answer["choices"][1],
            {"index": 2, "text": "x", "finish_reason": "stop"},
        ],
    }


@pytest.mark.parametrize(
    "body",
    [b'{ "choices":[{"message":{"content":"EN"}}]}', b'{"choices":null}', b"[1]", b'{"choices":[{"message":null}]}', b"{}"],
)
def test_a_whole_answer_without_a_tag_passes_byte_for_byte(body):
    assert cut_whole(body, TAGS) == body


def test_what_is_cut_of_a_last_event_without_an_end_gets_one():
    sent = fed(CutStream(("END",), 1), event(said("a END b", finish_reason="stop"), end=b""))
    assert (texts_of(sent), ends_of(sent)) == ({0: "a "}, [(0, "stop")])


@pytest.mark.parametrize("beside", [{"message": None}, {"message": {}}, {}])
def test_a_whole_legacy_answer_is_cut_whatever_stands_beside_its_text(beside):
    body = json.dumps({"choices": [{"index": 0, **beside, "text": "a END b", "finish_reason": "stop"}]})
    assert json.loads(cut_whole(body.encode(), ("END",)))["choices"][0]["text"] == "a "


def test_what_is_nested_too_deeply_to_be_read_passes():
    deep = b'{"choices":[{"index":0,"x":' + b"[" * 5000 + b"]" * 5000 + b"}]}"
    assert cut_whole(deep, ("END",)) == deep
    assert fed(CutStream(("END",), 1), b"data: " + deep + b"\n\n") == b"data: " + deep + b"\n\n"


def test_more_choices_than_anybody_asks_for_are_not_looked_into():
    stream = CutStream(TAGS, None)
    stream.feed(event(*(said("x", index) for index in range(MOST_CHOICES))))
    with pytest.raises(TooManyChoices):
        stream.feed(event(said("x", MOST_CHOICES)))
