"""What is stored of one job against what the reference model says."""

from __future__ import annotations

from collections import Counter

from flowforge.store.job_reads.job_fields import FIELDS
from tests.contract.reference.flow import RULES
from tests.contract.reference.jobs import ENDED, Job
from tests.contract.reference.model import Model
from tests.contract.stored import KEYS, Stored, parked_lists

#: How attempts are closed that raised an error.
FAILURES = ("retried", "failed", "error_continued", "skipped")


def compare_job(stored: Stored, model: Model, job: Job, lists: list[str]) -> None:
    """Status, work, history and counters of one job."""
    row = stored.hash("job", job.id)
    assert row.keys() <= FIELDS.keys()
    assert row["status"].decode() == job.status
    assert int(row["last"]) == job.last
    assert stored.hash("invocations", job.id) == job.uncommitted
    for lane in parked_lists(lists, job):
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
    # Late commits of an undone job leave what its joins wait for alone: none of them fires.
    if job.joins and not model.is_undone(job):
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
        assert {stored.raw("ttl", f"{job.id} {name}") for name in KEYS} <= {-1, -2}
        return
    assert stored.raw("expiry", job.id) is not None
    for name in KEYS:
        assert stored.raw("ttl", f"{job.id} {name}") != -1, name
