"""Parents and children on the bench: jobs that handlers start, and how they end."""

from __future__ import annotations

from typing import Any

from tests.contract.bench import Bench

#: The invocation that waits for the first job which the entry of a job has started.
WAITS = "2.0.99999"


def parent_of_one(bench: Bench, **changes: Any) -> str:
    """A parent whose entry has started the job ``child``."""
    parent = bench.submit()
    bench.start(parent)
    assert bench.commit(parent, jobs=[bench.child(**changes)]) == "ok"
    return parent


def upkeep(bench: Bench) -> None:
    while bench.store.upkeep.release_due(100):
        pass


def queued(bench: Bench, job: str) -> set[str]:
    return {member.partition("/")[2] for member in bench.unclaimed() if member.startswith(job)}


def complete(bench: Bench, job: str) -> None:
    bench.start(job, "1.0.0", "c")
    bench.commit(job, "1.0.0", "c")


def fail(bench: Bench, job: str) -> None:
    bench.start(job, "1.0.0", "c")
    bench.fail(job, "1.0.0", "c")


def cancel(bench: Bench, job: str) -> None:
    bench.store.control.cancel(job, "")


def broken_family(bench: Bench) -> str:
    """A child that failed, and with it the parent, whose waiting invocation found that out."""
    parent = parent_of_one(bench)
    fail(bench, "child")
    bench.start(parent, WAITS, "w")
    bench.fail(parent, WAITS, "w")
    assert bench.status("child") == bench.status(parent) == "failed"
    return parent
