"""The only code that writes usage: a line in the journal when a request begins, one when it ends, rows in bulk later."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import structlog
from django.contrib.auth import get_user_model
from django.db import DataError, IntegrityError, connection, transaction
from django.db.models import Model
from msgspec import Struct

from credentials.models import ClientToken, Credential, PoolVersion
from openai_api.journal import Journal
from openai_api.models import UsageRecord

KILLED = 0

log = structlog.get_logger("castor.usage")


class Entry(Struct, omit_defaults=True):
    """One request as the journal keeps it. Ids of 0: none. Times: epoch seconds, else milliseconds."""

    uid: str
    request_id: str
    started_at: float
    token: int
    owner: int
    model_asked: str
    model_served: str
    dialect: str
    stream: bool
    ended: bool = False
    status: int = KILLED
    error: str = ""
    attempts: int = 0
    credential: int = 0
    credential_label: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False
    queue_ms: float = 0.0
    first_token_ms: float | None = None
    total_ms: float = 0.0


_ENDED = b'"ended":true'
"""Stands in the line of a request that has ended, and in no other: quotes within texts are escaped."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entry).decode


class UsageLog:
    """What this process writes. Entries under way are written again after each rotation, so that a crash can be told."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal
        self._under_way: dict[str, Entry] = {}

    def begin(self, entry: Entry) -> None:
        self._under_way[entry.uid] = entry
        self.journal.append(_encode(entry))

    def end(self, entry: Entry) -> None:
        """Told again, it changes nothing."""
        if self._under_way.pop(entry.uid, None) is not None:
            entry.ended = True
            self.journal.append(_encode(entry))

    def rotate(self) -> None:
        self.journal.rotate(map(_encode, self._under_way.values()))

    def close(self) -> None:
        """What is still under way ends with this process."""
        for entry in list(self._under_way.values()):
            entry.status, entry.error = KILLED, "killed"
            self.end(entry)
        self.journal.close()


def import_ready(journal: Journal) -> int:
    """Take the requests that ended from the rotated segments into the database; returns how many there were.

    A segment is deleted only once its rows are committed, and rows are recognised by uid: a crash in between repeats work
    and loses nothing.
    """
    return sum(_import(path, _read(path, only_ended=True)) for path in journal.ready())


def import_orphans(journal: Journal) -> int:
    """The same for the segments of processes that were killed."""
    return sum(_import(path, _all_told(_read(path))) for path in journal.orphans())


def _import(path: Path, entries: list[Entry]) -> int:
    if taken := _taken(entries):
        _note_last_use(taken)
    path.unlink(missing_ok=True)
    return len(taken)


def _read(path: Path, *, only_ended: bool = False) -> list[Entry]:
    entries = []
    for line in _bytes_of(path).splitlines():
        if only_ended and _ENDED not in line:
            continue
        try:
            entries.append(_decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):  # The last line of a process that was killed while it wrote.
            log.warning("unreadable usage line skipped", segment=path.name)
    return entries


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:  # Web processes share the directory: another one was first.
        return b""


def _all_told(entries: list[Entry]) -> list[Entry]:
    """Those that ended, and those that the process took with it."""
    latest = {entry.uid: entry for entry in entries}
    for entry in latest.values():
        if not entry.ended:
            entry.status, entry.error = KILLED, "killed"
    return list(latest.values())


def _taken(entries: list[Entry]) -> list[Entry]:
    """Insert the entries; returns those that the database takes. One that it refuses must not hold up all the others."""
    try:
        _insert(entries)
    except _REFUSALS as refusal:
        if len(entries) == 1:
            log.error("The database refuses a usage record; it is left out.", uid=entries[0].uid, cause=str(refusal))
            return []
        return [entry for one in entries for entry in _taken([one])]
    return entries


_REFUSALS = (DataError, IntegrityError, OverflowError, ValueError)
"""Of values, that is: an upstream counts as it likes. A database that cannot be used at all says something else."""


def _insert(entries: list[Entry]) -> None:
    """Write the rows that are not there yet.

    Not by bulk_create, whose compiling costs more than all the rest of a row; and many rows in one statement, because SQLite
    hands the interpreter to the requests' thread, and waits for it again, at each statement.
    """
    columns = ", ".join(connection.ops.quote_name(column) for column in _COLUMNS)
    table = connection.ops.quote_name(UsageRecord._meta.db_table)
    marks = f"({', '.join(['%s'] * len(_COLUMNS))})"
    with transaction.atomic(), connection.cursor() as cursor:
        PoolVersion.lock()  # Whoever deletes a credential or a token waits for it too: none of ours may point at what goes.
        rows = list(_rows(entries))
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            cursor.execute(
                f"INSERT INTO {table} ({columns}) VALUES {', '.join([marks] * len(some))} ON CONFLICT (uid) DO NOTHING",  # noqa: S608  # names of ours
                [value for row in some for value in row],
            )


_ROWS_AT_ONCE = 500
"""Databases bound the number of values in a statement: SQLite at 32,766."""

_SAME = (
    *("uid", "request_id", "credential_label", "dialect", "stream", "status", "error", "attempts"),
    *(
        "prompt_tokens",
        "completion_tokens",
        "cached_tokens",
        "reasoning_tokens",
        "estimated",
        "queue_ms",
        "first_token_ms",
        "total_ms",
    ),
)
"""What the table calls as the journal does."""
_COLUMNS = ("started_at", "model_asked", "model_served", "token_id", "owner_id", "credential_id", *_SAME)
_same = attrgetter(*_SAME)


def _rows(entries: list[Entry]) -> Iterator[tuple[Any, ...]]:
    """Values for _COLUMNS; what has been deleted since is left out of them."""
    tokens = _existing(ClientToken, {entry.token for entry in entries})
    owners = _existing(get_user_model(), {entry.owner for entry in entries})
    credentials = _existing(Credential, {entry.credential for entry in entries})
    for entry in entries:
        yield (
            connection.ops.adapt_datetimefield_value(_moment(entry.started_at)),
            entry.model_asked.replace("\0", "")[:200],  # PostgreSQL's texts hold anything but this.
            entry.model_served[:200],
            entry.token if entry.token in tokens else None,
            entry.owner if entry.owner in owners else None,
            entry.credential if entry.credential in credentials else None,
            *_same(entry),
        )


def _existing(model: type[Model], ids: set[int]) -> set[int]:
    return set(model._default_manager.filter(pk__in=ids - {0}).values_list("pk", flat=True))


def _note_last_use(entries: Iterable[Entry]) -> None:
    tokens: dict[int, float] = {}
    credentials: dict[int, float] = {}
    for entry in entries:
        tokens[entry.token] = max(tokens.get(entry.token, 0.0), entry.started_at)
        credentials[entry.credential] = max(credentials.get(entry.credential, 0.0), entry.started_at)
    for pk, seconds in tokens.items():
        ClientToken.objects.filter(pk=pk).update(last_used_at=_moment(seconds))
    for pk, seconds in credentials.items():
        Credential.objects.filter(pk=pk).update(last_used_at=_moment(seconds))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
