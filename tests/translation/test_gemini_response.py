"""What Google answers, and the events that it becomes."""

import json
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api.translation.events import (
    Citation,
    Finished,
    MediaDelta,
    SafetyRating,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from openai_api.translation.gemini.response import ErrorEvent, MalformedAnswer, Reader


def reader(**options) -> Reader:
    numbers = count(1)
    return Reader(new_call_id=lambda: f"minted_{next(numbers)}", **options)


def answer(*parts: dict, reason: str = "", **fields) -> bytes:
    candidate = {"content": {"role": "model", "parts": list(parts)}, "index": 0} | ({"finishReason": reason} if reason else {})
    return json.dumps({"candidates": [candidate | fields]}).encode()


def text(words: str) -> dict:
    return {"text": words}


def call(name: str = "f", **fields) -> dict:
    return {"functionCall": {"name": name, **fields}}


def read(*payloads: bytes, **options) -> list:
    on = reader(**options)
    return [event for payload in payloads for event in on.read(payload)]


# --- Content --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "events"),
    [
        (text("Grüße"), [TextDelta("Grüße")]),
        (text(""), []),
        ({"text": "", "thoughtSignature": "c2ln"}, []),
        ({"text": "Hm.", "thought": True}, [ThoughtDelta("Hm.")]),
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, [MediaDelta("image/png", "AAAA")]),
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}, "thought": True}, []),
        (call(id="a", args={"x": 1}), [ToolCallDelta("a", "f", '{"x":1}')]),
        (call(id="a"), [ToolCallDelta("a", "f", "{}")]),
        (call(id="a", args=None), [ToolCallDelta("a", "f", "{}")]),
        (call(args={}), [ToolCallDelta("minted_1", "f", "{}")]),
        (call(id="a") | {"thoughtSignature": "c2ln"}, [ToolCallDelta("a", "f", "{}", "c2ln")]),
        ({"executableCode": {"language": "PYTHON", "code": "print(1)"}}, [TextDelta("\n```python\nprint(1)\n```\n")]),
        ({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}}, [TextDelta("\n```\n1\n```\n")]),
        ({"codeExecutionResult": {"outcome": "OUTCOME_OK"}}, []),
        ({"toolCall": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB", "args": {}}}, []),
        ({"toolResponse": {"id": "1", "toolType": "GOOGLE_SEARCH_WEB", "response": {}}}, []),
        ({"somethingNew": {"deep": [1]}}, []),
    ],
    ids=str,
)
def test_parts(part, events):
    assert read(answer(part)) == events


@pytest.mark.parametrize(
    "payload",
    [
        b"{}",
        b'{"candidates":[]}',
        b'{"candidates":[{"content":{},"index":0}]}',
        b'{"candidates":[{"content":{"role":"model"}}]}',
        b'{"modelVersion":"x","responseId":"y","promptFeedback":{"safetyRatings":[]}}',
        b'{"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}',
    ],
)
def test_answers_that_say_nothing(payload):
    on = reader()
    assert on.read(payload) == []
    assert not on.finished


def picture(data: str = "AAAA", **fields) -> dict:
    return {"inlineData": {"mimeType": "image/png", "data": data}, **fields}


def test_pictures_bring_their_signatures_and_the_first_that_of_the_text_before_it():
    first = answer(text("Look"), picture("AA==", thought=True, thoughtSignature="ZHJhZnQ="))
    events = read(
        first.replace(b'"Look"', b'"Look", "thoughtSignature": "dGV4dA=="'),
        answer(text(": "), picture("BB==", thoughtSignature="b25l"), picture("CC==")),
    )
    assert events == [
        TextDelta("Look"),
        TextDelta(": "),
        MediaDelta("image/png", "BB==", "b25l", "dGV4dA=="),
        MediaDelta("image/png", "CC=="),
    ]


def test_arguments_keep_their_numbers_and_lose_their_spaces():
    arguments = b'{\n "id": 12345678901234567890,\n "x": 1.0}'
    payload = b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":%b}}]}}]}' % arguments
    assert read(payload) == [ToolCallDelta("minted_1", "f", '{"id":12345678901234567890,"x":1.0}')]


def test_call_ids_are_googles_unless_they_come_twice():
    events = read(answer(call(id="a"), call(id="a"), call()), answer(call(id="b"), call(id="a")))
    assert [event.id for event in events] == ["a", "minted_1", "minted_2", "b", "minted_3"]


def test_only_the_first_call_counts_where_one_was_asked_for():
    events = read(answer(call(id="a"), call(id="b")), answer(call(id="c"), reason="STOP"), single_call=True)
    assert events == [ToolCallDelta("a", "f", "{}"), Finished("tool_calls", "STOP")]


def test_changed_names_come_back():
    events = read(answer(call("_2fa"), call("plain")), names={"_2fa": "2fa"})
    assert [event.name for event in events] == ["2fa", "plain"]


def test_only_the_first_candidate_is_read():
    payload = json.dumps({"candidates": [{"index": 1, "content": {"parts": [text("b")]}}, {"content": {"parts": [text("a")]}}]})
    assert read(payload.encode()) == [TextDelta("a")]


def test_an_array_of_answers_is_read_as_one_stream():
    assert read(b"[" + answer(text("a")) + b",\r\n" + answer(text("b"), reason="STOP") + b"]") == [
        TextDelta("a"),
        TextDelta("b"),
        Finished("stop", "STOP"),
    ]


# --- The end --------------------------------------------------------------------------------------------------------

FILTERED = [
    *("SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION", "MODEL_ARMOR"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION"),
]
FAILED = [
    *("OTHER", "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MISSING_THOUGHT_SIGNATURE"),
    *("MALFORMED_RESPONSE", "IMAGE_OTHER", "NO_IMAGE", "PUP_LIMITED_DISABLED", "SOMETHING_NEW"),
]


@pytest.mark.parametrize(
    ("native", "reason"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("CONTINUATION", "length"),
        *((native, "content_filter") for native in FILTERED),
        *((native, "failed") for native in FAILED),
    ],
)
def test_finish_reasons(native, reason):
    on = reader()
    assert on.read(answer(text("a"), reason=native, finishMessage="so")) == [TextDelta("a"), Finished(reason, native, "so")]
    assert on.finished


@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (text("a"), "stop"),
        (call(), "tool_calls"),
        ({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}, "stop"),
        ({"executableCode": {"language": "PYTHON", "code": "1"}}, "stop"),
    ],
)
@pytest.mark.parametrize("apart", [True, False])
def test_a_normal_end_says_whether_tools_were_called(part, reason, apart):
    payloads = (answer(part), answer(reason="STOP")) if apart else (answer(part, reason="STOP"),)
    assert read(*payloads)[-1].reason == reason


def test_calls_cut_off_by_the_limit_are_not_offered_as_complete():
    assert read(answer(call(), reason="MAX_TOKENS"))[-1] == Finished("length", "MAX_TOKENS")


def test_an_answer_finishes_once_and_only_usage_follows():
    on = reader()
    on.read(answer(text("a"), reason="STOP"))
    late = json.loads(answer(text("b"), reason="SAFETY")) | {"usageMetadata": {"promptTokenCount": 3}}
    assert on.read(json.dumps(late).encode()) == [UsageReport(Usage(prompt=3, total=3))]


def test_a_blocked_prompt_is_a_filtered_answer():
    payload = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT", "blockReasonMessage": "no"},
        "usageMetadata": {"promptTokenCount": 4, "totalTokenCount": 4},
    }
    on = reader()
    assert on.read(json.dumps(payload).encode()) == [
        UsageReport(Usage(prompt=4, total=4)),
        Finished("content_filter", "PROHIBITED_CONTENT", "no"),
    ]
    assert on.finished


# --- Usage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metadata", "usage"),
    [
        ({"promptTokenCount": 7, "candidatesTokenCount": 5, "totalTokenCount": 12}, Usage(prompt=7, completion=5, total=12)),
        (
            {"promptTokenCount": 7, "candidatesTokenCount": 5, "thoughtsTokenCount": 11, "totalTokenCount": 23},
            Usage(prompt=7, completion=16, reasoning=11, total=23),
        ),
        ({"promptTokenCount": 7, "thoughtsTokenCount": 11}, Usage(prompt=7, completion=11, reasoning=11, total=18)),
        (
            {"promptTokenCount": 100, "cachedContentTokenCount": 80, "toolUsePromptTokenCount": 9, "candidatesTokenCount": 1},
            Usage(prompt=109, cached=80, completion=1, total=110),
        ),
        (
            {
                "promptTokenCount": 60,
                "candidatesTokenCount": 1120,
                "totalTokenCount": 1180,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}, {"modality": "IMAGE", "tokenCount": 20}],
                "toolUsePromptTokensDetails": [{"modality": "IMAGE", "tokenCount": 1}],
                "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 1120}, {"modality": "AUDIO"}],
            },
            Usage(prompt=60, completion=1120, total=1180, prompt_image=21, completion_image=1120),
        ),
        (
            {
                "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 32}],
                "candidatesTokensDetails": [{"modality": "AUDIO", "tokenCount": 5}],
            },
            Usage(prompt_audio=32, completion_audio=5),
        ),
        ({"promptTokenCount": 1, "trafficType": "ON_DEMAND", "serviceTier": "flex"}, Usage(prompt=1, total=1)),
    ],
    ids=str,
)
def test_usage(metadata, usage):
    assert read(json.dumps({"usageMetadata": metadata}).encode()) == [UsageReport(usage)]


def test_usage_is_reported_when_it_has_changed():
    payloads = [json.dumps({"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": n}}).encode() for n in (1, 1, 2)]
    assert read(*payloads) == [
        UsageReport(Usage(prompt=5, completion=1, total=6)),
        UsageReport(Usage(prompt=5, completion=2, total=7)),
    ]


def test_usage_of_the_last_piece_comes_before_the_end():
    payload = json.loads(answer(text("a"), reason="STOP")) | {"usageMetadata": {"promptTokenCount": 1}}
    assert [type(event) for event in read(json.dumps(payload).encode())] == [TextDelta, UsageReport, Finished]


# --- Citations ------------------------------------------------------------------------------------------------------


def web(number: int) -> dict:
    return {"web": {"uri": f"https://{number}.example", "title": f"Page {number}"}}


def support(start: int, end: int, *indices: int, words: str = "") -> dict:
    return {"segment": {"startIndex": start, "endIndex": end, "text": words}, "groundingChunkIndices": list(indices)}


def grounded(*parts: dict, chunks: list, supports: list) -> bytes:
    return answer(*parts, groundingMetadata={"groundingChunks": chunks, "groundingSupports": supports})


def citations(*payloads: bytes) -> list[tuple[int, int, str]]:
    return [(event.start, event.end, event.url[8]) for event in read(*payloads) if isinstance(event, Citation)]


def test_byte_offsets_become_character_offsets():
    events = read(grounded(text("Grüße aus Köln."), chunks=[web(1)], supports=[support(12, 17)]))
    assert events == [TextDelta("Grüße aus Köln.")]
    events = read(grounded(text("Grüße aus Köln."), chunks=[web(1)], supports=[support(12, 17, 0, words="Köln")]))
    assert events[-1] == Citation(10, 14, "Page 1", "https://1.example")


@pytest.mark.parametrize(
    ("chunk", "source"),
    [
        ({"maps": {"uri": "https://m", "title": "M", "text": "t"}}, ("M", "https://m")),
        ({"retrievedContext": {"uri": "https://r", "title": "R"}}, ("R", "https://r")),
        ({"image": {"sourceUri": "https://i", "imageUri": "https://x", "title": "I"}}, ("I", "https://i")),
        ({"web": {"title": "no address"}}, None),
        ({}, None),
    ],
)
def test_sources(chunk, source):
    found = [
        event for event in read(grounded(text("abc"), chunks=[chunk], supports=[support(0, 3, 0)])) if isinstance(event, Citation)
    ]
    assert found == ([Citation(0, 3, *source)] if source else [])


def test_offsets_count_over_the_whole_text_of_a_stream():
    assert citations(
        answer(text("Ä. ")),
        grounded(text("Ö."), chunks=[web(1), web(2)], supports=[support(0, 3, 0), support(4, 7, 0, 1)]),
    ) == [(0, 2, "1"), (3, 5, "1"), (3, 5, "2")]


def test_new_sources_of_a_stream_are_counted_on():
    first = grounded(text("one "), chunks=[web(1)], supports=[support(0, 3, 0)])
    second = grounded(text("two"), chunks=[web(2)], supports=[support(4, 7, 1)])
    assert citations(first, second) == [(0, 3, "1"), (4, 7, "2")]


def test_sources_told_again_are_not_cited_again():
    first = grounded(text("one "), chunks=[web(1)], supports=[support(0, 3, 0)])
    second = grounded(text("two"), chunks=[web(1), web(2)], supports=[support(0, 3, 0), support(4, 7, 1)])
    assert citations(first, second, second) == [(0, 3, "1"), (4, 7, "2")]


def test_a_segment_that_counts_from_its_own_part_is_found_by_its_text():
    assert citations(grounded(text("ää "), text("öö"), chunks=[web(1)], supports=[support(0, 4, 0, words="öö")])) == [(3, 5, "1")]


def test_text_that_google_does_not_count_moves_what_follows():
    code = {"executableCode": {"language": "PYTHON", "code": "1"}}
    inserted = len("\n```python\n1\n```\n")
    supports = [support(0, 2, 0), support(2, 4, 0), support(0, 4, 0)]
    assert citations(grounded(text("ab"), code, text("cd"), chunks=[web(1)], supports=supports)) == [
        (0, 2, "1"),
        (2 + inserted, 4 + inserted, "1"),
        (0, 4 + inserted, "1"),
    ]


@pytest.mark.parametrize("supports", [[support(0, 3, 5)], [support(0, 3, -1)], [support(0, 3)], [{"groundingChunkIndices": []}]])
def test_supports_of_nothing_are_no_citations(supports):
    assert citations(grounded(text("abc"), chunks=[web(1)], supports=supports)) == []


def test_offsets_beyond_the_text_end_with_it():
    assert citations(grounded(text("abc"), chunks=[web(1)], supports=[support(-5, 99, 0)])) == [(0, 3, "1")]


@pytest.mark.parametrize("field", ["citationSources", "citations"])
def test_recited_sources_are_cited_where_they_have_an_address(field):
    sources = [{"startIndex": 2, "endIndex": 5, "uri": "https://1.example", "license": "mit"}, {"endIndex": 2, "license": "mit"}]
    assert citations(answer(text("ä bc"), citationMetadata={field: sources})) == [(1, 4, "1")]


@settings(max_examples=150, deadline=None)
@given(pieces=st.lists(st.text(alphabet="aä€𝄞", min_size=1, max_size=5), min_size=1, max_size=5), data=st.data())
def test_a_citation_marks_the_very_text_that_google_meant(pieces, data):
    whole = "".join(pieces)
    start = data.draw(st.integers(0, len(whole) - 1))
    end = data.draw(st.integers(start + 1, len(whole)))
    offsets = len(whole[:start].encode()), len(whole[:end].encode())
    last = grounded(chunks=[web(1)], supports=[support(*offsets, 0, words=whole[start:end])])
    assert citations(*(answer(text(piece)) for piece in pieces), last) == [(start, end, "1")]


# --- What is no answer ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b'{"error":{"code":429,"message":"slow down","status":"RESOURCE_EXHAUSTED"}}', 429),
        (b'[{"error":{"code":503}}]', 503),
        (b'{"error":{"message":"no code"}}', 500),
        (b'{"error":{"code":"503"}}', 500),
        (b'{"error":{"code":14}}', 500),
        (b'{"error":"text"}', 500),
    ],
)
def test_errors_in_place_of_an_answer(payload, status):
    with pytest.raises(ErrorEvent) as error:
        reader().read(payload)
    assert (error.value.status, error.value.body) == (status, payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"null",
        b"5",
        b'"text"',
        b"<html>",
        b'{"candidates":{}}',
        b'{"candidates":[{"content":{"parts":[5]}}]}',
        b"\xff{}",
    ],
)
def test_what_cannot_be_read_is_told_so(payload):
    with pytest.raises(MalformedAnswer):
        reader().read(payload)


# --- Whole and in pieces --------------------------------------------------------------------------------------------

parts = st.one_of(
    st.text(alphabet="ab ä", min_size=1, max_size=6).map(text),
    st.text(alphabet="ab", min_size=1, max_size=6).map(lambda words: {"text": words, "thought": True}),
    st.builds(
        call,
        st.sampled_from(("f", "g")),
        id=st.sampled_from(("1", "2", "")),
        args=st.dictionaries(st.text(max_size=2), st.integers()),
    ),
    st.just({"inlineData": {"mimeType": "image/png", "data": "AAAA"}}),
    st.just({"executableCode": {"language": "PYTHON", "code": "1"}}),
)


def collected(events: list) -> list:
    """The events with neighbouring texts joined, without usage."""
    joined: list = []
    for event in events:
        if joined and type(joined[-1]) is type(event) and isinstance(event, TextDelta | ThoughtDelta):
            joined[-1] = type(event)(joined[-1].text + event.text)
        elif not isinstance(event, UsageReport):
            joined.append(event)
    return joined


@settings(max_examples=150, deadline=None)
@given(said=st.lists(parts, max_size=6), reason=st.sampled_from(("STOP", "MAX_TOKENS", "SAFETY", "OTHER")), data=st.data())
def test_a_whole_answer_is_the_collected_stream(said, reason, data):
    pieces = []
    for part in said:
        words = part.get("text", "")
        cut = data.draw(st.integers(0, len(words)))
        pieces += [part | {"text": words[:cut]}, part | {"text": words[cut:]}] if words else [part]
    stream = [answer(piece) for piece in pieces] + [answer(text(""), reason=reason)]
    assert collected(read(*stream)) == collected(read(answer(*said, reason=reason)))


# --- Ratings --------------------------------------------------------------------------------------------------------

HATE = {"category": "HARM_CATEGORY_HATE_SPEECH", "probability": "LOW"}
BLOCKED = {"category": "HARM_CATEGORY_HARASSMENT", "probability": "HIGH", "blocked": True}


def test_ratings_of_the_answer_come_before_what_they_rate():
    ratings = [SafetyRating("HARM_CATEGORY_HATE_SPEECH", "LOW"), SafetyRating("HARM_CATEGORY_HARASSMENT", "HIGH", blocked=True)]
    payload = answer(text("a"), reason="SAFETY", safetyRatings=[HATE, BLOCKED])
    assert read(payload, rated=True) == [*ratings, TextDelta("a"), Finished("content_filter", "SAFETY")]


def test_ratings_of_a_blocked_prompt():
    payload = json.dumps({"promptFeedback": {"blockReason": "SAFETY", "safetyRatings": [HATE]}}).encode()
    rating = SafetyRating("HARM_CATEGORY_HATE_SPEECH", "LOW")
    assert read(payload, rated=True) == [rating, Finished("content_filter", "SAFETY")]


def test_nobody_else_gets_ratings():
    assert read(answer(text("a"), safetyRatings=[HATE])) == [TextDelta("a")]


@pytest.mark.parametrize("ratings", [None, 7, [7], [{"category": 7}], {"a": 1}], ids=str)
def test_ratings_that_cannot_be_read_leave_the_answer_alone(ratings):
    assert read(answer(text("a"), safetyRatings=ratings), rated=True) == [TextDelta("a")]
