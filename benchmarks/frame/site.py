"""A dashboard in a process of its own, and browsers without a screen that read its pages."""

from __future__ import annotations

import http.client
import os
import re
import signal
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlsplit

from benchmarks.frame import clocks
from flowforge.dev.piped_process import PipedProcess

#: Seconds until the dashboard must take connections, and until a page must be there.
LIMIT = 30.0

_LINK = re.compile(r"dashboard: (http://\S+)")


class Site:
    """``flowforge ui`` for the server at this URL, and a user who has logged in."""

    def __init__(self, url: str) -> None:
        environment = {**os.environ, "FLOWFORGE_REDIS_URL": url}
        self._process = PipedProcess(["ui", "--port", "0"], environment, Path.cwd())
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        try:
            address = urlsplit(self._link())
            self.host = address.netloc
            reply = self._get(f"{address.path}?{address.query}", {})
            self.cookie = str(reply.headers["set-cookie"]).partition(";")[0]
        except BaseException:
            self._process.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.close()

    def pause(self) -> None:
        """Stop it as it stands: it takes nothing of the machine until ``go_on``."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it run again; what was due meanwhile is done now."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        for pid in clocks.tree(self.pid):
            os.kill(pid, number)

    def page(self, path: str) -> tuple[bytes, float]:
        """A page, over a connection of its own, and the seconds until its first byte."""
        connection = self.connect()
        try:
            began = time.perf_counter()
            connection.request("GET", path, headers={"cookie": self.cookie})
            reply = connection.getresponse()
            first = reply.read(1)
            spent = time.perf_counter() - began
            assert reply.status == 200, (path, reply.status)
            return first + reply.read(), spent
        finally:
            connection.close()

    def connect(self) -> http.client.HTTPConnection:
        """A connection to it."""
        return http.client.HTTPConnection(self.host, timeout=LIMIT)

    def _get(self, path: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        connection = self.connect()
        connection.request("GET", path, headers=headers)
        reply = connection.getresponse()
        connection.close()
        return reply

    def _link(self) -> str:
        deadline = time.monotonic() + LIMIT
        told = []
        while time.monotonic() < deadline and not self._process.ended:
            for line in self._process.lines():
                told.append(line)
                if found := _LINK.match(line):
                    return found[1]
            time.sleep(0.02)
        raise RuntimeError(f"the dashboard did not begin: {told}")


class Reader(threading.Thread):
    """A browser that has a page open, and reads what changes of it.

    ``changes``: messages that have come; ``size``: their bytes.
    """

    def __init__(self, site: Site, path: str) -> None:
        super().__init__(daemon=True)
        self._connection = site.connect()
        self._connection.request(
            "GET", f"/live?page={quote(path, safe='')}", headers={"cookie": site.cookie}
        )
        reply = self._connection.getresponse()
        assert reply.status == 200, (path, reply.status)
        self._reply = reply
        self._over = False
        self.changes = 0
        self.size = 0
        self.start()

    def run(self) -> None:
        try:
            while line := self._reply.readline():
                if line.startswith(b"data:"):
                    self.changes += 1
                    self.size += len(line)
        except (OSError, ValueError, AttributeError, http.client.HTTPException):
            assert self._over, "the dashboard has ended the stream"

    def close(self) -> None:
        """Leave the page."""
        self._over = True
        if self._connection.sock is not None:
            self._connection.sock.shutdown(2)
        self.join(LIMIT)
        self._connection.close()
