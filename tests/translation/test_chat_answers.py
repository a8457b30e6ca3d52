"""Answers, whole and streamed, as the official SDK's own models and accumulator read them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from openai_api.errors import QuotaExhausted, UpstreamBroken
from openai_api.translation.chat import ChatRequest, Writer, read_request
from openai_api.translation.conversation import ToolCall
from openai_api.translation.events import (
    Citation,
    Event,
    Finished,
    MediaDelta,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)

from .openai_histories import json_objects, texts

END = Finished("stop", native="STOP")
USAGE = UsageReport(Usage(prompt=7, completion=16, cached=3, reasoning=11, total=23, prompt_image=2, completion_audio=1))
LOOK, WAIT = ToolCallDelta("call_a", "look", '{"at":"sky"}', "c2ln"), ToolCallDelta("call_b", "wait", "{}")
FUNCTIONS = {"functions": [{"name": "look"}, {"name": "wait"}]}
CUSTOM = {"tools": [{"type": "custom", "custom": {"name": "look"}}]}


def request_for(**fields: Any) -> ChatRequest:
    return read_request(json.dumps({"model": "m", "messages": [{"role": "user", "content": "hi"}], **fields}).encode())


def writer_for(**fields: Any) -> Writer:
    return Writer(request_for(**fields), id="chatcmpl-1", created=1_700_000_000, model='gemini "x"')


def chunks_in(stream: bytes) -> list[dict[str, Any]]:
    """The JSON of every event; [DONE] is left out, and must be at the end if anywhere."""
    events = stream.decode().split("\n\n")
    assert events.pop() == ""
    assert all(event.startswith("data: ") and "\n" not in event for event in events)
    payloads = [event.removeprefix("data: ") for event in events]
    if "[DONE]" in payloads:
        assert payloads.index("[DONE]") == len(payloads) - 1
        payloads.pop()
    return [json.loads(payload) for payload in payloads]


def streamed(*batches: list[Event], **fields: Any) -> list[dict[str, Any]]:
    writer = writer_for(stream=True, **fields)
    return chunks_in(b"".join([*(writer.chunks(batch) for batch in batches), writer.finish()]))


def deltas(*batches: list[Event], **fields: Any) -> list[dict[str, Any]]:
    """What follows the opening delta, up to the finish chunk."""
    found = [chunk["choices"][0]["delta"] for chunk in streamed(*batches, **fields) if chunk["choices"]]
    assert found[0] == {"role": "assistant", "content": ""}
    assert found[-1] == {}
    return found[1:-1]


def finish_reason(*events: Event, **fields: Any) -> str:
    reasons = [choice["finish_reason"] for chunk in streamed(list(events), **fields) for choice in chunk["choices"]]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    return reasons[-1]


def message_of(*events: Event, **fields: Any) -> dict[str, Any]:
    completion = json.loads(writer_for(**fields).completion([events]))
    ChatCompletion.model_validate(completion)
    return completion["choices"][0]["message"]


def test_a_text_chunk_byte_for_byte():
    writer = writer_for(stream=True)
    writer.chunks([TextDelta("x")])
    assert (
        writer.chunks([TextDelta('Hé "you"\n')])
        == (
            'data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1700000000,"model":"gemini \\"x\\"",'
            '"choices":[{"index":0,"delta":{"content":"Hé \\"you\\"\\n"},"logprobs":null,"finish_reason":null}]}\n\n'
        ).encode()
    )


def test_the_role_comes_once_then_deltas_then_one_finish():
    chunks = streamed([TextDelta("a")], [], [TextDelta(""), TextDelta("b"), USAGE], [END])
    assert [(chunk["choices"][0]["delta"], chunk["choices"][0]["finish_reason"]) for chunk in chunks] == [
        ({"role": "assistant", "content": ""}, None),
        ({"content": "a"}, None),
        ({"content": "b"}, None),
        ({}, "stop"),
    ]
    assert not any("usage" in chunk for chunk in chunks)


def test_thoughts_stream_as_reasoning_content():
    assert deltas([ThoughtDelta("hm"), TextDelta("a"), END]) == [{"reasoning_content": "hm"}, {"content": "a"}]


def test_calls_stream_whole_with_their_index():
    assert deltas([LOOK], [WAIT], [END]) == [
        {
            "tool_calls": [
                {
                    "index": 0,
                    "id": "call_a",
                    "type": "function",
                    "function": {"name": "look", "arguments": '{"at":"sky"}'},
                    "extra_content": {"google": {"thought_signature": "c2ln"}},
                }
            ]
        },
        {"tool_calls": [{"index": 1, "id": "call_b", "type": "function", "function": {"name": "wait", "arguments": "{}"}}]},
    ]


def test_an_old_client_gets_one_function_call():
    call = {"name": "look", "arguments": '{"at":"sky"}', "extra_content": {"google": {"thought_signature": "c2ln"}}}
    assert deltas([LOOK, WAIT, END], **FUNCTIONS) == [{"function_call": call}]
    message = message_of(LOOK, WAIT, END, **FUNCTIONS)
    assert message["function_call"] == call
    assert message["content"] is None
    assert "tool_calls" not in message


def test_a_caller_who_forbade_parallel_calls_gets_the_first():
    assert len(deltas([LOOK, WAIT, END], parallel_tool_calls=False)) == 1
    assert [call["id"] for call in message_of(LOOK, WAIT, END, parallel_tool_calls=False)["tool_calls"]] == ["call_a"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [('{"input": "a\\nb"}', "a\nb"), ('{"input": 5}', "5"), ('{"other": 1}', '{"other": 1}'), ("broken", "broken")],
)
def test_a_custom_tool_is_called_with_its_text(arguments, text):
    message = message_of(ToolCallDelta("c", "look", arguments), WAIT, END, **CUSTOM)
    custom = {"id": "c", "type": "custom", "custom": {"name": "look", "input": text}}
    assert message["tool_calls"][0] == custom
    assert message["tool_calls"][1]["type"] == "function"
    assert deltas([ToolCallDelta("c", "look", arguments), END], **CUSTOM) == [{"tool_calls": [{"index": 0, **custom}]}]


def test_pictures_come_as_data_urls():
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}}
    events: list[Event] = [MediaDelta("image/png", "aGk="), MediaDelta("image/png", "aGk="), END]
    message = message_of(*events)
    assert message["images"] == [picture, picture]
    assert message["content"] == ""


def test_pictures_side_by_side_share_a_delta_and_each_has_a_place_of_its_own():
    made = MediaDelta("image/png", "aGk=")
    together, later = deltas([made, made, TextDelta("and"), made, END])[::2]
    assert [image["index"] for image in together["images"]] == [0, 1]
    assert [image["index"] for image in later["images"]] == [2]


def test_a_picture_carries_its_signature():
    extra = {"google": {"thought_signature": "c2ln"}}
    made = MediaDelta("image/png", "aGk=", "c2ln", "b3RoZXI=")
    assert message_of(made, END)["images"][0]["extra_content"] == extra
    assert deltas([made, END])[0]["images"][0]["extra_content"] == extra


def test_a_filtered_picture_is_a_refusal_with_the_filters_words():
    message = message_of(Finished("content_filter", "IMAGE_SAFETY", "That picture may not be shown."))
    assert (message["refusal"], message["content"]) == ("That picture may not be shown.", None)


def test_citations_come_as_annotations():
    events: list[Event] = [TextDelta("Rome."), Citation(0, 4, "A", "http://a"), Citation(0, 5, "B", "http://b"), END]
    cited = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 4, "title": "A", "url": "http://a"}}
    assert deltas(events)[1]["annotations"][0] == {"index": 0, **cited}
    assert [entry["index"] for entry in deltas(events)[1]["annotations"]] == [0, 1]
    assert message_of(*events)["annotations"][0] == cited


@pytest.mark.parametrize(
    ("events", "fields", "reason"),
    [
        ([TextDelta("a"), Finished("stop")], {}, "stop"),
        ([Finished("stop")], {}, "stop"),
        ([TextDelta("a"), Finished("length")], {}, "length"),
        ([Finished("length")], {}, "length"),
        ([TextDelta("a"), Finished("content_filter")], {}, "content_filter"),
        ([Finished("content_filter")], {}, "content_filter"),
        ([LOOK, Finished("stop")], {}, "tool_calls"),
        ([LOOK, Finished("tool_calls")], {}, "tool_calls"),
        ([LOOK, Finished("length")], {}, "length"),
        ([LOOK, Finished("tool_calls")], FUNCTIONS, "function_call"),
        ([TextDelta("a"), Finished("tool_calls")], {}, "stop"),
        ([TextDelta("a"), Finished("failed")], {}, "stop"),
        ([LOOK, Finished("failed")], {}, "stop"),
    ],
)
def test_finish_reasons(events, fields, reason):
    assert finish_reason(*events, **fields) == reason
    completion = json.loads(writer_for(**fields).completion([events]))
    assert completion["choices"][0]["finish_reason"] == reason


@pytest.mark.parametrize("events", [[Finished("failed")], [ThoughtDelta("hm"), Finished("failed", message="malformed call")]])
def test_a_failure_before_anything_was_said_is_never_a_normal_end(events):
    writer = writer_for(stream=True)
    assert chunks_in(writer.chunks(events))[-1]["error"]["code"] == "upstream_broken"
    assert writer.finish() == b""
    with pytest.raises(UpstreamBroken):
        writer_for().completion([events])


def test_an_answer_without_an_end_is_never_a_normal_end():
    writer = writer_for(stream=True)
    writer.chunks([TextDelta("a")])
    assert chunks_in(writer.finish())[-1]["error"]["code"] == "upstream_broken"
    with pytest.raises(UpstreamBroken):
        writer_for().completion([[TextDelta("a")]])


@pytest.mark.parametrize(("said", "refusal"), [("", "The answer was withheld by the model's content filter."), ("No.", "No.")])
def test_a_block_with_nothing_said_is_a_refusal(said, refusal):
    end = Finished("content_filter", native="SAFETY", message=said)
    assert deltas([end]) == [{"refusal": refusal}]
    message = message_of(end)
    assert (message["content"], message["refusal"]) == (None, refusal)
    assert message_of(TextDelta("a"), end)["refusal"] is None


def test_a_whole_answer_field_for_field():
    completion = json.loads(writer_for().completion([[ThoughtDelta("hm"), TextDelta("a"), TextDelta("b"), USAGE, END]]))
    assert completion == {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": 'gemini "x"',
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "ab",
                    "refusal": None,
                    "annotations": [],
                    "reasoning_content": "hm",
                },
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": {
            "prompt_tokens": 7,
            "completion_tokens": 16,
            "total_tokens": 23,
            "prompt_tokens_details": {"cached_tokens": 3, "audio_tokens": 0, "image_tokens": 2},
            "completion_tokens_details": {
                "reasoning_tokens": 11,
                "audio_tokens": 1,
                "image_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "system_fingerprint": None,
    }


def test_content_is_null_beside_calls_alone():
    assert message_of(LOOK, END)["content"] is None
    assert message_of(TextDelta("a"), LOOK, END)["content"] == "a"
    assert message_of(END)["content"] == ""


def test_usage_comes_in_a_last_chunk_when_asked_for():
    chunks = streamed([TextDelta("a"), END, USAGE], stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks[:-1]] == [None] * 3
    assert chunks[-1]["choices"] == []
    assert chunks[-1]["usage"]["total_tokens"] == 23


def test_the_last_usage_report_of_each_choice_counts_and_choices_are_summed():
    writer = writer_for(n=2)
    first = UsageReport(Usage(prompt=5, completion=1))
    completion = json.loads(writer.completion([[first, USAGE, END], [first, END]]))
    assert writer.usage == Usage(prompt=12, completion=17, cached=3, reasoning=11, total=23, prompt_image=2, completion_audio=1)
    assert [choice["index"] for choice in completion["choices"]] == [0, 1]


def test_a_total_that_was_not_reported_is_the_sum():
    writer = writer_for()
    assert json.loads(writer.completion([[UsageReport(Usage(prompt=5, completion=1)), END]]))["usage"]["total_tokens"] == 6


def test_all_choices_open_in_order_before_the_first_word_of_any():
    writer = writer_for(stream=True, n=3)
    stream = writer.chunks([TextDelta("c")], 2) + writer.chunks([TextDelta("a"), END], 0)
    stream += writer.chunks([END], 2) + writer.chunks([END], 1) + writer.finish()
    found = [(chunk["choices"][0]["index"], chunk["choices"][0]["delta"]) for chunk in chunks_in(stream)]
    assert found[:3] == [(index, {"role": "assistant", "content": ""}) for index in range(3)]
    assert found[3:] == [(2, {"content": "c"}), (0, {"content": "a"}), (0, {}), (2, {}), (1, {})]


def test_done_is_written_once():
    writer = writer_for(stream=True)
    writer.chunks([TextDelta("a"), END])
    assert writer.finish() == b"data: [DONE]\n\n"
    assert writer.finish() == writer.error(QuotaExhausted("x")) == writer.chunks([TextDelta("b")]) == b""


def test_an_error_in_mid_stream_is_the_last_event():
    writer = writer_for(stream=True)
    writer.chunks([TextDelta("a")])
    error = chunks_in(writer.error(UpstreamBroken("It broke.")))
    assert error == [{"error": {"message": "It broke.", "type": "server_error", "param": None, "code": "upstream_broken"}}]
    assert writer.error(UpstreamBroken("again")) == writer.finish() == writer.chunks([END]) == b""


calls = st.builds(
    ToolCallDelta,
    id=st.uuids(version=4).map(lambda uuid: f"call_{uuid.hex}"),
    name=st.sampled_from(["look", "wait"]),
    arguments=json_objects.map(json.dumps),
    signature=st.sampled_from(["", "c2ln"]),
)
media = st.just(MediaDelta("image/png", "aGk="))
citations = st.builds(Citation, st.integers(0, 9), st.integers(0, 9), texts, st.just("http://a"))
usages = st.builds(UsageReport, st.builds(Usage, st.integers(0, 99), st.integers(0, 99)))
pieces = st.one_of(texts.map(TextDelta), texts.map(ThoughtDelta), calls, media, citations, usages)
ends = st.sampled_from([END, Finished("length"), Finished("content_filter"), Finished("tool_calls")])
answers = st.builds(lambda events, end, usage: [*events, end, usage], st.lists(pieces, max_size=8), ends, usages)
ways = st.sampled_from([{}, FUNCTIONS, {"parallel_tool_calls": False}, {"stream_options": {"include_usage": True}}])


def collected(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Join chunks as the SDK's own accumulator does."""
    state = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    return state.current_completion_snapshot.to_dict()


def comparable(message: dict[str, Any]) -> dict[str, Any]:
    """Without what only streams have (the entries' index), and with absent, null and empty told apart no more."""
    plain = {key: value for key, value in message.items() if value and key != "parsed"}
    for field in ("tool_calls", "annotations", "images"):
        if field in plain:
            plain[field] = [{key: value for key, value in entry.items() if key != "index"} for entry in plain[field]]
    for call in plain.get("tool_calls", ()):
        call["function"].pop("parsed_arguments", None)
    return plain


@settings(max_examples=80, deadline=None)
@given(st.lists(answers, min_size=1, max_size=3), ways, st.data())
def test_a_collected_stream_is_the_whole_answer(all_events, way, data):
    fields = {**way, "n": len(all_events)}
    whole = json.loads(writer_for(**fields).completion(all_events))
    writer, left, stream = writer_for(stream=True, **fields), [list(events) for events in all_events], b""
    while any(left):
        index = data.draw(st.sampled_from([index for index, events in enumerate(left) if events]))
        size = data.draw(st.integers(1, len(left[index])))
        batch, left[index] = left[index][:size], left[index][size:]
        stream += writer.chunks(batch, index)
    chunks = chunks_in(stream + writer.finish())

    ChatCompletion.model_validate(whole)
    assert {(chunk["id"], chunk["created"], chunk["model"]) for chunk in chunks} == {("chatcmpl-1", 1_700_000_000, 'gemini "x"')}
    joined = collected(chunks)
    for own, theirs in zip(whole["choices"], joined["choices"], strict=True):
        assert comparable(own["message"]) == comparable(theirs["message"])
        assert own["finish_reason"] == theirs["finish_reason"]
    if fields.get("stream_options"):
        assert joined["usage"] == whole["usage"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.one_of(texts.map(TextDelta), calls), max_size=6))
def test_an_answer_sent_back_as_history_is_read_as_what_was_said(events):
    message = message_of(*events, END)
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}, message]}
    request = read_request(json.dumps(body).encode())
    parts = [part for turn in request.conversation.turns[1:] for part in turn.parts]
    made = [event for event in events if isinstance(event, ToolCallDelta)]
    assert [part for part in parts if isinstance(part, ToolCall)] == [
        ToolCall(call.id, call.name, json.loads(call.arguments), call.signature) for call in made
    ]
    said = "".join(event.text for event in events if isinstance(event, TextDelta))
    assert [part.text for part in parts if not isinstance(part, ToolCall)] == [said] * bool(said)
    assert not request.notices
