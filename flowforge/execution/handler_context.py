"""What a handler may ask while it runs. The worker answers from the store and by the engine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol, TypeVar

from flowforge.execution.effects import Emitted
from flowforge.model.flow import FlowGraph
from flowforge.model.jobs.job_handle import JobHandle
from flowforge.model.plan import PlannedSlot
from flowforge.model.times.deadlines import Deadlines
from flowforge.model.times.start import Start

#: The attempt whose handler asks.
Asking_contra = TypeVar("Asking_contra", contravariant=True)


class ChildJob(NamedTuple):
    """A job to be started: its id, what creates it, and its definition as field, value, ..."""

    job_id: str
    arguments: list[str | bytes | int | float]
    definition: list[str | bytes | int | float]


class JobAccess(Protocol):
    """The part that the engine answers: handles of jobs, and jobs that handlers start."""

    def job(self, job_id: str) -> JobHandle: ...

    def child_job(
        self,
        flow: FlowGraph,
        entry_routine_id: str,
        params: dict[str, Any] | None,
        priority: int | None,
        max_in_flight: int | None,
        labels: Mapping[str, str] | None,
        deadlines: Deadlines,
        start: Start | None,
        trace: bytes,
    ) -> ChildJob:
        """A job that the commit of the handler is going to create; without ``labels`` it has those
        of the handler's job. ``trace``: the packed context that it continues, or nothing.
        """

    def answer_url(self, job_id: str, token: str) -> str | None:
        """The link to the form of an answer; None where the dashboard's address is not set."""

    def child_outputs(self, job_id: str) -> list[dict[str, Any]]:
        """The outputs of a completed job; ChildJobError when it has ended otherwise."""


class HandlerContext(JobAccess, Protocol[Asking_contra]):
    """All that a handler may ask."""

    def runs(self, job_id: str) -> bool:
        """Whether handlers of the job may start now."""

    def scheduled_at(self, job_id: str) -> datetime | None:
        """The time for which a schedule has started the job, or None."""

    def checkpoint(self, job_id: str) -> Any:
        """The checkpoint of the latest pause that gave one, or None."""

    def extend(self, attempt: Asking_contra, ms: int) -> None:
        """Give it more time from now on; LeaseLostError when its time was over."""

    def slot_data(self, attempt: Asking_contra, slot: PlannedSlot) -> dict[str, Any]:
        """What a slot holds now: merged, or the latest payload."""

    def emissions_of(self, job_id: str, number: int) -> list[str]:
        """What an invocation emitted, as ``routine.event``; empty when that is not known."""

    def stage(self, attempt: Asking_contra, emitted: Sequence[Emitted], already: int) -> None:
        """Keep part of a large emission for the commit; ``already``: how many are kept before."""

    def stage_outputs(self, attempt: Asking_contra, outputs: Sequence[bytes], already: int) -> None:
        """The same for outputs."""
