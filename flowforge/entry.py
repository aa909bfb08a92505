"""Where jobs enter a flow: their params become the record of the first invocation."""

from __future__ import annotations

from typing import Any

from flowforge.codec import encode_payload, invocation_record
from flowforge.model.definition import Definition


class Entry:
    """One slot of a definition as an entry. ``limit``: bytes that the encoded params may take."""

    def __init__(self, definition: Definition, routine: int, slot: int, limit: int) -> None:
        self._where = f"entry params of {definition.routines[routine].id!r}"
        self._limit = limit
        self._join = definition.join(routine, slot)
        self._mode = definition.mode(routine, slot)

    def first(self, params: dict[str, Any] | None) -> tuple[str, bytes]:
        """Mode and record of the first invocation.

        ValueError for params that are no dict with text keys, PayloadError for what cannot travel,
        EmissionError for params that a join cannot take.
        """
        if params is None:
            params = {}
        elif type(params) is not dict or not all(type(name) is str for name in params):
            params = self._checked(params)
        record = invocation_record(0, encode_payload(params, self._limit, self._where))
        return self._mode if self._join is None else self._join.mode(params, self._where), record

    def _checked(self, params: object) -> dict[str, Any]:
        """Subclasses are as good as what they are derived from."""
        if not isinstance(params, dict) or not all(isinstance(name, str) for name in params):
            raise ValueError(f"{self._where} must be a dict with text keys, not {params!r}")
        return params
