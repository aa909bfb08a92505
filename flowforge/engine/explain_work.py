"""The findings on a job's outstanding work: what runs, what waits, and for what."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from flowforge.common.bounded_repr import shown
from flowforge.common.duration import duration
from flowforge.engine.fleet import Fleet, all_import
from flowforge.engine.job_server import JobServer
from flowforge.model import registry
from flowforge.model.invocation_id import InvocationName, job_of
from flowforge.model.job_finding import FindingKind, JobFinding
from flowforge.store.job_rows import JobDetails, JobSummary
from flowforge.store.leases import Leases, RunningAttempt
from flowforge.store.outstanding import CollectingJoin, JobList, OnTimer, Outstanding
from flowforge.store.queue_pauses import QueuePause
from flowforge.store.reading import moment
from flowforge.store.usual_times import UsualTimes

#: Findings of one kind, and names in one sentence.
_SAMPLES = 5
_NAMED = 3

#: Seconds after its time from which on a timer counts as late.
LATE = 5

#: A handler counts as stuck after so many times its usual time, and so many seconds.
STUCK_FACTOR = 10
STUCK_SECONDS = 60


def stuck_command(job_id: str, worker: str | None, pid: int | None) -> str:
    """What to do about a handler that does not end."""
    process = f"process {pid}" if pid is not None else "the process"
    of = f" of worker {worker}" if worker else ""
    return (
        f"look at {process}{of} (py-spy dump); killed, it lets another run the invocation again; "
        f"flowforge cancel {job_id} ends the job"
    )


def is_stuck(seconds: float, usual: float | None) -> bool:
    """Whether a handler runs for much longer than its routine usually does."""
    return usual is not None and seconds > max(STUCK_SECONDS, STUCK_FACTOR * usual)


class WorkFindings:
    """One look at the outstanding work of a job.

    ``silenced``: workers cannot report now, so that their silence says nothing.
    """

    def __init__(
        self, server: JobServer, job: JobSummary, details: JobDetails, *, silenced: bool
    ) -> None:
        self._server = server
        self._job = job
        self._details = details
        self._fleet = Fleet(server.store)
        self._judges_fleet = self._fleet.complete and not silenced
        self.definition = server.inspector.definition(job.job_id)
        self.outstanding = Outstanding(server.store, job.job_id, self.definition)
        self._lists: dict[str, JobList] | None = None
        self._paused: dict[str, QueuePause] | None = None
        self._trace_id: str | None = None

    # --- running -------------------------------------------------------------------------

    def running(self) -> Iterator[JobFinding]:
        """Handlers that run: who runs them, since when, and whether they still report."""
        count = self._job.counts["running"]
        if not count:
            return
        attempts = Leases(self._server.store).of_job(self._job.job_id, _SAMPLES)
        now, times = self._server.overview.now(), UsualTimes(self._server.store)
        self._trace_id = self._server.inspector.trace_id(self._job.job_id)
        for attempt in attempts:
            usual = times.seconds(self._job.job_id, attempt.invocation.routine)
            yield self._running(attempt, count, now, usual)

    def _running(
        self, attempt: RunningAttempt, count: int, now: int, usual: float | None
    ) -> JobFinding:
        worker = self._fleet.by_mark(attempt.owner.mark)
        lease = self._server.settings.lease
        if worker is not None and worker.lease is not None:
            lease = worker.lease
        beat = attempt.expiry - round(lease * 1000)
        since = attempt.since(lease)
        seconds = (now - since) / 1000
        name, pid = worker.name if worker else None, attempt.owner.pid
        runner = (name or "an unknown worker") + ("" if pid is None else f", process {pid}")
        stuck = is_stuck(seconds, usual)
        parts = [f"{self._place(attempt.invocation)} runs on {runner}"]
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
        return self._finding(
            FindingKind.RUNNING, "; ".join(parts), attempt.invocation, count,
            since=_moment(since),
            until=None if attempt.ends is None else _moment(attempt.ends),
            command=stuck_command(self._job.job_id, name, pid) if stuck else None,
            details={
                "worker": name, "pid": pid, "attempt": attempt.number, "lost": attempt.lost,
                "last_heartbeat": _moment(beat), "seconds": seconds, "usual_seconds": usual,
                "stuck": stuck, "params": self.outstanding.params(attempt.invocation),
                **({} if self._trace_id is None else {"trace_id": self._trace_id}),
            },
        )  # fmt: skip

    def hanging(self) -> Iterator[JobFinding]:
        """Handlers whose attempts were ended and that still occupy a place of their worker."""
        for worker in self._fleet.live:
            mine = [name for name in worker.hanging if job_of(name) == self._job.job_id]
            for name in mine[:_SAMPLES]:
                invocation = InvocationName.parse(name.partition("/")[2])
                yield self._finding(
                    FindingKind.HANGING,
                    f"an attempt at {self._place(invocation)} was ended, and its handler still "
                    f"occupies a place of {worker.name}, process {worker.pid}: it cannot be cut "
                    "off there",
                    invocation,
                    len(mine),
                    command=f"restart worker {worker.name}, or let the handler look at "
                    "self.cancelled",
                    details={"worker": worker.name, "pid": worker.pid},
                )

    def deadlines(self) -> Iterator[JobFinding]:
        """By when it has to have started, or ended."""
        job, times = self._job, (self._details.start_by, self._details.finish_by)
        for done, by in zip(("started", "ended"), times, strict=True):
            if by is not None:
                yield JobFinding(
                    FindingKind.DEADLINE.value,
                    f"it fails unless it has {done} by then",
                    since=job.created_at,
                    until=by,
                    details={"has": done},
                )

    # --- queued --------------------------------------------------------------------------

    def paused_queues(self) -> Iterator[JobFinding]:
        """Paused queues that work of the job waits on."""
        if not self._job.counts["queued"]:
            return
        pauses = self._pauses()
        for queue, found in self._queued().items():
            pause = pauses.get(queue)
            if pause is None:
                continue
            why = f" ({pause.reason})" if pause.reason else ""
            goes_on = ", and is being resumed" if pause.resuming else ""
            yield self._finding(
                FindingKind.QUEUE_PAUSED,
                f"queue {queue!r} is paused by {pause.by}{why}{goes_on}: "
                f"{_waiting(found.messages)}",
                None,
                found.messages,
                since=pause.since,
                command=f"flowforge queues resume {queue}",
                details={"queue": queue, "by": pause.by, "reason": pause.reason},
            )

    def _pauses(self) -> dict[str, QueuePause]:
        if self._paused is None:
            found = self._server.store.queue_pauses.all([])
            self._paused = {pause.queue: pause for pause in found}
        return self._paused

    def unserved(self) -> Iterator[JobFinding]:
        """Queues that no live worker serves, and routines whose class none of them knows."""
        if not self._judges_fleet or not self._job.counts["queued"] + self._job.counts["timers"]:
            return
        for queue, found in self._queued().items():
            if not self._fleet.serving(queue):
                yield JobFinding(
                    FindingKind.UNSERVED.value,
                    f"no worker reports that it serves the queue {queue!r}, on which "
                    f"{_waiting(found.messages)}",
                    since=self._job.updated_at,
                    command=self._server.worker_command(queue),
                    count=found.messages,
                    details={"queue": queue},
                )
        yield from self._unknown_classes()

    def _unknown_classes(self) -> Iterator[JobFinding]:
        for index in self.outstanding.sampled_routines():
            spec = self.definition.routine(index)
            queue = spec.queue or self._server.app.conf.task_default_queue
            serving = self._fleet.serving(queue)
            if serving and not any(spec.class_name in worker.routines for worker in serving):
                who = f"the workers that consume {queue!r}"
                yield JobFinding(
                    FindingKind.UNKNOWN_CLASS.value,
                    f"no worker on queue {queue!r} knows routine class {spec.class_name}, which "
                    f"{spec.id} needs",
                    command=registry.remedy(spec.class_name, who, all_import(serving)),
                    routine_id=spec.id,
                    details={
                        "queue": queue, "class": spec.class_name,
                        "workers": [worker.name for worker in serving],
                    },
                )  # fmt: skip

    def queued(self) -> Iterator[JobFinding]:
        """Messages on queues, the place of the next one, and which workers serve them."""
        if not self._job.counts["queued"]:
            return
        for queue, found in self._queued().items():
            if queue in self._pauses():
                continue  # told as paused
            workers = [worker.name for worker in self._fleet.serving(queue)]
            if not workers and self._judges_fleet:
                continue  # told as unserved
            yield self._queued_on(queue, found, workers)

    def _queued_on(self, queue: str, found: JobList, workers: list[str]) -> JobFinding:
        next_ones = self.outstanding.queued_on(found.name)
        popped = max(0, found.unclaimed - found.length)
        first = next_ones[0] if next_ones else None
        if first is None:
            place = "more than 1000 messages come before them"
        elif first.ahead < popped:
            place = f"a worker has fetched that of {self._place(first.invocation)}"
        else:
            place = (
                f"{self._place(first.invocation)} is number {first.ahead - popped + 1} of "
                f"{found.length}"
            )
        priority = f" with priority {self._details.priority}" if self._details.priority else ""
        served = f"; served by {_some(workers)}" if workers else ""
        return self._finding(
            FindingKind.QUEUED,
            f"{_waiting(found.messages)} on the queue {queue!r}{priority}: {place}{served}",
            None if first is None else first.invocation,
            found.messages,
            since=self._job.updated_at,
            details={
                "queue": queue, "length": found.length, "workers": workers,
                "position": None if first is None else max(0, first.ahead - popped + 1),
            },
        )  # fmt: skip

    def _queued(self) -> dict[str, JobList]:
        if self._lists is None:
            default = self._server.app.conf.task_default_queue
            routines: dict[str, int] = {}
            for index, spec in enumerate(self.definition.routines):
                routines.setdefault(spec.queue or default, index)
            self._lists = self.outstanding.lists(routines)
        return self._lists

    # --- timers --------------------------------------------------------------------------

    def on_timers(self) -> Iterator[JobFinding]:
        """Invocations that wait for their next attempt or were put off, the earliest ones."""
        count = self._job.counts["timers"]
        if not count:
            return
        found = self.outstanding.on_timers()
        for timer in found[:_SAMPLES]:
            yield self._put_off(timer, count) if timer.put_off else self._on_timer(timer, count)
        if not found:
            yield JobFinding(
                FindingKind.TIMER.value, f"{count} invocations wait for their next attempt",
                count=count,
            )  # fmt: skip

    def _put_off(self, timer: OnTimer, count: int) -> JobFinding:
        first = self._job.starts_at is not None and timer.invocation.number == 1
        many = f" (one of {count})" if count > 1 else ""
        what = (
            self._first_put_off() if first else f"{self._place(timer.invocation)} was put off{many}"
        )
        if timer.due < self._server.overview.now() - LATE * 1000:
            what += "; its time has passed, and the upkeep, which a worker does, is late"
        job_id, number = self._job.job_id, timer.invocation.number
        return self._finding(
            FindingKind.DELAY,
            what,
            timer.invocation,
            count,
            since=self._job.created_at if first else None,
            until=_moment(timer.due),
            command=f"flowforge start-now {job_id}"
            if first
            else f"flowforge run-now {job_id} {number}",
            details={"params": self.outstanding.params(timer.invocation)},
        )

    def _first_put_off(self) -> str:
        if self._details.debounce is None:
            return "it was put off"
        calls = self._details.calls
        so_far = "1 call so far" if calls == 1 else f"{calls} calls so far"
        latest = self._server.inspector.latest_start(self._job.job_id)
        at_most = "" if latest is None else f", until {latest:%Y-%m-%d %H:%M:%S} UTC at most"
        key = shown(self._details.debounce)
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
        return self._finding(
            FindingKind.TIMER,
            f"{self._place(timer.invocation)} waits for its next attempt{many}"
            + (f"; {why}" if why else ""),
            timer.invocation,
            count,
            since=None if entry is None else entry.at,
            until=_moment(timer.due),
            command=f"flowforge run-now {self._job.job_id} {timer.invocation.number}",
            details={
                "error": None
                if error is None
                else {"type": error["type"], "message": error["message"]},
                "attempt": None if entry is None else entry.details.get("attempt"),
                "params": self.outstanding.params(timer.invocation),
            },
        )

    # --- joins ---------------------------------------------------------------------------

    def joins(self) -> Iterator[JobFinding]:
        """Joins that collect, and the routines that they wait for."""
        count, found = self.outstanding.joins(_SAMPLES)
        for collecting in found:
            yield self._join(collecting, count)

    def _join(self, collecting: CollectingJoin, count: int) -> JobFinding:
        join, rule = collecting.join, self.definition.join(collecting.routine, collecting.slot)
        above = _bits(self.definition.upstream(collecting.routine))
        outstanding = {
            self.definition.routine(index).id: number
            for index, number in self.outstanding.outstanding_of(above).items()
        }
        of = f" of {rule.needs}" if rule is not None and isinstance(rule.needs, int) else ""
        items = "item" if not of and join.items == 1 else "items"
        names = [f"{name} ({number} outstanding)" for name, number in outstanding.items()]
        waits = f" and waits for {_some(names)}" if names else ""
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
        counts = self._job.counts
        waiting = counts["parked"] + counts["staged"]
        if not waiting or self._job.status == "paused" or self._job.held:
            return
        most = round(self._details.limits["max_in_flight"])
        in_flight = counts["queued"] + counts["running"]
        full = in_flight >= most
        if full:
            why = f"{in_flight} are queued or running, as many as max_in_flight={most} allows"
        else:
            why = f"they follow the {counts['queued']} that are queued"
        yield JobFinding(
            (FindingKind.MAX_IN_FLIGHT if full else FindingKind.IN_TURN).value,
            f"{waiting} invocations are parked: {why}",
            count=waiting,
            details={
                "queued": counts["queued"], "running": counts["running"], "max_in_flight": most
            },
        )  # fmt: skip

    # --- inside --------------------------------------------------------------------------

    def _place(self, invocation: InvocationName) -> str:
        routine_id, slot = self.definition.place_of(invocation)
        return f"{routine_id}.{slot} (invocation {invocation.number})"

    def _finding(
        self, kind: FindingKind, what: str, invocation: InvocationName | None, count: int,
        since: datetime | None = None, until: datetime | None = None, command: str | None = None,
        details: dict[str, Any] | None = None,
    ) -> JobFinding:  # fmt: skip
        routine_id, slot = (None, None)
        if invocation is not None:
            routine_id, slot = self.definition.place_of(invocation)
        number = None if invocation is None else invocation.number
        return JobFinding(
            kind.value, what, since, until, command, number, routine_id, slot, count, details or {}
        )


def _waiting(messages: int) -> str:
    return "1 message of the job waits" if messages == 1 else f"{messages} messages of the job wait"


def _some(names: list[str]) -> str:
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _bits(mask: int) -> list[int]:
    """The places of the bits that are set."""
    return [place for place, bit in enumerate(reversed(f"{mask:b}")) if bit == "1"]


def _moment(milliseconds: int) -> datetime:
    """The time; that of a damaged record is taken as the nearest that exists."""
    return moment(max(0, milliseconds))
