"""What limits of flows do, said again in Python: places of whole jobs, and who waits where.

A limit here is how many jobs may have begun at once; times are left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.contract.reference.limits import LIVE, VAIN_TURNS


@dataclass
class Job:
    """Its keys in their order, and what it has to do: ``work`` is what is queued or parked."""

    keys: list[str]
    status: str = "pending"
    held: bool = True
    started: bool = False
    work: int = 1
    running: int = 0
    #: Its number in the lines, from when it first waited until it has its places or ends.
    number: int | None = None
    vain: int = 0


@dataclass
class Line:
    """A key: the jobs that have a place, and those that wait by their numbers."""

    most: int = 1
    having: set[str] = field(default_factory=set)
    waiting: dict[str, int] = field(default_factory=dict)
    #: For which job a place is kept: number, job, and the key at which it waits.
    kept: tuple[int, str, str] | None = None


class JobLimits:
    """All transitions, as far as they concern places of jobs."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self.lines = {key: Line() for key in keys}
        self.jobs: dict[str, Job] = {}
        self._last = 0

    # --- room --------------------------------------------------------------------------

    def _room(self, key: str, number: int | None) -> int:
        line = self.lines[key]
        free = line.most - len(line.having)
        return free - self._kept_before(key, number) if free == 1 else free

    def _kept_before(self, key: str, number: int | None) -> int:
        line = self.lines[key]
        if line.kept is None or (number is not None and number <= line.kept[0]):
            return 0
        _, job, at = line.kept
        if job in self.lines[at].waiting and self.jobs[job].status in LIVE:
            return 1
        line.kept = None
        return 0

    def _wait(self, name: str, key: str) -> None:
        job = self.jobs[name]
        if job.number is None:
            self._last += 1
            job.number = self._last
        self.lines[key].waiting[name] = job.number

    def _take(self, name: str) -> None:
        job = self.jobs[name]
        for key in job.keys:
            self.lines[key].having.add(name)
        job.held, job.number, job.vain = False, None, 0
        self._settle(name)

    def _gate(self, name: str) -> None:
        job = self.jobs[name]
        in_line = any(name in line.waiting for line in self.lines.values())
        if not job.held or job.status not in LIVE or in_line:
            return
        for key in job.keys:
            first = min(self.lines[key].waiting.values(), default=None)
            overtakes = first is not None and not (job.number is not None and job.number < first)
            if self._room(key, job.number) <= 0 or overtakes:
                self._wait(name, key)
                return
        self._take(name)

    def hand_on(self, keys: list[str]) -> None:
        """What is free goes to what came first."""
        for key in keys:
            line = self.lines[key]
            while line.waiting:
                name, number = min(line.waiting.items(), key=lambda one: one[1])
                if self._room(key, number) <= 0:
                    break
                del line.waiting[name]
                self._let_in(name, number, key)

    def _let_in(self, name: str, number: int, at: str) -> None:
        job = self.jobs[name]
        if job.status not in LIVE:
            return
        for key in job.keys:
            if key != at and self._room(key, number) <= 0:
                job.vain += 1
                former = self.lines[at].kept
                if job.vain >= VAIN_TURNS and (former is None or former[0] >= number):
                    self.lines[at].kept = (number, name, key)
                for other in job.keys:
                    kept = self.lines[other].kept
                    if kept is not None and kept[1] == name:
                        self.lines[other].kept = (number, name, key)
                self._wait(name, key)
                return
        for key in job.keys:
            kept = self.lines[key].kept
            if kept is not None and kept[1] == name:
                self.lines[key].kept = None
        self._take(name)

    # --- transitions -------------------------------------------------------------------

    def submit(self, name: str, keys: list[str]) -> None:
        self.jobs[name] = Job(keys)
        self._gate(name)

    def start(self, name: str) -> None:
        job = self.jobs[name]
        job.status, job.started = "running", True
        job.work, job.running = job.work - 1, job.running + 1

    def commit(self, name: str, emitted: int) -> str:
        job = self.jobs[name]
        job.running -= 1
        if job.status in ("failed", "cancelled"):
            job.work += job.status == "failed"
            return "dropped"
        job.work += emitted
        self._settle(name)
        return "ok"

    def fail(self, name: str) -> str:
        job = self.jobs[name]
        job.running -= 1
        if job.status in ("failed", "cancelled"):
            job.work += job.status == "failed"
            return "dropped"
        job.work += 1
        self._end(name, "failed")
        return "ok"

    def pause(self, name: str) -> None:
        self.jobs[name].status = "paused"

    def go_on(self, name: str) -> None:
        """A paused job is resumed, a failed one retried: that waits for places again."""
        job = self.jobs[name]
        job.held = job.held or job.status == "failed"
        job.status = "running" if job.started else "pending"
        self._gate(name)
        self._settle(name)

    def cancel(self, name: str) -> None:
        self._end(name, "cancelled")

    def set(self, key: str, most: int) -> None:
        self.lines[key].most = most
        self.hand_on([key])

    def _settle(self, name: str) -> None:
        job = self.jobs[name]
        if job.status in LIVE and job.work + job.running == 0:
            self._end(name, "completed")

    def _end(self, name: str, status: str) -> None:
        job = self.jobs[name]
        job.status, job.held, job.number, job.vain = status, False, None, 0
        freed = []
        for key in job.keys:
            self.lines[key].waiting.pop(name, None)
            if name in self.lines[key].having:
                self.lines[key].having.discard(name)
                freed.append(key)
        self.hand_on(freed)
