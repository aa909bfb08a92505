"""What the history of a job says about its emissions, added up while it grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Lock
from typing import Any, TypeAlias, cast

from flowforge.codec.binary import unpack_record
from flowforge.errors import RecordError
from flowforge.model.invocation_id import InvocationName
from flowforge.model.jobs.status import COMMITTED, AttemptOutcome
from flowforge.store.history import history_details
from flowforge.store.reading import typed
from flowforge.store.store import Store

#: Entries of one exchange, and exchanges of one look: a long history takes several looks.
PAGE = 500
_PAGES = 3

#: Indexes of a routine and of a slot.
Place: TypeAlias = tuple[int, int]

_FAILED = frozenset({AttemptOutcome.FAILED, "quarantined"})

#: Failed invocations that are known one by one.
_MOST_FAILED = 1000


class HistoryCounts:
    """Adds up the history of one job; each look goes on where the one before ended.

    ``ends``: routine index -> invocations whose attempt has ended them. ``emitted``: routine index
    and event -> emissions. ``ended``: place -> invocations that have ended, without the first one.
    """

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._after = "-"
        self._lock = Lock()
        self.ends: Counter[int] = Counter()
        self.emitted: Counter[tuple[int, str]] = Counter()
        self.ended: Counter[Place] = Counter()
        self._failed: dict[str, Place] = {}

    def failed(self) -> Counter[Place]:
        """Place -> invocations that have failed the job, and have not run again."""
        with self._lock:
            return Counter(self._failed.values())

    def look(self, store: Store, others: Sequence[Sequence[str | int]]) -> tuple[bool, list[Any]]:
        """Read what has come; whether that is all, and what the server answers to ``others`` with
        the last of it.
        """
        key = store.keys.of("history", self._job_id)
        with self._lock:
            for page in range(_PAGES):
                entries = ("XRANGE", key, self._after, "+", "COUNT", PAGE)
                raws, *replies = store.link.many([entries, *others])
                for raw in raws:
                    self._add(raw)
                if len(raws) < PAGE or page == _PAGES - 1:
                    break
            return len(raws) < PAGE, replies

    def _add(self, raw: list[Any]) -> None:
        self._after = f"({raw[0].decode()}"
        try:
            pairs = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
            kind, text = pairs[b"k"].decode(), pairs[b"t"].decode()
            named = InvocationName.parse(text) if text else None
        except (ValueError, KeyError):
            # A damaged one is not counted; reading the history says what is wrong with it.
            return
        if kind == "retry":
            self._failed.clear()
        if named is None:
            return
        place = (named.routine, named.slot)
        if kind in _FAILED and len(self._failed) < _MOST_FAILED:
            self._failed[text] = place
        elif kind in COMMITTED or kind == "skipped_by_hand":
            self._failed.pop(text, None)
            self._add_end(named, kind, pairs[b"p"])

    def _add_end(self, named: InvocationName, kind: str, packed: bytes) -> None:
        emitted = _emitted(kind, packed)
        if emitted is None:
            return
        if kind in COMMITTED:
            self.ends[named.routine] += 1
        if named.number > 1:
            self.ended[named.routine, named.slot] += 1
        for event, times in emitted.items():
            self.emitted[named.routine, event] += times


def _emitted(kind: str, packed: bytes) -> dict[str, int] | None:
    """Event -> how often; None where the entry is damaged."""
    what = "a history entry"
    try:
        if kind not in COMMITTED:
            return cast("dict[str, int]", history_details(kind, packed, what)["emitted"])
        # The rest is as large as params and tracebacks are.
        found: dict[str, int] = typed(unpack_record(packed, what, 6)[3], dict)
    except (RecordError, TypeError):
        return None
    return found
