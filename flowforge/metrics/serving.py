"""Serving metrics over HTTP, as Prometheus fetches them."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from flowforge.metrics.exposition import CONTENT_TYPE

#: Seconds that a client may take to ask.
_PATIENCE = 10.0


class MetricsServer:
    """Answers ``GET /metrics`` with ``text()``, from a thread, until it is closed.

    OSError when the address cannot be had.
    """

    def __init__(self, host: str, port: int, text: Callable[[], str]) -> None:
        # Two that ask at the same time must not make the store work twice at once.
        self._server = _Server((host, port), _handler(text, threading.Lock()))
        _servers.add(self)

    @property
    def port(self) -> int:
        """The port; of the ones that are free when 0 was asked for."""
        return int(self._server.server_address[1])

    def start(self) -> None:
        """Answer from a thread of its own."""
        threading.Thread(target=self.serve, name="flowforge-metrics", daemon=True).start()

    def serve(self) -> None:
        """Answer until it is closed."""
        self._server.serve_forever()

    def close(self) -> None:
        """Stop a server that was started."""
        self._server.shutdown()
        self._server.server_close()

    def drop_socket(self) -> None:
        """In a forked child: else it would keep the port from the worker that comes next."""
        self._server.socket.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True


def _handler(text: Callable[[], str], lock: threading.Lock) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        """One request."""

        timeout = _PATIENCE

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "only /metrics is here")
                return
            with lock:
                body = text().encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: a line for each scrape hides the others."""

    return Handler


#: Every server of this process.
_servers: weakref.WeakSet[MetricsServer] = weakref.WeakSet()


def _drop_sockets() -> None:
    for server in _servers:
        server.drop_socket()


os.register_at_fork(after_in_child=_drop_sockets)
