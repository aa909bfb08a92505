"""A live handle of one job: everything it shows is read from the store when it is asked."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from copy import copy, deepcopy
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from flowforge.codec.binary import encode_payload, pack_record, packb
from flowforge.codec.jsonable import from_jsonable, to_jsonable
from flowforge.common.bounded_repr import shown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.engine.entry import checked_text
from flowforge.engine.failures import child_error, told_reason
from flowforge.errors import (
    InvalidValueError,
    JobCancelledError,
    JobFailedError,
    JobPausedError,
    PayloadError,
    RecordError,
)
from flowforge.model.status import JobStatus, RoutineStatus
from flowforge.store.history import HistoryEntry
from flowforge.store.open_joins import OpenJoin
from flowforge.store.outputs import Output
from flowforge.store.routine_states import ENGINE_KEPT

#: Version of the serialized snapshot.
SNAPSHOT_VERSION = 1


class JobState:
    """One job of a flow, by its id. Every property is a fresh look at the store.

    JobNotFoundError is raised by whatever is asked once the job's retention has passed.
    """

    def __init__(self, job_id: str, engine: Engine | None = None) -> None:
        if not isinstance(job_id, str):
            raise InvalidValueError(f"a job's id is text, not {shown(job_id)}")
        self.job_id = checked_text("a job's id", job_id)
        if engine is not None:
            self._engine = engine

    @cached_property
    def _engine(self) -> Engine:
        # With the first question: a handle can be read from a pickle where nothing is configured.
        return current_engine().of(self.job_id)

    @classmethod
    def get(cls, job_id: str) -> Self:
        """The handle of an existing job; JobNotFoundError when there is none."""
        job = cls(job_id)
        job._engine.inspector.status(job_id)
        return job

    @classmethod
    def find(cls, status: str | None = None, limit: int = 50) -> list[Self]:
        """The newest jobs, of one status or of all, at most ``limit``.

        ValueError for an unknown status, and a limit below 0.
        """
        if status is not None and status not in list(JobStatus):
            raise InvalidValueError(
                f"unknown job status {shown(status)}; known: {', '.join(JobStatus)}"
            )
        _check_limit(limit)
        found = [
            (created, job_id, engine)
            for engine in current_engine().each
            for job_id, created in engine.overview.newest(status, limit)
        ]
        found.sort(key=lambda one: one[:2], reverse=True)
        return [cls(job_id, engine) for _, job_id, engine in found[:limit]]

    def __repr__(self) -> str:
        return f"JobState({self.job_id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # What reads it elsewhere looks the job up on the servers of its own process.
        return _unpickled, (type(self), self.job_id, self.snapshot)

    def __copy__(self) -> Self:
        copied = type(self)(self.job_id, self._engine)
        copied.snapshot = self.snapshot
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = copy(self)
        copied.snapshot = deepcopy(self.snapshot, memo)
        return copied

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobState) and other.job_id == self.job_id

    def __hash__(self) -> int:
        return hash(self.job_id)

    # --- the job -----------------------------------------------------------------------

    @property
    def flow_id(self) -> str:
        return self._engine.inspector.flow_id(self.job_id)

    @property
    def status(self) -> str:
        """``pending``, ``running``, ``paused``, ``completed``, ``failed`` or ``cancelled``."""
        return self._engine.inspector.status(self.job_id)

    @property
    def reason(self) -> str | None:
        """Why the job was paused, cancelled or failed; None otherwise."""
        return self._engine.inspector.reason(self.job_id)

    @property
    def error(self) -> dict[str, Any] | None:
        """What failed the job: type, message, traceback, routine_id, invocation; None otherwise."""
        return self._engine.inspector.error(self.job_id)

    @property
    def created_at(self) -> datetime:
        return self._engine.inspector.created_at(self.job_id)

    @property
    def updated_at(self) -> datetime:
        return self._engine.inspector.updated_at(self.job_id)

    @property
    def counts(self) -> dict[str, int]:
        """Invocations now queued, running, waiting with the job, on timers, and not yet numbered.

        ``staged``: emissions of committed handlers that become invocations when there is room. Of a
        failed job all that was queued waits for its retry; of a cancelled one nothing is left but
        handlers that still run, whose commits are refused.
        """
        return self._engine.inspector.counts(self.job_id)

    @property
    def pause_points(self) -> list[dict[str, Any]]:
        """Every pause: ``at``, ``reason``, ``checkpoint``."""
        return self._engine.inspector.pauses(self.job_id)

    @property
    def outputs(self) -> list[Output]:
        """What reached no slot, in store order; capped by ``output_limit``."""
        return self._engine.inspector.outputs(self.job_id)

    def result(self, timeout: float | None = None) -> list[Output]:
        """Wait for the end and return the outputs.

        Raises JobFailedError, JobCancelledError or JobPausedError with the reason; TimeoutError and
        WouldBlockError as ``wait`` does.
        """
        status = self._engine.wait(self.job_id, timeout)
        if status == "completed":
            return self.outputs
        why = told_reason(self._engine.inspector, self.job_id)
        if status == "failed":
            raise JobFailedError(f"job {self.job_id} failed: {why}")
        if status == "cancelled":
            raise JobCancelledError(f"job {self.job_id} was cancelled: {why}")
        raise JobPausedError(f"job {self.job_id} is paused: {why}; resume() continues it")

    def wait(self, timeout: float | None = None) -> Self:
        """Block until the job has ended, or is paused with nothing running.

        Outlives outages of the server, with a warning in the log. Raises TimeoutError after
        ``timeout`` seconds, which says when no worker serves the job's queues. WouldBlockError in a
        handler or Celery task without a timeout, and while a worker imports the calling module.
        """
        self._engine.wait(self.job_id, timeout)
        return self

    # --- control -----------------------------------------------------------------------

    def pause(self, reason: str = "", checkpoint: Any = None) -> None:
        """From now on no handler of the job starts; running ones finish. ValueError at the end."""
        self._engine.pause(self.job_id, reason, checkpoint)

    def resume(self) -> None:
        """Release what the pause held back."""
        self._engine.resume(self.job_id)

    def cancel(self, reason: str = "") -> None:
        """End the job for good."""
        self._engine.cancel(self.job_id, reason)

    def retry(self) -> None:
        """Continue a failed job from its failed invocations, with fresh attempts."""
        self._engine.retry(self.job_id)

    # --- routines and history ------------------------------------------------------------

    @property
    def routine_states(self) -> dict[str, dict[str, Any]]:
        """State of every routine that ran: status, counters, stats, times, and data given to it."""
        return self._engine.inspector.routine_states(self.job_id)

    def get_routine_state(self, routine_id: str) -> dict[str, Any] | None:
        """State of one routine; None when it has not run. ValueError for an unknown id."""
        self._check_routine(routine_id)
        return self.routine_states.get(routine_id)

    def update_routine_state(self, routine_id: str, data: dict[str, Any]) -> None:
        """Keep data of your own with a routine; keys that exist are replaced.

        ValueError for what the engine keeps itself (counters, stats and times). A ``status``, one
        of ``RoutineStatus``, is shown in place of the engine's own.
        """
        where = f"state of {routine_id!r}"
        _check_data(where, data)
        refused = sorted(ENGINE_KEPT & set(data))
        if refused:
            raise InvalidValueError(
                f"{where}: {', '.join(refused)} is kept by the engine itself; choose another name"
            )
        status = data.get("status", RoutineStatus.PENDING)
        if status not in list(RoutineStatus):
            known = ", ".join(RoutineStatus)
            raise InvalidValueError(f"{where}: unknown status {shown(status)}; known: {known}")
        self._check_routine(routine_id)
        encode_payload(data, self._engine.settings.max_payload, where)
        named = {f"{routine_id}\x00{name}": packb(value) for name, value in data.items()}
        self._engine.annotate(self.job_id, named)

    def get_execution_history(self, routine_id: str | None = None) -> list[HistoryEntry]:
        """What happened, in the store's order; of one routine or of all."""
        if routine_id is not None:
            self._check_routine(routine_id)
        entries: Iterable[HistoryEntry] = self._engine.inspector.history(self.job_id)
        return [e for e in entries if routine_id is None or _concerns(e, routine_id)]

    def record_execution(
        self, routine_id: str, event_name: str, data: dict[str, Any] | None = None
    ) -> None:
        """Add a note of your own to the history."""
        data = {} if data is None else data
        _check_data("data of record_execution", data)
        checked_text("event_name of record_execution", event_name)
        self._check_routine(routine_id)
        encode_payload(data, self._engine.settings.max_payload, "record_execution")
        record = pack_record(routine_id, event_name, data)
        self._engine.note(self.job_id, record)

    @property
    def open_joins(self) -> list[OpenJoin]:
        """Joins that have items and have not fired."""
        return self._engine.inspector.open_joins(self.job_id)

    # --- snapshots ---------------------------------------------------------------------

    def serialize(self) -> dict[str, Any]:
        """A JSON-able snapshot of everything. The store stays the truth."""
        snapshot = {
            "job_id": self.job_id,
            "flow_id": self.flow_id,
            "status": self.status,
            "reason": self.reason,
            "error": self.error,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "counts": self.counts,
            "routine_states": self.routine_states,
            "pause_points": self.pause_points,
            "outputs": [vars(output) for output in self.outputs],
            "history": [vars(entry) for entry in self.get_execution_history()],
        }
        encoded: dict[str, Any] = to_jsonable(snapshot)
        return {"version": SNAPSHOT_VERSION, **encoded}

    @classmethod
    def deserialize(cls, data: Any) -> Self:
        """The live handle of the job of a snapshot, with the snapshot as ``snapshot``."""
        if not isinstance(data, dict) or not isinstance(data.get("job_id"), str):
            raise RecordError("this is no snapshot of a job: it has no job_id")
        if data.get("version", 0) > SNAPSHOT_VERSION:
            raise RecordError(
                f"the snapshot has version {shown(data['version'])}, this process reads up to "
                f"{SNAPSHOT_VERSION}: upgrade FlowForge here"
            )
        job = cls(data["job_id"])
        job.snapshot = from_jsonable({k: v for k, v in data.items() if k != "version"})
        return job

    #: What ``deserialize`` or ``load`` read; None on a handle made otherwise.
    snapshot: dict[str, Any] | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the snapshot as JSON; folders that are missing are made."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_text(json.dumps(self.serialize(), indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read what ``save`` wrote; RecordError when it is no snapshot."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
        except ValueError as error:
            raise RecordError(f"{os.fspath(path)} is no snapshot of a job: {error}") from error
        return cls.deserialize(data)

    # --- inside ------------------------------------------------------------------------

    def _check_routine(self, routine_id: str) -> None:
        self._engine.inspector.definition(self.job_id).index(routine_id)


def _unpickled(cls: type[JobState], job_id: str, snapshot: dict[str, Any] | None) -> JobState:
    job = cls(job_id)
    job.snapshot = snapshot
    return job


class Producer:
    """What handlers get of the engine: handles of jobs, and jobs of their own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.child_job = engine.child_job

    def child_outputs(self, job_id: str) -> list[dict[str, Any]]:
        """The outputs of a completed job; ChildJobError when it has ended otherwise."""
        job = self.job(job_id)
        status = job.status
        if status != "completed":
            raise child_error(job._engine.inspector, job_id, status)
        return [
            {"routine_id": one.routine_id, "event": one.event, "params": one.params}
            for one in job.outputs
        ]

    def job(self, job_id: str) -> JobState:
        return JobState(job_id, self._engine)


def _check_limit(limit: object) -> None:
    if isinstance(limit, bool) or not isinstance(limit, int) or limit < 0:
        raise InvalidValueError(f"limit must be a whole number, 0 or more, not {shown(limit)}")


def _check_data(where: str, data: object) -> None:
    if not isinstance(data, dict) or not all(isinstance(name, str) for name in data):
        raise PayloadError(f"{where} must be a dict with text keys, not {shown(data)}")


def _concerns(entry: HistoryEntry, routine_id: str) -> bool:
    return routine_id in (entry.routine_id, entry.details.get("routine_id"))
