"""What is stored on the server of the jobs of a model."""

from __future__ import annotations

from itertools import product
from typing import Any

from flowforge.model.jobs.labels import label_line
from flowforge.model.jobs.status import JobStatus
from flowforge.store.server.link import Argument
from tests.contract.bench import Bench
from tests.contract.looks import ask
from tests.contract.reference.flow import JOINING, PLAIN
from tests.contract.reference.jobs import ENDED, Job
from tests.contract.reference.model import Model

_HASHES = (
    "job", "invocations", "claims", "merges", "routines", "joins", "collected", "outstanding",
    "children", "child_failures", "lanes", "breakpoints", "put_off",
    "expectations", "answers", "early_answers",
)  # fmt: skip

#: What is kept aside of the lists of paused queues.
ASIDE = ("paused_unclaimed", "paused_pushes")

#: Those that jobs of the state machine have.
FAIR_KEYS = ("a", "b")

#: Keys of a job that go by themselves some time after its end.
KEYS = (
    *_HASHES, "parked", "stats", "late", "history", "outputs", "pauses", "entry_params", "logs",
    "inputs", "undo_log", "undoing",
)  # fmt: skip


class Stored:
    """Everything that is stored of some jobs, read in one round trip."""

    def __init__(self, bench: Bench, model: Model, lists: list[str]) -> None:
        self._commands: list[tuple[Argument, ...]] = []
        self._names: list[tuple[str, str]] = []
        key = self._key = bench.key
        for name, about in (*_GLOBAL_SETS, *_turns(model)):
            self._ask(name, about, "ZRANGE", key(name, about), 0, -1)
        for name in ("sequences", "entries", "flow_counts"):
            self._ask(name, "", "HGETALL", key(name))
        for name, about in indexes(model):
            self._ask(name, about, "ZRANGE", key(name, about), 0, -1, "WITHSCORES")
        self._ask_lists(lists)
        for attempt in model.stagers:
            segment = key("segment", "/".join(attempt))
            self._ask("part", "/".join(attempt), "LLEN", segment)
        for job in model.jobs.values():
            for name in _HASHES:
                self._ask(name, job.id, "HGETALL", key(name, job.id))
            self._ask("opened", job.id, "ZRANGE", key("opened", job.id), 0, -1)
            self._ask("stopped", job.id, "ZRANGE", key("stopped", job.id), 0, -1, "WITHSCORES")
            self._ask("expiry", job.id, "ZSCORE", key("expiry"), job.id)
            for lane, name in parked_lists(lists, job).items():
                self._ask("parked", f"{job.id} {lane}", "LRANGE", key("parked", name), 0, -1)
            self._ask("undo_log", job.id, "LRANGE", key("undo_log", job.id), 0, -1)
            self._ask("undoing", job.id, "LRANGE", key("undoing", job.id), 0, -1)
            self._ask("late", job.id, "LRANGE", key("late", job.id), 0, -1)
            self._ask("history", job.id, "XRANGE", key("history", job.id), "-", "+")
            self._ask("outputs", job.id, "LLEN", key("outputs", job.id))
            self._ask("logs", job.id, "XLEN", key("logs", job.id))
            self._ask("logs' end", job.id, "PTTL", key("logs", job.id))
            self._ask("segments", job.id, "LRANGE", key("segments", job.id), 0, -1)
            self._ask("listed", job.id, "ZSCORE", key("status", job.status), job.id)
            for name in KEYS if job.status in ENDED else ():
                self._ask("ttl", f"{job.id} {name}", "PTTL", key(name, job.id))
        replies = ask(bench.link, self._commands)
        self._found = dict(zip(self._names, replies, strict=True))

    def _ask_lists(self, lists: list[str]) -> None:
        key = self._key
        for name, index in product(lists, ("unclaimed", "fair_turns", "fair_entered", *ASIDE)):
            self._ask(index, name, "ZRANGE", key(index, name), 0, -1, "WITHSCORES")
        for name in lists:
            self._ask("broker", name, "LRANGE", name, 0, -1)
        for name, fair in product(lists, FAIR_KEYS):
            waiting = f"{name}\n{fair}"
            self._ask("fair_waiting", waiting, "ZRANGE", key("fair_waiting", waiting), 0, -1)

    def _ask(self, name: str, about: str, *command: Argument) -> None:
        self._names.append((name, about))
        self._commands.append(command)

    def raw(self, name: str, about: str = "") -> Any:
        return self._found[name, about]

    def hash(self, name: str, about: str = "") -> dict[str, bytes]:
        reply = self.raw(name, about)
        return {k.decode(): v for k, v in zip(reply[::2], reply[1::2], strict=True)}

    def texts(self, name: str, about: str = "") -> list[str]:
        return [item.decode() for item in self.raw(name, about)]

    def scores(self, name: str, about: str = "") -> dict[str, int]:
        reply = self.raw(name, about)
        return {m.decode(): int(s) for m, s in zip(reply[::2], reply[1::2], strict=True)}


#: Sorted sets whose members alone count.
_GLOBAL_SETS = (("leases", ""), ("timers", ""), ("open_expectations", ""), ("attempt_ends", ""))


def _turns(model: Model) -> list[tuple[str, str]]:
    return [("single", single) for single in model.singles]


def indexes(model: Model) -> dict[tuple[str, str], set[str]]:
    """Every index over all jobs, with the jobs that are in it."""
    flows = (PLAIN, JOINING, f"{PLAIN} (undo)", f"{JOINING} (undo)")
    labels = ("a=1", "a=2", "b=1", "b=2")
    found: dict[tuple[str, str], set[str]] = {
        **{("status", status): set() for status in JobStatus},
        **{("flow", flow): set() for flow in flows},
        **{("label", label): set() for label in labels},
    }
    for job in model.jobs.values():
        found["status", job.status].add(job.id)
        found["flow", job.flow].add(job.id)
        for name, value in job.labels.items():
            found["label", label_line(name, value)].add(job.id)
    return found


def parked_lists(lists: list[str], job: Job) -> dict[int, str]:
    """Lane -> its list of parked invocations."""
    if not job.joins:
        return {0: job.id}
    lanes = (2 * job.plan.lane, 2 * job.plan.lane + 1)
    return {lane: f"{job.id}/{lists[lane]}" for lane in lanes}
