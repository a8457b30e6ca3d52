"""GET /v1/models: what the pool's credentials really serve, and the aliases that lead to it."""

from collections.abc import Iterator
from typing import Any

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from credentials.roster import ModelCard, Roster, TokenEntry
from openai_api.errors import ModelNotFound
from openai_api.gateway import gateway
from openai_api.views.base import GatewayView, json_response

_encode = msgspec.json.Encoder().encode


class ModelsView(GatewayView):
    """GET /v1/models"""

    async def get(self, request: Request) -> HttpResponse:
        found = [_card(name, card) for name, card in _visible(gateway.pool.roster, self.token)]
        return json_response(_encode({"object": "list", "data": found}))


class ModelView(GatewayView):
    """GET /v1/models/{id}"""

    async def get(self, request: Request, model: str) -> HttpResponse:
        roster = gateway.pool.roster
        card = roster.models.get(roster.resolve(model))
        if card is None or not self.token.may_use(model, card.name):
            raise ModelNotFound(f"The model '{model}' does not exist here, or this token may not use it.", param="model")
        return json_response(_encode(_card(model, card)))


def _visible(roster: Roster, token: TokenEntry) -> Iterator[tuple[str, ModelCard]]:
    """(name, card) of each model, then of each alias that is a plain name."""
    names = [(name, name) for name in roster.models] + list(roster.aliases.items())
    for name, target in names:
        card = roster.models.get(target)
        if card is not None and token.may_use(name, target):
            yield name, card


def _card(name: str, card: ModelCard) -> dict[str, Any]:
    """OpenAI's model object (Google does not say when a model was made); limits under the names that other gateways use."""
    found: dict[str, Any] = {"id": name, "object": "model", "created": 0, "owned_by": "google"}
    if card.display_name:
        found["display_name"] = card.display_name
    if card.input_limit:
        found["context_length"] = card.input_limit
    if card.output_limit:
        found["max_output_tokens"] = card.output_limit
    if name != card.name:
        found["alias_of"] = card.name
    return found
