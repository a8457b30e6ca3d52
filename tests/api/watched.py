"""The product's ASGI application with a watchman: whatever a request does that costs threads, queries or clients is noted.

Each note is one line of CASTOR_WATCH: `PATH WHAT`. Background loops may do all of it; only what runs on behalf of a request
counts, which a context variable tells: tasks inherit it, and so do calls into a thread until they are in it.
"""

import functools
import os
import ssl
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar

import aiohttp
import asgiref.sync
import httpcore
import httpx
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from proxy_site.asgi import application as product

_serving: ContextVar[str] = ContextVar("serving", default="")
_notes = os.open(os.environ["CASTOR_WATCH"], os.O_CREAT | os.O_APPEND | os.O_WRONLY)

WATCHED = [
    (threading.Thread, "start"),
    (ThreadPoolExecutor, "submit"),
    (asgiref.sync.SyncToAsync, "__call__"),
    (asgiref.sync.AsyncToSync, "__call__"),
    (BaseDatabaseWrapper, "connect"),
    (BaseDatabaseWrapper, "cursor"),
    (CursorWrapper, "execute"),
    (CursorWrapper, "executemany"),
    (aiohttp.ClientSession, "__init__"),
    (aiohttp.TCPConnector, "__init__"),
    (httpx.Client, "__init__"),
    (httpx.AsyncClient, "__init__"),
    (httpcore.AsyncConnectionPool, "__init__"),
    (ssl.SSLContext, "load_verify_locations"),
    (ssl.SSLContext, "load_default_certs"),
    (subprocess.Popen, "__init__"),
]


def _watch(owner: type, name: str) -> None:
    original = getattr(owner, name)

    @functools.wraps(original)
    def watched(*args, **kwargs):
        if path := _serving.get():
            os.write(_notes, f"{path} {owner.__name__}.{name}\n".encode())
        return original(*args, **kwargs)

    setattr(owner, name, watched)


for _owner, _name in WATCHED:
    _watch(_owner, _name)


async def application(scope, receive, send) -> None:
    if scope["type"] == "http":
        _serving.set(scope["path"])
    await product(scope, receive, send)
