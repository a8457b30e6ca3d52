"""What is kept of texts of any length, however they are cut."""

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api.request_log.excerpt import LEAST, Excerpt

PICTURE = base64.b64encode(bytes(range(256)) * 40).decode()
SHOWN = f"{PICTURE[:40]}… ({len(PICTURE)} characters)"


def kept(data: bytes, *, most: int = 10_000, size: int = 0) -> Excerpt:
    """`size`: bytes that come at once; 0: all of them."""
    excerpt = Excerpt(most)
    for start in range(0, len(data), size or len(data) or 1):
        excerpt.take(data[start : start + (size or len(data))])
    return excerpt


@pytest.mark.parametrize("size", [0, 1, 7, 100, 1000, 70_000])
@pytest.mark.parametrize("repeats", [1, 12], ids=["short", "longer than what is looked at in one go"])
def test_a_file_in_base64_is_kept_by_its_beginning_and_its_length(size, repeats):
    data = json.dumps({"say": "what is it?", "url": f"data:image/png;base64,{PICTURE * repeats}", "after": "é"}).encode()
    text = kept(data, size=size).text
    url = f"data:image/png;base64,{PICTURE[:40]}… ({len(PICTURE) * repeats} characters)"
    # `/` belongs to the letters of base64: the type of the picture does too, but for its separators.
    assert json.loads(text) == {"say": "what is it?", "url": url, "after": "é"}


@pytest.mark.parametrize("before", ["\\n", "\\\\", "\\/ ", '"', "=="])
def test_a_run_is_shortened_whatever_stands_before_it(before):
    text = kept(f"{before}{PICTURE} \\/ and more".encode()).text
    assert text.endswith(" \\/ and more")
    assert len(text) < 100


@pytest.mark.parametrize("run", ["a" * (LEAST - 1), "a" * (LEAST - 1) + " \\/", "\\/" * 255])
def test_many_runs_that_are_almost_long_enough_are_looked_at_once(run):
    """At each of their letters it would take many seconds."""
    text = f"{run} " * 2000
    assert kept(text.encode(), most=10_000_000).text == text


def test_base64_whose_slashes_are_escaped_is_shortened_too():
    data = json.dumps({"data": PICTURE, "then": "more"}).replace("/", "\\/").encode()
    assert json.loads(kept(data).text)["then"] == "more"
    assert len(kept(data).text) < 200


@pytest.mark.parametrize("size", [0, 1, 7, 512])
@pytest.mark.parametrize(
    "text",
    [
        "a word and more " * 300,
        json.dumps({"content": "你好，世界。" * 200}),  # As Python writes it: no blank, and no base64.
        "a" * (LEAST - 1) + " " + "b" * (LEAST - 1),
        "x\\n" * 500,
        "",
        "\\",
    ],
    ids=["words", "escaped Chinese", "long words", "escaped lines", "nothing", "a backslash"],
)
def test_what_is_no_file_is_kept_as_it_is(text, size):
    assert kept(text.encode(), size=size).text == text


@given(st.text(max_size=3000), st.integers(1, 700))
@settings(max_examples=60)
def test_texts_without_files_come_through_however_they_are_cut(text, size):
    if not any(len(word) >= LEAST for word in text.split()):
        assert kept(text.encode(), most=100_000, size=size).text == text


@pytest.mark.parametrize("size", [0, 1, 100])
def test_no_more_is_kept_than_is_allowed_and_the_size_is_told(size):
    excerpt = kept("é".encode() * 3000, most=1001, size=size)
    assert excerpt.is_cut
    assert excerpt.size == 6000
    assert excerpt.text == "é" * 500
    assert excerpt.held <= 1001 + LEAST


def test_what_fits_exactly_is_not_called_cut():
    excerpt = kept(b"four", most=4)
    assert (excerpt.text, excerpt.is_cut) == ("four", False)


def test_the_word_that_a_cut_goes_through_is_left_out_since_it_may_be_half_a_secret():
    secret = "AIzaSyC0123456789-0123456789"
    excerpt = kept(f"my key is {secret} and more".encode(), most=20)
    assert excerpt.text == "my key is "


def test_a_file_behind_which_there_is_more_does_not_use_up_the_room():
    excerpt = kept((PICTURE * 50 + " and then?").encode(), most=1000)
    assert excerpt.text.endswith(" and then?")
    assert not excerpt.is_cut
