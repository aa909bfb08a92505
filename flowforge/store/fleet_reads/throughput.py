"""What each flow did in each of the latest minutes, and in each quarter of an hour of the last day:
its totals then, compared with those before.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from flowforge.common.lru_cache import Recent
from flowforge.errors import CommandRefusedError, CorruptRecordError
from flowforge.model.jobs.status import AttemptOutcome, JobStatus
from flowforge.store.fleet_reads.totals import OUTCOMES, TIMED, Totals
from flowforge.store.reading import reading, whole
from flowforge.store.store import Store

#: Minutes for which each is kept.
KEPT_MINUTES = 240

#: One of so many is kept for a day, and an hour more.
QUARTER = 15
KEPT_QUARTERS = 25 * 60

#: Minutes that a reader remembers: those of a day, and those of four hours.
_REMEMBERED = KEPT_MINUTES + KEPT_QUARTERS // QUARTER

_ENDS = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)

#: Minutes that one exchange reads.
_PAGE = 60

#: Minutes after which no worker keeps a minute any more.
_OVER = 5


class Done(NamedTuple):
    """What a flow did in some time; or as it is kept, all that it has done until then."""

    created: int
    completed: int
    failed: int
    cancelled: int
    attempts: int
    #: Attempts that raised, and those whose worker was lost.
    failed_attempts: int
    lost_attempts: int

    @property
    def ended(self) -> int:
        """Jobs that ended."""
        return self.completed + self.failed + self.cancelled

    def plus(self, other: Done) -> Done:
        """Both together."""
        return Done(*(one + more for one, more in zip(self, other, strict=True)))

    def since(self, before: Done) -> Done:
        """What came after ``before``."""
        # A total that is smaller began again.
        pairs = zip(self, before, strict=True)
        return Done(*(now - then if now >= then else now for now, then in pairs))


NOTHING = Done(0, 0, 0, 0, 0, 0, 0)


class Throughput:
    """Keeps and reads the minutes of one server's flows.

    It remembers what it has read: a minute that was kept does not change, and one that was not is
    never kept later.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._link = store.link
        self._keys = store.keys
        self._totals = Totals(store)
        self._read: Recent[int, dict[str, Done]] = Recent(_REMEMBERED)

    def keep(self) -> bool:
        """Keep the totals of this minute, unless they are kept already: whether they were not."""
        minute = self._minute()
        if self._link.call("EXISTS", self._keys.of("minute", str(minute))):
            return False
        totals = {flow: " ".join(map(str, done)) for flow, done in self._now().items()}
        if not totals:
            return False
        kept = KEPT_MINUTES if minute % QUARTER else KEPT_QUARTERS
        return self._store.tallies.keep_minute(minute, kept * 60_000, totals)

    def read(self, count: int, minutes: int = 1) -> dict[str, list[Done | None]]:
        """By flow what it did in each of the latest ``count`` whole times of so many ``minutes``,
        the oldest first; None where no worker kept the totals, or something else wrote them. The
        flows without totals of their own are together under ''. For more than four hours,
        ``minutes`` is a multiple of QUARTER.
        """
        latest = self._minute() // minutes * minutes
        kept = self._kept(range(latest - count * minutes, latest + 1, minutes))
        flows = {flow for totals in kept if totals is not None for flow in totals}
        found: dict[str, list[Done | None]] = {flow: [] for flow in sorted(flows)}
        for before, after in pairwise(kept):
            for flow, done in found.items():
                if before is None or after is None:
                    done.append(None)
                else:
                    done.append(after.get(flow, NOTHING).since(before.get(flow, NOTHING)))
        return found

    def _minute(self) -> int:
        return int(self._link.call("TIME")[0]) // 60

    def _kept(self, minutes: range) -> list[dict[str, Done] | None]:
        found = {minute: self._read.get(minute) for minute in minutes}
        unread = [minute for minute, totals in found.items() if totals is None]
        over = minutes[-1] - _OVER
        for start in range(0, len(unread), _PAGE):
            page = unread[start : start + _PAGE]
            for minute, reply in zip(page, self._replies(page), strict=True):
                totals = _totals(reply)
                if totals or minute < over:
                    found[minute] = self._read.add(minute, totals)
        return [found[minute] or None for minute in minutes]

    def _replies(self, minutes: Sequence[int]) -> list[list[bytes]]:
        """What is kept of each; nothing of one whose key is of another type."""
        commands = [("HGETALL", self._keys.of("minute", str(minute))) for minute in minutes]
        try:
            return self._link.many(commands)
        except CommandRefusedError:
            return [self._reply(command) for command in commands]

    def _reply(self, command: Sequence[str]) -> list[bytes]:
        try:
            found: list[bytes] = self._link.call(*command)
        except CommandRefusedError:
            return []
        return found

    def _now(self) -> dict[str, Done]:
        """All that each flow has done until now."""
        attempts: Counter[str] = Counter()
        failed: Counter[str] = Counter()
        lost: Counter[str] = Counter()
        for name, totals in self._totals.attempts().items():
            counts = totals.outcomes
            ended = sum(counts[outcome] for outcome in TIMED)
            attempts[name.flow_id] += ended
            failed[name.flow_id] += ended - counts[OUTCOMES[0]]
            lost[name.flow_id] += counts[AttemptOutcome.LOST]
        found = {}
        for flow, jobs in self._totals.jobs().items():
            ends = {status: jobs.ended[status].count for status in jobs.ended}
            completed, failed_jobs, cancelled = (ends.get(status, 0) for status in _ENDS)
            found[flow] = Done(
                jobs.events.get("created", 0), completed, failed_jobs, cancelled,
                attempts[flow], failed[flow], lost[flow],
            )  # fmt: skip
        return found


def _totals(reply: list[bytes]) -> dict[str, Done]:
    """By flow; nothing for a minute that no worker has written so."""
    try:
        with reading("a minute of flows"):
            return {
                flow.decode(errors="backslashreplace"): Done(*map(whole, text.split(b" ")))
                for flow, text in zip(reply[::2], reply[1::2], strict=True)
            }
    except CorruptRecordError:
        return {}
