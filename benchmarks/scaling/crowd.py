"""A crowd of simulated workers on one server, with the real upkeep."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from benchmarks.scaling.flows import ENTRY
from benchmarks.scaling.worker import Plan, SimulatedWorker, Tally
from flowforge import Flow, JobState
from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.current import set_engine
from flowforge.engine.engine import Engine
from flowforge.engine.handler_jobs import HandlerJobs
from flowforge.local.server import LocalServer
from flowforge.settings import Settings
from flowforge.store.scripts import all_scripts
from flowforge.worker.lifecycle.joined_app import JoinedApp
from flowforge.worker.upkeep.presence import Presence

#: Workers that connect at the same time.
CONNECTING = 50


class Site:
    """What workers and producers share: the server, a producer's engine, the upkeep."""

    def __init__(self, server: LocalServer) -> None:
        self.settings = Settings(redis_url=server.url)
        app = fleet_app(self.settings)
        engine = Engine(self.settings, app)
        set_engine(engine)
        joined = JoinedApp(app, [(self.settings, HandlerJobs(engine))], exclusive=True)
        (self._shard,) = joined.shards
        self._runtime = self._shard.runtime
        self.client = self._shard.client
        self.url = server.url
        self.lists = self._runtime.lists(app.conf.task_default_queue)
        for script in all_scripts():
            self.client.script_load(script.source)

    @contextmanager
    def upkeep(self) -> Iterator[None]:
        """Lead, as one of the fleet does: due timers, expired leases, lost messages."""
        presence = Presence(self._shard.store, "upkeep", dict)
        upkeep = self._shard.make_upkeep(presence)
        upkeep.tick()
        upkeep.start()
        try:
            yield
        finally:
            upkeep.stop()

    def submit_wide(self, flow: Flow, items: int) -> JobState:
        """Submit a wide job and run the handler that fans out; its items are the crowd's."""
        job = flow.execute("spread", {"items": items})
        popped = self.client.brpop([ENTRY], timeout=5)
        assert popped is not None, "the message of the entry is not there"
        job_id, invocation = json.loads(json.loads(popped[1])["body"])[0]
        self._runtime.invoke(job_id, invocation)
        return job

    def queued(self) -> int:
        """Messages in the broker's lists."""
        return sum(self.client.llen(name) for name in self.lists)


class Crowd:
    """So many simulated workers; they start with ``gathered``."""

    def __init__(self, plan: Plan, count: int) -> None:
        self.tally = Tally()
        rand = random.Random(1)
        self._workers = [
            SimulatedWorker(f"sim{number}@host{number}", plan, self.tally, rand)
            for number in range(count)
        ]

    @property
    def connections(self) -> int:
        return sum(worker.connections for worker in self._workers)

    @asynccontextmanager
    async def gathered(self) -> AsyncIterator[None]:
        for start in range(0, len(self._workers), CONNECTING):
            await asyncio.gather(*(w.start() for w in self._workers[start : start + CONNECTING]))
        try:
            yield
        finally:
            for worker in self._workers:
                worker.stop()
