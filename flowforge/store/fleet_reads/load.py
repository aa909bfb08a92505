"""How much waits on one server, and for how long: bounded looks at the indexes over all jobs."""

from __future__ import annotations

import time
from collections import Counter
from typing import NamedTuple

from flowforge.model.jobs.status import JobStatus
from flowforge.store.job_reads.job_rows import JobRows
from flowforge.store.job_reads.work_left import WORK
from flowforge.store.reading import whole
from flowforge.store.server.check import Memory, read_memory
from flowforge.store.store import Store

#: Push numbers to a millisecond, and the first one that is a time, as the scripts have them.
_PER_MS = 100
_FIRST_TIME = 10**14

#: Broker lists that are looked at, by name; jobs of each status that are, the newest first.
_LISTS = 200
_JOBS = 500

#: Rows that one exchange asks for.
_PAGE = 250


class ListLoad(NamedTuple):
    """A broker list. ``oldest_ms``: since the push of the oldest unclaimed message; 0 for none."""

    name: str
    length: int
    unclaimed: int
    oldest_ms: int


class Delays(NamedTuple):
    """Leases or timers: how many, how many overdue, and for how many milliseconds the first is."""

    total: int
    overdue: int
    latest_ms: int


class Upkeep(NamedTuple):
    """What the upkeep has before it."""

    leases: Delays
    timers: Delays
    schedules: Delays
    #: Ended jobs whose retention is over, and keys that wait for their deletion.
    expired: int
    deletions: int
    damaged: int


class ServerLoad:
    """Reads one server."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._rows = JobRows(store)

    def latency(self) -> float:
        """Seconds from a question to the server's answer."""
        self._link.call("PING")  # the first one connects
        began = time.perf_counter()
        self._link.call("PING")
        return time.perf_counter() - began

    def memory(self) -> Memory:
        """What the server uses and may use."""
        return read_memory(self._link)

    def lists(self, now: int) -> list[ListLoad]:
        """Each list that a message was ever pushed to. ``now``: milliseconds."""
        names = sorted(self._link.call("HKEYS", self._keys.of("sequences")))[:_LISTS]
        found = []
        for raw in names:
            name = raw.decode(errors="backslashreplace")
            key = self._keys.of("unclaimed", name)
            length, unclaimed, oldest = self._link.many(
                [("LLEN", name), ("ZCARD", key), ("ZRANGE", key, 0, 0, "WITHSCORES")]
            )
            number = int(float(oldest[1])) if oldest else 0
            since = now - number // _PER_MS if number >= _FIRST_TIME else 0
            found.append(ListLoad(name, length, unclaimed, max(0, since)))
        return found

    def work(self) -> dict[str, Counter[str]]:
        """Status → where the invocations of its jobs are (see ``work_left``), of the 500 newest
        jobs of each status that keeps work; ``held``: those parked of jobs that wait for a turn.
        """
        found: dict[str, Counter[str]] = {}
        kept = (JobStatus.PENDING, JobStatus.RUNNING, JobStatus.PAUSED, JobStatus.FAILED)
        for status in kept:
            counts = found[status.value] = Counter()
            index = self._keys.of("status", status)
            newest = self._link.call("ZRANGE", index, 0, _JOBS - 1, "REV")
            jobs = [raw.decode(errors="backslashreplace") for raw in newest]
            for start in range(0, len(jobs), _PAGE):
                page = jobs[start : start + _PAGE]
                for _, row in self._rows.many(page, "held", *WORK.values()):
                    if isinstance(row, list):
                        held, *numbers = row
                        work = dict(zip(WORK, map(_number, numbers), strict=True))
                        counts.update(work)
                        counts["held"] += 0 if held is None else work["parked"]
        return found

    def flows(self, flow_ids: list[str]) -> dict[str, dict[JobStatus, int]]:
        """How many jobs of each flow there are by status, and under '' all others."""
        statuses = tuple(JobStatus)
        fields = [f"{status}/{flow_id}" for flow_id in flow_ids for status in statuses]
        cards = [("ZCARD", self._keys.of("status", status)) for status in statuses]
        commands = [("HMGET", self._keys.of("flow_counts"), *fields)] if fields else []
        totals = self._link.many([*cards, *commands])
        rest = dict(zip(statuses, totals, strict=False))
        counts = totals[len(statuses)] if fields else []
        found: dict[str, dict[JobStatus, int]] = {}
        for at, flow_id in enumerate(flow_ids):
            row = [whole(raw or 0) for raw in counts[at * len(statuses) : (at + 1) * len(statuses)]]
            found[flow_id] = dict(zip(statuses, row, strict=True))
            rest = {status: rest[status] - found[flow_id][status] for status in statuses}
        found[""] = {status: max(0, count) for status, count in rest.items()}
        return found

    def upkeep(self, now: int) -> Upkeep:
        """What is due at that time, in milliseconds."""
        key = self._keys.of
        expired, deletions, damaged = self._link.many(
            [
                ("ZCOUNT", key("expiry"), "-inf", f"({now}"),
                ("LLEN", key("deletions")),
                ("HLEN", key("damaged")),
            ]
        )
        return Upkeep(
            self._delays("leases", now),
            self._delays("timers", now),
            self._delays("schedules", now),
            expired,
            deletions,
            damaged,
        )

    def _delays(self, index: str, now: int) -> Delays:
        key = self._keys.of(index)
        total, overdue, first = self._link.many(
            [
                ("ZCARD", key),
                ("ZCOUNT", key, "-inf", f"({now}"),
                ("ZRANGE", key, 0, 0, "WITHSCORES"),
            ]
        )
        # One that has ended is due at infinity.
        latest = now - min(float(first[1]), now) if first else 0
        return Delays(total, overdue, int(latest))

    def dead_letters(self) -> tuple[int, int]:
        """Refused messages that are kept, and how many there ever were."""
        kept, ever = self._link.many(
            [
                ("ZCARD", self._keys.of("dead_letters")),
                ("GET", self._keys.of("dead_letter_number")),
            ]
        )
        return kept, whole(ever or 0)


def _number(raw: bytes | None) -> int:
    """A number of a row; 0 for what is none."""
    try:
        return whole(raw or 0)
    except ValueError:
        return 0
