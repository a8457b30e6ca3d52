"""A Django handler for API paths that starts no thread, runs no middleware and opens no database connection.

Django's own ASGI handler sends the request_started signal to synchronous receivers and closes responses in a thread: both
serve pages, and cost a chat completion more than all of its translation.
"""

import asyncio
from io import BytesIO

from django.conf import settings
from django.core.handlers.asgi import ASGIHandler, ASGIRequest
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpResponse
from django.http.response import HttpResponseBase

from openai_api.errors import BodyTooLarge, GatewayError, Overloaded
from openai_api.exception_handler import error_response
from openai_api.streaming import EventStream
from openai_api.views.base import request_id


class ClientGone(Exception):
    """The client hung up before its request was complete."""


class LeanHandler(ASGIHandler):
    """Serves the URLs of `openai_api.urls`, whose views are all async."""

    def __init__(self) -> None:
        super().__init__()
        self._in_flight = 0

    def load_middleware(self, is_async: bool = False) -> None:
        self._view_middleware: list = []
        self._template_response_middleware: list = []
        self._exception_middleware: list = []
        self._middleware_chain = convert_exception_to_response(self._get_response_async)  # type: ignore[attr-defined]

    async def __call__(self, scope, receive, send) -> None:
        # Whether Castor lives must be told under load above all: what restarts it would else do so then.
        if self._in_flight >= settings.MAX_IN_FLIGHT and scope["path"].startswith("/v1/"):
            # Said before the body is read: shedding must be cheap, or it sheds nothing.
            error = Overloaded("This Castor has as many requests in flight as it takes. Try again in a moment.", retry_after=1)
            await _refuse(scope, error, send)
            return
        self._in_flight += 1
        try:
            await self._serve(scope, receive, send)
        except ClientGone:
            pass
        finally:
            self._in_flight -= 1

    async def _serve(self, scope, receive, send) -> None:
        try:
            body = await _read_body(scope, receive)
        except GatewayError as error:
            await _refuse(scope, error, send)
            return
        request = ASGIRequest(scope, BytesIO(b""))
        request._body = body  # Where Django keeps a body that has been read; reading it again would copy it.
        request.urlconf = "openai_api.urls"
        await _unless_client_goes(self._respond(request, send), receive)

    async def _respond(self, request: ASGIRequest, send) -> None:
        response = await self._middleware_chain(request)  # type: ignore[misc]  # the stubs know only synchronous chains
        if isinstance(response, EventStream):
            await _send_stream(response, send)
        else:
            await _send_whole(response, send)


async def _unless_client_goes(work, receive) -> None:
    """Do the work in this very task, and cancel it when the client disconnects."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101
    gone = False

    async def watch() -> None:
        nonlocal gone
        while (await receive())["type"] != "http.disconnect":
            pass
        gone = True
        task.cancel()

    watcher = asyncio.create_task(watch())
    try:
        await work
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
    finally:
        watcher.cancel()


async def _read_body(scope, receive) -> bytes:
    """The whole body. Raises BodyTooLarge before it is in memory, ClientGone when it never ends."""
    declared = next((int(value) for name, value in scope["headers"] if name == b"content-length" and value.isdigit()), 0)
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        if max(size, declared) > settings.MAX_BODY_BYTES:
            raise BodyTooLarge(
                f"The request body is larger than {settings.MAX_BODY_BYTES} bytes (MAX_BODY_BYTES of this Castor)."
            )
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _refuse(scope, error: GatewayError, send) -> None:
    """Answer without a view: it has not come to that."""
    response = error_response(error)
    response["X-Request-ID"] = request_id(ASGIRequest(scope, BytesIO(b"")))
    await _send_whole(response, send)


async def _send_whole(response: HttpResponse, send) -> None:
    await send(_start(response, [(b"content-length", str(len(response.content)).encode())]))
    await send({"type": "http.response.body", "body": response.content})


async def _send_stream(response: EventStream, send) -> None:
    try:
        await send(_start(response, []))
        async for chunk in response.body:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
    finally:
        await response.aclose()


def _start(response: HttpResponseBase, extra: list[tuple[bytes, bytes]]) -> dict:
    headers = [(name.lower().encode("ascii"), value.encode("latin-1")) for name, value in response.items()]
    return {"type": "http.response.start", "status": response.status_code, "headers": headers + extra}
