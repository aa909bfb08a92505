"""Signs that something is wrong with an installation, by bounded looks at its indexes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from flowforge.errors import CorruptRecordError
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.error_groups import ErrorGroups
from flowforge.store.job_reads.job_rows import JobRows
from flowforge.store.reading import whole, within_time
from flowforge.store.store import Store

#: The newest jobs of a status that are looked at, and timers that are due next.
_SAMPLE = 500

#: The reason of a job that was quarantined, and the type of the error.
_QUARANTINED, _QUARANTINED_TYPE = "quarantined", "Quarantined"

#: Jobs whose attempts are looked at, and invocations of each.
_ACTIVE = 200
_ATTEMPTS = 500


class RecentEnds(NamedTuple):
    """Jobs that have ended lately; of the failed ones the reasons, and ids of quarantined ones.

    ``more_completed``, ``more_failed``: there may be more than these, which were not looked at.
    ``undone``: those of the quarantined ones that no retry continues.
    """

    completed: int
    failed: int
    reasons: Counter[str]
    quarantined: list[str]
    more_completed: bool
    more_failed: bool
    undone: Collection[str]


class _End(NamedTuple):
    """``at``: milliseconds. ``is_undone``: whether what the job did is undone, or is to be."""

    job_id: str
    at: int
    reason: str
    is_undone: bool


class LostWorkers(NamedTuple):
    """An invocation that has lost workers, and how many."""

    job_id: str
    invocation: str
    workers: int


class WarningSigns:
    """Reads one installation."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._rows = JobRows(store)
        self._groups = ErrorGroups(store)

    def ended_since(self, since: int) -> RecentEnds:
        """Of the newest 500 completed and failed jobs those that ended after ``since`` (ms).

        Quarantined ones are named also where there are more failed jobs.
        """
        completed, more_completed = self._completed_since(since)
        newest = self._newest(JobStatus.FAILED, _SAMPLE)
        ends = [one for one in self._ends(newest) if one.at >= since]
        reasons = Counter(one.reason for one in ends)
        failed = len(ends)
        quarantined = {one.job_id: one for one in ends if one.reason == _QUARANTINED}
        if len(newest) == _SAMPLE:
            named = {one.job_id: one for one in self._quarantined_since(since)}
            quarantined = {**quarantined, **named}
        return RecentEnds(
            completed, failed, reasons, list(quarantined), more_completed, failed == _SAMPLE,
            {job_id for job_id, one in quarantined.items() if one.is_undone},
        )  # fmt: skip

    def _quarantined_since(self, since: int) -> list[_End]:
        """Those that the groups of errors name, which are the latest ten of each routine."""
        named = {
            job_id: None
            for group in self._groups.read(since, [])
            if group.identity.type == _QUARANTINED_TYPE
            for job_id, at in group.jobs.items()
            if at >= since
        }
        ends = self._ends(list(named), JobStatus.FAILED)
        return [one for one in ends if one.at >= since and one.reason == _QUARANTINED]

    def _ends(self, job_ids: Sequence[str], status: JobStatus | None = None) -> Iterator[_End]:
        """Those of the jobs that can be read; ``status``: only of these."""
        for job_id, row in self._rows.many(job_ids, "ended", "reason", "status", "undo"):
            if isinstance(row, CorruptRecordError):
                continue
            if status is None or row[2] == status.encode():
                reason = (row[1] or b"").decode(errors="backslashreplace")
                yield _End(job_id, _number(row[0]), reason, row[3] is not None)

    def _completed_since(self, since: int) -> tuple[int, bool]:
        """How many, and whether there may be more than were looked at.

        A job that was created since then has ended since then, which its row need not say.
        """
        created = self._link.call(
            "ZRANGE", self._keys.of("status", JobStatus.COMPLETED), 0, _SAMPLE - 1, "REV",
            "WITHSCORES",
        )  # fmt: skip
        earlier = [
            name.decode(errors="backslashreplace")
            for name, score in zip(created[::2], created[1::2], strict=True)
            if within_time(score) < since
        ]
        looked_at = len(created) // 2
        ended = sum(one.at >= since for one in self._ends(earlier))
        return looked_at - len(earlier) + ended, looked_at == _SAMPLE

    def waiting_attempts(self) -> Counter[str]:
        """Job -> its invocations among the 500 timers that are due next, without those that were
        put off: no worker has claimed or given back one of them.
        """
        members = self._link.call("ZRANGE", self._keys.of("timers"), 0, _SAMPLE - 1)
        parts = (member.decode(errors="backslashreplace").partition("/") for member in members)
        found = [(job_id, about) for job_id, _, about in parts if about[:1].isdigit()]
        key = self._keys.of
        tried = self._link.many(
            [("HMGET", key("claims", job_id), about, f"u{about}") for job_id, about in found]
        )
        pairs = zip(found, tried, strict=True)
        return Counter(job_id for (job_id, _), counts in pairs if counts != [None, None])

    def flows_of(self, job_ids: Sequence[str]) -> dict[str, str]:
        """The flow ids of the jobs that can be read."""
        return {
            job_id: row[0].decode(errors="backslashreplace")
            for job_id, row in self._rows.many(job_ids, "flow")
            if not isinstance(row, CorruptRecordError) and row[0] is not None
        }

    def lost_workers(self, least: int) -> list[LostWorkers]:
        """Invocations of the 200 newest running jobs that have lost ``least`` workers or more."""
        jobs = self._newest(JobStatus.RUNNING, _ACTIVE)
        key = self._keys.of
        pages = self._link.many(
            [("HSCAN", key("claims", one), 0, "MATCH", "l*", "COUNT", _ATTEMPTS) for one in jobs]
        )
        found = [
            LostWorkers(job_id, field[1:].decode(errors="backslashreplace"), _number(count))
            for job_id, (_, page) in zip(jobs, pages, strict=True)
            for field, count in zip(page[::2], page[1::2], strict=True)
        ]
        return [one for one in found if one.workers >= least]

    def expired_jobs(self, before: int) -> int:
        """Ended jobs whose retention was over before that time, in milliseconds."""
        count: int = self._link.call("ZCOUNT", self._keys.of("expiry"), "-inf", f"({before}")
        return count

    def _newest(self, status: str, most: int) -> Sequence[str]:
        members = self._link.call("ZRANGE", self._keys.of("status", status), 0, most - 1, "REV")
        return [member.decode(errors="backslashreplace") for member in members]


def _number(raw: bytes | None) -> int:
    """A number of a row; 0 for what is none."""
    try:
        return whole(raw or 0)
    except ValueError:
        return 0
