"""A store on a bench: short calls for the transitions, and looks behind them.

The definition that it submits has three routines of two slots each. Routine 2 lives on a queue of
its own.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import pytest

from flowforge.broker.message import message_format
from flowforge.codec.binary import invocation_record, pack_record, packb
from flowforge.execution.effects import Effects
from flowforge.model.jobs.error_group import ErrorSample, Sample
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.server.link import Argument, Link
from flowforge.store.store import Store
from flowforge.store.transitions.claims import Claim, Granted, NextClaim, Question
from flowforge.store.transitions.forking import Copy
from flowforge.store.transitions.mending import Edit
from flowforge.store.transitions.submission import NewJob, Submission

#: For a test of thousands of invocations: on the real server alone, where it takes a second.
#: fakeredis needs twenty for the same scripts, whose rules smaller tests show on both.
LARGE = pytest.mark.parametrize("bench", ["server"], indirect=True)

#: Milliseconds that no test lives.
LONG = 600_000

DETAILS = pack_record("w1", 1, 5, {}, None, None)
DEFINITION = "def1"
ROUTINES = 3
SLOTS = 2

#: The slot, in invocations, of an invocation that waits for a job which its routine has started.
WAITING_SLOT = 99_999

#: What the index of a slot's compensation has more than that of the slot.
UNDO = 50_000

#: The record of such an invocation.
WAITER = b"waiter"

#: What is counted of errors: of attempts that end the job or are made again, and of a class that
#: no worker knows.
STOPPED = ErrorSample("stopped", "r0", "Stopped", "shop.charge", "it broke")
RETRIED = ErrorSample("retried", "r0", "Retried", "shop.charge", "it broke")
UNKNOWN = ErrorSample.unplaced("Unknown", "unknown class")

#: (routine, slot, mode) of an invocation that an attempt emits.
Emitted = tuple[int, int, str]


def record(number: int = 0, **params: Any) -> bytes:
    """The record of an invocation that ``number`` emitted."""
    return invocation_record(number, packb(params))


def passed_over(outcome: str) -> Sample:
    """What the commit of an attempt counts, by its outcome."""
    if outcome == "completed":
        return ()
    return ErrorSample(outcome, "r0", outcome, "shop.charge", "it broke")


def sent(raw: Sequence[bytes]) -> list[tuple[str, str]]:
    """(job id, invocation) of every message of a broker list, in the order of popping."""
    bodies = [json.loads(json.loads(item)["body"]) for item in reversed(raw)]
    return [(body[0][0], body[0][1]) for body in bodies]


def happened(history: Sequence[Any]) -> list[tuple[str, str]]:
    """(kind, invocation) of every entry of a history."""
    found = []
    for _, fields in history:
        pairs = dict(zip(fields[::2], fields[1::2], strict=True))
        found.append((pairs[b"k"].decode(), pairs[b"t"].decode()))
    return found


Fields = dict[str, str | bytes | int | float]


def rules(joins: str) -> Fields:
    """Joins as a definition stores them, of lines ``r.s kind timeout-ms otherwise upstream``."""
    lines = [line.split(" ", 1) for line in joins.splitlines()]
    return {**{f"j{slot}": rule for slot, rule in lines}, "joins": len(lines)} if lines else {}


@dataclass(frozen=True)
class Request:
    """One job to submit."""

    common: Submission
    job: NewJob

    @property
    def job_id(self) -> str:
        return self.job.job_id


def started(request: Request, fields: Fields, waiter: bytes, goes_on: int = 0) -> list[Argument]:
    """What a commit is given of a job to start; ``waiter``: the record of what waits for it;
    ``goes_on``: 1 if that goes on after a failure.
    """
    stored = [part for pair in fields.items() for part in pair]
    common, job = request.common, request.job
    return [
        *common.arguments(), job.job_id, job.mode, job.record, job.labels, job.params, waiter,
        goes_on, len(stored), *stored,
    ]  # fmt: skip


class Bench:
    """One fleet on one server, with a prefix of its own."""

    def __init__(self, link: Link, client: Any, prefix: str) -> None:
        self.link = link
        #: A redis-py client, for what a link does not do: subscriptions.
        self.client = client
        self.store = Store(link, prefix)
        self.keys = self.store.keys
        self.prefix = prefix
        #: Broker lists; they carry the prefix in the tests alone, so that tests stay apart.
        self.list = f"{prefix}-q"
        self.other_list = f"{prefix}-q2"

    # --- going through the transitions -------------------------------------------------

    def fields(self, joins: str = "", timeout_ms: int = 0, late: str = "") -> Fields:
        """The stored form of the definition; ``joins``: a line for each, its slot and its rule.

        ``timeout_ms``: of slot 0 of routine 0; 0: none. ``late``: a line for each, ms and name.
        """
        found: Fields = {"json": "{}"}
        for routine in range(ROUTINES):
            queue = self.other_list if routine == 2 else self.list
            found[f"q{routine}"] = queue
            undoes = range(UNDO, UNDO + SLOTS)
            for slot in (*range(SLOTS), *undoes, WAITING_SLOT):
                found[f"m{routine}.{slot}"] = message_format(f"t.R{routine}", queue, f"s{slot}")
        if timeout_ms:
            message = message_format("t.R0", self.list, "s0", timeout_ms / 1000)
            found |= {"m0.0": message, "t0.0": timeout_ms, "extras": 1}
        if late:
            found |= {"late": late, "extras": 1}
        return {**found, **rules(joins)}

    def submission(self, **changes: Any) -> Request:
        """A job to submit. ``changes``: fields of Submission and of NewJob."""
        common = Submission(
            definition=DEFINITION, flow_id="flow", routine=0, slot=0, priority=0, suffix="",
            max_in_flight=100, retention_ms=LONG, history_limit=1000, output_limit=100,
            entry="r0.s0",
        )  # fmt: skip
        job = NewJob(secrets.token_hex(8), "", record())
        names = set(NewJob._fields)
        return Request(
            replace(common, **{k: v for k, v in changes.items() if k not in names}),
            job._replace(**{k: v for k, v in changes.items() if k in names}),
        )

    def send(self, request: Request, fields: Fields | None) -> str | None:
        """Submit one job: its id, or that of the earlier job with its key; None: no definition."""
        found = self.store.submissions.submit(request.common, [request.job], fields)
        return found[0] if found else None

    def submit_late(self, late: str, **changes: Any) -> str:
        """Submit a new job of a flow that says from when it is late."""
        request = self.submission(definition="late", **changes)
        assert self.send(request, self.fields(late=late)) == request.job_id
        return request.job_id

    def submit(self, joins: str = "", **changes: Any) -> str:
        """Submit a new job with its definition; its first invocation is ``1.0.0``."""
        request = self.submission(**changes)
        assert self.send(request, self.fields(joins)) == request.job_id
        return request.job_id

    def submit_timed(self, timeout_ms: int, **changes: Any) -> str:
        """Submit a new job whose first invocation has a timeout."""
        request = self.submission(definition=f"timed-{timeout_ms}", **changes)
        assert self.send(request, self.fields(timeout_ms=timeout_ms)) == request.job_id
        return request.job_id

    def child(
        self, job_id: str = "child", joins: str = "", waiter: bytes = WAITER, goes_on: int = 0,
        **changes: Any,
    ) -> list[Argument]:  # fmt: skip
        """A job for a commit to start, of a flow of its own. ``waiter``: b"": it is detached."""
        request = self.submission(job_id=job_id, definition=f"def-{job_id}", **changes)
        return started(request, self.fields(joins), waiter, goes_on)

    def claim(
        self, job_id: str, invocation: str, token: str = "t", lease: int = LONG
    ) -> Claim | Question | str:
        return self.store.invocations.claim(job_id, invocation, token, lease)

    def start(
        self, job_id: str, invocation: str = "1.0.0", token: str = "t", lease: int = LONG
    ) -> Claim:
        """Claim what must be there to claim."""
        claim = self.claim(job_id, invocation, token, lease)
        assert isinstance(claim, Claim), claim
        return claim

    def commit(
        self,
        job_id: str,
        invocation: str = "1.0.0",
        token: str = "t",
        *,
        emitted: Iterable[Emitted] = (),
        outcome: str = "completed",
        outputs: Sequence[bytes] = (),
        stats: Sequence[tuple[str, str, Any]] = (),
        resets: Sequence[tuple[str, int]] = (),
        staged: Mapping[int, int] = MappingProxyType({}),
        jobs: Sequence[list[Argument]] = (),
        expected: Sequence[tuple[Argument, ...]] = (),
        undo: bytes | None = None,
    ) -> str:
        """``undo``: the record of what compensates the invocation."""
        answer, granted = self.commit_then(
            None, job_id, invocation, token, emitted, outcome, outputs, stats, resets, staged,
            jobs, expected, undo,
        )  # fmt: skip
        assert granted is None
        return answer

    def commit_then(
        self,
        then: NextClaim | None,
        job_id: str,
        invocation: str = "1.0.0",
        token: str = "t",
        emitted: Iterable[Emitted] = (),
        outcome: str = "completed",
        outputs: Sequence[bytes] = (),
        stats: Sequence[tuple[str, str, Any]] = (),
        resets: Sequence[tuple[str, int]] = (),
        staged: Mapping[int, int] = MappingProxyType({}),
        jobs: Sequence[list[Argument]] = (),
        expected: Sequence[tuple[Argument, ...]] = (),
        undo: bytes | None = None,
    ) -> tuple[str, Granted | None]:
        """Commit, and go on with the next message of some lists."""
        made = self._emitted(invocation, emitted)
        effects = Effects(
            made, dict(staged), list(outputs), list(stats), list(resets), list(jobs), expected
        )
        if undo is not None:
            effects.undo = (UNDO + int(invocation.split(".")[2]), undo)
        return self.store.invocations.commit(
            job_id, invocation, token, AttemptOutcome(outcome), 5, DETAILS, effects, then,
            passed_over(outcome),
        )  # fmt: skip

    def stage(
        self,
        job_id: str,
        emitted: Iterable[Emitted],
        invocation: str = "1.0.0",
        token: str = "t",
        *,
        already: int = 0,
    ) -> str:
        """``already``: how many the attempt has staged before."""
        return self.store.invocations.stage(
            job_id, invocation, token, self._emitted(invocation, emitted), already
        )

    def _emitted(
        self, invocation: str, emitted: Iterable[Emitted]
    ) -> list[tuple[int, int, str, bytes]]:
        emitter = int(invocation.split(".", maxsplit=1)[0])
        return [(r, s, mode, record(emitter, r=r, s=s)) for r, s, mode in emitted]

    def fail(self, job_id: str, invocation: str = "1.0.0", token: str = "t") -> str:
        return self.store.invocations.fail(
            job_id, invocation, token, 5, DETAILS, "it broke", pack_record({}), STOPPED
        )

    def retry_later(
        self,
        job_id: str,
        invocation: str = "1.0.0",
        token: str = "t",
        delay: int = 0,
    ) -> str:
        return self.store.invocations.retry_later(
            job_id, invocation, token, delay, 5, DETAILS, RETRIED
        )

    def release(
        self,
        job_id: str,
        invocation: str = "1.0.0",
        token: str = "t",
        delay: int = 0,
        most: int = 0,
    ) -> str:
        return self.store.invocations.release(
            job_id, invocation, token, delay, DETAILS, most, "unknown class", b"p", UNKNOWN
        )

    def give_back(
        self, job_id: str, invocation: str = "1.0.0", most: int = 3, delay: int = 0
    ) -> str:
        return self.store.invocations.give_back(
            job_id, invocation, delay, most, pack_record({}), "unknown class", UNKNOWN
        )

    def pause(self, job_id: str, reason: str = "look", checkpoint: Any = None) -> str:
        return self.store.control.pause(job_id, reason, checkpoint, checkpoint is not None)

    def edit(self, job_id: str, invocation: str, new: bytes, before: bytes | None = None) -> str:
        """Replace a record; ``before``: the one that is expected, None: the one that is there."""
        if before is None:
            before = self.hash("invocations", job_id).get(invocation, b"")
        edit = Edit(invocation, before, new, pack_record("anna", []))
        answer, about = self.store.mending.edit(job_id, [edit])
        assert about in (None, invocation)
        return answer

    def skip(
        self, job_id: str, invocation: str, emitted: Iterable[Emitted] = (),
        outputs: Sequence[bytes] = (),
    ) -> str:  # fmt: skip
        made = self._emitted(invocation, emitted)
        return self.store.mending.skip(
            job_id, invocation, pack_record("anna", {}), made, list(outputs)
        )

    def fork(self, request: Request, origin: str, copies: Iterable[tuple[Any, ...]]) -> str:
        """Create the requested job with these deliveries, as a fork."""
        common, job = request.common, request.job
        first, *_ = made = [Copy(*copy) for copy in copies]
        common = replace(common, routine=first.routine, slot=first.slot)
        told, own = pack_record("anna", job.job_id, [1]), pack_record("anna", origin, [1])
        return self.store.forking.fork(common, origin, job.job_id, job.labels, told, own, made)

    def run_now(self, job_id: str, invocation: str) -> str:
        return self.store.mending.run_now(job_id, invocation, pack_record("anna"))

    def reclaim(self, max_losses: int, most: int, longest_ms: int = 0) -> tuple[int, int, int]:
        """Take back expired leases: requeued, quarantined, dropped."""
        return self.store.upkeep.reclaim(max_losses, most, longest_ms).counts

    def forget_broker(self) -> None:
        """Lose every message, as a worker does that pops and dies."""
        for name in (self.list, self.other_list):
            self.link.call("DEL", name)

    # --- passing time ------------------------------------------------------------------

    def make_due(self) -> None:
        """The time of every timer has come."""
        for member in self.members("timers"):
            self.link.call("ZADD", self.key("timers"), 1, member)

    def continued_long_ago(self, jobs: Iterable[str]) -> None:
        """The latest resume or retry of these jobs, if any, was longer ago than joins wait."""
        for job in jobs:
            if self.link.call("HEXISTS", self.key("job", job), "continued"):
                self.link.call("HSET", self.key("job", job), "continued", 1)

    # --- looking behind them -----------------------------------------------------------

    def now(self) -> int:
        """Milliseconds of the server's clock."""
        seconds, micros = self.link.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def key(self, name: str, argument: str = "") -> str:
        return self.keys.of(name, argument)

    def hash(self, name: str, argument: str = "") -> dict[str, bytes]:
        reply = self.link.call("HGETALL", self.key(name, argument))
        return {k.decode(): v for k, v in zip(reply[::2], reply[1::2], strict=True)}

    def row(self, job_id: str) -> dict[str, str]:
        """The job's row, without values that are packed."""
        packed = ("error", "checkpoint")
        return {k: v.decode() for k, v in self.hash("job", job_id).items() if k not in packed}

    def status(self, job_id: str) -> str:
        return self.row(job_id)["status"]

    def counters(self, job_id: str) -> tuple[int, int, int, int]:
        """Queued, running, waiting, timers."""
        row = self.row(job_id)
        queued, running, waiting, timers = (
            int(row.get(name, 0)) for name in ("queued", "running", "waiting", "timers")
        )
        return queued, running, waiting, timers

    def messages(self, name: str | None = None) -> list[dict[str, Any]]:
        """What is on a broker list, in the order in which workers pop it."""
        raw = self.link.call("LRANGE", name or self.list, 0, -1)
        return [json.loads(item) for item in reversed(raw)]

    def sent(self, name: str | None = None) -> list[tuple[str, str]]:
        """(job id, invocation) of every message on a broker list, in the order of popping."""
        return sent(self.link.call("LRANGE", name or self.list, 0, -1))

    def invocations(self, job_id: str) -> set[str]:
        """Invocations of the job that are not committed."""
        return set(self.hash("invocations", job_id))

    def parked(self, job_id: str) -> list[str]:
        return [t.decode() for t in self.link.call("LRANGE", self.key("parked", job_id), 0, -1)]

    def members(self, name: str, argument: str = "") -> dict[str, int]:
        """Members of a sorted set with their scores."""
        reply = self.link.call("ZRANGE", self.key(name, argument), 0, -1, "WITHSCORES")
        return {m.decode(): int(s) for m, s in zip(reply[::2], reply[1::2], strict=True)}

    def unclaimed(self, name: str | None = None) -> dict[str, int]:
        """Push numbers of a list by ``job/invocation``, in their order."""
        return self.members("unclaimed", name or self.list)

    def number(self, job_id: str, invocation: str = "1.0.0") -> int:
        """The push number of an unclaimed invocation."""
        member = f"{job_id}/{invocation}"
        return {**self.unclaimed(), **self.unclaimed(self.other_list)}[member]

    def history(self, job_id: str) -> list[tuple[str, str]]:
        """(kind, invocation) of every entry."""
        return happened(self.link.call("XRANGE", self.key("history", job_id), "-", "+"))

    def outputs(self, job_id: str) -> list[bytes]:
        reply: list[bytes] = self.link.call("LRANGE", self.key("outputs", job_id), 0, -1)
        return reply

    def every_key(self) -> set[str]:
        """All keys below the prefix; the broker's lists are not among them, nor the groups of
        errors and the totals, which outlive the jobs.
        """
        found: set[str] = set()
        outlasting = tuple(
            self.key(name) for name in ("error_groups", "error_group", "job_totals", "named")
        )
        cursor: Any = 0
        while True:
            cursor, batch = self.link.call(
                "SCAN", cursor, "MATCH", f"{self.prefix}:*", "COUNT", 1000
            )
            found |= {key.decode() for key in batch}
            if int(cursor) == 0:
                return {key for key in found if not key.startswith(outlasting)}

    def snapshot(self) -> dict[str, Any]:
        """Everything that is stored, to show that a refused call changed nothing."""
        found: dict[str, Any] = {}
        readers = {
            b"hash": ("HGETALL",), b"string": ("GET",), b"list": ("LRANGE", 0, -1),
            b"zset": ("ZRANGE", 0, -1, "WITHSCORES"), b"stream": ("XRANGE", "-", "+"),
        }  # fmt: skip
        for key in sorted(self.every_key() | {self.list, self.other_list}):
            kind = self.link.call("TYPE", key)
            if kind != b"none":
                command, *rest = readers[kind]
                found[key] = self.link.call(command, key, *rest)
                if kind == b"hash":
                    pairs = zip(found[key][::2], found[key][1::2], strict=True)
                    found[key] = dict(pairs)
        return found
