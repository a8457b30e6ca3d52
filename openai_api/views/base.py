"""GatewayView: DRF's APIView made async, with everything that looks only at memory run inline."""

import re
import time
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar, cast

import structlog
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.views import APIView

from credentials.roster import TokenEntry
from credentials.stop_tags import InvalidTags, read_tags
from openai_api.cors import allow_origin
from openai_api.errors import GatewayError, InvalidRequest, MethodNotAllowed
from openai_api.exception_handler import known_error
from openai_api.exchange import Exchange, PassedOn
from openai_api.gateway import gateway
from openai_api.ids import current_request, new_id
from openai_api.late_errors import is_repeated, question
from openai_api.metrics.catalogue import REFUSED
from openai_api.orders.passage import Passage, passage_of, passage_of_form
from openai_api.passing import passed_response
from openai_api.request_log.recording import Recording, is_wanted
from openai_api.streaming import COMMENTS, UNBUFFERED, WHITE_SPACE, Voice
from openai_api.uploads import Form

log = structlog.get_logger("castor.request")

_STOP_TAGS = "X-Castor-Stop-Tags"
_REQUEST_ID = re.compile(r"[\w.:/+=@-]{1,100}", re.ASCII)


def unix_time() -> int:
    return int(time.time())


def json_response(body: bytes, *, status: int = 200) -> HttpResponse:
    """A plain response: DRF's own would be rendered in a thread."""
    return HttpResponse(body, content_type="application/json", status=status)


_NEGOTIATOR = DefaultContentNegotiation()
Handler = Callable[[Request], Awaitable[HttpResponseBase]]


class GatewayView(APIView):
    """A view whose handlers are coroutines. Authentication, permissions, throttles and error bodies stay DRF's."""

    takes_forms: ClassVar[bool] = False
    """Whether it takes multipart/form-data: its files lie on the disk then."""
    passes_as: ClassVar[str] = ""
    """The dialect of what is handed on to a server that has the model, in records; empty: nothing is."""

    cuttable: ClassVar[bool] = False
    """Whether its answers are texts, which stop tags can cut."""

    async def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:  # type: ignore[override]
        self.request_id = request_id(request)
        current_request.set(self.request_id)
        self.request = request = self.initialize_request(request, *args, **kwargs)
        self._exchange: Exchange | None = None
        self._to_be_translated: Exchange | None = None
        """Its servers have been asked in vain, or Google's turn comes first."""
        self._voice: Voice | None = None
        """Of the signs of life, once there may be some."""
        self._recording: Recording | None = None
        try:
            if request.method == "OPTIONS":
                response: HttpResponseBase = HttpResponse(status=204)
            else:
                response = await self._handle(request, *args, **kwargs)
        except Exception as error:  # noqa: BLE001  # DRF's contract: its handler knows every error, and logs those it does not.
            response = self.handle_exception(error)
            if self._exchange is None:
                self._log_refusal(known_error(error))
                REFUSED.of(str(response.status_code)).add()
        response = self._finalized(response)
        if response.status_code >= 400 and self._voice is WHITE_SPACE:
            await self._keep_if_late(cast(HttpResponse, response))
        return response

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """DRF's request without its parsers and renderers, which it would make anew each time: bodies are read by msgspec."""
        return Request(request, authenticators=self.get_authenticators(), negotiator=_NEGOTIATOR)

    @property
    def token(self) -> TokenEntry:
        """Who asks, once authenticated."""
        return cast(TokenEntry, self.request.auth)

    @property
    def is_form(self) -> bool:
        return getattr(self.request, "form", None) is not None

    @property
    def form(self) -> Form:
        """Raises InvalidRequest where something else was sent."""
        form: Form | None = getattr(self.request, "form", None)
        if form is None:
            raise InvalidRequest("Send this request as multipart/form-data.")
        return form

    def exchange(self, dialect: str, *, stream: bool) -> Exchange:
        """The exchange of this request."""
        if self._to_be_translated is not None:
            exchange, self._to_be_translated = self._to_be_translated, None
            exchange.continues(dialect, stream=stream)
            return exchange
        if settings.KEEPALIVE_JSON and not stream and self.is_answered_in_json():
            self._keep_alive(WHITE_SPACE)
        strict = self.request.META.get("HTTP_X_CASTOR_STRICT", "").lower() in ("1", "true", "yes")
        self._exchange = Exchange(
            gateway,
            self.token,
            dialect=dialect,
            stream=stream,
            request_id=self.request_id,
            strict=strict,
            stop_tags=self._stop_tags(),
            recording=self._recording,
            record=self.record,
        )
        if self.token.drains:
            self.request.watch.abandon = self._exchange.abandon  # type: ignore[attr-defined]  # DRF hands on what it does not have.
        return self._exchange

    def _stop_tags(self) -> tuple[str, ...] | None:
        """Those that the caller names. Raises InvalidRequest."""
        named = self.request.META.get("HTTP_X_CASTOR_STOP_TAGS") if self.cuttable else None
        if named is None:
            return None
        if not named.isascii():
            raise InvalidRequest(
                f"{_STOP_TAGS} must be ASCII: in a JSON list, \\u and four digits stand for other letters.", param=_STOP_TAGS
            )
        try:
            return read_tags(named)
        except InvalidTags as error:
            raise InvalidRequest(f"{_STOP_TAGS} cannot be used: {error}.", param=_STOP_TAGS) from error

    def record(self) -> Recording:
        """Have this request kept in the request log."""
        if self._recording is None:
            most, done = settings.REQUEST_LOG_MAX_BYTES, gateway.requests.add
            self._recording = Recording(self.request, self.token, request_id=self.request_id, most=most, done=done)
            self.request.pulse.is_heard_by(self._recording)  # type: ignore[attr-defined]
        return self._recording

    def keep_alive(self) -> None:
        """Have comments sent wherever the event stream that will be the answer is silent for HEARTBEAT_SECONDS, from now on."""
        self._keep_alive(COMMENTS)

    def is_answered_in_json(self) -> bool:
        """Whether an answer that is no stream will be JSON, if all goes well."""
        return True

    def _keep_alive(self, voice: Voice) -> None:
        if self._voice is None:
            self._voice = voice
            self.request.pulse.begin(voice, self._opening)  # type: ignore[attr-defined]  # DRF hands on what it does not have.

    def _opening(self) -> HttpResponse:
        """What the answer begins with, if nothing has been heard of it by then."""
        voice = cast(Voice, self._voice)
        return cast(HttpResponse, self._finalized(HttpResponse(content_type=voice.content_type, headers=UNBUFFERED)))

    async def _handle(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        method = (request.method or "").lower()
        handler = getattr(self, method, None) if method in self.http_method_names else None
        if handler is None:
            raise MethodNotAllowed(f"{request.method} is not supported for {request.path}. Use {self._methods}.")
        # DRF's `initial` without content negotiation and versions: the API speaks JSON and has one version.
        self.perform_authentication(request)
        if request.auth is not None and is_wanted(self.token.record_until):
            self.record()
        self.check_permissions(request)
        self.check_throttles(request)
        if settings.KEEPALIVE_JSON and (late := await self._late_error()) is not None:
            return late
        if self.passes_as and method == "post" and gateway.pool.roster.servers:
            return await self._by_route(request, handler)
        return await handler(request, *args, **kwargs)

    async def _by_route(self, request: Request, handler: Handler) -> HttpResponseBase:
        """Hand the request on where another server is to answer it; have it translated for Google where that is Google's turn."""
        passage = self._passage(request)
        if passage is None:
            return await handler(request)  # Which knows best what is wrong with it.
        exchange = self.exchange(self.passes_as, stream=passage.stream)
        if passage.stream:
            self.keep_alive()
        async with exchange.settled_if_it_fails():
            if not await exchange.pass_on(passage):
                self._to_be_translated = exchange
                try:
                    return await handler(request)
                except PassedOn:
                    pass
            return await passed_response(exchange)

    async def _keep_if_late(self, error: HttpResponse) -> None:
        # Forms are not known again: each time they are sent, something of them is different.
        if self.request.pulse.has_begun and not self.is_form:  # type: ignore[attr-defined]
            await gateway.late_errors.keep(self._question, error)

    async def _late_error(self) -> HttpResponse | None:
        """What this request was to be answered, when it was made before."""
        if not is_repeated(self.request.META) or self.request.auth is None or self.is_form:
            return None
        return await gateway.late_errors.take(self._question)

    @property
    def _question(self) -> str:
        return question(self.token.id, self.request.path, self.request.body)

    def _passage(self, request: Request) -> Passage | None:
        path = request.path.removeprefix("/v1")
        return passage_of_form(path, self.form) if self.is_form else passage_of(path, request.body)

    def _log_refusal(self, error: GatewayError) -> None:
        """What was refused before anybody was asked has no record, and many clients show their users nothing but the status."""
        token: TokenEntry | None = getattr(self.request, "_auth", None)  # `auth` would authenticate once more.
        log.info(
            "refused",
            id=self.request_id,
            token=token.prefix if token else "",
            path=self.request.path,
            status=error.status,
            error=type(error).__name__,
            code=error.code,
            param=error.param,
        )

    @property
    def _methods(self) -> str:
        return ", ".join(method for method in self.allowed_methods if method != "OPTIONS")

    def _finalized(self, response: HttpResponseBase) -> HttpResponseBase:
        response["X-Request-ID"] = self.request_id
        if response.status_code == MethodNotAllowed.status:
            response["Allow"] = self._methods
        if self._exchange is not None:
            for name, value in self._exchange.headers.items():
                response[name] = value
        allow_origin(self.request, response, methods=self.allowed_methods if self.request.method == "OPTIONS" else ())
        return response


def request_id(request: HttpRequest) -> str:
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    return given if _REQUEST_ID.fullmatch(given) else new_id("req")
