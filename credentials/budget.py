"""What one limit leaves over within the present minute or day. Pure: no clock, no I/O. Times are seconds since the epoch."""

from datetime import UTC, datetime, timedelta
from typing import Literal

from msgspec import Struct

from credentials.health import PACIFIC, next_pacific_midnight

Number = Literal["rpm", "tpm", "rpd"]
NUMBERS: tuple[Number, ...] = ("rpm", "tpm", "rpd")

BLOCKS_A_PROCESS = 8
"""A limit is leased in so many blocks by each process, if all take alike: few enough for Redis, many enough to be shared well."""


class Window(Struct, frozen=True):
    """`name` tells it from all others of its length."""

    name: str
    begins: float
    ends: float

    def holds(self, at: float) -> bool:
        return self.begins <= at < self.ends


def minute_at(at: float) -> Window:
    """The minute of the wall clock, in which Google counts."""
    number = int(at // 60)
    return Window(str(number), number * 60.0, number * 60.0 + 60.0)


def day_at(at: float) -> Window:
    """The day of California, which twice a year has 23 or 25 hours."""
    today = datetime.fromtimestamp(at, UTC).astimezone(PACIFIC).date()
    yesterday = datetime.combine(today - timedelta(days=1), datetime.min.time(), PACIFIC)
    begins = next_pacific_midnight(yesterday.timestamp())
    return Window(today.isoformat(), begins, next_pacific_midnight(at))


class Budget:
    """One number (requests or tokens) that a quota group may use of a model within a window, and what this process has used.

    Where permits are leased from Redis this process may use `granted` of it, else its share.
    """

    __slots__ = (
        *("group", "model", "number", "is_daily", "counts_tokens", "window"),
        *("limit", "used", "granted", "need", "refusals", "full", "holder"),
    )

    def __init__(self, group: str, model: str, number: Number, window: Window) -> None:
        self.group, self.model, self.number = group, model, number
        self.is_daily = number == "rpd"
        self.counts_tokens = number == "tpm"
        self.window = window
        self.limit = 0
        self.used = 0
        self.granted = 0
        self.need = 0
        """What somebody asks for at once and does not get yet."""
        self.refusals = 0
        """How often in a row Redis had nothing to give."""
        self.full = False
        """There is nothing left in this window: what is not used here is used elsewhere."""
        self.holder = ""
        """The name under which its permits are kept in Redis."""

    def enter(self, window: Window) -> None:
        """Begin anew where time has gone on. A clock that is put back frees nothing: what was used counts in the earlier window.

        So neither jump frees or freezes more than the window in which it happens.
        """
        if window.begins > self.window.begins:
            self.used = self.granted = self.need = 0
            self.hope()
        self.window = window

    def hope(self) -> None:
        """Forget that Redis had nothing to give."""
        self.refusals = 0
        self.full = False

    def limit_to(self, limit: int) -> None:
        if limit != self.limit:
            self.limit = limit
            self.hope()

    def demand(self, amount: int, *, most: int) -> int:
        """What must be left for a request of this size. One that is larger than the whole may go where nothing else was used."""
        return max(1, min(amount, most))

    def fits_share(self, amount: int, processes: int) -> bool:
        allowed = max(self.granted, share(self.limit, processes))
        return self.used + self.demand(amount, most=allowed) <= allowed

    def fits_permits(self, amount: int) -> bool:
        return self.used + self.demand(amount, most=self.limit) <= self.granted

    def block(self, processes: int) -> int:
        return max(1, self.limit // (BLOCKS_A_PROCESS * processes))


def share(limit: int, processes: int) -> int:
    """What one process may use of a limit where it knows nothing of the others; at least 1, as a request is not divisible."""
    return min(limit, max(1, limit // processes))
