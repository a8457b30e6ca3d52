"""The Files API (sections 1.2 and 1.17): resumable uploads by Google's own protocol, and what becomes of files.

Methods in the log and in scripts: `startUpload`, `uploadFile` (bytes, or a question how many have come), `getFile`, `listFiles`,
`deleteFile`. The address of an upload is proof enough of who sends: it is asked for no key.
"""

import re
from typing import Any

from msgspec.structs import replace

from tests.google import delivery, transcoding
from tests.google.errors import invalid
from tests.google.exchange import Exchange
from tests.google.files import GRANULARITY, Upload
from tests.google.gemini_api import GeminiAPI
from tests.google.log import Call
from tests.google.scripts import Script
from tests.google.surface import Body

UPLOAD = re.compile(r"/upload/v1(?:beta|alpha)?/files/?")
LIST = re.compile(r"/v1(?:beta|alpha)?/files/?")
ONE = re.compile(r"/v1(?:beta|alpha)?/files/([^/:]+)")


def is_of_files(path: str) -> bool:
    return any(pattern.fullmatch(path) for pattern in (UPLOAD, LIST, ONE))


class FilesAPI(GeminiAPI):
    def route(self, http_method: str, path: str) -> tuple[str, str]:
        if UPLOAD.fullmatch(path):
            return ("startUpload" if http_method in ("POST", "PUT") else ""), ""
        if LIST.fullmatch(path):
            return ("listFiles" if http_method == "GET" else ""), ""
        return {"GET": "getFile", "DELETE": "deleteFile"}.get(http_method, ""), ""

    async def take_in(self, exchange: Exchange) -> bytes:
        """Of an upload's bytes none are left in the log; those that came before the caller went away are kept."""
        call = exchange.call
        if "upload_id" not in call.query:
            return await exchange.read()
        call.method = "uploadFile"
        upload = self._upload(call)
        if upload is not None:
            upload.begin_call(_commands(call), call.headers.get("x-goog-upload-offset", ""), _length(call))
        async for piece in exchange.pieces():
            if upload is not None and not upload.wrong:
                upload.bytes.add(piece)
        return b""

    def read(self, call: Call) -> Body:
        if call.method != "startUpload":
            return {}
        call.body = transcoding.read_json(call.raw)
        return transcoding.read(call.body, "CreateFileRequest")

    def authenticate(self, call: Call) -> None:
        upload = self._upload(call)
        if upload is None:
            super().authenticate(call)
        else:
            call.project = upload.project

    def check(self, call: Call, request: Body) -> None:
        if call.method == "startUpload":
            wanted = {"x-goog-upload-protocol": "resumable", "x-goog-upload-command": "start"}
            if any(call.headers.get(name) != value for name, value in wanted.items()):
                raise invalid("Only resumable uploads are simulated: X-Goog-Upload-Protocol and X-Goog-Upload-Command say so.")
        elif call.method == "uploadFile":
            upload = self._upload(call)
            if upload is None:
                raise invalid("There is no such upload.")
            if upload.wrong:
                raise invalid(upload.wrong)

    async def serve(self, exchange: Exchange, request: Body, script: Script) -> None:
        call, files = exchange.call, self.state.files
        match call.method:
            case "startUpload":
                await self._start(exchange, request, script)
                return
            case "uploadFile":
                await self._go_on(exchange, script)
                return
            case "listFiles":
                answer = files.listing(call.project, call.query.get("pageSize", ""), call.query.get("pageToken", ""))
            case "getFile":
                answer = files.look(_id(call), call.project)
            case _:
                files.delete(_id(call), call.project)
                answer = {}
        await delivery.send_whole(exchange, answer, script, None)

    async def _start(self, exchange: Exchange, request: Body, script: Script) -> None:
        headers = exchange.call.headers
        upload_id = self.state.files.start(
            request, exchange.call.project, size=headers.get("x-goog-upload-header-content-length", ""),
            mime_type=headers.get("x-goog-upload-header-content-type", ""),
        )  # fmt: skip
        url = f"{_base_url(exchange.call)}/upload/v1beta/files?upload_id={upload_id}&upload_protocol=resumable"
        told = {
            "X-Goog-Upload-Status": "active",
            "X-Goog-Upload-URL": url,
            "X-Goog-Upload-Control-URL": url,
            "X-Goog-Upload-Chunk-Granularity": str(GRANULARITY),
            "Content-Type": "text/plain; charset=utf-8",
        }
        await delivery.send_body(exchange, 200, "", {**told, **script.headers})

    async def _go_on(self, exchange: Exchange, script: Script) -> None:
        upload, commands = self._upload(exchange.call), _commands(exchange.call)
        assert upload is not None, "checked before"
        answer: dict[str, Any] = {}
        if "cancel" in commands:
            upload.is_over = True
        elif "finalize" in commands:
            file = self.state.files.finish(upload, _base_url(exchange.call))
            answer = {"file": file.as_json(self.state.clock.now())}
        status = "cancelled" if "cancel" in commands else "final" if upload.is_over else "active"
        told = {"X-Goog-Upload-Status": status, "X-Goog-Upload-Size-Received": str(upload.bytes.size)}
        await delivery.send_whole(exchange, answer, replace(script, headers={**told, **script.headers}), None)

    def _upload(self, call: Call) -> Upload | None:
        return self.state.files.uploads.get(call.query.get("upload_id", ""))


def _commands(call: Call) -> set[str]:
    return {word.strip() for word in call.headers.get("x-goog-upload-command", "").split(",") if word.strip()}


def _length(call: Call) -> str:
    return call.headers.get("content-length", "")


def _id(call: Call) -> str:
    named = ONE.fullmatch(call.path)
    assert named is not None, "routed by it"
    return named[1]


def _base_url(call: Call) -> str:
    return f"http://{call.headers.get('host', '')}"
