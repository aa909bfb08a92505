"""Mending a job by hand: its invocations that are parked or on a timer, and its retry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.codec.binary import pack_record, split_trace
from flowforge.engine.control import Control
from flowforge.engine.mending.edits import checked_number, checked_numbers, edited, visible_input
from flowforge.engine.mending.operator_emissions import operator_emissions
from flowforge.engine.mending.refusals import Refusals
from flowforge.engine.operator_name import operator_name
from flowforge.engine.texts import checked_text
from flowforge.errors import InvalidValueError, JobStateError
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.status import JobStatus
from flowforge.model.times.start import Start, start_of
from flowforge.settings import Settings
from flowforge.store.fleet_reads.handler_records import HandlerRecords
from flowforge.store.invocation_reads.invocation_looks import record_mark
from flowforge.store.invocation_reads.invocation_lookup import FoundInvocation, InvocationLookup
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.reading import reading
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer, AnswerOrStatus
from flowforge.store.transitions.mending import Edit

#: What is answered about a job and not about where its invocation is.
_OF_JOBS = (Answer.GONE, Answer.NEWER)

#: Invocations that one call edits.
MOST_EDITS = 100


class Mending:
    """What operators do to single invocations of a job.

    Raises JobNotFoundError when there is no such job, JobStateError when the invocation, or the
    status of the job, does not allow it. The error names the operator who was faster.
    """

    def __init__(
        self, store: Store, inspector: Inspector, settings: Settings, control: Control
    ) -> None:
        self._store = store
        self._inspector = inspector
        self._settings = settings
        self._control = control
        self._lookup = InvocationLookup(store)
        self._refusals = Refusals(store, inspector, self._lookup)

    def retry(
        self,
        job_id: str,
        edit: Mapping[int, dict[str, Any]] | None = None,
        by: str | None = None,
        reason: str = "",
        marks: Mapping[int, str] | None = None,
        new_params: bool = False,
        finish_ms: int = 0,
    ) -> None:
        """Continue a failed job; with ``edit``, change params of invocations before, as ``edit``
        does. ``finish_ms``: in which it is to end; 0: as before.
        """
        by, reason = operator_name(by), checked_text("reason", reason)
        edited: dict[str, bytes] = {}
        if edit is not None:
            status = self._inspector.status(job_id)
            if status is not JobStatus.FAILED:
                raise JobStateError(self._refusals.retry(job_id, status))
            edited = self.edit(job_id, edit, by=by, marks=marks, new_params=new_params)
        answer = self._control.retry(job_id, by, reason, finish_ms, edited)
        if isinstance(answer, JobStatus):
            raise JobStateError(self._refusals.retry(job_id, answer))

    def edit(
        self,
        job_id: str,
        edits: Mapping[int, dict[str, Any]],
        replace: bool = False,
        by: str | None = None,
        marks: Mapping[int, str] | None = None,
        new_params: bool = False,
    ) -> dict[str, bytes]:
        """Change the params of invocations: of all that are named, or of none. The records that
        they have now.

        ``new_params``: names are meant that neither an invocation has nor its slot is known to
        take.
        ``marks``: ``InvocationLook.record_mark`` of what somebody has seen of them, by the number:
        when they have been changed since, nothing is done.
        """
        by = operator_name(by)
        numbers = checked_numbers(edits)
        if len(numbers) > MOST_EDITS:
            raise InvalidValueError(f"one call edits at most {MOST_EDITS} invocations")
        made = [
            self._edit(job_id, number, changes, replace, by, (marks or {}).get(number), new_params)
            for number, changes in numbers.items()
        ]
        answer, invocation = self._store.mending.edit(job_id, made)
        if answer is not Answer.OK:
            self._refusals.refuse(job_id, "edit", invocation, answer)
        return {one.invocation: one.record for one in made}

    def check_edit(
        self, job_id: str, number: int, changes: dict[str, Any], by: str | None = None,
        new_params: bool = False,
    ) -> None:  # fmt: skip
        """Raise what ``edit`` would raise for these changes, as far as it can be known before."""
        number, by = checked_number(number), operator_name(by)
        self._edit(job_id, number, changes, False, by, None, new_params)

    def _edit(
        self, job_id: str, number: int, changes: object, replace: bool, by: str, mark: str | None,
        new_params: bool,
    ) -> Edit:  # fmt: skip
        found = self._find(job_id, number, "edit")
        if mark is not None and mark != record_mark(found.record):
            self._refusals.refuse(job_id, "edit", found.invocation, Answer.CHANGED)
        named = _parsed(job_id, found)
        self._refusals.check_editable(job_id, found)
        definition = self._inspector.definition(job_id)
        limit = self._settings.max_payload
        told = HandlerRecords(self._store).of_slot(definition, named.routine, named.slot)
        record, difference = edited(
            definition, named, found.record, changes, replace, limit, new_params, told
        )
        return Edit(found.invocation, found.record, record, pack_record(by, difference))

    def skip(
        self, job_id: str, number: int, emit: object = (), by: str | None = None,
        new_params: bool = False,
    ) -> None:  # fmt: skip
        """End an invocation in its handler's place, with these emissions.

        ``new_params``: params that an event does not declare are meant.
        """
        by = operator_name(by)
        found = self._find(job_id, checked_number(number), "skip")
        definition = self._inspector.definition(job_id)
        named = _parsed(job_id, found)
        _, trace = split_trace(found.record)
        limit = self._settings.max_payload
        effects, emitted = operator_emissions(definition, named, emit, limit, trace, new_params)
        if definition.keep_inputs and (kept := visible_input(definition, named, found.record)):
            self._store.forking.keep_input(job_id, found.invocation, kept)
        answer = self._store.mending.skip(
            job_id, found.invocation, pack_record(by, emitted), effects.emitted, effects.outputs
        )
        if answer is not Answer.OK:
            self._refusals.refuse(job_id, "skip", found.invocation, answer)

    def run_now(self, job_id: str, number: int, by: str | None = None) -> None:
        """Let an invocation that is on a timer run at once."""
        by = operator_name(by)
        found = self._find(job_id, checked_number(number), "run")
        answer = self._store.mending.run_now(job_id, found.invocation, pack_record(by))
        if answer is not Answer.OK:
            self._refusals.refuse(job_id, "run", found.invocation, answer)

    def reschedule(
        self,
        job_id: str,
        delay: object,
        at: object,
        number: int | None = None,
        by: str | None = None,
    ) -> None:
        """Change when an invocation is due that is on a timer; None: that of the job's start."""
        by = operator_name(by)
        if delay is None and at is None:
            raise InvalidValueError("give delay or at: when it is to start")
        start = start_of(delay, at) or Start("+", 0)
        invocation = ""
        if number is not None:
            invocation = self._find(job_id, checked_number(number), "reschedule").invocation
        answer = self._store.mending.reschedule(job_id, invocation, start, pack_record(by))
        self._check_start(job_id, "reschedule", invocation, answer)

    def start_now(self, job_id: str, by: str | None = None) -> None:
        """Let the first invocation run at once of a job that was put off."""
        answer = self._store.mending.run_now(job_id, "", pack_record(operator_name(by)))
        self._check_start(job_id, "start", "", answer)

    def _check_start(self, job_id: str, verb: str, invocation: str, answer: AnswerOrStatus) -> None:
        if answer is Answer.OK:
            return
        if not invocation and isinstance(answer, Answer) and answer not in _OF_JOBS:
            raise JobStateError(self._refusals.started(job_id, verb))
        self._refusals.refuse(job_id, verb, invocation or None, answer)

    def _find(self, job_id: str, number: int, verb: str) -> FoundInvocation:
        definition = self._inspector.definition(job_id)
        found = self._lookup.find(job_id, definition, number)
        if found is None:
            raise JobStateError(self._refusals.done(job_id, verb, number))
        return found


def _parsed(job_id: str, found: FoundInvocation) -> InvocationName:
    with reading(f"the name of an invocation of job {job_id}"):
        return InvocationName.parse(found.invocation)
