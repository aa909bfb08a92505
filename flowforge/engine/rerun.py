"""A new job like one that was: of the same flow, entered at the same slot."""

from __future__ import annotations

from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.engine.job_items import Item
from flowforge.engine.sending import sending_again
from flowforge.engine.submit import Again, JobCreator
from flowforge.errors import DefinitionError, InvalidValueError
from flowforge.execution.secret_texts import HIDDEN
from flowforge.model.definition import Definition
from flowforge.model.labels import labels_text
from flowforge.model.names import listing
from flowforge.store.finding import Finder, Query
from flowforge.store.inspector import Inspector
from flowforge.store.job_rows import JobDetails

#: Which definition a job is run again with: that of the flow's newest job, or its own.
DEFINITIONS = ("latest", "same")


def rerun(
    inspector: Inspector,
    finder: Finder,
    creator: JobCreator,
    job_id: str,
    params: dict[str, Any] | None,
    definition: str,
    traces: bool | None,
) -> str:
    """The id of the new job, which has the labels, the priority and the limits of the other.

    ``traces``: the setting.
    """
    if definition not in DEFINITIONS:
        raise InvalidValueError(f"definition must be 'latest' or 'same', not {shown(definition)}")
    if params is None:
        params = _kept_params(inspector, job_id)
    summary, details = inspector.describe(job_id)
    latest = next(iter(finder.find(Query(flow_id=summary.flow_id), 1)), None)
    source = latest.job_id if latest is not None and definition == "latest" else job_id
    _, of_source = inspector.describe(source)
    found = inspector.definition(source)
    # By the name in the row: a definition of an earlier release may be written otherwise today.
    again = Again(of_source.definition, found, *_place(found, details), details)
    former = inspector.trace(job_id)
    with sending_again(traces, summary.flow_id, details.entry, former) as (trace, tell):
        item = Item(params, labels=labels_text(summary.labels))
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
