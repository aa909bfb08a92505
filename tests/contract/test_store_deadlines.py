"""Jobs that have to start and to finish by a time, and jobs that are late."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.codec.binary import pack_record
from flowforge.model.times.deadlines import deadlines_of
from flowforge.model.times.start import Start
from flowforge.store.job_reads.inspector import Inspector
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.claims import NextClaim
from tests.contract.bench import LONG, Bench
from tests.contract.child_jobs import WAITS, broken_family
from tests.contract.keyed import call
from tests.support.virtual_clock import VirtualClock

BY = pack_record("anna")


def within(start: float | None = None, finish: float | None = None) -> str:
    """Deadlines in seconds, as a submission has them."""
    return deadlines_of(start, finish).text()


def kinds(bench: Bench, job: str) -> list[str]:
    return [kind for kind, _ in bench.history(job)]


def error_of(bench: Bench, job: str) -> dict[str, Any]:
    found = Inspector(bench.store).error(job)
    assert found is not None
    return found


# --- by when a job is to start ------------------------------------------------------------------


def test_a_job_that_has_not_started_in_time_fails(timed_bench: Bench, clock: VirtualClock) -> None:
    """With a plain error, an entry of the history, and its work kept for a retry."""
    job = timed_bench.submit(deadlines=within(start=600))
    row = timed_bench.row(job)
    assert (row["v"], row["start_within"]) == ("5", "600000")
    assert int(row["start_by"]) == int(row["created"]) + 600_000
    clock.advance(seconds=599)
    assert timed_bench.row(job)["status"] == "pending"
    clock.advance(seconds=1)
    row = timed_bench.row(job)
    assert (row["status"], row["reason"]) == ("failed", "not started within 600 s")
    assert error_of(timed_bench, job)["type"] == "NotStartedInTime"
    assert "start_within of 600 s" in error_of(timed_bench, job)["message"]
    assert kinds(timed_bench, job) == ["deadline_missed"]
    assert timed_bench.hash("job_totals")["flow\ntoo_late"] == b"1"
    assert timed_bench.claim(job, "1.0.0") == "dropped"
    assert timed_bench.store.control.retry(job) is Answer.OK
    timed_bench.start(job)
    assert timed_bench.commit(job) == "ok"
    assert timed_bench.row(job)["status"] == "completed"


def test_a_job_that_has_started_has_met_it(timed_bench: Bench, clock: VirtualClock) -> None:
    """However long it then takes, and however often its worker is lost."""
    job = timed_bench.submit(deadlines=within(start=600))
    timed_bench.start(job)
    clock.advance_running(hours=2)
    assert timed_bench.commit(job) == "ok"
    assert timed_bench.row(job)["status"] == "completed"


def test_a_late_upkeep_starts_nothing_too_late(timed_bench: Bench) -> None:
    """The claim looks at the time as well."""
    job = timed_bench.submit(deadlines=within(start=600))
    timed_bench.link.call("INCRBY", timed_bench.keys.root + "clock", 600_000)
    assert timed_bench.claim(job, "1.0.0") == "dropped"
    row = timed_bench.row(job)
    assert (row["status"], row["waiting"], row["queued"]) == ("failed", "1", "0")


def test_a_commit_goes_on_with_no_job_that_is_too_late(timed_bench: Bench) -> None:
    """That claim is the same."""
    first = timed_bench.submit()
    timed_bench.start(first)
    late = timed_bench.submit(deadlines=within(start=600))
    timed_bench.link.call("INCRBY", timed_bench.keys.root + "clock", 600_000)
    then = NextClaim("next", LONG, [timed_bench.list], 0.0)
    assert timed_bench.commit_then(then, first) == ("ok", None)
    assert timed_bench.row(late)["status"] == "failed"


def test_it_runs_on_while_the_job_is_paused(timed_bench: Bench, clock: VirtualClock) -> None:
    """A pause is no way around a deadline; a retry lets the job go on."""
    job = timed_bench.submit(deadlines=within(start=600))
    timed_bench.pause(job)
    clock.advance(seconds=600)
    assert timed_bench.row(job)["status"] == "failed"
    assert timed_bench.store.control.retry(job) is Answer.OK
    assert timed_bench.row(job)["status"] == "pending"
    assert "start_by" not in timed_bench.row(job)


def test_it_counts_from_the_start_of_a_job_that_is_put_off(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Also when that is moved, and when it is made to start now."""
    mode = Start("+", 3_600_000).mode("")
    moved, now = (timed_bench.submit(mode=mode, deadlines=within(60, 90)) for _ in range(2))
    row = timed_bench.row(moved)
    assert int(row["start_by"]) == int(row["due"]) + 60_000
    reschedule = timed_bench.store.mending.reschedule
    assert reschedule(moved, "", Start("+", 7_200_000), BY) is Answer.OK
    row = timed_bench.row(moved)
    assert int(row["start_by"]) == int(row["due"]) + 60_000
    assert int(row["finish_by"]) == int(row["due"]) + 90_000
    assert timed_bench.run_now(now, "1.0.0") is Answer.OK
    row = timed_bench.row(now)
    assert int(row["start_by"]) == int(row["due"]) + 60_000
    clock.advance(seconds=60)
    assert [timed_bench.row(job)["status"] for job in (moved, now)] == ["pending", "failed"]
    clock.advance(hours=2)
    assert timed_bench.row(moved)["status"] == "failed"


def test_a_failed_job_that_is_rescheduled_has_no_timers(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Its deadlines move along all the same, and hold on when it is retried."""
    request = timed_bench.submission(
        definition="late", mode=Start("+", 60_000).mode(""), deadlines=within(600, 3600)
    )
    job = request.job_id
    timed_bench.send(request, timed_bench.fields(late="1800000 slow"))
    entry = f"{job}/1.0.0"
    timed_bench.link.call("HSET", timed_bench.key("job", job), "start_by", 1)
    timed_bench.link.call("ZADD", timed_bench.key("timers"), 1, f"{job}/deadline/started")
    clock.look()
    assert timed_bench.row(job)["status"] == "failed"
    assert set(timed_bench.members("timers")) == {entry}
    reschedule = timed_bench.store.mending.reschedule
    assert reschedule(job, "", Start("+", 7_200_000), BY) is Answer.OK
    assert set(timed_bench.members("timers")) == {entry}
    row = timed_bench.row(job)
    assert int(row["finish_by"]) == int(row["due"]) + 3_600_000
    assert timed_bench.store.control.retry(job) is Answer.OK
    assert timed_bench.members("timers") == {
        entry: int(row["due"]),
        f"{job}/deadline/finished": int(row["due"]) + 3_600_000,
        f"{job}/deadline/late1": int(row["due"]) + 1_800_000,
    }


def test_they_count_from_the_start_also_of_an_entry_that_was_given_back(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """How long it was given back for has nothing to do with it."""
    mode = Start("+", 60_000).mode("")
    job = timed_bench.submit(mode=mode, deadlines=within(600, 3600))
    clock.advance(seconds=60)
    assert timed_bench.give_back(job, delay=300_000) == "ok"
    reschedule = timed_bench.store.mending.reschedule
    assert reschedule(job, "", Start("+", 120_000), BY) is Answer.OK
    row = timed_bench.row(job)
    assert int(row["start_by"]) == int(row["due"]) + 600_000
    assert int(row["finish_by"]) == int(row["due"]) + 3_600_000


def test_a_job_that_waits_for_its_turn_may_be_too_late(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """The next one of its key has its turn all the same."""
    jobs = [
        call(timed_bench, single="k", when_running="queue", deadlines=deadlines).job_id
        for deadlines in ("", within(60), "")
    ]
    clock.advance(seconds=60)
    assert [timed_bench.row(job)["status"] for job in jobs] == ["pending", "failed", "pending"]
    for job in (jobs[0], jobs[2]):
        timed_bench.start(job)
        assert timed_bench.commit(job) == "ok"


def test_the_key_of_a_debounced_job_is_free_when_it_is_too_late(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Further calls make another job, also when the failed one is retried and waits on."""
    first = call(timed_bench, debounce="d", wait_ms=600_000, deadlines=within(60)).job_id
    timed_bench.link.call("HSET", timed_bench.key("job", first), "start_by", 1)
    timed_bench.link.call("ZADD", timed_bench.key("timers"), 1, f"{first}/deadline/started")
    clock.look()
    assert timed_bench.row(first)["status"] == "failed"
    assert timed_bench.store.control.retry(first) is Answer.OK
    second = call(timed_bench, debounce="d", wait_ms=600_000)
    assert (second.how, second.job_id != first) == ("created", True)
    clock.advance(minutes=10)
    for job in (first, second.job_id):
        timed_bench.start(job)
        assert timed_bench.commit(job) == "ok"


# --- by when a job is to finish -----------------------------------------------------------------


def test_a_job_that_has_not_finished_in_time_fails(timed_bench: Bench, clock: VirtualClock) -> None:
    """What still runs is told, and what it commits is not accepted."""
    job = timed_bench.submit(deadlines=within(finish=7200))
    timed_bench.start(job)
    clock.advance_running(hours=2)
    row = timed_bench.row(job)
    assert (row["status"], row["reason"]) == ("failed", "not finished within 7200 s")
    assert error_of(timed_bench, job)["type"] == "NotFinishedInTime"
    heartbeat = timed_bench.store.invocations.heartbeat
    assert heartbeat(LONG, [f"{job}/1.0.0/t"]) == ["failed"]
    assert timed_bench.commit(job) == "dropped"
    assert timed_bench.row(job)["waiting"] == "1"


def test_a_job_that_has_ended_leaves_no_deadline(timed_bench: Bench, clock: VirtualClock) -> None:
    """Completed, failed or cancelled."""
    ended = [timed_bench.submit(deadlines=within(60, 90)) for _ in range(3)]
    for job in ended[:2]:
        timed_bench.start(job)
    timed_bench.commit(ended[0])
    timed_bench.fail(ended[1])
    timed_bench.store.control.cancel(ended[2], "", "")
    assert timed_bench.members("timers") == {}
    clock.advance(seconds=95)
    found = [timed_bench.row(job)["status"] for job in ended]
    assert found == ["completed", "failed", "cancelled"]


def test_a_retry_keeps_a_deadline_that_has_not_passed(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """It is the time by which the job is wanted."""
    job = timed_bench.submit(deadlines=within(finish=600))
    timed_bench.start(job)
    timed_bench.fail(job)
    clock.advance(minutes=5)
    assert timed_bench.store.control.retry(job) is Answer.OK
    clock.advance(minutes=4)
    assert timed_bench.row(job)["status"] == "running"
    clock.advance(minutes=1)
    assert timed_bench.row(job)["status"] == "failed"
    assert timed_bench.store.control.retry(job) is Answer.OK
    assert "finish_by" not in timed_bench.row(job)
    clock.advance(hours=9)
    assert timed_bench.row(job)["status"] == "running"


def test_a_retry_may_set_a_new_one(timed_bench: Bench, clock: VirtualClock) -> None:
    """Also of a job that had none."""
    job = timed_bench.submit()
    timed_bench.start(job)
    timed_bench.fail(job)
    assert timed_bench.store.control.retry(job, finish_ms=60_000) is Answer.OK
    assert timed_bench.row(job)["v"] == "5"
    clock.advance(seconds=59)
    assert timed_bench.row(job)["status"] == "running"
    clock.advance(seconds=1)
    assert timed_bench.row(job)["reason"] == "not finished within 60 s"


def test_so_may_one_of_a_job_that_was_retried_with_its_parent(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """A person who asks for that retry once more is told that it is made, and the time holds."""
    parent = broken_family(timed_bench)
    assert timed_bench.store.control.retry(parent) is Answer.OK
    assert timed_bench.claim(parent, WAITS, "w2") == "paused"
    clock.look()
    assert timed_bench.row("child")["retried"] == "1"
    assert timed_bench.store.control.retry("child", finish_ms=60_000) is Answer.OK
    row = timed_bench.row("child")
    assert (row["v"], row["finish_within"]) == ("5", "60000")
    clock.advance(seconds=60)
    assert timed_bench.row("child")["reason"] == "not finished within 60 s"


def test_many_jobs_have_the_deadlines_of_their_call(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Each has its own timers, where the rows are copies of one."""
    made = [timed_bench.submission(deadlines=within(60)) for _ in range(3)]
    common, jobs = made[0].common, [one.job for one in made]
    ids = timed_bench.store.submissions.submit(common, jobs, timed_bench.fields())
    assert ids is not None
    timed_bench.start(ids[1])
    clock.advance_running(seconds=60)
    found = [timed_bench.row(job)["status"] for job in ids]
    assert found == ["failed", "running", "failed"]


def test_a_child_job_has_its_own(timed_bench: Bench, clock: VirtualClock) -> None:
    """Its parent hears of it as of any failure."""
    parent = timed_bench.submit()
    timed_bench.start(parent)
    timed_bench.commit(parent, jobs=[timed_bench.child(deadlines=within(start=60))])
    clock.advance(seconds=60)
    assert timed_bench.row("child")["status"] == "failed"
    assert f"{parent}/2.0.99999" in timed_bench.unclaimed()


def test_a_parent_that_is_too_late_takes_its_child_jobs_along(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """As by any failure: none of them starts a handler until the parent is retried."""
    parent = timed_bench.submit(deadlines=within(finish=60))
    timed_bench.start(parent)
    timed_bench.commit(parent, jobs=[timed_bench.child()])
    clock.advance(seconds=60)
    assert timed_bench.row(parent)["status"] == "failed"
    assert timed_bench.claim("child", "1.0.0") == "paused"
    assert timed_bench.store.control.retry(parent) is Answer.OK
    clock.look()
    timed_bench.start("child")


# --- from when a job is late --------------------------------------------------------------------


def test_a_late_job_is_told_and_goes_on(timed_bench: Bench, clock: VirtualClock) -> None:
    """By an entry for each time, in its row, and in the totals of its flow."""
    timed_bench.store.hooks.declare("ops", b"")
    job = timed_bench.submit_late("60000 slow\n120000 much too slow")
    timed_bench.start(job)
    clock.advance_running(seconds=60)
    assert kinds(timed_bench, job) == ["late"]
    clock.advance_running(seconds=60)
    assert kinds(timed_bench, job) == ["late", "late"]
    row = timed_bench.row(job)
    assert (row["status"], row["late"]) == ("running", "much too slow")
    assert timed_bench.hash("job_totals")["flow\nlate"] == b"2"
    lines = timed_bench.link.call("XRANGE", timed_bench.key("outbox"), "-", "+")
    told = [dict(zip(fields[::2], fields[1::2], strict=True)) for _, fields in lines]
    assert [line[b"type"] for line in told] == [b"slow", b"much too slow"]
    assert told[0][b"message"] == b"the job had not ended 60 s after it was to start"
    assert timed_bench.commit(job) == "ok"
    assert timed_bench.members("timers") == {}


def test_a_job_that_ends_in_time_is_not_late(timed_bench: Bench, clock: VirtualClock) -> None:
    """Nothing is told of it."""
    job = timed_bench.submit_late("60000 slow")
    timed_bench.start(job)
    timed_bench.commit(job)
    clock.advance(seconds=60)
    assert kinds(timed_bench, job) == ["completed"]


def test_what_was_told_before_a_retry_is_not_told_again(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """What comes later is."""
    job = timed_bench.submit_late("60000 slow\n7200000 sla")
    timed_bench.start(job)
    clock.advance_running(seconds=60)
    timed_bench.fail(job)
    assert timed_bench.store.control.retry(job) is Answer.OK
    clock.advance(hours=2)
    assert kinds(timed_bench, job) == ["late", "failed", "retry", "late"]


@pytest.mark.parametrize("value", [0, -1, "soon", True])
def test_what_is_no_deadline_is_refused(value: Any) -> None:
    """With what was given."""
    with pytest.raises(ValueError, match="start_within must be"):
        deadlines_of(value, None)
