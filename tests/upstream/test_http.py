import asyncio
from contextlib import asynccontextmanager

import pytest

from credentials.health import Outcome
from openai_api.upstream import http
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.http import HttpClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Server:
    """Speaks just enough HTTP. `answers` says, request by request, what is sent; None: the connection is closed instead."""

    def __init__(self, *answers) -> None:
        self.answers = list(answers)
        self.connections = 0
        self.requests: list[bytes] = []
        self.hung_up = asyncio.Event()
        self.url = ""
        self.writers: list[asyncio.StreamWriter] = []

    async def serve(self, reader, writer) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                self.requests.append(head + await reader.readexactly(2))
                answer = self.answers.pop(0)
                if answer is None:
                    break
                writer.write(answer)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            self.hung_up.set()
        writer.close()


@asynccontextmanager
async def running(*answers):
    server = Server(*answers)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/"
    yield server
    for writer in server.writers:
        writer.close()
    listening.close()


@asynccontextmanager
async def opened(**limits):
    client = HttpClient(**{"connections": 10, "connect_timeout": 5, "read_timeout": 5, **limits})
    client.open()
    yield client
    await client.close()


async def posted(client, url, *, seconds=10.0) -> bytes:
    async with client.send("POST", url, headers={"x-goog-api-key": "secret"}, body=b"{}", seconds=seconds) as answer:
        return b"".join([chunk async for chunk in answer.chunks])


async def refusal(client, url, **limits):
    with pytest.raises(UpstreamRefused) as caught:
        await posted(client, url, **limits)
    return caught.value.refusal


async def test_a_connection_is_kept_for_the_next_request():
    async with running(OK, OK) as server, opened() as client:
        assert [await posted(client, server.url) for _ in range(2)] == [b"hello", b"hello"]
        assert server.connections == 1


async def test_a_kept_connection_that_the_server_has_closed_is_no_failure():
    async with running(OK, None, OK) as server, opened() as client:
        await posted(client, server.url)
        assert await posted(client, server.url) == b"hello"
        assert server.connections == 2


async def test_a_new_connection_that_is_closed_is_a_failure_and_is_not_tried_again_here():
    async with running(None, OK) as server, opened() as client:
        found = await refusal(client, server.url)
        assert (found.outcome, server.connections) == (Outcome.UPSTREAM_FAILED, 1)


async def test_a_server_that_is_not_there_is_a_failure_in_plain_words():
    async with running() as server:
        url = server.url
    async with opened() as client:
        found = await refusal(client, url)
    assert (found.outcome, found.message) == (Outcome.UPSTREAM_FAILED, "The upstream refused the connection.")


async def test_a_host_name_that_does_not_exist_is_a_failure_in_plain_words():
    async with opened() as client:
        found = await refusal(client, "http://no-such-host.invalid/")
    assert found.message == "The upstream's host name could not be resolved."


async def test_a_server_that_says_nothing_is_given_up_after_the_read_timeout():
    async with running(b"") as server, opened(read_timeout=0.05) as client:
        found = await refusal(client, server.url)
    assert (found.outcome, found.status) == (Outcome.UPSTREAM_FAILED, 504)


async def test_an_answer_may_take_no_longer_than_it_is_given():
    async with running(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe") as server, opened() as client:
        found = await refusal(client, server.url, seconds=0.05)
    assert found.status == 504


async def test_an_answer_that_ends_before_its_length_broke_off():
    async with running(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello") as server, opened() as client:
        asyncio.get_running_loop().call_later(0.05, lambda: [writer.close() for writer in server.writers])
        found = await refusal(client, server.url)
    assert found.message == "The upstream's answer broke off."


async def test_an_endless_error_body_is_read_only_as_far_as_it_can_matter():
    endless = b"HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    async with running(endless + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 20) as server, opened() as client:
        found = await refusal(client, server.url)
    assert found.outcome is Outcome.UPSTREAM_FAILED


async def test_a_redirect_is_not_followed_and_the_key_stays_here():
    async with running(OK) as elsewhere:
        moved = b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: " + elsewhere.url.encode() + b"\r\n\r\n"
        async with running(moved) as server, opened() as client:
            await refusal(client, server.url)
        assert elsewhere.requests == []


async def test_leaving_early_closes_the_connection():
    stream = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"
    async with running(stream) as server, opened() as client:
        async with client.send("POST", server.url, headers={}, body=b"{}", seconds=10) as answer:
            assert await anext(answer.chunks) == b"hello"
        await asyncio.wait_for(server.hung_up.wait(), 5)


@pytest.fixture
def _routes_forgotten():
    http._route.cache_clear()
    yield
    http._route.cache_clear()


@pytest.mark.usefixtures("_routes_forgotten")
async def test_the_proxy_of_the_environment_is_used(monkeypatch):
    async with running(OK) as proxy, opened() as client:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "")
        assert await posted(client, "http://google.example/v1beta/models") == b"hello"
        assert proxy.requests[0].startswith(b"POST http://google.example/v1beta/models HTTP/1.1")


@pytest.mark.usefixtures("_routes_forgotten")
async def test_hosts_that_need_no_proxy_are_asked_directly(monkeypatch):
    async with running() as proxy, running(OK) as server, opened() as client:
        monkeypatch.setenv("http_proxy", proxy.url)
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert await posted(client, server.url) == b"hello"
        assert proxy.connections == 0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
async def test_no_time_left_is_not_all_the_time_in_the_world(seconds):
    async with running(b"") as server, opened(read_timeout=60) as client:
        async with asyncio.timeout(5):
            assert (await refusal(client, server.url, seconds=seconds)).status == 504
