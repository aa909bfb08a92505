"""One attempt at an invocation: what its handler sees and what it collects.

Nothing that a handler does to the job takes effect before the commit: emissions, outputs, stats
and slot resets are gathered here and dropped with the attempt when it fails.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Context, Decimal
from time import perf_counter
from typing import Any, TypeVar

from flowforge.codec.binary import (
    encode_payload,
    invocation_record,
    masked_record,
    packb,
    read_invocation,
    traced_record,
    unpackb,
)
from flowforge.common.bounded_repr import shown
from flowforge.errors import EmissionError, NewerRecordError
from flowforge.execution.expecting import Expecting
from flowforge.execution.handler_context import HandlerContext
from flowforge.execution.late_start import ASKED_AT_MOST, SLOW_START
from flowforge.model.flow import FlowGraph
from flowforge.model.handlers.signature import Origin
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.job_handle import JobHandle
from flowforge.model.names import listing
from flowforge.model.plan import PlannedRoutine, PlannedSlot, PlannedUndo
from flowforge.model.times.child_start import ChildStart
from flowforge.model.times.deadlines import NO_DEADLINES, Deadlines

logger = logging.getLogger(__name__)

Read = TypeVar("Read")


class NotStartedError(Exception):
    """The job was paused or has ended between the claim and the handler."""


#: Jobs that one attempt starts at most: its commit creates them all, about 50 us each.
MOST_STARTED = 100

#: How stats are added up.
_EXACT = Context(prec=40)


class Attempt(Expecting):
    """The ``Invocation`` that a routine is bound to while its handler runs."""

    __slots__ = (
        "_asked",
        "_definitions",
        "_stats",
        "_undo_with",
        "attempt_number",
        "cancelled",
        "extended_to",
        "given_back",
        "invocation",
        "job_id",
        "params",
        "position",
        "queued_ms",
        "raw",
        "revealed",
        "slot",
        "token",
    )

    def __init__(
        self,
        routine: PlannedRoutine,
        slot: PlannedSlot,
        job_id: str,
        invocation: str,
        named: InvocationName,
        token: str,
        attempt_number: int,
        params: dict[str, Any],
        raw: bytes,
        limit: int,
        context: HandlerContext[Attempt],
        asked: float,
        queued_ms: int = 0,
    ) -> None:
        #: ``named``: the invocation, parsed. ``asked``: when the claim was asked for, by
        #: ``perf_counter``.
        super().__init__(routine, named.number, limit, context)
        self.slot = slot
        self.job_id = job_id
        self.invocation = invocation
        self.token = token
        #: Place of the params in their merging slot, from 1; 0 for other slots.
        self.position = named.position
        self.attempt_number = attempt_number
        #: Milliseconds from the push of its message to the claim.
        self.queued_ms = queued_ms
        self.params = params
        #: The params' record as it is stored, for the history.
        self.raw = raw
        #: Set by the heartbeat when the job has ended under the handler.
        self.cancelled = False
        #: What FlowForge itself has raised since this worker is not to run the attempt. The same
        #: classes raised by user code are errors of the handler.
        self.given_back: BaseException | None = None
        self._asked = asked
        #: Definitions that the commit stores, for jobs to start.
        self._definitions: list[list[Any]] = []
        #: Stat -> how the commit changes it.
        self._stats: dict[str, tuple[str, str | bytes]] = {}
        #: What the undo of this invocation is to be given beside its params.
        self._undo_with: dict[str, Any] | None = None
        #: Secret params of other deliveries that this attempt was shown.
        self.revealed: tuple[dict[str, Any], ...] = ()

    def reading(self, read: Callable[[], Read]) -> Read:
        """What FlowForge reads for the handler, which another worker may be able to read."""
        try:
            return read()
        except NewerRecordError as error:
            self.given_back = error
            raise

    def confirm(self, waited: bool = False) -> None:
        """Just before the handler: raises NotStartedError when it may not start any more.

        A claim that was asked for a moment ago is as good as an answer. Its reply, a ``setup()``
        (then it has ``waited``), a merge or the neighbours of a last attempt may have taken longer
        than that, and so may the answer to this. By then the lease may be another's.
        """
        asked = self._asked
        for _ in range(ASKED_AT_MOST):
            if not waited and perf_counter() - asked <= SLOW_START:
                return
            waited, asked = False, perf_counter()
            if self.cancelled or not self._context.runs(self.job_id):
                self.given_back = NotStartedError()
                raise self.given_back

    @property
    def ends_at(self) -> float | None:
        """When its time is over, by ``perf_counter``, about; None without a timeout."""
        ms = self.slot.timeout_ms
        return max(self._asked + ms / 1000, getattr(self, "extended_to", 0.0)) if ms else None

    # --- what Routine delegates to -----------------------------------------------------

    def finish(self) -> None:
        """Complete ``effects``: the handler has returned."""
        super().finish()
        if self._stats:
            stats = [(op, field, change) for field, (op, change) in self._stats.items()]
            self.effects.stats = stats
        if self.slot.undo is not None:
            self.effects.undo = (self.slot.undo.index, self._undo_record(self.slot.undo))

    def undo_with(self, data: dict[str, Any]) -> None:
        """Collect params for the undo of this invocation; a copy."""
        where = f"{self.routine.id}.undo_with"
        if self.slot.undo is None:
            raise EmissionError(
                f"{where}: the slot {self.slot.name!r} has no undo that it could be given to: "
                "define the slot with undo=self.method"
            )
        packed = encode_payload(data, self.limit, where)
        with self._lock:
            self.expect_open("undo_with", ", ".join(data))
            self._undo_with = {**(self._undo_with or {}), **unpackb(packed)}

    def _undo_record(self, undo: PlannedUndo) -> bytes:
        """What the undo takes of the delivered params and of ``undo_with``."""
        params = {**self.delivered(), **(self._undo_with or {})}
        wanted = {name: value for name, value in params.items() if undo.signature.takes(name)}
        lacking = undo.signature.lacking(wanted)
        if lacking:
            logger.warning(
                "%s.%s can be undone only by hand: its undo, %s, needs %s, which neither its "
                "params nor undo_with have",
                self.routine.id, self.slot.name, undo.call, listing(lacking),
            )  # fmt: skip
        return self.encode(wanted, f"{self.routine.id}.{undo.call}")

    def extend(self, ms: int) -> None:
        """Give it more time from now on."""
        if not self.slot.timeout_ms:
            return
        self._context.extend(self, ms)
        self.extended_to = perf_counter() + ms / 1000

    def start(
        self,
        flow: FlowGraph,
        entry_routine_id: str,
        params: dict[str, Any] | None,
        started: ChildStart,
        priority: int | None,
        max_in_flight: int | None,
        labels: Mapping[str, str] | None,
        deadlines: Deadlines = NO_DEADLINES,
    ) -> str:
        """Collect a job to start, and the invocation that waits for its end, if any."""
        with self._lock:
            self.expect_open("start", entry_routine_id)
            if self.slot.undoes:
                raise EmissionError(
                    f"{self.routine.id}.start: an undo cannot start jobs: nothing waits for them"
                )
            if len(self.effects.started_jobs) >= MOST_STARTED:
                raise EmissionError(
                    f"{self.routine.id}.start: a handler can start {MOST_STARTED} jobs; emit to a "
                    "routine that starts one with each invocation"
                )
            trace = self.context_now()
            child = self._context.child_job(
                flow, entry_routine_id, params, priority, max_in_flight, labels, deadlines,
                started.start, trace,
            )  # fmt: skip
            waiter = b""
            if started.event is not None:
                about = {"job_id": child.job_id, "event": started.event}
                record = packb({**about, "goes_on": True} if started.goes_on else about)
                waiter = traced_record(invocation_record(self.number, record), trace)
            definition: list[Any] = []
            if child.definition not in self._definitions:
                self._definitions.append(child.definition)
                definition = child.definition
            self.effects.started_jobs.append(
                [*child.arguments, waiter, int(started.goes_on), len(definition), *definition]
            )
            return child.job_id

    def child_outputs(self, job_id: str) -> list[dict[str, Any]]:
        return self.reading(lambda: self._context.child_outputs(job_id))

    def record_stat(self, op: str, name: str | None, value: Any) -> None:
        """Collect a change of a stat: ``set``, ``add`` or ``reset``."""
        with self._lock:
            self.expect_open("stats", name)
            self._record_stat(op, name, value)

    def _record_stat(self, op: str, name: str | None, value: Any) -> None:
        field = f"{self.routine.index}.{name}"
        if not field.isascii():
            encode_payload({field: None}, self.limit, f"{self.routine.id}: the name of a stat")
        if op == "reset":
            # What came before is reset as well.
            self._stats = {f"{self.routine.index}.": ("reset", "")}
        elif op == "add":
            self._add(field, self._finite(name, value))
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            self._stats[field] = ("number", self._finite(name, value))
        else:
            where = f"{self.routine.id}.set_stat({name!r})"
            encode_payload({"value": value}, self.limit, where)
            self._stats[field] = ("set", packb(value))

    def _add(self, field: str, amount: str) -> None:
        """One change for each stat, however often a handler adds to it."""
        op, before = self._stats.get(field, ("add", "0"))
        if op == "set":
            self._stats[field] = ("number", amount)
        else:
            # As exact as the server, which adds decimal numbers.
            total = _EXACT.add(Decimal(str(before)), Decimal(amount))
            self._stats[field] = (op, str(total))

    def _finite(self, name: str | None, value: Any) -> str:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise EmissionError(
                f"stat {name!r} of {self.routine.id!r}: {shown(value)} is not a number"
            )
        # What a float holds: not NaN, no infinity, and no int beyond them.
        if not abs(value) <= sys.float_info.max:
            raise EmissionError(
                f"stat {name!r} of {self.routine.id!r}: {shown(value)} is not finite"
            )
        return repr(value)

    @property
    def scheduled_at(self) -> datetime | None:
        """The time for which a schedule has started the job, or None."""
        return self.reading(lambda: self._context.scheduled_at(self.job_id))

    @property
    def checkpoint(self) -> Any:
        return self.reading(lambda: self._context.checkpoint(self.job_id))

    @property
    def job(self) -> JobHandle:
        return self._context.job(self.job_id)

    def slot_data(self, slot: str) -> dict[str, Any]:
        return self._context.slot_data(self, self.slot_of(slot))

    def reveal(self, slot: PlannedSlot, payloads: Iterable[dict[str, Any]]) -> None:
        """Remember what is secret of payloads that were read for a slot: errors may tell them."""
        if slot.secret:
            self.revealed += tuple(
                {name: params[name] for name in slot.secret & params.keys()} for params in payloads
            )

    def reset_slot(self, slot: str) -> None:
        found = self.slot_of(slot)
        self.expect_open("reset_slot", slot)
        if found is self.slot and found.merges:
            self.effects.resets.append((f"{self.routine.index}.{found.index}", self.position))
        else:
            # -1: everything that was delivered when the commit happens.
            self.effects.resets.append((f"{self.routine.index}.{found.index}", -1))

    @property
    def joins(self) -> bool:
        """Whether the handler gets the collected items of a join instead of params."""
        return self.slot.slot is not None and self.slot.slot.join is not None

    # --- the trace of an attempt that has one ---------------------------------------------

    def trace_ids(self) -> tuple[str, str]:
        """The ids of the trace and of the current span as hexadecimal digits; empty without one."""
        return "", ""

    # --- for error messages ------------------------------------------------------------

    def origin(self) -> Origin:
        """Routine, slot and what has sent the params, for an argument error."""
        place = f"{self.routine.id}.{self.slot.name}"
        if self.slot.undoes:
            remedy = (
                "let the handler give it to self.undo_with, give the parameter a default, or edit "
                "the params of this invocation"
            )
            return Origin(place, "params and undo_with of the undone invocation hold", remedy)
        if not self.slot.sources and self.number > 1 and not self._entered():
            remedy = "answer under this name, or give the parameter a default"
            return Origin(place, "the answer holds", remedy)
        if self.joins:
            return Origin(
                place, "the join sent", "name the parameter 'items', or give it a default"
            )
        if self._entered() or not self.slot.sources:
            remedy = "submit it under this name, or give the parameter a default"
            return Origin(place, "the entry params of the job hold", remedy)
        remedy = (
            "emit it under this name, rename it with param_mapping, or give the parameter a default"
        )
        return Origin(place, " or ".join(self._senders()) + " sent", remedy)

    def _senders(self) -> list[str]:
        """The connection that has sent the params; all that may have when that cannot be told."""
        sources = self.slot.sources
        if len(sources) == 1 or self.slot.merges:
            return list(sources)
        emitter = read_invocation(self.raw, f"invocation {self.number}")[0]
        events = self.reading(lambda: self._context.emissions_of(self.job_id, emitter))
        sent = [source for source in sources if source.partition(" -> ")[0] in events]
        return sent or list(sources)

    def _entered(self) -> bool:
        """Whether the params came with the job and not from an emission."""
        return not self.joins and read_invocation(self.raw, f"invocation {self.number}")[0] == 0

    def delivered(self) -> dict[str, Any]:
        """The params as they were delivered, whatever the handler has done to its copy."""
        return {} if self.joins else read_invocation(self.raw, f"invocation {self.number}")[1]

    def visible_record(self) -> bytes | None:
        """The stored params for the history, without those that the slot marks as secret.

        As they were delivered, whatever the handler has done to its copy; None for a join.
        """
        if self.joins:
            return None
        return masked_record(self.raw, self.slot.secret, f"invocation {self.number}")
