"""Recording how an attempt has ended: committed, retried, failed, or given back uncounted."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from flowforge.codec.binary import pack_record
from flowforge.common.true_attributes import name_of
from flowforge.errors import EmissionError, UnknownRoutineClassError
from flowforge.execution.attempt import Attempt
from flowforge.execution.failure import MESSAGE_LIMIT, message_of, type_of
from flowforge.execution.run import Outcome
from flowforge.model.invocation_id import number_of
from flowforge.model.jobs.error_group import ErrorSample
from flowforge.model.jobs.status import COMMITTED, AttemptOutcome
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.claims import Claim, Granted, NextClaim
from flowforge.worker.run import log_lines
from flowforge.worker.run.handler_context import INCOMPLETE
from flowforge.worker.run.reports import Failed, Retried, Uncounted
from flowforge.worker.run.tally import NOTHING, AttemptEnd

#: Workers of a fleet that do not know the class of an invocation, until its job fails.
MAX_UNKNOWN = 3

#: Seconds until another worker gets an invocation that this one cannot run.
RELEASE_DELAY = 1.0

#: What an attempt leads to: what its commit claimed next, or how it failed.
Ended: TypeAlias = Granted | Failed | Retried | Uncounted | None


class Recorder:
    """Records in one store. ``worker``: the name that the history shows, which comes later.

    ``place_of``: as ``Plans.place_of``. ``note``: has an attempt counted.
    """

    def __init__(
        self,
        store: Store,
        worker: Callable[[], str],
        place_of: Callable[[str, str], str],
        note: Callable[[AttemptEnd], None],
    ) -> None:
        self._invocations = store.invocations
        self._place_of = place_of
        self._worker = worker
        self._note = note
        #: Workers that do not know an invocation's class until its job fails; 0: it never does.
        self.max_unknown = MAX_UNKNOWN

    def record(self, attempt: Attempt, outcome: Outcome, then: NextClaim | None) -> Ended:
        """Commit, or record the failure. ``then``: what a commit claims next."""
        ended: Ended
        if outcome.kind is AttemptOutcome.RETRIED:
            answer, ended = self._retry_later(attempt, outcome)
        elif outcome.kind is AttemptOutcome.RELEASED:
            return self._rest(attempt, outcome)
        elif outcome.kind is AttemptOutcome.FAILED:
            answer, ended = self._fail(attempt, outcome)
        else:
            answer, ended = self._invocations.commit(
                attempt.job_id, attempt.invocation, attempt.token, outcome.kind, outcome.micros,
                outcome.details, outcome.effects, then, outcome.sample, attempt.queued_ms,
            )  # fmt: skip
            if outcome.error is not None and answer is Answer.OK:
                log_lines.passed_over(attempt, outcome.kind, outcome.error)
        if answer in (Answer.OK, Answer.DONE):
            delay = int(outcome.delay * 1000)
            self._note_end(attempt, outcome.kind, outcome.micros, delay)
        elif answer is Answer.DROPPED:
            self._note_dropped(attempt)
        if answer is Answer.EXPECTED:
            return self._refuse_expected(attempt, outcome)
        if answer is Answer.INCOMPLETE:
            self._run_again(attempt)
        elif answer is not Answer.OK:
            log_lines.not_accepted(attempt, outcome.kind, answer)
        # What was done before is done: it may be this one, whose reply was lost.
        return ended if answer in (Answer.OK, Answer.DONE) else Uncounted()

    def _note_end(
        self, attempt: Attempt, outcome: AttemptOutcome, micros: int, retry_ms: int
    ) -> None:
        routine, slot = attempt.routine, attempt.slot
        sources = slot.sources
        self._note(
            AttemptEnd(
                routine.flow_id, routine.id, slot.name, outcome, micros, attempt.queued_ms,
                retry_ms,
                # The job's first invocation was submitted, and no connection has carried it.
                sources[0] if len(sources) == 1 and attempt.number > 1 else "",
                attempt.emitted if outcome in COMMITTED else NOTHING,
                routine.targets,
            )
        )  # fmt: skip

    def _note_dropped(self, attempt: Attempt) -> None:
        routine = attempt.routine
        dropped = AttemptOutcome.DROPPED
        self._note(AttemptEnd(routine.flow_id, routine.id, attempt.slot.name, dropped))

    def _retry_later(self, attempt: Attempt, outcome: Outcome) -> tuple[Answer, Retried | None]:
        answer = self._invocations.retry_later(
            attempt.job_id, attempt.invocation, attempt.token, int(outcome.delay * 1000),
            outcome.micros, outcome.details, outcome.sample, attempt.queued_ms,
        )  # fmt: skip
        if answer is not Answer.OK or outcome.error is None:
            return answer, None
        return answer, Retried(outcome.error, outcome.delay)

    def _rest(self, attempt: Attempt, outcome: Outcome) -> Uncounted:
        answer = self._invocations.rest(
            attempt.job_id, attempt.invocation, attempt.token, int(outcome.delay * 1000),
            outcome.micros, outcome.details, outcome.reason, attempt.queued_ms,
        )  # fmt: skip
        if answer is Answer.OK:
            log_lines.rests(attempt, outcome.delay, outcome.reason)
        else:
            log_lines.not_accepted(attempt, outcome.kind, answer)
        return Uncounted()

    def _fail(self, attempt: Attempt, outcome: Outcome) -> tuple[Answer, Failed | None]:
        answer = self._invocations.fail(
            attempt.job_id, attempt.invocation, attempt.token, outcome.micros, outcome.details,
            outcome.reason, outcome.problem, outcome.sample, attempt.queued_ms,
        )  # fmt: skip
        if answer is not Answer.OK or outcome.error is None:
            return answer, None
        return answer, Failed(outcome.error)

    def _refuse_expected(self, attempt: Attempt, outcome: Outcome) -> Failed | None:
        """Fail the job of an attempt whose answer is expected already."""
        place = f"{attempt.routine.id}.{attempt.slot.name}"
        message = (
            f"{place} expects an answer that the job expects already ({attempt.expected_places()}):"
            " give each its own key, such as the id of the item"
        )
        error = EmissionError(message)
        kind = type(error).__name__
        problem = {
            "type": kind, "message": message, "routine_id": attempt.routine.id,
            "slot": attempt.slot.name, "invocation": attempt.number,
            "attempt": attempt.attempt_number,
        }  # fmt: skip
        shown = [kind, message, ""]
        details = pack_record(
            self._worker(), attempt.attempt_number, outcome.micros, {}, None, shown
        )
        answer = self._invocations.fail(
            attempt.job_id, attempt.invocation, attempt.token, outcome.micros, details,
            f"{place}: {kind}: {message}"[:500], pack_record(problem),
            ErrorSample.unplaced(kind, message), attempt.queued_ms,
        )  # fmt: skip
        if answer is not Answer.OK:
            log_lines.not_accepted(attempt, outcome.kind, answer)
        return Failed(error) if answer is Answer.OK else None

    def _run_again(self, attempt: Attempt) -> None:
        """Give an attempt back whose staged emissions are lost; the job fails if that goes on."""
        place = log_lines.place_of(attempt)
        log_lines.given_back(attempt.job_id, attempt.invocation, place, INCOMPLETE)
        error = ["IncompleteEmission", INCOMPLETE, ""]
        details = pack_record(self._worker(), attempt.attempt_number, 0, {}, None, error)
        problem = pack_record({"type": error[0], "message": INCOMPLETE})
        self._invocations.release(
            attempt.job_id, attempt.invocation, attempt.token, int(RELEASE_DELAY * 1000), details,
            MAX_UNKNOWN, INCOMPLETE, problem, ErrorSample.unplaced(error[0], INCOMPLETE),
        )  # fmt: skip

    def put_back(self, attempt: Attempt, delay: float = 0.0) -> None:
        """Let it be claimed again; no attempt is counted. ``delay``: seconds."""
        details = pack_record(self._worker(), attempt.attempt_number, 0, {}, None, None)
        answer = self._invocations.release(
            attempt.job_id, attempt.invocation, attempt.token, int(delay * 1000), details
        )
        if answer is not Answer.OK:
            log_lines.not_given_back(attempt, answer)

    def release(self, granted: Granted, error: BaseException) -> None:
        """Leave to another worker what this one cannot run."""
        message = message_of(error)
        place = self._place_of(granted.claim.definition, granted.invocation)
        log_lines.given_back(granted.job_id, granted.invocation, place, message)
        details = self._error_details(granted.claim, error)
        most = self.max_unknown if issubclass(type(error), UnknownRoutineClassError) else 0
        kind = name_of(type(error))
        problem = pack_record({"type": kind, "message": message})
        self._invocations.release(
            granted.job_id, granted.invocation, granted.token, int(RELEASE_DELAY * 1000), details,
            most, message, problem, ErrorSample.unplaced(kind, message),
        )  # fmt: skip

    def give_back(self, job_id: str, invocation: str, reason: str) -> Answer:
        """Leave to another worker what this one has not claimed, as its class is unknown here.

        FAILED when as many workers as ``max_unknown`` did so; the job has failed for ``reason``.
        """
        kind = UnknownRoutineClassError.__name__
        details = pack_record({"type": kind, "message": reason})
        return self._invocations.give_back(
            job_id, invocation, int(RELEASE_DELAY * 1000), self.max_unknown, details, reason,
            ErrorSample.unplaced(kind, reason),
        )  # fmt: skip

    def refuse(self, granted: Granted, error: BaseException) -> Failed | None:
        """Fail the job of what no worker can run."""
        kind, message = type_of(error).rpartition(".")[2], message_of(error)[:MESSAGE_LIMIT]
        number = int(number_of(granted.invocation))
        problem = pack_record({"type": kind, "message": message, "invocation": number})
        details = self._error_details(granted.claim, error)
        answer = self._invocations.fail(
            granted.job_id, granted.invocation, granted.token, 0, details,
            f"{kind}: {message}"[:500], problem, ErrorSample.unplaced(kind, message),
        )  # fmt: skip
        return Failed(error) if answer is Answer.OK else None

    def _error_details(self, claim: Claim, error: BaseException) -> bytes:
        shown = [type_of(error).rpartition(".")[2], message_of(error)[:MESSAGE_LIMIT], ""]
        return pack_record(self._worker(), claim.attempt_number, 0, {}, None, shown)
