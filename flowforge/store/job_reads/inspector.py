"""Reading one job: what producers, operators and handlers see of it. Nothing here changes anything.

What concerns all jobs together is in :mod:`flowforge.store.fleet_reads.overview`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import Any, NamedTuple

from flowforge.codec.binary import read_kept, split_trace, unpack_record
from flowforge.common.lru_cache import Recent
from flowforge.errors import CorruptRecordError, RecordError
from flowforge.model.definition import Definition
from flowforge.model.jobs.job_handle import HistoryEntry, LogLine, OpenJoin, Output
from flowforge.model.jobs.status import ENDED, AttemptOutcome, JobStatus
from flowforge.model.jobs.undo import Undo
from flowforge.store.definitions import stored_definition
from flowforge.store.history import history_entry, read_pause, submitted
from flowforge.store.job_reads.job_errors import read_error
from flowforge.store.job_reads.job_rows import (
    JobDetails,
    JobRows,
    JobSummary,
    details,
    parent_of,
    reading_row,
    starts_at,
    status_of,
    summary,
)
from flowforge.store.job_reads.open_joins import open_join
from flowforge.store.job_reads.outputs import read_output
from flowforge.store.job_reads.routine_states import routine_states
from flowforge.store.job_reads.undo import Undos
from flowforge.store.job_reads.work_left import WORK, work_left
from flowforge.store.reading import moment, reading, whole
from flowforge.store.store import Store
from flowforge.store.transitions.log_lines import read_line
from flowforge.store.transitions.submission import NO_PARAMS
from flowforge.tracing.carried import trace_id_of

#: Entries of the history among which an invocation is looked for.
_LATEST = 1000

#: Kinds of entries whose invocation may have emitted.
_EMITTED = (AttemptOutcome.COMPLETED, "skipped_by_hand")

#: Definitions kept by one reader.
_CACHED = 256


class Ancestor(NamedTuple):
    """The job that started another one, as far as that one's progress depends on it."""

    status: str
    parent_job_id: str | None


class Turn(NamedTuple):
    """The job that has the key, and the place of another one behind it, from 1; 0: its own."""

    holder: str
    place: int


class Inspector:
    """Reads the jobs of one fleet, one at a time. JobNotFoundError when there is none."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._link = store.link
        self._keys = store.keys
        self._rows = JobRows(store)
        self._undos = Undos(store)
        self._definitions: Recent[str, Definition] = Recent(_CACHED)

    # --- the row -------------------------------------------------------------------------

    def describe(self, job_id: str) -> tuple[JobSummary, JobDetails]:
        """All that the row tells, in one look."""
        row = self._rows.row(job_id)
        found = replace(summary(job_id, row), labels=self._rows.labels(job_id))
        return found, details(job_id, row)

    def status(self, job_id: str) -> JobStatus:
        (raw,) = self._rows.fields(job_id, "status")
        return status_of(raw or b"", job_id)

    def settled(self, job_id: str) -> JobStatus | None:
        """The status of a job that has ended, or is paused with nothing running; else None."""
        raw_status, running = self._rows.fields(job_id, "status", "running")
        status = status_of(raw_status or b"", job_id)
        with reading_row(job_id):
            at_rest = status is JobStatus.PAUSED and whole(running or 0) == 0
        return status if status in ENDED or at_rest else None

    def flow_id(self, job_id: str) -> str:
        return self._text(job_id, "flow") or ""

    def params(self, job_id: str) -> dict[str, Any] | None:
        """The entry params without secrets; None where they are not kept."""
        (kind,) = self._rows.fields(job_id, "params")
        if kind == NO_PARAMS:
            return {}
        record = self._link.call("GET", self._keys.of("entry_params", job_id))
        if record is None:
            return None
        what = f"the entry params of job {job_id}"
        with reading(what):
            return read_kept(record, what)

    def trace(self, job_id: str) -> bytes:
        """The packed context of the trace that the job was submitted in; empty without one."""
        record = self._link.call("GET", self._keys.of("entry_params", job_id))
        return b"" if record is None else split_trace(record)[1]

    def trace_id(self, job_id: str) -> str | None:
        """The id of that trace as hexadecimal digits; None without one."""
        self.status(job_id)
        return trace_id_of(self.trace(job_id)) or None

    def labels(self, job_id: str) -> dict[str, str]:
        """The labels, by name."""
        self.status(job_id)
        return self._rows.labels(job_id)

    def reason(self, job_id: str) -> str | None:
        """Why the job was paused, cancelled or failed; None otherwise."""
        return self._text(job_id, "reason")

    def error(self, job_id: str) -> dict[str, Any] | None:
        """What failed the job; None otherwise."""
        (raw,) = self._rows.fields(job_id, "error")
        return self._error(raw, job_id)

    def reason_and_error(self, job_id: str) -> tuple[str | None, dict[str, Any] | None]:
        """Both in one look, so that they tell of the same end."""
        raw_reason, raw_error = self._rows.fields(job_id, "reason", "error")
        with reading_row(job_id):
            reason = raw_reason.decode() if raw_reason else None
        return reason, self._error(raw_error, job_id)

    def created_at(self, job_id: str) -> datetime:
        return self._moment(job_id, "created")

    def starts_at(self, job_id: str) -> datetime | None:
        """When a job is to start that was put off and has not started."""
        names = ("status", "due", "started", "timers")
        values = zip(names, self._rows.fields(job_id, *names), strict=True)
        with reading_row(job_id):
            return starts_at({name: value for name, value in values if value is not None})

    def calls(self, job_id: str) -> int:
        """How many calls a job stands for that was debounced; 1 for any other."""
        (calls,) = self._rows.fields(job_id, "calls")
        with reading_row(job_id):
            return whole(calls or 1)

    def latest_start(self, job_id: str) -> datetime | None:
        """When a debounced job starts at the latest, however many calls come; None: no such time,
        also once it takes no more.
        """
        (raw,) = self._rows.fields(job_id, "debounce")
        with reading_row(job_id):
            key = self._keys.of("debounce", (raw or b"").decode())
        if raw is None:
            return None
        holder, latest = self._link.call("HMGET", key, "job", "until")
        with reading(f"the debounce key of job {job_id}"):
            return moment(latest) if latest and holder == job_id.encode() else None

    def turn(self, job_id: str) -> Turn | None:
        """The place of a job among those of its key; None when it has none."""
        (raw,) = self._rows.fields(job_id, "single")
        with reading_row(job_id):
            key = self._keys.of("single", (raw or b"").decode())
        if raw is None:
            return None
        first, place = self._link.many([("ZRANGE", key, 0, 0), ("ZRANK", key, job_id)])
        with reading(f"the jobs of the key {raw.decode()!r}"):
            return None if place is None else Turn(first[0].decode(), place)

    def updated_at(self, job_id: str) -> datetime:
        return self._moment(job_id, "updated")

    def counts(self, job_id: str) -> dict[str, int]:
        """How many invocations of the job are where: see ``work_left``."""
        fields = ("status", *WORK.values())
        values = self._rows.fields(job_id, *fields)
        with reading_row(job_id):
            return work_left(dict(zip(fields, values, strict=True)))

    def forked_from(self, job_id: str) -> str | None:
        """The job that a job is a fork of; None when it is none."""
        return self._text(job_id, "forked_from")

    def undo(self, job_id: str) -> Undo | None:
        """How far a job is undone; None for one that is not."""
        return self._undos.of_job(job_id)

    def undoes(self, job_id: str) -> str | None:
        """The job that this one undoes; None for any other job."""
        return self._undos.undoes(job_id)

    def checkpoint(self, job_id: str) -> Any:
        """The checkpoint of the latest pause that gave one, or None; None without a job too."""
        raw = self._link.call("HGET", self._keys.of("job", job_id), "checkpoint")
        return None if raw is None else unpack_record(raw, f"checkpoint of job {job_id}", 1)[0]

    def scheduled_at(self, job_id: str) -> datetime | None:
        """The time for which a schedule has started the job; None: none has, or there is no job."""
        raw = self._link.call("HGET", self._keys.of("job", job_id), "scheduled")
        with reading_row(job_id):
            return None if raw is None else moment(whole(raw) * 1000)

    def ancestor(self, job_id: str) -> Ancestor:
        """A job as its child jobs depend on it; of one that is gone no status is known."""
        status, parent = self._link.call("HMGET", self._keys.of("job", job_id), "status", "parent")
        return Ancestor((status or b"").decode(errors="backslashreplace"), parent_of(parent))

    def _text(self, job_id: str, field: str) -> str | None:
        (raw,) = self._rows.fields(job_id, field)
        with reading_row(job_id):
            return None if raw is None else raw.decode()

    def _moment(self, job_id: str, field: str) -> datetime:
        (raw,) = self._rows.fields(job_id, field)
        with reading_row(job_id):
            return moment(raw or 0)

    def _error(self, raw: bytes | None, job_id: str) -> dict[str, Any] | None:
        return None if raw is None else read_error(raw, job_id, lambda: self.definition(job_id))

    # --- the definition and the routines -------------------------------------------------

    def definition(self, job_id: str) -> Definition:
        """The definition that the job is pinned to."""
        (raw,) = self._rows.fields(job_id, "def")
        return self._definition(raw, job_id)

    def definitions(self, job_ids: Iterable[str]) -> dict[str, Definition]:
        """Those of jobs that are there and can be read, in one look."""
        found = {}
        for job_id, row in self._rows.many(list(dict.fromkeys(job_ids)), "def"):
            if not isinstance(row, CorruptRecordError) and row[0] is not None:
                with contextlib.suppress(RecordError):
                    found[job_id] = self._definition(row[0], job_id)
        return found

    def _definition(self, raw: bytes | None, job_id: str) -> Definition:
        with reading_row(job_id):
            name = (raw or b"").decode()
        found = self._definitions.get(name)
        return self._read_definition(name, job_id) if found is None else found

    def _read_definition(self, name: str, job_id: str) -> Definition:
        with reading(f"the definition of job {job_id}"):
            found = stored_definition(self._store, name)
        if found is None:
            raise CorruptRecordError(f"the definition {name} of job {job_id} is gone")
        return self._definitions.add(name, found)

    def routine_states(self, job_id: str) -> dict[str, dict[str, Any]]:
        """State of every routine that ran or was given data, by routine id."""
        definition = self.definition(job_id)
        hashes = ("routines", "stats", "routine_data")
        counters, stats, data = (
            dict(zip(reply[::2], reply[1::2], strict=True))
            for reply in self._link.many([("HGETALL", self._keys.of(h, job_id)) for h in hashes])
        )
        with reading(f"the routines of job {job_id}"):
            return routine_states(definition, counters, stats, data)

    # --- invocations ---------------------------------------------------------------------

    def may_be_running(self, job_id: str) -> bool:
        """Whether handlers of the job, or of jobs that it has started, may be running."""
        running, children = self._link.many(
            [
                ("HGET", self._keys.of("job", job_id), "running"),
                ("EXISTS", self._keys.of("children", job_id)),
            ]
        )
        return running not in (None, b"0") or bool(children)

    def is_outstanding(self, job_id: str, invocation: str) -> bool:
        """Whether an invocation has not been committed and its job goes on."""
        return bool(self._link.call("HEXISTS", self._keys.of("invocations", job_id), invocation))

    def open_children(self, job_id: str) -> list[str]:
        """The jobs that the job's handlers have started and that have not ended."""
        found = self._link.call("HKEYS", self._keys.of("children", job_id))
        return sorted(raw.decode(errors="backslashreplace") for raw in found)

    def open_joins(self, job_id: str) -> list[OpenJoin]:
        """Joins of the job that have items and have not fired."""
        self.status(job_id)
        reply = self._link.call("HGETALL", self._keys.of("joins", job_id))
        with reading(f"the open joins of job {job_id}"):
            return [
                self._open_join(job_id, field, state)
                for field, state in zip(reply[::2], reply[1::2], strict=True)
            ]

    def _open_join(self, job_id: str, field: bytes, state: bytes) -> OpenJoin:
        items = whole(state.split(b" ")[1])
        return open_join(self.definition(job_id), job_id, field.decode(), items)

    # --- what a job keeps ----------------------------------------------------------------

    def outputs(self, job_id: str, limit: int = 0) -> list[Output]:
        """The outputs that are kept, in store order; with ``limit`` only the first ones."""
        self.status(job_id)
        records = self._link.call("LRANGE", self._keys.of("outputs", job_id), 0, limit - 1)
        return [read_output(raw, job_id) for raw in records]

    def pauses(self, job_id: str) -> list[dict[str, Any]]:
        """Every pause: when, why, by whom, and the checkpoint if one was given."""
        self.status(job_id)
        points = self._link.call("LRANGE", self._keys.of("pauses", job_id), 0, -1)
        return [_pause_point(raw, job_id) for raw in points]

    def latest_pause(self, job_id: str) -> dict[str, Any] | None:
        """The latest of ``pauses``; None when none is kept."""
        raw = self._link.call("LINDEX", self._keys.of("pauses", job_id), -1)
        return None if raw is None else _pause_point(raw, job_id)

    def history(self, job_id: str, limit: int | None = None) -> Iterator[HistoryEntry]:
        """What happened, oldest first; with ``limit`` only the latest entries."""
        definition = self.definition(job_id)
        key = self._keys.of("history", job_id)
        if limit is not None:
            entries = self._link.call("XREVRANGE", key, "+", "-", "COUNT", limit)
            yield from (history_entry(raw, definition, job_id) for raw in reversed(entries))
            return
        # The row says when a job was submitted; the history itself begins with its first end.
        yield submitted(self.created_at(job_id))
        start = "-"
        while entries := self._link.call("XRANGE", key, start, "+", "COUNT", 1000):
            yield from (history_entry(raw, definition, job_id) for raw in entries)
            start = f"({entries[-1][0].decode()}"

    def log_lines(self, job_id: str, after: str | None = None) -> Iterator[LogLine]:
        """The lines that are kept of the job's handlers, oldest first; those behind an id."""
        definition = self.definition(job_id)
        key = self._keys.of("logs", job_id)
        start = "-" if after is None else f"({after}"
        while entries := self._link.call("XRANGE", key, start, "+", "COUNT", 1000):
            yield from (read_line(raw, definition, job_id) for raw in entries)
            start = f"({entries[-1][0].decode()}"

    def emissions_of(self, job_id: str, number: int) -> list[str]:
        """What an invocation emitted, as ``routine.event``; empty when its entry is not to be found
        among the latest of the history.
        """
        try:
            for entry in self.history(job_id, _LATEST):
                if entry.invocation == number and entry.kind in _EMITTED:
                    return [f"{entry.routine_id}.{name}" for name in entry.details["emitted"]]
        except RecordError:
            pass
        return []


def _pause_point(raw: bytes, job_id: str) -> dict[str, Any]:
    at, _, record = raw.partition(b" ")
    what = f"a pause point of job {job_id}"
    with reading(what):
        return {"at": moment(at), **read_pause(record, what)}
