"""GET /v1/models: what the pool's credentials really serve, here and at other servers, and the aliases that lead to it."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from credentials.roster import ModelCard, Roster, TokenEntry
from credentials.routing import steps
from openai_api.errors import ModelNotFound
from openai_api.gateway import gateway
from openai_api.views.base import GatewayView, json_response

_encode = msgspec.json.Encoder().encode


class ModelsView(GatewayView):
    """GET /v1/models"""

    async def get(self, request: Request) -> HttpResponse:
        roster = gateway.pool.roster
        found = [_card(name, card, _owner(roster, card.name)) for name, card in _visible(roster, self.token)]
        return json_response(_encode({"object": "list", "data": found}))


class ModelView(GatewayView):
    """GET /v1/models/{id}"""

    async def get(self, request: Request, model: str) -> HttpResponse:
        roster = gateway.pool.roster
        card = _known(roster).get(roster.resolve(model))
        if card is None or not self.token.may_use(model, card.name):
            raise ModelNotFound(f"The model '{model}' does not exist here, or this token may not use it.", param="model")
        return json_response(_encode(_card(model, card, _owner(roster, card.name))))


def _visible(roster: Roster, token: TokenEntry) -> Iterator[tuple[str, ModelCard]]:
    """(name, card) of each model, then of each alias that is a plain name."""
    known = _known(roster)
    names = [(name, name) for name in known]
    names += [(name, target) for name, target in roster.aliases.items() if name not in known]
    for name, target in names:
        card = known.get(target)
        if card is not None and token.may_use(name, target):
            yield name, card


def _known(roster: Roster) -> Mapping[str, ModelCard]:
    """Each model once, by name: of one that several have, the description of the first that is asked for it."""
    if not roster.elsewhere:
        return roster.models
    others = {name: card for server in reversed(list(roster.servers.values())) for name, card in server.models.items()}
    return {**roster.models, **{name: card for name, card in others.items() if name not in roster.models}}


def _owner(roster: Roster, model: str) -> str:
    """The name of the server that is asked for the model, or Google's."""
    server = roster.servers.get(next((step.server for step in steps(roster, model)), 0))
    return server.name if server is not None else "google"


def _card(name: str, card: ModelCard, owner: str) -> dict[str, Any]:
    """OpenAI's model object (when a model was made is not known); limits under the names that other gateways use."""
    found: dict[str, Any] = {"id": name, "object": "model", "created": 0, "owned_by": owner}
    if card.display_name:
        found["display_name"] = card.display_name
    if card.input_limit:
        found["context_length"] = card.input_limit
    if card.output_limit:
        found["max_output_tokens"] = card.output_limit
    if name != card.name:
        found["alias_of"] = card.name
    return found
