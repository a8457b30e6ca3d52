"""Which script a call gets, and what scripted answers look like."""

import httpx
import pytest

from tests.google.asking import FLASH, FLASH_25, ask, parts, said, saying, stream


def codes(google, count=4, **asked):
    return [ask(google, saying(), **asked).status_code for _ in range(count)]


def test_a_script_is_for_the_next_call_alone(google):
    google.script(error="overloaded")
    assert codes(google) == [503, 200, 200, 200]


def test_scripts_follow_each_other(google):
    google.script(error="overloaded")
    google.script(error="internal", times=2)
    assert codes(google) == [503, 500, 500, 200]


def test_what_is_left_of_the_scripts_can_be_seen(google):
    google.script(error="overloaded")
    later = google.script(error="internal", times=2)
    codes(google, 2)
    assert google.scripts.left() == [later]


def test_a_script_waits_for_its_call(google):
    google.script(call=2, error="overloaded", times=2)
    assert codes(google) == [200, 503, 503, 200]


def test_a_script_may_last(google):
    google.script(error="overloaded", times=None)
    assert codes(google) == [503] * 4


def test_a_script_may_last_for_a_while(google):
    with google.scripted(key="test-key-2", error="overloaded"):
        assert codes(google, 2, key="test-key-2") == [503, 503]
        assert codes(google, 1) == [200]
    assert codes(google, 1, key="test-key-2") == [200]


def test_of_two_equal_scripts_the_one_that_is_over_goes(google):
    google.script(error="overloaded", times=None)
    with google.scripted(error="overloaded"):
        pass
    assert codes(google, 2) == [503, 503]


def test_a_script_concerns_its_key_and_model(google):
    google.script(key="test-key-2", error="leaked")
    google.script(model=FLASH_25, error="overloaded")
    assert codes(google, 1) == [200]
    assert codes(google, 2, key="test-key-2") == [403, 200]
    assert codes(google, 2, model=FLASH_25) == [503, 200]


def test_each_script_counts_the_calls_that_concern_it(google):
    google.script(key="test-key-2", call=2, error="overloaded")
    assert codes(google, 2, key="test-key-1") == [200, 200]
    assert codes(google, 3, key="test-key-2") == [200, 503, 200]


def test_a_script_leaves_lists_alone_unless_it_is_for_every_method(google):
    def listed():
        return httpx.get(f"{google.url}/v1beta/models", headers={"x-goog-api-key": "test-key-1"}).status_code

    google.script(error="leaked")
    assert listed() == 200
    google.reset()
    google.script(error="leaked", method="*")
    assert listed() == 403
    google.script(error="internal", method="listModels")
    assert [codes(google, 1), listed()] == [[200], 500]


def test_a_scripted_error_comes_first_but_the_broken_rule_is_noted(google):
    google.script(error="overloaded")
    assert ask(google, {"contents": []}).status_code == 503
    assert google.log[-1].broken_rule == "* GenerateContentRequest.contents: contents is not specified"
    assert google.log[-1].refused == "The model is overloaded. Please try again later."


def test_a_scripted_answer_is_given_to_valid_requests_only(google):
    google.script(text="never")
    assert ask(google, {"contents": []}).status_code == 400


def test_any_other_answer(google):
    google.script(status=418, body="<p>tea</p>", headers={"Retry-After": "7"})
    response = ask(google, saying())
    assert (response.status_code, response.text, response.headers["retry-after"]) == (418, "<p>tea</p>", "7")


def test_text_thoughts_and_usage(google):
    google.script(text="Grüße", thoughts="Hm. Well.", usage={"cachedContentTokenCount": 7})
    answer = ask(google, saying()).json()
    assert [part["text"] for part in parts([answer])] == ["Hm. Well.", "Grüße"]
    assert {name: answer["usageMetadata"][name] for name in ("thoughtsTokenCount", "cachedContentTokenCount")} == {
        "thoughtsTokenCount": 4,
        "cachedContentTokenCount": 7,
    }


def test_calls_are_made_whatever_was_declared(google):
    google.script(calls=[{"name": "f", "args": {"x": 1}, "id": "a"}, {"name": "g"}])
    calls = [part["functionCall"] for part in parts(stream(google, saying(), FLASH)) if "functionCall" in part]
    assert [(one["name"], one["args"]) for one in calls] == [("f", {"x": 1}), ("g", {})]
    assert calls[0]["id"] == "a"


def test_nothing_at_all(google):
    google.script(empty=True)
    google.script(empty=True)
    whole, chunks = ask(google, saying()).json(), stream(google, saying())
    assert whole["candidates"] == [{"content": {"role": "model"}, "finishReason": "STOP", "index": 0}]
    assert "candidatesTokenCount" not in whole["usageMetadata"]
    assert len(chunks) == 1
    assert chunks[0]["candidates"] == whole["candidates"]


@pytest.mark.parametrize("reason", ["SAFETY", "MALFORMED_FUNCTION_CALL", "A_REASON_OF_TOMORROW"])
def test_any_finish_reason(google, reason):
    google.script(text="", finish_reason=reason, finish_message="because")
    candidate = ask(google, saying()).json()["candidates"][0]
    assert (candidate["finishReason"], candidate["finishMessage"]) == (reason, "because")


def test_a_blocked_prompt_has_no_candidates(google):
    google.script(block_reason="PROHIBITED_CONTENT", times=2)
    whole, chunks = ask(google, saying()).json(), stream(google, saying())
    assert whole["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert "candidates" not in whole
    assert set(whole["usageMetadata"]) == {"promptTokenCount", "totalTokenCount", "promptTokensDetails"}
    assert len(chunks) == 1


def test_raw_chunks_are_sent_as_they_are(google):
    chunks = [{"candidates": [{"content": {"parts": [{"text": "a"}]}}]}, {"usageMetadata": {"totalTokenCount": 3}}]
    google.script(chunks=chunks, times=2)
    assert stream(google, saying()) == chunks
    assert ask(google, saying()).json() == chunks[0]


@pytest.mark.parametrize(
    "fields", [{"eror": "leaked"}, {"error": "no such fault"}, {"times": "often"}, {"ends": "badly"}, {"ends": "error"}]
)
def test_a_script_that_makes_no_sense_is_refused_when_it_is_written(google, fields):
    with pytest.raises(ValueError, match=r"\w"):
        google.script(**fields)


def test_the_log_keeps_what_was_sent(google):
    ask(google, {**saying("héllo"), "generationConfig": {"topK": 3}}, key="test-key-3")
    call = google.log[-1]
    assert (call.method, call.model, call.key, call.project, call.status) == (
        "generateContent",
        FLASH,
        "test-key-3",
        "project-3",
        200,
    )
    assert call.body["generationConfig"] == {"topK": 3}
    assert call.text == "héllo"
    assert b"topK" in call.raw
    assert call.headers["content-type"] == "application/json"
    assert call.usage["promptTokenCount"] == 1


def test_the_answer_to_a_whole_request_says_its_text(google):
    google.script(text="a")
    assert said(ask(google, saying()).json()) == "a"


def test_ratings_of_an_answer_or_of_a_blocked_prompt(google):
    ratings = [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}]
    google.script(text="", finish_reason="SAFETY", ratings=ratings)
    google.script(block_reason="SAFETY", ratings=ratings)
    assert ask(google, saying()).json()["candidates"][0]["safetyRatings"] == ratings
    assert ask(google, saying()).json()["promptFeedback"] == {"blockReason": "SAFETY", "safetyRatings": ratings}


def test_filters_may_keep_what_they_think_to_themselves(google):
    google.script(ratings=[])
    settings = [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}]
    assert "safetyRatings" not in ask(google, saying(safetySettings=settings)).json()["candidates"][0]
