"""Custody of Gemini's thought signatures for clients that drop them: per token owner, by tool-call id.

Kept in memory and, a moment later, in the database, so that another process or the next start can restore them too.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.timezone import now
from msgspec import Struct
from msgspec.structs import replace

from openai_api.models import ThoughtSignature
from openai_api.translation.conversation import Conversation, ToolCall, Turn

MOST_BYTES = 32 * 1024 * 1024
LONGEST_ID = 100
"""Characters, as many as the column holds."""


class Kept(Struct, frozen=True):
    model: str
    signature: str


Key = tuple[int, str]
"""(owner, tool-call id)"""
Lookup = Callable[[int, list[str]], Awaitable[dict[Key, Kept]]]


class SignatureStore:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._bytes = 0
        self._unsaved: dict[Key, Kept] = {}

    def remember(self, owner: int, call_id: str, *, model: str, signature: str) -> None:
        kept = Kept(model, signature)
        self._hold((owner, call_id), kept)
        # Anonymous callers have no row to belong to, and an odd id fits in none; this process remembers for them.
        if owner and len(call_id) <= LONGEST_ID and call_id.isprintable():
            self._unsaved[owner, call_id] = kept

    async def restore(self, conversation: Conversation, owner: int) -> Conversation:
        """The conversation with the signatures that its client dropped, and without those that another model made."""
        calls = [call for turn in conversation.turns for call in _calls(turn)]
        if not calls:
            return conversation
        await self._fetch(owner, _current(conversation))
        turns = tuple(self._restored(turn, owner, conversation.model) for turn in conversation.turns)
        return replace(conversation, turns=turns)

    def take_unsaved(self) -> dict[Key, Kept]:
        taken, self._unsaved = self._unsaved, {}
        return taken

    def put_back(self, unsaved: dict[Key, Kept]) -> None:
        """What could not be saved is tried again, as long as it is remembered at all."""
        self._unsaved = {key: kept for key, kept in {**unsaved, **self._unsaved}.items() if key in self._kept}

    async def _fetch(self, owner: int, calls: Iterable[ToolCall]) -> None:
        """Ask the database for what this process has not seen. Only the current turn's signatures are ever checked."""
        unknown = [call.id for call in calls if not call.signature and (owner, call.id) not in self._kept]
        if unknown and owner:
            for key, kept in (await self._lookup(owner, unknown)).items():
                self._hold(key, kept)

    def _restored(self, turn: Turn, owner: int, model: str) -> Turn:
        if not any(_calls(turn)):
            return turn
        return replace(
            turn, parts=tuple(self._signed(part, owner, model) if isinstance(part, ToolCall) else part for part in turn.parts)
        )

    def _signed(self, call: ToolCall, owner: int, model: str) -> ToolCall:
        kept = self._kept.get((owner, call.id))
        if kept is None:
            return call
        if kept.model != model:
            return replace(call, signature="")
        return call if call.signature else replace(call, signature=kept.signature)

    def _hold(self, key: Key, kept: Kept) -> None:
        before = self._kept.pop(key, None)
        self._kept[key] = kept
        self._bytes += _size(kept) - (_size(before) if before else 0)
        while self._bytes > MOST_BYTES:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= _size(oldest)


def save(unsaved: dict[Key, Kept]) -> None:
    owners = set(get_user_model().objects.filter(pk__in={owner for owner, _ in unsaved}).values_list("pk", flat=True))
    expires_at = now() + timedelta(days=settings.SIGNATURE_DAYS)
    rows = [
        ThoughtSignature(owner_id=owner, call_id=call_id, model=kept.model, signature=kept.signature, expires_at=expires_at)
        for (owner, call_id), kept in unsaved.items()
        if owner in owners
    ]
    ThoughtSignature.objects.bulk_create(
        rows,
        update_conflicts=True,
        unique_fields=["owner", "call_id"],
        update_fields=["model", "signature", "expires_at"],
        batch_size=200,
    )


def look_up(owner: int, call_ids: list[str]) -> dict[Key, Kept]:
    rows = ThoughtSignature.objects.filter(owner_id=owner, call_id__in=call_ids, expires_at__gt=now())
    return {(owner, row.call_id): Kept(row.model, row.signature) for row in rows}


def _calls(turn: Turn) -> Iterable[ToolCall]:
    return (part for part in turn.parts if isinstance(part, ToolCall))


def _current(conversation: Conversation) -> list[ToolCall]:
    """The calls of the current turn: those after the last message that is not a tool's result."""
    calls: list[ToolCall] = []
    for turn in reversed(conversation.turns):
        if turn.role in ("user", "system"):
            break
        calls += _calls(turn)
    return calls


def _size(kept: Kept) -> int:
    return len(kept.signature) + len(kept.model) + 200
