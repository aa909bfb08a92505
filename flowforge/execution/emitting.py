"""Collecting what a handler emits, from one thread or from many, until its attempt commits."""

from __future__ import annotations

from collections.abc import Sequence
from threading import Lock
from typing import Any, TypeVar

from flowforge.codec.binary import encode_payload, invocation_record, output_record
from flowforge.common.forks import Forks
from flowforge.errors import EmissionError, OutsideInvocationError
from flowforge.execution.effects import AS_OUTPUTS, Effects, Emitted
from flowforge.execution.handler_context import HandlerContext
from flowforge.model.plan import PlannedRoutine, Target

#: Emitted invocations and outputs, and bytes of their records, that an attempt collects in memory.
#: More are staged in the store, which costs it about 1 ms at a time.
STAGED_EMISSIONS = 200
STAGED_BYTES = 1024 * 1024

_Record = TypeVar("_Record", Emitted, bytes)


class Emitting:
    """The part of an attempt that collects emissions.

    An emission is collected as a whole or, when ``emit`` raises, not at all. What is collected
    leaves the memory only after the store has accepted it.
    """

    __slots__ = (
        "_bytes",
        "_context",
        "_lock",
        "closed",
        "effects",
        "emitted",
        "forks_before",
        "limit",
        "number",
        "routine",
    )  # fmt: skip

    def __init__(
        self, routine: PlannedRoutine, number: int, limit: int, context: HandlerContext[Any]
    ) -> None:
        self.routine = routine
        #: Number of the invocation within its job, from 1.
        self.number = number
        self.limit = limit
        self.effects = Effects()
        #: Event -> how often the handler has emitted it.
        self.emitted: dict[str, int] = {}
        #: Whether the handler has returned: nothing is collected any more.
        self.closed = False
        #: ``Forks.count`` of the process that runs the handler.
        self.forks_before = Forks.count
        self._context = context
        #: Handlers may use threads. Held while effects change, and while part of them is staged.
        self._lock = Lock()
        self._bytes = 0

    def emit(self, event: str, params: dict[str, Any], later_ms: int = 0) -> None:
        """Collect one emission; the values are copied (encoded) at once.

        ``later_ms``: how long its deliveries are put off. EmissionError when it leads to no slot,
        as an output cannot be put off.
        """
        targets = self.routine.targets[event]
        where = f"{self.routine.id}.emit({event!r})"
        emitted: Sequence[Emitted] = ()
        outputs: Sequence[bytes] = ()
        if len(targets) == 1:
            mapped = targets[0].connection.apply(params)
            record = self.encode(mapped, where)
            emitted, size = (_emitted(targets[0], mapped, record, where, later_ms),), len(record)
        elif targets:
            emitted = self._fan_out(targets, params, where, later_ms)
            size = sum(len(one[3]) for one in emitted)
        elif later_ms:
            raise EmissionError(
                f"{self.routine.id}.emit_later({event!r}): no connection leads from this event, so "
                "it would be an output of the job, which cannot be put off: connect it, or use emit"
            )
        else:
            payload = encode_payload(params, self.limit, where)
            record = output_record(self.number, self.routine.id, event, payload)
            outputs, size = (record,), len(record)
        with self._lock:
            self.expect_open("emit", event)
            if self._bytes >= STAGED_BYTES or self._collected() >= STAGED_EMISSIONS:
                self._stage_all()
            self.effects.emitted += emitted
            self.effects.outputs += outputs
            self._bytes += size
            self.emitted[event] = self.emitted.get(event, 0) + 1

    def _fan_out(
        self, targets: tuple[Target, ...], params: dict[str, Any], where: str, later_ms: int
    ) -> list[Emitted]:
        emitted: list[Emitted] = []
        # Equal params are encoded once.
        shared: bytes | None = None
        for target in targets:
            mapped = target.connection.apply(params)
            if mapped is not params:
                record = self.encode(mapped, where)
                emitted.append(_emitted(target, mapped, record, where, later_ms))
                continue
            if shared is None:
                shared = self.encode(params, where)
            emitted.append(_emitted(target, params, shared, where, later_ms))
        return emitted

    def encode(self, params: dict[str, Any], where: str) -> bytes:
        """The record of an emission."""
        return invocation_record(self.number, encode_payload(params, self.limit, where))

    def expect_open(self, call: str, about: object) -> None:
        """OutsideInvocationError when the handler has returned: its commit is made without this."""
        if self.forks_before != Forks.count:
            raise OutsideInvocationError(
                f"{self.routine.id}.{call}({about!r}): this is a forked child of the handler's "
                "process, from which nothing reaches the job; hand the values to the parent, and "
                "emit them there"
            )
        if self.closed:
            raise OutsideInvocationError(
                f"{self.routine.id}.{call}({about!r}): the handler has returned, so no commit is "
                "left to carry this; wait for your threads and callbacks before the handler returns"
            )

    def finish(self) -> None:
        """Complete ``effects``: the handler has returned."""
        with self._lock:
            self.closed = True
            if self._bytes > STAGED_BYTES or self._collected() > STAGED_EMISSIONS:
                self._stage_all()
            elif AS_OUTPUTS in self.effects.staged:
                # Outputs stay behind those that were emitted before them.
                self._stage_outputs()

    # --- staging, under the lock -----------------------------------------------------------

    def _collected(self) -> int:
        return len(self.effects.emitted) + len(self.effects.outputs)

    def _stage_all(self) -> None:
        """Move what is collected to the store, where it waits for the commit unseen."""
        emitted, staged = self.effects.emitted, self.effects.staged
        while emitted:
            part = _part(emitted, [len(one[3]) for one in emitted])
            already = sum(staged.values()) - staged.get(AS_OUTPUTS, 0)
            self._context.stage(self, part, already)
            del emitted[: len(part)]
            for routine, *_ in part:
                staged[routine] = staged.get(routine, 0) + 1
        self._stage_outputs()
        self._bytes = 0

    def _stage_outputs(self) -> None:
        outputs, staged = self.effects.outputs, self.effects.staged
        while outputs:
            part = _part(outputs, [len(record) for record in outputs])
            self._context.stage_outputs(self, part, staged.get(AS_OUTPUTS, 0))
            del outputs[: len(part)]
            staged[AS_OUTPUTS] = staged.get(AS_OUTPUTS, 0) + len(part)


def _emitted(
    target: Target, params: dict[str, Any], record: bytes, where: str, later_ms: int
) -> Emitted:
    mode = target.mode(params, where, later_ms)
    return target.routine_index, target.slot_index, mode, record


def _part(records: list[_Record], sizes: list[int]) -> list[_Record]:
    """The first records, as many as one call takes: the same ones when it has to be made again."""
    size = 0
    for number, more in enumerate(sizes[:STAGED_EMISSIONS]):
        size += more
        if size >= STAGED_BYTES:
            return records[: number + 1]
    return records[:STAGED_EMISSIONS]
