"""What jobs and attempts have come to since the fleet began: counts and times, by flow and slot.

Totals only grow: the difference of two readings is what was between. Jobs are counted by the
scripts that create and end them, attempts by the processes that run them (``Tallies``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import NamedTuple

from flowforge.model.jobs.status import AttemptOutcome, JobStatus
from flowforge.store.reading import reading, whole
from flowforge.store.store import Store

#: Outcomes in the order of their counters, from counter 0 on. The order is stored.
OUTCOMES = (
    AttemptOutcome.COMPLETED, AttemptOutcome.FAILED, AttemptOutcome.RETRIED,
    AttemptOutcome.ERROR_CONTINUED, AttemptOutcome.SKIPPED, AttemptOutcome.LOST,
    AttemptOutcome.RELEASED, AttemptOutcome.DROPPED,
)  # fmt: skip

#: Outcomes of attempts that took time: their handler has returned or raised.
TIMED = OUTCOMES[:5]

#: Buckets of a histogram: bucket b has what took less than 2**b milliseconds and no less than half
#: of it; the last has all that took longer. LAST_BUCKET of the scripts.
BUCKETS = 26

#: Upper bounds of all buckets but the last, in seconds.
BOUNDS = tuple(2**bucket / 1000 for bucket in range(BUCKETS - 1))

#: Counters behind the outcomes: microseconds in handlers, milliseconds between push and claim, and
#: milliseconds for which retries were put off; then the buckets of the same three.
RUN, QUEUED, RETRY = (len(OUTCOMES) + n for n in range(3))
RUN_BUCKETS, QUEUED_BUCKETS, RETRY_BUCKETS = (len(OUTCOMES) + 3 + n * BUCKETS for n in range(3))
COUNTERS = len(OUTCOMES) + 3 + 3 * BUCKETS

#: Counters of a connection: its deliveries, milliseconds that they waited from push to claim, and
#: their buckets.
DELIVERED, WAITED, WAITED_BUCKETS = range(3)

_SLOT = Struct(f">{COUNTERS}q")
_CONNECTION = Struct(f">{WAITED_BUCKETS + BUCKETS}q")

#: Totals that one command reads.
_PAGE = 100


#: How events of schedules begin, as ``schedules.lua`` writes them. Exporters of earlier releases
#: pass over events that they do not know; any other histogram would be an error to them.
_SKIPPED, _BEHIND = "skipped/", "behind/"


class SlotName(NamedTuple):
    """A slot of a routine. All three are empty for those that have no totals of their own."""

    flow_id: str
    routine_id: str
    slot: str


def bucket_of(milliseconds: int) -> int:
    """The bucket of a time."""
    return min(milliseconds.bit_length(), BUCKETS - 1)


@dataclass(frozen=True)
class Histogram:
    """Times by bucket, and their sum in seconds."""

    counts: tuple[int, ...]
    seconds: float

    @property
    def count(self) -> int:
        return sum(self.counts)

    def __add__(self, other: Histogram) -> Histogram:
        pairs = zip(self.counts, other.counts, strict=True)
        return Histogram(tuple(a + b for a, b in pairs), self.seconds + other.seconds)


@dataclass(frozen=True)
class AttemptTotals:
    """Attempts at the invocations of a slot, or of several."""

    counters: tuple[int, ...]

    def __add__(self, other: AttemptTotals) -> AttemptTotals:
        pairs = zip(self.counters, other.counters, strict=True)
        return AttemptTotals(tuple(a + b for a, b in pairs))

    @property
    def outcomes(self) -> dict[AttemptOutcome, int]:
        """How many there were of each outcome."""
        return dict(zip(OUTCOMES, self.counters, strict=False))

    @property
    def run(self) -> Histogram:
        """Time in handlers, of the outcomes in ``TIMED``."""
        return self._histogram(RUN_BUCKETS, self.counters[RUN] / 1e6)

    @property
    def queued(self) -> Histogram:
        """Time from the push of the message to the claim, of the same."""
        return self._histogram(QUEUED_BUCKETS, self.counters[QUEUED] / 1e3)

    @property
    def retry(self) -> Histogram:
        """Time for which attempts that are made again were put off."""
        return self._histogram(RETRY_BUCKETS, self.counters[RETRY] / 1e3)

    def _histogram(self, first: int, seconds: float) -> Histogram:
        return Histogram(self.counters[first : first + BUCKETS], seconds)


class ConnectionName(NamedTuple):
    """A connection, as ``Connection`` writes it. Both are empty for those without totals of their
    own.
    """

    flow_id: str
    connection: str


class ConnectionTotals(NamedTuple):
    """What a connection has carried. ``queued``: of deliveries to a slot that no other connection
    leads to, the time from the push of the message to the claim.
    """

    delivered: int
    queued: Histogram


NO_ATTEMPTS = AttemptTotals((0,) * COUNTERS)


@dataclass
class JobTotals:
    """Jobs of a flow."""

    #: ``created``, ``retried`` (a failed one), ``quarantined``, ``late``, ``too_late`` (it has
    #: missed a deadline), ``timed_out`` (attempts), ``scheduled`` (a schedule has started it) → how
    #: many.
    events: dict[str, int] = field(default_factory=dict)
    #: Status → how long the jobs took that have ended in it, from their creation.
    ended: dict[JobStatus, Histogram] = field(default_factory=dict)

    @property
    def skipped(self) -> dict[str, int]:
        """Why times of schedules have started no job → how many."""
        return {
            name.removeprefix(_SKIPPED): count
            for name, count in self.events.items()
            if name.startswith(_SKIPPED)
        }

    @property
    def behind(self) -> Histogram | None:
        """By how much jobs of schedules were created behind their times; None without any."""
        counts = tuple(self.events.get(f"{_BEHIND}{one}", 0) for one in range(BUCKETS))
        return Histogram(counts, self.events.get(f"{_BEHIND}ms", 0) / 1e3) if any(counts) else None


class Totals:
    """Reads the totals of one fleet on one server."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys

    def attempts(self) -> dict[SlotName, AttemptTotals]:
        """Of each slot that has had any; the empty name has those without totals of their own."""
        names = self._names("slot")
        found = {}
        for name, raw in zip(names, self._strings("attempt_totals", names), strict=True):
            if raw is not None:
                found[_slot_name(name)] = _attempts(raw)
        return found

    def connections(self) -> dict[ConnectionName, ConnectionTotals]:
        """Of each connection that has carried any; the empty name as with ``attempts``."""
        names = self._names("connection")
        found = {}
        for name, raw in zip(names, self._strings("connection_totals", names), strict=True):
            if raw is not None:
                flow_id, _, connection = _text(name).partition("\n")
                found[ConnectionName(flow_id, connection)] = _carried(raw)
        return found

    def _names(self, kind: str) -> list[bytes]:
        """The names that have totals of their own, behind that of all others."""
        return [b"", *self._link.call("ZRANGE", self._keys.of("named", kind), 0, -1)]

    def of_routine(self, flow_id: str, routine_id: str) -> AttemptTotals:
        """Of all slots of a routine."""
        first = f"{flow_id}\n{routine_id}\n".encode()
        names = self._link.call("ZRANGE", self._keys.of("named", "slot"), 0, -1)
        found = self._strings("attempt_totals", [n for n in names if n.startswith(first)])
        return sum((_attempts(raw) for raw in found if raw is not None), NO_ATTEMPTS)

    def of_worker(self, worker: str) -> dict[SlotName, dict[int, int]]:
        """Counters of the attempts that a worker has made: the outcomes, and ``RUN``."""
        reply = self._link.call("HGETALL", self._keys.of("worker_totals", worker))
        found: dict[SlotName, dict[int, int]] = defaultdict(dict)
        with reading(f"the totals of worker {worker}"):
            for field_, value in _pairs(reply):
                name, _, counter = field_.rpartition(b"\n")
                found[_slot_name(name)][whole(counter)] = whole(value)
        return dict(found)

    def flows(self) -> list[str]:
        """The flows that have totals of their own, in the order in which they were met."""
        return [
            _text(raw) for raw in self._link.call("ZRANGE", self._keys.of("named", "flow"), 0, -1)
        ]

    def jobs(self) -> dict[str, JobTotals]:
        """By flow; the empty id has the flows without totals of their own."""
        counts: dict[str, dict[JobStatus, list[int]]] = {}
        millis: dict[str, dict[JobStatus, int]] = {}
        found: dict[str, JobTotals] = defaultdict(JobTotals)
        with reading("the totals of jobs"):
            for raw, value in self._scan(self._keys.of("job_totals")):
                flow, *what = _text(raw).split("\n")
                if len(what) == 1:
                    found[flow].events[what[0]] = whole(value)
                    continue
                status = JobStatus(what[0])
                if what[1] == "ms":
                    millis.setdefault(flow, {})[status] = whole(value)
                else:
                    empty = [0] * BUCKETS
                    buckets = counts.setdefault(flow, {}).setdefault(status, empty)
                    buckets[whole(what[1])] = whole(value)
        for flow, statuses in counts.items():
            for status, buckets in statuses.items():
                seconds = millis.get(flow, {}).get(status, 0) / 1e3
                found[flow].ended[status] = Histogram(tuple(buckets), seconds)
        return dict(found)

    def _scan(self, key: str) -> Iterator[tuple[bytes, bytes]]:
        """The pairs of a hash; one that grows meanwhile may have some of them twice."""
        cursor = b"0"
        while True:
            cursor, page = self._link.call("HSCAN", key, cursor, "COUNT", 1000)
            yield from _pairs(page)
            if cursor == b"0":
                return

    def _strings(self, kind: str, names: Sequence[bytes]) -> list[bytes | None]:
        found: list[bytes | None] = []
        for start in range(0, len(names), _PAGE):
            keys = [self._keys.of(kind, _text(n)) for n in names[start : start + _PAGE]]
            found += self._link.call("MGET", *keys)
        return found


def _attempts(raw: bytes) -> AttemptTotals:
    return AttemptTotals(_counters(_SLOT, raw))


def _carried(raw: bytes) -> ConnectionTotals:
    counters = _counters(_CONNECTION, raw)
    times = Histogram(counters[WAITED_BUCKETS:], counters[WAITED] / 1e3)
    return ConnectionTotals(counters[DELIVERED], times)


def _counters(stored: Struct, raw: bytes) -> tuple[int, ...]:
    # A string ends with the last counter that was ever changed.
    return stored.unpack(raw[: stored.size].ljust(stored.size, b"\0"))


def _slot_name(raw: bytes) -> SlotName:
    parts = _text(raw).split("\n")
    return SlotName(*parts) if len(parts) == 3 else SlotName("", "", "")


def _text(raw: bytes) -> str:
    return raw.decode(errors="backslashreplace")


def _pairs(reply: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    return zip(reply[::2], reply[1::2], strict=True)
