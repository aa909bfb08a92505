"""Creating jobs: what they have in common, what differs, and the script that creates them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from flowforge.store.reading import reading
from flowforge.store.runner import ScriptRunner
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import SUBMIT, Answer

#: Entry params that are empty, too large to be kept, or as the first invocation has them.
NO_PARAMS, LARGE_PARAMS, SAME_PARAMS = b"none", b"large", b"same"


class NewJob(NamedTuple):
    """What differs between jobs that are submitted together."""

    job_id: str
    mode: str
    record: bytes
    idempotency_key: str = ""
    #: Lines ``name=value``; see :func:`flowforge.model.jobs.labels.labels_text`.
    labels: str = ""
    #: What is kept of the params: NO_PARAMS, LARGE_PARAMS, SAME_PARAMS, or a record of its own.
    params: bytes = NO_PARAMS


#: What ``Submission.arguments`` are called, as ``ABOUT`` of ``lua/include/schedules.lua`` has it
#: and ``read_about`` of ``create.lua`` reads them.
COMMON_NAMES = (
    "def", "flow", "r", "s", "priority", "suffix", "max_in_flight", "retention", "history_limit",
    "output_limit", "entry", "deadlines", "fair", "scheduled",
)  # fmt: skip


@dataclass(frozen=True)
class Submission:
    """What jobs that are submitted together have in common."""

    definition: str
    flow_id: str
    routine: int
    slot: int
    #: None: of the job that starts these; so is the list suffix.
    priority: int | None
    suffix: str
    #: None: of the job that starts these.
    max_in_flight: int | None
    retention_ms: int
    history_limit: int
    output_limit: int
    entry: str
    #: ``start finish``: milliseconds in which jobs are to start and to finish, or nothing in the
    #: place of either; empty: neither is given.
    deadlines: str = ""
    #: Weight and fair key; see :func:`flowforge.model.fair.fair_text`. Empty: none, of a child job
    #: that of the job that starts it.
    fair: str = ""
    #: ``time schedule``: the time, in seconds, for which a schedule has started it or the job that
    #: it is a copy of; empty: none has.
    scheduled: str = ""

    def arguments(self) -> tuple[str | int, ...]:
        """In the order that the scripts read them."""
        priority = "" if self.priority is None else self.priority
        max_in_flight = "" if self.max_in_flight is None else self.max_in_flight
        return (
            self.definition, self.flow_id, self.routine, self.slot, priority, self.suffix,
            max_in_flight, self.retention_ms, self.history_limit, self.output_limit, self.entry,
            self.deadlines, self.fair, self.scheduled,
        )  # fmt: skip


class Submissions:
    """The transition that producers make."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def submit(
        self,
        common: Submission,
        jobs: Sequence[NewJob],
        definition: dict[str, Argument] | None,
    ) -> list[str] | None:
        """Create all the jobs or none: their ids, each its own or that of the job with its key.

        None asks for the ``definition``, which the store does not have.
        """
        arguments: list[Argument] = [*common.arguments(), len(jobs)]
        for job in jobs:
            arguments += job
        for pair in (definition or {}).items():
            arguments += pair
        reply, *ids = self._scripts.run("submit", *arguments)
        if SUBMIT[reply] is Answer.DEFINITION:
            return None
        with reading("the job of an idempotency key"):
            return [job_id.decode() for job_id in ids]
