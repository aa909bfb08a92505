"""The transitions of jobs and invocations: each method is one Lua script, one round trip."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from redis.exceptions import NoScriptError

from flowforge.codec.binary import pack_record
from flowforge.execution.effects import Child, Effects
from flowforge.store.keys import Keys
from flowforge.store.link import Argument, Link
from flowforge.store.scripts import SCRIPTS

#: What follows an attempt in the name of the list of its staged outputs.
OUTPUTS = "/o"


class NewJob(NamedTuple):
    """What differs between jobs that are submitted together."""

    job_id: str
    mode: str
    record: bytes
    idempotency_key: str = ""


@dataclass(frozen=True)
class Submission:
    """What jobs that are submitted together have in common. Times are milliseconds."""

    definition: str
    flow_id: str
    routine: int
    slot: int
    #: None: of the job that starts these; so is the list suffix.
    priority: int | None
    suffix: str
    #: None: of the job that starts these.
    window: int | None
    keep: int
    history_limit: int
    output_limit: int
    entry: str

    def arguments(self) -> tuple[str | int, ...]:
        """In the order that the scripts read them."""
        priority = "" if self.priority is None else self.priority
        window = "" if self.window is None else self.window
        return (
            self.definition, self.flow_id, self.routine, self.slot, priority, self.suffix,
            window, self.keep, self.history_limit, self.output_limit, self.entry,
        )  # fmt: skip


class Claim(NamedTuple):
    """What a granted claim hands to the worker. ``attempt_number`` leaves out lost ones."""

    record: bytes
    definition: str
    claims: int
    lost: int

    @property
    def attempt_number(self) -> int:
        return self.claims - self.lost


class Granted(NamedTuple):
    """A claim together with what was claimed. ``asked``: when, by the asker's ``perf_counter``."""

    job_id: str
    invocation: str
    token: str
    claim: Claim
    asked: float


class Lost(NamedTuple):
    """An invocation of which a lease was taken back. ``worker``: empty when it is not known."""

    job_id: str
    invocation: str
    definition: str
    worker: str
    #: How often it was lost by now.
    times: int


class Reclaimed(NamedTuple):
    """``counts``: requeued, quarantined, dropped; ``lost``: those requeued or quarantined."""

    counts: tuple[int, int, int]
    lost: list[Lost]


class NextClaim(NamedTuple):
    """The wish to go on with the oldest message of the first broker list that has one."""

    token: str
    lease_ms: int
    lists: Sequence[str]
    #: When it is asked, by ``perf_counter``.
    asked: float


class Store:
    """Runs the scripts of one installation (one key prefix on one server)."""

    def __init__(self, link: Link, prefix: str) -> None:
        self.link = link
        self.keys = Keys(prefix)
        self._server_name = ""

    @property
    def server_name(self) -> str:
        """The server's own name, four characters; asked for once."""
        if not self._server_name:
            # A name that is there can be read by those who may not write.
            raw = self.link.call("GET", self.keys.of("server")) or self._take_name()
            self._server_name = str(raw.decode())
        return self._server_name

    def _take_name(self) -> bytes:
        name: bytes = self.run("name", secrets.token_hex(2))
        return name

    def check_writes(self) -> None:
        """StoreUnavailableError unless the server takes writes now.

        It is asked with a write that changes nothing once the server has its name.
        """
        self._take_name()

    @property
    def named(self) -> bool:
        """Whether the server has told its name already."""
        return bool(self._server_name)

    def knows(self, job_id: str) -> bool:
        """Whether there is such a job."""
        return bool(self.link.call("EXISTS", self.keys.of("job", job_id)))

    def new_job_ids(self, number: int) -> list[str]:
        """The server's name and 80 random bits: whoever has an id can tell where the job is."""
        name, bits = self.server_name, os.urandom(10 * number).hex()
        return [f"{name}-{bits[start : start + 20]}" for start in range(0, len(bits), 20)]

    def run(self, script: str, *arguments: Argument) -> Any:
        """Run one script by name; a server that does not know it is taught first."""
        found = SCRIPTS[script]
        try:
            return self.link.call("EVALSHA", found.sha, 0, self.keys.root, *arguments)
        except NoScriptError:
            # EVAL runs and caches in one step: a concurrent SCRIPT FLUSH cannot come between.
            return self.link.call("EVAL", found.source, 0, self.keys.root, *arguments)

    # --- producers ---------------------------------------------------------------------

    def submit(
        self,
        common: Submission,
        jobs: Sequence[NewJob],
        definition: dict[str, Argument] | None,
    ) -> list[str] | None:
        """Create all the jobs or none: their ids, each its own or that of the job with its key.

        None asks for the ``definition``, which the store does not have.
        """
        arguments: list[Argument] = [*common.arguments(), len(jobs)]
        for job in jobs:
            arguments += (job.job_id, job.mode, job.record, job.idempotency_key)
        for pair in (definition or {}).items():
            arguments += pair
        answer, *ids = self.run("submit", *arguments)
        return [job_id.decode() for job_id in ids] if answer == b"ok" else None

    # --- one invocation ----------------------------------------------------------------

    def claim(self, job_id: str, invocation: str, token: str, lease_ms: int) -> Claim | str:
        """A Claim, or why there is none: ``gone, taken, paused, dropped``."""
        reply = self.run("claim", job_id, invocation, token, lease_ms)
        if len(reply) == 1:
            return str(reply[0].decode())
        return Claim(reply[1], reply[4].decode(), reply[2], reply[3])

    def commit(
        self, job_id: str, invocation: str, token: str, outcome: str, micros: int, details: bytes,
        effects: Effects, then: NextClaim | None = None,
    ) -> tuple[str, Granted | None]:  # fmt: skip
        """``ok``, or why nothing was accepted: ``done, stale, gone, dropped``, or ``incomplete``
        when the store no longer has all that was staged.

        With ``then`` also what was claimed next; None when the lists are empty, or hold something
        that is no invocation.
        """
        arguments: list[Argument] = [job_id, invocation, token, outcome, micros, details]
        arguments.append(len(effects.children))
        for child in effects.children:
            arguments += child
        arguments.append(len(effects.staged))
        for routine, count in effects.staged.items():
            arguments += (routine, count)
        arguments.append(len(effects.outputs))
        arguments += effects.outputs
        for changes in (effects.stats, effects.resets):
            arguments.append(len(changes))
            for change in changes:
                arguments += change
        arguments.append(len(effects.jobs))
        for started in effects.jobs:
            arguments += started
        if then is not None:
            arguments += [then.token, then.lease_ms, *then.lists]
        reply = self.run("commit", *arguments)
        answer = str(reply[0].decode())
        if then is None or len(reply) == 1:
            lost = then is not None and answer == "done"
            return answer, self._find_granted(then) if lost and then is not None else None
        claim = Claim(reply[3], reply[6].decode(), reply[4], reply[5])
        job, invocation = reply[1].decode(), reply[2].decode()
        return answer, Granted(job, invocation, then.token, claim, then.asked)

    def _find_granted(self, then: NextClaim) -> Granted | None:
        """What a commit claimed whose reply was lost: it is known by its token alone."""
        key, cursor = self.keys.of("leases"), b"0"
        while True:
            cursor, page = self.link.call("ZSCAN", key, cursor, "MATCH", f"*/{then.token}")
            if page:
                job_id, invocation, token = page[0].decode().split("/")
                claim = self.claim(job_id, invocation, token, then.lease_ms)
                if isinstance(claim, str):
                    return None
                return Granted(job_id, invocation, token, claim, then.asked)
            if cursor == b"0":
                return None

    def view(
        self, job_id: str, invocation: str, token: str, most: int
    ) -> tuple[int, list[bytes | None]]:
        """What a delivery to a merging slot is shown before itself, the same in every attempt.

        The position of the first record (0: the lease is lost or the job has ended), and at most
        ``most`` records from there on.
        """
        first, *records = self.run("view", job_id, invocation, token, most) or [0]
        return first, records

    def stage(
        self, job_id: str, invocation: str, token: str, children: Sequence[Child], already: int
    ) -> str:
        """Keep children for the commit of this attempt: ``ok``, or ``stale`` when it cannot be, or
        ``incomplete`` when the store does not have what the attempt had staged before.

        ``already``: how many that is. A part may be staged again when it is not known whether it
        has been.
        """
        items = [
            b"%d %d %d %s%s" % (routine, slot, len(packed), packed, record)
            for routine, slot, mode, record in children
            for packed in (mode.encode(),)
        ]
        return str(self.run("stage", job_id, invocation, token, "", already, *items).decode())

    def stage_outputs(
        self, job_id: str, invocation: str, token: str, outputs: Sequence[bytes], already: int
    ) -> str:
        """The same for outputs, which are counted on their own."""
        return str(
            self.run("stage", job_id, invocation, token, OUTPUTS, already, *outputs).decode()
        )

    def may_start(self, job_id: str) -> bool:
        """Whether a handler of the job that was claimed a while ago may start now."""
        return bool(self.run("may_start", job_id))

    def retry_later(
        self, job_id: str, invocation: str, token: str, delay_ms: int, micros: int, details: bytes
    ) -> str:
        """Record a failed attempt and set the timer of the next one. Replies as commit."""
        reply = self.run(
            "fail", job_id, invocation, token, "retry", delay_ms, micros, details, "", ""
        )
        return str(reply.decode())

    def release(
        self, job_id: str, invocation: str, token: str, delay_ms: int, details: bytes,
        most: int = 0, reason: str = "", problem: bytes = b"",
    ) -> str:  # fmt: skip
        """Return a claimed invocation that this worker cannot run; no attempt is counted.

        The ``most``th time (0: never) fails the job with ``reason`` and ``problem``.
        """
        reply = self.run(
            "fail",
            job_id,
            invocation,
            token,
            "release",
            delay_ms,
            0,
            details,
            reason,
            problem,
            most,
        )
        return str(reply.decode())

    def fail(
        self, job_id: str, invocation: str, token: str, micros: int, details: bytes, reason: str,
        problem: bytes,
    ) -> str:  # fmt: skip
        """Record a failed attempt that ends the job. Replies as commit."""
        reply = self.run(
            "fail", job_id, invocation, token, "stop", 0, micros, details, reason, problem
        )
        return str(reply.decode())

    def give_back(
        self, job_id: str, invocation: str, delay_ms: int, most: int, details: bytes, reason: str
    ) -> str:
        """Return an invocation of an unknown class; ``failed`` at the ``most``th time."""
        return str(
            self.run("give_back", job_id, invocation, delay_ms, most, details, reason).decode()
        )

    def heartbeat(self, lease_ms: int, leases: Sequence[str]) -> list[str]:
        """Renew leases (job/invocation/token): for each ``ok``, ``lost`` or the job's status."""
        return [reply.decode() for reply in self.run("heartbeat", lease_ms, *leases)]

    # --- control -----------------------------------------------------------------------

    def pause(self, job_id: str, reason: str, checkpoint: Any, has_checkpoint: bool) -> str:
        """``ok``, ``gone`` or the terminal status that forbids it."""
        packed = pack_record(checkpoint) if has_checkpoint else b""
        point = pack_record(reason, has_checkpoint, checkpoint)
        return self._control("pause", job_id, reason, packed, point)

    def resume(self, job_id: str) -> str:
        """``ok``, ``gone`` or the status that is not ``paused``."""
        return self._control("resume", job_id, 0)

    def retry(self, job_id: str) -> str:
        """``ok``, ``gone``, ``undefined``, ``orphaned`` (the job that started it was cancelled) or
        the status that is not ``failed``.
        """
        return self._control("resume", job_id, 1)

    def cancel(self, job_id: str, reason: str) -> str:
        """``ok``, ``gone`` or the terminal status that forbids it."""
        return self._control("cancel", job_id, reason, pack_record(reason))

    def note(self, job_id: str, record: bytes) -> str:
        """Add a note of the user's own to the history: ``ok``, ``gone``, ``newer``."""
        return self._control("note", job_id, record)

    def annotate(self, job_id: str, data: dict[str, bytes]) -> str:
        """Keep data of the user's own by ``<routine id>\\0<name>``: ``ok``, ``gone``, ``newer``."""
        pairs = [part for pair in data.items() for part in pair]
        return str(self.run("annotate", job_id, *pairs).decode())

    def _control(self, name: str, *arguments: Argument) -> str:
        # The link sends a request again when its reply is lost: it is told by its number.
        return str(self.run(name, *arguments, secrets.token_hex(8)).decode())

    # --- maintenance -------------------------------------------------------------------

    def release_due(self, most: int) -> tuple[int, int]:
        """Release due timers: how many, and milliseconds until the next one (-1: none is set)."""
        released, until = self.run("due", most)
        return released, until

    def reclaim(self, max_deliveries: int, most: int, longest_ms: int = 0) -> Reclaimed:
        """Take back expired leases.

        ``longest_ms``: what no lease outlasts, whatever the server's clock has done; 0: not asked.
        """
        requeued, quarantined, dropped, *told = self.run(
            "reclaim", max_deliveries, most, longest_ms
        )
        lost = []
        for at in range(0, len(told), 5):
            job_id, invocation, definition, worker = (part.decode() for part in told[at : at + 4])
            lost.append(Lost(job_id, invocation, definition, worker, told[at + 4]))
        return Reclaimed((requeued, quarantined, dropped), lost)

    def tell_damaged(self, index: str, member: bytes | str, why: str) -> None:
        """Remember a member of an index that nothing can be made of."""
        self.run("damage", index, member, why)

    def resend(
        self, broker_list: str, lost: Iterable[tuple[bytes, int | bytes]]
    ) -> tuple[int, int, int]:
        """Push lost messages (member, push number) again: pushed, parked, dropped."""
        arguments = [part for member, number in lost for part in (number, member)]
        pushed, parked, dropped = self.run("resend", broker_list, *arguments)
        return pushed, parked, dropped
