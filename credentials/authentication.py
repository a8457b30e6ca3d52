"""DRF's authentication by client token, read from the roster: no thread, no query."""

import time

from django.conf import settings
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import APIException, AuthenticationFailed
from rest_framework.request import Request

from credentials.pool import pool
from credentials.roster import TokenEntry

ANONYMOUS = TokenEntry(id=0, owner_id=0, digest="", label="anonymous")


class PoolNotLoaded(APIException):
    """We cannot know yet whose a token is, or where a model's name leads: the caller must not be told that it is wrong."""

    status_code = 503
    default_detail = "Castor is starting: its pool is not loaded yet. Try again in a moment."
    default_code = "not_ready"


class BearerToken(BaseAuthentication):
    """`Authorization: Bearer TOKEN` → (token, token): who is asking is a token, and DRF calls that a user."""

    def authenticate(self, request: Request) -> tuple[TokenEntry, TokenEntry]:
        scheme, _, plain = request.META.get("HTTP_AUTHORIZATION", "").partition(" ")
        plain = plain.strip()
        if scheme.lower() != "bearer" or not plain:
            if settings.ALLOW_ANONYMOUS:
                return self._anonymous()
            raise AuthenticationFailed(
                "You didn't provide an API key. Send a Castor token in the header: Authorization: Bearer YOUR_TOKEN."
            )
        token = self._known(plain)
        return token, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"

    def _anonymous(self) -> tuple[TokenEntry, TokenEntry]:
        if not pool.loaded:
            raise PoolNotLoaded
        return ANONYMOUS, ANONYMOUS

    def _known(self, plain: str) -> TokenEntry:
        if not pool.loaded:
            raise PoolNotLoaded
        token = pool.roster.token(plain)
        if token is None:
            if not pool.up_to_date:
                raise PoolNotLoaded("Castor cannot reach its database, and does not know this token. Try again in a moment.")
            raise AuthenticationFailed("Incorrect API key provided: it is not one of this Castor's tokens.")
        if token.revoked:
            raise AuthenticationFailed("This token has been revoked. Ask the admin of this Castor for another one.")
        if token.expires_at is not None and token.expires_at <= time.time():
            raise AuthenticationFailed("This token has expired. Ask the admin of this Castor for another one.")
        return token
