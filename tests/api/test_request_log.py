"""Requests that an admin has had recorded, through the real product: what is kept of them, and what is not."""

import http.client
import json
import os
import subprocess
from collections.abc import Callable
from contextlib import closing

import httpx
import openai
import pytest
from cryptography.fernet import Fernet

from openai_api.request_log.curl import as_curl
from openai_api.request_log.kept import Kept, unpacked
from tests.api.server import PATIENCE, TWO_KEYS, Castor, chat_body
from tests.servers.server import Reply, completion, failing, streaming

CHAT = "/v1/chat/completions"
MOST = 20_000
CANARY = "the-canary-sings-at-dawn"
SETUP = """
from datetime import timedelta
from django.utils.timezone import now
from credentials.models import *
from credentials.servers import add_keys, take_in_server

server = take_in_server("{elsewhere}/v1")
add_keys(server, ["sk-one"])
tomorrow = now() + timedelta(days=1)
ModelRoute.objects.create(pattern="watched-*", server=server, record_until=tomorrow)
ModelRoute.objects.create(pattern="unwatched-*", server=server, record_until=now() - timedelta(seconds=1))
ModelRoute.objects.create(pattern="gemini-3.5-flash", record_until=tomorrow)
"""


@pytest.fixture(scope="module")
def _recording(_makers, _elsewhere):
    castor = _makers.make(GEMINI_API_KEYS=TWO_KEYS, REQUEST_LOG_MAX_BYTES=str(MOST), COOLDOWN_SECONDS="1")
    castor.python(SETUP.format(elsewhere=_elsewhere.url))
    castor.wait(lambda: castor.chat(model="watched-0")[0] == 200, "aware of its routes")
    yield castor
    castor.stop()


@pytest.fixture
def castor(_recording, _known_to_google, elsewhere) -> Castor:
    return _recording


@pytest.fixture
def ask(castor) -> Callable[..., tuple[int, bytes, Kept]]:
    """Ask with the recorded token: (status, content, what is kept)."""

    def ask(body, *, path=CHAT, request_id: str, token="recorded", **headers):
        plain = castor.tokens[token]
        status, _, content = castor.ask("POST", path, body, token=plain, X_Request_ID=request_id, **headers)
        return status, content, kept(castor, request_id)

    return ask


def row_of(castor: Castor, request_id: str):
    query = "SELECT * FROM openai_api_loggedrequest WHERE request_id = ?"
    castor.wait(lambda: castor.rows(query, request_id), f"a record of {request_id}")
    [row] = castor.rows(query, request_id)
    return row


def kept(castor: Castor, request_id: str) -> Kept:
    if (given := os.environ.get("CREDENTIAL_ENCRYPTION_KEYS")) is None:
        given = json.loads((castor.var / "secrets.json").read_text())["CREDENTIAL_ENCRYPTION_KEYS"]
    return unpacked(Fernet(given.partition(",")[0]).decrypt(row_of(castor, request_id)["content"]).decode())


def number_of_records(castor: Castor, request_id: str) -> int:
    """Once its usage is there; records are written after it, in the same round or the next."""
    castor.usage(request_id)
    castor.chat("a later one", token=castor.tokens["recorded"], headers={"X-Request-ID": f"after-{request_id}"})
    row_of(castor, f"after-{request_id}")
    return len(castor.rows("SELECT id FROM openai_api_loggedrequest WHERE request_id = ?", request_id))


# --- What is kept -------------------------------------------------------------------------------------------------------


def test_a_whole_chat_is_kept_from_end_to_end(castor, ask, google):
    body = chat_body("recite a rhyme", temperature=0.5)
    status, content, record = ask(body, request_id="whole", User_Agent="tester/1", X_Castor_Strict="true")
    assert (status, record.answer_status, record.answer.text) == (200, 200, content.decode())
    assert json.loads(record.request.text) == body
    assert dict(record.headers)["User-Agent"] == "tester/1"
    assert dict(record.headers)["X-Castor-Strict"] == "true"
    [attempt] = record.attempts
    [call] = attempt.calls
    assert attempt.outcome == "answered"
    assert call.url.endswith("/v1beta/models/gemini-3.8-flash:streamGenerateContent?alt=sse")
    assert json.loads(record.bodies[call.body].text) == google.log.generation()[-1].body
    assert (call.status, "usageMetadata" in call.answer.text) == (200, True)
    row, [usage] = row_of(castor, "whole"), castor.usage("whole")
    assert row["usage_uid"] == usage["uid"]
    assert (row["path"], row["dialect"], row["model_served"], row["status"], row["attempts"]) == (
        *(CHAT, "chat", "gemini-3.8-flash", 200, 1),
    )
    assert (row["owner_id"], row["token_id"]) == (usage["owner_id"], usage["token_id"])
    assert row["token_label"].startswith("rec (castor-")


def test_a_stream_is_kept_as_it_left(castor, ask):
    _, content, record = ask(chat_body("count to three", stream=True), request_id="stream")
    assert record.answer.text == content.decode()
    assert record.answer.text.endswith("data: [DONE]\n\n")
    assert record.answer.media_type.startswith("text/event-stream")


def test_what_passes_to_a_server_is_kept_on_both_sides(ask, elsewhere):
    said = (b'{"choices":[{"delta":{"content":"h\xc3\xa9"}}]}', b'{"choices":[{"finish_reason":"stop"}]}', b"[DONE]")
    stream = b"".join(b"data: %b\n\n" % event for event in said)
    elsewhere.script(streaming(stream[:30], stream[30:]))
    body = b'{"model":"watched-1", "stream":true,"messages":[],  "odd":1.0}'
    _, content, record = ask(body, request_id="passed")
    assert record.request.text.encode() == body
    [call] = record.attempts[0].calls
    assert call.url == f"{elsewhere.url}{CHAT}"
    assert record.bodies[call.body].text.encode() == body
    assert call.answer.text == record.answer.text == content.decode() == stream.decode()


def test_after_a_failover_both_attempts_are_there_and_the_body_once(ask, google):
    google.script(error="internal")
    status, _, record = ask(chat_body("go on"), request_id="failover")
    first, second = record.attempts
    assert (status, second.outcome) == (200, "answered")
    assert first.outcome.startswith("upstream_failed: ")
    assert (first.calls[0].status, '"error"' in first.calls[0].answer.text) == (500, True)
    assert len({call.key for call in google.log.generation()}) == 2
    assert (first.calls[0].body, second.calls[0].body, len(record.bodies)) == (0, 0, 1)


def test_a_form_is_kept_as_names_and_sizes(ask, google):
    sound = b"RIFF" + bytes(5000)
    request = httpx.Request(
        "POST",
        "http://castor",
        data={"model": "watched-asr", "prompt": "names: Ada"},
        files={"file": ("a.wav", sound, "audio/wav")},
    )
    _, _, record = ask(
        request.read(), path="/v1/audio/transcriptions", request_id="form", Content_Type=request.headers["content-type"]
    )
    assert record.is_form
    assert record.fields == [("model", "watched-asr"), ("prompt", "names: Ada")]
    [file] = record.files
    assert (file.field, file.filename, file.media_type, file.size) == ("file", "a.wav", "audio/wav", len(sound))
    sent = record.bodies[record.attempts[0].calls[0].body].text
    assert "names: Ada" in sent
    assert "(a file of 5004 bytes)" in sent


def test_a_refused_request_is_kept_with_its_error_though_nobody_was_asked(castor, ask):
    status, content, record = ask(b'{"model": "gemini-3.8-flash", "messages": "\\u0000 none"}', request_id="refused")
    assert (status, record.answer.text) == (400, content.decode())
    assert record.attempts == []
    [usage] = castor.usage("refused")
    assert (row_of(castor, "refused")["status"], row_of(castor, "refused")["usage_uid"]) == (400, usage["uid"])


def test_what_is_no_json_and_no_text_is_kept_as_it_can_be(castor, ask):
    status, _, record = ask(b"\xff\x00 garbage", request_id="garbage")
    assert (status, record.request.text) == (400, "�� garbage")
    assert (row_of(castor, "garbage")["status"], row_of(castor, "garbage")["usage_uid"]) == (400, "")


def test_an_upload_to_google_is_kept_call_by_call_without_the_address_that_anybody_may_write_to(ask, google):
    request = httpx.Request(
        "POST", "http://castor", data={"purpose": "user_data"}, files={"file": ("a.txt", b"some words", "text/plain")}
    )
    status, _, record = ask(request.read(), path="/v1/files", request_id="upload", Content_Type=request.headers["content-type"])
    begin, send = record.attempts[0].calls
    assert status == 200
    assert begin.url.endswith("/upload/v1beta/files")
    assert "upload_id=…" in send.url
    assert record.bodies[send.body].text == "(a file of 10 bytes)"


def test_a_sound_is_not_kept_but_its_size(ask, google):
    body = {"model": "gemini-2.5-flash-preview-tts", "input": "hello", "voice": "alloy", "response_format": "wav"}
    status, content, record = ask(body, path="/v1/audio/speech", request_id="speech")
    assert (status, record.answer.text, record.answer.size) == (200, "", len(content))


def test_what_a_client_that_hangs_up_has_got_is_kept(castor, google):
    google.script(text="word " * 2000, tokens_per_chunk=20, ends="stall", after=3)
    headers = {
        "Authorization": f"Bearer {castor.tokens['recorded']}", "Content-Type": "application/json", "X-Request-ID": "gone"
    }  # fmt: skip
    with closing(http.client.HTTPConnection("127.0.0.1", castor.port, timeout=PATIENCE)) as connection:
        connection.request("POST", CHAT, json.dumps(chat_body("talk", stream=True)), headers)
        with closing(connection.getresponse()) as response:
            seen = response.readline() + response.readline()
    record = kept(castor, "gone")
    assert record.answer.text.startswith(seen.decode())
    assert row_of(castor, "gone")["status"] == 499
    assert record.attempts[0].outcome == "closed before its end"


# --- What is not kept ---------------------------------------------------------------------------------------------------


def test_files_in_base64_are_shortened_and_long_texts_cut(ask):
    picture = "iVBORw0KGgo" + "A" * 30_000
    parts = [
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{picture}"}},
        {"type": "text", "text": "what is it? " + "so much to say " * 2000},
    ]
    _, _, record = ask({"model": "watched-1", "messages": [{"role": "user", "content": parts}]}, request_id="large")
    for text in (record.request, record.bodies[0]):
        assert "iVBORw0KGgoAAAAA" in text.text
        assert f"… ({len(picture)} characters)" in text.text
        assert (text.cut, text.size > 60_000) == (True, True)
        assert len(text.text) <= MOST
        assert "what is it?" in text.text


SECRETS = {
    "an older key": "AIzaSyC-canary-0123456789abcdefghijk",
    "a key": "AQ.canary-RN6I0123456789abcdefghijk",
    "an access token": "ya29.canary-H6SMB0123456789-abcdef",
    "a refresh token": "1//canary-DEFGHIJKLMNOPQRST",
    "another server's key": "sk-canary-0123456789abcdefghij",
}


def test_no_secret_is_kept_wherever_it_stood(castor, ask, elsewhere):
    token = castor.tokens["recorded"]
    secrets = [*SECRETS.values(), token, "sk-one"]
    said = " ".join(f"\n{secret}" for secret in secrets)
    elsewhere.script(failing(500, f"I was sent {said}"), Reply(completion(said)))
    status, content, record = ask(
        {"model": "watched-1", "messages": [{"role": "user", "content": said}], "user": token},
        path=f"{CHAT}?key={token}",
        request_id="secrets",
        X_Castor_Strict=token,
        Cookie=f"session={token}",
    )
    assert status == 200
    assert "sk-one" in json.loads(content)["choices"][0]["message"]["content"]  # The caller's answer is left alone.
    texts = [*record.texts(), str(record), row_of(castor, "secrets")["path"]]
    assert [secret for secret in secrets if any(secret in text for text in texts)] == []
    assert "AIzaS…hijk" in record.request.text


def test_googles_key_is_kept_nowhere(castor, ask, google):
    google.script(status=400, body={"error": {"code": 400, "message": "pool-key-1 pool-key-2", "status": "INVALID_ARGUMENT"}})
    _, _, record = ask(chat_body("who are you"), request_id="echo")
    key = google.log.generation()[-1].key
    assert key in TWO_KEYS.split(",")
    assert key not in str(record)


def test_words_are_in_no_log_no_journal_and_no_other_table(castor, ask):
    ask(chat_body(CANARY, user=CANARY), request_id="canary")
    castor.usage("canary")
    files = [path for path in castor.var.rglob("*") if path.is_file() and path.name != "server.log"]
    assert CANARY not in castor.logs
    assert [path for path in files if CANARY.encode() in path.read_bytes()] == []  # The log itself is encrypted.
    code = """
from django.apps import apps
for model in apps.get_models():
    fields = [field.name for field in model._meta.concrete_fields]
    print(model.__name__, [row for row in model.objects.values_list(*fields) if "%s" in str(row)] != [])
"""
    assert "True" not in castor.python(code % CANARY)


# --- Whose requests are kept --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("token", "model", "number"),
    [
        ("full", "gemini-3.8-flash", 0),
        ("no longer recorded", "gemini-3.8-flash", 0),
        ("full", "unwatched-1", 0),
        ("full", "watched-1", 1),
        ("full", "gemini-3.5-flash", 1),
        ("recorded", "unwatched-1", 1),
        ("recorded", "watched-1", 1),
    ],
)
def test_a_request_is_recorded_by_its_token_or_by_its_route_until_then(castor, token, model, number):
    request_id = f"whose-{token}-{model}".replace(" ", "-")
    headers = {"X-Request-ID": request_id}
    assert castor.chat("hello", token=castor.tokens[token], model=model, headers=headers)[0] == 200
    assert number_of_records(castor, request_id) == number


def test_a_request_that_takes_a_recorded_route_is_kept_from_its_beginning(castor, ask):
    body = chat_body("hello", model="gemini-3.5-flash", stream=True)
    _, content, record = ask(body, request_id="by-route", token="full")
    assert json.loads(record.request.text) == body
    assert record.answer.text == content.decode()
    assert (len(record.attempts), record.answer_status) == (1, 200)


def test_also_what_no_model_is_asked_for_is_recorded(castor):
    castor.ask("GET", "/v1/models", token=castor.tokens["recorded"], X_Request_ID="models")
    record = kept(castor, "models")
    assert (row_of(castor, "models")["method"], json.loads(record.answer.text)["object"]) == ("GET", "list")


def test_the_sdk_notices_nothing(castor):
    with openai.OpenAI(base_url=castor.base_url, api_key=castor.tokens["recorded"], max_retries=0) as client:
        chunks = list(client.chat.completions.create(**chat_body("hi", stream=True)))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


# --- As curl ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ['it\'s $HOME `id` "quoted" \\ and\nEOF\nEOF_\nmore', "é 你好", "x" * 400 + " " + "long words " * 1500],
    ids=["shell", "letters", "long"],
)
def test_the_command_gets_the_same_answer(castor, ask, elsewhere, text):
    body = json.dumps({"model": "watched-1", "messages": [{"role": "user", "content": text}]}, ensure_ascii=False, indent=1)
    _, content, record = ask(body.encode(), request_id=f"curl-{len(text)}", X_Castor_Strict="true")
    sent = elsewhere.taken[-1].body
    command = as_curl("POST", castor.url + CHAT, record)
    result = subprocess.run(
        ["bash", "-c", command],
        env={"PATH": os.environ["PATH"], "CASTOR_TOKEN": castor.token},
        capture_output=True,
        check=True,
        timeout=PATIENCE,
    )
    assert result.stdout == content
    assert elsewhere.taken[-1].body.rstrip() == sent.rstrip()
    assert castor.tokens["recorded"] not in command
