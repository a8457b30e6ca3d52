"""What is asked of a recording: its text, and that text in English."""

from msgspec import Struct
from msgspec.structs import replace

from openai_api.orders.base import Desk, Ready
from openai_api.translation.conversation import SpeechToWrite
from openai_api.translation.transcription.translating import ask_for


class Transcription(Struct, frozen=True):
    wanted: SpeechToWrite

    @property
    def model(self) -> str:
        return self.wanted.model

    async def prepare(self, desk: Desk) -> Ready:
        prepared = desk.upstream.prepare_transcription(replace(self.wanted, model=desk.model), desk.roster)
        return Ready(desk.upstream.transcribe, (prepared,), prepared.notices)


class EnglishLines(Struct, frozen=True):
    """Each list of lines is translated by a call of its own."""

    model: str
    batches: tuple[tuple[str, ...], ...]

    async def prepare(self, desk: Desk) -> Ready:
        conversations = (ask_for(texts, model=desk.model) for texts in self.batches)
        return Ready(desk.upstream.ask, tuple(desk.upstream.prepare(one, desk.roster) for one in conversations))
