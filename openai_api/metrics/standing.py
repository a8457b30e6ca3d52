"""What nobody counts: how the pool, the journal and the background work stand, found out anew at each scrape."""

import asyncio
import platform
import time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import Error as DatabaseError
from django.utils.timezone import now

from credentials.health import Reason
from credentials.status import counts_by_kind, rests_by_reason
from openai_api import heartbeat
from openai_api.journal import Backlog
from openai_api.metrics.catalogue import (
    BUILD,
    CREDENTIALS,
    DATABASE_UP,
    HEARTBEAT,
    JOURNAL_AGE,
    JOURNAL_BYTES,
    JOURNAL_SEGMENTS,
    RESTS,
    STARTED,
)
from openai_api.metrics.families import Family
from openai_api.metrics.memory import here
from openai_api.metrics.text import totals, written

if TYPE_CHECKING:
    from openai_api.gateway import Gateway

PATIENCE_SECONDS = 2.0
"""How long a scrape waits for the database, or for Redis."""

Found = dict[str, list[float]]


async def page(gateway: "Gateway") -> bytes:
    """What `/metrics` answers. Whatever is down is left out."""
    series = totals(here.regions)
    _tell(series, BUILD, 1, settings.VERSION, platform.python_version())
    _tell(series, STARTED, here.shared.began)
    for found in await asyncio.gather(_of_pool(gateway), _of_journal(gateway), _of_celery()):
        series |= found
    return written(series)


async def _of_pool(gateway: "Gateway") -> Found:
    found: Found = {}
    if gateway.pool.up_to_date:  # Otherwise its thread may be busy with waiting for an answer.
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                found = await gateway.in_database(_read_pool)
        except (DatabaseError, TimeoutError):
            pass
    _tell(found, DATABASE_UP, 1 if found else 0)
    return found


def _read_pool() -> Found:
    found: Found = {}
    at = now()
    for kind, states in counts_by_kind(at=at).items():
        for state, count in states.items():
            _tell(found, CREDENTIALS, count, kind, state)
    resting = rests_by_reason(at=at)
    for reason in Reason:
        _tell(found, RESTS, resting.get(reason.value, 0), reason.value)
    return found


async def _of_journal(gateway: "Gateway") -> Found:
    # In a thread: after a day without a database there are many files.
    backlog: Backlog = await asyncio.to_thread(gateway.usage.journal.backlog)
    found: Found = {}
    _tell(found, JOURNAL_BYTES, backlog.bytes)
    _tell(found, JOURNAL_SEGMENTS, backlog.segments)
    _tell(found, JOURNAL_AGE, max(time.time() - backlog.since, 0.0) if backlog.segments else 0)
    return found


async def _of_celery() -> Found:
    found: Found = {}
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            _tell(found, HEARTBEAT, await asyncio.to_thread(heartbeat.last))
    except (heartbeat.Unknown, TimeoutError):
        pass
    return found


def _tell(found: Found, family: Family, value: float, *labels: str) -> None:
    found[family.named(*labels)] = [float(value)]
