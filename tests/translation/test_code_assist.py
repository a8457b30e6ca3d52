import json

import pytest

from openai_api.translation.code_assist import code_assist_name, model_of_code_assist, unwrap, wrap

# With spaces and an escape that another encoder would write otherwise.
BODY = b'{"contents": [{"role":"user","parts":[{"text":"\\u00e9"}]}] }'


def test_the_envelope_holds_geminis_body_byte_for_byte():
    wrapped = wrap(BODY, model="gemini-2.5-pro", project="my-proj", prompt_id="p-1")
    assert json.loads(wrapped) == {
        "model": "gemini-2.5-pro",
        "project": "my-proj",
        "user_prompt_id": "p-1",
        "request": json.loads(BODY),
    }
    assert BODY in wrapped


def test_an_account_without_a_project_names_none():
    assert "project" not in json.loads(wrap(BODY, model="gemini-2.5-pro", project="", prompt_id="p-1"))


def test_what_needs_escaping_cannot_break_out_of_the_envelope():
    wrapped = json.loads(wrap(BODY, model='m"}', project='p","x":"', prompt_id="\\"))
    assert (wrapped["model"], wrapped["project"], wrapped["user_prompt_id"]) == ('m"}', 'p","x":"', "\\")


def test_a_model_goes_under_code_assists_name_for_it():
    assert json.loads(wrap(b"{}", model="gemini-3.5-flash", project="p", prompt_id="i"))["model"] == "gemini-3-flash"


@pytest.mark.parametrize("model", ["gemini-3.5-flash", "gemini-2.5-pro", "gemini-3-flash-preview", "gemma-4-31b-it"])
def test_a_models_name_survives_the_way_there_and_back(model):
    assert model_of_code_assist(code_assist_name(model)) == model


def test_an_event_holds_geminis_chunk_byte_for_byte():
    assert unwrap(b'{"response": {"candidates" : [1e2]}, "traceId":"t"}') == b'{"candidates" : [1e2]}'
    assert unwrap(b'{"traceId":"t","response":{}}') == b"{}"


@pytest.mark.parametrize(
    "payload",
    [
        b'{"error":{"code":429}}',
        b'{"response":{},"error":{"code":500}}',
        b'[{"error":{"code":429}}]',
        b'{"candidates":[]}',
        b'{"response":',
        b"\xff",
        b"",
    ],
)
def test_what_is_no_event_with_an_answer_passes_unchanged(payload):
    assert unwrap(payload) == payload
