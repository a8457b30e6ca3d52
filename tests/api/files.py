"""Short ways to upload files to a Castor, and to ask about them."""

import json
from typing import Any

import httpx

PDF = b"%PDF-1.7\nA document of several words."
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 100
FLASH = "gemini-3.8-flash"


def send(castor, content: bytes = PDF, *, name="a.pdf", kind="application/pdf", token=None, headers=None, files=None, **fields):
    """POST /v1/files: the response."""
    form = {"purpose": "user_data", **fields}
    form = {key.replace("__", "["): value for key, value in form.items() if value is not None}
    form = {key + "]" if "[" in key else key: value for key, value in form.items()}
    files = {"file": (name, content, kind)} if files is None else files
    headers = {"Authorization": f"Bearer {token or castor.token}", **(headers or {})}
    # A form without files would go as something else.
    body: dict[str, Any] = {"data": form, "files": files} if files else {"files": {k: (None, v) for k, v in form.items()}}
    return httpx.post(f"{castor.base_url}/files", headers=headers, timeout=60, **body)


def uploaded(castor, content: bytes = PDF, **how) -> dict:
    answer = send(castor, content, **how)
    assert answer.status_code == 200, answer.text
    return answer.json()


def ask(castor, method: str, path: str, *, token: str | None = None) -> tuple[int, dict, dict]:
    status, headers, body = castor.ask(method, f"/v1/files{path}", token=token)
    return status, headers, json.loads(body)


def about(*files: dict | str) -> list[dict]:
    """Messages that name files."""
    ids = [file if isinstance(file, str) else file["id"] for file in files]
    parts = [{"type": "file", "file": {"file_id": file_id}} for file_id in ids]
    return [{"role": "user", "content": [{"type": "text", "text": "What is it?"}, *parts]}]


def chat(castor, *files: dict | str, **fields) -> tuple[int, dict, dict]:
    return castor.chat(messages=about(*files), **fields)


def kept(google) -> list[tuple[str, int]]:
    """(project, bytes) of what Google has, the newest first."""
    return [(file.project, file.bytes.size) for file in google.files]


def keys_of(google, method: str = "streamGenerateContent") -> list[str]:
    """With which keys it was asked."""
    return [call.key for call in google.log if call.method == method]


def lose(google) -> None:
    """Google no longer has the file that came last."""
    last = next(iter(google.files))
    google.files.delete(last.id, last.project)
