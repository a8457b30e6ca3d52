"""A Django handler for API paths that starts no thread, runs no middleware and opens no database connection.

Django's own ASGI handler sends the request_started signal to synchronous receivers and closes responses in a thread: both
serve pages, and cost a chat completion more than all of its translation.
"""

import asyncio
from functools import lru_cache
from io import BytesIO
from typing import cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch, get_resolver

from openai_api.cors import allow_origin
from openai_api.errors import BodyTooLarge, GatewayError, Overloaded
from openai_api.exception_handler import error_response
from openai_api.streaming import EventStream
from openai_api.views.base import request_id


class ClientGone(Exception):
    """The client hung up before its request was complete."""


class LeanHandler:
    """Serves the URLs of `openai_api.urls`, whose views are all async and answer every error themselves."""

    def __init__(self) -> None:
        self._in_flight = 0

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
            # The request lives within this coroutine: a stream that is under way must not hold twenty megabytes of images.
            answering = _answer(await _read_request(scope, receive))
        except GatewayError as error:
            await _refuse(scope, error, send)
            return
        watch = _Watch(receive)
        try:
            await _send(await answering, send)
        except asyncio.CancelledError:
            if not watch.client_is_gone:
                raise
            watch.watched.uncancel()
        finally:
            watch.end()


async def _read_request(scope, receive) -> ASGIRequest:
    request = ASGIRequest(scope, BytesIO(b""))
    # Where Django keeps a body that has been read; reading it again would copy it.
    request._body = await _read_body(scope, receive)
    return request


async def _answer(request: ASGIRequest) -> HttpResponse | EventStream:
    request.resolver_match = match = _resolve(request.path_info)
    return await match.func(request, *match.args, **match.kwargs)


async def _send(response: HttpResponse | EventStream, send) -> None:
    if isinstance(response, EventStream):
        await _send_stream(response, send)
    else:
        await _send_whole(response, send)


@lru_cache(maxsize=1000)
def _resolve(path: str) -> ResolverMatch:
    return get_resolver("openai_api.urls").resolve(path)


class _Watch:
    """Cancels the task that makes it when the client hangs up.

    It begins to look only after a moment: most whole answers are gone by then, and need not pay for a second task.
    """

    BEGINS_AFTER = 0.1  # seconds

    def __init__(self, receive) -> None:
        self.client_is_gone = False
        self.watched = cast("asyncio.Task[None]", asyncio.current_task())
        self._receive = receive
        self._looking: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(self.BEGINS_AFTER, self._begin)

    def end(self) -> None:
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _begin(self) -> None:
        self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.client_is_gone = True
        self.watched.cancel()


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
    request = ASGIRequest(scope, BytesIO(b""))
    response["X-Request-ID"] = request_id(request)
    allow_origin(request, response)
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
