"""Everything that a simulator remembers."""

import asyncio
from collections.abc import Iterable

from tests.google import models
from tests.google.accounts import Accounts, User
from tests.google.assistance import Assistance
from tests.google.clock import Clock
from tests.google.exchange import Connections
from tests.google.files import Files
from tests.google.keys import DEFAULT_KEYS
from tests.google.log import Log
from tests.google.quotas import Quotas
from tests.google.scripts import Scripts


class State:
    """`keys` maps each key to its project; with `everybody`, other keys are let in too. `users` have Google accounts."""

    def __init__(self, keys: dict[str, str] | None = None, users: Iterable[User] = (), *, everybody: bool = False) -> None:
        self._first_keys = DEFAULT_KEYS if keys is None else keys
        self.keys = dict(self._first_keys)
        self.everybody = everybody
        self.clock = Clock()
        self.oauth = Accounts(self.clock, users)
        self.code_assist = Assistance(self.clock)
        self.quotas = Quotas(self.clock)
        self.files = Files(self.clock)
        self.scripts = Scripts()
        self.log = Log()
        self.connections = Connections()
        self.lenient_pictures = False
        """Pictures that image models are sent back as their own need no signature. Which of the two Google does is in dispute."""
        self.turns = asyncio.Semaphore(2)
        """Of large bodies that are taken in whole, where the log is to be short: each is in memory several times meanwhile."""

    def reset(self) -> None:
        """Forget scripts, calls, quotas, files, the clock's moves, and the keys and accounts that were added since.

        Connections stay open and counted.
        """
        models.withdraw_deployed()
        self.keys = dict(self._first_keys)
        self.clock.reset()
        self.oauth.reset()
        self.code_assist.reset()
        self.quotas.reset()
        self.files.reset()
        self.scripts.clear()
        self.log.clear()
        self.lenient_pictures = False
        self.log.longest = None
