"""Signs that something is wrong: which jobs count as those that have ended lately."""

from __future__ import annotations

import pytest

from flowforge.store.fleet_reads.warning_signs import WarningSigns
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


def test_a_quarantined_job_that_more_failed_ones_hide(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is older than all failed jobs that are looked at; once it goes on it is not named."""
    monkeypatch.setattr("flowforge.store.fleet_reads.warning_signs._SAMPLE", 2)
    poison = bench.submit()
    bench.start(poison, lease=-1)
    assert bench.reclaim(1, 10) == (0, 1, 0)
    for number in range(2):
        job = bench.submit()
        bench.start(job)
        bench.fail(job)
        bench.link.call("ZADD", bench.key("status", "failed"), 10**14 + number, job)
    ends = WarningSigns(bench.store).ended_since(10**9)
    assert (ends.failed, ends.more_failed, ends.quarantined) == (2, True, [poison])
    assert WarningSigns(bench.store).ended_since(10**14).quarantined == []
    bench.store.control.retry(poison)
    assert WarningSigns(bench.store).ended_since(10**9).quarantined == []


def test_there_may_be_more_completed_jobs_than_were_looked_at(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it says so."""
    monkeypatch.setattr("flowforge.store.fleet_reads.warning_signs._SAMPLE", 2)
    completed(bench)
    assert WarningSigns(bench.store).ended_since(0)[0::4] == (1, False)
    for _ in range(2):
        completed(bench)
    assert WarningSigns(bench.store).ended_since(0)[0::4] == (2, True)
