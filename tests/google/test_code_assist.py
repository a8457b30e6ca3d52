"""Code Assist's envelope, held to the letter (sections 4.2, 4.3 and 4.6)."""

import json

import httpx
import pytest

from tests.google import faults_code_assist
from tests.google.accounts import EMAIL
from tests.google.asking import call, configured, function, model, result, saying, tools, user
from tests.google.asking_google import ADA, PRO, assist, bearer, reason_of, wrapped
from tests.google.faults import Circumstances

STREAM = "streamGenerateContent?alt=sse"


@pytest.fixture
def tokens(google):
    google.add_user(ADA, project="ada-project")
    return google.login(ADA)


def events(response):
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/event-stream"
    return [json.loads(event.removeprefix("data: ")) for event in response.text.split("\r\n\r\n") if event]


def said(body):
    return body["response"]["candidates"][0]["content"]["parts"][0]["text"]


# --- The envelope -------------------------------------------------------------------------------------------------


def test_a_whole_answer_is_wrapped(google, tokens):
    body = assist(google, tokens, "generateContent", wrapped(user_prompt_id="a-prompt")).json()
    assert body.keys() == {"response", "traceId"}
    assert said(body) == "echo: hi"
    assert body["response"].keys() == {"candidates", "usageMetadata", "modelVersion"}
    logged = google.log[-1]
    assert (logged.surface, logged.method, logged.model, logged.project) == ("code_assist", "generateContent", PRO, "ada-project")
    assert (logged.account, logged.key, logged.text) == (ADA, tokens.access_token, "hi")
    assert logged.usage == body["response"]["usageMetadata"]


def test_every_event_of_a_stream_is_wrapped_and_bears_one_trace(google, tokens):
    google.script(text="one two three", tokens_per_chunk=1)
    chunks = events(assist(google, tokens, STREAM, wrapped()))
    assert [said(chunk) for chunk in chunks] == ["one", " two", " three"]
    assert len({chunk["traceId"] for chunk in chunks}) == 1
    assert [chunk["response"]["candidates"][0].get("finishReason") for chunk in chunks] == [None, None, "STOP"]


def test_without_sse_a_stream_is_an_array(google, tokens):
    (chunk,) = assist(google, tokens, "streamGenerateContent", wrapped()).json()
    assert said(chunk) == "echo: hi"


def test_everything_that_gemini_cli_sends_is_taken(google, tokens):
    config = {
        "temperature": 1, "topP": 0.95, "topK": 64, "candidateCount": 1, "maxOutputTokens": 100, "stopSequences": ["END"],
        "presencePenalty": 0, "frequencyPenalty": 0, "seed": 7, "responseMimeType": "text/plain", "responseModalities": ["TEXT"],
        "mediaResolution": "MEDIA_RESOLUTION_LOW", "thinkingConfig": {"includeThoughts": True, "thinkingBudget": 128},
        "routingConfig": {}, "modelSelectionConfig": {}, "audioTimestamp": False, "responseLogprobs": False,
    }  # fmt: skip
    request = {
        **saying("hi"), "systemInstruction": {"role": "user", "parts": [{"text": "Be kind."}]}, "generationConfig": config,
        "tools": tools(function(parametersJsonSchema={"type": "object"})), "labels": {"a": "b"}, "session_id": "s",
        "toolConfig": {"functionCallingConfig": {"mode": "AUTO"}},
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
    }  # fmt: skip
    body = wrapped(request, user_prompt_id="p", enabled_credit_types=["GOOGLE_ONE_AI"])
    assert assist(google, tokens, "generateContent", body).status_code == 200


def test_calls_go_round(google, tokens):
    first = assist(google, tokens, "generateContent", wrapped(saying("call f {}", tools=tools()))).json()
    (part,) = first["response"]["candidates"][0]["content"]["parts"]
    assert part["functionCall"]["name"] == "f"
    history = [user("call f {}"), {"role": "model", "parts": [part]}, user(result("f", x=1))]
    history[2]["parts"][0]["functionResponse"]["id"] = part["functionCall"].get("id", "")
    second = assist(google, tokens, "generateContent", wrapped({"contents": history, "tools": tools()}, model="gemini-3-flash"))
    assert second.status_code == 400, "3 and later want the signature that 2.5 does not give"
    assert "thought_signature" in second.text
    assert assist(google, tokens, "generateContent", wrapped({"contents": history, "tools": tools()})).status_code == 200


@pytest.mark.parametrize("method", ["generateContent", STREAM])
@pytest.mark.parametrize(
    ("body", "text"),
    [
        (wrapped(prompt_id="p"), 'Unknown name "prompt_id": Cannot find field.'),
        (wrapped(contents=[]), 'Unknown name "contents": Cannot find field.'),
        (wrapped({**saying(), "model": "models/x"}), "Unknown name \"model\" at 'request': Cannot find field."),
        (wrapped({**saying(), "serviceTier": "flex"}), "Unknown name \"serviceTier\" at 'request': Cannot find field."),
        (wrapped({**saying(), "store": True}), "Unknown name \"store\" at 'request': Cannot find field."),
        (
            wrapped(configured(imageConfig={})),
            "Unknown name \"imageConfig\" at 'request.generation_config': Cannot find field.",
        ),
        (
            wrapped(configured(responseFormat={})),
            "Unknown name \"responseFormat\" at 'request.generation_config': Cannot find field.",
        ),
        (
            wrapped(configured(temperature="hot")),
            "Invalid value at 'request.generation_config.temperature' (TYPE_FLOAT), \"hot\"",
        ),
        (wrapped({"contents": [user({"text": 5})]}), "Invalid value at 'request.contents[0].parts[0].text' (TYPE_STRING), 5"),
        (
            wrapped({"contents": [{"role": "user", "parts": [{"text": "a", "functionCall": {"name": "f"}}]}]}),
            "'request.contents[0].parts[0]' (oneof), oneof field 'data' is already set. Cannot set 'functionCall'",
        ),
        ([], "Root element must be a message."),
    ],
)
def test_a_body_that_does_not_fit_its_message(google, tokens, method, body, text):
    answer = assist(google, tokens, method, body)
    code, message, _ = reason_of(answer)
    assert (answer.status_code, code) == (400, 400)
    assert message.endswith(text)
    assert isinstance(answer.json(), list) is (method == STREAM)


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (wrapped({"contents": [{"parts": [{"text": "hi"}]}]}), 400, "Please use a valid role: user, model."),
        (wrapped({"contents": [{"role": "system", "parts": [{"text": "hi"}]}]}), 400, "Please use a valid role: user, model."),
        (wrapped({"contents": [user("hi"), {"parts": [{"text": "hi"}]}]}), 400, "Please use a valid role: user, model."),
        (wrapped({}), 400, "* GenerateContentRequest.contents: contents is not specified"),
        (wrapped(saying("")), 400, "* GenerateContentRequest.contents[0].parts[0].data: required oneof field"),
        (wrapped({"contents": [user("hi"), model("ho")]}), 400, "Please ensure that multiturn requests end with a user role"),
        (wrapped({"contents": [model(call())]}), 400, "Please ensure that function call turn comes immediately after a user"),
        (wrapped(configured(frequencyPenalty=1)), 400, f"Penalty is not enabled for models/{PRO}"),
        (wrapped(configured(thinkingConfig={"thinkingLevel": "LOW"})), 400, ""),
        (wrapped(model="models/gemini-2.5-pro"), 404, "Requested entity was not found."),
        (wrapped(model="gemini-1.5-pro"), 404, "Requested entity was not found."),
        (wrapped(model="gemini-3.5-flash"), 404, "Requested entity was not found."),
        (wrapped(model="gemini-3-pro-image"), 404, "Requested entity was not found."),
        (wrapped(model="gemini-embedding-001"), 404, "Requested entity was not found."),
        (wrapped(project=""), 400, "Request contains an invalid argument."),
        (wrapped(project="eves-project"), 403, "Permission denied on resource project eves-project."),
    ],
)
def test_rules_that_a_request_must_keep(google, tokens, body, code, text):
    answer = assist(google, tokens, "generateContent", body)
    assert reason_of(answer)[0] == answer.status_code == code
    assert reason_of(answer)[1].startswith(text)
    assert google.log[-1].broken_rule == google.log[-1].refused == reason_of(answer)[1]


def test_a_model_bears_code_assists_own_name(google, tokens):
    answer = assist(google, tokens, "generateContent", wrapped(model="gemini-3-flash"))
    assert answer.json()["response"]["modelVersion"] == "gemini-3.5-flash"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"request": {"model": "models/gemini-2.5-pro", **saying("two words")}}, 200),
        ({"request": {"model": "models/gemini-3-flash", **saying("two words")}}, 200),
        ({"request": {"model": "gemini-2.5-pro", **saying()}}, 400),
        ({"request": {"model": "models/gemini-1.5-pro", **saying()}}, 404),
        ({"request": {"model": "models/gemini-2.5-pro", **saying(), "tools": []}}, 400),
        ({"request": {"model": "models/gemini-2.5-pro", "contents": [{"parts": [{"text": "hi"}]}]}}, 400),
        ({"request": {"model": "models/gemini-2.5-pro", "contents": [model({"text": "hm", "thought": True})]}}, 400),
        ({"model": "models/gemini-2.5-pro", **saying()}, 400),
        ({"request": {"model": "models/gemini-2.5-pro", **saying()}, "project": "ada-project"}, 400),
    ],
)
def test_counting_tokens(google, tokens, body, code):
    answer = assist(google, tokens, "countTokens", body)
    assert answer.status_code == code
    if code == 200:
        assert answer.json() == {"totalTokens": 2}


@pytest.mark.parametrize("path", ["embedContent", "nothing", "generateContent/x"])
def test_there_is_no_more_than_there_is(google, tokens, path):
    assert assist(google, tokens, path, {}).status_code == 404
    assert httpx.get(f"{google.url}/v1internal:generateContent", headers=bearer(tokens)).status_code == 404


# --- Who may ask --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "code", "reason"),
    [
        ({"authorization": ""}, 401, "CREDENTIALS_MISSING"),
        ({"authorization": "Bearer nonsense"}, 401, "ACCESS_TOKEN_TYPE_UNSUPPORTED"),
        ({"x-goog-api-key": "test-key-1"}, 401, "CREDENTIALS_MISSING"),
        ({"x-goog-user-project": "ada-project"}, 403, "SERVICE_DISABLED"),
    ],
)
def test_only_an_access_token_lets_one_in(google, tokens, headers, code, reason):
    answer = httpx.post(f"{google.url}/v1internal:generateContent", json=wrapped(), headers={**bearer(tokens), **headers})
    assert reason_of(answer)[::2] == (code, reason)


def test_an_expired_token_is_refused_even_in_a_stream(google, tokens):
    google.expire_access(ADA)
    answer = assist(google, tokens, STREAM, wrapped())
    assert answer.status_code == 401
    (said,) = answer.json()
    assert said["error"]["errors"][0]["reason"] == "authError"
    assert said["error"]["status"] == "UNAUTHENTICATED"


def test_a_malformed_body_is_refused_even_with_a_dead_token(google, tokens):
    google.expire_access(ADA)
    assert assist(google, tokens, "generateContent", wrapped(odd=1)).status_code == 400


def test_a_token_for_the_address_alone_is_not_enough(google, tokens):
    answer = assist(google, google.login(ADA, scope=EMAIL), "generateContent", wrapped())
    assert reason_of(answer)[::2] == (403, "ACCESS_TOKEN_SCOPE_INSUFFICIENT")


@pytest.mark.parametrize(
    ("fields", "reason", "text"),
    [
        ({"licensed": False}, "", "The caller does not have permission"),
        ({"tier": ""}, "", "The caller does not have permission"),
        ({"ineligible": ["UNSUPPORTED_CLIENT"]}, "", "This client is no longer supported for Gemini Code Assist"),
        ({"ineligible": ["VALIDATION_REQUIRED"]}, "VALIDATION_REQUIRED", "Verify your account to continue."),
        ({"ineligible": ["RESTRICTED_AGE"]}, "", "The caller does not have permission"),
        ({"project": "", "projects": ["ada-project"]}, "SERVICE_DISABLED", "Gemini for Google Cloud API has not been used"),
    ],
)
def test_accounts_for_whom_nothing_is_generated(google, fields, reason, text):
    google.add_user(ADA, **{"project": "ada-project", **fields})
    code, message, why = reason_of(assist(google, google.login(ADA), "generateContent", wrapped()))
    assert (code, why) == (403, reason)
    assert message.startswith(text)


# --- Its own errors -----------------------------------------------------------------------------------------------

FAULTS = {
    "rate_limit_exceeded": (429, "RATE_LIMIT_EXCEEDED"),
    "quota_exhausted": (429, "QUOTA_EXHAUSTED"),
    "individual_quota": (429, "QUOTA_EXHAUSTED"),
    "capacity_exhausted": (429, "MODEL_CAPACITY_EXHAUSTED"),
    "no_capacity": (503, "MODEL_CAPACITY_EXHAUSTED"),
    "credits_exhausted": (429, "INSUFFICIENT_G1_CREDITS_BALANCE"),
    "token_expired": (401, ""),
    "unsupported_client": (403, ""),
    "no_licence": (403, ""),
    "not_a_named_user": (403, ""),
    "validation_required": (403, "VALIDATION_REQUIRED"),
    "tos_violation": (403, "TOS_VIOLATION"),
    "security_policy_violated": (403, "SECURITY_POLICY_VIOLATED"),
    "service_disabled": (403, "SERVICE_DISABLED"),
    "private_api_disabled": (403, "SERVICE_DISABLED"),
    "foreign_project": (403, "CONSUMER_INVALID"),
    "model_not_found": (404, ""),
}


def test_every_fault_is_looked_at_below():
    assert FAULTS.keys() == faults_code_assist.FAULTS.keys()


@pytest.mark.parametrize(("name", "outcome"), FAULTS.items())
def test_a_scripted_error_is_said_as_code_assist_says_it(google, tokens, name, outcome):
    google.clock.set(google.clock.now().replace(microsecond=0))  # Both times that are told are of the same second.
    google.script(account=ADA, error=name, times=2)
    whole = assist(google, tokens, "generateContent", wrapped())
    (streamed,) = assist(google, tokens, STREAM, wrapped()).json()
    assert reason_of(whole)[::2] == outcome
    legacy = streamed["error"].pop("errors")
    assert streamed == whole.json()
    assert [(one["domain"], one["message"]) for one in legacy] == [("global", whole.json()["error"]["message"])]
    assert assist(google, tokens, "generateContent", wrapped()).status_code == 200


def test_errors_of_google_at_large_are_said_too(google, tokens):
    google.script(error="overloaded")
    (body,) = assist(google, tokens, STREAM, wrapped()).json()
    assert (body["error"]["code"], body["error"]["errors"][0]["reason"]) == (503, "backendError")
    google.script(error="html_502")
    assert assist(google, tokens, STREAM, wrapped()).text.startswith("<!DOCTYPE html>")


def test_an_error_in_the_midst_of_a_stream(google, tokens):
    google.script(text="one two", tokens_per_chunk=1, ends="error", error="no_capacity", after=1)
    chunk, error = events(assist(google, tokens, STREAM, wrapped()))
    assert said(chunk) == "one"
    assert error["error"]["code"] == 503


@pytest.mark.parametrize(
    ("seconds", "spelled"),
    [(69287, "19h14m47s"), (0.53947, "539.47ms"), (60, "1m0s"), (3600, "1h0m0s"), (7.25, "7.25s"), (0, "0ms")],
)
def test_when_a_quota_returns_is_spelled_as_go_does(seconds, spelled):
    body = faults_code_assist.FAULTS["quota_exhausted"](Circumstances(seconds=seconds)).body
    assert body["error"]["message"].endswith(f"Your quota will reset after {spelled}.")
    assert body["error"]["details"][0]["metadata"]["quotaResetDelay"] == spelled


def test_a_reset_time_is_told_by_the_simulators_clock(google, tokens):
    google.clock.set(google.clock.now().replace(year=2027, month=3, day=1, hour=12, minute=0, second=0, microsecond=0))
    tokens = google.login(ADA)
    google.script(error="quota_exhausted", seconds=3600)
    error = assist(google, tokens, "generateContent", wrapped()).json()["error"]
    assert error["details"][0]["metadata"]["quotaResetTimeStamp"].startswith("2027-03-01T13:00:0")
    assert error["details"][1]["retryDelay"] == "3600s"
