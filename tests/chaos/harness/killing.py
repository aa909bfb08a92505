"""A site whose workers and whose server are killed in turn."""

from __future__ import annotations

from typing import Any

from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import interrupt
from tests.support.fleet import Worker

#: How a round tells of these faults.
INJECTION = "SIGKILL to a worker, or `kill -9` to the server with `appendfsync always`"

_WORKERS = 3


class KilledSite:
    """A site with workers of two threads; ``faults``: how many there are to be.

    The server writes all that it accepts to its disk. Options are those of ``Site``.
    """

    def __init__(self, arena: Arena, **options: Any) -> None:
        self._rng = arena.rng
        self.server = arena.server(durable=True, appendfsync="always")
        self.site = arena.site(self.server.url, max_losses=1000, **options)
        self.faults = arena.times(40, least=3)
        self._workers: list[Worker] = []

    def start(self) -> None:
        """Start the workers, and return when all are ready."""
        self._workers = [self._start() for _ in range(_WORKERS)]
        self.site.fleet.wait_until_ready()

    def kill(self, number: int) -> None:
        """The fault of this number: of a worker, for which another one starts, or of the server."""
        if number % 3 == 2:
            interrupt(self.server, self._rng)
            return
        self.site.fleet.kill(self._workers.pop(self._rng.randrange(len(self._workers))))
        self._workers.append(self._start())

    def _start(self) -> Worker:
        return self.site.start(pool="threads", concurrency=2, wait=False)
