"""Recordings on their way into the database: a bounded queue in memory, from which the database's thread takes them.

They are the least of what it writes. What waits when the queue is full, or the database is down, is dropped, the oldest first.
"""

import time
from collections import deque
from datetime import UTC, datetime

import structlog
from django.contrib.auth import get_user_model
from django.db import DataError, Error, IntegrityError, transaction

from credentials.models import ClientToken
from openai_api.models import CLIENT_GONE, LoggedRequest
from openai_api.request_log import kept
from openai_api.request_log.excerpt import Excerpt
from openai_api.request_log.recording import Attempt, Call, Recording
from openai_api.request_log.redaction import Clean, cleaner, shown_url

MOST_WAITING = 500
MOST_BYTES = 32 * 1024 * 1024
SECONDS_A_ROUND = 0.25
"""Of the database's thread, which has other work: what is left waits for the next round."""
_LONGEST_PATH = 500

log = structlog.get_logger("castor.request_log")


class RequestLog:
    """What waits to be written by this process."""

    def __init__(self) -> None:
        self._waiting: deque[Recording] = deque()
        self._bytes = 0
        self._has_warned = False

    def add(self, recording: Recording) -> None:
        self._waiting.append(recording)
        self._bytes += recording.held
        while len(self._waiting) > MOST_WAITING or self._bytes > MOST_BYTES:
            self._bytes -= self._waiting.popleft().held
            self._warn("More requests are being recorded than can be written; the oldest that wait are dropped.")

    def take(self) -> list[Recording]:
        taken, self._waiting, self._bytes = list(self._waiting), deque(), 0
        return taken

    def put_back(self, recordings: list[Recording]) -> None:
        """Those that have not been written, before what has come since."""
        recordings += self.take()
        for recording in recordings:
            self.add(recording)

    def could_not_be_written(self, recordings: list[Recording], error: Error) -> None:
        # What the error says may quote the requests.
        self._warn("Recorded requests cannot be written; they wait, and the oldest are dropped.", error=type(error).__name__)
        self.put_back(recordings)

    def is_through(self) -> None:
        """What goes wrong next is worth a new warning."""
        self._has_warned = False

    def _warn(self, event: str, **facts: str) -> None:
        if not self._has_warned:
            log.warning(event, **facts)
        self._has_warned = True


def save(recordings: list[Recording], *, seconds: float = SECONDS_A_ROUND) -> int:
    """Write the first of them; returns how many that were."""
    until = time.monotonic() + seconds
    rows: list[LoggedRequest] = []
    for recording in recordings:
        rows.append(row_of(recording))
        if time.monotonic() >= until:
            break
    _insert(rows)
    return len(rows)


def row_of(recording: Recording) -> LoggedRequest:
    usage, token = recording.usage, recording.token
    clean = cleaner(recording.secrets)
    content = _content(recording, clean)
    packed = content.packed()
    return LoggedRequest(
        started_at=datetime.fromtimestamp(recording.started_at, UTC),
        request_id=recording.request_id,
        usage_uid=usage.uid if usage is not None else "",
        token_id=token.id or None,
        token_label=f"{token.label} ({token.prefix}…)".strip()[:150] if token.id else token.label,
        owner_id=token.owner_id or None,
        method=recording.method[:10],
        path=clean(shown_url(recording.path))[:_LONGEST_PATH],
        dialect=usage.dialect if usage is not None else "",
        model_asked=clean(usage.model_asked)[:200] if usage is not None else "",
        model_served=clean(usage.model_served)[:200] if usage is not None else "",
        stream=usage.stream if usage is not None else False,
        status=usage.status if usage is not None else recording.answer_status or CLIENT_GONE,
        error=usage.error if usage is not None else "",
        attempts=recording.number_of_attempts,
        total_ms=recording.total_ms,
        bytes=len(packed),
        content=packed,
    )


def _content(recording: Recording, clean: Clean) -> kept.Kept:
    bodies: dict[int, int] = {}
    texts: list[kept.Text] = []
    for call in (call for attempt in recording.attempts for call in attempt.calls):
        if id(call.body) not in bodies:
            bodies[id(call.body)] = len(texts)
            texts.append(_text(call.body, clean))
    fields, files = recording.form or ([], [])
    return kept.Kept(
        headers=_cleaned(recording.headers, clean),
        request=_text(recording.request, clean, recording.media_type),
        is_form=recording.form is not None,
        fields=[(clean(name), clean(value.text) + _cut(value)) for name, value in fields],
        files=[kept.File(clean(field), clean(name), clean(kind), size) for field, name, kind, size in files],
        bodies=texts,
        attempts=[_attempt(attempt, bodies, clean) for attempt in recording.attempts],
        earlier_attempts=recording.number_of_attempts - len(recording.attempts),
        answer_status=recording.answer_status,
        answer_headers=_cleaned(recording.answer_headers, clean),
        answer=_text(recording.answer, clean, dict(recording.answer_headers).get("content-type", "")),
    )


def _attempt(attempt: Attempt, bodies: dict[int, int], clean: Clean) -> kept.Attempt:
    calls = [_call(call, bodies[id(call.body)], clean) for call in attempt.calls]
    return kept.Attempt(attempt.credential, clean(attempt.outcome), round(attempt.ms, 1), calls)


def _call(call: Call, body: int, clean: Clean) -> kept.Call:
    return kept.Call(call.method, clean(shown_url(call.url)), body, call.status, _text(call.answer, clean, call.media_type))


def _text(excerpt: Excerpt, clean: Clean, media_type: str = "") -> kept.Text:
    return kept.Text(clean(excerpt.text), excerpt.size, excerpt.is_cut, clean(media_type)[:100])


def _cut(value: Excerpt) -> str:
    return f"… ({value.size} bytes)" if value.is_cut else ""


def _cleaned(headers: list[tuple[str, str]], clean: Clean) -> kept.Pairs:
    return [(name, clean(value)) for name, value in headers]


def _insert(rows: list[LoggedRequest]) -> None:
    """One that the database refuses must not hold up the others: it is left out."""
    _without_what_has_gone(rows)
    try:
        with transaction.atomic():
            LoggedRequest.objects.bulk_create(rows, batch_size=100)
    except (DataError, IntegrityError, OverflowError, ValueError) as refusal:
        if len(rows) > 1:
            for row in rows:
                _insert([row])
        else:  # What the refusal says may quote the request.
            error = type(refusal).__name__
            log.warning("A recorded request cannot be written; it is left out.", id=rows[0].request_id, error=error)


def _without_what_has_gone(rows: list[LoggedRequest]) -> None:
    """A token or its owner may have been deleted while the request went on."""
    tokens = set(ClientToken.objects.filter(pk__in={row.token_id for row in rows}).values_list("pk", flat=True))
    owners = set(get_user_model().objects.filter(pk__in={row.owner_id for row in rows}).values_list("pk", flat=True))
    for row in rows:
        row.token_id = row.token_id if row.token_id in tokens else None
        row.owner_id = row.owner_id if row.owner_id in owners else None
