"""Staging: part of a large emission waits in the store, unseen, for the commit of its attempt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from flowforge.execution.effects import AS_OUTPUTS
from flowforge.store.server.link import Argument, Link
from flowforge.worker.upkeep.deletions import Deletions
from tests.contract.bench import LARGE, Bench, Emitted, record
from tests.support.eventually import eventually

FIVE: list[Emitted] = [(1, 0, "")] * 5


def segments(bench: Bench) -> list[str]:
    """Keys of what is staged."""
    return [key for key in bench.every_key() if key.startswith(bench.key("segment"))]


def run_all(bench: Bench, job: str) -> list[str]:
    """Run whatever is queued until nothing is; the invocations in the order of running."""
    ran = []
    while unclaimed := [m for m in bench.unclaimed() if m.startswith(job)]:
        invocation = min(unclaimed, key=bench.unclaimed().__getitem__).partition("/")[2]
        bench.start(job, invocation, "r")
        bench.commit(job, invocation, "r")
        ran.append(invocation)
    return ran


def test_staged_emissions_follow_the_commit(bench: Bench) -> None:
    """They become invocations in their order, behind those of the commit itself."""
    job = bench.submit()
    bench.start(job)
    assert bench.stage(job, [(1, 0, ""), (1, 1, "m")]) == "ok"
    assert bench.stage(job, [(2, 0, "o")], already=2) == "ok"
    assert bench.invocations(job) == {"1.0.0"}
    assert bench.commit(job, emitted=[(0, 1, "")], staged={1: 2, 2: 1}) == "ok"
    assert bench.invocations(job) == {"2.0.1", "3.1.0", "4.1.1.1", "5.2.0"}
    assert bench.hash("invocations", job)["4.1.1.1"] == record(1, r=1, s=1)
    assert bench.row(job)["staged"] == "0"
    assert segments(bench) == []


def test_staged_outputs_become_visible_after_the_commit(bench: Bench) -> None:
    """In their order, behind those of the commit; as many as the job keeps, and all are counted."""
    job = bench.submit(output_limit=4)
    bench.start(job)
    assert (
        bench.store.invocations.stage_outputs(job, "1.0.0", "t", [b"b", b"c", b"d", b"e"], 0)
        == "ok"
    )
    assert bench.outputs(job) == []
    assert bench.commit(job, outputs=[b"a"], staged={AS_OUTPUTS: 4}) == "ok"
    assert bench.outputs(job) == [b"a", b"b", b"c", b"d"]
    assert bench.row(job)["output_count"] == "5"
    assert bench.status(job) == "completed"
    assert segments(bench) == []


def test_staged_outputs_hold_up_no_join(bench: Bench) -> None:
    """They are nothing that is outstanding: no routine will deliver because of them."""
    job = bench.submit("1.0 all 0 fail 0\n")
    bench.start(job)
    bench.store.invocations.stage_outputs(job, "1.0.0", "t", [b"x"] * 3, 0)
    bench.commit(job, emitted=[(1, 0, "j0:")], staged={AS_OUTPUTS: 3})
    assert bench.invocations(job) == {"2.1.0"}
    assert "0" not in bench.hash("outstanding", job)
    assert len(bench.outputs(job)) == 3


def test_many_staged_outputs_are_released_by_the_upkeep(bench: Bench) -> None:
    """One script releases some hundreds; the job is not complete before all are there."""
    job = bench.submit(output_limit=10_000)
    bench.start(job)
    bench.store.invocations.stage_outputs(job, "1.0.0", "t", [b"x"] * 2500, 0)
    bench.commit(job, staged={AS_OUTPUTS: 2500})
    assert 100 < len(bench.outputs(job)) < 1000
    assert bench.status(job) == "running"
    while bench.store.upkeep.release_due(100):
        pass
    assert len(bench.outputs(job)) == 2500
    assert bench.status(job) == "completed"


def test_staged_emissions_respect_the_window(bench: Bench) -> None:
    """The job is not complete before the last of them; none of them is an invocation too early."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.stage(job, FIVE)
    bench.commit(job, staged={1: 5})
    assert bench.counters(job)[:3] == (2, 0, 0)
    assert bench.row(job)["staged"] == "3"
    assert len(run_all(bench, job)) == 5
    assert bench.status(job) == "completed"
    assert segments(bench) == []


def test_staged_outputs_wait_for_no_room(bench: Bench) -> None:
    """They start nothing, so a job that has all its handlers running shows them all the same."""
    job = bench.submit(max_in_flight=1)
    bench.start(job)
    bench.stage(job, FIVE)
    bench.store.invocations.stage_outputs(job, "1.0.0", "t", [b"a", b"b"], 0)
    bench.commit(job, emitted=[(0, 1, "")], staged={1: 5, AS_OUTPUTS: 2})
    assert bench.counters(job)[:3] == (1, 0, 0)
    assert bench.outputs(job) == [b"a", b"b"]
    assert bench.row(job)["staged"] == "5"
    assert len(run_all(bench, job)) == 6
    assert bench.status(job) == "completed"


@pytest.mark.parametrize("already", [0, 3, 4, 6])
def test_a_part_is_taken_for_a_repeat_only_if_it_fits(bench: Bench, already: int) -> None:
    """What does not end where the store's part ends is another part, not the same again."""
    job = bench.submit()
    bench.start(job)
    bench.stage(job, FIVE)
    before = bench.snapshot()
    assert bench.stage(job, FIVE[:3], already=already) == "incomplete"
    assert bench.snapshot() == before
    assert bench.stage(job, FIVE[:3], already=2) == "ok"
    assert bench.snapshot() == before


@pytest.mark.parametrize("there", [4, 6])
def test_a_commit_is_refused_without_all_that_was_staged(bench: Bench, there: int) -> None:
    """Nothing of it is made: the attempt is still there to be run again."""
    job = bench.submit()
    bench.start(job)
    bench.stage(job, FIVE)
    (segment,) = segments(bench)
    bench.link.call(*(("LPOP", segment) if there == 4 else ("RPUSH", segment, b"x")))
    before = bench.snapshot()
    assert bench.commit(job, emitted=[(0, 1, "")], staged={1: 5}) == "incomplete"
    assert bench.snapshot() == before
    assert bench.release(job) == "ok"
    assert segments(bench) == []


def test_a_job_whose_staged_work_is_lost_fails(bench: Bench) -> None:
    """It would complete with work undone otherwise; it fails again when it is retried."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.stage(job, FIVE)
    bench.commit(job, staged={1: 5})
    bench.link.call("DEL", *segments(bench))
    bench.start(job, "2.1.0")
    bench.commit(job, "2.1.0")
    assert bench.status(job) == "failed"
    assert bench.hash("job", job)["error"] == b"missing 3"
    assert bench.store.control.retry(job) == "ok"
    assert bench.status(job) == "failed"


@pytest.mark.parametrize("outcome", ["error_continued", "skipped"])
def test_what_a_passed_over_attempt_staged_is_removed(bench: Bench, outcome: str) -> None:
    """It commits without its emissions: nobody would remove them later."""
    job = bench.submit()
    bench.start(job)
    bench.stage(job, FIVE)
    bench.store.invocations.stage_outputs(job, "1.0.0", "t", [b"x"], 0)
    assert len(segments(bench)) == 2
    assert bench.commit(job, outcome=outcome) == "ok"
    assert segments(bench) == []
    assert bench.status(job) == "completed"


def test_existing_work_goes_before_staged_work(bench: Bench) -> None:
    """What is under way is finished before more is begun."""
    job = bench.submit(max_in_flight=1)
    bench.start(job)
    bench.stage(job, FIVE[:2])
    bench.commit(job, emitted=[(0, 1, ""), (0, 1, "")], staged={1: 2})
    assert [invocation.split(".", 1)[1] for invocation in run_all(bench, job)] == [
        "0.1",
        "0.1",
        "1.0",
        "1.0",
    ]


def test_a_paused_job_releases_nothing(bench: Bench) -> None:
    """Staged work waits for the resume like parked work."""
    job = bench.submit()
    bench.start(job)
    bench.stage(job, FIVE)
    bench.pause(job)
    bench.commit(job, staged={1: 5})
    assert bench.counters(job) == (0, 0, 0, 0)
    assert bench.status(job) == "paused"
    bench.store.control.resume(job)
    assert bench.counters(job)[0] == 5


@pytest.mark.parametrize("end", ["fail", "retry_later", "release", "reclaim"])
def test_what_an_attempt_staged_goes_with_it(bench: Bench, end: str) -> None:
    """A failed or lost attempt leaves nothing behind; the next stages anew."""
    job = bench.submit()
    bench.start(job, lease=-1)
    bench.stage(job, FIVE)
    if end == "reclaim":
        bench.reclaim(9, 10)
    else:
        getattr(bench, end)(job)
    assert segments(bench) == []


def test_a_cancel_drops_what_is_staged(bench: Bench) -> None:
    """Released or not: of a cancelled job nothing is left to run, and the upkeep removes it."""
    job = bench.submit(max_in_flight=1)
    bench.start(job)
    bench.stage(job, FIVE)
    bench.commit(job, staged={1: 5})
    bench.start(job, "2.1.0")
    bench.stage(job, FIVE, "2.1.0")
    bench.store.control.cancel(job, "")
    assert bench.commit(job, "2.1.0", staged={1: 5}) == "dropped"
    assert not bench.link.call("EXISTS", bench.key("segments", job))
    Deletions(bench.store).run_once()
    assert segments(bench) == []


def test_a_failed_job_keeps_what_is_staged(bench: Bench) -> None:
    """A retry of the job continues with it."""
    job = bench.submit(max_in_flight=2)
    bench.start(job)
    bench.stage(job, FIVE)
    bench.commit(job, staged={1: 5})
    bench.start(job, "2.1.0")
    bench.fail(job, "2.1.0")
    bench.store.control.retry(job)
    assert all(bench.link.call("PTTL", key) == -1 for key in segments(bench))
    assert len(run_all(bench, job)) == 5
    assert bench.status(job) == "completed"


def test_what_a_failed_job_staged_goes_with_the_job(bench: Bench) -> None:
    """Nobody retried it: retention throws it away, however many attempts had staged."""
    job = bench.submit(max_in_flight=2, retention_ms=20)
    bench.start(job)
    bench.stage(job, FIVE)
    bench.commit(job, staged={1: 5})
    bench.start(job, "2.1.0")
    bench.fail(job, "2.1.0")
    assert eventually(lambda: bench.store.upkeep.prune(10)) == 1
    Deletions(bench.store).run_once()
    assert not [key for key in bench.every_key() if job in key]


def test_only_the_holder_of_the_lease_can_stage(bench: Bench) -> None:
    """Without the lease, or when the job has ended, nothing is kept."""
    job = bench.submit()
    assert bench.stage(job, FIVE) == "stale"
    bench.start(job)
    assert bench.stage(job, FIVE, token="guess") == "stale"
    bench.store.control.cancel(job, "")
    assert bench.stage(job, FIVE) == "stale"
    assert bench.stage("nosuchjob", FIVE) == "stale"
    assert segments(bench) == []


@LARGE
def test_a_large_staged_emission_is_released_in_steps(bench: Bench) -> None:
    """Thousands of emissions: each exactly once, however many scripts it takes."""
    job = bench.submit(max_in_flight=10_000)
    bench.start(job)
    for part in range(4):
        bench.stage(job, [(1, 0, "")] * 200, already=200 * part)
    bench.commit(job, staged={1: 800})
    assert len(run_all(bench, job)) == 800
    assert bench.status(job) == "completed"


class Twice:
    """A link that loses every first reply and sends the command again, as a link may."""

    def __init__(self, link: Link) -> None:
        self._link = link

    def call(self, *command: Argument) -> Any:
        if command[0] in ("EVALSHA", "EVAL"):
            self._link.call(*command)
        return self._link.call(*command)

    def many(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        return self._link.many(commands)


def straight(bench: Bench, twice: bool) -> dict[str, Any]:
    """A job with staged emissions from its submission to its end; what it did."""
    once, lossy = bench.store.link, Twice(bench.link)

    def lose(action: Callable[[], Any]) -> None:
        bench.store.link = lossy if twice else once
        action()
        bench.store.link = once

    job = bench.submission(idempotency_key="k")
    lose(lambda: bench.send(job, bench.fields()))
    lose(lambda: bench.claim(job.job_id, "1.0.0"))
    lose(lambda: bench.stage(job.job_id, [(1, 0, "")] * 3))
    lose(lambda: bench.stage(job.job_id, [(2, 0, "")] * 3, already=3))
    lose(
        lambda: bench.commit(
            job.job_id, emitted=[(0, 1, "m")], outputs=[b"x"], stats=[("add", "0.n", "1")],
            staged={1: 3, 2: 3},
        )
    )  # fmt: skip
    lose(lambda: bench.claim(job.job_id, "2.0.1.1", "t2"))
    lose(lambda: bench.retry_later(job.job_id, "2.0.1.1", "t2", -1))
    lose(lambda: bench.store.upkeep.release_due(10))
    lose(lambda: bench.claim(job.job_id, "2.0.1.1", "t3", -1))
    lose(lambda: bench.reclaim(9, 10))
    lose(lambda: bench.store.control.resume(job.job_id))
    row = bench.row(job.job_id)
    return {
        "invocations": sorted(bench.invocations(job.job_id)),
        "sent": sorted(invocation for _, invocation in bench.sent() + bench.sent(bench.other_list)),
        "history": bench.history(job.job_id),
        "outputs": bench.outputs(job.job_id),
        "stats": bench.hash("stats", job.job_id),
        "merges": bench.hash("merges", job.job_id),
        "counters": (bench.counters(job.job_id), row["staged"], row["last"], row["output_count"]),
        "segments": segments(bench),
    }


def test_every_transition_may_be_sent_twice(bench: Bench) -> None:
    """A reply that is lost costs nothing: the same bytes again have no further effect."""
    expected = straight(Bench(bench.link, bench.client, f"{bench.prefix}a"), False)
    assert straight(Bench(bench.link, bench.client, f"{bench.prefix}b"), True) == expected
