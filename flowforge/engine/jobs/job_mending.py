"""Mending a job by hand: what people do to its invocations, and new jobs that begin as it did."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Self

from flowforge.engine.jobs.job_records import JobRecords
from flowforge.model.times.start import Delay


class JobMending(JobRecords):
    """A job whose invocations are changed, skipped, hurried or copied."""

    def edit(
        self,
        invocation: int,
        params: dict[str, Any],
        *,
        replace: bool = False,
        new_params: bool = False,
        by: str | None = None,
    ) -> None:
        """Change params of an invocation that is parked or on a timer, by its number.

        A value replaces that of the same name, None too; the others stay. ``replace``: ``params``
        are all that it gets. ``new_params``: names are meant that neither the invocation has nor
        its slot is known to take. ``by``: as for ``pause``. The history keeps what has changed;
        secret params are masked.

        Raises JobStateError for an invocation that is queued, runs or has ended, for a join and for
        one that waits for a child job; PayloadError for values that cannot travel; ArgumentError
        for params that the handler cannot be called with, if its class is imported here, and
        without ``new_params`` for unknown names. What a slot is known to take: the parameters of
        its handler, here or as workers report them, what events declare that are connected to it,
        and its secret params.
        """
        self._engine.mending.edit(
            self.job_id, {invocation: params}, replace, by, new_params=new_params
        )

    def skip(
        self,
        invocation: int,
        emit: Sequence[tuple[str, dict[str, Any]]] = (),
        *,
        new_params: bool = False,
        by: str | None = None,
    ) -> None:
        """End an invocation that is parked or on a timer, in the place of its handler.

        ``emit``: events and params, such as ``[("charged", {"amount": 20})]``, which go where what
        the handler emits would go. A failed job stays failed until ``retry()``. ``new_params``:
        params are meant that the event does not declare. ``by``: as for ``pause``.

        Raises JobStateError for an invocation that is queued, runs or has ended, and for one that
        waits for a child job; EmissionError for an event that the routine does not have, and
        without ``new_params`` for a param that the event does not declare, if it declares any;
        PayloadError for values that cannot travel.
        """
        self._engine.mending.skip(self.job_id, invocation, emit, by, new_params)

    def run_now(self, invocation: int, *, by: str | None = None) -> None:
        """Let an invocation that is on a timer run at once: its next attempt is due.

        ``by``: as for ``pause``. JobStateError for an invocation that is on no timer, and for a job
        that is paused or has ended.
        """
        self._engine.mending.run_now(self.job_id, invocation, by)

    def reschedule(
        self,
        invocation: int | None = None,
        *,
        delay: Delay | None = None,
        at: datetime | None = None,
        by: str | None = None,
    ) -> None:
        """Change when the job starts that was put off, or when an invocation is due.

        ``delay``, ``at``: as for ``execute``; a delay counts from now. ``invocation``: the number
        of one on a timer; None: the start of the job. ``by``: as for ``pause``. A paused job can be
        rescheduled too: what becomes due is parked.

        ValueError without a time or with both; JobStateError when the job has started or was not
        put off, for an invocation that is on no timer, and for a job that has ended.
        """
        self._engine.mending.reschedule(self.job_id, delay, at, invocation, by)

    def start_now(self, *, by: str | None = None) -> None:
        """Start a job at once that was put off.

        ``by``: as for ``pause``. JobStateError when it has started or was not put off, and for a
        job that is paused or has ended.
        """
        self._engine.mending.start_now(self.job_id, by)

    @property
    def starts_at(self) -> datetime | None:
        """When the job starts that was put off: aware, UTC, by the server's clock.

        None when it has started, has ended, or was not put off.
        """
        return self._engine.inspector.starts_at(self.job_id)

    @property
    def calls(self) -> int:
        """How many calls of ``execute`` with its debounce key the job stands for; else 1."""
        return self._engine.inspector.calls(self.job_id)

    @property
    def start_by(self) -> datetime | None:
        """When the job fails unless it has started by then; None when it has, or has ended, or
        has no such time.
        """
        return self._engine.inspector.describe(self.job_id)[1].start_by

    @property
    def finish_by(self) -> datetime | None:
        """When the job fails unless it has ended by then; None as for ``start_by``."""
        return self._engine.inspector.describe(self.job_id)[1].finish_by

    @property
    def late(self) -> str | None:
        """The event that its flow has given to ``on_late`` and that has come last; None: none."""
        return self._engine.inspector.describe(self.job_id)[1].late

    @property
    def schedule(self) -> str | None:
        """The name of the schedule that has started it; None: none has. Forks and reruns of such a
        job have it as well.
        """
        return self._engine.inspector.describe(self.job_id)[1].schedule

    @property
    def scheduled_at(self) -> datetime | None:
        """The time for which the schedule has started it, aware, UTC; None: none has."""
        return self._engine.inspector.scheduled_at(self.job_id)

    def rerun(
        self,
        params: dict[str, Any] | None = None,
        *,
        definition: str = "latest",
        new_params: bool = False,
    ) -> Self:
        """Submit a new job of the same flow, entered at the same slot, and return its handle.

        It has the labels, the priority and the limits of this one. ``params``: the entry params;
        None: those of this job. ``definition``: ``latest``, that of the flow's newest job on the
        server of this one, or ``same``. ``new_params``: as for ``edit``. Needs no class or flow.

        ValueError for another ``definition``, when the latest one has no such entry, and without
        ``params`` for a job that has secret ones or does not keep its own; PayloadError as
        ``execute``, ArgumentError as ``edit``.
        """
        new_id = self._engine.rerun(self.job_id, params, definition, new_params)
        return type(self)(new_id, self._engine)

    @property
    def forked_from(self) -> str | None:
        """The id of the job that this one is a fork of; None when it is none."""
        return self._engine.inspector.forked_from(self.job_id)

    def fork(
        self,
        invocations: Iterable[int],
        edit: Mapping[int, dict[str, Any]] | None = None,
        *,
        labels: Mapping[str, str] | None = None,
        new_params: bool = False,
        by: str | None = None,
    ) -> Self:
        """Submit a new job that starts with copies of deliveries of this one; return its handle.

        ``invocations``: at most 100 numbers, of invocations in any state whose params are kept.
        ``edit``, ``new_params``: params to change in a copy, by the number, as ``edit`` does.
        ``labels``: None: those of this job. ``by``: as for ``pause``. This job is left as it is.
        The new one has its definition, its priority and its limits, on the same server, and is no
        child job.

        Of an invocation that has ended, the history keeps params of up to 512 bytes, and
        ``Flow(keep_inputs=True)`` more; neither has secret ones, which ``edit`` then has to give.

        Raises JobStateError for a join, for one that takes the end of a child job, and for one
        whose params are not kept; ValueError for a wrong number and for secret params that are
        missing; PayloadError and ArgumentError as ``edit``.
        """
        new_id = self._engine.fork(self.job_id, invocations, edit, labels, by, new_params)
        return type(self)(new_id, self._engine)
