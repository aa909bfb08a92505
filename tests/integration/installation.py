"""An installation for tests: a prefix of its own, the producer's engine, and workers."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from flowforge import JobState
from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.current import set_engine
from flowforge.engine.engine import Engine
from flowforge.local.server import LocalServer
from flowforge.settings import from_environment
from tests.support.eventually import eventually
from tests.support.fleet import Fleet
from tests.support.virtual_clock import VirtualClock

FLOWS = "tests.integration.flows"

#: What makes a fleet notice the loss of a worker within two seconds.
FAST: Mapping[str, Any] = {
    "lease": 1.5,
    "heartbeat": 0.5,
    "upkeep_interval": 0.5,
    "unclaimed_grace": 1,
}

#: Seconds that any job of these tests may take; reached only when something hangs.
LIMIT = 25.0


@dataclass
class Installation:
    """What a test submits to, looks into, and kills."""

    server: LocalServer
    prefix: str
    engine: Engine
    fleet: Fleet
    #: A redis-py client. Not typed: what a command returns depends on the client's options.
    redis: Any
    #: Moves the time of the fleet, in an installation that is made so (``timed``).
    _clock: VirtualClock | None = None

    @property
    def clock(self) -> VirtualClock:
        """The fleet's clock, in a test with the fixture ``timed``."""
        assert self._clock is not None, "only installations made with timed=True have a clock"
        return self._clock

    def key(self, name: str, argument: str = "") -> str:
        return self.engine.store.keys.of(name, argument)

    def broker_list(self, queue: str = "celery") -> str:
        return f"{self.prefix}:{queue}"

    def queued(self, queue: str = "celery") -> int:
        """Messages in a broker list."""
        length: int = self.redis.llen(self.broker_list(queue))
        return length

    def hand_over(self, queue: str) -> None:
        """Move the messages of a queue to the default one, as if they had been sent there."""
        while isinstance(item := self.redis.rpop(self.broker_list(queue)), bytes):
            sent = item.replace(f'"{queue}"'.encode(), b'"celery"')
            self.redis.lpush(self.broker_list(), sent)

    def lead(self) -> None:
        """Return when a worker does the upkeep."""
        eventually(lambda: self.redis.exists(self.key("leader")), message="a leader")


@contextmanager
def installed(
    server: LocalServer,
    directory: Path,
    imports: Sequence[str] = (FLOWS,),
    *,
    timed: bool = False,
    **settings: Any,
) -> Iterator[Installation]:
    """Make the engine of this process one of a new installation.

    ``timed``: it has a clock that the test moves.

    Its workers are killed at the end: nobody waits for their warm shutdown. After a failure they
    are ended by the fleet, which prints their logs.
    """
    prefix = f"t{secrets.token_hex(6)}"
    resolved = from_environment({}, redis_url=server.url, prefix=prefix, **settings)
    engine = Engine(resolved, fleet_app(resolved))
    clock = VirtualClock.of(engine) if timed else None
    app = "tests.support.clocked_app" if timed else "flowforge.app"
    former = set_engine(engine)
    try:
        with (
            redis.Redis.from_url(server.url) as client,
            Fleet(server.url, prefix, directory, imports, app, **settings) as fleet,
        ):
            yield Installation(server, prefix, engine, fleet, client, clock)
            for worker in fleet.workers:
                fleet.kill(worker)
    finally:
        set_engine(former)
        engine.close()


def outlive_lease(own: Installation, job: JobState) -> None:
    """Return when the one lease that the job has lasts for longer than it was first given for."""

    def expiry() -> float | None:
        found: Any = own.redis.zrange(own.key("leases"), 0, -1, withscores=True)
        return next((at for name, at in found if name.startswith(job.job_id.encode())), None)

    first = eventually(expiry, message="a lease")
    assert first is not None
    later = first + own.engine.settings.lease * 1000
    eventually(lambda: (expiry() or 0) > later, message="a lease that was renewed for long")


def outputs(job: JobState) -> list[dict[str, Any]]:
    """The params of the outputs of a job that has to complete."""
    return [output.params for output in job.result(LIMIT)]


def kinds(job: JobState, routine_id: str | None = None) -> list[str]:
    """What happened, in order."""
    return [entry.kind for entry in job.get_execution_history(routine_id)]
