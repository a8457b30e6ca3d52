"""A web server on loopback that says exactly the bytes it is told to: honest files, lies, silence and floods."""

import socketserver
import ssl
import threading
from collections.abc import Callable
from contextlib import contextmanager

PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 24
JPEG = b"\xff\xd8\xff\xe0" + b"\x00" * 24
PDF = b"%PDF-1.7\n" + b"\x00" * 24
WAV = b"RIFF\x24\x00\x00\x00WAVEfmt " + b"\x00" * 24
HEIC = b"\x00\x00\x00\x18ftypheic" + b"\x00" * 24

Answer = bytes | Callable[[Callable[[bytes], None]], None]


def http(content: bytes = b"", content_type: str = "", status: int = 200, length: bool = True, **headers: str) -> bytes:
    """A whole HTTP/1.1 answer. `location="…"` becomes `location: …`, underscores become dashes."""
    lines = [f"HTTP/1.1 {status} Said"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    lines += [f"content-type: {content_type}"] if content_type else []
    lines += [f"content-length: {len(content)}"] if length else []
    return "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1") + content


class _Handler(socketserver.StreamRequestHandler):
    timeout = 30

    def handle(self) -> None:
        path = self.rfile.readline().split()[1].decode()
        headers = {}
        while (line := self.rfile.readline()) not in (b"\r\n", b""):
            name, _, value = line.decode("latin-1").partition(":")
            headers[name.lower()] = value.strip()
        site = self.server.site
        site.asked.append((path, headers))
        answer = site.answers.get(path.partition("?")[0], http(status=404))
        try:
            if isinstance(answer, bytes):
                self.wfile.write(answer)
            else:
                answer(self.wfile.write)
        except OSError:
            site.hung_up.set()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, request, client_address) -> None:
        """Clients that refuse a certificate leave in the middle: that is what those tests are about."""


class MediaServer:
    """`answers` by path (a 404 otherwise); `asked` lists (path, headers); `hung_up` is set once a reader left early."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.answers: dict[str, Answer] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.hung_up = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.site = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    @contextmanager
    def serving(self):
        thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()


def media_server(tls: ssl.SSLContext | None = None):
    return MediaServer(tls).serving()
