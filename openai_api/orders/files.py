"""What is asked of whoever keeps files: to take one, to look at one, to delete one. And files that a conversation names."""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing

import structlog
from msgspec import Struct
from msgspec.structs import replace

from credentials.roster import Entry
from openai_api.errors import FileNotFound, GatewayError, InvalidRequest, UpstreamRefusal, UpstreamUnavailable
from openai_api.files import FileStore, Kept, Status
from openai_api.gateway import Gateway
from openai_api.ids import new_call_id
from openai_api.orders.base import Desk, Ready
from openai_api.relay import Relay
from openai_api.translation.conversation import Conversation, StoredFile, UploadedMedia
from openai_api.translation.events import Event, FileSeen
from openai_api.upstream.base import Ask, Custody, Prepared, UpstreamRefused
from openai_api.upstream.file_calls import deleting, looking, uploading

MOST_NAMED = 100
LONGEST_WAIT = 30.0
"""Seconds that a chat waits until Google has processed a file."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 2.0
_LOST = re.compile(r"You do not have permission to access the File (\S+) or it may not exist")
GONE = "Google no longer has this file. Upload it again."

log = structlog.get_logger("castor.files")


class FileUpload(Struct, frozen=True):
    """One FileSeen: the file as Google has taken it, in whichever project, or in that of `beside`."""

    file: StoredFile
    mime_type: str
    beside: Kept | None = None

    model = ""

    async def prepare(self, desk: Desk) -> Ready:
        custody = custody_of(self.beside, desk.gateway, "same_project_as") if self.beside is not None else None
        call = uploading(self.file, mime_type=self.mime_type)
        return Ready(desk.upstream.on_files, (desk.upstream.prepare_files(call, desk.roster, custody=custody),))


class FileDeletion(Struct, frozen=True):
    """One FileSeen: the file is gone."""

    kept: Kept

    model = ""

    async def prepare(self, desk: Desk) -> Ready:
        call, custody = deleting(self.kept.google_name), custody_of(self.kept, desk.gateway)
        return Ready(desk.upstream.on_files, (desk.upstream.prepare_files(call, desk.roster, custody=custody),))


def custody_of(kept: Kept, gateway: Gateway, field: str = "") -> Custody:
    return Custody(kept.group(gateway.pool.roster), kept.id, field)


async def looked_at(kept: Kept, gateway: Gateway, *, started: float) -> Kept:
    """The file as it is at Google by now. Raises GatewayError where that cannot be found out."""
    upstream, call = gateway.registry.keeper, looking(kept.google_name)
    prepared = upstream.prepare_files(call, gateway.pool.roster, custody=custody_of(kept, gateway))
    try:
        seen = await _asked(gateway, upstream.on_files, prepared, started)
    except UpstreamRefusal as refused:
        if refused.status not in (403, 404):
            raise
        return await gateway.files.settle(kept, Status.ERROR, GONE)
    match seen.state:
        case "ACTIVE":
            return await gateway.files.settle(kept, Status.PROCESSED)
        case "FAILED":
            return await gateway.files.settle(kept, Status.ERROR, f"Google could not process this file. {seen.error}".strip())
        case _:
            return kept


async def _asked(gateway: Gateway, ask: Ask, prepared: Prepared, started: float) -> FileSeen:
    """Without a record of its own: it is part of a request that has one, or is free."""
    relay = Relay(
        gateway.pool, ask, prepared, whole=True, limits=gateway.limits, started=started, new_call_id=new_call_id
    )  # fmt: skip
    try:
        await relay.open()
        seen = await relay.read() or []
    finally:
        await relay.close()
    return next(event for event in seen if isinstance(event, FileSeen))


class Known(Struct, frozen=True):
    """A conversation whose files are known, and who keeps them."""

    conversation: Conversation
    custody: Custody
    files: tuple[Kept, ...]

    def bound(self, prepared: Prepared) -> Prepared:
        return replace(prepared, custody=self.custody)

    def watched(self, ask: Ask, store: FileStore) -> Ask:
        """`ask`, which notes when Google has lost one of the files: no credential is to blame for that."""
        by_name = {kept.google_name.removeprefix("files/"): kept for kept in self.files}
        fields = {media.file_id: media.field for media in self.conversation.uploaded_media()}

        async def watching(
            prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
        ) -> AsyncGenerator[list[Event], None]:
            try:
                async with aclosing(ask(prepared, entry, new_call_id=new_call_id, seconds=seconds)) as answer:
                    async for events in answer:
                        yield events
            except UpstreamRefused as refused:
                named = _LOST.match(refused.refusal.message)
                lost = by_name.get(named[1]) if named else None
                if lost is None:
                    raise
                await _note_loss(store, lost)
                raise _unusable(replace(lost, detail=GONE), fields[lost.id]) from refused

        return watching


async def known(conversation: Conversation, desk: Desk) -> Known:
    """Raises GatewayError: FileNotFound for what is not the owner's, InvalidRequest for what cannot be read together."""
    fields: dict[str, str] = {}
    for media in conversation.uploaded_media():
        fields.setdefault(media.file_id, media.field)
    if len(fields) > MOST_NAMED:
        raise InvalidRequest(f"At most {MOST_NAMED} files can be named in one request.", param=list(fields.values())[MOST_NAMED])
    found = await desk.gateway.files.find_all(desk.owner, fields)
    custody = _one_custody([(found[file_id], field) for file_id, field in fields.items()], desk.gateway)
    files = tuple([await _usable(found[file_id], field, desk) for file_id, field in fields.items()])
    known_media = {kept.id: _media(kept, fields[kept.id]) for kept in files}
    return Known(conversation.with_uploads(known_media), custody, files)


def _media(kept: Kept, field: str) -> UploadedMedia:
    return UploadedMedia(kept.id, field, kept.uri, kept.mime_type, kept.bytes)


def _one_custody(named: Sequence[tuple[Kept, str]], gateway: Gateway) -> Custody:
    first, *others = [custody_of(kept, gateway, field) for kept, field in named]
    for other in others:
        if other.group != first.group:
            raise InvalidRequest(
                f"The files '{first.file_id}' and '{other.file_id}' are kept by different Google projects, and no project can "
                "read another's. Upload one of them again with the other's id in the form field 'same_project_as'.",
                param=other.field,
                code="files_of_different_projects",
            )
    return first


async def _usable(kept: Kept, field: str, desk: Desk) -> Kept:
    """The file once a model can read it, which is waited for."""
    until, pause = time.monotonic() + LONGEST_WAIT, _FIRST_PAUSE
    while kept.status == Status.UPLOADED:
        kept = await _looked_at(kept, field, desk)
        if kept.status != Status.UPLOADED:
            break
        if time.monotonic() + pause > min(until, desk.started + desk.gateway.limits.deadline):
            message = f"Google is still processing the file '{kept.id}'. Try again in a moment."
            raise UpstreamUnavailable(message, param=field, code="file_not_ready", retry_after=5)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    if kept.status == Status.ERROR:
        raise _unusable(kept, field)
    return kept


async def _looked_at(kept: Kept, field: str, desk: Desk) -> Kept:
    try:
        return await looked_at(kept, desk.gateway, started=desk.started)
    except GatewayError as error:
        error.param = field
        raise


async def _note_loss(store: FileStore, lost: Kept) -> None:
    try:
        await store.settle(lost, Status.ERROR, GONE)
    except GatewayError as error:  # The caller is told of the loss all the same.
        log.warning("The loss of a file could not be noted.", file=lost.id, cause=error.message)


def _unusable(kept: Kept, field: str) -> GatewayError:
    if kept.detail == GONE:
        return FileNotFound(f"The file '{kept.id}' cannot be used any more: {GONE}", param=field)
    return InvalidRequest(f"The file '{kept.id}' cannot be used. {kept.detail}", param=field, code="file_unusable")
