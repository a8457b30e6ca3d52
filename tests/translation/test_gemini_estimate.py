"""How many tokens are set aside for a conversation before Google has counted it."""

import base64

import pytest
from msgspec.structs import replace

from openai_api.translation.conversation import (
    Conversation,
    Format,
    Media,
    RemoteMedia,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from openai_api.translation.events import AudioDelta, Citation, MediaDelta, TextDelta, ThoughtDelta, ToolCallDelta
from openai_api.translation.gemini.estimate import bytes_said, estimate_body, estimate_tokens
from openai_api.translation.gemini.request import write_request


def asking(*parts, model: str = "gemini-3.8-flash", **fields) -> Conversation:
    return Conversation(model=model, turns=(Turn("user", parts),) if parts else (), **fields)


def file(mime_type: str, size: int) -> Media:
    return Media(mime_type, base64.b64encode(bytes(size)).decode())


SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "description": "where it rains" * 100}}}


@pytest.mark.parametrize(
    ("conversation", "tokens"),
    [
        (asking(), 1),
        (asking(Text("x" * 400)), 100),
        (asking(Text("雨" * 400)), 300),
        (asking(Text("\ud800")), 1),
        (asking(system=(Text("x" * 400), Text("x" * 400))), 200),
        (asking(Text("x" * 400), system=(Text("x" * 400),)), 200),
        (asking(ToolCall("1", "rain", {"city": "x" * 384})), 100),
        (asking(ToolResult("1", "rain", "x" * 396)), 100),
    ],
)
def test_text_is_a_token_for_every_four_bytes(conversation, tokens):
    assert estimate_tokens(conversation) == tokens


@pytest.mark.parametrize(
    ("media", "tokens"),
    [
        (file("image/png", 500), 258),
        (file("image/jpeg", 9_000_000), 258),
        (file("application/pdf", 1_000_000), 2_580),
        (file("audio/wav", 32_000 * 10), 320),
        (file("audio/x-wav", 32_000 * 10), 320),
        (file("audio/mp3", 16_000 * 10), 320),
        (file("audio/mp3", 10), 32),
        (file("video/mp4", 250_000 * 10), 2_900),
        (file("text/plain", 3_600), 900),
        (RemoteMedia("https://www.youtube.com/watch?v=x", field="messages[0]"), 290),
    ],
)
def test_a_file_of_an_old_model_costs_what_google_says_and_never_its_base64(media, tokens):
    assert estimate_tokens(asking(media, model="gemini-2.5-flash")) == tokens
    assert estimate_tokens(asking(ToolResult("1", "", "", (media,)), model="gemini-2.5-flash")) == tokens


@pytest.mark.parametrize(
    ("model", "tokens"),
    [("gemini-2.5-pro", 258), ("models/gemini-2.0-flash", 258), ("gemini-3.8-flash", 1_120), ("gemini-pro-latest", 1_120)],
)
def test_later_models_look_closer_at_an_image(model, tokens):
    assert estimate_tokens(asking(file("image/png", 10_000), model=model)) == tokens


@pytest.mark.parametrize("fields", [{"tools": (Tool("rain", "tells it", SCHEMA),)}, {"format": Format(SCHEMA)}])
def test_schemas_count_as_their_text(fields):
    plain = asking(Text("hello"))
    assert estimate_tokens(replace(plain, **fields)) - estimate_tokens(plain) > 350


def test_an_answer_in_json_without_a_schema_costs_nothing_more():
    assert estimate_tokens(asking(Text("hello"), format=Format())) == estimate_tokens(asking(Text("hello")))


@pytest.mark.parametrize(
    "conversation",
    [
        asking(Text("x" * 4_000)),
        asking(Text("雨" * 4_000)),
        asking(Text("x" * 2_000), Text("y" * 2_000), system=(Text("x" * 4_000),)),
        asking(file("image/png", 500_000)),
        asking(file("application/pdf", 1_000_000), Text("x" * 400)),
        asking(file("audio/mp3", 16_000 * 100), model="gemini-2.5-flash"),
        asking(ToolResult("1", "rain", "x" * 4_000, (file("image/png", 500_000),))),
        asking(Text("hello"), tools=(Tool("rain", "tells it", SCHEMA),)),
        asking(Text("hello"), format=Format(SCHEMA)),
    ],
)
def test_what_is_written_already_is_estimated_about_as_before_it_was(conversation):
    written = estimate_body(conversation.model, write_request(conversation).body)
    assert written == pytest.approx(estimate_tokens(conversation), rel=0.1)


@pytest.mark.parametrize("body", [b"", b"0", b"{}", b'{"instances":[{"prompt":"a fox"}]}'])
def test_a_body_of_another_call_is_nothing(body):
    assert estimate_body("gemini-3.8-flash", body) == 0


@pytest.mark.parametrize(
    ("event", "size"),
    [
        (TextDelta("Fuß"), 4),
        (ThoughtDelta("hm"), 2),
        (ToolCallDelta("1", "rain", "{}"), 6),
        (AudioDelta(bytes(96_000)), 200),
        (MediaDelta("image/png", "aGk="), 4_480),
        (Citation(0, 1, "a", "https://example.com"), 0),
    ],
)
def test_what_is_said_counts_as_so_much_text(event, size):
    assert bytes_said(event) == size
