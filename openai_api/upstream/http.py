"""The one HTTP session of the hot path, and the only file that knows which library it is.

Rare calls (model listings, checks) go through httpx where they are made; this is for what every request pays.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache, partial
from types import SimpleNamespace
from typing import Any, NoReturn
from urllib.request import getproxies, proxy_bypass

import aiohttp
from msgspec import Struct
from yarl import URL

from credentials.health import Outcome
from openai_api.request_log.recording import call_of_attempt
from openai_api.translation.splicing import Streamed
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.refusals import Refusal, read_refusal

MOST_ERROR_BYTES = 256 * 1024


ReadRefusal = Callable[[int, bytes, Mapping[str, str]], Refusal]
"""(status, body, headers) → what it means"""


def of_google(status: int, body: bytes, _headers: Mapping[str, str]) -> Refusal:
    return read_refusal(status, body)


class Answer(Struct, frozen=True):
    headers: Mapping[str, str]
    """Whatever the case of their names."""
    chunks: AsyncIterator[bytes]
    close: Callable[[], None]
    """Nothing more is wanted: the upstream learns it now, and not only when the answer is left."""


class _Connection:
    """What the session's tracing tells about the connection that one request went over."""

    is_new = False


async def _note_new(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if isinstance(context.trace_request_ctx, _Connection):
        context.trace_request_ctx.is_new = True


class HttpClient:
    """Opened once per process. Times are seconds."""

    def __init__(self, *, connections: int, connect_timeout: float, read_timeout: float) -> None:
        self.read_timeout = read_timeout
        self._connections = connections
        self._connect_timeout = connect_timeout
        self._session: aiohttp.ClientSession | None = None
        self._fresh: aiohttp.ClientSession | None = None

    def open(self) -> None:
        tls = ssl.create_default_context()
        self._session = self._make(aiohttp.TCPConnector(limit=self._connections, keepalive_timeout=60, ssl=tls))
        # Where a kept connection turned out to be dead the others may be too, so the second try never takes a kept one.
        self._fresh = self._make(aiohttp.TCPConnector(limit=self._connections, force_close=True, ssl=tls))

    async def close(self) -> None:
        for session in (self._session, self._fresh):
            if session is not None:
                await session.close()

    @asynccontextmanager
    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | Streamed = b"",
        seconds: float,
        once: bool = False,
        refused: ReadRefusal = of_google,
    ) -> AsyncGenerator[Answer, None]:
        """Send, and give the bytes of a 200 as they come. Raises UpstreamRefused for every other end.

        `seconds` is what the whole may take. `once`: the server takes it one time only, so it goes over a new connection: of
        one that was kept, nobody knows what the server has read before it broke.

        Leaving before the last byte closes the connection, which is how the upstream learns that nobody listens.
        """
        connection = _Connection()
        recorded = call_of_attempt(method, url, headers, body)
        address, proxy = _route(url)
        send = partial(
            _request,
            method=method,
            url=address,
            body=body,
            headers=headers,
            allow_redirects=False,
            proxy=proxy,
            trace_request_ctx=connection,
            # To aiohttp no seconds, or fewer, are all the time in the world.
            timeout=aiohttp.ClientTimeout(
                total=max(seconds, 0.001), sock_connect=self._connect_timeout, sock_read=self.read_timeout
            ),
        )
        try:
            try:
                response = await send(_opened(self._fresh if once else self._session))
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if connection.is_new:
                    raise
                # It had been kept, and the server has closed it meanwhile: that says nothing about the server's health.
                response = await send(_opened(self._fresh))
            async with response:
                chunks: AsyncIterator[bytes] = response.content.iter_any()
                if recorded is not None:
                    recorded.answered(response.status, response.headers.get("Content-Type", ""))
                    chunks = recorded.overheard(chunks)
                if response.status != 200:
                    raise UpstreamRefused(refused(response.status, await _error_body(chunks), response.headers))
                yield Answer(response.headers, chunks, response.close)
        except (aiohttp.ClientError, TimeoutError) as error:
            _raise_failed(error)

    def _make(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_start.append(_note_new)
        return aiohttp.ClientSession(
            connector=connector,
            trace_configs=[tracing],
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "castor", "Accept-Encoding": "identity"},
        )


async def _request(
    session: aiohttp.ClientSession, *, method: str, body: bytes | Streamed, headers: Mapping[str, str], **options: Any
) -> aiohttp.ClientResponse:
    if isinstance(body, bytes):
        return await session.request(method, data=body, headers=headers, **options)
    headers = {**headers, "Content-Length": str(body.size)}
    return await session.request(method, data=_read(body), headers=headers, **options)


async def _read(body: Streamed) -> AsyncGenerator[bytes, None]:
    for piece in body:
        yield piece


def _opened(session: aiohttp.ClientSession | None) -> aiohttp.ClientSession:
    if session is None:
        raise RuntimeError("HttpClient.open() has not been called")
    return session


@lru_cache(maxsize=1000)
def _route(url: str) -> tuple[URL, str | None]:
    """The address, and the proxy on the way to it (HTTPS_PROXY, HTTP_PROXY, NO_PROXY).

    Found once per URL: aiohttp itself would look for the proxy in a thread, at each request.
    """
    address = URL(url)
    return address, None if proxy_bypass(address.host or "") else getproxies().get(address.scheme)


async def _error_body(chunks: AsyncIterator[bytes]) -> bytes:
    """The body of a refusal, as far as it can matter."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) >= MOST_ERROR_BYTES:
            break
    return bytes(body[:MOST_ERROR_BYTES])


def _raise_failed(error: Exception) -> NoReturn:
    raise UpstreamRefused(
        Refusal(outcome=Outcome.UPSTREAM_FAILED, status=504 if isinstance(error, TimeoutError) else 502, message=_in_words(error))
    ) from error


def _in_words(error: Exception) -> str:
    match error:
        case aiohttp.ClientConnectorDNSError():
            return "The upstream's host name could not be resolved."
        case aiohttp.ClientSSLError():
            return "No secure connection to the upstream could be made."
        case aiohttp.ConnectionTimeoutError():
            return "The upstream did not accept a connection in time."
        case aiohttp.ClientConnectorError():
            return "The upstream refused the connection."
        case TimeoutError():
            return "The upstream sent nothing for too long."
        case aiohttp.ClientPayloadError():
            return "The upstream's answer broke off."
        case _:
            return "The connection to the upstream was lost."
