"""What a bound routine asks of the invocation that it runs in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol

from flowforge.model.answers.expectation import Expect, Ticket
from flowforge.model.jobs.job_handle import JobHandle
from flowforge.model.times.child_start import ChildStart
from flowforge.model.times.deadlines import Deadlines
from flowforge.model.times.start import Delay


class Invocation(Protocol):
    """One attempt at one invocation. The model delegates to it and knows nothing behind it."""

    @property
    def job(self) -> JobHandle:
        """Handle of the running job."""

    @property
    def job_id(self) -> str: ...

    @property
    def attempt_number(self) -> int:
        """1 for the first attempt at this invocation."""

    @property
    def checkpoint(self) -> Any:
        """What the latest pause left, or None."""

    @property
    def scheduled_at(self) -> datetime | None:
        """The time for which a schedule has started the job; None: none has."""

    @property
    def cancelled(self) -> bool:
        """True within a heartbeat after the job was cancelled."""

    def extend(self, ms: int) -> None:
        """Give the attempt more time, from now on; LeaseLostError when its time was over."""

    def emit(self, event: str, params: dict[str, Any], later_ms: int = 0) -> None:
        """Buffer an emission; PayloadError names the path of a value that cannot travel.

        ``later_ms``: how long its deliveries are put off.
        """

    def undo_with(self, data: dict[str, Any]) -> None:
        """Note what the undo of this invocation is to be given, when this attempt commits."""

    def record_stat(
        self, op: Literal["set", "add", "reset"], name: str | None, value: object
    ) -> None:
        """Note a change to the routine's stats, to be applied by the commit."""

    def start(
        self,
        flow: Any,
        entry_routine_id: str,
        params: dict[str, Any] | None,
        child: ChildStart,
        priority: int | None,
        max_in_flight: int | None,
        labels: Mapping[str, str] | None,
        deadlines: Deadlines,
    ) -> str:
        """Start a job of another flow with this attempt's commit; return its id."""

    def expect(
        self, wanted: Sequence[Expect], within: Delay | None, otherwise: object,
        remind: Delay | None,
    ) -> list[Ticket]:  # fmt: skip
        """Expect one of these answers from this attempt's commit on."""

    def child_outputs(self, job_id: str) -> list[dict[str, Any]]:
        """Return the outputs of a completed child job; ChildJobError for another end."""

    def slot_data(self, slot: str) -> dict[str, Any]:
        """Return what this job's slot has merged or remembered so far."""

    def reset_slot(self, slot: str) -> None:
        """Forget it, when this attempt commits."""
