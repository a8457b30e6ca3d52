"""One request and its answer on the socket: writing, waiting, breaking off, and noticing that the caller has gone."""

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.google.log import Call, Log


class ClientGone(Exception):
    """The caller hung up, or the simulator is stopping: there is nobody to answer any more."""


class Connections:
    """How many TCP connections were accepted."""

    def __init__(self) -> None:
        self.accepted = 0


class NumberedProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, which gives each request its connection's number and transport.

    ASGI has no way to reset a connection, so the transport is handed over in `scope["extensions"]["simulator"]`. This is
    the only place that knows uvicorn's insides: an attribute named `transport`, and `scope` being set in `on_message_begin`.
    """

    def __init__(self, connections: Connections, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connections = connections
        self._number = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._connections.accepted += 1
        self._number = self._connections.accepted
        super().connection_made(transport)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"simulator": {"connection": self._number, "transport": self.transport}}


class Exchange:
    """The answer to one request. Every method raises `ClientGone` once there is nobody to write to."""

    def __init__(self, scope: dict[str, Any], receive: Any, send: Any, call: Call, log: Log) -> None:
        self.call = call
        self._receive = receive
        self._send = send
        self._log = log
        self._transport: asyncio.Transport = scope["extensions"]["simulator"]["transport"]
        self._gone = asyncio.Event()
        self._done = False
        self._watcher: asyncio.Task[None] | None = None

    async def read(self) -> bytes:
        """The request's whole body; from then on the caller's hanging up is noticed."""
        return b"".join([piece async for piece in self.pieces()])

    async def pieces(self) -> AsyncIterator[bytes]:
        """The same as it comes."""
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            yield message.get("body", b"")
            if not message.get("more_body"):
                break
        self._watcher = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._done:
            self._done = True
            self.call.client_closed = True
            self.call.client_closed_at = time.time()
            self._gone.set()
            self._log.changed()

    def abandon(self) -> None:
        """Give the answer up because the simulator stops."""
        self._done = True
        self._gone.set()

    async def pause(self, seconds: float | None) -> None:
        """Wait so long; None: until the caller goes."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._gone.wait(), seconds)
            raise ClientGone

    async def start(self, status: int, headers: dict[str, str]) -> None:
        self._check()
        self.call.status = status
        wire = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": wire})

    async def write(self, data: bytes) -> None:
        """Send bytes of the body; waits while the caller reads too slowly."""
        self._check()
        if self.call.first_byte is None:
            self.call.first_byte = time.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._check()
        self.call.bytes_sent += len(data)
        self._log.changed()

    async def finish(self) -> None:
        self._check()
        self._done = True
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def reset(self) -> None:
        """Reset the connection: with a linger of zero the kernel sends RST in place of FIN."""
        self._done = True
        connection = self._transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._transport.abort()

    def close(self) -> None:
        """Close the connection in the midst of the body, once what was written has left."""
        self._done = True
        self._transport.close()

    def end(self) -> None:
        """Note the end, however it came."""
        self._done = True
        if self._watcher:
            self._watcher.cancel()
        self._log.shorten(self.call)
        self.call.ended = time.time()
        self._log.changed()

    def _check(self) -> None:
        if self._gone.is_set():
            raise ClientGone
