"""A flow that can be run: the graph of the model with the engine behind it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Submitter
from flowforge.engine.jobs.job_state import JobState
from flowforge.engine.schedules.schedule import Schedule
from flowforge.engine.submission.job_items import Submitted
from flowforge.engine.submission.job_keys import check_when, job_keys
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import InvalidValueError, JobStateError
from flowforge.execution.current import current
from flowforge.model.flow import FlowGraph
from flowforge.model.jobs.job_handle import JobHandle
from flowforge.model.times.deadlines import deadlines_of
from flowforge.model.times.debounce import Debounce, WhenRunning
from flowforge.model.times.schedule import check_schedule_name, make_policy, make_timing
from flowforge.model.times.start import Delay, start_of


class Flow(FlowGraph):
    """A graph of routines that can be executed, paused, resumed and cancelled.

    ``flow_id``: a name for the flow; ``flow-`` and 12 hexadecimal digits when left out. Give one:
    idempotency keys and lists of jobs go by it. ``max_in_flight``: how many of a job's invocations
    may be in the broker and in workers at the same time, at least 1; None: the setting.
    ``keep_inputs``: whether a job keeps the params of its invocations after their end, for
    ``fork``: up to 64 KiB of each and 16 MiB together, without secret ones. ``limit``: a
    :class:`Limit` or its name, or several, at which each job counts as a whole, from when it may
    begin to its end; what ``per`` names is one of its entry params.
    """

    _newest: JobState | None = None

    def execute(
        self,
        entry_routine_id: str,
        entry_params: dict[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
        priority: int | None = None,
        max_in_flight: int | None = None,
        labels: Mapping[str, str] | None = None,
        delay: Delay | None = None,
        at: datetime | None = None,
        start_within: Delay | None = None,
        finish_within: Delay | None = None,
        debounce: Debounce | None = None,
        single: str | None = None,
        when_running: WhenRunning = "skip",
        fair_key: str | None = None,
        weight: float | None = None,
    ) -> JobState:
        """Submit a job, and return its handle when the server has taken it.

        ``entry_routine_id``: the routine that the job starts at. ``entry_params``: a dict with
        text keys. ``idempotency_key``: text; the same key of the same flow id returns the first
        job, as long as that is kept. ``priority``: 0 (served first, the default) to 9, in the
        steps of the broker. ``max_in_flight``: for this job; None: the flow's, else the setting.
        ``labels``: by which ``JobState.find`` finds it, such as ``{"tenant": "acme"}``: at most 16,
        with names of 64 and values of 128 characters; they are shown, so keep secrets out of them.
        ``delay``: seconds or a timedelta that pass before it starts; ``at``: an aware datetime at
        which it starts, at once if that has passed. Neither starts it early. Up to 3660 days.
        ``start_within``, ``finish_within``: seconds or a timedelta from now, or from when a job
        that is put off is to start. A job whose first handler has not started by then, or that has
        not ended by then, fails; also while it is paused.
        ``debounce``: calls with one key make one job, which starts when no more of them come; the
        handle of the job that waits comes back, and ``job.calls`` says how many there were.
        ``single``: text of at most 1,000 characters; of the jobs of this flow id with the same one,
        one runs at a time. While one has not ended, ``when_running`` decides: ``skip`` returns that
        job and creates none, ``queue`` lets the new one wait for its turn, ``replace`` cancels that
        one.
        ``fair_key``: whose work it is, such as ``"tenant-3"``: keys take turns on each queue, so
        many jobs of one do not keep those of others waiting. ``weight``: how often the key has its
        turn compared with others, from 0.001 to 1000; 1 by default.

        Raises ValueError for an unknown entry and an option out of range, PayloadError for params
        that cannot travel or are larger than ``max_payload``, SingleQueueFullError when 1,000 jobs
        wait for their turn, StoreUnavailableError after 5 seconds without a server.
        """
        check_when(single, when_running)
        keys = job_keys(debounce, single, when_running)
        engine = current_engine()
        deadlines = deadlines_of(start_within, finish_within)
        template = JobTemplate(
            self, entry_routine_id, priority, max_in_flight, deadlines, fair_key=fair_key,
            weight=weight,
        )  # fmt: skip
        submitted = engine.submit_one(
            template, entry_params, idempotency_key, labels, start_of(delay, at), keys
        )
        self._newest = _handle(engine, submitted)
        return self._newest

    def execute_many(
        self,
        entry_routine_id: str,
        entry_params: Iterable[dict[str, Any] | None],
        *,
        idempotency_keys: Iterable[str | None] | None = None,
        priority: int | None = None,
        max_in_flight: int | None = None,
        labels: Mapping[str, str] | Iterable[Mapping[str, str] | None] | None = None,
        delay: Delay | Iterable[Delay | None] | None = None,
        at: datetime | Iterable[datetime | None] | None = None,
        start_within: Delay | None = None,
        finish_within: Delay | None = None,
        debounce: Debounce | Iterable[Debounce | None] | None = None,
        single: str | Iterable[str | None] | None = None,
        when_running: WhenRunning = "skip",
        fair_key: str | None = None,
        weight: float | None = None,
    ) -> list[JobState]:
        """Submit a job for each of the ``entry_params``, many in one round trip.

        The params are taken from the iterable in chunks, of 200 or of as many as have 256 KiB
        together; a chunk is submitted as a whole or not at all. ``idempotency_keys``: as many as
        there are params. ``labels``: one set for all jobs, or an iterable of sets. ``delay`` and
        ``at``, ``debounce`` and ``single``: as for ``execute``, one for all jobs, or an iterable of
        them or None; with the last two, chunks have at most 16. ``start_within``,
        ``finish_within``, ``fair_key`` and ``weight``: as for ``execute``, for all jobs. Raises as
        ``execute`` does, naming the item; the chunks before the one that was refused have been
        submitted, and a note on the error says how many jobs these are.
        """
        engine = current_engine()
        deadlines = deadlines_of(start_within, finish_within)
        template = JobTemplate(
            self, entry_routine_id, priority, max_in_flight, deadlines, fair_key=fair_key,
            weight=weight,
        )  # fmt: skip
        chunks = engine.submit_many(
            template, entry_params, idempotency_keys, labels, delay, at, debounce, single,
            when_running,
        )  # fmt: skip
        jobs = [_handle(engine, submitted) for chunk in chunks for submitted in chunk]
        self._newest = jobs[-1] if jobs else self._newest
        return jobs

    def schedule(
        self,
        name: str,
        entry_routine_id: str,
        entry_params: dict[str, Any] | None = None,
        *,
        cron: str | None = None,
        every: Delay | None = None,
        offset: Delay = 0,
        timezone: str | None = None,
        overlap: str = "skip",
        missed: str = "latest",
        catch_up: Delay = 86_400,
        jitter: Delay = 0,
        pause_on_failure: bool = False,
        times: int | None = None,
        labels: Mapping[str, str] | None = None,
        priority: int | None = None,
        max_in_flight: int | None = None,
        start_within: Delay | None = None,
        finish_within: Delay | None = None,
        fair_key: str | None = None,
        weight: float | None = None,
    ) -> Schedule:
        """Declare that jobs are to start at certain times; workers that import the module save it.

        ``name``: of the schedule, in the whole fleet. ``cron``: minute, hour, day of the month,
        month and day of the week, such as ``"30 2 * * *"``, in ``timezone``, the IANA name of one;
        None: UTC. ``every``: seconds or a timedelta, whole seconds, counted from 1970 on and
        ``offset`` later.

        ``overlap``: what is done when a time comes while a job of the schedule has not ended:
        ``skip``, ``queue`` (one time waits), ``queue_all`` (1,000 times wait), ``replace`` (the job
        is cancelled) or ``allow``. ``missed``: what is done about times at which no worker was
        there: ``skip``, ``latest`` (that one starts a job) or ``all``, unless they are more than
        ``catch_up`` seconds ago. ``jitter``: seconds by which each start is put off at most, the
        same for the same time. ``pause_on_failure``: whether the schedule pauses when a job of it
        fails. ``times``: after how many jobs it ends. ``entry_params``, ``labels``, ``priority``,
        ``max_in_flight``, ``start_within``, ``finish_within``, ``fair_key`` and ``weight`` as for
        ``execute``; handlers read the time in ``self.scheduled_at``.

        Raises ValueError for what cannot be.
        """
        timing = make_timing(cron, every, offset, timezone, jitter)
        policy = make_policy(overlap, missed, catch_up, pause_on_failure, times)
        self.entry_slot(entry_routine_id)
        deadlines = deadlines_of(start_within, finish_within)
        template = JobTemplate(
            self, entry_routine_id, priority, max_in_flight, deadlines, fair_key=fair_key,
            weight=weight,
        )  # fmt: skip
        return Schedule(check_schedule_name(name), template, entry_params, timing, policy, labels)

    def pause(
        self, reason: str = "", checkpoint: Any = None, job_state: JobState | None = None
    ) -> None:
        """Pause a job: the given one, inside a handler the running one, else this flow's newest.

        Raises ValueError when there is none, it belongs to another flow, or it has ended.
        """
        self._pick(job_state).pause(reason, checkpoint)

    def resume(self, job_state: JobState | None = None) -> JobState:
        """Resume a paused job; picks and refuses as ``pause`` does. Returns its handle."""
        job = self._pick(job_state)
        job.resume()
        return job

    def cancel(self, reason: str = "", job_state: JobState | None = None) -> None:
        """Cancel a job for good; picks and refuses as ``pause`` does."""
        self._pick(job_state).cancel(reason)

    def __getstate__(self) -> dict[str, Any]:
        # A copy has no jobs of its own yet.
        return {**super().__getstate__(), "_newest": None}

    def _pick(self, job_state: JobState | None) -> JobState:
        attempt = current.get()
        job: JobHandle | None = job_state
        if job is None:
            job = self._newest if attempt is None else attempt.job
        if job is None:
            raise JobStateError(
                f"flow {self.flow_id!r} has no job in this process: pass the job, or use "
                "JobState.get(job_id)"
            )
        if not isinstance(job, JobState):
            raise InvalidValueError(
                f"job_state must be a JobState, not {shown(job)}: use JobState.get(job_id)"
            )
        if job.flow_id != self.flow_id:
            raise JobStateError(
                f"job {job.job_id} belongs to flow {job.flow_id!r}, not to {self.flow_id!r}"
            )
        return job


def _handle(engine: Submitter, submitted: Submitted) -> JobState:
    job = JobState(submitted.job_id, engine.of(submitted.job_id))
    job.created = submitted.created
    return job
