"""The simulator as a server: on a thread of its own for tests, or in the foreground for a demo."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import uvicorn

from tests.google.app import App
from tests.google.clock import Clock
from tests.google.control import read_script
from tests.google.exchange import NumberedProtocol
from tests.google.log import Log
from tests.google.quotas import Quotas
from tests.google.scripts import Script, Scripts
from tests.google.state import State


class GoogleSimulator:
    """Google's Gemini API on a loopback socket. See the package's docstring for examples."""

    def __init__(
        self, *, keys: dict[str, str] | None = None, everybody: bool = False, host: str = "127.0.0.1", port: int = 0
    ) -> None:
        self.state = State(keys, everybody=everybody)
        self._app = App(self.state)
        self._socket = _listen(host, port)
        self.url = "http://{}:{}".format(*self._socket.getsockname()[:2])
        config = uvicorn.Config(
            self._app, http=partial(NumberedProtocol, self.state.connections), ws="none", loop="asyncio", lifespan="off",
            server_header=False, log_config=None, log_level="warning", access_log=False,
            timeout_keep_alive=300, timeout_graceful_shutdown=2,
        )  # fmt: skip
        self._server = _Server(config, before_shutdown=self._app.abandon)
        self._thread: threading.Thread | None = None

    # --- Running ----------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serve on a thread with an event loop of its own; returns when requests are answered."""
        self._thread = threading.Thread(target=self.run, name="google-simulator", daemon=True)
        self._thread.start()
        if not self._server.ready.wait(timeout=10):
            raise RuntimeError("The simulator did not start.")

    def stop(self) -> None:
        """Stop serving; answers that still hang are given up."""
        self._server.should_exit = True
        if self._thread:
            self._thread.join(timeout=10)
        self._socket.close()

    def run(self) -> None:
        """Serve in this thread, until `stop` or a signal."""
        asyncio.run(self._server.serve(sockets=[self._socket]))

    # --- Steering ---------------------------------------------------------------------------------------------

    def script(self, **fields: Any) -> Script:
        """Have the next calls that it concerns answered otherwise; the fields are those of `Script`."""
        script = read_script(fields)
        self.state.scripts.add(script)
        return script

    @contextmanager
    def scripted(self, **fields: Any) -> Iterator[Script]:
        """Every call that it concerns is answered otherwise, until the block is left."""
        script = self.script(**{"times": None, **fields})
        try:
            yield script
        finally:
            self.scripts.remove(script)

    def reset(self) -> None:
        """Forget scripts, calls, quotas, the clock's moves and added keys."""
        self.state.reset()

    @property
    def scripts(self) -> Scripts:
        """`google.scripts.left()` are those that have not been used up."""
        return self.state.scripts

    @property
    def keys(self) -> dict[str, str]:
        """key → project. Two keys of one project share its quotas."""
        return self.state.keys

    @property
    def clock(self) -> Clock:
        return self.state.clock

    @property
    def quotas(self) -> Quotas:
        return self.state.quotas

    def close_idle_connections(self) -> None:
        """Close every connection that waits for its next request, as Google's front ends do after a while.

        Returns when they are closed on this side; a client notices only when it reads or writes.
        """
        asyncio.run_coroutine_threadsafe(self._server.close_idle(), self._server.loop).result(timeout=10)

    # --- Looking ----------------------------------------------------------------------------------------------

    @property
    def log(self) -> Log:
        return self.state.log

    @property
    def connections(self) -> int:
        """TCP connections accepted since the start."""
        return self.state.connections.accepted

    def wait_until(self, condition: Callable[[Log], Any], seconds: float = 10.0) -> None:
        """Block until the condition on the log holds. In async code: `until`."""
        self.log.wait(condition, seconds)

    async def until(self, condition: Callable[[Log], Any], seconds: float = 10.0) -> None:
        """Wait until the condition on the log holds, without holding up the event loop."""
        deadline = time.monotonic() + seconds
        while not condition(self.log):
            if time.monotonic() > deadline:
                raise TimeoutError(f"The condition did not become true in {seconds:g} s; {len(self.log)} calls are in the log.")
            await asyncio.sleep(0.005)


def _listen(host: str, port: int) -> socket.socket:
    # asyncio turns Nagle's algorithm off only for sockets that name their protocol; else each small answer takes 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, *, before_shutdown: Callable[[], None]) -> None:
        super().__init__(config)
        self.ready = threading.Event()
        self._before_shutdown = before_shutdown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        self.ready.set()

    async def close_idle(self) -> None:
        for connection in list(self.server_state.connections):
            if connection.cycle is None or connection.cycle.response_complete:
                connection.transport.close()
        await asyncio.sleep(0)  # asyncio closes the sockets in its next turn

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._before_shutdown()
        await super().shutdown(sockets=sockets)
