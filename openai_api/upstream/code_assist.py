"""Code Assist, by a Google account: Gemini's requests and answers, each in an envelope."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from uuid import uuid4

from msgspec.structs import replace

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.code_assist import unwrap, wrap, wrap_count
from openai_api.translation.conversation import Conversation, Notice
from openai_api.translation.events import Event
from openai_api.translation.gemini.capabilities import capabilities_of
from openai_api.translation.splicing import in_memory
from openai_api.upstream.access import AccessTokens, with_access
from openai_api.upstream.answer import gemini_answer, read_count, whole_answer
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.http import HttpClient
from openai_api.upstream.refusals import Refusal


class CodeAssist:
    def __init__(self, client: HttpClient, endpoint: str, access: AccessTokens) -> None:
        self._client = client
        self._methods = f"{endpoint}/v1internal:"
        self._access = access

    def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        body = wrap(prepared.body, model=prepared.model, project=entry.project, prompt_id=str(uuid4()))
        send = partial(
            gemini_answer,
            self._client,
            self._methods,
            body=body,
            prepared=prepared,
            new_call_id=new_call_id,
            unwrap=unwrap,
        )
        return self._sent(send, entry, seconds)

    def count(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        body = wrap_count(in_memory(prepared.body), model=prepared.model)
        send = partial(whole_answer, self._client, f"{self._methods}countTokens", body=body, read=read_count)
        return self._sent(send, entry, seconds)

    async def _sent(
        self, send: Callable[..., AsyncGenerator[list[Event], None]], entry: Entry, seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        if not entry.project:
            message = "Code Assist wants a Google Cloud project, and this account has none."
            raise UpstreamRefused(Refusal(outcome=Outcome.PROJECT_MISSING, status=403, message=message))

        def by_account(token: str, seconds: float) -> AsyncGenerator[list[Event], None]:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            return send(headers=headers, secret=token, seconds=seconds)

        try:
            async with aclosing(with_access(self._access, entry, by_account, seconds=seconds)) as answer:
                async for events in answer:
                    yield events
        except UpstreamRefused as refused:
            # Code Assist counts by account: two accounts that name one project do not rest together.
            raise UpstreamRefused(replace(refused.refusal, project="")) from refused


def beyond_code_assist(conversation: Conversation) -> Iterator[Notice]:
    """What a conversation asks for that Code Assist has no word for."""
    if conversation.cached_content:
        yield Notice("cached_content", "Code Assist does not know what the Gemini API has cached")
    if conversation.service_tier:
        yield Notice("service_tier", "Code Assist has no service tiers")
    if uploaded := next(conversation.uploaded_media(), None):
        yield Notice(uploaded.field, "Code Assist does not know what was uploaded to the Gemini API")
    if "IMAGE" in capabilities_of(conversation.model).outputs:
        yield Notice("", "Code Assist makes no pictures: they take an API key, or a Google account for the Gemini API.")
    elif any(modality != "TEXT" for modality in conversation.modalities):
        yield Notice("modalities", "Code Assist answers in text only")
