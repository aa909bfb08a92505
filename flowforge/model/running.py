"""What a routine can do only while a handler runs, and the stats that handlers keep."""

from __future__ import annotations

from typing import Any, NoReturn

from flowforge.common.bounded_repr import shown
from flowforge.errors import DefinitionError, EmissionError, OutsideInvocationError
from flowforge.model.invocation import Invocation
from flowforge.model.job_handle import JobHandle


class Running:
    """The part of a routine that delegates to the invocation it is bound to."""

    _invocation: Invocation | None
    _stats: dict[str, Any]

    @property
    def job(self) -> JobHandle:
        """The running job's ``JobState``."""
        return self._running("job").job

    @property
    def job_id(self) -> str:
        """The running job's id."""
        return self._running("job_id").job_id

    @property
    def attempt(self) -> int:
        """1 for the first attempt at this invocation. Lost workers do not count."""
        return self._running("attempt").attempt_number

    @property
    def checkpoint(self) -> Any:
        """What the latest pause with a checkpoint left, or None."""
        return self._running("checkpoint").checkpoint

    @property
    def cancelled(self) -> bool:
        """Whether the job has ended under this handler, or the attempt has lost its lease.

        True within a heartbeat of it: a long handler looks now and then, and returns.
        """
        return self._running("cancelled").cancelled

    def set_stat(self, name: str, value: object) -> None:
        """Keep a value for this routine and job, with the commit."""
        self._stats[name] = value
        if self._invocation is not None:
            self._invocation.record_stat("set", name, value)

    def get_stat(self, name: str, default: Any = None) -> Any:
        """Return what this instance has recorded; a handler's instance lives for one delivery."""
        return self._stats.get(name, default)

    def increment_stat(self, name: str, amount: float = 1) -> Any:
        """Add to a number (0 at first) and return this instance's new value.

        Increments of concurrent handlers add up in the job's own stats. EmissionError when one of
        the two is no number.
        """
        before = self._stats.get(name, 0)
        try:
            value = self._stats[name] = before + amount
        except TypeError:
            raise EmissionError(
                f"stat {name!r} of {type(self).__qualname__} cannot grow from {shown(before)} by "
                f"{shown(amount)}: both must be numbers"
            ) from None
        if self._invocation is not None:
            self._invocation.record_stat("add", name, amount)
        return value

    def stats(self) -> dict[str, Any]:
        """Return all that this instance has recorded; a copy."""
        return dict(self._stats)

    def reset_stats(self) -> None:
        """Forget the stats of this routine, with the commit those of the job too."""
        self._stats.clear()
        if self._invocation is not None:
            self._invocation.record_stat("reset", None, None)

    def _running(self, what: str) -> Invocation:
        if self._invocation is None:
            self._outside(what)
        return self._invocation

    def _outside(self, what: str) -> NoReturn:
        raise OutsideInvocationError(
            f"{type(self).__qualname__}.{what} is only possible while a handler of a job is running"
        )

    def _refuse_in_handler(self, what: str) -> None:
        if self._invocation is not None:
            raise DefinitionError(
                f"{type(self).__qualname__} cannot {what} in a handler, whose instance lives for "
                "one attempt: do it in __init__"
            )
