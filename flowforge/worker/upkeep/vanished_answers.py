"""Taking answers out of the lists whose jobs are gone."""

from __future__ import annotations

from flowforge.store.store import Store

#: Expectations that one call looks at, about 0.2 ms of the server's time.
_LOOK = 100

#: Calls in a row, so that other duties get their turn.
_CALLS = 10


class VanishedAnswers:
    """Goes around the index of all open expectations, then around that of each assignee.

    The end of a job takes them out; here are those of jobs that were deleted by hand, and of failed
    ones whose keys have expired while no worker did the upkeep.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        #: Which index is looked at, from where on; the assignees behind it, and from where on there
        #: are more of them.
        self._name, self._cursor = "", "0"
        self._names: list[str] = []
        self._names_cursor: str | None = "0"

    def run_once(self) -> int:
        """How many entries were taken out."""
        total = 0
        for _ in range(_CALLS):
            self._cursor, gone = self._store.upkeep.forget_vanished_answers(
                self._name, self._cursor, _LOOK
            )
            total += gone
            if self._cursor == "0" and not self._next():
                break
        return total

    def _next(self) -> bool:
        """Go on to the next index; False: all have been looked at."""
        if not self._names and self._names_cursor is not None:
            cursor, self._names = self._store.expectations.assignees(self._names_cursor, _LOOK)
            self._names_cursor = None if cursor == "0" else cursor
        if self._names:
            self._name = self._names.pop()
            return True
        again = self._names_cursor is not None
        self._name = ""
        if not again:
            self._names_cursor = "0"
        return again
