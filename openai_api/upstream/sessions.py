"""Blocking calls to Google in the name of one credential: by its key, or by the access token of an account."""

from typing import Any, Protocol

import httpx
from msgspec import Struct

from credentials.accounts.oauth import OAuthError
from credentials.accounts.tokens import fresh
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.blocking import fetch
from openai_api.upstream.sign_in import refusal_of


class Session(Protocol):
    @property
    def secret(self) -> str:
        """What it asks with at present."""
        ...

    def fetch(self, method: str, url: str, *, deadline: float, **given: Any) -> bytes:
        """The body of a 200; the rest as `blocking.fetch`. Raises UpstreamRefused."""
        ...


class KeySession(Struct):
    client: httpx.Client
    secret: str

    def __repr__(self) -> str:
        return "<KeySession>"

    def fetch(self, method: str, url: str, *, deadline: float, **given: Any) -> bytes:
        # As bytes: what somebody took for a key may be any text, and it is for Google to say that it is none.
        headers = {b"x-goog-api-key": self.secret.encode()}
        return fetch(self.client, method, url, headers=headers, secret=self.secret, deadline=deadline, **given)


class LoginSession(Struct):
    """By the access token of an account, which is renewed once where Google refuses it."""

    client: httpx.Client
    credential_id: int
    billed: str = ""
    """The project whose quota is used, as the Gemini API wants to be told; Code Assist must not be."""
    code_assist: bool = False
    secret: str = ""

    def __repr__(self) -> str:
        return f"<LoginSession of {self.credential_id}>"

    def fetch(self, method: str, url: str, *, deadline: float, **given: Any) -> bytes:
        if not self.secret:
            self._renew()
        try:
            return self._fetch(method, url, deadline, given)
        except UpstreamRefused as refused:
            if refused.refusal.status != 401:
                raise
        self._renew()
        return self._fetch(method, url, deadline, given)

    def _fetch(self, method: str, url: str, deadline: float, given: dict[str, Any]) -> bytes:
        headers = {b"Authorization": f"Bearer {self.secret}".encode()}
        if self.billed:
            headers[b"x-goog-user-project"] = self.billed.encode()
        return fetch(
            self.client,
            method,
            url,
            headers=headers,
            secret=self.secret,
            deadline=deadline,
            of_code_assist=self.code_assist,
            **given,
        )

    def _renew(self) -> None:
        try:
            self.secret = fresh(self.credential_id, than=self.secret).token
        except OAuthError as error:
            raise UpstreamRefused(refusal_of(error)) from error
