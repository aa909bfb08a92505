"""Limits: what the code of this worker says of them, and what holds their places."""

from __future__ import annotations

from collections.abc import Callable

from flowforge.errors import StoreUnavailableError
from flowforge.model.limit import declared_limits
from flowforge.store.store import Store

#: Keys that one call of the script looks at, and calls in a row.
_BATCH = 20
_CALLS = 50


class DeclaredLimits:
    """Writes the limits that this worker has imported: each once, and again if it is gone."""

    def __init__(self, store: Store, are_here: Callable[[], bool]) -> None:
        """``are_here``: whether the limits count on this server; StoreUnavailableError."""
        self._limits = store.limits
        self._are_here = are_here
        self._written: set[int] = set()

    def run_once(self) -> int:
        """How many were written."""
        declared = declared_limits()
        if not declared or not self._keeps_limits():
            return 0
        there = {one.key for one in self._limits.stored() if one.declared}
        wanted = [one for one in declared if id(one) not in self._written or one.name not in there]
        for one in wanted:
            self._limits.declare(one.name, one.settings, one.per)
            self._limits.let_in(self._limits.keys(one.name))
            self._written.add(id(one))
        return len(wanted)

    def _keeps_limits(self) -> bool:
        try:
            return self._are_here()
        except StoreUnavailableError:
            # Another server does not answer, which may be theirs.
            return False


class LimitLooks:
    """Lets in what waits at keys with room, and takes places away that nothing holds."""

    def __init__(self, store: Store, patience: float) -> None:
        """``patience``: seconds after which a limit starves."""
        self._limits = store.limits
        self._patience_ms = round(patience * 1000)

    def run_once(self) -> int:
        """How many keys were looked at."""
        total = 0
        for _ in range(_CALLS):
            looked, _lost = self._limits.look(_BATCH, self._patience_ms)
            total += looked
            if looked == 0:
                break
        return total
