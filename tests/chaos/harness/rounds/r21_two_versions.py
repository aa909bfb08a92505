"""Row 21: workers of two releases share a server; what the later one wrote waits for it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from flowforge.broker.fleet_app import fleet_app
from flowforge.engine.engine import Engine
from flowforge.engine.submission.job_template import JobTemplate
from tests.chaos.harness import newer
from tests.chaos.harness.arena import Arena
from tests.chaos.harness.checker import COMMITS
from tests.chaos.harness.flows import Tree, tree_flow
from tests.chaos.harness.newer import NEWER, Novel
from tests.chaos.harness.round import Round
from tests.chaos.harness.site import Site
from tests.support.eventually import eventually

#: Times that the present release has to give a job back before the later one comes.
_REFUSALS = 2

#: Seconds for that: a second lies between two tries.
_LIMIT = 30.0

_TREE = Tree(12, micros=500)

_KINDS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "definition": newer.definitions,
    "record": newer.records,
    "type of a value": newer.types,
}


def run(arena: Arena) -> None:
    url = arena.server().url
    each = arena.times(10)
    _waiting(arena, url, each)
    _mixed_fleet(arena, url, each)
    _newer_rows(arena, url)


def _waiting(arena: Arena, url: str, each: int) -> None:
    """Jobs of the later release wait, refused with a clear error, until a worker of it comes."""
    site = arena.site(url, imports=(newer.MODULE,))
    site.start(concurrency=2)
    jobs = {kind: [_submit(site, kind) for _ in range(each)] for kind in _KINDS}
    ordinary = site.submit(_TREE)
    for kind, ids in jobs.items():
        for job in ids:
            eventually(lambda job=job: len(_refusals(site, job)) >= _REFUSALS, _LIMIT, "refusals")  # type: ignore[misc]
            status, errors = site.engine.inspector.status(job), set(_refusals(site, job))
            arena.expect(status == "running", f"the job with a newer {kind} is {status}")
            arena.expect(errors == {"NewerRecordError"}, f"a newer {kind} is told as {errors}")
    arena.expect(site.ended(ordinary), "jobs of the present release do not run meanwhile")
    text = site.fleet.workers[0].output()
    arena.expect("upgrade" in text, "the log does not say what to do")
    told = [len(_refusals(site, job)) for ids in jobs.values() for job in ids]
    arena.figures["invocations refused and given back"] = sum(told)
    site.fault_over()
    site.start(concurrency=2, env=NEWER)
    arena.figures["recovered in s"] = site.wait(60)
    with newer.records(), newer.definitions(), newer.types():
        site.verify()
        attempts = {
            entry.details["attempt"]
            for job in site.jobs
            for entry in site.engine.inspector.history(job)
            if entry.kind in COMMITS
        }
    arena.expect(attempts == {1}, f"refusals were counted as attempts: {attempts}")
    arena.figures["jobs waited for a newer worker"] = each * len(_KINDS)


def _mixed_fleet(arena: Arena, url: str, each: int) -> None:
    """While a fleet is upgraded, jobs meet workers of both releases at every step."""
    site = arena.site(url, imports=(newer.MODULE,))
    for env in (None, NEWER):
        site.start(concurrency=2, env=env, wait=False)
    site.fleet.wait_until_ready()
    for _ in range(each):
        site.submit(_TREE)
    site.fault_over()
    site.wait(90)
    with newer.records(), newer.definitions(), newer.types():
        site.verify()
    arena.figures["jobs of a mixed fleet"] = each


def _newer_rows(arena: Arena, url: str) -> None:
    """A job whose row has a later layout is left alone: its fields may mean something else."""
    site = arena.site(url)
    job = site.submit(Tree(8))
    store = site.engine.store
    store.link.call("HSET", store.keys.of("job", job), "v", 99)
    site.start(concurrency=2)
    ordinary = site.submit(Tree(8))
    site.engine.wait(ordinary, _LIMIT)
    arena.expect(not site.lines(job), "a job with a row of a later layout was run")
    store.link.call("HSET", store.keys.of("job", job), "v", 1)
    site.fault_over()
    site.wait()
    site.verify()


def _submit(site: Site, kind: str) -> str:
    """Submit a tree as the later release would, with one kind of novelty."""
    params: dict[str, Any] = dict(_TREE.params)
    if kind == "type of a value":
        params["novel"] = Novel()
    engine = Engine(site.settings, fleet_app(site.settings))
    with _KINDS[kind]():
        # A flow of its own: the other has its definition already.
        job = engine.submit(JobTemplate(tree_flow(), "node"), params)
    engine.close()
    site.jobs[job] = _TREE
    return job


def _refusals(site: Site, job: str) -> list[str]:
    """Types of the errors with which a job was given back."""
    with newer.definitions():
        entries = list(site.engine.inspector.history(job))
    return [entry.details["error"]["type"] for entry in entries if entry.kind == "released"]


ROUND = Round(
    row=21,
    name="two-versions",
    fault="Workers of two versions share a server",
    injection="records of a newer version",
    target="an old worker refuses them with a clear error; the job waits for a newer worker",
    run=run,
    cut=0.1,
)
