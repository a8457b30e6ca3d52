"""What a stream says, put together."""

import json

import pytest

from openai_api.request_log.saying import saying


def stream(*events: object) -> str:
    return "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"


def delta(content: object, index: object = 0) -> dict:
    return {"choices": [{"index": index, "delta": {"content": content}}]}


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([delta("Hel"), delta("lo"), delta(None)], "Hello"),
        ([delta("a", 1), delta("b", 0), delta("c", 1)], "b\n\nac"),
        ([{"choices": [{"index": 0, "text": "old"}]}], "old"),
        ([{"type": "response.output_text.delta", "delta": "new"}, {"type": "response.audio.delta", "delta": "UklG"}], "new"),
        ([{"type": "transcript.text.delta", "delta": "heard"}], "heard"),
        ([7, [], {"choices": 1}, {"choices": [1, {}, {"delta": 1, "index": []}]}, {"delta": {}}, delta([1])], ""),
        ([delta("\ud83d"), delta("\ude00"), delta("\ud800.")], "😀�."),
        ([delta("my key is AIza"), delta("SyC0123456789"), delta("abcdefghijkl")], "my key is AIzaS…ijkl"),
    ],
    ids=["chat", "choices", "completion", "response", "transcription", "nonsense", "pairs and half a pair", "a secret in pieces"],
)
def test_a_stream_is_put_together(events, said):
    assert saying(stream(*events)) == said


def test_ends_of_lines_that_are_letters_of_the_text_do_not_cut_it():
    event = json.dumps(delta("one\u2028two\x85three"), ensure_ascii=False)
    assert saying(f"data: {event}\r\n\r\n") == "one\u2028two\x85three"


@pytest.mark.parametrize("text", ["", ": heartbeat\n\n", "data: {\n\n", "data: " + "[" * 100_000, "no stream"])
def test_what_is_no_stream_says_nothing(text):
    assert saying(text) == ""
