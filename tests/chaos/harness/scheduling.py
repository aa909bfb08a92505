"""Schedules whose jobs are small trees, and what must hold of each of their times."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from flowforge.engine.schedules.state import ScheduleState
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually

#: What a job does, 0.1 s or so.
_TREE = Tree(12, micros=5000)

#: Seconds between two times, and what is done about jobs that have not ended and missed times.
_POLICIES = {
    "each": (1, "allow", "all"),
    "in-turn": (2, "queue_all", "all"),
    "one-at-a-time": (1, "skip", "skip"),
    "latest": (1, "queue", "latest"),
}

#: Seconds until the schedules have caught up, behind the last fault.
_LIMIT = 60.0


class Schedules:
    """One schedule for each way to treat jobs that have not ended and missed times."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._all = [ScheduleState(name, site.engine) for name in _POLICIES]

    def save(self) -> None:
        """Store those that are not there, or that a server has lost."""
        known = self._site.engine.schedules.known(list(_POLICIES))
        for (name, (every, overlap, missed)), there in zip(_POLICIES.items(), known, strict=True):
            if not there:
                _TREE.flow.schedule(
                    name, _TREE.entry, dict(_TREE.params), every=every, overlap=overlap,
                    missed=missed,
                ).save_on(self._site.engine, "the round")  # fmt: skip

    def verify(self, arena: Arena) -> None:
        """Wait until nothing is due, check each time and remove them; the site then expects their
        jobs to complete.
        """
        for one in self._all:
            self._catch_up(one)
        arena.figures["caught up in s"] = self._site.since_fault()
        jobs = self._jobs()
        arena.figures["times with a job"] = len(jobs)
        arena.figures["times skipped"] = sum(
            self._account(arena, one, Counter(at for of, at in jobs.values() if of == one.name))
            for one in self._all
        )
        for one in self._all:
            one.remove()
        self._site.jobs.update(dict.fromkeys(jobs, _TREE))

    def _catch_up(self, schedule: ScheduleState) -> None:
        """Return when nothing of it is due; it is paused then, with what waits."""
        eventually(
            lambda: _next(schedule).timestamp() * 1000 > self._site.engine.overview.now(), _LIMIT,
            f"{schedule.name} to catch up",
        )  # fmt: skip
        schedule.pause()

    def _account(self, arena: Arena, schedule: ScheduleState, started: Counter[datetime]) -> int:
        """Check that each time has one job, is recorded as skipped, or waits; how many were
        skipped.
        """
        name, info = schedule.name, schedule.info()
        every, end = timedelta(seconds=_POLICIES[name][0]), _next(schedule)
        skipped = _skipped(schedule, every)
        accounted = skipped + started
        accounted.update(at for at, _ in self._site.engine.schedules.waiting(name, 1000))
        after = info.timing.after(int(info.created_at.timestamp())) or 0
        first = datetime.fromtimestamp(after, UTC)
        # The first time is computed before the schedule is stored: one may have come between.
        first = min(first, max(first - every, min(accounted, default=first)))
        due = Counter(first + every * n for n in range((end - first) // every))
        # While it is paused, further times are skipped.
        more = Counter({at: n for at, n in accounted.items() if at < end or n > 1}) - due
        arena.expect(not more, f"schedule {name}: twice, or no time of it: {more}")
        arena.expect(not due - accounted, f"schedule {name}: left out {due - accounted}")
        return skipped.total()

    def _jobs(self) -> dict[str, tuple[str, datetime]]:
        """Job -> schedule and time."""
        store, inspector = self._site.engine.store, self._site.engine.inspector
        raw = store.link.call("ZRANGE", store.keys.of("flow", _TREE.flow.flow_id), 0, -1)
        found = {job_id.decode(): inspector.describe(job_id.decode())[1] for job_id in raw}
        return {
            job_id: (one.schedule or "", one.scheduled_at)
            for job_id, one in found.items()
            if one.scheduled_at is not None
        }


def _next(schedule: ScheduleState) -> datetime:
    found = schedule.info().next_at
    assert found is not None
    return found


def _skipped(schedule: ScheduleState, every: timedelta) -> Counter[datetime]:
    """The times that are recorded as skipped."""
    found: Counter[datetime] = Counter()
    for event in schedule.history(1000):
        if event.kind == "skipped" and event.time and event.until:
            number = (event.until - event.time) // every + 1
            found.update(event.time + every * n for n in range(number))
    return found
