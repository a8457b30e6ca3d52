"""Google says STOP and nothing: its fault, unless the caller's own stop sequence may have come first."""

import json

import pytest

from tests.api.server import TWO_KEYS

STRIKES = "SELECT * FROM credentials_keyhealth"


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_that_is_stopped_before_its_first_word_is_asked_for_twice_and_then_given(castor, google, stream):
    google.script(empty=True, times=None)
    status, headers, content = castor.ask(
        "POST",
        "/v1/chat/completions",
        {"model": "gemini-3.8-flash", "messages": [{"role": "user", "content": "hi"}], "stop": ["e"], "stream": stream},
    )
    assert (status, headers["x-castor-attempts"], len(google.log.generation())) == (200, "2", 2)
    if stream:
        assert content.endswith(b"data: [DONE]\n\n")
    else:
        [choice] = json.loads(content)["choices"]
        assert (choice["finish_reason"], choice["message"]["content"] or "") == ("stop", "")


def test_an_empty_answer_is_asked_for_again_where_the_next_one_speaks(castor, google):
    google.script(empty=True)
    assert castor.chat(stop=["never said"])[2]["choices"][0]["message"]["content"] == "echo: hello"


def test_no_key_is_blamed_for_what_a_stop_sequence_may_have_done(castor_alone, google):
    castor = castor_alone(GEMINI_API_KEYS=TWO_KEYS, CONSECUTIVE_FAILURES="2")
    google.script(empty=True, times=None)
    for _ in range(6):
        assert castor.chat(stop=["e"])[0] == 200
    assert castor.rows(STRIKES) == []


def test_without_stop_sequences_an_empty_answer_is_none(castor, google):
    google.script(empty=True, times=None)
    status, headers, body = castor.chat()
    assert (status, body["error"]["code"]) == (503, "upstream_unavailable")
    assert headers["x-castor-attempts"] == "4"
