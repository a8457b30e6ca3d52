"""A Django handler for API paths that starts no thread, runs no middleware and opens no database connection.

Django's own ASGI handler sends the request_started signal to synchronous receivers and closes responses in a thread: both
serve pages, and cost a chat completion more than all of its translation.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import lru_cache
from io import BytesIO
from typing import Any, cast

from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.urls import ResolverMatch, get_resolver
from rest_framework.exceptions import APIException
from rest_framework.request import Request

from credentials.authentication import BearerToken
from openai_api.cors import allow_origin
from openai_api.errors import BodyTooLarge, DeadlineExceeded, GatewayError, Overloaded
from openai_api.exception_handler import answer
from openai_api.metrics.catalogue import IN_FLIGHT, REFUSED
from openai_api.streaming import AnswerCut, ByteStream
from openai_api.uploads import Form, is_form, read_form
from openai_api.views.base import GatewayView, request_id
from proxy_site.sending import Pulse, send_response

STRANGERS_BYTES = 64 * 1024
"""How much of a body is taken in before it is looked who sends it: strangers could fill the memory."""


class ClientGone(Exception):
    """The client hung up before its request was complete."""


class LeanHandler:
    """Serves the URLs of `openai_api.urls`, whose views are all async and answer every error themselves."""

    def __init__(self) -> None:
        self._in_flight = 0

    async def __call__(self, scope, receive, send) -> None:
        # Whether Castor lives must be told under load above all: what restarts it would else do so then.
        counts = scope["path"].startswith("/v1/")
        if counts and self._in_flight >= settings.MAX_IN_FLIGHT:
            # Said before the body is read: shedding must be cheap, or it sheds nothing.
            error = Overloaded("This Castor has as many requests in flight as it takes. Try again in a moment.", retry_after=1)
            await _refuse(scope, error, Pulse(send, 0))
            return
        self._count(counts)
        try:
            await self._serve(scope, receive, send)
        except (ClientGone, AnswerCut):
            pass  # uvicorn breaks the connection of an answer that it was not told the end of.
        finally:
            self._count(-counts)

    def _count(self, change: int) -> None:
        self._in_flight += change
        IN_FLIGHT.of().set(self._in_flight)

    async def _serve(self, scope, receive, send) -> None:
        pulse = Pulse(send, settings.HEARTBEAT_SECONDS)
        watch = _Watch(receive, pulse.fall_silent)
        form: Form | None = None
        try:
            request = await _read_request(scope, receive, watch)
            form, request.pulse, request.watch = request.form, pulse, watch
            # The request lives within this coroutine: a stream that is under way must not hold twenty megabytes of images.
            answering = _answer(request)
            del request
            watch.request_is_read()
            await send_response(await answering, pulse)
        except (GatewayError, APIException) as error:
            await _refuse(scope, error, pulse)
        except asyncio.CancelledError:
            if not watch.gave_up:
                raise
            watch.watched.uncancel()
        finally:
            watch.end()
            pulse.end()
            if form is not None:
                form.close()


class _Request(ASGIRequest):
    form: Form | None = None
    """In place of a body, where it is one and the view takes it."""
    pulse: Pulse
    """Of the response."""
    watch: "_Watch"


async def _read_request(scope, receive, watch: "_Watch") -> _Request:
    request = _Request(scope, BytesIO(b""))
    request.resolver_match = _resolve(request.path_info)
    try:
        if is_form(request.META.get("CONTENT_TYPE", "")) and _view(request).takes_forms:
            arriving = _chunks(request, receive, settings.MAX_UPLOAD_BYTES, "MAX_UPLOAD_BYTES")
            request.form = await read_form(request.META["CONTENT_TYPE"], arriving, settings.UPLOAD_DIR)
            request._body = b""
        else:
            # Where Django keeps a body that has been read; reading it again would copy it.
            request._body = b"".join(
                [chunk async for chunk in _chunks(request, receive, settings.MAX_BODY_BYTES, "MAX_BODY_BYTES")]
            )
    except asyncio.CancelledError:
        if not watch.gave_up:
            raise
        watch.watched.uncancel()
        raise DeadlineExceeded(f"The request's body did not arrive within {settings.TIMEOUT:g} seconds.") from None
    return request


def _view(request: _Request) -> type[GatewayView]:
    return cast(Any, request.resolver_match).func.view_class


async def _answer(request: _Request) -> HttpResponse | ByteStream:
    match = cast(ResolverMatch, request.resolver_match)
    return await match.func(request, *match.args, **match.kwargs)


@lru_cache(maxsize=1000)
def _resolve(path: str) -> ResolverMatch:
    return get_resolver("openai_api.urls").resolve(path)


class _Watch:
    """Cancels the task that makes it when the client hangs up, or when it neither sends on nor reads on until time is up.

    Who sets `abandon` is asked first when the client hangs up: true says that the task ends by itself.

    It begins to look only after a moment: most whole answers are gone by then, and need not pay for a second task.
    """

    BEGINS_AFTER = 0.1  # seconds
    GRACE = 5.0  # seconds, in which a client that does read is told that time is up

    def __init__(self, receive, has_left: Callable[[], None]) -> None:
        """`has_left` is told when the client hangs up."""
        self.gave_up = False
        self.abandon: Callable[[], bool] | None = None
        self.watched = cast("asyncio.Task[None]", asyncio.current_task())
        self._receive = receive
        self._has_left = has_left
        self._is_read = self._has_begun = False
        self._looking: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(self.BEGINS_AFTER, self._begin)

    def request_is_read(self) -> None:
        """Nothing but the end can be received from now on."""
        self._is_read = True
        if self._has_begun:
            self._looking = asyncio.create_task(self._look())

    def end(self) -> None:
        self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _begin(self) -> None:
        self._has_begun = True
        self._timer = asyncio.get_running_loop().call_later(settings.TIMEOUT + self.GRACE, self._give_up)
        if self._is_read:
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gave_up = True
        self._has_left()
        if self.abandon is None or not self.abandon():
            self._give_up()

    def _give_up(self) -> None:
        self.gave_up = True
        self.watched.cancel()


async def _chunks(request: ASGIRequest, receive, most: int, setting: str) -> AsyncGenerator[bytes, None]:
    """The body as it comes.

    Raises BodyTooLarge before that much is taken in, APIException for a stranger's body, and ClientGone if it never ends.
    """
    headers = request.scope["headers"]
    declared = next((int(value) for name, value in headers if name == b"content-length" and value.isdigit()), 0)
    size, more, is_known = 0, True, False
    while more:
        expected = max(size, declared)
        if expected > most:
            raise BodyTooLarge(f"The request body is larger than {most} bytes ({setting} of this Castor).")
        if expected > STRANGERS_BYTES and not is_known:
            BearerToken().authenticate(cast(Request, request))
            is_known = True
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk = message.get("body", b"")
        size += len(chunk)
        more = message.get("more_body", False)
        yield chunk


async def _refuse(scope, error: GatewayError | APIException, pulse: Pulse) -> None:
    """Answer without a view: it has not come to that."""
    response = answer(error, {})
    REFUSED.of(str(response.status_code)).add()
    request = ASGIRequest(scope, BytesIO(b""))
    response["X-Request-ID"] = request_id(request)
    allow_origin(request, response)
    await send_response(response, pulse)
