"""Attempts that are not committed: a retry later, a return to others, the end of the job."""

from __future__ import annotations

import pytest

from flowforge.codec.binary import pack_record
from tests.contract.bench import DEFINITION, DETAILS, LONG, Bench

# --- a retry later -------------------------------------------------------------------------


def test_a_retry_waits_as_a_timer(bench: Bench) -> None:
    """A waiting retry holds no worker: no message, no lease, one timer."""
    job = bench.submit()
    bench.start(job)
    assert bench.retry_later(job, delay=LONG) == "ok"
    assert bench.counters(job) == (0, 0, 0, 1)
    assert bench.members("leases") == bench.unclaimed() == {}
    assert list(bench.members("timers")) == [f"{job}/1.0.0"]
    assert bench.status(job) == "running"
    assert bench.history(job)[-1] == ("retried", "1.0.0")
    assert bench.hash("routines", job)["0.retried"] == b"1"


def test_a_due_timer_is_released(bench: Bench) -> None:
    """After its delay the invocation is claimed like a new one, with the next attempt number."""
    job = bench.submit()
    bench.start(job, token="t1")
    bench.retry_later(job, token="t1", delay=-1)
    assert bench.store.upkeep.release_due(10) == 1
    assert bench.members("timers") == {}
    assert bench.counters(job) == (1, 0, 0, 0)
    assert bench.start(job, token="t2").attempt_number == 2
    assert bench.commit(job, token="t2") == "ok"
    assert bench.status(job) == "completed"


def test_a_timer_that_is_not_due_stays(bench: Bench) -> None:
    """Its score says when it will be due."""
    job = bench.submit()
    bench.start(job)
    before = bench.now()
    bench.retry_later(job, delay=LONG)
    assert bench.store.upkeep.release_due(10) == 0
    assert before + LONG <= bench.members("timers")[f"{job}/1.0.0"] <= bench.now() + LONG
    assert bench.counters(job) == (0, 0, 0, 1)


def test_timers_are_released_in_batches(bench: Bench) -> None:
    """One call releases at most as many as it is allowed, the earliest first."""
    jobs = [bench.submit() for _ in range(3)]
    for delay, job in enumerate(jobs, start=-10):
        bench.start(job)
        bench.retry_later(job, delay=delay)
    assert bench.store.upkeep.release_due(2) == 2
    assert [bench.counters(job)[3] for job in jobs] == [0, 0, 1]
    assert bench.store.upkeep.release_due(2) == 1


def test_a_due_timer_of_a_paused_job_is_parked(bench: Bench) -> None:
    """A retry does not start while its job is paused."""
    job = bench.submit()
    bench.start(job)
    bench.retry_later(job, delay=-1)
    bench.pause(job)
    assert bench.store.upkeep.release_due(10) == 1
    assert bench.counters(job) == (0, 0, 1, 0)
    bench.store.control.resume(job)
    assert bench.counters(job) == (1, 0, 0, 0)


def test_a_due_timer_of_a_failed_job_waits_for_the_retry(bench: Bench) -> None:
    """A retry that was waiting when the job failed belongs to what the job's retry continues."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 1, "")])
    bench.start(job, "2.1.0", "t2")
    bench.retry_later(job, "2.1.0", "t2", delay=-1)
    bench.start(job, "3.1.1", "t3")
    bench.fail(job, "3.1.1", "t3")
    assert bench.store.upkeep.release_due(10) == 1
    assert bench.counters(job) == (0, 0, 2, 0)
    bench.store.control.retry(job)
    assert bench.counters(job) == (2, 0, 0, 0)


def test_timers_of_cancelled_and_forgotten_jobs_go(bench: Bench) -> None:
    """A cancelled job takes its timers along; one without a job is removed and does nothing."""
    cancelled, forgotten = bench.submit(), bench.submit()
    for job in (cancelled, forgotten):
        bench.start(job)
        bench.retry_later(job, delay=-1)
    bench.store.control.cancel(cancelled, "")
    bench.link.call("DEL", bench.key("job", forgotten))
    pushed = bench.sent()
    assert list(bench.members("timers")) == [f"{forgotten}/1.0.0"]
    assert bench.store.upkeep.release_due(10) == 1
    assert bench.members("timers") == {}
    assert bench.sent() == pushed
    assert bench.status(cancelled) == "cancelled"


def test_a_due_timer_without_its_definition_fails_the_job(bench: Bench) -> None:
    """What can never be queued again ends its job."""
    job = bench.submit()
    bench.start(job)
    bench.retry_later(job, delay=-1)
    bench.link.call("DEL", bench.key("definition", DEFINITION))
    bench.store.upkeep.release_due(10)
    assert bench.status(job) == "failed"


# --- a return to others --------------------------------------------------------------------


def test_releasing_too_often_fails_the_job(bench: Bench) -> None:
    """When nobody has the class the job ends with the reason; a retry starts counting anew."""
    job = bench.submit()
    for number in range(3):
        bench.start(job, token=f"t{number}")
        assert bench.release(job, token=f"t{number}", delay=-1, most=3) == "ok"
        bench.store.upkeep.release_due(10)
    row = bench.row(job)
    assert (row["status"], row["reason"]) == ("failed", "unknown class")
    assert bench.hash("job", job)["error"] == b"p"
    bench.store.control.retry(job)
    bench.start(job)
    assert bench.release(job, most=3) == "ok"
    assert bench.status(job) == "running"


def test_a_release_counts_no_attempt(bench: Bench) -> None:
    """A worker that cannot run what it claimed gives it back as if it had not been claimed."""
    job = bench.submit()
    bench.start(job, token="t1")
    assert bench.release(job, token="t1", delay=-1) == "ok"
    assert bench.counters(job) == (0, 0, 0, 1)
    bench.store.upkeep.release_due(10)
    assert bench.start(job, token="t2").attempt_number == 1
    assert bench.history(job)[-1] == ("released", "1.0.0")


def test_an_unknown_class_is_given_back(bench: Bench) -> None:
    """Without a claim the invocation goes back for another worker, a little later."""
    job = bench.submit()
    assert bench.give_back(job) == "ok"
    assert bench.unclaimed() == {}
    assert bench.counters(job) == (0, 0, 0, 1)
    assert bench.history(job)[-1] == ("given_back", "1.0.0")
    bench.store.upkeep.release_due(10)
    assert bench.start(job).attempt_number == 1


def test_a_duplicate_cannot_be_given_back_twice(bench: Bench) -> None:
    """Only the message that is still unclaimed counts."""
    job = bench.submit()
    bench.give_back(job)
    before = bench.snapshot()
    assert bench.give_back(job) == "taken"
    assert bench.snapshot() == before


def test_a_claimed_invocation_cannot_be_given_back(bench: Bench) -> None:
    """A worker that knows the class has it already."""
    job = bench.submit()
    bench.start(job)
    assert bench.give_back(job) == "taken"
    assert bench.counters(job) == (0, 1, 0, 0)


def test_giving_back_too_often_fails_the_job(bench: Bench) -> None:
    """When no worker knows the class the job ends with the reason, and can be retried."""
    job = bench.submit()
    answers = []
    for _ in range(3):
        answers.append(bench.give_back(job, most=3))
        bench.store.upkeep.release_due(10)
    assert answers == ["ok", "ok", "failed"]
    assert bench.status(job) == "failed"
    assert bench.row(job)["reason"] == "unknown class"
    assert bench.store.control.retry(job) == "ok"
    assert bench.give_back(job, most=3) == "ok"


def test_giving_back_to_a_job_that_does_not_run(bench: Bench) -> None:
    """A paused job parks it, a cancelled one drops it, an unknown one is gone."""
    paused, cancelled = bench.submit(), bench.submit()
    bench.pause(paused)
    bench.store.control.cancel(cancelled, "")
    assert bench.give_back(paused) == "paused"
    assert bench.parked(paused) == ["1.0.0"]
    assert bench.give_back(cancelled) == "dropped"
    assert bench.give_back("nosuchjob") == "gone"
    assert bench.unclaimed() == {}


# --- the end of the job --------------------------------------------------------------------


def test_a_failure_ends_the_job_and_keeps_its_work(bench: Bench) -> None:
    """The job keeps its failed invocation, the reason and the error."""
    job = bench.submit()
    bench.start(job)
    assert bench.fail(job) == "ok"
    row = bench.row(job)
    assert (row["status"], row["reason"]) == ("failed", "it broke")
    assert bench.hash("job", job)["error"] == pack_record({})
    assert bench.invocations(job) == {"1.0.0"}
    assert bench.parked(job) == ["1.0.0"]
    assert bench.counters(job) == (0, 0, 1, 0)
    assert bench.history(job)[-1] == ("failed", "1.0.0")
    assert bench.hash("routines", job)["0.status"] == b"failed"


def test_a_failure_while_paused_ends_the_job(bench: Bench) -> None:
    """A running handler may fail its job although the job is paused."""
    job = bench.submit()
    bench.start(job)
    bench.pause(job)
    assert bench.fail(job) == "ok"
    assert bench.status(job) == "failed"
    assert bench.store.control.resume(job) == "failed"


def test_a_retried_job_continues_from_its_failure(bench: Bench) -> None:
    """The failed invocation runs again with fresh attempts; what succeeded does not."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "")])
    bench.start(job, "2.1.0")
    bench.fail(job, "2.1.0")
    assert bench.store.control.retry(job) == "ok"
    row = bench.row(job)
    assert row["status"] == "running"
    assert {"reason", "ended"}.isdisjoint(row)
    assert "error" not in bench.hash("job", job)
    assert bench.history(job)[-1] == ("retry", "")
    assert bench.start(job, "2.1.0", "t2").attempt_number == 1
    assert bench.commit(job, "2.1.0", "t2") == "ok"
    assert bench.status(job) == "completed"
    assert [invocation for _, invocation in bench.sent()] == ["1.0.0", "2.1.0", "2.1.0"]


def test_a_handler_that_outlives_failure_and_retry_may_commit(bench: Bench) -> None:
    """A lease that was granted before the failure is still valid after the retry."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 1, "")])
    bench.start(job, "2.1.0", "t2")
    bench.start(job, "3.1.1", "t3")
    bench.fail(job, "2.1.0", "t2")
    bench.store.control.retry(job)
    assert bench.commit(job, "3.1.1", "t3") == "ok"
    bench.start(job, "2.1.0", "t4")
    assert bench.commit(job, "2.1.0", "t4") == "ok"
    assert bench.status(job) == "completed"


@pytest.mark.parametrize("state", ["pending", "running", "paused", "completed", "cancelled"])
def test_only_a_failed_job_can_be_retried(bench: Bench, state: str) -> None:
    """The answer is the status that does not allow it, and nothing changes."""
    job = bench.submit()
    if state in ("running", "completed"):
        bench.start(job)
    if state == "completed":
        bench.commit(job)
    if state == "paused":
        bench.pause(job)
    if state == "cancelled":
        bench.store.control.cancel(job, "")
    before = bench.snapshot()
    assert bench.store.control.retry(job) == state
    assert bench.snapshot() == before
    assert bench.store.control.retry("nosuchjob") == "gone"


@pytest.mark.parametrize("action", ["retry_later", "release", "fail"])
def test_failing_needs_the_lease(bench: Bench, action: str) -> None:
    """A stale token, a second report and an ended job are refused as those of a commit."""
    report = getattr(bench, action)
    job = bench.submit()
    before = bench.snapshot()
    assert report(job, token="guess") == "stale"
    assert bench.snapshot() == before
    bench.start(job, token="t1")
    bench.commit(job, token="t1", emitted=[(1, 0, "")])
    assert report(job, token="t1") == "done"
    assert report("nosuchjob") == "gone"
    bench.start(job, "2.1.0", "t2")
    bench.store.control.cancel(job, "")
    assert report(job, "2.1.0", "t2") == "dropped"
    assert bench.status(job) == "cancelled"
    assert bench.members("timers") == bench.members("leases") == {}


def test_a_repeated_retry_report_sets_one_timer(bench: Bench) -> None:
    """A report that is sent again because its reply was lost changes nothing."""
    job = bench.submit()
    bench.start(job)
    bench.retry_later(job, delay=LONG)
    before = bench.snapshot()
    assert bench.retry_later(job, delay=LONG) == "stale"
    assert bench.snapshot() == before


def test_a_last_commit_does_not_complete_a_job_with_a_timer(bench: Bench) -> None:
    """A waiting retry is outstanding work."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, ""), (1, 1, "")])
    bench.start(job, "2.1.0", "t2")
    bench.retry_later(job, "2.1.0", "t2", delay=-1)
    bench.start(job, "3.1.1", "t3")
    bench.commit(job, "3.1.1", "t3")
    assert bench.status(job) == "running"
    bench.store.upkeep.release_due(10)
    bench.start(job, "2.1.0", "t4")
    bench.commit(job, "2.1.0", "t4")
    assert bench.status(job) == "completed"


def test_a_skip_after_retries_completes(bench: Bench) -> None:
    """An attempt that ends as skipped or continued is a commit like any other."""
    job = bench.submit()
    bench.start(job, token="t1")
    bench.retry_later(job, token="t1", delay=-1)
    bench.store.upkeep.release_due(1)
    bench.start(job, token="t2")
    effects_free = bench.commit(job, token="t2", outcome="skipped")
    assert (effects_free, bench.status(job)) == ("ok", "completed")


def test_the_latest_error_stays_with_the_routine(bench: Bench) -> None:
    """When, and the details of the attempt; returns to other workers are no errors."""
    job = bench.submit()
    bench.start(job, token="t1")
    bench.release(job, token="t1", delay=-1)
    assert "0.error" not in bench.hash("routines", job)
    bench.store.upkeep.release_due(10)
    bench.start(job, token="t2")
    bench.retry_later(job, token="t2", delay=-1)
    at, _, details = bench.hash("routines", job)["0.error"].partition(b" ")
    assert details == DETAILS
    assert at == bench.hash("routines", job)["0.ended"]


@pytest.mark.parametrize("outcome", ["error_continued", "skipped", "completed"])
def test_an_error_that_was_passed_over_stays_as_well(bench: Bench, outcome: str) -> None:
    """And nothing is kept of an invocation that has completed."""
    job = bench.submit()
    bench.start(job)
    assert bench.commit(job, outcome=outcome) == "ok"
    assert ("0.error" in bench.hash("routines", job)) == (outcome != "completed")
