"""The ways in which a job ends, with what each leaves behind."""

from __future__ import annotations

from collections.abc import Callable

from tests.contract.bench import LONG, Bench


def end_completed(bench: Bench, job: str) -> None:
    bench.start(job)
    bench.commit(job, outputs=[b"x"], stats=[("add", "0.n", "1")])


def end_failed(bench: Bench, job: str) -> None:
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "m"), (1, 0, "m")], outputs=[b"x"])
    bench.start(job, "2.1.0.1", "t2")
    bench.retry_later(job, "2.1.0.1", "t2", delay=-1)
    bench.start(job, "3.1.0.2", "t3")
    bench.fail(job, "3.1.0.2", "t3")
    bench.store.upkeep.release_due(10)


def end_cancelled(bench: Bench, job: str) -> None:
    bench.start(job)
    bench.commit(job, emitted=[(1, 0, "o")])
    bench.pause(job, "look", {"step": 1})
    bench.store.control.cancel(job, "enough")
    bench.claim(job, "2.1.0")


def end_with_timers(bench: Bench, job: str, end: Callable[[str], object]) -> None:
    """A retry that is far away, one join that has fired and one that is open."""
    bench.start(job)
    bench.commit(job, emitted=[(0, 1, ""), (0, 1, ""), *[(1, 0, "j2:a")] * 2, (1, 0, "j2:b")])
    bench.start(job, "2.0.1", "t2")
    bench.retry_later(job, "2.0.1", "t2", delay=LONG)
    end(job)


def end_cancelled_with_timers(bench: Bench, job: str) -> None:
    end_with_timers(bench, job, lambda job: bench.store.control.cancel(job, ""))


def end_failed_with_timers(bench: Bench, job: str) -> None:
    def fail(job: str) -> None:
        bench.start(job, "3.0.1", "t3")
        bench.fail(job, "3.0.1", "t3")

    end_with_timers(bench, job, fail)


ENDS = [
    end_completed, end_failed, end_cancelled, end_cancelled_with_timers, end_failed_with_timers,
]  # fmt: skip
