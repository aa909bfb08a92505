"""Undoing a job: each committed invocation with an undo is compensated once, the latest first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import pytest

from flowforge.codec.binary import read_invocation
from flowforge.model.times.start import Start
from flowforge.store.job_reads.undo import Undos
from flowforge.store.transitions.answers import Answer
from tests.contract.bench import DEFINITION, LARGE, LONG, UNDO, WAITING_SLOT, Bench, record
from tests.contract.choices import expected_arguments
from tests.contract.keyed import call
from tests.contract.reference.jobs import Expected


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


@pytest.mark.parametrize("how", ["cancel", "fail"])
def test_a_job_is_kept_until_its_undo_begins(bench: Bench, how: str) -> None:
    """A handler may run for longer than the retention; from then on the retention counts."""
    job = two_running(bench)
    if how == "cancel":
        cancel(bench, job)
    else:
        bench.fail(job, "2.0.0", "t2")

    def times() -> set[int]:
        names = ("job", "history", "routines", "undo_log", "invocations", "claims", "parked")
        keys = [bench.key(name, job) for name in names]
        keys.append(bench.key("definition", DEFINITION))
        return {bench.link.call("PTTL", key) for key in keys}

    assert times() <= {-1, -2}
    assert job not in bench.members("expiry")
    if how == "cancel":
        assert bench.fail(job, "2.0.0", "t2") == "dropped"
    assert bench.commit(job, "3.0.0", "t3", undo=record(3, charge="c3")) == "ok"
    assert job in bench.members("expiry")
    other = undoing(bench, job)
    assert compensate(bench, other) == ["c3", "c1"]
    assert -1 not in times()
    assert bench.hash("definition", DEFINITION)["active"] == b"0"


def test_what_is_put_off_does_not_end_the_wait_for_handlers(bench: Bench) -> None:
    """What is due of a failed job meanwhile is parked with the rest of its work."""
    job = bench.submit()
    bench.start(job)
    put_off = Start("+", LONG).mode("m", 0)
    emitted = [(0, 0, ""), (0, 0, ""), (1, 0, put_off)]
    bench.commit(job, emitted=emitted, undo=record(1, charge="c1"))
    bench.start(job, "2.0.0", "t2")
    bench.start(job, "3.0.0", "t3")
    bench.fail(job, "2.0.0", "t2")
    bench.make_due()
    bench.store.upkeep.release_due(100)
    assert bench.link.call("PTTL", bench.key("invocations", job)) == -1
    assert bench.commit(job, "3.0.0", "t3", undo=record(3, charge="c3")) == "ok"
    assert compensate(bench, undoing(bench, job)) == ["c3", "c1"]


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


def test_an_undoing_job_is_not_undone(bench: Bench) -> None:
    """A cancel that is to undo does not end it, so that one of many jobs leaves nothing done."""
    job = chain(bench, 1)
    cancel(bench, job)
    other = undoing(bench, job)
    before = bench.snapshot()
    assert cancel(bench, other) is Answer.UNDOES
    assert bench.snapshot() == before


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


def test_a_paused_queue_holds_a_compensation(bench: Bench) -> None:
    """Whoever works for it cannot now; a skip goes on without what it holds."""
    job = chain(bench, 2)
    pauses = bench.store.queue_pauses
    assert pauses.pause("q", [bench.list], "kim", "vendor down")
    cancel(bench, job)
    other = undoing(bench, job)
    assert bench.claim(other, f"1.0.{UNDO}") == "paused"
    assert undo_of(bench, job) == ("running", 2)
    assert bench.skip(other, f"1.0.{UNDO}") == "ok"
    assert bench.claim(other, f"2.0.{UNDO}") == "paused"
    bench.forget_broker()
    assert pauses.resume("q", [bench.list])
    bench.start(other, f"2.0.{UNDO}")
    assert bench.commit(other, f"2.0.{UNDO}") == "ok"
    assert undo_of(bench, job) == ("done", 0)


# --- one job at a time ----------------------------------------------------------------------------


def single(bench: Bench, when: str = "queue", **changes: Any) -> str:
    """A call with the key ``k``."""
    return call(bench, single="k", when_running=when, **changes).job_id


def one_step(bench: Bench, job: str) -> str:
    """Of the first job of the key one invocation with an undo is committed."""
    bench.start(job)
    assert bench.commit(job, emitted=[(0, 0, "")], undo=record(1, charge="c1")) == "ok"
    return job


@pytest.mark.parametrize("ends", ["cancel", "fail"])
def test_the_next_job_of_a_key_waits_until_the_one_before_is_undone(
    bench: Bench, ends: str
) -> None:
    """Then it has its turn, in the script that ends the undo."""
    first, second = one_step(bench, single(bench)), single(bench)
    if ends == "cancel":
        cancel(bench, first)
    else:
        bench.start(first, "2.0.0")
        bench.fail(first, "2.0.0")
    other = undoing(bench, first)
    assert waiting(bench, second) == []
    assert bench.row(other)["single"] == bench.row(second)["single"]
    assert call(bench, single="k").job_id == other
    assert compensate(bench, other) == ["c1"]
    assert waiting(bench, second) == ["1.0.0"]


def test_a_key_waits_for_the_handlers_of_a_job_that_is_to_be_undone(bench: Bench) -> None:
    """Also where they leave nothing to undo."""
    first, second = single(bench), single(bench)
    bench.start(first)
    cancel(bench, first)
    assert undo_of(bench, first) == ("waiting", 0)
    assert waiting(bench, second) == []
    assert bench.commit(first, undo=record(1, charge="c1")) == "ok"
    assert waiting(bench, second) == []
    assert compensate(bench, undoing(bench, first)) == ["c1"]
    assert waiting(bench, second) == ["1.0.0"]
    third = single(bench)
    bench.start(second)
    cancel(bench, second)
    bench.fail(second)
    assert undo_of(bench, second) == ("nothing", 0)
    assert waiting(bench, third) == ["1.0.0"]


def test_an_undo_that_fails_gives_the_key_up(bench: Bench) -> None:
    """As each job that fails; its retry waits for no turn."""
    first, second = one_step(bench, single(bench)), single(bench)
    cancel(bench, first)
    other = undoing(bench, first)
    bench.start(other, f"1.0.{UNDO}")
    bench.fail(other, f"1.0.{UNDO}")
    assert waiting(bench, second) == ["1.0.0"]
    assert bench.store.control.retry(other) is Answer.OK
    bench.start(other, f"1.0.{UNDO}")
    assert bench.commit(other, f"1.0.{UNDO}") == "ok"
    assert undo_of(bench, first) == ("done", 0)
    assert single(bench) not in ("", second)
    assert bench.status(second) == "pending"


def test_an_undo_is_not_replaced(bench: Bench) -> None:
    """The new job has the next turn; a newer one replaces that, and those that wait come later."""
    first, queued = one_step(bench, single(bench)), single(bench)
    cancel(bench, first)
    other = undoing(bench, first)
    second, third = single(bench, "replace"), single(bench, "replace")
    assert [bench.status(one) for one in (other, second, third)] == [
        "pending", "cancelled", "pending",
    ]  # fmt: skip
    assert ("replaced", "") in bench.history(third)
    assert compensate(bench, other) == ["c1"]
    assert (waiting(bench, third), waiting(bench, queued)) == (["1.0.0"], [])
    fourth = single(bench, "replace")
    assert bench.status(third) == "cancelled"
    assert (waiting(bench, fourth), waiting(bench, queued)) == (["1.0.0"], [])
    cancel(bench, fourth)
    assert waiting(bench, queued) == ["1.0.0"]


# --- large logs ----------------------------------------------------------------------------------


@LARGE
def test_a_log_has_a_bound_at_which_its_job_is_undone(bench: Bench) -> None:
    """The commit that is one too many counts, and is undone first: nothing is left done."""
    job = chain(bench, 1)
    bench.start(job, "2.0.0")
    log, entry = bench.key("undo_log", job), f"0.{UNDO} ".encode() + record(1, charge="c1")
    for _ in range(100):
        bench.link.call("RPUSH", log, *[entry] * 1000)
    bench.link.call("LTRIM", log, 0, 99_998)
    emitted = [(0, 0, "")]
    assert bench.commit(job, "2.0.0", emitted=emitted, undo=record(2, charge="c2")) == "ok"
    assert bench.status(job) == "running"
    bench.start(job, "3.0.0")
    assert bench.commit(job, "3.0.0", emitted=emitted, undo=record(3, charge="c3")) == "ok"
    assert bench.status(job) == "failed"
    assert bench.hash("job", job)["error"] == b"unkept 100000"
    assert bench.invocations(job) == set()
    other = undoing(bench, job)
    assert undo_of(bench, job) == ("running", 100_001)
    claim = bench.start(other, f"1.0.{UNDO}")
    assert read_invocation(claim.record, "it")[1] == {"charge": "c3"}


@LARGE
@pytest.mark.parametrize("end", ["complete", "cancel", "undo", "cancel the undo", "delete"])
def test_no_script_works_through_a_large_log(bench: Bench, end: str) -> None:
    """However a job ends, what it takes does not grow with its log."""

    def commands(entries: int) -> int:
        job = chain(bench, 1)
        bench.start(job, "2.0.0")
        entry = f"0.{UNDO} ".encode() + record(1, charge="c1")
        bench.link.call("RPUSH", bench.key("undo_log", job), *[entry] * entries)
        before = calls(bench)
        if end == "complete":
            bench.commit(job, "2.0.0")
        else:
            bench.fail(job, "2.0.0") if end == "undo" else cancel(bench, job, undo=end != "cancel")
        if end in ("cancel the undo", "delete"):
            bench.fail(job, "2.0.0")
            cancel(bench, undoing(bench, job), undo=False)
        if end == "delete":
            assert bench.store.control.delete(job) is Answer.OK
        return calls(bench) - before

    # The first error of its kind, say, takes some more than those that follow.
    assert commands(5000) < commands(10) + 100


def calls(bench: Bench) -> int:
    """Commands that the server has run, those of scripts among them."""
    info = bench.link.call("INFO", "commandstats").decode()
    return sum(int(count) for count in re.findall(r"calls=(\d+)", info))


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


def test_a_child_of_a_child_is_undone_with_the_job_above_both(bench: Bench) -> None:
    """Also when it is met before the one between them, which has not ended yet."""
    eldest = bench.submit()
    bench.start(eldest)
    bench.commit(eldest, emitted=[(0, 0, "")], undo=record(1, charge="e"), jobs=[bench.child()])
    bench.start("child")
    bench.commit("child", jobs=[bench.child("grandchild")])
    bench.start("grandchild")
    bench.commit("grandchild", emitted=[(0, 0, "")], undo=record(1, charge="g"))
    bench.start(eldest, "2.0.0")
    bench.fail(eldest, "2.0.0")
    assert bench.claim("grandchild", "2.0.0") == "dropped"
    assert bench.status("child") == "running"
    assert compensate(bench, undoing(bench, "grandchild")) == ["g"]
    bench.store.upkeep.release_due(100)
    assert bench.status("child") == "cancelled"


def test_a_child_of_a_job_that_is_undone_is_not_retried(bench: Bench) -> None:
    """It failed before that: a retry would wait for a job that never goes on."""
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, emitted=[(0, 0, "")], undo=record(1, charge="p"), jobs=[bench.child()])
    bench.start("child")
    bench.fail("child")
    assert bench.status("child") == "failed"
    bench.start(parent, "2.0.0")
    bench.fail(parent, "2.0.0")
    assert undo_of(bench, parent) == ("running", 1)
    assert bench.store.control.retry("child") is Answer.ORPHANED
    assert bench.status("child") == "failed"


def test_a_parent_that_is_retried_finds_that_its_child_was_undone(bench: Bench) -> None:
    """The child cannot be retried with it: what waits for it is told once more."""
    parent = bench.submit()
    bench.start(parent)
    bench.commit(parent, jobs=[bench.child()])
    bench.start("child")
    bench.commit("child", emitted=[(0, 0, "")], undo=record(1, charge="c"))
    bench.start("child", "2.0.0")
    bench.fail("child", "2.0.0")
    waits = f"2.0.{WAITING_SLOT}"
    bench.start(parent, waits)
    bench.fail(parent, waits)
    assert bench.store.control.retry(parent) is Answer.OK
    assert bench.claim(parent, waits) == "paused"
    bench.store.upkeep.release_due(100)
    assert waiting(bench, parent) == [waits]
    bench.start(parent, waits)
    bench.fail(parent, waits)
    assert bench.status(parent) == "failed"


def test_work_that_is_claimed_of_a_failed_job_that_is_undone_stays_with_it(bench: Bench) -> None:
    """As that of any failed job, so that people see what it had left to do."""
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, ""), (0, 0, "")], undo=record(1, charge="c1"))
    bench.start(job, "2.0.0")
    bench.fail(job, "2.0.0")
    assert bench.claim(job, "3.0.0") == "dropped"
    assert bench.parked(job) == ["2.0.0", "3.0.0"]


def test_a_job_that_is_undone_is_not_mended(bench: Bench) -> None:
    """It never goes on, so that an edit, a skip or another time would be in vain."""
    job = chain(bench, 1)
    bench.start(job, "2.0.0")
    bench.fail(job, "2.0.0")
    before = bench.snapshot()
    assert bench.edit(job, "2.0.0", record(1, n=2)) is Answer.UNDONE
    assert bench.skip(job, "2.0.0") is Answer.UNDONE
    start = Start("+", LONG)
    assert bench.store.mending.reschedule(job, "2.0.0", start, b"") is Answer.UNDONE
    assert bench.snapshot() == before


def test_a_job_that_is_undone_expects_no_answer(bench: Bench) -> None:
    """Nobody is asked for one that would be kept for a retry that never comes."""
    job = bench.submit()
    bench.start(job)
    expected = expected_arguments(Expected("0.1/", 1, 1, b"", "", 1, timed=True))
    bench.commit(job, emitted=[(0, 0, "")], expected=[expected], undo=record(1, charge="c1"))
    bench.start(job, "2.0.0")
    bench.fail(job, "2.0.0")
    assert bench.members("open_expectations") == {}
    assert not [timer for timer in bench.members("timers") if timer.startswith(job)]
    assert "expected" not in bench.row(job)
    found = bench.store.expectations.deliver(
        job, (0, 1), "", None, "", record(0, yes=1), "kim", "", b""
    )
    assert found.answer is Answer.UNDONE


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
