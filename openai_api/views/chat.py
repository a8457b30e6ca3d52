import msgspec
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from openai_api.ids import new_id
from openai_api.orders.conversations import Completions, InputTokens
from openai_api.streaming import AnswerStream, as_it_comes
from openai_api.translation import chat
from openai_api.translation.events import TokenCount
from openai_api.views.base import GatewayView, json_response, unix_time

_encode = msgspec.json.Encoder().encode


class ChatCompletionsView(GatewayView):
    """POST /v1/chat/completions"""

    passes_as = "chat"
    cuttable = True

    async def post(self, request: Request) -> HttpResponseBase:
        asked = chat.read_request(request.body)
        exchange = self.exchange("chat", stream=asked.stream)
        if asked.stream:
            self.keep_alive()
        # Awaited before the first byte leaves: until then a refused key can still be swapped for another.
        await exchange.open(Completions(asked.conversation, asked.choices), notices=asked.notices)
        writer = chat.Writer(asked, id=new_id("chatcmpl"), created=unix_time(), model=exchange.model)
        if asked.stream:
            return AnswerStream(as_it_comes(writer, exchange), exchange)
        async with exchange:
            answers = await exchange.collect()
        return json_response(writer.completion(answers))


class InputTokensView(GatewayView):
    """POST /v1/chat/completions/input_tokens: how long a request is, without asking it. Free of charge."""

    async def post(self, request: Request) -> HttpResponseBase:
        asked = chat.read_request(request.body)
        exchange = self.exchange("chat", stream=False)
        await exchange.open(InputTokens(asked.conversation), notices=asked.notices)
        async with exchange:
            [answer] = await exchange.collect()
        tokens = sum(event.tokens for event in answer if isinstance(event, TokenCount))
        return json_response(_encode({"object": "chat.completion.input_tokens", "input_tokens": tokens}))
