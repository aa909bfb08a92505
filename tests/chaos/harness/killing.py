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

    The server writes all that it accepts to its disk. With several ``servers`` the workers serve
    all of them, and any may die; ``others``: the sites on the further ones. Options are those of
    ``Site``.
    """

    def __init__(self, arena: Arena, servers: int = 1, **options: Any) -> None:
        self._arena = arena
        options["max_losses"] = 1000
        self._servers = [arena.server(durable=True, appendfsync="always") for _ in range(servers)]
        self.server = self._servers[0]
        urls = ",".join(server.url for server in self._servers)
        self.site = arena.site(self.server.url, urls, **options)
        self.others = [
            arena.site(server.url, beside=self.site, **options) for server in self._servers[1:]
        ]
        self.faults = arena.times(40, least=3)
        self._workers: list[Worker] = []

    def start(self) -> None:
        """Start the workers, and return when all are ready."""
        self._workers = [self._start() for _ in range(_WORKERS)]
        self.site.fleet.wait_until_ready()

    def kill(self, number: int) -> None:
        """The fault of this number: of a worker, for which another one starts, or of a server."""
        rng = self._arena.rng
        ended = [worker.name for worker in self._workers if not worker.alive]
        self._arena.expect(not ended, f"workers ended by themselves: {ended}")
        if number % 3 == 2:
            interrupt(rng.choice(self._servers), rng)
            return
        self.site.fleet.kill(self._workers.pop(rng.randrange(len(self._workers))))
        self._workers.append(self._start())

    def fault_over(self) -> None:
        """The last fault is over, on all servers."""
        for site in (self.site, *self.others):
            site.fault_over()

    def _start(self) -> Worker:
        return self.site.start(pool="threads", concurrency=2, wait=False)
