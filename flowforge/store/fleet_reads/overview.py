"""Reading a fleet as a whole: its jobs by status, its leases and timers, who leads.

What concerns one job is in :mod:`flowforge.store.job_reads.inspector`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from flowforge.model.jobs.status import ACTIVE, JobStatus
from flowforge.store.job_reads.job_rows import ActiveJob, JobRows, UnreadableRow
from flowforge.store.reading import moment, reading, within_time
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

    def newest(self, status: str | None, limit: int) -> list[tuple[str, datetime]]:
        """Newest jobs first, with their creation times."""
        found = self._indexed(tuple(JobStatus) if status is None else (status,), limit)
        found.sort(reverse=True)
        return [(name, moment(score)) for score, name in found[:limit]]

    def oldest(self) -> dict[str, tuple[datetime, str]]:
        """Of each status of jobs that have not ended the job that was created first, and when."""
        commands = [
            ("ZRANGE", self._keys.of("status", status), 0, 0, "WITHSCORES") for status in ACTIVE
        ]
        return {
            status.value: (
                moment(within_time(reply[1])),
                reply[0].decode(errors="backslashreplace"),
            )
            for status, reply in zip(ACTIVE, self._link.many(commands), strict=True)
            if reply
        }

    def active(self, most: int, *, oldest: bool = False) -> Iterator[ActiveJob | UnreadableRow]:
        """Of each status the ``most`` newest, or oldest, jobs that have not ended."""
        found = self._indexed(ACTIVE, most, oldest=oldest)
        return self._rows.active([job_id for _, job_id in found])

    def _indexed(
        self, statuses: Sequence[str], most: int, *, oldest: bool = False
    ) -> list[tuple[int, str]]:
        """Of each status the ``most`` newest, or oldest, jobs, behind their times of creation."""
        if most == 0:
            # The last place would be -1, which means the last of all.
            return []
        order = () if oldest else ("REV",)
        commands = [
            ("ZRANGE", self._keys.of("status", status), 0, most - 1, *order, "WITHSCORES")
            for status in statuses
        ]
        return [
            (within_time(score), name.decode(errors="backslashreplace"))
            for reply in self._link.many(commands)
            for name, score in zip(reply[::2], reply[1::2], strict=True)
        ]

    def without_children(self, job_ids: Sequence[str]) -> list[str]:
        """Those jobs of which no job that they have started goes on."""
        counts = self._link.many([("HLEN", self._keys.of("children", one)) for one in job_ids])
        return [job_id for job_id, count in zip(job_ids, counts, strict=True) if not count]

    def known_keys(self, keys: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether there are jobs with these keys: each ``idempotency``, ``single`` or ``debounce``
        and its name.
        """
        found = self._link.many([("EXISTS", self._keys.of(*key)) for key in keys])
        return [bool(count) for count in found]

    def job_with_key(self, idempotency_key: str) -> str | None:
        """The job with this key; None when there is none."""
        found = self._link.call("GET", self._keys.of("idempotency", idempotency_key))
        with reading("the job of an idempotency key"):
            return None if found is None else str(found.decode())

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
