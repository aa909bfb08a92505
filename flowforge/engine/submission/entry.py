"""Where jobs enter a flow: their params become the record of the first invocation."""

from __future__ import annotations

from typing import Any, NamedTuple

from flowforge.codec.binary import (
    encode_payload,
    invocation_record,
    packb,
    traced_record,
    without_params,
)
from flowforge.codec.masking import HIDDEN
from flowforge.common.bounded_repr import shown
from flowforge.errors import EmissionError, PayloadError
from flowforge.model.definition import Definition
from flowforge.model.delivery_limits import keyed_limits
from flowforge.model.limit import job_limits, limited_mode
from flowforge.model.times.start import Start
from flowforge.store.transitions.submission import LARGE_PARAMS, NO_PARAMS, SAME_PARAMS

#: Bytes of encoded entry params up to which they are kept with the job.
KEPT_PARAMS = 8192


class First(NamedTuple):
    """The first invocation of a job: mode and record, and what is kept of the params.

    ``size``: bytes of the params in the record. ``limits``: at which the job counts, as it stands
    before the mode.
    """

    mode: str
    record: bytes
    params: bytes
    size: int
    limits: str = ""

    def started(self, start: Start | None) -> str:
        """The mode with which a job is created that starts then."""
        return self.limits + (self.mode if start is None else start.mode(self.mode))


class Entry:
    """One slot of a definition as an entry. ``limit``: bytes that the encoded params may take.

    ``trace``: the packed context that the jobs continue, or nothing.
    """

    def __init__(
        self, definition: Definition, routine: int, slot: int, limit: int, trace: bytes = b""
    ) -> None:
        self._routine_id = definition.routines[routine].id
        self._where = f"entry params of {self._routine_id!r}"
        self._limit = limit
        self._join = definition.join(routine, slot)
        self._secret = definition.secret(routine, slot)
        self._mode = definition.mode(routine, slot)
        self._limits = keyed_limits(definition, routine, slot)
        self._limits_of_job = definition.limits_of_job
        self._trace = trace

    def first(self, params: dict[str, Any] | None, place: int | None = None) -> First:
        """The first invocation; ``place``: where the params are among many.

        PayloadError for params that are no dict with text keys and for what cannot travel,
        EmissionError for params that a join cannot take.
        """
        try:
            return self._first(params, self._where)
        except (PayloadError, EmissionError):
            if place is None:
                raise
        # Once more, to say where: a text for each of very many that are fit would cost more.
        return self._first(params, f"entry_params[{place}] of {self._routine_id!r}")

    def _first(self, params: dict[str, Any] | None, where: str) -> First:
        if params is None:
            params = {}
        elif type(params) is not dict or not _named(params):
            params = _checked(params, where)
        payload = encode_payload(params, self._limit, where)
        record = invocation_record(0, payload)
        mode: str = self._mode
        if self._join is not None:
            mode = self._join.mode(params, where, self._secret)
        if self._limits:
            mode = limited_mode(self._limits, mode, params, where, self._secret)
        limits = ""
        if self._limits_of_job:
            limits = job_limits(self._limits_of_job, params, where, self._secret)
        kept = self._kept(params, record)
        if not self._trace:
            return First(mode, record, kept, len(payload), limits)
        traced = traced_record(record, self._trace)
        return First(mode, traced, self._kept_with_trace(kept), len(payload), limits)

    def _kept_with_trace(self, kept: bytes) -> bytes:
        """What is kept of the params tells which trace the job belongs to."""
        if kept == LARGE_PARAMS:
            return without_params(self._trace)
        if kept in (NO_PARAMS, SAME_PARAMS):
            return SAME_PARAMS
        return traced_record(kept, self._trace)

    def _kept(self, params: dict[str, Any], record: bytes) -> bytes:
        if not params:
            return NO_PARAMS
        if len(record) > KEPT_PARAMS:
            return LARGE_PARAMS
        if self._secret.isdisjoint(params):
            return SAME_PARAMS
        visible = {k: HIDDEN if k in self._secret else v for k, v in params.items()}
        return invocation_record(0, packb(visible))


def _named(params: dict[Any, Any]) -> bool:
    for name in params:  # noqa: SIM110 - a generator for each job costs as much as its encoding
        if type(name) is not str:
            return False
    return True


def _checked(params: object, where: str) -> dict[str, Any]:
    """Subclasses are as good as what they are derived from."""
    if not isinstance(params, dict) or not all(isinstance(name, str) for name in params):
        raise PayloadError(f"{where} must be a dict with text keys, not {shown(params)}")
    return params
