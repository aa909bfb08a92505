"""The doctor on the work: what is stuck, overdue, refused, and how many jobs there are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from flowforge.cli.findings import Finding, Worker
from flowforge.cli.render import amounts
from flowforge.engine.engine import Engine
from flowforge.errors import CommandRefusedError, CorruptRecordError
from flowforge.store.dead_letters import DeadLetters
from flowforge.store.inspector import Fields
from flowforge.store.reading import reading, whole
from flowforge.worker.lifecycle.installation import DEFAULTS
from flowforge.worker.upkeep.upkeep import FOLLOW, LEAD

#: Seconds that upkeep may rest when its leader dies, with a margin: until then nothing is late.
_REST = LEAD + 2 * FOLLOW

#: What can be done about a job that cannot be read.
_UNREADABLE = "it is damaged or was forged: look at it with redis-cli HGETALL, or remove it: UNLINK"

#: Jobs that are looked at one by one, and that a finding names.
_SAMPLE = 1000
_NAMED = 3


def examine_work(
    engine: Engine, live: Sequence[Worker], counts: dict[str, int]
) -> Iterator[Finding]:
    """Findings on jobs, their leases, timers and messages."""
    yield Finding("ok", "jobs", amounts(counts))
    corrupt: list[Finding] = []
    rows = _live_rows(engine, corrupt)
    yield from corrupt
    yield from _miscounted_jobs(rows)
    yield from _stuck_jobs(engine, rows)
    yield from _messages(engine, live)
    yield _dead_letters(engine)
    yield _damaged(engine)


class _Row(NamedTuple):
    """What a job's row says. It is written by scripts, so one look is consistent."""

    job_id: str
    status: bytes
    updated: int
    parent: bytes | None
    counters: dict[str, int]


_COUNTERS = ("queued", "running", "timers", "waiting", "staged")


def _live_rows(engine: Engine, corrupt: list[Finding]) -> list[_Row]:
    """Of jobs that have not ended; ``corrupt`` gets a finding for each that cannot be read."""
    live = ("pending", "running", "paused")
    ids = [job_id for one in live for job_id, _ in engine.inspector.job_ids(one, _SAMPLE)]
    fields = ("status", "updated", "parent", *_COUNTERS)
    found = []
    for job_id, values in engine.inspector.rows(ids, *fields):
        try:
            row = _row(job_id, values)
        except CorruptRecordError as error:
            fix = f"{_UNREADABLE} {engine.store.keys.of('job', job_id)}"
            corrupt.append(Finding("warn", "record", str(error), fix))
        else:
            found += [row] if row.status.decode() in live else []
    return found


def _row(job_id: str, values: Fields) -> _Row:
    """CorruptRecordError for what no script writes."""
    if isinstance(values, CorruptRecordError):
        raise values
    status, updated, parent, *counters = values
    with reading(f"the row of job {job_id}"):
        numbers = [whole(number or 0) for number in counters]
        known = (status or b"").decode()
        named = dict(zip(_COUNTERS, numbers, strict=True))
        return _Row(job_id, known.encode(), whole(updated or 0), parent, named)


def _miscounted_jobs(rows: Sequence[_Row]) -> Iterator[Finding]:
    """Jobs that count less than nothing; such a job never ends."""
    wrong = {
        row.job_id: ", ".join(f"{name} {count}" for name, count in below.items())
        for row in rows
        if (below := {name: count for name, count in row.counters.items() if count < 0})
    }
    if wrong:
        named = ", ".join(f"{job_id} ({below})" for job_id, below in list(wrong.items())[:_NAMED])
        yield Finding(
            "fail", "counters", f"{len(wrong)} jobs have counters below zero: {named}",
            f"flowforge cancel {next(iter(wrong))} and submit it again; report it: FlowForge "
            "has miscounted, or something else writes into its keys",
        )  # fmt: skip


def _stuck_jobs(engine: Engine, rows: Sequence[_Row]) -> Iterator[Finding]:
    """Jobs that nothing will move on."""
    keys, link = engine.store.keys, engine.store.link
    limit = _now(engine) - int(_REST * 1000)
    idle = {
        row.job_id: row.parent
        for row in rows
        if row.status != b"paused"
        and row.updated < limit
        and not any(row.counters[name] for name in ("queued", "running", "timers"))
    }
    # What waits for jobs that its handlers have started has nothing of its own to do.
    children = link.many([("HLEN", keys.of("children", job_id)) for job_id in idle])
    stuck = [job_id for job_id, count in zip(idle, children, strict=True) if not count]
    held = {job_id: found for job_id in stuck if (found := _holder(engine, idle[job_id]))}
    stuck = [job_id for job_id in stuck if job_id not in held]
    if held:
        names = ", ".join(list(held)[:_NAMED])
        ancestor, verb = next(iter(held.values()))
        yield Finding(
            "warn", "held", f"{len(held)} jobs wait for the job that has started them: {names}",
            f"flowforge {verb} {ancestor}",
        )  # fmt: skip
    if stuck:
        names = ", ".join(stuck[:_NAMED])
        yield Finding(
            "fail", "stuck", f"{len(stuck)} jobs have nothing queued, running or timed: {names}",
            f"flowforge pause {stuck[0]} and resume it; if that does not help, cancel it",
        )  # fmt: skip


def _holder(engine: Engine, parent: bytes | None) -> tuple[str, str] | None:
    """The ancestor of a job that keeps it from going on, and the command that would let it."""
    while parent:
        job_id = parent.decode().partition("/")[0]
        row = engine.store.keys.of("job", job_id)
        status, parent = engine.store.link.call("HMGET", row, "status", "parent")
        if status in (b"failed", b"paused"):
            return job_id, "retry" if status == b"failed" else "resume"
    return None


def _now(engine: Engine) -> int:
    seconds, micros = engine.store.link.call("TIME")
    return int(seconds) * 1000 + int(micros) // 1000


def examine_delays(engine: Engine) -> Iterator[Finding]:
    """Leases and timers that the upkeep should have dealt with."""
    keys, link = engine.store.keys, engine.store.link
    limit = _now(engine) - int((engine.settings.upkeep_interval + _REST) * 1000)
    for check, key, what in (
        ("leases", "leases", "claims of workers that died have not been taken back"),
        ("timers", "timers", "retries and timeouts are overdue"),
    ):
        total, late = link.many(
            [("ZCARD", keys.of(key)), ("ZCOUNT", keys.of(key), "-inf", f"({limit}")]
        )
        if late:
            fix = "the workers' upkeep does that: start a worker, or look for 'upkeep failed' "
            yield Finding("fail", check, f"{late} {what}", f"{fix}in the workers' logs")
        else:
            yield Finding("ok", check, f"{total}, none overdue")


def _messages(engine: Engine, live: Sequence[Worker]) -> Iterator[Finding]:
    """Per broker list: what waits in it, and what was popped and has not been claimed."""
    keys, link = engine.store.keys, engine.store.link
    for raw in sorted(link.call("HKEYS", keys.of("sequences"))):
        # No queue has a name that is no UTF-8.
        name = raw.decode(errors="backslashreplace")
        try:
            unclaimed, length = link.many([("ZCARD", keys.of("unclaimed", name)), ("LLEN", name)])
        except CommandRefusedError as error:
            fix = f"something else may have the queue's key {name!r}: remove it with redis-cli"
            yield Finding("fail", "messages", f"{_label(engine, name)}: {error}", fix)
            continue
        popped = max(0, unclaimed - length)
        if unclaimed or length:
            yield _message_list(_label(engine, name), length, popped, live)


def _message_list(label: str, length: int, popped: int, live: Sequence[Worker]) -> Finding:
    text = f"{label}: {length} messages wait, {popped} popped and not claimed"
    held = sum(worker.concurrency for worker in live) * (DEFAULTS["worker_prefetch_multiplier"] + 1)
    if popped > held:
        fix = "a worker that does the upkeep pushes them again within seconds"
        return Finding("warn", "messages", text, fix)
    return Finding("ok", "messages", text)


def _label(engine: Engine, name: str) -> str:
    """The queue and the priority of a broker list, as users know them."""
    options = engine.app.conf.broker_transport_options or {}
    queue, _, priority = name.removeprefix(options.get("global_keyprefix", "")).partition(
        options.get("sep", "\x06\x16")
    )
    return f"{queue} (priority {priority})" if priority else queue


def _dead_letters(engine: Engine) -> Finding:
    count = DeadLetters(engine.store).count()
    if not count:
        return Finding("ok", "dead-letters", "none")
    fix = "flowforge dead-letters shows why; --requeue N or --drop N|all settles them"
    return Finding("warn", "dead-letters", f"{count} messages were refused by workers", fix)


def _damaged(engine: Engine) -> Finding:
    """Members of the indexes that the upkeep could make nothing of."""
    texts = engine.store.link.call("HKEYS", engine.store.keys.of("damaged"))
    if not texts:
        return Finding("ok", "damaged", "none")
    shown = "; ".join(sorted(text.decode(errors="replace") for text in texts)[:_NAMED])
    fix = (
        "another program writes to these keys, or they were mended by hand: cancel the jobs that "
        "are named, and submit them again"
    )
    return Finding("warn", "damaged", f"{len(texts)} records were passed over: {shown}", fix)
