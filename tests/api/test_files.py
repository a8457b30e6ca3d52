"""/v1/files and files in chats, on the real server: custody by owner and by project."""

import pytest

from tests.api.files import FLASH, PDF, PNG, about, ask, chat, kept, keys_of, lose, send, uploaded
from tests.api.server import TWO_KEYS

ONE_PROJECT = "twin-key-1,twin-key-2"


def projects(google, **of_keys: str) -> None:
    google.keys.update({name.replace("_", "-"): project for name, project in of_keys.items()})


def error(answer) -> tuple[int, str | None, str | None]:
    status, body = (answer[0], answer[2]) if isinstance(answer, tuple) else (answer.status_code, answer.json())
    return status, body["error"]["code"], body["error"]["param"]


# --- The files themselves -----------------------------------------------------------------------------------------


def test_a_file_goes_to_google_and_is_described_as_openai_does(castor, google):
    file = uploaded(castor, name="Grüße.pdf")
    assert {name: file[name] for name in ("object", "bytes", "filename", "purpose", "status", "status_details")} == {
        "object": "file", "bytes": len(PDF), "filename": "Grüße.pdf", "purpose": "user_data", "status": "processed",
        "status_details": None,
    }  # fmt: skip
    assert file["id"].startswith("file-")
    assert abs(file["expires_at"] - file["created_at"] - 48 * 3600) <= 2
    [at_google] = google.files
    assert (at_google.mime_type, at_google.bytes.beginning) == ("application/pdf", PDF)
    assert ask(castor, "GET", f"/{file['id']}")[2] == file


def test_an_upload_is_recorded(castor, google):
    answer = send(castor, headers={"X-Request-ID": "upload-1"})
    [record] = castor.usage("upload-1")
    assert (record["dialect"], record["model_served"], record["status"], record["attempts"]) == ("files", "files", 200, 1)
    assert answer.headers["x-castor-attempts"] == "1"


def test_an_upload_that_fails_is_sent_again_whole_with_another_key(castor, google):
    google.script(method="uploadFile", error="overloaded")
    answer = send(castor, b"x" * 300_000, name="a.txt", kind="text/plain")
    assert (answer.status_code, answer.headers["x-castor-attempts"]) == (200, "2")
    assert [size for _, size in kept(google)] == [300_000]
    assert len(set(keys_of(google, "startUpload"))) == 2


def test_a_project_that_is_full_is_left_for_another_and_still_chats(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    google.files.most_bytes_of_project = 50
    first, second = uploaded(castor), uploaded(castor)
    assert len({project for project, _ in kept(google)}) == 2
    full = send(castor)
    assert (full.status_code, full.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(full.headers["retry-after"]) > 0
    assert [chat(castor, file)[0] for file in (first, second)] == [200, 200]


def test_uploads_go_in_turn_but_first_to_projects_without_models_at_rest(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS="pool-key-1,pool-key-2,pool-key-3")
    google.script(error="day_quota")
    assert castor.chat()[0] == 200
    resting = keys_of(google)[0]
    for _ in range(4):
        uploaded(castor)
    used = keys_of(google, "startUpload")
    assert resting not in used
    assert sorted(used.count(key) for key in set(used)) == [2, 2]


@pytest.mark.parametrize(
    ("name", "kind", "content", "sent"),
    [
        ("a.png", "application/octet-stream", PNG, "image/png"),
        ("a.jpg", "image/jpeg", PNG, "image/png"),
        ("a.md", "text/markdown", b"# Hello", "text/markdown"),
        ("a.jsonl", "application/octet-stream", b'{"a": 1}\n', "text/plain"),
        ("a.json", "application/json", b"{}", "text/plain"),
        ("a.ts", "video/mp2t", b"const a: string = 'x';", "text/plain"),
        ("a.svg", "image/svg+xml", b"<svg/>", "text/plain"),
        ("a.mp3", "audio/mpeg", b"ID3" + b"\0" * 50, "audio/mpeg"),
        ("noname", "", "Grüße".encode(), "text/plain"),
        ("a.csv", "text/\nX-Evil: 1", b"a,b", "text/csv"),
    ],
)
def test_a_file_is_what_its_bytes_its_sender_or_its_name_say(castor, google, name, kind, content, sent):
    uploaded(castor, content, name=name, kind=kind)
    assert [file.mime_type for file in google.files] == [sent]


@pytest.mark.parametrize(
    ("wrong", "code", "param"),
    [
        ({"purpose": None}, "missing_required_parameter", "purpose"),
        ({"purpose": "joy"}, "invalid_value", "purpose"),
        ({"purpose": "batch"}, "unsupported_purpose", "purpose"),
        ({"purpose": "fine-tune"}, "unsupported_purpose", "purpose"),
        ({"purpose": "evals"}, "unsupported_purpose", "purpose"),
        ({"content": b""}, "empty_file", "file"),
        ({"content": b"PK\3\4\0\0", "name": "a.zip", "kind": "application/zip"}, "unsupported_file", "file"),
        ({"content": b"no picture", "name": "a.png", "kind": "image/png"}, "unsupported_file", "file"),
        ({"content": b"\xd0\xcf\x11\xe0\0", "name": "a.doc", "kind": "application/msword"}, "unsupported_file", "file"),
        ({"files": {}}, "missing_required_parameter", "file"),
        ({"files": [("file", ("a.txt", b"a")), ("file", ("b.txt", b"b"))]}, "invalid_value", "file"),
        ({"expires_after__anchor": "now", "expires_after__seconds": "3600"}, "invalid_value", "expires_after[anchor]"),
        ({"expires_after__anchor": "created_at"}, "invalid_type", "expires_after[seconds]"),
        (
            {"expires_after__anchor": "created_at", "expires_after__seconds": "60"},
            "integer_below_minimum_value",
            "expires_after[seconds]",
        ),
        (
            {"expires_after__anchor": "created_at", "expires_after__seconds": "2592001"},
            "integer_above_maximum_value",
            "expires_after[seconds]",
        ),
        ({"same_project_as": "file-unknown"}, "file_not_found", "same_project_as"),
    ],
    ids=str,
)
def test_bad_uploads_name_the_field_and_never_reach_google(castor, google, wrong, code, param):
    answer = send(castor, **wrong)
    assert error(answer) == (404 if code == "file_not_found" else 400, code, param)
    assert not list(google.log)


def test_an_upload_that_is_no_form_is_told_so(castor):
    status, _, body = castor.ask("POST", "/v1/files", {"purpose": "user_data"})
    assert (status, b"multipart/form-data" in body) == (400, True)


def test_a_file_that_is_too_large_for_this_castor_is_refused(castor_with, google):
    castor = castor_with(MAX_UPLOAD_BYTES="2000")
    answer = send(castor, b"x" * 3000, name="a.txt")
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")
    assert not list(google.log)


def test_a_life_longer_than_googles_is_dropped_loudly_and_a_shorter_one_is_kept(castor):
    long = send(castor, expires_after__anchor="created_at", expires_after__seconds="200000")
    assert long.headers["x-castor-dropped"] == "expires_after[seconds]"
    short = uploaded(castor, expires_after__anchor="created_at", expires_after__seconds="3600")
    assert short["expires_at"] - short["created_at"] == 3600
    strict = send(
        castor, expires_after__anchor="created_at", expires_after__seconds="200000", headers={"X-Castor-Strict": "true"}
    )
    assert error(strict) == (400, "unsupported_parameter", "expires_after[seconds]")


def test_files_are_listed_page_by_page(castor_alone):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    assert ask(castor, "GET", "")[2] == {"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}
    ids = [uploaded(castor, purpose=purpose)["id"] for purpose in ("user_data", "vision", "user_data", "assistants")]
    page = ask(castor, "GET", "?limit=3")[2]
    assert [file["id"] for file in page["data"]] == ids[:0:-1]
    assert (page["first_id"], page["last_id"], page["has_more"]) == (ids[3], ids[1], True)
    rest = ask(castor, "GET", f"?limit=3&after={page['last_id']}")[2]
    assert ([file["id"] for file in rest["data"]], rest["has_more"]) == ([ids[0]], False)
    assert [file["id"] for file in ask(castor, "GET", "?order=asc")[2]["data"]] == ids
    assert [file["id"] for file in ask(castor, "GET", "?purpose=vision")[2]["data"]] == [ids[1]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("?limit=0", (400, "integer_below_minimum_value", "limit")),
        ("?limit=many", (400, "invalid_type", "limit")),
        ("?order=up", (400, "invalid_value", "order")),
        ("?purpose=joy", (400, "invalid_value", "purpose")),
        ("?after=file-unknown", (404, "file_not_found", "after")),
        ("?after=%00", (404, "file_not_found", "after")),
        ("/%ED%A0%80", (404, "file_not_found", "file_id")),
    ],
)
def test_a_list_that_cannot_be_had_is_told_so(castor, query, expected):
    assert error(ask(castor, "GET", query)) == expected


def test_a_deleted_file_is_gone_here_and_at_google(castor, google):
    file = uploaded(castor)
    assert ask(castor, "DELETE", f"/{file['id']}")[2] == {"id": file["id"], "object": "file", "deleted": True}
    assert kept(google) == []
    assert keys_of(google, "deleteFile") == keys_of(google, "startUpload")
    assert error(ask(castor, "GET", f"/{file['id']}")) == (404, "file_not_found", "file_id")
    assert error(ask(castor, "DELETE", f"/{file['id']}"))[0] == 404
    assert error(chat(castor, file)) == (404, "file_not_found", "messages[0].content[1].file.file_id")


def test_a_file_is_deleted_here_also_where_google_cannot_be_asked(castor, google):
    file = uploaded(castor)
    google.script(method="deleteFile", error="leaked")
    assert ask(castor, "DELETE", f"/{file['id']}")[0] == 200
    assert ask(castor, "GET", f"/{file['id']}")[0] == 404


def test_a_file_that_google_has_deleted_can_be_deleted_here(castor, google):
    file = uploaded(castor)
    lose(google)
    assert ask(castor, "DELETE", f"/{file['id']}")[0] == 200


def test_the_content_of_a_file_is_not_given_back(castor):
    file = uploaded(castor)
    assert error(ask(castor, "GET", f"/{file['id']}/content")) == (400, "file_content_not_available", "file_id")
    assert error(ask(castor, "GET", "/file-unknown/content")) == (404, "file_not_found", "file_id")


# --- Whose they are -----------------------------------------------------------------------------------------------


def test_to_another_owner_a_file_does_not_exist(castor, google):
    file, other = uploaded(castor), castor.tokens["other"]
    google.log.clear()
    for answer, unknown in (
        (ask(castor, "GET", f"/{file['id']}", token=other), ask(castor, "GET", "/file-unknown", token=other)),
        (ask(castor, "DELETE", f"/{file['id']}", token=other), ask(castor, "DELETE", "/file-unknown", token=other)),
        (ask(castor, "GET", f"/{file['id']}/content", token=other), ask(castor, "GET", "/file-unknown/content", token=other)),
        (ask(castor, "GET", f"?after={file['id']}", token=other), ask(castor, "GET", "?after=file-unknown", token=other)),
        (chat(castor, file, token=other), chat(castor, "file-unknown", token=other)),
    ):
        assert answer[0] == unknown[0] == 404
        assert str(answer[2]).replace(file["id"], "file-unknown") == str(unknown[2])
    assert ask(castor, "GET", "", token=other)[2]["data"] == []
    assert not list(google.log)


def test_a_file_belongs_to_the_owner_whichever_of_their_tokens_sent_it(castor, google):
    file = uploaded(castor, token=castor.tokens["flash"])
    assert ask(castor, "GET", f"/{file['id']}")[0] == 200
    assert chat(castor, file)[0] == 200


def test_callers_without_a_token_are_one_owner(castor_with):
    castor = castor_with(ALLOW_ANONYMOUS="true")
    file = uploaded(castor, headers={"Authorization": ""})
    assert ask(castor, "GET", f"/{file['id']}", token="")[0] == 200
    assert chat(castor, file, token="")[0] == 200
    assert ask(castor, "GET", f"/{file['id']}")[0] == 404
    assert ask(castor, "DELETE", f"/{file['id']}", token="")[0] == 200


# --- In chats -----------------------------------------------------------------------------------------------------


def test_a_chat_about_a_file_reaches_the_project_that_keeps_it_and_no_other(castor, google):
    file = uploaded(castor)
    for _ in range(3):
        assert chat(castor, file)[0] == 200
    assert set(keys_of(google)) == set(keys_of(google, "startUpload"))
    sent = google.log[-1].body["contents"][0]["parts"][1]
    assert sent == {"fileData": {"fileUri": next(iter(google.files)).uri, "mimeType": "application/pdf"}}


def test_tokens_of_a_chat_about_a_file_are_counted_where_it_is_kept(castor, google):
    file = uploaded(castor)
    status, _, _ = castor.ask("POST", "/v1/chat/completions/input_tokens", {"model": FLASH, "messages": about(file)})
    assert status == 200
    assert keys_of(google, "countTokens") == keys_of(google, "startUpload")


def test_a_streamed_chat_about_a_file_fails_over_within_its_project(castor_alone, google):
    projects(google, twin_key_1="twins", twin_key_2="twins", pool_key_1="project-of-pool-key-1")
    castor = castor_alone(GEMINI_API_KEYS=f"{ONE_PROJECT},pool-key-1")
    file = uploaded_by_twins(castor)
    google.log.clear()
    google.script(error="overloaded")
    with castor.streaming(messages=about(file)) as response:
        assert b"[DONE]" in response.read()
    first, second = keys_of(google)
    assert {first, second} == {"twin-key-1", "twin-key-2"}


def test_where_the_key_that_took_a_file_is_dead_another_of_its_project_serves_it(castor_alone, google):
    projects(google, twin_key_1="twins", twin_key_2="twins", pool_key_1="project-of-pool-key-1")
    castor = castor_alone(GEMINI_API_KEYS=f"{ONE_PROJECT},pool-key-1")
    file = uploaded_by_twins(castor)
    taker = keys_of(google, "startUpload")[-1]
    del google.keys[taker]
    for _ in range(3):
        assert chat(castor, file)[0] == 200
    assert keys_of(google)[-1] not in (taker, "pool-key-1")


def test_where_every_key_of_the_project_is_dead_the_caller_is_told_and_nobody_else_is_asked(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    file = uploaded(castor)
    taker = keys_of(google, "startUpload")[0]
    del google.keys[taker]
    answers = [chat(castor, file) for _ in range(2)]
    assert [error(answer) for answer in answers] == [(503, "no_credential", "messages[0].content[1].file.file_id")] * 2
    assert file["id"] in answers[0][2]["error"]["message"]
    assert set(keys_of(google)) == {taker}
    assert castor.chat()[0] == 200


def test_a_resting_project_is_told_by_name_of_the_file_and_the_time_it_is_back(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    file = uploaded(castor)
    taker = keys_of(google, "startUpload")[0]
    google.script(error="minute_quota", key=taker, seconds=40)
    for _ in range(2):
        status, headers, body = chat(castor, file)
        assert (status, body["error"]["param"]) == (503, "messages[0].content[1].file.file_id")
        assert 1 <= int(headers["retry-after"]) <= 41
        assert file["id"] in body["error"]["message"]
        assert " UTC" in body["error"]["message"]
    assert keys_of(google) == [taker]
    assert castor.chat()[0] == 200
    assert chat(castor, file, model="gemini-3.5-flash")[0] == 200


def test_files_of_different_projects_cannot_be_read_together_unless_they_were_uploaded_side_by_side(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    one, two = uploaded(castor), uploaded(castor)
    answer = chat(castor, one, two)
    assert error(answer) == (400, "files_of_different_projects", "messages[0].content[2].file.file_id")
    assert all(word in answer[2]["error"]["message"] for word in (one["id"], two["id"], "same_project_as"))
    assert not keys_of(google)
    beside = [uploaded(castor, same_project_as=one["id"]) for _ in range(2)]
    assert chat(castor, one, *beside, one)[0] == 200


def test_a_file_that_google_has_lost_is_named_and_nobody_is_blamed(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    file = uploaded(castor)
    lose(google)
    for _ in range(2):
        answer = chat(castor, file)
        assert error(answer) == (404, "file_not_found", "messages[0].content[1].file.file_id")
        assert file["id"] in answer[2]["error"]["message"]
    assert len(keys_of(google)) == 1
    seen = ask(castor, "GET", f"/{file['id']}")[2]
    assert (seen["status"], "no longer" in seen["status_details"]) == ("error", True)
    assert castor.rows("SELECT * FROM credentials_keyhealth") == []
    assert [castor.chat()[0] for _ in range(2)] == [200, 200]


def test_a_file_still_in_processing_is_waited_for_and_looked_after(castor, google):
    google.files.polls = 2
    file = uploaded(castor)
    assert file["status"] == "uploaded"
    assert ask(castor, "GET", f"/{file['id']}")[2]["status"] == "uploaded"
    assert chat(castor, file)[0] == 200
    assert ask(castor, "GET", f"/{file['id']}")[2]["status"] == "processed"
    assert len(keys_of(google, "getFile")) == 3


def test_a_file_that_google_cannot_process_is_told_of(castor, google):
    google.files.polls, google.files.fails = 1, True
    file = uploaded(castor)
    assert ask(castor, "GET", f"/{file['id']}")[2]["status"] == "uploaded"
    seen = ask(castor, "GET", f"/{file['id']}")[2]
    assert (seen["status"], "could not" in seen["status_details"]) == ("error", True)
    assert error(chat(castor, file)) == (400, "file_unusable", "messages[0].content[1].file.file_id")
    assert not keys_of(google)


def test_a_restart_between_upload_and_use_loses_nothing(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS)
    file = uploaded(castor)
    castor.kill()
    castor.start()
    assert chat(castor, file)[0] == 200
    assert keys_of(google) == keys_of(google, "startUpload")


def test_an_expired_file_does_not_exist_any_more(castor, google):
    file = uploaded(castor)
    castor.python(
        "from datetime import timedelta; from django.utils.timezone import now; from openai_api.models import UploadedFile\n"
        f"UploadedFile.objects.filter(pk='{file['id']}').update(expires_at=now() - timedelta(seconds=1))"
    )
    assert error(ask(castor, "GET", f"/{file['id']}"))[0] == 404
    assert file["id"] not in [one["id"] for one in ask(castor, "GET", "")[2]["data"]]
    assert error(ask(castor, "DELETE", f"/{file['id']}"))[0] == 404


def test_where_keys_are_disabled_nobody_keeps_files(castor_with):
    castor = castor_with(CREDENTIAL_MODE="disabled")
    assert error(send(castor))[:2] == (503, "no_credential")


def uploaded_by_twins(castor) -> dict:
    """A file that was taken by the project of the twins, as an admin has named it."""
    castor.python(
        "from credentials.models import Credential, PoolVersion\n"
        "twins = [row.pk for row in Credential.objects.all() if row.secret.startswith('twin-key')]\n"
        "Credential.objects.filter(pk__in=twins).update(project='twins', project_source='typed')\n"
        "PoolVersion.bump()"
    )
    files: list[dict] = []

    def is_taken() -> bool:
        files.append(uploaded(castor))
        return bool(castor.rows("SELECT * FROM openai_api_uploadedfile WHERE id = ? AND project = 'twins'", files[-1]["id"]))

    castor.wait(is_taken, "taken by the twins")
    return files[-1]


# --- What they cost -----------------------------------------------------------------------------------------------


def test_a_chat_about_a_known_file_asks_the_database_for_nothing(castor_alone, tmp_path):
    notes = tmp_path / "notes"
    castor = castor_alone("tests.api.watched:application", CASTOR_WATCH=str(notes))
    file = uploaded(castor)
    chat(castor, file)
    before = notes.read_text()
    for _ in range(3):
        assert chat(castor, file)[0] == 200
    assert notes.read_text() == before
    assert before == "/v1/files ThreadPoolExecutor.submit\n"  # By the upload, which was written down.
