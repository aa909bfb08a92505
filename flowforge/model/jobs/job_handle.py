"""The handle of a job, as handlers get it, and the records that it shows."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol, Self

from flowforge.model.answers.expectation import Expectation
from flowforge.model.jobs.breakpoint import Breakpoint
from flowforge.model.jobs.job_event import JobEvent
from flowforge.model.jobs.job_finding import JobFinding
from flowforge.model.jobs.job_progress import JobProgress
from flowforge.model.jobs.undo import Undo
from flowforge.model.times.start import Delay


@dataclass(frozen=True)
class Output:
    """What a routine emitted on an event that nobody is connected to."""

    invocation: int
    routine_id: str
    event: str
    params: dict[str, Any]


@dataclass(frozen=True)
class HistoryEntry:
    """One thing that happened to a job. ``id`` is the store's order, ``at`` its clock."""

    id: str
    at: datetime
    kind: str
    invocation: int | None
    routine_id: str | None
    slot: str | None
    details: dict[str, Any]


@dataclass(frozen=True)
class LogLine:
    """A line that a handler has logged. ``id``: the store's order; ``at``: the worker's clock.

    ``exception``: the traceback; None without one. Values of secret params are blanked out.
    """

    id: str
    at: datetime
    level: str
    logger: str
    message: str
    exception: str | None
    invocation: int
    routine_id: str
    slot: str
    attempt: int
    worker: str


@dataclass(frozen=True)
class OpenJoin:
    """A join that collects. ``key``: the value it is for, empty when it is for all items."""

    routine_id: str
    slot: str
    key: str
    items: int

    @property
    def for_key(self) -> str:
        return f" for {self.key!r}" if self.key else ""


class JobHandle(Protocol):
    """What ``Routine.job`` is: a ``JobState``, which says what each of these means."""

    @property
    def job_id(self) -> str: ...

    @property
    def flow_id(self) -> str: ...

    @property
    def status(self) -> str: ...

    @property
    def created(self) -> bool | None: ...

    @property
    def params(self) -> dict[str, Any] | None: ...

    @property
    def labels(self) -> dict[str, str]: ...

    @property
    def undo(self) -> Undo | None: ...

    @property
    def undoes(self) -> str | None: ...

    @property
    def trace_id(self) -> str | None: ...

    @property
    def reason(self) -> str | None: ...

    @property
    def error(self) -> dict[str, Any] | None: ...

    @property
    def created_at(self) -> datetime: ...

    @property
    def updated_at(self) -> datetime: ...

    @property
    def counts(self) -> dict[str, int]: ...

    @property
    def pause_points(self) -> list[dict[str, Any]]: ...

    @property
    def outputs(self) -> list[Output]: ...

    @property
    def routine_states(self) -> dict[str, dict[str, Any]]: ...

    @property
    def open_joins(self) -> list[OpenJoin]: ...

    @property
    def snapshot(self) -> dict[str, Any] | None: ...

    def result(self, timeout: float | None = None) -> list[Output]: ...

    def wait(self, timeout: float | None = None) -> Self: ...

    def explain(self) -> list[JobFinding]: ...

    def progress(self) -> JobProgress: ...

    def pause(self, reason: str = "", checkpoint: Any = None, *, by: str | None = None) -> None: ...

    def resume(self, reason: str = "", *, by: str | None = None) -> None: ...

    def cancel(self, reason: str = "", *, undo: bool = False, by: str | None = None) -> None: ...

    def retry(
        self,
        edit: Mapping[int, dict[str, Any]] | None = None,
        *,
        new_params: bool = False,
        reason: str = "",
        by: str | None = None,
        finish_within: Delay | None = None,
    ) -> None: ...

    def edit(
        self,
        invocation: int,
        params: dict[str, Any],
        *,
        replace: bool = False,
        new_params: bool = False,
        by: str | None = None,
    ) -> None: ...

    def skip(
        self,
        invocation: int,
        emit: Sequence[tuple[str, dict[str, Any]]] = (),
        *,
        new_params: bool = False,
        by: str | None = None,
    ) -> None: ...

    def run_now(self, invocation: int, *, by: str | None = None) -> None: ...

    def reschedule(
        self,
        invocation: int | None = None,
        *,
        delay: Delay | None = None,
        at: datetime | None = None,
        by: str | None = None,
    ) -> None: ...

    def start_now(self, *, by: str | None = None) -> None: ...

    @property
    def starts_at(self) -> datetime | None: ...

    @property
    def calls(self) -> int: ...

    @property
    def start_by(self) -> datetime | None: ...

    @property
    def finish_by(self) -> datetime | None: ...

    @property
    def late(self) -> str | None: ...

    @property
    def schedule(self) -> str | None: ...

    @property
    def scheduled_at(self) -> datetime | None: ...

    @property
    def breakpoints(self) -> list[Breakpoint]: ...

    def break_at(
        self, routine_id: str, when: Mapping[str, Any] | None = None, *, by: str | None = None
    ) -> None: ...

    def clear_break(self, routine_id: str | None = None, *, by: str | None = None) -> None: ...

    def step(self, invocation: int | None = None, *, by: str | None = None) -> None: ...

    def continue_(self, routine_id: str | None = None, *, by: str | None = None) -> None: ...

    @property
    def expectations(self) -> list[Expectation]: ...

    def deliver(
        self,
        routine_id: str,
        slot: str,
        params: dict[str, Any] | None = None,
        *,
        by: str | None = None,
        delivery_id: str | None = None,
        key: str | int = "",
    ) -> int | None: ...

    @property
    def forked_from(self) -> str | None: ...

    def fork(
        self,
        invocations: Iterable[int],
        edit: Mapping[int, dict[str, Any]] | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        new_params: bool = False,
        by: str | None = None,
    ) -> Self: ...

    def rerun(
        self,
        params: dict[str, Any] | None = None,
        *,
        definition: str = "latest",
        new_params: bool = False,
    ) -> Self: ...

    def delete(self) -> None: ...

    def label(self, /, **changes: str | None) -> None: ...

    def get_routine_state(self, routine_id: str) -> dict[str, Any] | None: ...

    def update_routine_state(self, routine_id: str, data: dict[str, Any]) -> None: ...

    def get_execution_history(self, routine_id: str | None = None) -> list[HistoryEntry]: ...

    def events(
        self,
        since: str | None = None,
        *,
        until_end: bool = True,
        timeout: float | None = None,
    ) -> Iterator[JobEvent]: ...

    def logs(
        self,
        routine_id: str | None = None,
        *,
        invocation: int | None = None,
        after: str | None = None,
    ) -> list[LogLine]: ...

    def record_execution(
        self, routine_id: str, event_name: str, data: dict[str, Any] | None = None
    ) -> None: ...

    def serialize(self) -> dict[str, Any]: ...

    def save(self, path: str | os.PathLike[str]) -> None: ...
