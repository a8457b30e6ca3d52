from msgspec import Struct
from msgspec.structs import replace

from openai_api.orders.base import Desk, Ready
from openai_api.translation.conversation import PicturesToMake


class Pictures(Struct, frozen=True):
    """Some pictures, each of them worth having without the others."""

    wanted: PicturesToMake

    @property
    def model(self) -> str:
        return self.wanted.model

    async def prepare(self, desk: Desk) -> Ready:
        prepared = desk.upstream.prepare_pictures(replace(self.wanted, model=desk.model), desk.roster)
        return Ready(
            desk.upstream.draw,
            prepared,
            prepared[0].notices,
            some_will_do=len(prepared) > 1,
            held=not self.wanted.drafts,
        )
