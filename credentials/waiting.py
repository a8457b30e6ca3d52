"""Lines of requests that wait for a credential, one a model, served in the order in which they came."""

import asyncio
from collections import deque


class Waiting:
    def __init__(self) -> None:
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}

    async def turn(self, model: str, *, again: bool = False) -> None:
        """Wait until a call has ended; those who wait for one model are served in the order in which they came.

        `again`: it was our turn, but somebody was quicker, so we stay at the head of the line. Whoever has waited must
        `pass_on` when it needs no further turn, for there may be room for more than one, or nothing left to wait for.
        """
        mine = asyncio.get_running_loop().create_future()
        line = self._lines.setdefault(model, deque())
        if again:
            line.appendleft(mine)
        else:
            line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if mine.done() and not mine.cancelled():
                self.pass_on(model)  # It was our turn, but we go: the next one must not wait for ever.
            raise
        finally:
            # Since it was emptied another line may stand in its place, with somebody in it.
            if not line and self._lines.get(model) is line:
                del self._lines[model]

    def pass_on(self, model: str) -> None:
        """Let the next of those who wait for the model look whether there is something for it."""
        line = self._lines.get(model)
        while line:
            waiter = line.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def let_one_of_each_look(self) -> None:
        if self._lines:
            for model in list(self._lines):
                self.pass_on(model)
