"""A proxy that cuts off the silent, as nginx and many others do."""

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def impatient_proxy(port: int, patience: float) -> Iterator[str]:
    """Hands bytes on in both ways, and hangs up on whoever gets nothing for `patience` seconds. Gives its base URL."""

    class Connection(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            with socket.create_connection(("127.0.0.1", port)) as upstream:
                threading.Thread(target=_pass_on, args=(self.request, upstream), daemon=True).start()
                upstream.settimeout(patience)
                _pass_on(upstream, self.request)
                for side in (upstream, self.request):
                    with suppress(OSError):
                        side.shutdown(socket.SHUT_RDWR)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/v1"
        server.shutdown()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):  # A timeout is one too.
        while data := source.recv(65536):
            sink.sendall(data)
