"""Files by the official Python SDK, on a real server."""

import io

import openai
import pytest
from openai import AsyncOpenAI, OpenAI

FLASH = "gemini-3.8-flash"
PDF = b"%PDF-1.7\nA document of several words."


@pytest.fixture
def client(castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        yield client


def about(file) -> list:
    return [{"role": "user", "content": [{"type": "text", "text": "Sum up."}, {"type": "file", "file": {"file_id": file.id}}]}]


def test_a_file_is_created_used_and_deleted(client, google):
    file = client.files.create(file=("report.pdf", PDF), purpose="user_data")
    assert (file.object, file.bytes, file.filename, file.purpose, file.status) == (
        "file", len(PDF), "report.pdf", "user_data", "processed",
    )  # fmt: skip
    assert client.files.retrieve(file.id) == file
    answer = client.chat.completions.create(model=FLASH, messages=about(file))
    [kept] = google.files
    assert answer.choices[0].message.content == f"echo: Sum up. [{kept.uri}]"
    assert client.files.delete(file.id).deleted is True
    with pytest.raises(openai.NotFoundError) as gone:
        client.files.retrieve(file.id)
    assert (gone.value.code, gone.value.param) == ("file_not_found", "file_id")
    assert list(google.files) == []


def test_a_path_an_open_file_and_bytes_can_be_sent(client, google, tmp_path):
    path = tmp_path / "notes.md"
    path.write_bytes(b"# Notes")
    with path.open("rb") as opened:
        files = [client.files.create(file=one, purpose="assistants") for one in (path, opened, io.BytesIO(b"# Notes"))]
    assert [file.bytes for file in files] == [7, 7, 7]
    assert [file.filename for file in files[:2]] == ["notes.md", "notes.md"]
    assert {file.mime_type for file in google.files} == {"text/markdown", "text/plain"}


def test_a_stream_about_a_file(client):
    file = client.files.create(file=("report.pdf", PDF), purpose="user_data")
    stream = client.chat.completions.create(model=FLASH, messages=about(file), stream=True)
    assert "Sum up." in "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_a_list_is_gone_through_page_by_page(client, castor):
    with OpenAI(base_url=castor.base_url, api_key=castor.tokens["other"], max_retries=0) as other:
        made = [other.files.create(file=(f"{number}.txt", b"x"), purpose="vision").id for number in range(5)]
        assert [file.id for file in other.files.list(limit=2, order="asc", purpose="vision")] == made
        assert {file.id for file in client.files.list()}.isdisjoint(made)


def test_a_life_is_set_and_two_files_are_put_side_by_side(client, google):
    first = client.files.create(
        file=("a.txt", b"a"), purpose="user_data", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert first.expires_at == first.created_at + 3600
    second = client.files.create(file=("b.txt", b"b"), purpose="user_data", extra_body={"same_project_as": first.id})
    parts = [{"type": "file", "file": {"file_id": file.id}} for file in (first, second)]
    answer = client.chat.completions.create(model=FLASH, messages=[{"role": "user", "content": parts}])
    assert answer.choices[0].finish_reason == "stop"
    assert len({file.project for file in google.files}) == 1


def test_processing_is_waited_for_by_the_sdks_own_helper(client, google):
    google.files.polls = 1
    file = client.files.create(file=("film.mp4", b"\0\0\0\x18ftypisom" + b"\0" * 50), purpose="user_data")
    assert file.status == "uploaded"
    assert client.files.wait_for_processing(file.id, poll_interval=0.01).status == "processed"


def test_what_cannot_be_done_raises_the_sdks_own_errors(client):
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("a.zip", b"PK\3\4\0"), purpose="user_data")
    assert (refused.value.code, refused.value.param) == ("unsupported_file", "file")
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(file=("a.jsonl", b"{}"), purpose="batch")
    assert refused.value.param == "purpose"
    file = client.files.create(file=("a.txt", b"a"), purpose="user_data")
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.content(file.id)
    assert refused.value.code == "file_content_not_available"


async def test_the_asynchronous_client(castor):
    async with AsyncOpenAI(base_url=castor.base_url, api_key=castor.token, max_retries=0) as client:
        file = await client.files.create(file=("a.txt", b"a"), purpose="user_data")
        assert (await client.files.retrieve(file.id)).id == file.id
