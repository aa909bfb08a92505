"""How the undo of a slot runs: as an invocation of its own, with its own attempts."""

from __future__ import annotations

from dataclasses import replace
from typing import NoReturn

from flowforge.errors import CorruptRecordError, EmissionError
from flowforge.model.error_handler import ErrorHandler, ErrorStrategy
from flowforge.model.plan import PlannedRoutine, PlannedSlot, Target
from flowforge.model.slot import UNDO_SLOT, UNDO_SLOT_INDEX

#: What applies to compensations where neither the routine nor the flow retries: what CONTINUE or
#: SKIP would pass over is not undone, and what STOP would give up at once mostly works a little
#: later.
RETRIES = ErrorHandler(ErrorStrategy.RETRY)


class _NoTargets(dict[str, tuple[Target, ...]]):
    """The events of a compensation: none leads anywhere."""

    def __missing__(self, event: str) -> NoReturn:
        raise EmissionError(
            f"an undo cannot emit ({event!r}): it runs when its job has ended, and no slot is left "
            "that could receive anything; keep what it finds with set_stat or in the log"
        )


def undo_handler(handler: ErrorHandler) -> ErrorHandler:
    """What applies to compensations, by what applies to the routine."""
    return handler if handler.strategy is ErrorStrategy.RETRY else RETRIES


def compensation(routine: PlannedRoutine, index: int) -> tuple[PlannedRoutine, PlannedSlot]:
    """The routine and the slot of a compensation by its index; CorruptRecordError for no such."""
    place = index - UNDO_SLOT_INDEX
    slot = routine.slots[place] if place < len(routine.slots) else None
    if slot is None or slot.undo is None:
        raise CorruptRecordError(f"routine {routine.id!r} has no undo of index {place}")
    retries = undo_handler(routine.error_handler)
    undoing = PlannedSlot(
        slot.name + UNDO_SLOT, index, slot.undo.call, slot.undo.signature, False, None,
        slot.secret, (), timeout_ms=slot.timeout_ms,
    )  # fmt: skip
    return replace(routine, error_handler=retries, targets=_NoTargets()), undoing
