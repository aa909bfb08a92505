"""Claiming: one worker gets an invocation, for the time of a lease."""

from __future__ import annotations

import pytest

from flowforge.store.transitions.claims import Claim
from tests.contract.bench import DEFINITION, LONG, Bench, record


def test_a_claim_hands_out_the_record(bench: Bench) -> None:
    """The claimer gets the params, the definition's hash and the number of the attempt."""
    job = bench.submit(record=record(day="monday"))
    claim = bench.start(job)
    assert claim._replace(queued_ms=0) == Claim(record(day="monday"), DEFINITION, 1, 0)
    assert claim.attempt_number == 1
    assert bench.counters(job) == (0, 1, 0, 0)
    assert bench.unclaimed() == {}
    assert list(bench.members("leases")) == [f"{job}/1.0.0/t"]


def test_the_first_claim_starts_the_job(bench: Bench) -> None:
    """A pending job runs from its first claim on, and only the first sets its start."""
    job = bench.submit()
    assert "started" not in bench.row(job)
    bench.start(job)
    started = bench.row(job)["started"]
    assert bench.status(job) == "running"
    assert list(bench.members("status", "running")) == [job]
    assert bench.members("status", "pending") == {}
    bench.commit(job, emitted=[(1, 0, "")])
    bench.start(job, "2.1.0")
    assert bench.row(job)["started"] == started


def test_the_same_claim_again_is_the_same_grant(bench: Bench) -> None:
    """A worker that lost the reply repeats its claim: one lease, one attempt, the same answer."""
    job = bench.submit(record=record(a=1))
    first = bench.start(job, token="t1")
    before = bench.snapshot()
    assert bench.claim(job, "1.0.0", "t1") == first
    assert bench.snapshot() == before


def test_another_claim_finds_it_taken(bench: Bench) -> None:
    """Of two deliveries of one message, one is granted; the other changes nothing."""
    job = bench.submit()
    bench.start(job, token="t1")
    before = bench.snapshot()
    assert bench.claim(job, "1.0.0", "t2") == "taken"
    assert bench.snapshot() == before


def test_a_committed_invocation_is_taken(bench: Bench) -> None:
    """A duplicate that comes after the commit runs nothing, even with the token that committed."""
    job = bench.submit()
    bench.start(job, token="t1")
    bench.commit(job, token="t1", emitted=[(1, 0, "")])
    assert bench.claim(job, "1.0.0", "t1") == "taken"
    assert bench.claim(job, "1.0.0", "t2") == "taken"


def test_a_claim_of_an_unknown_job_is_gone(bench: Bench) -> None:
    """A message may outlive its job."""
    assert bench.claim("nosuchjob", "1.0.0") == "gone"
    assert bench.every_key() == set()


@pytest.mark.parametrize("invocation", ["2.0.0", "1.0.1", "1.1.0", "999.0.0", "1.0.0.1"])
def test_a_claim_of_an_invocation_that_is_not_there_is_taken(bench: Bench, invocation: str) -> None:
    """Ids that nobody pushed give nothing away and change nothing."""
    job = bench.submit()
    before = bench.snapshot()
    assert bench.claim(job, invocation) == "taken"
    assert bench.snapshot() == before


@pytest.mark.parametrize("invocation", ["1.9.0", "1.0.9", "", "x", "1", "1.0", "1..0", "-1.0.0"])
def test_a_claim_of_a_slot_that_is_not_there_is_dropped(bench: Bench, invocation: str) -> None:
    """A invocation that the definition has no slot for changes nothing."""
    job = bench.submit()
    before = bench.snapshot()
    assert bench.claim(job, invocation) == "dropped"
    assert bench.snapshot() == before


def test_a_paused_job_parks_what_is_claimed(bench: Bench) -> None:
    """At once when a job is paused no handler starts; the invocation waits with the job."""
    job = bench.submit()
    bench.pause(job)
    assert bench.claim(job, "1.0.0") == "paused"
    assert bench.counters(job) == (0, 0, 1, 0)
    assert bench.parked(job) == ["1.0.0"]
    assert bench.unclaimed() == {}
    assert bench.claim(job, "1.0.0", "t2") == "taken"


def test_a_cancelled_job_drops_what_is_claimed(bench: Bench) -> None:
    """What was queued when the job was cancelled never runs."""
    job = bench.submit()
    bench.store.control.cancel(job, "")
    assert bench.claim(job, "1.0.0") == "dropped"
    assert bench.unclaimed() == {}
    assert bench.invocations(job) == set()
    assert bench.status(job) == "cancelled"


def test_a_failed_job_parks_what_is_claimed(bench: Bench) -> None:
    """What was queued when the job failed waits for its retry."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 1, "")])
    bench.start(job, "2.1.0")
    bench.fail(job, "2.1.0")
    assert bench.claim(job, "3.1.1") == "dropped"
    assert bench.parked(job) == ["2.1.0", "3.1.1"]
    assert bench.unclaimed() == {}


def test_a_claim_repeated_after_the_cancel_is_dropped(bench: Bench) -> None:
    """A worker whose reply was lost, and whose job was then cancelled, runs nothing."""
    job = bench.submit()
    bench.start(job, token="t1")
    bench.store.control.cancel(job, "")
    assert bench.claim(job, "1.0.0", "t1") == "dropped"


def test_a_claim_without_its_definition_fails_the_job(bench: Bench) -> None:
    """A job whose definition is gone ends instead of keeping its waiters for ever."""
    job = bench.submit()
    bench.link.call("DEL", bench.key("definition", DEFINITION))
    assert bench.claim(job, "1.0.0") == "dropped"
    assert bench.status(job) == "failed"
    assert bench.row(job)["reason"] == "definition missing"


def test_room_in_the_window_is_filled_by_claims(bench: Bench) -> None:
    """While handlers run long, what waits moves on as soon as the window allows."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")] * 4)
    assert bench.counters(job) == (2, 0, 2, 0)
    bench.start(job, "2.1.0", "t1")
    assert bench.counters(job) == (1, 1, 2, 0)
    bench.commit(job, "2.1.0", "t1")
    assert bench.counters(job) == (2, 0, 1, 0)


def test_a_job_queues_few_messages_ahead_of_its_handlers(bench: Bench) -> None:
    """Unclaimed messages of one job stay few, so that other jobs' messages are popped soon."""
    job = bench.submit(max_in_flight=1000)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")] * 100)
    queued, running, waiting, _ = bench.counters(job)
    assert (queued, running, waiting) == (32, 0, 68)
    for number in range(20):
        bench.start(job, f"{number + 2}.1.0", f"t{number}")
    queued, running, waiting, _ = bench.counters(job)
    assert (queued, running, queued + running + waiting) == (40, 20, 100)


def test_attempts_of_lost_workers_do_not_count(bench: Bench) -> None:
    """The attempt number leaves out claims that ended with a lost worker."""
    job = bench.submit()
    bench.start(job, token="t1", lease=-1)
    assert bench.reclaim(9, 10) == (1, 0, 0)
    claim = bench.start(job, token="t2", lease=LONG)
    assert (claim.claims, claim.lost, claim.attempt_number) == (2, 1, 1)
