"""The workers of a development server: started, reloaded, killed, and replaced when they die."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from flowforge.dev.worker import DevWorker, State
from flowforge.dev.worker_log import BAD, CAREFUL, GOOD

#: Shows a text in a colour.
Tell = Callable[[str, str], None]

#: Seconds that a worker has to live for its successor to be started at once, and otherwise until it
#: is started.
_STEADY = 5.0
_PAUSE = 2.0


class DevWorkers:
    """``count`` workers with the code as it is now, and those that still finish with older code.

    A worker that does not come up is not started again until the code changes: what it would say is
    on the screen already, and the work stays queued.
    """

    def __init__(
        self, count: int, options: Sequence[str], environment: Mapping[str, str], project: Path,
        tell: Tell,
    ) -> None:  # fmt: skip
        self._count = count
        self._options = options
        self._environment = environment
        self._project = project
        self._tell = tell
        self._made = 0
        self._started = 0.0
        #: With the code as it is now, and before.
        self.current: list[DevWorker] = []
        self.former: list[DevWorker] = []
        #: Whether the code as it is now does not run.
        self.broken = False
        #: When the next of those that are missing is started.
        self._next = 0.0
        self._announced = False

    @property
    def all(self) -> list[DevWorker]:
        return [*self.current, *self.former]

    @property
    def ready(self) -> list[DevWorker]:
        """Those that take work."""
        return [worker for worker in self.current if worker.state is State.READY]

    def start(self) -> None:
        """Start as many as are missing, with the code as it is now."""
        self._started, self._announced, self.broken = time.monotonic(), False, False
        for _ in range(self._count - len(self.current)):
            self._made += 1
            name = f"dev-{self._made}"
            self.current.append(DevWorker(name, self._options, self._environment, self._project))

    def reload(self) -> None:
        """Let those with the former code finish what they run, and start new ones."""
        self.leave()
        self.start()

    def leave(self) -> None:
        """Let all finish what they run, and end."""
        for worker in self.current:
            worker.leave()
        self.former += self.current
        self.current = []

    def stop(self) -> None:
        """As ``leave``, and start no others."""
        self.leave()
        self.broken = True

    def look(self) -> None:
        """Show what they have written, and see to those that have ended."""
        for worker in self.all:
            for line in worker.lines():
                self._tell(line.text, line.style)
            if worker.process.ended and not worker.alive:
                self._bury(worker)
        missing = len(self.current) < self._count
        if missing and not self.broken and time.monotonic() >= self._next:
            self.start()
        if not self._announced and len(self.ready) == self._count:
            self._announced = True
            names = ", ".join(worker.name for worker in self.ready)
            took = time.monotonic() - self._started
            self._tell(f"workers ready after {took:.1f} s: {names}", GOOD)

    def end(self) -> None:
        """Kill what is left."""
        for worker in self.all:
            worker.process.release()
        for worker in self.all:
            worker.process.close()
        self.current, self.former = [], []

    def _bury(self, worker: DevWorker) -> None:
        worker.process.close()
        if worker in self.former:
            self.former.remove(worker)
            return
        self.current.remove(worker)
        if worker.state is State.STARTING:
            self._give_up(worker)
            return
        steady = time.monotonic() - worker.ready_at > _STEADY
        self._next = time.monotonic() + (0.0 if steady else _PAUSE)
        self._tell(f"worker {worker.name} has ended; another one starts in its place", CAREFUL)

    def _give_up(self, worker: DevWorker) -> None:
        if self.broken:
            return
        self.broken = True
        self.leave()
        self._tell(
            f"{worker.why_not_started() or f'worker {worker.name} has ended before it was ready'}\n"
            "no worker runs; queued work waits until a file is saved",
            BAD,
        )
