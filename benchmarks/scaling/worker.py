"""One simulated worker: the connections of a real one, and what goes over them."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.scaling.flows import is_item
from benchmarks.scaling.wire import Wire
from flowforge.codec.binary import pack_record
from flowforge.execution.effects import Effects
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.settings import Settings
from flowforge.store.fleet_reads.worker_reports import FORGOTTEN
from flowforge.store.keys import Keys
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store
from flowforge.store.transitions.answers import CLAIM, COMMIT, Answer
from flowforge.worker.shards.shard import PRESENCE_INTERVAL
from flowforge.worker.upkeep.upkeep import FOLLOW, LEAD

#: Seconds between two heartbeats that Celery publishes for each worker, and their size in bytes.
CELERY_HEARTBEAT, CELERY_BYTES = 2.0, 500

#: Where they are published; with gossip every worker subscribes to those of all.
EVENTS = "scaling-worker-heartbeats"

#: Bytes of a presence record, with the names of about ten routines.
PRESENCE_BYTES = 400

#: Seconds that kombu lets a BRPOP block.
BRPOP_TIMEOUT = 1

#: Connections that a worker opens beside those for its messages, its upkeep and its handlers: one
#: of kombu's; and with gossip, mingle and heartbeats six more. ``--real`` counts them.
SPARE, GOSSIPS = 1, 6


class Tape:
    """A link that sends nothing: it keeps the command that the store would have sent."""

    def __init__(self) -> None:
        self.command: tuple[Any, ...] = ()

    def call(self, *command: Any) -> Any:
        self.command = command
        return [b"gone"]

    def many(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        raise NotImplementedError("the store's transitions are single commands")


@dataclass
class Plan:
    """What all workers of a crowd have in common."""

    url: str
    settings: Settings
    lists: Sequence[str]
    slots: int
    prefetch: int
    #: How long the handlers of the wide flow's items sleep; others do not.
    seconds: float
    #: Whether Celery's gossip, mingle and heartbeats are on, as they are by default.
    gossip: bool


@dataclass
class Tally:
    """What the crowd has done; times are monotonic seconds."""

    running: int = 0
    commits: int = 0
    refused: int = 0
    first_claim: float = 0.0
    last_commit: float = 0.0
    #: Seconds from sending a claim, or a commit, to its answer.
    claim_times: list[float] = field(default_factory=list)
    commit_times: list[float] = field(default_factory=list)


class SimulatedWorker:
    """Pops, claims, sleeps and commits; renews its leases and reports its presence."""

    def __init__(self, name: str, plan: Plan, tally: Tally, rand: random.Random) -> None:
        self._name = name
        self._plan = plan
        self._tally = tally
        self._random = rand
        self._tape = Tape()
        self._store = Store(self._tape, plan.settings.prefix)
        self._lease_ms = int(plan.settings.lease * 1000)
        self._leases: set[str] = set()
        self._room = asyncio.Semaphore(max(1, plan.prefetch) * plan.slots)
        self._popped: asyncio.Queue[bytes] = asyncio.Queue()
        self._wires: list[Wire] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        broker, upkeep = await self._open(), await self._open()
        for _ in range(SPARE):
            await self._open()
        self._spawn(self._consume(broker))
        for _ in range(self._plan.slots):
            self._spawn(self._handle(await self._open()))
        self._spawn(self._every(FOLLOW, lambda: self._follow(upkeep)))
        self._spawn(self._every(PRESENCE_INTERVAL, lambda: self._report(upkeep)))
        self._spawn(self._every(self._plan.settings.heartbeat, lambda: self._renew(upkeep)))
        if self._plan.gossip:
            await self._start_gossip()

    async def _start_gossip(self) -> None:
        events, ears, *_ = [await self._open() for _ in range(GOSSIPS)]
        await ears.call("SUBSCRIBE", EVENTS)
        heartbeat = b"x" * CELERY_BYTES
        publish = partial(events.call, "PUBLISH", EVENTS, heartbeat)
        self._spawn(self._every(CELERY_HEARTBEAT, publish))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        for wire in self._wires:
            wire.close()

    @property
    def connections(self) -> int:
        return len(self._wires)

    # --- work --------------------------------------------------------------------------

    async def _consume(self, wire: Wire) -> None:
        while True:
            await self._room.acquire()
            while (popped := await wire.call("BRPOP", *self._plan.lists, BRPOP_TIMEOUT)) is None:
                pass
            self._popped.put_nowait(popped[1])

    async def _handle(self, wire: Wire) -> None:
        while True:
            message = await self._popped.get()
            job_id, invocation = json.loads(json.loads(message)["body"])[0]
            token = next_token()
            self._store.invocations.claim(job_id, invocation, token, self._lease_ms)
            reply, taken = await self._timed(wire)
            if CLAIM[reply[0]] is Answer.GRANTED:
                self._tally.claim_times.append(taken)
                await self._run(wire, job_id, invocation, token)
            else:
                self._tally.refused += 1
            self._room.release()

    async def _run(self, wire: Wire, job_id: str, invocation: str, token: str) -> None:
        tally, lease = self._tally, f"{job_id}/{invocation}/{token}"
        tally.first_claim = tally.first_claim or time.monotonic()
        tally.running += 1
        self._leases.add(lease)
        seconds = self._plan.seconds if is_item(invocation) else 0.0
        if seconds:
            await asyncio.sleep(seconds * self._random.uniform(0.8, 1.2))
        self._leases.discard(lease)
        details = pack_record(self._name, 1, int(seconds * 1e6), {}, {"n": 1}, None)
        micros = int(seconds * 1e6)
        self._store.invocations.commit(
            job_id, invocation, token, AttemptOutcome.COMPLETED, micros, details, Effects()
        )
        reply, taken = await self._timed(wire)
        assert COMMIT[reply[0]] is Answer.OK, f"a commit was answered {reply}"
        tally.running -= 1
        tally.commits += 1
        tally.commit_times.append(taken)
        tally.last_commit = time.monotonic()

    async def _timed(self, wire: Wire) -> tuple[Any, float]:
        began = time.monotonic()
        reply = await wire.call(*self._tape.command)
        return reply, time.monotonic() - began

    # --- upkeep ------------------------------------------------------------------------

    async def _every(self, interval: float, beat: Callable[[], Any]) -> None:
        await asyncio.sleep(self._random.uniform(0, interval))
        while True:
            await beat()
            await asyncio.sleep(interval)

    async def _follow(self, wire: Wire) -> None:
        self._store.upkeep.lead(self._name, int(LEAD * 1000))
        await wire.call(*self._tape.command)

    async def _report(self, wire: Wire) -> None:
        key = Keys(self._plan.settings.prefix).of("workers")
        await wire.call("TIME")
        wire.call("HSET", key, self._name, b"x" * PRESENCE_BYTES)
        await wire.call("EXPIRE", key, FORGOTTEN)

    async def _renew(self, wire: Wire) -> None:
        if self._leases:
            self._store.scripts.run("heartbeat", self._lease_ms, *self._leases)
            await wire.call(*self._tape.command)

    async def _open(self) -> Wire:
        wire = await Wire.open(self._plan.url)
        self._wires.append(wire)
        return wire

    def _spawn(self, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work))
