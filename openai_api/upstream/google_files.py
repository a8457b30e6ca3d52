"""Google's Files API, as one credential calls it. A file belongs to the project of the credential that sent it.

Source: wire reference 1.17.
"""

import asyncio
import time
from collections.abc import Mapping
from typing import NoReturn

import msgspec
from msgspec import Struct
from yarl import URL

from credentials.health import Outcome
from openai_api.translation.conversation import StoredFile
from openai_api.translation.splicing import Stored, Streamed
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.http import Answer, HttpClient
from openai_api.upstream.refusals import Refusal

FIRST_LOOK, LONGEST_BETWEEN_LOOKS = 0.2, 5.0
"""Seconds between one look at a file that Google is still processing and the next."""
_MOST_BYTES = 256 * 1024


class _Status(Struct):
    message: str = ""


class GoogleFile(Struct, frozen=True, rename="camel"):
    """Times are RFC 3339."""

    name: str
    """`files/ID`"""
    uri: str = ""
    mime_type: str = ""
    display_name: str = ""
    size_bytes: int = 0
    state: str = "ACTIVE"
    """PROCESSING, ACTIVE or FAILED; only what is ACTIVE can be read by a model."""
    create_time: str = ""
    expiration_time: str = ""
    error: _Status | None = None


class _Uploaded(Struct):
    file: GoogleFile


_encode = msgspec.json.Encoder().encode
_read_file = msgspec.json.Decoder(GoogleFile, strict=False).decode
_read_uploaded = msgspec.json.Decoder(_Uploaded, strict=False).decode


class GoogleFiles:
    """`headers` are always those that prove who asks. Every call raises UpstreamRefused; times are seconds."""

    def __init__(self, client: HttpClient, base_url: str) -> None:
        self._client = client
        self._base_url = base_url

    async def upload(
        self, headers: Mapping[str, str], file: StoredFile, *, mime_type: str, display_name: str, seconds: float
    ) -> GoogleFile:
        """Send the file from the disk. It may still have to be processed before a model can read it."""
        until = time.monotonic() + seconds
        address = await self._begin(headers, file, mime_type, display_name, seconds)
        # Whoever knows the address may send: it takes no credential.
        sending = {"X-Goog-Upload-Offset": "0", "X-Goog-Upload-Command": "upload, finalize"}
        body = await self._asked("POST", address, sending, Stored(file), until - time.monotonic(), once=True)
        try:
            return _read_uploaded(body).file
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _broken("Google's word about a file could not be read.") from error

    async def get(self, headers: Mapping[str, str], name: str, *, seconds: float) -> GoogleFile:
        body = await self._asked("GET", self._address(name), headers, b"", seconds)
        try:
            return _read_file(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _broken("Google's word about a file could not be read.") from error

    async def delete(self, headers: Mapping[str, str], name: str, *, seconds: float) -> None:
        await self._asked("DELETE", self._address(name), headers, b"", seconds)

    async def until_active(self, headers: Mapping[str, str], file: GoogleFile, *, seconds: float) -> GoogleFile:
        """The file once a model can read it."""
        until, pause = time.monotonic() + seconds, FIRST_LOOK
        while file.state != "ACTIVE":
            if file.state == "FAILED":
                _raise_failed(file)
            left = until - time.monotonic()
            if left <= pause:
                raise _broken("Google did not finish processing a file in time.", status=504)
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_BETWEEN_LOOKS)
            file = await self.get(headers, file.name, seconds=until - time.monotonic())
        return file

    def _address(self, name: str) -> str:
        return f"{self._base_url}/v1beta/{name}"

    async def _begin(
        self, headers: Mapping[str, str], file: StoredFile, mime_type: str, display_name: str, seconds: float
    ) -> str:
        """The address to which the file's bytes are to be sent."""
        beginning = {
            "X-Goog-Upload-Protocol": "resumable",
            "X-Goog-Upload-Command": "start",
            "X-Goog-Upload-Header-Content-Length": str(file.size),
            "X-Goog-Upload-Header-Content-Type": mime_type,
            "Content-Type": "application/json",
        }
        body = _encode({"file": {"displayName": display_name} if display_name else {}})
        url = f"{self._base_url}/upload/v1beta/files"
        async with self._client.send("POST", url, headers={**headers, **beginning}, body=body, seconds=seconds) as answer:
            address = answer.headers.get("X-Goog-Upload-URL", "")
            await _content(answer)
        if not address:
            raise _broken("Google named no address for an upload.")
        # As Google's own SDK does, so that a server in between keeps being one.
        base = URL(self._base_url)
        return str(URL(address, encoded=True).with_scheme(base.scheme).with_host(base.host or "").with_port(base.port))

    async def _asked(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | Streamed, seconds: float, *, once: bool = False
    ) -> bytearray:
        async with self._client.send(method, url, headers=headers, body=body, seconds=seconds, once=once) as answer:
            return await _content(answer)


async def _content(answer: Answer) -> bytearray:
    content = bytearray()
    async for chunk in answer.chunks:
        content += chunk
        if len(content) > _MOST_BYTES:
            raise _broken("The upstream's answer is far too large.")
    return content


def _raise_failed(file: GoogleFile) -> NoReturn:
    said = f" It says: {file.error.message}" if file.error is not None and file.error.message else ""
    message = f"Google could not process the file.{said}"
    raise UpstreamRefused(Refusal(outcome=Outcome.REQUEST_REFUSED, status=400, message=message))


def _broken(message: str, *, status: int = 502) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=status, message=message))
