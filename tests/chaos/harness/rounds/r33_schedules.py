"""Row 33: leaders and the server die while schedules start jobs."""

from __future__ import annotations

import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from flowforge.engine.schedules.state import ScheduleState
from flowforge.store.lease_tokens import owner_of
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.faults import interrupt
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually
from tests.support.fleet import Worker

#: What a job does, 0.1 s or so.
_TREE = Tree(12, micros=5000)

#: Seconds between two times, and what is done about jobs that have not ended and missed times.
_SCHEDULES = {
    "each": (1, "allow", "all"),
    "in-turn": (2, "queue_all", "all"),
    "one-at-a-time": (1, "skip", "skip"),
    "latest": (1, "queue", "latest"),
}

_WORKERS = 3

#: Seconds until the schedules have caught up, behind the last fault.
_LIMIT = 60.0


def run(arena: Arena) -> None:
    server = arena.server(durable=True, appendfsync="always")
    site = arena.site(server.url, max_losses=1000)
    workers = [_worker(site) for _ in range(_WORKERS)]
    site.fleet.wait_until_ready()
    schedules = {name: _save(site, name) for name in _SCHEDULES}
    faults = arena.times(40, least=3)
    for number in range(faults):
        time.sleep(arena.rng.uniform(0.2, 2.0))
        if number % 3 == 2:
            interrupt(server, arena.rng, 2.0)
        else:
            site.fleet.kill(_leader(site, workers))
            workers = [one for one in workers if one.alive]
            workers.append(_worker(site))
    site.fault_over()
    arena.figures["faults"] = faults
    for one in schedules.values():
        _catch_up(site, one)
    arena.figures["caught up in s"] = site.since_fault()
    jobs = _jobs(site)
    arena.figures["times with a job"] = len(jobs)
    arena.figures["times skipped"] = sum(
        _account(arena, site, one, Counter(at for of, at in jobs.values() if of == one.name))
        for one in schedules.values()
    )
    for one in schedules.values():
        one.remove()
    site.jobs.update(dict.fromkeys(jobs, _TREE))
    arena.figures["recovered in s"] = site.wait()
    site.verify()


def _account(arena: Arena, site: Site, schedule: ScheduleState, started: Counter[datetime]) -> int:
    """Check that each time has one job, is recorded as skipped, or waits; how many were skipped."""
    name, info = schedule.name, schedule.info()
    every, end = timedelta(seconds=_SCHEDULES[name][0]), _next(schedule)
    skipped = _skipped(schedule, every)
    accounted = skipped + started
    accounted.update(at for at, _ in site.engine.schedules.waiting(name, 1000))
    first = datetime.fromtimestamp(info.timing.after(int(info.created_at.timestamp())) or 0, UTC)
    # The first time is computed before the schedule is stored: one may have come between.
    first = min(first, max(first - every, min(accounted, default=first)))
    due = Counter(first + every * n for n in range((end - first) // every))
    # While it is paused, further times are skipped.
    more = Counter({at: n for at, n in accounted.items() if at < end or n > 1}) - due
    arena.expect(not more, f"schedule {name}: twice, or no time of it: {more}")
    arena.expect(not due - accounted, f"schedule {name}: left out {due - accounted}")
    return skipped.total()


def _save(site: Site, name: str) -> ScheduleState:
    every, overlap, missed = _SCHEDULES[name]
    schedule = _TREE.flow.schedule(
        name, _TREE.entry, dict(_TREE.params), every=every, overlap=overlap, missed=missed
    )
    schedule.save_on(site.engine, "the round")
    return ScheduleState(name, site.engine)


def _next(schedule: ScheduleState) -> datetime:
    found = schedule.info().next_at
    assert found is not None
    return found


def _leader(site: Site, workers: list[Worker]) -> Worker:
    """The worker that leads; any while none does."""
    raw = site.engine.store.link.call("GET", site.engine.store.keys.of("leader")) or b""
    pid = owner_of(raw.decode().rpartition("/")[2]).pid
    return next((one for one in workers if one.pid == pid), workers[0])


def _catch_up(site: Site, schedule: ScheduleState) -> None:
    """Return when nothing of it is due; it is paused then, with what waits."""
    eventually(
        lambda: _next(schedule).timestamp() * 1000 > site.engine.overview.now(), _LIMIT,
        f"{schedule.name} to catch up",
    )  # fmt: skip
    schedule.pause()


def _jobs(site: Site) -> dict[str, tuple[str, datetime]]:
    """Job -> schedule and time."""
    store, inspector = site.engine.store, site.engine.inspector
    raw = store.link.call("ZRANGE", store.keys.of("flow", _TREE.flow.flow_id), 0, -1)
    found = {job_id.decode(): inspector.describe(job_id.decode())[1] for job_id in raw}
    return {
        job_id: (one.schedule or "", one.scheduled_at)
        for job_id, one in found.items()
        if one.scheduled_at is not None
    }


def _skipped(schedule: ScheduleState, every: timedelta) -> Counter[datetime]:
    """The times that are recorded as skipped."""
    found: Counter[datetime] = Counter()
    for event in schedule.history(1000):
        if event.kind == "skipped" and event.time and event.until:
            number = (event.until - event.time) // every + 1
            found.update(event.time + every * n for n in range(number))
    return found


def _worker(site: Site) -> Worker:
    return site.start(pool="threads", concurrency=2, wait=False)


ROUND = Round(
    row=33,
    name="schedules",
    fault="The leader and the server die while schedules start jobs",
    injection="SIGKILL to the leader, or `kill -9` to the server with `appendfsync always`",
    target="40 faults: each time has one job or is recorded as skipped, I1 to I4 hold",
    run=run,
    cut=0.05,
)
