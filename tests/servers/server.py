"""The server. What it takes is remembered byte for byte; what it answers is scripted, or the same plain answer each time."""

import json
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATHS = {
    "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/rerank", "/v1/moderations",
    "/v1/images/generations", "/v1/images/edits", "/v1/audio/speech", "/v1/audio/transcriptions", "/v1/audio/translations",
    "/v1/images/variations",
}  # fmt: skip
SENT_ALWAYS = {"host", "user-agent", "accept", "accept-encoding", "content-type", "content-length", "connection"}


@dataclass
class Taken:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers.get("authorization", "").removeprefix("Bearer ")


@dataclass
class Reply:
    """`pieces` leave one by one, each in a chunk of its own; `cuts` breaks off after the last; `waits` holds back the second.

    `delay`: seconds before the head; `pause`: seconds between two pieces.
    """

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pieces: Iterable[bytes] = ()
    cuts: bool = False
    waits: threading.Event | None = None
    delay: float = 0.0
    pause: float = 0.0


def failing(status: int, message: str = "it failed", *, headers: dict[str, str] | None = None, **error: Any) -> Reply:
    given = {"message": message, "type": "server_error", "param": None, "code": None} | error
    return Reply(json.dumps({"error": given}).encode(), status, headers or {})


def streaming(*pieces: bytes, **given: Any) -> Reply:
    return Reply(pieces=pieces, headers={"Content-Type": "text/event-stream"}, **given)


def completion(text: str = "hello from elsewhere", *, model: str = "llama-9") -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    usage = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18, "prompt_tokens_details": {"cached_tokens": 3}}
    answer = {"id": "x-1", "object": "chat.completion", "created": 1, "model": model, "choices": [choice], "usage": usage}
    return json.dumps(answer).encode()


class OpenAiServer:
    """`keys` that are accepted (none: no key is asked for), `models` that are listed, `scripts` of replies by key or to all."""

    def __init__(self) -> None:
        self.keys: set[str] = set()
        self.models: list[str] = ["llama-9"]
        self.scripts: dict[str, deque[Reply]] = {}
        self.taken: list[Taken] = []
        self.hung_up = threading.Event()
        server = self

        class Handler(_Handler):
            owner = server

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_port}"

    def script(self, *replies: Reply, key: str = "") -> None:
        """What comes next; `key`: only to who asks with that one."""
        self.scripts.setdefault(key, deque()).extend(replies)

    def reset(self) -> None:
        self.scripts.clear()
        self.taken.clear()
        self.hung_up.clear()

    @contextmanager
    def running(self) -> Iterator["OpenAiServer"]:
        thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.stop()
            thread.join()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def reply_to(self, taken: Taken) -> Reply:
        if self.keys and taken.key not in self.keys:
            return failing(401, f"Incorrect API key provided: {taken.key}", type="invalid_request_error", code="invalid_api_key")
        if stranger := set(taken.headers) - SENT_ALWAYS - {"authorization"}:
            return failing(400, f"A client's own headers came through: {stranger}")
        for key in (taken.key, ""):
            if self.scripts.get(key):
                return self.scripts[key].popleft()
        if taken.path == "/v1/models":
            return Reply(
                json.dumps({"object": "list", "data": [{"id": name, "object": "model"} for name in self.models]}).encode()
            )
        if taken.path not in PATHS:
            return failing(404, f"Invalid URL (POST {taken.path})", type="invalid_request_error")
        return Reply(completion())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    owner: OpenAiServer

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self.rfile.read(int(self.headers["Content-Length"])))

    def _serve(self, body: bytes) -> None:
        taken = Taken(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.owner.taken.append(taken)
        try:
            self._send(self.owner.reply_to(taken))
        except OSError:
            self.owner.hung_up.set()
            self.close_connection = True

    def _send(self, reply: Reply) -> None:
        time.sleep(reply.delay)
        self.send_response(reply.status)
        for name, value in ({"Content-Type": "application/json"} | reply.headers).items():
            self.send_header(name, value)
        if reply.pieces:
            self._send_pieces(reply)
            return
        self.send_header("Content-Length", str(len(reply.body) + 10 * reply.cuts))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = reply.cuts

    def _send_pieces(self, reply: Reply) -> None:
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number, piece in enumerate(reply.pieces):
            if number == 1 and reply.waits is not None:
                reply.waits.wait(30)
            if number:
                time.sleep(reply.pause)
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            self.wfile.flush()
        if reply.cuts:
            self.close_connection = True
            return
        self.wfile.write(b"0\r\n\r\n")

    def log_message(self, *_: object) -> None:
        """A test looks at what was taken instead."""
