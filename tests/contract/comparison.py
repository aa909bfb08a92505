"""What is stored on the server against what the reference model says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import product
from typing import Any

import pytest

from flowforge.model.labels import label_line, labels_text
from flowforge.model.status import JobStatus
from flowforge.store.error_groups import ErrorGroups
from flowforge.store.job_fields import FIELDS
from flowforge.store.link import Argument
from flowforge.store.outbox import Outbox
from flowforge.store.queue_pauses import PAUSED
from tests.contract.bench import Bench
from tests.contract.reference.flow import JOINING, PLAIN, RULES
from tests.contract.reference.jobs import ENDED, Job
from tests.contract.reference.model import Model
from tests.contract.reference.turns import Turns
from tests.contract.timer_members import parsed

_HASHES = (
    "job", "invocations", "claims", "merges", "routines", "joins", "collected", "outstanding",
    "children", "child_failures", "lanes", "breakpoints", "put_off",
    "expectations", "answers", "early_answers",
)  # fmt: skip

#: What is kept aside of the lists of paused queues.
_ASIDE = ("paused_unclaimed", "paused_pushes")

#: Those that jobs of the state machine have.
FAIR_KEYS = ("a", "b")

#: How attempts are closed that raised an error.
FAILURES = ("retried", "failed", "error_continued", "skipped")

#: Keys of a job that go by themselves some time after its end.
_KEYS = (
    *_HASHES, "parked", "stats", "late", "history", "outputs", "pauses", "entry_params", "logs",
    "inputs", "undo_log", "undoing",
)  # fmt: skip


class Stored:
    """Everything that is stored of some jobs, read in one round trip."""

    def __init__(self, bench: Bench, model: Model, lists: list[str]) -> None:
        self._commands: list[tuple[Argument, ...]] = []
        self._replies: list[Any] = []
        self._names: list[tuple[str, str]] = []
        key = self._key = bench.key
        for name, about in (*_GLOBAL_SETS, *_turns(model)):
            self._ask(name, about, "ZRANGE", key(name, about), 0, -1)
        for name in ("sequences", "entries", "flow_counts"):
            self._ask(name, "", "HGETALL", key(name))
        for name, about in _indexes(model):
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
            for lane, name in _parked_lists(lists, job).items():
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
            for name in _KEYS if job.status in ENDED else ():
                self._ask("ttl", f"{job.id} {name}", "PTTL", key(name, job.id))
        replies = bench.link.many(self._commands)
        self._found = dict(zip(self._names, replies, strict=True))

    def _ask_lists(self, lists: list[str]) -> None:
        key = self._key
        for name, index in product(lists, ("unclaimed", "fair_turns", "fair_entered", *_ASIDE)):
            self._ask(index, name, "ZRANGE", key(index, name), 0, -1, "WITHSCORES")
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


def _indexes(model: Model) -> dict[tuple[str, str], set[str]]:
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


def _parked_lists(lists: list[str], job: Job) -> dict[int, str]:
    """Lane -> its list of parked invocations."""
    if not job.joins:
        return {0: job.id}
    lanes = (2 * job.plan.lane, 2 * job.plan.lane + 1)
    return {lane: f"{job.id}/{lists[lane]}" for lane in lanes}


def compare(bench: Bench, model: Model, lists: list[str]) -> None:
    """Everything."""
    stored = Stored(bench, model, lists)
    _compare_places(stored, model, lists)
    _compare_indexes(stored, model)
    assert all(parsed(bench, stored.texts("timers")))
    for number, name in enumerate(lists):
        assert bench.sent(name) == model.lists[number]
    for job in model.jobs.values():
        _recount(stored, lists, job)
        _compare_job(stored, model, job, lists)
    _compare_errors(bench, model)
    page = Outbox(bench.store).read(0)
    assert Counter((line.happened, line.job_id) for line in page.lines) == Counter(model.outbox)


def _compare_errors(bench: Bench, model: Model) -> None:
    """Each failed attempt, and each failure by a script, is counted with exactly one group."""
    counted: Counter[str] = Counter()
    for group in ErrorGroups(bench.store).read(0):
        counted[group.identity.type] += group.count
        assert bench.link.call("PTTL", bench.key("error_group", group.key)) > 0
    assert bench.link.call("PTTL", bench.key("error_groups")) > 0 or not counted
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
        assert {**stored.scores(_ASIDE[0], name), **stored.scores(_ASIDE[1], name)} == aside
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
    for (name, about), jobs in _indexes(model).items():
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
        name: sum(len(own(stored.scores(index, name))) for index in ("unclaimed", *_ASIDE))
        + sum(len(own(stored.texts("fair_waiting", f"{name}\n{key}"))) for key in FAIR_KEYS)
        for name in lists
    }
    waiting = {
        lists[lane]: len(stored.texts("parked", f"{job.id} {lane}"))
        for lane in _parked_lists(lists, job)
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


def _compare_job(stored: Stored, model: Model, job: Job, lists: list[str]) -> None:
    """Status, work, history and counters of one job."""
    row = stored.hash("job", job.id)
    assert row.keys() <= FIELDS.keys()
    assert row["status"].decode() == job.status
    assert int(row["last"]) == job.last
    assert stored.hash("invocations", job.id) == job.uncommitted
    for lane in _parked_lists(lists, job):
        assert stored.texts("parked", f"{job.id} {lane}") == model.waiting_in(job, lane)
    assert stored.raw("outputs", job.id) == job.outputs
    assert stored.raw("logs", job.id) == job.lines
    if job.status not in ENDED:
        assert stored.raw("logs' end", job.id) == (-1 if job.lines else -2)
    assert [about.decode() for about in stored.raw("late", job.id)] == job.late
    assert stored.raw("listed", job.id) is not None
    kinds = [
        dict(zip(f[::2], f[1::2], strict=True))[b"k"] for _, f in stored.raw("history", job.id)
    ]
    assert Counter(kind.decode() for kind in kinds) == job.history
    if job.status in ENDED:
        _check_times_to_live(stored, job)
    if job.status not in ("completed", "cancelled"):
        _check_counters(row, model, job)
        assert ("held" in row) == job.held
        assert int(row.get("calls", 1)) == job.calls
        _check_claims(stored, job)
        _check_breakpoints(stored, row, job)
        _check_merges(stored, job)
        assert stored.hash("put_off", job.id).keys() == job.put_off.keys()
        _check_joins(stored, model, job)
    _check_answers(stored, row, job)
    _check_undo(stored, row, job)
    _check_routines(stored, model, job)
    _check_staged(stored, model, job)


def _check_counters(row: dict[str, bytes], model: Model, job: Job) -> None:
    """Each invocation is in one place; the counters count the places; the window holds."""
    for invocation in job.uncommitted:
        assert len(model.places(job, invocation)) == 1, (invocation, model.places(job, invocation))
    assert int(row["v"]) == 1 + bool(job.breakpoints) + 2 * job.puts_off + 4 * job.has_extras
    names = ("queued", "running", "waiting", "timers", "staged")
    queued, running, waiting, timers, staged = (int(row.get(name, 0)) for name in names)
    assert queued == model.queued(job)
    assert running == model.running(job)
    assert waiting == len(job.parked)
    assert timers == model.waiting_timers(job)
    assert staged == len(job.staged) + job.staged_outputs
    # An undone job expects nothing any more, and keeps what it was.
    expected = sum(record.startswith(b"E") for record in job.uncommitted.values())
    assert expected == len(job.expected) or model.is_undone(job)
    elsewhere = len(job.awaited) + len(job.stopped) + expected
    assert queued + running + waiting + timers + elsewhere == len(job.uncommitted)
    assert queued + running <= job.plan.max_in_flight
    if job.live and not job.held and job.parent is None:
        # Nothing waits for room that is there.
        for lane in {model.lane(job, invocation) for invocation in job.parked}:
            assert model.room_in(job, lane) <= 0
        assert not job.staged or not model.takes_staged(job)
        assert not job.staged_outputs


def _check_breakpoints(stored: Stored, row: dict[str, bytes], job: Job) -> None:
    """What has stopped is counted, and each breakpoint is there."""
    scores = stored.scores("stopped", job.id)
    assert {name for name, at in scores.items() if at} == set(job.stopped)
    assert {name for name, at in scores.items() if not at} == job.let_go
    assert int(row.get("stopped", 0)) == len(job.stopped)
    found = {field for field in stored.hash("breakpoints", job.id) if field.isdigit()}
    assert found == {str(routine) for routine in job.breakpoints}


def _check_answers(stored: Stored, row: dict[str, bytes], job: Job) -> None:
    """What is open is counted and in the index; what became of the others is known."""
    assert int(row.get("expected", 0)) == len(job.expected)
    assert stored.hash("expectations", job.id).keys() == job.expected.keys()
    open_ones = {m for m in stored.texts("open_expectations") if m.startswith(f"{job.id}/")}
    assert open_ones == {f"{job.id}/{number}" for number in job.expected}
    fields = stored.hash("answers", job.id)
    assert {f: s.decode()[0] for f, s in fields.items() if f[0].isdigit()} == job.answers
    early = stored.hash("early_answers", job.id)
    assert {field for field in early if "/" in field} == job.early.keys()
    counts = {field: int(count) for field, count in early.items() if "/" not in field}
    assert counts == Counter(field.partition("/")[0] for field in job.early)


def _check_undo(stored: Stored, row: dict[str, bytes], job: Job) -> None:
    """How far a job is undone, and what is left to be compensated."""
    assert row.get("undo", b"").decode() == job.undo
    assert row.get("undoes", b"").decode() == job.undoes
    for name, log in (("undo_log", job.undo_log), ("undoing", job.compensations)):
        entries = [place.encode() + b" " + record for place, record in log]
        assert stored.raw(name, job.id) == entries


def _check_staged(stored: Stored, model: Model, job: Job) -> None:
    """What is kept of emissions is what is neither released nor dropped."""
    if job.status == "cancelled":
        # The upkeep takes it away, in pieces.
        assert not stored.raw("segments", job.id)
        return
    committed = [
        "/".join(attempt) for attempt in model.stagers - model.parts.keys() if attempt[0] == job.id
    ]
    kept = len(job.staged) + job.staged_outputs
    assert sum(stored.raw("part", attempt) for attempt in committed) == kept


def _check_merges(stored: Stored, job: Job) -> None:
    """Logs of merging slots have the records that somebody may be shown, and no others."""
    merges = stored.hash("merges", job.id)
    for slot, length in job.merged.items():
        assert int(merges[slot]) == length
        assert int(merges.get(f"{slot}.base", 0)) == job.base[slot]
        oldest = job.epochs[slot][0]
        records = {
            int(field.removeprefix(f"{slot}.")): record
            for field, record in merges.items()
            if field.startswith(f"{slot}.") and field[len(slot) + 1 :].isdigit()
        }
        kept = enumerate(job.log[slot][oldest:], start=oldest + 1)
        assert records == dict(kept)
    epochs = sum(len(epochs) - 1 for epochs in job.epochs.values())
    assert sum(".c" in field for field in merges) == epochs
    assert sum(".f" in field for field in merges) == len(job.shown)


def _check_joins(stored: Stored, model: Model, job: Job) -> None:
    """Open joins, their items, what is outstanding above them, and who is waited for."""
    opened = {field: f"{c.number} {len(c.items)}" for field, c in job.open.items()}
    found = stored.hash("joins", job.id)
    assert {field: state.decode() for field, state in found.items()} == opened
    places = stored.texts("opened", job.id)
    assert {_field_of(place) for place in places} == {(f, c.number) for f, c in job.open.items()}
    items = {
        f"{number}.{place}": item
        for number, collected in job.collected.items()
        for place, item in enumerate(collected, start=1)
    }
    assert stored.hash("collected", job.id) == items
    waiters = {
        child: invocation.decode() for child, invocation in stored.hash("children", job.id).items()
    }
    assert waiters == job.children
    told = {
        invocation: f"{child} {retries}" for invocation, (child, retries) in job.failures.items()
    }
    assert {
        invocation: found.decode()
        for invocation, found in stored.hash("child_failures", job.id).items()
    } == told
    if job.joins:
        _check_outstanding(stored, model, job)


def _field_of(place: str) -> tuple[str, int]:
    """Slot with key, and number, of an open collection's entry in the index."""
    slot, number, key = place.split("/", 2)
    return f"{slot}/{key}", int(number)


def _check_outstanding(stored: Stored, model: Model, job: Job) -> None:
    """What is outstanding of each routine; every open join of everything waits in one place."""
    fields = stored.hash("outstanding", job.id)
    numbers = {int(routine): int(n) for routine, n in fields.items() if routine.isdigit()}
    assert numbers == {routine: model.outstanding(job, routine) for routine in numbers}
    waiting: Counter[str] = Counter()
    for field, slots in fields.items():
        if field == "look" or field.startswith("at"):
            waiting.update(slot.partition(":")[0] for slot in slots.decode().split())
            # A routine at rest keeps nobody waiting.
            assert field == "look" or numbers[int(field[2:])] > 0
    assert waiting == Counter(f[5:] for f in fields if f.startswith("waits"))
    opened = {field.partition("/")[0] for field in job.open}
    assert {slot for slot in opened if RULES[slot].kind == "all"} <= waiting.keys()


def _check_claims(stored: Stored, job: Job) -> None:
    """Counts of claims, lost claims and unknown classes are kept while they are needed."""
    found = {field: int(n) for field, n in stored.hash("claims", job.id).items() if n != b"0"}
    expected = {}
    for invocation, attempts in job.attempts.items():
        counts = {
            invocation: attempts.claims,
            f"l{invocation}": attempts.lost,
            f"u{invocation}": attempts.unknown,
        }
        expected.update({field: count for field, count in counts.items() if count})
    assert found == expected


def _check_routines(stored: Stored, model: Model, job: Job) -> None:
    """What was started and not closed is what runs."""
    found: Counter[str] = Counter()
    for field, value in stored.hash("routines", job.id).items():
        found[field.split(".")[1]] += int(value) if value.isdigit() else 0
    assert found["started"] == job.started
    for how, count in job.closed.items():
        assert found[how] == count, how
    assert job.started - job.closed.total() == model.running(job)
    # The latest error of a routine is kept by the attempts that had one, and by no others.
    assert ("error" in found) == any(job.closed[how] for how in FAILURES)


def _check_times_to_live(stored: Stored, job: Job) -> None:
    """Nothing of an ended job stays for ever: what has no time of its own goes with its row.

    One that is to be undone when its handlers have ended stays until then.
    """
    if job.undo == "waits":
        assert stored.raw("expiry", job.id) is None
        assert {stored.raw("ttl", f"{job.id} {name}") for name in _KEYS} <= {-1, -2}
        return
    assert stored.raw("expiry", job.id) is not None
    for name in _KEYS:
        assert stored.raw("ttl", f"{job.id} {name}") != -1, name


def end_of(bench: Bench, job: Job) -> tuple[object, ...]:
    """What is stored of an ended job and must not change any more."""
    row = bench.row(job.id)
    ended = (row["status"], row["ended"], row.get("reason"))
    return (*ended, bench.outputs(job.id), bench.history(job.id))
