"""What is asked of a conversation: answers to it, or its length."""

import asyncio
import time

from msgspec import Struct
from msgspec.structs import replace

from openai_api.orders.base import Desk, Ready
from openai_api.shortage import too_late
from openai_api.translation.conversation import Conversation, prefix_of
from openai_api.translation.gemini.estimate import estimate_tokens
from openai_api.upstream.base import Prepared


class Completions(Struct, frozen=True):
    """Answers to a conversation: `choices` of them."""

    conversation: Conversation
    choices: int = 1

    @property
    def model(self) -> str:
        return self.conversation.model

    async def prepare(self, desk: Desk) -> Ready:
        conversation = await completed(self.conversation, desk)
        prepared = desk.upstream.prepare(conversation, desk.roster)
        return Ready(desk.upstream.ask, (weighed(prepared, conversation, desk),) * self.choices, prepared.notices)


class InputTokens(Struct, frozen=True):
    """One TokenCount: how long a conversation is."""

    conversation: Conversation

    @property
    def model(self) -> str:
        return self.conversation.model

    async def prepare(self, desk: Desk) -> Ready:
        conversation = await completed(self.conversation, desk)
        prepared = desk.upstream.prepare(conversation, desk.roster, counts=True)
        return Ready(desk.upstream.count, (weighed(prepared, conversation, desk),), prepared.notices)


async def completed(asked: Conversation, desk: Desk) -> Conversation:
    """With everything that the translation needs and the caller did not send along."""
    conversation = replace(asked, model=desk.model)
    if any(True for _ in conversation.remote_media()):
        conversation = await _fetched(conversation, desk)
    return await desk.gateway.signatures.restore(conversation, desk.owner)


async def _fetched(conversation: Conversation, desk: Desk) -> Conversation:
    deadline = desk.gateway.limits.deadline
    try:
        async with asyncio.timeout(desk.started + deadline - time.monotonic()):
            return await desk.gateway.fetcher.fetch_all(conversation)
    except TimeoutError:
        raise too_late(deadline) from None


def weighed(prepared: Prepared, conversation: Conversation, desk: Desk) -> Prepared:
    """With what only some settings ask for: most requests need not pay for it."""
    pool = desk.gateway.pool
    if pool.pacer.counts_tokens:
        prepared = replace(prepared, tokens=estimate_tokens(conversation))
    if pool.homes is not None:
        prepared = replace(prepared, prefix=prefix_of(conversation))
    return prepared
