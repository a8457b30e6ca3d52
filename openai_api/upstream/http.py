"""The one HTTP session of the hot path, and the only file that knows which library it is.

Rare calls (model listings, checks) go through httpx where they are made; this is for what every request pays.
"""

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from types import SimpleNamespace
from typing import NoReturn
from urllib.request import getproxies, proxy_bypass

import aiohttp
from yarl import URL

from credentials.health import Outcome
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.refusals import Refusal, read_refusal

MOST_ERROR_BYTES = 256 * 1024


class _Connection:
    """What the session's tracing tells about the connection that one request went over."""

    is_new = False


async def _note_new(_session: aiohttp.ClientSession, context: SimpleNamespace, _params: object) -> None:
    if isinstance(context.trace_request_ctx, _Connection):
        context.trace_request_ctx.is_new = True


class HttpClient:
    """Opened once per process. Times are seconds."""

    def __init__(self, *, connections: int, connect_timeout: float, read_timeout: float) -> None:
        self._connections = connections
        self._timeout = aiohttp.ClientTimeout(total=None, connect=None, sock_connect=connect_timeout, sock_read=read_timeout)
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
    async def post(self, url: str, *, headers: Mapping[str, str], body: bytes) -> AsyncGenerator[AsyncIterator[bytes], None]:
        """Send, and give the bytes of a 200 as they come. Raises UpstreamRefused for every other end.

        Leaving before the last byte closes the connection, which is how the upstream learns that nobody listens.
        """
        assert self._session is not None  # noqa: S101  # open() comes first
        assert self._fresh is not None  # noqa: S101
        connection = _Connection()
        try:
            try:
                response = await self._send(self._session, url, headers, body, connection)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                if connection.is_new:
                    raise
                # It had been kept, and the server has closed it meanwhile: that says nothing about the server's health.
                response = await self._send(self._fresh, url, headers, body, connection)
            async with response:
                if response.status != 200:
                    raise UpstreamRefused(read_refusal(response.status, await _error_body(response)))
                yield response.content.iter_any()
        except (aiohttp.ClientError, TimeoutError) as error:
            _raise_failed(error)

    async def _send(
        self, session: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: bytes, connection: _Connection
    ) -> aiohttp.ClientResponse:
        return await session.post(
            url, data=body, headers=headers, allow_redirects=False, proxy=_proxy_for(url), trace_request_ctx=connection
        )

    def _make(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        tracing = aiohttp.TraceConfig()
        tracing.on_connection_create_start.append(_note_new)
        return aiohttp.ClientSession(
            connector=connector,
            trace_configs=[tracing],
            timeout=self._timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "castor", "Accept-Encoding": "identity"},
        )


def _proxy_for(url: str) -> str | None:
    origin = URL(url).origin()
    return _proxy_of(origin.scheme, origin.host or "")


@lru_cache(maxsize=100)
def _proxy_of(scheme: str, host: str) -> str | None:
    """HTTPS_PROXY, HTTP_PROXY and NO_PROXY, read once: aiohttp itself would read them in a thread, at each request."""
    return None if proxy_bypass(host) else getproxies().get(scheme)


async def _error_body(response: aiohttp.ClientResponse) -> bytes:
    """The body of a refusal, as far as it can matter."""
    body = bytearray()
    async for chunk in response.content.iter_any():
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
