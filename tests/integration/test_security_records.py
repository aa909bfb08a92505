"""Forged and damaged records under the command line: no terminal obeys them, no list is lost."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import click.testing
import pytest
import rich.console

from flowforge import JobState
from flowforge.cli.main import cli
from flowforge.codec.binary import MAX_DEPTH, pack_record, packb
from flowforge.engine.current import set_engine
from flowforge.engine.failures import child_error
from flowforge.errors import CorruptRecordError, JobFailedError
from flowforge.local.server import LocalServer
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from tests.integration.flows import One, single
from tests.integration.installation import LIMIT, Installation, installed

#: What a terminal obeys: it sets the title, clears the screen, and begins a line of its own.
EVIL = "\x1b]0;PWNED\x07\x1b[2J\r\nerror: forged [red]x[/red] \u202e"

#: Bytes of a later time than any datetime has.
LATE = b"99999999999999999"

#: More digits than Python prints; FlowForge's own codec packs it, so whoever may submit can.
HUGE = 10**5000
DIGITS = "9" * 4_200


@dataclass
class Target:
    """A completed job of its own for each test, and where to forge."""

    installation: Installation
    job_id: str

    @property
    def redis(self) -> Any:
        return self.installation.redis

    def key(self, name: str) -> str:
        return self.installation.key(name, self.job_id)

    def row(self, **fields: Any) -> None:
        self.redis.hset(self.key("job"), mapping=fields)

    def history(self, **fields: Any) -> None:
        usual = {"k": "completed", "t": "1.0.0", "p": pack_record("w", 1, 0, {}, None, None)}
        self.redis.xadd(self.key("history"), {**usual, **fields})

    def hash(self, name: str, field: str | bytes, value: Any) -> None:
        self.redis.hset(self.key(name), field, value)

    def push(self, name: str, value: bytes) -> None:
        self.redis.rpush(self.key(name), value)

    def letter(self, raw: bytes) -> None:
        self.redis.zadd(self.installation.key("dead_letters"), {raw: 5})

    def worker(self, record: bytes) -> None:
        self.redis.hset(self.installation.key("workers"), f"evil{EVIL}", record)


@pytest.fixture(scope="module")
def installation(
    server: LocalServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    """With a worker that completes the jobs."""
    with installed(server, tmp_path_factory.mktemp("records")) as shared:
        shared.fleet.start(pool="threads")
        yield shared


@pytest.fixture
def target(installation: Installation, no_settings: None) -> Iterator[Target]:
    job = single(One).execute("it", {"n": 1}).wait(LIMIT)
    forged = Target(installation, job.job_id)
    yield forged
    client = installation.redis
    lists = ("dead_letters", "workers")
    client.delete(forged.key("job"), *(installation.key(name) for name in lists))
    for status in ("completed", "pending"):
        client.delete(installation.key("status", status))


def record(*values: Any) -> bytes:
    return pack_record(*values)


Forgery = Callable[[Target], Any]

ROW: dict[str, Forgery] = {
    f"the field {name} of a row": lambda t, name=name: t.row(**{name: EVIL})  # type: ignore[misc]
    for name in (
        "status", "flow", "reason", "entry", "def", "error", "created", "ended", "updated",
        "started", "queued", "priority", "window", "keep", "parent", "output_count",
        "history_limit",
    )
}  # fmt: skip

ROW |= {
    f"the digits of {name} in a row": lambda t, name=name: t.row(**{name: DIGITS})  # type: ignore[misc]
    for name in (
        "created", "ended", "updated", "started", "queued", "running", "priority", "window", "keep",
        "output_count", "history_limit",
    )
}  # fmt: skip

HISTORY: dict[str, Forgery] = {
    "a kind": lambda t: t.history(k=EVIL),
    "a place": lambda t: t.history(t=EVIL),
    "a place that is not there": lambda t: t.history(t="1.7.7"),
    "a worker": lambda t: t.history(p=record(EVIL, 1, 0, {}, None, None)),
    "a worker that is a number": lambda t: t.history(p=record(5, 1, 0, {}, None, None)),
    "an attempt": lambda t: t.history(p=record("w", EVIL, 0, {}, None, None)),
    "a huge attempt": lambda t: t.history(p=record("w", HUGE, 0, {}, None, None)),
    "a huge length": lambda t: t.history(p=record("w", 1, HUGE, {}, None, None)),
    "a huge number of emissions": lambda t: t.history(p=record("w", 1, 0, {"e": HUGE}, None, None)),
    "a time": lambda t: t.history(p=record("w", 1, EVIL, {}, None, None)),
    "emissions": lambda t: t.history(p=record("w", 1, 0, EVIL, None, None)),
    "the name of an event": lambda t: t.history(p=record("w", 1, 0, {EVIL: 1}, None, None)),
    "an error": lambda t: t.history(p=record("w", 1, 0, {}, None, [EVIL, EVIL, EVIL])),
    "half an error": lambda t: t.history(p=record("w", 1, 0, {}, None, [EVIL])),
    "params": lambda t: t.history(p=record("w", 1, 0, {}, b"junk", None)),
    "a pause": lambda t: t.history(k="paused", p=record(EVIL, True, {EVIL: EVIL})),
    "a cancel": lambda t: t.history(k="cancelled", p=record({EVIL: EVIL, "error": EVIL})),
    "a cancel with an attempt": lambda t: t.history(k="cancelled", p=record({"attempt": HUGE})),
    "a return with emissions": lambda t: t.history(k="given_back", p=record({"emitted": "x"})),
    "a huge reason": lambda t: t.history(k="cancelled", p=record(HUGE)),
    "a huge int that was recorded": lambda t: t.history(
        k="recorded", p=record("it", HUGE, {"n": HUGE})
    ),
    "what was recorded": lambda t: t.history(k="recorded", p=record(EVIL, EVIL, EVIL)),
    "an entry without fields": lambda t: t.redis.xadd(t.key("history"), {"x": "y"}),
    "a record of another length": lambda t: t.history(p=record(1)),
}

HELD: dict[str, Forgery] = {
    "a routine's status": lambda t: t.hash("routines", "0.status", EVIL),
    "a routine's counter": lambda t: t.hash("routines", "0.started", EVIL),
    "a routine's time": lambda t: t.hash("routines", "0.began", LATE),
    "a stat that is no number": lambda t: t.hash("stats", "n0.x", EVIL),
    "a stat's name": lambda t: t.hash("stats", "v0." + EVIL, packb(EVIL)),
    "a stat that is no record": lambda t: t.hash("stats", "v0.x", b"\xc1"),
    "a status that was given": lambda t: t.hash("routine_data", "it\x00status", packb(EVIL)),
    "a status that is a list": lambda t: t.hash("routine_data", "it\x00status", packb([1])),
    "a counter that was given": lambda t: t.hash("routine_data", "it\x00completed", packb(EVIL)),
    "a huge stat": lambda t: t.hash("stats", "v0.x", packb(HUGE)),
    "digits of a stat": lambda t: t.hash("stats", "n0.x", DIGITS * 2),
    "digits of a counter": lambda t: t.hash("routines", "0.completed", DIGITS),
    "digits of a time": lambda t: t.hash("routines", "0.micros", DIGITS),
    "huge data": lambda t: t.hash("routine_data", "it\x00x", packb(HUGE)),
    "a huge counter that was given": lambda t: (
        t.redis.delete(t.key("routines")),
        t.hash("routine_data", "it\x00completed", packb(HUGE)),
    ),
    "data of no routine": lambda t: t.hash("routine_data", EVIL + "\x00x", packb(1)),
    "an output": lambda t: t.push("outputs", record(1, EVIL, EVIL, {EVIL: EVIL})),
    "an output of a huge int": lambda t: t.push("outputs", record(HUGE, "it", "e", {"n": HUGE})),
    "huge params of an output": lambda t: t.push("outputs", record(1, "it", "e", {"n": HUGE})),
    "a huge checkpoint": lambda t: t.push("pauses", b"5 " + record("", True, HUGE)),
    "digits of an open join": lambda t: t.hash("joins", "0.0/x", f"5 {DIGITS}"),
    "an output of numbers": lambda t: t.push("outputs", record(1, 5, 5, 5)),
    "an output that is no record": lambda t: t.push("outputs", b"junk"),
    "a pause point": lambda t: t.push("pauses", b"5 " + record(EVIL, True, {EVIL: EVIL})),
    "a pause's reason": lambda t: t.push("pauses", b"5 " + record(5, True, 5)),
    "a pause's time": lambda t: t.push("pauses", LATE + b" " + record("", True, 5)),
    "a pause that is no record": lambda t: t.push("pauses", b"junk"),
    "an open join": lambda t: t.hash("joins", "0.0/" + EVIL, "5 6"),
    "an open join of nothing": lambda t: t.hash("joins", "junk", "5"),
    "an open join that is not there": lambda t: t.hash("joins", "7.7/x", "5 6"),
    "a started job": lambda t: t.hash("children", EVIL, "x"),
    "a started job that is no text": lambda t: t.hash("children", b"\xff", "x"),
}

ERRORS: dict[str, bytes] = {
    "a record": record({"type": EVIL, "message": EVIL, "traceback": EVIL, "routine_id": EVIL}),
    "no object": record(5),
    "types": record({"type": 5, "message": 5, "traceback": 5}),
    "nothing": record({"traceback": None}),
    "a huge attempt": record({"type": "x", "message": "y", "attempt": HUGE}),
    "a huge invocation": record({"type": "x", "message": "y", "invocation": HUGE}),
    "a huge traceback": record({"type": "x", "message": "y", "traceback": HUGE}),
    "a slot without its routine": record({"type": "x", "message": "y", "slot": "s"}),
    "a routine that is a number": record(
        {"type": "x", "message": "y", "slot": "s", "routine_id": HUGE}
    ),
    "a place": record({"type": "x", "message": "y", "at": [HUGE]}),
    "a root that is a number": record({"type": "x", "message": "y", "root": 5}),
    "a root that is text": record({"type": "x", "message": "y", "root": "x"}),
    "half a root": record({"type": "x", "message": "y", "root": ["j"]}),
    "a huge root": record({"type": "x", "message": "y", "root": [HUGE, "y"]}),
    "a code with digits": b"missing " + DIGITS.encode(),
    "a code": b"quarantined x y",
    "half a code": b"quarantined",
    "a join": b"unfilled 5 x",
    "a join that is not there": b"late 5 7.7/x",
    "a invocation": b"undefined 0 " + EVIL.encode(),
}

LISTS: dict[str, Forgery] = {
    "a job's id": lambda t: (
        t.redis.zadd(t.installation.key("status", "completed"), {"evil" + EVIL: 9e12}),
        t.redis.hset(
            t.installation.key("job", "evil" + EVIL),
            mapping={"status": "completed", "flow": "x", "created": 5},
        ),
    ),
    "an id that is no text": lambda t: t.redis.zadd(
        t.installation.key("status", "pending"), {b"\xff": 1}
    ),
    "a time in an index": lambda t: t.redis.zadd(
        t.installation.key("status", "completed"), {t.job_id: float("inf")}
    ),
    "a row that is a list": lambda t: (
        t.redis.zadd(t.installation.key("status", "pending"), {"wrong": 1}),
        t.redis.lpush(t.installation.key("job", "wrong"), "x"),
    ),
    "a letter": lambda t: DeadLetters(t.installation.engine.store).bury(EVIL, EVIL, EVIL.encode()),
    "a letter that is no record": lambda t: t.letter(b"junk"),
    "a letter's number": lambda t: t.letter(b"x 5 " + record("q", "r", b"i", 1)),
    "a letter's record": lambda t: t.letter(b"5 5 junk"),
    "a letter's types": lambda t: t.letter(b"5 5 " + record(5, 5, "text", "x")),
    "a letter's huge size": lambda t: t.letter(b"5 5 " + record("q", "r", b"i", HUGE)),
    "digits of a letter": lambda t: t.letter(DIGITS.encode() + b" 5 " + record("q", "r", b"i", 1)),
    "a letter's time": lambda t: t.letter(b"5 " + LATE + b" " + record("q", "r", b"i", 1)),
    "a worker's types": lambda t: t.worker(
        record(2**40, {"pid": EVIL, "pool": EVIL, "concurrency": EVIL, "queues": [EVIL]})
    ),
    "a worker's names": lambda t: t.worker(
        record(2**40, {"pid": 1, "pool": EVIL, "queues": [EVIL], "routines": [EVIL]})
    ),
    "a worker's time": lambda t: t.worker(record(EVIL, {})),
    "a worker's huge time": lambda t: t.worker(record(HUGE, {})),
    "a worker's huge process": lambda t: t.worker(record(2**40, {"pid": HUGE})),
    "a worker's huge pool": lambda t: t.worker(record(2**40, {"pid": 1, "pool": HUGE})),
    "a worker's huge concurrency": lambda t: t.worker(record(2**40, {"concurrency": HUGE})),
    "a worker's facts": lambda t: t.worker(record(2**40, [1])),
    "a worker's queues": lambda t: t.worker(record(2**40, {"queues": 5})),
    "a worker's list of queues": lambda t: t.worker(record(2**40, {"queues": [[1]]})),
    "a worker that is no record": lambda t: t.worker(b"junk"),
    "a queue": lambda t: t.redis.hset(t.installation.key("sequences"), "q" + EVIL, 5),
    "a queue that is no text": lambda t: t.redis.hset(t.installation.key("sequences"), b"\xff", 5),
}

FORGERIES = {**ROW, **HISTORY, **HELD, **LISTS}
FORGERIES |= {f"an error: {k}": lambda t, v=v: t.row(error=v) for k, v in ERRORS.items()}  # type: ignore[misc]


def run(target: Target, *arguments: str) -> click.testing.Result:
    """The command in this process; it ends in order, and what it says is harmless."""
    place = ["--redis-url", target.installation.server.url, "--prefix", target.installation.prefix]
    # A command ends with the engine of its process.
    own = set_engine(None)
    try:
        result = click.testing.CliRunner().invoke(cli, [*place, *arguments])
    finally:
        set_engine(own)
    assert isinstance(result.exception, (SystemExit, type(None))), (arguments, result.exception)
    for obeyed in ("\x1b]0", "\x1b[2J", "\x07", "\r\n", "\u202e", "\nerror: forged"):
        assert obeyed not in result.output, (arguments, result.output)
    return result


@pytest.mark.attack(what="Terminal escapes and forged lines in any field that a command shows")
@pytest.mark.parametrize("terminal", [False, True], ids=["pipe", "terminal"])
@pytest.mark.parametrize("name", FORGERIES)
def test_no_record_reaches_the_terminal_or_breaks_a_list(
    target: Target, name: str, terminal: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Lists leave out what they cannot read and say so; details report a corrupt record."""
    FORGERIES[name](target)
    if terminal:
        monkeypatch.setattr(rich.console.Console, "is_terminal", True)
        run(target, "show", target.job_id)
        run(target, "watch", target.job_id, "--timeout", "0")
        return
    for command in (("show", target.job_id), ("history", target.job_id)):
        shown = run(target, *command)
        assert shown.exit_code == 0 or shown.output.startswith("error: "), shown.output
    listed = run(target, "jobs")
    assert listed.exit_code == 0
    assert target.job_id in listed.output
    assert run(target, "doctor").exit_code in (0, 1)
    assert run(target, "dead-letters").exit_code == 0


def test_what_is_left_out_is_told(target: Target) -> None:
    """With the id or the number, on stderr, so that it can be looked for."""
    other = single(One).execute("it", {"n": 2}).wait(LIMIT)
    target.row(created=EVIL)
    target.letter(b"5 5 junk")
    jobs = run(target, "jobs", "--json")
    assert [job["job_id"] for job in json.loads(jobs.stdout)] == [other.job_id]
    assert jobs.stderr.startswith(f"left out: the row of job {target.job_id} cannot be read")
    assert "left out: dead letter 5 " in run(target, "dead-letters").stderr
    assert run(target, "dead-letters", "--drop", "5").stdout == "dropped 1\n"


def test_details_of_a_damaged_job_are_an_error(target: Target) -> None:
    """Programs get one exception, which names the record."""
    job = JobState.get(target.job_id)
    target.push("outputs", record(1, 5, 5, 5))
    target.push("pauses", b"junk")
    target.history(p=record("w", "x", 0, {}, None, None))
    target.hash("routines", "0.started", "x")
    target.row(error=b"quarantined")
    reads: dict[str, Callable[[], Any]] = {
        "an output": lambda: job.outputs,
        "a pause point": lambda: job.pause_points,
        "history entry": job.get_execution_history,
        "the routines": lambda: job.routine_states,
        "the error": lambda: job.error,
    }
    for what, read in reads.items():
        with pytest.raises(
            CorruptRecordError, match=f"{what} .*(cannot be read|not a readable record)"
        ):
            read()


@pytest.mark.parametrize("name", ["created_at", "updated_at", "counts", "flow_id", "reason"])
def test_a_damaged_row_is_an_error(target: Target, name: str) -> None:
    """Whatever is asked of it."""
    text = b"\xff"
    target.row(created=EVIL, updated=DIGITS, queued="x", flow=text, reason=text)
    with pytest.raises(CorruptRecordError, match=f"the row of job {target.job_id} cannot be read"):
        getattr(JobState.get(target.job_id), name)


@pytest.mark.attack(what="A job's error of other types than a worker writes")
@pytest.mark.parametrize("name", ERRORS)
def test_a_forged_error_is_told_or_corrupt(target: Target, name: str) -> None:
    """A client that waits, and the parent job, get an exception of FlowForge."""
    target.row(status="failed", error=ERRORS[name])
    inspector = target.installation.engine.inspector
    with pytest.raises((JobFailedError, CorruptRecordError)):
        JobState.get(target.job_id).result(LIMIT)
    try:
        told = child_error(inspector, target.job_id, JobStatus.FAILED)
    except CorruptRecordError:
        return
    assert told.root is not None
    assert [type(part) for part in told.root] == [str, str]


@pytest.mark.attack(what="An unknown status of a job that a client waits for")
def test_who_waits_hears_of_a_status_that_is_none(target: Target) -> None:
    """The client gets an error at once, with and without a timeout."""
    job = JobState.get(target.job_id)
    for fields in ({"status": "junk"}, {"status": b"\xff"}, {"status": "paused", "running": "x"}):
        target.row(**fields)
        for timeout in (None, LIMIT):
            with pytest.raises(CorruptRecordError, match=target.job_id):
                job.wait(timeout)


@pytest.mark.attack(what="Forged reports of workers, while a client waits for a job")
def test_who_waits_is_told_of_the_timeout_whatever_the_workers_report(target: Target) -> None:
    """The client gets its timeout; the reports only add to its text."""
    target.row(status="running", queued=1)
    target.worker(record(2**40, [1]))
    target.redis.hset(target.key("invocations"), "junk", 1)
    with pytest.raises(TimeoutError, match="still running"):
        JobState.get(target.job_id).wait(0.01)


@pytest.mark.attack(what="Params nested as deep as they may be, read by each command")
@pytest.mark.parametrize("kind", [list, dict])
def test_the_deepest_params_are_shown_and_kept(
    target: Target, kind: type, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Each command shows the job, and a snapshot keeps the params."""
    value: Any = 1
    for _ in range(MAX_DEPTH - 1):
        value = [value] if kind is list else {"k": value}
    job = single(One).execute("it", {"n": value}).wait(LIMIT)
    assert job.status == "completed"
    for command in (("show",), ("show", "--json"), ("history",), ("history", "--json")):
        assert run(target, command[0], job.job_id, *command[1:]).exit_code == 0
    path = tmp_path_factory.mktemp("deep") / "job.json"
    job.save(path)
    snapshot = JobState.load(path).snapshot
    assert snapshot is not None
    assert snapshot["outputs"][0]["params"] == {"n": value}
