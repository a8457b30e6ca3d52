"""The Files API as section 1.17 tells it, by hand and by Google's own SDK."""

import io

import httpx
import pytest
from google import genai
from google.genai import errors, types

from tests.google.asking import FLASH, ask, user
from tests.google.files import GRANULARITY
from tests.google.transcoding import read

ONE, TWO = {"x-goog-api-key": "test-key-1"}, {"x-goog-api-key": "test-key-2"}
PDF = b"%PDF-1.7 a document"


def start(google, size: int = len(PDF), *, headers=ONE, mime_type="application/pdf", body=None, **more):
    wanted = {
        "X-Goog-Upload-Protocol": "resumable",
        "X-Goog-Upload-Command": "start",
        "X-Goog-Upload-Header-Content-Length": str(size),
        "X-Goog-Upload-Header-Content-Type": mime_type,
        **{name.replace("_", "-"): value for name, value in more.items()},
    }
    body = {"file": {"displayName": "a name"}} if body is None else body
    return httpx.post(f"{google.url}/upload/v1beta/files", json=body, headers={**wanted, **headers})


def send(url: str, content: bytes, *, offset: int = 0, command: str = "upload, finalize"):
    return httpx.post(url, content=content, headers={"X-Goog-Upload-Offset": str(offset), "X-Goog-Upload-Command": command})


def uploaded(google, content: bytes = PDF, **how) -> dict:
    answer = send(start(google, len(content), **how).headers["x-goog-upload-url"], content)
    assert answer.headers["x-goog-upload-status"] == "final"
    return answer.json()["file"]


def look(google, file: dict, headers=ONE):
    return httpx.get(f"{google.url}/v1beta/{file['name']}", headers=headers)


def about(file: dict, **more) -> dict:
    return {"contents": [user("What is it?", {"fileData": {"fileUri": file["uri"], "mimeType": file["mimeType"], **more}})]}


def text_of(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["message"]


def denied(file: dict) -> tuple[int, str]:
    return 403, f"You do not have permission to access the File {file['name'].removeprefix('files/')} or it may not exist."


def test_a_file_is_what_was_sent(google):
    file = uploaded(google)
    assert (file["displayName"], file["mimeType"], file["sizeBytes"], file["state"]) == (
        "a name", "application/pdf", str(len(PDF)), "ACTIVE",
    )  # fmt: skip
    assert look(google, file).json() == file
    read(file, "File")
    [kept] = google.files
    assert (kept.project, kept.bytes.beginning) == ("project-1", PDF)
    assert [call.method for call in google.log] == ["startUpload", "uploadFile", "getFile"]


def test_an_upload_comes_in_pieces_and_goes_on_where_it_broke_off(google):
    content = b"x" * GRANULARITY + b"the rest"
    url = start(google, len(content)).headers["x-goog-upload-url"]
    assert send(url, content[:GRANULARITY], command="upload").headers["x-goog-upload-status"] == "active"
    asked = send(url, b"", command="query")
    assert asked.headers["x-goog-upload-size-received"] == str(GRANULARITY)
    assert send(url, b"again", offset=0).status_code == 400
    file = send(url, content[GRANULARITY:], offset=GRANULARITY).json()["file"]
    assert file["sizeBytes"] == str(len(content))
    assert send(url, b"more", offset=len(content)).status_code == 400


@pytest.mark.parametrize(
    ("sent", "command"), [(b"short", "upload, finalize"), (b"no multiple", "upload"), (b"", "sing"), (b"", "")]
)
def test_a_broken_upload_is_refused(google, sent, command):
    url = start(google, 1_000_000).headers["x-goog-upload-url"]
    assert send(url, sent, command=command).status_code == 400
    assert not list(google.files)


def test_a_cancelled_upload_is_over(google):
    url = start(google).headers["x-goog-upload-url"]
    assert send(url, b"", command="cancel").headers["x-goog-upload-status"] == "cancelled"
    assert send(url, PDF).status_code == 400


@pytest.mark.parametrize(
    "wrong",
    [
        {"X_Goog_Upload_Protocol": "multipart"},
        {"X_Goog_Upload_Command": "upload"},
        {"X_Goog_Upload_Header_Content_Length": "0"},
        {"X_Goog_Upload_Header_Content_Length": "many"},
        {"body": {"display_name": "no such field"}},
        {"body": {"file": {"name": "files/NOT/OK"}}},
    ],
    ids=str,
)
def test_an_upload_that_is_not_announced_properly_is_refused(google, wrong):
    assert start(google, **wrong).status_code == 400


def test_two_files_cannot_have_one_name(google):
    named = {"file": {"name": "files/my-file"}}
    assert uploaded(google, body=named)["name"] == "files/my-file"
    assert start(google, body=named).json()["error"]["status"] == "ALREADY_EXISTS"


def test_a_file_serves_its_own_project_alone(google):
    google.keys["another-key"] = "project-1"
    file = uploaded(google)
    assert look(google, file, {"x-goog-api-key": "another-key"}).status_code == 200
    assert ask(google, about(file), key="another-key").status_code == 200
    assert text_of(look(google, file, TWO)) == denied(file)
    assert text_of(ask(google, about(file), key="test-key-2")) == denied(file)
    assert text_of(httpx.delete(f"{google.url}/v1beta/{file['name']}", headers=TWO)) == denied(file)
    assert httpx.get(f"{google.url}/v1beta/files", headers=TWO).json() == {}


def test_a_deleted_file_is_gone(google):
    file = uploaded(google)
    assert httpx.delete(f"{google.url}/v1beta/{file['name']}", headers=ONE).json() == {}
    assert text_of(look(google, file)) == denied(file)
    assert text_of(ask(google, about(file))) == denied(file)


def test_a_file_lives_for_two_days(google):
    file = uploaded(google)
    google.clock.advance(47 * 3600)
    assert ask(google, about(file)).status_code == 200
    google.clock.advance(3601)
    assert text_of(look(google, file)) == denied(file)
    assert text_of(ask(google, about(file))) == denied(file)


def test_a_file_in_processing_cannot_be_used_yet(google):
    google.files.polls = 1
    file = uploaded(google)
    refused = ask(google, about(file))
    assert refused.json()["error"]["status"] == "FAILED_PRECONDITION"
    assert "is not in an ACTIVE state" in refused.json()["error"]["message"]
    assert [look(google, file).json()["state"] for _ in range(2)] == ["PROCESSING", "ACTIVE"]
    assert ask(google, about(file)).status_code == 200


def test_processing_may_take_its_time_and_fail(google):
    google.files.seconds, google.files.fails = 30, True
    file = uploaded(google)
    assert look(google, file).json()["state"] == "PROCESSING"
    google.clock.advance(31)
    failed = look(google, file).json()
    assert (failed["state"], failed["error"]["code"]) == ("FAILED", 3)
    assert ask(google, about(file)).status_code == 400


def test_there_is_room_for_so_much(google):
    google.files.most_bytes, google.files.most_bytes_of_project = 30, 40
    assert start(google, 31).status_code == 400
    uploaded(google)
    full = start(google, 30).json()["error"]
    assert (full["code"], full["details"][0]["violations"][0]["quotaId"]) == (429, "FileStorageBytesPerProject")
    assert start(google, 30, headers=TWO).status_code == 200


def test_files_are_listed_page_by_page(google):
    names = [uploaded(google)["name"] for _ in range(3)][::-1]
    page = httpx.get(f"{google.url}/v1beta/files?pageSize=2", headers=ONE).json()
    assert [file["name"] for file in page["files"]] == names[:2]
    rest = httpx.get(f"{google.url}/v1beta/files", params={"pageToken": page["nextPageToken"]}, headers=ONE).json()
    assert [file["name"] for file in rest["files"]] == names[2:]
    assert "nextPageToken" not in rest


def test_an_unknown_key_uploads_nothing(google):
    assert start(google, headers={"x-goog-api-key": "unknown"}).status_code == 400
    assert start(google, headers={}).status_code == 403


def test_the_bytes_of_an_upload_are_not_kept_in_the_log(google):
    uploaded(google, b"x" * 3_000_000)
    assert all(len(call.raw) < 1_000 for call in google.log)
    assert [len(file.bytes.beginning) for file in google.files] == [1024 * 1024]


def test_scripts_concern_uploads_too(google):
    google.script(method="startUpload", error="day_quota")
    google.script(method="uploadFile", status=503, body="")
    assert start(google).status_code == 429
    url = start(google).headers["x-goog-upload-url"]
    assert send(url, b"").status_code == 503


def test_googles_own_sdk_uploads_uses_and_deletes(google):
    with genai.Client(api_key="test-key-1", http_options={"base_url": google.url, "api_version": "v1beta"}) as client:
        config = types.UploadFileConfig(mime_type="text/plain", display_name="notes")
        file = client.files.upload(file=io.BytesIO(b"a" * 9_000_000), config=config)
        assert (file.state, file.size_bytes, file.display_name) == (types.FileState.ACTIVE, 9_000_000, "notes")
        assert client.files.get(name=file.name).uri == file.uri
        assert (
            client.models.generate_content(model=FLASH, contents=["What is it?", file]).text == f"echo: What is it? [{file.uri}]"
        )
        assert [found.name for found in client.files.list()] == [file.name]
        client.files.delete(name=file.name)
        with pytest.raises(errors.ClientError, match="may not exist"):
            client.files.get(name=file.name)
