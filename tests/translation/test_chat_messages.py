"""Messages of all roles and kinds, read into turns."""

import json
from typing import Any

import pytest

from openai_api.translation.chat import ChatRequest, read_request
from openai_api.translation.conversation import (
    Media,
    Notice,
    RemoteMedia,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)

PNG = "iVBORw0KGgo="


def read(*messages: Any, **fields: Any) -> ChatRequest:
    return read_request(json.dumps({"model": "m", "messages": messages, **fields}).encode())


def turns(*messages: Any) -> tuple[Turn, ...]:
    return read(*messages).conversation.turns


def part_of(part: dict[str, Any]) -> Any:
    return turns({"role": "user", "content": [part]})[0].parts[0]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def calling(*calls: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "tool_calls": calls, **fields}


def call(call_id: str = "c1", name: str = "look", arguments: Any = "{}", **fields: Any) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **fields}


def test_leading_instructions_are_gathered_and_later_ones_stay_in_place():
    conversation = read(
        {"role": "system", "content": "one"},
        {"role": "developer", "content": [{"type": "text", "text": "two"}, {"type": "text", "text": "three"}]},
        user("hi"),
        {"role": "system", "content": "four"},
    ).conversation
    assert conversation.system == (Text("one"), Text("two"), Text("three"))
    assert conversation.turns == (Turn("user", (Text("hi"),)), Turn("system", (Text("four"),)))


@pytest.mark.parametrize("content", ["", None, [], [{"type": "text", "text": ""}]])
@pytest.mark.parametrize("role", ["user", "assistant", "system"])
def test_a_message_that_says_nothing_is_no_turn(role, content):
    assert turns(user("hi"), {"role": role, "content": content}) == (Turn("user", (Text("hi"),)),)


def test_an_assistant_says_text_and_refusals():
    content = [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}]
    message = {"role": "assistant", "content": content, "refusal": "c", "tool_calls": None, "function_call": None}
    assert turns(message) == (Turn("model", (Text("a"), Text("b"), Text("c"))),)


@pytest.mark.parametrize(
    ("part", "read_as"),
    [
        ({"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}, Media("image/png", PNG)),
        ({"type": "image_url", "image_url": f"data:image/png;base64,{PNG}"}, Media("image/png", PNG)),
        ({"type": "image_url", "image_url": {"url": f"DATA:Image/JPG;base64,{PNG}"}}, Media("image/jpeg", PNG)),
        ({"type": "image_url", "image_url": {"url": f"data:text/plain;charset=utf-8;base64,{PNG}"}}, Media("text/plain", PNG)),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO\nRw0KGgo"}}, Media("image/png", PNG)),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,-_-_"}}, Media("image/png", "+/+/")),
        (
            {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
            RemoteMedia("https://example.org/a.png", "messages[0].content[0].image_url.url"),
        ),
        (
            {"type": "image_url", "image_url": "HTTP://example.org/a.png"},
            RemoteMedia("HTTP://example.org/a.png", "messages[0].content[0].image_url"),
        ),
        ({"type": "input_audio", "input_audio": {"data": PNG, "format": "wav"}}, Media("audio/wav", PNG)),
        (
            {"type": "input_audio", "input_audio": {"data": f"data:audio/mpeg;base64,{PNG}", "format": "mp3"}},
            Media("audio/mp3", PNG),
        ),
        (
            {"type": "file", "file": {"filename": "a.bin", "file_data": f"data:application/pdf;base64,{PNG}"}},
            Media("application/pdf", PNG, "a.bin"),
        ),
        ({"type": "file", "file": {"filename": "A.PDF", "file_data": PNG}}, Media("application/pdf", PNG, "A.PDF")),
        (
            {"type": "file", "file": {"file_data": "https://example.org/a.pdf"}},
            RemoteMedia("https://example.org/a.pdf", "messages[0].content[0].file.file_data"),
        ),
    ],
)
def test_files_of_all_kinds(part, read_as):
    assert part_of(part) == read_as


@pytest.mark.parametrize(("detail", "noticed"), [("high", 1), ("low", 1), ("auto", 0), (None, 0)])
def test_an_image_detail_other_than_auto_is_noticed(detail, noticed):
    part = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}", "detail": detail}}
    fields = [notice.field for notice in read({"role": "user", "content": [part]}).notices]
    assert fields == ["messages[0].content[0].image_url.detail"] * noticed


def test_the_name_of_an_author_is_noticed():
    request = read({**user("hi"), "name": "bob"}, {"role": "assistant", "content": "yo", "name": "al"})
    assert [notice.field for notice in request.notices] == ["messages[0].name", "messages[1].name"]


def test_a_tool_round_pairs_results_by_id():
    read_turns = turns(
        calling(call("c1", "look", '{"at": "sky"}'), call("c2", "wait"), content="Hm."),
        {"role": "tool", "tool_call_id": "c2", "content": "waited"},
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "blue"}, {"type": "text", "text": "sky"}]},
    )
    assert read_turns == (
        Turn("model", (Text("Hm."), ToolCall("c1", "look", {"at": "sky"}), ToolCall("c2", "wait", {}))),
        Turn("tool", (ToolResult("c2", "wait", "waited"),)),
        Turn("tool", (ToolResult("c1", "look", "blue\nsky"),)),
    )


def test_a_tool_may_answer_with_pictures():
    content = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}]
    result = turns(calling(call()), {"role": "tool", "tool_call_id": "c1", "content": content})[1].parts[0]
    assert result == ToolResult("c1", "look", "see", (Media("image/png", PNG),))


@pytest.mark.parametrize(("name", "known"), [(None, ""), ("look", "look")])
def test_a_result_without_a_call_is_kept(name, known):
    message = {"role": "tool", "tool_call_id": "c9", "content": "", "name": name}
    assert turns(message) == (Turn("tool", (ToolResult("c9", known, ""),)),)


def test_an_id_used_twice_means_the_later_call():
    result = turns(calling(call("c1", "a")), calling(call("c1", "b")), {"role": "tool", "tool_call_id": "c1", "content": "x"})[-1]
    assert result.parts[0].name == "b"


def test_a_signature_comes_back_with_its_call():
    extra = {"google": {"thought_signature": "c2ln"}}
    assert turns(calling(call(extra_content=extra)))[0].parts[0].signature == "c2ln"
    assert turns(calling(call(extra_content={"other": 1})))[0].parts[0].signature == ""


@pytest.mark.parametrize(
    ("arguments", "kept", "noticed"),
    [
        ('{"a": [1, null]}', {"a": [1, None]}, False),
        ({"a": 1}, {"a": 1}, False),
        ("", {}, False),
        (" ", {}, False),
        (None, {}, False),
        ("[1]", {"_unparsed": "[1]"}, True),
        ("null", {"_unparsed": "null"}, True),
        ("{bad", {"_unparsed": "{bad"}, True),
        ("[" * 100_000, {"_unparsed": "[" * 100_000}, True),
    ],
)
def test_arguments_that_are_no_object_are_kept_as_text(arguments, kept, noticed):
    request = read(calling(call(arguments=arguments)))
    assert request.conversation.turns[0].parts[0].arguments == kept
    fields = [notice.field for notice in request.notices]
    assert fields == ["messages[0].tool_calls[0].function.arguments"] * noticed


def test_a_custom_call_is_a_call_with_one_input():
    custom = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    read_turns = turns(calling(custom), {"role": "tool", "tool_call_id": "c1", "content": "ok"})
    assert read_turns[0].parts == (ToolCall("c1", "patch", {"input": "*** Begin"}),)
    assert read_turns[1].parts[0].name == "patch"


def test_old_function_calls_are_paired_by_name_and_order():
    def asked(name: str) -> dict[str, Any]:
        return {"role": "assistant", "content": None, "function_call": {"name": name, "arguments": "{}"}}

    def answered(name: str, content: str | None) -> dict[str, Any]:
        return {"role": "function", "name": name, "content": content}

    read_turns = turns(
        asked("a"), answered("a", "1"), asked("a"), asked("b"), answered("b", None), answered("a", "2"), answered("z", "?")
    )
    assert [part for turn in read_turns for part in turn.parts] == [
        ToolCall("call_0", "a", {}),
        ToolResult("call_0", "a", "1"),
        ToolCall("call_2", "a", {}),
        ToolCall("call_3", "b", {}),
        ToolResult("call_3", "b", ""),
        ToolResult("call_2", "a", "2"),
        ToolResult("call_6", "z", "?"),
    ]


def test_pictures_that_we_answered_come_back_as_pictures():
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert turns({"role": "assistant", "content": "", "images": [image]}) == (Turn("model", (Media("image/png", PNG),)),)


@pytest.mark.parametrize("url", [f"data:image/png;base64,{PNG}", {"url": f"data:image/png;base64,{PNG}"}], ids=type)
@pytest.mark.parametrize("place", ["images", "content"])
def test_a_picture_that_comes_back_with_its_signature_keeps_it(place, url):
    extra = {"google": {"thought_signature": "c2ln"}}
    message = {"role": "assistant", place: [{"type": "image_url", "image_url": url, "extra_content": extra}]}
    assert turns(message) == (Turn("model", (Media("image/png", PNG, signature="c2ln"),)),)


def test_an_earlier_spoken_answer_is_noticed():
    request = read(user("hi"), {"role": "assistant", "audio": {"id": "audio_1"}})
    assert request.notices == (Notice("messages[1].audio", "earlier spoken answers are not kept"),)


def test_a_conversation_of_instructions_alone_is_legal():
    conversation = read({"role": "system", "content": "Say hi."}).conversation
    assert (conversation.system, conversation.turns) == ((Text("Say hi."),), ())
