"""The findings on a job's outstanding work: what runs, what waits, and for what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from flowforge.common.bounded_repr import shown
from flowforge.common.counted import counted
from flowforge.common.duration import duration
from flowforge.engine.explain.look import WorkLook, some
from flowforge.model.invocation_id import InvocationName, job_of
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.store.fleet_reads.leases import Leases, RunningAttempt
from flowforge.store.fleet_reads.usual_times import UsualTimes
from flowforge.store.job_reads.outstanding import CollectingJoin, OnTimer
from flowforge.store.reading import moment

#: Findings of one kind.
_SAMPLES = 5

#: Seconds after its time from which on a timer counts as late.
LATE = 5

#: A handler counts as stuck after so many times its usual time, and so many seconds.
STUCK_FACTOR = 10
STUCK_SECONDS = 60


def stuck_command(job_id: str, worker: str | None, pid: int | None) -> str:
    """What to do about a handler that does not end."""
    of = f" of worker {worker}" if worker else ""
    if pid is None:
        look = f"look at the process{of} (py-spy dump)"
        kill = "when it is killed, another process runs the invocation again"
    else:
        look = f"look at process {pid}{of}: py-spy dump --pid {pid}"
        kill = f"kill -9 {pid} lets another process run the invocation again"
    return f"{look}; {kill}; flowforge cancel {job_id} ends the job"


def is_stuck(seconds: float, usual: float | None) -> bool:
    """Whether a handler runs for much longer than its routine usually does."""
    return usual is not None and seconds > max(STUCK_SECONDS, STUCK_FACTOR * usual)


class WorkFindings:
    """What runs, what is on timers, in joins and parked."""

    def __init__(self, look: WorkLook) -> None:
        self._look = look
        self._trace_id: str | None = None

    # --- running -------------------------------------------------------------------------

    def running(self) -> Iterator[JobFinding]:
        """Handlers that run: who runs them, since when, and whether they still report."""
        count = self._look.job.counts["running"]
        if not count:
            return
        attempts = Leases(self._look.server.store).of_job(self._look.job.job_id, _SAMPLES)
        now, times = self._look.server.overview.now(), UsualTimes(self._look.server.store)
        self._trace_id = self._look.server.inspector.trace_id(self._look.job.job_id)
        for attempt in attempts:
            usual = times.seconds(self._look.job.job_id, attempt.invocation.routine)
            yield self._running(attempt, count, now, usual)

    def _running(
        self, attempt: RunningAttempt, count: int, now: int, usual: float | None
    ) -> JobFinding:
        worker = self._look.fleet.by_mark(attempt.owner.mark)
        lease = self._look.server.settings.lease
        if worker is not None and worker.lease is not None:
            lease = worker.lease
        beat = attempt.expiry - round(lease * 1000)
        since = attempt.since(lease)
        seconds = (now - since) / 1000
        name, pid = worker.name if worker else None, attempt.owner.pid
        runner = (name or "an unknown worker") + ("" if pid is None else f", process {pid}")
        stuck = is_stuck(seconds, usual)
        parts = [f"{self._look.place(attempt.invocation)} runs on {runner}"]
        parts.append(f"attempt {attempt.number}")
        if attempt.lost:
            workers = "1 worker was" if attempt.lost == 1 else f"{attempt.lost} workers were"
            parts.append(f"{workers} lost with it before")
        if usual is not None:
            longer = "much longer than usual: " if stuck else ""
            parts.append(f"{longer}its attempts take {duration(usual)} on average")
        if attempt.ends is not None:
            limit = duration(max(0, attempt.ends - now) / 1000)
            parts.append(f"it is ended in {limit}" if attempt.ends > now else "its time is over")
        parts.append(f"last heartbeat {duration(max(0, now - beat) / 1000)} ago")
        if attempt.expiry < now:
            parts.append("its lease has expired: the upkeep gives it to another worker")
        return self._look.finding(
            FindingKind.RUNNING, "; ".join(parts), attempt.invocation, count,
            since=_moment(since),
            until=None if attempt.ends is None else _moment(attempt.ends),
            command=stuck_command(self._look.job.job_id, name, pid) if stuck else None,
            details={
                "worker": name, "pid": pid, "attempt": attempt.number, "lost": attempt.lost,
                "last_heartbeat": _moment(beat), "seconds": seconds, "usual_seconds": usual,
                "stuck": stuck, "params": self._look.outstanding.params(attempt.invocation),
                **({} if self._trace_id is None else {"trace_id": self._trace_id}),
            },
        )  # fmt: skip

    def hanging(self) -> Iterator[JobFinding]:
        """Handlers whose attempts were ended and that still occupy a place of their worker."""
        for worker in self._look.fleet.live:
            mine = [name for name in worker.hanging if job_of(name) == self._look.job.job_id]
            for name in mine[:_SAMPLES]:
                invocation = InvocationName.parse(name.partition("/")[2])
                yield self._look.finding(
                    FindingKind.HANGING,
                    f"an attempt at {self._look.place(invocation)} was ended, and its handler "
                    f"still occupies a place of {worker.name}, process {worker.pid}: it cannot be "
                    "cut off there",
                    invocation,
                    len(mine),
                    command=f"restart worker {worker.name}, or let the handler look at "
                    "self.cancelled",
                    details={"worker": worker.name, "pid": worker.pid},
                )

    def deadlines(self) -> Iterator[JobFinding]:
        """By when it has to have started, or ended."""
        job, times = self._look.job, (self._look.details.start_by, self._look.details.finish_by)
        for done, by in zip(("started", "ended"), times, strict=True):
            if by is not None:
                yield JobFinding(
                    FindingKind.DEADLINE.value,
                    f"it fails unless it has {done} by then",
                    since=job.created_at,
                    until=by,
                    details={"has": done},
                )

    def late(self) -> Iterator[JobFinding]:
        """That a time of its flow has passed from which it is late."""
        event = self._look.details.late
        if event is not None:
            yield JobFinding(
                FindingKind.LATE.value,
                f"it is late: a time has passed that its flow names {shown(event)}",
                since=self._look.details.started_at or self._look.job.created_at,
                details={"event": event},
            )

    # --- timers --------------------------------------------------------------------------

    def on_timers(self) -> Iterator[JobFinding]:
        """Invocations that wait for their next attempt or were put off, the earliest ones."""
        count = self._look.job.counts["timers"]
        if not count:
            return
        found = self._look.outstanding.on_timers()
        for timer in found[:_SAMPLES]:
            yield self._put_off(timer, count) if timer.put_off else self._on_timer(timer, count)
        if not found:
            yield JobFinding(
                FindingKind.TIMER.value,
                f"{counted(count, 'invocation waits', 'invocations wait')} for the next attempt",
                count=count,
            )  # fmt: skip

    def _put_off(self, timer: OnTimer, count: int) -> JobFinding:
        first = self._look.job.starts_at is not None and timer.invocation.number == 1
        many = f" (one of {count})" if count > 1 else ""
        what = (
            self._first_put_off()
            if first
            else f"{self._look.place(timer.invocation)} was put off{many}"
        )
        if timer.due < self._look.server.overview.now() - LATE * 1000:
            what += "; its time has passed, and the upkeep, which a worker does, is late"
        job_id, number = self._look.job.job_id, timer.invocation.number
        return self._look.finding(
            FindingKind.DELAY,
            what,
            timer.invocation,
            count,
            since=self._look.job.created_at if first else None,
            until=_moment(timer.due),
            command=f"flowforge start-now {job_id}"
            if first
            else f"flowforge run-now {job_id} {number}",
            details={"params": self._look.outstanding.params(timer.invocation)},
        )

    def _first_put_off(self) -> str:
        if self._look.details.debounce is None:
            return "it was put off"
        key, calls = shown(self._look.details.debounce), self._look.details.calls
        so_far = "1 call so far" if calls == 1 else f"{calls} calls so far"
        latest = self._look.server.inspector.latest_start(self._look.job.job_id)
        at_most = "" if latest is None else f", until {latest:%Y-%m-%d %H:%M:%S} UTC at most"
        return f"it waits for further calls with the key {key}{at_most}, {so_far}"

    def _on_timer(self, timer: OnTimer, count: int) -> JobFinding:
        entry = timer.entry
        error = None if entry is None else entry.details.get("error")
        if error is None and entry is not None and entry.kind != "retried":
            why = "a worker could not run it and left it to others"
        elif error is None:
            why = ""
        else:
            attempt = entry.details.get("attempt") if entry is not None else None
            why = f"attempt {attempt} failed with {error['type']}: {error['message']}"
        many = f" (one of {count})" if count > 1 else ""
        return self._look.finding(
            FindingKind.TIMER,
            f"{self._look.place(timer.invocation)} waits for its next attempt{many}"
            + (f"; {why}" if why else ""),
            timer.invocation,
            count,
            since=None if entry is None else entry.at,
            until=_moment(timer.due),
            command=f"flowforge run-now {self._look.job.job_id} {timer.invocation.number}",
            details={
                "error": None
                if error is None
                else {"type": error["type"], "message": error["message"]},
                "attempt": None if entry is None else entry.details.get("attempt"),
                "params": self._look.outstanding.params(timer.invocation),
            },
        )

    # --- joins ---------------------------------------------------------------------------

    def joins(self) -> Iterator[JobFinding]:
        """Joins that collect, and the routines that they wait for."""
        count, found = self._look.outstanding.joins(_SAMPLES)
        for collecting in found:
            yield self._join(collecting, count)

    def _join(self, collecting: CollectingJoin, count: int) -> JobFinding:
        join, rule = (
            collecting.join,
            self._look.definition.join(collecting.routine, collecting.slot),
        )
        above = _bits(self._look.definition.upstream(collecting.routine))
        outstanding = {
            self._look.definition.routine(index).id: number
            for index, number in self._look.outstanding.outstanding_of(above).items()
        }
        of = f" of {rule.needs}" if rule is not None and isinstance(rule.needs, int) else ""
        items = "item" if not of and join.items == 1 else "items"
        names = [f"{name} ({number} outstanding)" for name, number in outstanding.items()]
        waits = f" and waits for {some(names)}" if names else ""
        timeout = None if rule is None else rule.timeout
        due = collecting.due
        since = due - round(timeout * 1000) if due is not None and timeout is not None else None
        return JobFinding(
            FindingKind.JOIN.value,
            f"the join {join.routine_id}.{join.slot}{join.for_key} has {join.items}{of} {items}"
            f"{waits}",
            since=None if since is None else _moment(since),
            until=None if due is None else _moment(due),
            routine_id=join.routine_id,
            slot=join.slot,
            count=count,
            details={"key": join.key, "items": join.items, "outstanding": outstanding},
        )

    # --- parked --------------------------------------------------------------------------

    def parked(self) -> Iterator[JobFinding]:
        """What has no room: in ``max_in_flight``, or behind the job's own messages."""
        counts = self._look.job.counts
        waiting = counts["parked"] + counts["staged"]
        if not waiting or self._look.job.status == "paused" or self._look.job.held:
            return
        most = round(self._look.details.limits["max_in_flight"])
        in_flight = counts["queued"] + counts["running"]
        full = in_flight >= most
        if full:
            why = counted(in_flight, "is", "are")
            why += f" queued or running, as many as max_in_flight={most} allows"
        else:
            why = f"what is queued comes first ({counts['queued']})"
        yield JobFinding(
            (FindingKind.MAX_IN_FLIGHT if full else FindingKind.IN_TURN).value,
            f"{counted(waiting, 'invocation is', 'invocations are')} parked: {why}",
            count=waiting,
            details={
                "queued": counts["queued"], "running": counts["running"], "max_in_flight": most
            },
        )  # fmt: skip


def _bits(mask: int) -> list[int]:
    """The places of the bits that are set."""
    return [place for place, bit in enumerate(reversed(f"{mask:b}")) if bit == "1"]


def _moment(milliseconds: int) -> datetime:
    """The time; that of a damaged record is taken as the nearest that exists."""
    return moment(max(0, milliseconds))
