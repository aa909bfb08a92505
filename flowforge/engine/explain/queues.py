"""The findings on a job's messages: a paused queue, one that nobody serves, turns of fair keys."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from flowforge.engine.explain.look import WorkLook, some
from flowforge.engine.workers import all_import
from flowforge.model import registry
from flowforge.model.fair import Fair
from flowforge.model.jobs.job_finding import FindingKind, JobFinding
from flowforge.store.job_reads.outstanding import JobList, Queued
from flowforge.store.transitions.queue_pauses import QueuePause


def resume_command(queue: str) -> str:
    """What lets workers go on with a queue."""
    return f"flowforge queues resume {shlex.quote(queue)}"


class QueueFindings:
    """What the queues of a job's routines do with its messages."""

    def __init__(self, look: WorkLook) -> None:
        self._look = look
        self._lists: dict[str, JobList] | None = None
        self._paused: dict[str, QueuePause] | None = None

    def paused(self) -> Iterator[JobFinding]:
        """Paused queues that work of the job waits on."""
        if not self._look.job.counts["queued"]:
            return
        pauses = self._pauses()
        for queue, found in self._queued().items():
            if queue in pauses:
                yield _paused_queue(pauses[queue], found)

    def _pauses(self) -> dict[str, QueuePause]:
        if self._paused is None:
            found = self._look.server.store.queue_pauses.all([])
            self._paused = {pause.queue: pause for pause in found}
        return self._paused

    def unserved(self) -> Iterator[JobFinding]:
        """Queues that no live worker serves, and routines whose class none of them knows."""
        look, counts = self._look, self._look.job.counts
        if not look.judges_fleet or not counts["queued"] + counts["timers"]:
            return
        for queue, found in self._queued().items():
            if not look.fleet.serving(queue):
                yield JobFinding(
                    FindingKind.UNSERVED.value,
                    f"no worker reports that it serves the queue {queue!r}, on which "
                    f"{_waiting(found.messages)}",
                    since=look.job.updated_at,
                    command=look.server.worker_command(queue),
                    count=found.messages,
                    details={"queue": queue},
                )
        yield from self._unknown_classes()

    def _unknown_classes(self) -> Iterator[JobFinding]:
        look = self._look
        for index in look.outstanding.sampled_routines():
            spec = look.definition.routine(index)
            queue = spec.queue or look.server.app.conf.task_default_queue
            serving = look.fleet.serving(queue)
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
        if not self._look.job.counts["queued"]:
            return
        for queue, found in self._queued().items():
            if queue in self._pauses():
                continue  # told as paused
            workers = [worker.name for worker in self._look.fleet.serving(queue)]
            if not workers and self._look.judges_fleet:
                continue  # told as unserved
            next_ones = self._look.outstanding.queued_on(found.name)
            in_turn = self._in_turn(found)
            if in_turn is not None:
                yield self._waiting_for_turn(queue, found, workers, *in_turn)
                if not next_ones:
                    continue
            yield self._queued_on(queue, found, next_ones, workers)

    def _queued_on(
        self, queue: str, found: JobList, next_ones: list[Queued], workers: list[str]
    ) -> JobFinding:
        look, popped = self._look, max(0, found.unclaimed - found.length)
        first = next_ones[0] if next_ones else None
        if first is None:
            place = "more than 1000 messages come before them"
        elif first.ahead < popped:
            place = f"a worker has fetched that of {look.place(first.invocation)}"
        else:
            place = (
                f"{look.place(first.invocation)} is number {first.ahead - popped + 1} of "
                f"{found.length}"
            )
        priority = f" with priority {look.details.priority}" if look.details.priority else ""
        served = f"; served by {some(workers)}" if workers else ""
        return look.finding(
            FindingKind.QUEUED,
            f"{_waiting(found.messages)} on the queue {queue!r}{priority}: {place}{served}",
            None if first is None else first.invocation,
            found.messages,
            since=look.job.updated_at,
            details={
                "queue": queue, "length": found.length, "workers": workers,
                "position": None if first is None else max(0, first.ahead - popped + 1),
            },
        )  # fmt: skip

    def _in_turn(self, found: JobList) -> tuple[Fair, list[Queued]] | None:
        """What waits for the turn of the job's fair key, the next one first; None: nothing does."""
        fair = self._look.details.fair
        turns = self._look.outstanding.waiting_for_turn(found.name, fair.key) if fair else []
        return (fair, turns) if fair and turns else None

    def _waiting_for_turn(
        self, queue: str, found: JobList, workers: list[str], fair: Fair, turns: list[Queued]
    ) -> JobFinding:
        look, first = self._look, turns[0]
        state = look.server.store.fair_order.state_of(found.name, fair.key)
        weight = "" if fair.weight == 1 else f" (weight {fair.weight:g})"
        entered = ""
        if state.entered:
            messages = "1 message is" if state.entered == 1 else f"{state.entered} messages are"
            entered = f", and {messages} in the queue whose turns have come"
        served = f"; served by {some(workers)}" if workers else ""
        what = (
            f"{look.place(first.invocation)} waits for its turn on the queue {queue!r}: fair key "
            f"{fair.key!r}{weight} has {state.waiting} waiting, {first.ahead} of them before it; "
            f"{state.before} of {state.keys} keys have their next turn before this one"
            f"{entered}{served}"
        )
        details = {
            "queue": queue, "fair_key": fair.key, "weight": fair.weight, "waiting": state.waiting,
            "ahead": first.ahead, "keys_before": state.before, "keys": state.keys,
            "entered": state.entered, "workers": workers,
        }  # fmt: skip
        return look.finding(
            FindingKind.FAIR_TURN, what, first.invocation, len(turns),
            since=look.job.updated_at, details=details,
        )  # fmt: skip

    def _queued(self) -> dict[str, JobList]:
        if self._lists is None:
            look = self._look
            default = look.server.app.conf.task_default_queue
            routines: dict[str, int] = {}
            for index, spec in enumerate(look.definition.routines):
                routines.setdefault(spec.queue or default, index)
            self._lists = look.outstanding.lists(routines)
        return self._lists


def _paused_queue(pause: QueuePause, found: JobList) -> JobFinding:
    why = f" ({pause.reason})" if pause.reason else ""
    goes_on = ", and is being resumed" if pause.resuming else ""
    return JobFinding(
        FindingKind.QUEUE_PAUSED.value,
        f"queue {pause.queue!r} is paused by {pause.by}{why}{goes_on}: {_waiting(found.messages)}",
        since=pause.since,
        command=resume_command(pause.queue),
        count=found.messages,
        details={"queue": pause.queue, "by": pause.by, "reason": pause.reason},
    )


def _waiting(messages: int) -> str:
    return "1 message of the job waits" if messages == 1 else f"{messages} messages of the job wait"
