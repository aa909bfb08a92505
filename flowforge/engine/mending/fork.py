"""A new job that starts with copies of another one's deliveries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from flowforge.codec.binary import (
    encode_payload,
    invocation_record,
    pack_record,
    packb,
    traced_record,
)
from flowforge.codec.masking import HIDDEN
from flowforge.common.bounded_repr import shown
from flowforge.engine.control import refuse_job
from flowforge.engine.mending.edits import checked_number, checked_numbers, edited
from flowforge.engine.operator_name import operator_name
from flowforge.engine.submission.job_items import Submitted
from flowforge.engine.submission.sending import sending_again
from flowforge.engine.submission.submit import Again, JobCreator
from flowforge.engine.undo_texts import refuse_undoing
from flowforge.errors import InvalidValueError, JobStateError
from flowforge.execution.run import HISTORY_PARAMS
from flowforge.model.definition import Definition
from flowforge.model.delivery_limits import keyed_limits
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.labels import labels_text
from flowforge.model.limit import limited_mode
from flowforge.model.names import listing
from flowforge.model.slot import CHILD_SLOT_INDEX
from flowforge.settings import Settings
from flowforge.store.fleet_reads.handler_records import HandlerRecords
from flowforge.store.invocation_reads.kept_inputs import Input, KeptInputs
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.forking import KEPT_BYTES, KEPT_INPUT, KEPT_INPUTS, Copy

#: Deliveries that a fork starts with, and bytes of several of them: what one script creates.
MOST_COPIES = 100
MOST_BYTES = 2 * 1024 * 1024

_KEEP = "Flow(keep_inputs=True) keeps the params in jobs that are submitted from then on"
_FULL = (
    f"{KEPT_INPUT} bytes, or those of other invocations were {KEPT_BYTES} bytes or "
    f"{KEPT_INPUTS} already; fork an invocation before it"
)


class Forks:
    """Forks jobs of one server, on that server."""

    def __init__(
        self, store: Store, inspector: Inspector, settings: Settings, creator: JobCreator
    ) -> None:
        self._store = store
        self._inspector = inspector
        self._settings = settings
        self._creator = creator
        self._inputs = KeptInputs(store)

    def fork(
        self,
        job_id: str,
        invocations: Iterable[int],
        edit: Mapping[int, dict[str, Any]] | None = None,
        labels: Mapping[str, str] | None = None,
        by: str | None = None,
        new_params: bool = False,
    ) -> str:
        """The id of the new job, which has the priority and the limits of the other."""
        by = operator_name(by)
        numbers = _checked(invocations)
        edits = {} if edit in (None, {}) else checked_numbers(edit)
        if unknown := edits.keys() - set(numbers):
            raise InvalidValueError(
                f"edit names invocations that are not forked: {', '.join(map(str, unknown))}"
            )
        refuse_undoing(self._inspector, job_id, "fork")
        summary, details = self._inspector.describe(job_id)
        definition = self._inspector.definition(job_id)
        copies = [
            self._copy(job_id, definition, number, edits.get(number), by, new_params)
            for number in numbers
        ]
        if len(copies) > 1 and sum(len(copy.record) for copy in copies) > MOST_BYTES:
            raise InvalidValueError(
                f"the params of these invocations take more than {MOST_BYTES} bytes: fork fewer"
            )
        first = copies[0]
        again = Again(
            details.definition, definition, first.routine, first.slot, details,
            scheduled=details.scheduled_text(),
        )  # fmt: skip
        (new_id,) = self._store.new_job_ids(1)
        former = self._inspector.trace(job_id)
        with sending_again(self._settings.traces, summary.flow_id, details.entry, former) as (
            trace, tell,
        ):  # fmt: skip
            answer = self._store.forking.fork(
                self._creator.like(again), job_id, new_id,
                labels_text(summary.labels if labels is None else labels),
                pack_record(by, new_id, numbers), pack_record(by, job_id, numbers),
                [copy._replace(record=traced_record(copy.record, trace)) for copy in copies],
            )  # fmt: skip
            if answer is not Answer.OK:
                refuse_job(job_id, "fork", answer)
            tell([Submitted(new_id, True)])
        return new_id

    def check_copy(
        self, job_id: str, number: int, changes: dict[str, Any], new_params: bool
    ) -> None:
        """Raise what ``fork`` would raise for this copy, as far as it can be known before."""
        definition = self._inspector.definition(job_id)
        self._copy(job_id, definition, checked_number(number), changes or None, "", new_params)

    def _copy(
        self, job_id: str, definition: Definition, number: int, changes: object | None, by: str,
        new_params: bool,
    ) -> Copy:  # fmt: skip
        found = self._inputs.find(job_id, definition, number)
        named, params = self._forkable(job_id, definition, number, found)
        routine, slot = named.routine, named.slot
        mode: str = definition.mode(routine, slot)
        if found is not None and found.masked:
            _check_secrets(job_id, number, definition.secret(routine, slot), params, changes)
        if limits := keyed_limits(definition, routine, slot):
            given = changes if isinstance(changes, dict) else {}
            where = "fork of " + ".".join(definition.place_of(named))
            mode = limited_mode(
                limits, mode, {**params, **given}, where, definition.secret(routine, slot)
            )
        if changes is None:
            where = f"params of invocation {number} ({'.'.join(definition.place_of(named))})"
            payload = encode_payload(params, self._settings.max_payload, where)
            return Copy(routine, slot, mode, invocation_record(0, payload))
        # Without an emitter: the number of what had emitted it means nothing in the new job.
        before, limit = invocation_record(0, packb(params)), self._settings.max_payload
        told = HandlerRecords(self._store).of_slot(definition, routine, slot)
        record, difference = edited(
            definition, named, before, changes, False, limit, new_params, told
        )
        return Copy(routine, slot, mode, record, pack_record(by, difference))

    def _forkable(
        self, job_id: str, definition: Definition, number: int, found: Input | None
    ) -> tuple[InvocationName, dict[str, Any]]:
        """What can be delivered again; JobStateError says why it cannot, and what to do."""
        if found is None:
            why = (
                f"neither its params nor its history are kept; {_KEEP}"
                if self._inputs.has_had(job_id, number)
                else "the job has no invocation of this number"
            )
        elif found.invocation.slot == CHILD_SLOT_INDEX:
            why = "it takes the end of a child job; fork that job, or what started it"
        elif found.expected:
            why = "it is an answer that the job still expects; fork what asks for it"
        elif definition.join(found.invocation.routine, found.invocation.slot) is not None:
            why = "it is a join; fork the invocations that sent its items"
        elif found.params is None:
            why = "it has ended, and its params are not kept: they have more than "
            why += _FULL if definition.keep_inputs else f"{HISTORY_PARAMS} bytes; {_KEEP}"
        else:
            return found.invocation, found.params
        raise JobStateError(f"cannot fork invocation {number} of job {job_id}: {why}")


def _check_secrets(
    job_id: str, number: int, secret: frozenset[str], params: dict[str, Any], changes: object
) -> None:
    """InvalidValueError for secret params that are neither kept nor given."""
    given = changes if isinstance(changes, Mapping) else {}
    missing = [
        name for name in params if name in secret and params[name] == HIDDEN and name not in given
    ]
    if missing:
        raise InvalidValueError(
            f"the secret params of invocation {number} of job {job_id}, which has ended, are not "
            f"kept ({listing(missing)}): give them with edit={{{number}: ...}}"
        )


def _checked(invocations: object) -> list[int]:
    if isinstance(invocations, (str, bytes, Mapping)) or not isinstance(invocations, Iterable):
        raise InvalidValueError(
            f"fork takes the numbers of invocations, such as [5, 9], not {shown(invocations)}"
        )
    numbers = [checked_number(number) for number in islice(invocations, MOST_COPIES + 1)]
    if not numbers or len(numbers) > MOST_COPIES or len(set(numbers)) < len(numbers):
        raise InvalidValueError(
            f"fork takes 1 to {MOST_COPIES} numbers of invocations, each once, not {shown(numbers)}"
        )
    return numbers
