"""What one worker process holds to run invocations: the store, its plans and its leases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TypeAlias

from flowforge.codec.binary import pack_record, read_invocation
from flowforge.common.forks import Forks, end_stray
from flowforge.common.lru_cache import Recent
from flowforge.common.true_attributes import name_of
from flowforge.errors import (
    CorruptRecordError,
    NewerRecordError,
    RecordError,
    UnknownRoutineClassError,
)
from flowforge.execution.attempt import Attempt, NotStartedError
from flowforge.execution.ending import ends_worker, passed
from flowforge.execution.failure import MESSAGE_LIMIT, message_of, type_of
from flowforge.execution.handler_context import JobAccess
from flowforge.execution.run import Outcome, failed, run
from flowforge.model.invocation_id import InvocationId, lease_of, routine_of
from flowforge.model.plan import CHILD_ENDED, Plan
from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.model.status import AttemptOutcome
from flowforge.settings import Settings
from flowforge.store.answers import Answer, AnswerOrStatus
from flowforge.store.claims import Claim, Granted, NextClaim
from flowforge.store.definitions import definition_of, stored_definition
from flowforge.store.inspector import Inspector
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store
from flowforge.worker.run import log_lines
from flowforge.worker.run.handler_context import INCOMPLETE, WorkerHandlerContext
from flowforge.worker.run.joining import Collections
from flowforge.worker.run.leases import LeaseKeeper
from flowforge.worker.run.merging import MergedSlots
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.run.reports import Failed, Retried, Uncounted

#: Definitions kept by a process, the most recently used ones.
_PLANS = 256

#: Workers of a fleet that do not know the class of an invocation, until its job fails.
MAX_UNKNOWN = 3

#: Seconds until another worker gets an invocation that this one cannot run.
RELEASE_DELAY = 1.0


def _is_for_another(error: BaseException) -> bool:
    """Whether another worker may know better than what preparing an attempt has raised."""
    if issubclass(type(error), UnknownRoutineClassError):
        return True
    # Building a routine reads no records: there it can only come from the routine's own code.
    return issubclass(type(error), NewerRecordError) and not passed(error, Plan.__module__)


#: What an attempt leads to: what its commit claimed next, or how it failed.
Ended: TypeAlias = Granted | Failed | Retried | Uncounted | None


class Runtime:
    """Runs invocations for one store. ``worker`` is the name that the history shows.

    ``jobs``: what handlers get of the engine.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        worker: str,
        jobs: JobAccess,
        lists: Callable[[str], Sequence[str]],
        process_lock: ReadersWriterLock,
        probe: Store,
    ) -> None:
        self.store = store
        #: For what must not wait long for a server that is away.
        self.probe = probe
        self.settings = settings
        self.worker = worker
        #: The broker lists of a queue, most urgent first.
        self.lists = lists
        self.leases = LeaseKeeper(store, settings.lease, settings.heartbeat)
        self._process_lock = process_lock
        self.merged = MergedSlots(store)
        self._context = WorkerHandlerContext(store, jobs, self.merged)
        self.collections = Collections(store)
        self._lease_ms = int(settings.lease * 1000)
        #: Workers that do not know an invocation's class until its job fails; 0: it never does.
        self.max_unknown = MAX_UNKNOWN
        self._plans: Recent[str, Plan] = Recent(_PLANS)

    # --- running one invocation ----------------------------------------------------------

    def invoke(
        self,
        job_id: str,
        invocation: str,
        granted: Granted | None = None,
        lists: Sequence[str] = (),
        token: str | None = None,
    ) -> Ended:
        """Run and commit one invocation; unless it is ``granted``, claim it first, by ``token``.

        Returns what the commit claimed next from the broker ``lists``, if anything, or how the
        attempt failed. The caller is inside the ``process_lock``.
        """
        granted = granted or self._claim(job_id, invocation, token or next_token())
        if granted is None:
            return Uncounted()
        lease = lease_of(job_id, invocation, granted.token)
        # From the claim on: a process builds the routine for its first one, which may take long.
        self.leases.add(lease)
        try:
            return self._run_claimed(lease, job_id, invocation, granted, lists)
        finally:
            self.leases.remove(lease)

    def _run_claimed(
        self, lease: str, job_id: str, invocation: str, granted: Granted, lists: Sequence[str]
    ) -> Ended:
        token, claim, began = granted.token, granted.claim, Forks.count
        try:
            attempt = self._prepare(granted, self.plan(claim.definition))
        except BaseException as error:
            end_stray(began, error)
            if ends_worker(error):
                raise
            if _is_for_another(error):
                self._release(job_id, invocation, token, claim, error)
                return Uncounted()
            # Else the job would hang on a lease.
            return self._refuse(job_id, invocation, token, claim, error)
        self.leases.add(lease, attempt)
        try:
            if not self._last_delivery(claim):
                return self._complete(attempt, token, lists)
            return self._complete_alone(attempt, token)
        except NewerRecordError as error:
            self._release(job_id, invocation, token, claim, error)
        except NotStartedError:
            self._put_back(attempt, token)
        return Uncounted()

    def _last_delivery(self, claim: Claim) -> bool:
        """Whether the invocation is quarantined if this worker is lost as well."""
        return claim.lost > 0 and claim.lost + 1 >= self.settings.max_losses

    def time_out(
        self, job_id: str, invocation: str, token: str, error: BaseException, limit: float
    ) -> Ended:
        """End an attempt of another process, which is ended after ``limit`` seconds.

        The error handler that applies is asked, as if the handler had raised ``error``.
        """
        # The token that claimed it gets the same answer again.
        asked = perf_counter()
        claim = self.probe.invocations.claim(job_id, invocation, token, self._lease_ms)
        if isinstance(claim, Answer):
            return Uncounted()
        # Not kept: children that begin later must not inherit routines that were built here.
        granted = Granted(job_id, invocation, token, claim, asked)
        attempt = self._prepare(granted, self._read_plan(claim.definition))
        outcome = failed(attempt, self.worker, error, perf_counter() - limit)
        return self._record(attempt, token, outcome, ())

    def revoke(self, job_id: str, invocation: str, reason: str, *, running: bool) -> AnswerOrStatus:
        """Cancel the job of an invocation: OK, or why not, as ``JobControl.cancel`` has it.

        DONE when the invocation is neither ``running`` nor to be run any more.
        """
        if not running and not Inspector(self.probe).is_outstanding(job_id, invocation):
            return Answer.DONE
        return self.probe.control.cancel(job_id, reason)

    def _complete_alone(self, attempt: Attempt, token: str) -> Ended:
        with self._process_lock.alone() as alone:
            if alone:
                return self._complete(attempt, token, ())
        log_lines.put_off(attempt, RELEASE_DELAY)
        self._put_back(attempt, token, RELEASE_DELAY)
        return Uncounted()

    def _complete(self, attempt: Attempt, token: str, lists: Sequence[str]) -> Ended:
        outcome = self._run(attempt)
        if attempt.cancelled:
            # It was told that nothing of it counts, and may have stopped half-way for that. The job
            # may have been retried since.
            self._put_back(attempt, token)
            return Uncounted()
        if attempt.joins:
            self.collections.release(attempt, outcome.effects)
        return self._record(attempt, token, outcome, lists)

    def _claim(self, job_id: str, invocation: str, token: str) -> Granted | None:
        asked = perf_counter()
        claim = self.store.invocations.claim(job_id, invocation, token, self._lease_ms)
        if isinstance(claim, Answer):
            log_lines.not_claimed(job_id, invocation, claim)
            return None
        return Granted(job_id, invocation, token, claim, asked)

    def _prepare(self, granted: Granted, plan: Plan) -> Attempt:
        job_id, invocation, claim = granted.job_id, granted.invocation, granted.claim
        named = InvocationId.parse(invocation)
        routine = plan.routine(named.routine)
        waits = named.slot == CHILD_SLOT_INDEX
        slot = CHILD_ENDED if waits else routine.slots[named.slot]
        if slot.slot is not None and slot.slot.join is not None:
            params = self.collections.params(job_id, invocation, slot, claim.record)
        else:
            what = f"invocation {invocation} of job {job_id}"
            _, params = read_invocation(claim.record, what)
        return Attempt(
            routine, slot, job_id, invocation, named, granted.token, claim.attempt_number, params,
            claim.record, self.settings.max_payload, self._context, granted.asked,
        )  # fmt: skip

    def _run(self, attempt: Attempt) -> Outcome:
        if attempt.slot.merges:
            began = perf_counter()
            try:
                attempt.params = self.merged.up_to(attempt)
            except BaseException as error:
                end_stray(attempt.began, error)
                # A merge is user code too.
                if error is attempt.given_back or ends_worker(error):
                    raise
                return failed(attempt, self.worker, error, began)
        return run(attempt, self.worker)

    def _record(
        self, attempt: Attempt, token: str, outcome: Outcome, lists: Sequence[str]
    ) -> Ended:
        job_id, invocation, store = attempt.job_id, attempt.invocation, self.store
        ended: Ended = None
        error = outcome.error
        if outcome.kind is AttemptOutcome.RETRIED:
            delay_ms = int(outcome.delay * 1000)
            answer = store.invocations.retry_later(
                job_id, invocation, token, delay_ms, outcome.micros, outcome.details
            )
            ended = (
                Retried(error, outcome.delay) if answer is Answer.OK and error is not None else None
            )
        elif outcome.kind is AttemptOutcome.FAILED:
            answer = store.invocations.fail(
                job_id, invocation, token, outcome.micros, outcome.details, outcome.reason,
                outcome.problem,
            )  # fmt: skip
            ended = Failed(error) if answer is Answer.OK and error is not None else None
        else:
            answer, ended = store.invocations.commit(
                job_id, invocation, token, outcome.kind, outcome.micros, outcome.details,
                outcome.effects, self._next_claim(lists),
            )  # fmt: skip
            if error is not None and answer is Answer.OK:
                log_lines.passed_over(attempt, outcome.kind, error)
        if answer is Answer.INCOMPLETE:
            self._run_again(attempt, token)
        elif answer is not Answer.OK:
            log_lines.not_accepted(attempt, outcome.kind, answer)
        # What was done before is done: it may be this one, whose reply was lost.
        return ended if answer in (Answer.OK, Answer.DONE) else Uncounted()

    def _run_again(self, attempt: Attempt, token: str) -> None:
        """Give an attempt back whose staged emissions are lost; the job fails if that goes on."""
        log_lines.given_back(attempt.job_id, attempt.invocation, INCOMPLETE)
        error = ["IncompleteEmission", INCOMPLETE, ""]
        details = pack_record(self.worker, attempt.attempt_number, 0, {}, None, error)
        problem = pack_record({"type": error[0], "message": INCOMPLETE})
        self.store.invocations.release(
            attempt.job_id, attempt.invocation, token, int(RELEASE_DELAY * 1000), details,
            MAX_UNKNOWN, INCOMPLETE, problem,
        )  # fmt: skip

    def _next_claim(self, lists: Sequence[str]) -> NextClaim | None:
        if not lists or self._process_lock.closed:
            return None
        return NextClaim(next_token(), self._lease_ms, lists, perf_counter())

    def _put_back(self, attempt: Attempt, token: str, delay: float = 0.0) -> None:
        """Let it be claimed again; no attempt is counted. ``delay``: seconds."""
        details = pack_record(self.worker, attempt.attempt_number, 0, {}, None, None)
        job_id, invocation = attempt.job_id, attempt.invocation
        answer = self.store.invocations.release(
            job_id, invocation, token, int(delay * 1000), details
        )
        if answer is not Answer.OK:
            log_lines.not_given_back(attempt, answer)

    def _release(
        self, job_id: str, invocation: str, token: str, claim: Claim, error: BaseException
    ) -> None:
        message = message_of(error)
        log_lines.given_back(job_id, invocation, message)
        details = self._error_details(claim, error)
        delay_ms = int(RELEASE_DELAY * 1000)
        most = self.max_unknown if issubclass(type(error), UnknownRoutineClassError) else 0
        problem = pack_record({"type": name_of(type(error)), "message": message})
        self.store.invocations.release(
            job_id, invocation, token, delay_ms, details, most, message, problem
        )

    def _refuse(
        self, job_id: str, invocation: str, token: str, claim: Claim, error: BaseException
    ) -> Failed | None:
        kind, message = type_of(error).rpartition(".")[2], message_of(error)[:MESSAGE_LIMIT]
        problem = pack_record({"type": kind, "message": message, "invocation": invocation})
        details = self._error_details(claim, error)
        reason = f"{kind}: {message}"[:500]
        answer = self.store.invocations.fail(job_id, invocation, token, 0, details, reason, problem)
        return Failed(error) if answer is Answer.OK else None

    def _error_details(self, claim: Claim, error: BaseException) -> bytes:
        shown = [type_of(error).rpartition(".")[2], message_of(error)[:MESSAGE_LIMIT], ""]
        return pack_record(self.worker, claim.attempt_number, 0, {}, None, shown)

    # --- definitions -----------------------------------------------------------------------

    def plan(self, definition_hash: str) -> Plan:
        """The plan of a stored definition; CorruptRecordError when it is missing or unreadable."""
        found = self._plans.get(definition_hash)
        if found is not None:
            return found
        return self._plans.add(definition_hash, self._read_plan(definition_hash))

    def _read_plan(self, definition_hash: str) -> Plan:
        definition = stored_definition(self.store, definition_hash)
        if definition is None:
            raise CorruptRecordError(f"definition {definition_hash} is not stored any more")
        return Plan(definition)

    def class_of(self, job_id: str, invocation: str) -> str:
        """``class_name`` by the definition that a job is pinned to."""
        definition_hash = definition_of(self.store, job_id)
        return "" if definition_hash is None else self.class_name(definition_hash, invocation)

    def class_name(self, definition_hash: str, invocation: str) -> str:
        """The routine class, and task, of an invocation; empty when that cannot be told."""
        try:
            routine = routine_of(invocation)
            return self.plan(definition_hash).definition.routines[routine].class_name
        except (RecordError, IndexError):
            return ""

    def place_of(self, definition_hash: str, invocation: str) -> str:
        """``routine.slot`` of an invocation; its invocation when that cannot be told."""
        try:
            definition = self.plan(definition_hash).definition
            return ".".join(definition.place_of(InvocationId.parse(invocation)))
        except (RecordError, ValueError):
            return invocation
