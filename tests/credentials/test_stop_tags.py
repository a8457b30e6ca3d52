"""Stop tags as people write them: in settings and headers, and one a line."""

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given, settings
from hypothesis import strategies as st

from credentials.roster import Route
from credentials.routing import Step
from credentials.stop_tags import LONGEST_TAG, MOST_TAGS, InvalidTags, read_lines, read_tags, write_lines
from openai_api.manner import Manner
from proxy_site.environment import Env


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("", ()),
        (" , ,", ()),
        ("[]", ()),
        ("</answer>", ("</answer>",)),
        (" a , b b ,a", ("a", "b b")),
        ("[END], [STOP]", ("[END]", "[STOP]")),
        ("[END]", ("[END]",)),
        ("Стоп,🛑", ("Стоп", "🛑")),
        (r'["\nUser:", " a, b ", "\u0421\u0442\u043e\u043f", "", "\ud83d\uded1"]', ("\nUser:", " a, b ", "Стоп", "🛑")),
        (' [ "a" ] ', ("a",)),
        ("x" * LONGEST_TAG, ("x" * LONGEST_TAG,)),
        (",".join(map(str, range(MOST_TAGS))), tuple(map(str, range(MOST_TAGS)))),
    ],
)
def test_what_is_read(text, tags):
    assert read_tags(text) == tags


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "texts only"),
        ("[null]", "texts only"),
        ('["a", 1]', "texts only"),
        ('["a"', "like a JSON list"),
        ('["a"], ["b"]', "like a JSON list"),
        (r'["\ud800"]', "like a JSON list"),
        ("x" * (LONGEST_TAG + 1), "longer than 200"),
        (",".join(map(str, range(MOST_TAGS + 1))), "they are 21"),
    ],
)
def test_what_is_refused(text, said):
    with pytest.raises(InvalidTags, match=said):
        read_tags(text)


@settings(max_examples=100)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8), max_size=5, unique=True))
def test_lines_are_read_as_they_were_written(tags):
    assert read_lines(write_lines(tags)) == tuple(tags)


def test_a_wrong_setting_is_one_sentence(monkeypatch):
    monkeypatch.setenv("STOP_TAGS", '["a"')
    with pytest.raises(ImproperlyConfigured, match=r"STOP_TAGS must be stop tags.*begin like a JSON list") as caught:
        Env().stop_tags("STOP_TAGS")
    assert "\n" not in str(caught.value)


def test_a_setting_may_begin_with_a_dollar(monkeypatch):
    monkeypatch.setenv("STOP_TAGS", "$end, $x")
    assert Env().stop_tags("STOP_TAGS") == ("$end", "$x")


@pytest.mark.parametrize(("text", "means"), [("", None), ("true", True), ("No", False)])
def test_whether_to_stream_internally_may_be_left_open(monkeypatch, text, means):
    monkeypatch.setenv("STREAM_INTERNALLY", text)
    assert Env().flag("STREAM_INTERNALLY", None) is means


OF_SETTINGS = Manner(("setting",), True)


@pytest.mark.parametrize(
    ("route", "given", "manner"),
    [
        (None, None, OF_SETTINGS),
        (None, ("header",), Manner(("header",), True)),
        (None, (), Manner((), True)),
        (Route("*"), None, OF_SETTINGS),
        (Route("*", stop_tags=("route",)), None, Manner(("route",), True)),
        (Route("*", stop_tags=("route",), stream_internally=False), ("header",), Manner(("header",), False)),
        (Route("*", stop_tags=("route",), stream_internally=True), (), Manner((), True)),
    ],
)
def test_the_most_specific_wins_whole(route, given, manner):
    assert OF_SETTINGS.on(Step("m", route=route), given) == manner
