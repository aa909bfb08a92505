"""Signs that something is wrong: which jobs count as those that have ended lately."""

from __future__ import annotations

from flowforge.store.warning_signs import WarningSigns
from tests.contract.bench import Bench


def completed(bench: Bench) -> str:
    job = bench.submit()
    bench.start(job)
    bench.commit(job)
    return job


def test_jobs_that_have_ended_since(bench: Bench) -> None:
    """Those that were created since then count by that; of earlier ones the row says when."""
    jobs = [completed(bench) for _ in range(4)]
    since = 10**9
    for job, (created, ended) in zip(
        jobs, [(since - 1, since - 1), (since - 1, since + 5), (since, since + 5)], strict=False
    ):
        bench.link.call("ZADD", bench.key("status", "completed"), created, job)
        bench.link.call("HSET", bench.key("job", job), "ended", ended)
    # Its row is damaged, and it was created since.
    bench.link.call("HSET", bench.key("job", jobs[3]), "ended", "never")
    assert WarningSigns(bench.store).ended_since(since).completed == 3
    bench.link.call("ZADD", bench.key("status", "completed"), since - 1, jobs[3])
    assert WarningSigns(bench.store).ended_since(since).completed == 2
