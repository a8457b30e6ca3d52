"""Endpoints that Gemini has nothing for: they are handed on to the server that has the model."""

from typing import ClassVar

from django.http.response import HttpResponseBase
from rest_framework.request import Request

from credentials.routing import steps
from openai_api.errors import InvalidRequest, ModelNotAllowed, ModelNotFound
from openai_api.gateway import gateway
from openai_api.orders.passage import passage_of, passage_of_form
from openai_api.views.base import GatewayView


class ServersOnlyView(GatewayView):
    instead: ClassVar[str]
    """What a caller can do for whom only Gemini is there."""

    async def post(self, request: Request) -> HttpResponseBase:
        """Where no server is to answer."""
        passage = passage_of_form(request.path, self.form) if self.is_form else passage_of(request.path, request.body)
        if passage is None:
            raise InvalidRequest("The request names no 'model'.", param="model", code="missing_required_parameter")
        roster = gateway.pool.roster
        model = roster.resolve(passage.model)
        if not self.token.may_use(passage.model, model):
            raise ModelNotAllowed(f"This token may not use the model '{passage.model}'.")
        if not steps(roster, model):
            raise ModelNotFound(f"The model '{model}' does not exist here. GET /v1/models lists what there is.", param="model")
        message = (
            f"The Gemini model '{model}' cannot be asked by {request.path}, which is for other servers' models. {self.instead}"
        )
        raise InvalidRequest(message, param="model", code="model_not_supported")


class ResponsesView(ServersOnlyView):
    """POST /v1/responses"""

    passes_as = "responses"
    instead = "Use /v1/chat/completions."


class RerankView(ServersOnlyView):
    """POST /v1/rerank"""

    passes_as = "rerank"
    instead = "Gemini has no rerankers."
