"""Lines of requests that wait for a credential, one a model, served in the order in which they came."""

import asyncio
from bisect import bisect_right, insort
from itertools import count

Ticket = int


class Waiting:
    def __init__(self) -> None:
        self._lines: dict[str, list[tuple[Ticket, asyncio.Future[None]]]] = {}
        self._tickets = count(1)

    def ticket(self) -> Ticket:
        """A place in line, which one keeps when it was one's turn but somebody was quicker."""
        return next(self._tickets)

    async def turn(self, model: str, ticket: Ticket) -> None:
        """Wait until a call has ended; those who wait for one model are served in the order in which they came.

        Whoever has waited must `pass_on` when it needs no further turn, for there may be room for more than one, or nothing
        left to wait for.
        """
        mine = asyncio.get_running_loop().create_future()
        line = self._lines.setdefault(model, [])
        insort(line, (ticket, mine))
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.pass_on(model)  # It was our turn, but we go: the next one must not wait for ever.
            elif (ticket, mine) in line:
                line.remove((ticket, mine))
            raise
        finally:
            # Since it was emptied another line may stand in its place, with somebody in it.
            if not line and self._lines.get(model) is line:
                del self._lines[model]

    def pass_on(self, model: str, *, after: Ticket = 0) -> None:
        """Let the next of those who wait for the model, behind this place in line, look whether there is something for it."""
        line = self._lines.get(model, [])
        place = bisect_right(line, after, key=lambda waiter: waiter[0])
        while place < len(line):
            _, waiter = line.pop(place)
            if not waiter.done():
                waiter.set_result(None)
                return

    def let_one_of_each_look(self) -> None:
        if self._lines:
            for model in list(self._lines):
                self.pass_on(model)
