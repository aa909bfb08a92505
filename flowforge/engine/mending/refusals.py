"""Why an invocation cannot be mended: where it is instead, and which operator was faster."""

from __future__ import annotations

from collections.abc import Collection
from typing import NoReturn

from flowforge.engine.control import refuse_job
from flowforge.engine.workers import Fleet
from flowforge.errors import JobStateError, RecordError
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.model.jobs.status import JobStatus
from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.store.invocation_reads.invocation_lookup import FoundInvocation, InvocationLookup
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer, AnswerOrStatus

#: Entries of the history among which the latest one of an invocation is looked for.
_LATEST = 1000

#: What operators do to an invocation, and to its whole job, by the kind of the history's entry.
_BY_HAND = {
    "edited": "edited",
    "skipped_by_hand": "skipped",
    "run_now": "made to run",
    "rescheduled": "rescheduled",
    "let_go": "let go",
}
_DONE = ("completed", "error_continued", "skipped")

_CHILD = "it waits for the end of a child job; mend that job, or retry it"
_EXPECTED = (
    "it waits for an answer from outside; flowforge deliver answers it, skip() ends it without, "
    "and reschedule() changes when its time is over"
)
_JOIN = "it is a join, whose handler gets the collected items in place of params; skip() can end it"


class Refusals:
    """Turns the answers of the scripts into errors."""

    def __init__(self, store: Store, inspector: Inspector, lookup: InvocationLookup) -> None:
        self._store = store
        self._inspector = inspector
        self._lookup = lookup

    def refuse(
        self, job_id: str, verb: str, invocation: str | None, answer: AnswerOrStatus
    ) -> NoReturn:
        """Raise what the answer means."""
        if invocation is None:
            refuse_job(job_id, verb, answer)
        if answer in (Answer.GONE, Answer.NEWER, Answer.UNDONE) or _is_status(answer):
            refuse_job(job_id, f"{verb} an invocation of", answer)
        number = InvocationName.parse(invocation).number
        if answer is Answer.DONE:
            raise JobStateError(self.done(job_id, verb, number))
        raise JobStateError(
            _text(job_id, verb, number, self._why(job_id, invocation, answer))
            + self._latest(job_id, number)
        )

    def _why(self, job_id: str, invocation: str, answer: AnswerOrStatus) -> str:
        if answer is Answer.CLAIMED:
            return f"it runs on {self._runner(job_id, invocation)}"
        turn = self._waits_for_turn(job_id) if answer is Answer.PARKED else ""
        if turn:
            return f"it is parked, since {turn}"
        return {
            Answer.QUEUED: "it is queued, and runs when a worker is free; pause the job to keep "
            "it: then it is parked when a worker takes it",
            Answer.STOPPED: "it has stopped at a breakpoint; step() lets it go",
            Answer.PARKED: "it is parked, and on no timer: it runs when the job has room",
            Answer.WAITS: _CHILD,
            Answer.EXPECTS: _EXPECTED,
            Answer.JOIN: _JOIN,
            Answer.CHANGED: "its params are not what they were when they were looked at",
        }[Answer(answer)]

    def _runner(self, job_id: str, invocation: str) -> str:
        owner = self._lookup.owner_of(job_id, invocation)
        worker = None if owner is None else Fleet(self._store).by_mark(owner.mark)
        return "a worker" if worker is None else f"worker {worker.name}"

    def check_editable(self, job_id: str, found: FoundInvocation) -> None:
        """JobStateError for what has no params of its own."""
        named = InvocationName.parse(found.invocation)
        if found.record.startswith(b"J"):
            raise JobStateError(_text(job_id, "edit", named.number, _JOIN))
        if found.expected:
            raise JobStateError(_text(job_id, "edit", named.number, _EXPECTED))
        if named.slot == CHILD_SLOT_INDEX:
            raise JobStateError(_text(job_id, "edit", named.number, _CHILD))

    def done(self, job_id: str, verb: str, number: int) -> str:
        """What became of an invocation that is not outstanding."""
        entry = self._find(job_id, number, (*_BY_HAND, *_DONE))
        if entry is None:
            return _text(
                job_id, verb, number,
                "it is not outstanding: it has ended, or the job has no invocation of this number",
            )  # fmt: skip
        if entry.kind in _BY_HAND:
            return _text(job_id, verb, number, f"it was {_told(entry)}")
        return _text(job_id, verb, number, f"it has ended: {entry.kind} at {_time(entry)}")

    def started(self, job_id: str, verb: str) -> str:
        """Why the start of a job cannot be changed."""
        by_hand = self._find(job_id, 1, ("run_now",))
        told = f"; it was {_told(by_hand)}" if by_hand else ""
        turn = self._waits_for_turn(job_id)
        if turn:
            return f"cannot {verb} job {job_id}: {turn}{told}"
        return f"cannot {verb} job {job_id}: it has started, or was not put off by a delay{told}"

    def _waits_for_turn(self, job_id: str) -> str:
        """That another job has the key; empty where that is not so."""
        turn = self._inspector.turn(job_id)
        if turn is None or turn.holder == job_id:
            return ""
        return (
            f"the job waits for its turn behind job {turn.holder}, which has its key: flowforge "
            f"explain {job_id}"
        )

    def not_stopped(self, job_id: str, number: int) -> str:
        """Why an invocation cannot be let go, and who has let it go."""
        text = f"invocation {number} of job {job_id} has not stopped at a breakpoint, or was let go"
        return text + self._latest(job_id, number)

    def retry(self, job_id: str, status: JobStatus) -> str:
        """Why a job of this status is not retried, and who has retried it."""
        entry = self._find(job_id, None, ("retry",))
        told = f"; it was retried{_by(entry)} at {_time(entry)}" if entry else ""
        return f"job {job_id} is {status}; only a failed job can be retried{told}"

    def _latest(self, job_id: str, number: int) -> str:
        """What operators did to an invocation or to its job, the last time."""
        entry = self._find(job_id, number, _BY_HAND) or self._find(job_id, None, ("retry",))
        if entry is None:
            return ""
        if entry.kind == "retry":
            return f"; the job was retried{_by(entry)} at {_time(entry)}"
        return f"; it was {_told(entry)}"

    def _find(self, job_id: str, number: int | None, kinds: Collection[str]) -> HistoryEntry | None:
        try:
            entries = list(self._inspector.history(job_id, _LATEST))
        except RecordError:
            return None
        return next(
            (e for e in reversed(entries) if e.kind in kinds and e.invocation == number), None
        )


def _is_status(answer: AnswerOrStatus) -> bool:
    return isinstance(answer, JobStatus)


def _text(job_id: str, verb: str, number: int, why: str) -> str:
    return f"cannot {verb} invocation {number} of job {job_id}: {why}"


def _told(entry: HistoryEntry) -> str:
    return f"{_BY_HAND[entry.kind]}{_by(entry)} at {_time(entry)}"


def _by(entry: HistoryEntry) -> str:
    by = entry.details.get("by")
    return f" by {by}" if by else ""


def _time(entry: HistoryEntry) -> str:
    return f"{entry.at:%Y-%m-%d %H:%M:%S} UTC"
