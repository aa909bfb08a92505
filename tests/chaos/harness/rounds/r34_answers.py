"""Row 34: people answer when the time is just over, while workers and the server die."""

from __future__ import annotations

import contextlib
import time

from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.engine import Engine
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import JobStateError
from flowforge.settings import Settings
from tests.chaos.harness import answering
from tests.chaos.harness.answering import People, ask_flow, wrong_answers
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.killing import KilledSite
from tests.chaos.harness.proxy import Proxy
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually

#: Jobs that are submitted for each fault, and people who answer each of their questions.
_JOBS = 4
_PEOPLE = 3

#: Seconds that a question is open.
_WITHIN = (0.3, 1.5)

#: What each script holds that people send, and how often its reply is lost.
_SCRIPT = b"EVALSHA"
_DROP = 0.02

#: Seconds until all jobs have ended, behind the last fault.
_LIMIT = 40.0


def run(arena: Arena) -> None:
    killed = KilledSite(arena, imports=[answering.__name__])
    proxy: Proxy = arena.own(Proxy(killed.server.port, arena.rng))
    site = killed.site
    killed.start()
    proxy.weather.drop_reply_to = _SCRIPT
    proxy.weather.drop, proxy.weather.drops_left = _DROP, 100 * killed.faults
    engines = [_engine(proxy.url(killed.server.url), site) for _ in range(_PEOPLE)]
    jobs: list[str] = []
    with People(engines, arena.rng) as people:
        for number in range(killed.faults):
            fresh = [_submit(arena, site, people) for _ in range(_JOBS)]
            jobs += fresh
            time.sleep(arena.rng.uniform(0.2, 1.2))
            _pause_and_resume(site, arena.rng.choice(fresh))
            killed.kill(number)
        site.fault_over()
    for engine in engines:
        engine.close()
    eventually(lambda: all(site.ended(job_id) for job_id in jobs), _LIMIT, "the end of the jobs")
    arena.figures["faults"] = killed.faults
    arena.figures["replies lost"] = proxy.dropped
    arena.figures["recovered in s"] = site.since_fault()
    inspector = site.engine.inspector
    wrong, how = wrong_answers({one: inspector.outputs(one) for one in jobs}, people.told)
    arena.violations += wrong
    arena.figures["questions answered"] = how["answered"]
    arena.figures["questions whose time was over"] = how["the time was over"]
    arena.figures["answers refused"] = sum(one.first is not None for one in people.told)
    arena.figures["answers kept for their questions"] = sum(one.kept for one in people.told)
    arena.expect(min(how.values()) > 0, f"all questions ended in one way: {dict(how)}")
    statuses = {inspector.status(job_id) for job_id in jobs}
    arena.expect(statuses == {"completed"}, f"I1 jobs are {statuses}")
    site.verify()
    for name in ("open_expectations", "assignees"):
        left = site.engine.store.link.call("EXISTS", site.engine.store.keys.of(name))
        arena.expect(not left, f"I3 {name} is still there")


def _submit(arena: Arena, site: Site, people: People) -> str:
    within = arena.rng.uniform(*_WITHIN)
    job_id = site.engine.submit(JobTemplate(ask_flow(), "ask"), {"within": within})
    people.will_answer(job_id, within)
    return job_id


def _pause_and_resume(site: Site, job_id: str) -> None:
    """The time goes on meanwhile, and answers are taken."""
    with contextlib.suppress(JobStateError):
        site.engine.pause(job_id)
        time.sleep(0.2)
        site.engine.resume(job_id)


def _engine(url: str, site: Site) -> Engine:
    settings = Settings(redis_url=url, prefix=site.settings.prefix)
    return Engine(settings, fleet_app(settings))


ROUND = Round(
    row=34,
    name="answers",
    fault="Workers and the server die, replies are lost, and people answer as the time ends",
    injection="SIGKILL to a worker, `kill -9` to the server with `appendfsync always`, and a proxy",
    target="40 faults: each question goes on once, with the answer that was taken or with the end "
    "of its time",
    run=run,
    cut=0.05,
)
