"""What producers hold: submitting jobs, controlling them, waiting for them."""

from __future__ import annotations

import shlex
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from celery import Celery

from flowforge.broker.routing import Router
from flowforge.engine.control import Control
from flowforge.engine.expectations import JobExpectations
from flowforge.engine.explain.job_findings import explain
from flowforge.engine.limit_home import LimitHome
from flowforge.engine.limits import LimitControl
from flowforge.engine.mending.breakpoints import JobBreakpoints
from flowforge.engine.mending.fork import Forks
from flowforge.engine.mending.mending import Mending
from flowforge.engine.mending.rerun import prepare_rerun, rerun
from flowforge.engine.progress import progress
from flowforge.engine.submission.job_items import Item, Submitted, checked_key, items
from flowforge.engine.submission.job_keys import JobKeys
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.engine.submission.sending import sending
from flowforge.engine.submission.submit import Again, JobCreator
from flowforge.engine.waiting.events import events
from flowforge.engine.waiting.wait import wait_for
from flowforge.errors import (
    CommandRefusedError,
    ConfigurationError,
    DefinitionError,
    StoreUnavailableError,
)
from flowforge.model.definition import Definition
from flowforge.model.flow import FlowGraph
from flowforge.model.jobs.job_event import JobEvent
from flowforge.model.jobs.job_finding import JobFinding
from flowforge.model.jobs.job_progress import JobProgress
from flowforge.model.jobs.labels import labels_text
from flowforge.model.jobs.status import JobStatus
from flowforge.model.times.debounce import Debounce, WhenRunning
from flowforge.model.times.start import Delay, Start
from flowforge.settings import Settings
from flowforge.store.fleet_reads.error_groups import ErrorGroups
from flowforge.store.fleet_reads.finding import Finder
from flowforge.store.fleet_reads.overview import Overview
from flowforge.store.fleet_reads.schedules import ScheduleReader
from flowforge.store.fleet_reads.throughput import Throughput
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.job_reads.work_places import PlaceReader
from flowforge.store.server.client import make_client
from flowforge.store.server.link import ServerLink
from flowforge.store.server.outage import Outage, outage_of
from flowforge.store.store import Store

#: Seconds that a producer keeps trying before it reports the server as unreachable.
PRODUCER_PATIENCE = 5.0


class Submitter(ABC):
    """What jobs are submitted to: the engine of one server, or the engines of several."""

    app: Celery
    settings: Settings
    #: Whether this process has started the server, and ends it.
    own_server = False
    #: Whether no worker can be there, so that its jobs go on in a later process.
    idle = False
    #: Where limits count, with all jobs that have any.
    limit_home: LimitHome[Engine]

    def submit(
        self,
        template: JobTemplate,
        params: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
        start: Start | None = None,
    ) -> str:
        """Create a job; returns its id, or that of the earlier job with the same key."""
        return self.submit_one(template, params, idempotency_key, labels, start).job_id

    def submit_one(
        self,
        template: JobTemplate,
        params: dict[str, Any] | None = None,
        idempotency_key: str | None = None,
        labels: Mapping[str, str] | None = None,
        start: Start | None = None,
        keys: JobKeys | None = None,
    ) -> Submitted:
        """Create a job, or find an earlier one by a key. ``start``: None: at once."""
        key = checked_key("idempotency_key", idempotency_key)
        start = start if keys is None else keys.start(start)
        item = Item(params, key, labels=labels_text(labels), start=start, keys=keys)
        with sending(self.settings.traces, template) as (traced, tell):
            ((submitted,),) = self.submit_items(traced, iter([item]))
            tell([submitted])
        return submitted

    def submit_many(
        self,
        template: JobTemplate,
        params: Iterable[dict[str, Any] | None],
        idempotency_keys: Iterable[str | None] | None = None,
        labels: Mapping[str, str] | Iterable[Mapping[str, str] | None] | None = None,
        delay: Delay | Iterable[Delay | None] | None = None,
        at: datetime | Iterable[datetime | None] | None = None,
        debounce: Debounce | Iterable[Debounce | None] | None = None,
        single: str | Iterable[str | None] | None = None,
        when_running: WhenRunning = "skip",
    ) -> Iterator[list[Submitted]]:
        """Create a job for each of the ``params``, chunk by chunk.

        A chunk is created as a whole or not at all. With a key the job is the earlier one with the
        same key, if there is one.

        A note on whatever is raised says how many jobs had been created before.
        """
        created = 0
        jobs = items(
            params, idempotency_keys, labels, delay, at, debounce, single, when_running
        )  # fmt: skip
        try:
            with sending(self.settings.traces, template) as (traced, tell):
                for chunk in self.submit_items(traced, jobs):
                    created += len(chunk)
                    tell(chunk)
                    yield chunk
        except Exception as error:
            error.add_note(f"{created} jobs had been submitted before")
            raise

    @abstractmethod
    def submit_items(
        self, template: JobTemplate, jobs: Iterator[Item]
    ) -> Iterator[list[Submitted]]:
        """Create the ``jobs`` chunk by chunk, as ``submit_many`` says."""

    @property
    @abstractmethod
    def each(self) -> Sequence[Engine]:
        """The engine of every server."""

    @abstractmethod
    def of(self, job_id: str) -> Engine:
        """The engine of the server on which a job lives; any of them when there is no such job."""

    @abstractmethod
    def home(self, definition: Definition, entry: str, item: Item) -> Engine:
        """The engine that a new job of a flow and entry goes to."""

    def close(self) -> None:
        """Release the connections."""
        for engine in self.each:
            engine.link.close()
            engine.probe.close()
            engine.client.close()


class Engine(Submitter):
    """Submits to and controls one fleet."""

    def __init__(self, settings: Settings, app: Celery) -> None:
        if settings.redis_url is None:
            raise ConfigurationError("an engine needs settings.redis_url")
        self.settings = settings
        self.app = app
        self.client = make_client(settings.redis_url)
        self.link = ServerLink(self.client, PRODUCER_PATIENCE)
        #: Tries nothing twice.
        self.probe = ServerLink(self.client, patience=0.0)
        self.store = Store(self.link, settings.prefix)
        self.inspector = Inspector(self.store)
        self.overview = Overview(self.store)
        self.error_groups = ErrorGroups(self.store)
        self.finder = Finder(self.store)
        self.schedules = ScheduleReader(self.store)
        self.throughput = Throughput(self.store)
        self.places = PlaceReader(self.store)
        self.limit_home = LimitHome({self: self.store})
        self._creator = JobCreator(
            self.store, settings, Router(app), self.on_submit, self.check_server
        )
        self.child_job = self._creator.child_job
        self.prepare = self._creator.prepare
        control = Control(self.store, self.inspector, settings)
        self.pause, self.resume, self.cancel = control.pause, control.resume, control.cancel
        self.note, self.annotate = control.note, control.annotate
        self.label, self.delete = control.label, control.delete
        self.mending = Mending(self.store, self.inspector, settings, control)
        self.retry = self.mending.retry
        self.breakpoints = JobBreakpoints(self.store, self.inspector)
        self.expectations = JobExpectations(self.store, self.inspector, settings)
        self.limits = LimitControl(self.store)
        self.forks = Forks(self.store, self.inspector, settings, self._creator)
        self.fork = self.forks.fork

    def rerun(
        self, job_id: str, params: dict[str, Any] | None, definition: str,
        new_params: bool = False,
    ) -> str:  # fmt: skip
        """Create a job like another one of this server; returns its id."""
        found = prepare_rerun(
            self.store, self.inspector, self.finder, job_id, params, definition, new_params
        )
        return rerun(self.inspector, self._creator, found, self.settings.traces)

    def check_rerun(
        self, job_id: str, params: dict[str, Any] | None, definition: str, new_params: bool
    ) -> None:
        """Raise what ``rerun`` would raise, as far as it can be known before."""
        prepare_rerun(
            self.store, self.inspector, self.finder, job_id, params, definition, new_params
        )

    @property
    def each(self) -> Sequence[Engine]:
        return (self,)

    def of(self, job_id: str) -> Engine:
        return self

    def home(self, definition: Definition, entry: str, item: Item) -> Engine:
        return self

    def create_again(self, again: Again, item: Item, trace: bytes) -> Submitted:
        """Create a job of a definition in the store, for ``flow_start``."""
        return self._creator.create_again(again, item, trace)

    def on_submit(self, flow: FlowGraph) -> None:
        """Jobs of this flow are about to be created; a subclass may have something to say."""

    def check_server(self, definition: Definition) -> None:
        """DefinitionError for a job with limits on another server than theirs."""
        if not definition.has_limits:
            return
        home = self.limit_home.find()
        if home is not self:
            raise DefinitionError(
                f"flow {definition.flow_id!r} has limits, and all jobs with limits live on the "
                f"server {home.store.server_name!r}, where limits count: it cannot be started on "
                f"the server {self.store.server_name!r}. Of a child job: give the flow that starts "
                "it a limit as well, then its jobs live there too. Of a schedule: remove it, and "
                "save it again"
            )

    def outage(self) -> Outage | None:
        """Why the server takes no writes now, by one try; None when it does, or when this user
        has no right to write.
        """
        found = self._refusal()
        if found is not None and not found.answered:
            # A connection that was kept may have been closed meanwhile; a new one says how it is.
            self.probe.close()
            found = self._refusal()
        return found

    def _refusal(self) -> Outage | None:
        try:
            Store(self.probe, self.settings.prefix).check_writes()
        except StoreUnavailableError as error:
            return outage_of(error.__cause__)
        except CommandRefusedError:
            return None
        return None

    def worker_command(self, queue: str) -> str:
        """How a worker is started that serves a queue."""
        return f"flowforge worker -Q {shlex.quote(queue)}"

    def explain(self, job_id: str) -> list[JobFinding]:
        """What runs of the job, what waits and for what; JobNotFoundError."""
        return explain(self, job_id)

    def submit_items(
        self, template: JobTemplate, jobs: Iterator[Item]
    ) -> Iterator[list[Submitted]]:
        return self._creator.create(template, jobs)

    def wait(
        self, job_id: str, timeout: float | None = None, *, explains: bool = True
    ) -> JobStatus:
        """Block until the job has ended, or is paused with nothing running; returns the status.

        Outlives outages of the server, with a warning in the log. Raises TimeoutError after
        ``timeout`` seconds, which with ``explains`` says why the job does not go on;
        JobNotFoundError when there is no such job, LoginRefusedError when the server lets this
        process in no more.
        """
        return wait_for(self, job_id, timeout, explains=explains)

    def progress(self, job_id: str) -> JobProgress:
        """How far a job is; JobNotFoundError."""
        return progress(self, job_id)

    def events(
        self, job_id: str, since: str | None, until_end: bool, timeout: float | None
    ) -> Iterator[JobEvent]:
        """As ``JobState.events`` says."""
        return events(self, job_id, since, until_end, timeout)
