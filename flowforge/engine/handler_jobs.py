"""What handlers get of the engine, by way of the worker: handles of jobs, and jobs of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.engine.engine import Engine
from flowforge.engine.failures import child_error, child_gone
from flowforge.engine.jobs.job_state import JobState
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import InvalidValueError, JobNotFoundError
from flowforge.execution.handler_context import ChildJob
from flowforge.model.flow import FlowGraph
from flowforge.model.jobs.labels import INHERITED, labels_text
from flowforge.model.jobs.status import JobStatus
from flowforge.model.times.deadlines import Deadlines
from flowforge.model.times.start import Start


class HandlerJobs:
    """Jobs as the handlers that run on one server see them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def job(self, job_id: str) -> JobState:
        return JobState(job_id, self._engine)

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
        """A job that the commit of a handler is going to create."""
        if not isinstance(flow, FlowGraph):
            raise InvalidValueError(f"start takes a Flow to make a job of, not {shown(flow)}")
        template = JobTemplate(flow, entry_routine_id, priority, max_in_flight, deadlines, trace)
        text = INHERITED if labels is None else labels_text(labels)
        return self._engine.child_job(template, params, text, start)

    def keeps_limits(self) -> bool:
        """Whether limits count on this server; StoreUnavailableError."""
        return self._engine.limit_home.find() is self._engine

    def answer_url(self, job_id: str, token: str) -> str | None:
        """The link to the form of an answer; None where the dashboard's address is not set."""
        address = self._engine.settings.dashboard_url
        return None if address is None else f"{address.rstrip('/')}/answer/{job_id}/{token}"

    def child_outputs(self, job_id: str) -> list[dict[str, Any]]:
        """The outputs of a completed job; ChildJobError when it has ended otherwise."""
        inspector = self._engine.inspector
        try:
            status = inspector.status(job_id)
        except JobNotFoundError:
            raise child_gone(job_id) from None
        if status is not JobStatus.COMPLETED:
            raise child_error(inspector, job_id, status)
        return [
            {"routine_id": one.routine_id, "event": one.event, "params": one.params}
            for one in inspector.outputs(job_id)
        ]
