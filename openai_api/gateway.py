"""What one web process holds open for its requests, and the loop that keeps its memory and the database agreeing."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

import msgspec
import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import close_old_connections, connections

from credentials import store
from credentials.health import RestRules
from credentials.models import PoolVersion
from credentials.pool import Place, Pool, Rest, pool
from credentials.roster import ModelCard, Roster
from openai_api import signatures, usage
from openai_api.fetcher import Fetcher
from openai_api.journal import Journal
from openai_api.relay import Limits
from openai_api.signatures import SignatureStore
from openai_api.translation.gemini.capabilities import SHIPPED_MODELS
from openai_api.upstream.ai_studio import AiStudio
from openai_api.upstream.http import HttpClient
from openai_api.upstream.registry import Registry
from openai_api.usage import UsageLog

SYNC_SECONDS = 0.5
ORPHANS_EVERY = 60.0
LOOKUP_SECONDS = 2.0
"""How long a request waits for signatures from the database, which may be busy with a backlog, or gone."""

log = structlog.get_logger("castor.gateway")
P = ParamSpec("P")
T = TypeVar("T")


class Gateway:
    """Opened and closed by the ASGI lifespan. Requests use its parts; none of them waits for the database."""

    def __init__(self, of_process: Pool) -> None:
        self.pool = of_process
        self.pool.rules = RestRules(cooldown=settings.COOLDOWN_SECONDS, failures=settings.CONSECUTIVE_FAILURES)
        self.limits = Limits(
            retries=settings.MAX_RETRIES,
            retry_delay=settings.RETRY_DELAY / 1000,
            deadline=settings.TIMEOUT,
        )
        self.client = HttpClient(
            connections=settings.UPSTREAM_CONNECTIONS,
            connect_timeout=settings.CONNECT_TIMEOUT,
            read_timeout=settings.READ_TIMEOUT,
        )
        self.registry = Registry(AiStudio(self.client, settings.GOOGLE_GEMINI_BASE_URL))
        self.fetcher = Fetcher(
            allow_private=settings.FETCH_ALLOW_PRIVATE_NETWORKS,
            max_bytes=settings.FETCH_MAX_BYTES,
            timeout=settings.FETCH_TIMEOUT,
        )
        self.usage = UsageLog(Journal(settings.VAR_DIR / "journal"))
        self.signatures = SignatureStore(self._look_up_signatures)
        self.shipped = {model.name: ModelCard(**msgspec.structs.asdict(model)) for model in SHIPPED_MODELS}
        # One thread, started before the first request: the only one that speaks to the database on this process's behalf.
        self._database = ThreadPoolExecutor(1, thread_name_prefix="castor-db")
        self._keeper: asyncio.Task[None] | None = None
        self._orphans_checked = 0.0

    async def open(self) -> None:
        self.client.open()
        self.usage.journal.open()
        if settings.ALLOW_ANONYMOUS:
            log.warning("ALLOW_ANONYMOUS is true: whoever reaches this port spends your quota.")
        await self._sync()
        self._keeper = asyncio.create_task(self._keep(), name="castor-keeper")

    async def close(self) -> None:
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
        await self.client.close()
        await self.fetcher.close()
        self.usage.close()
        await self._sync()
        await self.in_database(connections.close_all)
        self._database.shutdown()

    async def in_database(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run ORM code in the database thread."""
        return await asyncio.get_running_loop().run_in_executor(
            self._database, partial(_with_usable_connection, function, *args, **kwargs)
        )

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            try:
                try:
                    self.usage.rotate()
                finally:
                    await self._sync()
            except Exception:  # Without this loop nothing is learned or saved any more: it must outlive any fault.
                log.exception("Keeping memory and database in agreement failed; it is tried again.")

    async def _sync(self) -> None:
        """Write what this process has learned, read what others have changed. A database that is down is tried again."""
        try:
            await self._save()
            await self._load()
            await self.in_database(self._import_usage)
        except DatabaseError as error:
            if self.pool.up_to_date:
                log.error("The database cannot be used; requests go on from memory.", cause=str(error))
            self.pool.up_to_date = False
            return
        if not self.pool.up_to_date:
            log.info("The database is back.")
            self.pool.up_to_date = True

    async def _save(self) -> None:
        changes, unsaved = self.pool.take_changes(), self.signatures.take_unsaved()
        try:
            if changes:
                await self.in_database(store.save_changes, changes)
            if unsaved:
                await self.in_database(signatures.save, unsaved)
        except BaseException:  # Whatever it was, and also if we are told to stop: nothing learned may be lost.
            self.pool.put_back(changes)
            self.signatures.put_back(unsaved)
            raise

    async def _load(self) -> None:
        """Take in the pool if it has changed since it was read last."""
        loaded = await self.in_database(self._read_pool, self.pool.roster.version, self.pool.loaded)
        if loaded is not None:
            self.pool.install(*loaded)

    def _read_pool(self, version: int, loaded: bool) -> tuple[Roster, dict[Place, Rest]] | None:
        """In the database's thread."""
        if loaded and PoolVersion.current() == version:
            return None
        return store.load_roster(self.shipped), store.load_rests()

    def _import_usage(self) -> None:
        usage.import_ready(self.usage.journal)
        if time.monotonic() - self._orphans_checked >= ORPHANS_EVERY:
            self._orphans_checked = time.monotonic()
            usage.import_orphans(self.usage.journal)

    async def _look_up_signatures(self, owner: int, call_ids: list[str]) -> dict[signatures.Key, signatures.Kept]:
        """What the database knows; nothing where it cannot say, for which the translation has a stand-in."""
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
