"""Entry params that are kept with their job, for as long as the job."""

from __future__ import annotations

from flowforge.model.jobs.labels import INHERITED
from flowforge.store.fleet_reads.overview import Overview
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.transitions.submission import LARGE_PARAMS, NO_PARAMS, SAME_PARAMS
from tests.contract.bench import LONG, Bench, record


def test_params_are_kept_as_they_were_submitted(bench: Bench) -> None:
    """Or without what is secret; what is large is not kept, and what is empty takes no key."""
    read = Inspector(bench.store).params
    same = bench.submit(record=record(n=1), params=SAME_PARAMS)
    masked = bench.submit(record=record(n=1, pin=2), params=record(n=1, pin="***"))
    large = bench.submit(record=record(n=1), params=LARGE_PARAMS)
    none = bench.submit(params=NO_PARAMS)
    assert (read(same), read(masked)) == ({"n": 1}, {"n": 1, "pin": "***"})
    assert (read(large), read(none)) == (None, {})
    assert not bench.every_key() & {bench.key("entry_params", job) for job in (large, none)}


def test_params_of_a_child_job_are_kept(bench: Bench) -> None:
    """As those of any other."""
    parent = bench.submit()
    bench.start(parent)
    child = bench.child(record=record(n=7), params=SAME_PARAMS, labels=INHERITED)
    bench.commit(parent, jobs=[child])
    assert Inspector(bench.store).params("child") == {"n": 7}


def test_a_job_of_a_former_release_has_no_params(bench: Bench) -> None:
    """Whether it had any is not known."""
    job = bench.submit()
    bench.link.call("HDEL", bench.key("job", job), "params")
    assert Inspector(bench.store).params(job) is None


def test_params_go_with_the_job(bench: Bench) -> None:
    """They have its time to live after its end, and none again when it is retried."""
    job = bench.submit(record=record(n=1), params=SAME_PARAMS)
    key = bench.key("entry_params", job)
    assert bench.link.call("PTTL", key) == -1
    bench.start(job)
    bench.fail(job)
    assert 0 < bench.link.call("PTTL", key) <= LONG
    bench.store.control.retry(job)
    assert bench.link.call("PTTL", key) == -1
    assert Inspector(bench.store).params(job) == {"n": 1}


def test_a_job_is_found_by_its_key(bench: Bench) -> None:
    """As long as it is there."""
    job = bench.submit(idempotency_key="4:flow/k")
    assert Overview(bench.store).job_with_key("4:flow/k") == job
    assert Overview(bench.store).job_with_key("4:flow/other") is None
