"""Short ways to ask the simulator over HTTP, and requests to vary."""

import json
from typing import Any

import httpx

from tests.google import GoogleSimulator

FLASH = "gemini-3.8-flash"
FLASH_25 = "gemini-2.5-flash"

Body = dict[str, Any]


def ask(
    google: GoogleSimulator, body: Any, model: str = FLASH, method: str = "generateContent", key: str = "test-key-1"
) -> httpx.Response:
    return httpx.post(f"{google.url}/v1beta/models/{model}:{method}", json=body, headers={"x-goog-api-key": key}, timeout=20)


def stream(google: GoogleSimulator, body: Any, model: str = FLASH) -> list[Body]:
    """The chunks of a streamed answer."""
    response = ask(google, body, model, "streamGenerateContent?alt=sse")
    assert response.status_code == 200, response.text
    events = response.text.replace("\r\n", "\n").split("\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in events if event.startswith("data: ")]


def said(body_or_chunks: Body | list[Body]) -> str:
    """The visible text of an answer."""
    chunks = body_or_chunks if isinstance(body_or_chunks, list) else [body_or_chunks]
    return "".join(part.get("text", "") for part in parts(chunks) if not part.get("thought"))


def parts(chunks: list[Body]) -> list[Body]:
    return [
        part for chunk in chunks for candidate in chunk.get("candidates", ()) for part in candidate["content"].get("parts", ())
    ]


def user(*content: str | Body) -> Body:
    return {"role": "user", "parts": [{"text": part} if isinstance(part, str) else part for part in content]}


def model(*content: str | Body) -> Body:
    return {**user(*content), "role": "model"}


def call(name: str = "f", **args: Any) -> Body:
    return {"functionCall": {"name": name, "args": args}}


def result(name: str = "f", **response: Any) -> Body:
    return {"functionResponse": {"name": name, "response": response}}


def function(name: str = "f", **fields: Any) -> Body:
    return {"name": name, "description": f"Does {name}.", **fields}


def tools(*functions: Body) -> list[Body]:
    return [{"functionDeclarations": list(functions or [function()])}]


def saying(text: str = "hi", **fields: Any) -> Body:
    """The smallest request, and more fields of it."""
    return {"contents": [user(text)], **fields}


def configured(**config: Any) -> Body:
    return saying(generationConfig=config)
