"""Lines that handlers have logged, as they are kept with their jobs."""

from __future__ import annotations

import pytest

from flowforge.store.transitions.log_lines import Line, pack_line
from tests.contract.bench import LONG, Bench


def line(job: str, text: str = "hello") -> Line:
    return Line(job, "1.0.0", pack_line(1000, "INFO", "shop", text, "", 1, "w1"))


def keep(bench: Bench, *lines: Line, batch: int = 1, most: int = 1000, writer: str = "p1") -> int:
    return bench.store.log_lines.keep(writer, batch, most, lines)


def count(bench: Bench, job: str) -> int:
    found: int = bench.link.call("XLEN", bench.key("logs", job))
    return found


def test_lines_go_to_their_jobs(bench: Bench) -> None:
    """A batch has those of several; of a job that is gone there is nobody to keep them for."""
    one, other = bench.submit(), bench.submit()
    assert keep(bench, line(one), line(other), line(one), line("gone")) == 3
    assert (count(bench, one), count(bench, other), count(bench, "gone")) == (2, 1, 0)
    assert bench.link.call("PTTL", bench.key("logs", one)) == -1


def test_a_batch_that_is_sent_again_is_kept_once(bench: Bench) -> None:
    """Its reply may have been lost; the batches of another process have numbers of their own."""
    job = bench.submit()
    assert [keep(bench, line(job), batch=n) for n in (1, 1, 2, 1)] == [1, 0, 1, 0]
    assert keep(bench, line(job), writer="p2") == 1
    assert count(bench, job) == 3
    assert 0 < bench.link.call("PTTL", bench.key("log_writer", "p1")) <= LONG


def test_the_latest_lines_of_a_job_are_kept(bench: Bench) -> None:
    """About as many as are wanted."""
    job = bench.submit()
    for batch in range(1, 21):
        keep(bench, *[line(job)] * 50, batch=batch, most=300)
    assert 300 <= count(bench, job) <= 500


@pytest.mark.parametrize("late", [False, True])
def test_they_go_with_their_job(bench: Bench, late: bool) -> None:
    """Whether they come before its end or behind it."""
    job = bench.submit(retention_ms=LONG)
    bench.start(job)
    if late:
        bench.commit(job)
    keep(bench, line(job))
    if not late:
        bench.commit(job)
    assert bench.status(job) == "completed"
    assert 0 < bench.link.call("PTTL", bench.key("logs", job)) <= LONG


def test_a_retried_job_keeps_them(bench: Bench) -> None:
    """They tell of the attempt that failed."""
    job = bench.submit()
    bench.start(job)
    keep(bench, line(job))
    bench.fail(job)
    assert bench.link.call("PTTL", bench.key("logs", job)) > 0
    bench.store.control.retry(job)
    assert bench.link.call("PTTL", bench.key("logs", job)) == -1


def test_a_job_of_a_later_release_is_left_as_it_is(bench: Bench) -> None:
    """What its row means is not known here."""
    job = bench.submit()
    bench.link.call("HSET", bench.key("job", job), "v", 99)
    assert keep(bench, line(job)) == 0
    assert count(bench, job) == 0
