"""Custody of Gemini's thought signatures for clients that drop them: per token owner, by tool-call id or by picture.

Kept in memory and, a moment later, in the database, so that another process or the next start can restore them too.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from hashlib import blake2b

from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils.timezone import now
from msgspec import Struct
from msgspec.structs import replace

from openai_api.models import ThoughtSignature
from openai_api.translation.conversation import Conversation, Media, Part, Text, ToolCall, Turn
from openai_api.translation.events import MediaDelta
from openai_api.translation.gemini.capabilities import capabilities_of

MOST_BYTES = 32 * 1024 * 1024
LONGEST_ID = 100
"""Characters, as many as the column holds."""

_PICTURE = "picture:"
_TEXT_BEFORE = "text-before:"
"""The first text of the answer that a picture belongs to."""
_SIGNED = (ToolCall, Media, Text)


class Kept(Struct, frozen=True):
    model: str
    signature: str


Key = tuple[int, str]
"""(owner, id): a tool call's own id, or one made of a picture's content."""
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

    def remember_picture(self, owner: int, made: MediaDelta, *, model: str) -> None:
        """The picture by its content, and the text before it too: clients keep nothing else, and join texts as they like."""
        if made.signature or made.text_signature:
            digest = _digest(made.data)
            for id, signature in ((_PICTURE + digest, made.signature), (_TEXT_BEFORE + digest, made.text_signature)):
                if signature:
                    self.remember(owner, id, model=model, signature=signature)

    async def restore(self, conversation: Conversation, owner: int) -> Conversation:
        """The conversation with the signatures that its client dropped, and without those that another model made."""
        pictures = capabilities_of(conversation.model).signs_pictures
        ids = [_ids(turn, pictures=pictures) for turn in conversation.turns]
        if not any(any(of_turn) for of_turn in ids):
            return conversation
        await self._fetch(owner, _needed(conversation.turns, ids))
        turns = zip(conversation.turns, ids, strict=True)
        return replace(
            conversation, turns=tuple(self._restored(turn, of_turn, owner, conversation.model) for turn, of_turn in turns)
        )

    def take_unsaved(self) -> dict[Key, Kept]:
        taken, self._unsaved = self._unsaved, {}
        return taken

    def put_back(self, unsaved: dict[Key, Kept]) -> None:
        """What could not be saved is tried again, as long as it is remembered at all."""
        self._unsaved = {key: kept for key, kept in {**unsaved, **self._unsaved}.items() if key in self._kept}

    async def _fetch(self, owner: int, ids: Iterable[str]) -> None:
        """Ask the database for what this process has not seen."""
        unknown = [id for id in dict.fromkeys(ids) if (owner, id) not in self._kept]
        if unknown and owner:
            for key, kept in (await self._lookup(owner, unknown)).items():
                self._hold(key, kept)

    def _restored(self, turn: Turn, ids: Sequence[str], owner: int, model: str) -> Turn:
        if not any(ids):
            return turn
        parts = zip(turn.parts, ids, strict=True)
        return replace(turn, parts=tuple(self._signed(part, id, owner, model) for part, id in parts))

    def _signed(self, part: Part, id: str, owner: int, model: str) -> Part:
        kept = self._kept.get((owner, id)) if id else None
        if kept is None or not isinstance(part, _SIGNED):
            return part
        if kept.model != model:
            return replace(part, signature="")
        return part if part.signature else replace(part, signature=kept.signature)

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


def _ids(turn: Turn, *, pictures: bool) -> list[str]:
    """For each part of a turn, the id under which its signature may be kept; empty where it has none."""
    ids = [part.id if isinstance(part, ToolCall) else "" for part in turn.parts]
    if not pictures or turn.role != "model":
        return ids
    digests = {place: _digest(part.data) for place, part in enumerate(turn.parts) if isinstance(part, Media)}
    for place, digest in digests.items():
        ids[place] = _PICTURE + digest
    text = next((place for place, part in enumerate(turn.parts) if isinstance(part, Text)), None)
    if digests and text is not None:
        ids[text] = _TEXT_BEFORE + next(iter(digests.values()))
    return ids


def _needed(turns: Sequence[Turn], ids: Sequence[Sequence[str]]) -> list[str]:
    """The ids of what has no signature and will be checked for one: of calls, those of the current turn alone.

    That is what comes after the last message that is not a tool's result.
    """
    current = max((number + 1 for number, turn in enumerate(turns) if turn.role in ("user", "system")), default=0)
    return [
        id
        for number, (turn, of_turn) in enumerate(zip(turns, ids, strict=True))
        for part, id in zip(turn.parts, of_turn, strict=True)
        if id and isinstance(part, _SIGNED) and not part.signature and (number >= current or not isinstance(part, ToolCall))
    ]


def _digest(data: str) -> str:
    """`data`: base64, which some clients send back without its padding."""
    return blake2b(data.rstrip("=").encode(), digest_size=24).hexdigest()


def _size(kept: Kept) -> int:
    return len(kept.signature) + len(kept.model) + 200
