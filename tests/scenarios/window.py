"""The product's ASGI application with a window into what this one process believes: GET /_pool?MODEL answers in JSON."""

import json
import os
import time
from typing import Any

from credentials.health import State
from credentials.roster import Entry
from proxy_site.asgi import application as product
from proxy_site.asgi import gateway


def look(model: str) -> dict[str, Any]:
    seen = {entry.id: _seen(entry, model, time.time()) for entry in gateway.pool.roster.entries}
    return {"pid": os.getpid(), "credentials": seen, "limits": len(gateway.pool.roster.limits)}


def _seen(entry: Entry, model: str, at: float) -> dict[str, Any]:
    """`state`: for this model. What only makes it the last choice is named, but does not count as a state."""
    rests = [rest for rest in gateway.pool.rests.of(entry, model) if rest.is_in_force(at)]
    hard = [rest for rest in rests if not rest.is_soft]
    dead = any(rest.state is State.INVALID for rest in hard)
    return {
        "state": State.INVALID if dead else State.RATE_LIMITED if hard else State.AVAILABLE,
        "reasons": sorted(rest.reason for rest in rests),
        "group": entry.group,
        "weight": entry.weight,
        "max_concurrent": entry.max_concurrent,
    }


async def application(scope, receive, send) -> None:
    if scope["type"] != "http" or scope["path"] != "/_pool":
        await product(scope, receive, send)
        return
    body = json.dumps(look(scope["query_string"].decode())).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
