"""What the scripts answer: one table of words for each script that answers with words."""

from __future__ import annotations

from enum import StrEnum
from typing import Generic, TypeAlias, TypeVar

from flowforge.common.bounded_repr import shown
from flowforge.errors import CorruptRecordError
from flowforge.model.jobs.status import ENDED, FINAL, JobStatus


class Answer(StrEnum):
    """What became of a request."""

    #: It was met, now or by the same request before.
    OK = "ok"
    #: The invocation is claimed.
    GRANTED = "granted"

    #: There is no such job.
    GONE = "gone"
    #: A later release has written the job, and only that release may change it.
    NEWER = "newer"
    #: The job, or one above it, has ended: nothing of the request counts.
    DROPPED = "dropped"
    #: The job, or one above it, is paused: the invocation is parked.
    PAUSED = "paused"
    #: The job has failed with this request.
    FAILED = "failed"
    #: The definition of the job is not stored any more.
    UNDEFINED = "undefined"
    #: The job that started this one was cancelled.
    ORPHANED = "orphaned"

    #: The claimer is to judge the condition of a breakpoint, and to claim again.
    ASKS = "asks"
    #: The invocation has stopped at a breakpoint.
    STOPPED = "stopped"
    #: A limit is full: the invocation waits for a place there, or has ended for it.
    LIMITED = "limited"
    #: There is nothing of the kind.
    NONE = "none"
    #: There may be more to do: the request is to be made again.
    MORE = "more"

    #: The invocation is not to be claimed: another process has it, or it is done.
    TAKEN = "taken"
    #: The invocation was committed before.
    DONE = "done"
    #: Another claim of the invocation is valid, and this one is not.
    STALE = "stale"
    #: The lease is not renewed: another may run the invocation, or the job is gone.
    LOST = "lost"
    #: What the attempt had staged is not all there.
    INCOMPLETE = "incomplete"

    #: What the job did is compensated, or is going to be.
    UNDONE = "undone"
    #: What the job did is being compensated.
    UNDOING = "undoing"
    #: The job compensates another one, and is not undone itself.
    UNDOES = "undoes"

    #: The job that started this one has not taken its end yet.
    AWAITED = "awaited"
    #: There would be too many: labels of a job, early answers of a slot, jobs that wait for a key,
    #: times of a schedule that wait.
    FULL = "full"

    #: A worker has the invocation.
    CLAIMED = "claimed"
    #: The invocation is in the broker.
    QUEUED = "queued"
    #: The invocation is parked.
    PARKED = "parked"
    #: The invocation waits for a child job, or the time of a schedule for the end of a job.
    WAITS = "waits"
    #: The invocation is an answer that is expected.
    EXPECTS = "expects"
    #: An answer is expected already that the commit would expect.
    EXPECTED = "expected"
    #: Nothing expects the answer yet; it is kept.
    KEPT = "kept"
    #: Another answer was first, or the time was over.
    ANSWERED = "answered"
    #: The invocation is a join, which has items in place of params.
    JOIN = "join"
    #: What is to be replaced is not there any more: another was faster.
    CHANGED = "changed"

    #: It is so already.
    SAME = "same"
    #: What is stored is newer.
    OLDER = "older"
    #: What is stored is to be sent.
    SEND = "send"
    #: The schedule is declared in code that workers have, which alone changes it.
    DECLARED = "declared"
    #: The schedule was not declared in code, so code does not change it.
    MADE = "made"
    #: A job of the schedule has not ended.
    RUNS = "runs"

    #: The jobs are not created yet: the store does not have their definition.
    DEFINITION = "definition"


#: An answer, or the status that does not allow what was asked for.
AnswerOrStatus: TypeAlias = Answer | JobStatus

Word = TypeVar("Word", bound=AnswerOrStatus)


class Answers(dict[bytes, Word], Generic[Word]):
    """The answers of one script by what it replies; CorruptRecordError for any other reply."""

    def __init__(self, script: str, *words: Word) -> None:
        super().__init__({word.value.encode(): word for word in words})
        self.script = script

    def __missing__(self, reply: object) -> Word:
        known = ", ".join(sorted(self.values()))
        raise CorruptRecordError(
            f"the script {self.script!r} answered {shown(reply)}; this release knows the answers "
            f"{known}: a record is damaged, or the script is not of this release"
        )


_A = Answer

SUBMIT = Answers("submit", _A.OK, _A.DEFINITION)

SUBMIT_KEYED = Answers("submit_keyed", _A.OK, _A.DEFINITION, _A.FULL, _A.NEWER)
CLAIM = Answers(
    "claim", _A.GRANTED, _A.GONE, _A.NEWER, _A.TAKEN, _A.PAUSED, _A.DROPPED, _A.STOPPED, _A.ASKS,
    _A.LIMITED,
)  # fmt: skip
STAGE = Answers("stage", _A.OK, _A.STALE, _A.INCOMPLETE)
COMMIT = Answers(
    "commit", _A.OK, _A.DONE, _A.STALE, _A.GONE, _A.NEWER, _A.DROPPED, _A.INCOMPLETE, _A.EXPECTED
)
FAIL = Answers("fail", _A.OK, _A.DONE, _A.STALE, _A.GONE, _A.NEWER, _A.DROPPED)
GIVE_BACK = Answers(
    "give_back", _A.OK, _A.FAILED, _A.GONE, _A.NEWER, _A.TAKEN, _A.PAUSED, _A.DROPPED
)
EXTEND = Answers("extend", _A.OK, _A.LOST)
HEARTBEAT = Answers[AnswerOrStatus]("heartbeat", _A.OK, _A.LOST, *ENDED)

PAUSE = Answers[AnswerOrStatus]("pause", _A.OK, _A.GONE, _A.NEWER, *ENDED)
CANCEL = Answers[AnswerOrStatus]("cancel", _A.OK, _A.GONE, _A.NEWER, _A.UNDOES, *ENDED)
RESUME = Answers[AnswerOrStatus](
    "resume", _A.OK, _A.GONE, _A.NEWER, _A.UNDEFINED, _A.ORPHANED, _A.UNDONE, _A.CHANGED,
    *JobStatus,
)  # fmt: skip
EDIT = Answers[AnswerOrStatus](
    "edit", _A.OK, _A.GONE, _A.NEWER, _A.UNDONE, _A.DONE, _A.WAITS, _A.QUEUED, _A.CLAIMED,
    _A.EXPECTS, _A.JOIN, _A.CHANGED, *FINAL,
)  # fmt: skip
SKIP = Answers[AnswerOrStatus](
    "skip", _A.OK, _A.GONE, _A.NEWER, _A.UNDONE, _A.DONE, _A.WAITS, _A.QUEUED, _A.CLAIMED, *FINAL
)
RUN_NOW = Answers[AnswerOrStatus](
    "run_now", _A.OK, _A.GONE, _A.NEWER, _A.DONE, _A.WAITS, _A.QUEUED, _A.CLAIMED, _A.PARKED,
    _A.EXPECTS, _A.STOPPED, _A.NONE, *JobStatus,
)  # fmt: skip
RESCHEDULE = Answers[AnswerOrStatus](
    "reschedule", _A.OK, _A.GONE, _A.NEWER, _A.UNDONE, _A.DONE, _A.WAITS, _A.QUEUED, _A.CLAIMED,
    _A.PARKED, _A.STOPPED, _A.NONE, *FINAL,
)  # fmt: skip
ANSWER = Answers[AnswerOrStatus](
    "answer", _A.OK, _A.KEPT, _A.ANSWERED, _A.FULL, _A.NONE, _A.GONE, _A.NEWER, _A.UNDONE, *FINAL
)
BREAK_AT = Answers[AnswerOrStatus]("break_at", _A.OK, _A.GONE, _A.NEWER, *FINAL)
CLEAR_BREAK = Answers[AnswerOrStatus]("clear_break", _A.OK, _A.NONE, _A.GONE, _A.NEWER, *FINAL)
LET_GO = Answers[AnswerOrStatus]("let_go", _A.OK, _A.MORE, _A.NONE, _A.GONE, _A.NEWER, *FINAL)
PAUSE_QUEUE = Answers("pause_queue", _A.OK, _A.PAUSED)
RESUME_QUEUE = Answers("resume_queue", _A.OK, _A.MORE, _A.NONE)
FORK = Answers("fork", _A.OK, _A.GONE, _A.NEWER, _A.UNDEFINED)
NOTE = Answers("note", _A.OK, _A.GONE, _A.NEWER)
ANNOTATE = Answers("annotate", _A.OK, _A.GONE, _A.NEWER)
DELETE_JOB = Answers[AnswerOrStatus](
    "delete_job", _A.OK, _A.GONE, _A.NEWER, _A.AWAITED, _A.UNDOING, *JobStatus
)
BULK_START = Answers("bulk_start", _A.OK, _A.GONE, _A.CHANGED)
LABEL = Answers("label", _A.OK, _A.GONE, _A.NEWER, _A.FULL)
DECLARE_SCHEDULES = Answers("declare_schedules", _A.SAME, _A.SEND, _A.OLDER, _A.MADE)
SAVE_SCHEDULE = Answers(
    "save_schedule", _A.OK, _A.SAME, _A.DEFINITION, _A.DECLARED, _A.MADE, _A.OLDER
)
FIRE_SCHEDULE = Answers("fire_schedule", _A.OK, _A.STALE, _A.DEFINITION)
HOLD_SCHEDULE = Answers("hold_schedule", _A.OK, _A.SAME, _A.GONE)
TRIGGER_SCHEDULE = Answers(
    "trigger_schedule", _A.OK, _A.WAITS, _A.RUNS, _A.FULL, _A.GONE, _A.DEFINITION
)
BACKFILL_SCHEDULE = Answers("backfill_schedule", _A.OK, _A.FULL, _A.GONE, _A.DEFINITION)
REMOVE_SCHEDULE = Answers("remove_schedule", _A.OK, _A.GONE, _A.DECLARED)
