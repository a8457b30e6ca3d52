"""The filter of stop sequences: the same cut whatever the pieces in which the text came."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api.translation.events import (
    Citation,
    Event,
    Finished,
    MediaDelta,
    TextDelta,
    ThoughtDelta,
    ToolCallDelta,
    Usage,
    UsageReport,
)
from openai_api.translation.gemini.response import Reader
from openai_api.translation.sse import Decoder
from openai_api.translation.stops import StopFilter

END = Finished("stop", native="STOP")
USAGE = UsageReport(Usage(prompt=1, completion=2, total=3))
CALL = ToolCallDelta("call_1", "look", "{}")


def filtered(stops: tuple[str, ...], *batches: list[Event]) -> list[Event]:
    stop_filter = StopFilter(stops)
    return [event for batch in batches for event in stop_filter.feed(batch)]


def text_of(events: list[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, TextDelta))


def cut(text: str, stops: tuple[str, ...]) -> str:
    return text[: min((at for stop in stops if (at := text.find(stop)) >= 0), default=len(text))]


@pytest.mark.parametrize(
    ("stops", "pieces", "left"),
    [
        ((), ["all of it"], "all of it"),
        (("END",), ["before END after"], "before "),
        (("END",), ["before E", "N", "D after"], "before "),
        (("END",), ["before EN", "other"], "before ENother"),
        (("END",), ["before EN"], "before EN"),
        (("END",), ["END"], ""),
        (("b", "ab"), ["xab"], "x"),
        (("bc", "abcd"), ["xabc", "d"], "x"),
        (("bc", "abcd"), ["xabc", "e"], "xa"),
        (("bc", "abcd"), ["xabc"], "xa"),
        (("aab",), ["aa", "aa", "b"], "aa"),
        (("\n\n",), ["one\n", "two\n", "\nthree"], "one\ntwo"),
        (("❄️",), ["snow ❄", "️ falls"], "snow "),
        (("", "x"), ["text"], "te"),
    ],
)
def test_text_ends_before_the_earliest_stop(stops, pieces, left):
    assert text_of(filtered(stops, *[[TextDelta(piece)] for piece in pieces], [END])) == left


def test_a_hit_ends_the_answer_once_and_drops_what_follows():
    events = filtered(("STOP",), [TextDelta("a STOP b"), TextDelta("c")], [CALL, ThoughtDelta("hm")], [USAGE, END])
    assert events == [TextDelta("a "), Finished("stop"), USAGE]


def test_without_a_hit_every_event_passes_unchanged():
    events = [ThoughtDelta("hm"), TextDelta("hello"), CALL, MediaDelta("image/png", "aGk="), USAGE, END]
    assert filtered(("STOP",), events) == events


def test_a_filter_without_stops_hands_the_same_list_on():
    events: list[Event] = [TextDelta("hello"), END]
    assert StopFilter(("",)).feed(events) is events


@pytest.mark.parametrize("other", [CALL, ThoughtDelta("hm"), MediaDelta("image/png", "aGk="), END])
def test_held_text_is_released_before_other_content_and_at_the_end(other):
    stop_filter = StopFilter(("STOP",))
    assert stop_filter.feed([TextDelta("say ST")]) == [TextDelta("say ")]
    assert stop_filter.feed([other]) == [TextDelta("ST"), other]


def test_a_complete_stop_that_waited_for_a_longer_one_cuts_at_the_end():
    stop_filter = StopFilter(("bc", "abcd"))
    assert stop_filter.feed([TextDelta("xabc")]) == [TextDelta("x")]
    assert not stop_filter.hit
    assert stop_filter.feed([Finished("length")]) == [TextDelta("a"), Finished("stop")]
    assert stop_filter.hit


def test_usage_passes_while_text_is_held():
    stop_filter = StopFilter(("STOP",))
    assert stop_filter.feed([TextDelta("ST"), USAGE]) == [USAGE]


def test_citations_follow_the_text_that_they_cite():
    early, late = Citation(0, 2, "a", "http://a"), Citation(3, 7, "b", "http://b")
    stop_filter = StopFilter(("STOP",))
    assert stop_filter.feed([TextDelta("hi ST"), early, late]) == [TextDelta("hi "), early]
    assert stop_filter.feed([TextDelta("AY")]) == [TextDelta("STAY"), late]
    assert stop_filter.feed([END]) == [END]


def test_citations_of_text_that_was_cut_are_dropped():
    early, late = Citation(0, 2, "a", "http://a"), Citation(3, 9, "b", "http://b")
    events = filtered(("STOP",), [TextDelta("hi STOP it"), early, late, END])
    assert events == [TextDelta("hi "), early, Finished("stop")]
    events = filtered(("STOP",), [TextDelta("hi ST"), early, late], [TextDelta("OP it"), END])
    assert events == [TextDelta("hi "), early, Finished("stop")]


def test_a_citation_beyond_the_text_is_still_passed_at_the_end():
    source = Citation(0, 99, "a", "http://a")
    assert filtered(("STOP",), [TextDelta("hi"), source, END]) == [TextDelta("hi"), source, END]


def test_sources_of_what_is_left_are_named_also_where_all_came_at_once():
    before, across = Citation(0, 2, "a", "http://a"), Citation(1, 6, "b", "http://b")
    events = filtered(("STOP",), [TextDelta("hi STOP it"), before, across, CALL, USAGE, Finished("length")])
    assert events == [TextDelta("hi "), before, USAGE, Finished("stop")]


def test_an_answer_with_calls_before_the_stop_ends_in_them():
    assert filtered(("STOP",), [CALL, TextDelta("a STOP b"), END]) == [CALL, TextDelta("a "), Finished("tool_calls")]


def test_thoughts_are_not_cut():
    events = [ThoughtDelta("STOP"), TextDelta("hello"), END]
    assert filtered(("STOP",), events) == events


@pytest.mark.parametrize("tag", ["</answer>", "\nUser:", "❄️🛑", "ааб"])
def test_the_cut_is_the_same_at_every_byte_of_the_wire(tag):
    said = [f"é🙂 aа{tag[:-1]}{tag[:1]}", f" x{tag}", f"{tag} after"]
    stream = b"".join(b"data: %b\r\n\r\n" % json.dumps(_chunk(text), ensure_ascii=False).encode() for text in said)
    for at in range(len(stream)):
        decoder, reader, stop_filter = Decoder(), Reader(new_call_id=str), StopFilter(("never", tag))
        payloads = [payload for piece in (stream[:at], stream[at:]) for payload in decoder.feed(piece)]
        events = [event for payload in payloads for event in stop_filter.feed(reader.read(payload))]
        assert text_of(events) == said[0] + " x"
        assert stop_filter.hit


def _chunk(text: str) -> dict:
    return {"candidates": [{"content": {"parts": [{"text": text}]}}]}


letters = st.text(alphabet="abc", max_size=30)
some_stops = st.lists(st.text(alphabet="abc", min_size=1, max_size=5), min_size=1, max_size=4).map(tuple)


@st.composite
def pieces(draw) -> list[str]:
    text = draw(letters)
    borders = sorted(draw(st.lists(st.integers(0, len(text)), max_size=6)))
    return [text[start:end] for start, end in zip([0, *borders], [*borders, len(text)], strict=True)]


@settings(max_examples=300)
@given(some_stops, pieces())
def test_any_split_of_the_text_is_cut_like_the_whole(stops, pieces):
    stop_filter = StopFilter(stops)
    events = [event for piece in pieces for event in stop_filter.feed([TextDelta(piece)])] + stop_filter.feed([END])
    whole = "".join(pieces)
    assert text_of(events) == cut(whole, stops)
    assert [event.reason for event in events if isinstance(event, Finished)] == ["stop"]
    assert stop_filter.hit == any(stop in whole for stop in stops)


@settings(max_examples=300)
@given(some_stops, pieces())
def test_no_more_is_held_than_a_stop_could_begin_with(stops, pieces):
    stop_filter, passed, came = StopFilter(stops), "", ""
    for piece in pieces:
        came += piece
        passed += text_of(stop_filter.feed([TextDelta(piece)]))
        if stop_filter.hit:
            break
        ends = (came[at:] for at in range(len(came) + 1))
        assert came == passed + next(end for end in ends if any(stop.startswith(end) and stop != end for stop in stops))
