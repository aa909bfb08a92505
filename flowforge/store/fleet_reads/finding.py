"""Finding jobs by flow, status, labels, time and text, the newest first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from flowforge.common.bounded_repr import shown
from flowforge.errors import CorruptRecordError, InvalidValueError
from flowforge.model.jobs.error_group import group_id
from flowforge.model.jobs.labels import check_labels, label_line
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.index_walk import CURSOR, Found, IndexWalk
from flowforge.store.job_reads.job_rows import Fields, JobRows
from flowforge.store.store import Store

#: Jobs of an index that are looked at together, below 0.5 ms of the server's time for each command.
_LOOK = 500

#: Fields of a row in which a text is looked for.
_TEXTS = ("flow", "reason", "error", "idempotency")

#: A bound of time: a moment, or so long before now by the server's clock.
Bound = datetime | timedelta | None


@dataclass(frozen=True)
class Query:
    """Which jobs are looked for. InvalidValueError for a status, time or cursor that is none.

    ``text``: in the id, the flow id, the reason, the error or the idempotency key, in any case of
    ASCII letters. ``after``: a cursor. ``error``: the id of the group of errors that failed the
    job; without a status, that is ``failed``. ``parent``: the id of a job whose handlers have
    started it.
    """

    flow_id: str | None = None
    status: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    since: Bound = None
    until: Bound = None
    text: str | None = None
    after: str | None = None
    error: str | None = None
    parent: str | None = None

    def __post_init__(self) -> None:
        if self.status is not None and self.status not in list(JobStatus):
            raise InvalidValueError(
                f"unknown job status {shown(self.status)}; known: {', '.join(JobStatus)}"
            )
        for name, value in (
            ("flow", self.flow_id), ("text", self.text), ("cursor", self.after),
            ("parent", self.parent),
        ):  # fmt: skip
            _check_text(name, value)
        if self.after is not None and not re.fullmatch(CURSOR, self.after):
            raise InvalidValueError(
                f"cursor {shown(self.after)} is none: take the cursor of a page that was found"
            )
        if self.error is not None:
            _check_group(self.error)
            object.__setattr__(self, "status", self.status or JobStatus.FAILED.value)
        object.__setattr__(self, "labels", check_labels(self.labels))
        _check_bound("since", self.since)
        _check_bound("until", self.until)

    @property
    def last(self) -> Found | None:
        """The last job of the page before."""
        if self.after is None:
            return None
        created, _, job_id = self.after.partition("/")
        return Found(int(created), job_id)


@dataclass(frozen=True)
class _Search:
    """A query as the server is asked. Times are milliseconds; None: no bound."""

    query: Query
    #: The indexes that are gone along, and those in which jobs are looked up.
    along: list[str]
    others: list[str]
    since: int | None
    until: int | None
    #: Whether the flow has to be read of each job: a former release had no index of flows.
    by_row: bool


class Seen(NamedTuple):
    """A job that fits; or, when it does not, how far the search has come: to this job.

    ``passed_over``: jobs that did not fit since the last such mark.
    """

    place: Found
    fits: bool
    passed_over: int = 0


class Finder:
    """Finds jobs of one fleet."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._rows = JobRows(store)

    def look(self, query: Query, most: int) -> Iterator[Seen]:
        """The newest first, with a mark behind each piece that was looked at.

        ``most``: how many are likely to be taken; what is not taken is not looked at.
        """
        search = self._search(query)
        walk = IndexWalk(self._link, search.along, search.since, search.until)
        last, size = query.last, min(_LOOK, max(1, most))
        while some := walk.behind(last, size):
            fits = self._fit(search, some)
            yield from (Seen(one, True) for one, fit in zip(some, fits, strict=True) if fit)
            last = some[-1]
            yield Seen(last, False, fits.count(False))
            # What has been found by now does not suffice: what fits is rare.
            size = _LOOK

    def find(self, query: Query, most: int) -> Iterator[Found]:
        """All that fit, the newest first."""
        return (seen.place for seen in self.look(query, most) if seen.fits)

    def count(self, query: Query) -> int | None:
        """How many jobs fit, where indexes know; None where each has to be looked at."""
        search = self._search(query)
        looked_at = any(one is not None for one in (query.text, query.error, query.parent))
        if search.others or search.by_row or looked_at or query.after is not None:
            return None
        bounds = _bound(search.since, "-inf"), _bound(search.until, "+inf")
        counts = self._link.many([("ZCOUNT", index, *bounds) for index in search.along])
        return sum(map(int, counts))

    def statuses(self, job_ids: Sequence[str]) -> Counter[str]:
        """How many of these jobs have each status; of those that have gone, none."""
        if not job_ids:
            return Counter()
        looks = [("ZMSCORE", self._keys.of("status", one), *job_ids) for one in JobStatus]
        replies = self._link.many(looks)
        found = Counter[str]()
        unclear = []
        for job_id, *scores in zip(job_ids, *replies, strict=True):
            statuses = [
                one for one, score in zip(JobStatus, scores, strict=True) if score is not None
            ]
            if len(statuses) == 1:
                found[statuses[0].value] += 1
            else:
                unclear.append(job_id)  # its status has changed between two commands
        for _, row in self._rows.many(unclear, "status"):
            if isinstance(row, list) and row[0] is not None:
                found[row[0].decode(errors="backslashreplace")] += 1
        return found

    def counts_by_flow(self) -> dict[str, dict[str, int]]:
        """How many jobs of each flow there are by status, of those that have been indexed."""
        found: dict[str, dict[str, int]] = {}
        cursor = b"0"
        while True:
            key = self._keys.of("flow_counts")
            cursor, reply = self._link.call("HSCAN", key, cursor, "COUNT", _LOOK)
            for name, count in zip(reply[::2], reply[1::2], strict=True):
                status, _, flow_id = name.decode(errors="backslashreplace").partition("/")
                counts = found.setdefault(flow_id, dict.fromkeys(map(str, JobStatus), 0))
                counts[status] = int(count)
            if cursor == b"0":
                return found

    def _all_have_entries(self) -> bool:
        """Whether every job is in the index of its flow: a former release wrote none."""
        commands = [("ZCARD", self._keys.of("status", status)) for status in JobStatus]
        entries, *counts = self._link.many([("HLEN", self._keys.of("entries")), *commands])
        return bool(sum(counts) <= entries)

    def _search(self, query: Query) -> _Search:
        """With the smallest of the indexes, as far as they are within the times."""
        since, until = self._moment(query.since), self._moment(query.until)
        name = self._keys.of
        indexes = [name("label", label_line(*label)) for label in query.labels.items()]
        if query.status is not None:
            indexes.append(name("status", query.status))
        # A job with labels has an entry.
        by_row = query.flow_id is not None and not query.labels and not self._all_have_entries()
        if query.flow_id is not None and not by_row:
            indexes.append(name("flow", query.flow_id))
        if query.parent is not None:
            indexes.append(name("started_jobs", query.parent))
        if not indexes:
            # No index has the jobs of all statuses.
            indexes = [name("status", status) for status in JobStatus]
            return _Search(query, indexes, [], since, until, by_row)
        along = indexes[0]
        if len(indexes) > 1:
            bounds = _bound(since, "-inf"), _bound(until, "+inf")
            counts = self._link.many([("ZCOUNT", index, *bounds) for index in indexes])
            along = indexes[counts.index(min(counts))]
        others = [one for one in indexes if one != along]
        return _Search(query, [along], others, since, until, by_row)

    def _moment(self, bound: Bound) -> int | None:
        """The milliseconds of a bound; a time before now is one by the server's clock."""
        if bound is None:
            return None
        if isinstance(bound, datetime):
            return max(0, int(bound.timestamp() * 1000))
        seconds, micros = self._link.call("TIME")
        now = int(seconds) * 1000 + int(micros) // 1000
        return max(0, now - int(bound.total_seconds() * 1000))

    def _fit(self, search: _Search, some: Sequence[Found]) -> list[bool]:
        """Of each whether it is in the other indexes, of the flow, has the error and the text."""
        ids = [one.job_id for one in some]
        fits = [True] * len(ids)
        for scores in self._link.many([("ZMSCORE", index, *ids) for index in search.others]):
            fits = [fit and score is not None for fit, score in zip(fits, scores, strict=True)]
        if search.query.parent is not None and not search.others:
            # The list of a job has those too that are gone.
            entries = self._link.call("HMGET", self._keys.of("entries"), *ids)
            fits = [entry is not None for entry in entries]
        if search.by_row:
            flow = (search.query.flow_id or "").encode()
            flows = self._rows.many(ids, "flow")
            fits = [
                fit and not isinstance(row, CorruptRecordError) and row[0] == flow
                for fit, (_, row) in zip(fits, flows, strict=True)
            ]
        if search.query.error is not None:
            error = search.query.error
            rows = self._rows.many(ids, "flow", "cause", "ended")
            fits = [
                fit and not isinstance(row, CorruptRecordError) and _failed_by(error, *row)
                for fit, (_, row) in zip(fits, rows, strict=True)
            ]
        if search.query.text is not None:
            text = _folded(search.query.text.encode(errors="surrogatepass"))
            left = [job_id for job_id, fit in zip(ids, fits, strict=True) if fit]
            having = {one for one, row in self._rows.many(left, *_TEXTS) if _has(text, one, row)}
            fits = [job_id in having for job_id in ids]
        return fits


def _has(text: bytes, job_id: str, row: Fields) -> bool:
    values = [] if isinstance(row, CorruptRecordError) else row
    return any(text in _folded(value) for value in [job_id.encode(), *values] if value is not None)


def _failed_by(error: str, flow: bytes | None, cause: bytes | None, ended: bytes | None) -> bool:
    """A cause of another time is that of an earlier failure."""
    *identity, at = (cause or b"").decode(errors="backslashreplace").split("\n")
    if len(identity) != 3 or at.encode() != ended:
        return False
    return group_id((flow or b"").decode(errors="backslashreplace"), *identity) == error


def _folded(value: bytes) -> bytes:
    """With small ASCII letters; a record that is packed has its texts as they are."""
    return value.lower()


def _bound(milliseconds: int | None, otherwise: str) -> int | str:
    return otherwise if milliseconds is None else milliseconds


def _check_bound(name: str, value: object) -> None:
    if isinstance(value, timedelta) or value is None:
        return
    if not isinstance(value, datetime):
        raise InvalidValueError(
            f"{name} must be a datetime with a time zone, or a timedelta before now, not "
            f"{shown(value)}"
        )
    if value.tzinfo is None:
        raise InvalidValueError(
            f"{name} {value} has no time zone: use datetime.now(UTC), or a timedelta before now"
        )


def _check_group(value: object) -> None:
    if not isinstance(value, str) or not re.fullmatch(r"[0-9a-f]{12}", value):
        raise InvalidValueError(
            f"error {shown(value)} is no group of errors: take the 12 digits that flowforge errors "
            "shows, or the id of one of JobState.error_groups()"
        )


def _check_text(name: str, value: object) -> None:
    if value is not None and (not isinstance(value, str) or not value):
        raise InvalidValueError(f"{name} must be text, not empty, not {shown(value)}")
