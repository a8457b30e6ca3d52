from msgspec import Struct
from msgspec.structs import replace

from openai_api.orders.base import Desk, Ready
from openai_api.translation.conversation import TextToSpeak


class Speech(Struct, frozen=True):
    """The sound of a text, read aloud."""

    wanted: TextToSpeak

    @property
    def model(self) -> str:
        return self.wanted.model

    async def prepare(self, desk: Desk) -> Ready:
        prepared = desk.upstream.prepare_speech(replace(self.wanted, model=desk.model), desk.roster)
        return Ready(desk.upstream.speak, (prepared,))
