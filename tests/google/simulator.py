"""The simulator as a server: on a thread of its own for tests, or in the foreground for a demo."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Self

import httpx
import msgspec
import uvicorn

from tests.google import models, predict
from tests.google.accounts import DEFAULT_CLIENT, DEFAULT_SECRET, SCOPES, Accounts, OAuthClient, Tokens, User
from tests.google.app import App
from tests.google.clock import Clock
from tests.google.control import read_script
from tests.google.exchange import NumberedProtocol
from tests.google.files import Files
from tests.google.log import Log
from tests.google.quotas import Quotas
from tests.google.scripts import Script, Scripts
from tests.google.state import State


class GoogleSimulator:
    """Google on a loopback socket: the Gemini API, Code Assist, sign-in. See the package's docstring for examples."""

    def __init__(
        self, *, keys: dict[str, str] | None = None, users: Iterable[User] = (), everybody: bool = False,
        host: str = "127.0.0.1", port: int = 0,
    ) -> None:  # fmt: skip
        self.state = State(keys, users, everybody=everybody)
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
        """Forget scripts, calls, quotas, files, the clock's moves, added keys and accounts."""
        self.state.reset()

    def deploy_imagen(self, model: str = predict.IMAGEN) -> None:
        """Serve `:predict`, as a private deployment may; until the next reset."""
        models.deploy(model)

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

    @property
    def files(self) -> Files:
        """Uploaded files of all projects; how long the next ones are in processing, and whether that fails."""
        return self.state.files

    # --- Accounts ---------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, str]:
        """The environment that points Castor, and the Gemini CLI, here."""
        return {
            "GOOGLE_GEMINI_BASE_URL": self.url,
            "CODE_ASSIST_ENDPOINT": self.url,
            "GOOGLE_OAUTH_AUTH_URL": f"{self.url}/o/oauth2/v2/auth",
            "GOOGLE_OAUTH_TOKEN_URL": f"{self.url}/token",
            "GOOGLE_OAUTH_USERINFO_URL": f"{self.url}/oauth2/v2/userinfo",
            "GOOGLE_OAUTH_REVOKE_URL": f"{self.url}/revoke",
            "GOOGLE_OAUTH_CLIENT_ID": DEFAULT_CLIENT,
            "GOOGLE_OAUTH_CLIENT_SECRET": DEFAULT_SECRET,
        }

    @property
    def oauth(self) -> Accounts:
        """`clients`, `users`, tokens and codes; `auto_consent`, `code_lifetime`."""
        return self.state.oauth

    def add_user(self, email: str, **fields: Any) -> User:
        """An account; the fields are those of `accounts.User`."""
        return self.oauth.add_user(msgspec.convert({"email": email, **fields}, User))

    def add_client(self, client_id: str, **fields: Any) -> OAuthClient:
        """An OAuth client; the fields are those of `accounts.OAuthClient`."""
        self.oauth.clients[client_id] = msgspec.convert(fields, OAuthClient)
        return self.oauth.clients[client_id]

    def login(self, email: str, client: str = DEFAULT_CLIENT, scope: str = SCOPES) -> Tokens:
        """The tokens of a login, without the browser."""
        return self.oauth.login(email, client, scope)

    def consent(self, authorize_url: str, account: str, *, withheld: tuple[str, ...] = ()) -> str:
        """Agree as `account` on the page at that address; the address to which the browser is sent back.

        `withheld` are scopes whose boxes the person leaves empty. A page of refusal raises `ValueError` with its text.
        """
        return self._decide(authorize_url, {"account": account, "decision": "allow", "withheld": " ".join(withheld)})

    def deny(self, authorize_url: str, account: str = "") -> str:
        """Press Deny on the page at that address; the address to which the browser is sent back."""
        return self._decide(authorize_url, {"account": account, "decision": "deny"})

    def _decide(self, authorize_url: str, form: dict[str, str]) -> str:
        answer = httpx.post(authorize_url, data=form, follow_redirects=False, timeout=10)
        if answer.status_code != 302:
            raise ValueError(f"Google asks nobody for consent there: {answer.text}")
        return answer.headers["location"]

    def expire_access(self, email: str) -> None:
        """Every access token of the account has run out by now; the refresh tokens still serve."""
        self.oauth.expire_access(email)

    def revoke(self, email: str) -> None:
        """The account withdraws its consent: every token is dead."""
        self.oauth.revoke(email)

    @property
    def rotate_refresh_tokens(self) -> bool:
        """Whether a refresh brings a new refresh token, and ends the old one. Google's own do not rotate; off by default."""
        return self.oauth.rotate_refresh_tokens

    @rotate_refresh_tokens.setter
    def rotate_refresh_tokens(self, rotate: bool) -> None:
        self.oauth.rotate_refresh_tokens = rotate

    @property
    def lenient_pictures(self) -> bool:
        """Whether pictures that a model has made may come back to it unsigned. Off by default."""
        return self.state.lenient_pictures

    @lenient_pictures.setter
    def lenient_pictures(self, lenient: bool) -> None:
        self.state.lenient_pictures = lenient

    @property
    def token_lifetime(self) -> float:
        """Seconds that the next access tokens live."""
        return self.oauth.token_lifetime

    @token_lifetime.setter
    def token_lifetime(self, seconds: float) -> None:
        self.oauth.token_lifetime = seconds

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
