"""Which job a handle is of, and the engine that it asks."""

from __future__ import annotations

from copy import copy, deepcopy
from functools import cached_property
from typing import Any, Self

from flowforge.common.bounded_repr import shown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine
from flowforge.engine.texts import checked_text
from flowforge.errors import InvalidValueError


class JobIdentity:
    """A job by its id. Handles of the same job are equal."""

    #: What ``deserialize`` or ``load`` read; None on a handle made otherwise.
    snapshot: dict[str, Any] | None = None

    def __init__(self, job_id: str, engine: Engine | None = None) -> None:
        if not isinstance(job_id, str):
            raise InvalidValueError(f"a job's id is text, not {shown(job_id)}")
        self.job_id = checked_text("a job's id", job_id)
        if engine is not None:
            self._engine = engine

    @cached_property
    def _engine(self) -> Engine:
        # With the first question: a handle can be read from a pickle where nothing is configured.
        return current_engine().of(self.job_id)

    @classmethod
    def get(cls, job_id: str) -> Self:
        """The handle of an existing job; JobNotFoundError when there is none."""
        job = cls(job_id)
        job._engine.inspector.status(job_id)
        return job

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.job_id!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        # What reads it elsewhere looks the job up on the servers of its own process.
        return _unpickled, (type(self), self.job_id, self.snapshot)

    def __copy__(self) -> Self:
        copied = type(self)(self.job_id, self._engine)
        copied.snapshot = self.snapshot
        return copied

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        copied = copy(self)
        copied.snapshot = deepcopy(self.snapshot, memo)
        return copied

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JobIdentity) and other.job_id == self.job_id

    def __hash__(self) -> int:
        return hash(self.job_id)


def _unpickled(cls: type[JobIdentity], job_id: str, snapshot: dict[str, Any] | None) -> JobIdentity:
    job = cls(job_id)
    job.snapshot = snapshot
    return job
