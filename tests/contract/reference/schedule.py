"""What a schedule does, written without regard to how: the model of the machine of schedules."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

#: Seconds between two times, and the length of time that a start may be late.
EVERY, LATE = 600, 60

CATCH_UP = 3600

#: Times that wait at most, by overlap.
MOST = {"queue": 1, "queue_all": 1000}

#: Times that have waited of which one look starts jobs, where they may overlap.
_AT_ONCE = 8


@dataclass(eq=False)
class ScheduledJob:
    """A job of the schedule. ``failed``: the number of the step in which it failed."""

    time: int
    how: str
    status: str = "pending"
    failed: int = 0
    indexed: bool = True


@dataclass
class ScheduleModel:
    """A schedule as people see it. Times are seconds; ``step`` counts what was done."""

    next_time: int
    overlap: str = "skip"
    missed: str = "latest"
    pauses: bool = False
    times: int | None = None
    status: str = "active"
    used: int = 0
    step: int = 0
    resumed: int = 0
    watched: bool = False
    jobs: list[ScheduledJob] = field(default_factory=list)
    #: Time and how it came to wait.
    waiting: list[tuple[int, str]] = field(default_factory=list)
    skipped: Counter[str] = field(default_factory=Counter)

    @property
    def used_up(self) -> bool:
        return self.times is not None and self.used >= self.times

    @property
    def live(self) -> list[ScheduledJob]:
        return [job for job in self.jobs if job.status in ("pending", "retried")]

    # --- the leader ----------------------------------------------------------------------------

    def look(self, now: int) -> None:
        """The leader looks if there is a reason to."""
        due = not self.used_up and self.next_time <= now
        if due or (self.status != "paused" and (self.waiting or self.watched)):
            self.fire(now)

    def fire(self, now: int) -> None:
        """What a look does."""
        self._forget_ended()
        self._notice_failures()
        live = len(self.live)
        for _ in range(_AT_ONCE):
            if self.status == "paused" or not self.waiting:
                break
            if live and self.overlap != "allow":
                break
            self.waiting.sort()
            self._start(*self.waiting.pop(0))
            live += 1
        come = list(range(self.next_time, now + 1, EVERY))
        if self.used_up:
            come = []
        for time in come:
            if self.used_up:
                break
            self._has_come(time, now, is_latest=time == come[-1])
        if come:
            self.next_time = come[-1] + EVERY
        self.saved(bool(self.live))

    def _has_come(self, time: int, now: int, *, is_latest: bool) -> None:
        age = now - time
        starts = (is_latest and age <= LATE) or (
            age <= CATCH_UP and (self.missed == "all" or (self.missed == "latest" and is_latest))
        )
        if self.status == "paused":
            self.skipped["paused"] += 1
        elif not starts:
            self.skipped["missed"] += 1
        else:
            self._due(time)

    def _due(self, time: int) -> None:
        if self.overlap == "replace":
            for job in self.live:
                job.status = "cancelled"
        if self.overlap == "allow" or not (self.live or self.waiting):
            self.used += 1
            self._start(time, "schedule")
        elif self.overlap not in MOST:
            self.skipped["overlap"] += 1
        elif len(self.waiting) >= MOST[self.overlap]:
            self.skipped["buffer"] += 1
        else:
            self.used += 1
            self.waiting.append((time, "queue"))

    def _start(self, time: int, how: str) -> None:
        self.jobs.append(ScheduledJob(time, how))

    def _forget_ended(self) -> None:
        for job in self.jobs:
            job.indexed = job.indexed and job.status not in ("completed", "cancelled")

    def _notice_failures(self) -> None:
        failed = any(one.status == "failed" and one.failed > self.resumed for one in self.jobs)
        if failed and self.pauses and self.status == "active":
            self.status = "paused"

    def saved(self, live: bool) -> None:
        """What follows each change. ``live``: whether a job may have to be looked at."""
        if self.status != "paused":
            self.status = "ended" if self.used_up else "active"
        self.watched = live and self.pauses

    # --- people --------------------------------------------------------------------------------

    def pause(self) -> bool:
        if self.status == "paused":
            return False
        self.status = "paused"
        self.saved(any(job.indexed for job in self.jobs))
        return True

    def resume(self) -> bool:
        if self.status != "paused":
            return False
        self.status, self.resumed = "active", self.step
        self.saved(any(job.indexed for job in self.jobs))
        return True

    def trigger(self, now: int, overlap: str) -> str:
        """What is answered."""
        chosen = overlap or self.overlap
        self._forget_ended()
        live = len(self.live)
        if live or self.waiting:
            if chosen == "skip":
                return "runs"
            if chosen in MOST:
                if len(self.waiting) >= MOST[chosen]:
                    return "full"
                self.waiting.append((now, "trigger"))
                self.saved(bool(live))
                return "waits"
            if chosen == "replace":
                for job in self.live:
                    job.status = "cancelled"
        self._start(now, "trigger")
        self.saved(True)
        return "ok"

    def backfill(self, times: list[int], overlap: str) -> tuple[int, int, int]:
        """How many were started, wait, and were known."""
        started = queued = known = 0
        keys = {job.time for job in self.jobs if job.how != "trigger"}
        keys |= {time for time, how in self.waiting if how != "trigger"}
        for time in times:
            if time in keys:
                known += 1
            elif (overlap or self.overlap) == "allow":
                self._start(time, "backfill")
                started += 1
            else:
                self.waiting.append((time, "backfill"))
                queued += 1
        if started or queued:
            self.saved(bool(started))
        return started, queued, known

    def change(
        self, now: int, overlap: str, missed: str, times: int | None, *, pauses: bool
    ) -> None:
        """It is saved with another policy."""
        if self.used_up:
            self.next_time = (now // EVERY + 1) * EVERY
        if pauses != self.pauses:
            self.resumed = self.step
        self.overlap, self.missed, self.pauses, self.times = overlap, missed, pauses, times
        self.saved(any(job.indexed for job in self.jobs))
