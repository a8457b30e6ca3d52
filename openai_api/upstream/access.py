"""The access tokens that this process asks with: kept in memory, renewed elsewhere (`credentials.accounts.tokens`)."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing

from django.db import connections

from credentials.accounts.oauth import OAuthError
from credentials.accounts.tokens import Access, fresh
from credentials.health import Outcome
from credentials.roster import Entry
from openai_api.translation.events import Event
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.refusals import Refusal
from openai_api.upstream.sign_in import refusal_of

LEAST = 60.0
"""Seconds that a token must hold for a call to begin with it."""
AHEAD = 240.0
"""Seconds before its end at which a token is renewed on the side, while calls go on with it."""
LONGEST_WAIT = 30.0
"""Seconds that a call waits for a renewal: longer than one may take, another's that died included. Then others are asked."""
_AT_ONCE = 4

Send = Callable[[str, float], AsyncGenerator[list[Event], None]]
"""(access token, seconds left) → the answer"""


class AccessTokens:
    """Calls of one account wait for the same renewal; a warm call waits for nothing."""

    def __init__(self) -> None:
        self._known: dict[int, Access] = {}
        self._renewals: dict[int, asyncio.Task[Access]] = {}
        # Threads of their own: a renewal may take seconds, and the database's one thread has other work to do.
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="castor-login")

    async def token(self, entry: Entry, *, than: str = "", seconds: float) -> str:
        """One that is valid now, and is not `than`, which Google has just refused. Raises UpstreamRefused."""
        known = self._known.get(entry.id)
        left = known.expires_at - time.time() if known is not None else 0.0
        if known is not None and known.token != than and left > LEAST:
            if left < AHEAD:
                self._renewal(entry.id, than="", at_least=AHEAD)
            return known.token
        try:
            async with asyncio.timeout(min(seconds, LONGEST_WAIT)):
                return await self._renewed(entry.id, than)
        except TimeoutError as error:
            message = "Google did not renew the access token of an account in time."
            raise UpstreamRefused(Refusal(outcome=Outcome.SIGN_IN_FAILED, status=504, message=message)) from error
        except OAuthError as error:
            raise UpstreamRefused(refusal_of(error)) from error

    async def close(self) -> None:
        for renewal in self._renewals.values():
            renewal.cancel()
        await asyncio.gather(*self._renewals.values(), return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _renewed(self, credential_id: int, than: str) -> str:
        while True:
            # Others wait for it too: whoever goes away must not take it along.
            renewed = await asyncio.shield(self._renewal(credential_id, than=than, at_least=LEAST))
            if renewed.token != than:  # Otherwise it had been begun before anybody knew that this one is refused.
                return renewed.token

    def _renewal(self, credential_id: int, *, than: str, at_least: float) -> asyncio.Task[Access]:
        renewal = self._renewals.get(credential_id)
        if renewal is None:
            renewal = asyncio.ensure_future(self._renew(credential_id, than, at_least))
            self._renewals[credential_id] = renewal
            renewal.add_done_callback(lambda done: self._settle(credential_id, done))
        return renewal

    async def _renew(self, credential_id: int, than: str, at_least: float) -> Access:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _fresh, credential_id, than, at_least)

    def _settle(self, credential_id: int, done: asyncio.Task[Access]) -> None:
        del self._renewals[credential_id]
        if not done.cancelled() and done.exception() is None:
            self._known[credential_id] = done.result()


async def with_access(access: AccessTokens, entry: Entry, send: Send, *, seconds: float) -> AsyncGenerator[list[Event], None]:
    """Ask with the account's access token; one that Google refuses is renewed, once."""
    until = time.monotonic() + seconds
    token = await access.token(entry, seconds=seconds)
    said = False
    try:
        async with aclosing(send(token, until - time.monotonic())) as answer:
            async for events in answer:
                said = True
                yield events
        return
    except UpstreamRefused as refused:
        if said or refused.refusal.status != 401:
            raise
    token = await access.token(entry, than=token, seconds=until - time.monotonic())
    async with aclosing(send(token, until - time.monotonic())) as answer:
        async for events in answer:
            yield events


def _fresh(credential_id: int, than: str, at_least: float) -> Access:
    try:
        return fresh(credential_id, than=than, at_least=at_least)
    finally:
        connections.close_all()  # The next renewal is an hour away.
