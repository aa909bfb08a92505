"""Calls with keys, by which an earlier job may stand for a new one."""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.contract.reference.jobs import ENDED, Job, Plan
from tests.contract.reference.timing import Timing

#: Calls that a job with all params stands for at most, and jobs that wait for a key at most.
MOST_CALLS = 3
MOST_WAITING = 2

#: A record's version and emitter; how a list of params begins behind them, up to its length.
_HEAD = 3
_ITEMS = b"\x81\xa5items\xdd"


@dataclass(frozen=True)
class Keys:
    """Of one call. ``single``, ``debounce``: empty for none."""

    debounce: str = ""
    keep: str = "last"
    single: str = ""
    when: str = "skip"


@dataclass
class Waiting:
    """What takes the calls of a debounce key."""

    job_id: str
    invocation: str
    keep: str


def record_of_all(records: list[bytes]) -> bytes:
    """The record of the params of these, as one list."""
    payloads = b"".join(record[_HEAD:] for record in records)
    return records[0][:_HEAD] + _ITEMS + len(records).to_bytes(4) + payloads


class Calling(Timing):
    """``job id, how, calls``, or ``full``."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting_for: dict[str, Waiting] = {}

    def end(self, job: Job, status: str) -> None:
        """Its key is free, also where a retry has it wait on."""
        for key in [key for key, one in self.waiting_for.items() if one.job_id == job.id]:
            del self.waiting_for[key]
        super().end(job, status)

    def call(self, plan: Plan, keys: Keys) -> tuple[str, str, int] | str:
        waiting = self._taker(keys.debounce)
        queues = keys.single and waiting is None and keys.when == "queue"
        if queues and len(self.singles[keys.single]) > MOST_WAITING:
            return "full"
        if waiting is not None:
            job = self.jobs[waiting.job_id]
            if self._take_call(job, waiting, plan.entry.record):
                return job.id, "debounce", job.calls
            del self.timers[job.id, waiting.invocation]
            self.let_go(job, waiting.invocation)
        holder = self.holder(keys.single) if keys.single else None
        if holder is not None and keys.when == "skip":
            return holder.id, "single", holder.calls
        self._create_keyed(plan, keys, holder)
        return plan.id, "created", 1

    def _taker(self, key: str) -> Waiting | None:
        """What is on its timer still takes calls."""
        waiting = self.waiting_for.get(key)
        if waiting is None or (waiting.job_id, waiting.invocation) not in self.timers:
            return None
        return None if self.jobs[waiting.job_id].status in ENDED else waiting

    def _take_call(self, job: Job, waiting: Waiting, record: bytes) -> bool:
        before = job.uncommitted[waiting.invocation]
        if waiting.keep == "all":
            if job.calls == MOST_CALLS or before[_HEAD : _HEAD + len(_ITEMS)] != _ITEMS:
                return False
            items = before[_HEAD + len(_ITEMS) + 4 :] + record[_HEAD:]
            length = (job.calls + 1).to_bytes(4)
            record = before[:_HEAD] + _ITEMS + length + items
        job.calls += 1
        if waiting.keep != "first":
            job.uncommitted[waiting.invocation] = record
        return True

    def _create_keyed(self, plan: Plan, keys: Keys, holder: Job | None) -> None:
        if keys.debounce and keys.keep == "all":
            plan = replace(
                plan, entry=replace(plan.entry, record=record_of_all([plan.entry.record]))
            )
        turns = self.singles[keys.single] if keys.single else []
        replaces, held = None, holder is not None
        if holder is not None and keys.when == "replace":
            held = bool(holder.undoes) or holder.status in ENDED
            replaces = self.next_of(holder) if held else holder
            if replaces is None:
                turns.insert(1, plan.id)
            else:
                turns[turns.index(replaces.id)] = plan.id
            holder.next = plan.id if held else ""
        elif keys.single:
            turns.append(plan.id)
        self.create(plan, single=keys.single, held=held)
        job = self.jobs[plan.id]
        job.extras = True
        if replaces is not None:
            self.cancel_for_good(replaces)
            job.history["replaced"] += 1
        if keys.debounce:
            invocation = job.invocations[0]
            self.waiting_for[keys.debounce] = Waiting(job.id, invocation, keys.keep)
            job.debounce = keys.debounce
            job.history["debounced"] += 1
