"""Breakpoints: invocations of a job stop before their handlers start, until they are let go."""

from __future__ import annotations

from flowforge.codec.binary import encode_payload, pack_record
from flowforge.engine.control import refuse_job
from flowforge.engine.mending.edits import checked_number
from flowforge.engine.mending.refusals import Refusals
from flowforge.engine.operator_name import operator_name
from flowforge.errors import InvalidValueError, JobStateError
from flowforge.model.condition import Condition
from flowforge.model.definition import Definition
from flowforge.model.jobs.breakpoint import Breakpoint
from flowforge.store.invocation_reads.invocation_lookup import InvocationLookup
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer, AnswerOrStatus
from flowforge.store.transitions.breakpoints import pack_condition

#: Bytes of the params and values of a condition.
MOST_BYTES = 4096


class JobBreakpoints:
    """Breakpoints of the jobs of one server.

    Raises JobNotFoundError when there is no such job, JobStateError when it has completed or was
    cancelled, ValueError for a routine that its flow does not have.
    """

    def __init__(self, store: Store, inspector: Inspector) -> None:
        self._store = store
        self._inspector = inspector
        self._lookup = InvocationLookup(store)
        self._refusals = Refusals(store, inspector, self._lookup)

    def set(self, job_id: str, routine_id: str, when: object = None, by: str | None = None) -> None:
        """Let invocations of a routine stop whose params fulfil a condition."""
        by, condition = operator_name(by), Condition.of(when)
        definition = self._inspector.definition(job_id)
        routine = definition.index(routine_id)
        secret = secret_params(definition, routine)
        if condition.terms and all(
            definition.join(routine, slot) is not None
            for slot in range(len(definition.slot_names(routine)))
        ):
            raise InvalidValueError(
                f"routine {routine_id!r} gets the items of a join, which a condition cannot see: "
                "set the breakpoint without one"
            )
        terms = {"terms": [[term.param, term.value] for term in condition.terms]}
        encode_payload(terms, MOST_BYTES, f"the condition of a breakpoint at {routine_id!r}")
        text = condition.text(secret)
        answer = self._store.breakpoints.set(
            job_id, routine, pack_condition(condition), pack_record(by, text),
            pack_record(by, routine_id, text),
        )  # fmt: skip
        self._expect_ok(job_id, "set a breakpoint of", answer)

    def clear(self, job_id: str, routine_id: str | None = None, by: str | None = None) -> None:
        """Clear the breakpoint of a routine, or all, and let go what has stopped there."""
        by, routine = operator_name(by), self._routine(job_id, routine_id)
        details = pack_record(by, routine_id or "", "")
        answer = self._store.breakpoints.clear(job_id, routine, details)
        if answer is not Answer.NONE:
            self._expect_ok(job_id, "clear breakpoints of", answer)
            self._store.breakpoints.go_on(job_id, routine, b"")
            return
        # An earlier call may have been interrupted before it let all go.
        let_go = self._store.breakpoints.go_on(job_id, routine, _let_go(by, routine_id))
        if let_go is not Answer.OK:
            at = "" if routine_id is None else f" at {routine_id!r}"
            raise JobStateError(f"job {job_id} has no breakpoint{at}")

    def step(self, job_id: str, number: int | None = None, by: str | None = None) -> None:
        """Let one invocation go: this one, or the one that stopped first."""
        by, invocation = operator_name(by), ""
        if number is not None:
            definition = self._inspector.definition(job_id)
            found = self._lookup.find(job_id, definition, checked_number(number))
            if found is None:
                raise JobStateError(self._refusals.not_stopped(job_id, number))
            invocation = found.invocation
        answer = self._store.breakpoints.step(job_id, invocation, pack_record(by))
        if answer is Answer.NONE and number is not None:
            raise JobStateError(self._refusals.not_stopped(job_id, number))
        self._expect_stopped(job_id, answer)

    def go_on(self, job_id: str, routine_id: str | None = None, by: str | None = None) -> None:
        """Let all go that have stopped, of a routine or of the job."""
        by, routine = operator_name(by), self._routine(job_id, routine_id)
        answer = self._store.breakpoints.go_on(job_id, routine, _let_go(by, routine_id))
        self._expect_stopped(job_id, answer)

    def of_job(self, job_id: str) -> list[Breakpoint]:
        """Those that are set, in the order of the flow's routines."""
        return self._store.breakpoints.of_job(job_id, self._inspector.definition(job_id))

    def _routine(self, job_id: str, routine_id: str | None) -> int | None:
        if routine_id is None:
            return None
        return self._inspector.definition(job_id).index(routine_id)

    def _expect_stopped(self, job_id: str, answer: AnswerOrStatus) -> None:
        if answer is Answer.NONE:
            raise JobStateError(f"nothing of job {job_id} has stopped at a breakpoint")
        self._expect_ok(job_id, "let go an invocation of", answer)

    def _expect_ok(self, job_id: str, verb: str, answer: AnswerOrStatus) -> None:
        if answer is not Answer.OK:
            refuse_job(job_id, verb, answer)


def _let_go(by: str, routine_id: str | None) -> bytes:
    return pack_record(by) if routine_id is None else pack_record(by, routine_id)


def secret_params(definition: Definition, routine: int) -> frozenset[str]:
    """The params of any slot of a routine that are told nowhere."""
    slots = range(len(definition.slot_names(routine)))
    return frozenset[str]().union(*(definition.secret(routine, slot) for slot in slots))
