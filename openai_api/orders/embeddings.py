from msgspec import Struct
from msgspec.structs import replace

from openai_api.orders.base import Desk, Ready
from openai_api.translation.conversation import TextsToEmbed


class Embeddings(Struct, frozen=True):
    """The vectors of some texts, batch by batch."""

    wanted: TextsToEmbed

    @property
    def model(self) -> str:
        return self.wanted.model

    async def prepare(self, desk: Desk) -> Ready:
        wanted = replace(self.wanted, model=desk.model)
        return Ready(desk.upstream.embed, desk.upstream.prepare_embeddings(wanted, desk.roster))
