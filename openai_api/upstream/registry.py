"""What asks each upstream. Which one serves a model is decided in `credentials.routing`."""

from credentials.roster import Roster
from credentials.routing import steps
from openai_api.errors import ModelNotFound
from openai_api.upstream.base import Ask, Upstream


class Registry:
    def __init__(self, gemini: Upstream, servers: Ask) -> None:
        self._gemini = gemini
        self.servers = servers
        """Asks any server of OpenAI's dialect."""

    @property
    def keeper(self) -> Upstream:
        """The one that keeps uploaded files."""
        return self._gemini

    def upstream_for(self, model: str, roster: Roster) -> Upstream:
        """Google's, for a model that it serves; `model` with aliases resolved. Raises ModelNotFound."""
        if any(not step.server and step.model == model for step in steps(roster, model)):
            return self._gemini
        raise ModelNotFound(
            f"The model '{model}' does not exist here: no upstream serves it, and no alias leads from it to one that is served. "
            "GET /v1/models lists what there is."
        )
