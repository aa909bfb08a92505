"""Joining a Celery app: its broker connection, its tasks, its upkeep."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

from celery import Celery, bootsteps

from flowforge.errors import ConfigurationError, UnsupportedBrokerError
from flowforge.model import registry
from flowforge.settings import Settings
from flowforge.store.link import ServerLink, make_client
from flowforge.store.sentinel import SentinelUrl
from flowforge.store.server_check import check_server
from flowforge.store.store import Store
from flowforge.worker.duties.presence import FORGOTTEN, Absence, Presence
from flowforge.worker.duties.reclaimer import Reclaimer
from flowforge.worker.duties.resender import Resender
from flowforge.worker.duties.retention import Retention
from flowforge.worker.duties.timers import TimerService
from flowforge.worker.envelope import Router
from flowforge.worker.guard import Guard
from flowforge.worker.maintenance import Duty, Maintenance
from flowforge.worker.runtime import Producer, Runtime
from flowforge.worker.task import InvocationTask, InvocationTasks, add_tasks
from flowforge.worker.transport import BrokerConnection, guarded_transport

#: Seconds that a worker keeps trying over an outage of the server.
WORKER_PATIENCE = 60.0

#: Seconds between two looks for due timers: how late a retry may be.
TIMER_INTERVAL = 0.25

#: Seconds between two reports of a worker's presence.
PRESENCE_INTERVAL = 5.0

#: Celery settings that suit invocations; what the app sets itself wins.
DEFAULTS: dict[str, Any] = {
    "worker_prefetch_multiplier": 4,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}


def state_url(broker_url: str, options: Mapping[str, Any] = MappingProxyType({})) -> str:
    """The store's URL for a broker URL and its transport options.

    UnsupportedBrokerError unless it is Redis.
    """
    parts = urlsplit(broker_url)
    if parts.scheme == "sentinel":
        return SentinelUrl.parse(broker_url, options).url
    if parts.scheme in ("redis", "rediss"):
        return broker_url
    if parts.scheme in ("redis+socket", "unix"):
        return urlunsplit(parts._replace(scheme="unix"))
    raise UnsupportedBrokerError(
        f"the broker {parts.scheme or '(none)'}:// is not Redis: FlowForge keeps its state in the "
        "broker's Redis or Valkey server and pushes messages in the same step, so set broker_url "
        "(or FLOWFORGE_REDIS_URL) to a redis://, rediss:// or sentinel:// URL"
    )


class Installation:
    """FlowForge on one Celery app. ``exclusive``: the app runs nothing else."""

    def __init__(
        self,
        app: Celery,
        settings: Settings,
        producer: Producer,
        *,
        exclusive: bool,
    ) -> None:
        if settings.redis_url is None:
            raise ConfigurationError("an installation needs settings.redis_url")
        self.app = app
        self.settings = settings
        self.client = make_client(settings.redis_url)
        self.store = Store(ServerLink(self.client, WORKER_PATIENCE), settings.prefix)
        router = Router(app)
        self.runtime = Runtime(self.store, settings, os.uname().nodename, producer, router.lists)
        guard = Guard(self.store, InvocationTasks(app), exclusive=exclusive)
        sentinel = urlsplit(settings.redis_url).scheme == "sentinel"
        app.add_defaults(lambda: DEFAULTS)
        app.conf.broker_transport = guarded_transport(guard, sentinel=sentinel)
        app.amqp.Connection = BrokerConnection
        add_tasks(app, self.runtime)
        app.steps["worker"].add(self._step())

    def _step(self) -> type[bootsteps.StartStopStep]:
        installation = self

        class FlowForgeStep(bootsteps.StartStopStep):
            """Checks the server before the pool starts, then keeps the installation up."""

            requires = ("celery.worker.components:Pool",)

            def __init__(self, worker: Any, **options: Any) -> None:
                super().__init__(worker, **options)
                check_server(installation.store.link)
                installation.runtime.worker = worker.hostname
                if not _observed(worker):
                    installation.runtime.follow_on = installation.settings.follow_on
                self.upkeep: Maintenance | None = None

            def start(self, worker: Any) -> None:
                self.presence = installation.presence(worker)
                self.upkeep = installation.maintenance(self.presence)
                self.upkeep.start()
                # Celery's consumer knows the tasks of its start only; classes may come later.
                self.forget = registry.on_register(lambda cls: _refresh(worker))

            def stop(self, worker: Any) -> None:
                if self.upkeep is not None:
                    self.forget()
                    self.upkeep.stop()
                    self.presence.withdraw()
                    self.upkeep = None

            def terminate(self, parent: Any) -> None:
                self.stop(parent)

        return FlowForgeStep

    def maintenance(self, presence: Presence) -> Maintenance:
        """The upkeep thread of one worker."""
        store, settings = self.store, self.settings
        return Maintenance(
            store,
            [
                Duty(presence, PRESENCE_INTERVAL, leader_only=False),
                Duty(TimerService(store), TIMER_INTERVAL),
                Duty(Reclaimer(store, settings.max_deliveries), settings.sweep),
                # One look sees what was popped, a later one finds it lost: both within a sweep.
                Duty(Resender(store, settings.unclaimed_grace), settings.sweep / 3),
                Duty(Retention(store), settings.sweep),
                Duty(Absence(store), FORGOTTEN),
            ],
        )

    def presence(self, worker: Any) -> Presence:
        """What this worker reports of itself."""

        def facts() -> dict[str, Any]:
            return {
                "pid": os.getpid(),
                "pool": type(worker.pool).__module__.rpartition(".")[2] if worker.pool else "",
                "concurrency": worker.concurrency,
                "queues": sorted(self.app.amqp.queues.consume_from),
                "routines": sorted(registry.known()),
                "threads": threading.active_count(),
            }

        return Presence(self.store, worker.hostname, facts)


def _refresh(worker: Any) -> None:
    if worker.consumer is not None:
        worker.consumer.update_strategies()


def _observed(worker: Any) -> bool:
    """Whether something of Celery has to see every task pass through the consumer or the pool."""
    limits = ("rate_limit", "time_limit", "soft_time_limit")
    tasks = [task for task in worker.app.tasks.values() if isinstance(task, InvocationTask)]
    return bool(
        worker.task_events
        or worker.time_limit
        or worker.soft_time_limit
        or worker.max_tasks_per_child
        or any(getattr(task, limit) for task in tasks for limit in limits)
    )


def fleet_app(settings: Settings) -> Celery:
    """A Celery app for workers that run nothing but FlowForge, or for producers."""
    assert settings.redis_url is not None, "fleet_app is for settings with a URL"
    state_url(settings.redis_url)
    broker, options = _broker(settings.redis_url)
    app = Celery("flowforge", broker=broker, set_as_current=False)
    app.conf.update(
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        task_ignore_result=True,
        accept_content=["json"],
    )
    if settings.prefix != Settings.prefix:
        # Installations that share a server must not pop each other's messages.
        options["global_keyprefix"] = f"{settings.prefix}:"
    app.conf.broker_transport_options = options
    app.conf.update(dict(settings.celery))
    return app


def _broker(url: str) -> tuple[str, dict[str, Any]]:
    """URL and transport options that make kombu find the server of a store's URL."""
    parts = urlsplit(url)
    if parts.scheme == "rediss" and "ssl_cert_reqs" not in parse_qs(parts.query):
        # The store's client checks certificates unless told otherwise, kombu's does not.
        query = "&".join(filter(None, (parts.query, "ssl_cert_reqs=required")))
        return urlunsplit(parts._replace(query=query)), {}
    if parts.scheme != "sentinel":
        return url, {}
    address = SentinelUrl.parse(url)
    return address.broker_url, address.transport_options
