"""The ends of texts whose beginnings the caller has sent."""

from collections.abc import Iterable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from openai_api.errors import InvalidRequest
from openai_api.orders.base import Desk, Ready
from openai_api.orders.conversations import cut_at_tags, taken_in, weighed
from openai_api.translation.conversation import Conversation, Notice, Thinking
from openai_api.translation.gemini.capabilities import capabilities_of
from openai_api.translation.gemini.thinking import least_thinking
from openai_api.upstream.base import Prepared


class Continuations(Struct, frozen=True):
    """`choices` answers to each of some conversations, those of the first conversation first."""

    conversations: tuple[Conversation, ...]
    choices: int = 1

    @property
    def model(self) -> str:
        return self.conversations[0].model

    async def prepare(self, desk: Desk) -> Ready:
        if capabilities_of(desk.model).outputs != ("TEXT",):
            raise InvalidRequest(f"The model '{desk.model}' writes no texts.", param="model", code="model_not_supported")
        prepared = [_prepared(conversation, desk) for conversation in self.conversations]
        notices = dict.fromkeys(_in_the_callers_words(notice for one in prepared for notice in one.notices))
        return Ready(desk.upstream.ask, tuple(one for one in prepared for _ in range(self.choices)), tuple(notices))


def _prepared(asked: Conversation, desk: Desk) -> Prepared:
    # Nobody sees the thoughts, and the limits of these callers are small: all of it should be text.
    thinking = least_thinking(capabilities_of(desk.model)) if asked.thinking == Thinking() else asked.thinking
    conversation = cut_at_tags(replace(asked, model=desk.model, thinking=thinking), desk)
    return taken_in(weighed(desk.upstream.prepare(conversation, desk.roster), conversation, desk), desk)


def _in_the_callers_words(notices: Iterable[Notice]) -> Iterator[Notice]:
    """What becomes of the instruction, which is ours, concerns nobody."""
    for notice in notices:
        if notice.field != "messages":
            yield replace(notice, field="max_tokens") if notice.field == "max_completion_tokens" else notice
