"""One worker process of a development server."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping, Sequence
from enum import Enum
from pathlib import Path

from flowforge.dev.piped_process import PipedProcess
from flowforge.dev.worker_log import Line, read_line

#: Characters of its output that are shown of a worker that did not start.
_TAIL = 4000

#: What Celery writes past the log when it ends.
_FAREWELLS = ("worker: Warm shutdown", "worker: Cold shutdown", "worker: Hitting Ctrl+C")


class State(Enum):
    """What a worker does."""

    STARTING = "starting"
    READY = "ready"
    #: It takes no new work, and ends when its handlers have.
    ENDING = "ending"


class DevWorker:
    """A worker, as ``flowforge worker`` starts it. ``name``: before the ``@`` of Celery's name."""

    def __init__(
        self, name: str, options: Sequence[str], environment: Mapping[str, str], project: Path
    ) -> None:
        command = ["worker", "--loglevel", "INFO"]
        self.name = name
        self.state = State.STARTING
        self.process = PipedProcess([*command, "-n", f"{name}@%h", *options], environment, project)
        self.ready_at = 0.0
        #: What it wrote before it was ready.
        self._first: list[str] = []

    @property
    def pid(self) -> int:
        """Of Celery's main process."""
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process.alive

    def lines(self) -> list[Line]:
        """What there is to show of what it has written since the last call."""
        found = []
        for raw in self.process.lines():
            line = read_line(raw)
            if line is None:
                line = self._raw(raw)
            elif line.ready and self.state is State.STARTING:
                self.state, self.ready_at = State.READY, time.monotonic()
            if line.text:
                found.append(line)
        return found

    def _raw(self, raw: str) -> Line:
        """Before it is ready it may say why it does not start: that is shown if so."""
        if self.state is State.STARTING:
            self._first.append(raw)
            return Line()
        return Line() if not raw.strip() or raw.startswith(_FAREWELLS) else Line(raw)

    def why_not_started(self) -> str:
        """Its own last words; without Celery's traceback where it said in a line what was wrong."""
        errors = [line for line in self._first if line.startswith("error: ")]
        return "\n".join(errors or self._first)[-_TAIL:].strip()

    def leave(self) -> None:
        """Take no new work, and end when what runs has ended."""
        self.state = State.ENDING
        self.process.terminate()

    def kill(self) -> None:
        """SIGKILL it with all its processes, as if its machine had failed."""
        if self.process.alive:
            os.killpg(self.process.group, signal.SIGKILL)
