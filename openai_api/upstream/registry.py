"""Which upstream serves a model."""

import re

from credentials.roster import Roster
from openai_api.errors import ModelNotFound
from openai_api.upstream.base import Upstream

_GEMINI = re.compile(r"(gemini|gemma|learnlm)-[a-z0-9][a-z0-9.-]*")
"""Names that Google serves, or may serve from tomorrow: a model that is a day old is in no listing yet."""


class Registry:
    def __init__(self, gemini: Upstream) -> None:
        self._gemini = gemini

    @property
    def keeper(self) -> Upstream:
        """The one that keeps uploaded files."""
        return self._gemini

    def upstream_for(self, model: str, roster: Roster) -> Upstream:
        """`model` with aliases resolved. Raises ModelNotFound."""
        if model in roster.models or _GEMINI.fullmatch(model):
            return self._gemini
        raise ModelNotFound(
            f"The model '{model}' does not exist here: no upstream serves it, and no alias leads from it to one that is served. "
            "GET /v1/models lists what there is."
        )
