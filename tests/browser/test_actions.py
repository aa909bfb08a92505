"""Every action of the dashboard, done by a person in a real browser: each asks, and is done."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from flowforge import Bulk, JobState, Queue, ScheduleState
from flowforge.engine.current import current_engine
from flowforge.store.fleet_reads.dead_letters import DeadLetters
from flowforge.web.views import PAGES
from tests.browser.flows import HOSTILE, SEEN, above, asking, failing
from tests.integration.installation import Installation
from tests.support.eventually import eventually

pytestmark = [pytest.mark.timeout(110), pytest.mark.usefixtures("no_settings")]

expect.set_options(timeout=25_000)


def click(page: Page, link: str) -> None:
    """Follow a link of the page, or press a button."""
    page.get_by_role("link", name=link, exact=True).first.click()


def act(page: Page, link: str, button: str = "", said: str = "", **fields: str) -> None:
    """Click the link of an action, fill in what it asks, and send it."""
    click(page, link)
    send(page, button or link, said, **fields)


def send(page: Page, button: str, said: str = "", **fields: str) -> None:
    """Send the form of a question, on its page or in a dialog; the next page says what was done."""
    question = page.locator(".question").last
    for label, text in fields.items():
        question.get_by_label(label.replace("_", " ")).first.fill(text)
    question.get_by_role("button", name=button, exact=True).click()
    expect(page.locator(".said")).to_contain_text(said)


def failed(amount: int = 40) -> JobState:
    return failing.execute("charge", {"amount": amount}).wait(20)


def put_off() -> JobState:
    return failing.execute("charge", {"amount": 40}, delay=3600)


# --- the rule ----------------------------------------------------------------------------------


def actions_of_tests() -> Iterator[str]:
    """The actions that the tests in this directory do, as their marks say."""
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.does":
                yield from (ast.literal_eval(one) for one in node.args)


def test_every_action_is_done_in_a_browser() -> None:
    """An action without a test fails here, and a test that does not do its actions fails itself."""
    assert set(actions_of_tests()) == {page.action for page in PAGES if page.method == "POST"}


# --- jobs --------------------------------------------------------------------------------------


@pytest.mark.does("start now", "retry", "cancel", "delete")
def test_a_job_is_controlled(page: Page) -> None:
    """It starts before its time, is retried after its failure, and ends for good."""
    job = put_off()
    page.goto(f"/jobs/{job.job_id}")
    act(page, "Start now", said="starts now")
    job.wait(20)
    expect(page.locator(".job-head .status").first).to_contain_text("failed")
    act(page, "Retry", said="goes on", Reason="the bank is back")
    eventually(lambda: job.status == "failed")
    other = put_off()
    page.goto(f"/jobs/{other.job_id}")
    act(page, "Cancel", said="is cancelled", Reason="enough")
    act(page, "Delete", said="is deleted")
    assert [one.job_id for one in JobState.find(text=other.job_id)] == []


def at_breakpoint(page: Page) -> JobState:
    """The page of a job whose only invocation has stopped at a breakpoint."""
    job = failed()
    job.break_at("charge", by="anna")
    job.retry()
    page.goto(f"/jobs/{job.job_id}")
    expect(page.locator(".explain")).to_contain_text("has stopped at a breakpoint")
    return job


@pytest.mark.does("break", "step", "clear breakpoint", "continue at routine", "continue")
def test_a_job_stops_where_a_breakpoint_is(page: Page) -> None:
    """Set from the graph, with a condition; then it goes on in each of the ways."""
    job = failed()
    page.goto(f"/jobs/{job.job_id}")
    page.locator("a.pin").click()
    send(page, "Set the breakpoint", "stops at routine charge", Only_if="amount>5")
    expect(page.locator("a.pin.set")).to_have_count(1)
    expect(page.locator("table.breakpoints")).to_contain_text("amount > 5")
    for link, button, said in (
        ("Step", "Step", "Invocation 1 of job"), ("Continue", "Continue", "goes on"),
        ("Continue all that has stopped at charge", "Continue", "routine charge goes on"),
        ("Clear the breakpoint at charge", "Clear", "no more breakpoint"),
    ):  # fmt: skip
        job = at_breakpoint(page)
        act(page, link, button, said)
        assert job.wait(20).counts["stopped"] == 0


@pytest.mark.does("run now", "reschedule", "fork", "run again")
def test_an_invocation_is_moved_and_copied(page: Page) -> None:
    """What is put off is put off longer, and then runs; copies of it are jobs of their own."""
    job = put_off()
    invocation = f"/jobs/{job.job_id}/invocations/1"
    page.goto(invocation)
    act(page, "Reschedule", said="has another time", **{"So long from now": "2h"})
    act(page, "Run now", said="runs")
    job.wait(20)
    page.goto(invocation)
    click(page, "Fork")
    page.get_by_label("amount").fill("41")
    page.get_by_role("button", name="Show the difference").click()
    send(page, "Fork", "is a fork of job")
    page.goto(f"/jobs/{job.job_id}")
    click(page, "Run again")
    page.get_by_role("button", name="Show the difference").click()
    send(page, "Run again", "runs what job")


@pytest.mark.does("answer")
def test_an_answer_is_given(page: Page) -> None:
    """From the page of the job to the form, and the job goes on with it."""
    job = asking.execute("ask")
    eventually(lambda: job.counts["expected"] == 1)
    page.goto(f"/jobs/{job.job_id}")
    page.get_by_role("link", name="ask.decision").click()
    page.get_by_label("approved").select_option("true")
    send(page, "Answer", "was delivered", note="paid in cash")
    output = job.wait(20).outputs[-1]
    assert output.params == {"approved": True, "note": "paid in cash"}


def test_of_two_people_one_answers(page: Page) -> None:
    """From the overview to the form; the second one hears of the first."""
    for found in JobState.find(flow="asking", status="running"):
        found.cancel()
    job = asking.execute("ask")
    eventually(lambda: job.counts["expected"] == 1)
    page.goto("/")
    page.get_by_role("link", name="Answer: an answer for ask.decision").click()
    expect(page.locator("h1")).to_have_text(f"Invoice 7 {SEEN}")
    page.get_by_label("approved").select_option("false")
    job.deliver("ask", "decision", {"approved": True}, key=HOSTILE, by="kim")
    page.get_by_role("button", name="Answer").click()
    expect(page.locator(".message")).to_contain_text("kim has answered")
    assert job.wait(20).outputs[-1].params["approved"] is True


# --- schedules, queues, limits -------------------------------------------------------------------


@pytest.mark.does(
    "pause schedule", "resume schedule", "trigger schedule", "backfill schedule", "remove schedule"
)
def test_a_schedule_is_controlled(page: Page) -> None:
    """Paused, resumed, started by hand, made up for, and removed."""
    failing.schedule("hourly", "charge", {"amount": 40}, every=timedelta(hours=1)).save()
    own = "/schedules/one?name=hourly"
    page.goto(own)
    act(page, "Pause", said="is paused", Reason="audit")
    act(page, "Resume", said="goes on")
    act(page, "Run now", said="has started job")
    page.goto(own)
    click(page, "Backfill")
    page.get_by_label("From").fill("2h")
    page.get_by_label("If a job has not ended").select_option("allow")
    page.get_by_role("button", name="Show the times").click()
    send(page, "Start 2 jobs", "has 2 jobs started")
    act(page, "Remove", said="is removed")
    assert ScheduleState.all() == []


@pytest.mark.does("pause queue", "resume queue")
def test_a_queue_is_paused(page: Page) -> None:
    page.goto("/workers")
    act(page, "Pause queue celery", "Pause", "is paused", Reason="repairs")
    assert Queue("celery").paused is not None
    page.get_by_role("link", name="Resume queue celery").click()
    send(page, "Resume", "goes on")
    assert Queue("celery").paused is None


@pytest.mark.does("set limit", "disable limit", "enable limit", "reset limit")
def test_a_limit_is_changed(page: Page) -> None:
    """What is wrong with it is said; it is let in, and has what the code says again."""
    page.goto("/limits")
    click(page, "vendor")
    running = page.locator("input[name=running]")
    running.fill("many")
    page.get_by_role("button", name="Set").click()
    expect(page.locator(".message")).to_be_visible()
    running.fill("7")
    for button, said in (
        ("Set", "has running 7"), ("Disable", "lets everything in"), ("Enable", "counts again"),
        ("Reset", "has what the code says"),
    ):  # fmt: skip
        page.get_by_role("button", name=button, exact=True).click()
        expect(page.locator(".said")).to_contain_text(said)


# --- many jobs, dead letters ---------------------------------------------------------------------


@pytest.mark.does(
    "pause many", "resume many", "label many", "cancel many", "delete many", "abort bulk operation"
)
def test_many_jobs_are_acted_on(page: Page) -> None:
    """All that match the search; one operation is aborted."""
    rows = [{"amount": n} for n in range(3)]
    failing.execute_many("charge", rows, labels={"tenant": "many"}, delay=3600)
    for action, fields in (
        ("Pause", {"Jobs a second": "0.1"}), ("Resume", {}), ("Label", {"Set": "seen=yes"}),
        ("Cancel", {}), ("Delete", {}),
    ):  # fmt: skip
        page.goto("/jobs?label=tenant%3Dmany")
        page.get_by_label("With").select_option("all")
        page.locator("#bulk").get_by_role("button", name=action, exact=True).click()
        send(page, action, "has begun", Reason="order", **fields)
        if action == "Pause":
            act(page, "Abort", said="aborted")
        eventually(lambda: Bulk.recent(1)[0].progress.status != "running")
    assert len(JobState.find(labels={"tenant": "many"})) == 0


@pytest.mark.does("requeue dead letter", "drop dead letter")
def test_dead_letters_are_settled(page: Page) -> None:
    """One is sent again, and one is dropped."""
    letters = DeadLetters(current_engine().each[0].store)
    numbers = [letters.bury("celery", "it is no message", b'{"body": 1}') for _ in range(2)]
    page.goto("/dead-letters")
    for action, number, said in zip(
        ("Requeue", "Drop"), numbers, ("was sent again", "is dropped"), strict=True
    ):
        act(page, f"{action} letter {number}", action, said)


# --- what people only read -----------------------------------------------------------------------


def test_the_doctor_examines_again(site: Installation, page: Page) -> None:
    """What is wrong stands first, with what to do about it."""
    failed()
    page.goto("/doctor")
    page.get_by_role("link", name="Examine again").click()
    expect(page.locator("main")).to_contain_text("What to do:")
    expect(page.locator("h2").first).to_have_text("What is well")


def test_child_jobs_are_listed(page: Page) -> None:
    """From a job to one that it has started, which has ended, and back."""
    job = above.execute("begin", {"amount": 40}).wait(20)
    (child,) = JobState.find(parent=job.job_id)
    page.goto(f"/jobs/{job.job_id}")
    row = page.locator("table.jobs tr").filter(has_text=child.job_id)
    expect(row).to_contain_text("no: it has ended")
    row.get_by_role("link", name=child.job_id).click()
    expect(page.locator("ol.above")).to_contain_text("which waits for this job")
    page.locator("ol.above").get_by_role("link").click()
    expect(page).to_have_url(f"/jobs/{job.job_id}")
