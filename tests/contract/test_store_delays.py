"""Deliveries that are put off: never early, once, and changeable until they are due."""

from __future__ import annotations

from typing import Any

import pytest

from flowforge.codec.binary import pack_record
from flowforge.model.times.start import Start
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import Bench, record
from tests.support.virtual_clock import VirtualClock

HOUR = 3_600_000
BY = pack_record("anna")

#: slot kind timeout-ms otherwise upstream: routine 1 joins all that routine 0 sends.
ALL = "1.0 all 0 fail 0\n"


def later(ms: int = HOUR, mode: str = "", emitter: int | str = "") -> str:
    return Start("+", ms).mode(mode, emitter)


def at(ms: int, mode: str = "") -> str:
    return Start("@", ms).mode(mode)


def messages(bench: Bench) -> list[tuple[str, str]]:
    """What waits to be claimed, as job and invocation."""
    lists = (bench.list, bench.other_list)
    members = [member for name in lists for member in bench.unclaimed(name)]
    return [(job, invocation) for job, _, invocation in (m.partition("/") for m in members)]


# --- jobs that are put off -------------------------------------------------------------------


def test_a_job_starts_when_its_delay_has_passed(timed_bench: Bench, clock: VirtualClock) -> None:
    """Until then it is pending, has no message, and its row says when it starts."""
    job = timed_bench.submit(mode=later())
    row = timed_bench.row(job)
    assert (row["status"], row["queued"], row["timers"]) == ("pending", "0", "1")
    assert int(row["due"]) == int(row["created"]) + HOUR
    assert timed_bench.members("timers") == {f"{job}/1.0.0": float(row["due"])}
    clock.advance(minutes=59)
    assert messages(timed_bench) == []
    clock.advance(minutes=1)
    assert messages(timed_bench) == [(job, "1.0.0")]
    assert timed_bench.row(job)["timers"] == "0"
    timed_bench.start(job)
    timed_bench.commit(job)
    assert timed_bench.row(job)["status"] == "completed"


def test_a_time_that_has_passed_is_now(timed_bench: Bench) -> None:
    """Such a job is one without a delay."""
    job = timed_bench.submit(mode=at(timed_bench.now() - 1))
    assert messages(timed_bench) == [(job, "1.0.0")]
    assert "due" not in timed_bench.row(job)


def test_the_key_is_taken_at_submission(timed_bench: Bench) -> None:
    """A second submission finds the job that waits, whatever its own delay."""
    first = timed_bench.submit(mode=later(), idempotency_key="k")
    again = timed_bench.submission(idempotency_key="k")
    assert timed_bench.send(again, None) == first
    assert messages(timed_bench) == []


def test_many_jobs_are_put_off_together(timed_bench: Bench, clock: VirtualClock) -> None:
    """Each has a row and a timer of its own, also where the rows are copies of one."""
    made = [timed_bench.submission(mode=later(hours * HOUR)) for hours in (1, 1, 2, 1)]
    common, jobs = made[0].common, [one.job for one in made]
    ids = timed_bench.store.submissions.submit(common, jobs, timed_bench.fields())
    assert ids is not None
    dues = [int(timed_bench.row(job)["due"]) for job in ids]
    assert dues == [dues[0], dues[0], dues[0] + HOUR, dues[0]]
    clock.advance(hours=1)
    assert {job for job, _ in messages(timed_bench)} == {ids[0], ids[1], ids[3]}


def test_a_submission_that_is_sent_twice_puts_off_once(timed_bench: Bench) -> None:
    """The reply was lost: the same jobs are sent again."""
    job = timed_bench.submission(mode=later())
    for _ in range(2):
        assert timed_bench.send(job, timed_bench.fields()) == job.job_id
    assert len(timed_bench.members("timers")) == 1
    assert timed_bench.row(job.job_id)["timers"] == "1"


@pytest.mark.parametrize("mode", ["m", "o"])
def test_what_a_slot_keeps_is_kept_when_it_is_due(
    timed_bench: Bench, clock: VirtualClock, mode: str
) -> None:
    """A merging slot numbers the delivery then, and the latest of a slot is that of then."""
    job = timed_bench.submit(mode=later(mode=mode))
    assert timed_bench.row(job)["v"] == "3"
    assert timed_bench.hash("merges", job) == {}
    clock.advance(hours=1)
    expected = "1.0.0.1" if mode == "m" else "1.0.0"
    assert messages(timed_bench) == [(job, expected)]
    assert timed_bench.hash("put_off", job) == {}
    timed_bench.start(job, expected)
    timed_bench.commit(job, expected)
    assert timed_bench.row(job)["status"] == "completed"


# --- pause, cancel, failure ------------------------------------------------------------------


def test_what_becomes_due_in_a_paused_job_is_parked(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """It starts with the resume."""
    job = timed_bench.submit(mode=later())
    timed_bench.pause(job)
    clock.advance(hours=2)
    assert messages(timed_bench) == []
    assert timed_bench.row(job)["waiting"] == "1"
    timed_bench.store.control.resume(job)
    assert messages(timed_bench) == [(job, "1.0.0")]
    assert timed_bench.row(job)["status"] == "pending"


def test_a_cancel_ends_a_job_that_is_put_off(timed_bench: Bench, clock: VirtualClock) -> None:
    """At once, with its timer."""
    job = timed_bench.submit(mode=later(mode="m"))
    assert timed_bench.store.control.cancel(job, "") == "ok"
    assert timed_bench.row(job)["status"] == "cancelled"
    assert timed_bench.members("timers") == {}
    assert timed_bench.hash("put_off", job) == {}
    clock.advance(hours=2)
    assert messages(timed_bench) == []


# --- rescheduling ----------------------------------------------------------------------------


def reschedule(bench: Bench, job: str, start: Start, invocation: str = "") -> Any:
    return bench.store.mending.reschedule(job, invocation, start, BY)


def test_a_start_can_be_moved_both_ways(timed_bench: Bench, clock: VirtualClock) -> None:
    """Row and timer say the new time; the history keeps the former one."""
    job = timed_bench.submit(mode=later())
    assert reschedule(timed_bench, job, Start("+", 3 * HOUR)) is Answer.OK
    clock.advance(hours=2)
    assert messages(timed_bench) == []
    assert reschedule(timed_bench, job, Start("@", 1)) is Answer.OK
    row = timed_bench.row(job)
    assert timed_bench.members("timers") == {f"{job}/1.0.0": float(row["due"])}
    clock.look()
    assert messages(timed_bench) == [(job, "1.0.0")]
    kinds = [
        entry[1][1]
        for entry in timed_bench.link.call("XRANGE", timed_bench.key("history", job), "-", "+")
    ]
    assert kinds == [b"rescheduled"] * 2


def test_a_paused_job_can_be_rescheduled(timed_bench: Bench, clock: VirtualClock) -> None:
    """What is due then is parked."""
    job = timed_bench.submit(mode=later())
    timed_bench.pause(job)
    assert reschedule(timed_bench, job, Start("+", 0)) is Answer.OK
    clock.look()
    assert timed_bench.row(job)["waiting"] == "1"


def test_only_what_waits_for_its_time_can_be_moved(timed_bench: Bench) -> None:
    """Each other state has its answer."""
    assert reschedule(timed_bench, "none", Start("+", 1)) is Answer.GONE
    job = timed_bench.submit()
    assert reschedule(timed_bench, job, Start("+", 1)) is Answer.NONE
    assert reschedule(timed_bench, job, Start("+", 1), "1.0.0") is Answer.QUEUED
    timed_bench.start(job)
    assert reschedule(timed_bench, job, Start("+", 1), "1.0.0") is Answer.CLAIMED
    timed_bench.retry_later(job, delay=HOUR)
    assert reschedule(timed_bench, job, Start("+", 1)) is Answer.NONE
    assert reschedule(timed_bench, job, Start("+", 1), "1.0.0") is Answer.OK
    assert "due" not in timed_bench.row(job)
    assert timed_bench.store.mending.run_now(job, "1.0.0", BY) is Answer.OK
    timed_bench.start(job)
    timed_bench.commit(job)
    assert reschedule(timed_bench, job, Start("+", 1), "1.0.0") == "completed"


def test_a_start_is_made_now(timed_bench: Bench) -> None:
    """Without waiting for the upkeep; a second time there is nothing to start."""
    job = timed_bench.submit(mode=later())
    assert timed_bench.store.mending.run_now(job, "", BY) is Answer.OK
    assert messages(timed_bench) == [(job, "1.0.0")]
    assert int(timed_bench.row(job)["due"]) <= timed_bench.now()
    assert timed_bench.store.mending.run_now(job, "", BY) is Answer.NONE


# --- what handlers put off -------------------------------------------------------------------


def test_a_delivery_that_is_put_off_holds_no_room(timed_bench: Bench, clock: VirtualClock) -> None:
    """Other work of a job with room for one goes on meanwhile, and the job does not end."""
    job = timed_bench.submit(max_in_flight=1)
    timed_bench.start(job)
    timed_bench.commit(job, emitted=[(1, 0, later()), (1, 0, "")])
    assert timed_bench.row(job)["timers"] == "1"
    timed_bench.start(job, "3.1.0")
    timed_bench.commit(job, "3.1.0")
    assert timed_bench.row(job)["status"] == "running"
    clock.advance(hours=1)
    timed_bench.start(job, "2.1.0")
    timed_bench.commit(job, "2.1.0")
    assert timed_bench.row(job)["status"] == "completed"


def test_staged_emissions_are_put_off_from_when_they_were_sent(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """However long the window keeps them staged."""
    job = timed_bench.submit(max_in_flight=1)
    timed_bench.start(job)
    timed_bench.stage(job, [(1, 0, later()), (1, 0, ""), (1, 0, later(2 * HOUR))])
    timed_bench.commit(job, staged={1: 3})
    timed_bench.start(job, "3.1.0")
    now = timed_bench.now()
    timed_bench.commit(job, "3.1.0")
    dues = sorted(timed_bench.members("timers").values())
    assert [round((due - now) / HOUR) for due in dues] == [1, 2]
    clock.advance(hours=2)
    for invocation in ("2.1.0", "4.1.0"):
        timed_bench.start(job, invocation)
        timed_bench.commit(job, invocation)
    assert timed_bench.row(job)["status"] == "completed"


def test_staged_params_may_hold_any_bytes(timed_bench: Bench, clock: VirtualClock) -> None:
    """The record behind the mode is left as it is."""
    job = timed_bench.submit()
    timed_bench.start(job)
    sent = record(zero=0, bytes=bytes(range(256)))
    stage = timed_bench.store.invocations.stage
    assert stage(job, "1.0.0", "t", [(1, 0, later(), sent)], 0) is Answer.OK
    timed_bench.commit(job, staged={1: 1})
    clock.advance(hours=1)
    assert timed_bench.start(job, "2.1.0").record == sent


def test_a_join_of_all_waits_for_what_is_put_off_above_it(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """An item that comes later is one of those that it waits for."""
    job = timed_bench.submit(ALL)
    timed_bench.start(job)
    timed_bench.commit(job, emitted=[(1, 0, "j0:"), (1, 0, later(mode="j0:", emitter=0))])
    assert messages(timed_bench) == []
    clock.advance(minutes=59)
    assert messages(timed_bench) == []
    clock.advance(minutes=1)
    ((_, invocation),) = messages(timed_bench)
    assert timed_bench.hash("invocations", job)[invocation] == b"J2 "
    timed_bench.start(job, invocation)
    timed_bench.commit(job, invocation)
    assert timed_bench.row(job)["status"] == "completed"


@pytest.mark.parametrize("staged", [False, True])
def test_an_item_that_is_skipped_is_not_waited_for(timed_bench: Bench, staged: bool) -> None:
    """An operator ends it before it is due, and the join fires with the others."""
    emitted = [(1, 0, "j0:"), (1, 0, later(mode="j0:", emitter=0))]
    job = timed_bench.submit(ALL)
    timed_bench.start(job)
    if staged:
        timed_bench.stage(job, emitted)
        timed_bench.commit(job, staged={1: 2})
    else:
        timed_bench.commit(job, emitted=emitted)
    assert messages(timed_bench) == []
    (member,) = timed_bench.members("timers")
    assert timed_bench.skip(job, member.partition("/")[2]) == "ok"
    ((_, invocation),) = messages(timed_bench)
    assert timed_bench.hash("invocations", job)[invocation] == b"J1 "


def test_a_join_fires_below_an_entry_that_is_skipped(timed_bench: Bench) -> None:
    """The job enters at a join, later: its item has no emitter, yet what the operator emits in its
    place is all that a join below gets, whatever else goes on.
    """
    below = "2.0 all 0 fail 0,1\n"
    job = timed_bench.submit(ALL + below, routine=1, mode=later(mode="j0:"))
    emitted = [(2, 0, "j0:"), (2, 1, "")]
    assert timed_bench.skip(job, "1.1.0", emitted) == "ok"
    joined, other = sorted((i for _, i in messages(timed_bench)), key=lambda i: i.partition(".")[2])
    assert (joined.partition(".")[2], other.partition(".")[2]) == ("2.0", "2.1")
    assert timed_bench.hash("invocations", job)[joined] == b"J1 "
    assert timed_bench.hash("joins", job) == {}


def test_an_item_becomes_due_in_a_failed_job(timed_bench: Bench, clock: VirtualClock) -> None:
    """It is collected for the retry, and nothing of it outlives the job."""
    job = timed_bench.submit(ALL, retention_ms=100 * HOUR)
    timed_bench.start(job)
    timed_bench.commit(job, emitted=[(2, 0, ""), (1, 0, later(mode="j0:", emitter=0))])
    timed_bench.start(job, "2.2.0")
    timed_bench.fail(job, "2.2.0")
    clock.advance(hours=1)
    assert timed_bench.hash("put_off", job) == {}
    assert len(timed_bench.hash("collected", job)) == 1
    ttls = {
        key: timed_bench.link.call("PTTL", key) for key in timed_bench.every_key() if job in key
    }
    assert all(ttl > 0 for key, ttl in ttls.items() if not key.endswith(":q")), ttls
    timed_bench.store.control.retry(job)
    assert timed_bench.row(job)["status"] == "running"


# --- rows and older releases -----------------------------------------------------------------


def test_breakpoints_come_and_go_in_a_job_with_deliveries_that_are_put_off(
    timed_bench: Bench,
) -> None:
    """The version of its row says both."""
    job = timed_bench.submit(mode=later(mode="m"))
    points = timed_bench.store.breakpoints
    points.set(job, 0, b"", b"", BY)
    assert timed_bench.row(job)["v"] == "4"
    points.clear(job, 0, BY)
    assert timed_bench.row(job)["v"] == "3"


def test_a_plain_job_that_is_put_off_is_one_of_every_release(timed_bench: Bench) -> None:
    """Its timer is that of a retry, and its row has the first version: older leaders start it."""
    job = timed_bench.submit(mode=later())
    assert timed_bench.row(job)["v"] == "1"
    assert list(timed_bench.members("timers")) == [f"{job}/1.0.0"]


def test_a_large_job_is_cancelled_with_all_its_timers(timed_bench: Bench) -> None:
    """In pieces, by the upkeep."""
    job = timed_bench.submit()
    timed_bench.start(job)
    for start in range(0, 600, 200):
        timed_bench.stage(job, [(1, 0, later())] * 200, already=start)
    timed_bench.commit(job, staged={1: 600})
    while timed_bench.row(job)["staged"] != "0":
        timed_bench.store.upkeep.release_due(100)
    assert len(timed_bench.members("timers")) == 600
    timed_bench.store.control.cancel(job, "")
    while timed_bench.store.upkeep.delete(100):
        pass
    assert timed_bench.members("timers") == {}


def test_the_record_waits_as_it_was_sent(timed_bench: Bench, clock: VirtualClock) -> None:
    """Params do not change on the way."""
    sent = record(amount=3)
    job = timed_bench.submit(mode=later(), record=sent)
    clock.advance(hours=1)
    assert timed_bench.start(job).record == sent
