"""What must hold after any fault: the ledger, the history and the counters tell the same story."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

from flowforge.engine.engine import Engine
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.model.jobs.status import JobStatus
from flowforge.store.job_reads.job_rows import JobRows
from tests.chaos.harness.flows import Shape
from tests.chaos.harness.ledger import Line

#: Kinds of history entries that end one attempt of an invocation.
COMMITS = ("completed", "error_continued", "skipped")
ATTEMPT_ENDS = (*COMMITS, "retried", "released", "failed", "lost")

#: Counters of a job that are zero once it has completed.
_AT_REST = ("queued", "running", "waiting", "timers", "staged", "stopped")

#: Violations of one kind that are told in full.
_SHOWN = 5


class Story:
    """The history of one job, counted."""

    def __init__(self, entries: Iterable[HistoryEntry]) -> None:
        self.commits: Counter[int] = Counter()
        self.by_routine: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.ends: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.attempts: dict[int, int] = {}
        for entry in entries:
            if entry.invocation is None or entry.kind not in ATTEMPT_ENDS:
                continue
            self.ends[entry.invocation][entry.kind] += 1
            self.by_routine[entry.routine_id or ""][entry.kind] += 1
            if entry.kind in COMMITS:
                self.commits[entry.invocation] += 1
                self.attempts[entry.invocation] = entry.details["attempt"]

    @property
    def lost(self) -> int:
        return sum(ends["lost"] for ends in self.ends.values())


def check_tree(
    engine: Engine, job_id: str, tree: Shape, lines: Iterable[Line], *, rolled_back: bool = False
) -> list[str]:
    """Violations of I1 to I3 by one job that must have completed; empty when all is well.

    Of a job that has not completed only what was done twice is told besides.

    ``rolled_back``: the server lost its latest writes, so the ledger may hold more than the rest.
    """
    story = Story(engine.inspector.history(job_id))
    wrong = _twice(engine, job_id, tree, story)
    status = engine.inspector.status(job_id)
    if status == "completed":
        wrong += _missing(engine, job_id, tree, story) + _counters(engine, job_id, tree, story)
        wrong += _ledger(story, list(lines), rolled_back=rolled_back)
    else:
        wrong.append(f"I1 the job is {status}: {engine.inspector.reason(job_id) or ''}")
    return [f"{what} (job {job_id})" for what in wrong]


def _twice(engine: Engine, job_id: str, tree: Shape, story: Story) -> list[str]:
    twice = {number: count for number, count in story.commits.items() if count > 1}
    wrong = [f"I2 invocation {n} committed {c} times" for n, c in _some(twice.items())]
    more = _outputs(engine, job_id) - tree.outputs()
    return wrong + [f"I2 output {value} of {r} is there twice" for r, value in _some(more)]


def _missing(engine: Engine, job_id: str, tree: Shape, story: Story) -> list[str]:
    lost = tree.outputs() - _outputs(engine, job_id)
    wrong = [f"I2 output {value} of {r} is lost" for r, value in _some(lost)]
    for routine, expected in tree.commits().items():
        found = sum(story.by_routine[routine][kind] for kind in COMMITS)
        if found != expected:
            wrong.append(f"I1 {routine}: {found} commits in the history, not {expected}")
    beyond = [number for number in story.commits if not 1 <= number <= tree.invocations]
    return wrong + [f"I2 invocation number {number} is too many" for number in _some(beyond)]


def _outputs(engine: Engine, job_id: str) -> Counter[tuple[str, int]]:
    found: Counter[tuple[str, int]] = Counter()
    for output in engine.inspector.outputs(job_id):
        (value,) = output.params.values()
        found[output.routine_id, value] += 1
    return found


def _counters(engine: Engine, job_id: str, tree: Shape, story: Story) -> list[str]:
    row = JobRows(engine.store).row(job_id)
    wrong = [
        f"I3 counter {name} of a completed job is {row[name].decode()}"
        for name in _AT_REST
        if int(row.get(name, b"0"))
    ]
    if int(row["last"]) != tree.invocations:
        wrong.append(f"I2 {int(row['last'])} invocations were created, not {tree.invocations}")
    states = engine.inspector.routine_states(job_id)
    for routine, kinds in story.by_routine.items():
        wrong += _routine(routine, states.get(routine, {}), kinds)
    for (routine, name), expected in tree.stats().items():
        found = states.get(routine, {}).get("stats", {}).get(name)
        if found != expected:
            wrong.append(f"I3 the stat {name} of {expected} commits adds up to {found}")
    return wrong


def _routine(routine: str, state: dict[str, Any], kinds: Counter[str]) -> list[str]:
    wrong = [
        f"I3 {routine}: counter {kind} is {state.get(kind)}, the history says {kinds[kind]}"
        for kind in ATTEMPT_ENDS
        if state.get(kind) != kinds[kind]
    ]
    if state.get("started") != sum(kinds.values()):
        wrong.append(f"I3 {routine}: {state.get('started')} claims, {sum(kinds.values())} ends")
    if state.get("status") != "completed":
        wrong.append(f"I3 {routine} of a completed job is {state.get('status')}")
    return wrong


def _ledger(story: Story, lines: list[Line], *, rolled_back: bool) -> list[str]:
    starts: defaultdict[int, Counter[int]] = defaultdict(Counter)
    ends: set[tuple[int, int]] = set()
    for line in lines:
        if line.kind == "start":
            starts[line.number][line.attempt] += 1
        else:
            ends.add((line.number, line.attempt))
    never = [n for n, attempt in story.attempts.items() if (n, attempt) not in ends]
    wrong = [f"I1 invocation {n} is committed, but its handler never ended" for n in _some(never)]
    if rolled_back:
        return wrong
    for number, attempts in starts.items():
        allowed = sum(story.ends[number].values())
        if sum(attempts.values()) > allowed:
            wrong.append(
                f"I3 invocation {number} started {sum(attempts.values())} times on {allowed} claims"
            )
    return wrong[: 2 * _SHOWN]


def check_rest(engine: Engine) -> list[str]:
    """Violations of I3 by the fleet as a whole, once every job has ended."""
    link, keys = engine.store.link, engine.store.keys
    wrong = [
        f"I3 {name} still holds {members[:_SHOWN]}"
        for name in ("leases", "timers")
        if (members := link.call("ZRANGE", keys.of(name), 0, -1))
    ]
    if deletions := link.call("LRANGE", keys.of("deletions"), 0, -1):
        wrong.append(f"I3 there are still deletions {deletions[:_SHOWN]}")
    for raw in link.call("HKEYS", keys.of("sequences")):
        name = raw.decode()
        if left := link.call("ZRANGE", keys.of("unclaimed", name), 0, -1):
            wrong.append(f"I3 unclaimed on {name}: {left[:_SHOWN]}")
    return wrong + _indexes(engine)


def _indexes(engine: Engine) -> list[str]:
    link, keys = engine.store.link, engine.store.keys
    wrong = []
    live: Counter[str] = Counter()
    for status in JobStatus:
        for raw in link.call("ZRANGE", keys.of("status", status), 0, -1):
            row = JobRows(engine.store).row(raw.decode())
            if row["status"].decode() != status:
                wrong.append(f"I3 job {raw.decode()} is in {status}, but {row['status'].decode()}")
            live[row["def"].decode()] += status in ("pending", "running", "paused")
    for name, count in live.items():
        active = int(link.call("HGET", keys.of("definition", name), "active") or 0)
        if active != count:
            wrong.append(f"I3 definition {name} counts {active} live jobs, there are {count}")
    return wrong


def _some(found: Iterable[Any]) -> list[Any]:
    return list(found)[:_SHOWN]
