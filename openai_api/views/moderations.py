from django.http import HttpResponse
from rest_framework.request import Request

from openai_api.ids import new_id
from openai_api.orders.moderations import Moderations
from openai_api.translation import moderations
from openai_api.views.base import GatewayView, json_response


class ModerationsView(GatewayView):
    """POST /v1/moderations"""

    passes_as = "moderations"

    async def post(self, request: Request) -> HttpResponse:
        asked = moderations.read_request(request.body)
        exchange = self.exchange("moderations", stream=False)
        await exchange.open(Moderations(asked), notices=asked.notices)
        async with exchange:
            answers = await exchange.collect()
        writer = moderations.Writer(asked, id=new_id("modr"), model=exchange.model)
        return json_response(writer.answer(answers))
