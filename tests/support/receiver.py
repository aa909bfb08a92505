"""A receiver of webhooks on this machine, which fails, hangs and comes back as a test wants it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

from tests.support.eventually import eventually


class Received(NamedTuple):
    """One request. ``headers``: by names in small letters."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def event(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


class Receiver:
    """``status``, ``headers``, ``answer``: of each answer. ``hang``: it answers when ``free`` is
    set. ``drips``: it sends an answer without end.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.requests: list[Received] = []
        self.status, self.answer = 204, b""
        self.headers: Mapping[str, str] = {}
        self.hang = self.drips = False
        self.free = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/in/secret-path?key=1"

    def wait_for(self, count: int) -> list[Received]:
        """The requests, once there are as many."""
        eventually(lambda: len(self.requests) >= count, 20, f"{count} requests")
        return self.requests


@contextmanager
def receiver(port: int = 0) -> Iterator[Receiver]:
    """A receiver that runs; with ``port`` again where one ran before."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            found.requests.append(Received(self.path, headers, body))
            if found.hang:
                found.free.wait(30)
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            if found.drips:
                self._drip()
                return
            self.send_header("content-length", str(len(found.answer)))
            self.end_headers()
            self.wfile.write(found.answer)

        def _drip(self) -> None:
            try:
                self.flush_headers()
                while not found.free.wait(0.05):
                    self.wfile.write(b"x-slow: 1\r\n")
                    self.wfile.flush()
            except OSError:
                return

        def log_message(self, *_: Any) -> None:
            """Nothing in the log of the tests."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        server.block_on_close = False
        found = Receiver(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield found
        finally:
            found.free.set()
            server.shutdown()
            thread.join()
