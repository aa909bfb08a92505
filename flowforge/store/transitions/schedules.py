"""The transitions of schedules: saving them, starting their jobs, controlling them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from flowforge.errors import RecordError
from flowforge.model.times.schedule import Missed, time_text
from flowforge.model.times.timing import Timing
from flowforge.store.history import who_and_why
from flowforge.store.reading import reading, whole
from flowforge.store.runner import ScriptRunner, new_request
from flowforge.store.server.link import Argument
from flowforge.store.transitions.answers import (
    BACKFILL_SCHEDULE,
    DECLARE_SCHEDULES,
    FIRE_SCHEDULE,
    HOLD_SCHEDULE,
    REMOVE_SCHEDULE,
    SAVE_SCHEDULE,
    TRIGGER_SCHEDULE,
    Answer,
)

#: Milliseconds after which a content of a schedule that no worker has said to have is gone from
#: code. Workers say so several times meanwhile.
DECLARED_FOR = 15 * 60_000

_DUE = (
    "version", "created", "next", "cron", "every", "offset", "timezone", "jitter", "missed",
    "catch_up",
)  # fmt: skip


class DueSchedule(NamedTuple):
    """What the leader needs of a schedule. ``next_time``: None: none is left.

    ``version`` (with when it was created) and ``read``: as they were read, to be sent back.
    """

    name: str
    version: bytes
    read: bytes
    next_time: int | None
    timing: Timing
    missed: Missed
    catch_up: int


class Due(NamedTuple):
    """``now``: milliseconds of the server's clock. ``wait``: milliseconds until one is due, None:
    there is none. ``unreadable``: names, and why.
    """

    now: int
    wait: int | None
    schedules: list[DueSchedule]
    unreadable: list[tuple[str, RecordError]]


class Start(NamedTuple):
    """A time that has come, in seconds, and is to start this job. ``starts_at``: milliseconds."""

    time: int
    job_id: str
    starts_at: int

    def arguments(self) -> tuple[Argument, ...]:
        """As the script reads it."""
        return self.time, time_text(self.time), "start", self.job_id, self.starts_at


class Skipped(NamedTuple):
    """Times that have come one after the other and are skipped."""

    first: int
    last: int
    number: int

    def arguments(self) -> tuple[Argument, ...]:
        """As the script reads it."""
        return self.first, self.last, "missed", self.number, ""


class Fired(NamedTuple):
    """What became of what was due. ``waiting``: times that wait for the end of a job."""

    answer: Answer
    started: int = 0
    skipped: int = 0
    waiting: int = 0


class NewSchedule(NamedTuple):
    """What is stored of a schedule. ``mark``: a digest of ``fields``; ``starts_at``: ms."""

    name: str
    source: Literal["code", "api"]
    mark: str
    fields: Mapping[str, Argument]
    next_time: int | None
    starts_at: int | None


class ScheduleScripts:
    """Each method is one script. ``name``: of the schedule."""

    def __init__(self, scripts: ScriptRunner) -> None:
        self._scripts = scripts

    # --- the leader --------------------------------------------------------------------

    def due(self, most: int) -> Due:
        """The schedules that are to be looked at."""
        now, wait, *rows = self._scripts.run("due_schedules", most, *_DUE)
        found, unreadable = [], []
        for raw, values in zip(rows[::2], rows[1::2], strict=True):
            name = raw.decode(errors="backslashreplace")
            try:
                found.append(_due(name, values))
            except RecordError as error:
                unreadable.append((name, error))
        return Due(now, whole(wait) if wait else None, found, unreadable)

    def fire(
        self, due: DueSchedule, following: int | None, starts_at: int | None,
        spare: Sequence[str], steps: Sequence[Start | Skipped],
    ) -> Fired:  # fmt: skip
        """Do what is due. ``spare``: ids for jobs of times that have waited."""
        details = who_and_why("", f"replaced by the next job of schedule {due.name}")
        arguments: list[Argument] = []
        for step in steps:
            arguments += step.arguments()
        reply, *counts = self._scripts.run(
            "fire_schedule", due.name, due.version, due.read, _or_none(following),
            _or_none(starts_at), details, len(spare), *spare, *arguments,
        )  # fmt: skip
        return Fired(FIRE_SCHEDULE[reply], *counts)

    def put_off(self, name: str, why: str, ms: int) -> None:
        """Look at it again later; ``why`` is shown until then."""
        self._scripts.run("put_off_schedule", name, why, ms)

    # --- saving ------------------------------------------------------------------------

    def declare(self, marks: Mapping[str, str]) -> dict[str, Answer]:
        """Say that this worker's code has these contents: what is to be done about each."""
        pairs = [part for pair in marks.items() for part in pair]
        replies = self._scripts.run("declare_schedules", DECLARED_FOR, *pairs)
        answers = (DECLARE_SCHEDULES[reply] for reply in replies)
        return dict(zip(marks, answers, strict=True))

    def save(self, new: NewSchedule, by: str, definition: Mapping[str, Argument] | None) -> Answer:
        """OK, SAME, or why not: DEFINITION, which is to be sent along, DECLARED, MADE, OLDER."""
        fields = [part for pair in new.fields.items() for part in pair]
        stored = [part for pair in (definition or {}).items() for part in pair]
        return SAVE_SCHEDULE[
            self._scripts.run(
                "save_schedule", new.name, new.source, new.mark, DECLARED_FOR,
                _or_none(new.next_time), _or_none(new.starts_at), by, new_request(), len(fields),
                *fields, *stored,
            )
        ]  # fmt: skip

    # --- control -----------------------------------------------------------------------

    def pause(self, name: str, by: str, reason: str) -> Answer:
        """OK, SAME: it is paused already, or GONE."""
        return self._hold(name, "pause", by, reason)

    def resume(self, name: str, by: str, reason: str) -> Answer:
        """OK, SAME: it is not paused, or GONE."""
        return self._hold(name, "resume", by, reason)

    def trigger(self, name: str, job_id: str, overlap: str, by: str) -> tuple[Answer, str]:
        """OK or WAITS with the job; RUNS with the job that has not ended, FULL, GONE, DEFINITION.

        ``overlap``: empty: that of the schedule.
        """
        details = who_and_why(by, f"replaced by the next job of schedule {name}")
        reply, *rest = self._scripts.run("trigger_schedule", name, job_id, overlap, by, details)
        return TRIGGER_SCHEDULE[reply], rest[0].decode() if rest else ""

    def backfill(
        self, name: str, overlap: str, by: str, jobs: Sequence[tuple[int, str]]
    ) -> tuple[Answer, tuple[int, int, int]]:
        """``jobs``: time and id each. OK, FULL, GONE or DEFINITION, and how many were started,
        wait, and were known.
        """
        arguments = [part for time, job in jobs for part in (time, time_text(time), job)]
        reply, *counts = self._scripts.run(
            "backfill_schedule", name, overlap, by, new_request(), *arguments
        )
        started, waiting, known = counts or (0, 0, 0)
        return BACKFILL_SCHEDULE[reply], (started, waiting, known)

    def remove(self, name: str) -> Answer:
        """OK, GONE or DECLARED."""
        reply = self._scripts.run("remove_schedule", name, DECLARED_FOR, new_request())
        return REMOVE_SCHEDULE[reply]

    def _hold(self, name: str, action: str, by: str, reason: str) -> Answer:
        reply = self._scripts.run("hold_schedule", name, action, by, reason, new_request())
        return HOLD_SCHEDULE[reply]


def _or_none(value: int | None) -> int | str:
    return "" if value is None else value


def _due(name: str, values: Sequence[bytes | None]) -> DueSchedule:
    with reading(f"the schedule {name}"):
        version, created, read, cron, every, offset, timezone, jitter, missed, catch_up = (
            value or b"" for value in values
        )
        timing = Timing(
            cron.decode(), whole(every), whole(offset), timezone.decode(), whole(jitter)
        )
        following = whole(read) if read else None
        return DueSchedule(
            name,
            b"%s/%s" % (version, created),
            read,
            following,
            timing,
            Missed(missed.decode()),
            whole(catch_up),
        )
