"""The progress of a job as text."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from rich.cells import cell_len

from flowforge.cli.terminal.progress_text import Rates, frame, routine_words, rows_of
from flowforge.cli.terminal.render import local_time
from flowforge.model.jobs.job_progress import JobProgress
from tests.unit.cli.progress import AT, job, one


def drawn(progress: JobProgress, rates: Rates | None = None, width: int = 80) -> list[str]:
    return [line.plain for line in frame(progress, rates or Rates(), width, 24)]


def test_a_frame_says_how_far_each_routine_is() -> None:
    """The total, the rate and the time left, where they are known."""
    rates = Rates()
    halves = one("convert", 20, 40, running=2, retried=1)
    for at in range(3):
        seen = replace(halves, done=10 + 5 * at)
        rates.add(float(at), job(one("split", 1, 1), seen, waiting={"queued": 18}))
    created = local_time(AT)
    assert drawn(job(one("split", 1, 1), halves, waiting={"queued": 18}), rates) == [
        f"job 7c1e-323af1d0d42dbfbde90b: running, created {created}",
        "[##########----------] 51%  21 of 41 invocations  5/s  4 s left",
        "2 running, 18 queued",
        "",
        "ROUTINE   DONE     %  RUNNING  RATE  LEFT    USUAL",
        "split      1/1  100%        0     -     -  20.0 ms",
        "convert  20/40   50%        2   5/s   4 s  20.0 ms  1 retried",
    ]


def test_what_is_not_known_is_not_told() -> None:
    """No percentage of a total that may grow; an estimate is marked."""
    again = one("again", 20, 40, total_is_final=False, is_estimate=True, usual_seconds=None)
    lines = drawn(job(again, waiting={"in_turn": 19, "timer": 1}))
    assert lines[1] == "20 of at least 40 invocations"
    assert lines[2] == "19 parked behind those queued, 1 on timers"
    assert lines[5].split() == ["again", "20/~40+", "-", "0", "-", "-", "-"]


def test_how_a_job_has_ended() -> None:
    """And what is left of it."""
    found = job(
        one("it", 1, 2, failed=1), status="failed", waiting={"failed": 1},
        ended_at=AT + timedelta(seconds=90),
    )  # fmt: skip
    lines = drawn(found)
    assert lines[1] == "[##########----------] 50%  1 of 2 invocations"
    assert lines[2] == "ended 1 min 30 s after it was created, 1 parked until a retry"


@pytest.mark.parametrize("width", [1, 40, 50, 60, 79, 120])
def test_a_frame_fits_the_terminal(width: int) -> None:
    """However long the names are, and whatever has happened; the name and the share stay."""
    names = ("split", "a_routine_with_a_very_long_name_indeed", "日本語のルーチン" * 4)
    routines = [one(name, 99_999, 100_000, running=7, retried=12, lost=3) for name in names]
    waiting = dict.fromkeys(("queued", "timer", "child", "join", "max_in_flight"), 1000)
    lines = frame(job(*routines, waiting=waiting), Rates(), width, 24, "no answer " * 9)
    most = max(width, 40)
    assert max(cell_len(line.plain) for line in lines) <= most
    assert all("99999/100000" in line.plain for line in lines[5:])
    assert lines[5].plain.startswith("split")
    assert ("USUAL" in lines[4].plain) == (width >= 79)


def test_a_flow_that_is_longer_than_the_terminal() -> None:
    """Those that go on or have failed are shown, in the order of the flow; the rest is counted."""
    routines = [one(f"r{place}", 5, 5) for place in range(40)]
    routines[20] = one("r20", 2, 5, running=1)
    routines[33] = one("r33", 2, 5, failed=1)
    lines = [line.plain for line in frame(job(*routines), Rates(), 80, 10)]
    assert len(lines) < 10
    assert [line.split()[0] for line in lines[5:-1]] == ["r0", "r20", "r33"]
    assert lines[-1] == "and 37 more routines, 185 invocations done"


def test_a_frame_is_harmless() -> None:
    """A name may hold what a terminal obeys."""
    lines = drawn(job(one("\x1b[2Jit", 1, 2)))
    assert not any("\x1b" in line for line in lines)


def test_the_rows_of_lines_that_were_folded() -> None:
    """As many as a narrower terminal makes of them."""
    lines = frame(job(one("it", 1, 2)), Rates(), 79, 24)
    assert rows_of(lines, 80) == len(lines)
    assert rows_of(lines, 40) > len(lines)


def test_a_line_for_a_routine() -> None:
    """For where nothing can be drawn again."""
    assert routine_words(one("charge", 12, 40, retried=2)) == "charge 12/40 30% (2 retried)"
    assert routine_words(one("charge", 12, 40, total_is_final=False, running=1)) == (
        "charge 12/40+ (1 running)"
    )
