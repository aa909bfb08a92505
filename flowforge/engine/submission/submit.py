"""Creating jobs of a flow: what they have in common, their entries, and how many at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple, TypeAlias

from flowforge.broker.routing import Router
from flowforge.common.lru_cache import Recent
from flowforge.engine.submission.entry import Entry, First
from flowforge.engine.submission.job_items import Item, Submitted
from flowforge.engine.submission.job_keys import scoped_key
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.engine.submission.keyed_jobs import submit_keyed, weight
from flowforge.engine.waiting.blocking_waits import warn_at_import
from flowforge.errors import CorruptRecordError, DefinitionError
from flowforge.execution.handler_context import ChildJob
from flowforge.model.definition import Definition
from flowforge.model.flow import FlowGraph
from flowforge.model.times.deadlines import NO_DEADLINES, Deadlines
from flowforge.model.times.start import Start
from flowforge.settings import Settings
from flowforge.store.job_reads.job_rows import JobDetails
from flowforge.store.server.link import Argument
from flowforge.store.store import Store
from flowforge.store.transitions.submission import NewJob, Submission

#: Definitions that a producer keeps in the form in which they are stored, about 100 kB each for 20
#: routines: the most recently submitted ones.
STORED = 128

#: Jobs created by one call of the script, about 3 ms of the server's time.
SUBMIT_CHUNK = 200

#: Bytes of their params, but for the last job's: copying 1 MB takes the server about 2 ms.
SUBMIT_BYTES = 256 * 1024


#: What a job that has a place of limits of its flow costs the script more, in jobs without.
_WITH_PLACE = 4

#: The next jobs: as they were asked for, where they begin, and as they are stored.
_Chunk: TypeAlias = Sequence[tuple[Item, First, NewJob]]


class Again(NamedTuple):
    """A definition by its name in the store, an entry in it, and the job whose limits count."""

    name: str
    definition: Definition
    routine: int
    slot: int
    like: JobDetails
    deadlines: Deadlines = NO_DEADLINES
    #: As ``JobDetails.scheduled_text`` has it.
    scheduled: str = ""


class Prepared(NamedTuple):
    """A job that is not created yet. ``definition``: as it is stored."""

    common: Submission
    first: First
    definition: dict[str, Argument]


class JobCreator:
    """Creates jobs on one server. ``router``: where the messages of the app's routines go;
    ``on_submit``: is called with every flow before it is resolved; ``check_server``: with each
    definition of which a job cannot go to another server than this one.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        router: Router,
        on_submit: Callable[[FlowGraph], None],
        check_server: Callable[[Definition], None],
    ) -> None:
        self._check_server = check_server
        self._on_submit = on_submit
        self._store = store
        self._settings = settings
        self._router = router
        self._stored: Recent[str, tuple[Definition, dict[str, Argument]]] = Recent(STORED)

    def create(self, template: JobTemplate, jobs: Iterator[Item]) -> Iterator[list[Submitted]]:
        """Create jobs chunk by chunk, a chunk as a whole or not at all."""
        common, definition, fields = self._prepare(template)
        entry = self._entry(definition, common, template.trace)
        while chunk := self._next_chunk(entry, definition.flow_id, jobs):
            found = self._submit(common, definition, chunk, None)
            if found is None:
                found = self._submit(common, definition, chunk, fields)
            assert found is not None, "the store asked for a definition that it was given"
            yield found

    def _submit(
        self, common: Submission, definition: Definition, chunk: _Chunk,
        fields: dict[str, Argument] | None,
    ) -> list[Submitted] | None:  # fmt: skip
        """What became of each job; None asks for the definition."""
        if chunk[0][0].keys is not None:
            return submit_keyed(self._store, common, definition, chunk, fields)
        ids = self._store.submissions.submit(common, [job for _, _, job in chunk], fields)
        if ids is None:
            return None
        return [
            Submitted(job_id, job_id == job.job_id)
            for job_id, (_, _, job) in zip(ids, chunk, strict=True)
        ]

    def _next_chunk(self, entry: Entry, flow_id: str, jobs: Iterator[Item]) -> _Chunk:
        """As many of the next jobs as one script creates."""
        chunk: list[tuple[Item, First]] = []
        size = spent = 0
        for item in islice(jobs, SUBMIT_CHUNK):
            first = entry.first(item.params, item.place)
            chunk.append((item, first))
            size += len(first.record)
            spent += weight(item.keys) + (_WITH_PLACE if first.limits else 0)
            if size >= SUBMIT_BYTES or spent >= SUBMIT_CHUNK:
                break
        ids = self._store.new_job_ids(len(chunk))
        return [
            (item, first, _new_job(job_id, flow_id, item, first))
            for job_id, (item, first) in zip(ids, chunk, strict=True)
        ]

    def like(self, again: Again) -> Submission:
        """How a job is submitted of a definition that the store has."""
        like = again.like
        return Submission(
            definition=again.name,
            flow_id=again.definition.flow_id,
            routine=again.routine,
            slot=again.slot,
            priority=like.priority,
            suffix=self._router.suffix(like.priority),
            max_in_flight=int(like.limits["max_in_flight"]),
            retention_ms=round(like.limits["retention_seconds"] * 1000),
            history_limit=int(like.limits["history_limit"]),
            output_limit=int(like.limits["output_limit"]),
            entry=like.entry,
            deadlines=again.deadlines.text(),
            fair="" if like.fair is None else like.fair.text(),
            scheduled=again.scheduled,
        )

    def create_again(self, again: Again, item: Item, trace: bytes) -> Submitted:
        """Create a job of a definition that this server has, or that is as it would write it."""
        definition, common = again.definition, self.like(again)
        self._check_server(definition)
        entry = self._entry(definition, common, trace)
        chunk = self._next_chunk(entry, common.flow_id, iter([item]))
        found = self._submit(common, definition, chunk, None)
        if found is None and definition.hash == common.definition:
            found = self._submit(common, definition, chunk, self._router.fields(definition))
        if found is None:
            raise CorruptRecordError(
                f"the definition {common.definition} of flow {common.flow_id!r} is gone"
            )
        return found[0]

    def child_job(
        self, template: JobTemplate, params: dict[str, Any] | None, labels: str,
        start: Start | None,
    ) -> ChildJob:  # fmt: skip
        """A job that the commit of a handler is going to create.

        What is None is that of the job that starts it, ``max_in_flight`` only where the flow has
        none of its own.
        """
        common, definition, fields = self._prepare(template)
        self._check_server(definition)
        common = replace(
            common,
            priority=None if template.priority is None else common.priority,
            max_in_flight=template.max_in_flight or definition.max_in_flight,
        )
        entry = self._entry(definition, common, template.trace)
        (job_id,) = self._store.new_job_ids(1)
        item = Item(params, labels=labels, start=start)
        job = _new_job(job_id, definition.flow_id, item, entry.first(params))
        return ChildJob(
            job.job_id,
            [*common.arguments(), job.job_id, job.mode, job.record, job.labels, job.params],
            [part for pair in fields.items() for part in pair],
        )

    def prepare(self, template: JobTemplate, params: dict[str, Any] | None) -> Prepared:
        """What every job of a schedule is created with. It raises what ``create`` raises."""
        common, definition, fields = self._prepare(template)
        entry = self._entry(definition, common, template.trace)
        return Prepared(common, entry.first(params), fields)

    def _prepare(self, template: JobTemplate) -> tuple[Submission, Definition, dict[str, Argument]]:
        flow, settings = template.flow, self._settings
        slot_name = flow.entry_slot(template.entry_routine_id)
        entry_routine_id = flow.entry_routine(template.entry_routine_id)
        definition, fields = self._resolve(flow)
        routine = definition.index(entry_routine_id)
        priority = template.priority or 0
        common = Submission(
            definition=definition.hash,
            flow_id=definition.flow_id,
            routine=routine,
            slot=definition.slot_names(routine).index(slot_name),
            priority=priority,
            suffix=self._router.suffix(priority),
            max_in_flight=template.max_in_flight
            or definition.max_in_flight
            or settings.max_in_flight,
            retention_ms=max(1, int(settings.retention * 1000)),
            history_limit=settings.history_limit,
            output_limit=settings.output_limit,
            entry=f"{entry_routine_id}.{slot_name}",
            deadlines=template.deadlines.text(),
            fair=template.fair,
        )
        return common, definition, fields

    def _entry(self, definition: Definition, common: Submission, trace: bytes) -> Entry:
        limit = self._settings.max_payload
        return Entry(definition, common.routine, common.slot, limit, trace)

    def _resolve(self, flow: FlowGraph) -> tuple[Definition, dict[str, Argument]]:
        """The flow with the queue of every routine settled, and how it is stored."""
        self._on_submit(flow)
        plain = flow.definition()
        found = self._stored.get(plain.hash)
        if found is None:
            warn_at_import(plain.flow_id)
            if not plain.routines:
                raise DefinitionError(f"flow {plain.flow_id!r} has no routines: add one first")
            queues = {
                routine.id: self._router.queue(routine.class_name, routine.queue)
                for routine in plain.routines
            }
            resolved = flow.definition(queues)
            found = self._stored.add(plain.hash, (resolved, self._router.fields(resolved)))
        return found


def _new_job(job_id: str, flow_id: str, item: Item, first: First) -> NewJob:
    key = scoped_key(flow_id, item.key)
    mode = first.started(item.start)
    return NewJob(job_id, mode, first.record, key, item.labels, first.params)
