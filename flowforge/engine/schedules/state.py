"""Handles of schedules: reading and controlling them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import NoReturn, Self

from flowforge.common.bounded_repr import shown
from flowforge.engine.current import current_engine
from flowforge.engine.engine import Engine, Submitter
from flowforge.engine.home import home_of
from flowforge.engine.jobs.job_state import JobState
from flowforge.engine.operator_name import operator_name
from flowforge.engine.texts import checked_text
from flowforge.errors import (
    CorruptRecordError,
    InvalidValueError,
    RecordError,
    ScheduleNotFoundError,
    ScheduleStateError,
    StoreUnavailableError,
)
from flowforge.model.times.schedule import Overlap, check_schedule_name, one_of
from flowforge.model.times.schedule_info import Backfilled, ScheduleEvent, ScheduleInfo
from flowforge.store.transitions.answers import Answer

#: Times that one call of ``backfill`` takes, as many as can wait.
MOST_BACKFILLED = 1000

#: Times of one script.
_AT_ONCE = 64


def home_of_schedule(submitter: Submitter, name: str, *, limited: bool = False) -> Engine:
    """The engine of the server that has a schedule, or that a new one of this name goes to.

    ``limited``: its jobs have limits. StoreUnavailableError when no server has it that answers, and
    some do not.
    """
    homes, silent = homes_of_schedules(submitter, {name: limited})
    if name not in homes:
        assert silent is not None, "without a server that is silent each name has a home"
        raise silent
    return homes[name]


def homes_of_schedules(
    submitter: Submitter, wanted: Mapping[str, bool]
) -> tuple[dict[str, Engine], StoreUnavailableError | None]:
    """The engines of schedules by name; and why names are left out, which servers may have that do
    not answer. ``wanted``: name -> whether its jobs have limits.
    """
    engines, names = submitter.each, list(wanted)
    if len(engines) == 1:
        return dict.fromkeys(names, engines[0]), None
    homes, silent = dict[str, Engine](), None
    for engine in engines:
        try:
            found = zip(names, engine.schedules.known(names), strict=True)
            homes |= {name: engine for name, known in found if known}
        except StoreUnavailableError as error:
            silent = error
    if silent is None:
        for name in wanted.keys() - homes.keys():
            limited = wanted[name]
            homes[name] = submitter.limit_home.find() if limited else home_of(engines, name)
    return homes, silent


class ScheduleState:
    """A schedule that is stored, by its name. Methods raise ScheduleNotFoundError when there is
    none any more, and StoreUnavailableError after 5 seconds without a server.
    """

    def __init__(self, name: str, engine: Engine | None = None) -> None:
        self.name = check_schedule_name(name)
        self._engine = home_of_schedule(current_engine(), name) if engine is None else engine

    def __repr__(self) -> str:
        return f"ScheduleState({self.name!r})"

    @classmethod
    def get(cls, name: str) -> Self:
        """The handle of an existing schedule; ScheduleNotFoundError when there is none."""
        schedule = cls(name)
        schedule.info()
        return schedule

    @classmethod
    def all(cls) -> list[ScheduleInfo]:
        """All schedules by name; those that cannot be read are left out."""
        found = (one for engine in current_engine().each for one in engine.schedules.all())
        # Reading in pieces may meet one twice.
        names = {one.name: one for one in found if not isinstance(one, RecordError)}
        return [names[name] for name in sorted(names)]

    def info(self) -> ScheduleInfo:
        """What is kept of it now."""
        found = self._engine.schedules.find(self.name)
        if found is None:
            self._refuse(Answer.GONE)
        return found

    def history(self, limit: int = 100) -> list[ScheduleEvent]:
        """The latest of about 500 entries of its history, the newest first."""
        if limit < 1:
            raise InvalidValueError(f"limit must be a whole number of at least 1, not {limit!r}")
        return self._engine.schedules.history(self.name, limit)

    def next_times(self, limit: int = 10) -> list[datetime]:
        """Its next times; of one that is paused those that would be skipped."""
        return list(self.info().next_times(limit))

    def pause(self, reason: str = "", *, by: str | None = None) -> bool:
        """Start no jobs until ``resume``: times that come meanwhile are skipped. False: it was
        paused already. ``by``: who does it; None: ``user@host`` of this process.
        """
        reason = checked_text("reason", reason)
        return self._held(self._engine.store.schedules.pause(self.name, operator_name(by), reason))

    def resume(self, reason: str = "", *, by: str | None = None) -> bool:
        """Start jobs again, from its next time on. False: it was not paused."""
        reason = checked_text("reason", reason)
        return self._held(self._engine.store.schedules.resume(self.name, operator_name(by), reason))

    def trigger(self, *, overlap: str | None = None, by: str | None = None) -> JobState:
        """Start a job now, also while it is paused, and return its handle. Its times go on as they
        are; ``self.scheduled_at`` is the time of the call.

        ``overlap``: what to do if a job of it has not ended; None: as it does itself. With
        ``queue`` the job may be created later. ScheduleStateError when a job runs and ``overlap``
        is ``skip``, or no more can wait.
        """
        chosen = "" if overlap is None else one_of(Overlap, "overlap", overlap).value
        (job_id,) = self._engine.store.new_job_ids(1)
        scripts = self._engine.store.schedules
        answer, about = scripts.trigger(self.name, job_id, chosen, operator_name(by))
        if answer is Answer.RUNS:
            which = f"job {about} has not ended" if about else "other times wait to be started"
            raise ScheduleStateError(
                f"schedule {self.name!r} starts no second job at the same time: {which}; "
                "overlap='allow' starts one, overlap='queue' starts it afterwards"
            )
        if answer not in (Answer.OK, Answer.WAITS):
            self._refuse(answer)
        return JobState(job_id, self._engine)

    def backfill(
        self, start: datetime, end: datetime, *, overlap: str | None = None, by: str | None = None
    ) -> Backfilled:
        """Start jobs for the times from ``start`` up to ``end``, but not at ``end``; both are
        aware, and not in the future. A time that has its job already, as long as that is kept,
        starts no second one.

        Unless ``overlap`` is ``allow``, the jobs run one after the other; None: as the schedule
        does. At most 1,000 times at once: ValueError.
        """
        chosen = "" if overlap is None else one_of(Overlap, "overlap", overlap).value
        times = self.backfill_times(start, end)
        by = operator_name(by)
        done = [0, 0, 0]
        for at in range(0, len(times), _AT_ONCE):
            piece = times[at : at + _AT_ONCE]
            ids = self._engine.store.new_job_ids(len(piece))
            pairs = list(zip(piece, ids, strict=True))
            answer, counts = self._engine.store.schedules.backfill(self.name, chosen, by, pairs)
            if answer is not Answer.OK and answer is not Answer.FULL:
                self._refuse(answer)
            done = [before + more for before, more in zip(done, counts, strict=True)]
            if answer is Answer.FULL:
                raise ScheduleStateError(
                    f"1,000 times of schedule {self.name!r} wait: {done[1]} of these were added; "
                    "try again with the rest later"
                )
        return Backfilled(*done)

    def backfill_times(self, start: datetime, end: datetime) -> list[int]:
        """The times that ``backfill`` would take, in seconds; ValueError as it raises it."""
        first, last = _seconds("start", start), _seconds("end", end)
        if first > last:
            raise InvalidValueError(f"start {start} is after end {end}: no time is between them")
        # Up to this second, whose own time has come.
        now = -(-self._engine.overview.now() // 1000)
        if last > now:
            raise InvalidValueError(
                f"end {end} is in the future: its own time starts the job of each time that comes"
            )
        found = self.info().timing.times(first - 1)
        until = islice(_until(found, last), MOST_BACKFILLED + 1)
        times = list(until)
        if len(times) > MOST_BACKFILLED:
            raise InvalidValueError(
                f"there are more than {MOST_BACKFILLED:,} times from {start} to {end}: take them "
                "in parts"
            )
        return times

    def remove(self) -> None:
        """Forget it, with its history. Its jobs go on. ScheduleStateError while workers have it in
        code.
        """
        answer = self._engine.store.schedules.remove(self.name)
        if answer is Answer.DECLARED:
            raise ScheduleStateError(
                f"schedule {self.name!r} is declared in code that workers have, and they would "
                "save it again: take it out of the code first; pause it until then"
            )
        if answer is not Answer.OK:
            self._refuse(answer)

    def _held(self, answer: Answer) -> bool:
        if answer is Answer.GONE:
            self._refuse(answer)
        return answer is Answer.OK

    def _refuse(self, answer: Answer) -> NoReturn:
        if answer is Answer.FULL:
            raise ScheduleStateError(
                f"as many times of schedule {self.name!r} wait for the end of a job as can"
            )
        if answer is Answer.DEFINITION:
            raise CorruptRecordError(
                f"the definition that schedule {self.name!r} starts jobs of is gone from the "
                "server: save the schedule again"
            )
        raise ScheduleNotFoundError(
            f"there is no schedule {shown(self.name)}: flowforge schedules list names those that "
            "there are"
        )


def _until(times: Iterator[int], end: int) -> Iterator[int]:
    for one in times:
        if one >= end:
            return
        yield one


def _seconds(name: str, value: object) -> int:
    """The first whole second at this time or behind it."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidValueError(
            f"{name} must be a datetime with a time zone, such as datetime(2026, 11, 1, "
            f"tzinfo=UTC), not {shown(value)}"
        )
    time = value.astimezone(UTC)
    return int(time.timestamp()) + (time.microsecond > 0)
