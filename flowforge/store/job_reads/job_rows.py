"""The rows of jobs as typed values. No field of a row is named outside of the store."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from flowforge.common.bounded_repr import shown
from flowforge.errors import CommandRefusedError, CorruptRecordError, JobNotFoundError
from flowforge.model.fair import Fair, read_fair
from flowforge.model.invocation_id import job_of
from flowforge.model.jobs.labels import read_labels
from flowforge.model.jobs.status import ACTIVE, ENDED, JobStatus
from flowforge.model.times.debounce import scope_of
from flowforge.store.job_reads.work_left import WORK, work_left
from flowforge.store.reading import moment, reading, whole
from flowforge.store.store import Store

#: Fields of a row, or why it cannot be read.
Fields: TypeAlias = "list[bytes | None] | CorruptRecordError"

#: What a summary needs of a row.
_SUMMARY = (
    "flow", "status", "reason", "created", "updated", "due", "started", "single", "held", "undo",
    *WORK.values(),
)  # fmt: skip

#: Fields of a row that name other jobs, and that it is being undone.
_OTHERS = (b"parent", b"started_by", b"undoes", b"undo")


@dataclass(frozen=True)
class JobSummary:
    """What a list of jobs shows. ``counts``: as ``work_left.work_left`` makes them."""

    job_id: str
    flow_id: str
    status: JobStatus
    reason: str | None
    created_at: datetime
    updated_at: datetime | None
    counts: dict[str, int]
    labels: dict[str, str] = field(default_factory=dict)
    #: When it is to start; None for a job that has started or was not put off.
    starts_at: datetime | None = None
    #: The key of which one job runs at a time, and whether it waits for its turn.
    single: str | None = None
    held: bool = False
    #: Whether what it did is undone, or is to be: no retry continues it.
    is_undone: bool = False


@dataclass(frozen=True)
class JobDetails:
    """What a row tells of a job beyond its summary. ``output_count``: also those not kept."""

    entry: str
    priority: int
    started_at: datetime | None
    ended_at: datetime | None
    limits: dict[str, float]
    definition: str
    parent_job_id: str | None
    output_count: int
    #: Who has paused or cancelled it; None where that is not known, or FlowForge has.
    by: str | None = None
    #: The job that it is a fork of, and the latest jobs that are forks of it.
    forked_from: str | None = None
    forks: Sequence[str] = ()
    #: The job that this one undoes.
    undoes: str | None = None
    #: By when it is to start and to end; None where that is not asked or has been met.
    start_by: datetime | None = None
    finish_by: datetime | None = None
    #: The latest time of its flow from which it is late that has passed, by its name.
    late: str | None = None
    #: The key by which calls have found it while it waited, and how many calls it stands for.
    debounce: str | None = None
    calls: int = 1
    #: The job whose handler has started it, if that does not wait for it.
    started_by: str | None = None
    #: Whose work it is; None: it has no fair key.
    fair_key: str | None = None
    weight: float | None = None
    #: The schedule that has started it, and the time for which it has.
    schedule: str | None = None
    scheduled_at: datetime | None = None

    @property
    def fair(self) -> Fair | None:
        """Both of them."""
        if self.fair_key is None or self.weight is None:
            return None
        return Fair(self.fair_key, self.weight)

    def scheduled_text(self) -> str:
        """Time and name of its schedule, for jobs that are copies of it; empty without one."""
        if self.schedule is None or self.scheduled_at is None:
            return ""
        return f"{int(self.scheduled_at.timestamp())} {self.schedule}"


class ActiveJob(NamedTuple):
    """What the doctor needs of a job that has not ended. ``updated``, ``created``: milliseconds.

    ``definition``: the hash, as the row has it; empty where it has none.
    """

    job_id: str
    status: str
    updated: int
    parent_job_id: str | None
    counters: dict[str, int]
    definition: str
    created: int
    #: Whether it waits for its turn, as another job has its key.
    held: bool
    #: How many calls it stands for.
    calls: int
    #: The latest time of its flow from which it is late that has passed, by its name.
    late: str | None


class UnreadableRow(NamedTuple):
    """A row that no script has written. ``key``: where an operator finds it."""

    key: str
    error: CorruptRecordError


class JobRows:
    """Reads rows of one fleet."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._look = store.look

    def row(self, job_id: str) -> Mapping[str, bytes]:
        """The whole row; JobNotFoundError when there is none."""
        kept = self._look.rows
        if kept is None:
            return self._row(job_id)
        if job_id not in kept:
            kept[job_id] = self._row(job_id)
        return kept[job_id]

    def _row(self, job_id: str) -> dict[str, bytes]:
        reply = self._link.call("HGETALL", self._keys.of("job", job_id))
        if not reply:
            raise job_not_found(job_id)
        with reading_row(job_id):
            return {k.decode(): v for k, v in zip(reply[::2], reply[1::2], strict=True)}

    def fields(self, job_id: str, *names: str) -> list[bytes | None]:
        """Some fields of the row; JobNotFoundError when there is no row."""
        if self._look.rows is not None:
            row = self.row(job_id)
            if "status" not in row:
                raise job_not_found(job_id)
            return [row.get(name) for name in names]
        reply = self._link.call("HMGET", self._keys.of("job", job_id), "status", *names)
        if reply[0] is None:
            raise job_not_found(job_id)
        found: list[bytes | None] = reply[1:]
        return found

    def at_rest(self, job_id: str) -> object:
        """What tells a job that has ended from itself after any change of what is kept of it.

        None: its handlers may still run, or it stands with others that may go on: the jobs that
        have started it, that it has started, and those that undo it or that it undoes.
        """
        row, started, children, latest, entry = self._link.many(
            [
                ("HGETALL", self._keys.of("job", job_id)),
                ("ZCARD", self._keys.of("started_jobs", job_id)),
                ("HLEN", self._keys.of("children", job_id)),
                ("XREVRANGE", self._keys.of("history", job_id), "+", "-", "COUNT", 1),
                ("HGET", self._keys.of("entries"), job_id),
            ]
        )
        found = dict(zip(row[::2], row[1::2], strict=True))
        ended = found.get(b"status", b"").decode(errors="backslashreplace") in ENDED
        alone = not started and not children and found.keys().isdisjoint(_OTHERS)
        if not ended or not alone or found.get(b"running", b"0") != b"0":
            return None
        return found, latest, entry

    def many(self, job_ids: Sequence[str], *names: str) -> Iterator[tuple[str, Fields]]:
        """Some fields of many rows, None for an absent one; the error of an unreadable row."""
        commands = [("HMGET", self._keys.of("job", job_id), *names) for job_id in job_ids]
        try:
            yield from zip(job_ids, self._link.many(commands), strict=True)
        except CommandRefusedError:
            # A key of another type among them: the others can be read one at a time.
            for job_id, command in zip(job_ids, commands, strict=True):
                try:
                    yield job_id, self._link.call(*command)
                except CommandRefusedError as error:
                    yield job_id, CorruptRecordError(f"the row of job {job_id}: {error}")

    def summaries(self, job_ids: Sequence[str]) -> Iterator[JobSummary | CorruptRecordError]:
        """Of the jobs that are there; of a row that cannot be read the error."""
        entries = self._entries(job_ids)
        for (job_id, values), entry in zip(self.many(job_ids, *_SUMMARY), entries, strict=True):
            try:
                row = _present(values, _SUMMARY)
                if "status" in row:  # a row that has expired stays in the index for a moment
                    yield summary(job_id, row, entry)
            except CorruptRecordError as error:
                yield error

    def labels(self, job_id: str) -> dict[str, str]:
        """The labels of a job; none of a job that a release without labels created."""
        kept = self._look.entries
        if kept is None:
            (entry,) = self._entries([job_id])
        elif job_id in kept:
            entry = kept[job_id]
        else:
            (entry,) = self._entries([job_id])
            kept[job_id] = entry
        with reading_row(job_id):
            return _labels(entry)

    def _entries(self, job_ids: Sequence[str]) -> list[bytes | None]:
        """Flow and labels of each, as the indexes have them."""
        if not job_ids:
            return []
        found: list[bytes | None] = self._link.call("HMGET", self._keys.of("entries"), *job_ids)
        return found

    def active(self, job_ids: Sequence[str]) -> Iterator[ActiveJob | UnreadableRow]:
        """Of those jobs that have not ended."""
        names = (
            "status", "updated", "parent", "def", "created", "held", "calls", "late",
            *WORK.values(),
        )  # fmt: skip
        for job_id, values in self.many(job_ids, *names):
            try:
                job = _active(job_id, values)
            except CorruptRecordError as error:
                yield UnreadableRow(self._keys.of("job", job_id), error)
            else:
                if job.status in ACTIVE:
                    yield job


def _present(values: Fields, names: Sequence[str]) -> dict[str, bytes]:
    if isinstance(values, CorruptRecordError):
        raise values
    return {k: v for k, v in zip(names, values, strict=True) if v is not None}


def _active(job_id: str, values: Fields) -> ActiveJob:
    """CorruptRecordError for what no script writes."""
    if isinstance(values, CorruptRecordError):
        raise values
    status, updated, parent, definition, created, held, calls, late, *counters = values
    with reading_row(job_id):
        named = {
            name: whole(number) if number else 0
            for name, number in zip(WORK, counters, strict=True)
        }
        above = parent_of(parent)
        # What is no hash is for the reader of the definition to refuse.
        name = (definition or b"").decode(errors="backslashreplace")
        return ActiveJob(
            job_id, (status or b"").decode(), whole(updated or 0), above, named, name,
            whole(created or 0), held is not None, whole(calls or 1),
            None if late is None else late.decode(errors="backslashreplace"),
        )  # fmt: skip


def summary(job_id: str, row: Mapping[str, bytes], entry: bytes | None = None) -> JobSummary:
    """The summary of a row; CorruptRecordError when it cannot be read. ``entry``: its labels."""
    with reading_row(job_id):
        return JobSummary(
            job_id,
            row["flow"].decode(),
            status_of(row["status"], job_id),
            row["reason"].decode() if "reason" in row else None,
            moment(row["created"]),
            _moment(row, "updated"),
            work_left(row),
            _labels(entry),
            starts_at(row),
            _own_key(row, "single"),
            "held" in row and row["status"].decode() in ACTIVE,
            "undo" in row,
        )


def starts_at(row: Mapping[str, bytes]) -> datetime | None:
    """When a job is to start, by its ``status`` and ``due``, ``started`` and ``timers``."""
    waits = "due" in row and "started" not in row and whole(row.get("timers", 0)) > 0
    return moment(row["due"]) if waits and row["status"].decode() in ACTIVE else None


def details(job_id: str, row: Mapping[str, bytes]) -> JobDetails:
    """The rest of a row; CorruptRecordError when it cannot be read."""
    with reading_row(job_id):
        return JobDetails(
            entry=row["entry"].decode(),
            priority=whole(row["priority"]),
            started_at=_moment(row, "started"),
            ended_at=_moment(row, "ended"),
            limits={
                "max_in_flight": whole(row["window"]),
                "history_limit": whole(row["history_limit"]),
                "output_limit": whole(row["output_limit"]),
                "retention_seconds": whole(row["keep"]) / 1000,
            },
            definition=row["def"].decode(),
            parent_job_id=parent_of(row.get("parent")),
            output_count=whole(row.get("output_count", 0)),
            by=_by(row),
            forked_from=row["forked_from"].decode() if "forked_from" in row else None,
            forks=row["forks"].decode().split() if "forks" in row else [],
            undoes=row["undoes"].decode() if "undoes" in row else None,
            start_by=None if "started" in row else _deadline(row, "start_by"),
            finish_by=_deadline(row, "finish_by"),
            late=row["late"].decode() if "late" in row else None,
            debounce=_own_key(row, "debounce"),
            calls=whole(row.get("calls", 1)),
            started_by=parent_of(row.get("started_by")),
            **_fair(row),
            schedule=row["schedule"].decode() if "schedule" in row else None,
            scheduled_at=moment(whole(row["scheduled"]) * 1000) if "scheduled" in row else None,
        )


def _deadline(row: Mapping[str, bytes], field: str) -> datetime | None:
    return _moment(row, field) if row["status"].decode() in ACTIVE else None


def _own_key(row: Mapping[str, bytes], field: str) -> str | None:
    """A key as it was given: the row has it behind the flow's id, a debounce key behind the entry
    too.
    """
    if field not in row:
        return None
    name = row[field].decode()[len(scope_of(row["flow"].decode())) :]
    if field == "debounce":
        entry = row["entry"].decode()
        return name[len(scope_of(entry)) :]
    return name


def _fair(row: Mapping[str, bytes]) -> dict[str, Any]:
    if "fair" not in row:
        return {}
    fair = read_fair(row["fair"].decode())
    return {"fair_key": fair.key, "weight": fair.weight}


def _by(row: Mapping[str, bytes]) -> str | None:
    """Of a job that has failed the field is that of an earlier pause."""
    if row["status"].decode() not in (JobStatus.PAUSED, JobStatus.CANCELLED):
        return None
    return row.get("by", b"").decode() or None


def _labels(entry: bytes | None) -> dict[str, str]:
    """The labels of an entry, whose first line is the id of the flow."""
    return read_labels((entry or b"").decode().partition("\n")[2])


def _moment(row: Mapping[str, bytes], field: str) -> datetime | None:
    return moment(row[field]) if field in row else None


def parent_of(raw: bytes | None) -> str | None:
    """The job that started a job, of the row's field; None when no job has."""
    return job_of(raw.decode()) if raw else None


def reading_row(job_id: str) -> AbstractContextManager[None]:
    """CorruptRecordError for whatever in the job's row cannot be read."""
    return reading(f"the row of job {job_id}")


def status_of(raw: bytes, job_id: str) -> JobStatus:
    """A job's status as it is stored; CorruptRecordError when there is no such status."""
    word = raw.decode(errors="backslashreplace")
    try:
        return JobStatus(word)
    except ValueError:
        raise CorruptRecordError(f"job {job_id} has the unknown status {shown(word)}") from None


def job_not_found(job_id: str) -> JobNotFoundError:
    return JobNotFoundError(
        f"there is no job {job_id!r}: check the id, the server and the prefix; jobs are removed "
        "when their retention after the end has passed"
    )
