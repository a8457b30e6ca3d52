"""Event streams: the same payloads wherever the bytes were cut."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openai_api.translation import sse
from openai_api.translation.sse import Decoder, EventTooLarge


def decoded(*pieces: bytes) -> list[bytes]:
    decoder = Decoder()
    payloads = [payload for piece in pieces for payload in decoder.feed(piece)]
    return payloads + decoder.end()


def reference(stream: bytes) -> list[bytes]:
    """The standard's algorithm, naively: the whole stream at once, line by line. Knows no bare JSON."""
    payloads: list[bytes] = []
    data: list[bytes] = []
    for line in [*re.split(rb"\r\n|\n|\r", stream.removeprefix(b"\xef\xbb\xbf")), b""]:
        name, _, value = line.partition(b":")
        if name == b"data" and b":" in line:
            data.append(value.removeprefix(b" "))
        elif not line and data:
            payloads += [payload] if (payload := b"\n".join(data)) else []
            data = []
    return payloads


@pytest.mark.parametrize(
    ("stream", "payloads"),
    [
        pytest.param(b"", [], id="nothing"),
        pytest.param(b'data: {"a":1}\r\n\r\n', [b'{"a":1}'], id="as Google sends it"),
        pytest.param(b"data: one\n\ndata: two\n\n", [b"one", b"two"], id="two events"),
        pytest.param(b"data: one\r\rdata: two\r\r", [b"one", b"two"], id="lines that end in CR"),
        pytest.param(b"data:one\n\n", [b"one"], id="no space after the colon"),
        pytest.param(b"data:  one\n\n", [b" one"], id="only one space belongs to the field"),
        pytest.param(b"data: one\ndata: two\n\n", [b"one\ntwo"], id="several data lines are one text"),
        pytest.param(b"data: one\ndata:\ndata: two\n\n", [b"one\n\ntwo"], id="with an empty one between"),
        pytest.param(b"data:\n\n", [], id="empty data"),
        pytest.param(b": ping\n\n: ping\n\ndata: one\n\n", [b"one"], id="comments"),
        pytest.param(b"event: x\nid: 7\nretry: 3\ndata: one\n\n", [b"one"], id="other fields"),
        pytest.param(b"event: x\n\ndata: one\n\n", [b"one"], id="an event without data"),
        pytest.param(b"\xef\xbb\xbfdata: one\n\n", [b"one"], id="a byte order mark"),
        pytest.param(b"data: one", [b"one"], id="cut off in the last line"),
        pytest.param(b"data: one\n", [b"one"], id="cut off before the empty line"),
        pytest.param(b"datum: x\nfoo\ndata: one\n\n", [b"one"], id="unknown fields"),
        pytest.param("data: grüße 𝄞\r\n\r\n".encode(), ["grüße 𝄞".encode()], id="more than ASCII"),
        pytest.param(b"data: a\x0bb\x0cc\xc2\x85d\n\n", [b"a\x0bb\x0cc\xc2\x85d"], id="what Python alone calls line ends"),
        pytest.param(b"data: [DONE]\n\n", [b"[DONE]"], id="OpenAI's end"),
        pytest.param(b'{"error": {"code": 503}}', [b'{"error": {"code": 503}}'], id="an error on one line"),
        pytest.param(
            b'data: {"a":1}\r\n\r\n{\n  "error": {\n    "message": "}{ \\" ]",\n    "code": 503\n  }\n}\n',
            [b'{"a":1}', b'{\n  "error": {\n    "message": "}{ \\" ]",\n    "code": 503\n  }\n}'],
            id="an error on several lines, with brackets in a text",
        ),
        pytest.param(b'[{\n"error": {"code": 1}\n}\n]\n', [b'[{\n"error": {"code": 1}\n}\n]'], id="an error in an array"),
        pytest.param(b'{"error": 1}\n\ndata: one\n\n', [b'{"error": 1}', b"one"], id="an event after an error"),
        pytest.param(b'{"error":\ndata: one\n\n', [b'{"error":', b"one"], id="an event within a broken error"),
        pytest.param(b'{"error": {', [b'{"error": {'], id="a broken error at the end"),
        pytest.param(b'data: one\n{"error": 1}\n', [b"one", b'{"error": 1}'], id="an error after an unfinished event"),
        pytest.param(b"<html>\n<body>Sorry</body>\n</html>\n", [], id="a page"),
    ],
)
def test_payloads(stream, payloads):
    assert decoded(stream) == payloads
    assert decoded(*(stream[i : i + 1] for i in range(len(stream)))) == payloads


def test_payloads_come_as_soon_as_their_event_is_whole():
    decoder = Decoder()
    assert decoder.feed(b"data: on") == []
    assert decoder.feed(b"e\r\n") == []
    assert decoder.feed(b"\r") == [b"one"]
    assert decoder.feed(b"\ndata: two\n\n") == [b"two"]
    assert decoder.end() == []


lines = st.one_of(
    st.sampled_from(
        (b"", b"", b"data:", b"data: ", b"data", b": c", b"event: e", b"id:", b"x", b"dat", b" data: y", b"\xef\xbb\xbf")
    ),
    st.binary(max_size=6).map(lambda raw: b"data: " + raw.translate(None, b"\r\n")),
)
streams = st.lists(st.tuples(lines, st.sampled_from((b"\n", b"\r\n", b"\r"))), max_size=12).map(
    lambda parts: b"".join(line + end for line, end in parts)
)


@st.composite
def cut_streams(draw: st.DrawFn) -> list[bytes]:
    stream = draw(st.booleans().map(lambda mark: b"\xef\xbb\xbf" * mark)) + draw(streams) + draw(lines)
    cuts = sorted(draw(st.sets(st.integers(0, len(stream)))))
    return [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]


@settings(max_examples=500, deadline=None)
@given(pieces=cut_streams())
def test_any_cut_gives_what_the_standard_says(pieces):
    assert decoded(*pieces) == reference(b"".join(pieces))


def test_a_long_line_in_small_pieces_is_joined_only_once():
    class Counting(bytes):
        copied = 0

        def splitlines(self, keepends=False):
            Counting.copied += len(self)
            return super().splitlines(keepends)

    line = b"data: " + b"x" * 800_000
    decoder = Decoder()
    for start in range(0, len(line), 100):
        assert decoder.feed(Counting(line[start : start + 100])) == []
    assert decoder.feed(b"\n\n") == [line[6:]]
    assert Counting.copied == len(line)


@pytest.mark.parametrize("piece", [b"data: " + b"x" * 34, b"data: " + b"x" * 40 + b"\n", b"{" + b" " * 39 + b"\n"])
def test_an_event_may_not_grow_without_end(piece, monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    assert decoded(piece, piece)
    with pytest.raises(EventTooLarge):
        decoded(piece, piece, piece)


def test_many_events_may_be_longer_together_than_one_alone(monkeypatch):
    monkeypatch.setattr(sse, "MAX_EVENT_BYTES", 100)
    decoder = Decoder()
    stream = b"data: " + b"x" * 60 + b"\n\n" + b"{" + b" " * 60 + b"}\n"
    payloads = [payload for _ in range(50) for payload in decoder.feed(stream[:30]) + decoder.feed(stream[30:])]
    assert len(payloads) == 100
