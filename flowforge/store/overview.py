"""Reading a fleet as a whole: its jobs by status, its leases and timers, who leads.

What concerns one job is in :mod:`flowforge.store.inspector`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from flowforge.model.status import ACTIVE, JobStatus
from flowforge.store.job_rows import (
    ActiveJob,
    JobRows,
    UnreadableRow,
)
from flowforge.store.reading import LAST_TIME, moment, reading
from flowforge.store.store import Store


class Delays(NamedTuple):
    """How many leases or timers are set, and how many of them are overdue."""

    total: int
    overdue: int


class Overview:
    """Reads what concerns all jobs of one fleet."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._rows = JobRows(store)

    # --- jobs ----------------------------------------------------------------------------

    def counts(self) -> dict[str, int]:
        """How many jobs there are by status."""
        replies = self._link.many([("ZCARD", self._keys.of("status", s)) for s in JobStatus])
        return {status.value: count for status, count in zip(JobStatus, replies, strict=True)}

    def newest(
        self, status: str | None, limit: int, *, oldest: bool = False
    ) -> list[tuple[str, datetime]]:
        """Newest jobs first, with their creation times; none for a ``limit`` of 0. ``oldest``: of
        each status those that were created first.
        """
        if limit == 0:
            # The last place would be -1, which means the last of all.
            return []
        wanted = tuple(JobStatus) if status is None else (status,)
        order = () if oldest else ("REV",)
        commands = [
            ("ZRANGE", self._keys.of("status", s), 0, limit - 1, *order, "WITHSCORES")
            for s in wanted
        ]
        found: list[tuple[int, str]] = []
        for reply in self._link.many(commands):
            found += [
                (_within_time(score), name.decode(errors="backslashreplace"))
                for name, score in zip(reply[::2], reply[1::2], strict=True)
            ]
        found.sort(reverse=True)
        return [(name, moment(score)) for score, name in found[:limit]]

    def active(self, most: int, *, oldest: bool = False) -> Iterator[ActiveJob | UnreadableRow]:
        """Of each status the ``most`` newest, or oldest, jobs that have not ended."""
        return self._rows.active(self._active_ids(most, oldest=oldest))

    def jobs_by_definition(self, most: int) -> list[str]:
        """One job for each definition that the ``most`` newest active jobs of each status have."""
        rows = self._rows.many(self._active_ids(most), "def")
        jobs = {row[0]: job_id for job_id, row in rows if isinstance(row, list) and row[0]}
        return list(jobs.values())

    def without_children(self, job_ids: Sequence[str]) -> list[str]:
        """Those jobs of which no job that they have started goes on."""
        counts = self._link.many([("HLEN", self._keys.of("children", one)) for one in job_ids])
        return [job_id for job_id, count in zip(job_ids, counts, strict=True) if not count]

    def known_keys(self, idempotency_keys: Sequence[str]) -> list[bool]:
        """Whether there are jobs with these keys."""
        name = self._keys.of
        found = self._link.many([("EXISTS", name("idempotency", key)) for key in idempotency_keys])
        return [bool(count) for count in found]

    def job_with_key(self, idempotency_key: str) -> str | None:
        """The job with this key; None when there is none."""
        found = self._link.call("GET", self._keys.of("idempotency", idempotency_key))
        with reading("the job of an idempotency key"):
            return None if found is None else str(found.decode())

    def _active_ids(self, most: int, *, oldest: bool = False) -> list[str]:
        return [
            job_id for status in ACTIVE for job_id, _ in self.newest(status, most, oldest=oldest)
        ]

    # --- the fleet -----------------------------------------------------------------------

    def now(self) -> int:
        """The server's time in milliseconds."""
        seconds, micros = self._link.call("TIME")
        return int(seconds) * 1000 + int(micros) // 1000

    def server_name(self) -> str:
        """The name that the server has for itself; empty before its first job."""
        name = self._link.call("GET", self._keys.of("server"))
        with reading("the server's own name"):
            return name.decode() if name else ""

    def leases(self, before: int) -> Delays:
        """Leases; overdue: those that expired before that time, in milliseconds."""
        return self._delays("leases", before)

    def timers(self, before: int) -> Delays:
        """Timers; overdue: those due before that time, in milliseconds."""
        return self._delays("timers", before)

    def _delays(self, index: str, before: int) -> Delays:
        key = self._keys.of(index)
        total, overdue = self._link.many([("ZCARD", key), ("ZCOUNT", key, "-inf", f"({before}")])
        return Delays(total, overdue)

    def has_leader(self) -> bool:
        """Whether a worker does the upkeep."""
        return bool(self._link.call("EXISTS", self._keys.of("leader")))

    def damaged(self) -> set[str]:
        """Members of indexes that made no sense and were passed over."""
        texts = self._link.call("HKEYS", self._keys.of("damaged"))
        return {text.decode(errors="replace") for text in texts}


def _within_time(score: bytes) -> int:
    """The milliseconds of an index, at most those of the last year that a datetime has."""
    return int(min(max(float(score), 0.0), LAST_TIME))
