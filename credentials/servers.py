"""OpenAI-compatible servers and their keys, as they come into the pool: from an admin's page, or from the environment."""

import re
from collections.abc import Iterable
from urllib.parse import urlsplit, urlunsplit

from django.db import IntegrityError, transaction

from credentials.crypto import TOKEN_PREFIX, fingerprint
from credentials.models import PoolVersion, Server, ServerKey

_VERSION = re.compile(r"v\d+[a-z0-9]*")
_ENDPOINTS = ("/chat/completions", "/completions", "/responses", "/embeddings", "/models")
_LONGEST_KEY = 500
_AT_ONCE = 500
_SEPARATORS = re.compile(r"[\s,;]+")


class InvalidAddress(ValueError):
    """What was given is no address of a server; says why."""


def base_url_of(address: str) -> str:
    """The address with the version of the API, /v1 if it names none, and without what follows that.

    `https://api.example.com/` and `https://api.example.com/v1/chat/completions` are the same server. Raises InvalidAddress.
    """
    try:
        parts = urlsplit(address.strip())
        parts.port  # noqa: B018  # Reading it finds out whether it is one.
    except ValueError as error:
        raise InvalidAddress("it cannot be read") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise InvalidAddress("it must begin with http:// or https:// and name a host")
    if parts.username is not None or parts.password is not None:
        raise InvalidAddress("it must not hold a user or a password")
    if parts.query or parts.fragment:
        raise InvalidAddress("it must not have a query or a fragment")
    path = parts.path.rstrip("/")
    for endpoint in _ENDPOINTS:
        path = path.removesuffix(endpoint)
    if not any(map(_VERSION.fullmatch, path.split("/"))):
        path += "/v1"
    return urlunsplit((parts.scheme, parts.netloc.lower(), path, "", ""))


def take_in_server(base_url: str) -> Server:
    """The server of this address, which is named after its host if it is new."""
    known = Server.objects.filter(base_url=base_url).first()
    if known is not None:
        return known
    host = urlsplit(base_url).netloc[:90]
    taken = set(Server.objects.filter(name__startswith=host).values_list("name", flat=True))
    name = next(name for number in range(len(taken) + 1) if (name := f"{host} ({number + 1})" if number else host) not in taken)
    try:
        with transaction.atomic():
            return Server.objects.create(name=name, base_url=base_url)
    except IntegrityError:  # Another process that starts now was first.
        return Server.objects.get(base_url=base_url)


def split_keys(text: str) -> list[str]:
    """Keys as people paste them: one a line, or between commas, semicolons or blanks. Each once."""
    return list(dict.fromkeys(word for word in _SEPARATORS.split(text) if word))


def flaw_of(key: str) -> str:
    """Why this cannot be a key of a server; empty: it can. They have no common shape, and may be a word such as EMPTY."""
    if not all("!" <= character <= "~" for character in key):
        return "has a character that no key can have"
    if len(key) > _LONGEST_KEY:
        return f"longer than {_LONGEST_KEY} characters"
    if key.startswith(TOKEN_PREFIX):
        return "a client token of this gateway"
    return ""


def add_keys(server: Server, keys: Iterable[str], *, priority: int = 0) -> list[int]:
    """Add the keys that the server does not have yet; returns their ids. An empty one stands for a server that asks for none."""
    new = {key.fingerprint: key for key in (_key(server, secret, priority) for secret in keys)}
    known = set(ServerKey.objects.filter(server=server).values_list("fingerprint", flat=True))
    marks = [mark for mark in new if mark not in known]
    if not marks:
        return []
    with transaction.atomic():
        PoolVersion.lock()
        # Another process may be adding the same: each is stored once all the same.
        ServerKey.objects.bulk_create([new[mark] for mark in marks], batch_size=_AT_ONCE, ignore_conflicts=True)
        PoolVersion.bump()
    added = ServerKey.objects.filter(server=server).exclude(fingerprint__in=known)
    return list(added.filter(fingerprint__in=marks[:_AT_ONCE]).values_list("pk", flat=True))


def is_known(server: Server, key: str) -> bool:
    mark = fingerprint(ServerKey(kind="openai_compatible", server=server, secret=key).identity)
    return ServerKey.objects.filter(fingerprint=mark).exists()


def _key(server: Server, secret: str, priority: int) -> ServerKey:
    key = ServerKey(kind="openai_compatible", server=server, secret=secret, priority=priority)
    key.identify()
    return key
