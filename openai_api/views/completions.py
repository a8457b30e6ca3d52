from django.http.response import HttpResponseBase
from rest_framework.request import Request

from openai_api.ids import new_id
from openai_api.orders.completions import Continuations
from openai_api.streaming import AnswerStream, as_it_comes
from openai_api.translation import completions
from openai_api.views.base import GatewayView, json_response, unix_time


class CompletionsView(GatewayView):
    """POST /v1/completions: the endpoint from before chats."""

    passes_as = "completions"
    cuttable = True

    async def post(self, request: Request) -> HttpResponseBase:
        asked = completions.read_request(request.body)
        exchange = self.exchange("completions", stream=asked.stream)
        if asked.stream:
            self.keep_alive()
        await exchange.open(Continuations(asked.conversations, asked.choices), notices=asked.notices)
        writer = completions.Writer(asked, id=new_id("cmpl"), created=unix_time(), model=exchange.model)
        if asked.stream:
            return AnswerStream(as_it_comes(writer, exchange), exchange)
        async with exchange:
            answers = await exchange.collect()
        return json_response(writer.completion(answers))
