"""The transitions of bulk operations on jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from flowforge.store.history import pause_record, who_and_why
from flowforge.store.runner import ScriptRunner
from flowforge.store.transitions.answers import BULK_START, Answer

#: Jobs that one call acts on, at most.
MOST = 100


class NewBulk(NamedTuple):
    """What is kept of a bulk operation. ``labels``: name -> value, empty to take a label away.

    ``undo``: jobs that are cancelled are undone.
    """

    action: str
    by: str
    reason: str
    rate: float | None
    selection: str
    labels: Mapping[str, str]
    undo: bool = False


class Piece(NamedTuple):
    """What one call has done. ``wait_ms``: until the rate allows the next job."""

    acted: int
    left: int
    wait_ms: int


class BulkScripts:
    """Each method is one script."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    def collect(self, bulk_id: str, already: int, job_ids: Sequence[str]) -> int:
        """Keep some of the jobs, the newest first; how many there are, behind ``already``."""
        kept: int = self._scripts.run("bulk_collect", bulk_id, already, *job_ids)
        return kept

    def start(
        self, bulk_id: str, collected: int, bulk: NewBulk, since: int | None = None
    ) -> Answer:
        """Start with the jobs that were collected: GONE when they are not all there any more,
        CHANGED when another operation was started ``since``, in milliseconds.
        """
        fields: dict[str, str | bytes | float] = {
            "action": bulk.action,
            "by": bulk.by,
            "reason": bulk.reason,
            "rate": "" if bulk.rate is None else bulk.rate,
            "selection": bulk.selection,
            "point": pause_record(bulk.by, bulk.reason, False, None),
            "details": who_and_why(bulk.by, bulk.reason),
            "labels": "\n".join(f"{name}={value}" for name, value in bulk.labels.items()),
            "undo": int(bulk.undo),
        }
        pairs = [part for pair in fields.items() for part in pair]
        after = "" if since is None else since
        return BULK_START[self._scripts.run("bulk_start", bulk_id, collected, after, *pairs)]

    def step(self, bulk_id: str = "") -> Piece:
        """Do the next piece of an operation, or of the first one that is due."""
        return Piece(*self._scripts.run("bulk_step", bulk_id, MOST))

    def abort(self, bulk_id: str, by: str) -> bool:
        """End an operation that runs; False when it does not."""
        return bool(self._scripts.run("bulk_abort", bulk_id, by))
