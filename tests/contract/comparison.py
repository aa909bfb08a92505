"""What is stored on the server against what the reference model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest

from flowforge.model.jobs.labels import labels_text
from flowforge.store.fleet_reads.error_groups import ErrorGroups
from flowforge.store.fleet_reads.outbox import Outbox
from flowforge.store.server.link import Argument
from flowforge.store.transitions.queue_pauses import PAUSED
from tests.contract.bench import Bench, happened, sent
from tests.contract.job_comparison import compare_job
from tests.contract.looks import ask
from tests.contract.reference.jobs import Job
from tests.contract.reference.model import Model
from tests.contract.reference.turns import Turns
from tests.contract.stored import ASIDE, FAIR_KEYS, Stored, indexes, parked_lists
from tests.contract.timer_members import parsed


def compare(bench: Bench, model: Model, lists: list[str]) -> None:
    """Everything."""
    stored = Stored(bench, model, lists)
    _compare_places(stored, model, lists)
    _compare_indexes(stored, model)
    assert all(parsed(bench, stored.texts("timers")))
    for number, name in enumerate(lists):
        assert sent(stored.raw("broker", name)) == model.lists[number]
    for job in model.jobs.values():
        _recount(stored, lists, job)
        compare_job(stored, model, job, lists)
    _compare_errors(bench, model)
    page = Outbox(bench.store).read(0)
    assert Counter((line.happened, line.job_id) for line in page.lines) == Counter(model.outbox)


def _compare_errors(bench: Bench, model: Model) -> None:
    """Each failed attempt, and each failure by a script, is counted with exactly one group."""
    counted: Counter[str] = Counter()
    groups = ErrorGroups(bench.store).read(0)
    for group in groups:
        counted[group.identity.type] += group.count
    names = [bench.key("error_groups"), *(bench.key("error_group", one.key) for one in groups)]
    to_live, *each = ask(bench.link, [("PTTL", name) for name in names])
    assert all(ms > 0 for ms in each)
    assert to_live > 0 or not counted
    expected: Counter[str] = Counter()
    for job in model.jobs.values():
        expected.update(job.errors)
    assert counted == expected


def _compare_places(stored: Stored, model: Model, lists: list[str]) -> None:
    """Every lease, timer and unclaimed invocation is where the model has it."""
    leases = {
        f"{job}/{invocation}/{lease.token}" for (job, invocation), lease in model.leases.items()
    }
    assert set(stored.texts("leases")) == leases
    ends = {f"{'/'.join(member)}/{model.leases[member].token}" for member in model.timed()}
    found = set(stored.texts("attempt_ends"))
    assert found == ends, sorted(found ^ ends)
    found, timers = set(stored.texts("timers")), {"/".join(timer) for timer in model.timers}
    assert found == timers, sorted(found ^ timers)
    for number, name in enumerate(lists):
        unclaimed = {"/".join(m): push for m, push in model.unclaimed[number].items()}
        assert stored.scores("unclaimed", name) == unclaimed
        aside = {"/".join(m): push for m, push in model.aside[number].items()}
        assert {**stored.scores(ASIDE[0], name), **stored.scores(ASIDE[1], name)} == aside
        _compare_turns(stored, model.turns[number], name)
    pushes = {name: int(n) % PAUSED for name, n in stored.hash("sequences").items()}
    paused = [int(n) >= PAUSED for n in stored.hash("sequences").values()]
    assert sum(paused) == sum(model.paused)
    assert [pushes.get(name, 0) for name in lists] == model.pushes
    for attempt, items in model.parts.items():
        there = len(items) + model.damaged.get(attempt, 0)
        assert stored.raw("part", "/".join(attempt)) == there


def _compare_turns(stored: Stored, turns: Turns, name: str) -> None:
    """What waits by fair key, whose turn comes when, and what is in the broker."""
    reply = stored.raw("fair_turns", name)
    tags = {key.decode(): float(tag) for key, tag in zip(reply[::2], reply[1::2], strict=True)}
    assert tags == pytest.approx(turns.tags)
    assert stored.scores("fair_entered", name).keys() == {"/".join(m) for m in turns.entered}
    for key in FAIR_KEYS:
        waiting = turns.waiting.get(key, {})
        expected = ["/".join(m) for m in sorted(waiting, key=waiting.__getitem__)]
        assert stored.texts("fair_waiting", f"{name}\n{key}") == expected


def _compare_indexes(stored: Stored, model: Model) -> None:
    """Every job is in its indexes by its time of creation, and in no other; it is counted once."""
    created = {job.id: int(stored.hash("job", job.id)["created"]) for job in model.jobs.values()}
    for (name, about), jobs in indexes(model).items():
        assert stored.scores(name, about) == {job: created[job] for job in jobs}, (name, about)
    entries = {job.id: [job.flow, *labels_text(job.labels).split()] for job in model.jobs.values()}
    found = {job: entry.decode().split("\n") for job, entry in stored.hash("entries").items()}
    assert found == entries
    counts = Counter(f"{job.status}/{job.flow}" for job in model.jobs.values())
    assert {field: int(n) for field, n in stored.hash("flow_counts").items()} == counts
    for single, turns in model.singles.items():
        assert stored.texts("single", single) == turns


def _recount(stored: Stored, lists: list[str], job: Job) -> None:
    """What the row and the lanes count is what the indexes hold, whatever the model says."""
    row = stored.hash("job", job.id)
    status = row["status"].decode()
    names = ("queued", "running", "waiting", "timers", "staged")
    counted = {name: int(row.get(name, 0)) for name in names}
    assert min(counted.values()) >= 0, counted

    def own(members: Iterable[str]) -> list[str]:
        return [member for member in members if member.startswith(f"{job.id}/")]

    queued = {
        name: sum(len(own(stored.scores(index, name))) for index in ("unclaimed", *ASIDE))
        + sum(len(own(stored.texts("fair_waiting", f"{name}\n{key}"))) for key in FAIR_KEYS)
        for name in lists
    }
    waiting = {
        lists[lane]: len(stored.texts("parked", f"{job.id} {lane}"))
        for lane in parked_lists(lists, job)
    }
    held = {
        "queued": sum(queued.values()),
        "running": len(own(stored.texts("leases"))),
        "waiting": sum(waiting.values()),
        "timers": sum(member.split("/")[1][0].isdigit() for member in own(stored.texts("timers"))),
    }
    ended = ("queued", "running")
    kept = (
        held if status not in ("completed", "cancelled") else {name: held[name] for name in ended}
    )
    assert {name: counted[name] for name in kept} == kept
    _recount_lanes(stored, job, status, queued, waiting)


def _recount_lanes(
    stored: Stored, job: Job, status: str, queued: dict[str, int], waiting: dict[str, int]
) -> None:
    """A job on one queue, or one that has ended for good, has no lanes."""
    counted = {field: int(n) for field, n in stored.hash("lanes", job.id).items() if n != b"0"}
    if not job.joins or status in ("completed", "cancelled"):
        assert not counted
        return
    held = {f"q{name}": count for name, count in queued.items()}
    held |= {f"w{name}": count for name, count in waiting.items()}
    assert counted == {field: count for field, count in held.items() if count}


def ends_of(bench: Bench, jobs: Sequence[Job]) -> list[tuple[object, ...]]:
    """What is stored of each of some ended jobs, and must not change any more."""
    commands: list[tuple[Argument, ...]] = []
    for job in jobs:
        commands += [
            ("HMGET", bench.key("job", job.id), "status", "ended", "reason"),
            ("LRANGE", bench.key("outputs", job.id), 0, -1),
            ("XRANGE", bench.key("history", job.id), "-", "+"),
        ]
    replies = iter(ask(bench.link, commands))
    return [
        (*row, outputs, happened(history))
        for row, outputs, history in zip(replies, replies, replies, strict=True)
    ]
