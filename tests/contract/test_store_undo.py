"""Undoing a job: each committed invocation with an undo is compensated once, the latest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from flowforge.codec.binary import read_invocation
from flowforge.store.answers import Answer
from flowforge.store.undo import Undos
from tests.contract.bench import LONG, UNDO, Bench, record


def undo_of(bench: Bench, job: str) -> tuple[str, int]:
    """How far the undo is, and what is left of it."""
    undo = Undos(bench.store).of_job(job)
    assert undo is not None
    return undo.status, undo.left


def undoing(bench: Bench, job: str) -> str:
    """The job that undoes this one."""
    undo = Undos(bench.store).of_job(job)
    assert undo is not None
    assert undo.job_id is not None
    return undo.job_id


def cancel(bench: Bench, job: str, *, undo: bool = True) -> str:
    return bench.store.control.cancel(job, "enough", "anna", undo)


def waiting(bench: Bench, job: str) -> list[str]:
    """The invocations of a job that can be claimed."""
    found = {**bench.unclaimed(), **bench.unclaimed(bench.other_list)}
    return [member.partition("/")[2] for member in found if member.startswith(f"{job}/")]


def chain(bench: Bench, steps: int, **changes: Any) -> str:
    """A job of which so many invocations with an undo are committed, and one waits."""
    job = bench.submit(**changes)
    for number in range(1, steps + 1):
        bench.start(job, f"{number}.0.0")
        undo = record(number, charge=f"c{number}")
        assert bench.commit(job, f"{number}.0.0", emitted=[(0, 0, "")], undo=undo) == "ok"
    return job


def compensate(bench: Bench, job: str, place: str = f"0.{UNDO}") -> list[str]:
    """Run all compensations of the undoing job, one after the other: what each was given."""
    given: list[str] = []
    while waiting(bench, job):
        (invocation,) = waiting(bench, job)
        number = len(given) + 1
        assert invocation == f"{number}.{place}"
        claim = bench.start(job, invocation)
        given.append(read_invocation(claim.record, "a compensation")[1]["charge"])
        assert bench.commit(job, invocation) == "ok"
    return given


# --- a job that fails ----------------------------------------------------------------------


def test_what_a_failed_job_has_committed_is_undone_in_reverse_order(bench: Bench) -> None:
    """One compensation at a time, in a job of its own, which completes behind the last one."""
    job = chain(bench, 3)
    bench.start(job, "4.0.0")
    bench.fail(job, "4.0.0")
    other = undoing(bench, job)
    assert undo_of(bench, job) == ("running", 3)
    assert bench.status(job) == "failed"
    assert bench.row(other)["undoes"] == job
    assert bench.row(other)["flow"] == "flow (undo)"
    assert compensate(bench, other) == ["c3", "c2", "c1"]
    assert bench.status(other) == "completed"
    assert undo_of(bench, job) == ("done", 0)
    kinds = [kind for kind, _ in bench.history(job)]
    assert kinds[-2:] == ["undo", "undo_ended"]
    assert bench.key("undo_log", job) not in bench.every_key()
    assert bench.key("undoing", other) not in bench.every_key()


def test_a_job_without_committed_undoes_is_retried_as_before(bench: Bench) -> None:
    """It has nothing to undo, so it keeps its work and the version of its row."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")])
    bench.start(job, "2.0.0")
    bench.fail(job, "2.0.0")
    assert Undos(bench.store).of_job(job) is None
    assert bench.row(job)["v"] == "1"
    assert bench.store.control.retry(job) is Answer.OK


def test_a_job_that_is_undone_cannot_be_retried(bench: Bench) -> None:
    """Neither while nor after it is undone."""
    job = chain(bench, 1)
    bench.start(job, "2.0.0")
    bench.fail(job, "2.0.0")
    assert bench.store.control.retry(job) is Answer.UNDONE
    compensate(bench, undoing(bench, job))
    before = bench.snapshot()
    assert bench.store.control.retry(job) is Answer.UNDONE
    assert bench.snapshot() == before


def test_a_completed_job_forgets_what_would_undo_it(bench: Bench) -> None:
    """The log goes with the end of the job."""
    job = bench.submit()
    bench.start(job)
    assert bench.commit(job, undo=record(1)) == "ok"
    assert bench.status(job) == "completed"
    assert bench.key("undo_log", job) not in bench.every_key()
    assert Undos(bench.store).of_job(job) is None


@pytest.mark.parametrize("outcome", ["error_continued", "skipped"])
def test_what_an_error_handler_passed_over_is_not_undone(bench: Bench, outcome: str) -> None:
    """Its attempt has failed: there is nothing that a compensation could be given."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, outcome=outcome, emitted=[])
    assert bench.key("undo_log", job) not in bench.every_key()


def test_a_commit_that_is_sent_again_is_recorded_once(bench: Bench) -> None:
    """The second one finds that the invocation is done."""
    job = bench.submit()
    bench.start(job)
    for answer in ("ok", "done"):
        assert bench.commit(job, emitted=[(0, 0, "")], undo=record(1, charge="c1")) == answer
    assert bench.link.call("LLEN", bench.key("undo_log", job)) == 1


# --- handlers that still run -----------------------------------------------------------------


def two_running(bench: Bench) -> str:
    """A job with a committed undo of which two invocations run."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (0, 0, "")], undo=record(1, charge="c1"))
    bench.start(job, "2.0.0", "t2")
    bench.start(job, "3.0.0", "t3")
    return job


def test_the_undo_begins_when_no_handler_runs_any_more(bench: Bench) -> None:
    """What a handler that still ran has committed is undone first; its emissions go nowhere."""
    job = two_running(bench)
    bench.fail(job, "2.0.0", "t2")
    assert undo_of(bench, job) == ("waiting", 0)
    assert bench.store.control.retry(job) is Answer.UNDONE
    late = record(3, charge="c3")
    assert bench.commit(job, "3.0.0", "t3", emitted=[(0, 0, "")], undo=late) == "ok"
    assert bench.commit(job, "3.0.0", "t3", emitted=[(0, 0, "")], undo=late) == "done"
    assert waiting(bench, job) == []
    assert compensate(bench, undoing(bench, job)) == ["c3", "c1"]


@pytest.mark.parametrize("how", ["commit", "fail", "retry", "lost"])
def test_a_handler_without_an_undo_ends_what_the_undo_waits_for(bench: Bench, how: str) -> None:
    """However it ends; nothing of it counts."""
    job = two_running(bench)
    bench.fail(job, "2.0.0", "t2")
    if how == "commit":
        assert bench.commit(job, "3.0.0", "t3") == "dropped"
    elif how == "fail":
        assert bench.fail(job, "3.0.0", "t3") == "dropped"
    elif how == "retry":
        assert bench.retry_later(job, "3.0.0", "t3") == "dropped"
    else:
        bench.link.call("ZADD", bench.key("leases"), 1, f"{job}/3.0.0/t3")
        assert bench.reclaim(3, 10) == (0, 0, 1)
    assert compensate(bench, undoing(bench, job)) == ["c1"]


def test_a_late_commit_opens_the_undo_of_a_failed_job(bench: Bench) -> None:
    """Nothing was committed when the job failed, so it could still be retried; then no more."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (0, 0, "")])
    bench.start(job, "2.0.0", "t2")
    bench.start(job, "3.0.0", "t3")
    bench.fail(job, "2.0.0", "t2")
    assert Undos(bench.store).of_job(job) is None
    assert bench.commit(job, "3.0.0", "t3", undo=record(3, charge="c3")) == "ok"
    assert bench.store.control.retry(job) is Answer.UNDONE
    assert compensate(bench, undoing(bench, job)) == ["c3"]


def test_a_retry_before_the_late_commit_keeps_the_job(bench: Bench) -> None:
    """The commit then is one of a job that runs."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (0, 0, "")])
    bench.start(job, "2.0.0", "t2")
    bench.start(job, "3.0.0", "t3")
    bench.fail(job, "2.0.0", "t2")
    assert bench.store.control.retry(job) is Answer.OK
    assert bench.commit(job, "3.0.0", "t3", undo=record(3, charge="c3")) == "ok"
    assert (bench.status(job), Undos(bench.store).of_job(job)) == ("running", None)


# --- cancelling ------------------------------------------------------------------------------


def test_a_job_that_is_cancelled_with_undo_is_undone(bench: Bench) -> None:
    """Also a paused one: compensations wait for no pause."""
    job = chain(bench, 2)
    bench.pause(job)
    assert cancel(bench, job) is Answer.OK
    assert bench.status(job) == "cancelled"
    assert compensate(bench, undoing(bench, job)) == ["c2", "c1"]
    assert undo_of(bench, job) == ("done", 0)


def test_a_plain_cancel_undoes_nothing(bench: Bench) -> None:
    """What would undo the job goes with it."""
    job = chain(bench, 2)
    assert cancel(bench, job, undo=False) is Answer.OK
    assert Undos(bench.store).of_job(job) is None
    assert bench.key("undo_log", job) not in bench.every_key()
    assert bench.row(job)["status"] == "cancelled"


def test_a_handler_that_runs_at_a_cancel_with_undo_is_undone_too(bench: Bench) -> None:
    """Its commit is taken; after a plain cancel it is dropped."""
    for undo, answer in ((True, "ok"), (False, "dropped")):
        job = two_running(bench)
        cancel(bench, job, undo=undo)
        assert bench.commit(job, "2.0.0", "t2", undo=record(2, charge="c2")) == answer
        assert bench.fail(job, "3.0.0", "t3") == "dropped"
        if undo:
            assert compensate(bench, undoing(bench, job)) == ["c2", "c1"]
        else:
            assert bench.key("undo_log", job) not in bench.every_key()


def test_a_cancel_with_undo_of_a_job_that_has_done_nothing(bench: Bench) -> None:
    """It says that there was nothing."""
    job = bench.submit()
    cancel(bench, job)
    assert undo_of(bench, job) == ("nothing", 0)
    running = bench.submit()
    bench.start(running)
    cancel(bench, running)
    assert undo_of(bench, running) == ("waiting", 0)
    bench.fail(running)
    assert undo_of(bench, running) == ("nothing", 0)


def test_a_cancel_that_is_sent_again_undoes_once(bench: Bench) -> None:
    """The request is met already."""
    job = chain(bench, 1)
    arguments = ("cancel", job, "anna", "enough", b"", 1, "request")
    assert bench.store.scripts.run(*arguments) == b"ok"
    before = bench.snapshot()
    assert bench.store.scripts.run(*arguments) == b"ok"
    assert bench.snapshot() == before


# --- compensations that fail -------------------------------------------------------------------


def test_a_failed_compensation_fails_the_undoing_job(bench: Bench) -> None:
    """Those behind it wait: a retry goes on with it, a skip without it."""
    job = chain(bench, 3)
    cancel(bench, job)
    other = undoing(bench, job)
    first = f"1.0.{UNDO}"
    bench.start(other, first)
    bench.fail(other, first)
    assert undo_of(bench, job) == ("failed", 3)
    assert [kind for kind, _ in bench.history(job)][-1] == "undo_ended"
    assert bench.store.control.retry(other) is Answer.OK
    assert undo_of(bench, job) == ("running", 3)
    bench.start(other, first)
    bench.commit(other, first)
    second = f"2.0.{UNDO}"
    bench.start(other, second)
    bench.fail(other, second)
    assert bench.skip(other, second) == "ok"
    assert undo_of(bench, job) == ("failed", 1)
    assert bench.store.control.retry(other) is Answer.OK
    assert waiting(bench, other) == [f"3.0.{UNDO}"]
    bench.start(other, f"3.0.{UNDO}")
    bench.commit(other, f"3.0.{UNDO}")
    assert undo_of(bench, job) == ("done", 0)


def test_the_next_compensation_waits_for_a_retry_of_the_one_before(bench: Bench) -> None:
    """While it is on a timer no other begins, so that the order holds."""
    job = chain(bench, 2)
    cancel(bench, job)
    other = undoing(bench, job)
    bench.start(other, f"1.0.{UNDO}")
    bench.retry_later(other, f"1.0.{UNDO}", delay=LONG)
    assert waiting(bench, other) == []
    bench.make_due()
    bench.store.upkeep.release_due(100)
    assert waiting(bench, other) == [f"1.0.{UNDO}"]


def test_an_undoing_job_that_is_cancelled_leaves_the_rest(bench: Bench) -> None:
    """The job says how much is not undone."""
    job = chain(bench, 3)
    cancel(bench, job)
    other = undoing(bench, job)
    bench.start(other, f"1.0.{UNDO}")
    bench.commit(other, f"1.0.{UNDO}")
    assert cancel(bench, other, undo=False) is Answer.OK
    assert undo_of(bench, job)[0] == "cancelled"
    assert bench.key("undoing", other) not in bench.every_key()


def test_a_lost_worker_of_a_compensation_is_replaced(bench: Bench) -> None:
    """As that of any other invocation."""
    job = chain(bench, 1)
    cancel(bench, job)
    other = undoing(bench, job)
    bench.start(other, f"1.0.{UNDO}", lease=-1)
    assert bench.reclaim(3, 10) == (1, 0, 0)
    assert compensate(bench, other) == ["c1"]


# --- what lies around --------------------------------------------------------------------------


def test_a_job_is_deleted_when_it_is_undone(bench: Bench) -> None:
    """Before that it is refused; the undoing job goes on its own."""
    job = chain(bench, 1)
    cancel(bench, job)
    assert bench.store.control.delete(job) is Answer.UNDOING
    other = undoing(bench, job)
    compensate(bench, other)
    assert bench.store.control.delete(job) is Answer.OK
    assert bench.store.control.delete(other) is Answer.OK
    assert not [key for key in bench.every_key() if job in key or other in key]


def test_children_of_a_job_that_is_undone_are_cancelled_and_undone(bench: Bench) -> None:
    """They wait for no retry of it, as there is none."""
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, emitted=[(0, 0, "")], undo=record(1, charge="p"), jobs=[bench.child()])
    bench.start("child")
    bench.commit("child", emitted=[(0, 0, "")], undo=record(1, charge="c"))
    bench.start(parent, "2.0.0")
    bench.fail(parent, "2.0.0")
    bench.store.upkeep.release_due(100)
    assert bench.status("child") == "cancelled"
    assert compensate(bench, undoing(bench, "child")) == ["c"]
    assert compensate(bench, undoing(bench, parent)) == ["p"]


def test_children_of_a_cancelled_job_are_undone_as_it_is(bench: Bench) -> None:
    """With undo it reaches them too, whether the job itself has done anything or not; else not."""
    for undo in (True, False):
        child = f"child-{undo}"
        parent = bench.submit()
        bench.start(parent)
        bench.commit(parent, jobs=[bench.child(child)])
        bench.start(child)
        bench.commit(child, emitted=[(0, 0, "")], undo=record(1, charge="c"))
        cancel(bench, parent, undo=undo)
        bench.store.upkeep.release_due(100)
        assert bench.status(child) == "cancelled"
        if undo:
            assert compensate(bench, undoing(bench, child)) == ["c"]
        else:
            assert Undos(bench.store).of_job(child) is None


def test_a_job_with_a_log_has_a_later_version_of_the_row(bench: Bench) -> None:
    """A release that does not know of undoes leaves it, and the undoing job, to others."""
    job = chain(bench, 1)
    assert bench.row(job)["v"] == "5"
    cancel(bench, job)
    assert bench.row(undoing(bench, job))["v"] == "5"


@pytest.mark.parametrize("queues", [1, 2])
def test_compensations_of_a_job_on_several_queues(bench: Bench, queues: int) -> None:
    """Each goes to the queue of its routine."""
    job = bench.submit()
    bench.link.call("HSET", bench.key("job", job), "queues", queues)
    places: Sequence[str] = ("0.0", "2.1")
    bench.start(job, "1.0.0")
    bench.commit(job, "1.0.0", emitted=[(2, 1, ""), (0, 0, "")], undo=record(1, charge="a"))
    bench.start(job, "2.2.1")
    bench.commit(job, "2.2.1", undo=record(2, charge="b"))
    bench.start(job, "3.0.0")
    bench.fail(job, "3.0.0")
    other = undoing(bench, job)
    assert len(places) == undo_of(bench, job)[1]
    assert waiting(bench, other) == [f"1.2.{UNDO + 1}"]
    assert f"{other}/1.2.{UNDO + 1}" in bench.unclaimed(bench.other_list)
    bench.start(other, f"1.2.{UNDO + 1}")
    bench.commit(other, f"1.2.{UNDO + 1}")
    assert f"{other}/2.0.{UNDO}" in bench.unclaimed()
    bench.start(other, f"2.0.{UNDO}")
    bench.commit(other, f"2.0.{UNDO}")
    assert bench.status(other) == "completed"
