"""Bodies with files in them, that are never in memory."""

import json
from base64 import b64decode

import pytest
from msgspec import Struct

from openai_api.translation.conversation import Conversation, StoredMedia, Text, Turn
from openai_api.translation.gemini.request import write_request
from openai_api.translation.splicing import Spliced, enclosed, in_memory


class Kept(Struct, frozen=True):
    key: int
    content: bytes

    @property
    def size(self) -> int:
        return len(self.content)

    def read(self, offset: int, size: int) -> bytes:
        return self.content[offset : offset + size]


def written(*parts):
    return write_request(Conversation(model="gemini-3.8-flash", turns=(Turn("user", parts),))).body


@pytest.mark.parametrize("size", [1, 2, 3, 48 * 1024 - 1, 48 * 1024, 48 * 1024 + 1, 200_000])
def test_a_file_stands_in_its_place_whole(size):
    content = bytes(number % 251 for number in range(size))
    body = written(Text("Look:"), StoredMedia("image/png", Kept(7, content)))
    sent = b"".join(body)
    [text, picture] = json.loads(sent)["contents"][0]["parts"]
    assert text == {"text": "Look:"}
    assert picture["inlineData"]["mimeType"] == "image/png"
    assert b64decode(picture["inlineData"]["data"], validate=True) == content
    assert len(sent) == body.size


def test_a_body_can_be_sent_twice():
    body = written(StoredMedia("image/png", Kept(1, b"abc" * 30_000)))
    assert b"".join(body) == b"".join(body)


def test_several_files_are_told_apart():
    body = written(StoredMedia("image/png", Kept(1, b"first")), Text("and"), StoredMedia("image/webp", Kept(2, b"second")))
    parts = json.loads(b"".join(body))["contents"][0]["parts"]
    assert [b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part] == [b"first", b"second"]


def test_no_text_passes_for_a_file():
    """The marks are what JSON cannot hold unescaped."""
    forged = "\x001\x00"
    body = written(Text(forged), StoredMedia("image/png", Kept(1, b"real")))
    [text, picture] = json.loads(b"".join(body))["contents"][0]["parts"]
    assert text == {"text": forged}
    assert b64decode(picture["inlineData"]["data"]) == b"real"


def test_a_piece_of_a_large_file_is_small():
    body = written(StoredMedia("audio/wav", Kept(1, bytes(10_000_000))))
    assert max(map(len, body)) < 100_000


def test_a_body_without_files_is_plain_bytes():
    body = written(Text("Hi"))
    assert in_memory(body) is body
    assert enclosed(b"[", body, b"]") == b"[" + body + b"]"


def test_an_envelope_goes_around_the_pieces():
    body = enclosed(b'{"request":', written(StoredMedia("image/png", Kept(1, b"x"))), b"}")
    assert isinstance(body, Spliced)
    assert b64decode(json.loads(b"".join(body))["request"]["contents"][0]["parts"][0]["inlineData"]["data"]) == b"x"


def test_what_has_files_is_not_taken_for_plain_bytes():
    with pytest.raises(TypeError):
        in_memory(written(StoredMedia("image/png", Kept(1, b"x"))))
