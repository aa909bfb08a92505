"""What a kind of fault is, and what came of it."""

from __future__ import annotations

import time
import traceback
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.harness.arena import Arena


@dataclass(frozen=True)
class Round:
    """One row of the table. ``run`` does it; numbers in it are those of scale 1."""

    row: int
    #: Short, for the command line.
    name: str
    #: Texts of the table.
    fault: str
    injection: str
    target: str
    run: Callable[[Arena], None]
    #: Scale of the two-minute cut; 0: not part of it.
    cut: float = 0.05
    #: Whether it measures times that a busy neighbour would spoil.
    alone: bool = False
    #: Whether it takes as long as all the others, and so has to start before them.
    first: bool = False


@dataclass(frozen=True)
class Result:
    """What one run of a round measured; passed without violations."""

    row: int
    name: str
    fault: str
    injection: str
    target: str
    seed: int
    scale: float
    profile: str
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.violations


def play(
    one: Round,
    directory: Path,
    seed: int,
    scale: float,
    profile: str = "fast",
    **site_options: Any,
) -> Result:
    """Run a round once. Whatever it raises is a violation. Further arguments as Arena's."""
    began = time.monotonic()
    # Rounds of one seed must not all draw the same numbers.
    arena = Arena(directory, seed ^ zlib.crc32(one.name.encode()), scale, profile, **site_options)
    try:
        with arena:
            one.run(arena)
    except Exception:  # noqa: BLE001 - a round that breaks off has not been passed
        arena.violate(f"the round broke off: {traceback.format_exc()}")
    seconds = round(time.monotonic() - began, 1)
    return Result(
        one.row, one.name, one.fault, one.injection, one.target, seed, scale, profile, seconds,
        arena.figures, arena.violations,
    )  # fmt: skip
