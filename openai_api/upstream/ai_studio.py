"""The Gemini API by key (AI Studio)."""

import time
from collections.abc import AsyncGenerator, Callable

from credentials.health import Outcome
from credentials.models import Kind
from credentials.roster import Entry, ModelCard
from openai_api.translation.conversation import Conversation
from openai_api.translation.events import Event
from openai_api.translation.gemini.request import write_request
from openai_api.translation.gemini.response import ErrorEvent, MalformedAnswer, Reader
from openai_api.translation.sse import Decoder, EventTooLarge
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.http import HttpClient
from openai_api.upstream.refusals import Refusal, read_refusal


class AiStudio:
    kinds = frozenset({Kind.API_KEY.value})

    def __init__(self, client: HttpClient, base_url: str) -> None:
        self._client = client
        self._models = f"{base_url}/v1beta/models/"

    def prepare(self, conversation: Conversation, card: ModelCard | None) -> Prepared:
        written = write_request(conversation, output_limit=card.output_limit if card and card.output_limit else None)
        return Prepared(
            model=conversation.model,
            body=written.body,
            notices=written.notices,
            stops=written.stops,
            names=dict(written.names),
            single_call=not conversation.parallel_tool_calls,
        )

    async def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        # Always as a stream, also for a whole answer: one path, and no proxy cuts a long answer off as idle.
        url = f"{self._models}{prepared.model}:streamGenerateContent?alt=sse"
        headers = {"x-goog-api-key": entry.secret, "Content-Type": "application/json"}
        reader = Reader(new_call_id=new_call_id, single_call=prepared.single_call, names=prepared.names)
        decoder = Decoder()
        try:
            async with self._client.post(url, headers=headers, body=prepared.body, seconds=seconds) as chunks:
                heard = time.monotonic()
                async for chunk in chunks:
                    if events := _events(reader, decoder.feed(chunk)):
                        heard = time.monotonic()
                        yield events
                    elif time.monotonic() - heard > self._client.read_timeout:
                        # Bytes keep coming, but say nothing: the timeout of the connection never sees that.
                        raise _broken("The upstream sent nothing but signs of life for too long.", status=504)
                if events := _events(reader, decoder.end()):
                    yield events
        except UpstreamRefused as refused:
            if not reader.finished:  # What breaks after the end takes nothing from the answer.
                raise _refused(refused.refusal, entry) from refused
        except ErrorEvent as error:
            raise _refused(read_refusal(error.status, error.body), entry) from error
        except (MalformedAnswer, EventTooLarge) as error:
            raise _broken("The upstream's answer could not be read.") from error
        if not reader.finished:
            raise _broken("The upstream's answer broke off.")


def _events(reader: Reader, payloads: list[bytes]) -> list[Event]:
    events: list[Event] = []
    for payload in payloads:
        try:
            events += reader.read(payload)
        except (ErrorEvent, MalformedAnswer):
            if not reader.finished:
                raise
    return events


def _refused(refusal: Refusal, entry: Entry) -> UpstreamRefused:
    """Google echoes the key in some refusals, whose words go to the caller and the admin."""
    return UpstreamRefused(refusal.concealing(entry.secret))


def _broken(message: str, *, status: int = 502) -> UpstreamRefused:
    return UpstreamRefused(Refusal(outcome=Outcome.UPSTREAM_FAILED, status=status, message=message))
