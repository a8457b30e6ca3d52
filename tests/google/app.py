"""Google as an ASGI application: each request goes to the service whose path it names, and into the log."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any
from urllib.parse import parse_qsl

from tests.google import keys
from tests.google.code_assist import CodeAssist
from tests.google.control import Control
from tests.google.exchange import ClientGone, Exchange
from tests.google.files_api import FilesAPI, is_of_files
from tests.google.gemini_api import GeminiAPI
from tests.google.log import Call
from tests.google.sign_in import PATHS, SignIn
from tests.google.state import State
from tests.google.surface import Surface


class App:
    def __init__(self, state: State) -> None:
        self.state = state
        self.open_exchanges: set[Exchange] = set()
        self._control = Control(state)
        self._gemini = GeminiAPI(state)
        self._files = FilesAPI(state)
        self._code_assist = CodeAssist(state)
        self._sign_in = SignIn(state)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"The simulator speaks HTTP only, not {scope['type']}.")
        if scope["path"].startswith("/_simulator/"):
            await self._control(scope, receive, send)
            return
        surface = self._surface(scope["path"])
        exchange = self._open(surface, scope, receive, send)
        try:
            async with self._turn(surface, exchange.call):
                await surface.answer(exchange)
        except ClientGone:
            pass
        finally:
            self.open_exchanges.discard(exchange)
            exchange.end()

    def _turn(self, surface: Surface, call: Call) -> AbstractAsyncContextManager[None]:
        longest = self.state.log.longest
        is_large = longest is not None and int(call.headers.get("content-length", 0)) > longest
        return self.state.turns if is_large and surface is not self._files else nullcontext()

    def abandon(self) -> None:
        for exchange in list(self.open_exchanges):
            exchange.abandon()

    def _surface(self, path: str) -> Surface:
        if path.startswith("/v1internal"):
            return self._code_assist
        if is_of_files(path):
            return self._files
        return self._sign_in if path in PATHS else self._gemini

    def _open(self, surface: Surface, scope: dict[str, Any], receive: Any, send: Any) -> Exchange:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        key, key_in = keys.credential(headers, query)
        method, model = surface.route(scope["method"], scope["path"])
        call = self.state.log.add(
            surface=surface.name, method=method, model=model, key=key, key_in=key_in, http_method=scope["method"],
            path=scope["path"], query=query, headers=headers, connection=scope["extensions"]["simulator"]["connection"],
        )  # fmt: skip
        exchange = Exchange(scope, receive, send, call, self.state.log)
        self.open_exchanges.add(exchange)
        return exchange
