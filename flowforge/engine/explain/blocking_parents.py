"""Jobs above a job that keep it from going on."""

from __future__ import annotations

from typing import NamedTuple

from flowforge.model.jobs.status import ACTIVE, JobStatus
from flowforge.store.job_reads.inspector import Inspector

#: The command that lets an ancestor of this status go on.
_COMMANDS: dict[str, str] = {JobStatus.FAILED: "retry", JobStatus.PAUSED: "resume"}

#: Jobs above one another that are looked at; damaged rows may name each other in a circle.
_DEEPEST = 100


class BlockingParent(NamedTuple):
    """An ancestor that keeps a job from going on. ``status``: empty when it is gone."""

    job_id: str
    status: str

    @property
    def command(self) -> str | None:
        """What lets both go on; None when nothing does."""
        verb = _COMMANDS.get(self.status)
        return f"flowforge {verb} {self.job_id}" if verb else None


def blocking_parent(inspector: Inspector, parent_job_id: str | None) -> BlockingParent | None:
    """The nearest of the ancestors, from ``parent_job_id`` on, that keeps a job from going on."""
    above = parent_job_id
    for _ in range(_DEEPEST):
        if above is None:
            return None
        ancestor = inspector.ancestor(above)
        if ancestor.status not in ACTIVE or ancestor.status == JobStatus.PAUSED:
            return BlockingParent(above, ancestor.status)
        above = ancestor.parent_job_id
    return None
