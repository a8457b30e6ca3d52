"""Files that callers name by URL, downloaded under guard and put inline.

The caller chooses the URL, so everything about it is hostile until checked: where it leads (`public_network.py`), how much
it sends, for how long, and what. No cookies, no credentials, no proxy from the environment.
"""

import asyncio
import re
import zlib
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import httpcore
import httpx

from openai_api import media_types
from openai_api.errors import InvalidRequest
from openai_api.public_network import NetworkPolicy, PinnedNetwork, Refused, Resolver, resolve
from openai_api.translation.conversation import Conversation, Media, RemoteMedia
from openai_api.translation.gemini.media import normalised

MAX_FILES = 16
MAX_REDIRECTS = 3
# All files of one request together, in sizes of the largest: 80 MB in base64 by default, where Google takes 100.
MAX_TOTAL = 3
AT_ONCE = 4
DOWNLOADS = 32
CONNECT_SECONDS = 5.0

_REDIRECTS = (301, 302, 303, 307, 308)
_HEADERS = ((b"User-Agent", b"Castor/1 (media fetcher)"), (b"Accept", b"*/*"), (b"Accept-Encoding", b"identity"))
# httpx says InvalidURL; the standard library, which it joins URLs with, and lone surrogates end in ValueErrors.
_UNREADABLE = (httpx.InvalidURL, ValueError)
_MIME_TYPE = re.compile(r"[a-z]+/[a-z0-9.+-]{1,60}")


class Body:
    """A file as it comes in: unpacked if its server packed it against our wish, and never more than `most` bytes."""

    def __init__(self, *, encoding: str, most: int) -> None:
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise Refused("The file's server packs it in a way that was not asked for.")
        self._packing = None if encoding in ("", "identity") else zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        self._most = most
        self._content = bytearray()

    def add(self, chunk: bytes) -> None:
        if self._packing:
            # Never unpacks more than one byte too many, however far a small chunk could swell.
            chunk = self._packing.decompress(chunk, self._most - len(self._content) + 1)
        self._content += chunk
        if len(self._content) > self._most:
            raise too_large(self._most)

    def finish(self) -> bytes:
        if self._packing and not self._packing.eof:
            raise Refused("The file was cut off before its end.")
        return bytes(self._content)


def too_large(most: int) -> Refused:
    return Refused(f"The file is larger than {most:,} bytes.")


class Fetcher:
    """Turns `RemoteMedia` into `Media`. `max_bytes` is that of one file, `timeout` the seconds that one may take in all."""

    def __init__(self, *, allow_private: bool, max_bytes: int, timeout: float, resolver: Resolver = resolve) -> None:
        self._max_bytes = max_bytes
        self._timeout = timeout
        self._policy = NetworkPolicy(allow_private=allow_private)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=httpx.create_ssl_context(),
            max_connections=DOWNLOADS,
            max_keepalive_connections=0,
            network_backend=PinnedNetwork(self._policy, resolver, httpcore.AnyIOBackend()),
        )

    async def fetch(self, media: RemoteMedia) -> Media:
        """Raises InvalidRequest, naming the field, where the URL may not be fetched or what it holds is of no use."""
        try:
            async with asyncio.timeout(self._timeout):
                return await self._download(media.url)
        except Refused as refusal:
            raise InvalidRequest(str(refusal), param=media.field) from refusal
        except TimeoutError as error:
            raise InvalidRequest(f"The file took longer than {self._timeout:g} seconds to fetch.", param=media.field) from error

    async def fetch_all(self, conversation: Conversation) -> Conversation:
        """The conversation with every remote file inline. A URL is fetched once, and counts as often as it is named."""
        named = Counter(media.url for media in conversation.remote_media())
        if not named:
            return conversation
        first = {media.url: media for media in reversed(list(conversation.remote_media()))}
        if len(named) > MAX_FILES:
            surplus = first[list(named)[MAX_FILES]]
            raise InvalidRequest(f"At most {MAX_FILES} files can be fetched for one request.", param=surplus.field)
        room, turns = self._max_bytes * MAX_TOTAL * 4 // 3, asyncio.Semaphore(AT_ONCE)

        async def fetch_in_turn(media: RemoteMedia) -> Media:
            nonlocal room
            async with turns:
                fetched = await self.fetch(media)
            room -= len(fetched.data) * named[media.url]
            if room < 0:
                raise InvalidRequest("The files of this request are too large together.", param=media.field)
            return fetched

        try:
            async with asyncio.TaskGroup() as group:
                tasks = {url: group.create_task(fetch_in_turn(first[url])) for url in named}
        except ExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return conversation.with_media({url: task.result() for url, task in tasks.items()})

    async def close(self) -> None:
        await self._pool.aclose()

    async def _download(self, text: str) -> Media:
        url = _parsed(text)
        for _ in range(MAX_REDIRECTS + 1):
            self._policy.check_url(url)
            with _failures_of(url.host):
                headers = [(b"Host", url.netloc), *_HEADERS]
                async with self._pool.stream("GET", _target(url), headers=headers, extensions=self._timeouts()) as response:
                    if response.status not in _REDIRECTS:
                        return await self._read(response, url.host)
                    url = _redirected(url, response)
        raise Refused(f"The URL was redirected more than {MAX_REDIRECTS} times.")

    async def _read(self, response: httpcore.Response, host: str) -> Media:
        if response.status != 200:
            raise Refused(f"{host} answered with HTTP status {response.status}.")
        length = _header(response, b"content-length")
        if length.isdigit() and int(length) > self._max_bytes:
            raise too_large(self._max_bytes)
        body = Body(encoding=_header(response, b"content-encoding").lower(), most=self._max_bytes)
        async for chunk in response.aiter_stream():
            body.add(chunk)
        return _media(body.finish(), normalised(_header(response, b"content-type")), host)

    def _timeouts(self) -> dict[str, dict[str, float]]:
        # Only the connection has a limit of its own, so that a dead address leaves time for the next one.
        return {"timeout": {"connect": min(CONNECT_SECONDS, self._timeout)}}


def _parsed(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except _UNREADABLE as error:
        raise Refused("The URL cannot be read.") from error


def _target(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)


def _redirected(url: httpx.URL, response: httpcore.Response) -> httpx.URL:
    try:
        following = url.join(_header(response, b"location"))
    except _UNREADABLE as error:
        raise Refused(f"{url.host} redirects to a URL that cannot be read.") from error
    if url.scheme == "https" and following.scheme != "https":
        raise Refused(f"{url.host} redirects from https to a URL without it.")
    return following


def _media(content: bytes, claimed: str, host: str) -> Media:
    if not content:
        raise Refused(f"{host} sent an empty file.")
    mime_type = media_types.settled(claimed, content)
    if mime_type is None:
        sort = claimed if _MIME_TYPE.fullmatch(claimed) else "a file of no known type"
        raise Refused(f"{host} sent {sort}, which Gemini does not read, or which is not what it is called.")
    return Media(mime_type=mime_type, data=b64encode(content).decode("ascii"))


def _header(response: httpcore.Response, name: bytes) -> str:
    return next((value.decode("latin-1").strip() for key, value in response.headers if key.lower() == name), "")


@contextmanager
def _failures_of(host: str) -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException as error:
        raise Refused(f"{host} does not answer.") from error
    except httpcore.ConnectError as error:
        raise Refused(f"No secure connection to {host} could be made.") from error  # TCP has succeeded by then
    except (httpcore.NetworkError, httpcore.ProtocolError, zlib.error) as error:
        raise Refused(f"{host} broke the transfer off, or sent what is not HTTP.") from error
