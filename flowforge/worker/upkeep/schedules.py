"""Schedules whose time has come."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Literal, TypeAlias

from flowforge.errors import CommandRefusedError, FlowForgeError, StoreUnavailableError
from flowforge.model.schedule import LATE, Missed
from flowforge.store.answers import Answer
from flowforge.store.schedule_scripts import DueSchedule, TimeStep
from flowforge.store.store import Store

logger = logging.getLogger(__name__)

#: Schedules of one look.
_BATCH = 100

#: Seconds that one round may take, so that other duties get their turn.
_LONGEST = 1.0

#: Seconds between two looks where nothing is due before: how late the first start of a new schedule
#: may be.
_LOOK = 1.0

#: Times of one schedule that one call acts on: those that start jobs, and those that are skipped.
_MOST_STARTS, _MOST_SKIPS = 64, 1000

#: Ids for times that have waited for a job: one is started, or several that may overlap.
_SPARE = 8

#: Milliseconds until a schedule is tried again that failed.
_AGAIN = 60_000


#: A time in seconds, and what is done about it.
Planned: TypeAlias = tuple[int, Literal["start", "missed"]]


class Schedules:
    """Starts the jobs of schedules that are due, each time once.

    The times are computed here and the jobs are created on the server, in one script with the next
    time: of two leaders that believe in their lead, the second changes nothing.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._clock = clock
        self._look_at = 0.0
        #: Schedule -> why it failed, as far as the log says.
        self._failed: dict[str, str] = {}

    def run_once(self) -> int:
        """How many schedules were looked at."""
        looked, now = 0, self._clock()
        if now < self._look_at:
            return 0
        until = now + _LONGEST
        while True:
            due = self._store.schedules.due(_BATCH)
            for name, error in due.unreadable:
                self._put_off(name, error)
            for one in due.schedules:
                self._safely(one, due.now)
            found = len(due.schedules) + len(due.unreadable)
            looked += found
            if found == 0:
                wait = _LOOK if due.wait is None else min(_LOOK, due.wait / 1000)
                self._look_at = self._clock() + wait
                return looked
            if self._clock() >= until:
                return looked

    def _safely(self, due: DueSchedule, now: int) -> None:
        """One that fails must not keep the others from their turn."""
        try:
            answer = self._fire(due, now)
        except (StoreUnavailableError, CommandRefusedError):
            raise
        except Exception as error:  # noqa: BLE001 - whatever a damaged row or a time zone leads to
            self._put_off(due.name, error)
        else:
            if answer is Answer.DEFINITION:
                why = "the definition of its flow is gone from the server: save the schedule again"
                self._put_off(due.name, FlowForgeError(why))
            else:
                self._failed.pop(due.name, None)

    def _put_off(self, name: str, error: Exception) -> None:
        known = isinstance(error, FlowForgeError)
        why = str(error) if known else f"{type(error).__name__}: {error}"
        if self._failed.get(name) != why:
            self._failed[name] = why
            logger.error("schedule %s cannot start its job, trying again: %s", name, why)
        self._store.schedules.put_off(name, why[:1000], _AGAIN)

    def _fire(self, due: DueSchedule, now: int) -> Answer:
        steps, following = plan(due, now)
        starts_at = None if following is None else due.timing.starts_at(due.name, following)
        ids = self._store.new_job_ids(_SPARE + sum(1 for _, what in steps if what == "start"))
        spare, rest = ids[:_SPARE], iter(ids[_SPARE:])
        given = [TimeStep(one, what, next(rest) if what == "start" else "") for one, what in steps]
        fired = self._store.schedules.fire(due, following, starts_at, spare, given)
        if fired.started:
            late = now / 1000 - given[-1].time if given else 0.0
            logger.info(
                "schedule %s has started %d jobs, %.1f s behind the time of the latest",
                due.name, fired.started, max(0.0, late),
            )  # fmt: skip
        return fired.answer


def plan(due: DueSchedule, now: int) -> tuple[list[Planned], int | None]:
    """The times that have come, each to be started or ``missed``, and the one behind them.

    ``now``: milliseconds. A time is missed when the next one has come too, or it is more than
    ``LATE`` seconds ago. Not all of very many are in one plan.
    """
    most = _MOST_STARTS if due.missed is Missed.ALL else _MOST_SKIPS
    come, following = _come(due, now, most)
    if not come:
        return [], following
    # With more behind them, the last of these is not the latest.
    latest = None if following is not None and _has_come(due, following, now) else come[-1]
    return [(one, _what(due, one, one == latest, now)) for one in come], following


def _come(due: DueSchedule, now: int, most: int) -> tuple[list[int], int | None]:
    one, come = due.next_time, list[int]()
    while one is not None and len(come) < most and _has_come(due, one, now):
        come.append(one)
        one = due.timing.after(one)
    return come, one


def _has_come(due: DueSchedule, one: int, now: int) -> bool:
    return due.timing.starts_at(due.name, one) <= now


def _what(due: DueSchedule, one: int, is_latest: bool, now: int) -> Literal["start", "missed"]:
    age = (now - due.timing.starts_at(due.name, one)) / 1000
    if is_latest and age <= LATE:
        return "start"
    if due.missed is Missed.SKIP or age > due.catch_up:
        return "missed"
    return "start" if is_latest or due.missed is Missed.ALL else "missed"
