"""A TCP proxy between workers and the server that breaks connections in the ways networks do.

Two threads a connection, one for each direction. What is done to the bytes is set from outside at
any time and holds for every connection.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Self

#: Bytes read at once.
_CHUNK = 65536

#: SO_LINGER of 0 s: the close sends RST.
_ABORT = struct.pack("ii", 1, 0)


@dataclass
class Weather:
    """What happens to traffic now. Times are seconds, probabilities per chunk of bytes."""

    #: Shortest and longest delay of a chunk.
    latency: tuple[float, float] = (0.0, 0.0)
    #: Chunks are cut into pieces of at most so many bytes, sent one by one; 0: they are not.
    piece: int = 0
    #: How often a connection is reset instead of carrying a chunk on.
    reset: float = 0.0
    #: How often a connection is reset after part of a chunk.
    torn: float = 0.0
    #: The reply to a request that holds these bytes is dropped, and the connection reset.
    drop_reply_to: bytes = b""
    #: How often that happens, and how many times at most.
    drop: float = 1.0
    drops_left: int = 0


class Proxy:
    """Listens on a port of 127.0.0.1 and passes everything on to another."""

    def __init__(self, target: int, rng: random.Random) -> None:
        self.weather = Weather()
        #: Replies dropped, connections reset, connections that were made half-open.
        self.dropped = self.resets = self.half_opened = 0
        #: Requests whose replies were dropped; one that was sent again counts once.
        self.unanswered: set[bytes] = set()
        self._target = target
        self._rng = rng
        self._lock = threading.Lock()
        self._open: set[_Connection] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, name="chaos-proxy", daemon=True).start()

    def url(self, url: str) -> str:
        """A server's URL with the proxy's port in place of the server's."""
        return url.replace(f":{self._target}/", f":{self.port}/")

    def half_open(self) -> int:
        """Let every connection fall silent without closing it, as a lost route does; how many."""
        with self._lock:
            found = list(self._open)
        for connection in found:
            connection.silent = True
        self.half_opened += len(found)
        return len(found)

    def reset_all(self) -> None:
        """Reset every connection."""
        with self._lock:
            found = list(self._open)
        for connection in found:
            self._reset(connection)

    def close(self) -> None:
        """Stop listening and reset what is open."""
        self._listener.close()
        self.reset_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=5)
            except OSError:
                _abort(client)
                continue
            server.settimeout(None)
            connection = _Connection(client, server)
            with self._lock:
                self._open.add(connection)
            for source, sink in ((client, server), (server, client)):
                arguments = (connection, source, sink)
                threading.Thread(target=self._pump, args=arguments, daemon=True).start()

    def _pump(self, connection: _Connection, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while chunk := source.recv(_CHUNK):
                if not self._pass_on(connection, chunk, sink):
                    break
        if connection.silent:
            # Neither side learns that the other is gone.
            return
        with self._lock:
            self._open.discard(connection)
        connection.abort()

    def _pass_on(self, connection: _Connection, chunk: bytes, sink: socket.socket) -> bool:
        """Send one chunk on; False when the connection has been broken instead."""
        weather = self.weather
        if connection.silent:
            return True
        if sink is connection.server:
            self._watch_request(connection, chunk)
        elif connection.swallow:
            self.dropped += 1
            self._reset(connection)
            return False
        with self._lock:
            draw, delay = self._rng.random(), self._rng.uniform(*weather.latency)
        if draw < weather.reset:
            self._reset(connection)
            return False
        if delay:
            time.sleep(delay)
        if draw < weather.reset + weather.torn:
            sink.sendall(chunk[: len(chunk) // 2])
            self._reset(connection)
            return False
        step = weather.piece or len(chunk)
        for start in range(0, len(chunk), step):
            sink.sendall(chunk[start : start + step])
        return True

    def _watch_request(self, connection: _Connection, chunk: bytes) -> None:
        weather = self.weather
        if not weather.drop_reply_to or weather.drop_reply_to not in chunk:
            return
        with self._lock:
            if weather.drops_left > 0 and self._rng.random() < weather.drop:
                weather.drops_left -= 1
                connection.swallow = True
                self.unanswered.add(chunk)

    def _reset(self, connection: _Connection) -> None:
        self.resets += 1
        connection.abort()


class _Connection:
    """The two sockets of one connection."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client = client
        self.server = server
        self.silent = False
        self.swallow = False
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def abort(self) -> None:
        _abort(self.client)
        _abort(self.server)


def _abort(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
        # The shutdown wakes the thread that reads; the close then sends RST.
        end.shutdown(socket.SHUT_RDWR)
    end.close()
