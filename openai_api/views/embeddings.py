from django.http import HttpResponse
from rest_framework.request import Request

from openai_api.orders.embeddings import Embeddings
from openai_api.translation import embeddings
from openai_api.views.base import GatewayView, json_response


class EmbeddingsView(GatewayView):
    """POST /v1/embeddings"""

    passes_as = "embeddings"

    async def post(self, request: Request) -> HttpResponse:
        asked = embeddings.read_request(request.body)
        exchange = self.exchange("embeddings", stream=False)
        await exchange.open(Embeddings(asked.wanted), notices=asked.notices)
        writer = embeddings.Writer(asked.encoding, model=exchange.model)
        async with exchange:
            async for batch, events in exchange.events():
                writer.take(batch, events)
        return json_response(writer.answer())
