"""Row 27: workers and the server die, and replies are lost, while operators step and continue."""

from __future__ import annotations

import contextlib
import time

from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.engine import Engine
from flowforge.errors import JobStateError
from flowforge.settings import Settings
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.breaks import Operators, let_all_go, set_breakpoint, wrong_stops
from tests.chaos.harness.faults import interrupt
from tests.chaos.harness.flows import Tree
from tests.chaos.harness.proxy import Proxy
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually
from tests.support.fleet import Worker

_TREE = Tree(40, micros=1000)

#: Jobs that are submitted for each fault, and operators.
_JOBS = 4
_OPERATORS = 3

_WORKERS = 3

#: What each script of operators and of claims holds, and how often its reply is lost.
_SCRIPT = b"EVALSHA"
_DROP = 0.01

#: Seconds within which something stops after a fault.
_LIMIT = 40.0


def run(arena: Arena) -> None:
    server = arena.server(durable=True, appendfsync="always")
    proxy: Proxy = arena.own(Proxy(server.port, arena.rng))
    site = arena.site(server.url, proxy.url(server.url), max_losses=1000)
    # Their breakpoints are there before any worker is, and stay.
    kept = [_submit(site) for _ in range(_JOBS)]
    workers = [_worker(site) for _ in range(_WORKERS)]
    site.fleet.wait_until_ready()
    faults = arena.times(40, least=3)
    proxy.weather.drop_reply_to = _SCRIPT
    proxy.weather.drop, proxy.weather.drops_left = _DROP, 100 * faults
    jobs: list[str] = []
    engines = [_engine(proxy.url(server.url), site) for _ in range(_OPERATORS)]
    with Operators(engines, jobs, arena.rng) as operators:
        for number in range(faults):
            jobs += [_submit(site) for _ in range(_JOBS)]
            time.sleep(arena.rng.uniform(0.2, 1.0))
            if number % 3 == 2:
                interrupt(server, arena.rng)
            else:
                _kill_worker(arena, site, workers)
            seen = operators.calls.total()
            eventually(lambda: operators.calls.total() > seen, _LIMIT, "an accepted call")  # noqa: B023
        proxy.weather.drops_left = 0
    site.fault_over()
    let_all_go(site, jobs)
    eventually(lambda: all(_goes_on(site, job_id) for job_id in kept), _LIMIT, "the end of jobs")
    for engine in engines:
        engine.close()
    arena.figures["faults"] = faults
    arena.figures["replies lost"] = proxy.dropped
    arena.figures.update(sorted(operators.calls.items()))
    arena.figures["calls refused"] = operators.refused
    arena.figures["recovered in s"] = site.wait()
    site.verify()
    _check_stops(arena, site, kept)


def _check_stops(arena: Arena, site: Site, kept: list[str]) -> None:
    stops = 0
    for job_id in site.jobs:
        history = list(site.engine.inspector.history(job_id))
        stops += sum(entry.kind == "stopped" for entry in history)
        for what in wrong_stops(history, site.lines(job_id), kept=job_id in kept):
            arena.violate(f"I5 {what} (job {job_id})")
    arena.figures["invocations stopped"] = stops
    arena.expect(stops > len(site.jobs), f"only {stops} invocations stopped")


def _submit(site: Site) -> str:
    job_id = site.submit(_TREE)
    # It may have completed already.
    with contextlib.suppress(JobStateError):
        set_breakpoint(site.engine, job_id)
    return job_id


def _goes_on(site: Site, job_id: str) -> bool:
    """Let go what has stopped of a job; whether the job has ended."""
    with contextlib.suppress(JobStateError):
        site.engine.breakpoints.go_on(job_id)
    return site.ended(job_id)


def _engine(url: str, site: Site) -> Engine:
    settings = Settings(redis_url=url, prefix=site.settings.prefix)
    return Engine(settings, fleet_app(settings))


def _worker(site: Site) -> Worker:
    return site.start(pool="threads", concurrency=2, wait=False)


def _kill_worker(arena: Arena, site: Site, workers: list[Worker]) -> None:
    site.fleet.kill(workers.pop(arena.rng.randrange(len(workers))))
    workers.append(_worker(site))


ROUND = Round(
    row=27,
    name="breakpoints",
    fault="Workers and the server die, and replies are lost, while operators step and continue",
    injection="SIGKILL to a worker, `kill -9` to the server with `appendfsync always`, and a proxy",
    target="40 faults: nothing stops twice or starts before it was let go, I1 to I4 hold",
    run=run,
    cut=0.05,
)
