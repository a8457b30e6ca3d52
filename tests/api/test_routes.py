"""Requests that another server answers, through the real product: a server of OpenAI's dialect beside the simulated Google."""

import http.client
import json
import socket
import threading

import pytest

from tests.api.server import TWO_KEYS
from tests.servers.server import OpenAiServer, Reply, completion, failing, streaming

CHAT = "/v1/chat/completions"


PLACES = """
from credentials.models import *
from credentials.servers import add_keys, take_in_server
from openai_api.checks import check_credentials

add_keys(take_in_server("{elsewhere}/v1"), ["sk-one", "sk-two"])
backup = Server.objects.create(name="backup", base_url="{backup}/v1")
gone = Server.objects.create(name="gone", base_url="{gone}/v1")
add_keys(backup, ["sk-backup"]), add_keys(gone, ["sk-gone"])
[gone_key] = gone.credentials.all()
ServedModel.objects.create(credential=gone_key, name="gone-1")
list(check_credentials(ServerKey.objects.exclude(server=gone)))
ModelAlias.objects.create(pattern="my-alias", target="llama-9")
ModelRoute.objects.create(pattern="to-backup-*", server=backup)
ModelRoute.objects.create(pattern="to-*", server=gone)
ModelRoute.objects.create(pattern="to-backup-not", server=gone, enabled=False)
ModelRoute.objects.create(pattern="gemini-3.1-pro-preview", fallback=["gemini-3.5-flash"])
ModelRoute.objects.create(pattern="gemini-3.6-flash", fallback=["to-nowhere", "to-backup-1"])
ModelRoute.objects.create(pattern="spent-*", server=backup, fallback=["gemini-3.8-flash"])
ModelRoute.objects.create(pattern="gone-fallback", server=gone, fallback=["llama-9"])
"""
"""What an admin has set up: three servers, one of which cannot be reached, an alias, and routes."""


@pytest.fixture(scope="module")
def _backup():
    with OpenAiServer().running() as server:
        server.keys, server.models = {"sk-backup"}, ["shared-1", "backup-1"]
        yield server


@pytest.fixture
def backup(_backup):
    _backup.reset()
    return _backup


@pytest.fixture(scope="module")
def _routed(_makers, _elsewhere, _backup):
    _elsewhere.models = ["llama-9", "shared-1", "gpt-4o", "resting-1", "refusing-1"]
    castor = _makers.make(GEMINI_API_KEYS=TWO_KEYS, COOLDOWN_SECONDS="1", MAX_RETRIES="2")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        gone = f"http://127.0.0.1:{listener.getsockname()[1]}"
    castor.python(PLACES.format(elsewhere=_elsewhere.url, backup=_backup.url, gone=gone))
    castor.wait(lambda: castor.ask("GET", "/v1/models/my-alias")[0] == 200, "aware of its servers")
    yield castor
    castor.stop()


@pytest.fixture
def routed(_routed, _known_to_google, elsewhere, backup):
    return _routed


def test_a_chat_passes_byte_for_byte_in_both_directions(routed, elsewhere):
    body = (
        b'{ "messages":[{"role":"user","content":"h\\u00e9llo \xf0\x9f\x98\x80"}],\n'
        b' "odd_field": {"model":"x", "n":1.0},"model" :"llama-9"}'
    )
    answer = b'{"id": "1", "unknown": [1.50, "\\u00e9"],\n"choices":[{"message":{"content":"hi"}}] , "usage":{"total_tokens":3}}'
    elsewhere.script(Reply(answer))
    status, headers, content = routed.ask("POST", CHAT, body)
    assert (status, content, headers["content-type"]) == (200, answer, "application/json")
    assert elsewhere.taken[-1].body == body
    assert headers["x-castor-attempts"] == "1"
    assert "x-castor-fallback" not in headers


def test_a_stream_passes_byte_for_byte_wherever_its_chunks_were_cut(routed, elsewhere):
    stream = (
        b': a comment\n\ndata: {"id":"1","choices":[{"delta":{"role":"assistant"}}]}\n\n'
        b'data: {"choices":[{"delta":{"content":"h\xc3\xa9"}}], "odd": 1.0}\r\n\r\n'
        b'event: x\ndata: {"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}\n\n'
        b'data: {"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":6,"total_tokens":11}}\n\ndata: [DONE]\n\n'
    )
    body = json.dumps({"model": "llama-9", "messages": [], "stream": True, "whim": {"stream": False}}).encode()
    for size in (1, 7, 50, len(stream)):
        elsewhere.script(streaming(*(stream[at : at + size] for at in range(0, len(stream), size))))
        status, headers, content = routed.ask("POST", CHAT, body, X_Request_ID=f"passes-{size}")
        assert (status, content) == (200, stream)
        assert headers["content-type"] == "text/event-stream"
        assert elsewhere.taken[-1].body == body
        [row] = routed.usage(f"passes-{size}")
        assert (row["prompt_tokens"], row["completion_tokens"], row["estimated"], row["stream"]) == (5, 6, False, True)


def test_the_first_event_leaves_before_the_second_has_come(routed, elsewhere):
    second = threading.Event()
    elsewhere.script(
        streaming(
            b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n',
            b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n',
            waits=second,
        )
    )
    with routed.streaming(model="llama-9") as response:
        assert b"one" in response.readline()
        second.set()
        assert b"stop" in response.read()


def test_the_upstream_call_ends_with_its_client(routed, elsewhere):
    second = threading.Event()
    pieces = (b'data: {"choices":[{"delta":{"content":"%d"}}]}\n\n' % number for number in range(20_000))
    elsewhere.script(streaming(*(piece + b":" * 20_000 + b"\n\n" for piece in pieces), waits=second))
    with routed.streaming(model="llama-9") as response:
        response.readline()
    second.set()
    assert elsewhere.hung_up.wait(20)


def test_only_the_bytes_of_the_model_change_where_an_alias_leads_elsewhere(routed, elsewhere):
    body = (
        b'{"messages":[{"model":"my-alias","content":"\\"model\\":\\"my-alias\\""}],'
        b'"m":{"model":"my-alias"},  "model" : "my-alias"  ,"z":[1.0]}'
    )
    status, _, _ = routed.ask("POST", CHAT, body)
    assert status == 200
    assert elsewhere.taken[-1].body == body.replace(b'"model" : "my-alias"', b'"model" : "llama-9"')


# --- Who is asked -------------------------------------------------------------------------------------------------------


def test_gemini_is_asked_as_before(routed, elsewhere, google):
    status, _, answer = routed.chat()
    assert (status, answer["model"]) == (200, "gemini-3.8-flash")
    assert elsewhere.taken == []


def test_a_route_leads_to_its_server_and_the_most_specific_one_decides(routed, elsewhere, backup):
    assert routed.chat(model="to-backup-7")[0] == 200
    assert routed.chat(model="to-backup-not")[0] == 200  # The route that says otherwise is disabled.
    assert (elsewhere.taken, len(backup.taken)) == ([], 2)


def test_an_alias_does_not_hide_what_a_server_lists(routed, elsewhere):
    status, _, _ = routed.chat(model="gpt-4o")
    assert (status, elsewhere.taken[-1].json["model"]) == (200, "gpt-4o")


def test_a_model_that_nobody_lists_is_asked_of_one_server_after_the_other(routed, elsewhere, backup):
    absent = failing(404, "The model `brand-new` does not exist", type="invalid_request_error", code="model_not_found")
    elsewhere.script(absent, absent)
    backup.script(Reply(completion(model="brand-new")))
    status, headers, answer = routed.chat(model="brand-new")
    assert (status, answer["model"]) == (200, "brand-new")
    assert "x-castor-fallback" not in headers


def test_of_two_servers_with_the_same_model_one_answers_while_the_other_is_spent(routed, elsewhere, backup):
    elsewhere.script(failing(429, "slow down", code="rate_limit_exceeded", headers={"retry-after": "1"}), key="sk-one")
    elsewhere.script(failing(429, "slow down", code="rate_limit_exceeded", headers={"retry-after": "1"}), key="sk-two")
    status, headers, _ = routed.chat(model="shared-1")
    assert (status, headers["x-castor-attempts"]) == (200, "3")
    assert [len(elsewhere.taken), len(backup.taken)] == [2, 1]


def test_the_models_of_all_servers_are_listed_but_those_of_one_that_cannot_be_reached(routed):
    def listed() -> dict:
        return {card["id"]: card["owned_by"] for card in json.loads(routed.ask("GET", "/v1/models")[2])["data"]}

    before = listed()
    assert before["backup-1"] == "backup"
    assert before["llama-9"] == before["gpt-4o"] == before["shared-1"] != "google"
    assert before["gemini-3.8-flash"] == "google"
    assert before["gone-1"] == "gone"
    routed.python("from openai_api.checks import *\nlist(check_credentials(Credential.objects.filter(server__name='gone')))")
    routed.wait(lambda: "gone-1" not in listed(), "free of what cannot be reached")
    del before["gone-1"]
    assert listed() == before


# --- What goes wrong there ----------------------------------------------------------------------------------------------


def test_another_key_takes_over_and_the_caller_notices_nothing(routed, elsewhere):
    elsewhere.script(failing(500), failing(429, headers={"retry-after-ms": "900"}))
    elsewhere.script(Reply(completion("taken over")))
    status, headers, answer = routed.chat(model="llama-9")
    assert (status, answer["choices"][0]["message"]["content"]) == (200, "taken over")
    assert headers["x-castor-attempts"] == "3"


@pytest.mark.parametrize("in_stream", [True, False], ids=["stream", "whole"])
def test_an_error_in_place_of_an_answer_lets_another_key_take_over(routed, elsewhere, in_stream):
    error = b'{"error":{"message":"overloaded","code":503}}'
    good = b'data: {"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    if in_stream:
        role = b'data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n'
        elsewhere.script(streaming(role, b"data: " + error + b"\n\n"), streaming(role, cuts=True), streaming(good))
    else:
        elsewhere.script(Reply(error), Reply(b"", headers={"Content-Type": "application/json"}), Reply(good[6:-16]))
    body = json.dumps({"model": "llama-9", "messages": [], "stream": in_stream}).encode()
    status, headers, content = routed.ask("POST", CHAT, body)
    assert (status, content) == (200, good if in_stream else good[6:-16])
    assert headers["x-castor-attempts"] == "3"


def test_a_stream_that_breaks_off_ends_in_an_error_of_openais_shape(routed, elsewhere):
    began = b'data: {"choices":[{"delta":{"content":"hal"}}]}\n\n'
    for reply in (streaming(began, b'data: {"cho', cuts=True), streaming(began)):
        elsewhere.script(reply)
        with routed.streaming(model="llama-9") as response:
            first, second = [line for line in response.read().split(b"\n\n") if line]
        assert first + b"\n\n" == began
        assert json.loads(second.removeprefix(b"data: "))["error"]["code"] == "upstream_broken"


def test_a_refusal_of_the_request_comes_back_in_the_servers_own_words_and_blames_no_key(routed, elsewhere):
    elsewhere.script(
        failing(422, "top_k must be sk-one or more", type="weird_error", param="top_k", code="too_small"), key="sk-one"
    )
    elsewhere.script(
        failing(422, "top_k must be sk-two or more", type="weird_error", param="top_k", code="too_small"), key="sk-two"
    )
    status, headers, answer = routed.chat(model="refusing-1")
    said = {"message": "top_k must be … or more", "type": "weird_error", "param": "top_k", "code": "too_small"}
    assert (status, answer, headers["x-castor-attempts"]) == (422, {"error": said}, "1")
    assert routed.chat(model="refusing-1")[0] == 422


def test_a_failure_of_the_server_comes_back_with_its_own_status_once_no_key_helps(routed, elsewhere):
    elsewhere.script(*(failing(529, "overloaded", type="overloaded_error", code="busy") for _ in range(3)))
    status, _, answer = routed.chat(model="llama-9")
    assert (status, answer["error"]["type"], answer["error"]["code"]) == (529, "overloaded_error", "busy")


def test_spent_keys_rest_for_their_model_until_the_header_says(routed, elsewhere):
    spent = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1.2s", "x-ratelimit-reset-tokens": "9m"}
    elsewhere.script(*(failing(429, "slow down", headers=spent) for _ in range(2)))
    status, headers, answer = routed.chat(model="resting-1")
    assert (status, answer["error"]["code"]) == (429, "rate_limit_exceeded")
    assert 1 <= int(headers["retry-after"]) <= 2
    taken = len(elsewhere.taken)
    assert routed.chat(model="resting-1")[0] == 429
    assert len(elsewhere.taken) == taken  # Nobody was asked.
    assert routed.chat(model="llama-9")[0] == 200


# --- Models that stand in for others ------------------------------------------------------------------------------------


def test_another_model_answers_where_the_pool_for_the_first_is_spent_and_says_so(routed, google):
    for _ in range(2):
        google.script(error="day_quota")
    status, headers, answer = routed.chat(model="gemini-3.1-pro-preview", headers={"X-Request-ID": "falls-back"})
    assert (status, answer["model"], headers["x-castor-fallback"]) == (200, "gemini-3.5-flash", "gemini-3.5-flash")
    [row] = routed.usage("falls-back")
    assert (row["model_asked"], row["model_served"]) == ("gemini-3.1-pro-preview", "gemini-3.5-flash")
    assert (row["status"], row["attempts"]) == (200, 3)


def test_a_token_that_may_not_use_the_model_that_stands_in_is_refused_as_without_it(routed, google):
    routed.python(
        "from credentials.models import ClientToken\nfrom django.contrib.auth.models import User\n"
        "ClientToken.issue(User.objects.get(username='ada'), plain='only-pro-token', allowed_models=['*-pro-*'])"
    )
    routed.wait(lambda: routed.ask("GET", "/v1/models", token="only-pro-token")[0] == 200, "aware of the token")
    for _ in range(2):
        google.script(error="day_quota")
    status, headers, _ = routed.chat(model="gemini-3.1-pro-preview", token="only-pro-token")
    assert status == 429
    assert "x-castor-fallback" not in headers


def test_another_server_stands_in_for_gemini_with_the_callers_own_bytes(routed, backup, google):
    for _ in range(2):
        google.script(error="day_quota")
    body = b'{"model":"gemini-3.6-flash","messages":[{"role":"user","content":"hi"}],"odd":1.0}'
    status, headers, content = routed.ask("POST", CHAT, body)
    assert (status, headers["x-castor-fallback"], content) == (200, "to-backup-1", completion())
    assert backup.taken[-1].body == body.replace(b"gemini-3.6-flash", b"to-backup-1")


def test_gemini_stands_in_for_a_server_as_a_stream_too(routed, backup):
    backup.script(failing(429, headers={"retry-after": "1"}))
    with routed.streaming(model="spent-1") as response:
        assert response.headers["x-castor-fallback"] == "gemini-3.8-flash"
        assert b'"model":"gemini-3.8-flash"' in response.read()


def test_a_server_that_cannot_be_reached_is_stood_in_for(routed, elsewhere):
    status, headers, _ = routed.chat(model="gone-fallback")
    assert (status, headers["x-castor-fallback"]) == (200, "llama-9")
    assert elsewhere.taken[-1].json["model"] == "llama-9"


def test_what_gemini_cannot_be_told_is_said_where_it_stands_in(routed, backup):
    backup.script(failing(429, headers={"retry-after": "1"}))
    status, headers, answer = routed.chat(model="spent-2", messages="not a list", headers={"X-Request-ID": "no-stand-in"})
    assert (status, answer["error"]["param"], "x-castor-fallback" in headers) == (400, "messages", False)
    [row] = routed.usage("no-stand-in")
    assert (row["status"], row["model_asked"]) == (400, "spent-2")


# --- Other endpoints, and records ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/embeddings", "/v1/rerank", "/v1/completions", "/v1/moderations"])
def test_other_endpoints_pass_as_well(routed, elsewhere, path):
    body = b'{"input": ["a"], "model": "llama-9", "whim": 1.0}'
    answer = b'{"anything": [1.0], "usage": {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6}}'
    elsewhere.script(Reply(answer))
    request_id = path.rpartition("/")[2]
    assert routed.ask("POST", path, body, X_Request_ID=request_id)[::2] == (200, answer)
    assert (elsewhere.taken[-1].path, elsewhere.taken[-1].body) == (path, body)
    [row] = routed.usage(request_id)
    assert (row["prompt_tokens"], row["completion_tokens"], row["dialect"]) == (4, 2, request_id)


@pytest.mark.parametrize("path", ["/v1/responses", "/v1/rerank"])
def test_what_gemini_has_nothing_for_is_refused_plainly(routed, castor, path):
    for server in (routed, castor):  # One knows other servers, one does not.
        status, _, content = server.ask("POST", path, {"model": "gemini-3.8-flash", "input": "hi"})
        error = json.loads(content)["error"]
        assert (status, error["param"], error["code"]) == (400, "model", "model_not_supported")
        assert path in error["message"]
    assert castor.ask("POST", path, {"model": "llama-9", "input": "hi"})[0] == 404


def test_what_only_gemini_can_be_asked_is_refused_plainly(routed, elsewhere):
    body = {"model": "llama-9", "messages": [{"role": "user", "content": "hi"}]}
    status, _, content = routed.ask("POST", "/v1/chat/completions/input_tokens", body)
    assert (status, json.loads(content)["error"]["code"], elsewhere.taken) == (400, "model_not_supported", [])


def test_a_body_without_a_model_is_refused_as_ever(routed, elsewhere):
    for body in (b"{", b'{"messages":[]}', b'{"model":7}', b"[]"):
        assert routed.ask("POST", CHAT, body)[0] == 400
    assert routed.ask("POST", "/v1/rerank", b"{}")[0] == 400
    assert elsewhere.taken == []


def test_a_call_is_metered_by_what_its_answer_says_or_by_an_estimate_that_is_marked(routed, elsewhere):
    assert routed.chat(model="llama-9", headers={"X-Request-ID": "metered"})[0] == 200
    [row] = routed.usage("metered")
    assert (row["prompt_tokens"], row["completion_tokens"], row["cached_tokens"], row["estimated"]) == (11, 7, 3, False)
    assert (row["model_served"], row["credential_label"]) == ("llama-9", "…")
    elsewhere.script(streaming(b'data: {"choices":[{"delta":{"content":"' + b"abcd" * 10 + b'"},"finish_reason":"stop"}]}\n\n'))
    body = {"model": "llama-9", "stream": True, "messages": [{"role": "user", "content": "x" * 400}]}
    assert routed.ask("POST", CHAT, body, X_Request_ID="estimated")[0] == 200
    [row] = routed.usage("estimated")
    assert (100 <= row["prompt_tokens"] <= 110, row["completion_tokens"], row["estimated"]) == (True, 10, True)


# --- Forms and files ----------------------------------------------------------------------------------------------------


def form_of(parts: list[tuple[str, bytes]], boundary: bytes = b"the-callers-own") -> bytes:
    return b"".join(b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, head.encode(), content) for head, content in parts) + (
        b"--%b--\r\n" % boundary
    )


def parts_of(taken) -> list[tuple[str, bytes]]:
    boundary = taken.headers["content-type"].partition("boundary=")[2].encode()
    *parts, end = taken.body.split(b"--" + boundary)[1:]
    assert end == b"--\r\n"
    split = (part.removeprefix(b"\r\n").removesuffix(b"\r\n").partition(b"\r\n\r\n") for part in parts)
    return [(head.decode(), content) for head, _, content in split]


def test_a_form_passes_with_all_its_fields_and_files(routed, elsewhere):
    field, file = 'Content-Disposition: form-data; name="{}"', 'Content-Disposition: form-data; name="{}"; filename="{}"'
    sound = bytes(range(256)) * 3000
    parts = [
        (field.format("model"), b"my-alias"),
        (field.format("timestamp_granularities[]"), b"word"),
        (field.format("timestamp_granularities[]"), b"segment"),
        (field.format("odd"), "h\N{LATIN SMALL LETTER E WITH ACUTE}\r\n".encode()),
        (file.format("file", "a b;\N{LATIN SMALL LETTER E WITH ACUTE}.mp3") + "\r\nContent-Type: audio/mpeg", sound),
        (file.format("extra", "empty"), b""),
    ]
    elsewhere.script(failing(500), Reply(b"1\n00:00 --> 00:01\nhi\n", headers={"Content-Type": "text/plain"}))
    status, headers, content = routed.ask(
        "POST", "/v1/audio/transcriptions", form_of(parts), Content_Type="multipart/form-data; boundary=the-callers-own"
    )
    assert (status, content, headers["content-type"]) == (200, b"1\n00:00 --> 00:01\nhi\n", "text/plain")
    expected = [(field.format("model"), b"llama-9"), *parts[1:]]
    assert [parts_of(taken) for taken in elsewhere.taken] == [expected, expected]  # Another key has sent it again.


@pytest.mark.parametrize("path", ["/v1/images/edits", "/v1/images/variations", "/v1/audio/translations"])
def test_other_forms_pass_too(routed, elsewhere, path):
    parts = [('Content-Disposition: form-data; name="model"', b"llama-9")]
    elsewhere.script(Reply(b'{"data":[]}'))
    kind = "multipart/form-data; boundary=the-callers-own"
    assert routed.ask("POST", path, form_of(parts), Content_Type=kind)[::2] == (200, b'{"data":[]}')
    assert (elsewhere.taken[-1].path, parts_of(elsewhere.taken[-1])) == (path, parts)


def test_sound_passes_as_it_comes_and_is_cut_where_it_breaks_off(routed, elsewhere):
    body = {"model": "llama-9", "input": "hi", "voice": "alloy"}
    sound = Reply(pieces=(b"ID3", b"\0" * 5000), headers={"Content-Type": "audio/mpeg"})
    elsewhere.script(sound)
    status, headers, content = routed.ask("POST", "/v1/audio/speech", body)
    assert (status, headers["content-type"], content) == (200, "audio/mpeg", b"ID3" + b"\0" * 5000)
    elsewhere.script(Reply(pieces=(b"ID3", b"\0" * 5000), headers={"Content-Type": "audio/mpeg"}, cuts=True))
    with pytest.raises(http.client.IncompleteRead):
        routed.ask("POST", "/v1/audio/speech", body)


def test_pictures_pass_as_json(routed, elsewhere):
    answer = b'{"created":1,"data":[{"b64_json":"' + b"A" * 3_000_000 + b'"}],"usage":{"input_tokens":5,"output_tokens":9}}'
    elsewhere.script(Reply(answer))
    body = {"model": "llama-9", "prompt": "a castor"}
    assert routed.ask("POST", "/v1/images/generations", body, X_Request_ID="pictures")[2] == answer
    [row] = routed.usage("pictures")
    assert (row["prompt_tokens"], row["completion_tokens"], row["dialect"]) == (5, 9, "images")


# --- What a request may not do --------------------------------------------------------------------------------------------


def test_nothing_of_a_client_goes_on_but_its_body(routed, elsewhere):
    strange = {"Cookie": "a=b", "OpenAI-Organization": "org", "X-Castor-Strict": "1", "X-Forwarded-For": "1.2.3.4"}
    assert routed.chat(model="llama-9", headers=strange)[0] == 200  # The server refuses headers that it does not expect.
    assert elsewhere.taken[-1].key in ("sk-one", "sk-two")


def test_a_token_that_may_not_use_a_model_reaches_no_server(routed, elsewhere):
    status, _, answer = routed.chat(model="llama-9", token=routed.tokens["flash"])
    assert (status, answer["error"]["code"], elsewhere.taken) == (403, "model_not_allowed", [])


def ask_all_ways(castor, elsewhere) -> None:
    assert castor.chat(model="llama-9")[0] == castor.chat(model="unheard-of")[0] == 200
    elsewhere.script(streaming(b'data: {"choices":[{"delta":{"content":"x"},"finish_reason":"stop"}]}\n\n'))
    with castor.streaming(model="llama-9") as response:
        assert b"finish_reason" in response.read()


def test_passing_starts_no_thread_and_runs_no_query(castor_alone, elsewhere, tmp_path):
    notes = tmp_path / "notes"
    castor = castor_alone("tests.api.watched:application", CASTOR_WATCH=str(notes))
    castor.python(
        "from credentials.servers import *\n"
        f"add_keys(take_in_server('{elsewhere.url}/v1'), ['sk-one'])\n"
        "from openai_api.checks import *\nlist(check_credentials(Credential.objects.filter(server__isnull=False)))"
    )
    castor.wait(lambda: castor.ask("GET", "/v1/models/llama-9")[0] == 200, "aware of the server")
    ask_all_ways(castor, elsewhere)  # Once to be warm.
    before = notes.read_text()
    ask_all_ways(castor, elsewhere)
    assert notes.read_text() == before


def test_a_heartbeat_never_falls_into_an_event(castor_alone, elsewhere):
    castor = castor_alone(HEARTBEAT_SECONDS="0.1")
    castor.python(f"from credentials.servers import *\nadd_keys(take_in_server('{elsewhere.url}/v1'), ['sk-one'])")
    castor.wait(lambda: castor.chat(model="llama-9")[0] == 200, "aware of the server")
    first, half = b'data: {"choices":[{"delta":{"content":"one"}}]}\n\n', b'data: {"choices":[{"delta":{},'
    rest, heard = b'"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n', threading.Event()
    elsewhere.script(streaming(first + half, rest, waits=heard))
    with castor.streaming(model="llama-9") as response:
        content = response.read1()
        while b": heartbeat\n\n" not in content.partition(first)[2]:
            content += response.read1()
        heard.set()
        content += response.read()
    assert content.replace(b": heartbeat\n\n", b"") == first + half + rest
    assert half + b": heartbeat" not in content
