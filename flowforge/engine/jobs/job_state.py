"""A live handle of one job: everything it shows is read from the store when it is asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, Self

from flowforge.common.bounded_repr import shown
from flowforge.engine.current import current_engine
from flowforge.engine.failures import job_failed, told_reason
from flowforge.engine.finding.error_groups import error_groups
from flowforge.engine.finding.find import JobSearch, find, job_with_key
from flowforge.engine.finding.flow_counts import flow_counts
from flowforge.engine.jobs import job_snapshot
from flowforge.engine.jobs.job_debugging import JobDebugging
from flowforge.engine.submission.job_items import checked_key
from flowforge.engine.texts import checked_text
from flowforge.errors import (
    InvalidValueError,
    JobCancelledError,
    JobPausedError,
)
from flowforge.model.jobs.error_group import ErrorGroup
from flowforge.model.jobs.job_finding import JobFinding
from flowforge.model.jobs.job_handle import Output
from flowforge.model.jobs.labels import check_labels, label_changes
from flowforge.model.jobs.status import JobStatus
from flowforge.model.jobs.undo import Undo
from flowforge.model.times.start import Delay, timeout_ms
from flowforge.store.fleet_reads.finding import Query

#: Jobs of a page, unless a limit is given.
_PAGE = 50


class JobState(JobDebugging):
    """One job of a flow, by its id. Every property is a fresh look at the store.

    JobNotFoundError is raised by whatever is asked once the job's retention has passed.
    """

    @classmethod
    def by_key(cls, flow_id: str, idempotency_key: str) -> Self:
        """The job of a flow with this idempotency key; JobNotFoundError when there is none."""
        checked_text("flow_id", flow_id)
        if checked_key("idempotency_key", idempotency_key) is None:
            raise InvalidValueError("idempotency_key must be text, not None")
        job_id, engine = job_with_key(current_engine().each, flow_id, idempotency_key)
        return cls(job_id, engine)

    @classmethod
    def find(
        cls,
        status: str | None = None,
        limit: int | None = None,
        *,
        flow: str | None = None,
        labels: Mapping[str, str] | None = None,
        since: datetime | timedelta | None = None,
        until: datetime | timedelta | None = None,
        text: str | None = None,
        error: str | None = None,
        parent: str | None = None,
        cursor: str | None = None,
    ) -> JobPage:
        """The newest jobs that fit, at most ``limit`` (None: 50); a list with a ``cursor``.

        ``flow``: a flow id. ``labels``: the job has all of them. ``since`` and ``until``: when it
        was created, as aware datetimes or as timedeltas before now. ``text``: is in its id, flow
        id, reason, error or idempotency key, in any case of ASCII letters. ``error``: the id of a
        group of ``error_groups``: jobs that have failed for it. ``parent``: the id of a job whose
        handlers have started it, also if that does not wait for it; of the latest 10,000.
        ``cursor``: of the page before; jobs that come and go change nothing of the pages behind it.

        A call passes over about 1,000 jobs that do not fit, and then returns what it has found: the
        page's ``looked_to`` says how far it has come, and its ``cursor`` goes on from there.

        ValueError for an unknown status, a limit below 0, and what is no label, time, group or
        cursor.
        """
        _check_limit(_PAGE if limit is None else limit)
        query = Query(
            flow, status, check_labels(labels), since, until, text, cursor, error, parent
        )  # fmt: skip
        found = find(current_engine().each, query, _PAGE if limit is None else limit)
        jobs = (cls(one.job_id, engine) for one, engine in found.jobs)
        looked_to = None if found.looked_to is None else found.looked_to.moment
        return JobPage(jobs, found.cursor, looked_to, JobSearch(query, limit))

    @classmethod
    def error_groups(
        cls,
        flow: str | None = None,
        since: datetime | timedelta | None = None,
        limit: int = 50,
    ) -> list[ErrorGroup]:
        """What fails, by its cause, the most frequent first, at most ``limit``.

        ``since``: only causes of which there was an error since then (an aware datetime, or how
        long ago); their counts go further back. A group is kept for 7 days after its latest error.
        ValueError for a limit below 0 and a time without a zone.
        """
        _check_limit(limit)
        return error_groups(current_engine().each, flow, since, limit)

    @classmethod
    def flow_counts(cls) -> dict[str, dict[str, int]]:
        """How many jobs each flow has, by its id, for each status.

        Jobs that a release without indexes of flows has created are not counted.
        """
        return flow_counts(current_engine().each)

    # --- the job -----------------------------------------------------------------------

    @property
    def flow_id(self) -> str:
        """The id of the flow that it runs."""
        return self._engine.inspector.flow_id(self.job_id)

    @property
    def status(self) -> str:
        """``pending``, ``running``, ``paused``, ``completed``, ``failed`` or ``cancelled``."""
        return self._engine.inspector.status(self.job_id).value

    @property
    def params(self) -> dict[str, Any] | None:
        """The params that it was submitted with; secret ones are ``***``.

        None where they are not kept: they have more than 8 KiB, the job is a fork, or a former
        release created it.
        """
        return self._engine.inspector.params(self.job_id)

    @property
    def labels(self) -> dict[str, str]:
        """Its labels: those that it was submitted with, as ``label`` has changed them."""
        return self._engine.inspector.labels(self.job_id)

    @property
    def reason(self) -> str | None:
        """Why the job was paused, cancelled or failed; None otherwise."""
        return self._engine.inspector.reason(self.job_id)

    @property
    def error(self) -> dict[str, Any] | None:
        """What failed the job; None otherwise.

        A dict with ``type`` and ``message``; for the failure of a handler also ``routine_id``,
        ``slot``, ``invocation``, ``attempt``, ``traceback`` and ``at`` (file, line and function of
        your own code); where a child job failed, ``root``: the job at whose failure it began.
        """
        return self._engine.inspector.error(self.job_id)

    @property
    def undo(self) -> Undo | None:
        """How far what the job did is undone; None for a job of which nothing is to be undone.

        ``status``: ``waiting`` (for handlers that still run), ``running``, ``failed``, ``done``,
        ``cancelled``, ``nothing`` (there was nothing to undo) or ``lost``; ``job_id``: the job that
        makes the compensations, one at a time; ``left``: those that are not made yet.
        """
        return self._engine.inspector.undo(self.job_id)

    @property
    def undoes(self) -> str | None:
        """The id of the job that this job undoes; None for any other job."""
        return self._engine.inspector.undoes(self.job_id)

    @property
    def trace_id(self) -> str | None:
        """The id of the trace in which the job was submitted, as 32 hexadecimal digits.

        None where the producer made no spans. The spans of workers name the job either way.
        """
        return self._engine.inspector.trace_id(self.job_id)

    @property
    def created_at(self) -> datetime:
        """When it was submitted: aware, UTC, by the server's clock."""
        return self._engine.inspector.created_at(self.job_id)

    @property
    def updated_at(self) -> datetime:
        """When its state changed last: aware, UTC, by the server's clock."""
        return self._engine.inspector.updated_at(self.job_id)

    @property
    def counts(self) -> dict[str, int]:
        """Invocations by where they are: ``queued``, ``running``, ``parked``, on ``timers``.

        ``staged``: emissions of committed handlers that become invocations when there is room. What
        was queued of a failed job is ``parked`` until its retry. Of a cancelled job nothing is left
        but handlers that still run, whose commits are refused.
        """
        return self._engine.inspector.counts(self.job_id)

    @property
    def pause_points(self) -> list[dict[str, Any]]:
        """Each pause: ``at``, ``reason``, ``by``, ``checkpoint``; the latest ``history_limit``."""
        return self._engine.inspector.pauses(self.job_id)

    @property
    def outputs(self) -> list[Output]:
        """What reached no slot, in store order; capped by ``output_limit``."""
        return self._engine.inspector.outputs(self.job_id)

    def result(self, timeout: float | None = None) -> list[Output]:
        """Wait for the end and return the outputs.

        Raises JobFailedError, JobCancelledError or JobPausedError with the reason; TimeoutError and
        WouldBlockError as ``wait`` does. The cause of a JobFailedError shows the traceback from the
        worker, also after pickling.
        """
        status = self._engine.wait(self.job_id, timeout)
        if status is JobStatus.COMPLETED:
            return self.outputs
        if status is JobStatus.FAILED:
            raise job_failed(self._engine.inspector, self.job_id)
        why = told_reason(self._engine.inspector, self.job_id)
        if status is JobStatus.CANCELLED:
            raise JobCancelledError(f"job {self.job_id} was cancelled: {why}")
        raise JobPausedError(f"job {self.job_id} is paused: {why}; resume() continues it")

    def explain(self) -> list[JobFinding]:
        """Why the job stands where it does: what keeps it from going on first, then what runs.

        Each finding has ``kind``, ``what`` (a sentence), ``since``, ``until``, ``command`` (what to
        do), ``invocation``, ``routine_id``, ``slot``, ``count`` and ``details``. Of many
        invocations of a kind some are named.
        """
        return self._engine.explain(self.job_id)

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the job has ended, or is paused with nothing running; return this handle.

        Without a timeout it outlives outages of the server, with a warning in the log after 5
        seconds. Raises TimeoutError after ``timeout`` seconds, with the first finding of
        ``explain``; WouldBlockError in a handler or Celery task without a timeout, and while
        a worker imports the calling module; LoginRefusedError; CorruptRecordError for a row that
        cannot be read.
        """
        self._engine.wait(self.job_id, timeout)
        return self

    # --- control -----------------------------------------------------------------------

    def pause(self, reason: str = "", checkpoint: Any = None, *, by: str | None = None) -> None:
        """From now on no handler of the job starts; running ones finish.

        ``checkpoint``: what ``self.checkpoint`` shows to handlers from now on. ``by``: who does it;
        None: ``user@host``, in a handler its routine and job. JobStateError for a job that has
        ended.
        """
        self._engine.pause(self.job_id, reason, checkpoint, by)

    def resume(self, reason: str = "", *, by: str | None = None) -> None:
        """Release what the pause has parked. ``by``: as for ``pause``.

        ``reason`` is for the history. JobStateError for a job that has ended.
        """
        self._engine.resume(self.job_id, reason, by)

    def cancel(self, reason: str = "", *, undo: bool = False, by: str | None = None) -> None:
        """End the job for good: what is queued or parked is dropped, what runs cannot commit.

        ``undo``: what its invocations have committed is undone, by the ``undo`` of their slots; in
        child jobs too. ``by``: as for ``pause``. JobStateError for a job that has ended.
        """
        self._engine.cancel(self.job_id, reason, by, undo=undo)

    def retry(
        self,
        edit: Mapping[int, dict[str, Any]] | None = None,
        *,
        new_params: bool = False,
        reason: str = "",
        by: str | None = None,
        finish_within: Delay | None = None,
    ) -> None:
        """Continue a failed job from its failed invocations, with fresh attempts.

        Child jobs that made it fail are retried with it. ``edit``, ``new_params``: params to change
        before, by the number of the invocation, as ``edit`` does. ``reason`` is for the history,
        and ``by``, as for ``pause``. ``finish_within``: seconds or a timedelta from now in which it
        is to end; None: a deadline that has passed is gone, another one holds on. JobStateError for
        a job of another status.
        """
        ms = timeout_ms("finish_within", finish_within)
        self._engine.retry(self.job_id, edit, by, reason, new_params=new_params, finish_ms=ms)

    def delete(self) -> None:
        """Delete a job that has ended, with all that is kept of it, before its retention is over.

        Its idempotency key is free again. Child jobs that have not ended are cancelled.
        JobStateError for a job that has not ended, and for a child job whose outputs or error its
        parent has not taken yet.
        """
        self._engine.delete(self.job_id)

    def label(self, /, **changes: str | None) -> None:
        """Set labels, also of a job that has ended: ``job.label(stage="paid")``; None removes one.

        ValueError for what is no label, and for a seventeenth one.
        """
        self._engine.label(self.job_id, label_changes(changes))

    # --- snapshots ---------------------------------------------------------------------

    def serialize(self) -> dict[str, Any]:
        """A JSON-able snapshot of everything. The store stays the truth."""
        return job_snapshot.encode(
            {
                "job_id": self.job_id,
                "flow_id": self.flow_id,
                "status": self.status,
                "labels": self.labels,
                "forked_from": self.forked_from,
                "undo": None if (undo := self.undo) is None else vars(undo),
                "undoes": self.undoes,
                "params": self.params,
                "reason": self.reason,
                "error": self.error,
                "trace_id": self.trace_id,
                "created_at": self.created_at,
                "updated_at": self.updated_at,
                "counts": self.counts,
                "routine_states": self.routine_states,
                "pause_points": self.pause_points,
                "outputs": [vars(output) for output in self.outputs],
                "history": [vars(entry) for entry in self.get_execution_history()],
            }
        )

    @classmethod
    def deserialize(cls, data: Any) -> Self:
        """The live handle of the job of a snapshot, with the snapshot as ``snapshot``."""
        snapshot = job_snapshot.decode(data)
        job = cls(snapshot["job_id"])
        job.snapshot = snapshot
        return job

    #: On what ``execute`` returns: whether it has made the job, or has found the earlier one with
    #: the same idempotency key. None on other handles.
    created: bool | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the snapshot as JSON; folders that are missing are made."""
        job_snapshot.write(path, self.serialize())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what ``save`` wrote; RecordError when it is no snapshot."""
        return cls.deserialize(job_snapshot.read(path))


class JobPage(list[JobState]):
    """Jobs that were found. ``cursor``: for the next page; None when there are no more.

    ``looked_to``: when the last job was created that was looked at, if the search has stopped
    before the page was full: an older job may fit. None otherwise.
    """

    def __init__(
        self,
        jobs: Iterable[JobState],
        cursor: str | None,
        looked_to: datetime | None,
        search: JobSearch,
    ) -> None:
        super().__init__(jobs)
        self.cursor = cursor
        self.looked_to = looked_to
        #: For bulk operations, which are about all jobs that it finds.
        self.search = search


def _check_limit(limit: object) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise InvalidValueError(f"limit must be a whole number, 0 or more, not {shown(limit)}")
