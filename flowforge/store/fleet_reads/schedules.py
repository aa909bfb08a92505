"""Reading what is kept of schedules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from flowforge.codec.binary import read_kept
from flowforge.errors import RecordError
from flowforge.model.jobs.labels import read_labels
from flowforge.model.times.schedule import Missed, Overlap, Policy, ScheduleStatus
from flowforge.model.times.schedule_info import ScheduleEvent, ScheduleInfo, lateness
from flowforge.model.times.timing import Timing
from flowforge.store.reading import moment, reading, whole
from flowforge.store.store import Store
from flowforge.store.transitions.schedules import DECLARED_FOR
from flowforge.store.transitions.submission import LARGE_PARAMS, NO_PARAMS, SAME_PARAMS

#: Schedules that are read at once.
_PIECE = 200

_SKIPPED, _SEEN = "skipped ", "seen "


class SchedulePlace(NamedTuple):
    """A schedule by its place in the order of all: when the leader looks at it next, in
    milliseconds, infinite for never; then its name.
    """

    due: float
    name: str

    @property
    def cursor(self) -> str:
        """What a later page goes on from."""
        return f"{'never' if self.due == float('inf') else int(self.due)}/{self.name}"


class ScheduleReader:
    """Reads the schedules of one server."""

    def __init__(self, store: Store) -> None:
        self._link = store.link
        self._of = store.keys.of

    def known(self, names: Sequence[str]) -> list[bool]:
        """Which of the names are those of schedules."""
        found: list[bool] = []
        for start in range(0, len(names), _PIECE):
            piece = names[start : start + _PIECE]
            found += map(
                bool, self._link.many([("EXISTS", self._of("schedule", one)) for one in piece])
            )
        return found

    def total(self) -> int:
        """How many there are."""
        found: int = self._link.call("ZCARD", self._of("schedules"))
        return found

    def find(self, name: str) -> ScheduleInfo | None:
        """One by its name; None when there is none. RecordError when it cannot be read."""
        for found in self._read([name]):
            if isinstance(found, RecordError):
                raise found
            return found
        return None

    def all(self) -> Iterator[ScheduleInfo | RecordError]:
        """All of them, in no order; of one that cannot be read the error."""
        cursor = b"0"
        while True:
            cursor, pairs = self._link.call("ZSCAN", self._of("schedules"), cursor, "COUNT", _PIECE)
            yield from self._read([one.decode(errors="backslashreplace") for one in pairs[::2]])
            if cursor == b"0":
                return

    def coming(self, start: int, most: int) -> Iterator[ScheduleInfo | RecordError]:
        """Some of them, about in the order of their next times, those that have ended last."""
        names = self._link.call("ZRANGE", self._of("schedules"), start, start + most - 1)
        yield from self._read([one.decode(errors="backslashreplace") for one in names])

    def behind(self, last: SchedulePlace | None, size: int) -> list[SchedulePlace]:
        """The next schedules in their order, at most ``size``; none at the end."""
        passed = 0
        while True:
            # The one that was passed last is read again, and says that none is skipped.
            again = min(passed, 1)
            piece = self._in_order(last, passed - again, size + again)
            fresh = piece if last is None else [one for one in piece if one > last]
            if passed and fresh and fresh[0] == piece[0]:
                passed = 0  # some that were passed have gone
            elif fresh or len(piece) < size + again:
                return fresh
            else:
                passed += size

    def _in_order(self, last: SchedulePlace | None, start: int, size: int) -> list[SchedulePlace]:
        """Those at the time of ``last`` and later, without the first ``start`` of them."""
        reply = self._link.call(
            "ZRANGE", self._of("schedules"), "-inf" if last is None else last.due, "+inf",
            "BYSCORE", "LIMIT", start, size, "WITHSCORES",
        )  # fmt: skip
        return [
            SchedulePlace(max(float(due), 0.0), name.decode(errors="backslashreplace"))
            for name, due in zip(reply[::2], reply[1::2], strict=True)
        ]

    def at(
        self, places: Sequence[SchedulePlace]
    ) -> Iterator[tuple[SchedulePlace, ScheduleInfo | RecordError]]:
        """What is kept of these schedules, without those that are gone."""
        for place, found in zip(places, self._read_each([one.name for one in places]), strict=True):
            if found is not None:
                yield place, found

    def history(self, name: str, most: int) -> list[ScheduleEvent]:
        """The latest entries, the newest first; what cannot be read is left out."""
        entries, stored = self._link.many(
            [
                ("XREVRANGE", self._of("schedule_history", name), "+", "-", "COUNT", most),
                ("HGETALL", self._of("schedule", name)),
            ]
        )
        found = [*_open_skip(_pairs(stored))]
        for _, fields in entries:
            try:
                found.append(_event(name, _pairs(fields)))
            except RecordError:
                continue
        return found[:most]

    def waiting(self, name: str, most: int) -> list[tuple[datetime, str]]:
        """Times that wait for a job, and why: ``queue``, ``backfill`` or ``trigger``."""
        reply = self._link.call(
            "ZRANGE", self._of("schedule_waiting", name), 0, most - 1, "WITHSCORES"
        )
        with reading(f"the times of schedule {name} that wait"):
            return [
                (moment(int(float(score)) * 1000), member.decode().partition("/")[0])
                for member, score in zip(reply[::2], reply[1::2], strict=True)
            ]

    def jobs(self, name: str, most: int) -> list[str]:
        """Its latest jobs that have not completed as far as the leader has looked."""
        found = self._link.call("ZRANGE", self._of("schedule_jobs", name), 0, most - 1, "REV")
        return [one.decode(errors="backslashreplace") for one in found]

    def _read(self, names: Sequence[str]) -> Iterator[ScheduleInfo | RecordError]:
        for found in self._read_each(names):
            if found is not None:
                yield found

    def _read_each(self, names: Sequence[str]) -> Iterator[ScheduleInfo | RecordError | None]:
        """None for one that was removed meanwhile."""
        commands = [
            command
            for name in names
            for command in (
                ("HGETALL", self._of("schedule", name)),
                ("ZCARD", self._of("schedule_jobs", name)),
                ("ZCARD", self._of("schedule_waiting", name)),
            )
        ]
        *replies, time = self._link.many([*commands, ("TIME",)])
        now = int(time[0]) * 1000 + int(time[1]) // 1000
        for at, name in enumerate(names):
            stored, unfinished, waiting = replies[3 * at : 3 * at + 3]
            try:
                yield _info(name, _pairs(stored), unfinished, waiting, now) if stored else None
            except RecordError as error:
                yield error


def _pairs(reply: Sequence[bytes]) -> dict[str, bytes]:
    found = zip(reply[::2], reply[1::2], strict=True)
    return {name.decode(errors="backslashreplace"): value for name, value in found}


def _info(
    name: str, stored: Mapping[str, bytes], unfinished: int, waiting: int, now: int
) -> ScheduleInfo:
    with reading(f"the schedule {name}"):
        status = ScheduleStatus(stored["state"].decode())
        paused = status is ScheduleStatus.PAUSED
        policy = _policy(stored)
        # A pause hides that it has ended.
        ended = policy.times is not None and whole(stored.get("used") or 0) >= policy.times
        next_time, starts_ms = (
            whole(stored[field]) if stored.get(field) and not ended else None
            for field in ("next", "due")
        )
        mark = stored["mark"].decode()
        seen = {k.removeprefix(_SEEN): whole(v) for k, v in stored.items() if k.startswith(_SEEN)}
        recent = {one for one, at in seen.items() if at + DECLARED_FOR > now}
        in_code = stored["source"] == b"code"
        reason = _text(stored, "reason") if paused else None
        active = status is ScheduleStatus.ACTIVE
        return ScheduleInfo(
            name=name,
            flow_id=stored["flow"].decode(),
            entry=stored["entry"].decode(),
            timing=_timing(stored),
            policy=policy,
            status=status,
            next_at=None if next_time is None else moment(next_time * 1000),
            starts_at=None if starts_ms is None else moment(starts_ms),
            late=lateness(starts_ms, now) if active else 0.0,
            reason=reason,
            by=_text(stored, "by") if paused else None,
            paused_at=moment(stored["paused"]) if paused else None,
            failed_job_id=_failed_job(reason) if paused and not stored.get("by") else None,
            in_code=in_code,
            module=_text(stored, "place") if in_code else None,
            vanished=in_code and mark not in recent,
            other_versions=len(recent - {mark}),
            labels=read_labels(stored["labels"].decode()),
            priority=whole(stored["priority"]),
            params=_params(name, stored),
            started=whole(stored.get("started") or 0),
            skipped={
                k.removeprefix(_SKIPPED): whole(v)
                for k, v in sorted(stored.items())
                if k.startswith(_SKIPPED)
            },
            missed_at=moment(stored["missed_at"]) if "missed_at" in stored else None,
            last_at=moment(whole(stored["last_time"]) * 1000) if "last_time" in stored else None,
            last_job_id=_text(stored, "last_job"),
            unfinished=unfinished,
            waiting=waiting,
            problem=_text(stored, "error"),
            version=whole(stored["version"]),
            definition=stored["def"].decode(),
            created_at=moment(stored["created"]),
            updated_at=moment(stored["updated"]),
        )


def _timing(stored: Mapping[str, bytes]) -> Timing:
    return Timing(
        stored["cron"].decode(), whole(stored["every"]), whole(stored["offset"]),
        stored["timezone"].decode(), whole(stored["jitter"]),
    )  # fmt: skip


def _policy(stored: Mapping[str, bytes]) -> Policy:
    return Policy(
        Overlap(stored["overlap"].decode()), Missed(stored["missed"].decode()),
        whole(stored["catch_up"]), stored["pause_on_failure"] == b"1",
        whole(stored["times"]) if stored["times"] else None,
    )  # fmt: skip


def _params(name: str, stored: Mapping[str, bytes]) -> dict[str, Any] | None:
    kept = stored["params"]
    if kept == NO_PARAMS:
        return {}
    if kept == LARGE_PARAMS:
        return None
    return read_kept(stored["record"] if kept == SAME_PARAMS else kept, f"the params of {name}")


def _failed_job(reason: str | None) -> str | None:
    """The job that the reason of a pause names, as ``schedules.lua`` writes it."""
    match (reason or "").split():
        case ["job", job_id, "failed"]:
            return job_id
    return None


def _open_skip(stored: Mapping[str, bytes]) -> Iterable[ScheduleEvent]:
    """The latest times that were skipped, which are not in the stream yet."""
    if stored.get("skip_reason"):
        fields = {"why": "skip_reason", "from": "skip_from", "to": "skip_to", "count": "skip_count"}
        found = {one: stored.get(field, b"") for one, field in fields.items()}
        yield _event("", {"k": b"skipped", "at": stored.get("skip_at", b""), **found})


def _event(name: str, fields: Mapping[str, bytes]) -> ScheduleEvent:
    with reading(f"the history of schedule {name}"):
        time = fields.get("time") or fields.get("from")
        return ScheduleEvent(
            at=moment(fields["at"]),
            kind=fields["k"].decode(),
            time=moment(whole(time) * 1000) if time else None,
            until=moment(whole(fields["to"]) * 1000) if fields.get("to") else None,
            count=whole(fields.get("count") or 0),
            why=_text(fields, "why"),
            job_id=_text(fields, "job"),
            how=_text(fields, "how"),
            by=_text(fields, "by"),
        )


def _text(stored: Mapping[str, bytes], field: str) -> str | None:
    return stored[field].decode(errors="backslashreplace") or None if field in stored else None
