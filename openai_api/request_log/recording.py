"""What is noted of a request while it goes on: what its caller sent and got, and what upstreams were sent for it.

It lives in the event loop's thread until it is handed over, complete, by `done`. Nothing is redacted yet: that is done later,
in another thread, so that requests do not wait for it.
"""

import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from credentials.models import Kind
from credentials.roster import Entry, TokenEntry
from openai_api.request_log.excerpt import Excerpt
from openai_api.translation.events import Event
from openai_api.translation.passing.form import FormBody
from openai_api.translation.splicing import Spliced, Streamed
from openai_api.uploads import Form
from openai_api.upstream.base import Ask, Prepared, UpstreamRefused

if TYPE_CHECKING:
    from openai_api.usage import Entry as UsageEntry

MOST_ATTEMPTS = 6
MOST_CALLS = 6
"""Of one attempt: one uploads a file, looks at it a few times, and asks."""

_OF_A_FIELD = 500
"""Bytes that a form's field takes in memory, roughly, however short it is."""

_TELLING = {"accept", "content-type", "idempotency-key", "origin", "retry-after", "user-agent", "x-request-id"}
_TELLING_BEGINNINGS = ("openai-", "x-castor-", "x-stainless-")
_CREDENTIALS = ("authorization", "x-goog-api-key")
_READABLE = ("text/", "application/json", "application/x-ndjson")

_attempt: ContextVar["Attempt | None"] = ContextVar("recorded_attempt", default=None)
"""What is asked of upstreams in this context belongs to it."""


def is_wanted(until: float) -> bool:
    """Whether what begins now is to be kept; `until`: epoch seconds, 0.0 for never."""
    return until > 0.0 and time.time() < until


def telling(headers: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those headers that help to understand a request. A secret is in none of them."""
    return [
        (name, value) for name, value in headers if (known := name.lower()) in _TELLING or known.startswith(_TELLING_BEGINNINGS)
    ]


def is_readable(media_type: str) -> bool:
    kind = media_type.partition(";")[0].strip().lower()
    return kind.startswith(_READABLE) or kind.endswith("+json")


class Call:
    """One request to an upstream, and its answer as it comes."""

    def __init__(self, method: str, url: str, body: Excerpt, most: int) -> None:
        self.method, self.url, self.body = method, url, body
        self.status = 0
        self.media_type = ""
        self.answer = Excerpt(most)

    def answered(self, status: int, media_type: str) -> None:
        self.status, self.media_type = status, media_type

    def take(self, data: bytes) -> None:
        if is_readable(self.media_type):
            self.answer.take(data)
        else:
            self.answer.skip(len(data))

    def overheard(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        return _Overheard(chunks, self)


class _Overheard:
    def __init__(self, chunks: AsyncIterator[bytes], call: Call) -> None:
        self._chunks, self._call = chunks, call

    def __aiter__(self) -> "_Overheard":
        return self

    async def __anext__(self) -> bytes:
        chunk = await anext(self._chunks)
        self._call.take(chunk)
        return chunk


class Attempt:
    """One credential, asked once."""

    def __init__(self, recording: "Recording", credential: str) -> None:
        self.credential = credential
        self.outcome = ""
        self.ms = 0.0
        self.calls: deque[Call] = deque(maxlen=MOST_CALLS)
        self.recording = recording
        self._began = time.monotonic()

    def call(self, method: str, url: str, headers: Mapping[str, str], body: bytes | Streamed) -> Call:
        self.recording.secrets |= {
            value.removeprefix("Bearer ") for name, value in headers.items() if name.lower() in _CREDENTIALS
        }
        call = Call(method, url, self.recording.sent(body), self.recording.most)
        self.calls.append(call)
        return call

    def ended(self, outcome: str) -> None:
        self.outcome = outcome
        self.ms = (time.monotonic() - self._began) * 1000


def call_of_attempt(method: str, url: str, headers: Mapping[str, str], body: bytes | Streamed) -> Call | None:
    """For whoever sends something to an upstream: where it is to be told, if anywhere."""
    attempt = _attempt.get()
    return None if attempt is None or attempt.recording.is_over else attempt.call(method, url, headers, body)


class Recording:
    """One request. `most`: bytes of each of its texts; `done` takes it when it is over."""

    def __init__(
        self, request: Any, token: TokenEntry, *, request_id: str, most: int, done: Callable[["Recording"], None]
    ) -> None:
        self.most = most
        self.started_at = time.time()
        self.token = token
        self.request_id = request_id
        self.method: str = request.method
        self.path: str = request.get_full_path()
        self.headers = telling(request.headers.items())
        self.secrets = {request.META.get("HTTP_AUTHORIZATION", "").partition(" ")[2].strip()}
        """Whatever else looks like one, these are not to be kept."""
        self.media_type: str = request.META.get("CONTENT_TYPE", "")
        self.form = _outline(request.form, most) if request.form is not None else None
        self.request = Excerpt(most)
        self.request.take(request.body)
        self.attempts: deque[Attempt] = deque(maxlen=MOST_ATTEMPTS)
        self.number_of_attempts = 0
        self.usage: UsageEntry | None = None
        self.total_ms = 0.0
        self.answer_status = 0
        self.answer_headers: list[tuple[str, str]] = []
        self.answer = Excerpt(most)
        self._answers_in_text = True
        self._began = time.monotonic()
        self._done = done
        self._is_answered = self._is_asking = False
        self.is_over = False
        """Whether it has been handed over: another thread reads it now."""
        self._sent: list[tuple[bytes | Streamed, Excerpt]] = []

    @property
    def held(self) -> int:
        """Bytes in memory, roughly."""
        calls = [call for attempt in self.attempts for call in attempt.calls]
        bodies = {id(call.body): call.body.held for call in calls}
        head = len(self.path) + sum(len(name) + len(value) for name, value in self.headers)
        fields = sum(_OF_A_FIELD + len(name) + value.held for name, value in self.form[0]) if self.form is not None else 0
        said = self.request.held + self.answer.held + sum(call.answer.held for call in calls)
        return 4096 + head + fields + said + sum(bodies.values())

    # What the caller gets: `Pulse` tells.

    def has_begun(self) -> None:
        """With status 200, before this was there to hear it."""
        self.answer_status = 200

    def hear(self, message: Mapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.answer_status = message["status"]
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
            self.answer_headers = telling(headers)
            self._answers_in_text = is_readable(dict(headers).get("content-type", "text/plain"))
        elif self._answers_in_text:
            self.answer.take(message.get("body", b""))
        else:
            self.answer.skip(len(message.get("body", b"")))

    def ended(self) -> None:
        """Nothing more goes to the caller."""
        self.total_ms = (time.monotonic() - self._began) * 1000
        self._is_answered = True
        self._finish()

    # What upstreams are asked: the exchange tells.

    def asking(self, ask: Ask) -> Ask:
        """`ask`, overheard."""
        self._is_asking = True

        def asked(
            prepared: Prepared, entry: Entry, *, new_call_id: Callable[[], str], seconds: float
        ) -> AsyncGenerator[list[Event], None]:
            attempt = self._attempt(prepared, entry)
            return _overheard(ask(prepared, entry, new_call_id=new_call_id, seconds=seconds), attempt)

        return asked

    def settled(self, usage: "UsageEntry") -> None:
        """Nobody is asked any more."""
        self.usage = usage
        self._is_asking = False
        self._sent = []
        self._finish()

    def sent(self, body: bytes | Streamed) -> Excerpt:
        """An excerpt of a body, the same one where the same body is sent again."""
        for known, excerpt in self._sent:
            if known is body:
                return excerpt
        excerpt = _excerpt_of(body, self.most)
        self._sent.append((body, excerpt))
        return excerpt

    def _attempt(self, prepared: Prepared, entry: Entry) -> Attempt:
        attempt = Attempt(self, entry.label)
        self.secrets.add(entry.secret)  # The Gemini CLI is not called by HTTP, and may say what it was given.
        self.attempts.append(attempt)
        self.number_of_attempts += 1
        if entry.kind == Kind.GEMINI_CLI and prepared.prompt is not None:
            attempt.calls.append(Call("RUN", "gemini", self.sent(prepared.prompt.text.encode()), self.most))
        return attempt

    def _finish(self) -> None:
        # Where a call is drained after its caller has gone, the record waits for what it has used.
        if self._is_answered and not self._is_asking and not self.is_over:
            self.is_over = True
            self._done(self)


async def _overheard(answer: AsyncGenerator[list[Event], None], attempt: Attempt) -> AsyncGenerator[list[Event], None]:
    _attempt.set(attempt)
    try:
        async with aclosing(answer):
            async for events in answer:
                yield events
    except UpstreamRefused as refused:
        attempt.ended(f"{refused.refusal.outcome}: {refused.refusal.message}")
        raise
    except BaseException:  # Its caller has gone, or wants no more of it.
        attempt.ended("closed before its end")
        raise
    attempt.ended("answered")


def _outline(form: Form, most: int) -> tuple[list[tuple[str, Excerpt]], list[tuple[str, str, str, int]]]:
    """(fields with their values, files by field, name, type and size)"""
    fields = []
    for name, values in form.fields.items():
        for value in values:
            excerpt = Excerpt(most)
            excerpt.take(value.encode())
            most = max(most - excerpt.held, 0)
            fields.append((name, excerpt))
    return fields, [(file.field, file.filename, file.content_type, file.size) for file in form.files]


def _excerpt_of(body: bytes | Streamed, most: int) -> Excerpt:
    excerpt = Excerpt(most)
    for piece in _pieces(body):
        if isinstance(piece, bytes):
            excerpt.take(piece)
        else:
            excerpt.skip(piece, f"(a file of {piece} bytes)")
    return excerpt


def _pieces(body: bytes | Streamed) -> list[bytes | int]:
    """Texts, and the sizes of files that stand between them."""
    match body:
        case bytes():
            return [body]
        case Spliced():
            return [piece if isinstance(piece, bytes) else piece.size for piece in body.pieces]
        case FormBody():
            fields: list[bytes | int] = [f"{name}: {value}\n".encode() for name, value in body.fields]
            for file in body.files:
                fields += [f"{file.field}: {file.filename} ({file.content_type or 'no type'}), ".encode(), file.file.size, b"\n"]
            return fields
        case _:
            return [body.size]
