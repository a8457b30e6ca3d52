"""Calls of Google's Files API as the relay asks them: one FileSeen each."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime

from credentials.roster import Entry
from openai_api.translation.conversation import StoredFile
from openai_api.translation.events import Event, FileSeen, Finished
from openai_api.upstream.base import FileCall, Prepared, UpstreamRefused
from openai_api.upstream.google_files import GoogleFile, GoogleFiles

DELETED = "DELETED"
QUICK = 10.0
"""Seconds, for what moves no bytes."""


def uploading(file: StoredFile, *, mime_type: str) -> FileCall:
    """Its name is not told: it is nobody's business there."""

    async def call(files: GoogleFiles, headers: Mapping[str, str], seconds: float) -> GoogleFile:
        return await files.upload(headers, file, mime_type=mime_type, display_name="", seconds=seconds)

    return call


def looking(name: str) -> FileCall:
    async def call(files: GoogleFiles, headers: Mapping[str, str], seconds: float) -> GoogleFile:
        return await files.get(headers, name, seconds=min(seconds, QUICK))

    return call


def deleting(name: str) -> FileCall:
    async def call(files: GoogleFiles, headers: Mapping[str, str], seconds: float) -> GoogleFile:
        await files.delete(headers, name, seconds=min(seconds, QUICK))
        return GoogleFile(name, state=DELETED)

    return call


async def file_answer(
    files: GoogleFiles, prepared: Prepared, entry: Entry, *, headers: Mapping[str, str], secret: str, seconds: float
) -> AsyncGenerator[list[Event], None]:
    """Raises UpstreamRefused; `secret` is what `headers` prove who asks with: no refusal repeats it."""
    if prepared.file_call is None:
        raise ValueError("nothing is asked about a file")
    try:
        file = await prepared.file_call(files, headers, seconds)
    except UpstreamRefused as refused:
        raise UpstreamRefused(refused.refusal.concealing(secret)) from refused
    seen = FileSeen(
        name=file.name,
        credential=entry.id,
        group=entry.group,
        uri=file.uri,
        state=file.state,
        expires_at=_seconds(file.expiration_time),
        error=file.error.message if file.error is not None else "",
    )
    yield [seen, Finished("stop")]


def _seconds(moment: str) -> float:
    """Google writes up to nine decimals of a second; 0 where nothing is said."""
    try:
        return datetime.fromisoformat(moment).timestamp()
    except ValueError:
        return 0.0
