"""Load: wrk for whole answers; for streams and for single requests a client on a bare asyncio protocol."""

import asyncio
import json
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass

PATH = "/v1/chat/completions"
_LENGTH = re.compile(rb"(?i)\r\ncontent-length:\s*(\d+)")
_TALK = "You are a helpful assistant who answers in plain words. Say what you know, and say when you do not know. "

_REPORT = """
done = function(summary, latency, requests)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  io.stderr:write(string.format('{"requests": %d, "errors": %d}', summary.requests, errors))
end
"""


class LoadFailed(Exception):
    """A server answered otherwise than it should have; there is nothing to measure."""


@dataclass(frozen=True)
class Target:
    port: int
    token: str


def body(*, chunks: int = 1, pace: int = 0, stream: bool = False) -> bytes:
    """A conversation of some 1,300 characters. `pace`: milliseconds between chunks."""
    messages = [
        {"role": "system", "content": _TALK * 4},
        {"role": "user", "content": _TALK * 3},
        {"role": "assistant", "content": _TALK * 3},
        {"role": "user", "content": _TALK * 2},
    ]
    request = {"model": "gemini-3.8-flash", "messages": messages, "max_tokens": chunks, "seed": pace, "temperature": 0.7}
    return json.dumps(request | ({"stream": True} if stream else {})).encode()


def whole_answers(target: Target, *, connections: int, seconds: int) -> int:
    """Ask for whole answers as fast as they come; returns how many came."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_script(target))
        script.flush()
        options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout=30s", "-s", script.name]
        command = ["wrk", *options, f"http://127.0.0.1:{target.port}"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    report = json.loads(done.stderr)
    if report["errors"] or not report["requests"]:
        raise LoadFailed(f"wrk on port {target.port}: {report}")
    return report["requests"]


def _script(target: Target) -> str:
    return (
        f'wrk.method = "POST"\nwrk.path = "{PATH}"\nwrk.body = [==[{body().decode()}]==]\n'
        'wrk.headers["Content-Type"] = "application/json"\n'
        f'wrk.headers["Authorization"] = "Bearer {target.token}"\n{_REPORT}'
    )


class Client(asyncio.Protocol):
    """One connection, which asks the same again and again."""

    def __init__(self, request: bytes) -> None:
        self.request = request
        self.received = bytearray()
        self.done: asyncio.Future[tuple[float, float]] | None = None

    def connection_made(self, transport) -> None:
        self.transport = transport

    def ask(self) -> asyncio.Future[tuple[float, float]]:
        """Becomes the seconds to the first byte of the answer's body, and to its end."""
        self.done = asyncio.get_running_loop().create_future()
        self.first = 0.0
        self.received.clear()
        self.begin = time.perf_counter()
        self.transport.write(self.request)
        return self.done

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(b"\r\n\r\n")
        if not self.first and head >= 0 and len(self.received) > head + 4:
            self._first_byte()
        if self._complete(head):
            self.done.set_result((self.first - self.begin, time.perf_counter() - self.begin))

    def _first_byte(self) -> None:
        self.first = time.perf_counter()
        if not self.received.startswith(b"HTTP/1.1 200"):
            self.done.set_exception(LoadFailed(self.received.decode(errors="replace")[:500]))

    def _complete(self, head: int) -> bool:
        if self.done.done() or head < 0:
            return False
        length = _LENGTH.search(self.received, 0, head)
        return len(self.received) >= head + 4 + int(length[1]) if length else self.received.endswith(b"\r\n0\r\n\r\n")

    def connection_lost(self, error) -> None:
        if self.done and not self.done.done():
            self.done.set_exception(LoadFailed("the connection was closed before the answer ended"))


async def connect(target: Target, request: bytes) -> Client:
    head = (
        f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\nAuthorization: Bearer {target.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(request)}\r\n\r\n"
    )
    loop = asyncio.get_running_loop()
    _, client = await loop.create_connection(lambda: Client(head.encode() + request), "127.0.0.1", target.port)
    return client
