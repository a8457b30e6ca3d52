"""Google's sign-in as this process knows it: once it has failed several times in a row, it is left alone for a while.

It is one for all accounts. Without this, a thousand of them would each wait for it in turn while it hangs, and whatever else
these threads have to do would wait behind them.
"""

import time

FAILURES = 3
PAUSE_SECONDS = 10.0


class Outage:
    """Threads may share one: what they may lose of each other's counting does no harm."""

    def __init__(self) -> None:
        self._failures = 0
        self._until = 0.0

    @property
    def lasts(self) -> bool:
        return time.monotonic() < self._until

    def failed(self) -> None:
        self._failures += 1
        if self._failures >= FAILURES:
            self._until = time.monotonic() + PAUSE_SECONDS

    def is_over(self) -> None:
        """It has answered, were it with a refusal."""
        self._failures, self._until = 0, 0.0


outage = Outage()
