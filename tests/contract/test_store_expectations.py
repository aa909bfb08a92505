"""Answers that jobs expect: opened by a commit, answered once, from outside or by the clock."""

from __future__ import annotations

import pytest

from flowforge.codec.binary import (
    pack_record,
    packb,
    read_invocation,
    split_trace,
    traced_record,
)
from flowforge.model.jobs.status import JobStatus
from flowforge.model.times.start import Start
from flowforge.store.fleet_reads.outbox import Outbox
from flowforge.store.transitions.answers import Answer
from flowforge.store.transitions.expectations import Delivery
from tests.contract.asking import DETAILS, HOUR, answer, expected, expecting, finish, shared
from tests.contract.bench import Bench, record
from tests.support.virtual_clock import VirtualClock

BY = pack_record("anna")

#: slot kind timeout-ms otherwise upstream: routine 1 joins all that routine 0 sends.
ALL = "1.0 all 0 fail 0\n"


def kinds(bench: Bench, job: str) -> list[str]:
    raw = bench.link.call("XRANGE", bench.keys.of("history", job), "-", "+")
    return [dict(zip(e[1][::2], e[1][1::2], strict=True))[b"k"].decode() for e in raw]


# --- opening and answering -------------------------------------------------------------------


def test_an_expectation_keeps_its_job_open_and_an_answer_ends_it(timed_bench: Bench) -> None:
    """It holds no message and no lease; the answer is an invocation of its slot."""
    bench = timed_bench
    job = expecting(bench)
    row = bench.row(job)
    assert (row["status"], row["queued"], row["running"], row["expected"]) == (
        "running", "0", "0", "1",
    )  # fmt: skip
    assert row["v"] == "5"
    assert shared(bench) == ({f"{job}/2"}, set())
    assert answer(bench, job, approved=True) == Delivery(Answer.OK, 2, None)
    assert shared(bench) == (set(), set())
    claim = bench.start(job, "2.0.1")
    assert read_invocation(claim.record, "answer") == (1, {"approved": True})
    bench.commit(job, "2.0.1")
    assert bench.row(job)["status"] == "completed"
    assert kinds(bench, job) == ["completed", "expects", "answered", "completed"]


def test_a_job_without_expectations_keeps_its_row(timed_bench: Bench) -> None:
    """Older workers go on with it."""
    job = timed_bench.submit()
    finish(timed_bench, job, "1.0.0")
    assert timed_bench.row(job)["v"] == "1"
    assert "expected" not in timed_bench.row(job)


def test_the_first_answer_counts(timed_bench: Bench) -> None:
    """A later one hears who was first and when, also when the job has completed."""
    bench = timed_bench
    job = expecting(bench)
    at = bench.now()
    assert answer(bench, job, by="kim").answer is Answer.OK
    for _ in range(2):
        late = answer(bench, job, by="lee")
        assert late.closed is not None
        assert (late.closed.how, late.closed.by) == ("a", "kim")
        assert abs(late.closed.at.timestamp() * 1000 - at) < 5000
        finish(bench, job, *(["2.0.1"] if bench.row(job)["status"] == "running" else []))
    assert late.answer is JobStatus.COMPLETED


def test_an_answer_that_is_sent_again_is_met_once(timed_bench: Bench) -> None:
    """The link sends the same bytes again when a reply is lost."""
    bench = timed_bench
    job = expecting(bench)
    arguments = (job, "0.1/", "", "", record(0), "kim", "", "request-1", DETAILS)
    for _ in range(2):
        assert bench.store.scripts.run("answer", *arguments) == [b"ok", b"2"]
    assert bench.store.scripts.run("answer", *arguments[:7], "request-2", DETAILS)[0] == b"answered"


def test_an_answer_that_is_sent_again_is_none_to_the_next_question(timed_bench: Bench) -> None:
    """Its reply may have been lost while the handler asked again."""
    bench = timed_bench
    job = expecting(bench)
    arguments = (job, "0.1/", 2, "", record(0), "kim", "", "request-1", DETAILS)
    assert bench.store.scripts.run("answer", *arguments) == [b"ok", b"2"]
    bench.start(job, "2.0.1")
    bench.commit(job, "2.0.1", expected=[expected()])
    assert bench.store.scripts.run("answer", *arguments) == [b"ok", b"2"]
    assert bench.row(job)["expected"] == "1"
    assert answer(bench, job, number=3).number == 3


def test_a_delivery_id_counts_once_for_the_life_of_the_job(timed_bench: Bench) -> None:
    """Also for another expectation of the same slot."""
    bench = timed_bench
    job = expecting(bench, expected("a"), expected("b", first=2))
    assert answer(bench, job, "a", delivery_id="d1") == Delivery(Answer.OK, 2, None)
    assert answer(bench, job, "a", delivery_id="d1") == Delivery(Answer.OK, 2, None)
    assert answer(bench, job, "b", delivery_id="d1") == Delivery(Answer.OK, 2, None)
    assert bench.row(job)["expected"] == "1"


def test_answers_with_keys_wait_side_by_side(timed_bench: Bench) -> None:
    """Each is answered on its own, in any order."""
    bench = timed_bench
    job = expecting(bench, expected("a"), expected("b", first=2), expected("c", first=3))
    assert answer(bench, job, "b").number == 3
    assert answer(bench, job, "a").number == 2
    assert bench.row(job)["expected"] == "1"
    assert shared(bench)[0] == {f"{job}/4"}


def test_what_is_open_cannot_be_expected_again(timed_bench: Bench) -> None:
    """The commit changes nothing, and its lease stays."""
    bench = timed_bench
    job = bench.submit()
    bench.start(job)
    assert bench.commit(job, emitted=[(0, 0, "")], expected=[expected("a")]) is Answer.OK
    bench.start(job, "2.0.0")
    before = bench.row(job)
    assert bench.commit(job, "2.0.0", expected=[expected("b"), expected("a")]) is Answer.EXPECTED
    assert bench.row(job) == before
    assert bench.commit(job, "2.0.0") is Answer.OK


def test_an_answer_can_be_expected_again_after_the_first(timed_bench: Bench) -> None:
    """Until then, answers are late ones of the first expectation."""
    bench = timed_bench
    job = expecting(bench)
    answer(bench, job)
    assert answer(bench, job).answer is Answer.ANSWERED
    bench.start(job, "2.0.1")
    bench.commit(job, "2.0.1", expected=[expected()])
    assert answer(bench, job).number == 3


# --- early answers ---------------------------------------------------------------------------


def test_an_early_answer_is_kept_for_its_expectation(timed_bench: Bench) -> None:
    """The commit that expects it delivers it at once, with the emitter that expects it."""
    bench = timed_bench
    job = bench.submit()
    assert answer(bench, job, approved=True) == Delivery(Answer.KEPT, None, None)
    assert bench.row(job)["v"] == "5"
    bench.start(job)
    bench.commit(job, expected=[expected()])
    assert bench.row(job)["expected"] == "0"
    claim = bench.start(job, "2.0.1")
    assert read_invocation(claim.record, "answer") == (1, {"approved": True})


def test_one_early_answer_is_kept_for_a_key(timed_bench: Bench) -> None:
    """A second one is refused: it would answer the next question."""
    bench = timed_bench
    job = bench.submit()
    assert answer(bench, job, "a", delivery_id="d1").answer is Answer.KEPT
    assert answer(bench, job, "a", delivery_id="d1").answer is Answer.KEPT
    late = answer(bench, job, "a", by="lee")
    assert late.answer is Answer.ANSWERED
    assert late.closed is not None
    assert (late.closed.how, late.closed.by) == ("e", "kim")


def test_a_hundred_early_answers_are_kept_of_a_slot(timed_bench: Bench) -> None:
    """The next is refused, and fits again when one has been taken."""
    bench = timed_bench
    job = bench.submit()
    for number in range(100):
        assert answer(bench, job, f"k{number}").answer is Answer.KEPT
    assert answer(bench, job, "k100").answer is Answer.FULL
    assert answer(bench, job, "k100", slot=0).answer is Answer.KEPT
    bench.start(job)
    bench.commit(job, expected=[expected("k7")])
    assert answer(bench, job, "k100").answer is Answer.KEPT


@pytest.mark.parametrize("ends", ["completed", "cancelled"])
def test_an_early_answer_goes_with_its_job(timed_bench: Bench, ends: str) -> None:
    """It holds all that was sent, and nothing can expect it any more; a failed job keeps it."""
    bench = timed_bench
    job = bench.submit()
    answer(bench, job, "a", pin="1234")
    bench.start(job)
    bench.fail(job)
    assert bench.hash("early_answers", job).keys() == {"0.1/a", "0.1"}
    assert bench.link.call("PTTL", bench.key("early_answers", job)) > 0
    bench.store.control.retry(job, "anna", "")
    assert bench.link.call("PTTL", bench.key("early_answers", job)) == -1
    if ends == "completed":
        finish(bench, job, "1.0.0")
    else:
        bench.store.control.cancel(job, "", "anna")
    assert bench.status(job) == ends
    assert not bench.hash("early_answers", job)


def test_an_answer_of_another_expectation_is_not_taken(timed_bench: Bench) -> None:
    """A form or link is for one expectation alone."""
    bench = timed_bench
    job = expecting(bench)
    assert answer(bench, job, number=3).answer is Answer.NONE
    assert answer(bench, job, number=2).number == 2


def test_an_answer_that_knows_of_no_question_is_not_taken_by_one(timed_bench: Bench) -> None:
    """Whoever sends it has not seen its form; it is kept, or late, as any other."""
    bench = timed_bench
    job = bench.submit()
    assert answer(bench, job, "a", number=0).answer is Answer.KEPT
    bench.start(job)
    bench.commit(job, expected=[expected()])
    assert answer(bench, job, number=0).answer is Answer.NONE
    assert answer(bench, job, number=2).number == 2
    assert answer(bench, job, number=0).answer is Answer.ANSWERED


# --- the first of several --------------------------------------------------------------------


def test_the_winner_takes_the_others_away(timed_bench: Bench) -> None:
    """With their invocations, timers and places in the index; they say who was answered."""
    bench = timed_bench
    group = [
        expected("a", within=HOUR, last=3, first=1, assign="ops"),
        expected("b", within=HOUR, last=3, first=1, assign="ops\tlegal"),
        expected("c", slot=0, within=HOUR, last=3, first=1),
    ]
    job = expecting(bench, *group)
    assert len(bench.members("assigned", "ops")) == 2
    assert answer(bench, job, "b").number == 3
    assert shared(bench) == (set(), set())
    assert bench.members("assigned", "ops") == bench.members("assigned", "legal") == {}
    late = answer(bench, job, "a", by="lee")
    assert late.closed is not None
    assert (late.closed.how, late.closed.by, late.closed.instead) == ("w", "kim", (0, 1, "b"))
    finish(bench, job, "3.0.1")
    assert bench.row(job)["status"] == "completed"


def test_an_early_answer_wins(timed_bench: Bench) -> None:
    """The first in the order of the group."""
    bench = timed_bench
    job = bench.submit()
    answer(bench, job, "b")
    answer(bench, job, "c")
    bench.start(job)
    bench.commit(job, expected=[expected(key, first=1, last=3) for key in "abc"])
    assert bench.row(job)["expected"] == "0"
    assert kinds(bench, job)[-2:] == ["answered", "answer_unused"]
    assert answer(bench, job, "c").answer is Answer.ANSWERED
    bench.start(job, "3.0.1")
    # What lost is no answer to the next question.
    bench.commit(job, "3.0.1", expected=[expected("c")])
    assert bench.row(job)["expected"] == "1"
    answer(bench, job, "c")
    finish(bench, job, "5.0.1")
    assert bench.row(job)["status"] == "completed"


# --- the end of the time ---------------------------------------------------------------------


def test_otherwise_is_delivered_when_the_time_is_over(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Answers that come later hear that the time was over."""
    bench = timed_bench
    job = expecting(bench, expected(within=HOUR, otherwise=record(1, approved=False)))
    clock.advance(minutes=59)
    assert bench.row(job)["expected"] == "1"
    clock.advance(minutes=1)
    claim = bench.start(job, "2.0.1")
    assert read_invocation(claim.record, "answer") == (1, {"approved": False})
    late = answer(bench, job)
    assert late.closed is not None
    assert late.closed.how == "t"
    assert shared(bench) == (set(), set())


def test_without_otherwise_the_job_fails_and_a_retry_gives_the_whole_time_again(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """The expectation stays with the failed job."""
    bench = timed_bench
    job = expecting(bench, expected(within=HOUR), retention_ms=10 * HOUR)
    clock.advance(hours=1)
    row = bench.row(job)
    assert (row["status"], row["expected"]) == ("failed", "1")
    assert bench.link.call("HGET", bench.keys.of("job", job), "error") == b"unanswered 2 0.1/"
    clock.advance(hours=1)
    bench.store.control.retry(job, "anna", "")
    clock.advance(minutes=59)
    assert bench.row(job)["status"] == "running"
    clock.advance(minutes=1)
    assert bench.row(job)["status"] == "failed"


def test_a_failed_job_keeps_an_answer_for_its_retry(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """It is parked until then."""
    bench = timed_bench
    job = expecting(bench, expected(within=HOUR), retention_ms=10 * HOUR)
    clock.advance(hours=1)
    assert answer(bench, job).number == 2
    assert (bench.row(job)["status"], bench.row(job)["waiting"]) == ("failed", "1")
    bench.store.control.retry(job, "anna", "")
    finish(bench, job, "2.0.1")
    assert bench.row(job)["status"] == "completed"
    clock.advance(hours=2)


def test_a_paused_job_parks_an_answer_and_otherwise(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """The time of an expectation goes on in a pause."""
    bench = timed_bench
    group = (expected("a"), expected("b", within=HOUR, first=2, otherwise=record(1)))
    job = expecting(bench, *group)
    bench.store.control.pause(job, "", None, False, "anna")
    assert answer(bench, job, "a").number == 2
    clock.advance(hours=1)
    assert (bench.row(job)["status"], bench.row(job)["waiting"]) == ("paused", "2")
    bench.store.control.resume(job, "anna", "")
    finish(bench, job, "2.0.1", "3.0.1")
    assert bench.row(job)["status"] == "completed"


def test_the_time_of_a_group_delivers_to_its_slot(timed_bench: Bench, clock: VirtualClock) -> None:
    """Whichever timer of the group is handled first."""
    bench = timed_bench
    group = [
        expected("a", within=HOUR, last=3, any_otherwise=True),
        expected("b", within=HOUR, last=3, otherwise=record(1, late=True)),
        expected("c", within=HOUR, last=3, any_otherwise=True),
    ]
    job = expecting(bench, *group)
    clock.advance(hours=1)
    claim = bench.start(job, "3.0.1")
    assert read_invocation(claim.record, "answer") == (1, {"late": True})
    assert shared(bench) == (set(), set())


def test_reminders_come_until_the_answer(timed_bench: Bench, clock: VirtualClock) -> None:
    """In step with the beginning; those that were missed are not made up for."""
    bench = timed_bench
    job = expecting(bench, expected(remind=HOUR))
    clock.advance(hours=3)
    assert kinds(bench, job).count("reminded") == 1
    clock.advance(hours=1)
    assert kinds(bench, job).count("reminded") == 2
    answer(bench, job)
    clock.advance(hours=2)
    assert kinds(bench, job).count("reminded") == 2


def test_the_end_of_the_time_can_be_changed(timed_bench: Bench, clock: VirtualClock) -> None:
    """Of all that are expected in place of each other."""
    bench = timed_bench
    group = [expected(key, within=HOUR, last=2) for key in "ab"]
    job = expecting(bench, *group)
    moved = bench.store.mending.reschedule(job, "2.0.1", Start("+", 3 * HOUR), BY)
    assert moved is Answer.OK
    clock.advance(hours=2)
    assert bench.row(job)["status"] == "running"
    clock.advance(hours=1)
    assert bench.row(job)["status"] == "failed"


# --- with the rest of a job ------------------------------------------------------------------


def test_a_join_of_all_waits_for_an_answer(timed_bench: Bench) -> None:
    """What handles the answer may still deliver to it."""
    bench = timed_bench
    job = bench.submit(joins=ALL)
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "j0:")], expected=[expected()])
    assert bench.row(job)["queued"] == "0"
    answer(bench, job)
    bench.start(job, "3.0.1")
    bench.commit(job, "3.0.1", emitted=[(1, 0, "j0:")])
    claim = bench.start(job, "2.1.0")
    assert claim.record == b"J2 "


def test_losers_leave_no_work_above_a_join(timed_bench: Bench) -> None:
    """The join fires when the answer that was first has been handled."""
    bench = timed_bench
    job = bench.submit(joins=ALL)
    bench.start(job)
    group = [expected(key, last=2) for key in "ab"]
    bench.commit(job, emitted=[(1, 0, "j0:")], expected=group)
    answer(bench, job, "a")
    finish(bench, job, "3.0.1")
    assert bench.start(job, "2.1.0").record == b"J1 "


def test_an_answer_goes_to_the_log_of_a_merging_slot(timed_bench: Bench) -> None:
    """Its position is given when it arrives."""
    bench = timed_bench
    job = expecting(bench)
    answer(bench, job, mode="m", x=1)
    bench.start(job, "2.0.1.1")
    bench.commit(job, "2.0.1.1")
    assert bench.row(job)["status"] == "completed"


@pytest.mark.parametrize("many", [2, 700])
def test_a_cancelled_job_leaves_nothing_behind(timed_bench: Bench, many: int) -> None:
    """Neither in the index nor on timers, however many there were."""
    bench = timed_bench
    job = bench.submit()
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")] * ((many - 1) // 100 + 1))
    for part in range((many - 1) // 100 + 1):
        invocation = f"{part + 2}.0.0"
        bench.start(job, invocation)
        keys = [str(n) for n in range(part * 100, min(many, part * 100 + 100))]
        wanted = [
            expected(key, within=HOUR, remind=HOUR, assign="ops", first=place + 1)
            for place, key in enumerate(keys)
        ]
        assert bench.commit(job, invocation, expected=wanted) is Answer.OK
    assert len(shared(bench)[0]) == many
    bench.store.control.cancel(job, "", "anna")
    while bench.store.upkeep.delete(200):
        pass
    assert shared(bench) == (set(), set())
    assert bench.members("assigned", "ops") == {}
    assert answer(bench, job).answer is JobStatus.CANCELLED


def test_a_failed_job_that_is_deleted_or_pruned_leaves_nothing_behind(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Its expectations are listed until then."""
    bench = timed_bench
    deleted, _ = (expecting(bench, expected(within=HOUR, assign="ops")) for _ in range(2))
    clock.advance(hours=1)
    assert len(shared(bench)[0]) == 2
    assert bench.store.control.delete(deleted) is Answer.OK
    clock.advance(hours=1)
    bench.store.upkeep.prune(100)
    assert shared(bench) == (set(), set())
    assert bench.members("assigned", "ops") == {}


def test_skip_ends_an_expectation(timed_bench: Bench) -> None:
    """And those that were expected in place of it; edit and run now do not touch it."""
    bench = timed_bench
    job = expecting(bench, expected("a", last=2), expected("b", last=2))
    assert bench.store.mending.run_now(job, "2.0.1", BY) is Answer.EXPECTS
    assert bench.store.mending.skip(job, "2.0.1", pack_record("anna", {}), [], []) is Answer.OK
    assert bench.row(job)["status"] == "completed"
    assert shared(bench) == (set(), set())


TRACE = packb([f"00-{7:032x}-{8:016x}-01", "", "note=a\nb"])


@pytest.mark.parametrize("early", [False, True])
@pytest.mark.parametrize("otherwise", [b"", record(1, late=True)])
def test_an_answer_goes_on_with_the_trace_of_its_question(
    timed_bench: Bench, early: bool, otherwise: bytes
) -> None:
    """Also an early one; whether something is delivered without an answer, or not."""
    bench = timed_bench
    job = bench.submit()
    if early:
        answer(bench, job, x=1)
    bench.start(job)
    within = HOUR if otherwise else 0
    bench.commit(job, expected=[expected(trace=TRACE, otherwise=otherwise, within=within)])
    if not early:
        answer(bench, job, x=1)
    claim = bench.start(job, "2.0.1")
    assert split_trace(claim.record) == (record(1, x=1), TRACE)
    assert read_invocation(claim.record, "answer") == (1, {"x": 1})


def test_what_is_delivered_without_an_answer_has_a_trace_of_its_own(
    timed_bench: Bench, clock: VirtualClock
) -> None:
    """Its record has it already."""
    bench = timed_bench
    late = traced_record(record(1, late=True), TRACE)
    job = expecting(bench, expected(trace=TRACE, otherwise=late, within=HOUR))
    clock.advance(hours=1)
    assert bench.start(job, "2.0.1").record == late


def test_large_numbers_of_emitters_fit_into_the_record(timed_bench: Bench) -> None:
    """The script writes the number of the invocation that expects into the answer's record."""
    bench = timed_bench
    job = bench.submit(max_in_flight=1)
    bench.start(job)
    bench.commit(job, emitted=[(0, 0, "")] * 199)
    for number in range(2, 200):
        finish(bench, job, f"{number}.0.0")
    bench.start(job, "200.0.0")
    bench.commit(job, "200.0.0", expected=[expected()])
    answer(bench, job, x=1)
    claim = bench.start(job, "201.0.1")
    assert read_invocation(claim.record, "answer") == (200, {"x": 1})


def test_hooks_hear_of_what_is_expected(timed_bench: Bench, clock: VirtualClock) -> None:
    """When it opens and with each reminder; without a hook there is no outbox."""
    bench = timed_bench
    expecting(bench)
    assert not bench.link.call("EXISTS", bench.keys.of("outbox"))
    bench.store.hooks.declare("ops", b"")
    job = expecting(bench, expected(remind=HOUR))
    clock.advance(hours=1)
    lines = [line for line in Outbox(bench.store).read(0).lines if line.job_id == job]
    assert [(one.happened, one.invocation, one.error.message) for one in lines] == [
        ("expects", 2, "r0.s1"), ("reminded", 2, "r0.s1"),
    ]  # fmt: skip


def test_what_is_waited_for_is_counted(timed_bench: Bench, clock: VirtualClock) -> None:
    """With the time of the oldest, and how many are older than some time."""
    bench = timed_bench
    assert bench.store.expectations.waiting() == (0, None, 0)
    before = bench.now()
    expecting(bench)
    clock.advance(hours=1)
    expecting(bench)
    found = bench.store.expectations.waiting(bench.now() - HOUR // 2)
    assert (found.number, found.older) == (2, 1)
    assert found.oldest is not None
    assert before <= found.oldest <= before + 5000
