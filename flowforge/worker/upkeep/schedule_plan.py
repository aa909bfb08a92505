"""What is to be done about the times of a schedule that have come."""

from __future__ import annotations

from typing import NamedTuple

from flowforge.model.times.schedule import LATE, Missed
from flowforge.store.transitions.schedules import DueSchedule, Skipped, Start

#: Times that one plan is about, and those of them that start jobs: a tenth of a second of the
#: leader, and 3 ms of the server. The rest have their turn in the next one.
MOST_TIMES, MOST_STARTS = 500, 64


class Plan(NamedTuple):
    """``steps``: in the order of the times; their jobs have no ids yet. ``following``: the first
    time behind them, None: there is none; ``starts_at``: when that is to start, in milliseconds.
    """

    steps: list[Start | Skipped]
    following: int | None
    starts_at: int | None


def plan(due: DueSchedule, now: int) -> Plan:
    """What to do with the times that have come at ``now``, in milliseconds.

    A time is missed when the next one has come too, or it is more than ``LATE`` seconds ago.
    """
    steps: list[Start | Skipped] = []
    starts = 0
    time = due.next_time
    starts_at = None if time is None else due.timing.starts_at(due.name, time)
    for _ in range(MOST_TIMES):
        if time is None or starts_at is None or starts_at > now:
            break
        following = due.timing.after(time)
        next_start = None if following is None else due.timing.starts_at(due.name, following)
        is_latest = next_start is None or next_start > now
        if _is_to_start(due, now - starts_at, is_latest=is_latest):
            if starts == MOST_STARTS:
                break
            steps.append(Start(time, "", starts_at))
            starts += 1
        else:
            _skip(steps, time)
        time, starts_at = following, next_start
    return Plan(steps, time, starts_at)


def _is_to_start(due: DueSchedule, age: int, *, is_latest: bool) -> bool:
    """``age``: milliseconds since the time was to start."""
    if is_latest and age <= LATE * 1000:
        return True
    if due.missed is Missed.SKIP or age > due.catch_up * 1000:
        return False
    return is_latest or due.missed is Missed.ALL


def _skip(steps: list[Start | Skipped], time: int) -> None:
    before = steps[-1] if steps else None
    if isinstance(before, Skipped):
        steps[-1] = before._replace(last=time, number=before.number + 1)
    else:
        steps.append(Skipped(time, time, 1))
