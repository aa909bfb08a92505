"""The history of a job for those who follow it: page by page, and how the next entry is awaited."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import redis

from flowforge.model.definition import Definition
from flowforge.model.jobs.job_handle import HistoryEntry
from flowforge.model.jobs.status import ENDED, JobStatus
from flowforge.store.history import history_entry
from flowforge.store.job_reads.job_rows import JobRows, reading_row, status_of
from flowforge.store.reading import moment, whole
from flowforge.store.store import Store

#: Entries that are read at once.
PAGE = 500


class JobEnd(NamedTuple):
    """How a job ended. ``ended``: milliseconds."""

    status: JobStatus
    ended: int
    reason: str | None

    @property
    def at(self) -> datetime:
        return moment(self.ended)


class Page(NamedTuple):
    """Entries behind a place in the history.

    ``whole``: no entry between that place and them has been deleted, as far as is known.
    ``more``: there are more behind them.
    """

    entries: Sequence[HistoryEntry]
    whole: bool
    more: bool


class HistoryStream:
    """The history of one job, as a stream that goes on."""

    def __init__(self, store: Store, client: redis.Redis, job_id: str) -> None:
        self._link = store.link
        self._rows = JobRows(store)
        self._client = client
        self._job_id = job_id
        self._key = store.keys.of("history", job_id)

    def begun(self) -> tuple[datetime, int]:
        """When the job was submitted, and about how many entries are kept; JobNotFoundError."""
        created, limit = self._rows.fields(self._job_id, "created", "history_limit")
        with reading_row(self._job_id):
            return moment(created or 0), whole(limit or 0)

    def end(self) -> JobEnd | None:
        """How the job ended; None while it has not. JobNotFoundError."""
        raw, ended, reason = self._rows.fields(self._job_id, "status", "ended", "reason")
        status = status_of(raw or b"", self._job_id)
        if status not in ENDED:
            return None
        with reading_row(self._job_id):
            return JobEnd(status, whole(ended or 0), None if reason is None else reason.decode())

    def first_page(self, definition: Definition, limit: int) -> Page:
        """The oldest entries that are kept. ``limit``: about how many are kept."""
        raws, length = self._link.many(
            [("XRANGE", self._key, "-", "+", "COUNT", PAGE), ("XLEN", self._key)]
        )
        # Whatever has been deleted from it is as long as its limit since.
        return Page(self._read(raws, definition), length < limit, len(raws) == PAGE)

    def page(self, definition: Definition, entry: str, *, inclusive: bool) -> Page:
        """The entries behind one of them; from it on, if ``inclusive``."""
        # The entry itself says in the same look whether those that followed it are still there:
        # the oldest are deleted first.
        raws = self._link.call("XRANGE", self._key, entry, "+", "COUNT", PAGE)
        found = bool(raws) and raws[0][0].decode() == entry
        more = len(raws) == PAGE
        if found and not inclusive:
            raws = raws[1:]
        return Page(self._read(raws, definition), found or not raws, more)

    def wait(self, entry: str, patience: float) -> None:
        """Return when there is an entry behind this one, or after ``patience`` seconds.

        The server wakes those who wait: a job without followers pays nothing for it. Raises
        redis.RedisError.
        """
        block = max(1, round(patience * 1000))
        self._client.xread({self._key: entry}, count=1, block=block)

    def _read(self, raws: Sequence[list[object]], definition: Definition) -> list[HistoryEntry]:
        return [history_entry(raw, definition, self._job_id) for raw in raws]
