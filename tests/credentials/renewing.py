"""A process that renews access tokens, for tests: reads `{"do": name, …}` from a line, writes what came of it into another."""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import django

django.setup()

from django.db import connections  # noqa: E402

from credentials.accounts import tokens  # noqa: E402
from credentials.accounts.oauth import OAuthError, Tokens  # noqa: E402
from credentials.accounts.saving import save_login  # noqa: E402
from credentials.models import GoogleLogin, KeyHealth, PoolVersion, StateChange, Use  # noqa: E402


def log_in(email: str, **given: Any) -> int:
    return save_login(email=email, tokens=Tokens(**given), use=Use.GEMINI_API)[0].pk


def ask(account: int, threads: int = 1, **wish: Any) -> list[str]:
    """The tokens that so many requests get at the same moment, or the names of their errors."""
    together = Barrier(threads)

    def fresh(_: int) -> str:
        together.wait()
        try:
            return tokens.fresh(account, **wish).token
        except OAuthError as error:
            return type(error).__name__
        finally:
            connections.close_all()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(fresh, range(threads)))


def stored(account: int) -> list[str]:
    """The access token and the refresh token."""
    login = GoogleLogin.objects.select_related("credential").get(pk=account)
    return [login.access_token, login.credential.secret]


def pool() -> list[Any]:
    """What must not change."""
    return [KeyHealth.objects.count(), StateChange.objects.count(), *PoolVersion.current()]


def settle(**constants: float) -> None:
    vars(tokens).update(constants)


if __name__ == "__main__":
    for line in sys.stdin:
        wish = json.loads(line)
        print(json.dumps(globals()[wish.pop("do")](**wish)), flush=True)
