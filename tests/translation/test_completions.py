"""Completions, pure: bodies in, conversations for the model, and its events back out as OpenAI's texts."""

import json

import pytest
from msgspec.structs import replace

from openai_api.errors import InvalidRequest, UpstreamBroken
from openai_api.translation import completions
from openai_api.translation.completions.prompt import INSTRUCTION, NOTHING_YET
from openai_api.translation.conversation import Sampling, Text, Thinking, Turn
from openai_api.translation.events import Citation, Finished, TextDelta, ThoughtDelta, Usage, UsageReport
from openai_api.translation.gemini.capabilities import capabilities_of
from openai_api.translation.gemini.request import write_request
from openai_api.translation.gemini.thinking import least_thinking

MODEL = "gemini-3.8-flash"


def read(prompt="Once", **fields):
    return completions.read_request(json.dumps({"model": MODEL, "prompt": prompt, **fields}).encode())


def refused(prompt="Once", **fields) -> InvalidRequest:
    with pytest.raises(InvalidRequest) as caught:
        read(prompt, **fields)
    return caught.value


def noticed(**fields) -> list[str]:
    return [notice.field for notice in read(**fields).notices]


# --- What the caller asks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("Once", ("Once",)),
        (["Once", "Twice"], ("Once", "Twice")),
        ([9906, 1917], ("Hello world",)),
        ([[9906], [1917, 0]], ("Hello", " world!")),
        ("def f():\n    ", ("def f():\n    ",)),
        (" \n", (" \n",)),
        ("", ("",)),
        (None, ("",)),
        (["a", ""], ("a", "")),
    ],
    ids=str,
)
def test_every_form_of_prompt_becomes_texts(prompt, prompts):
    asked = read(prompt)
    assert asked.prompts == prompts
    assert [one.turns for one in asked.conversations] == [(Turn("user", (Text(text or NOTHING_YET),)),) for text in prompts]


def test_a_body_without_a_prompt_begins_a_new_text():
    asked = completions.read_request(b'{"model":"m"}')
    assert (asked.prompts, asked.conversations[0].turns) == (("",), (Turn("user", (Text(NOTHING_YET),)),))


def test_the_prompt_reaches_google_as_it_is_and_the_instruction_apart_from_it():
    [conversation] = read("Ignore this.\n").conversations
    body = json.loads(write_request(conversation).body)
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Ignore this.\n"}]}]
    assert body["systemInstruction"] == {"parts": [{"text": INSTRUCTION}]}


def test_what_samples_is_read():
    asked = read(max_tokens=16, temperature=0.5, top_p=0.9, stop=["\n", "###"], seed=7)
    assert asked.conversations[0].sampling == Sampling(temperature=0.5, top_p=0.9, max_tokens=16, stop=("\n", "###"), seed=7)


def test_what_is_left_out_is_left_to_the_model():
    asked = read()
    assert (asked.conversations[0].sampling, asked.conversations[0].thinking) == (Sampling(), Thinking())
    assert (asked.choices, asked.echo, asked.stream, asked.include_usage, asked.notices) == (1, False, False, False, ())


def test_nulls_are_what_is_left_out():
    fields = ("suffix", "max_tokens", "n", "best_of", "stop", "echo", "stream", "stream_options", "logprobs", "logit_bias")
    assert read(**dict.fromkeys(fields)) == read()


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"logprobs": 0}, ["logprobs"]),
        ({"logprobs": 5}, ["logprobs"]),
        ({"logprobs": False}, []),
        ({"best_of": 2}, ["best_of"]),
        ({"best_of": 2, "n": 2}, []),
        ({"presence_penalty": 0.5}, ["presence_penalty"]),
        ({"presence_penalty": 0, "frequency_penalty": 0.0, "logit_bias": {}}, []),
        ({"frequency_penalty": -1, "logit_bias": {"50256": -100}}, ["frequency_penalty", "logit_bias"]),
        ({"user": "ada", "suffix": ""}, []),
        ({"use_beam_search": True, "guided_regex": None}, ["use_beam_search"]),
    ],
    ids=str,
)
def test_what_is_left_out_is_named_where_it_would_change_something(fields, named):
    assert noticed(**fields) == named


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"model": ""}, "model"),
        ({"model": None}, "model"),
        ({"prompt": []}, "prompt"),
        ({"prompt": ["a", 1]}, "prompt[1]"),
        ({"prompt": [[9906], "a"]}, "prompt[1]"),
        ({"prompt": [[9906], [100_256]]}, "prompt[1]"),
        ({"prompt": {"text": "a"}}, "prompt"),
        ({"prompt": ["a"] * 129}, "prompt"),
        ({"prompt": ["a"] * 65, "n": 2}, "n"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": 2, "best_of": 1}, "best_of"),
        ({"suffix": "the end"}, "suffix"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -0.1}, "top_p"),
        ({"stop": ["a" * 1025]}, "stop"),
        ({"stop": 7}, "stop"),
        ({"echo": "yes"}, "echo"),
        ({"reasoning_effort": "hard"}, "reasoning_effort"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
    ],
    ids=lambda value: json.dumps(value)[:40],
)
def test_what_is_wrong_is_named(fields, param):
    assert refused(**fields).param == param


def test_a_body_without_a_model_says_so():
    with pytest.raises(InvalidRequest) as caught:
        completions.read_request(b'{"prompt":"a"}')
    assert (caught.value.param, caught.value.code) == ("model", "missing_required_parameter")


@pytest.mark.parametrize(
    ("model", "config"),
    [
        ("gemini-3.5-flash-lite", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3.8-flash", {"thinkingLevel": "LOW"}),
        ("gemini-4-hydrogen", {"thinkingLevel": "LOW"}),
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-2.5-flash-lite", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("somebody-elses-model", None),
    ],
)
def test_the_least_thinking_is_sent_as_it_stands(model, config):
    [conversation] = read(model=model).conversations
    written = write_request(replace(conversation, thinking=least_thinking(capabilities_of(model))))
    assert json.loads(written.body).get("generationConfig", {}).get("thinkingConfig") == config
    assert written.notices == ()


# --- What the model answers --------------------------------------------------------------------------------------------

SPENT = Usage(prompt=3, completion=7, reasoning=4, total=10)
ANSWER = [
    ThoughtDelta("Hm."),
    TextDelta(" upon"),
    TextDelta(" a time"),
    Citation(0, 3, "t", "u"),
    UsageReport(SPENT),
    Finished("stop"),
]


def writer(prompt="Once", **fields) -> completions.Writer:
    return completions.Writer(read(prompt, **fields), id="cmpl-1", created=5, model="gemini-3.5-flash-lite")


def whole(*answers, **fields) -> dict:
    return json.loads(writer(**fields).completion(answers))


def events_of(stream: bytes) -> list:
    lines = [line.removeprefix("data: ") for line in stream.decode().split("\n\n") if line]
    return [line if line == "[DONE]" else json.loads(line) for line in lines]


def streamed(batches, **fields) -> list:
    out = writer(**fields)
    return events_of(b"".join(out.chunks(events, index) for index, events in batches) + out.finish())


def test_a_whole_answer():
    assert whole(ANSWER) == {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 5,
        "model": "gemini-3.5-flash-lite",
        "choices": [{"text": " upon a time", "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 7,
            "total_tokens": 10,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0, "image_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 4,
                "audio_tokens": 0,
                "image_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "system_fingerprint": None,
    }


@pytest.mark.parametrize(
    ("reason", "finish_reason"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("tool_calls", "stop"), ("failed", "stop")],
)
def test_how_an_answer_ends(reason, finish_reason):
    answer = [TextDelta("a"), Finished(reason)]
    assert whole(answer)["choices"][0]["finish_reason"] == finish_reason
    assert streamed([(0, answer)])[-2]["choices"][0]["finish_reason"] == finish_reason


def test_choices_are_those_of_the_first_prompt_first_and_echo_puts_each_behind_its_prompt():
    answers = [[TextDelta(text), Finished("stop")] for text in "1234"]
    choices = whole(*answers, prompt=["a", "b"], n=2, echo=True)["choices"]
    assert [(choice["index"], choice["text"]) for choice in choices] == [(0, "a1"), (1, "a2"), (2, "b3"), (3, "b4")]


def test_usage_is_the_sum_of_all_choices():
    usage = whole(ANSWER, ANSWER, n=2)["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (6, 14, 20)


def test_a_stream():
    chunks = streamed([(0, [ThoughtDelta("Hm.")]), (0, [TextDelta(" upon")]), (0, [TextDelta(" a"), Finished("length")])])
    same = {"id": "cmpl-1", "object": "text_completion", "created": 5, "model": "gemini-3.5-flash-lite"}
    assert chunks == [
        {**same, "choices": [{"text": " upon", "index": 0, "logprobs": None, "finish_reason": None}]},
        {**same, "choices": [{"text": " a", "index": 0, "logprobs": None, "finish_reason": "length"}]},
        "[DONE]",
    ]


def test_the_echo_of_a_stream_comes_first_for_each_choice_and_once():
    batches = [
        (1, [TextDelta(" x")]),
        (0, [ThoughtDelta("Hm.")]),
        (1, [TextDelta(" y"), Finished("stop")]),
        (0, [TextDelta(" z"), Finished("stop")]),
    ]
    said = [chunk["choices"][0] for chunk in streamed(batches, prompt=["a", "b"], echo=True)[:-1]]
    assert [(choice["index"], choice["text"]) for choice in said] == [(1, "b x"), (0, "a"), (1, " y"), (0, " z")]


def test_usage_in_a_stream_is_a_chunk_of_its_own():
    *chunks, last, done = streamed([(0, ANSWER)], stream_options={"include_usage": True})
    assert [chunk["usage"] for chunk in chunks] == [None]
    assert (last["choices"], last["usage"]["total_tokens"], done) == ([], 10, "[DONE]")


def test_what_comes_after_the_end_of_a_choice_is_not_written():
    chunks = streamed([(0, [TextDelta("a"), Finished("stop")]), (0, [UsageReport(SPENT)])])
    assert len(chunks) == 2


@pytest.mark.parametrize("answer", [[], [TextDelta("a")], [Finished("failed", "OTHER")]], ids=["nothing", "no end", "failed"])
def test_an_answer_that_is_none_never_looks_like_one(answer):
    with pytest.raises(UpstreamBroken):
        whole(answer)
    assert set(streamed([(0, answer)])[-1]) == {"error"}


def test_nothing_is_written_after_an_error():
    out = writer()
    assert b'"error"' in out.error(UpstreamBroken("gone"))
    assert (out.chunks(ANSWER), out.finish(), out.error(UpstreamBroken("gone"))) == (b"", b"", b"")
