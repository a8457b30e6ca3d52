"""The least that a gateway in Python can do: bare ASGI and aiohttp's session.

The body is decoded and written anew, the answer passed on as it comes.
"""

import os

import aiohttp
import msgspec

_ROOT = os.environ["GOOGLE_GEMINI_BASE_URL"]
_session: aiohttp.ClientSession


async def application(scope, receive, send) -> None:
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["method"] == "GET":
        await _start(send, 200, b"application/json")
        await send({"type": "http.response.body", "body": b'{"status":"ok"}'})
    else:
        await _chat(receive, send)


async def _live(receive, send) -> None:
    global _session
    await receive()
    _session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await _session.close()
    await send({"type": "lifespan.shutdown.complete"})


async def _chat(receive, send) -> None:
    request = msgspec.json.decode(await _body(receive))
    verb = "streamGenerateContent?alt=sse" if request.get("stream") else "generateContent"
    body = msgspec.json.encode(
        {
            "contents": [{"role": "user", "parts": [{"text": message["content"]}]} for message in request["messages"]],
            "generationConfig": {"maxOutputTokens": request["max_tokens"], "seed": request["seed"]},
        }
    )
    headers = {"content-type": "application/json", "x-goog-api-key": "floor"}
    async with _session.post(f"{_ROOT}/v1beta/models/{request['model']}:{verb}", data=body, headers=headers) as answer:
        await _start(send, answer.status, answer.headers["content-type"].encode())
        async for data in answer.content.iter_any():
            await send({"type": "http.response.body", "body": data, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _body(receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _start(send, status: int, content_type: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})
