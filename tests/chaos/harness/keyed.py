"""Calls with a debounce key or a single key, and what must hold of the jobs that stand for them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import get_args

from flowforge import Debounce, Flow
from flowforge.engine.engine import Engine
from flowforge.engine.submission.job_keys import JobKeys, debounce_name, scoped_key
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.model.times.debounce import WhenRunning
from tests.chaos.harness.checker import Story
from tests.chaos.harness.flows import Noting
from tests.chaos.harness.ledger import Line
from tests.chaos.harness.threads import Threads

#: Milliseconds after the latest and after the first call of a key.
WAIT_MS, AT_MOST_MS = 150, 500

#: Keys of each kind, and seconds between two calls of a kind.
_KEYS, _PAUSE = 5, 0.02

#: Wall time in the ledger, in a millisecond; the server cuts its own times to milliseconds.
_NS, _CUT = 1e6, 1


class Digest(Noting):
    """Gets what all calls of its key have sent."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.digest)
        self.define_event("numbers", ["numbers"])

    def digest(self, items: list[dict[str, int]]) -> None:
        self.enter()
        self.emit("numbers", numbers=[item["n"] for item in items])
        self.leave()


class Turn(Noting):
    """Two invocations of a job, of which one of its key runs at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.define_slot("input", handler=self.turn)
        self.define_event("again", ["left"])

    def turn(self, left: int) -> None:
        self.enter()
        time.sleep(0.04)
        if left:
            self.emit("again", left=left - 1)
        self.leave()


def _flow(name: str, routine: Noting, again: str = "") -> Flow:
    flow = Flow(f"chaos-{name}")
    flow.add_routine(routine, name)
    if again:
        flow.connect(name, again, name, "input")
    return flow


DIGEST, TURN = _flow("digest", Digest()), _flow("turn", Turn(), "again")


@dataclass(frozen=True)
class Call:
    """One call that was answered. ``sent``: wall time in milliseconds, before it was."""

    number: int
    key: str
    sent: float
    job_id: str
    created: bool


class Callers(Threads):
    """Two threads that call all the time, also while the server is away."""

    def __init__(self, engine: Engine, rng: Random) -> None:
        super().__init__()
        self.engine = engine
        self.debounced: list[Call] = []
        self.single: list[Call] = []
        for call in (self._debounce, self._single):
            self.add(self._run, call, Random(rng.random()))

    def _run(self, call: Callable[[int, Random], None], rng: Random) -> None:
        number = 0
        while not self.over.wait(rng.uniform(0, 2 * _PAUSE)):
            call(number, rng)
            number += 1

    def _debounce(self, number: int, rng: Random) -> None:
        key = f"d{rng.randrange(_KEYS)}"
        rule = Debounce(key, WAIT_MS / 1000, AT_MOST_MS / 1000, "all")
        keys, sent = JobKeys(rule), time.time() * 1000
        template = JobTemplate(DIGEST, "digest")
        found = self.engine.submit_one(template, {"n": number}, keys=keys)
        self.debounced.append(Call(number, key, sent, found.job_id, found.created))

    def _single(self, number: int, rng: Random) -> None:
        when: WhenRunning = rng.choice(get_args(WhenRunning))
        key = f"{when}{rng.randrange(_KEYS)}"
        keys, sent = JobKeys(single=key, when_running=when), time.time() * 1000
        found = self.engine.submit_one(JobTemplate(TURN, "turn"), {"left": 1}, keys=keys)
        self.single.append(Call(number, key, sent, found.job_id, found.created))

    @property
    def job_ids(self) -> set[str]:
        return {call.job_id for call in (*self.debounced, *self.single)}


def check_debounced(engine: Engine, calls: Iterable[Call], lines: Iterable[Line]) -> list[str]:
    """Each call is in one job, whose handler got all of them in their order, and not too early."""
    wrong, by_job = [], defaultdict[str, list[Call]](list)
    for call in calls:
        by_job[call.job_id].append(call)
    starts: dict[str, float] = {}
    for line in lines:
        if line.kind == "start":
            starts[line.job_id] = min(line.at / _NS, starts.get(line.job_id, line.at / _NS))
    for job_id, own in by_job.items():
        wrong += _unlike_once(engine, job_id, invocations=1)
        got = [output.params["numbers"] for output in engine.inspector.outputs(job_id)]
        expected = [call.number for call in own]
        if got != [expected]:
            wrong.append(f"job {job_id} stands for the calls {expected} and got {got}")
        if sum(call.created for call in own) != 1:
            wrong.append(f"job {job_id} was created by {sum(call.created for call in own)} calls")
        due = min(own[-1].sent + WAIT_MS, own[0].sent + AT_MOST_MS)
        if starts[job_id] < due - _CUT:
            wrong.append(f"job {job_id} started {due - starts[job_id]:.0f} ms early")
    return wrong


def check_single(engine: Engine, calls: Iterable[Call], lines: Iterable[Line]) -> list[str]:
    """No two jobs of a key ran at the same time; each ended once, or was replaced by one that did.

    The handler of a job that is replaced may go on: such a job is compared with none.
    """
    wrong, keys = [], {call.job_id: call.key for call in calls}
    spans: dict[str, tuple[int, int]] = {}
    for line in lines:
        first, _ = spans.get(line.job_id, (line.at, line.at))
        spans[line.job_id] = (first, line.at)
    by_key = defaultdict[str, list[tuple[tuple[int, int], str]]](list)
    for job_id, key in keys.items():
        if engine.inspector.status(job_id) == "cancelled":
            wrong += _not_replaced(engine, job_id, keys)
        else:
            wrong += _unlike_once(engine, job_id, invocations=2)
            by_key[key].append((spans[job_id], job_id))
    for key, ran in by_key.items():
        wrong += [
            f"jobs {before} and {after} of key {key} ran at the same time"
            for before, after in at_once(ran)
        ]
    return wrong


def at_once(ran: Iterable[tuple[tuple[int, int], str]]) -> list[tuple[str, str]]:
    """Jobs of one key, each behind its first and its last moment, that overlap the next one."""
    return [
        (before, after)
        for ((_, end), before), ((begin, _), after) in pairwise(sorted(ran))
        if begin < end
    ]


def _unlike_once(engine: Engine, job_id: str, invocations: int) -> list[str]:
    status = engine.inspector.status(job_id)
    commits = sorted(Story(engine.inspector.history(job_id)).commits.values())
    if status == "completed" and commits == [1] * invocations:
        return []
    return [f"job {job_id} is {status}, and committed {commits}"]


def _not_replaced(engine: Engine, job_id: str, keys: dict[str, str]) -> list[str]:
    """The job that took its place names it, and has its key."""
    by = (engine.inspector.reason(job_id) or "").removeprefix("replaced by job ")
    history = engine.inspector.history(by) if by in keys else ()
    told = [entry.details.get("job_id") for entry in history if entry.kind == "replaced"]
    if keys.get(by) == keys[job_id] and told == [job_id]:
        return []
    return [f"job {job_id} was cancelled for {by}, which replaced {told}"]


def keys_left(engine: Engine, callers: Callers) -> list[str]:
    """Keys that are taken though all jobs have ended."""
    names = {("debounce", debounce_name(DIGEST.flow_id, "digest.input", Debounce(call.key, 1)))
             for call in callers.debounced}  # fmt: skip
    names |= {("single", scoped_key(TURN.flow_id, call.key)) for call in callers.single}
    taken = engine.overview.known_keys(sorted(names))
    return [
        f"the key {name} is taken" for name, left in zip(sorted(names), taken, strict=True) if left
    ]
