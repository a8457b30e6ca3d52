"""Custody of uploaded files: whose each is, which project of Google's keeps it, and until when. Sole keeper of their rows.

A file is its owner's alone: to anybody else it does not exist. What is ready is remembered for a moment, so that a chat about
it needs no database; whatever else is asked comes from there, since another process may have changed it.
"""

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any, TypeVar

from django.db import Error as DatabaseError
from django.db import transaction
from msgspec import Struct
from msgspec.structs import replace

from credentials.models import Credential, PoolVersion
from credentials.roster import Roster
from openai_api.errors import FileNotFound, NotReady
from openai_api.models import UploadedFile

Status = UploadedFile.Status
T = TypeVar("T")

PATIENCE = 5.0
"""Seconds that a request waits for the database."""
_REMEMBERED = 60.0
"""Seconds: so long may a file that another process has deleted still be named in a chat."""
_MOST_REMEMBERED = 10_000
_ID = re.compile(r"file-[0-9a-f]{1,35}")


class Kept(Struct, frozen=True):
    """A file. Times are epoch seconds; ids of 0: none, which is what callers without a token have in common."""

    id: str
    owner: int
    credential: int
    project: str
    google_name: str
    uri: str
    mime_type: str
    bytes: int
    filename: str
    purpose: str
    status: str
    created_at: float
    expires_at: float
    kept_until: float
    """By Google: `expires_at` may be earlier, by the owner's wish."""
    detail: str = ""

    def group(self, roster: Roster) -> str:
        """The quota group that can read it."""
        known = f"project:{self.project}"
        groups = {entry.id: entry.group for entry in roster.entries}
        if self.project and known in groups.values():
            return known
        # A project is learned, or named by an admin, also after the file has been taken.
        return groups.get(self.credential, known if self.project else f"key:{self.credential}")


class Page(Struct, frozen=True):
    files: list[Kept]
    has_more: bool


class FileStore:
    """`in_database` runs a function where the database may be asked. Raises NotReady where it cannot."""

    def __init__(self, in_database: Callable[..., Awaitable[Any]]) -> None:
        self._in_database = in_database
        self._ready: OrderedDict[tuple[int, str], tuple[float, Kept]] = OrderedDict()
        """(until when it is remembered, file)"""

    async def add(self, kept: Kept) -> None:
        await self._ask(_insert, kept)
        self._remember(kept)

    async def find(self, owner: int, file_id: str, *, param: str = "file_id") -> Kept:
        """As the database has it. Raises FileNotFound."""
        kept = (await self._ask(_select, owner, [file_id])).get(file_id)
        if kept is None:
            raise no_such_file(file_id, param)
        return kept

    async def find_all(self, owner: int, wanted: Mapping[str, str]) -> dict[str, Kept]:
        """By id, for use at once; `wanted` are ids, and where each stood. Raises FileNotFound."""
        known = {file_id: kept for file_id in wanted if (kept := self._recall(owner, file_id)) is not None}
        if unknown := [file_id for file_id in wanted if file_id not in known]:
            known |= await self._ask(_select, owner, unknown)
        for file_id, field in wanted.items():
            if file_id not in known:
                raise no_such_file(file_id, field)
            self._remember(known[file_id])
        return known

    async def page(self, owner: int, *, after: str, limit: int, ascending: bool, purpose: str) -> Page:
        return await self._ask(_page, owner, after, limit, ascending, purpose)

    async def settle(self, kept: Kept, status: str, detail: str = "") -> Kept:
        """Note what has become of it."""
        settled = replace(kept, status=status, detail=detail)
        self._forget(kept)
        await self._ask(_update, settled)
        self._remember(settled)
        return settled

    async def delete(self, kept: Kept) -> bool:
        """False: somebody else has done it."""
        self._forget(kept)
        return await self._ask(_delete, kept)

    async def _ask(self, function: Callable[..., T], *given: Any) -> T:
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._in_database(partial(function, *given))
        except (DatabaseError, TimeoutError) as error:
            raise NotReady("Castor cannot reach its database, where it keeps whose files are whose.", retry_after=2) from error

    def _remember(self, kept: Kept) -> None:
        if kept.status == Status.PROCESSED and (kept.owner, kept.id) not in self._ready:
            self._ready[kept.owner, kept.id] = time.time() + _REMEMBERED, kept
            if len(self._ready) > _MOST_REMEMBERED:
                self._ready.popitem(last=False)

    def _recall(self, owner: int, file_id: str) -> Kept | None:
        until, kept = self._ready.get((owner, file_id), (0.0, None))
        if kept is None or time.time() < min(until, kept.expires_at):
            return kept
        self._forget(kept)
        return None

    def _forget(self, kept: Kept) -> None:
        self._ready.pop((kept.owner, kept.id), None)


def no_such_file(file_id: str, param: str) -> FileNotFound:
    return FileNotFound(f"No such file: '{file_id[:100]}'. It may have expired: files are kept for 48 hours.", param=param)


def kept_of(row: UploadedFile) -> Kept:
    return Kept(
        id=row.id,
        owner=row.owner_id or 0,
        credential=row.credential_id or 0,
        project=row.project,
        google_name=row.google_name,
        uri=row.uri,
        mime_type=row.mime_type,
        bytes=row.bytes,
        filename=row.filename,
        purpose=row.purpose,
        status=row.status,
        created_at=row.created_at.timestamp(),
        expires_at=row.expires_at.timestamp(),
        kept_until=row.kept_until.timestamp(),
        detail=row.detail,
    )


def _insert(kept: Kept) -> None:
    with transaction.atomic():
        PoolVersion.lock()  # Whoever deletes a credential waits for it too: the row must not point at what goes.
        UploadedFile.objects.create(
            id=kept.id,
            owner_id=kept.owner or None,
            credential_id=Credential.objects.filter(pk=kept.credential).values_list("pk", flat=True).first(),
            project=kept.project,
            google_name=kept.google_name,
            uri=kept.uri,
            mime_type=kept.mime_type,
            bytes=kept.bytes,
            filename=kept.filename,
            purpose=kept.purpose,
            status=kept.status,
            detail=kept.detail,
            created_at=_moment(kept.created_at),
            expires_at=_moment(kept.expires_at),
            kept_until=_moment(kept.kept_until),
        )


def _select(owner: int, file_ids: list[str]) -> dict[str, Kept]:
    ours = [file_id for file_id in file_ids if _ID.fullmatch(file_id)]  # No database need see whatever else callers write.
    return {row.id: kept_of(row) for row in _of(owner).filter(pk__in=ours)}


def _page(owner: int, after: str, limit: int, ascending: bool, purpose: str) -> Page:
    """Ids are in the order of time."""
    rows = _of(owner).order_by("id" if ascending else "-id")
    if purpose:
        rows = rows.filter(purpose=purpose)
    if after:
        rows = rows.filter(id__gt=after) if ascending else rows.filter(id__lt=after)
    found = [kept_of(row) for row in rows[: limit + 1]]
    return Page(found[:limit], len(found) > limit)


def _update(kept: Kept) -> None:
    UploadedFile.objects.filter(pk=kept.id).update(status=kept.status, detail=kept.detail)


def _delete(kept: Kept) -> bool:
    return _of(kept.owner).filter(pk=kept.id).delete()[0] > 0


def _of(owner: int) -> Any:
    return UploadedFile.objects.filter(owner_id=owner or None, expires_at__gt=datetime.now(UTC))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
