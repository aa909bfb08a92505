"""Limits with several servers: each counts on one of them, and jobs with limits live there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from flowforge import Flow, JobState, Limit, Routine, routine
from flowforge.engine.engine import Engine
from flowforge.engine.limit_home import LimitHome
from flowforge.engine.sharded import ShardedEngine
from flowforge.engine.submission.job_keys import JobKeys
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.errors import DefinitionError, StoreUnavailableError
from flowforge.local.server import LocalServer
from tests.integration.web_pair import paired

API = Limit("home-api", running=1)


@routine
def plain(n: int = 0) -> None:
    """Has no limit."""


@routine(limit=API)
def limited(n: int = 0) -> None:
    """Has one."""


def flow_of(made: type[Routine] | Routine, name: str, limit: Limit | None = None) -> Flow:
    flow = Flow(name, limit=limit)
    flow.add_routine(made, "it")
    return flow


@pytest.fixture
def pair(server: LocalServer) -> Iterator[ShardedEngine]:
    with paired(server) as both:
        yield both


def places(pair: ShardedEngine, jobs: list[JobState]) -> set[Engine]:
    return {pair.of(job.job_id) for job in jobs}


def away(pair: ShardedEngine) -> Engine:
    """The server on which no limits are."""
    (found,) = [engine for engine in pair.each if engine is not pair.limit_home.find()]
    return found


def test_jobs_with_limits_live_where_limits_count(pair: ShardedEngine) -> None:
    """The others go to the servers in turn."""
    API.save()
    home = pair.limit_home.find()
    assert [engine for engine in pair.each if engine.store.limits.stored()] == [home]
    jobs = [flow_of(limited, "limited").execute("it", {"n": n}) for n in range(6)]
    many = flow_of(limited, "limited").execute_many("it", [{"n": 1}, {"n": 2}])
    keyed = [flow_of(limited, "limited").execute("it", idempotency_key=f"k{n}") for n in range(6)]
    assert places(pair, [*jobs, *many, *keyed]) == {home}
    (usage,) = home.limits.usage(["home-api"])
    assert (usage.running + usage.reserved, usage.waiting) == (1, 13)
    others = [flow_of(plain, "plain").execute("it") for _ in range(4)]
    assert places(pair, others) == set(pair.each)


def test_jobs_of_flows_with_limits_live_there_too(pair: ShardedEngine) -> None:
    """However they are created: one place for all of them."""
    API.save()
    home, flow = pair.limit_home.find(), flow_of(plain, "whole", limit=API)
    jobs = [flow.execute("it", {"n": n}) for n in range(4)]
    jobs += flow.execute_many("it", [{"n": 1}, {"n": 2}])
    jobs += [flow.execute("it", single=f"k{n}", when_running="queue") for n in range(3)]
    jobs[0].cancel()
    jobs.append(jobs[0].rerun())
    assert places(pair, jobs) == {home}
    (usage,) = home.limits.usage(["home-api"])
    assert (usage.running, usage.reserved, usage.waiting) == (1, 0, 8)
    with pytest.raises(DefinitionError, match="give the flow that starts it a limit as well"):
        away(pair).child_job(JobTemplate(flow, "it"), {}, "", None)


def test_the_home_stays_when_a_server_is_added(pair: ShardedEngine) -> None:
    """Limits that are on a server already decide, not the hash among those that there are now."""
    other = away(pair)
    LimitHome({other: other.store}).find().limits.declare([API])
    found = LimitHome({engine: engine.store for engine in pair.each}).find()
    assert found is other


def test_a_job_with_limits_is_not_started_on_another_server(pair: ShardedEngine) -> None:
    """A child job is on the server of its parent: that is refused in place of one too many."""
    template = JobTemplate(flow_of(limited, "limited"), "it")
    with pytest.raises(DefinitionError, match="give the flow that starts it a limit as well"):
        away(pair).child_job(template, {}, "", None)
    assert pair.limit_home.find().child_job(template, {}, "", None)


def test_the_latest_definition_of_a_flow_may_have_limits(pair: ShardedEngine) -> None:
    """A job from before, on another server, cannot be run again with it."""
    other = away(pair)
    before = other.submit(JobTemplate(flow_of(plain, "flow"), "it"))
    other.submit(JobTemplate(flow_of(limited, "flow"), "it"))
    with pytest.raises(DefinitionError, match="all jobs with limits live on the server"):
        other.rerun(before, None, "latest")
    assert other.rerun(before, None, "same")


def test_a_key_of_jobs_from_before_the_limits(pair: ShardedEngine) -> None:
    """An idempotency key finds the job; a key of new jobs is refused while its jobs are there."""
    other = away(pair)
    without, keys = JobTemplate(flow_of(plain, "flow"), "it"), JobKeys(single="a")
    before = other.submit(without, {}, idempotency_key="k")
    other.submit_one(without, {}, keys=keys)
    template = JobTemplate(flow_of(limited, "flow"), "it")
    assert pair.submit(template, {}, idempotency_key="k") == before
    with pytest.raises(DefinitionError, match="let them end, or cancel them"):
        pair.submit_one(template, {}, keys=JobKeys(single="a", when_running="queue"))


def test_no_other_server_takes_jobs_with_limits(
    pair: ShardedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While theirs does not answer they are refused, as jobs with a key."""
    home = pair.limit_home.find()

    def is_away(*_: object, **__: object) -> None:
        raise StoreUnavailableError("it is away")

    monkeypatch.setattr(home, "submit_items", is_away)
    with pytest.raises(StoreUnavailableError, match="it is away"):
        pair.submit(JobTemplate(flow_of(limited, "limited"), "it"))
    assert pair.submit(JobTemplate(flow_of(plain, "plain"), "it"))


def test_a_schedule_of_jobs_with_limits_is_where_they_are(pair: ShardedEngine) -> None:
    """One that is on another server from before is not changed: its jobs would not be counted."""
    flow = flow_of(limited, "limited")
    for n in range(4):
        flow.schedule(f"each-{n}", "it", every=3600).save()
    names = [f"each-{n}" for n in range(4)]
    home = pair.limit_home.find()
    assert [engine.schedules.known(names) for engine in pair.each if engine is not home] == [
        [False] * 4
    ]
    assert home.schedules.known(names) == [True] * 4
