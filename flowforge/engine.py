"""What producers hold: submitting jobs, controlling them, waiting for them."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import redis
from celery import Celery

from flowforge.codec import encode_payload
from flowforge.entry import (
    Entry,
    Item,
    checked_key,
    checked_priority,
    checked_text,
    checked_window,
    items,
    scoped_key,
)
from flowforge.errors import (
    ConfigurationError,
    CorruptRecordError,
    DefinitionError,
    InvalidValueError,
    JobStateError,
    NewerRecordError,
    StoreUnavailableError,
)
from flowforge.execution.delivery import SLOW_START, ChildJob
from flowforge.held_up import check_may_wait, check_timeout, warn_at_import
from flowforge.model.definition import Definition
from flowforge.model.flow import FlowGraph
from flowforge.recent import Recent
from flowforge.settings import Settings
from flowforge.store.link import (
    Argument,
    ServerLink,
    explained,
    make_client,
    raise_explained,
)
from flowforge.store.outage import is_final, is_outage
from flowforge.store.reader import ENDED, Reader, job_not_found
from flowforge.store.store import NewJob, Store, Submission
from flowforge.unserved import overdue
from flowforge.worker.envelope import Router

logger = logging.getLogger(__name__)

#: Seconds that a producer keeps trying before it reports the server as unreachable.
PRODUCER_PATIENCE = 5.0

#: Definitions that a producer keeps in the form in which they are stored, about 100 kB each for 20
#: routines: the most recently submitted ones.
STORED = 128

#: Jobs created by one call of the script, about 3 ms of the server's time.
SUBMIT_CHUNK = 200

#: Bytes of their params, but for the last job's: copying 1 MB takes the server about 2 ms.
SUBMIT_BYTES = 256 * 1024

#: Seconds that a pause or cancel outlasts the claims made before it: handlers that have not started
#: ``SLOW_START`` after they asked for theirs ask again. The rest is what a busy worker needs
#: between its last look at the clock and the handler's first line.
PAUSE_TAKES = 4 * SLOW_START

#: Seconds after which a waiter looks again although nothing was announced: an announcement can be
#: lost when the server restarts.
LOOK_AGAIN = 5.0

#: Seconds that an outage lasts before a waiter's log tells of it.
OUTAGE_TOLD = 5.0


class Submitter(ABC):
    """What jobs are submitted to: the engine of one server, or the engines of several."""

    app: Celery
    settings: Settings

    def submit(
        self,
        flow: FlowGraph,
        entry_routine_id: str,
        entry_params: dict[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        priority: int | None = None,
        max_in_flight: int | None = None,
    ) -> str:
        """Create a job; returns its id, or that of the earlier job with the same key."""
        item = Item(entry_params, checked_key("idempotency_key", idempotency_key))
        ((job_id,),) = self.submit_items(
            flow, entry_routine_id, iter([item]), priority, max_in_flight
        )
        return job_id

    def submit_many(
        self,
        flow: FlowGraph,
        entry_routine_id: str,
        params: Iterable[dict[str, Any] | None],
        *,
        idempotency_keys: Iterable[str | None] | None = None,
        priority: int | None = None,
        max_in_flight: int | None = None,
    ) -> Iterator[list[str]]:
        """Create a job for each of the ``params``, chunk by chunk; yields the ids of each chunk.

        A chunk is created as a whole or not at all. With an idempotency key the id is that of the
        earlier job with the same key, if there is one.

        A note on whatever is raised says how many jobs had been created before.
        """
        created = 0
        jobs = items(params, idempotency_keys)
        try:
            for ids in self.submit_items(flow, entry_routine_id, jobs, priority, max_in_flight):
                created += len(ids)
                yield ids
        except Exception as error:
            error.add_note(f"{created} jobs had been submitted before")
            raise

    @abstractmethod
    def submit_items(
        self,
        flow: FlowGraph,
        entry_routine_id: str,
        jobs: Iterator[Item],
        priority: int | None,
        max_in_flight: int | None,
    ) -> Iterator[list[str]]:
        """Create the ``jobs`` chunk by chunk, as ``submit_many`` says."""

    @property
    @abstractmethod
    def each(self) -> Sequence[Engine]:
        """The engine of every server."""

    @abstractmethod
    def of(self, job_id: str) -> Engine:
        """The engine of the server on which a job lives; any of them when there is no such job."""

    def close(self) -> None:
        """Release the connections."""
        for engine in self.each:
            engine.link.close()
            engine.client.close()


class Engine(Submitter):
    """Submits to and controls one installation."""

    def __init__(self, settings: Settings, app: Celery) -> None:
        if settings.redis_url is None:
            raise ConfigurationError("an engine needs settings.redis_url")
        self.settings = settings
        self.app = app
        self.client = make_client(settings.redis_url)
        self.link = ServerLink(self.client, PRODUCER_PATIENCE)
        self.store = Store(self.link, settings.prefix)
        self.reader = Reader(self.store)
        self._router = Router(app)
        self._stored: Recent[str, tuple[Definition, dict[str, Argument]]] = Recent(STORED)

    @property
    def each(self) -> Sequence[Engine]:
        return (self,)

    def of(self, job_id: str) -> Engine:
        return self

    # --- submitting --------------------------------------------------------------------

    def submit_items(
        self,
        flow: FlowGraph,
        entry_routine_id: str,
        jobs: Iterator[Item],
        priority: int | None,
        max_in_flight: int | None,
    ) -> Iterator[list[str]]:
        common, definition, fields = self._prepare(flow, entry_routine_id, priority, max_in_flight)
        entry = self._entry(definition, common)
        flow_id = definition.flow_id
        while chunk := self._next_chunk(entry, flow_id, jobs):
            ids = self.store.submit(common, chunk, None)
            if ids is None:
                ids = self.store.submit(common, chunk, fields)
            assert ids is not None, "the store asked for a definition that it was given"
            yield ids

    def _next_chunk(self, entry: Entry, flow_id: str, jobs: Iterator[Item]) -> list[NewJob]:
        """As many of the next jobs as one script creates."""
        chunk: list[NewJob] = []
        size = 0
        for item in islice(jobs, SUBMIT_CHUNK):
            job = self._new_job(entry, flow_id, item, "")
            chunk.append(job)
            size += len(job.record)
            if size >= SUBMIT_BYTES:
                break
        ids = self.store.new_job_ids(len(chunk))
        return [job._replace(job_id=job_id) for job, job_id in zip(chunk, ids, strict=True)]

    def child_job(
        self,
        flow: FlowGraph,
        entry_routine_id: str,
        params: dict[str, Any] | None,
        priority: int | None,
        max_in_flight: int | None,
    ) -> ChildJob:
        """A job that the commit of a handler is going to create.

        What is None is that of the job that starts it, ``max_in_flight`` only where the flow has
        none of its own.
        """
        if not isinstance(flow, FlowGraph):
            raise InvalidValueError(f"start takes a Flow to make a job of, not {flow!r:.80}")
        common, definition, fields = self._prepare(flow, entry_routine_id, priority, max_in_flight)
        common = replace(
            common,
            priority=None if priority is None else common.priority,
            window=max_in_flight or definition.max_in_flight,
        )
        entry = self._entry(definition, common)
        (job_id,) = self.store.new_job_ids(1)
        job = self._new_job(entry, definition.flow_id, Item(params), job_id)
        return ChildJob(
            job.job_id,
            [*common.arguments(), job.job_id, job.mode, job.record],
            [part for pair in fields.items() for part in pair],
        )

    def _prepare(
        self,
        flow: FlowGraph,
        entry_routine_id: str,
        priority: int | None,
        max_in_flight: int | None,
    ) -> tuple[Submission, Definition, dict[str, Argument]]:
        slot_name = flow.entry_slot(entry_routine_id)
        entry_routine_id = flow.entry_routine(entry_routine_id)
        definition, fields = self._resolve(flow)
        routine = definition.index(entry_routine_id)
        level = checked_priority(priority)
        settings = self.settings
        common = Submission(
            definition=definition.hash,
            flow_id=definition.flow_id,
            routine=routine,
            slot=definition.slot_names(routine).index(slot_name),
            priority=level,
            suffix=self._router.suffix(level),
            window=checked_window(
                max_in_flight, definition.max_in_flight or settings.max_in_flight
            ),
            keep=max(1, int(settings.retention * 1000)),
            history_limit=settings.history_limit,
            output_limit=settings.output_limit,
            entry=f"{entry_routine_id}.{slot_name}",
        )
        return common, definition, fields

    def _entry(self, definition: Definition, common: Submission) -> Entry:
        return Entry(definition, common.routine, common.slot, self.settings.max_payload)

    def _new_job(self, entry: Entry, flow_id: str, item: Item, job_id: str) -> NewJob:
        mode, record = entry.first(item.params, item.place)
        return NewJob(job_id, mode, record, scoped_key(flow_id, item.key))

    def knows_keys(self, flow_id: str, idempotency_keys: Sequence[str]) -> list[bool]:
        """Whether there are jobs of a flow with these keys on this server."""
        name = self.store.keys.of
        found = self.store.link.many(
            [("EXISTS", name("idempotency", scoped_key(flow_id, key))) for key in idempotency_keys]
        )
        return [bool(count) for count in found]

    def _resolve(self, flow: FlowGraph) -> tuple[Definition, dict[str, Argument]]:
        """The flow with the queue of every routine settled, and how it is stored."""
        plain = flow.definition()
        found = self._stored.get(plain.hash)
        if found is None:
            warn_at_import(plain.flow_id)
            if not plain.routines:
                raise DefinitionError(f"flow {plain.flow_id!r} has no routines: add one first")
            queues = {
                routine.id: self._router.queue(routine.class_name, routine.queue)
                for routine in plain.routines
            }
            resolved = flow.definition(queues)
            found = self._stored.add(plain.hash, (resolved, self._router.fields(resolved)))
        return found

    # --- control -----------------------------------------------------------------------

    def pause(self, job_id: str, reason: str = "", checkpoint: Any = None) -> None:
        """After this returns no handler of the job starts, nor of jobs it has started; running ones
        finish. Takes ``PAUSE_TAKES`` longer while any of them runs.
        """
        reason = checked_text("reason", reason)
        given = checkpoint is not None
        if given:
            where = f"checkpoint of job {job_id}"
            encode_payload({"checkpoint": checkpoint}, self.settings.max_payload, where)
        self._expect_ok(job_id, "pause", self.store.pause(job_id, reason, checkpoint, given))
        self._outlast_starts(job_id)

    def resume(self, job_id: str) -> None:
        """Release what was parked. A job that is not paused and has not ended is left alone."""
        answer = self.store.resume(job_id)
        if answer not in ("pending", "running"):
            self._expect_ok(job_id, "resume", answer)

    def cancel(self, job_id: str, reason: str = "") -> None:
        """End the job for good."""
        answer = self.store.cancel(job_id, checked_text("reason", reason))
        self._expect_ok(job_id, "cancel", answer)
        self._outlast_starts(job_id)

    def _outlast_starts(self, job_id: str) -> None:
        """Wait until what was claimed before has started, or asks first."""
        keys = self.store.keys
        running, children = self.store.link.many(
            [
                ("HGET", keys.of("job", job_id), "running"),
                ("EXISTS", keys.of("children", job_id)),
            ]
        )
        if running not in (None, b"0") or children:
            time.sleep(PAUSE_TAKES)

    def retry(self, job_id: str) -> None:
        """Continue a failed job: its failed invocations with fresh attempts, and what waited.

        Jobs that it has started and that made it fail are retried with it.
        """
        answer = self.store.retry(job_id)
        if answer == "orphaned":
            raise JobStateError(
                f"job {job_id} cannot be retried: the job that started it was cancelled, which "
                "ended both for good; submit it as a job of its own"
            )
        if answer not in ("ok", "gone", "undefined", "newer"):
            raise JobStateError(f"job {job_id} is {answer}; only a failed job can be retried")
        self._expect_ok(job_id, "retry", answer)

    def note(self, job_id: str, record: bytes) -> None:
        """Add a packed note of the user's own to the job's history."""
        self._expect_ok(job_id, "write to", self.store.note(job_id, record))

    def annotate(self, job_id: str, data: dict[str, bytes]) -> None:
        """Keep packed data of the user's own with the job."""
        self._expect_ok(job_id, "write to", self.store.annotate(job_id, data))

    def _expect_ok(self, job_id: str, verb: str, answer: str) -> None:
        if answer == "gone":
            raise job_not_found(job_id)
        if answer == "newer":
            raise NewerRecordError(
                f"cannot {verb} job {job_id}: a newer FlowForge keeps it; upgrade this process"
            )
        if answer == "undefined":
            raise CorruptRecordError(
                f"cannot {verb} job {job_id}: its definition is gone from the server; cancel the "
                "job and submit it again"
            )
        if answer != "ok":
            hint = "; retry() continues a failed job" if answer == "failed" else ""
            raise JobStateError(f"cannot {verb} job {job_id}: it is {answer}{hint}")

    # --- waiting -----------------------------------------------------------------------

    def wait(self, job_id: str, timeout: float | None = None) -> str:
        """Block until the job has ended, or is paused with nothing running; returns the status.

        Outlives outages of the server, with a warning in the log. Raises TimeoutError after
        ``timeout`` seconds, JobNotFoundError when there is no such job, LoginRefusedError when the
        server lets this process in no more.
        """
        check_timeout(timeout)
        check_may_wait(job_id, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        outage = _Outage(job_id)
        while True:
            try:
                return self._wait_on_channel(job_id, deadline, outage)
            except redis.RedisError as error:
                if not is_outage(error):
                    raise_explained(self.client.connection_pool, error)
                outage.lasts(explained(self.client.connection_pool, error))
            except StoreUnavailableError as error:
                if is_final(error.__cause__):
                    raise
                outage.lasts(error)
            # A broken subscription is simply made again.
            _pause_until(deadline, job_id)

    def _wait_on_channel(self, job_id: str, deadline: float | None, outage: _Outage) -> str:
        with self.client.pubsub(ignore_subscribe_messages=True) as channel:  # type: ignore[no-untyped-call]
            channel.subscribe(self.store.keys.of("channel", job_id))
            while True:
                status = self._settled(job_id)
                outage.ended()
                if status is not None:
                    return status
                patience = LOOK_AGAIN
                if deadline is not None:
                    patience = min(patience, deadline - time.monotonic())
                    if patience <= 0:
                        raise TimeoutError(overdue(self, job_id))
                _next_announcement(channel, patience)

    def _settled(self, job_id: str) -> str | None:
        raw_status, running = self.reader.fields(job_id, "status", "running")
        status = "" if raw_status is None else raw_status.decode()
        at_rest = status == "paused" and int(running or 0) == 0
        return status if status in ENDED or at_rest else None


class _Outage:
    """An outage of the server as somebody sees it who waits for a job; told when it lasts."""

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._since: float | None = None
        self._told = False

    def lasts(self, error: Exception) -> None:
        """The server does not answer, or refuses; ``error`` says why."""
        now = time.monotonic()
        self._since = self._since or now
        if not self._told and now - self._since >= OUTAGE_TOLD:
            self._told = True
            logger.warning(
                "waiting for job %s: %s (so for %d s, still trying)",
                self._job_id,
                error,
                now - self._since,
            )

    def ended(self) -> None:
        """The server answered."""
        if self._told:
            logger.warning("waiting for job %s: the Redis server answers again", self._job_id)
        self._since, self._told = None, False


def _next_announcement(channel: Any, patience: float) -> None:
    """Return at the next message, or after ``patience`` seconds."""
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        # The confirmation of the subscription is reported as None as well.
        if channel.get_message(timeout=left) is not None:
            return


def _pause_until(deadline: float | None, job_id: str) -> None:
    if deadline is not None and time.monotonic() >= deadline:
        raise TimeoutError(f"job {job_id}: the Redis server did not answer in time")
    time.sleep(0.2)
