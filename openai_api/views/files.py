"""Files: Google keeps their bytes, for 48 hours; whose they are is Castor's to know."""

import time
from contextlib import suppress

import msgspec
from django.http import HttpResponse
from rest_framework.request import Request

from openai_api import media_types
from openai_api.errors import GatewayError, InvalidRequest, NotReady
from openai_api.files import Kept, Status, no_such_file
from openai_api.gateway import gateway
from openai_api.ids import new_id
from openai_api.orders.files import FileDeletion, FileUpload, looked_at
from openai_api.translation import files
from openai_api.translation.chat.invalid import missing
from openai_api.translation.conversation import Notice
from openai_api.translation.events import FileSeen
from openai_api.translation.files import GOOGLES_LIFE, Wish
from openai_api.translation.gemini.media import mime_type
from openai_api.uploads import Upload
from openai_api.views.base import GatewayView, json_response, unix_time

MOST_BYTES = 2 * 1024**3
"""What Google takes."""
_BEGINNING = 4096
_LONGEST_NAME = 255
_STATUSES = {"ACTIVE": Status.PROCESSED, "FAILED": Status.ERROR}

_encode = msgspec.json.Encoder().encode


class FilesView(GatewayView):
    """GET and POST /v1/files"""

    takes_forms = True

    async def get(self, request: Request) -> HttpResponse:
        asked = files.read_query(request.GET.dict())
        if asked.after:
            await gateway.files.find(self.token.owner_id, asked.after, param="after")
        page = await gateway.files.page(
            self.token.owner_id, after=asked.after, limit=asked.limit, ascending=asked.ascending, purpose=asked.purpose
        )
        return json_response(files.write_list([_object(kept) for kept in page.files], has_more=page.has_more))

    async def post(self, request: Request) -> HttpResponse:
        notices: list[Notice] = []
        wish = files.read_upload(self.form.fields, notices)
        file = _file_of(self.form.files_of("file"), is_text="file" in self.form.fields)
        kind = _kind_of(file)
        if not gateway.pool.up_to_date:  # Or Google would keep a file of which nobody knows whose it is.
            raise NotReady("Castor cannot reach its database, where it keeps whose files are whose.", retry_after=2)
        beside = await self._beside(wish)
        exchange = self.exchange("files", stream=False)
        await exchange.open(FileUpload(file, kind, beside), notices=notices)
        async with exchange:
            [answer] = await exchange.collect()
            seen = next(event for event in answer if isinstance(event, FileSeen))
            kept = _kept(seen, file, kind, wish, self.token.owner_id)
            await gateway.files.add(kept)
        return json_response(_encode(_object(kept)))

    async def _beside(self, wish: Wish) -> Kept | None:
        if not wish.same_project_as:
            return None
        return await gateway.files.find(self.token.owner_id, wish.same_project_as, param="same_project_as")


class FileView(GatewayView):
    """GET and DELETE /v1/files/{id}"""

    async def get(self, request: Request, file_id: str) -> HttpResponse:
        kept = await gateway.files.find(self.token.owner_id, file_id)
        if kept.status == Status.UPLOADED:
            kept = await _as_it_is_now(kept)
        return json_response(_encode(_object(kept)))

    async def delete(self, request: Request, file_id: str) -> HttpResponse:
        kept = await gateway.files.find(self.token.owner_id, file_id)
        await self._delete_at_google(kept)
        if not await gateway.files.delete(kept):
            raise no_such_file(file_id, "file_id")
        return json_response(files.write_deletion(file_id))

    async def _delete_at_google(self, kept: Kept) -> None:
        """As far as it can be had: Google deletes every file after 48 hours, and nobody here can name this one any more."""
        exchange = self.exchange("files", stream=False)
        with suppress(GatewayError):
            await exchange.open(FileDeletion(kept))
            async with exchange:
                await exchange.collect()


class FileContentView(GatewayView):
    """GET /v1/files/{id}/content"""

    async def get(self, request: Request, file_id: str) -> HttpResponse:
        await gateway.files.find(self.token.owner_id, file_id)
        raise InvalidRequest(
            "The content of an uploaded file cannot be downloaded: Google does not give it back, and Castor keeps no copy.",
            param="file_id",
            code="file_content_not_available",
        )


async def _as_it_is_now(kept: Kept) -> Kept:
    """What was known before, where Google cannot be asked."""
    try:
        return await looked_at(kept, gateway, started=time.monotonic())
    except GatewayError:
        return kept


def _file_of(sent: list[Upload], *, is_text: bool) -> Upload:
    if not sent:
        raise InvalidRequest("'file' must be a file, with a filename.", param="file") if is_text else missing("file")
    if len(sent) > 1:
        raise InvalidRequest("One file is uploaded at a time.", param="file", code="invalid_value")
    [file] = sent
    if not file.size:
        raise InvalidRequest("The file is empty.", param="file", code="empty_file")
    if file.size > MOST_BYTES:
        raise InvalidRequest(
            "The file is larger than 2 GB, which is the most that Google takes.", param="file", code="file_too_large"
        )
    return file


def _kind_of(file: Upload) -> str:
    """The type under which Gemini reads it."""
    kind = media_types.of_upload(file.content_type, file.filename, file.read(0, _BEGINNING))
    if kind is None:
        message = (
            "Gemini does not read files of this type, or the file is not what it is called. It reads PNG, JPEG, WebP and HEIC "
            "images, PDF, text, and the common audio and video formats."
        )
        raise InvalidRequest(message, param="file", code="unsupported_file")
    return mime_type(kind)


def _kept(seen: FileSeen, file: Upload, kind: str, wish: Wish, owner: int) -> Kept:
    now = unix_time()
    kept_until = seen.expires_at or now + GOOGLES_LIFE
    return Kept(
        id=new_id("file"),
        owner=owner,
        credential=seen.credential,
        project=seen.group.removeprefix("project:") if seen.group.startswith("project:") else "",
        google_name=seen.name,
        uri=seen.uri,
        mime_type=kind,
        bytes=file.size,
        filename=(file.filename.replace("\0", "") or "file")[:_LONGEST_NAME],
        purpose=wish.purpose,
        status=_STATUSES.get(seen.state, Status.UPLOADED),
        created_at=now,
        expires_at=kept_until if wish.life is None else min(now + wish.life, kept_until),
        kept_until=kept_until,
        detail=seen.error,
    )


def _object(kept: Kept) -> dict[str, object]:
    """OpenAI's object."""
    return files.write_file(
        id=kept.id,
        bytes=kept.bytes,
        created_at=kept.created_at,
        expires_at=kept.expires_at,
        filename=kept.filename,
        purpose=kept.purpose,
        status=kept.status,
        detail=kept.detail,
    )
