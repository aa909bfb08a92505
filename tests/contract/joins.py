"""Jobs on the bench whose slot 1.0 joins."""

from __future__ import annotations

from tests.contract.bench import Bench

# slot kind timeout-ms otherwise upstream, as Router.fields writes them.
COUNT = "1.0 count 0 fail 0\n"
COUNT_OR_FIRE = "1.0 count 0 fire 0\n"
ALL = "1.0 all 0 fail 0\n"
QUIET = "1.0 quiet 0 fail 0,1\n"


def start(bench: Bench, joins: str) -> str:
    """A job whose slot 1.0 joins, with its entry claimed."""
    job = bench.submit(joins)
    bench.start(job)
    return job


def run(bench: Bench, job: str, invocation: str) -> str:
    bench.start(job, invocation)
    return bench.commit(job, invocation)


def joined(bench: Bench, job: str) -> list[str]:
    """Invocations of the joining slot."""
    return sorted(
        invocation for invocation in bench.invocations(job) if invocation.endswith(".1.0")
    )
