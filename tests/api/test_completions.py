"""POST /v1/completions: choices side by side, failover, limits, records."""

import json

import pytest

from tests.google.asking import FLASH


def complete(castor, prompt="Once", *, token: str | None = None, headers: dict[str, str] | None = None, **fields):
    body = {"model": FLASH, "prompt": prompt, **fields}
    status, answered, content = castor.ask("POST", "/v1/completions", body, token=token, **(headers or {}))
    return status, answered, json.loads(content)


def config(google) -> dict:
    return google.log.generation()[-1].body["generationConfig"]


def test_more_choices_than_are_asked_for_at_once_come_back_in_order(castor, google):
    prompts = [f"prompt {number}" for number in range(10)]
    status, headers, body = complete(castor, prompts, n=2)
    assert (status, headers["x-castor-attempts"]) == (200, "20")
    assert [choice["index"] for choice in body["choices"]] == list(range(20))
    assert [choice["text"] for choice in body["choices"]] == [f"echo: {prompt}" for prompt in prompts for _ in range(2)]
    assert body["usage"]["prompt_tokens"] == sum(call.usage["promptTokenCount"] for call in google.log.generation())


def test_a_stream_lives_while_the_model_thinks(castor_with, google):
    google.script(first_byte_delay=1, text="late")
    body = {"model": FLASH, "prompt": "Once", "stream": True}
    _, _, content = castor_with(HEARTBEAT_SECONDS="0.1").ask("POST", "/v1/completions", body)
    assert content.startswith(b": heartbeat\n\n")
    assert content.endswith(b"data: [DONE]\n\n")


def test_a_choice_that_fails_is_asked_of_another_key(castor, google):
    google.script(error="overloaded")
    status, headers, body = complete(castor, ["a", "b"])
    assert (status, headers["x-castor-attempts"], len(body["choices"])) == (200, "3", 2)
    assert len({call.key for call in google.log.generation()}) > 1


@pytest.mark.parametrize(
    ("model", "thinking"),
    [
        ("davinci-002", {"thinkingLevel": "MINIMAL"}),
        ("gpt-3.5-turbo-instruct", {"thinkingLevel": "MINIMAL"}),
        (FLASH, {"thinkingLevel": "LOW"}),
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
    ],
)
def test_models_think_as_little_as_they_can_unless_told_otherwise(castor, google, model, thinking):
    status, headers, _ = complete(castor, model=model, headers={"X-Castor-Strict": "true"})
    assert (status, config(google)["thinkingConfig"]) == (200, thinking)
    assert "x-castor-dropped" not in headers


def test_who_wants_thoughts_gets_them(castor, google):
    assert complete(castor, reasoning_effort="high")[0] == 200
    assert config(google)["thinkingConfig"] == {"thinkingLevel": "HIGH"}


def test_a_limit_that_thoughts_use_up_is_told_as_such(castor, google):
    google.script(thoughts="many long thoughts " * 20)
    status, _, body = complete(castor, max_tokens=16)
    [choice] = body["choices"]
    assert (status, choice["text"], choice["finish_reason"]) == (200, "", "length")
    assert body["usage"]["completion_tokens_details"]["reasoning_tokens"] == 16


def test_a_limit_beyond_the_models_is_named_as_the_caller_names_it(castor, google):
    _, headers, _ = complete(castor, max_tokens=10_000_000)
    assert headers["x-castor-dropped"] == "max_tokens"
    assert config(google)["maxOutputTokens"] == 65_536


@pytest.mark.parametrize("fields", [{"logprobs": 0}, {"best_of": 3}, {"presence_penalty": 1}, {"top_k": 5}], ids=str)
def test_what_is_left_out_is_named_and_refused_where_asked(castor, google, fields):
    [field] = fields
    status, headers, _ = complete(castor, **fields)
    assert (status, headers["x-castor-dropped"]) == (200, field)
    status, _, body = complete(castor, **fields, headers={"X-Castor-Strict": "true"})
    assert (status, body["error"]["param"]) == (400, field)
    assert len(google.log.generation()) == 1


@pytest.mark.parametrize("model", ["gemini-3.1-flash-image", "gemini-3.8-flash-tts", "gemini-embedding-2"])
def test_a_model_that_writes_no_texts_is_not_asked(castor, google, model):
    status, _, body = complete(castor, model=model)
    assert (status, body["error"]["param"], body["error"]["code"]) == (400, "model", "model_not_supported")
    assert not google.log.generation()


def test_a_prompt_that_google_blocks_is_an_answer(castor, google):
    google.script(block_reason="PROHIBITED_CONTENT")
    status, _, body = complete(castor, echo=True)
    assert (status, body["choices"][0]["text"], body["choices"][0]["finish_reason"]) == (200, "Once", "content_filter")


def test_a_request_is_recorded_with_its_tokens(castor, google):
    _, _, body = complete(castor, ["one two", "three"], headers={"X-Request-ID": "complete-1"}, model="davinci-002")
    [record] = castor.usage("complete-1")
    assert (record["dialect"], record["model_asked"], record["model_served"]) == (
        "completions",
        "davinci-002",
        "gemini-3.5-flash-lite",
    )
    assert (record["status"], record["attempts"]) == (200, 2)
    assert record["prompt_tokens"] == body["usage"]["prompt_tokens"] > 0
    assert record["completion_tokens"] == body["usage"]["completion_tokens"] > 0


def test_who_may_ask_and_how(castor, google):
    assert complete(castor, token=castor.tokens["flash"])[0] == 200
    assert complete(castor, token=castor.tokens["flash"], model="gemini-2.5-pro")[2]["error"]["code"] == "model_not_allowed"
    assert complete(castor, token="")[0] == 401
    assert castor.ask("GET", "/v1/completions")[0] == 405
