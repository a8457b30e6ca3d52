"""The product's ASGI application, which also tells what is under way in its process: GET /_counts answers in JSON."""

import asyncio
import gc
import json
import sys

from proxy_site.asgi import application as product
from proxy_site.asgi import gateway


def counts() -> dict[str, int]:
    gc.collect()
    return {
        "requests": product._lean._in_flight,
        "tasks": len(asyncio.all_tasks()),
        "calls": sum(gateway.pool.in_flight.values()),
        "drained": gateway.drains.under_way,
        "blocks": sys.getallocatedblocks(),
    }


async def application(scope, receive, send) -> None:
    if scope["type"] != "http" or scope["path"] != "/_counts":
        await product(scope, receive, send)
        return
    body = json.dumps(counts()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
