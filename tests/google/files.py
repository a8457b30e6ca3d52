"""Files that a project has uploaded (section 1.17): who may use them, from when on, and for how long.

The text of a project that is full was seen on the wire in 2025; the texts about a broken upload are this simulator's own.
"""

import base64
import hashlib
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from tests.google.clock import Clock
from tests.google.errors import HELP, QUOTA_FAILURE, SERVICE, Refusal, invalid, refusal

GIGABYTE = 1024**3
LIFETIME = timedelta(hours=48)
GRANULARITY = 256 * 1024
"""Bytes: pieces of an upload, but for the last, are a multiple of it."""
KEPT = 1024 * 1024
"""Of each file so many bytes are remembered."""
ID = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
URI = re.compile(r"https?://[^/]+/v1(?:beta|alpha)?/files/([^/?#]+)")
FULL = "You exceeded your current quota, please check your plan and billing details."
QUOTA_DOCS = {"description": "Learn more about Gemini API quotas", "url": "https://ai.google.dev/gemini-api/docs/rate-limits"}

Json = dict[str, Any]


class Bytes:
    """What has arrived of a file."""

    def __init__(self) -> None:
        self.size = 0
        self.beginning = b""
        self._digest = hashlib.sha256()

    def add(self, piece: bytes) -> None:
        self.size += len(piece)
        self.beginning += piece[: KEPT - len(self.beginning)]
        self._digest.update(piece)

    @property
    def digest(self) -> str:
        """Google encodes the hexadecimal digits once more."""
        return base64.b64encode(self._digest.hexdigest().encode()).decode()


class File:
    """`polls`: so many looks at it still find it in processing; `ready_at`: and so does everyone until then."""

    def __init__(self, upload: "Upload", uri: str, *, at: datetime, polls: int, ready_at: datetime, fails: bool) -> None:
        self.id = upload.file_id
        self.project = upload.project
        self.display_name = upload.display_name
        self.mime_type = upload.mime_type
        self.bytes = upload.bytes
        self.uri = uri
        self.created = at
        self.polls = polls
        self.ready_at = ready_at
        self.fails = fails

    @property
    def expires(self) -> datetime:
        return self.created + LIFETIME

    def state(self, at: datetime) -> str:
        if self.polls > 0 or at < self.ready_at:
            return "PROCESSING"
        return "FAILED" if self.fails else "ACTIVE"

    def as_json(self, at: datetime) -> Json:
        state = self.state(at)
        fields: Json = {
            "name": f"files/{self.id}",
            "mimeType": self.mime_type,
            "sizeBytes": str(self.bytes.size),
            "createTime": _zulu(self.created),
            "updateTime": _zulu(self.created),
            "expirationTime": _zulu(self.expires),
            "sha256Hash": self.bytes.digest,
            "uri": self.uri,
            "state": state,
            "source": "UPLOADED",
        }
        if self.display_name:
            fields["displayName"] = self.display_name
        if state == "FAILED":
            fields["error"] = {"code": 3, "message": "The file could not be processed."}
        return fields


class Upload:
    """A resumable upload under way. `wrong` is what is wrong with the call that is being read."""

    def __init__(self, file_id: str, project: str, *, size: int, mime_type: str, display_name: str) -> None:
        self.file_id = file_id
        self.project = project
        self.size = size
        self.mime_type = mime_type
        self.display_name = display_name
        self.bytes = Bytes()
        self.is_over = False
        self.wrong = ""

    def begin_call(self, commands: set[str], offset: str, length: str) -> None:
        """Before the bytes of a call are taken: whether they are the next ones."""
        self.wrong = ""
        if self.is_over:
            self.wrong = "The upload has already been terminated."
        elif not commands or commands - {"upload", "finalize", "query", "cancel"}:
            self.wrong = "Invalid X-Goog-Upload-Command."
        elif "upload" in commands and offset != str(self.bytes.size):
            self.wrong = f"Invalid X-Goog-Upload-Offset: {self.bytes.size} bytes have been received."
        elif commands == {"upload"} and (not length.isdecimal() or int(length) % GRANULARITY):
            self.wrong = f"The size of a piece that is not the last must be a multiple of {GRANULARITY} bytes."

    def check_complete(self) -> None:
        if self.bytes.size != self.size:
            raise invalid(f"Upload has {self.bytes.size} bytes where {self.size} were announced.")


class Files:
    """Every project's. Tests say how long the next ones are in processing, whether that fails, and how much there is room for."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        self.polls = 0
        """So many looks at each of the next files find it in processing."""
        self.seconds = 0.0
        """Until so long after the upload, by the simulated clock, the next files are in processing."""
        self.fails = False
        """Whether the processing of the next files ends in FAILED."""
        self.most_bytes = 2 * GIGABYTE
        self.most_bytes_of_project = 20 * GIGABYTE
        self.uploads: dict[str, Upload] = {}
        self._files: dict[str, File] = {}
        self._made = 0

    def __iter__(self) -> Iterator[File]:
        """Those that are there, the newest first."""
        now = self._clock.now()
        return iter([file for file in reversed(list(self._files.values())) if now < file.expires])

    def start(self, asked: Json, project: str, *, size: str, mime_type: str) -> str:
        """Begin an upload; returns its id."""
        file = asked.get("file", {})
        if not size.isdecimal() or not int(size):
            raise invalid("* CreateFileRequest: X-Goog-Upload-Header-Content-Length must be a positive number of bytes.")
        if int(size) > self.most_bytes:
            raise invalid(f"File size exceeds the maximum of {self.most_bytes} bytes.")
        if int(size) + sum(file.bytes.size for file in self if file.project == project) > self.most_bytes_of_project:
            raise project_is_full(self.most_bytes_of_project)
        self._made += 1
        upload_id = f"upload-{self._made}"
        self.uploads[upload_id] = Upload(
            self._new_id(file.get("name", "")), project, size=int(size), display_name=file.get("displayName", ""),
            mime_type=mime_type or file.get("mimeType", "application/octet-stream"),
        )  # fmt: skip
        return upload_id

    def finish(self, upload: Upload, base_url: str) -> File:
        upload.check_complete()
        upload.is_over = True
        now = self._clock.now()
        ready_at = now + timedelta(seconds=self.seconds)
        uri = f"{base_url}/v1beta/files/{upload.file_id}"
        file = File(upload, uri, at=now, polls=self.polls, ready_at=ready_at, fails=self.fails)
        self._files[file.id] = file
        return file

    def of(self, file_id: str, project: str) -> File:
        """That of another project is refused in the same words as one that is not there."""
        file = next((file for file in self if file.id == file_id and file.project == project), None)
        if file is None:
            raise denied(file_id)
        return file

    def look(self, file_id: str, project: str) -> Json:
        file = self.of(file_id, project)
        seen = file.as_json(self._clock.now())
        file.polls -= 1
        return seen

    def delete(self, file_id: str, project: str) -> None:
        del self._files[self.of(file_id, project).id]

    def listing(self, project: str, page_size: str, page_token: str) -> Json:
        """One page: 10 unless asked otherwise, at most 100. The token is the next start."""
        mine = [file for file in self if file.project == project]
        if not (page_size or "1").isdecimal() or not (page_token or "0").isdecimal():
            raise invalid("Request contains an invalid argument.")
        start = int(page_token or 0)
        end = start + min(int(page_size or 10) or 10, 100)
        page: Json = {"files": [file.as_json(self._clock.now()) for file in mine[start:end]]} if mine[start:end] else {}
        if end < len(mine):
            page["nextPageToken"] = str(end)
        return page

    def check_named(self, request: Json, project: str) -> None:
        """Refuse a conversation that names a file which is not this project's, or is not ready."""
        for part in _parts(request):
            named = URI.fullmatch(part.get("fileData", {}).get("fileUri", ""))
            if named and self.of(named[1], project).state(self._clock.now()) != "ACTIVE":
                message = f"The File {named[1]} is not in an ACTIVE state and usage is not allowed."
                raise refusal(400, message, status="FAILED_PRECONDITION")

    def _new_id(self, name: str) -> str:
        wanted = name.removeprefix("files/")
        if wanted and not ID.fullmatch(wanted):
            raise invalid("* CreateFileRequest.file.name: invalid resource name.")
        if wanted in self._files:
            raise refusal(409, f"File {wanted} already exists.", status="ALREADY_EXISTS")
        return wanted or hashlib.sha256(f"{id(self)} {self._made}".encode()).hexdigest()[:12]


def denied(file_id: str) -> Refusal:
    return refusal(403, f"You do not have permission to access the File {file_id} or it may not exist.")


def project_is_full(limit: int) -> Refusal:
    metric = f"{SERVICE}/file_storage_bytes"
    message = (
        f"{FULL} For more information on this error, head to: {QUOTA_DOCS['url']}.\n* Quota exceeded for metric: {metric}, "
        f"limit: {limit}"
    )
    violation = {"quotaMetric": metric, "quotaId": "FileStorageBytesPerProject", "quotaValue": str(limit)}
    return refusal(
        429, message, {"@type": QUOTA_FAILURE, "violations": [violation]}, {"@type": HELP, "links": [QUOTA_DOCS]}
    )  # fmt: skip


def _parts(request: Json) -> Iterator[Json]:
    for content in (*request.get("contents", ()), request.get("systemInstruction", {})):
        for part in content.get("parts", ()):
            yield part
            yield from part.get("functionResponse", {}).get("parts", ())


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
