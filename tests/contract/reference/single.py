"""One job of a key at a time: the jobs of a key in the order of their turns."""

from __future__ import annotations

from collections import defaultdict

from tests.contract.reference.jobs import Job
from tests.contract.reference.places import Places


class Single(Places):
    """The first job of a key has it; the others are held."""

    def __init__(self) -> None:
        super().__init__()
        self.singles: defaultdict[str, list[str]] = defaultdict(list)

    def holder(self, key: str) -> Job | None:
        return self.jobs[self.singles[key][0]] if self.singles[key] else None

    def hold(self, job: Job) -> None:
        job.held = True
        job.history["held"] += 1
        self.watch_next(job.single)

    def watch_next(self, key: str) -> None:
        if len(self.singles[key]) > 1:
            self.look_at(self.singles[key][1], due=False)

    def next_of(self, job: Job) -> Job | None:
        """What is to replace a job that is undone, when that has ended."""
        return self.jobs[job.next] if job.next in self.singles[job.single] else None

    def _wait_no_more(self, job: Job) -> None:
        job.held = False
        self.timers.pop((job.id, "look"), None)

    def let_start(self, job: Job) -> None:
        self._wait_no_more(job)
        job.history["turn"] += 1
        if job.status == "paused":
            return
        self.release_parked(job)
        if job.started:
            self.look_at(job.id, due=True)

    def queue_up(self, job: Job) -> None:
        """A job that is retried. What undoes another one waits for no turn."""
        if not job.single or job.undoes:
            return
        self.singles[job.single].append(job.id)
        if self.singles[job.single][0] != job.id:
            self.hold(job)

    def give_key_up(self, job: Job) -> None:
        """A job has ended. One that is undone has its place until that has ended."""
        if not job.single or job.undo == "waits":
            return
        turns = self.singles[job.single]
        undoing = self.jobs.get(job.undo)
        if undoing is not None and job.id in turns:
            turns[turns.index(job.id)] = undoing.id
            undoing.single, undoing.next = job.single, job.next
        if job.id in turns:
            turns.remove(job.id)
        if job.held:
            self._wait_no_more(job)
        holder = self.holder(job.single)
        if holder is None:
            return
        if holder.held:
            self.let_start(holder)
        self.watch_next(job.single)

    def release_parked(self, job: Job) -> None:
        """As far as there is room."""
        for lane in sorted({self.lane(job, invocation) for invocation in job.parked}):
            room = self.room_in(job, lane)
            for invocation in self.waiting_in(job, lane)[: max(0, room)]:
                job.parked.remove(invocation)
                self.push(job, invocation)
