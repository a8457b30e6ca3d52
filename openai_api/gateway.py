"""What one web process holds open for its requests, and the loop that keeps its memory and the database agreeing."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import msgspec
import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections

from credentials import bell, loading, store
from credentials.affinity import Homes
from credentials.health import RestRules
from credentials.learning import Learned
from credentials.loading import RestsRead
from credentials.models import PoolVersion
from credentials.pool import Pool, pool
from credentials.roster import ModelCard, Roster
from openai_api import signatures, usage
from openai_api.draining import Drains
from openai_api.fetcher import Fetcher
from openai_api.ffmpeg import Ffmpeg
from openai_api.files import FileStore
from openai_api.journal import Journal
from openai_api.late_errors import LateErrors
from openai_api.manner import Manner
from openai_api.media_store import MediaStore
from openai_api.metrics import catalogue as metrics
from openai_api.pictures.studio import Studio
from openai_api.readiness import Readiness, missing_migrations
from openai_api.relay import Limits
from openai_api.request_log import log as request_log
from openai_api.signatures import SignatureStore
from openai_api.translation.gemini.capabilities import SHIPPED_MODELS
from openai_api.upstream.access import AccessTokens
from openai_api.upstream.ai_studio import AiStudio
from openai_api.upstream.code_assist import CodeAssist
from openai_api.upstream.gemini import Gemini
from openai_api.upstream.gemini_cli import GeminiCli
from openai_api.upstream.http import HttpClient
from openai_api.upstream.openai_compatible import OpenAiCompatible
from openai_api.upstream.registry import Registry
from openai_api.usage import UsageLog

if TYPE_CHECKING:
    from credentials.permits import Permits

SYNC_SECONDS = 0.5
RUNG_SECONDS = 0.1
"""How often the database is asked at most, however often the bell rings."""
PATIENCE_SECONDS = 1.5
"""After which a database that says nothing counts as down."""
TALLY_SECONDS = 5.0
STALE_SECONDS = 300.0
"""After which all rests are read again: what has ended meanwhile may have been tidied away."""
ORPHANS_EVERY = 60.0
SECONDS_AT_THE_END = 5.0
"""For recorded requests that are still to be written when this process ends."""
LOOKUP_SECONDS = 2.0
"""How long a request waits for signatures from the database, which may be busy with a backlog, or gone."""

log = structlog.get_logger("castor.gateway")
P = ParamSpec("P")
T = TypeVar("T")


class Gateway:
    """Opened and closed by the ASGI lifespan. Requests use its parts; none of them waits for the database."""

    def __init__(self, of_process: Pool) -> None:
        self.pool = of_process
        self.pool.blame.rules = RestRules(cooldown=settings.COOLDOWN_SECONDS, failures=settings.CONSECUTIVE_FAILURES)
        self.pool.selection = loading.load_selection()
        self.pool.homes = Homes() if settings.AFFINITY else None
        # Others may share a database server; a file is shared only by the web processes of this machine.
        self.pool.is_alone = settings.EMBEDDED and settings.WEB_WORKERS == 1
        self.limits = Limits(
            retries=settings.MAX_RETRIES,
            retry_delay=settings.RETRY_DELAY / 1000,
            deadline=settings.TIMEOUT,
        )
        self.manner = Manner(settings.STOP_TAGS, settings.STREAM_INTERNALLY)
        # They count among MAX_IN_FLIGHT: clients who wait must not be turned away for those who do not.
        self.drains = Drains(most=max(1, settings.MAX_IN_FLIGHT // 4))
        self.client = HttpClient(
            connections=settings.UPSTREAM_CONNECTIONS,
            connect_timeout=settings.CONNECT_TIMEOUT,
            read_timeout=settings.READ_TIMEOUT,
        )
        self.permits: Permits | None = None
        self.readiness = Readiness()
        self.access = AccessTokens()
        self._ai_studio = AiStudio(self.client, settings.GOOGLE_GEMINI_BASE_URL, self.access)
        self.registry = Registry(
            Gemini(
                self._ai_studio,
                CodeAssist(self.client, settings.CODE_ASSIST_ENDPOINT, self.access),
                GeminiCli(
                    path=settings.GEMINI_CLI_PATH,
                    most=settings.GEMINI_CLI_MAX_PROCESSES,
                    patience=settings.READ_TIMEOUT,
                    access=self.access,
                    base_url=settings.GOOGLE_GEMINI_BASE_URL,
                    code_assist_url=settings.CODE_ASSIST_ENDPOINT,
                ),
            ),
            OpenAiCompatible(self.client).ask,
        )
        self.fetcher = Fetcher(
            allow_private=settings.FETCH_ALLOW_PRIVATE_NETWORKS,
            max_bytes=settings.FETCH_MAX_BYTES,
            timeout=settings.FETCH_TIMEOUT,
        )
        self.ffmpeg = Ffmpeg(path=settings.FFMPEG_PATH, most=settings.FFMPEG_MAX_PROCESSES)
        self.studio = Studio(MediaStore(settings.MEDIA_DIR, hours=settings.MEDIA_HOURS))
        self.late_errors = LateErrors(settings.LATE_ERRORS_DIR)
        self.usage = UsageLog(Journal(settings.VAR_DIR / "journal"))
        self.signatures = SignatureStore(self._look_up_signatures)
        self.files = FileStore(self.in_database)
        self.requests = request_log.RequestLog()
        self.shipped = {model.name: ModelCard(**msgspec.structs.asdict(model)) for model in SHIPPED_MODELS}
        # One thread, started before the first request: the only one that speaks to the database on this process's behalf.
        self._database = ThreadPoolExecutor(1, thread_name_prefix="castor-db")
        self._tasks: list[asyncio.Task[None]] = []
        self._bell = asyncio.Event()
        self._synced = self._tallied = self._orphans_checked = 0.0

    async def open(self) -> None:
        self.client.open()
        self.usage.journal.open()
        metrics.PROCESSES.of().set(1)
        metrics.IN_FLIGHT_LIMIT.of().set(settings.MAX_IN_FLIGHT)
        if settings.ALLOW_ANONYMOUS:
            log.warning("ALLOW_ANONYMOUS is true: whoever reaches this port spends your quota.")
        await self._sync()
        await self._open_permits()
        self._tasks = [
            asyncio.create_task(self._keep(), name="castor-keeper"),
            asyncio.create_task(bell.listen(self._bell.set), name="castor-bell"),
        ]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.permits is not None:
            await self.permits.close()
        await self._ai_studio.close()
        await self.client.close()
        await self.access.close()
        await self.fetcher.close()
        self.studio.close()
        self.usage.close()
        self._tallied = 0.0  # Nothing may be left unwritten.
        await self._sync()
        await self._save_last_requests()
        await self.in_database(connections.close_all)
        self._database.shutdown()

    async def _open_permits(self) -> None:
        self.pool.pacer.processes = settings.WEB_WORKERS
        if settings.REDIS_URL:
            from credentials.permits import Permits  # Only now: the library of Redis takes 9 MB of memory.

            self.permits = Permits(self.pool.pacer, self.pool.waiting.let_one_of_each_look)
            await self.permits.open()

    async def in_database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ORM code in the database thread."""
        return await asyncio.get_running_loop().run_in_executor(
            self._database, partial(_with_usable_connection, function, *args, **kwargs)
        )

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(RUNG_SECONDS)
            await self._next_round()
            try:
                try:
                    self.usage.rotate()
                finally:
                    await self._sync()
            except Exception:  # Without this loop nothing is learned or saved any more: it must outlive any fault.
                log.exception("Keeping memory and database in agreement failed; it is tried again.")

    async def _next_round(self) -> None:
        """Until the bell rings, or the next look is due."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SYNC_SECONDS - RUNG_SECONDS):
                await self._bell.wait()
        self._bell.clear()

    async def _sync(self) -> None:
        """Write what this process has learned, read what others have changed. A database that is down is tried again."""
        silence = asyncio.get_running_loop().call_later(PATIENCE_SECONDS, self._note_outage, "it does not answer")
        try:
            if not self.readiness.is_migrated:
                self.readiness.missing = await self.in_database(missing_migrations)
            await self._save()
            await self._load()
            await self.in_database(self._import_usage)
            await self._save_requests()
        except DatabaseError as error:
            self._note_outage(str(error))
            return
        finally:
            silence.cancel()
        self._synced = time.monotonic()
        if not self.pool.up_to_date:
            log.info("The database is back.")
            self.pool.up_to_date = True

    def _note_outage(self, cause: str) -> None:
        if self.pool.up_to_date:
            log.error("The database cannot be used; requests go on from memory.", cause=cause)
        self.pool.up_to_date = False

    async def _save(self) -> None:
        tallies = time.monotonic() - self._tallied >= TALLY_SECONDS
        learned, unsaved = self.pool.take_learned(tallies=tallies), self.signatures.take_unsaved()
        try:
            if learned.is_urgent or learned.tallies:
                await self.in_database(store.save, learned)
            learned = Learned()
            if unsaved:
                await self.in_database(signatures.save, unsaved)
        except BaseException:  # Whatever it was, and also if we are told to stop: nothing learned may be lost.
            self.pool.put_back(learned)
            self.signatures.put_back(unsaved)
            raise
        if tallies:
            self._tallied = time.monotonic()

    async def _load(self) -> None:
        """Take in what has changed in the pool since it was read last, and the right to find out which rests are over."""
        pool, at = self.pool, time.time()
        is_stale = not pool.loaded or time.monotonic() - self._synced > STALE_SECONDS
        known = None if is_stale else (pool.roster.version, pool.rests_version)
        roster, read = await self.in_database(self._read_pool, known)
        if roster is not None and is_stale and read is not None:
            pool.install(roster, read.standing, rests_version=read.version)
            return
        if roster is not None:
            pool.renew(roster)
        if read is not None:
            pool.take_in(read.rests, version=read.version)
        if wanted := pool.probes_wanted(at=at):
            pool.probes_granted(*await self.in_database(store.claim_probes, wanted, at=datetime.fromtimestamp(at, UTC)), at=at)

    async def _save_requests(self) -> None:
        """Last of all: if there is too little time for something, then for these."""
        waiting = self.requests.take()
        if not waiting:
            self.requests.is_through()
            return
        try:
            saved = await self.in_database(request_log.save, waiting)
        except DatabaseError as error:  # All else was written: it may be their table. That the database is down is soon noticed.
            self.requests.could_not_be_written(waiting, error)
        except asyncio.CancelledError:  # After a fault of ours they would only run into it again.
            self.requests.put_back(waiting)
            raise
        else:
            self.requests.put_back(waiting[saved:])

    async def _save_last_requests(self) -> None:
        """What a round had no time for."""
        with suppress(DatabaseError):
            await self.in_database(request_log.save, self.requests.take(), seconds=SECONDS_AT_THE_END)

    def _read_pool(self, known: tuple[int, int] | None) -> tuple[Roster | None, RestsRead | None]:
        """What is new, in the database's thread; `known`: the versions that have been read."""
        if known is None:
            return loading.load_roster(self.shipped), loading.load_rests()
        number, rests = PoolVersion.current()
        return (
            loading.load_roster(self.shipped) if number != known[0] else None,
            loading.load_rests(since=known[1]) if rests != known[1] else None,
        )

    def _import_usage(self) -> None:
        usage.import_ready(self.usage.journal)
        if time.monotonic() - self._orphans_checked >= ORPHANS_EVERY:
            self._orphans_checked = time.monotonic()
            usage.import_orphans(self.usage.journal)

    async def _look_up_signatures(self, owner: int, call_ids: list[str]) -> dict[signatures.Key, signatures.Kept]:
        """What the database knows; nothing where it cannot say, for which the translation has a stand-in."""
        if not self.pool.up_to_date:
            return {}
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                return await self.in_database(signatures.look_up, owner, call_ids)
        except (DatabaseError, TimeoutError) as error:
            log.warning("Thought signatures could not be looked up.", cause=str(error))
            return {}


def _with_usable_connection(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    close_old_connections()
    return function(*args, **kwargs)


gateway = Gateway(pool)
"""The one of this process."""
