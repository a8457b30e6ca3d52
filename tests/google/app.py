"""The Gemini API as an ASGI application: routing, and the order in which Google checks a request.

1. The path: an unknown one is a page of 404, whoever asks.
2. The body: JSON, then protobuf. A malformed body is refused even with a dead key (sections 0.2 and 1.1).
3. The key (section 1.1).
4. A scripted fault. (Google's quota and health come before its reading of the request, so the rules come after; what
   they would have said is in the log as `broken_rule` all the same.)
5. The model, and the rules of sections 1.3-1.14 and 2.
6. Quota, counted for what would have been served.
7. The answer.
"""

import re
from typing import Any
from urllib.parse import parse_qsl

from tests.google import answers, delivery, embeddings, faults, keys, models, responses, rules, tokens, transcoding
from tests.google.control import Control
from tests.google.errors import Refusal
from tests.google.exchange import ClientGone, Exchange
from tests.google.faults import Circumstances
from tests.google.log import Call
from tests.google.scripts import GENERATION, Script
from tests.google.state import State

MODEL_PATH = re.compile(r"/v1(?:beta|alpha)?/models/([^/:]+)(?::(\w+))?")
LIST_PATH = re.compile(r"/v1(?:beta|alpha)?/models")
# Several pages still say 20 MB; the changelog of 2026-01-08 says this (section 1.11).
MOST_BYTES = 100_000_000
MESSAGES = {
    "generateContent": "GenerateContentRequest",
    "streamGenerateContent": "GenerateContentRequest",
    "countTokens": "CountTokensRequest",
    "embedContent": "EmbedContentRequest",
    "batchEmbedContents": "BatchEmbedContentsRequest",
}


def route(http_method: str, path: str) -> tuple[str, str]:
    """Google's method and the model of a path; both empty where there is nothing."""
    if http_method == "GET" and LIST_PATH.fullmatch(path.rstrip("/")):
        return "listModels", ""
    match = MODEL_PATH.fullmatch(path)
    if not match:
        return "", ""
    model, method = match[1], match[2]
    if http_method == "GET" and not method:
        return "getModel", model
    return (method, model) if http_method == "POST" and method in MESSAGES else ("", "")


class App:
    def __init__(self, state: State) -> None:
        self.state = state
        self.open_exchanges: set[Exchange] = set()
        self._control = Control(state)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"The simulator speaks HTTP only, not {scope['type']}.")
        if scope["path"].startswith("/_simulator/"):
            await self._control(scope, receive, send)
            return
        exchange = self._open(scope, receive, send)
        try:
            await self._answer(exchange)
        except ClientGone:
            pass
        finally:
            self.open_exchanges.discard(exchange)
            exchange.end()

    def abandon(self) -> None:
        for exchange in list(self.open_exchanges):
            exchange.abandon()

    def _open(self, scope: dict[str, Any], receive: Any, send: Any) -> Exchange:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        key, key_in = keys.credential(headers, query)
        method, model = route(scope["method"], scope["path"])
        call = self.state.log.add(
            method=method, model=model, key=key, key_in=key_in, http_method=scope["method"], path=scope["path"], query=query,
            headers=headers, connection=scope["extensions"]["simulator"]["connection"],
        )  # fmt: skip
        exchange = Exchange(scope, receive, send, call, self.state.log)
        self.open_exchanges.add(exchange)
        return exchange

    async def _answer(self, exchange: Exchange) -> None:
        call = exchange.call
        call.raw = await exchange.read()
        script = Script()
        try:
            if not call.method:
                raise faults.make("html_404", Circumstances())
            request = self._read(call)
            call.project = keys.authenticate(call.headers, call.query, self.state.keys, self.state.everybody)
            broken_rule = _broken_rule(call, request)
            script = self.state.scripts.take(call) or script
            await exchange.pause(script.delay)
            if script.ends in ("reset_before_headers", "close_before_headers"):
                exchange.reset() if script.ends == "reset_before_headers" else exchange.close()
                return
            if script.status is not None:
                await delivery.send_body(exchange, script.status, script.body, script.headers)
                return
            if script.is_refusal:
                raise self._fault(call, script)
            if broken_rule:
                raise broken_rule
            await self._serve(exchange, request, script)
        except Refusal as refusal:
            in_array = call.method == "streamGenerateContent" and call.query.get("alt") != "sse"
            await delivery.send_refusal(exchange, refusal, script.headers, in_array=in_array)

    def _read(self, call: Call) -> dict[str, Any]:
        if call.http_method == "GET":
            return {}
        if len(call.raw) > MOST_BYTES:
            raise faults.make("html_413", Circumstances())
        call.body = transcoding.read_json(call.raw)
        return transcoding.read(call.body, MESSAGES[call.method])

    def _fault(self, call: Call, script: Script) -> Refusal:
        given = {name: value for name in ("limit", "seconds") if (value := getattr(script, name)) is not None}
        about = Circumstances(key=call.key, project=call.project, model=call.model, method=call.method, paid=script.paid, **given)
        return faults.make(script.error or "", about)

    async def _serve(self, exchange: Exchange, request: dict[str, Any], script: Script) -> None:
        call = exchange.call
        if call.method in GENERATION:
            await self._generate(exchange, request, script)
            return
        await delivery.send_whole(exchange, self._other(call, request), script, None)

    def _other(self, call: Call, request: dict[str, Any]) -> dict[str, Any]:
        if call.method == "listModels":
            return models.listing(call.query.get("pageSize", ""), call.query.get("pageToken", ""))
        if call.method == "getModel":
            return models.MODELS[call.model].as_json()
        if call.method == "countTokens":
            counts = tokens.count_request(request.get("generateContentRequest", request))
            return {"totalTokens": sum(counts.values()), "promptTokensDetails": tokens.details(counts)}
        if call.method == "embedContent":
            return embeddings.one(request, call.model)
        return embeddings.many(request, call.model)

    async def _generate(self, exchange: Exchange, request: dict[str, Any], script: Script) -> None:
        call = exchange.call
        model = models.MODELS[call.model]
        if refused := self.state.quotas.take(call.project, model.quota_name, call.key):
            raise refused
        fault = self._fault(call, script) if script.error else None
        chunks = self._chunks(call, request, model, script)
        if call.method == "generateContent":
            await delivery.send_whole(exchange, chunks[0] if chunks else {}, script, fault)
        else:
            await delivery.send_stream(exchange, chunks, script, fault, sse=call.query.get("alt") == "sse")

    def _chunks(self, call: Call, request: dict[str, Any], model: models.Model, script: Script) -> list[dict[str, Any]]:
        """What goes out: one response for a whole answer, any number for a stream."""
        if script.chunks is not None:
            return script.chunks
        if script.block_reason:
            return [responses.blocked(script.block_reason, tokens.count_request(request), model)]
        wanted = int(request.get("generationConfig", {}).get("candidateCount", 1))
        streamed = call.method == "streamGenerateContent"
        composed = [answers.compose(request, model, script, streamed=streamed) for _ in range(wanted)]
        return responses.stream(composed, model, script) if streamed else [responses.whole(composed, model, script)]


def _broken_rule(call: Call, request: dict[str, Any]) -> Refusal | None:
    """The rule that a request breaks, which the log keeps even if a scripted fault answers first."""
    try:
        rules.check(call.method, call.model, request)
    except Refusal as refusal:
        call.broken_rule = refusal.message
        return refusal
    return None
