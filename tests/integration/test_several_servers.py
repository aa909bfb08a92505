"""Several servers used as one: jobs are spread over them, each lives on one, workers serve all."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from flowforge import Bulk, Debounce, JobState, ScheduleState
from flowforge.engine.finding.find_expectations import find_expectations
from flowforge.engine.schedules.find import find_schedules
from flowforge.engine.schedules.state import home_of_schedule
from flowforge.engine.sharded import ShardedEngine
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.engine.submission.submit import SUBMIT_CHUNK
from flowforge.errors import (
    ConfigurationError,
    InvalidValueError,
    JobNotFoundError,
    StoreUnavailableError,
)
from flowforge.model.times.schedule_info import ScheduleInfo
from flowforge.settings import Settings
from flowforge.store.fleet_reads.bulks import Bulks
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.worker.upkeep.schedules import Schedules
from tests.integration.flows import One, countdown, fan_of
from tests.integration.installation import FAST, FLOWS, LIMIT, outputs
from tests.integration.pair import Pair, paired_servers
from tests.integration.web_client import expect_answer
from tests.support.eventually import eventually
from tests.support.fleet import Fleet

COUNTDOWN = countdown()


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Servers that keep their data, so that one can be killed and come back."""
    with paired_servers(tmp_path, monkeypatch, (FLOWS,)) as found:
        yield found


def test_urls_are_told_apart() -> None:
    """A comma within a password is no end of a URL; a server that is named twice is refused."""
    settings = Settings(redis_url="redis://:a,b@one:1/0 , sentinel://x:1;sentinel://y:2/0")
    assert [one.redis_url for one in settings.servers] == [
        "redis://:a,b@one:1/0",
        "sentinel://x:1;sentinel://y:2/0",
    ]
    with pytest.raises(ConfigurationError, match="same server twice"):
        _ = Settings(redis_url="redis://one:1/0,redis://one:1/0").servers


@pytest.mark.parametrize("pool", ["prefork", "threads", "gevent"])
def test_one_worker_serves_all_servers(pair: Pair, pool: str) -> None:
    """Jobs go to the servers in turn, and the pool works for all of them."""
    # As Celery starts a worker that is told nothing, with mingle and gossip.
    pair.fleet.start(pool=pool, concurrency=2, options=())
    wide = fan_of(One)
    jobs = [wide.execute("fan", {"count": 5}) for _ in range(6)]
    for job in jobs:
        assert sorted(found["number"] for found in outputs(job)) == [0, 1, 2, 3, 4]
    assert Counter(map(pair.server_of, jobs)) == {0: 3, 1: 3}
    # The id alone tells where a job is.
    assert len({job.job_id.partition("-")[0] for job in jobs}) == 2
    assert all(JobState.get(job.job_id).status == "completed" for job in jobs)
    assert {job.job_id for job in JobState.find(limit=6)} == {job.job_id for job in jobs}
    assert len(JobState.find(limit=4)) == 4
    # A fork lives beside its origin.
    forks = [JobState.get(job.job_id).fork([1]) for job in jobs[:2]]
    assert list(map(pair.server_of, forks)) == list(map(pair.server_of, jobs[:2]))
    assert [len(outputs(fork)) for fork in forks] == [5, 5]


def test_errors_of_one_cause_are_one_group(pair: Pair) -> None:
    """Those of all servers; one that does not answer takes the groups of no other along."""
    pair.fleet.start(concurrency=1)
    wide = fan_of(One)
    jobs = [wide.execute("fan", {"count": "x"}).wait(LIMIT) for _ in range(4)]
    assert Counter(map(pair.server_of, jobs)) == {0: 2, 1: 2}
    (group,) = JobState.error_groups(flow=wide.flow_id)
    assert group.count == 4
    assert set(group.job_ids) == {job.job_id for job in jobs}
    pair.servers[1].kill()
    left = pair.run("errors", code=1)
    assert group.id in left.stdout
    with pytest.raises(StoreUnavailableError):
        JobState.error_groups()


def test_answers_of_all_servers_are_listed_as_one(pair: Pair) -> None:
    """The oldest first, over the pages, and without those of a server that does not answer."""
    jobs = COUNTDOWN.execute_many("it", [{"n": 0}] * 2) + COUNTDOWN.execute_many("it", [{"n": 0}])
    numbers = {job.job_id: expect_answer(pair.engines.of(job.job_id), job) for job in jobs}
    first = find_expectations(pair.engines.each, 2)
    rest = find_expectations(pair.engines.each, 2, cursor=first.cursor)
    listed = [one.job_id for one in (*first.expectations, *rest.expectations)]
    assert (listed, rest.cursor) == ([job.job_id for job in jobs], None)
    places = {job.job_id: pair.server_of(job) for job in jobs}
    gone, place = jobs[0], places[jobs[0].job_id]
    others = [job for job in jobs if places[job.job_id] != place]
    assert others
    pair.servers[place].kill()
    left = pair.run("expects", "--json", code=1)
    found = [one["job_id"] for one in json.loads(left.stdout)["expectations"]]
    assert sorted(found) == sorted(job.job_id for job in others)
    assert "does not answer" in left.stderr
    for job in others:
        assert job.deliver("it", "input", {"n": 0}) == numbers[job.job_id]
    with pytest.raises(StoreUnavailableError):
        gone.deliver("it", "input", {"n": 0}, delivery_id="once")
    pair.servers[place].restart()
    number = numbers[gone.job_id]
    assert [gone.deliver("it", "input", delivery_id="once") for _ in range(2)] == [number] * 2


def test_schedules_of_all_servers_are_listed_as_one(pair: Pair) -> None:
    """By their times over the pages, and without those of a server that does not answer."""
    names = [f"every{n}" for n in range(8)]
    homes = {}
    for n, name in enumerate(names):
        saved = COUNTDOWN.schedule(name, "it", {"n": 0}, every=3600, offset=n).save()
        homes[name] = [one.schedules.find(name) is not None for one in pair.engines.each].index(
            True
        )
        assert saved.name == name
    assert set(homes.values()) == {0, 1}
    first = find_schedules(pair.engines.each, 3)
    rest = find_schedules(pair.engines.each, 9, cursor=first.cursor)
    listed = [one for _, one in (*first.schedules, *rest.schedules)]
    assert (listed, rest.cursor) == (sorted(listed, key=ScheduleInfo.order), None)
    assert {one.name for one in listed} == set(names)
    pair.servers[1].kill()
    left = pair.run("schedules", "list", "--json", code=1)
    found = {one["name"] for one in json.loads(left.stdout)}
    assert found == {name for name, home in homes.items() if home == 0}
    assert "does not answer" in left.stderr


def test_a_worker_may_serve_one(pair: Pair, tmp_path: Path) -> None:
    """A worker that is given one URL leaves the other server's jobs to others."""
    own = tmp_path / "one"
    own.mkdir()
    with Fleet(pair.servers[1].url, pair.prefix, own, (FLOWS,), **FAST) as fleet:
        fleet.start(concurrency=1)
        jobs = [COUNTDOWN.execute("it", {"n": 2}) for _ in range(2)]
        jobs.sort(key=pair.server_of)
        assert outputs(jobs[1]) == [{"n": 0}]
        assert jobs[0].status == "pending"
        for worker in fleet.workers:
            fleet.kill(worker)


def test_a_bulk_operation_is_about_the_jobs_of_both(pair: Pair) -> None:
    """Under one id, each server with its share of the rate; with one away nothing is begun."""
    jobs = COUNTDOWN.execute_many("it", [{"n": 0}] * 600)
    jobs += COUNTDOWN.execute_many("it", [{"n": 0}] * 200)
    assert {pair.server_of(job) for job in jobs} == {0, 1}
    said = Bulk.preview(JobState.find(status="pending"))
    assert said.count == 800
    slow = Bulk.label(jobs, {"a": "b"}, rate=8)
    rates = [Bulks(engine.store).find(slow.bulk_id) for engine in pair.engines.each]
    assert sum(one.rate or 0.0 for one in rates if one is not None) == pytest.approx(8)
    assert slow.info.rate == pytest.approx(8)
    slow.abort()
    assert slow.progress.status == "aborted"
    listed = pair.run("cancel", "--all-matching", "--yes", "--by", "kim").stdout
    assert re.search(r"done +800 of 800", listed)
    assert "on all 2 servers" in pair.run("delete", "--all-matching", code=1).stdout
    info = Bulk.recent(1)[0]
    assert (info.progress.matched, info.progress.done, info.by) == (800, 800, "kim")
    pair.servers[1].kill()
    with pytest.raises(StoreUnavailableError):
        Bulk.delete(JobState.find(status="cancelled"))
    assert pair.engines.each[0].overview.counts()["cancelled"] > 0


def test_a_key_finds_its_job_wherever_it_is(pair: Pair) -> None:
    """The same idempotency key gives the same job, in bulk too, and keys are spread."""
    keys = [f"order-{number}" for number in range(40)]
    first = COUNTDOWN.execute_many("it", ({"n": 0} for _ in keys), idempotency_keys=keys)
    again = COUNTDOWN.execute_many("it", ({"n": 0} for _ in keys), idempotency_keys=keys)
    assert [job.job_id for job in first] == [job.job_id for job in again]
    found = COUNTDOWN.execute("it", {"n": 0}, idempotency_key="order-7")
    assert found == first[7] == JobState.by_key(COUNTDOWN.flow_id, "order-7")
    assert [job.created for job in (found, *first, *again)] == [False, *[True] * 40, *[False] * 40]
    assert set(map(pair.server_of, first)) == {0, 1}
    with pytest.raises(InvalidValueError, match="39 idempotency_keys for 40 entry_params"):
        COUNTDOWN.execute_many("it", [{"n": 0}] * 40, idempotency_keys=keys[1:])
    # With a server less or in another order the job is still found where it is.
    turned = ShardedEngine(tuple(reversed(pair.engines.each)))
    assert turned.submit(JobTemplate(COUNTDOWN, "it"), {"n": 0}, "order-9") == first[9].job_id


def test_a_server_that_refuses_is_passed_over(pair: Pair) -> None:
    """One that is full takes no job: the other gets them, but for keys that the first knows."""
    full, _ = pair.servers
    known = [COUNTDOWN.execute("it", {"n": 0}, idempotency_key=f"k{n}") for n in range(8)]
    with redis.Redis.from_url(full.url) as client:
        client.config_set("maxmemory", 1)
        jobs = COUNTDOWN.execute_many("it", [{"n": 0}] * 2 * SUBMIT_CHUNK)
        jobs += [COUNTDOWN.execute("it", {"n": 0}) for _ in range(2)]
        assert {pair.server_of(job) for job in jobs} == {1}
        again = [COUNTDOWN.execute("it", {"n": 0}, idempotency_key=f"k{n}") for n in range(8)]
        assert [job.job_id for job in again] == [job.job_id for job in known]
        client.config_set("maxmemory", 0)
    pair.engines._away.clear()
    assert {pair.server_of(COUNTDOWN.execute("it", {"n": 0})) for _ in range(2)} == {0, 1}


@pytest.mark.parametrize("pool", ["threads", "gevent"])
def test_one_server_away_does_not_stop_the_other(pair: Pair, pool: str) -> None:
    """Submission, control and work go on with the rest; the jobs of the lost one come back."""
    first, second = pair.servers
    worker = pair.fleet.start(pool=pool, concurrency=2)
    waiting = [COUNTDOWN.execute("it", {"n": 1}) for _ in range(2)]
    for job in waiting:
        assert outputs(job) == [{"n": 0}]
    lost = next(job for job in waiting if pair.server_of(job) == 0)
    first.kill()
    with pytest.raises(StoreUnavailableError, match="does not answer"):
        COUNTDOWN.execute_many("it", ({"n": 1} for _ in range(2 * SUBMIT_CHUNK)))
    jobs = [COUNTDOWN.execute("it", {"n": 1}) for _ in range(4)]
    for job in jobs:
        assert outputs(job) == [{"n": 0}]
    with pytest.raises(StoreUnavailableError):
        _ = JobState(lost.job_id).status
    listed = pair.run("jobs", code=1)
    assert all(job.job_id in listed.stdout for job in jobs)
    assert "does not answer" in listed.stderr
    assert "does not answer" in pair.run("doctor", code=1).output
    first.restart()
    assert JobState.get(lost.job_id).status == "completed"
    (engine, _) = pair.engines.each
    back = JobState(engine.submit(JobTemplate(COUNTDOWN, "it"), {"n": 1}), engine)
    assert outputs(back) == [{"n": 0}]
    assert worker.alive
    assert second.alive


def test_commands_reach_every_server(pair: Pair) -> None:
    """Listing shows all jobs, control finds the one by its id, letters are told apart."""
    jobs = [COUNTDOWN.execute("it", {"n": 0}) for _ in range(4)]
    listed = [line.split()[0] for line in pair.run("jobs").stdout.splitlines()[1:]]
    assert sorted(listed) == sorted(job.job_id for job in jobs)
    # The latest first; two of one millisecond may stand either way.
    times = [JobState.get(job_id).created_at for job_id in listed]
    assert times == sorted(times, reverse=True)
    for job in jobs:
        pair.run("pause", job.job_id, "--reason", "night")
        assert JobState.get(job.job_id).reason == "night"
        pair.run("cancel", job.job_id)
        assert job.wait(LIMIT).status == "cancelled"
    pair.run("queues", "pause", "gpu", "--reason", "night")
    found = json.loads(pair.run("queues", "list", "--json").stdout)
    assert [one["paused"]["reason"] for one in found if one["queue"] == "gpu"] == ["night"] * 2
    assert json.loads(pair.run("queues", "resume", "gpu", "--json").stdout)["changed"]
    for engine in pair.engines.each:
        DeadLetters(engine.store).bury("celery", f"bad on {engine.store.server_name}", b"{}")
    names = [engine.store.server_name for engine in pair.engines.each]
    shown = pair.run("dead-letters").stdout
    assert all(f"{name} #1" in shown and f"bad on {name}" in shown for name in names)
    assert "--shard" in pair.run("dead-letters", "--drop", "1", code=2).output
    pair.run("dead-letters", "--drop", "1", "--shard", names[0])
    assert f"bad on {names[0]}" not in pair.run("dead-letters").stdout
    assert "dropped 1" in pair.run("dead-letters", "--drop", "all").stdout


def test_schedules_are_spread_over_the_servers(pair: Pair) -> None:
    """Each is on one, with its jobs; one server away stops only its own."""
    flow, (one, other) = countdown(), pair.engines.each
    names = [f"s{number}" for number in range(12)]
    made = [flow.schedule(name, "it", {"n": 0}, every=3600).save() for name in names]
    here, there = one.schedules.known(names), other.schedules.known(names)
    assert [not known for known in here] == there
    assert {*here} == {True, False}
    assert [found.name for found in ScheduleState.all()] == sorted(names)
    turned = ShardedEngine((other, one))
    assert [home_of_schedule(turned, name) is one for name in names] == here
    assert [pair.server_of(schedule.trigger()) == 0 for schedule in made] == here
    pair.servers[1].kill()
    first, lost = names[here.index(True)], names[here.index(False)]
    assert ScheduleState.get(first).pause()
    with pytest.raises(StoreUnavailableError):
        ScheduleState.get(lost)
    listed = pair.run("schedules", "list", code=1)
    assert first in listed.stdout
    assert "does not answer" in listed.stderr
    assert Schedules(one.store).run_once() == 0


def test_a_job_is_followed_wherever_it_is(pair: Pair) -> None:
    """Its events come from its own server, in Python and on the command line."""
    pair.fleet.start(pool="threads")
    for job in [COUNTDOWN.execute("it", {"n": 2}) for _ in range(4)]:
        *_, latest, end = job.events(timeout=LIMIT)
        assert (latest.kind, end.details["status"]) == ("completed", "completed")
        shown = pair.run("history", job.job_id, "--follow", "--json").stdout.splitlines()
        assert [json.loads(line)["id"] for line in shown][-2:] == [latest.id, end.id]
        assert "it 3/3 100%" in pair.run("watch", job.job_id).stdout


def test_a_job_that_is_nowhere(pair: Pair) -> None:
    """Unknown ids are told as on one server, whatever they look like."""
    known = pair.engines.each[0].store.server_name
    for job_id in ("nonsense", f"{known}-0000", "zzzz-0000"):
        with pytest.raises(JobNotFoundError, match=job_id):
            JobState.get(job_id)


def test_a_server_with_a_copy_of_anothers_data(pair: Pair) -> None:
    """When two servers have one name, a job is still found on the right one."""
    one, other = pair.engines.each
    other.client.set(other.store.keys.of("server"), one.store.server_name)
    engines = ShardedEngine([type(one)(engine.settings, engine.app) for engine in (one, other)])
    jobs = [engine.submit(JobTemplate(COUNTDOWN, "it"), {"n": 0}) for engine in engines.each]
    for job_id, engine in zip(jobs, engines.each, strict=True):
        assert engines.of(job_id) is engine
    engines.close()


def test_a_stopping_worker_is_not_held_up(pair: Pair) -> None:
    """SIGTERM ends a worker although one of its servers is away."""
    worker = pair.fleet.start(concurrency=1)
    pair.servers[0].kill()
    pair.fleet.terminate(worker)
    pair.fleet.wait_until_ended(worker)


@pytest.mark.parametrize("pool", ["prefork", "gevent"])
def test_a_worker_starts_without_one_of_its_servers(pair: Pair, pool: str) -> None:
    """It serves the rest, and the other one when it comes back."""
    pair.servers[0].kill()
    pair.fleet.start(pool=pool, concurrency=1)
    job = COUNTDOWN.execute("it", {"n": 1})
    assert outputs(job) == [{"n": 0}]
    pair.servers[0].restart()
    engine = pair.engines.each[0]
    late = JobState(engine.submit(JobTemplate(COUNTDOWN, "it"), {"n": 1}), engine)
    assert outputs(late) == [{"n": 0}]
    eventually(lambda: pair.engines.of(late.job_id) is engine)


def test_jobs_of_all_servers_are_found_page_by_page(pair: Pair) -> None:
    """The newest first, whichever server they are on, and each once."""
    params = [{"n": 0}] * 9
    jobs = [COUNTDOWN.execute("it", one, labels={"tenant": "acme"}) for one in params]
    assert {pair.server_of(job) for job in jobs} == {0, 1}
    newest = sorted(jobs, key=lambda job: (job.created_at, job.job_id), reverse=True)
    found: list[JobState] = []
    cursor = None
    for _ in range(3):
        page = JobState.find(labels={"tenant": "acme"}, limit=4, cursor=cursor)
        found += page
        cursor = page.cursor
    assert (found, cursor) == (newest, None)
    listed = pair.run("jobs", "--label", "tenant=acme", "--limit", "9").stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == [job.job_id for job in newest]


def test_jobs_of_a_key_live_on_its_home_server(pair: Pair) -> None:
    """That of the hash, or where one of them is already; with both keys single decides."""
    rule = Debounce("doc-7", wait=60)
    first = [COUNTDOWN.execute("it", {}, debounce=rule) for _ in range(3)]
    assert len(set(first)) == 1
    assert first[0].calls == 3
    jobs = [COUNTDOWN.execute("it", {}, single="k", when_running="queue") for _ in range(4)]
    assert len(set(map(pair.server_of, jobs))) == 1
    spread = [COUNTDOWN.execute("it", {}, single=f"k{n}") for n in range(20)]
    assert set(map(pair.server_of, spread)) == {0, 1}
    for place in (0, 1):
        single = next(f"k{n}" for n, job in enumerate(spread) if pair.server_of(job) == place)
        both = COUNTDOWN.execute(
            "it", {}, single=single, when_running="queue", debounce=Debounce("x", wait=60)
        )
        assert pair.server_of(both) == place
        # Nor does a job decide that waits for the debounce key alone.
        rules = [Debounce(f"y{place}{n}", wait=60) for n in range(20)]
        alone = [COUNTDOWN.execute("it", {}, debounce=rule) for rule in rules]
        elsewhere = [pair.server_of(job) for job in alone].index(1 - place)
        again = COUNTDOWN.execute(
            "it", {}, single=single, when_running="queue", debounce=rules[elsewhere]
        )
        assert (again.created, pair.server_of(again)) == (True, place)
        both.cancel()
