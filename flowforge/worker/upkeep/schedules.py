"""Schedules whose time has come."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from flowforge.errors import CommandRefusedError, FlowForgeError, StoreUnavailableError
from flowforge.store.store import Store
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.schedules import DueSchedule, Start
from flowforge.worker.upkeep.schedule_plan import plan

logger = logging.getLogger(__name__)

#: Schedules of one look.
_BATCH = 100

#: Seconds after which a round begins no other schedule, so that other duties get their turn.
_LONGEST = 0.5

#: Seconds between two looks where nothing is due before: how late the first start of a new schedule
#: may be.
_LOOK = 1.0

#: Ids for times that have waited for a job: one is started, or several that may overlap.
_SPARE = 8

#: Milliseconds until a schedule is tried again that failed.
_AGAIN = 60_000


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
            looked += len(due.unreadable)
            for one in due.schedules:
                self._safely(one, due.now)
                looked += 1
                if self._clock() >= until:
                    return looked
            if not due.schedules and not due.unreadable:
                wait = _LOOK if due.wait is None else min(_LOOK, due.wait / 1000)
                self._look_at = self._clock() + wait
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
        steps, following, starts_at = plan(due, now)
        starts = [one for one in steps if isinstance(one, Start)]
        ids = self._store.new_job_ids(_SPARE + len(starts))
        own = iter(ids[_SPARE:])
        given = [one._replace(job_id=next(own)) if isinstance(one, Start) else one for one in steps]
        fired = self._store.schedules.fire(due, following, starts_at, ids[:_SPARE], given)
        if fired.started:
            late = (now - starts[-1].starts_at) / 1000 if starts else 0.0
            logger.info(
                "schedule %s has started %d jobs, %.1f s behind the time of the latest",
                due.name, fired.started, late,
            )  # fmt: skip
        return fired.answer
