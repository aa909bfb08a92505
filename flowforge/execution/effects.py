"""What the commit of an invocation makes visible, all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

#: Routine, slot, mode and record of an invocation to create.
Emitted: TypeAlias = tuple[int, int, str, bytes]

#: The routine of staged emissions that create no invocation: outputs of the job.
AS_OUTPUTS = -1


@dataclass(slots=True)
class Effects:
    """All that the commit of an invocation makes visible, in the order of the commit's sections."""

    #: Invocations to create.
    emitted: list[Emitted] = field(default_factory=list)
    #: Routine -> how many emissions of this attempt are staged in the store; AS_OUTPUTS: outputs.
    staged: dict[int, int] = field(default_factory=dict)
    #: Records for the job's outputs.
    outputs: list[bytes] = field(default_factory=list)
    #: (op, field, value) with op add, number, set or reset.
    stats: list[tuple[str, str, str | bytes]] = field(default_factory=list)
    #: (r.s, k): deliveries up to k of a merging slot are consumed; -1: all so far.
    #: An empty slot: the first k items of the join that this invocation handled are done with.
    resets: list[tuple[str, int]] = field(default_factory=list)
    #: What the script needs to create each job that the handler started.
    started_jobs: list[list[str | bytes | int | float]] = field(default_factory=list)
    #: What the script needs to open each expectation of an answer.
    expected: Sequence[tuple[Any, ...]] = ()
    #: What compensates this invocation: slot and record.
    undo: tuple[int, bytes] | None = None
