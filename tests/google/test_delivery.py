"""How answers travel, and every way in which they can fail to arrive (section 1.13 and the scripts' `ends`)."""

import json
import socket

import httpx
import pytest

from tests.google import GoogleSimulator
from tests.google.asking import FLASH, FLASH_25, ask, parts, said, saying, stream

SSE = "streamGenerateContent?alt=sse"
KEY = {"x-goog-api-key": "test-key-1"}


def url(google, method=SSE, model=FLASH_25):
    return f"{google.url}/v1beta/models/{model}:{method}"


def received(google, method=SSE):
    """The bytes that arrived, and the error that ended them."""
    data = b""
    try:
        with httpx.stream("POST", url(google, method), json=saying("one two three four five six seven"), headers=KEY) as response:
            for piece in response.iter_raw():
                data += piece
    except httpx.TransportError as error:
        return data, type(error)
    return data, None


def test_events_are_framed_with_crlf_and_nothing_marks_the_end(google):
    response = ask(google, saying(), method=SSE)
    assert response.headers["content-type"] == "text/event-stream"
    assert response.text.endswith("}\r\n\r\n")
    lines = response.text.split("\r\n")
    assert all(line.startswith("data: {") or not line for line in lines)
    assert "\n" not in response.text.replace("\r\n", "")


def test_without_alt_sse_the_stream_is_one_growing_array(google):
    response = ask(google, saying("a b c d e f"), method="streamGenerateContent")
    assert response.headers["content-type"].startswith("application/json")
    assert said(response.json()) == "echo: a b c d e f"
    assert len(response.json()) > 2


def test_without_alt_sse_errors_come_in_an_array_too(google):
    response = ask(google, {"contents": []}, method="streamGenerateContent")
    assert response.status_code == 400
    assert response.json()[0]["error"]["code"] == 400


@pytest.mark.parametrize(
    ("ends", "error"),
    [
        ("reset_before_headers", httpx.ReadError),
        ("close_before_headers", httpx.RemoteProtocolError),
        ("reset", httpx.ReadError),
        ("close", httpx.RemoteProtocolError),
    ],
)
def test_a_connection_breaks_before_any_byte_of_the_body(google, ends, error):
    google.script(ends=ends)
    assert received(google) == (b"", error)
    assert google.log[-1].status == (None if ends.endswith("before_headers") else 200)


@pytest.mark.parametrize("ends", ["reset", "close", "cut", "malformed"])
def test_a_stream_breaks_after_two_chunks(google, ends):
    google.script(ends=ends, after=2)
    data, error = received(google)
    events = data.decode().strip().split("\r\n\r\n")
    whole = [json.loads(event.removeprefix("data: ")) for event in events[:2]]
    assert said(whole) == "echo: one two three four"
    assert all("finishReason" not in chunk["candidates"][0] for chunk in whole)
    assert (error is None) == (ends in ("cut", "malformed"))
    assert len(events) == (3 if ends == "malformed" else 2)


def test_a_cut_stream_ends_properly_but_unfinished_even_at_its_last_chunk(google):
    google.script(text="short", ends="cut", after=9)
    data, error = received(google)
    assert error is None
    assert b"finishReason" not in data


@pytest.mark.parametrize(("ends", "error"), [("reset", httpx.ReadError), ("close", httpx.RemoteProtocolError), ("cut", None)])
def test_a_whole_answer_breaks_in_its_midst(google, ends, error):
    google.script(ends=ends, after=1)
    data, raised = received(google, "generateContent")
    assert raised == error
    assert data.startswith(b'{\n  "candidates"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(data)


@pytest.mark.parametrize("ends", ["error", "bare_error"])
def test_an_error_follows_in_a_stream_that_began_well(google, ends):
    google.script(ends=ends, error="overloaded", after=1)
    data, error = received(google)
    assert error is None
    first, rest = data.decode().split("\r\n\r\n", 1)
    assert said(json.loads(first.removeprefix("data: "))) == "echo: one"
    assert rest.startswith("data: {" if ends == "error" else "{\r\n")
    assert json.loads(rest.removeprefix("data: "))["error"]["status"] == "UNAVAILABLE"
    assert google.log[-1].refused == "The model is overloaded. Please try again later."


def test_a_stall_lasts_until_the_caller_goes(google):
    google.script(ends="stall", after=1)
    with httpx.stream("POST", url(google), json=saying(), headers=KEY, timeout=20) as response:
        chunks = response.iter_raw()  # Held on to: a forgotten iterator closes the response.
        assert next(chunks).startswith(b"data: ")
        assert not google.log[-1].client_closed
    google.wait_until(lambda log: log[-1].ended)
    call = google.log[-1]
    assert call.client_closed
    assert call.started <= call.first_byte <= call.client_closed_at <= call.ended


def test_a_caller_who_hears_everything_has_not_closed(google):
    ask(google, saying(), method=SSE)
    google.wait_until(lambda log: log[-1].ended)
    assert not google.log[-1].client_closed


@pytest.mark.parametrize("field", ["delay", "first_byte_delay"])
def test_a_delay_holds_back_the_headers_or_the_body(google, field):
    google.script(**{field: 60})
    with socket.create_connection(("127.0.0.1", int(google.url.rsplit(":", 1)[1]))) as caller:
        body = json.dumps(saying())
        head = f"POST {url(google).removeprefix(google.url)} HTTP/1.1\r\nhost: x\r\nx-goog-api-key: test-key-1\r\n"
        caller.sendall(f"{head}content-length: {len(body)}\r\n\r\n{body}".encode())
        google.wait_until(lambda log: log and log[-1].project)
        if field == "first_byte_delay":
            assert caller.recv(12) == b"HTTP/1.1 200"
        assert google.log[-1].first_byte is None
    google.wait_until(lambda log: log[-1].client_closed)
    assert google.log[-1].status == (200 if field == "first_byte_delay" else None)


def test_chunks_are_held_back_one_by_one(google):
    google.script(chunk_delay=60)
    with httpx.stream("POST", url(google), json=saying("a b c d e f"), headers=KEY, timeout=20) as response:
        chunks = response.iter_raw()
        first = next(chunks)
    assert first.count(b"data: ") == 1
    google.wait_until(lambda log: log[-1].client_closed)
    assert google.log[-1].chunks_sent == 1


def test_pings_alone(google):
    google.script(pings=3, chunks=[])
    assert received(google) == (b": ping\r\n\r\n" * 3, None)


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 7])
def test_the_bytes_may_be_cut_anywhere(google, newline, size):
    google.script(text="Grüße 👋", newline=newline, cut_every=size)
    data, error = received(google)
    text = data.decode()
    assert error is None
    assert google.log[-1].chunks_sent == -(-len(data) // size)
    assert text.count(newline * 2) == len(text.strip().split(newline * 2))
    assert said([json.loads(event.removeprefix("data: ")) for event in text.strip().split(newline * 2)]) == "Grüße 👋"


def test_the_bytes_are_cut_at_the_offsets_that_were_asked_for(google):
    google.script(text="Hello", cuts=[3, 10])
    ask(google, saying(), method=SSE)
    assert google.log[-1].chunks_sent == 3


def test_a_huge_answer_waits_for_a_slow_reader(google):
    google.script(megabytes=60)
    with httpx.stream("POST", url(google), json=saying(), headers=KEY, timeout=60) as response:
        chunks = response.iter_raw()
        next(chunks)
        assert google.log[-1].ended is None
        assert google.log[-1].bytes_sent < 60_000_000
        total = sum(len(chunk) for chunk in chunks)
    assert total > 59_000_000


def test_connections_are_counted_and_numbered(google):
    before = google.connections
    with httpx.Client(headers=KEY) as client:
        for _ in range(3):
            client.get(f"{google.url}/v1beta/models")
    with httpx.Client(headers=KEY) as client:
        client.get(f"{google.url}/v1beta/models")
    assert google.connections == before + 2
    assert [call.connection - before for call in google.log] == [1, 1, 1, 2]


def test_idle_connections_can_be_closed_under_a_clients_feet(google):
    port = int(google.url.rsplit(":", 1)[1])
    request = b"GET /v1beta/models?pageSize=1 HTTP/1.1\r\nhost: x\r\nx-goog-api-key: test-key-1\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port)) as caller:
        caller.sendall(request)
        assert caller.recv(100_000).startswith(b"HTTP/1.1 200")
        google.wait_until(lambda log: log[-1].ended)
        google.close_idle_connections()
        caller.settimeout(5)
        while caller.recv(100_000):
            pass  # what is left of the answer; then nothing, which is the end


@pytest.mark.parametrize("method", [SSE, "generateContent"])
def test_an_answer_may_come_compressed(google, method):
    google.script(text="a b c d e f g", gzip=True)
    response = ask(google, saying(), method=method)
    assert response.headers["content-encoding"] == "gzip"
    assert '"a b c' in response.text


async def test_async_code_can_wait_for_the_log(google):
    async with httpx.AsyncClient(headers=KEY) as client:
        google.script(ends="stall", after=1)
        async with client.stream("POST", url(google), json=saying()):
            await google.until(lambda log: log and log[-1].chunks_sent)
    await google.until(lambda log: log[-1].client_closed)
    with pytest.raises(TimeoutError, match="1 calls are in the log"):
        await google.until(lambda log: len(log) > 1, seconds=0)


def test_one_byte_a_token_streams_in_as_many_chunks(google):
    google.script(text="a b c", tokens_per_chunk=1)
    assert [part.get("text") for part in parts(stream(google, saying(), FLASH_25))] == ["a", " b", " c"]


def test_the_simulator_stops_although_an_answer_hangs():
    google = GoogleSimulator()
    google.start()
    google.script(ends="stall", after=1)
    with httpx.stream("POST", url(google, model=FLASH), json=saying(), headers=KEY, timeout=20) as response:
        chunks = response.iter_raw()
        next(chunks)
        google.stop()
        with pytest.raises(httpx.TransportError):
            list(chunks)
