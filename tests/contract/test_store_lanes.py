"""Jobs on several queues: one that is served slowly, or not at all, holds up no other.

Routine 2 of the bench has a queue of its own, which nobody serves here.
"""

from __future__ import annotations

import pytest

from tests.contract.bench import Bench, Emitted

SLOW: Emitted = (2, 0, "")
FAST: Emitted = (1, 0, "")

#: Messages of one job that may always be on one list.
AHEAD = 32


def start(bench: Bench, **changes: object) -> str:
    """A job on two queues whose first handler runs."""
    request = bench.submission(**changes)
    assert bench.send(request, {**bench.fields(), "queues": 2}) == request.job_id
    bench.start(request.job_id)
    return request.job_id


def on_lists(bench: Bench) -> tuple[int, int]:
    return len(bench.unclaimed()), len(bench.unclaimed(bench.other_list))


def run_fast(bench: Bench, job: str) -> int:
    """Run what is on the list that is served; how many that were."""
    ran = 0
    while unclaimed := bench.unclaimed():
        invocation = min(unclaimed, key=unclaimed.__getitem__).partition("/")[2]
        bench.start(job, invocation, "r")
        bench.commit(job, invocation, "r")
        ran += 1
    return ran


def test_a_slow_queue_has_no_more_than_its_share(bench: Bench) -> None:
    """The rest of the window is there for the others."""
    job = start(bench, max_in_flight=1000)
    bench.commit(job, emitted=[SLOW] * 900 + [FAST] * 5)
    assert on_lists(bench) == (5, AHEAD)
    assert run_fast(bench, job) == 5
    assert bench.counters(job) == (AHEAD, 0, 900 - AHEAD, 0)


def test_a_small_window_is_shared(bench: Bench) -> None:
    """By the number of queues, down to one each; what runs counts wherever it runs."""
    job = start(bench, max_in_flight=4)
    bench.commit(job, emitted=[SLOW] * 10 + [FAST] * 10)
    assert on_lists(bench) == (2, 2)
    assert run_fast(bench, job) == 10
    assert on_lists(bench) == (0, 2)


def test_staged_work_for_a_slow_queue_holds_up_nothing(bench: Bench) -> None:
    """What is behind it gets to its own queue, piece by piece."""
    job = start(bench, max_in_flight=1000)
    bench.stage(job, [SLOW] * 2000)
    bench.stage(job, [FAST] * 5, already=2000)
    bench.commit(job, staged={2: 2000, 1: 5})
    assert bench.unclaimed() == {}
    while bench.store.upkeep.release_due(100):
        pass
    assert on_lists(bench) == (5, AHEAD)
    assert bench.row(job)["staged"] == "0"


def test_staged_work_stays_staged_while_every_queue_is_behind(bench: Bench) -> None:
    """Nothing would go sooner for it; it goes on when one has nothing left that waits."""
    job = start(bench, max_in_flight=1000)
    bench.stage(job, [SLOW, FAST] * 100)
    bench.commit(job, staged={2: 100, 1: 100})
    bench.store.upkeep.release_due(100)
    assert on_lists(bench) == (AHEAD, AHEAD)
    assert bench.counters(job) == (2 * AHEAD, 0, 2, 0)
    assert run_fast(bench, job) == 100
    assert bench.row(job)["staged"] == "0"


def test_each_lane_keeps_its_order(bench: Bench) -> None:
    """As that of a job on one queue does."""
    job = start(bench, max_in_flight=2)
    bench.commit(job, emitted=[FAST, SLOW] * 4)
    invocations = []
    while unclaimed := bench.unclaimed():
        (invocation,) = (member.partition("/")[2] for member in unclaimed)
        bench.start(job, invocation, "r")
        bench.commit(job, invocation, "r")
        invocations.append(invocation)
    assert invocations == ["2.1.0", "4.1.0", "6.1.0", "8.1.0"]


@pytest.mark.parametrize("end", ["complete", "cancel", "fail"])
def test_lanes_end_with_their_job(bench: Bench, end: str) -> None:
    """Their counts and parked invocations go at once, or when a failed job is forgotten."""
    job = start(bench, max_in_flight=2)
    bench.commit(job, emitted=[SLOW] * 3 + [FAST] * 3)
    if end == "cancel":
        bench.store.control.cancel(job, "")
        # A message that is popped later does not bring them back.
        bench.claim(job, "2.2.0")
    elif end == "fail":
        bench.start(job, "5.1.0")
        bench.fail(job, "5.1.0")
    else:
        run_fast(bench, job)
        for invocation in ("2.2.0", "3.2.0", "4.2.0"):
            bench.start(job, invocation)
            bench.commit(job, invocation)
        assert bench.status(job) == "completed"
    lanes = [key for key in bench.every_key() if f":{job}" in key and key[-2:] in (":b", ":l")]
    ttls: list[int] = [bench.link.call("PTTL", key) for key in lanes]
    assert len(lanes) == (3 if end == "fail" else 0)
    assert all(ttl > 0 for ttl in ttls)


def test_a_failed_job_goes_on_in_all_lanes(bench: Bench) -> None:
    """A retry lets each of them have what it had."""
    job = start(bench, max_in_flight=2)
    bench.commit(job, emitted=[SLOW] * 3 + [FAST] * 3)
    bench.start(job, "5.1.0")
    bench.fail(job, "5.1.0")
    bench.store.control.retry(job)
    assert on_lists(bench) == (1, 1)
    assert run_fast(bench, job) == 3
    assert bench.counters(job) == (1, 0, 2, 0)
