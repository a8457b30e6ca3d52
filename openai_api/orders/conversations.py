"""What is asked of a conversation: answers to it, or its length."""

import asyncio
import time

from msgspec import Struct
from msgspec.structs import replace

from openai_api.orders.base import Desk, Ready
from openai_api.orders.files import known
from openai_api.shortage import too_late
from openai_api.translation.conversation import Conversation, prefix_of
from openai_api.translation.gemini.capabilities import capabilities_of
from openai_api.translation.gemini.estimate import estimate_tokens
from openai_api.upstream.base import Ask, Prepared


class Completions(Struct, frozen=True):
    """Answers to a conversation: `choices` of them."""

    conversation: Conversation
    choices: int = 1

    @property
    def model(self) -> str:
        return self.conversation.model

    async def prepare(self, desk: Desk) -> Ready:
        conversation = cut_at_tags(await completed(self.conversation, desk), desk)
        ask, prepared = await _with_files(conversation, desk, desk.upstream.ask)
        return Ready(ask, (taken_in(prepared, desk),) * self.choices, prepared.notices)


class InputTokens(Struct, frozen=True):
    """One TokenCount: how long a conversation is."""

    conversation: Conversation

    @property
    def model(self) -> str:
        return self.conversation.model

    async def prepare(self, desk: Desk) -> Ready:
        conversation = await completed(self.conversation, desk)
        ask, prepared = await _with_files(conversation, desk, desk.upstream.count, counts=True)
        return Ready(ask, (prepared,), prepared.notices)


def cut_at_tags(conversation: Conversation, desk: Desk) -> Conversation:
    """With the stop tags that hold for it, behind the caller's own stops: upstreams enforce only the first of them."""
    tags, sampling = desk.manner.stop_tags, conversation.sampling
    if not tags or "TEXT" not in capabilities_of(desk.model).outputs:
        return conversation
    return replace(conversation, sampling=replace(sampling, stop=(*sampling.stop, *tags)))


def taken_in(prepared: Prepared, desk: Desk) -> Prepared:
    at_once = desk.whole and desk.manner.stream_internally is False
    return replace(prepared, at_once=True) if at_once else prepared


async def _with_files(conversation: Conversation, desk: Desk, ask: Ask, *, counts: bool = False) -> tuple[Ask, Prepared]:
    """What is put, and by which call: files that were uploaded before bind it to the project that keeps them."""
    if next(conversation.uploaded_media(), None) is None:
        prepared = desk.upstream.prepare(conversation, desk.roster, counts=counts)
        return ask, weighed(prepared, conversation, desk)
    with_files = await known(conversation, desk)
    prepared = desk.upstream.prepare(with_files.conversation, desk.roster, counts=counts)
    bound = with_files.bound(weighed(prepared, with_files.conversation, desk))
    return with_files.watched(ask, desk.gateway.files), bound


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
