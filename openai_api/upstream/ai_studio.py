"""The Gemini API, by key (AI Studio) or by a Google account."""

from collections.abc import AsyncGenerator, Callable

from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.events import Event
from openai_api.upstream.access import AccessTokens, with_access
from openai_api.upstream.answer import stream_answer
from openai_api.upstream.base import Prepared, UpstreamRefused
from openai_api.upstream.http import HttpClient
from openai_api.upstream.refusals import Refusal


class AiStudio:
    def __init__(self, client: HttpClient, base_url: str, access: AccessTokens) -> None:
        self._client = client
        self._models = f"{base_url}/v1beta/models/"
        self._access = access

    def ask(
        self, prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        if entry.secret:
            headers = {"x-goog-api-key": entry.secret, "Content-Type": "application/json"}
            return self._send(headers, entry.secret, prepared, new_call_id, seconds)

        def send(token: str, seconds: float) -> AsyncGenerator[list[Event], None]:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **_billed_to(entry)}
            return self._send(headers, token, prepared, new_call_id, seconds)

        return with_access(self._access, entry, send, seconds=seconds)

    def _send(
        self, headers: dict[str, str], secret: str, prepared: Prepared, new_call_id: Callable[[], str], seconds: float
    ) -> AsyncGenerator[list[Event], None]:
        # Always as a stream, also for a whole answer: one path, and no proxy cuts a long answer off as idle.
        return stream_answer(
            self._client,
            f"{self._models}{prepared.model}:streamGenerateContent?alt=sse",
            headers=headers,
            secret=secret,
            body=prepared.body,
            prepared=prepared,
            new_call_id=new_call_id,
            seconds=seconds,
        )


def _billed_to(entry: Entry) -> dict[str, str]:
    if not entry.project:
        message = "A Google account is used with the Gemini API in the name of a Google Cloud project, and this one has none."
        raise UpstreamRefused(Refusal(outcome=Outcome.PROJECT_MISSING, status=403, message=message))
    return {"x-goog-user-project": entry.project}
