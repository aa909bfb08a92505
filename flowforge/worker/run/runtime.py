"""What one worker process holds to run invocations: the store, its plans and its leases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter, sleep

from flowforge.codec.binary import TRACED_VERSION, read_invocation
from flowforge.common.forks import Forks, end_forked_child
from flowforge.errors import (
    FlowForgeError,
    NewerRecordError,
    UnknownRoutineClassError,
)
from flowforge.execution.attempt import Attempt, NotStartedError
from flowforge.execution.ending import ends_worker, passed
from flowforge.execution.handler_context import JobAccess
from flowforge.execution.run import Outcome, failed, run
from flowforge.model.compensation import compensation
from flowforge.model.invocation_id import InvocationName, lease_of
from flowforge.model.jobs.status import COMMITTED, AttemptOutcome
from flowforge.model.plan import CHILD_ENDED, Plan
from flowforge.model.slot import CHILD_SLOT_INDEX, UNDO_SLOT_INDEX
from flowforge.settings import Settings
from flowforge.store.fleet_reads.overdue import OverdueAttempts, TimedOut
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.lease_tokens import next_token
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer, AnswerOrStatus
from flowforge.store.transitions.claims import Claim, Granted, NextClaim, Question
from flowforge.store.transitions.upkeep import Lost
from flowforge.tracing.carrying import CarryingAttempt
from flowforge.worker.run import log_lines
from flowforge.worker.run.conditions import fulfils
from flowforge.worker.run.handler_context import WorkerHandlerContext
from flowforge.worker.run.joining import Collections
from flowforge.worker.run.leases import LeaseKeeper
from flowforge.worker.run.merging import MergedSlots
from flowforge.worker.run.plans import Plans
from flowforge.worker.run.readers_writer_lock import ReadersWriterLock
from flowforge.worker.run.recording import RELEASE_DELAY, Ended, Recorder
from flowforge.worker.run.reports import Failed, Retried, Uncounted
from flowforge.worker.run.tally import AttemptEnd, Tally


def _is_for_another(error: BaseException) -> bool:
    """Whether another worker may know better than what preparing an attempt has raised."""
    if issubclass(type(error), UnknownRoutineClassError):
        return True
    # Building a routine reads no records: there it can only come from the routine's own code.
    return issubclass(type(error), NewerRecordError) and not passed(error, Plan.__module__)


def _ended(kind: AttemptOutcome, error: BaseException, delay: float) -> Ended:
    """What Celery is told of an attempt that was ended because its time was over."""
    if kind is AttemptOutcome.RETRIED:
        return Retried(error, delay)
    return Failed(error) if kind is AttemptOutcome.FAILED else None


class Runtime:
    """Runs invocations for one store. ``worker`` is the name that the history shows.

    ``jobs``: what handlers get of the engine.

    It makes no spans, and pays nothing for those that others make: see ``TracedRuntime``.
    """

    #: Attempts at what carries the context of a trace, and at what carries none.
    _carrying: type[Attempt] = CarryingAttempt
    _plain: type[Attempt] = Attempt

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
        self.plans = Plans(store)
        self._overdue = OverdueAttempts(probe, settings.lease)
        self.tally = Tally(probe, lambda: self.worker if settings.metrics_port else "")
        self.recorder = Recorder(store, lambda: self.worker, self.plans.place_of, self.tally.note)

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
            return self._run_claimed(lease, granted, lists)
        finally:
            self.leases.remove(lease)

    def _run_claimed(self, lease: str, granted: Granted, lists: Sequence[str]) -> Ended:
        claim, forks_before = granted.claim, Forks.count
        try:
            attempt = self.prepare(granted, self.plans.get(claim.definition))
        except BaseException as error:
            end_forked_child(forks_before, error)
            if ends_worker(error):
                raise
            if _is_for_another(error):
                self.recorder.release(granted, error)
                return Uncounted()
            # Else the job would hang on a lease.
            return self.recorder.refuse(granted, error)
        self.leases.add(lease, attempt)
        if attempt.slot.timeout_ms and (ends_at := attempt.ends_at):
            self.leases.look_at(ends_at)
        if claim.rests_ms:
            # The rate of a limit allows the start a moment later.
            sleep(claim.rests_ms / 1000)
        try:
            ended = (
                self._complete_exclusively(attempt)
                if self._last_attempt(claim)
                else self.complete(attempt, lists)
            )
            if attempt.slot.timeout_ms and isinstance(ended, Uncounted):
                return self._ended_by_another(lease)
            return ended
        except NewerRecordError as error:
            self.recorder.release(granted, error)
        except NotStartedError:
            self.recorder.put_back(attempt)
        return Uncounted()

    def _last_attempt(self, claim: Claim) -> bool:
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
        if not isinstance(claim, Claim):
            return Uncounted()
        # Not kept: children that begin later must not inherit routines that were built here.
        granted = Granted(job_id, invocation, token, claim, asked)
        attempt = self.prepare(granted, self.plans.read(claim.definition))
        return self.timed_out(attempt, error, limit)

    def timed_out(self, attempt: Attempt, error: BaseException, limit: float) -> Ended:
        """Record that an attempt of another process has reached its ``limit`` of seconds."""
        outcome = failed(attempt, self.worker, error, perf_counter() - limit)
        return self.recorder.record(attempt, outcome, None)

    def time_left(self, lease: str) -> float | None:
        """Seconds that an attempt of another process still has, as ``OverdueAttempts`` says."""
        return self._overdue.time_left(lease)

    def end_overdue(self, lease: str) -> Ended:
        """End an attempt of another process, which is ended, because its time is over."""
        ended = self._overdue.end(1, lease)
        if not ended or ended[0].answer not in (Answer.OK, Answer.DONE):
            return self._ended_by_another(lease)
        self.note_timeout(ended[0])
        outcome = ended[0].outcome
        assert outcome.error is not None, "it has failed"
        return _ended(outcome.kind, outcome.error, outcome.delay)

    def _ended_by_another(self, lease: str) -> Ended:
        """What the upkeep has made of an attempt whose time was over; Celery hears of it here."""
        try:
            ending = self._overdue.ending_of(lease)
        except FlowForgeError as error:
            log_lines.end_not_known(lease, error)
            return Uncounted()
        return Uncounted() if ending is None else _ended(ending.kind, ending.error, ending.delay)

    def revoke(self, job_id: str, invocation: str, reason: str, *, running: bool) -> AnswerOrStatus:
        """Cancel the job of an invocation: OK, or why not, as ``JobControl.cancel`` has it.

        DONE when the invocation is neither ``running`` nor to be run any more.
        """
        if not running and not Inspector(self.probe).is_outstanding(job_id, invocation):
            return Answer.DONE
        return self.probe.control.cancel(job_id, reason, "Celery's remote control")

    def note_lost(self, lost: Lost) -> None:
        """Count an attempt whose worker is lost."""
        name = self.plans.slot_name(lost.definition, lost.invocation)
        if name is not None:
            self.tally.note(AttemptEnd(*name, AttemptOutcome.LOST))

    def note_timeout(self, ended: TimedOut) -> None:
        """Count an attempt that was ended because its time was over."""
        if ended.answer is Answer.OK:
            kind, micros, delay = ended.outcome.kind, ended.outcome.micros, ended.outcome.delay
            self.tally.note(AttemptEnd(*ended.place, kind, micros, retry_ms=int(delay * 1000)))

    def _complete_exclusively(self, attempt: Attempt) -> Ended:
        with self._process_lock.exclusive() as alone:
            if alone:
                return self.complete(attempt, ())
        log_lines.put_off(attempt, RELEASE_DELAY)
        self.recorder.put_back(attempt, RELEASE_DELAY)
        return Uncounted()

    def complete(self, attempt: Attempt, lists: Sequence[str]) -> Ended:
        """Run the handler and record how it ended."""
        outcome = self.run_handler(attempt)
        undoable = attempt.slot.undo is not None and outcome.kind is AttemptOutcome.COMPLETED
        if attempt.cancelled and not undoable:
            # It was told that nothing of it counts, and may have stopped half-way for that. The job
            # may have been retried since. What can be undone has to be known if it was done.
            self.recorder.put_back(attempt)
            return Uncounted()
        if attempt.joins:
            self.collections.release(attempt, outcome.effects)
        if attempt.slot.keeps and outcome.kind in COMMITTED:
            self._keep_input(attempt)
        return self.recorder.record(attempt, outcome, self._next_claim(lists))

    def _keep_input(self, attempt: Attempt) -> None:
        """Before the commit, so that none is missed. No full server is waited for."""
        record = attempt.visible_record()
        if record is None:
            return
        try:
            self.probe.forking.keep_input(attempt.job_id, attempt.invocation, record)
        except FlowForgeError as error:
            log_lines.input_not_kept(attempt, error)

    def _claim(self, job_id: str, invocation: str, token: str) -> Granted | None:
        asked = perf_counter()
        claim = self.store.invocations.claim(job_id, invocation, token, self._lease_ms)
        # Again when the condition was changed meanwhile.
        while isinstance(claim, Question):
            asked = perf_counter()
            verdict = (claim.condition, int(fulfils(claim.record, claim.condition)))
            claim = self.store.invocations.claim(job_id, invocation, token, self._lease_ms, verdict)
        if isinstance(claim, Answer):
            log_lines.not_claimed(job_id, invocation, claim)
            return None
        return Granted(job_id, invocation, token, claim, asked)

    def prepare(self, granted: Granted, plan: Plan) -> Attempt:
        """The attempt at what was claimed."""
        job_id, invocation, claim = granted.job_id, granted.invocation, granted.claim
        named = InvocationName.parse(invocation)
        routine = plan.routine(named.routine)
        if named.slot < UNDO_SLOT_INDEX:
            slot = routine.slots[named.slot]
        elif named.slot == CHILD_SLOT_INDEX:
            slot = CHILD_ENDED
        else:
            routine, slot = compensation(routine, named.slot)
        if slot.slot is not None and slot.slot.join is not None:
            params = self.collections.params(job_id, invocation, slot, claim.record)
        else:
            what = f"invocation {job_id}-{named.number}"
            _, params = read_invocation(claim.record, what)
        make = self._carrying if claim.record[1] == TRACED_VERSION else self._plain
        attempt = make(
            routine, slot, job_id, invocation, named, granted.token, claim.attempt_number, params,
            claim.record, self.settings.max_payload, self._context, granted.asked, claim.queued_ms,
        )  # fmt: skip
        if attempt.joins:
            # The handler reads them; an item of a newer release is another worker's.
            self.collections.items_of(params).reading = attempt.reading
        return attempt

    def run_handler(self, attempt: Attempt) -> Outcome:
        """Run the handler, behind the merge of its slot if there is one."""
        if attempt.slot.merges:
            began = perf_counter()
            try:
                attempt.params = self.merged.up_to(attempt)
            except BaseException as error:
                end_forked_child(attempt.forks_before, error)
                # A merge is user code too.
                if error is attempt.given_back or ends_worker(error):
                    raise
                return failed(attempt, self.worker, error, began)
        return run(attempt, self.worker)

    def _next_claim(self, lists: Sequence[str]) -> NextClaim | None:
        if not lists or self._process_lock.closed:
            return None
        return NextClaim(next_token(), self._lease_ms, lists, perf_counter())
