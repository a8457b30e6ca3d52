"""POST /v1/chat/completions/input_tokens, on a real server."""

import httpx

from tests.credentials.pools import FLASH

ASKED = {
    "model": FLASH,
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What is a beaver?"}],
}


def post(castor, path: str, body: dict) -> httpx.Response:
    headers = {"Authorization": f"Bearer {castor.token}"}
    return httpx.post(f"{castor.url}/v1/chat/completions{path}", json=body, headers=headers, timeout=20)


def test_a_request_is_as_long_as_its_answer_says_that_it_was(castor, google):
    counted = post(castor, "/input_tokens", ASKED)
    assert counted.status_code == 200
    assert counted.json()["object"] == "chat.completion.input_tokens"
    assert [call.method for call in google.log] == ["countTokens"]
    assert counted.json()["input_tokens"] == post(castor, "", ASKED).json()["usage"]["prompt_tokens"]


def test_it_costs_no_tokens_and_fails_over_like_any_other(castor, google):
    google.script(error="overloaded", method="countTokens")
    counted = post(castor, "/input_tokens", ASKED)
    assert (counted.status_code, counted.headers["X-Castor-Attempts"]) == (200, "2")
    assert not google.log.generation()


def test_what_is_wrong_with_a_request_is_said_before_anybody_is_asked(castor, google):
    refused = post(castor, "/input_tokens", {"model": FLASH})
    assert (refused.status_code, refused.json()["error"]["param"]) == (400, "messages")
    assert not list(google.log)
