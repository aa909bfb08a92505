"""The dashboard of a development server: ``flowforge ui`` in a process of its own."""

from __future__ import annotations

import re
import socket
from collections.abc import Mapping
from pathlib import Path

from flowforge.dev.piped_process import PipedProcess
from flowforge.dev.worker_log import CAREFUL, PLAIN
from flowforge.dev.workers import Tell

#: The port that is tried first: a browser's tab finds the next development server again.
PORT = 8470

_ADDRESS = re.compile(r"dashboard: (http://\S+)")


class Dashboard:
    """Its process, and what it says. ``port``: None for the usual one, or any where that is in use.

    ``address``: its link with the token, once it takes connections.
    """

    def __init__(
        self, port: int | None, environment: Mapping[str, str], project: Path, tell: Tell
    ) -> None:
        chosen = (PORT if _is_free(PORT) else 0) if port is None else port
        command = ["ui", "--port", str(chosen)]
        self.process = PipedProcess(command, environment, project)
        self.address = ""
        self._tell = tell
        self._over = False

    def look(self) -> None:
        """Show what it has written: its link, or why there is none."""
        for line in self.process.lines():
            found = _ADDRESS.match(line)
            if found:
                self.address = found[1]
                self._tell(f"dashboard  {self.address}", PLAIN)
            elif line.strip():
                self._tell(f"dashboard  {line.removeprefix('error: ')}", CAREFUL)
        if self.process.ended and not self._over:
            self._over = True
            if self.address:
                self._tell("dashboard  it has ended; the jobs go on without it", CAREFUL)

    def end(self) -> None:
        """End it, if it runs."""
        self.process.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
