"""Joining a Celery app: its broker connection, its tasks, its upkeep."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Any

from celery import Celery, bootsteps, signals
from celery.app.events import Events
from celery.apps.worker import Worker as WorkerProgram
from celery.utils.log import LoggingProxy
from celery.worker import state

from flowforge import logs
from flowforge.broker.transport import BrokerConnection
from flowforge.errors import FlowForgeError, StoreUnavailableError
from flowforge.execution.prints import WholeLines
from flowforge.model import registry
from flowforge.settings import Settings
from flowforge.store.lease_tokens import name_worker
from flowforge.store.server.check import check_server
from flowforge.store.server.outage import is_final
from flowforge.store.store import Store
from flowforge.tracing.switch import flush_spans
from flowforge.worker.consuming.consumer import FleetConsumer, RestartBackoff
from flowforge.worker.consuming.events import NAME as UNRETRIED
from flowforge.worker.consuming.exited_children import ExitedChildren
from flowforge.worker.consuming.observation import Observation
from flowforge.worker.lifecycle.log_format import LogFormat
from flowforge.worker.lifecycle.metrics_port import serve_metrics
from flowforge.worker.lifecycle.shutdown import defer_signals
from flowforge.worker.lifecycle.startup import (
    cannot_start,
    warn_of_unknown_variables,
    warn_without_routines,
)
from flowforge.worker.run.log_keeper import LogKeeper
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.run.revoking import cancel_revoked
from flowforge.worker.run.runtimes import Runtimes
from flowforge.worker.run.task import add_tasks
from flowforge.worker.shards.consumer import serve_shards
from flowforge.worker.shards.shard import WORKER_PATIENCE, ServerJobs, Shard
from flowforge.worker.upkeep.upkeep import Duty, Scheduled

logger = logging.getLogger(__name__)

#: Seconds after which a worker says again which schedules its modules declare.
DECLARE_INTERVAL = 120.0

#: Celery settings that suit invocations; what the app sets itself wins.
DEFAULTS: dict[str, Any] = {
    "worker_prefetch_multiplier": 4,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # An error that the server answers with is none of the worker's: it goes on with a new consumer.
    "broker_channel_error_retry": True,
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}


class JoinedApp:
    """A Celery app that FlowForge has joined: its tasks, its broker connection, its upkeep.

    ``servers``: settings for each server, and what handlers may ask of its engine. The app's broker
    is the first. ``exclusive``: the app runs nothing else. ``declare``: saves the schedules that
    the worker's modules declare; None: nothing does.
    """

    def __init__(
        self,
        app: Celery,
        servers: Sequence[tuple[Settings, ServerJobs]],
        *,
        exclusive: bool,
        declare: Duty | None = None,
    ) -> None:
        #: Of the first server; what concerns the worker as a whole is the same in all.
        self._settings = servers[0][0]
        process_lock = ReadersWriterLock(servers[0][0].lease)
        self.shards = [
            Shard(app, settings, jobs, process_lock, exclusive=exclusive)
            for settings, jobs in servers
        ]
        if declare is not None:
            # Once for all servers: it knows on which one each belongs.
            self.shards[0].duties.append(Scheduled(declare, DECLARE_INTERVAL, leader_only=False))
        app.add_defaults(lambda: DEFAULTS)
        app.conf.broker_transport = self.shards[0].transport
        app.amqp.Connection = BrokerConnection
        self._runtimes = Runtimes(
            [(shard.probe, shard.runtime) for shard in self.shards], process_lock
        )
        self._traces = servers[0][0].traces
        keep = servers[0][0].keep_logs
        self._log_keeper = LogKeeper(keep, self._store_of) if keep else None
        self._observation = Observation()
        self._forget_tasks = add_tasks(app, self._runtimes, self._observation)
        app.steps["worker"].update((self._step(), ExitedChildren))
        app.steps["consumer"].add(RestartBackoff)
        if app.events.dispatcher_cls == Events.dispatcher_cls:
            app.events.dispatcher_cls = UNRETRIED
        if exclusive:
            app.conf.worker_consumer = FleetConsumer
        form = servers[0][0].log_format or ("text" if exclusive else None)
        self._log_format = None if form is None else LogFormat(form)
        signals.worker_process_init.connect(self._begin_child, weak=False)
        signals.worker_process_shutdown.connect(self._end_child, weak=False)
        signals.task_revoked.connect(self._revoked, weak=False)
        if len(self.shards) > 1:
            serve_shards(app, self.shards)

    def _begin_child(self, sender: str | None, **_: Any) -> None:
        # A child that was spawned begins without what its parent has learned.
        self._begin_process(sender or self.shards[0].runtime.worker)

    def _begin_process(self, name: str) -> None:
        """This process is part of the worker of this name, and its logging is set up."""
        name_worker(name)
        logs.Worker.name = name
        for shard in self.shards:
            shard.runtime.worker = name
        self._runtimes.choose_again()
        _print_whole_lines()
        if self._log_keeper is not None:
            self._log_keeper.attach()

    def _end_child(self, **_: Any) -> None:
        for shard in self.shards:
            shard.runtime.tally.flush()
        if self._log_keeper is not None:
            self._log_keeper.flush()
        flush_spans(self._traces)

    def _store_of(self, job_id: str) -> Store:
        return self._runtimes.of(job_id).probe

    def _revoked(self, sender: Any, request: Any, terminated: bool, **_: Any) -> None:
        # Celery ends a worker's tasks in the same way.
        revoked = request.id in state.revoked
        if revoked and getattr(sender, "runtimes", None) is self._runtimes:
            cancel_revoked(self._runtimes, sender.name, request, terminated=terminated)

    def close(self) -> None:
        """Give back what the process has for the app, after its worker has ended."""
        self._forget_tasks()
        if self._log_format is not None:
            self._log_format.close()
        signals.worker_process_init.disconnect(self._begin_child)
        signals.worker_process_shutdown.disconnect(self._end_child)
        signals.task_revoked.disconnect(self._revoked)
        if self._log_keeper is not None:
            self._log_keeper.detach()
        for shard in self.shards:
            shard.close()

    def _step(self) -> type[bootsteps.StartStopStep]:
        shards, observation, begin_process = self.shards, self._observation, self._begin_process
        settings = self._settings

        class FlowForgeStep(bootsteps.StartStopStep):
            """Checks the servers before the pool starts, then keeps their jobs up."""

            requires = ("celery.worker.components:Pool",)

            def __init__(self, worker: Any, **options: Any) -> None:
                super().__init__(worker, **options)
                self.started = False
                begin_process(worker.hostname)
                for shard in shards:
                    _check_at_start(worker, shard, alone=len(shards) == 1)

            def start(self, worker: Any) -> None:
                self.started = True
                # Celery redirects what this process prints after the step was made.
                _print_whole_lines()
                defer_signals(worker)
                observation.begin(worker)
                if isinstance(worker, WorkerProgram):
                    warn_without_routines()
                    warn_of_unknown_variables()
                for shard in shards:
                    shard.start(worker)
                self.end_metrics = serve_metrics(worker, settings, shards)
                # Celery's consumer knows the tasks of its start only; classes may come later. Those
                # that are known have tasks by now: to refresh all of them for each would take
                # minutes with a thousand.
                self.forget = registry.on_register(lambda cls: _refresh(worker), later_only=True)

            def stop(self, worker: Any) -> None:
                if self.started:
                    self.started = False
                    self.forget()
                    self.end_metrics()
                    for shard in shards:
                        shard.stop()

            def terminate(self, parent: Any) -> None:
                self.stop(parent)

        return FlowForgeStep


def _print_whole_lines() -> None:
    """What handlers print reaches Celery's redirection, if there is one, in whole lines."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, LoggingProxy):
            setattr(sys, name, WholeLines(stream))


def _check_at_start(worker: Any, shard: Shard, *, alone: bool) -> None:
    try:
        _check(shard, alone=alone)
    except FlowForgeError as error:
        if isinstance(worker, WorkerProgram):
            raise cannot_start(error) from None
        raise


def _check(shard: Shard, *, alone: bool) -> None:
    """Refuse an unfit server; one of several that is away is served when it comes back."""
    try:
        check_server(shard.probe.link)
    except StoreUnavailableError as error:
        if not alone:
            logger.warning("%s; going on without it until it does", error)
            return
        if is_final(error.__cause__):
            raise
        logger.warning("%s; still trying for %d s", error, WORKER_PATIENCE)
        check_server(shard.store.link)


def _refresh(worker: Any) -> None:
    if worker.consumer is not None:
        worker.consumer.update_strategies()
