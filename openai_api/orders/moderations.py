"""A model's judgement of somebody's texts and pictures."""

from base64 import b64decode
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from functools import partial

from msgspec import Struct

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api import media_types
from openai_api.errors import InvalidRequest
from openai_api.orders.base import Desk, Ready
from openai_api.orders.conversations import completed, weighed
from openai_api.translation.conversation import Conversation, Media, Text, Turn
from openai_api.translation.events import Event, Finished, UsageReport
from openai_api.translation.gemini.capabilities import capabilities_of
from openai_api.translation.gemini.thinking import least_thinking
from openai_api.translation.moderations import Input, ModerationRequest, conversation_about, read_judgement
from openai_api.upstream.base import Ask, Prepared, UpstreamRefused
from openai_api.upstream.refusals import Refusal

_BEGINNING = 64
"""Base64 letters that are enough to tell one kind of picture from another."""


class Moderations(Struct, frozen=True):
    """One Judgement of each input."""

    request: ModerationRequest

    @property
    def model(self) -> str:
        return self.request.model

    async def prepare(self, desk: Desk) -> Ready:
        if not capabilities_of(desk.model).json:
            message = f"The model '{desk.model}' cannot judge: it gives no structured answers."
            raise InvalidRequest(message, param="model", code="model_not_supported")
        prepared = [await _prepared(one, desk) for one in self.request.inputs]
        # Notices would speak of our own question.
        return Ready(partial(_judged, desk.upstream.ask), tuple(prepared))


async def _prepared(asked: Input, desk: Desk) -> Prepared:
    material = await completed(Conversation(desk.model, (Turn("user", asked.parts),)), desk)
    parts = _inline(material.turns[0].parts, asked.params)
    thinking = least_thinking(capabilities_of(desk.model))
    conversation = conversation_about(parts, model=desk.model, thinking=thinking)
    return weighed(desk.upstream.prepare(conversation, desk.roster, rated=True), conversation, desk)


def _inline(parts: Iterable[object], params: Iterable[str]) -> Iterator[Text | Media]:
    """The material, its pictures by what they are. Raises InvalidRequest for what is none."""
    for part, param in zip(parts, params, strict=True):
        if isinstance(part, Text):
            yield part
        elif isinstance(part, Media):
            kind = media_types.sniffed(b64decode(part.data[:_BEGINNING])) or ""
            if not kind.startswith("image/"):
                message = f"Invalid '{param}': it is not a picture that Gemini reads, which are PNG, JPEG, WebP, HEIC and HEIF."
                raise InvalidRequest(message, param=param, code="invalid_value")
            yield Media(kind, part.data)


async def _judged(
    ask: Ask, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
) -> AsyncGenerator[list[Event], None]:
    """The judgement at the end of an answer; one that cannot be read is refused, so that another is asked for."""
    answer: list[Event] = []
    async with aclosing(ask(prepared, entry, new_call_id=new_call_id, seconds=seconds)) as arriving:
        async for events in arriving:
            answer += events
            if reports := [event for event in events if isinstance(event, UsageReport)]:
                yield [*reports]
    judgement = read_judgement(answer)
    if judgement is None:
        message = "The model gave no judgement that could be read."
        raise UpstreamRefused(Refusal(outcome=Outcome.ANSWER_UNUSABLE, status=502, message=message))
    yield [judgement, Finished("stop")]
