"""What each key does to the screen."""

from __future__ import annotations

from flowforge.cli.fleet_screen.keys import BACKSPACE, ENTER, ESCAPE, TAB
from flowforge.cli.fleet_screen.look import View, query_of
from flowforge.cli.fleet_screen.state import Act, Screen
from flowforge.engine.jobs.job_actions import JOB_ACTIONS
from flowforge.model.jobs.status import JobStatus
from flowforge.store.fleet_reads.finding import Query
from tests.unit.cli.fleet_screen.looks import job, look, opened, press, screen_with

FAILED = JobStatus.FAILED


def test_the_row_stays_with_its_job() -> None:
    """A job that comes above does not move what is chosen; one that goes leaves the row."""
    screen = screen_with(job(1), job(2), job(3))
    press(screen, "j")
    assert screen.selected == "j2"
    screen.see(look(screen, job(9), job(1), job(2), job(3)), 1.0)
    assert (screen.selected, screen.rows[View.JOBS]) == ("j2", 2)
    screen.see(look(screen, job(9)), 2.0)
    assert screen.selected == "j9"
    press(screen, "k", "k", "j", "j", "j")
    assert screen.rows[View.JOBS] == 0


def test_failed_jobs_are_stepped_through() -> None:
    screen = screen_with(job(1), job(2, FAILED), job(3), job(4, FAILED))
    press(screen, "]", "]")
    assert screen.selected == "j4"
    press(screen, "]")
    assert "no failed job" in screen.message
    press(screen, "[")
    assert screen.selected == "j2"


def test_nothing_is_done_without_a_yes() -> None:
    """The question says what; any other key than y leaves all as it was."""
    screen = screen_with(job(1))
    assert press(screen, "p") is None
    assert screen.question == Act(JOB_ACTIONS["pause"], ("j1",))
    assert press(screen, "q") is None
    assert (screen.question, screen.ended, screen.message) == (None, False, "nothing was done")
    assert press(screen, "c", "y") == Act(JOB_ACTIONS["cancel"], ("j1",))


def test_r_resumes_what_is_paused_and_retries_what_failed() -> None:
    assert press(screen_with(job(1, JobStatus.PAUSED)), "r", "y") == Act(
        JOB_ACTIONS["resume"], ("j1",)
    )
    assert press(screen_with(job(1, FAILED)), "r", "y") == Act(JOB_ACTIONS["retry"], ("j1",))
    screen = screen_with(job(1))
    press(screen, "r")
    assert screen.question is None
    assert screen.message == "resume or retry fits no job that is chosen"


def test_marked_jobs_are_acted_on_together() -> None:
    """Those that the action fits; the marks are gone afterwards."""
    screen = screen_with(job(1), job(2, JobStatus.COMPLETED), job(3))
    press(screen, "x", "j", "x", "j", "x")
    assert press(screen, "p", "y") == Act(JOB_ACTIONS["pause"], ("j1", "j3"))
    assert screen.marked == set()


def test_a_job_is_opened_and_left() -> None:
    screen = screen_with(job(1), job(2))
    press(screen, "j", ENTER)
    assert screen.wanted.job_id == "j2"
    screen.see(look(screen, job=opened(job(2))), 1.0)
    assert press(screen, "p", "y") == Act(JOB_ACTIONS["pause"], ("j2",))
    press(screen, ESCAPE)
    assert screen.wanted.job_id is None
    press(screen, "e")
    assert screen.job_id == "j2"


def test_an_open_job_that_was_not_read_yet_cannot_be_changed() -> None:
    screen = screen_with(job(1))
    press(screen, ENTER)
    assert press(screen, "c", "y") is None
    assert screen.message == ""


def test_views_by_tab_and_number() -> None:
    screen = Screen()
    press(screen, TAB, TAB)
    assert screen.view is View.QUEUES
    press(screen, TAB, TAB)
    assert screen.view is View.JOBS
    press(screen, "4")
    assert screen.view is View.WORKERS
    assert press(screen, "p") is None
    assert screen.message == "no job is chosen"


def test_a_search_is_typed() -> None:
    """Keys are letters meanwhile; Escape gives it up, and later takes it back."""
    screen = screen_with(job(1))
    press(screen, "/", "q", "f", BACKSPACE, "?", ENTER)
    assert (screen.search, screen.typing, screen.ended) == ("q?", None, False)
    assert screen.shown is None
    press(screen, "/", "x", ESCAPE)
    assert screen.search == "q?"
    press(screen, ESCAPE)
    assert screen.search == ""


def test_what_can_be_searched() -> None:
    assert query_of("failed flow:orders tenant=acme 'no money'") == Query(
        "orders", "failed", {"tenant": "acme"}, text="no money"
    )
    assert query_of("") == Query()
    assert query_of("it's") == Query(text="it's")
    assert query_of("a=" + "x" * 1000).text is not None


def test_help_goes_away_with_any_key() -> None:
    screen = screen_with(job(1))
    press(screen, "?")
    assert screen.helping
    press(screen, "q")
    assert (screen.helping, screen.ended) == (False, False)
    press(screen, "q")
    assert screen.ended
