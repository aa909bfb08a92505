"""One server as the workers of an app see it: its store, its messages, its upkeep."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from celery import Celery
from celery.concurrency.solo import TaskPool as SoloPool

from flowforge.broker.address import broker_address
from flowforge.broker.guard import Guard
from flowforge.broker.routing import Router
from flowforge.broker.transport import guarded_transport, unregister_transport
from flowforge.common.versions import installed_version
from flowforge.errors import ConfigurationError, StoreUnavailableError
from flowforge.execution.handler_context import JobAccess
from flowforge.model import registry
from flowforge.settings import Settings
from flowforge.store.fleet_reads.placement import PATIENCE
from flowforge.store.server.client import make_client
from flowforge.store.server.link import ServerLink
from flowforge.store.store import Store
from flowforge.worker.consuming.limits import RateLimited
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.run.runtime import Runtime
from flowforge.worker.run.task import InvocationTasks, TaskQueues
from flowforge.worker.upkeep.duties import leader_duties
from flowforge.worker.upkeep.handler_reports import HandlerReports
from flowforge.worker.upkeep.hook_deliveries import Hooks
from flowforge.worker.upkeep.limits import DeclaredLimits
from flowforge.worker.upkeep.presence import Presence, RateLimitedReports
from flowforge.worker.upkeep.upkeep import Scheduled, Upkeep

#: Seconds that a worker keeps trying over an outage of the server.
WORKER_PATIENCE = 60.0

#: Seconds between two reports of what a worker's handlers take.
HANDLERS_INTERVAL = 6 * 3600.0

#: Seconds between two looks whether the server has the limits of this worker.
LIMITS_INTERVAL = 10.0

#: Seconds between two reports of a worker's presence.
PRESENCE_INTERVAL = 5.0


class ServerJobs(JobAccess, Protocol):
    """What a shard has of the engine of its server."""

    def keeps_limits(self) -> bool:
        """Whether limits count on this server; StoreUnavailableError."""


class Shard:
    """What an app has of one server. ``settings`` name this server alone."""

    def __init__(
        self,
        app: Celery,
        settings: Settings,
        jobs: ServerJobs,
        process_lock: ReadersWriterLock,
        *,
        exclusive: bool,
    ) -> None:
        if settings.redis_url is None:
            raise ConfigurationError("a shard needs settings.redis_url")
        self._app = app
        self._jobs = jobs
        self.settings = settings
        self.client = make_client(settings.redis_url)
        self._link = ServerLink(self.client, WORKER_PATIENCE)
        self._probe_link = ServerLink(self.client, PATIENCE)
        self.store = Store(self._link, settings.prefix)
        #: For questions that must not wait for a server that is away.
        self.probe = Store(self._probe_link, settings.prefix)
        self.runtime = Runtime(
            self.store, settings, os.uname().nodename, jobs, Router(app).lists, process_lock,
            self.probe,
        )  # fmt: skip
        self._unretried_link = ServerLink(self.client, 0)
        #: For what must not wait for the server at all.
        self._at_once = Store(self._unretried_link, settings.prefix)
        guard = Guard(
            # It buries dead letters in the worker's event loop.
            self._at_once,
            InvocationTasks(app),
            exclusive=exclusive,
            queues=TaskQueues(app),
            most=settings.max_message,
            # Asked each time: the app may be configured further after flows have joined it.
            compression=lambda: app.conf.task_compression,
        )
        #: What else the upkeep of this worker does.
        self.duties: list[Scheduled] = []
        sentinel = urlsplit(settings.redis_url).scheme == "sentinel"
        #: The name of the kombu transport for this server.
        self.transport = guarded_transport(guard, sentinel=sentinel)
        # Once: the name may be another app's by the time this one is closed again.
        self._closing = ExitStack()
        self._closing.callback(unregister_transport, self.transport)

    def connection(self) -> Any:
        """A kombu connection to this server, not yet made."""
        assert self.settings.redis_url is not None
        broker, options = broker_address(self.settings.redis_url)
        return self._app.connection_for_read(
            broker, transport=self.transport, transport_options=options
        )

    def start(self, worker: Any) -> None:
        """Keep the server's jobs up, from a thread of this worker."""
        # Before the first message is taken, if the server is there.
        with suppress(StoreUnavailableError):
            DeclaredLimits(self.probe, self._jobs.keeps_limits).run_once()
        self._presence = self._make_presence(worker)
        self._upkeep = self.make_upkeep(self._presence)
        self._upkeep.start()
        self._hooks = Hooks(self.probe, worker.hostname)
        self._hooks.start()

    def leads(self) -> bool:
        """Whether this worker does the server's upkeep."""
        return self._upkeep.leads

    def upkeep_age(self) -> float:
        """Seconds since the upkeep's thread has last looked for something to do."""
        return self._upkeep.age

    def stop(self) -> None:
        """End the upkeep, and tell others if the server is there and takes it."""
        try:
            self.probe.check_writes()
        except StoreUnavailableError:
            # The lead and the report of this worker expire by themselves.
            self._hooks.stop(resign=False)
            self._upkeep.stop(resign=False)
        else:
            self._hooks.stop()
            self._upkeep.stop()
            self._presence.withdraw()

    def close(self) -> None:
        """Give back what an app has of this server, after its worker has ended."""
        self.runtime.leases.close()
        self.runtime.tally.close()
        self._closing.close()
        self._link.close()
        self._probe_link.close()
        self._unretried_link.close()
        self.client.close()

    def make_upkeep(self, presence: Presence) -> Upkeep:
        """The upkeep thread of one worker.

        What the server does not take is asked again with the next round. So no duty waits over a
        long outage, at the end of which it would not know how long that was.
        """
        store, settings = self.probe, self.settings
        place_of, note_lost = self.runtime.plans.place_of, self.runtime.note_lost
        return Upkeep(
            store,
            [
                Scheduled(presence, PRESENCE_INTERVAL, leader_only=False),
                Scheduled(HandlerReports(store), HANDLERS_INTERVAL, leader_only=False),
                Scheduled(
                    DeclaredLimits(store, self._jobs.keeps_limits),
                    LIMITS_INTERVAL,
                    leader_only=False,
                ),
                # Before what was popped just after a look is found lost.
                Scheduled(
                    RateLimitedReports(presence), settings.unclaimed_grace / 3, leader_only=False
                ),
                *self.duties,
                *leader_duties(
                    store,
                    settings,
                    self._at_once,
                    place_of,
                    note_lost,
                    self.runtime.note_timeout,
                    lambda name: Router(self._app).queue_of(name)[0],
                ),
            ],
        )

    def _make_presence(self, worker: Any) -> Presence:
        hanging = self.runtime.leases.hanging
        facts = partial(worker_facts, worker, self._app, self.settings, hanging)
        rate_limited = RateLimited(worker, self.settings.unclaimed_grace)
        return Presence(self.probe, worker.hostname, facts, rate_limited)


def worker_facts(
    worker: Any, app: Celery, settings: Settings, hanging: Callable[[], list[str]] = list
) -> dict[str, Any]:
    """What a worker reports of itself. ``prefetch``: messages that it may fetch ahead;
    ``hanging``: handlers of its main process that were ended and have not returned.
    """
    return {
        "pid": os.getpid(),
        "pool": type(worker.pool).__module__.rpartition(".")[2] if worker.pool else "",
        # A solo pool runs one task at a time, whatever concurrency was asked for.
        "concurrency": 1 if isinstance(worker.pool, SoloPool) else worker.concurrency,
        "prefetch": worker.concurrency * app.conf.worker_prefetch_multiplier,
        "queues": sorted(app.amqp.queues.consume_from),
        "routines": sorted(registry.known()),
        "threads": threading.active_count(),
        "version": installed_version("flowforge"),
        "lease": settings.lease,
        "hanging": hanging(),
    }
