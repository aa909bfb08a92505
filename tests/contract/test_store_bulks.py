"""Bulk operations: collecting jobs, the pieces, what is refused, rates, the end."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from flowforge.model.jobs.bulk import (
    TAKEN,
    TAKEN_SAMPLES,
    BulkAction,
    BulkInfo,
    BulkProgress,
    BulkStatus,
)
from flowforge.model.jobs.labels import MOST_LABELS
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.bulks import Bulks
from flowforge.store.fleet_reads.finding import Finder, Query
from flowforge.store.scripts import SCRIPTS
from flowforge.store.transitions.bulks import MOST, NewBulk, Piece
from flowforge.worker.upkeep.bulks import BulkOperations
from tests.contract.bench import Bench

WEEK = 7 * 86400000


def begin(
    bench: Bench,
    action: str,
    jobs: Sequence[str],
    *,
    bulk_id: str = "b1",
    rate: float | None = None,
    labels: dict[str, str] | None = None,
) -> str:
    """Start it on these jobs, the newest first."""
    collected = 0
    for job in jobs:
        collected = bench.store.bulks.collect(bulk_id, collected, [job])
    new = NewBulk(action, "kim", "fix 312", rate, "status failed", labels or {})
    assert bench.store.bulks.start(bulk_id, collected, new) == "ok"
    return bulk_id


def test_operations_are_listed_in_the_order_of_their_starts(bench: Bench) -> None:
    """However many are started within a millisecond, and whatever their ids are."""
    ids = [f"b{number * 7 % 50:02}" for number in range(50)]
    for bulk_id in ids:
        begin(bench, BulkAction.PAUSE, [], bulk_id=bulk_id)
    listed = [one.bulk_id for one in Bulks(bench.store).recent(50) if isinstance(one, BulkInfo)]
    assert listed == ids[::-1]


def info(bench: Bench, bulk_id: str = "b1") -> BulkInfo:
    found = Bulks(bench.store).find(bulk_id)
    assert found is not None
    return found


def progress(bench: Bench, bulk_id: str = "b1") -> BulkProgress:
    return info(bench, bulk_id).progress


def refused(bench: Bench, bulk_id: str = "b1") -> dict[str, tuple[int, list[str]]]:
    refusals = progress(bench, bulk_id).refusals
    return {one.reason: (one.count, one.job_ids) for one in refusals}


def in_status(bench: Bench, status: str) -> str:
    """A job of this status."""
    job = bench.submit()
    if status == "paused":
        bench.pause(job)
    elif status == "cancelled":
        bench.store.control.cancel(job, "")
    elif status != "pending":
        bench.start(job)
    if status == "failed":
        bench.fail(job)
    elif status == "completed":
        bench.commit(job)
    assert bench.status(job) == status
    return job


def all_keys(bench: Bench, job: str) -> list[bytes]:
    return [key for key in bench.client.keys(f"{bench.prefix}:*") if job.encode() in key]


AFTER = {
    "retry": "running",
    "cancel": "cancelled",
    "pause": "paused",
    "resume": "pending",
}


@pytest.mark.parametrize("action", list(BulkAction))
def test_an_action_is_taken_by_jobs_of_its_statuses(bench: Bench, action: BulkAction) -> None:
    """The others are refused with the status that they have; none of it is an error."""
    jobs = {status: in_status(bench, status) for status in JobStatus}
    begin(bench, action, list(jobs.values()), labels={"stage": "paid"})
    assert bench.store.bulks.step() == Piece(len(jobs), 0, 0)
    refusals = refused(bench)
    for status, job in jobs.items():
        if status not in TAKEN[action]:
            assert refusals.pop(f"it is {status}") == (1, [job])
        elif action == "delete":
            assert all_keys(bench, job) == []
        elif action == "label":
            labelled = Finder(bench.store).find(Query(labels={"stage": "paid"}), 10)
            assert {one.job_id for one in labelled} == set(jobs.values())
        else:
            assert bench.status(job) == AFTER[action]
    assert refusals == {}
    taken = len(TAKEN[action])
    found = progress(bench)
    assert (found.status, found.matched, found.done) == ("done", 6, taken)
    assert (found.refused, found.left) == (6 - taken, 0)
    assert bench.members("active_bulks") == {}


def test_what_is_kept_of_it(bench: Bench) -> None:
    """Who, when, why and what, for a week after its end; each job keeps who and why as well."""
    job = in_status(bench, "pending")
    begin(bench, "pause", [job], rate=50.0)
    bench.store.bulks.step()
    kept = info(bench)
    assert (kept.action, kept.by, kept.reason) == ("pause", "kim", "fix 312")
    assert (kept.selection, kept.rate, kept.labels) == ("status failed", 50.0, {})
    assert kept.ended_at is not None
    assert kept.ended_at >= kept.created_at
    assert 0 < bench.link.call("PTTL", bench.key("bulk", "b1")) <= WEEK
    assert bench.link.call("EXISTS", bench.key("bulk_jobs", "b1")) == 0
    assert (bench.row(job)["by"], bench.row(job)["reason"]) == ("kim", "fix 312")
    assert [one.bulk_id for one in Bulks(bench.store).recent(10) if isinstance(one, BulkInfo)] == [
        "b1"
    ]


def test_a_job_that_was_met_twice_is_acted_on_once(bench: Bench) -> None:
    """The request of a job is that of the operation, so a piece that is repeated does nothing."""
    job = in_status(bench, "failed")
    begin(bench, "retry", [job])
    bench.store.bulks.step()
    assert bench.row(job)["request"] == f"b1/{job}"
    # As if the server had lost what follows the jobs themselves.
    begin(bench, "retry", [job], bulk_id="b2")
    bench.link.call("HSET", bench.key("job", job), "request", f"b2/{job}")
    bench.store.bulks.step("b2")
    assert bench.row(job)["retries"] == "1"
    assert bench.counters(job) == (1, 0, 0, 0)


def test_the_oldest_jobs_come_first(bench: Bench) -> None:
    """A call takes a hundred of them at most, and says how many are left."""
    jobs = [bench.submit() for _ in range(MOST + 20)]
    begin(bench, "label", jobs[::-1], labels={"a": "b"})
    assert bench.store.bulks.step() == Piece(MOST, 20, 0)
    labelled = [one.job_id for one in Finder(bench.store).find(Query(labels={"a": "b"}), 500)]
    assert set(labelled) == set(jobs[:MOST])
    assert progress(bench).left == 20
    assert BulkOperations(bench.store).run_once() == 20
    assert progress(bench).status == "done"
    assert BulkOperations(bench.store).run_once() == 0


def test_a_call_does_a_bounded_amount_of_work(bench: Bench) -> None:
    """Jobs with much parked work are fewer to a call; none of it is lost."""
    jobs = [bench.submit(max_in_flight=100) for _ in range(12)]
    for job in jobs:
        bench.start(job)
        bench.pause(job)
        bench.commit(job, emitted=[(1, 0, "")] * 100)
    begin(bench, "resume", jobs)
    piece = bench.store.bulks.step()
    assert 3 <= piece.acted < 10
    while piece.left:
        piece = bench.store.bulks.step()
    assert progress(bench).done == 12
    assert all(bench.counters(job)[0] + bench.counters(job)[2] == 100 for job in jobs)


def test_jobs_with_much_to_delete_are_fewer_to_a_call(bench: Bench) -> None:
    """All of them end in the calls that follow."""
    jobs = [bench.submit(max_in_flight=100) for _ in range(30)]
    for job in jobs:
        bench.start(job)
        bench.commit(job, emitted=[(1, 0, "")] * 200)
    begin(bench, "cancel", jobs)
    piece = bench.store.bulks.step()
    assert 5 < piece.acted < 25
    while piece.left:
        piece = bench.store.bulks.step()
    assert progress(bench).done == 30
    assert {bench.status(job) for job in jobs} == {"cancelled"}


def test_a_rate_is_kept(bench: Bench) -> None:
    """The first job at once, then as the time since allows; half a second is made up for."""

    def allowed(since: int) -> int:
        return 1 + (bench.now() - since) // 100

    jobs, since = [bench.submit() for _ in range(100)], bench.now()
    begin(bench, "label", jobs, rate=10.0, labels={"a": "b"})
    first = bench.store.bulks.step("b1")
    assert 1 <= first.acted <= allowed(since)
    assert 0 < first.wait_ms <= 100
    second = bench.store.bulks.step("b1")
    assert first.acted + second.acted <= allowed(since)
    assert second.left == 100 - first.acted - second.acted
    bench.link.call("HSET", bench.key("bulk", "b1"), "next", bench.now() + 60_000)
    assert bench.store.bulks.step("b1").acted == 0
    assert bench.store.bulks.step() == Piece(0, 0, 0)  # none is due
    for ago, expected in ((200, 3), (3_600_000, 6)):
        since = bench.now() - ago
        bench.link.call("HSET", bench.key("bulk", "b1"), "next", since)
        assert expected <= bench.store.bulks.step("b1").acted <= min(6, allowed(since))


def test_a_slow_rate_gets_its_turn(bench: Bench) -> None:
    """Slower than what may be made up for: one job each time."""
    begin(bench, "label", [bench.submit() for _ in range(5)], rate=0.01, labels={"a": "b"})
    assert bench.store.bulks.step("b1").acted == 1
    assert bench.store.bulks.step("b1").acted == 0
    bench.link.call("HSET", bench.key("bulk", "b1"), "next", bench.now() - 3_600_000)
    assert 1 <= bench.store.bulks.step("b1").acted <= 2
    assert bench.store.bulks.step("b1").acted == 0


def test_several_operations_take_turns(bench: Bench) -> None:
    """The first one that is due is done next."""
    for bulk_id in ("b1", "b2"):
        jobs = [bench.submit() for _ in range(MOST + 1)]
        begin(bench, "label", jobs, bulk_id=bulk_id, labels={"a": bulk_id})
    bench.store.bulks.step()
    bench.link.call("ZADD", bench.key("active_bulks"), bench.now() - 1000, "b2")
    bench.store.bulks.step()
    assert [progress(bench, one).left for one in ("b1", "b2")] == [1, 1]


def test_two_operations_on_the_same_jobs(bench: Bench) -> None:
    """Each job is acted on by the first; the second hears what it has become."""
    jobs = [in_status(bench, "failed") for _ in range(7)]
    for bulk_id in ("b1", "b2"):
        begin(bench, "retry", jobs, bulk_id=bulk_id)
    bench.store.bulks.step("b1")
    bench.store.bulks.step("b2")
    assert progress(bench, "b1").done == 7
    assert refused(bench, "b2") == {"it is running": (7, jobs[:1:-1])}
    assert [bench.row(job)["retries"] for job in jobs] == ["1"] * 7


def test_an_aborted_operation_keeps_what_it_did(bench: Bench) -> None:
    """And how many it had not come to; it cannot be ended twice."""
    jobs = [bench.submit() for _ in range(MOST + 5)]
    begin(bench, "cancel", jobs)
    acted = bench.store.bulks.step().acted
    assert bench.store.bulks.abort("b1", "ann")
    assert not bench.store.bulks.abort("b1", "bo")
    assert bench.store.bulks.step("b1") == bench.store.bulks.step() == Piece(0, 0, 0)
    kept = info(bench)
    assert (kept.progress.status, kept.aborted_by) == (BulkStatus.ABORTED, "ann")
    assert (kept.progress.done, kept.progress.left) == (acted, len(jobs) - acted)
    assert bench.link.call("EXISTS", bench.key("bulk_jobs", "b1")) == 0
    assert not bench.store.bulks.abort("none", "bo")


def test_another_one_was_started_meanwhile(bench: Bench) -> None:
    """Of two that look for others since the same moment the second one does not start, unless it is
    the first one, sent again.
    """
    bulks, new = bench.store.bulks, NewBulk("retry", "kim", "", None, "", {})
    begin(bench, "retry", [], bulk_id="before")
    since = round(info(bench, "before").created_at.timestamp() * 1000) + 1
    for bulk_id in ("b1", "b2"):
        bulks.collect(bulk_id, 0, ["a"])
    assert [bulks.start("b1", 1, new, since) for _ in range(2)] == ["ok", "ok"]
    after = bench.snapshot()
    assert bulks.start("b2", 1, new, since) == "changed"
    assert bench.snapshot() == after
    assert bulks.start("b2", 1, new) == "ok"


def test_the_first_jobs_that_take_the_action_are_kept(bench: Bench) -> None:
    """Twenty of them, in the order in which they were come to; no refused one."""
    jobs = [bench.submit() for _ in range(TAKEN_SAMPLES + 5)]
    bench.pause(jobs[2])
    begin(bench, "pause", jobs[::-1], rate=10_000)
    while bench.store.bulks.step("b1").left:
        pass
    assert progress(bench).done == TAKEN_SAMPLES + 4
    assert progress(bench).job_ids == [*jobs[:2], *jobs[3 : TAKEN_SAMPLES + 1]]


def test_without_jobs_it_is_done_at_once(bench: Bench) -> None:
    """It is kept like the others."""
    begin(bench, "retry", [])
    assert (progress(bench).status, progress(bench).matched) == ("done", 0)


def test_a_part_that_is_collected_twice_is_kept_once(bench: Bench) -> None:
    """Its reply was lost. What was not started goes after ten minutes."""
    bulks = bench.store.bulks
    assert [bulks.collect("b1", 0, ["a", "b"]) for _ in range(2)] == [2, 2]
    assert [bulks.collect("b1", 2, ["c"]) for _ in range(2)] == [3, 3]
    assert bench.link.call("LRANGE", bench.key("bulk_jobs", "b1"), 0, -1) == [b"a", b"b", b"c"]
    assert 0 < bench.link.call("PTTL", bench.key("bulk_jobs", "b1")) <= 600_000
    new = NewBulk("retry", "kim", "", None, "", {})
    assert bulks.start("b1", 2, new) == "gone"
    assert bulks.start("b1", 3, new) == "ok"
    assert bench.link.call("PTTL", bench.key("bulk_jobs", "b1")) == -1
    bench.store.bulks.step()
    after = bench.snapshot()
    assert bulks.start("b1", 3, new) == "ok"
    assert bench.snapshot() == after


def test_old_operations_are_forgotten(bench: Bench) -> None:
    """Those that have expired, and the oldest that have ended when there are a thousand."""
    for number in range(4):
        begin(bench, "retry", [], bulk_id=f"b{number}")
    begin(bench, "retry", [in_status(bench, "failed")], bulk_id="runs")
    bench.link.call("UNLINK", bench.key("bulk", "b0"))
    text = SCRIPTS["bulk_start"]
    begin(bench, "retry", [], bulk_id="late")
    assert set(bench.members("bulks")) == {"b1", "b2", "b3", "runs", "late"}
    few = text.changed("local MOST_BULKS = 1000", "local MOST_BULKS = 3")
    arguments = ("b9", 0, "", "action", "retry", "labels", "")
    bench.link.call("EVAL", few.source, 0, bench.keys.root, *arguments)
    assert set(bench.members("bulks")) == {"runs", "late", "b9"}


def lose(bench: Bench, job: str) -> None:
    bench.link.call("UNLINK", bench.key("job", job))


def make_newer(bench: Bench, job: str) -> None:
    bench.link.call("HSET", bench.key("job", job), "v", 99)


def forget_definition(bench: Bench, job: str) -> None:
    bench.link.call("HSET", bench.key("job", job), "def", "none")


def damage(bench: Bench, job: str) -> None:
    bench.link.call("UNLINK", bench.key("pauses", job))
    bench.link.call("SET", bench.key("history", job), "text")


@pytest.mark.parametrize(
    ("happens", "reason"),
    [
        (lose, "there is no such job any more"),
        (make_newer, "a newer FlowForge keeps it"),
        (forget_definition, "its definition is gone from the server"),
        (damage, "its records are damaged"),
    ],
)
def test_what_cannot_be_acted_on_is_refused(
    bench: Bench, happens: Callable[[Bench, str], None], reason: str
) -> None:
    """It keeps none of the others from it."""
    jobs = [in_status(bench, "failed") for _ in range(3)]
    begin(bench, "retry", jobs)
    happens(bench, jobs[1])
    assert bench.store.bulks.step().acted == 3
    assert refused(bench) == {reason: (1, [jobs[1]])}
    assert [bench.status(job) for job in (jobs[0], jobs[2])] == ["running"] * 2


def test_a_seventeenth_label_is_refused(bench: Bench) -> None:
    """And a label that is taken away makes room."""
    labels = "\n".join(f"n{number}=v" for number in range(MOST_LABELS))
    job = bench.submit(labels=labels)
    begin(bench, "label", [job], labels={"x": "y"})
    begin(bench, "label", [job], bulk_id="b2", labels={"x": "y", "n1": ""})
    for bulk_id in ("b1", "b2"):
        bench.store.bulks.step(bulk_id)
    assert refused(bench) == {"it would have too many labels": (1, [job])}
    assert progress(bench, "b2").done == 1
    assert info(bench, "b2").labels == {"x": "y", "n1": None}


def test_a_damaged_operation_keeps_no_other_from_its_turn(bench: Bench) -> None:
    """It is put off, and told with the other damage."""
    begin(bench, "retry", [in_status(bench, "failed")])
    bench.link.call("UNLINK", bench.key("bulk_jobs", "b1"))
    bench.link.call("SET", bench.key("bulk_jobs", "b1"), "text")
    begin(bench, "retry", [in_status(bench, "failed")], bulk_id="b2")
    bench.link.call("ZADD", bench.key("active_bulks"), 1, "b1")
    bench.store.bulks.step()
    assert any("bulks b1" in text for text in bench.hash("damaged"))
    assert bench.store.bulks.step().acted == 1
    assert progress(bench, "b2").done == 1


def test_an_operation_that_is_gone_is_not_due(bench: Bench) -> None:
    """Its record was deleted by hand."""
    begin(bench, "retry", [in_status(bench, "failed")])
    bench.link.call("UNLINK", bench.key("bulk", "b1"))
    assert bench.store.bulks.step() == Piece(0, 0, 0)
    assert bench.members("active_bulks") == {}


def test_the_limit_of_labels_is_the_models() -> None:
    """In Lua and in Python."""
    assert f"local MOST_LABELS = {MOST_LABELS}\n" in SCRIPTS["bulk_step"].source
