"""Files that were uploaded, in the dialect of files, in chats, and in Gemini's words."""

import json

import pytest

from openai_api import media_types
from openai_api.errors import InvalidRequest
from openai_api.translation import files
from openai_api.translation.chat import read_request
from openai_api.translation.conversation import Conversation, Text, ToolResult, Turn, UploadedMedia
from openai_api.translation.files import Query, Wish
from openai_api.translation.gemini.estimate import estimate_tokens
from openai_api.translation.gemini.request import write_request
from openai_api.upstream.code_assist import beyond_code_assist

FLASH = "gemini-3.8-flash"
PNG = b"\x89PNG\r\n\x1a\n"


def read(*messages) -> Conversation:
    return read_request(json.dumps({"model": FLASH, "messages": messages}).encode()).conversation


def naming(file_id: str) -> dict:
    return {"type": "file", "file": {"file_id": file_id}}


def test_files_are_read_from_users_messages_and_from_results_of_tools():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    conversation = read(
        {"role": "user", "content": [{"type": "text", "text": "hi"}, naming("file-1")]},
        {"role": "assistant", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c", "content": [naming("file-2")]},
    )
    assert list(conversation.uploaded_media()) == [
        UploadedMedia("file-1", "messages[0].content[1].file.file_id"),
        UploadedMedia("file-2", "messages[2].content[0].file.file_id"),
    ]


def test_what_is_known_of_files_goes_to_gemini_and_only_to_the_gemini_api():
    asked = Conversation(
        FLASH,
        (
            Turn("user", (Text("hi"), UploadedMedia("file-1", "messages[0]"))),
            Turn("tool", (ToolResult("c", "f", "see", (UploadedMedia("file-1", "messages[1]"),)),)),
        ),
    )
    known = UploadedMedia("file-1", "messages[0]", "https://google/files/1", "application/pdf", 250_000)
    told = asked.with_uploads({"file-1": known})
    assert list(told.uploaded_media()) == [known, known]
    parts = json.loads(write_request(told).body)["contents"][0]["parts"]
    assert parts[1] == {"fileData": {"fileUri": "https://google/files/1", "mimeType": "application/pdf"}}
    assert [notice.field for notice in beyond_code_assist(told)] == ["messages[0]"]
    assert estimate_tokens(told) > 2 * 1_000


def upload(**fields: str) -> tuple[Wish, list[str]]:
    notices: list = []
    return files.read_upload({name: [value] for name, value in fields.items()}, notices), [notice.field for notice in notices]


@pytest.mark.parametrize(
    ("fields", "wish", "dropped"),
    [
        ({"purpose": "vision"}, Wish("vision"), []),
        ({"purpose": "user_data", "same_project_as": "file-1"}, Wish("user_data", None, "file-1"), []),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "7200"},
            Wish("vision", 7200),
            [],
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "172801"},
            Wish("vision", 172_801),
            ["expires_after[seconds]"],
        ),
        ({"purpose": "assistants", "colour": "red"}, Wish("assistants"), ["colour"]),
    ],
)
def test_the_form_of_an_upload(fields, wish, dropped):
    assert upload(**fields) == (wish, dropped)


@pytest.mark.parametrize("seconds", ["", "-1", "1e4", "½", "9" * 50])
def test_a_life_that_is_no_number_is_refused(seconds):
    with pytest.raises(InvalidRequest) as refused:
        upload(**{"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": seconds})
    assert refused.value.param == "expires_after[seconds]"


def test_the_query_of_a_list():
    assert files.read_query({}) == Query(limit=10_000)
    asked = {"after": "file-1", "limit": "5", "order": "asc", "purpose": "vision", "unknown": "1"}
    assert files.read_query(asked) == Query("file-1", 5, True, "vision")


@pytest.mark.parametrize(
    ("claimed", "name", "beginning", "kind"),
    [
        ("image/jpeg", "a.jpg", PNG, "image/png"),
        ("image/png", "a.png", b"text", None),
        ("image/svg+xml", "a.svg", b"<svg/>", "image/svg+xml"),
        ("application/octet-stream", "a.bin", b"%PDF-1.7", "application/pdf"),
        ("application/octet-stream", "a.csv", b"a,b", "text/csv"),
        ("application/octet-stream", "a.zip", b"PK\3\4\0", None),
        ("", "", "ü".encode() * 10 + b"\xc3", "text/plain"),
        ("", "", b"\xff\xfe\0\0", None),
        ("", "", b"a\0b", None),
        ("text/html; charset=utf-8", "a.html", b"<html>", "text/html"),
        ("Application/PDF", "a", b"%PDF-", "application/pdf"),
        ("application/sql", "a.sql", b"SELECT 1", "application/sql"),
        ("application/x-tex", "a.tex", b"\\begin", "text/plain"),
        # No types at all, and no headers of ours.
        ("text/\nX-Evil: 1", "a.csv", b"text", "text/csv"),
        ("text/plain\0", "a", b"text", "text/plain"),
        ("text/" + "x" * 300, "a", b"text", "text/plain"),
    ],
)
def test_what_an_uploaded_file_is(claimed, name, beginning, kind):
    assert media_types.of_upload(claimed, name, beginning) == kind
