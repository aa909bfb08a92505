"""Which handlers run, whose they are and since when."""

from __future__ import annotations

from flowforge.model.invocation_id import InvocationName
from flowforge.store.fleet_reads import leases
from flowforge.store.fleet_reads.leases import Leases
from tests.contract.bench import LONG, Bench

OLD, NEW = "0a1b2c0012670123456789ab-1", "0a1b2c0012680123456789ab-1"


def test_the_claim_is_known_although_the_lease_was_renewed(bench: Bench) -> None:
    """The first renewal keeps it; until then the expiry says it."""
    job = bench.submit()
    bench.start(job, token=OLD)
    (attempt,) = Leases(bench.store).of_job(job, 5)
    assert (attempt.job_id, attempt.invocation) == (job, InvocationName(1, 0, 0, 0))
    assert (attempt.owner.mark, attempt.owner.pid) == ("0a1b2c", 4711)
    assert (attempt.number, attempt.lost, attempt.claimed) == (1, 0, None)
    claimed = attempt.expiry - LONG
    assert attempt.since(LONG / 1000) == claimed
    assert abs(bench.now() - claimed) < 10_000
    lease = f"{job}/1.0.0/{OLD}"
    bench.link.call("ZADD", bench.key("leases"), claimed + 5 + LONG, lease)
    for _ in range(2):
        bench.store.invocations.heartbeat(LONG, [lease])
    (attempt,) = Leases(bench.store).of_job(job, 5)
    assert attempt.claimed == claimed + 5
    assert list(Leases(bench.store).long_running()) == [attempt]
    assert attempt.since(1.0) == claimed + 5


def test_what_an_earlier_attempt_has_left_is_not_taken_for_the_next(bench: Bench) -> None:
    """Attempts are told apart by their tokens; what is kept goes by itself."""
    job = bench.submit()
    bench.start(job, token=OLD, lease=-1)
    bench.store.invocations.heartbeat(-1, [f"{job}/1.0.0/{OLD}"])
    assert bench.reclaim(9, 10) == (1, 0, 0)
    bench.start(job, token=NEW)
    (attempt,) = Leases(bench.store).of_job(job, 5)
    assert (attempt.claimed, attempt.lost, attempt.number) == (None, 1, 1)
    assert attempt.owner.pid == 4712
    bench.store.invocations.heartbeat(LONG, [f"{job}/1.0.0/{NEW}"])
    (attempt,) = Leases(bench.store).of_job(job, 5)
    assert attempt.claimed is not None
    assert bench.commit(job, token=NEW, emitted=[(1, 0, "")]) == "ok"
    for token in (OLD, NEW):
        key = bench.key("claim_time", f"{job}/1.0.0/{token}")
        assert 0 < bench.link.call("PTTL", key) <= 4 * LONG


def test_a_job_that_has_ended_gets_no_key_of_its_own_back(bench: Bench) -> None:
    """A handler that still runs renews its lease, and writes nothing into the job."""
    job = bench.submit()
    bench.start(job, token=OLD)
    bench.store.control.cancel(job, "")
    assert bench.store.invocations.heartbeat(LONG, [f"{job}/1.0.0/{OLD}"]) == ["cancelled"]
    assert bench.hash("claims", job) == {}
    assert len(Leases(bench.store).of_job(job, 5)) == 1


def test_leases_of_a_job_are_found_among_many(bench: Bench) -> None:
    """At most so many; a member that names no attempt is passed over."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")] * 3)
    for number in (2, 3, 4):
        bench.start(job, f"{number}.1.0")
    members = [part for n in range(2000) for part in (bench.now(), f"other{n}/1.0.0/t")]
    bench.link.call("ZADD", bench.key("leases"), *members, 1, f"{job}/junk/t", 1, "junk")
    found = Leases(bench.store).of_job(job, 5)
    assert [attempt.invocation.number for attempt in found] == [2, 3, 4]
    assert len(Leases(bench.store).of_job(job, 2)) <= 2
    assert leases._PAGE * leases._PAGES >= 2000
    assert list(Leases(bench.store).long_running()) == []


def test_of_all_attempts_those_that_expire_first_are_read(bench: Bench) -> None:
    """As many as are asked for, of any job."""
    jobs = [bench.submit() for _ in range(4)]
    for number, job in enumerate(jobs):
        bench.start(job, token=OLD, lease=LONG - 60_000 * number)
    found = Leases(bench.store).some(3)
    assert [attempt.job_id for attempt in found] == jobs[:0:-1]
    assert len(Leases(bench.store).some(10)) == 4
