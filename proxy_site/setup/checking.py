"""Asks Google about keys and about addresses that somebody has typed, before anything is kept."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

import httpx
import psycopg
import redis
from django.utils.translation import gettext as _

from credentials.crypto import mask
from credentials.runs import Verdict, verdict_of
from credentials.startup import first_line
from openai_api.upstream.base import UpstreamRefused
from openai_api.upstream.blocking import http_client
from openai_api.upstream.model_list import list_models
from openai_api.upstream.sessions import KeySession
from proxy_site.setup.asking import Refused
from proxy_site.setup.plan import Checked

_AT_ONCE = 8
_PATIENCE = 5  # seconds
SQLITE, NONE = "sqlite", "none"


def check_keys(keys: list[str]) -> Iterator[tuple[str, Checked]]:
    """Each key with what the free listing says of it, as they are done."""
    with http_client() as client, ThreadPoolExecutor(_AT_ONCE) as threads:
        asked = {threads.submit(_check_key, client, key): key for key in keys}
        for answer in as_completed(asked):
            yield asked[answer], answer.result()


def _check_key(client: httpx.Client, key: str) -> Checked:
    try:
        return Checked(mask(key), Verdict.ALIVE, models=len(list_models(KeySession(client, key))))
    except UpstreamRefused as refused:
        return Checked(mask(key), verdict_of(refused.refusal.outcome), said=refused.refusal.message)


def database(answer: str) -> str:
    """`sqlite`, or the URL of a PostgreSQL that can be reached. Raises Refused."""
    answer = answer.strip()
    if answer == SQLITE:
        return answer
    if not answer.startswith(("postgres://", "postgresql://")):
        raise Refused(_("It looks like postgres://user:password@host:5432/name."))
    try:
        psycopg.connect(answer, connect_timeout=_PATIENCE).close()
    except psycopg.Error as error:
        raise Refused(_("PostgreSQL says: %(reason)s") % {"reason": first_line(error)}) from error
    return answer


def redis_server(answer: str) -> str:
    """`none`, or the URL of a Redis that answers. Raises Refused."""
    answer = answer.strip()
    if answer == NONE:
        return answer
    try:
        with redis.Redis.from_url(answer, socket_connect_timeout=_PATIENCE, socket_timeout=_PATIENCE) as client:
            client.ping()
    except ValueError as error:
        raise Refused(_("It looks like redis://localhost:6379/0.")) from error
    except redis.RedisError as error:
        raise Refused(_("Redis says: %(reason)s") % {"reason": first_line(error)}) from error
    return answer


def is_free(host: str, port: int) -> bool:
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        socket.create_server((host, port), family=family).close()
    except OSError:
        return False
    return True
