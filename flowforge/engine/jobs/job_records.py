"""What is kept of a job's routines: their states, the history, what handlers have logged."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from flowforge.engine.jobs.job_identity import JobIdentity
from flowforge.engine.jobs.user_data import (
    check_note,
    check_routine_data,
    pack_note,
    pack_routine_data,
)
from flowforge.engine.texts import checked_line_id
from flowforge.model.jobs.job_event import JobEvent
from flowforge.model.jobs.job_handle import HistoryEntry, LogLine, OpenJoin
from flowforge.model.jobs.job_progress import JobProgress


class JobRecords(JobIdentity):
    """The records of a job, read from the store when they are asked for."""

    @property
    def routine_states(self) -> dict[str, dict[str, Any]]:
        """State of every routine that has run, by its id.

        A dict with ``status`` (``pending``, ``running``, ``completed``, ``failed``,
        ``error_continued`` or ``skipped``), the counters ``started``, ``completed``, ``failed``,
        ``retried``, ``error_continued``, ``skipped``, ``lost``, ``released``, ``dropped`` and
        ``running``, ``started_at``, ``ended_at``, ``total_seconds``, ``latest_seconds``, ``stats``,
        ``last_error`` (``type``, ``message``, ``when`` and ``at``: the place in your own code; None
        without, also where the error was retried or passed over), and data of your own.

        ``started`` counts claims. One that a worker gave back counts as released as well and was no
        attempt: its handler was not called, or its attempt does not count.
        """
        return self._engine.inspector.routine_states(self.job_id)

    def progress(self) -> JobProgress:
        """How many invocations of the job, and of each routine, have ended of those that are known.

        ``done``, ``total`` and ``total_is_final``, and ``percent``, which is None while handlers
        that have not ended may emit more; ``status``, ``running``, ``waiting`` (how much waits, by
        cause), ``created_at``, ``ended_at``, and ``routines``, in the order of the flow, with
        ``routine_id``, the same counts, ``is_estimate``, ``running``, ``retried``, ``failed``,
        ``error_continued``, ``skipped``, ``lost`` and ``usual_seconds`` each.
        """
        return self._engine.progress(self.job_id)

    def get_routine_state(self, routine_id: str) -> dict[str, Any] | None:
        """State of one routine; None when it has not run. ValueError for an unknown id."""
        self._check_routine(routine_id)
        return self.routine_states.get(routine_id)

    def update_routine_state(self, routine_id: str, data: dict[str, Any]) -> None:
        """Keep data of your own with a routine; keys that exist are replaced.

        ValueError for what FlowForge keeps itself (counters, stats and times). A ``status``, one
        of ``RoutineStatus``, is shown in place of FlowForge's own.
        """
        check_routine_data(routine_id, data)
        self._check_routine(routine_id)
        limit = self._engine.settings.max_payload
        self._engine.annotate(self.job_id, pack_routine_data(routine_id, data, limit))

    def get_execution_history(self, routine_id: str | None = None) -> list[HistoryEntry]:
        """What happened, in the store's order; of one routine or of all.

        Each entry has ``id``, ``at``, ``kind``, ``invocation``, ``routine_id``, ``slot`` and
        ``details``.
        """
        if routine_id is not None:
            self._check_routine(routine_id)
        entries: Iterable[HistoryEntry] = self._engine.inspector.history(self.job_id)
        return [e for e in entries if routine_id is None or _concerns(e, routine_id)]

    def events(
        self,
        since: str | None = None,
        *,
        until_end: bool = True,
        timeout: float | None = None,
    ) -> Iterator[JobEvent]:
        """Iterate what happens to the job as it happens, from its submission until its end.

        Each event has ``id``, ``job_id``, ``at``, ``kind``, ``invocation``, ``routine_id``,
        ``slot`` and ``details``: an entry of the history; or ``gap``, where entries may have been
        deleted before they were read; or ``ended``, which is the last one. ``since``: go on behind
        the event with this id, also in another process. ``until_end=False``: only what has happened
        so far, without waiting.

        It goes on over outages of the server, as ``wait`` does, and through a pause. No event is
        lost or doubled but through a gap. Raises ValueError for what is no id of an event;
        TimeoutError after ``timeout`` seconds; WouldBlockError as ``wait`` does.
        """
        return self._engine.events(self.job_id, since, until_end, timeout)

    def logs(
        self,
        routine_id: str | None = None,
        *,
        invocation: int | None = None,
        after: str | None = None,
    ) -> list[LogLine]:
        """What handlers have logged, where workers keep it (``keep_logs``), in the store's order.

        Of one routine or of all; of one ``invocation``, by its number; only lines ``after`` the one
        with this id. A line is there about half a second after it was logged. ValueError for an
        unknown routine and for what is no id of a line.
        """
        if routine_id is not None:
            self._check_routine(routine_id)
        return [
            line
            for line in self._engine.inspector.log_lines(self.job_id, checked_line_id(after))
            if routine_id in (None, line.routine_id) and invocation in (None, line.invocation)
        ]

    def record_execution(
        self, routine_id: str, event_name: str, data: dict[str, Any] | None = None
    ) -> None:
        """Add a note of your own to the history."""
        data = {} if data is None else data
        check_note(event_name, data)
        self._check_routine(routine_id)
        limit = self._engine.settings.max_payload
        self._engine.note(self.job_id, pack_note(routine_id, event_name, data, limit))

    @property
    def open_joins(self) -> list[OpenJoin]:
        """Joins that have items and have not fired."""
        return self._engine.inspector.open_joins(self.job_id)

    def _check_routine(self, routine_id: str) -> None:
        self._engine.inspector.definition(self.job_id).index(routine_id)


def _concerns(entry: HistoryEntry, routine_id: str) -> bool:
    return routine_id in (entry.routine_id, entry.details.get("routine_id"))
