"""Google's Files API as one key calls it."""

import hashlib
import os

import pytest

from credentials.health import Outcome
from openai_api.translation.conversation import StoredFile
from openai_api.upstream import google_files
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.google_files import GoogleFiles
from tests.upstream.test_http import opened, running

ONE, TWO = {"x-goog-api-key": "test-key-1"}, {"x-goog-api-key": "test-key-2"}


class OnDisk(StoredFile):
    key = 0

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def size(self) -> int:
        return len(self._content)

    def read(self, offset: int, size: int) -> bytes:
        return self._content[offset : offset + size]


async def upload(files: GoogleFiles, content: bytes = b"some sound", **given):
    wanted = {"mime_type": "audio/wav", "display_name": "a name", "seconds": 10, **given}
    return await files.upload(ONE, OnDisk(content), **wanted)


@pytest.fixture
async def files(google):
    async with opened() as client:
        yield GoogleFiles(client, google.url)


@pytest.fixture(autouse=True)
def _looks_follow_each_other(monkeypatch):
    monkeypatch.setattr(google_files, "FIRST_LOOK", 0.001)


async def test_a_file_arrives_as_it_is(files, google):
    content = os.urandom(300_000)
    file = await upload(files, content)
    assert (file.mime_type, file.display_name, file.size_bytes, file.state) == ("audio/wav", "a name", 300_000, "ACTIVE")
    [kept] = google.files
    assert kept.bytes._digest.digest() == hashlib.sha256(content).digest()
    assert f"files/{kept.id}" == file.name
    assert file.uri.endswith(file.name)
    begun, sent = google.log
    assert (begun.key, sent.key) == ("test-key-1", "")
    assert await files.get(ONE, file.name, seconds=10) == file


async def test_bytes_are_not_sent_twice_where_a_connection_breaks(files, google):
    """Google may have them already, and would refuse them the second time as the caller's fault."""
    await upload(files)
    google.log.clear()
    google.script(method="uploadFile", ends="reset_before_headers")
    with pytest.raises(UpstreamRefused) as caught:
        await upload(files)
    assert (caught.value.refusal.outcome, caught.value.refusal.status) == (Outcome.UPSTREAM_FAILED, 502)
    assert [call.method for call in google.log] == ["startUpload", "uploadFile"]


async def test_a_deleted_file_is_gone(files, google):
    file = await upload(files)
    await files.delete(ONE, file.name, seconds=10)
    assert list(google.files) == []
    with pytest.raises(UpstreamRefused) as caught:
        await files.get(ONE, file.name, seconds=10)
    assert caught.value.refusal.status == 403


async def test_a_file_of_another_project_is_not_there(files):
    file = await upload(files)
    with pytest.raises(UpstreamRefused) as caught:
        await files.get(TWO, file.name, seconds=10)
    assert caught.value.refusal.status == 403


async def test_what_is_processed_is_waited_for(files, google):
    google.files.polls = 3
    file = await upload(files)
    assert file.state == "PROCESSING"
    assert (await files.until_active(ONE, file, seconds=10)).state == "ACTIVE"


async def test_what_cannot_be_processed_is_said(files, google):
    google.files.polls, google.files.fails = 1, True
    file = await upload(files)
    with pytest.raises(UpstreamRefused, match="could not be processed") as caught:
        await files.until_active(ONE, file, seconds=10)
    assert caught.value.refusal.status == 400


async def test_no_file_is_waited_for_for_ever(files, google):
    google.files.polls = 1_000_000
    file = await upload(files)
    with pytest.raises(UpstreamRefused) as caught:
        await files.until_active(ONE, file, seconds=0.05)
    assert caught.value.refusal.status == 504


@pytest.mark.parametrize("method", ["startUpload", "uploadFile"])
async def test_a_refusal_is_read_as_any_other(files, google, method):
    google.script(error="overloaded", method=method)
    with pytest.raises(UpstreamRefused) as caught:
        await upload(files)
    assert caught.value.refusal.status == 503


async def test_an_upload_goes_nowhere_but_to_where_it_was_begun(google):
    """Behind a server of the operator's own, Google's address would lead around it."""
    answer = b"HTTP/1.1 200 OK\r\nX-Goog-Upload-URL: https://example.com/somewhere?upload_id=a%2Fb\r\nContent-Length: 0\r\n\r\n"
    async with running(answer) as server, opened() as client:
        files = GoogleFiles(client, server.url.rstrip("/"))
        address = await files._begin(ONE, OnDisk(b"x"), "audio/wav", "", 5)
    assert address == f"{server.url.rstrip('/')}/somewhere?upload_id=a%2Fb"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"file": 5}'])
async def test_an_answer_that_is_none_is_a_failure(files, google, body):
    google.script(method="uploadFile", status=200, body=body.decode())
    with pytest.raises(UpstreamRefused) as caught:
        await upload(files)
    assert caught.value.refusal.status == 502
