"""Operators who set breakpoints, step and continue at once, and what must hold of what stopped."""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

from flowforge.engine.engine import Engine
from flowforge.errors import JobStateError, StoreUnavailableError
from flowforge.model.jobs.job_handle import HistoryEntry
from tests.chaos.harness.ledger import Line
from tests.chaos.harness.site import Site
from tests.chaos.harness.threads import Threads

#: The breakpoint of every job: nodes from this one on.
ROUTINE, FIRST = "node", 5

_CONDITION = {"i": (">=", FIRST)}

#: Seconds between two calls of an operator, at most.
_REST = 0.05

#: Jobs under way at which each call looks for one that it fits.
_LATEST = 6

_NS_IN_MS = 1e6


class Operators(Threads):
    """Threads that let go what stops, each with an engine of its own, until the block ends.

    ``jobs``: those that it takes one of for each call. ``calls``: calls that were accepted, by what
    they are; ``refused``: how many were not. An error that no operator should see is raised at the
    end.
    """

    def __init__(self, engines: Sequence[Engine], jobs: list[str], rng: random.Random) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.refused = 0
        self._jobs = jobs
        for engine in engines:
            self.add(self._run, engine, random.Random(rng.random()))

    def _run(self, engine: Engine, rng: random.Random) -> None:
        while not self.over.wait(rng.uniform(0, _REST)):
            if not self._jobs:
                continue
            job_id = rng.choice(self._jobs[-_LATEST:])
            name, call = rng.choice(_calls(engine, job_id, rng))
            try:
                call()
            except JobStateError:
                self.refused += 1
            except StoreUnavailableError:
                continue
            else:
                self.calls[name] += 1


def _calls(engine: Engine, job_id: str, rng: random.Random) -> list[tuple[str, Callable[[], None]]]:
    breakpoints = engine.breakpoints

    def named() -> int:
        stopped = [number for one in breakpoints.of_job(job_id) for number in one.stopped]
        if not stopped:
            raise JobStateError("nothing has stopped")
        return rng.choice(stopped)

    def edit() -> None:
        engine.mending.edit(job_id, {named(): {"micros": 0}})

    def again() -> None:
        breakpoints.clear(job_id, ROUTINE)
        set_breakpoint(engine, job_id)

    def pause() -> None:
        engine.pause(job_id)
        engine.resume(job_id)

    return [
        ("steps", lambda: breakpoints.step(job_id)),
        ("steps", lambda: breakpoints.step(job_id, named())),
        ("edits", edit),
        ("continues", lambda: breakpoints.go_on(job_id)),
        ("continues", lambda: breakpoints.go_on(job_id, ROUTINE)),
        ("breakpoints cleared and set", again),
        ("pauses", pause),
    ]


def set_breakpoint(engine: Engine, job_id: str) -> None:
    """That of this harness."""
    engine.breakpoints.set(job_id, ROUTINE, _CONDITION)


def let_all_go(site: Site, jobs: Iterable[str]) -> None:
    """No job keeps a breakpoint, paused or stopped work."""
    for job_id in jobs:
        for call in (site.engine.resume, site.engine.breakpoints.clear):
            with contextlib.suppress(JobStateError):
                call(job_id)


def wrong_stops(history: Iterable[HistoryEntry], lines: Iterable[Line], kept: bool) -> list[str]:
    """What does not hold of one job that has completed.

    An invocation stops once at most, and starts after it was let go. ``kept``: the breakpoint was
    there before any node that fulfils its condition, until all had run, so each of them stops.
    """
    starts: dict[int, int] = {}
    for line in lines:
        if line.kind == "start":
            starts[line.number] = min(line.at, starts.get(line.number, line.at))
    stops: Counter[int] = Counter()
    waits: dict[int, float] = {}
    told = list(history)
    for entry in told:
        if entry.kind == "stopped" and entry.invocation is not None:
            stops[entry.invocation] += 1
            waits.setdefault(entry.invocation, 0.0)
        elif entry.kind in ("let_go", "break_cleared"):
            for number in [entry.invocation] if entry.invocation else list(waits):
                waits[number] = waits.get(number) or entry.at.timestamp() * 1000
    wrong = [f"invocation {number} stopped {n} times" for number, n in stops.items() if n > 1]
    wrong += [
        f"invocation {number} started before it was let go"
        for number, let_go in waits.items()
        if not let_go or starts[number] / _NS_IN_MS < let_go - 1
    ]
    return wrong + (_missed(told, stops) if kept else [])


def _missed(history: Iterable[HistoryEntry], stops: Mapping[int, int]) -> list[str]:
    return [
        f"invocation {entry.invocation} did not stop"
        for entry in history
        if entry.kind == "completed" and entry.routine_id == ROUTINE
        and entry.details["params"]["i"] >= FIRST and entry.invocation not in stops
    ]  # fmt: skip
