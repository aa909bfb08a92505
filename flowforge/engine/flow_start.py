"""Starting a job of a flow that the server knows from earlier jobs, without the flow's code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine, Submitter
from flowforge.engine.finding.find import find
from flowforge.engine.flow_versions import flow_versions
from flowforge.engine.submission.job_items import Item, Submitted, checked_key
from flowforge.engine.submission.job_keys import JobKeys
from flowforge.engine.submission.job_template import check_priority
from flowforge.engine.submission.sending import sending_again
from flowforge.engine.submission.submit import Again
from flowforge.errors import DefinitionError, InvalidValueError
from flowforge.model.definition import Definition
from flowforge.model.flow import TRIGGER
from flowforge.model.handler_params import HandlerParams
from flowforge.model.jobs.labels import labels_text
from flowforge.model.slot import CALL_SLOT
from flowforge.model.times.deadlines import NO_DEADLINES, Deadlines
from flowforge.model.times.start import Start
from flowforge.store.fleet_reads.finding import Query
from flowforge.store.fleet_reads.handler_records import HandlerRecords, of_slot

#: Jobs of a flow that are looked at for its versions, the latest ones.
_LATEST = 100


class EntryPlace(NamedTuple):
    """Where jobs can begin. ``takes``: what the handler takes; None: no worker has told of it."""

    routine: int
    slot: int
    name: str
    secret: frozenset[str]
    takes: HandlerParams | None


@dataclass(frozen=True)
class StoredFlow:
    """A flow as one of its jobs has it. ``name``: of the definition in the store.

    ``entries``: those that no connection leads to come first.
    """

    engine: Engine
    job_id: str
    name: str
    definition: Definition
    entries: Sequence[EntryPlace]

    def entry(self, name: str) -> EntryPlace:
        """The entry of a routine, or of a routine and its slot; InvalidValueError."""
        for one in self.entries:
            if name in (one.name, one.name.rpartition(".")[0]):
                return one
        known = ", ".join(one.name for one in self.entries) or "none"
        raise InvalidValueError(f"flow has no entry {shown(name)}; it has: {known}")


def versions(engines: Sequence[Engine], flow_id: str) -> list[str]:
    """The versions that the latest jobs of a flow have, that of the newest job first."""
    jobs = find(engines, Query(flow_id=flow_id), _LATEST).jobs
    return [one.definition for one in flow_versions(jobs)]


def stored_flow(submitter: Submitter, flow_id: str, version: str = "") -> StoredFlow:
    """The flow as its newest job has it, or its newest job of a version.

    DefinitionError when there is no such job, CorruptRecordError or NewerRecordError when its
    definition cannot be read.
    """
    jobs = find(submitter.each, Query(flow_id=flow_id), _LATEST).jobs
    for one in flow_versions(jobs):
        if version in ("", one.definition):
            engine = submitter.of(one.job_id)
            definition = engine.inspector.definition(one.job_id)
            entries = _entries(engine, definition)
            return StoredFlow(engine, one.job_id, one.definition, definition, entries)
    what = f"no job of version {shown(version)}" if version else "no job"
    raise DefinitionError(
        f"flow {shown(flow_id)} has {what} here: the first one is submitted by a program, which "
        "has the flow"
    )


def _entries(engine: Engine, definition: Definition) -> list[EntryPlace]:
    told = HandlerRecords(engine.store).read(spec.class_name for spec in definition.routines)
    fed = {(one.target_routine_id, one.target_slot) for one in definition.connections}
    found = []
    for routine, spec in enumerate(definition.routines):
        slot = _entry_slot(spec.slot_names)
        if slot is None:
            continue
        secret = definition.secret(routine, slot)
        name = f"{spec.id}.{spec.slot_names[slot]}"
        found.append(EntryPlace(routine, slot, name, secret, of_slot(told, spec, slot)))
    return sorted(found, key=lambda one: tuple(one.name.rsplit(".", 1)) in fed)


def _entry_slot(names: Sequence[str]) -> int | None:
    """As ``Flow.execute`` chooses the slot of a routine; None where it cannot."""
    for wanted in (CALL_SLOT, TRIGGER):
        if wanted in names:
            return names.index(wanted)
    return 0 if len(names) == 1 else None


def start(
    submitter: Submitter,
    flow: StoredFlow,
    entry: EntryPlace,
    params: dict[str, Any],
    *,
    idempotency_key: str | None = None,
    labels: Mapping[str, str] | None = None,
    priority: int | None = None,
    deadlines: Deadlines = NO_DEADLINES,
    begins: Start | None = None,
    keys: JobKeys | None = None,
) -> Submitted:
    """Create a job, with the limits of the job that the flow was found by.

    ``begins``: when it starts; None: at once, or when its debounce key says so.

    It raises what ``Flow.execute`` raises; CorruptRecordError when the definition is gone.
    """
    check_priority(priority)
    key = checked_key("idempotency_key", idempotency_key)
    if begins is None and keys is not None:
        begins = keys.start(None)
    item = Item(params, key, labels=labels_text(labels), start=begins, keys=keys)
    _, details = flow.engine.inspector.describe(flow.job_id)
    like = replace(details, entry=entry.name, priority=priority or 0, fair_key=None, weight=None)
    again = Again(flow.name, flow.definition, entry.routine, entry.slot, like, deadlines)
    home = submitter.home(flow.definition, entry.name, item)
    # A definition that is written otherwise today cannot be given to another server.
    if flow.definition.hash != flow.name:
        home = flow.engine
    traces = submitter.settings.traces
    with sending_again(traces, flow.definition.flow_id, entry.name) as (trace, tell):
        submitted = home.create_again(again, item, trace)
        tell([submitted])
    return submitted
