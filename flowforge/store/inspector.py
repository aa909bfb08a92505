"""Reading jobs: snapshots for producers and operators. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias

from flowforge.codec.binary import read_invocation, unpack_record, unpackb
from flowforge.common.bounded_repr import shown
from flowforge.errors import CommandRefusedError, CorruptRecordError, JobNotFoundError, RecordError
from flowforge.model.definition import Definition
from flowforge.model.slot import CHILD_SLOT, CHILD_SLOT_INDEX
from flowforge.store.reading import LAST_TIME, moment, reading, typed, whole
from flowforge.store.store import Store

#: Every job status, in the order of a job's life.
STATUSES = ("pending", "running", "paused", "completed", "failed", "cancelled")
ENDED = frozenset({"completed", "failed", "cancelled"})

#: Counters of a routine that a reader shows; ``started`` less the others is what runs.
_CLOSED = (
    "completed", "failed", "retried", "error_continued", "skipped", "lost", "released", "dropped",
)  # fmt: skip
COUNTERS = ("started", *_CLOSED)

#: Parts of a routine's state that the engine itself keeps; beside them stands what users give.
ENGINE_KEPT = frozenset(
    {
        *COUNTERS, "running", "stats", "started_at", "ended_at", "total_seconds",
        "latest_seconds", "last_error",
    }
)  # fmt: skip

#: Entries of the history among which an invocation is looked for.
_LATEST = 1000

#: Definitions kept by one reader.
_CACHED = 256


#: Fields of a row, or why it cannot be read.
Fields: TypeAlias = "list[bytes | None] | CorruptRecordError"


@dataclass(frozen=True)
class HistoryEntry:
    """One thing that happened to a job. ``id`` is the store's order, ``at`` its clock."""

    id: str
    at: datetime
    kind: str
    invocation: int | None
    routine_id: str | None
    slot: str | None
    details: dict[str, Any]


@dataclass(frozen=True)
class OpenJoin:
    """A join that collects. ``key``: the value it is for, empty when it is for all items."""

    routine_id: str
    slot: str
    key: str
    items: int

    @property
    def for_key(self) -> str:
        return f" for {self.key!r}" if self.key else ""


class Inspector:
    """Reads the rows of one installation."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._keys = store.keys
        self._definitions: dict[str, Definition] = {}

    # --- jobs --------------------------------------------------------------------------

    def row(self, job_id: str) -> dict[str, bytes]:
        """The job's row; JobNotFoundError when there is none."""
        reply = self._link.call("HGETALL", self._keys.of("job", job_id))
        if not reply:
            raise job_not_found(job_id)
        with reading(f"the row of job {job_id}"):
            return {k.decode(): v for k, v in zip(reply[::2], reply[1::2], strict=True)}

    def fields(self, job_id: str, *names: str) -> list[bytes | None]:
        """Some fields of the row; JobNotFoundError when there is no row."""
        reply = self._link.call("HMGET", self._keys.of("job", job_id), "status", *names)
        if reply[0] is None:
            raise job_not_found(job_id)
        found: list[bytes | None] = reply[1:]
        return found

    def rows(self, job_ids: Sequence[str], *names: str) -> Iterator[tuple[str, Fields]]:
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

    def status(self, job_id: str) -> str:
        reply = self._link.call("HGET", self._keys.of("job", job_id), "status")
        if reply is None:
            raise job_not_found(job_id)
        return status_of(reply, job_id)

    def definition(self, job_id: str) -> Definition:
        """The definition that the job is pinned to."""
        (raw,) = self.fields(job_id, "def")
        with reading(f"the row of job {job_id}"):
            name = (raw or b"").decode()
        if name not in self._definitions:
            text = self._link.call("HGET", self._keys.of("definition", name), "json")
            if text is None:
                raise CorruptRecordError(f"the definition {name} of job {job_id} is gone")
            while len(self._definitions) >= _CACHED:
                self._definitions.pop(next(iter(self._definitions)))
            with reading(f"the definition of job {job_id}"):
                self._definitions[name] = Definition.stored(name, text)
        return self._definitions[name]

    def job_ids(self, status: str | None, limit: int) -> list[tuple[str, datetime]]:
        """Newest jobs first, with their creation times; none for a ``limit`` of 0."""
        if limit == 0:
            # The last place would be -1, which means the last of all.
            return []
        wanted = STATUSES if status is None else (status,)
        commands = [
            ("ZRANGE", self._keys.of("status", s), 0, limit - 1, "REV", "WITHSCORES")
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

    def counts(self) -> dict[str, int]:
        """How many jobs there are by status."""
        replies = self._link.many([("ZCARD", self._keys.of("status", s)) for s in STATUSES])
        return dict(zip(STATUSES, replies, strict=True))

    # --- what a job holds ----------------------------------------------------------------

    def routine_states(self, job_id: str) -> dict[str, dict[str, Any]]:
        """State of every routine that ran or was given data, by routine id."""
        definition = self.definition(job_id)
        hashes = ("routines", "stats", "routine_data")
        counters, stats, data = (
            dict(zip(reply[::2], reply[1::2], strict=True))
            for reply in self._link.many([("HGETALL", self._keys.of(h, job_id)) for h in hashes])
        )
        with reading(f"the routines of job {job_id}"):
            return _states(definition, counters, stats, data)

    def outputs(self, job_id: str) -> list[tuple[int, str, str, dict[str, Any]]]:
        """Invocation number, routine id, event and params of every output kept."""
        self.status(job_id)
        found = []
        for raw in self._link.call("LRANGE", self._keys.of("outputs", job_id), 0, -1):
            what = f"an output of job {job_id}"
            with reading(what):
                number, routine_id, event, params = unpack_record(raw, what, 4)
                row = (typed(number, int), typed(routine_id, str), typed(event, str))
                found.append((*row, typed(params, dict)))
        return found

    def pauses(self, job_id: str) -> list[dict[str, Any]]:
        """Every pause: when, why, and the checkpoint if one was given."""
        self.status(job_id)
        points = []
        for raw in self._link.call("LRANGE", self._keys.of("pauses", job_id), 0, -1):
            at, _, record = raw.partition(b" ")
            what = f"a pause point of job {job_id}"
            with reading(what):
                reason, given, checkpoint = unpack_record(record, what, 3)
                point = {"at": moment(at), "reason": typed(reason, str)}
                points.append({**point, "checkpoint": checkpoint if given else None})
        return points

    def open_joins(self, job_id: str) -> list[OpenJoin]:
        """Joins of the job that have items and have not fired."""
        self.status(job_id)
        reply = self._link.call("HGETALL", self._keys.of("joins", job_id))
        with reading(f"the open joins of job {job_id}"):
            return [
                replace(self.join_of(job_id, field.decode()), items=whole(state.split(b" ")[1]))
                for field, state in zip(reply[::2], reply[1::2], strict=True)
            ]

    def join_of(self, job_id: str, field: str) -> OpenJoin:
        """The join that the scripts call ``r.s/key``."""
        place, _, key = field.partition("/")
        definition = self.definition(job_id)
        with reading(f"the join {place!r} of job {job_id}"):
            routine, slot = (whole(part) for part in place.split("."))
            name = definition.slot_names(routine)[slot]
            join = definition.join(routine, slot)
            if join is not None and join.key in definition.secret(routine, slot):
                key = "***"
            return OpenJoin(definition.routines[routine].id, name, key, 0)

    def history(self, job_id: str, limit: int | None = None) -> Iterator[HistoryEntry]:
        """What happened, oldest first; with ``limit`` only the latest entries."""
        definition = self.definition(job_id)
        (created,) = self.fields(job_id, "created")
        key = self._keys.of("history", job_id)
        if limit is not None:
            entries = self._link.call("XREVRANGE", key, "+", "-", "COUNT", limit)
            yield from (_entry(raw, definition, job_id) for raw in reversed(entries))
            return
        # The row says when a job was submitted; the history itself begins with its first end.
        with reading(f"the row of job {job_id}"):
            submitted = moment(created or 0)
        yield HistoryEntry("0-0", submitted, "submitted", None, None, None, {})
        start = "-"
        while entries := self._link.call("XRANGE", key, start, "+", "COUNT", 1000):
            yield from (_entry(raw, definition, job_id) for raw in entries)
            start = f"({entries[-1][0].decode()}"

    def emissions_of(self, job_id: str, number: int) -> list[str]:
        """What an invocation emitted, as ``routine.event``; empty when its entry is not to be found
        among the latest of the history.
        """
        try:
            for entry in self.history(job_id, _LATEST):
                if entry.invocation == number and entry.kind == "completed":
                    return [f"{entry.routine_id}.{name}" for name in entry.details["emitted"]]
        except RecordError:
            pass
        return []


def job_not_found(job_id: str) -> JobNotFoundError:
    return JobNotFoundError(
        f"there is no job {job_id!r}: check the id, the server and the prefix; jobs are removed "
        "when their retention after the end has passed"
    )


def status_of(raw: bytes, job_id: str) -> str:
    """A job's status as it is stored; CorruptRecordError when there is no such status."""
    status = raw.decode(errors="backslashreplace")
    if status not in STATUSES:
        raise CorruptRecordError(f"job {job_id} has the unknown status {shown(status)}")
    return status


def _within_time(score: bytes) -> int:
    """The milliseconds of an index, at most those of the last year that a datetime has."""
    return int(min(max(float(score), 0.0), LAST_TIME))


def _states(
    definition: Definition,
    counters: dict[bytes, bytes],
    stats: dict[bytes, bytes],
    data: dict[bytes, bytes],
) -> dict[str, dict[str, Any]]:
    states: dict[str, dict[str, Any]] = {}
    for index, routine in enumerate(definition.routines):
        state = _counted(counters, f"{index}.")
        if state:
            states[routine.id] = state
            raw = counters.get(f"{index}.error".encode())
            what = f"the latest error of {routine.id!r}"
            state["last_error"] = None if raw is None else _latest_error(raw, what)
            state["stats"] = _stats(stats, f"{index}.".encode())
    for key, value in data.items():
        routine_id, _, name = key.decode().partition("\x00")
        found = unpackb(value)
        kept = states.setdefault(routine_id, {})
        # What the engine keeps is never given by a user; a status is.
        if name not in ENGINE_KEPT:
            kept[name] = typed(found, str) if name == "status" else found
    return states


def _counted(counters: dict[bytes, bytes], prefix: str) -> dict[str, Any]:
    def get(name: str) -> bytes | None:
        return counters.get((prefix + name).encode())

    if get("started") is None:
        return {}
    state: dict[str, Any] = {name: whole(get(name) or 0) for name in COUNTERS}
    running = state["started"] - sum(state[name] for name in _CLOSED)
    began, ended = get("began"), get("ended")
    state["running"] = running
    state["status"] = _routine_status(state, (get("status") or b"pending").decode())
    state["started_at"] = moment(began) if began else None
    state["ended_at"] = moment(ended) if ended else None
    state["total_seconds"] = whole(get("micros") or 0) / 1e6
    state["latest_seconds"] = whole(get("latest") or 0) / 1e6
    return state


def _latest_error(raw: bytes, what: str) -> dict[str, Any] | None:
    """Type and message of an attempt's error, and when it was recorded."""
    at, _, details = raw.partition(b" ")
    error = _details("failed", details, what).get("error")
    if error is None:
        return None
    return {"type": error["type"], "message": error["message"], "at": moment(at)}


def _routine_status(state: dict[str, Any], latest: str) -> str:
    """One word for all invocations of a routine; a failure that was passed over stays visible."""
    if state["running"] > 0:
        return "running"
    if latest in ("pending", "failed"):
        return latest
    for passed_over in ("error_continued", "skipped"):
        if state[passed_over]:
            return passed_over
    return latest


def _stats(stats: dict[bytes, bytes], prefix: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, value in stats.items():
        kind, name = field[:1], field[1:]
        if not name.startswith(prefix):
            continue
        text = name.removeprefix(prefix).decode()
        found[text] = unpackb(value) if kind == b"v" else _number(value.decode())
    return found


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        return float(text)


def _entry(raw: list[Any], definition: Definition, job_id: str) -> HistoryEntry:
    entry_id = raw[0].decode()
    what = f"history entry {entry_id} of job {job_id}"
    with reading(what):
        pairs = dict(zip(raw[1][::2], raw[1][1::2], strict=True))
        kind, invocation, packed = pairs[b"k"].decode(), pairs[b"t"].decode(), pairs[b"p"]
        number, routine_id, slot = _place(invocation, definition)
        return HistoryEntry(
            entry_id, moment(entry_id.partition("-")[0].encode()), kind, number, routine_id, slot,
            _details(kind, packed, what),
        )  # fmt: skip


def _place(invocation: str, definition: Definition) -> tuple[int | None, str | None, str | None]:
    if not invocation:
        return None, None, None
    number, routine, slot = (whole(part) for part in invocation.split(".")[:3])
    name = CHILD_SLOT if slot == CHILD_SLOT_INDEX else definition.slot_names(routine)[slot]
    return number, definition.routines[routine].id, name


def _details(kind: str, packed: bytes, what: str) -> dict[str, Any]:
    if not packed:
        return {}
    if kind == "lost":
        return {"worker": packed.decode()}
    if kind == "paused":
        reason, _, checkpoint = unpack_record(packed, what, 3)
        return {"reason": typed(reason, str), "checkpoint": checkpoint}
    if kind in ("cancelled", "given_back"):
        (about,) = unpack_record(packed, what, 1)
        told: dict[Any, Any] = about if isinstance(about, dict) else {"reason": about}
        return {typed(name, str): typed(text, str) for name, text in told.items()}
    if kind == "recorded":
        routine_id, event, data = unpack_record(packed, what, 3)
        return {"routine_id": typed(routine_id, str), "event": event, "data": data}
    worker, attempt, micros, emitted, params, error = unpack_record(packed, what, 6)
    details = {
        "worker": typed(worker, str),
        "attempt": typed(attempt, int),
        "seconds": typed(micros, int) / 1e6,
        "emitted": typed(emitted, dict),
    }
    if params is not None:
        details["params"] = read_invocation(params, what)[1]
    if error is not None:
        texts = [typed(text, str) for text in typed(error, list)]
        details["error"] = dict(zip(("type", "message", "traceback"), texts, strict=True))
    return details
