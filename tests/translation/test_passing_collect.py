"""Whole answers that are made of another server's stream: what the server would have answered, unknown fields and all."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from openai_api.translation.passing.answer import MOST_CHOICES, TooManyChoices
from openai_api.translation.passing.collect import Collector, UnreadableChunk
from openai_api.translation.passing.request import as_stream, most_choices, read_head

DONE = b"data: [DONE]\n\n"


def sse(*chunks) -> bytes:
    return b"".join(b"data: " + (chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()) + b"\n\n" for chunk in chunks)


def chat(*choices, **more) -> dict:
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 7, "model": "llama-9", "choices": list(choices), **more}


def delta(index=0, finish_reason=None, **fields) -> dict:
    return {"index": index, "delta": fields, "finish_reason": finish_reason}


def collected(*chunks, done=True) -> dict:
    collector = Collector()
    collector.feed(sse(*chunks) + DONE * done)
    assert collector.is_complete
    return json.loads(collector.answer())


def message_of(*deltas) -> dict:
    [choice] = collected(*(chat(delta(**fields)) for fields in deltas))["choices"]
    return choice["message"]


# --- Answers ------------------------------------------------------------------------------------------------------------


def test_an_answer_is_what_its_chunks_say_together():
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8, "cost": 0.1}
    answer = collected(
        chat(id="", model="", prompt_filter_results=[{"x": 1}]),
        chat(delta(role="assistant", content="", refusal=None), usage=None, obfuscation="aX"),
        chat(delta(role="assistant", content="h\N{LATIN SMALL LETTER E WITH ACUTE}"), system_fingerprint="fp_1", usage=None),
        b'{"choices":[{"index":0,"delta":{"content":"\\ud83d\\ude00 \\\\ud83d"}}],"service_tier":"default","odd":1.50}',
        chat(delta(finish_reason="stop"), usage=None),
        chat(usage=usage),
        chat(delta(), id="", usage=None),
    )
    assert answer == {
        "id": "c-1",
        "object": "chat.completion",
        "created": 7,
        "model": "llama-9",
        "prompt_filter_results": [{"x": 1}],
        "usage": usage,
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "odd": 1.5,
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "h\N{LATIN SMALL LETTER E WITH ACUTE}\N{GRINNING FACE} \\ud83d",
                    "refusal": None,
                },
                "finish_reason": "stop",
            }
        ],
    }


def test_values_that_nobody_here_knows_stay_as_the_server_wrote_them():
    collector = Collector()
    collector.feed(
        sse(b'{"choices":[{"index":0,"delta":{},"seed":12345678901234567890123,"finish_reason":"stop"}],"odd":{"x":[1.50,  2]}}')
    )
    assert b'"odd":{"x":[1.50,  2]}' in collector.answer()
    assert b'"seed":12345678901234567890123' in collector.answer()


@pytest.mark.parametrize(
    ("deltas", "message"),
    [
        ([{"content": None}], {}),
        ([{"content": "a"}, {}, {"content": None}, {"content": "b"}], {"content": "ab"}),
        ([{"reasoning_content": "th"}, {"reasoning_content": "ink"}], {"reasoning_content": "think"}),
        ([{"reasoning": "th"}, {"reasoning": "ink"}], {"reasoning": "think"}),
        ([{"refusal": "I "}, {"refusal": "won't"}], {"refusal": "I won't"}),
        (
            [{"function_call": {"name": "f", "arguments": ""}}, {"function_call": {"arguments": "{}"}}],
            {"function_call": {"name": "f", "arguments": "{}"}},
        ),
        ([{"annotations": [{"type": "url_citation"}]}, {"annotations": [{"type": "x"}]}],
         {"annotations": [{"type": "url_citation"}, {"type": "x"}]}),
        ([{"odd": "a", "n": 1, "l": [1]}, {"odd": "b", "n": 2, "l": [2]}], {"odd": "ab", "n": 2, "l": [1, 2]}),
        (
            [{"reasoning_details": [{"index": 0, "type": "t", "format": "f", "text": "a"}]},
             {"reasoning_details": [{"index": 0, "type": "t", "format": "f", "text": "b"}, {"index": 1, "signature": "s"}]}],
            {"reasoning_details": [{"index": 0, "type": "t", "format": "f", "text": "ab"}, {"index": 1, "signature": "s"}]},
        ),
        ([{"content": [{"type": "text", "text": "a"}]}, {"content": "b"}],
         {"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}),
        ([{"role": "tool"}, {"role": ""}, {"role": None}], {"role": "tool"}),
    ],
)  # fmt: skip
def test_deltas_are_merged_as_what_they_are(deltas, message):
    assert message_of(*deltas) == {"role": "assistant", "content": None} | message


def test_calls_are_merged_by_their_index_and_lose_it():
    def call(index, **function) -> dict:
        return {
            "index": index,
            **({"id": f"call_{index}", "type": "function"} if "name" in function else {}),
            "function": function,
        }

    message = message_of(
        {"tool_calls": [call(0, name="look", arguments="")]},
        {"tool_calls": [call(1, name="go", arguments='{"a"')]},
        {"tool_calls": [call(0, name="look", arguments='{"x"')]},  # Some repeat who it is each time.
        {"tool_calls": [call(0, arguments=":1}"), call(1, arguments=":2}")]},
        {"tool_calls": [{"id": "call_9", "type": "function", "function": {"name": "whole", "arguments": "{}"}}]},
    )
    assert message["tool_calls"] == [
        {"id": "call_0", "type": "function", "function": {"name": "look", "arguments": '{"x":1}'}},
        {"id": "call_1", "type": "function", "function": {"name": "go", "arguments": '{"a":2}'}},
        {"id": "call_9", "type": "function", "function": {"name": "whole", "arguments": "{}"}},
    ]


def test_probabilities_and_other_lists_of_a_choice_are_strung_together():
    def choice(token, **more) -> dict:
        return {**delta(content=token), "logprobs": {"content": [{"token": token}], "refusal": None}, "token_ids": [1, 2], **more}

    [found] = collected(chat(choice("a")), chat({**delta(), "logprobs": None}), chat(choice("b", stop_reason=5)))["choices"]
    assert found["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}], "refusal": None}
    assert (found["token_ids"], found["stop_reason"]) == ([1, 2, 1, 2], 5)


def test_pieces_of_sound_are_one_sound():
    pieces = [b"\0\1\2\3", b"\4", b"\5\6"]
    audio = [{"audio": {"data": base64.b64encode(piece).decode(), "transcript": "a"}} for piece in pieces]
    message = message_of({"audio": {"id": "au"}}, *audio, {"audio": {"expires_at": 9}})
    assert message["audio"] == {
        "id": "au",
        "data": base64.b64encode(b"".join(pieces)).decode(),
        "transcript": "aaa",
        "expires_at": 9,
    }


def test_choices_come_in_their_order():
    answer = collected(chat(delta(1, content="b"), delta(0, content="a")), chat(delta(1, "stop")), chat(delta(0, "length")))
    assert [(c["index"], c["message"]["content"], c["finish_reason"]) for c in answer["choices"]] == [
        (0, "a", "length"),
        (1, "b", "stop"),
    ]


def test_a_legacy_completion_is_collected_too():
    def piece(text, finish_reason=None, offset=0) -> dict:
        logprobs = {"tokens": [text], "token_logprobs": [-1.5], "top_logprobs": None, "text_offset": [offset]}
        choice = {"index": 0, "text": text, "logprobs": logprobs, "finish_reason": finish_reason}
        return {"id": "t", "object": "text_completion", "created": 1, "model": "m", "choices": [choice]}

    assert collected(piece("a"), piece("b", "stop", 1)) == {
        "id": "t",
        "object": "text_completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "text": "ab",
                "finish_reason": "stop",
                "logprobs": {"tokens": ["a", "b"], "token_logprobs": [-1.5, -1.5], "top_logprobs": None, "text_offset": [0, 1]},
            }
        ],
    }


pieces = st.lists(
    st.one_of(
        st.builds(lambda text: {"content": text}, st.text(max_size=5)),
        st.builds(lambda text: {"refusal": text}, st.text(max_size=5)),
        st.builds(
            lambda index, text: {"tool_calls": [{"index": index, "function": {"arguments": text}}]},
            st.integers(0, 1),
            st.text(max_size=5),
        ),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(pieces, st.integers(1, 300))
def test_the_official_sdk_makes_the_same_of_the_stream(deltas, size):
    calls = [
        {"index": index, "id": f"c{index}", "type": "function", "function": {"name": "f", "arguments": ""}} for index in (0, 1)
    ]
    chunks = [chat(delta(role="assistant", tool_calls=calls)), *(chat(delta(**fields)) for fields in deltas)]
    chunks.append(chat(delta(finish_reason="stop")))
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    expected = state.current_completion_snapshot
    collector, data = Collector(), sse(*chunks) + DONE
    for at in range(0, len(data), size):
        collector.feed(data[at : at + size])
    found = ChatCompletion.model_validate(json.loads(collector.answer()))
    [ours], [theirs] = found.choices, expected.choices
    assert (ours.message.content, ours.message.refusal) == (theirs.message.content, theirs.message.refusal)
    assert [call.function.arguments for call in ours.message.tool_calls] == [
        call.function.arguments for call in theirs.message.tool_calls
    ]
    assert ours.finish_reason == theirs.finish_reason


# --- What is none -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b": ping\n\n", DONE, b'data: {"type":"ping"}\n\n' + DONE])
def test_a_stream_without_a_chunk_is_no_answer(data):
    collector = Collector()
    collector.feed(data)
    with pytest.raises(UnreadableChunk):
        collector.answer()


@pytest.mark.parametrize("chunk", [b"what is this", b'{"choices":[{"delta":7}]}', b"[1]", b'{"choices":[{"text":"\xff"}]}'])
def test_nobody_guesses_at_what_cannot_be_read(chunk):
    with pytest.raises(UnreadableChunk):
        Collector().feed(sse(chunk))


def test_an_answer_is_complete_when_each_choice_has_ended_or_the_stream_has():
    collector = Collector()
    collector.feed(sse(chat(delta(0, content="a"), delta(1, content="b")), chat(delta(0, "stop"))))
    assert not collector.is_complete
    collector.feed(sse(chat(delta(1, "stop"))))
    assert collector.is_complete


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ((rb"a\ud83d", rb"\ude00b\\ud83d"), "a\U0001f600b\\ud83d"),
        ((rb"\uD83D", b"", rb"\uDE00\ud83d", rb"\ude01"), "\U0001f600\U0001f601"),
        ((rb"a\ud83d", "b\U0001f600 \u00fc".encode()), "a\ufffdb\U0001f600 \u00fc"),
        ((rb"\ude00", rb"\ud83d"), "\ufffd\ufffd"),
        ((rb"\udbff", rb"\udfff", rb"\ud800", rb"\udc00"), "\U0010ffff\U00010000"),
    ],
)
def test_letters_of_which_each_half_comes_alone_are_put_together(pieces, text):
    [choice] = collected(*(b'{"choices":[{"index":0,"delta":{"content":"%b"}}]}' % piece for piece in pieces))["choices"]
    assert choice["message"]["content"] == text


def test_letters_for_private_use_stay_as_they_are():
    assert message_of({"content": "\U0010f83d\U0010fe00"})["content"] == "\U0010f83d\U0010fe00"


def test_parts_that_come_behind_a_text_do_not_replace_it():
    parts = [{"type": "text", "text": "b"}]
    deltas = ({"content": ""}, {"content": "a"}, {"content": parts}, {"content": "c"})
    assert [part["text"] for part in message_of(*deltas)["content"]] == ["a", "b", "c"]
    assert message_of({"content": ""}, {"content": parts})["content"] == parts


@pytest.mark.parametrize(
    ("given", "whole"),
    [
        ({"text": None, "delta": {"content": "a"}}, {"message": {"role": "assistant", "content": "a"}}),
        ({"text": "", "delta": {"content": "a"}}, {"message": {"role": "assistant", "content": "a"}}),
        ({"text": "a", "delta": {}}, {"text": "a"}),
        ({"text": "", "delta": None}, {"text": ""}),
    ],
)
def test_who_writes_both_a_text_and_a_message_loses_neither(given, whole):
    [choice] = collected(chat({"index": 0, "finish_reason": "stop", **given}))["choices"]
    assert choice == {"index": 0, "finish_reason": "stop", **whole}


# --- What is asked for --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'{"model":"m"}', b'{"stream":true,"stream_options":{"include_usage":true},"model":"m"}'),
        (b'{ "stream" : false,"model":"m"}', b'{"stream_options":{"include_usage":true}, "stream" : true,"model":"m"}'),
        (
            b'{"model":"m","stream":null ,"stream_options": { "x":[1.0],"include_usage":false } }',
            b'{"model":"m","stream":true ,"stream_options": { "x":[1.0],"include_usage":true } }',
        ),
        (b'{"stream_options":{ },"stream":0}', b'{"stream_options":{"include_usage":true },"stream":true}'),
        (b'{"stream_options":null,"stream":{"a":[]}}', b'{"stream_options":{"include_usage":true},"stream":true}'),
        (
            b'{"stream":false,"m":{"stream":false},"t":"\\"stream\\":false","stream_options":{},"stream":false}',
            b'{"stream":true,"m":{"stream":false},"t":"\\"stream\\":false","stream_options":{"include_usage":true},"stream":true}',
        ),
    ],
)
def test_only_what_asks_for_a_stream_changes_in_a_request(before, after):
    assert as_stream(before) == after


def test_a_server_need_not_be_asked_what_it_has_used():
    assert as_stream(b'{"model":"m","stream":false}', usage=False) == b'{"model":"m","stream":true}'


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        (b"{}", 1),
        (b'{"n":3}', 3),
        (b'{"n":null,"prompt":"a"}', 1),
        (b'{"n":"2","prompt":["a","b"]}', 4),
        (b'{"prompt":[1,2,3]}', 1),
        (b'{"prompt":[[1,2],[3]]}', 2),
        (b'{"n":"many"}', None),
    ],
)
def test_how_many_choices_there_will_be_is_read_of_the_request(body, choices):
    assert most_choices(body) == choices


@pytest.mark.parametrize("role", [None, ""])
def test_who_says_no_role_is_the_assistant(role):
    assert message_of({"role": role, "content": "a"})["role"] == "assistant"


@pytest.mark.parametrize("calls", [5, True, "x", {"a": 1}, [None, 1]])
def test_calls_that_are_none_do_no_harm(calls):
    assert message_of({"content": "a", "tool_calls": calls})["tool_calls"] == calls


@pytest.mark.parametrize("depth", [700, 5000])
def test_what_is_nested_too_deeply_to_be_put_together_is_no_answer(depth):
    def collect() -> bytes:
        collector = Collector()
        collector.feed(b'data: {"choices":[{"index":0,"delta":{"x":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}}]}\n\n")
        return collector.answer()

    with pytest.raises(UnreadableChunk):
        collect()


@pytest.mark.parametrize("read", [read_head, most_choices])
def test_a_request_that_is_nested_too_deeply_is_none_that_can_be_read(read):
    assert read(b'{"model":"m","x":' + b"[" * 5000 + b"]" * 5000 + b"}") is None


def test_more_choices_than_anybody_asks_for_are_not_collected():
    collector = Collector()
    collector.feed(sse(chat(*(delta(index, content="x") for index in range(MOST_CHOICES)))))
    with pytest.raises(TooManyChoices):
        collector.feed(sse(chat(delta(MOST_CHOICES, content="x"))))
