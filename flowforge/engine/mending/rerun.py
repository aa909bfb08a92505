"""A new job like one that was: of the same flow, entered at the same slot."""

from __future__ import annotations

from typing import Any, NamedTuple

from flowforge.codec.masking import HIDDEN
from flowforge.common.bounded_repr import shown
from flowforge.engine.mending.edits import checked_params
from flowforge.engine.submission.job_items import Item
from flowforge.engine.submission.job_keys import JobKeys
from flowforge.engine.submission.sending import sending_again
from flowforge.engine.submission.submit import Again, JobCreator
from flowforge.engine.undo_texts import refuse_undoing
from flowforge.errors import DefinitionError, InvalidValueError
from flowforge.model.definition import Definition
from flowforge.model.jobs.labels import labels_text
from flowforge.model.names import listing
from flowforge.model.param_checks import check_changed
from flowforge.store.fleet_reads.finding import Finder, Query
from flowforge.store.fleet_reads.handler_records import HandlerRecords
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.job_reads.job_rows import JobDetails, JobSummary
from flowforge.store.store import Store

#: Which definition a job is run again with: that of the flow's newest job, or its own.
DEFINITIONS = ("latest", "same")


class Rerun(NamedTuple):
    """A job to be run again: from where, and with which params."""

    job: JobSummary
    again: Again
    params: dict[str, Any]


def prepare_rerun(
    store: Store, inspector: Inspector, finder: Finder, job_id: str,
    params: dict[str, Any] | None, definition: str, new_params: bool,
) -> Rerun:  # fmt: skip
    """What the new job is made of.

    ArgumentError for params that its entry cannot be called with, and without ``new_params`` for
    those that neither the other job has nor the entry is known to take.
    """
    if definition not in DEFINITIONS:
        raise InvalidValueError(f"definition must be 'latest' or 'same', not {shown(definition)}")
    refuse_undoing(inspector, job_id, "rerun")
    given = {} if params is None else params
    if params is None:
        params = _kept_params(inspector, job_id)
    summary, details = inspector.describe(job_id)
    latest = next(iter(finder.find(Query(flow_id=summary.flow_id), 1)), None)
    source = latest.job_id if latest is not None and definition == "latest" else job_id
    _, of_source = inspector.describe(source)
    found = inspector.definition(source)
    routine, slot = _place(found, details)
    if given:
        where, had = f"entry params of {details.entry}", inspector.params(job_id)
        check_changed(
            found, (routine, slot), had, checked_params(given, where), params, where,
            told=HandlerRecords(store).of_slot(found, routine, slot), new_params=new_params,
        )  # fmt: skip
    # By the name in the row: a definition of an earlier release may be written otherwise today.
    again = Again(
        of_source.definition, found, routine, slot, details, scheduled=details.scheduled_text()
    )
    return Rerun(summary, again, params)


def rerun(inspector: Inspector, creator: JobCreator, found: Rerun, traces: bool | None) -> str:
    """The id of the new job, which has the labels, the priority, the limits and the key of the
    other of which one job runs at a time.

    ``traces``: the setting.
    """
    job, again, params = found
    former = inspector.trace(job.job_id)
    with sending_again(traces, job.flow_id, again.like.entry, former) as (trace, tell):
        # One of which one job runs at a time waits for its turn.
        keys = None if job.single is None else JobKeys(single=job.single, when_running="queue")
        item = Item(params, labels=labels_text(job.labels), keys=keys)
        submitted = creator.create_again(again, item, trace)
        tell([submitted])
    return submitted.job_id


def _kept_params(inspector: Inspector, job_id: str) -> dict[str, Any]:
    """The params that the job was submitted with."""
    kept = inspector.params(job_id)
    if kept is None:
        raise InvalidValueError(
            f"the entry params of job {job_id} are not kept: it is a fork, they were too large, or "
            "a former release created the job; give the params of the new job"
        )
    hidden = [name for name, value in kept.items() if value == HIDDEN]
    if hidden:
        raise InvalidValueError(
            f"the secret entry params of job {job_id} are not kept ({listing(hidden)}): give the "
            "params of the new job"
        )
    return kept


def _place(definition: Definition, details: JobDetails) -> tuple[int, int]:
    """Routine and slot where the job was entered."""
    routine_id, _, slot = details.entry.rpartition(".")
    routine = definition.index(routine_id)
    names = definition.slot_names(routine)
    if slot not in names:
        raise DefinitionError(
            f"the latest definition of flow {definition.flow_id!r} has no slot {details.entry!r}, "
            "at which the job was entered; definition='same' has it"
        )
    return routine, names.index(slot)
