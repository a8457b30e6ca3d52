"""What else a refusal says: when to come back, which quota and whose, in which words, and what is kept of it."""

import json
from datetime import datetime

import pytest

from credentials.health import Outcome
from openai_api.upstream import refusal_quota
from openai_api.upstream.refusals import Refusal, read_refusal
from tests.wire.refusals import (
    CODE_ASSIST,
    DAY,
    EXCEEDED,
    EXHAUSTED,
    METRIC,
    MINUTE,
    TOKENS_DAY,
    TOKENS_MINUTE,
    capacity_used_up,
    code_assist_error,
    error,
    exceeded,
    info,
    link,
    page,
    retry,
    used_up,
)

KEY = "AIzaSyD-0123456789abcdefghijklmnopqrstuv"
TOKEN = "ya29.a0AfB_0123456789abcdefghij"
VERIFY = "https://accounts.google.com/signin/continue?sarp=1&plt=abc"


@pytest.mark.parametrize(
    ("status", "body", "seconds"),
    [
        (429, error(429, EXCEEDED, used_up(MINUTE), retry("56s")), 56.0),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry("0.52s")), 0.52),
        (429, error(429, f"{EXCEEDED}\nPlease retry in 56.18s.", used_up(MINUTE)), 56.18),
        (429, error(429, f"{EXCEEDED}\nPlease retry in 250.5ms."), 0.2505),
        (429, error(429, f"{EXCEEDED}\nPlease retry in 1h2m3s."), 3723.0),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry({"seconds": 12})), 12.0),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry({"seconds": "12", "nanos": 5})), 12.0),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry(7)), 7.0),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry("soon")), None),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry("soon"), retry("9s")), 9.0),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry("-5s")), None),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry("infs")), None),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry("1e3s")), None),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry(float("nan"))), None),
        (429, error(429, EXCEEDED, used_up(MINUTE), retry(None)), None),
        (429, error(429, f"Please retry in {'9' * 500}s."), 86_400.0),
        (429, error(429, EXCEEDED, retry("9" * 500 + "s")), 86_400.0),
        (429, error(429, EXCEEDED, used_up(DAY), retry("56s")), None),
        (429, error(429, exceeded(0), retry("56s")), None),
        (429, error(429, EXHAUSTED), None),
        (503, error(503, "overloaded", retry("3s")), 3.0),
        (429, capacity_used_up("539.47ms", reason="RATE_LIMIT_EXCEEDED"), 0.53947),
        (429, capacity_used_up("19h14m47s", retry_delay="1s"), 69_287.0),
        (429, capacity_used_up("400h"), 7 * 86_400.0),
    ],
)
def test_when_to_come_back(status, body, seconds):
    named = read_refusal(status, body).retry_after
    assert named == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("now", "seconds"),
    [
        ("2026-11-21T20:00:00+00:00", 69_287.0),
        ("2026-11-22T15:14:46+00:00", 60.0),
        ("2026-11-22T15:14:48+00:00", None),
        ("2026-01-01T00:00:00+00:00", 7 * 86_400.0),
    ],
)
def test_a_day_quota_may_name_the_moment_instead_of_the_delay(monkeypatch, now, seconds):
    monkeypatch.setattr(refusal_quota.time, "time", datetime.fromisoformat(now).timestamp)
    refusal = read_refusal(429, capacity_used_up("soon"))
    assert (refusal.outcome, refusal.retry_after) == (Outcome.DAY_QUOTA, seconds)


@pytest.mark.parametrize("moment", ["", "tomorrow", "2026-13-01T00:00:00Z", "0001-01-01T00:00:00Z", "9" * 5_000])
def test_a_moment_that_cannot_be_read_says_nothing(moment):
    detail = info("QUOTA_EXHAUSTED", domain=CODE_ASSIST, quotaResetTimeStamp=moment)
    assert read_refusal(429, code_assist_error(429, "Used up.", detail)).retry_after is None


def test_the_same_words_mean_more_where_they_are_known_to_be_code_assists():
    """Only those who stream are told the reasons of old, by which its bodies are recognised."""
    denied, lost = error(403, "The caller does not have permission"), error(404, "Requested entity was not found.")
    assert read_refusal(403, denied).outcome is Outcome.UNEXPLAINED
    assert read_refusal(403, denied, of_code_assist=True).outcome is Outcome.NOT_PERMITTED
    assert read_refusal(404, lost, of_code_assist=True).outcome is Outcome.MODEL_ABSENT


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (
            400,
            error(400, "The input token count (2) exceeds the maximum number of tokens allowed (1)."),
            "context_length_exceeded",
        ),
        (400, error(400, "Penalty is not enabled for this model"), "unsupported_parameter"),
        (400, error(400, "Request contains an invalid argument."), None),
        (404, error(404, "models/x is not found for API version v1beta"), "model_not_found"),
        (413, b"", "request_too_large"),
        (429, error(429, EXCEEDED, used_up(DAY)), "rate_limit_exceeded"),
        (429, capacity_used_up("9h"), "rate_limit_exceeded"),
        (429, error(429, "Your project has exceeded its spending cap."), "rate_limit_exceeded"),
        (429, error(429, "Your project has exceeded its monthly spending cap."), "insufficient_quota"),
        (402, b"", "insufficient_quota"),
        (503, b"", None),
    ],
)
def test_openais_word_for_it(status, body, code):
    assert read_refusal(status, body).code == code


TWO = {"violations": used_up(MINUTE, value="5")["violations"] + used_up(DAY, value="20")["violations"]}
OTHER_METRIC = "generativelanguage.googleapis.com/generate_content_free_tier_input_token_count"
BOTH_IN_WORDS = f"{exceeded(20)} {exceeded(250000, metric=OTHER_METRIC)}"


@pytest.mark.parametrize(
    ("message", "details", "quota", "value"),
    [
        (EXCEEDED, [used_up(MINUTE)], MINUTE, 20),
        (EXCEEDED, [used_up(MINUTE, DAY)], DAY, 20),
        (EXCEEDED, [used_up() | TWO], DAY, 20),
        (EXCEEDED, [used_up(TOKENS_MINUTE, MINUTE)], TOKENS_MINUTE, 20),
        (EXCEEDED, [used_up(TOKENS_DAY, value="1000000")], TOKENS_DAY, 1_000_000),
        (EXCEEDED, [used_up(MINUTE), used_up(DAY, value="50")], DAY, 50),
        (EXCEEDED, [used_up(MINUTE, value="many")], MINUTE, None),
        (EXCEEDED, [used_up(MINUTE, value="-1")], MINUTE, None),
        (EXCEEDED, [used_up(MINUTE, value="9" * 30)], MINUTE, None),
        (EXCEEDED, [used_up(MINUTE, value="9223372036854775807")], MINUTE, None),
        (EXCEEDED, [used_up("Q" * 300, value="7")], "Q" * 200, 7),
        (EXCEEDED, [used_up("")], "", None),
        (EXCEEDED, [], "", None),
        (exceeded(20), [], "", 20),
        (exceeded(0), [used_up(DAY, value=None)], DAY, 0),
        (BOTH_IN_WORDS, [used_up(MINUTE, value=None)], MINUTE, 20),
        (BOTH_IN_WORDS, [used_up(MINUTE, value=None, metric=OTHER_METRIC)], MINUTE, 250_000),
        (BOTH_IN_WORDS, [used_up(MINUTE, value=None, metric="another")], MINUTE, None),
        ("No.", [info("RATE_LIMIT_EXCEEDED", quota_limit="ReadsPerMinute", quota_limit_value="60")], "ReadsPerMinute", 60),
    ],
)
def test_the_quota_that_decides_is_named_with_its_size(message, details, quota, value):
    refusal = read_refusal(429, error(429, message, *details))
    assert (refusal.quota, refusal.quota_value) == (quota, value)


UNUSED = "Generative Language API has not been used in project 123456789 before"


@pytest.mark.parametrize(
    ("status", "body", "project"),
    [
        (403, error(403, "x", info("SERVICE_DISABLED", consumer="projects/123456789")), "123456789"),
        (403, error(403, "x", info("CONSUMER_SUSPENDED", consumer="projects/my-project")), "my-project"),
        (429, error(429, "x", info("RATE_LIMIT_EXCEEDED", consumer="projects/42")), "42"),
        (429, error(429, "Quota exceeded of x for consumer 'project_number:696498078762'."), "696498078762"),
        (403, error(403, UNUSED), "123456789"),
        (403, error(403, "x", info("CONSUMER_SUSPENDED", consumer=f"api_key:{KEY}")), ""),
        (403, error(403, "x", info("CONSUMER_SUSPENDED", consumer="projects/<b>two words</b>")), ""),
        (403, error(403, "Your project has been denied access."), ""),
        (403, error(403, "The project number is unknown."), ""),
        # What was asked for is not what the credential has.
        (403, error(403, "x", info("CONSUMER_INVALID", consumer="projects/default")), ""),
        # Code Assist names the project of the OAuth client, which all logins share.
        (403, error(403, "x", info("SERVICE_DISABLED", service=CODE_ASSIST, consumer="projects/681255809395")), ""),
        (403, error(403, "Cloud Code Private API has not been used in project 681255809395 before"), ""),
        # The caller's words.
        (400, error(400, f"Invalid value: {UNUSED}"), ""),
        (400, error(400, UNUSED), ""),
        (403, error(403, f"You do not have permission to access the File {UNUSED}"), ""),
        (404, error(404, "projects/my-project is not found"), ""),
    ],
)
def test_the_project_is_learned_where_google_names_it(status, body, project):
    assert read_refusal(status, body).project == project


# --- Bodies as they come ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        b'[{"error":{"code":429,"message":"q","status":"RESOURCE_EXHAUSTED","details":[%s]}}]',
        b'[\n{"error":{"code":429,"message":"q","details":[%s,],},},\n]',
        b'\n {"error":{"details":[5, null, %s],"message":"q"}}',
        b'[[{"error":{"details":[%s],"message":null}}]]',
        b'[{"candidates":[]},{"error":{"details":[%s]}}]',
        b'[null,[],{"error":{"details":[{"@type":"x"},%s,{"@type":5}],"errors":[{"reason":"rateLimitExceeded"}]}}]',
        b'\xef\xbb\xbf{"error":{"details":[%s]}}',
    ],
)
def test_bodies_are_understood_however_they_are_wrapped(body):
    assert read_refusal(429, body % json.dumps(used_up(DAY)).encode()).outcome == Outcome.DAY_QUOTA


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, error(503, "x"), 503),
        (200, error(0, "x", word=""), 500),
        (200, error(8, "x", word="RESOURCE_EXHAUSTED"), 429),
        (200, b'{"error":{"code":"429"}}', 429),
        (200, b'{"error":{"status":"PERMISSION_DENIED"}}', 403),
        (200, b"?", 500),
        (429, error(503, "x"), 429),
        (302, b"", 500),
        (0, b"", 500),
        (700, error(404, "x"), 404),
    ],
)
def test_an_error_inside_an_answer_brings_its_own_status(status, body, found):
    assert read_refusal(status, body).status == found


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (502, page("Error 502 (Server Error)!!1"), "Error 502 (Server Error)!!1"),
        (502, page("Bad &amp; sad"), "Bad & sad"),
        (502, b"<!doctype html><p>Bad <b>gateway</b><style>p{}</style>", "Bad gateway"),
        (502, b"upstream connect error", "upstream connect error"),
        (502, b"", "Google answered 502 with no explanation."),
        (500, b'{"error":"just text"}', "just text"),
        (500, b'{"error":{"message":"two\\n\\n  lines"}}', "two lines"),
        (500, b"\xff\xfe", "\ufffd\ufffd"),
        (403, error(403, f"Consumer 'api_key:{KEY}' has been suspended."), "Consumer 'api_key:…' has been suspended."),
        (403, error(403, "Consumer 'api_key:of-no-known-shape' is gone"), "Consumer 'api_key:…' is gone"),
        (400, error(400, f"Bad key {KEY}."), "Bad key AIzaS…stuv."),
        (401, error(401, f"Bad token: Bearer {TOKEN}!"), "Bad token: Bearer …"),
        (404, error(404, "No /v1beta/x?key=whatever&alt=sse here"), "No /v1beta/x?key=…&alt=sse here"),
    ],
)
def test_messages_are_plain_and_hold_no_secret(status, body, message):
    assert read_refusal(status, body).message == message


@pytest.mark.parametrize("message", ["a \\ud800 b", "nul \\u0000 b", "escape \\u001b[31m b"])
def test_a_message_can_be_told_and_stored_whatever_stands_in_it(message):
    refusal = read_refusal(429, f'{{"error": {{"code": 429, "message": "{message}"}}}}'.encode())
    assert f"{refusal.message}{refusal.unknown}".encode().decode().isprintable()


def test_messages_have_an_end():
    assert len(read_refusal(500, b"x" * 100_000).message) == 2_000


# --- Where a person can put it right ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "details",
    [
        [info("VALIDATION_REQUIRED", domain=CODE_ASSIST), link(VERIFY)],
        [link(VERIFY), info("VALIDATION_REQUIRED", domain=CODE_ASSIST, validation_link="https://elsewhere.example/")],
        [info("VALIDATION_REQUIRED", domain=CODE_ASSIST, validation_link=VERIFY)],
        [info("VALIDATION_REQUIRED", domain=CODE_ASSIST, validation_url=VERIFY)],
        [info("VALIDATION_REQUIRED", domain=CODE_ASSIST, validation_link=VERIFY), link("javascript:alert(1)")],
    ],
)
def test_the_page_that_verifies_an_account_is_told(details):
    refusal = read_refusal(403, code_assist_error(403, "Verify your account to continue.", *details))
    assert refusal.message == f"Verify your account to continue. {VERIFY}"


def test_the_page_that_verifies_an_account_is_told_once():
    said = f"To continue, verify your account at\n\n{VERIFY}\n\nLearn more"
    refusal = read_refusal(403, code_assist_error(403, said, info("VALIDATION_REQUIRED", domain=CODE_ASSIST), link(VERIFY)))
    assert refusal.message == f"To continue, verify your account at {VERIFY} Learn more"


ENABLE = "https://console.developers.google.com/apis/api/cloudaicompanion.googleapis.com/overview?project=my-proj"
COMPANION = {"service": "cloudaicompanion.googleapis.com", "consumer": "projects/my-proj"}


@pytest.mark.parametrize(
    ("said", "details", "told"),
    [
        (
            "Gemini for Google Cloud API has not been used in project my-proj before.",
            COMPANION | {"serviceTitle": "Gemini for Google Cloud API", "activationUrl": ENABLE},
            f"Gemini for Google Cloud API has not been used in project my-proj before. {ENABLE}",
        ),
        ("Not enabled.", COMPANION | {"activationUrl": ENABLE}, f"Not enabled. cloudaicompanion.googleapis.com {ENABLE}"),
        ("Not enabled.", COMPANION, "Not enabled. cloudaicompanion.googleapis.com"),
        (f"Enable it by visiting {ENABLE}", COMPANION | {"activationUrl": ENABLE}, f"Enable it by visiting {ENABLE}"),
    ],
)
def test_the_api_to_enable_and_its_page_are_told(said, details, told):
    refusal = read_refusal(403, code_assist_error(403, said, info("SERVICE_DISABLED", **details)))
    assert (refusal.outcome, refusal.message, refusal.link) == (Outcome.API_DISABLED, told, details.get("activationUrl", ""))
    assert refusal.project == ""


def test_the_page_of_appeal_is_told():
    reason = info("TOS_VIOLATION", domain=CODE_ASSIST, appeal_url="https://forms.gle/x")
    assert read_refusal(403, error(403, "Disabled.", reason)).message == "Disabled. https://forms.gle/x"


def test_other_links_are_left_out():
    assert read_refusal(429, error(429, EXHAUSTED, link("https://ai.google.dev/"))).message == EXHAUSTED


# --- What nobody knows --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body",
    [
        error(403, f"Who is {KEY}?"),
        error(403, "Odd.", info("NEW", consumer="api_key:of-no-known-shape", token=TOKEN)),
        b'{"error":{"message":"\\u0041IzaSyD-0123456789abcdefghijklmnopqrstuv"}}',
        b"<html><p>&#65;IzaSyD-0123456789abcdefghijklmnopqrstuv</p><a href='/?key=of-no-known-shape'></html>",
        b'{"headers":{"x-goog-api-key": "of-no-known-shape"}}',
        b'{"headers":{"Authorization":"Bearer of-no-known-shape"}}',
        b"x-goog-api-key: of-no-known-shape\r\nAuthorization: Bearer of-no-known-shape",
    ],
)
def test_an_unknown_body_is_kept_without_its_secrets(body):
    refusal = read_refusal(403, body)
    assert refusal.outcome is Outcome.UNEXPLAINED
    assert refusal.unknown
    for secret in (KEY, TOKEN, "of-no-known-shape"):
        assert secret not in refusal.unknown


def test_an_unknown_body_is_kept_whole_as_far_as_it_is_short():
    kept = read_refusal(403, error(403, "Odd.", info("NEW", service="s"))).unknown
    assert json.loads(kept)["error"]["details"] == [info("NEW", service="s")]


@pytest.mark.parametrize("body", [b"x" * 100_000, b"ab " * 50_000, error(403, "long " * 9_000), b"<" * 250_000])
def test_an_unknown_body_is_kept_short(body):
    kept = read_refusal(403, body).unknown
    assert 3_900 < len(kept) <= 4_000


def test_a_key_of_no_known_shape_is_concealed_by_whoever_knows_it_even_where_the_text_ends():
    for padding in range(3_960, 4_000):
        refusal = read_refusal(403, b"x" * padding + b" my-very-own-secret-key-1234567890 and more")
        kept = refusal.concealing("my-very-own-secret-key-1234567890")
        assert "own-secret" not in f"{kept.message}{kept.unknown}"


def test_a_refusal_without_a_secret_to_conceal_stays_as_it_is():
    refusal = Refusal(Outcome.LOGIN_ENDED, 401, "The login has ended.")
    assert refusal.concealing("") == refusal


def test_concealing_changes_the_texts_and_nothing_else():
    refusal = Refusal(Outcome.UNEXPLAINED, 403, "of secret-secret-secret", 5.0, "Q", 20, "p", "c", "{secret-secret-secret}")
    told = Refusal(Outcome.UNEXPLAINED, 403, "of secre…cret", 5.0, "Q", 20, "p", "c", "{secre…cret}")
    assert refusal.concealing("secret-secret-secret") == told
    assert METRIC not in told.unknown
