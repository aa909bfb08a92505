"""Controlling jobs: pause, resume, cancel and retry them, and write to what is kept of them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, NoReturn

from flowforge.codec.binary import encode_payload
from flowforge.engine.operator_name import operator_name
from flowforge.engine.texts import checked_text
from flowforge.engine.undo_texts import not_retried
from flowforge.errors import (
    CorruptRecordError,
    InvalidValueError,
    JobStateError,
    NewerRecordError,
)
from flowforge.execution.late_start import PAUSE_TAKES
from flowforge.model.jobs.labels import MOST_LABELS
from flowforge.model.jobs.status import JobStatus
from flowforge.settings import Settings
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.job_reads.job_rows import job_not_found
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer, AnswerOrStatus


class Control:
    """Changes jobs of one server. Raises JobNotFoundError when there is no such job, JobStateError
    when its status does not allow it.
    """

    def __init__(self, store: Store, inspector: Inspector, settings: Settings) -> None:
        self._store = store
        self._inspector = inspector
        self._settings = settings

    def pause(
        self, job_id: str, reason: str = "", checkpoint: Any = None, by: str | None = None
    ) -> None:
        """After this returns no handler of the job starts, nor of jobs it has started; running ones
        finish. Takes ``PAUSE_TAKES`` longer while any of them runs.
        """
        reason, by = checked_text("reason", reason), operator_name(by)
        given = checkpoint is not None
        if given:
            where = f"checkpoint of job {job_id}"
            encode_payload({"checkpoint": checkpoint}, self._settings.max_payload, where)
        answer = self._store.control.pause(job_id, reason, checkpoint, given, by)
        self._expect_ok(job_id, "pause", answer)
        self._outlast_starts(job_id)

    def resume(self, job_id: str, reason: str = "", by: str | None = None) -> None:
        """Release what was parked. A job that is not paused and has not ended is left alone."""
        reason, by = checked_text("reason", reason), operator_name(by)
        answer = self._store.control.resume(job_id, by, reason)
        if answer not in (JobStatus.PENDING, JobStatus.RUNNING):
            self._expect_ok(job_id, "resume", answer)

    def cancel(
        self, job_id: str, reason: str = "", by: str | None = None, *, undo: bool = False
    ) -> None:
        """End the job for good. ``undo``: what it has committed is compensated."""
        reason, by = checked_text("reason", reason), operator_name(by)
        answer = self._store.control.cancel(job_id, reason, by, undo)
        if answer is Answer.UNDOES:
            raise JobStateError(
                f"cannot cancel job {job_id} with undo: it undoes job "
                f"{self._inspector.undoes(job_id)}; cancelled without, it leaves what is left"
            )
        self._expect_ok(job_id, "cancel", answer)
        self._outlast_starts(job_id)

    def _outlast_starts(self, job_id: str) -> None:
        """Wait until what was claimed before has started, or asks first."""
        if self._inspector.may_be_running(job_id):
            time.sleep(PAUSE_TAKES)

    def retry(
        self, job_id: str, by: str, reason: str, finish_ms: int, edited: Mapping[str, bytes]
    ) -> JobStatus | None:
        """Continue a failed job: its failed invocations with fresh attempts, and what waited.

        Jobs that it has started and that made it fail are retried with it. ``edited``: records that
        its invocations were given for that. Returns the status that does not allow it; None when it
        was done.
        """
        reason = checked_text("reason", reason)
        answer = self._store.control.retry(job_id, by, reason, finish_ms, edited)
        if answer is Answer.CHANGED:
            raise JobStateError(
                f"job {job_id} is not retried: somebody else has edited the same params a moment "
                "after you; history() says who, so look what they are now, then retry again"
            )
        if answer is Answer.ORPHANED:
            raise JobStateError(
                f"job {job_id} cannot be retried: the job that started it was cancelled, which "
                "ended both for good; submit it as a job of its own"
            )
        if answer is Answer.UNDONE:
            raise JobStateError(not_retried(job_id, self._inspector.undo(job_id)))
        if isinstance(answer, JobStatus):
            return answer
        self._expect_ok(job_id, "retry", answer)
        return None

    def note(self, job_id: str, record: bytes) -> None:
        """Add a packed note of the user's own to the job's history."""
        self._expect_ok(job_id, "write to", self._store.control.note(job_id, record))

    def annotate(self, job_id: str, data: dict[str, bytes]) -> None:
        """Keep packed data of the user's own with the job."""
        self._expect_ok(job_id, "write to", self._store.control.annotate(job_id, data))

    def delete(self, job_id: str) -> None:
        """Delete a job that has ended, before its retention has passed."""
        # A request that is sent again because its reply was lost finds no job any more.
        self._inspector.status(job_id)
        answer = self._store.control.delete(job_id)
        if answer is Answer.AWAITED:
            raise JobStateError(
                f"job {job_id} cannot be deleted yet: the job that started it still has to take "
                "its outputs or its error; delete that job first, or wait for it"
            )
        if answer is Answer.UNDOING:
            raise JobStateError(
                f"job {job_id} cannot be deleted yet: what it did is being undone; wait for that, "
                "or cancel the job that does it"
            )
        if isinstance(answer, JobStatus):
            raise JobStateError(
                f"job {job_id} is {answer}; only a job that has ended can be deleted: cancel it "
                "first"
            )
        if answer is not Answer.GONE:
            self._expect_ok(job_id, "delete", answer)

    def label(self, job_id: str, changes: dict[str, str]) -> None:
        """Change labels of the job; an empty value takes one away."""
        answer = self._store.control.label(job_id, changes)
        if answer is Answer.FULL:
            raise InvalidValueError(
                f"job {job_id} would have more than {MOST_LABELS} labels: take one away with None"
            )
        self._expect_ok(job_id, "label", answer)

    def _expect_ok(self, job_id: str, verb: str, answer: AnswerOrStatus) -> None:
        if answer is not Answer.OK:
            refuse_job(job_id, verb, answer)


def refuse_job(job_id: str, verb: str, answer: AnswerOrStatus) -> NoReturn:
    """Raise what an answer about a whole job means."""
    if answer is Answer.GONE:
        raise job_not_found(job_id)
    if answer is Answer.NEWER:
        raise NewerRecordError(
            f"cannot {verb} job {job_id}: a newer FlowForge keeps it; upgrade this process"
        )
    if answer is Answer.UNDEFINED:
        raise CorruptRecordError(
            f"cannot {verb} job {job_id}: its definition is gone from the server; cancel the "
            "job and submit it again"
        )
    if answer is Answer.UNDONE:
        raise JobStateError(
            f"cannot {verb} job {job_id}: it has failed, and what it did is undone; rerun() "
            "submits it again"
        )
    hint = "; retry() continues a failed job" if answer is JobStatus.FAILED else ""
    raise JobStateError(f"cannot {verb} job {job_id}: it is {answer}{hint}")
