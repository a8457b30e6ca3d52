"""What the CLI says of failures, as it said it (0.61.0, November 2026), read without running it."""

import json

import pytest

from credentials.health import Outcome
from openai_api.upstream.cli_errors import read_failure

ADVICE = "\nPlease wait and try again later. To increase your limits, request a quota increase through AI Studio."
HEAD = "Ripgrep is not available. Falling back to GrepTool.\nError when talking to Gemini API Full report available at: /x/y.json"
SETTING_UP = """Error authenticating: _GaxiosError: Request had invalid authentication credentials.
    at Gaxios._request (file:///x.js:17446:19) {
  config: {
    responseType: 'json'
  },
  code: 401,
  status: 401,
}
"""


def whole(code: int, status: str, message: str) -> str:
    return json.dumps({"error": {"code": code, "message": message, "status": status}})


@pytest.mark.parametrize(
    ("failure", "code", "log", "outcome", "status"),
    [
        (f"[API Error: You have exhausted your daily quota on this model.]{ADVICE}", 173, "", Outcome.DAY_QUOTA, 429),
        (f"[API Error: Resource has been exhausted (e.g. check quota).]{ADVICE}", 173, "", Outcome.THROTTLED, 429),
        (f"[API Error: Nobody knows [this].]{ADVICE}", 173, "", Outcome.UNEXPLAINED, 429),
        (f"[API Error: {whole(400, 'INVALID_ARGUMENT', 'Bad [x].')}]", 144, "", Outcome.REQUEST_REFUSED, 400),
        (f"[API Error: {whole(402, 'RESOURCE_EXHAUSTED', 'No credit.')}]", 146, "", Outcome.OUT_OF_CREDIT, 402),
        (f"[API Error: {whole(500, 'INTERNAL', 'Sorry.')}]", 244, "", Outcome.UPSTREAM_FAILED, 500),
        (f"[API Error: [{whole(403, 'PERMISSION_DENIED', 'The caller may not.')}]]", 147, "", Outcome.UNEXPLAINED, 403),
        ("[API Error: <html><title>Error 502</title></html>]", 246, "", Outcome.UPSTREAM_FAILED, 502),
        ("[API Error: exception TypeError: fetch failed sending request]", 1, "", Outcome.UPSTREAM_FAILED, 502),
        ("[API Error: models/x is not found.]", 1, f"{HEAD} ModelNotFoundError: models/x", Outcome.MODEL_ABSENT, 404),
        ("[API Error: No.]", 1, f"{HEAD} UnauthorizedError: No.", Outcome.KEY_REJECTED, 401),
        # What a caller wrote may be quoted behind the name that counts.
        ("[API Error: No.]", 1, f"{HEAD} BadRequestError: No\n{HEAD} UnauthorizedError: No.", Outcome.REQUEST_REFUSED, 400),
        (None, 1, SETTING_UP, Outcome.KEY_REJECTED, 401),
        (None, 41, "Invalid auth method selected.", Outcome.UNEXPLAINED, 502),
        (None, 137, "", Outcome.UNEXPLAINED, 502),
    ],
)  # fmt: skip
def test_what_has_happened_is_seen_through_the_words_of_the_cli(failure, code, log, outcome, status):
    refusal = read_failure(failure, code, log.encode(), of_code_assist=False)
    assert (refusal.outcome, refusal.status) == (outcome, status)


def test_the_delay_that_google_names_is_taken_over():
    failure = f"[API Error: You exceeded your current quota.\nPlease retry in 12.5s.\nSuggested retry after 12s.]{ADVICE}"
    refusal = read_failure(failure, 173, b"", of_code_assist=False)
    assert (refusal.outcome, refusal.retry_after) == (Outcome.MINUTE_QUOTA, 12.5)
    assert "Suggested" not in refusal.message


@pytest.mark.parametrize(
    ("name", "field", "outcome"),
    [
        ("AccountSuspendedError", "appealUrl", Outcome.SUSPENDED),
        ("ValidationRequiredError", "validationLink", Outcome.VALIDATION_REQUIRED),
    ],
)
def test_the_page_that_puts_it_right_is_found_in_the_log(name, field, outcome):
    log = f"{HEAD} {name}: Sorry.\n    at x {{\n  {field}: 'https://accounts.google.com/signin?x=1',\n}}\n"
    refusal = read_failure("[API Error: Sorry.]", 1, log.encode(), of_code_assist=True)
    assert (refusal.outcome, refusal.status) == (outcome, 403)
    assert "https://accounts.google.com/signin?x=1" in refusal.message


def test_whatever_it_says_is_read_without_an_error():
    for failure in ("[API Error: ]", "[API Error: {]", "[API Error: " + "[" * 100_000 + "]", "", "x"):
        assert read_failure(failure, 173, b"\xff\xfe", of_code_assist=False).status >= 400
