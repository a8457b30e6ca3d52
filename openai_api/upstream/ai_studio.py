"""The Gemini API, by key (AI Studio) or by a Google account."""

from collections.abc import AsyncGenerator, Callable
from functools import partial

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.events import Event
from openai_api.translation.gemini import imagen
from openai_api.translation.gemini.embeddings import read_vectors
from openai_api.translation.splicing import in_memory
from openai_api.upstream.access import AccessTokens, with_access
from openai_api.upstream.answer import gemini_answer, read_count, whole_answer
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.file_calls import file_answer
from openai_api.upstream.google_files import GoogleFiles
from openai_api.upstream.http import HttpClient
from openai_api.upstream.refusals import Refusal
from openai_api.upstream.sound import as_sound
from openai_api.upstream.transcription import Transcriber

_MOST_BYTES_OF_VECTORS = 64 * 1024 * 1024
"""A hundred vectors of 3072 numbers, each on a line of its own, are a sixth of it."""
_MOST_BYTES_OF_PICTURES = 128 * 1024 * 1024
"""Four pictures at 2K are a quarter of it."""


class AiStudio:
    def __init__(self, client: HttpClient, base_url: str, access: AccessTokens) -> None:
        self._client = client
        self._models = f"{base_url}/v1beta/models/"
        self._access = access
        self._transcriber = Transcriber(client, base_url)
        self._files = GoogleFiles(client, base_url)

    def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        send = partial(
            gemini_answer,
            self._client,
            f"{self._models}{prepared.model}:",
            body=prepared.body,
            prepared=prepared,
            new_call_id=new_call_id,
        )
        return self._sent(send, entry, seconds)

    def count(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        named = b'"model":"models/%b",' % prepared.model.encode()
        body = b'{"generateContentRequest":{' + named + in_memory(prepared.body)[1:] + b"}"
        url = f"{self._models}{prepared.model}:countTokens"
        return self._sent(partial(whole_answer, self._client, url, body=body, read=read_count), entry, seconds)

    def embed(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        send = partial(
            whole_answer,
            self._client,
            f"{self._models}{prepared.model}:batchEmbedContents",
            body=prepared.body,
            read=partial(read_vectors, size=prepared.inputs, tokens=prepared.tokens),
            most_bytes=_MOST_BYTES_OF_VECTORS,
        )
        return self._sent(send, entry, seconds)

    def speak(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        return as_sound(self.ask(prepared, entry, new_call_id=new_call_id, seconds=seconds))

    def draw(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        """Pictures: in an answer, or as predictions of a model that makes nothing else."""
        ask = self.predict if prepared.samples else self.ask
        return ask(prepared, entry, new_call_id=new_call_id, seconds=seconds)

    def predict(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        send = partial(
            whole_answer,
            self._client,
            f"{self._models}{prepared.model}:{imagen.METHOD}",
            body=prepared.body,
            read=imagen.read_predictions,
            most_bytes=_MOST_BYTES_OF_PICTURES,
        )
        return self._sent(send, entry, seconds)

    def transcribe(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        return self._sent(partial(self._transcriber.ask, prepared, new_call_id=new_call_id), entry, seconds)

    async def close(self) -> None:
        await self._transcriber.close()

    def on_files(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        return self._sent(partial(file_answer, self._files, prepared, entry), entry, seconds)

    def _sent(
        self, send: Callable[..., AsyncGenerator[list[Event], None]], entry: Entry, seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        """`send` as the entry: by its key, or by its account's access token."""
        if entry.secret:
            headers = {"x-goog-api-key": entry.secret, "Content-Type": "application/json"}
            return send(headers=headers, secret=entry.secret, seconds=seconds)

        def by_account(token: str, seconds: float) -> AsyncGenerator[list[Event], None]:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **_billed_to(entry)}
            return send(headers=headers, secret=token, seconds=seconds)

        return with_access(self._access, entry, by_account, seconds=seconds)


def _billed_to(entry: Entry) -> dict[str, str]:
    if not entry.project:
        message = "A Google account is used with the Gemini API in the name of a Google Cloud project, and this one has none."
        raise UpstreamRefused(Refusal(outcome=Outcome.PROJECT_MISSING, status=403, message=message))
    return {"x-goog-user-project": entry.project}
