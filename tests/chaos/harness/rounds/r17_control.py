"""Row 17: several processes pause, resume and cancel jobs that run at full speed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowforge.engine.submission.job_template import JobTemplate
from tests.chaos.harness import claims, waiter
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.control import Call, Controller, toggle_in_processes, windows
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.probe import percentile
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.chaos.harness.waiter import WAITER
from tests.support.eventually import eventually

_PROCESSES = 3

#: Trees that are toggled, and trees that are cancelled while they grow, for 100 toggles.
_TOGGLED = 4
_CANCELLED = 10

#: Handlers that run when their job is cancelled, at once.
_WAITING = 8

#: Seconds beyond the heartbeat until a handler on a busy machine has looked again.
_LOOKING = 0.3

_NS = 1e9


def run(arena: Arena) -> None:
    toggles = arena.times(300, least=30)
    server = arena.server()
    noted = arena.directory / "claims"
    site = arena.site(
        server.url,
        imports=(claims.MODULE, waiter.MODULE),
        env=claims.environment(noted),
    )
    site.start(pool="prefork", concurrency=2, wait=False)
    site.start(pool="threads", concurrency=_WAITING, wait=False)
    site.fleet.wait_until_ready()
    # So large that the trees outlast the toggles.
    size = max(2500, 20 * toggles)
    jobs = [site.submit(Tree(size, micros=2000)) for _ in range(_TOGGLED)]
    own = Controller(site.engine)
    for job in jobs:
        # They wait until the processes are up; the first call that is accepted resumes one.
        own.do("pause", job)
    seeds = [arena.rng.getrandbits(32) for _ in range(_PROCESSES)]
    calls = toggle_in_processes(server.url, site.settings.prefix, jobs, toggles, seeds)
    for job in jobs:
        own.do("resume", job)
    _cancel_trees(arena, site, own, max(2, toggles * _CANCELLED // 100))
    site.fault_over()
    done = sum(call.verb in ("pause", "resume") for call in calls)
    arena.figures["pauses, resumes and cancels"] = done
    arena.expect(done >= toggles, f"only {done} of {toggles} toggles were accepted")
    arena.figures["recovered in s"] = site.wait(60)
    _see_cancel(arena, site, own, batches=max(1, toggles // 60))
    calls += own.calls
    _check_starts(arena, site, claims.read(noted), calls)
    site.verify()


def _cancel_trees(arena: Arena, site: Site, own: Controller, count: int) -> None:
    cancelled = []
    for _ in range(count):
        job = site.submit(Tree(2000, micros=1000))
        wanted = site.started() + arena.rng.randrange(1, 30)
        eventually(lambda wanted=wanted: site.started() >= wanted, 30, "handlers to start")  # type: ignore[misc]
        if own.do("cancel", job):
            cancelled.append(job)
    arena.figures["jobs cancelled while they grew"] = len(cancelled)
    for job in cancelled:
        status = site.engine.inspector.status(job)
        arena.expect(status == "cancelled", f"a cancelled job is {status}")
    site.forget(*cancelled)


def _see_cancel(arena: Arena, site: Site, own: Controller, batches: int) -> None:
    """Handlers that run see the cancel of their job within a heartbeat."""
    seen: list[float] = []
    for _ in range(batches):
        jobs = [site.engine.submit(JobTemplate(WAITER, "waiter")) for _ in range(_WAITING)]
        eventually(lambda: len(_lines(site, jobs, "start")) == len(jobs), 30, "waiting handlers")  # noqa: B023
        for job in jobs:
            own.do("cancel", job)
        eventually(lambda: len(_lines(site, jobs, "end")) == len(jobs), 30, "all see the cancel")  # noqa: B023
        returned = {call.job_id: call.returned for call in own.calls}
        seen += [(line.at - returned[line.job_id]) / _NS for line in _lines(site, jobs, "end")]
    arena.figures["handlers saw the cancel"] = len(seen)
    arena.figures["each within s"] = max(seen)
    limit = site.settings.heartbeat + _LOOKING
    arena.expect(max(seen) <= limit, f"a handler saw the cancel after {max(seen):.2f} s")


def _lines(site: Site, jobs: list[str], kind: str) -> list[Any]:
    return [line for line in site.lines() if line.kind == kind and line.job_id in jobs]


def _check_starts(
    arena: Arena, site: Site, asked: Iterable[claims.Asked], calls: list[Call]
) -> None:
    """I5: nothing is claimed after pause or cancel has returned, nothing starts after the rest."""
    by_job: dict[str, list[claims.Asked]] = {}
    for claim in asked:
        by_job.setdefault(claim.job_id, []).append(claim)
    starts: dict[str, list[int]] = {}
    for line in site.lines():
        if line.kind == "start":
            starts.setdefault(line.job_id, []).append(line.at)
    halts = windows(calls, ("pause", "cancel"))
    late: list[float] = []
    for job, begin, end in halts:
        # One that was asked for before the resume and answered after it may have come behind it.
        wrong = [one for one in by_job.get(job, ()) if begin < one.at and one.answered < end]
        arena.expect(not wrong, f"I5 {len(wrong)} claims of job {job} after it was told to halt")
        late += [(at - begin) / 1e6 for at in starts.get(job, ()) if begin < at < end]
    rests = windows(calls, ("rest",))
    for job, begin, end in rests:
        early = [at for at in starts.get(job, ()) if begin < at < end]
        arena.expect(not early, f"I5 {len(early)} handlers of job {job} started at rest")
    arena.figures["pauses and cancels checked"] = len(halts)
    arena.figures["paused jobs checked at rest"] = len(rests)
    arena.expect(not late, f"I5 handlers started up to {percentile(late, 1.0):.0f} ms after a halt")
    arena.expect(len(halts) >= len(calls) / 6, "too few pauses could be checked")


ROUND = Round(
    row=17,
    name="control",
    fault="Jobs are paused, resumed and cancelled under load",
    injection="300 control calls from several processes",
    target="I5 holds, and running handlers see a cancel within one heartbeat",
    run=run,
    cut=0.1,
)
