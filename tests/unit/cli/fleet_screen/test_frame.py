"""How the screen looks: whole on 80 by 24, and readable without colours."""

from __future__ import annotations

import pytest
from rich.cells import cell_len

from flowforge.cli.fleet_screen.frame import as_lines, frame
from flowforge.cli.fleet_screen.keys import ENTER
from flowforge.cli.fleet_screen.look import View
from flowforge.cli.fleet_screen.state import Screen
from flowforge.model.jobs.status import JobStatus
from tests.unit.cli.fleet_screen.looks import (
    HOSTILE,
    fleet,
    job,
    look,
    opened,
    press,
    screen_with,
    totals,
)


def lines_of(screen: Screen, width: int = 80, height: int = 24, now: float = 0.0) -> list[str]:
    return as_lines(frame(screen, width, height, now))


def test_jobs() -> None:
    """The view, the counts, a sign at the row, a mark, the status as a word."""
    screen = screen_with(job(1), job(2, JobStatus.FAILED))
    press(screen, "x")
    lines = lines_of(screen)
    assert len(lines) == 24
    assert lines[0].startswith("flowforge  [1 jobs] 2 routines  3 queues  4 workers")
    assert lines[0].endswith("every 1 s, 0 commands/s")
    assert lines[1].startswith("jobs: 0 pending, 1 running, 0 paused, 0 completed, 1 failed")
    assert lines[3].split() == ["STATUS", "JOB", "FLOW", "WORK", "CREATED"]
    assert lines[4].startswith(">xrunning")
    assert lines[5].startswith("  failed")
    assert lines[-1].startswith("1 marked  / search")


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 10), (10, 3), (1, 1), (200, 60)])
def test_every_frame_fits(width: int, height: int) -> None:
    """Whatever the names are, in each view, with a job open, and while a question waits."""
    screens = [
        screen_with(*(job(n, flow_id=HOSTILE) for n in range(300))),
        screen_with(view=View.ROUTINES, routines=[totals(10**9)]),
        screen_with(view=View.QUEUES, fleets=[fleet()]),
        screen_with(view=View.WORKERS, fleets=[fleet()]),
        Screen(search=HOSTILE, typing=HOSTILE, message=HOSTILE),
    ]
    open_job = screen_with(job(1))
    press(open_job, ENTER)
    open_job.see(look(open_job, job=opened(job(1))), 0.0)
    asking, helping = screen_with(job(1)), screen_with(job(1))
    press(asking, "p")
    press(helping, "?")
    for screen in (*screens, open_job, asking, helping):
        lines = lines_of(screen, width, height)
        assert len(lines) == height
        assert all(cell_len(line) <= width for line in lines)
        assert not any(sign in line for line in lines for sign in "\x1b\u202e\n")


def test_the_row_stays_in_sight() -> None:
    screen = screen_with(*(job(n) for n in range(300)))
    for _ in range(250):
        press(screen, "j")
    (here,) = [line for line in lines_of(screen) if line.startswith(">")]
    assert "j250 " in here


def test_a_question_says_what_will_happen() -> None:
    screen = screen_with(job(1), job(2))
    press(screen, "x", "j", "x", "c")
    lines = lines_of(screen)
    assert lines[-1] == "cancel 2 jobs? y or n"
    assert any(line.startswith("The job ends for good: what waits is dropped") for line in lines)


def test_routines_have_a_rate_after_some_looks() -> None:
    screen = screen_with(view=View.ROUTINES, routines=[totals(100)])
    assert lines_of(screen)[4].split() == [
        ">", "orders", "charge", "-", "100", "1", "2", "0", "250", "ms",
    ]  # fmt: skip
    screen.see(look(screen, routines=[totals(150)]), 5.0)
    assert "10/s" in lines_of(screen)[4]


def test_queues_and_workers_say_how_they_stand_in_words() -> None:
    queues = lines_of(screen_with(view=View.QUEUES, fleets=[fleet()]))
    assert queues[4].split()[:5] == [">", "gpu", "unserved", "12", "1"]
    assert queues[4].endswith("flowforge worker -Q gpu")
    workers = lines_of(screen_with(view=View.WORKERS, fleets=[fleet()]))
    assert workers[4].split()[:6] == [">", "w1", "silent", "30", "s", "0"]


def test_a_job() -> None:
    """What it waits for first, with the command; then its routines, then their errors."""
    screen = screen_with(job(1, JobStatus.FAILED))
    press(screen, ENTER)
    screen.see(look(screen, job=opened(job(1, JobStatus.FAILED))), 0.0)
    lines = [line for line in lines_of(screen) if line]
    assert lines[2] == "job j1 of flow orders: failed"
    assert lines[4] == "failed: it failed: no money -> flowforge retry j1"
    assert lines[5].split()[:3] == ["ROUTINE", "STATUS", "DONE"]
    assert lines[6].split()[:2] == ["charge", "failed"]
    assert "charge: ValueError: \\x1b[31mred" in lines[8]


def test_an_outage_is_told_and_what_was_there_stays() -> None:
    screen = screen_with(job(1))
    screen.fail("the server at localhost:1 does not answer", 10.0)
    screen.fail("the server at localhost:1 does not answer", 12.0)
    lines = lines_of(screen, now=15.0)
    assert lines[2].startswith("no answer from the server for 5.0 s; still trying: the server at")
    assert "j1" in lines[4]
    screen.see(look(screen, job(1)), 16.0)
    assert lines_of(screen, now=17.0)[2] == ""
    screen.asked_at = 17.0
    assert lines_of(screen, now=21.0)[2] == "no answer for 4.0 s; waiting"


def test_a_server_that_is_left_out_and_an_upkeep_that_nobody_does() -> None:
    screen = screen_with(job(1), leading=False)
    assert lines_of(screen)[2] == "no worker does the upkeep: retries and lost work wait"
    assert screen.look is not None
    screen.look.silent.append("b does not answer")
    assert lines_of(screen)[2] == "left out: b does not answer"


def test_no_jobs() -> None:
    assert lines_of(screen_with())[3] == "no jobs yet"
    assert lines_of(Screen())[3] == "reading ..."
