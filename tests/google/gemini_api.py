"""The Gemini API: by key, or by a Google account's access token and the project that it bills (sections 1.1 and 1.2)."""

import re
from typing import Any

from tests.google import (
    bearer,
    delivery,
    embeddings,
    faults,
    generating,
    keys,
    models,
    predict,
    rules,
    transcoding,
    transcription,
)
from tests.google.errors import Refusal
from tests.google.exchange import Exchange
from tests.google.faults import Circumstances
from tests.google.log import Call
from tests.google.scripts import GENERATION, Script
from tests.google.surface import Body, Surface

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


class GeminiAPI(Surface):
    name = "gemini"

    def route(self, http_method: str, path: str) -> tuple[str, str]:
        if http_method == "GET" and LIST_PATH.fullmatch(path.rstrip("/")):
            return "listModels", ""
        match = MODEL_PATH.fullmatch(path)
        if not match:
            return "", ""
        model, method = match[1], match[2]
        if http_method == "GET" and not method:
            return "getModel", model
        return (method, model) if http_method == "POST" and method in (*MESSAGES, "predict") else ("", "")

    def read(self, call: Call) -> Body:
        if call.http_method == "GET":
            return {}
        if len(call.raw) > MOST_BYTES:
            raise faults.make("html_413", Circumstances())
        call.body = transcoding.read_json(call.raw)
        return predict.read(call.body) if call.method == "predict" else transcoding.read(call.body, MESSAGES[call.method])

    def authenticate(self, call: Call) -> None:
        keys.refuse_several(call.headers, call.query)
        if call.headers.get("authorization"):
            token, user = bearer.recognise(call.headers, self.state.oauth)
            call.account = user.email
            call.project = bearer.billed_project(call.headers, token, user)
        else:
            call.project = keys.authenticate(call.key, self.state.keys, self.state.everybody)

    def check(self, call: Call, request: Body) -> None:
        rules.check(call.method, call.model, request, lenient=self.state.lenient_pictures)
        self.state.files.check_named(request.get("generateContentRequest", request), call.project)
        if call.method in GENERATION and models.MODELS[call.model].kind == "transcription":
            transcription.check(request, self.state.files)

    async def serve(self, exchange: Exchange, request: Body, script: Script) -> None:
        call = exchange.call
        if call.method not in GENERATION:
            await delivery.send_whole(exchange, self._other(call, request), script, None)
            return
        model = models.MODELS[call.model]
        if refused := self.state.quotas.take(call.project, model.quota_name, call.key):
            raise refused
        fault = self.fault(call, script) if script.error else None
        words = self._heard(request, script) if model.kind == "transcription" else []
        await delivery.send_answer(exchange, generating.responses_to(call.method, request, model, script, words), script, fault)

    def _heard(self, request: Body, script: Script) -> list[str]:
        if script.text is not None:
            return script.text.split()
        return [word for found in transcription.sounds(request, self.state.files) for word in transcription.heard(*found)]

    def _other(self, call: Call, request: Body) -> Body:
        if call.method == "listModels":
            return models.listing(call.query.get("pageSize", ""), call.query.get("pageToken", ""))
        if call.method == "getModel":
            return models.MODELS[call.model].as_json()
        if call.method == "countTokens":
            return generating.count(request.get("generateContentRequest", request))
        if call.method == "predict":
            return predict.predictions(request)
        if call.method == "embedContent":
            return embeddings.one(request, call.model)
        return embeddings.many(request, call.model)

    def wording(self, call: Call, refusal: Refusal) -> Any:
        """A stream without alt=sse is an array, and so is its refusal (section 6.1)."""
        in_array = call.method == "streamGenerateContent" and call.query.get("alt") != "sse"
        return [refusal.body] if in_array and isinstance(refusal.body, dict) else refusal.body
