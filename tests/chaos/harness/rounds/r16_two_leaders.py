"""Row 16: a whole fleet has died; two workers that both believe to lead take its leases back."""

from __future__ import annotations

import json
import logging
import multiprocessing
from collections import Counter
from multiprocessing.connection import Connection
from typing import Any

import redis

from flowforge.codec.binary import invocation_record, pack_record, packb
from flowforge.engine.submission.job_template import JobTemplate
from flowforge.execution.effects import Effects, Emitted
from flowforge.model.jobs.status import AttemptOutcome
from flowforge.store.lease_tokens import next_token
from flowforge.store.server.client import make_client
from flowforge.store.server.link import ServerLink
from flowforge.store.store import Store
from flowforge.worker.upkeep.reclaimer import Reclaimer
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.flows import TREE
from tests.chaos.harness.probe import Probe, percentile
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site

#: Leases of one job.
_SIZE = 1000

#: Milliseconds that the server may keep a client waiting, for 99 of 100 questions.
_TARGET = 50.0

#: Seconds per lease that the fleet may take to do the work.
_PATIENCE = 0.02


def run(arena: Arena) -> None:
    count = max(1, arena.times(20_000, least=1000) // _SIZE)
    server = arena.server()
    site = arena.site(server.url)
    jobs = [_claimed(site) for _ in range(count)]
    with redis.Redis.from_url(server.url) as client:
        list_name = f"{site.settings.prefix}:celery"
        client.delete(list_name)
        client.config_set("slowlog-max-len", 200_000)
        client.config_set("slowlog-log-slower-than", 0)
        client.slowlog_reset()
        site.fault_over()
        with Probe(server.url) as probe:
            taken = _two_leaders(server.url, site)
            taking = site.since_fault()
        client.config_set("slowlog-log-slower-than", -1)
        calls = [entry["duration"] / 1000 for entry in client.slowlog_get(200_000)]
        pushed = _pushed(client, list_name)
    arena.figures["expired leases"] = count * _SIZE
    arena.figures["all taken back in s"] = taking
    arena.figures["by the two leaders"] = " and ".join(map(str, taken))
    arena.expect(sum(taken) == count * _SIZE, f"{taken} leases were taken back")
    _check_pushed_once(arena, site, jobs, pushed)
    p99 = percentile(probe.milliseconds, 0.99)
    arena.figures["99 % of pings answered within ms"] = p99
    arena.figures["longest command ms"] = max(calls)
    arena.expect(p99 <= _TARGET, f"server p99 {p99:.1f} ms, not {_TARGET:.0f}")
    _finish(arena, site, jobs)


def _claimed(site: Site) -> str:
    """A job of which every invocation is claimed by a process that is no more."""
    engine, store = site.engine, site.engine.store
    job = engine.submit(JobTemplate(TREE, "node", max_in_flight=2 * _SIZE), {})
    payload = packb({"i": 1, "size": 0, "branch": 1, "micros": 0})
    emitted: list[Emitted] = [(0, 0, "", invocation_record(1, payload))] * _SIZE
    token = next_token()
    store.invocations.claim(job, "1.0.0", token, 60_000)
    details = pack_record("gone", 1, 0, {}, None, None)
    answer, _ = store.invocations.commit(
        job, "1.0.0", token, AttemptOutcome.COMPLETED, 1, details, Effects(emitted)
    )
    assert answer == "ok", answer
    for number in range(2, _SIZE + 2):
        claim = store.invocations.claim(job, f"{number}.0.0", next_token(), 1)
        assert not isinstance(claim, str), claim
    return job


def _two_leaders(url: str, site: Site) -> list[int]:
    """Take everything back in two processes at once; how many each of them took."""
    context = multiprocessing.get_context("spawn")
    leaders: list[tuple[Any, Connection]] = []
    for _ in range(2):
        here, there = context.Pipe()
        arguments = (url, site.settings.prefix, site.settings.max_losses, there)
        process = context.Process(target=_lead, args=arguments, daemon=True)
        process.start()
        leaders.append((process, here))
    for _, here in leaders:
        here.recv()
    site.fault_over()
    for _, here in leaders:
        here.send("go")
    taken = [here.recv() for _, here in leaders]
    for process, _ in leaders:
        process.join()
    return taken


def _lead(url: str, prefix: str, max_losses: int, there: Connection) -> None:
    logging.disable(logging.WARNING)
    store = Store(ServerLink(make_client(url), 10.0), prefix)
    store.link.call("PING")
    there.send("ready")
    there.recv()
    there.send(Reclaimer(store, max_losses, lambda _, invocation: invocation).run_once())


def _pushed(client: redis.Redis, list_name: str) -> Counter[tuple[str, str]]:
    """How often every invocation is on the list."""
    raw: list[bytes] = client.lrange(list_name, 0, -1)  # type: ignore[assignment]
    bodies = (json.loads(json.loads(item)["body"])[0] for item in raw)
    return Counter((job, invocation) for job, invocation in bodies)


def _check_pushed_once(
    arena: Arena, site: Site, jobs: list[str], pushed: Counter[tuple[str, str]]
) -> None:
    twice = [what for what, times in pushed.items() if times > 1]
    arena.expect(not twice, f"pushed more than once: {twice[:5]}")
    link, keys = site.engine.store.link, site.engine.store.keys
    expected = {f"{number}.0.0" for number in range(2, _SIZE + 2)}
    for job in jobs:
        parked = [raw.decode() for raw in link.call("LRANGE", keys.of("parked", job), 0, -1)]
        there = sorted(parked + [invocation for which, invocation in pushed if which == job])
        arena.expect(there == sorted(expected), f"job {job} has {len(there)} of {_SIZE}, or others")


def _finish(arena: Arena, site: Site, jobs: list[str]) -> None:
    """Workers start and do it all: one lost and one good attempt of each."""
    for _ in range(2):
        site.start(concurrency=2, wait=False)
    site.fleet.wait_until_ready()
    for job in jobs:
        status = site.engine.wait(job, 30 + len(jobs) * _SIZE * _PATIENCE)
        ends = Counter(
            (entry.kind, entry.invocation)
            for entry in site.engine.inspector.history(job)
            if entry.routine_id == "node"
        )
        once = all(ends["lost", n] == 1 and ends["completed", n] == 1 for n in range(2, _SIZE + 2))
        arena.expect(status == "completed" and once, f"job {job} is {status}, or ran otherwise")
    site.verify()


ROUND = Round(
    row=16,
    name="two-leaders",
    fault="Two leaders take back many leases",
    injection="20,000 leases expire at once",
    target="each invocation is queued once; 99 % of pings are answered within 50 ms",
    run=run,
    cut=0.1,
    alone=True,
)
