"""Recordings asked of the Gemini API by one credential: what is too large for a request lies with Google meanwhile."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager

import structlog

from openai_api.translation.events import Event
from openai_api.translation.gemini.transcription import TranscriptReader, transcribes, with_address
from openai_api.translation.splicing import Body, in_memory
from openai_api.upstream.answer import stream_answer
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.google_files import GoogleFile, GoogleFiles
from openai_api.upstream.http import HttpClient

SECONDS_TO_DELETE, SECONDS_AT_THE_END = 30.0, 5.0

log = structlog.get_logger("castor.transcription")


class Transcriber:
    def __init__(self, client: HttpClient, base_url: str) -> None:
        self._client = client
        self._models = f"{base_url}/v1beta/models/"
        self._files = GoogleFiles(client, base_url)
        self._deletions: set[asyncio.Task[None]] = set()

    async def ask(
        self,
        prepared: Prepared,
        *,
        headers: Mapping[str, str],
        secret: str,
        new_call_id: Callable[[], str],
        seconds: float,
    ) -> AsyncGenerator[list[Event], None]:
        """The utterances as they come. `headers`, `secret` and the errors are those of `stream_answer`."""
        until = time.monotonic() + seconds
        async with self._placed(prepared, headers, secret, seconds) as body:
            answer = stream_answer(
                self._client,
                f"{self._models}{prepared.model}:streamGenerateContent?alt=sse",
                headers=headers,
                secret=secret,
                body=body,
                reader=TranscriptReader(new_call_id=new_call_id, in_words=not transcribes(prepared.model)),
                seconds=until - time.monotonic(),
            )
            async with aclosing(answer):
                async for events in answer:
                    yield events

    async def close(self) -> None:
        """Nothing that was heard is left with Google, if it can be had in a few seconds."""
        if self._deletions:
            await asyncio.wait(self._deletions, timeout=SECONDS_AT_THE_END)

    @asynccontextmanager
    async def _placed(
        self, prepared: Prepared, headers: Mapping[str, str], secret: str, seconds: float
    ) -> AsyncGenerator[Body, None]:
        """The body, while the file of which it speaks lies with Google."""
        if (upload := prepared.upload) is None:
            yield prepared.body
            return
        until = time.monotonic() + seconds
        file: GoogleFile | None = None
        try:
            try:
                file = await self._files.upload(
                    headers, upload.file, mime_type=upload.mime_type, display_name="", seconds=until - time.monotonic()
                )
                ready = await self._files.until_active(headers, file, seconds=until - time.monotonic())
            except UpstreamRefused as refused:
                raise UpstreamRefused(refused.refusal.concealing(secret)) from refused
            yield with_address(in_memory(prepared.body), upload, ready.uri)
        finally:
            if file is not None:
                self._delete(headers, file.name)

    def _delete(self, headers: Mapping[str, str], name: str) -> None:
        """On the side: nobody waits for it, and whoever is cancelled cannot."""
        deletion = asyncio.create_task(self._deleted(headers, name))
        self._deletions.add(deletion)
        deletion.add_done_callback(self._deletions.discard)

    async def _deleted(self, headers: Mapping[str, str], name: str) -> None:
        try:
            await self._files.delete(headers, name, seconds=SECONDS_TO_DELETE)
        except UpstreamRefused as refused:
            log.warning("A recording could not be deleted at Google, which keeps it for two days.", cause=str(refused))
